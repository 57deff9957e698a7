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

"""Clients of every kind."""

from unittest import mock
from uuid import UUID
import warnings

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures import exceptions
from tests.support import toggles


class Numbered:
    """A client of an API before 2.53, with any signature."""

    def __init__(self):
        self.service = {
            'id': 7,
            'host': 'host1',
            'binary': 'nova-compute',
            'status': 'enabled',
            'disabled_reason': None,
        }

    def get_services(self):
        return [dict(self.service)]

    def put_service(self, *args, **kwargs):
        number, body = [*args, *kwargs.values()]
        if number != 7:
            raise LookupError(number)
        self.service.update(body)


class TestOtherClients(toggles.TestCase):
    def test_numbers_and_any_signature(self):
        client = Numbered()
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            with audit.AuditTrail() as trail:
                with safe_fixtures.SafeServiceToggle(api=client) as toggle:
                    toggle.disable('host1')
                    client.put_service(7, body={'forced_down': True})
                    self.assertTrue(client.service['forced_down'])
        self.assertEqual(2, len(toggle.ledger))
        self.assertEqual('enabled', client.service['status'])
        self.assertFalse(client.service['forced_down'])
        self.assertEqual(1, len({e['target']['id'] for e in trail.events}))

    def test_uuid_that_is_no_text(self):
        client = Numbered()
        uuid = client.service['id'] = UUID(int=7)
        client.put_service = lambda _, body: client.service.update(body)
        with safe_fixtures.SafeServiceToggle(api=client) as toggle:
            client.put_service(uuid, {'status': 'disabled'})
        self.assertEqual(1, len(toggle.ledger))
        self.assertEqual('enabled', client.service['status'])

    def test_calls_that_make_no_sense_are_the_clients(self):
        client = Numbered()
        with safe_fixtures.SafeServiceToggle(api=client) as toggle:
            self.assertRaises(ValueError, client.put_service)
            self.assertRaises(TypeError, client.put_service, 7, None)
        self.assertEqual([], toggle.ledger)

    def test_mock_is_left_as_it_was(self):
        client = mock.Mock()
        client.get_services.return_value = []
        put_service = client.put_service
        with safe_fixtures.SafeServiceToggle(api=client):
            self.assertIsNot(put_service, client.put_service)
        self.assertIs(put_service, client.put_service)

    def test_put_service_that_is_kept_works_after_the_toggle(self):
        with self.toggle() as toggle:
            put_service = self.client.put_service
        put_service(self.client.uuid('host1'), {'status': 'disabled'})
        self.assertNotEqual(self.before, self.client.state())
        self.assertEqual([], toggle.ledger)

    def test_clients_that_cannot_be_watched(self):
        class Slots:
            __slots__ = ()

            def get_services(self):
                return []

            put_service = get_services

        for client in (object(), Slots()):
            with self.subTest(client=client):
                error = self.assertRaises(
                    exceptions.ConfigurationError,
                    safe_fixtures.SafeServiceToggle(api=client).setUp,
                )
                self.assertIn('SafeServiceToggle api', str(error))
