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

"""Requests with and without real-looking data."""

import base64

import requests
from requests import adapters

from safe_fixtures.core import gate
from safe_fixtures import expect_violation
from safe_fixtures.guards import payload
from tests.support import base
from tests.support import web

SEND = vars(adapters.HTTPAdapter)['send']
SERVERS = f'{web.URL}/v2.1/servers'
# Put together here, so that no scanner takes this file for a leak.
BYTES = bytes(range(256)) * 3
MADE = base64.b64encode(BYTES).decode()
# As they begin: PKCS 1, PKCS 8 (also of Ed25519), SEC 1, PKCS 12.
DER_KEYS = [
    bytes.fromhex(begin) + BYTES
    for begin in (
        '308204a40201000282010100',
        '308204be020100300d06092a864886f70d0101010500',
        '302e020100300506032b657004220420',
        '30770201010420',
        '30820a3b02010330820a01',
    )
]


def pem(kind):
    lines = '\n'.join(
        MADE[start : start + 64] for start in range(0, len(MADE), 64)
    )
    return f'-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n'


RSA_KEY = pem('RSA PRI' + 'VATE KEY')
SSH_KEY = pem('OPENSSH PRI' + 'VATE KEY')
ACCESS_KEY = 'AKI' + 'A2Q7XN5RM3VKD8WTB'
GITHUB_TOKEN = 'gh' + 'p_J7mQ2xZ9vK4tR8wN1bY6cL3dF5gH0sPaE1uX'
PUBLIC_KEY = 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ'
CERTIFICATE = pem('CERTIFICATE')


def b64(text):
    content = text if isinstance(text, bytes) else text.encode()
    return base64.b64encode(content).decode()


def server(**fields):
    return {'server': {'name': 'dummy', 'imageRef': '', **fields}}


ADDRESS = 'public address'
DOMAIN = 'e-mail domain'


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.configure(rule_modes='SF303:enforce')
        self.server = self.useFixture(web.Served())

    def guard(self, **kwargs):
        return self.useFixture(payload.PayloadGuard(**kwargs))

    def refused(self, **kwargs):
        """Send a request; return what it is refused with."""
        kwargs.setdefault('method', 'POST')
        kwargs.setdefault('url', SERVERS)
        arrived = len(self.server.requests)
        with expect_violation('SF303') as seen:
            requests.request(**kwargs)
        # Once, and before it is served.
        self.assertEqual(1, len(seen))
        self.assertEqual(arrived, len(self.server.requests))
        return seen[0].message

    def served(self, **kwargs):
        kwargs.setdefault('method', 'POST')
        kwargs.setdefault('url', SERVERS)
        arrived = len(self.server.requests)
        response = requests.request(**kwargs)
        self.assertEqual(200, response.status_code)
        self.assertEqual(arrived + 1, len(self.server.requests))
        environ = self.server.requests[-1]
        return environ['wsgi.input'].read()

    def assertUntouched(self):
        self.assertIs(SEND, vars(adapters.HTTPAdapter)['send'])
        self.assertEqual((), gate.OBSERVERS.users)
