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

"""Anything with get_services and put_service."""

import threading
from types import SimpleNamespace
import uuid

from safe_fixtures.guards import services
from safe_fixtures.guards.services import clients
from safe_fixtures import testing
from tests.support import base

UUID = str(uuid.uuid4())


class Versioned:
    """A client with a microversion, as Nova's own test client has one."""

    def __init__(self, microversion=None):
        self.microversion = microversion
        self.base_url = 'http://cloud.test/v2.1/6f70656e737461636b'
        self.calls = []

    def get_services(self, binary=None, host=None):
        self.calls.append((self.microversion, binary, host))
        number = 7 if self.microversion != '2.53' else UUID
        return [
            {'id': number, 'host': name, 'status': 'enabled'}
            for name in ('host1', 'host2')
        ]

    def put_service(self, service_id, req):
        self.calls.append((self.microversion, service_id, req))


class OfObjects:
    """A client whose services are objects, and that filters nothing."""

    def __init__(self, *found):
        self.found = found

    def get_services(self):
        return iter(self.found)

    def put_service(self, service_id, body):
        """Do nothing."""

    def get_servers(self, search_opts):
        return [SimpleNamespace(id='server1', status='ACTIVE')]


class TestClientApi(base.TestCase):
    def test_list_and_put(self):
        client = testing.FakeComputeClient(['host1', 'host2'])
        api = clients.adapt(client)
        (found,) = api.list_services(5.0, 'host2', 'nova-compute')
        self.assertEqual(
            ('get_services', 'nova-compute', 'host2'), client.calls[-1]
        )
        api.put_service(found.ref.handle, {'status': 'disabled'}, 5.0)
        (found,) = api.list_services(5.0, 'host2')
        self.assertEqual(services.ServiceState(True), found.state)

    def test_it_is_asked_at_a_microversion_with_uuids(self):
        for given in (None, '2.1', 'latest'):
            client = Versioned(given)
            with self.subTest(given=given):
                api = clients.adapt(client)
                found = api.list_services(5.0)
                api.put_service(found[0].ref.handle, {}, 5.0)
                self.assertEqual(UUID, found[0].ref.uuid)
                self.assertEqual({'2.53'}, {call[0] for call in client.calls})
                self.assertEqual(given, client.microversion)

    def test_it_is_watched_at_a_microversion_with_uuids(self):
        client = Versioned('2.1')
        watched = client.put_service

        def watching(*args):
            seen.append(args)
            watched(*args)

        seen = []
        client.put_service = watching
        api = clients.adapt(client)
        api.put_service(UUID, {}, 5.0)
        self.assertEqual([(UUID, {})], seen)
        self.assertEqual([('2.53', UUID, {})], client.calls)
        self.assertEqual('2.1', client.microversion)

    def test_endpoint(self):
        client = Versioned()
        api = clients.adapt(client)
        self.assertEqual('http://cloud.test/v2.1', api.endpoint())
        client.base_url = 'http://elsewhere.test/v2.1/'
        self.assertEqual('http://elsewhere.test/v2.1', api.endpoint())
        given = clients.adapt(client, 'http://given.test/compute')
        self.assertEqual('http://given.test/compute', given.endpoint())

    def test_a_double_has_no_endpoint(self):
        api = clients.adapt(testing.FakeComputeClient([]))
        self.assertIsNone(api.endpoint())
        self.assertIsNone(api.region())

    def test_services_that_are_objects(self):
        api = clients.adapt(
            OfObjects(
                # As novaclient has them.
                SimpleNamespace(
                    id=UUID,
                    host='host1',
                    binary='nova-compute',
                    status='disabled',
                    disabled_reason='why',
                    forced_down=True,
                ),
                # As openstacksdk has them.
                SimpleNamespace(
                    id=UUID,
                    host='host2',
                    binary='nova-compute',
                    status='enabled',
                    disabled_reason=None,
                    is_forced_down=True,
                ),
                # As Nova has them.
                SimpleNamespace(
                    id=7,
                    uuid=UUID,
                    host='host3',
                    binary='nova-compute',
                    disabled=True,
                    disabled_reason=None,
                    forced_down=False,
                ),
                # As they are in a cell that does not answer.
                SimpleNamespace(
                    host='host4', binary='nova-compute', status='UNKNOWN'
                ),
            )
        )
        found = api.list_services(5.0)
        self.assertEqual(
            [
                services.ServiceState(True, 'why', True),
                services.ServiceState(forced_down=True),
                services.ServiceState(True),
                None,
            ],
            [each.state for each in found],
        )
        self.assertEqual(
            [UUID, UUID, UUID, ''], [each.ref.uuid for each in found]
        )

    def test_it_filters_what_the_client_does_not(self):
        client = OfObjects(
            SimpleNamespace(id=UUID, host='host1', binary='nova-compute'),
            SimpleNamespace(id=UUID, host='host1', binary='nova-scheduler'),
            SimpleNamespace(id=UUID, host='host2', binary='nova-compute'),
        )
        (found,) = clients.adapt(client).list_services(
            5.0, 'host1', 'nova-compute'
        )
        self.assertEqual('nova-compute on host1', str(found.ref))

    def test_servers(self):
        with_them = clients.adapt(OfObjects())
        self.assertEqual(
            [services.HostedServer('server1', 'ACTIVE')],
            with_them.servers_on('host1', 5.0),
        )
        client = testing.FakeComputeClient(['host1'], {'host1': ['a', 'b']})
        found = clients.adapt(client).servers_on('host1', 5.0)
        self.assertEqual(['a', 'b'], [each.uuid for each in found])
        self.assertIsNone(clients.adapt(Versioned()).servers_on('host1', 5.0))

    def test_it_fails(self):
        client = OfObjects()

        def fails(*args):
            raise ConnectionResetError('the API is down')

        client.get_services = client.put_service = fails
        api = clients.adapt(client)
        self.assertRaises(clients.ApiUnreachable, api.list_services, 5.0)
        self.assertRaises(
            clients.ApiUnreachable, api.put_service, UUID, {}, 5.0
        )

    def test_it_hangs(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        client = OfObjects()
        client.get_services = ended.wait
        api = clients.adapt(client)
        self.assertRaises(TimeoutError, api.list_services, 0.01)

    def test_tokens_are_its_own_business(self):
        api = clients.adapt(OfObjects())
        self.assertTrue(api.renews())
        api.renew()
        self.assertIsNone(api.traits('host1', 5.0))
