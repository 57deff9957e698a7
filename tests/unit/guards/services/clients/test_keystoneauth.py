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

"""What is sent through keystoneauth, and what becomes of it."""

from keystoneauth1 import adapter
from keystoneauth1.identity import access
from keystoneauth1.identity import generic
from keystoneauth1.identity import v3
from keystoneauth1 import noauth
from keystoneauth1 import service_token
from keystoneauth1 import session
from keystoneauth1 import token_endpoint

from safe_fixtures.guards import services
from safe_fixtures.guards.services import clients
from tests.support import base
from tests.support import broken
from tests.support import clouds

IDENTITY = f'{clouds.URL}/identity/v3'
USER = {'username': 'admin', 'password': 'dummy', 'user_domain_id': 'default'}
DISABLED = {'status': 'disabled', 'disabled_reason': 'maintenance'}


def a_session(**kwargs):
    return session.Session(v3.Password(IDENTITY, **USER), **kwargs)


def static(url, token='token'):
    """Return a session whose token and endpoint are given."""
    return session.Session(token_endpoint.Token(url, token))


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(clouds.Cloud())
        self.uuid = self.cloud.services[0]['id']

    def api(self, client=None, endpoint=None):
        if client is None:
            client = adapter.Adapter(a_session(), 'compute')
        return clients.adapt(client, endpoint)


class TestRequests(TestCase):
    def clients(self):
        """Yield clients of each kind, and of no use for anything else."""
        yield a_session()
        yield adapter.Adapter(a_session(), 'compute')
        yield adapter.Adapter(a_session())
        yield adapter.LegacyJsonAdapter(a_session(), service_type='compute')
        yield adapter.Adapter(adapter.Adapter(a_session()), 'compute')
        yield adapter.Adapter(
            session.Session(),
            'compute',
            auth=v3.Password(IDENTITY, **USER),
            interface='internal',
            region_name='RegionOne',
        )
        yield adapter.Adapter(
            a_session(connect_retries=5, timeout=0.001),
            'compute',
            version='2',
            default_microversion='2.1',
            additional_headers={
                'openstack-api-version': 'compute 2.10',
                'X-OpenStack-Nova-API-Version': '2.11',
                'X-Of-The-Proxy': 'yes',
            },
            status_code_retries=3,
        )
        yield adapter.Adapter(
            a_session(), endpoint_override=f'{clouds.URL}/compute/'
        )

    def test_list(self):
        for number, client in enumerate(self.clients()):
            with self.subTest(number):
                del self.cloud.seen[:]
                api = self.api(client)
                first, second = api.list_services(5.0)
                self.assertEqual(
                    services.ServiceRef(self.uuid, 'host1', 'nova-compute'),
                    first.ref,
                )
                self.assertEqual(self.uuid, first.ref.handle)
                self.assertEqual(services.ServiceState(), first.state)
                self.assertEqual('host2', second.ref.host)
                request = self.cloud.seen[-1]
                self.assertEqual('/compute/v2.1/os-services', request.path)
                self.assertEqual((2, 69), request.version)
                self.assertEqual(clouds.COMPUTE, api.endpoint())

    def test_put(self):
        for number, client in enumerate(self.clients()):
            with self.subTest(number):
                self.cloud.services[0]['status'] = 'enabled'
                del self.cloud.seen[:]
                self.api(client).put_service(self.uuid, DISABLED, 5.0)
                (request,) = self.cloud.to(f'/os-services/{self.uuid}')
                self.assertEqual('PUT', request.method)
                self.assertEqual(DISABLED, request.body)
                self.assertEqual('disabled', self.cloud.services[0]['status'])
                self.assertEqual(
                    'compute 2.53', request.headers['openstack-api-version']
                )
                self.assertNotIn(
                    'x-openstack-nova-api-version', request.headers
                )
                self.assertEqual(
                    self.cloud.tokens[-1], request.headers['x-auth-token']
                )

    def test_headers_of_an_adapter(self):
        client = adapter.Adapter(
            a_session(), additional_headers={'X-Of-The-Proxy': 'yes'}
        )
        self.api(client).list_services(5.0)
        request = self.cloud.seen[-1]
        self.assertEqual('yes', request.headers['x-of-the-proxy'])

    def test_the_client_is_left_as_it_was(self):
        its_session = a_session(timeout=33)
        client = adapter.Adapter(its_session, 'compute')
        pool = its_session._session
        before = dict(vars(client)), dict(vars(its_session))
        self.api(client).list_services(5.0)
        self.assertEqual(before, (vars(client), vars(its_session)))
        self.assertIs(pool, its_session._session)

    def test_one_token_for_all_requests(self):
        api = self.api()
        for _ in range(3):
            api.list_services(5.0)
        self.assertEqual(1, len(self.cloud.tokens))

    def test_list_of_one_host(self):
        api = self.api()
        (found,) = api.list_services(5.0, 'host2', 'nova-compute')
        self.assertEqual('host2', found.ref.host)
        self.assertEqual(
            {'host': 'host2', 'binary': 'nova-compute'},
            self.cloud.seen[-1].query,
        )

    def test_states(self):
        self.cloud.services[0].update(DISABLED, forced_down=True)
        self.assertEqual(
            services.ServiceState(True, 'maintenance', True),
            self.api().list_services(5.0)[0].state,
        )

    def test_a_cell_that_does_not_answer(self):
        self.cloud.services[1] = {
            'host': 'host2',
            'binary': 'nova-compute',
            'status': 'UNKNOWN',
        }
        found, lost = self.api().list_services(5.0)
        self.assertIsNotNone(found.state)
        self.assertIsNone(lost.state)
        self.assertEqual(('', 'host2'), (lost.ref.uuid, lost.ref.host))

    def test_the_endpoint_that_is_given_wins(self):
        given = f'{clouds.URL}/compute'
        self.cloud.catalogue['compute'] = 'http://elsewhere.test/v2.1'
        api = self.api(endpoint=given)
        self.assertEqual(f'{given}/v2.1', api.endpoint())
        self.assertEqual(2, len(api.list_services(5.0)))

    def test_a_client_that_is_pointed_elsewhere(self):
        client = adapter.Adapter(a_session(), 'compute')
        api = self.api(client)
        self.assertEqual(clouds.COMPUTE, api.endpoint())
        client.endpoint_override = 'http://elsewhere.test/v2/project/'
        self.assertEqual('http://elsewhere.test/v2.1', api.endpoint())

    def test_region(self):
        client = adapter.Adapter(a_session(), region_name='RegionOne')
        self.assertEqual('RegionOne', self.api(client).region())
        self.assertIsNone(self.api(a_session()).region())


