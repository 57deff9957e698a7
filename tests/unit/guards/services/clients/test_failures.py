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

"""How calls of libraries fail."""

import http.client
import socket
from types import SimpleNamespace

from keystoneauth1 import exceptions as ksa
import requests
import urllib3

from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services.clients import failures
from tests.support import base


class OfNova(Exception):
    """As Nova's test client raises it."""

    def __init__(self, status):
        super().__init__('Unexpected status code')
        self.response = SimpleNamespace(status_code=status)


class OfNovaclient(Exception):
    code = 404


class OfTempest(Exception):
    resp = SimpleNamespace(status=403)


def an_http_error():
    response = requests.Response()
    response.status_code = 502
    return requests.HTTPError('Bad Gateway', response=response)


class TestToldApart(base.TestCase):
    def raised(self, error, what=''):
        try:
            with failures.told_apart(what):
                raise error
        except Exception as found:
            return found

    def test_answers(self):
        for error, status in (
            (ksa.Forbidden(), 403),
            (ksa.ServiceUnavailable(), 503),
            (ksa.MissingAuthPlugin(), 401),
            (ksa.AuthorizationFailure(), 401),
            (OfNova(409), 409),
            (OfNovaclient(), 404),
            (OfTempest(), 403),
            (an_http_error(), 502),
        ):
            with self.subTest(error=error):
                found = self.raised(error)
                self.assertIsInstance(found, clients.ApiError)
                self.assertEqual(status, found.status)
                self.assertIs(error, found.__cause__)

    def test_broken_connections(self):
        for error in (
            ConnectionRefusedError('refused'),
            http.client.RemoteDisconnected(),
            socket.gaierror('no such host'),
            requests.ConnectionError('refused'),
            requests.exceptions.SSLError('no such issuer'),
            urllib3.exceptions.ProtocolError('cut'),
            urllib3.exceptions.NewConnectionError(None, 'refused'),
            urllib3.exceptions.MaxRetryError(None, 'url', 'refused'),
            ksa.ConnectFailure('refused'),
            ksa.SSLError('no such issuer'),
            ksa.UnknownConnectionError('cut', None),
            ksa.DiscoveryFailure('no answer'),
        ):
            with self.subTest(error=error):
                self.assertIsInstance(
                    self.raised(error), clients.ApiUnreachable
                )

    def test_timeouts(self):
        for error in (
            TimeoutError('no answer'),
            socket.timeout('no answer'),
            requests.ConnectTimeout('no answer'),
            requests.ReadTimeout('no answer'),
            urllib3.exceptions.ReadTimeoutError(None, 'url', 'no answer'),
            ksa.ConnectTimeout('no answer'),
        ):
            with self.subTest(error=error):
                found = self.raised(error)
                self.assertIs(TimeoutError, type(found))
                self.assertIn('no answer', str(found))

    def test_anything_else_is_raised_as_it_is(self):
        for error in (
            LookupError('none'),
            ksa.EndpointNotFound(),
            clients.ApiError(500, 'why'),
            clients.ApiUnreachable('why'),
        ):
            with self.subTest(error=error):
                self.assertIs(error, self.raised(error))

    def test_texts_are_short_and_printable(self):
        found = self.raised(ConnectionError('\x1b[31m\n' + 'x' * 100000))
        self.assertTrue(str(found).isprintable())
        self.assertLess(len(str(found)), 1000)

    def test_what_was_tried_is_said(self):
        for text, said in (
            ('refused', 'http://cloud.test: refused'),
            ('http://cloud.test refused', 'http://cloud.test refused'),
        ):
            with self.subTest(text=text):
                found = self.raised(ConnectionError(text), 'http://cloud.test')
                self.assertEqual(said, str(found))

    def test_no_password_of_a_url(self):
        url = 'http://admin:dummy-word@cloud.test'
        for error in (
            ConnectionError(f'{url} refused'),
            ConnectionError('refused'),
            TimeoutError(url),
            ksa.ServiceUnavailable(url),
        ):
            with self.subTest(error=error):
                self.assertNotIn('dummy-word', str(self.raised(error, url)))

    def test_an_error_without_a_text(self):
        found = self.raised(ConnectionResetError())
        self.assertEqual('ConnectionResetError', str(found))
