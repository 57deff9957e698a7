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

from safe_fixtures.boundary import endpoints
from tests.support import base
from tests.support import web

LOOPBACK = [
    'http://localhost/v2.1',
    'http://api.localhost:8774/',
    'http://127.0.0.1:8774/v2.1',
    'http://127.8.9.1/',
    'http://[::1]:8774/v2.1',
    'https://LOCALHOST/',
]
OUTSIDE = [
    'http://nova.example.com/v2.1',
    'http://192.0.2.1:8774/',
    'http://[2001:db8::1]/',
    'http://localhost.example.com/',
    'http://127.0.0.1.example.com/',
    'http://127.0.0.1@example.com/',
    'http://localhost:80@example.com/',
    'http://0.0.0.0/',
    'http:///v2.1',
    'http://[::1',
    'http://127.0.0.1:http/',
    'nova.example.com',
    '',
]


class TestEndpoints(base.TestCase):
    def test_loopback(self):
        for url in LOOPBACK:
            with self.subTest(url=url):
                self.assertTrue(endpoints.is_test_endpoint(url), url)

    def test_outside(self):
        for url in OUTSIDE:
            with self.subTest(url=url):
                self.assertFalse(endpoints.is_test_endpoint(url), url)

    def test_intercepted(self):
        for url in (web.URL, 'http://served.test/v2.1', 'http://served.test'):
            with self.subTest(url=url):
                self.assertFalse(endpoints.is_test_endpoint(url), url)
                with web.Served():
                    self.assertTrue(endpoints.is_intercepted(url), url)
                    self.assertTrue(endpoints.is_test_endpoint(url), url)
                self.assertFalse(endpoints.is_test_endpoint(url), url)

    def test_intercepted_elsewhere(self):
        self.useFixture(web.Served())
        for url in (
            'http://served.test:81/',
            'https://served.test/',
            'http://other.test/',
        ):
            with self.subTest(url=url):
                self.assertFalse(endpoints.is_test_endpoint(url), url)

    def test_allowed(self):
        url = 'http://nova.example.com:8774/v2.1/servers'
        for entry in (
            'nova.example.com',
            'nova.example.com:8774',
            'http://nova.example.com:8774',
            'http://nova.example.com:8774/',
            'http://nova.example.com:8774/v2.1',
            url,
        ):
            with self.subTest(entry=entry):
                self.assertTrue(endpoints.is_test_endpoint(url, ['x', entry]))

    def test_not_allowed(self):
        url = 'http://nova.example.com:8774/v2.1/servers'
        for entry in (
            'example.com',
            'nova.example.com:80',
            'http://nova.example.com',
            'https://nova.example.com:8774',
            'http://nova.example.com:8774/v2',
            'http://nova.example.com:8774/v2.1/server',
        ):
            with self.subTest(entry=entry):
                self.assertFalse(
                    endpoints.is_test_endpoint(url, [entry]), entry
                )

    def test_allowed_however_it_is_written(self):
        for entry in ('MyLab.Example', 'MyLab.Example:443'):
            with self.subTest(entry=entry):
                self.assertTrue(
                    endpoints.is_test_endpoint(
                        'https://mylab.example/v2.1', [entry]
                    )
                )
        self.assertTrue(
            endpoints.is_test_endpoint(
                'https://lab.example:443/compute/x',
                ['https://lab.example/compute'],
            )
        )
        self.assertFalse(
            endpoints.is_test_endpoint(
                'https://lab.example/computer', ['https://lab.example/compute']
            )
        )

    def test_default_ports(self):
        self.assertTrue(
            endpoints.is_test_endpoint('http://lab.test/', ['lab.test:80'])
        )
        self.assertTrue(
            endpoints.is_test_endpoint('https://lab.test/', ['lab.test:443'])
        )
        self.assertFalse(
            endpoints.is_test_endpoint('https://lab.test/', ['lab.test:80'])
        )
