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

"""What the guards catch.

Each test does something that it should not, and shows how it is refused.
Outside an example there would be no ``expect_violation``, and the test
would fail.
"""

from safe_fixtures.nova import SafeIntegratedTestBase  # isort: skip

import io

from nova import context
from nova.objects import flavor as flavor_object
from nova import policy
from oslo_config import fixture as config_fixture
from oslo_policy import policy as oslo_policy

from safe_fixtures import conf
from safe_fixtures import MicroversionPin
from safe_fixtures.testing import expect_violation


class TestCaught(SafeIntegratedTestBase):
    """What is real, unvetted, out of order or too weak is refused."""

    ADMIN_API = True

    def test_an_image_with_real_content(self):
        """An image that holds more data than a dummy one would."""
        size = conf.CONF.safe_fixtures.max_image_bytes + 1
        with expect_violation('SF301') as seen:
            self.glance.create(
                None,
                {'name': 'golden-image', 'properties': {}},
                io.BytesIO(bytes(size)),
            )
        self.assertIn(f'{size} bytes', seen[0].message)

    def test_an_image_that_comes_from_outside(self):
        """An image whose data is at a public address."""
        with expect_violation('SF301') as seen:
            self.glance.create(
                None,
                {
                    'name': 'imported',
                    'properties': {},
                    'copy_from': 'https://images.openstack.org/cirros.img',
                },
            )
        self.assertIn('images.openstack.org', seen[0].message)

    def test_a_flavor_behind_the_tests_back(self):
        """A flavor that reached the table without being created."""
        flavor_object._flavor_create(
            context.get_admin_context(),
            {
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
            },
        )
        server = self._build_server(flavor_id='production', networks='none')
        with expect_violation('SF302'):
            self.api.post_server({'server': server})
        self.assertEqual([], self.api.get_servers())
        # It is still in the table, where the check at cleanup would see it.
        self.api.delete_flavor('production')

    def test_a_compute_that_is_taken_from_its_server(self):
        """Forced down first, and the server on it deleted after that."""
        server = self._create_server()
        with expect_violation('SF203') as seen:
            self.service_toggle.force_down(self.compute)
        self.assertIn(server['id'], seen[0].message)
        self._delete_server(server)
        self.service_toggle.force_down(self.compute)

    def test_readers_who_may_delete(self):
        """A policy that is weaker than the defaults of the release."""
        server = self._create_server()
        policy.set_rules(
            oslo_policy.Rules.from_dict(
                {'os_compute_api:servers:delete': 'role:reader'}
            ),
            overwrite=False,
        )
        with expect_violation('SF502') as seen:
            self.assertServerPermissions(server)
        self.assertIn(
            'owner reader: delete: expected forbidden, got allowed',
            seen[0].message,
        )
        self._delete_server(server)

    def test_latest_where_it_is_refused(self):
        """A test that says what it needs does not ask for latest."""
        settings = self.useFixture(config_fixture.Config(conf.CONF))
        settings.config(group='safe_fixtures', latest_policy='refuse')
        # A guard keeps the settings that it was set up with.
        self.useFixture(MicroversionPin())
        self.api.microversion = 'latest'
        with expect_violation('SF101'):
            self.api.get_servers()
        self.api.microversion = '2.96'
        self.assertEqual([], self.api.get_servers())
