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

"""What a request to change a service asks for."""

from safe_fixtures.guards import services
from safe_fixtures.guards.services import changes
from tests.support import base

UUID = '5f1f0e4c-6d0b-4b0e-9a8e-0f6c8f3a2b11'
HOST = {'host': 'host1', 'binary': 'nova-compute'}
ENABLED = services.ServiceState()
DISABLED = services.ServiceState(True, 'before', True)


def parsed(path, body=None, method='PUT'):
    return changes.parse_change(f'/os-services/{path}', method, body)


class TestParseChange(base.TestCase):
    def test_by_uuid(self):
        for body, before, after in (
            (
                {'status': 'disabled', 'disabled_reason': 'why'},
                ENABLED,
                services.ServiceState(True, 'why'),
            ),
            # Without a reason the old one goes.
            (
                {'status': 'disabled'},
                DISABLED,
                services.ServiceState(True, None, True),
            ),
            (
                {'status': 'enabled'},
                DISABLED,
                services.ServiceState(forced_down=True),
            ),
            (
                {'forced_down': True},
                ENABLED,
                services.ServiceState(forced_down=True),
            ),
            (
                {'forced_down': 'false'},
                DISABLED,
                services.ServiceState(True, 'before'),
            ),
            (
                {'status': 'enabled', 'forced_down': 'no'},
                DISABLED,
                ENABLED,
            ),
            # The API refuses it: it changes nothing.
            ({'disabled_reason': 'why'}, DISABLED, DISABLED),
            ({}, DISABLED, DISABLED),
        ):
            with self.subTest(body=body):
                change = parsed(UUID, body)
                self.assertEqual({'id': UUID}, change.service)
                self.assertEqual(after, change.applied(before))
                self.assertFalse(change.deletes)

    def test_by_host_and_binary(self):
        for action, body, before, after in (
            ('enable', {}, DISABLED, services.ServiceState(forced_down=True)),
            ('disable', {}, ENABLED, services.ServiceState(True)),
            (
                'disable',
                {'disabled_reason': 'ignored'},
                DISABLED,
                services.ServiceState(True, None, True),
            ),
            (
                'disable-log-reason',
                {'disabled_reason': 'why'},
                ENABLED,
                services.ServiceState(True, 'why'),
            ),
            (
                'force-down',
                {'forced_down': 'True'},
                ENABLED,
                services.ServiceState(forced_down=True),
            ),
            (
                'force-down',
                {'forced_down': False},
                DISABLED,
                services.ServiceState(True, 'before'),
            ),
            ('enable', {'forced_down': True}, ENABLED, ENABLED),
        ):
            with self.subTest(action=action, body=body):
                change = parsed(action, {**HOST, **body})
                self.assertEqual(HOST, change.service)
                self.assertEqual(after, change.applied(before))

    def test_delete(self):
        for given in (UUID, '7'):
            change = parsed(given, method='DELETE')
            self.assertEqual({'id': given}, change.service)
            self.assertTrue(change.deletes)

    def test_other_ways_to_write_a_path(self):
        for path in (UUID.upper(), f'{UUID}/', UUID.replace('-', '%2D')):
            with self.subTest(path=path):
                change = parsed(path, {'status': 'enabled'})
                self.assertEqual({'id': UUID}, change.service)

    def test_what_changes_no_service(self):
        put = {'status': 'disabled'}
        for path, method, body in (
            ('/os-services', 'GET', None),
            ('/os-services/', 'PUT', put),
            (f'/os-services/{UUID}', 'GET', put),
            (f'/os-services/{UUID}', 'POST', put),
            (f'/os-services/{UUID}/more', 'PUT', put),
            (f'/os-services/{UUID}', 'PUT', None),
            (f'/os-services/{UUID}', 'PUT', [put]),
            (f'/servers/{UUID}', 'DELETE', None),
        ):
            with self.subTest(path=path, method=method, body=body):
                self.assertIsNone(changes.parse_change(path, method, body))

    def test_bodies_that_make_no_sense(self):
        for path in (UUID, 'enable', 'disable-log-reason', 'force-down'):
            for value in (None, 7, [], {}, 'x' * 1000, '\x1b[31m'):
                body = dict.fromkeys(
                    ('status', 'forced_down', 'host', 'binary'), value
                )
                with self.subTest(path=path, value=value):
                    change = parsed(path, body)
                    change.applied(ENABLED)
