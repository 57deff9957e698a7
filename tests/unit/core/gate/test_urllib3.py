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

"""The gate at urllib3."""

import io

import requests
from requests import adapters
import urllib3
from urllib3 import connectionpool

from safe_fixtures.core import gate
from safe_fixtures.core.gate import observers
from safe_fixtures.runtime import patching
from safe_fixtures import testing
from tests.support import base
from tests.support import gates
from tests.support import web


class MyPool(urllib3.HTTPConnectionPool):
    """A pool of somebody's own."""

    def urlopen(self, method, url, *args, **kwargs):
        return super().urlopen(method, url, *args, **kwargs)


class CopyingPool(urllib3.HTTPConnectionPool):
    """A pool that sends copies of what it is given."""

    def urlopen(self, method, url, body=None, headers=None, **kwargs):
        headers = dict(headers or {}, X_Mine='yes')
        return super().urlopen(method, url, body, headers, **kwargs)


class MyManager(urllib3.PoolManager):
    def __init__(self, pool):
        super().__init__()
        self.pool_classes_by_scheme = {'http': pool}


class MyAdapter(adapters.HTTPAdapter):
    def __init__(self, pool):
        super().__init__()
        self.poolmanager = MyManager(pool)


class TestCase(gates.Served, base.TestCase):
    def setUp(self):
        super().setUp()
        self.http = urllib3.PoolManager()
        self.addCleanup(self.http.clear)
        self.pool = urllib3.connection_from_url(self.server.url)
        self.addCleanup(self.pool.close)
        self.failures = 0

    def respond(self, environ):
        if environ['PATH_INFO'] == '/busy' and self.failures:
            self.failures -= 1
            return '503 Busy', {'X-Left': str(self.failures)}, None
        return super().respond(environ)


class TestClients(gates.EachClient, TestCase):
    def clients(self):
        named = {
            'manager': lambda: self.http.request('GET', self.url),
            'small letters': lambda: self.pool.urlopen('get', '/v2.1/servers'),
            'manager.urlopen': lambda: self.http.urlopen('GET', self.url),
            'pool': lambda: self.pool.request('GET', '/v2.1/servers'),
            'urlopen': lambda: self.pool.urlopen('GET', '/v2.1/servers'),
            'keywords': lambda: self.pool.urlopen(
                method='GET', url='/v2.1/servers'
            ),
            'positions': lambda: self.pool.urlopen(
                'GET', '/v2.1/servers', None, {'X-Mine': 'yes'}, False
            ),
            'whole URL': lambda: self.pool.urlopen('GET', self.url),
            'subclass': lambda: MyManager(MyPool).request('GET', self.url),
            'module': lambda: urllib3.request('GET', self.url),
            'proxy': lambda: urllib3.ProxyManager(self.server.url).request(
                'GET', 'http://nova.test/v2.1/servers'
            ),
            'requests': lambda: requests.get(self.url),
        }
        for pool in (MyPool, CopyingPool):
            session = requests.Session()
            session.mount('http://', MyAdapter(pool))
            named[f'requests, {pool.__name__}'] = lambda session=session: (
                session.get(self.url)
            )
        return named

    def test_url(self):
        notes = self.notes()
        for send in (
            lambda: self.http.request('GET', self.url),
            lambda: self.pool.request('GET', '/v2.1/servers'),
            lambda: self.pool.request('GET', self.url),
        ):
            send()
            self.assertEqual(self.url, notes.last.url)
        urllib3.ProxyManager(self.server.url).request(
            'GET', 'http://nova.test:8774/v2.1/servers'
        )
        self.assertEqual('http://nova.test:8774/v2.1/servers', notes.last.url)

    def test_url_of_hosts_that_nobody_serves(self):
        for pool, path, expected in (
            (urllib3.HTTPSConnectionPool('nova.test'), '/x',
             'https://nova.test/x'),
            (urllib3.HTTPSConnectionPool('nova.test', 8774), '/x?y#z',
             'https://nova.test:8774/x?y#z'),
            (urllib3.HTTPConnectionPool('[2001:db8::1]', 80), '//x',
             'http://[2001:db8::1]:80//x'),
        ):  # fmt: skip
            with self.subTest(expected=expected):
                seen = []

                class Stops(gates.Notes):
                    def before(self, call, seen=seen):
                        seen.append(call.url)
                        raise ZeroDivisionError

                with gate.ApiGate(Stops()):
                    self.assertRaises(
                        ZeroDivisionError, pool.urlopen, 'GET', path
                    )
                self.assertEqual([expected], seen)


