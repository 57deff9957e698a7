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

"""An API that serves microversions, and requests to it."""

import microversion_parse
import requests
from requests import adapters

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards import microversion
from tests.support import base
from tests.support import web

SEND = vars(adapters.HTTPAdapter)['send']
STANDARD = microversion_parse.STANDARD_HEADER
LEGACY = microversion.SERVICES['compute'][1]
MALFORMED = ('2', '2.x', 2.53, '', '3.1', '2.053', '2.53 ', 'latest', b'2.53')


class Versions:
    """The versions of a fake API."""

    def __init__(self, minimum='2.1', maximum='2.104', vetted='2.53'):
        self.supported = (minimum, maximum)
        self.vetted = vetted

    def vetted_microversion(self):
        return self.vetted

    def supported_microversions(self):
        return self.supported


class UnknownRelease(Versions):
    def vetted_microversion(self):
        raise exceptions.ConfigurationError(
            'pinned_microversion', None, 'Nova 99 has no vetted pin'
        )


def get(**headers):
    names = {'standard': STANDARD, 'legacy': LEGACY}
    return requests.get(
        f'{web.URL}/v2.1/servers',
        headers={names.get(key, key): value for key, value in headers.items()},
    )


def latest():
    return get(standard='compute latest', legacy='latest')


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.server = self.useFixture(web.Served(self.respond))
        self.served = None
        self.status = '200 OK'

    def respond(self, environ):
        """Serve at the version that is asked for, or at self.served."""
        asked = environ.get('HTTP_OPENSTACK_API_VERSION', 'compute 2.1')
        served = self.served or asked
        headers = {STANDARD: served} if served != 'none' else {}
        return self.status, headers, {}

    def arrived(self):
        """Return the version headers that the last request arrived with."""
        environ = self.server.requests[-1]
        return (
            environ.get('HTTP_OPENSTACK_API_VERSION'),
            environ.get('HTTP_X_OPENSTACK_NOVA_API_VERSION'),
        )

    def pin(self, pin='2.53', versions=None, **kwargs):
        return safe_fixtures.MicroversionPin(
            pin, versions=versions or Versions(), **kwargs
        )

    def assertUntouched(self):
        self.assertIs(SEND, vars(adapters.HTTPAdapter)['send'])
        self.assertEqual((), gate.OBSERVERS.users)
        self.assertIsNone(audit.current())
