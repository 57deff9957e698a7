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

"""The order of operations, as the documentation shows it."""

from safe_fixtures.nova import SafeIntegratedTestBase  # isort: skip

import safe_fixtures


class TestOrder(SafeIntegratedTestBase):
    ADMIN_API = True
    microversion = 'latest'

    def test_local_delete(self):
        server = self._create_server(networks='none')
        with self.service_toggle.force_down(
            self.compute, expecting_servers=True, reason='local delete'
        ):
            self.compute.stop()
            self._delete_server(server)
            self.compute.start()

    @safe_fixtures.waive('SF203', reason='what a crash leaves is the subject')
    def test_crash(self):
        server = self._create_server(networks='none')
        self.compute.stop()
        self.compute.start()
        self._reboot_server(server)

    def test_refused(self):
        server = self._create_server(networks='none')
        with safe_fixtures.expect_violation('SF203') as seen:
            self.service_toggle.force_down(self.compute)
        self.assertIn(server['id'], str(seen[0]))

        self._delete_server(server)
        self.service_toggle.force_down(self.compute)

    def test_outage(self):
        server = self._create_server(networks='none')
        with self.service_toggle.disable(
            self.compute, reason='maintenance', expecting_servers=True
        ):
            self.admin_api.get_server(server['id'])

        (outage,) = self.service_toggle.outages
        self.assertEqual(server['id'], outage.servers[0].uuid)
        self.assertEqual('maintenance', outage.reason)
        self.assertGreater(outage.seconds, 0)
        self.assertEqual(
            ['disabled', f'GET /servers/{server["id"]}: 200', 'enabled'],
            [moment.what for moment in outage.moments],
        )
        self.assertIs(outage, self.service_toggle.ledger[0].outage)