class TestCall(TestCase):
    def test_call(self):
        notes = self.notes()
        response = self.http.request(
            'PUT',
            f'{self.server.url}/v2.1//os-services/1?x=y',
            json={'status': 'on'},
        )
        call = notes.last
        self.assertEqual('PUT', call.method)
        self.assertEqual('/os-services/1', call.path)
        self.assertEqual({'status': 'on'}, call.body)
        self.assertEqual(
            'application/json', call.request.headers['content-type']
        )
        self.assertEqual(200, call.response.status_code)
        self.assertTrue(call.response.ok)
        self.assertEqual('yes', call.response.headers.get('x-answer'))
        self.assertEqual(response.data, call.response.content)
        self.assertEqual({'path': '/v2.1//os-services/1'}, call.response_body)
        self.assertEqual('PUT /v2.1/os-services/1', str(call))

    def test_path_as_the_server_reads_it(self):
        notes = self.notes()
        self.pool.urlopen('GET', '/v2.1/os%2Dservices/a%2fb')
        self.assertEqual('/os-services/a/b', notes.last.path)
        self.assertEqual(
            f'{self.server.url}/v2.1/os-services/a%2fb', notes.last.url
        )
        (environ,) = self.server.requests
        self.assertEqual('/v2.1/os-services/a/b', environ['PATH_INFO'])

    def test_url_as_requests_writes_it(self):
        # Every character, in capitals and small letters.
        escaped = ''.join(f'%{code:02X}%{code:02x}' for code in range(256))
        notes = self.notes()
        for send in (
            requests.get,
            lambda url: self.http.request('GET', url),
        ):
            send(f'{self.server.url}/{escaped}')
        first, second = notes.calls
        self.assertEqual(first.url.lower(), second.url.lower())

    def test_body_is_left_to_the_client(self):
        notes = self.notes()
        response = self.http.request('GET', self.url, preload_content=False)
        self.assertIsNone(notes.last.response.content)
        self.assertIsNone(notes.last.response_body)
        self.assertEqual({'path': '/v2.1/servers'}, response.json())

    def test_bodies(self):
        text = b'{"a": 1}'
        notes = self.useFixture(gate.ApiGate(gates.Reads())).observer
        for name, body in (
            ('text', text.decode()),
            ('bytes', text),
            ('bytearray', bytearray(text)),
            ('memoryview', memoryview(text)),
            ('file', io.BytesIO(text)),
            ('text file', io.StringIO(text.decode())),
            ('list', [text[:3], text[3:]]),
            ('list of texts', [text[:3].decode(), text[3:].decode()]),
        ):
            with self.subTest(name=name):
                self.http.request(
                    'POST',
                    self.url,
                    body=body,
                    headers={'Content-Length': str(len(text))},
                )
                self.assertEqual({'a': 1}, notes.body)
                self.assertEqual(text, self.server.bodies[-1])

    def test_body_that_can_be_read_once(self):
        text = b'{"a": 1}'
        reader = io.BytesIO(text)
        unseekable = type('Reader', (), {'read': reader.read})()
        notes = self.notes()
        for name, body in (
            ('generator', (part for part in [text])),
            ('iterator', iter([text])),
            ('reader', unseekable),
        ):
            with self.subTest(name=name):
                self.http.request(
                    'POST',
                    self.url,
                    body=body,
                    headers={'Content-Length': str(len(text))},
                )
                self.assertIsNone(notes.last.content)
                self.assertIsNone(notes.last.body)
                self.assertEqual(text, self.server.bodies[-1])

    def test_subclasses_of_texts(self):
        class Lies(str):
            def __str__(self):
                return 'lie'

            def startswith(self, *args):
                return True

            def encode(self, *args):
                return b'lie'

        notes = self.notes()
        self.pool.urlopen(
            Lies('GET'),
            Lies('/v2.1/servers'),
            body=Lies('{}'),
            headers={Lies('X-Some'): Lies('header')},
        )
        self.assertEqual('/servers', notes.last.path)
        (environ,) = self.server.requests
        self.assertEqual('/v2.1/servers', environ['PATH_INFO'])
        self.assertEqual('header', environ['HTTP_X_SOME'])
        self.assertEqual([b'{}'], self.server.bodies)

    def test_wrong_arguments_are_left_to_urllib3(self):
        bare = self.assertRaises(TypeError, self.pool.urlopen, 'GET')
        notes = self.notes()
        gated = self.assertRaises(TypeError, self.pool.urlopen, 'GET')
        self.assertEqual(str(bare), str(gated))
        self.assertEqual([], notes.seen)


