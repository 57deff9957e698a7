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

from safe_fixtures.nova import SafeTestCase  # isort: skip

from nova.tests import fixtures as nova_fixtures


class TestPinnedClass(SafeTestCase):
    MICROVERSION_PIN = '2.90'

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(
            nova_fixtures.OSAPIFixture(api_version='v2.1')
        ).admin_api
        self.api.microversion = 'latest'

    def test_latest_is_the_pin(self):
        response = self.api.api_get('/servers')
        self.assertEqual(
            'compute 2.90', response.headers['OpenStack-API-Version']
        )
