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

from safe_fixtures.nova import SafeIntegratedTestBase


class TestBad(SafeIntegratedTestBase):
    microversion = '2.60'

    def test(self):
        server = self._build_server(networks='none')
        server['accessIPv4'] = '8.8.8.8'
        self.api.post_server({'server': server})


class TestMended(SafeIntegratedTestBase):
    microversion = '2.60'

    def test(self):
        server = self._build_server(networks='none')
        server['accessIPv4'] = '192.0.2.8'
        server = self.api.post_server({'server': server})
        self._wait_for_state_change(server, 'ACTIVE')
