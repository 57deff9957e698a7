# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Two computes, and the ways to take one out of service."""

import testtools

from safe_fixtures import audit
from safe_fixtures.guards import services
from safe_fixtures import testing
from tests.support import base

REASON = 'local delete is what the test is about'
SERVER = 'a5f5dd8f-8b92-4e4a-a0a4-5ea9a6d3f0c1'
IN_SERVICE = ('enabled', False)


def put(**body):
    """Return a function that sends a request about a host."""

    def way(case, host):
        case.client.put_service(case.id_of(host), body)

    return way


def disable(case, host):
    case.toggle.disable(host)


def disable_with_a_reason(case, host):
    case.toggle.disable(host, 'why')


def force_down(case, host):
    case.toggle.force_down(host)


# How a test takes a compute out of service: by its client, and by the
# toggle.
RAW = {
    'disable': put(status='disabled'),
    'disable, with a reason': put(status='disabled', disabled_reason='why'),
    'force down': put(forced_down=True),
    'both': put(status='disabled', forced_down=True),
}
OWN = {
    'toggle.disable': disable,
    'toggle.disable, with a reason': disable_with_a_reason,
    'toggle.force_down': force_down,
}
WAYS = {**RAW, **OWN}


class Computes:
    """A client with two computes: one with a server on it, one empty."""

    def setUp(self):
        super().setUp()
        self.client = testing.FakeComputeClient(
            ['full', 'empty'], servers={'full': [SERVER]}
        )
        self.trail = self.useFixture(audit.AuditTrail())
        self.toggle = self.useFixture(
            services.SafeServiceToggle(api=self.client, test=self)
        )

    def id_of(self, host):
        return self.client.get_services(host=host)[0]['id']

    def state(self, host='full'):
        service = self.client.get_services(host=host)[0]
        return service['status'], service['forced_down']

    def events(self, action):
        return [
            event for event in self.trail.events if event['action'] == action
        ]

    def content(self, action):
        (event,) = self.events(action)
        return event['attachments'][0]['content']


class TestCase(base.TestCase):
    def inner(self, act, host='full', leave=None, set_up=False):
        """Return a test that does something to a host."""
        outer = self

        class Inner(Computes, testtools.TestCase):
            def setUp(self):
                super().setUp()
                outer.case = self
                if set_up:
                    self.act()

            def act(self):
                act(self, host)
                if leave is not None:
                    leave(self)

            def test_it(self):
                if not set_up:
                    self.act()

        return Inner


def fail(case):
    case.fail('the test itself')


def err(case):
    raise ZeroDivisionError('the test itself')
