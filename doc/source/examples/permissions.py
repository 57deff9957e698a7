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

from safe_fixtures.guards.permissions import Deviation
from safe_fixtures.testing import expect_violation


class TestPermissions(SafeIntegratedTestBase):
    microversion = '2.79'

    def test_readers_do_not_delete(self):
        server = self._create_server(networks='none')
        self.assertServerPermissions(server)

        self.policy.set_rules(
            {'os_compute_api:servers:delete': 'role:reader'}, overwrite=False
        )
        with expect_violation('SF502') as seen:
            self.assertServerPermissions(server)
        (finding,) = seen[0].findings
        self.assertEqual('owner reader', finding.persona)
        self.assertEqual('delete', finding.operation)


class TestBoot(SafeIntegratedTestBase):
    CHECK_SERVER_PERMISSIONS = True
    microversion = '2.79'

    def test_boot(self):
        self._create_server(networks='none')


class TestCleanup(SafeIntegratedTestBase):
    SERVER_PERMISSION_DEVIATIONS = [
        Deviation(
            'owner reader',
            'delete',
            'allowed',
            reason='in this cloud readers clean up',
        )
    ]
    microversion = '2.79'

    def test_readers_clean_up(self):
        self.policy.set_rules(
            {'os_compute_api:servers:delete': 'role:reader'}, overwrite=False
        )
        server = self._create_server(networks='none')
        self.assertServerPermissions(server)
