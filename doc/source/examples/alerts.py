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

from safe_fixtures import audit
from safe_fixtures.nova import SafeIntegratedTestBase


class TestMaintenance(SafeIntegratedTestBase):
    ADMIN_API = True

    def setUp(self):
        super().setUp()
        self.alerts = audit.Alerts(undeclared_toggles=True)
        self.audit_trail.add_sink(self.alerts)

    def test_declared(self):
        with self.service_toggle.disable('compute', reason='maintenance'):
            pass
        self.assertEqual([], self.alerts.raised(ended=True))

    def test_by_hand(self):
        service = self.compute.service_ref
        self.admin_api.microversion = '2.53'
        self.admin_api.put_service(service.uuid, {'status': 'disabled'})
        (alert,) = self.alerts.raised()
        self.assertEqual('toggle outside a declared block', alert.rule)
        self.assertEqual((self.id(),), alert.tests)
