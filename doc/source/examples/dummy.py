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

from safe_fixtures import IsDummyFlavor
from safe_fixtures import IsDummyImage
from safe_fixtures.testing import expect_violation


class TestDummyData(SafeIntegratedTestBase):
    ADMIN_API = True
    microversion = 'latest'

    def test_what_a_server_is_built_from(self):
        server = self._build_server(networks='none')
        self.assertDummyImage(server['imageRef'])
        self.assertDummyFlavor(server['flavorRef'])

        flavor_id = self._create_flavor()
        self.assertThat(flavor_id, IsDummyFlavor())
        self.assertOnlyDummyData()

    def test_why_an_image_is_not_dummy(self):
        image = {
            'id': 'golden',
            'name': 'golden',
            'properties': {'source': 'https://images.openstack.org/a.img'},
        }
        mismatch = IsDummyImage().match(image)
        self.assertIn(
            'properties.source leads outside the test '
            '(https://images.openstack.org)',
            mismatch.describe(),
        )

    def test_a_snapshot_that_names_a_real_source(self):
        server = self._create_server(networks='none')
        action = {
            'createImage': {
                'name': 'snapshot',
                'metadata': {'origin': 'https://images.openstack.org/a.img'},
            }
        }
        with expect_violation('SF301'):
            self.api.post_server_action(server['id'], action)
