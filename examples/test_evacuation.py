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

"""Evacuation from a host that is forced down."""

from safe_fixtures.nova import SafeProviderUsageBaseTestCase


class TestEvacuation(SafeProviderUsageBaseTestCase):
    """A server is rebuilt elsewhere when its host fails.

    Nova refuses to force the host up again while the evacuation is not
    settled; it gets its state back all the same.
    """

    compute_driver = 'fake.MediumFakeDriver'

    def test_evacuate_from_a_forced_down_host(self):
        """The failed host is stopped and forced down, then evacuated."""
        source = self._start_compute('source')
        self._start_compute('target')
        server = self._create_server(host='source', networks='none')

        self.service_toggle.force_down(
            source, expecting_servers=True, reason='its compute has failed'
        )
        source.stop()
        server = self._evacuate_server(server)

        self.assertEqual('target', server['OS-EXT-SRV-ATTR:host'])
