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

"""What a client is, and whether it can be used."""

from types import SimpleNamespace
from unittest import mock

from keystoneauth1 import adapter
from keystoneauth1.identity import v3
from keystoneauth1 import session

from safe_fixtures import exceptions
from safe_fixtures.guards.services import clients
from safe_fixtures import testing
from tests.support import base
from tests.support import broken
from tests.support import clouds


class Provider:
    """Has what tempest's auth providers have."""

    def __init__(self, cloud):
        self.cloud = cloud


class ServicesClient:
    """Has what tempest's client of the same name has."""

    http_obj = None

    def __init__(self, auth_provider):
        self.auth_provider = auth_provider

    def list_services(self):
        """Return nothing."""


class Connection:
    """Has what openstacksdk's class of the same name has."""

    config = None

    def __init__(self, proxy):
        self.session = proxy.session
        self._proxy = proxy

    @property
    def compute(self):
        """Its compute adapter, which asks Keystone."""
        return self._proxy


def a_session(cloud=None):
    url = f'{clouds.URL}/identity/v3'
    return session.Session(
        v3.Password(url, 'admin', 'dummy', user_domain_id='default')
    )


def an_adapter(**kwargs):
    return adapter.Adapter(a_session(), 'compute', **kwargs)


def a_novaclient():
    return SimpleNamespace(client=an_adapter(), services=object())


def a_tempest_client():
    return ServicesClient(Provider(None))


class TestAdapt(base.TestCase):
    def test_kinds(self):
        for kind, client in (
            ('keystoneauth', a_session()),
            ('keystoneauth', an_adapter()),
            ('keystoneauth', adapter.LegacyJsonAdapter(a_session())),
            ('python-novaclient', a_novaclient()),
            ('tempest', a_tempest_client()),
            (
                'tempest',
                SimpleNamespace(services_client=a_tempest_client()),
            ),
            ('client', testing.FakeComputeClient(['host1'])),
            ('client', mock.Mock()),
            ('client', mock.Mock(spec=['get_services', 'put_service'])),
        ):
            with self.subTest(kind=kind, client=type(client)):
                self.assertEqual(kind, clients.adapt(client).kind)

    def test_kinds_of_libraries(self):
        for package, kind in (
            ('openstack.compute.v2._proxy', 'openstacksdk'),
            ('novaclient.client', 'python-novaclient'),
            ('project.openstack', 'keystoneauth'),
        ):
            made = type('Proxy', (adapter.Adapter,), {'__module__': package})
            with self.subTest(package):
                api = clients.adapt(made(a_session()))
                self.assertEqual(kind, api.kind)

    def test_connection(self):
        connection = Connection(an_adapter(region_name='RegionOne'))
        api = clients.adapt(connection)
        self.assertEqual('RegionOne', api.region())

    def test_connection_to_a_cloud_without_compute(self):
        connection = Connection(an_adapter())
        connection._proxy = object()
        self.assertIn(
            'compute API',
            str(
                self.assertRaises(
                    exceptions.ConfigurationError,
                    clients.locate,
                    clients.adapt(connection),
                )
            ),
        )

    def test_no_client(self):
        for client in (
            object(),
            'http://cloud.test',
            None,
            SimpleNamespace(client=mock.Mock(), services=mock.Mock()),
            SimpleNamespace(services_client=mock.Mock()),
            mock.Mock(spec=adapter.Adapter),
            mock.Mock(spec=['get_services']),
        ):
            with self.subTest(client=client):
                self.assertIsNone(clients.adapt(client))


class TestCheck(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(clouds.Cloud())

    def refused(self, api, call=clients.check, args=(5.0,)):
        error = self.assertRaises(
            exceptions.ConfigurationError, call, api, *args
        )
        self.assertEqual(api.kind, error.value)
        return str(error)

    def test_a_client_that_can(self):
        api = clients.adapt(an_adapter())
        self.assertEqual(
            ['host1', 'host2'],
            [each.ref.host for each in clients.check(api, 5.0)],
        )
        self.assertEqual(clouds.COMPUTE, clients.locate(api))

    def test_a_user_who_may_not_list_services(self):
        self.cloud.refusals['/compute'] = 403
        message = self.refused(clients.adapt(an_adapter()))
        self.assertIn('may list services', message)
        self.assertIn('Refused with 403', message)

    def test_a_wrong_password(self):
        self.cloud.refusals['/identity/v3/auth'] = 401
        api = clients.adapt(an_adapter())
        self.assertIn('valid token', self.refused(api))
        self.assertIn('valid token', self.refused(api, clients.locate, ()))

    def test_no_authentication(self):
        api = clients.adapt(session.Session())
        self.assertIn('valid token', self.refused(api))

    def test_an_old_api(self):
        self.cloud.newest = (2, 52)
        self.assertIn('2.53', self.refused(clients.adapt(an_adapter())))

    def test_an_api_that_is_just_new_enough(self):
        self.cloud.newest = (2, 53)
        api = clients.adapt(an_adapter())
        self.assertEqual(2, len(clients.check(api, 5.0)))

    def test_another_service(self):
        self.cloud.catalogue['network'] = f'{clouds.URL}/compute/other'
        api = clients.adapt(adapter.Adapter(a_session(), 'network'))
        self.assertIn('client of the compute API', self.refused(api))

    def test_no_endpoint(self):
        del self.cloud.catalogue['compute']
        api = clients.adapt(an_adapter())
        self.assertIsNone(clients.locate(api))
        self.assertIn('catalogue', self.refused(api))

    def test_numbers_for_ids(self):
        class Old:
            def get_services(self):
                return [{'id': 7, 'host': 'host1'}]

            def put_service(self, service_id, body):
                """Do nothing."""

        message = self.refused(clients.adapt(Old()))
        self.assertIn('2.53', message)

    def test_an_api_that_is_broken(self):
        self.cloud.refusals['/compute'] = 503
        error = self.assertRaises(
            clients.ApiError, clients.check, clients.adapt(an_adapter()), 5.0
        )
        self.assertEqual(503, error.status)

    def test_an_api_that_is_not_there(self):
        server = self.useFixture(broken.BrokenServer('refuse'))
        error = self.assertRaises(
            clients.ApiUnreachable,
            clients.check,
            clients.adapt(an_adapter(), server.url),
            5.0,
        )
        self.assertIn(server.url, str(error))