class TestHeaders(TestCase):
    def send(self, **kwargs):
        with gate.ApiGate(gates.Adds()):
            self.pool.urlopen('GET', '/v2.1/servers', **kwargs)
        return self.server.requests[-1]

    def test_none(self):
        environ = self.send()
        self.assertEqual('new', environ['HTTP_X_ADDED'])
        self.assertEqual({}, dict(self.pool.headers))

    def test_of_the_pool(self):
        self.pool.headers = {'X-Added': 'old', 'X-Pool': 'yes'}
        environ = self.send()
        self.assertEqual('new', environ['HTTP_X_ADDED'])
        self.assertEqual('yes', environ['HTTP_X_POOL'])
        self.assertEqual(
            {'X-Added': 'old', 'X-Pool': 'yes'}, self.pool.headers
        )

    def test_of_the_caller(self):
        for kind in (dict, urllib3.HTTPHeaderDict):
            with self.subTest(kind=kind):
                given = kind({'X-Added': 'old', 'X-Mine': 'yes'})
                environ = self.send(headers=given)
                self.assertEqual('new', environ['HTTP_X_ADDED'])
                self.assertEqual('yes', environ['HTTP_X_MINE'])
                self.assertEqual(
                    kind({'X-Added': 'old', 'X-Mine': 'yes'}), given
                )

    def test_as_an_argument_by_position(self):
        with gate.ApiGate(gates.Adds()):
            self.pool.urlopen('GET', '/v2.1/servers', None, {'X-Mine': 'a'})
        environ = self.server.requests[-1]
        self.assertEqual('new', environ['HTTP_X_ADDED'])
        self.assertEqual('a', environ['HTTP_X_MINE'])

    def test_unchanged_ones_are_sent_as_they_are(self):
        given = urllib3.HTTPHeaderDict()
        given.add('X-Twice', 'one')
        given.add('X-Twice', 'two')
        seen = []
        original = connectionpool.HTTPConnectionPool._make_request

        class Pool(urllib3.HTTPConnectionPool):
            def _make_request(self, *args, headers=None, **kwargs):
                seen.append(headers)
                return original(self, *args, headers=headers, **kwargs)

        notes = self.notes()
        pool = Pool('127.0.0.1', self.pool.port)
        pool.urlopen('GET', '/v2.1/servers', headers=given)
        self.assertEqual([given], seen)
        self.assertIsInstance(seen[0], urllib3.HTTPHeaderDict)
        self.assertEqual('one, two', notes.last.request.headers['x-twice'])

    def test_several_of_a_name(self):
        given = urllib3.HTTPHeaderDict()
        given.add('X-Twice', 'one')
        given.add('X-Twice', 'two')
        environ = self.send(headers=given)
        self.assertEqual(
            ['one', 'two'], environ['HTTP_X_TWICE'].replace(' ', '').split(',')
        )
        self.assertEqual('new', environ['HTTP_X_ADDED'])


