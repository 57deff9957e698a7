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

import requests

from safe_fixtures import MicroversionPin
from safe_fixtures.testing import expect_violation


class TestPin(SafeIntegratedTestBase):
    ADMIN_API = True

    def served_at(self, headers):
        identity = {
            'X-Auth-User': 'admin',
            'X-Auth-Project-Id': 'project',
            'X-Roles': 'admin',
        }
        response = requests.get(
            f'{self.api.base_url}/os-services', headers=identity | headers
        )
        return response.headers['OpenStack-API-Version']

    def test_every_client_is_served_at_the_pin(self):
        pin = self.microversion_pin.pin
        self.api.microversion = 'latest'
        response = self.api.api_get('/os-services')
        self.assertEqual(
            f'compute {pin}', response.headers['OpenStack-API-Version']
        )
        for headers in (
            {'OpenStack-API-Version': 'compute latest'},
            {'X-OpenStack-Nova-API-Version': 'latest'},
        ):
            self.assertEqual(f'compute {pin}', self.served_at(headers))

    def test_another_pin_for_a_block(self):
        latest = {'OpenStack-API-Version': 'compute latest'}
        with MicroversionPin('2.53'):
            self.assertEqual('compute 2.53', self.served_at(latest))
        self.assertNotEqual('compute 2.53', self.served_at(latest))

    def test_concrete_versions(self):
        self.assertEqual(
            'compute 2.11',
            self.served_at({'OpenStack-API-Version': 'compute 2.11'}),
        )
        with expect_violation('SF102') as seen:
            self.served_at({'OpenStack-API-Version': 'compute 2.9999'})
        self.assertIn('2.9999', seen[0].message)

    def test_a_pin_for_placement(self):
        self.useFixture(MicroversionPin('1.37', service='placement'))
        response = self.placement.get('/resource_providers', version='latest')
        self.assertEqual(
            'placement 1.37', response.headers['OpenStack-API-Version']
        )
