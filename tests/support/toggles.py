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

"""A client with services to toggle, and its faults."""

import uuid

import safe_fixtures
from safe_fixtures.core import gate
from safe_fixtures.guards import services
from safe_fixtures import testing
from tests.support import base

ENABLED = services.ServiceState()
DISABLED = services.ServiceState(disabled=True)


class Client(testing.FakeComputeClient):
    """A client that knows the actions from before 2.53, and has faults.

    ``faults`` has what becomes of a put, by host.
    """

    def __init__(self, hosts=('host1', 'host2', 'host3')):
        super().__init__(list(hosts))
        self.faults = {}

    def put_service(self, service_id, req):
        """Change a service, if no fault is planned for it."""
        if service_id in ('enable', 'disable', 'disable-log-reason'):
            status = 'enabled' if service_id == 'enable' else 'disabled'
            change = {'status': status}
            if 'disabled_reason' in req:
                change['disabled_reason'] = req['disabled_reason']
            return super().put_service(self.uuid(req['host']), change)
        if service_id == 'force-down':
            return super().put_service(
                self.uuid(req['host']),
                {'forced_down': req['forced_down'] in (True, 'true')},
            )
        fault = self.faults.get(self.host(service_id))
        if fault is not None and not fault():
            return {}
        return super().put_service(service_id, req)

    def uuid(self, host):
        (found,) = (
            service['id'] for service in self.list() if service['host'] == host
        )
        return found

    def host(self, key):
        service = self._services.get(key)
        return service and service['host']

    def list(self):
        return list(self._services.values())

    def set(self, host, **values):
        self._services[self.uuid(host)].update(values)

    def delete(self, host):
        del self._services[self.uuid(host)]

    def state(self):
        return {
            service['id']: (
                service['status'],
                service['disabled_reason'],
                service['forced_down'],
            )
            for service in self.list()
        }

    def count(self, name):
        return sum(call[0] == name for call in self.calls)


def fails():
    raise ConnectionError('the API is down')


def fails_once():
    calls = []

    def fault():
        calls.append(None)
        return len(calls) > 1 or fails()

    return fault


def lies():
    return False


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.client = Client()
        self.before = self.client.state()

    def toggle(self, **kwargs):
        return safe_fixtures.SafeServiceToggle(api=self.client, **kwargs)

    def assertRestored(self, client=None):
        self.assertEqual(self.before, (client or self.client).state())
        self.assertNotIn('put_service', vars(client or self.client))
        self.assertEqual((), gate.OBSERVERS.users)


class Records:
    """Services of an API that a test tears down."""

    restarts = ()

    def snapshot(self):
        return {}

    def __init__(self, torn_down_by_test=True):
        self.torn_down_by_test = torn_down_by_test
        self.ref = services.ServiceRef(
            str(uuid.uuid4()), 'host1', 'nova-compute'
        )
        self.state = ENABLED
        self.watcher = None
        self.open = True

    def watch(self, watcher):
        self.watcher = watcher
        return lambda: setattr(self, 'watcher', None)

    def find(self, service):
        return self.ref

    def servers_on(self, ref):
        return []

    def read(self, ref):
        return self.state

    def read_all(self, refs):
        closed = services.ServiceUnreachable('the API is closed')
        return dict.fromkeys(refs, self.state if self.open else closed)

    def write(self, ref, state, timeout):
        changed = self.watcher.changing(ref, self.state)
        self.state = state
        changed(state)
        return 'written'

    def close(self):
        self.open = False