class TestAgain(TestCase):
    """Retries and redirects."""

    def test_retry_of_an_answer(self):
        retries = urllib3.Retry(5, status_forcelist=[503], backoff_factor=0)
        for name, send in (
            ('manager', lambda: self.http.request(
                'GET', f'{self.server.url}/busy', retries=retries)),
            ('pool', lambda: self.pool.urlopen(
                'GET', '/busy', retries=retries)),
            ('by position', lambda: self.pool.urlopen(
                'GET', '/busy', None, None, retries)),
            ('subclass', lambda: MyManager(MyPool).request(
                'GET', f'{self.server.url}/busy', retries=retries)),
            ('requests', lambda: self.session(retries).get(
                f'{self.server.url}/busy')),
        ):  # fmt: skip
            with self.subTest(name=name):
                self.failures = 3
                arrived = len(self.server.requests)
                notes = gates.Notes()
                with gate.ApiGate(notes):
                    send()
                self.assertEqual(4, len(self.server.requests) - arrived)
                self.assertEqual(
                    [('before', 'GET', '/busy'), ('after', 'GET', '/busy')],
                    notes.seen,
                )
                self.assertEqual(200, notes.last.response.status_code)

    def session(self, retries):
        session = requests.Session()
        self.addCleanup(session.close)
        session.mount('http://', adapters.HTTPAdapter(max_retries=retries))
        return session

    def test_retry_of_a_connection(self):
        class Pool(urllib3.HTTPConnectionPool):
            broken = 2

            def _make_request(self, *args, **kwargs):
                if self.broken:
                    self.broken -= 1
                    raise OSError('broken')
                return super()._make_request(*args, **kwargs)

        notes = self.notes()
        pool = Pool('127.0.0.1', self.pool.port)
        pool.urlopen('GET', '/v2.1/servers', headers={'X-Mine': 'yes'})
        self.assertEqual(gates.SEEN, notes.seen)

    def test_headers_of_a_retry_are_pinned_too(self):
        self.failures = 1
        with gate.ApiGate(gates.Adds()):
            self.pool.urlopen(
                'GET',
                '/busy',
                retries=urllib3.Retry(1, status_forcelist=[503]),
            )
        self.assertEqual(
            ['new', 'new'],
            [each['HTTP_X_ADDED'] for each in self.server.requests],
        )

    def test_no_answer(self):
        notes = self.notes()
        self.server.respond = lambda environ: ('503 Busy', {}, None)
        self.assertRaises(
            urllib3.exceptions.MaxRetryError,
            self.pool.urlopen,
            'GET',
            '/v2.1/servers',
            retries=urllib3.Retry(2, status_forcelist=[503]),
        )
        self.assertEqual(gates.SEEN[:1], notes.seen)
        self.assertIsNone(notes.last.response)
        self.assertIsNone(gate.current_call())

    def test_redirects_are_seen_one_by_one(self):
        for name, send in (
            ('manager', lambda: self.http.request(
                'GET', f'{self.server.url}/redirect/1')),
            ('pool', lambda: self.pool.request('GET', '/redirect/1')),
            ('subclass', lambda: MyPool('127.0.0.1', self.pool.port).request(
                'GET', '/redirect/1')),
        ):  # fmt: skip
            with self.subTest(name=name):
                notes = gates.Notes()
                with gate.ApiGate(notes):
                    response = send()
                self.assertEqual({'path': '/end'}, response.json())
                self.assertEqual(gates.REDIRECTED, notes.seen)
                self.assertEqual(
                    [302, 302, 200],
                    [call.response.status_code for call in notes.calls],
                )
                self.assertEqual(
                    ['/redirect/0', '/end', None],
                    [
                        call.response.headers.get('location')
                        for call in notes.calls
                    ],
                )

    def test_redirect_can_be_refused(self):
        class Refuses(gates.Notes):
            def before(self, call):
                if call.path == '/end':
                    raise ZeroDivisionError

        with gate.ApiGate(Refuses()):
            for send, url in (
                (self.http.request, f'{self.server.url}/redirect/0'),
                (self.pool.request, '/redirect/0'),
            ):
                self.assertRaises(ZeroDivisionError, send, 'GET', url)
        self.assertEqual(
            ['/redirect/0'] * 2,
            [item['PATH_INFO'] for item in self.server.requests],
        )

    def test_retry_after_a_redirect(self):
        self.failures = 2
        respond = self.server.respond
        self.server.respond = lambda environ: (
            ('302 Found', {'Location': '/busy'}, None)
            if environ['PATH_INFO'] == '/start'
            else respond(environ)
        )
        notes = self.notes()
        self.pool.request(
            'GET', '/start', retries=urllib3.Retry(5, status_forcelist=[503])
        )
        self.assertEqual(
            [('before', 'GET', '/start'), ('after', 'GET', '/start'),
             ('before', 'GET', '/busy'), ('after', 'GET', '/busy')],
            notes.seen,
        )  # fmt: skip
        self.assertEqual(
            [302, 200], [call.response.status_code for call in notes.calls]
        )


