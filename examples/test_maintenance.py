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

"""A maintenance window: a host is emptied of new builds, and comes back."""

from safe_fixtures.nova import SafeIntegratedTestBase


class TestMaintenanceWindow(SafeIntegratedTestBase):
    """Builds avoid a host while it is disabled, and only then."""

    ADMIN_API = True
    microversion = 'latest'

    def setUp(self):
        super().setUp()
        self._start_compute('spare')
        # Without the window, everything would go to the first host.
        self.filler = self._create_server(host='spare', networks='none')

    def test_builds_land_elsewhere_during_the_window(self):
        """The block is the window: the host is enabled again after it."""
        with self.service_toggle.disable('compute', reason='maintenance'):
            self.assertEqual('spare', self._host_of_next_build())
        self.assertEqual('compute', self._host_of_next_build())

    def _host_of_next_build(self):
        server = self._create_server(networks='none')
        return server['OS-EXT-SRV-ATTR:host']
