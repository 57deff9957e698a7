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

"""Secrets in API requests are known afterwards."""

import io

import requests

from safe_fixtures.core import gate
from safe_fixtures.guards.output import api_secrets
from tests.support import base
from tests.support import outputs
from tests.support import web

SECRET = outputs.SECRET
PLAIN = outputs.PLAIN
Inner = outputs.Inner
run = outputs.run


class TestGate(base.TestCase):
    """Secrets that pass the API are known afterwards."""

    def setUp(self):
        super().setUp()
        self.headers = {}
        self.answer = {}
        self.useFixture(
            web.Served(lambda environ: ('200 OK', self.headers, self.answer))
        )
        self.learned = []

    def send(self, method='POST', path='/v2.1/servers', **named):
        self.useFixture(gate.ApiGate(api_secrets.SecretsAtGate(self)))
        requests.request(method, web.URL + path, **named)
        return self.learned

    def learn(self, secret):
        self.learned.append(secret)

    def test_a_test(self):
        class Case(Inner):
            def test(self):
                requests.post(
                    f'{web.URL}/v2.1/servers',
                    json={'server': {'name': 'vm', 'adminPass': SECRET}},
                    headers={'X-Auth-Token': f'token-{SECRET}'},
                )
                self.fail(f'{PLAIN} {SECRET} token-{SECRET}')

        ((_, texts),) = run(Case).outcomes
        self.assertNotIn(SECRET, texts['traceback'])
        self.assertIn(f'{PLAIN} *** ***', texts['traceback'])

    def test_passwords_in_requests(self):
        for body in (
            {'server': {'name': 'vm', 'adminPass': SECRET}},
            {'rebuild': {'imageRef': 'image', 'adminPass': SECRET}},
            {'changePassword': {'adminPass': SECRET}},
            {'evacuate': {'host': 'host1', 'adminPass': SECRET}},
            {'rescue': {'adminPass': SECRET}},
        ):
            with self.subTest(body=body):
                self.learned = []
                self.assertEqual([SECRET], self.send(json=body), body)

    def test_bodies_of_other_kinds(self):
        for data in (
            f'{{"rescue": {{"adminPass": "{SECRET}"}}}}'.encode(),
            io.BytesIO(f'{{"rescue": {{"adminPass": "{SECRET}"}}}}'.encode()),
        ):
            with self.subTest(data=data):
                self.learned = []
                self.assertEqual([SECRET], self.send(data=data))
        for data in (
            'adminPass',
            b'\xff adminPass',
            None,
            {'adminPass': ['x']},
        ):
            with self.subTest(data=data):
                self.learned = []
                self.assertEqual([], self.send(data=data))
        self.assertEqual([], self.send(json=[{'adminPass': 1}, None]))

    def test_passwords_in_responses(self):
        self.answer = {'server': {'id': '1', 'adminPass': SECRET}}
        self.assertEqual([SECRET], self.send(json={}))

    def test_nothing_else(self):
        self.answer = {'servers': [{'id': '1', 'token': SECRET}]}
        self.assertEqual([], self.send('GET'))
        self.assertEqual([], self.send(json={'server': {'name': SECRET}}))

    def test_tokens_of_requests(self):
        for name in ('X-Auth-Token', 'X-Service-Token', 'X-Subject-Token'):
            self.learned = []
            for value in (SECRET, SECRET.encode()):
                with self.subTest(name=name, value=value):
                    self.learned = []
                    self.assertEqual(
                        [SECRET], self.send('GET', headers={name: value})
                    )

    def test_tokens_that_name_who_asks(self):
        for token in ('somebody', 'somebody:their-project'):
            with self.subTest(token=token):
                self.assertEqual(
                    [],
                    self.send(
                        'GET',
                        headers={
                            'X-Auth-Token': token,
                            'X-User-Id': 'somebody',
                            'X-Auth-Project-Id': 'their-project',
                        },
                    ),
                )

    def test_tokens_of_responses(self):
        self.headers = {'X-Subject-Token': SECRET}
        self.assertEqual([SECRET], self.send(path='/v3/auth/tokens'))

    def test_consoles(self):
        for url in (
            f'http://127.0.0.1:6080/vnc_auto.html?path=%3Ftoken%3D{SECRET}',
            f'ws://127.0.0.1:6083/?token={SECRET}',
            f'http://127.0.0.1:6082/spice_auto.html?title=vm&token={SECRET}',
        ):
            with self.subTest(url=url):
                self.learned = []
                self.answer = {'remote_console': {'type': 'x', 'url': url}}
                path = '/v2.1/servers/1/remote-consoles'
                self.assertEqual([SECRET], self.send(path=path), url)

    def test_once(self):
        self.answer = {'server': {'adminPass': SECRET}}
        with gate.ApiGate(api_secrets.SecretsAtGate(self)):
            for _ in range(2):
                requests.post(web.URL, json={'adminPass': SECRET})
        self.assertEqual([SECRET], self.learned)

    def test_a_stream_is_left_as_it_was(self):
        sent = io.BytesIO(b'....{"adminPass": "abc-def"}')
        sent.seek(4)
        self.send(data=sent)
        self.assertEqual(['abc-def'], self.learned)
