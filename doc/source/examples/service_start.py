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

from safe_fixtures.nova import SafeIntegratedTestBase  # isort: skip

from nova import service
from nova import test

from safe_fixtures import audit
from safe_fixtures.nova import InstalledNova
from safe_fixtures.nova import SafeTestCase
from safe_fixtures import ServiceStartGuard
from safe_fixtures.testing import expect_violation
from safe_fixtures import waive


class TestConductor(SafeTestCase):
    ALLOWED_SERVICES = ('conductor',)

    def test_only_the_conductor(self):
        self.start_service('conductor')
        started = [
            event['target']['name']
            for event in self.audit_trail.events
            if event['action'] == 'start/service'
        ]
        self.assertEqual(['nova-conductor on conductor'], started)

        with expect_violation('SF204'):
            self.start_service('scheduler')


class TestOneCompute(SafeIntegratedTestBase):
    def test_no_second_compute(self):
        with ServiceStartGuard(['conductor'], test=self):
            self.start_service('conductor', host='host2')
            with expect_violation('SF204') as seen:
                self._start_compute('host3')
        self.assertIn('nova-compute on host3', seen[0].message)


class TestOnBaseOfNova(test.TestCase):
    def setUp(self):
        self.useFixture(InstalledNova())
        self.useFixture(ServiceStartGuard(['conductor']))
        super().setUp()

    def test_only_the_conductor(self):
        self.start_service('conductor')
        with expect_violation('SF204'):
            self.start_service('scheduler')


class TestLeft(test.TestCase):
    def setUp(self):
        self.useFixture(InstalledNova())
        self._trail = self.useFixture(audit.AuditTrail())
        self.addCleanup(self.check)
        self.useFixture(ServiceStartGuard(['conductor']))
        super().setUp()

    @waive('SF205', reason='to show what is recorded')
    def test_timers_go_on(self):
        conductor = service.Service.create(
            host='host1', binary='nova-conductor'
        )
        conductor.start()
        self.addCleanup(conductor.rpcserver.wait)
        self.addCleanup(conductor.rpcserver.stop)

    def check(self):
        (left,) = (
            audit.details(event)
            for event in self._trail.events
            if event['action'] == 'evaluate/violation'
        )
        assert left['remains'] == ['a periodic timer runs']
        assert __file__ in left['stack'][0]
        assert self._trail.events[-1]['action'] == 'stop/service'
