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

"""What is sent through tempest's clients, and what becomes of it.

Tempest itself is tried on the live cloud. Here its classes are stood in for
by what is used of them, with its pool of connections: urllib3's.
"""

import threading
from types import SimpleNamespace

from keystoneauth1.identity import v3
from keystoneauth1 import session
import urllib3

from safe_fixtures.guards import services
from safe_fixtures.guards.services import clients
from tests.support import base
from tests.support import broken
from tests.support import clouds


class EndpointNotFound(Exception):
    """Tempest's has this name."""


class Provider:
    """Gets a token and the catalogue, and keeps them."""

    def __init__(self, cloud, password='dummy'):
        self.cloud = cloud
        self.credentials = SimpleNamespace(password=password)
        self.token = None

    def get_token(self):
        if self.token is None:
            plugin = v3.Password(
                f'{clouds.URL}/identity/v3',
                'admin',
                'dummy',
                user_domain_id='default',
            )
            self.token = session.Session(plugin).get_token()
        return self.token

    def clear_auth(self):
        self.token = None

    def base_url(self, filters):
        try:
            return self.cloud.catalogue[filters['service']]
        except KeyError:
            raise EndpointNotFound(filters) from None


class ServicesClient:
    """Has what tempest's client of the same name has."""

    service = 'compute'
    region = 'RegionOne'
    endpoint_type = 'publicURL'

    def __init__(self, provider):
        self.auth_provider = provider
        self.http_obj = urllib3.PoolManager()

    @property
    def filters(self):
        return {'service': self.service, 'region': self.region}

    def list_services(self):
        """Do nothing: it is not called."""

    def request(self, *args, **kwargs):
        raise AssertionError('it checks the microversion of the test')


class TestTempestApi(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(clouds.Cloud())
        self.provider = Provider(self.cloud)
        self.client = ServicesClient(self.provider)
        self.addCleanup(self.client.http_obj.clear)
        self.api = clients.adapt(self.client)
        self.uuid = self.cloud.services[0]['id']

    def test_where_it_is(self):
        self.assertEqual(clouds.COMPUTE, self.api.endpoint())
        self.assertEqual('RegionOne', self.api.region())

    def test_list(self):
        found = self.api.list_services(5.0, host='host2')
        self.assertEqual(['host2'], [each.ref.host for each in found])
        request = self.cloud.seen[-1]
        self.assertEqual('/compute/v2.1/os-services', request.path)
        self.assertEqual((2, 69), request.version)
        self.assertEqual(self.provider.token, request.headers['x-auth-token'])

    def test_put(self):
        body = {'status': 'disabled', 'disabled_reason': 'maintenance'}
        self.api.put_service(self.uuid, body, 5.0)
        (request,) = self.cloud.to(self.uuid)
        self.assertEqual(('PUT', body), (request.method, request.body))
        self.assertEqual((2, 53), request.version)
        self.assertEqual('disabled', self.cloud.services[0]['status'])

    def test_through_its_manager(self):
        manager = SimpleNamespace(services_client=self.client)
        self.assertEqual(2, len(clients.adapt(manager).list_services(5.0)))

    def test_a_token_that_expired(self):
        self.api.list_services(5.0)
        self.cloud.expire()
        error = self.assertRaises(
            clients.ApiError, self.api.list_services, 5.0
        )
        self.assertEqual(401, error.status)
        self.assertNotIn(self.provider.token, str(error))
        self.api.renew()
        self.assertEqual(2, len(self.api.list_services(5.0)))

    def test_renews(self):
        self.assertTrue(self.api.renews())
        client = ServicesClient(Provider(self.cloud, password=None))
        self.assertFalse(clients.adapt(client).renews())

    def test_nothing_is_sent_again(self):
        for status in (413, 500, 503):
            self.cloud.refusals['/compute'] = status
            with self.subTest(status=status):
                del self.cloud.seen[:]
                error = self.assertRaises(
                    clients.ApiError, self.api.list_services, 5.0
                )
                self.assertEqual(status, error.status)
                self.assertEqual(1, len(self.cloud.to('/os-services')))

    def test_broken_connections(self):
        for how in ('refuse', 'drop', 'cut'):
            server = self.useFixture(broken.BrokenServer(how))
            with self.subTest(how):
                api = clients.adapt(self.client, server.url)
                error = self.assertRaises(
                    clients.ApiUnreachable,
                    api.put_service,
                    self.uuid,
                    {'status': 'disabled'},
                    5.0,
                )
                self.assertIn(server.url, str(error))

    def test_no_answer(self):
        server = self.useFixture(broken.BrokenServer('hang'))
        api = clients.adapt(self.client, server.url)
        self.assertRaises(TimeoutError, api.list_services, 0.1)

    def test_no_answer_of_keystone(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.provider.get_token = ended.wait
        self.assertRaises(
            TimeoutError, self.api.put_service, self.uuid, {}, 0.01
        )
        self.assertEqual([], self.cloud.to(self.uuid))

    def test_no_endpoint(self):
        del self.cloud.catalogue['compute']
        self.assertIsNone(clients.locate(self.api))

    def test_servers_and_traits(self):
        self.cloud.servers = [
            {'id': 'server1', 'status': 'ACTIVE', 'host': 'host1'}
        ]
        self.cloud.traits = {'uuid1': ('host1', ['COMPUTE_NODE'])}
        self.assertEqual(
            [services.HostedServer('server1', 'ACTIVE')],
            self.api.servers_on('host1', 5.0),
        )
        self.assertEqual({'COMPUTE_NODE'}, self.api.traits('host1', 5.0))

    def test_traits_without_placement(self):
        del self.cloud.catalogue['placement']
        self.assertIsNone(self.api.traits('host1', 5.0))
