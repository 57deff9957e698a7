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

"""Each client toggles a service in each way, and it is given back."""

import os

import safe_fixtures
from safe_fixtures import exceptions
from safe_fixtures.guards import services
from safe_fixtures.guards.services import clients as apis
from tests.live import base
from tests.live import clients
from tests.live import ways

HOST = 'compute1'


class Ways(base.Scenarios):
    """A way, from the state that it starts from."""

    scenarios = [('none', {'way': None})]

    def state(self):
        """Return the state of the service, as the database has it."""
        found = self.service(HOST)
        return services.ServiceState(
            found.disabled, found.disabled_reason, found.forced_down
        )

    def start(self, state):
        """Put the service in a state, as somebody else."""
        service = self.service(HOST)
        self.put(
            service._replace(
                disabled=state.disabled,
                disabled_reason=state.disabled_reason,
                forced_down=state.forced_down,
            )
        )
        self.addCleanup(self.put, service)
        self.assertEqual(state, self.state())
        return service

    def toggled(self, change):
        """Change the service in a toggle; assert that it is given back."""
        service = self.start(self.way.before)
        client = self.way.client(self.cloud)
        with safe_fixtures.SafeServiceToggle(api=client) as toggle:
            change(toggle, client, service)
            after = self.state()
            self.assertEqual(self.way.after, self.plain(after))
            (entry,) = toggle.ledger
            self.assertEqual(service.uuid, entry.service.uuid)
            self.assertEqual(self.way.before, entry.before)
            self.assertEqual(after, entry.after)
            self.assertEqual(1, len(os.listdir(self.journals_folder())))
        self.assertEqual(self.way.before, self.state())
        self.assertIsNotNone(entry.restored)
        self.assertEqual([], self.journals())

    def journals_folder(self):
        return os.path.join(self.journal_dir, 'journals')

    def plain(self, state):
        """Return a state without the marker of this run in its reason."""
        return state


class TestMethods(Ways):
    """The toggle's own methods, with each client."""

    scenarios = [(str(each), {'way': each}) for each in ways.METHODS]

    def test_it_is_given_back(self):
        self.toggled(
            lambda toggle, client, service: self.way.call(toggle, service)
        )

    def plain(self, state):
        # The toggle adds its marker.
        reason = state.disabled_reason
        if reason is not None:
            self.assertIn('why', reason)
            reason = 'why'
        return services.ServiceState(state.disabled, reason, state.forced_down)


class TestWays(Ways):
    """Everything that a client can do itself."""

    scenarios = [(str(each), {'way': each}) for each in ways.WAYS]

    def test_it_is_seen_and_given_back(self):
        self.toggled(
            lambda toggle, client, service: self.way.call(client, service)
        )


class TestApis(base.Scenarios):
    """What is asked through each client, for the toggle."""

    scenarios = [(kind, {'kind': kind}) for kind in ways.KINDS]

    def setUp(self):
        super().setUp()
        self.api = apis.adapt(ways.KINDS[self.kind](self.cloud))

    def test_endpoint(self):
        self.assertEqual(self.cloud.compute_url, apis.locate(self.api))

    def test_services(self):
        wanted = {
            each.uuid: services.ServiceState(
                each.disabled, each.disabled_reason, each.forced_down
            )
            for each in self.before
            if each.binary == 'nova-compute'
        }
        self.assertEqual(3, len(wanted))
        computes = self.api.list_services(30.0, binary='nova-compute')
        self.assertEqual(
            wanted, {each.ref.uuid: each.state for each in computes}
        )
        found = {each.ref.uuid for each in apis.check(self.api, 30.0)}
        self.assertLess(wanted.keys(), found)
        (one,) = self.api.list_services(30.0, HOST)
        self.assertEqual(HOST, one.ref.host)

    def test_servers(self):
        self.assertEqual([], self.api.servers_on(HOST, 30.0))

    def test_traits(self):
        if self.api.kind == 'client':
            self.assertIsNone(self.api.traits(HOST, 30.0))
            return
        disabled = 'COMPUTE_STATUS_DISABLED'
        uuid = self.service(HOST).uuid
        self.assertNotIn(disabled, self.api.traits(HOST, 30.0) or [disabled])
        self.api.put_service(uuid, {'status': 'disabled'}, 30.0)
        self.assertIn(disabled, self.api.traits(HOST, 30.0))
        self.api.put_service(uuid, {'status': 'enabled'}, 30.0)
        self.assertNotIn(disabled, self.api.traits(HOST, 30.0))

    def test_it_can_renew(self):
        self.assertTrue(self.api.renews())


class TestRefused(base.TestCase):
    def refused(self, client):
        error = self.assertRaises(
            exceptions.ConfigurationError,
            safe_fixtures.SafeServiceToggle(api=client).setUp,
        )
        return str(error)

    def test_a_token_that_is_not_valid(self):
        client = clients.token_session(self.cloud, 'gAAAAABdummy')
        self.assertIn('valid token', self.refused(client))

    def test_a_static_token_is_told(self):
        token = self.cloud.get_token()
        api = apis.adapt(clients.token_session(self.cloud, token))
        self.assertFalse(api.renews())
        self.assertEqual(
            3, len(api.list_services(30.0, binary='nova-compute'))
        )
