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

"""Doubles of services, and of what starts them."""

import testtools

from safe_fixtures import audit
from safe_fixtures.guards import service_start
from tests.support import base

ServiceStartGuard = service_start.ServiceStartGuard
UUID = '0c4f1f7e-6c4f-4d0b-9d0e-7a2f3f3c9b10'


class Service:
    """A service that only notes that it runs."""

    def __init__(self, starts, binary, host='host1'):
        self.starts = starts
        self.binary = binary
        self.host = host
        self.remains = []
        starts.permit(self)
        starts.made.append(str(self))

    def __str__(self):
        return f'{self.binary} on {self.host}'

    def start(self):
        self.starts.permit(self)
        for watcher in self.starts.watchers:
            watcher.starting(self, self.binary, self.host)
        self.remains = ['it listens', '2 periodic timers run']
        for watcher in self.starts.watchers:
            watcher.started(self, UUID, 0.25, False)
        self.starts.started.append(str(self))

    def stop(self):
        self.remains = []


class OwnStart(Service):
    """A service whose own start() is not watched."""

    def start(self):
        self.remains = ['it listens']


class Starts:
    """A double of what starts services; see ``service_start.Starts``."""

    usual = ()

    def __init__(self):
        self.watchers = []
        self.made = []
        self.started = []
        self.halted = []
        self.seconds = []

    def watch(self, watcher):
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    def permit(self, service):
        for watcher in list(self.watchers):
            watcher.permit(service, service.binary, service.host)

    def remains(self, service):
        return list(service.remains)

    def halt(self, service, seconds):
        self.halted.append(str(service))
        self.seconds.append(seconds)
        service.stop()

    def start(self, binary='nova-compute', host='host1', cls=Service):
        service = cls(self, binary, host)
        service.start()
        return service


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.starts = Starts()
        # No test may leave anything to the next one.
        self.addCleanup(self.assertEqual, [], self.starts.watchers)
        self.addCleanup(self.assertEqual, [], service_start._active)

    def guard(self, *args, **kwargs):
        return ServiceStartGuard(*args, starts=self.starts, **kwargs)

    def inner(self, act, **attributes):
        """Return a test class that is guarded before its own set-up."""
        outer = self

        class Inner(testtools.TestCase):
            def setUp(self):
                outer.trail = self.useFixture(audit.AuditTrail())
                self.useFixture(outer.guard(test=self))
                super().setUp()

            def start(self, *args, **kwargs):
                service = outer.starts.start(*args, **kwargs)
                self.addCleanup(service.stop)
                return service

            def test_it(self):
                act(self)

        for name, value in attributes.items():
            setattr(Inner, name, value)
        return Inner

    def events(self, action):
        return [
            (event['target']['name'], event['outcome'], audit.details(event))
            for event in self.trail.events
            if event['action'] == action
        ]


def swallowed(test, binary):
    try:
        test.start(binary)
    except Exception:
        test.swallowed = True
