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

READERS_DELETE = {'os_compute_api:servers:delete': 'role:reader'}


class TestBad(SafeIntegratedTestBase):
    microversion = '2.79'

    def test(self):
        self.policy.set_rules(READERS_DELETE, overwrite=False)
        server = self._create_server(networks='none')
        self.assertServerPermissions(server)


class TestMended(SafeIntegratedTestBase):
    microversion = '2.79'
    # Meant, and said so.
    SERVER_PERMISSION_DEVIATIONS = [
        Deviation(
            'owner reader',
            'delete',
            'allowed',
            reason='in this cloud readers clean up',
        )
    ]

    def test(self):
        self.policy.set_rules(READERS_DELETE, overwrite=False)
        server = self._create_server(networks='none')
        self.assertServerPermissions(server)