class TestNested(gates.Untouched, base.TestCase):
    """An application in this process that sends requests of its own."""

    def setUp(self):
        super().setUp()
        self.useFixture(web.Served(self.respond))
        self.http = urllib3.PoolManager()
        self.seen = []

    def respond(self, environ):
        path = environ['PATH_INFO']
        before = gate.current_call()
        if path.startswith('/outer'):
            self.nested(web.URL + '/inner')
        if before is not None:
            self.seen.append((path, before.path, gate.current_call().path))
        return '200 OK', {}, None

    def test_each_is_seen(self):
        senders = {
            'requests': requests.get,
            'session': requests.Session().get,
            'urllib3': lambda url: self.http.request('GET', url),
            'retries': lambda url: self.http.request(
                'GET', url, retries=urllib3.Retry(3)
            ),
        }
        for outer, send in senders.items():
            for inner, self.nested in senders.items():
                with self.subTest(outer=outer, inner=inner):
                    notes = gates.Notes()
                    self.seen = []
                    with gate.ApiGate(notes):
                        send(web.URL + '/outer')
                    self.assertEqual(
                        [('before', 'GET', '/outer'),
                         ('before', 'GET', '/inner'),
                         ('after', 'GET', '/inner'),
                         ('after', 'GET', '/outer')],
                        notes.seen,
                    )  # fmt: skip
                    self.assertEqual(
                        [('/inner', '/inner', '/inner'),
                         ('/outer', '/outer', '/outer')],
                        self.seen,
                    )  # fmt: skip

    def test_redirect_of_a_nested_one(self):
        def nested(url):
            self.http.request('GET', f'{web.URL}/start')

        def respond(environ):
            if environ['PATH_INFO'] == '/start':
                return '302 Found', {'Location': '/end'}, None
            return respond_first(environ)

        respond_first, self.nested = self.respond, nested
        self.useFixture(web.Served(respond))
        notes = gates.Notes()
        with gate.ApiGate(notes):
            # The first and the second use the same pool.
            self.http.request('GET', f'{web.URL}/outer')
        self.assertEqual(
            ['/outer', '/start', '/end'], [call.path for call in notes.calls]
        )

    def test_threads(self):
        served = self.useFixture(web.Served())
        with gate.ApiGate(gates.Notes()):
            seen = gates.current_calls(
                served,
                lambda path: urllib3.PoolManager().request(
                    'GET', web.URL + path
                ),
            )
        self.assertEqual({'/one': '/one', '/two': '/two'}, seen)


class TestPatch(TestCase):
    def test_pool_made_before_it(self):
        notes = gates.Notes()
        with gate.ApiGate(notes):
            self.pool.urlopen('GET', '/v2.1/servers')
        self.pool.urlopen('GET', '/v2.1/servers')
        self.assertEqual(gates.SEEN, notes.seen)

    def test_observer_that_raises_afterwards(self):
        class Raises(gates.Notes):
            def after(self, call):
                raise ZeroDivisionError

        with gate.ApiGate(Raises()):
            for preload in (True, False):
                self.assertRaises(
                    ZeroDivisionError,
                    self.pool.urlopen,
                    'GET',
                    '/v2.1/servers',
                    preload_content=preload,
                )
        self.assertIsNone(gate.current_call())

    def replace(self, urlopen):
        original = connectionpool.HTTPConnectionPool.urlopen
        self.addCleanup(observers.unknown.cache_clear)
        self.addCleanup(
            patching.patch_attribute(
                connectionpool.HTTPConnectionPool, 'urlopen', urlopen(original)
            )
        )
        observers.unknown.cache_clear()

    def test_unknown_version(self):
        def urlopen(original):
            def urlopen(self, target, verb, **kwargs):
                return original(self, verb, target, **kwargs)

            return urlopen

        self.replace(urlopen)
        notes = gates.Notes()
        with self.assertLogs('safe_fixtures') as logs:
            for _ in range(2):
                with gate.ApiGate(notes):
                    response = self.pool.urlopen('/v2.1/servers', 'GET')
                    self.assertEqual(200, response.status)
        self.assertEqual([], notes.seen)
        self.assertEqual(1, len(logs.output), logs.output)
        self.assertIn(
            'does not know urllib3.HTTPConnectionPool.urlopen()',
            logs.output[0],
        )

    def test_urlopen_that_somebody_wrapped(self):
        def urlopen(original):
            return lambda *args, **kwargs: original(*args, **kwargs)

        self.replace(urlopen)
        notes = gates.Notes()
        with gate.ApiGate(notes):
            self.pool.urlopen('GET', '/v2.1/servers')
            requests.get(self.url)
        self.assertEqual(gates.SEEN * 2, notes.seen)


class TestGateContract(testing.FixtureContract, base.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(web.Served())

    def make_fixture(self):
        return gate.ApiGate(gates.Notes())

    def use(self, fixture):
        urllib3.PoolManager().request('GET', web.URL)

    def state(self):
        return gates.patched(), gate.OBSERVERS.users