class TestErrors(TestCase):
    def test_answers(self):
        for status in (400, 403, 404, 409, 500, 503):
            self.cloud.refusals['/compute'] = status
            with self.subTest(status=status):
                del self.cloud.seen[:]
                error = self.assertRaises(
                    clients.ApiError,
                    self.api().put_service,
                    self.uuid,
                    DISABLED,
                    5.0,
                )
                self.assertEqual(status, error.status)
                self.assertEqual(f'Refused with {status}', error.message)
                self.assertEqual(1, len(self.cloud.to(self.uuid)))

    def test_keystone_refuses(self):
        for status in (401, 500):
            self.cloud.refusals['/identity/v3/auth'] = status
            with self.subTest(status=status):
                error = self.assertRaises(
                    clients.ApiError, self.api().list_services, 5.0
                )
                self.assertEqual(status, error.status)

    def test_no_connection(self):
        for how in ('refuse', 'drop', 'cut'):
            server = self.useFixture(broken.BrokenServer(how))
            with self.subTest(how):
                api = self.api(static(server.url))
                self.assertRaises(
                    clients.ApiUnreachable,
                    api.put_service,
                    self.uuid,
                    DISABLED,
                    5.0,
                )

    def test_no_answer(self):
        server = self.useFixture(broken.BrokenServer('hang'))
        api = self.api(static(server.url))
        self.assertRaises(TimeoutError, api.list_services, 0.1)

    def test_no_answer_of_keystone(self):
        server = self.useFixture(broken.BrokenServer('hang'))
        client = session.Session(v3.Password(server.url, **USER))
        self.assertRaises(TimeoutError, self.api(client).list_services, 0.1)

    def test_no_connection_to_keystone(self):
        server = self.useFixture(broken.BrokenServer('refuse'))
        url = server.url.removesuffix('/v2.1')
        for plugin in (v3.Password, generic.Password):
            with self.subTest(plugin=plugin):
                client = session.Session(plugin(url, **USER))
                self.assertRaises(
                    clients.ApiUnreachable, self.api(client).endpoint
                )

    def test_no_secret_in_a_message(self):
        self.cloud.refusals['/compute'] = 401
        error = self.assertRaises(
            clients.ApiError, self.api().list_services, 5.0
        )
        for secret in (*self.cloud.tokens, *USER.values()):
            self.assertNotIn(secret, str(error))


