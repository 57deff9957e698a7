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

"""When the first server of a test is checked."""

import urllib3

from safe_fixtures.core import gate
from safe_fixtures import ServerPermissions
from safe_fixtures import testing
from tests.support import web
from tests.unit.guards.permissions import cases


class TestFirstServer(cases.RequestsTestCase):
    def test_first_is_one_of_a_reservation(self):
        self.body = {'reservation_id': 'r-1'}
        with self.checked():
            self.create(return_reservation_id=True)
        self.assertEqual(
            [['all: its id was not in the response']],
            [each['not_checked'] for each in self.said()],
        )

    def test_off(self):
        self.configure(rule_modes='SF502:off')
        with self.checked() as check:
            self.create()
            self.send('GET', f'/servers/{cases.SERVER}')
            self.assertNotIn(check, gate.OBSERVERS.users)
        self.assertEqual(0, self.source.probers)
        self.assertEqual([], self.said())

    def test_first_is_not_deleted(self):
        with self.checked():
            self.create()
            self.answer = '409 Conflict'
            self.send('DELETE', f'/servers/{cases.SERVER}')
            self.send('GET', f'/servers/{cases.SERVER}')
        self.assertEqual(1, self.source.probers)

    def test_first_is_checked_once(self):
        with self.checked():
            self.status = 'BUILD'
            self.create()
            self.send('GET', f'/servers/{cases.SERVER}')
            self.status, self.task = 'ACTIVE', 'spawning'
            self.send('GET', f'/servers/{cases.SERVER}')
            self.send('GET', '/servers/detail')
            self.assertEqual(0, self.source.probers)
            self.task = None
            self.send('GET', '/servers/another')
            self.assertEqual(0, self.source.probers)
            self.send('GET', f'/servers/{cases.SERVER}')
            self.assertEqual(1, self.source.probers)
            self.send('GET', f'/servers/{cases.SERVER}')
            self.create()
            self.send('GET', f'/servers/{cases.SERVER}')
        self.assertEqual(1, self.source.probers)
        (said,) = self.said()
        self.assertEqual([], said['not_checked'])

    def test_first_is_seen_in_a_list(self):
        with self.checked():
            self.create()
            self.send('GET', '/servers/detail')
        self.assertEqual(1, self.source.probers)

    def test_first_is_weak(self):
        self.source.outcomes['other', 'show'] = 'allowed'
        with self.checked():
            self.create()
            with testing.expect_violation('SF502'):
                self.send('GET', f'/servers/{cases.SERVER}')
            self.send('GET', f'/servers/{cases.SERVER}')
        self.assertEqual(1, self.source.probers)

    def test_first_is_not_checked(self):
        def delete():
            self.create()
            self.send('DELETE', f'/servers/{cases.SERVER}')

        def fail():
            self.response = {}
            self.create()

        for act, why in (
            (delete, 'it was deleted before a response showed it active'),
            (self.create, 'no response of the test showed it active'),
            (fail, 'no response showed that one was created'),
        ):
            with self.subTest(act=act, why=why):
                with self.checked():
                    act()
                self.assertEqual(
                    [f'all: {why}'], self.said()[-1]['not_checked']
                )
        self.assertEqual(0, self.source.probers)

    def test_first_is_asserted(self):
        with self.checked() as check:
            self.create()
            check.assert_permissions(cases.SERVER)
            self.send('GET', f'/servers/{cases.SERVER}')
        self.assertEqual(1, self.source.probers)
        self.assertEqual([[]], [each['not_checked'] for each in self.said()])

    def test_first_is_seen_by_a_matrix(self):
        """The requests of a matrix pass the gate as well."""
        self.source.server = lambda server_id: cases.record()
        attempt = self.source.attempt

        def asking(persona, operation):
            self.send('GET', '/servers/detail')
            return attempt(persona, operation)

        self.source.attempt = asking
        with self.checked() as check:
            self.create()
            check.assert_permissions('another')
            self.assertEqual(1, self.source.probers)
            self.send('GET', f'/servers/{cases.SERVER}')
        self.assertEqual(2, self.source.probers)

    def test_nobody_asked(self):
        with ServerPermissions(source=self.source):
            self.create()
            self.send('GET', f'/servers/{cases.SERVER}')
        self.assertEqual(0, self.source.probers)
        self.assertEqual([], self.said())


class TestUrllib3(cases.RequestsTestCase):
    """A server that a client on urllib3 creates and shows."""

    def send(self, method, path, body=None):
        urllib3.PoolManager().request(
            method,
            f'{web.URL}/v2.1{path}',
            json=body,
            headers={'X-Auth-User': 'user', 'X-Auth-Project-Id': 'project'},
        )

    def test_first(self):
        with self.checked():
            self.create()
            self.assertEqual(0, self.source.probers)
            self.send('GET', f'/servers/{cases.SERVER}')
            self.assertEqual(1, self.source.probers)

    def test_first_is_weak(self):
        self.source.outcomes['other', 'show'] = 'allowed'
        with self.checked():
            self.create()
            with testing.expect_violation('SF502'):
                self.send('GET', f'/servers/{cases.SERVER}')
