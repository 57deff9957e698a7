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

from nova import context
from nova.objects import flavor

from safe_fixtures.nova import SafeIntegratedTestBase

LARGE = {
    'name': 'production.large',
    'flavorid': 'production',
    'memory_mb': 512,
    'vcpus': 1,
    'root_gb': 1,
    'ephemeral_gb': 0,
    'swap': 0,
    'rxtx_factor': 1.0,
    'disabled': False,
    'is_public': True,
}


class TestBad(SafeIntegratedTestBase):
    ADMIN_API = True
    microversion = '2.60'

    def test(self):
        # A private function, which writes to the table.
        flavor._flavor_create(context.get_admin_context(), LARGE)
        self._create_server(flavor_id='production', networks='none')


class TestMended(SafeIntegratedTestBase):
    ADMIN_API = True
    microversion = '2.60'

    def test(self):
        flavor_id = self._create_flavor()
        self._create_server(flavor_id=flavor_id, networks='none')
