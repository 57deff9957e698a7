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

"""The reviewed test, in our own words, hardened."""

# The hardened bases go first: they import Nova, which patches the standard
# library before anything else may use it.
from safe_fixtures.nova import SafeTestCase  # isort: skip

from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import fixtures as func_fixtures
from nova.tests.functional import integrated_helpers
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from placement import conf as placement_conf
from placement.tests import fixtures as placement_db


class TestLocalDelete(SafeTestCase, integrated_helpers.InstanceHelperMixin):
    """Delete a server while the compute that hosts it is down.

    The microversion is pinned, the compute service gets its state back
    whatever becomes of the test, and image and flavor must be dummy: the
    test has to do nothing for that. It says that the compute goes down with
    a server on it, and checks who can do what to that server.
    """

    def setUp(self):
        super().setUp()
        self.useFixture(nova_fixtures.RealPolicyFixture())
        self.useFixture(nova_fixtures.NeutronFixture(self))
        self.useFixture(nova_fixtures.GlanceFixture(self))
        api_fixture = self.useFixture(
            nova_fixtures.OSAPIFixture(api_version='v2.1')
        )
        self.api = api_fixture.api
        self.admin_api = api_fixture.admin_api
        # Served at the pin: the version that was vetted, not the newest.
        self.admin_api.microversion = 'latest'
        self.start_service('conductor')
        self.start_service('scheduler')

    def test_allocations_are_healed_when_the_compute_comes_back(self):
        """Nova's API cannot reach Placement while it deletes the server.

        The allocations outlive the server until the compute, once it is
        back, finds that it does not know their consumer.
        """
        # Placement keeps its database while the API is cut off from it.
        conf = self.useFixture(config_fixture.Config(cfg.ConfigOpts()))
        placement_conf.register_opts(conf.conf)
        self.useFixture(placement_db.Database(conf, set_config=True))

        def placement():
            return func_fixtures.PlacementFixture(
                conf_fixture=conf, db=False, register_opts=False
            )

        with placement() as reachable:
            compute, provider, unused = self._start_compute_on(reachable.api)
            server = self._boot()
            self.assertAllocated(reachable.api, provider)
            self._take_down(compute)

        self._delete_server(server)

        with placement() as reachable:
            self.assertAllocated(reachable.api, provider)
            compute.start()
            self.assertEqual(unused, self._usages(reachable.api, provider))

    def test_the_api_removes_allocations_while_the_compute_is_down(self):
        """Nova's API deletes the allocations along with the server."""
        placement_api = self.useFixture(func_fixtures.PlacementFixture()).api
        compute, provider, unused = self._start_compute_on(placement_api)
        server = self._boot()
        self.assertServerPermissions(server)
        self.assertAllocated(placement_api, provider)

        self._take_down(compute)
        self._delete_server(server)

        self.assertEqual(unused, self._usages(placement_api, provider))

    def _start_compute_on(self, placement_api):
        """Start a compute; return it, its provider and its usages, all 0."""
        compute = self.start_service('compute')
        providers = placement_api.get('/resource_providers').body
        provider = providers['resource_providers'][0]['uuid']
        usages = self._usages(placement_api, provider)
        self.assertEqual({0}, set(usages.values()))
        return compute, provider, usages

    def _boot(self):
        server = self._build_server(networks='none')
        self.assertDummyImage(server['imageRef'])
        self.assertDummyFlavor(server['flavorRef'])
        server = self.admin_api.post_server({'server': server})
        return self._wait_for_state_change(server, 'ACTIVE')

    def _take_down(self, compute):
        # An order that would be refused if it were not declared.
        self.service_toggle.force_down(
            compute, expecting_servers=True, reason='local delete'
        )
        compute.stop()

    def _usages(self, placement_api, provider):
        url = f'/resource_providers/{provider}/usages'
        return placement_api.get(url).body['usages']

    def assertAllocated(self, placement_api, provider):
        """Assert that something of every kind is allocated."""
        self.assertNotIn(0, self._usages(placement_api, provider).values())