class TestRenewing(TestCase):
    def test_a_token_that_expired(self):
        api = self.api()
        api.list_services(5.0)
        self.cloud.expire()
        self.assertEqual(2, len(api.list_services(5.0)))
        self.assertEqual(2, len(self.cloud.tokens))

    def test_renew(self):
        api = self.api()
        api.list_services(5.0)
        api.renew()
        api.list_services(5.0)
        self.assertEqual(2, len(self.cloud.tokens))

    def test_renew_with_the_plugin_of_an_adapter(self):
        client = adapter.Adapter(
            session.Session(), 'compute', auth=v3.Password(IDENTITY, **USER)
        )
        api = self.api(client)
        api.list_services(5.0)
        api.renew()
        api.list_services(5.0)
        self.assertEqual(2, len(self.cloud.tokens))

    def test_a_static_token_that_expired(self):
        token = a_session().get_token()
        api = self.api(session.Session(v3.Token(IDENTITY, token)))
        self.assertEqual(2, len(api.list_services(5.0)))
        self.cloud.expire()
        error = self.assertRaises(clients.ApiError, api.list_services, 5.0)
        self.assertEqual(401, error.status)

    def test_plugins_that_renew(self):
        for plugin in (
            v3.Password(IDENTITY, **USER),
            generic.Password(IDENTITY, **USER),
            v3.ApplicationCredential(
                IDENTITY,
                application_credential_id='dummy',
                application_credential_secret='dummy',
            ),
            v3.OidcPassword(
                IDENTITY,
                'provider',
                'mapped',
                client_id='dummy',
                client_secret='dummy',
            ),
            noauth.NoAuth(clouds.COMPUTE),
            service_token.ServiceTokenAuthWrapper(
                v3.Password(IDENTITY, **USER), v3.Token(IDENTITY, 'token')
            ),
        ):
            with self.subTest(plugin=type(plugin)):
                self.assertTrue(self.api(session.Session(plugin)).renews())

    def test_plugins_that_do_not(self):
        for plugin in (
            v3.Token(IDENTITY, 'token'),
            v3.Auth(IDENTITY, [v3.TokenMethod(token='token')]),
            v3.Password(IDENTITY, reauthenticate=False, **USER),
            v3.TOTP(IDENTITY, 'passcode', username='admin'),
            generic.Token(IDENTITY, token='token'),
            token_endpoint.Token(clouds.COMPUTE, 'token'),
            access.AccessInfoPlugin(None),
            service_token.ServiceTokenAuthWrapper(
                v3.Token(IDENTITY, 'token'), v3.Password(IDENTITY, **USER)
            ),
        ):
            with self.subTest(plugin=type(plugin)):
                self.assertFalse(self.api(session.Session(plugin)).renews())


class TestServers(TestCase):
    def setUp(self):
        super().setUp()
        self.cloud.servers = [
            {'id': f'server{number}', 'status': 'ACTIVE', 'host': 'host1'}
            for number in range(5)
        ]
        self.cloud.servers[3]['host'] = 'host2'

    def test_of_one_host(self):
        found = self.api().servers_on('host2', 5.0)
        self.assertEqual([services.HostedServer('server3', 'ACTIVE')], found)
        self.assertEqual('1', self.cloud.seen[-1].query['all_tenants'])
        self.assertEqual([], self.api().servers_on('host3', 5.0))

    def test_on_several_pages(self):
        self.cloud.page = 2
        self.assertEqual(
            ['server0', 'server1', 'server2', 'server4'],
            [each.uuid for each in self.api().servers_on('host1', 5.0)],
        )
        self.assertEqual(2, len(self.cloud.to('/servers/detail')))

    def test_of_a_user_who_may_not_list_them(self):
        self.cloud.refusals['/compute'] = 403
        self.assertIsNone(self.api().servers_on('host1', 5.0))

    def test_of_an_api_that_is_broken(self):
        self.cloud.refusals['/compute'] = 500
        self.assertRaises(
            clients.ApiError, self.api().servers_on, 'host1', 5.0
        )


class TestTraits(TestCase):
    def setUp(self):
        super().setUp()
        self.cloud.traits = {
            'uuid1': ('host1', ['COMPUTE_STATUS_DISABLED']),
            'uuid2': ('node2', ['COMPUTE_NODE']),
        }

    def test_of_a_provider_with_the_name_of_the_host(self):
        self.assertEqual(
            {'COMPUTE_STATUS_DISABLED'}, self.api().traits('host1', 5.0)
        )
        for request in self.cloud.seen[-2:]:
            self.assertEqual(
                'placement 1.6', request.headers['openstack-api-version']
            )

    def test_of_a_provider_with_the_name_of_a_node(self):
        self.cloud.page = 1
        self.cloud.hypervisors = [
            {'id': 'uuid1', 'service': {'host': 'host1'}},
            {'id': 'uuid2', 'service': {'host': 'host2'}},
        ]
        self.assertEqual({'COMPUTE_NODE'}, self.api().traits('host2', 5.0))

    def test_of_no_provider(self):
        self.assertIsNone(self.api().traits('host3', 5.0))

    def test_without_placement(self):
        del self.cloud.catalogue['placement']
        self.assertIsNone(self.api().traits('host1', 5.0))

    def test_of_a_user_who_may_not_ask(self):
        self.cloud.refusals['/placement'] = 403
        self.assertIsNone(self.api().traits('host1', 5.0))

    def test_with_an_endpoint_for_all(self):
        token = a_session().get_token()
        api = self.api(static(f'{clouds.URL}/compute/v2.1', token))
        self.assertEqual(2, len(api.list_services(5.0)))
        self.assertIsNone(api.traits('host1', 5.0))

    def test_of_a_placement_that_is_broken(self):
        self.cloud.refusals['/placement'] = 500
        self.assertRaises(clients.ApiError, self.api().traits, 'host1', 5.0)
