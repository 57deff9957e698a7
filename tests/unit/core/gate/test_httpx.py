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

"""The gate at httpx."""

import asyncio
import gzip
import io
import json
import os
import subprocess
import sys

import httpx

from safe_fixtures.core import gate
from safe_fixtures.core.gate import observers
from safe_fixtures.runtime import patching
from safe_fixtures import testing
from tests.support import base
from tests.support import gates
from tests.support import web


class MyTransport(httpx.HTTPTransport):
    """A transport of somebody's own."""

    def handle_request(self, request):
        return super().handle_request(request)


class Retries(httpx.BaseTransport):
    """A transport that sends by another one."""

    def __init__(self, verify):
        self.inner = httpx.HTTPTransport(verify=verify)

    def handle_request(self, request):
        return self.inner.handle_request(request)

    def close(self):
        self.inner.close()


class TestCase(gates.Served, base.TestCase):
    def setUp(self):
        super().setUp()
        self.client = httpx.Client(verify=False)
        self.addCleanup(self.client.close)

    def later(self, act):
        """Do something with an asynchronous client."""

        async def main():
            async with httpx.AsyncClient(verify=False) as client:
                return await act(client)

        return asyncio.run(main())

    def both(self):
        """Yield both clients as a function that sends a request."""
        for name, send in (
            ('client', self.client.request),
            (
                'async',
                lambda *args, **kwargs: self.later(
                    lambda client: client.request(*args, **kwargs)
                ),
            ),
        ):
            with self.subTest(name=name):
                yield send


class TestClients(gates.EachClient, TestCase):
    def clients(self):
        transports = {
            'subclass': MyTransport,
            'transport that delegates': Retries,
        }

        def by(transport):
            with httpx.Client(transport=transport(verify=False)) as client:
                client.get(self.url)

        def by_keyword():
            with httpx.HTTPTransport(verify=False) as transport:
                transport.handle_request(
                    request=httpx.Request('GET', self.url)
                ).close()

        return {
            'module': lambda: httpx.get(self.url, verify=False),
            'client': lambda: self.client.get(self.url),
            'small letters': lambda: self.client.request('get', self.url),
            'request': lambda: self.client.send(
                self.client.build_request('GET', self.url)
            ),
            'stream': self.stream,
            'keyword': by_keyword,
            'async': lambda: self.later(lambda client: client.get(self.url)),
            **{
                name: lambda transport=transport: by(transport)
                for name, transport in transports.items()
            },
        }

    def check(self, call):
        self.assertEqual(self.url, call.url)

    def stream(self):
        with self.client.stream('GET', self.url) as response:
            response.read()

    def test_redirects_are_seen_one_by_one(self):
        for send in self.both():
            notes = gates.Notes()
            with gate.ApiGate(notes):
                response = send(
                    'GET',
                    f'{self.server.url}/redirect/1',
                    follow_redirects=True,
                )
            self.assertEqual({'path': '/end'}, response.json())
            self.assertEqual(gates.REDIRECTED, notes.seen)
            self.assertEqual(
                [302, 302, 200],
                [call.response.status_code for call in notes.calls],
            )

    def test_each_task_has_its_own_current_call(self):
        class Meets(gates.Notes):
            def before(self, call):
                super().before(call)
                current.append(gate.current_call())

        async def act(client):
            await asyncio.gather(
                *(client.get(f'{self.server.url}/{n}') for n in range(5))
            )
            return gate.current_call()

        current = []
        with gate.ApiGate(Meets()) as fixture:
            self.assertIsNone(self.later(act))
        self.assertEqual([None] * 5, current)
        self.assertEqual(
            {f'/{n}' for n in range(5)},
            {call.path for call in fixture.observer.calls},
        )


class TestCall(TestCase):
    def test_call(self):
        for send in self.both():
            notes = gates.Notes()
            with gate.ApiGate(notes):
                response = send(
                    'PUT',
                    f'{self.server.url}/v2.1//os-services/1?x=y',
                    json={'status': 'on'},
                )
            call = notes.last
            self.assertEqual('PUT', call.method)
            self.assertEqual('/os-services/1', call.path)
            self.assertEqual(
                f'{self.server.url}/v2.1//os-services/1?x=y', call.url
            )
            self.assertEqual({'status': 'on'}, call.body)
            self.assertEqual(200, call.response.status_code)
            self.assertTrue(call.response.ok)
            self.assertEqual('yes', call.response.headers['x-answer'])
            self.assertEqual(response.content, call.response.content)
            self.assertEqual(
                {'path': '/v2.1//os-services/1'}, call.response_body
            )
            self.assertGreater(response.elapsed.total_seconds(), 0)

    def test_target_that_is_sent_instead(self):
        class Stops(gates.Notes):
            def before(self, call):
                super().before(call)
                raise ZeroDivisionError

        stops = self.useFixture(gate.ApiGate(Stops())).observer
        for target, expected in (
            (b'/os-services/1', 'http://nova.test:8774/os-services/1'),
            (b'http://other.test/x', 'http://other.test/x'),
            (b'*', 'http://nova.test:8774/*'),
        ):
            with self.subTest(target=target):
                self.assertRaises(
                    ZeroDivisionError,
                    self.client.get,
                    'http://user:word@nova.test:8774/harmless',
                    extensions={'target': target},
                )
                self.assertEqual(expected, stops.last.url)

    def test_bodies(self):
        text = b'{"a": 1}'
        notes = self.useFixture(gate.ApiGate(gates.Reads())).observer
        for name, content in (
            ('text', text.decode()),
            ('bytes', text),
            ('file', io.BytesIO(text)),
            ('list', [text[:3], text[3:]]),
        ):
            with self.subTest(name=name):
                self.client.post(
                    self.url,
                    content=content,
                    headers={'Content-Length': str(len(text))},
                )
                self.assertEqual({'a': 1}, notes.body)
                self.assertEqual(text, self.server.bodies[-1])

    def test_body_that_can_be_read_once(self):
        async def parts():
            yield b'{"a"'
            yield b': 1}'

        notes = self.notes()
        headers = {'Content-Length': '8'}
        self.client.post(
            self.url, content=iter([b'{"a"', b': 1}']), headers=headers
        )
        self.assertIsNone(notes.last.content)
        self.later(
            lambda client: client.post(
                self.url, content=parts(), headers=headers
            )
        )
        self.assertIsNone(notes.last.content)
        self.assertEqual([b'{"a": 1}'] * 2, self.server.bodies)

    def test_stream_that_was_put_in_later(self):
        notes = self.notes()
        request = self.client.build_request('POST', self.url, content=b'{}{}')
        request.stream = httpx.ByteStream(b'[42]')
        self.client.send(request)
        self.assertEqual([42], notes.last.body)
        self.assertEqual([b'[42]'], self.server.bodies)

    def test_headers_can_be_changed_before(self):
        for send in self.both():
            given = {'X-Added': 'old', 'X-Mine': 'yes'}
            with gate.ApiGate(gates.Adds()):
                send('GET', self.url, headers=given)
            environ = self.server.requests[-1]
            self.assertEqual('new', environ['HTTP_X_ADDED'])
            self.assertEqual('yes', environ['HTTP_X_MINE'])
            self.assertEqual({'X-Added': 'old', 'X-Mine': 'yes'}, given)


class TestResponse(TestCase):
    """Bodies that the gate reads before the client does."""

    def test_compressed(self):
        content = gzip.compress(b'{"a": 1}')
        self.server.respond = lambda environ: (
            '200 OK',
            {'Content-Encoding': 'gzip'},
            content,
        )
        for send in self.both():
            notes = gates.Notes()
            with gate.ApiGate(notes):
                self.assertEqual({'a': 1}, send('GET', self.url).json())
            self.assertEqual({'a': 1}, notes.last.response_body)

    def test_broken(self):
        self.server.respond = lambda environ: (
            '200 OK',
            {'Content-Encoding': 'gzip'},
            b'{"a": 1}',
        )
        for send in self.both():
            notes = gates.Notes()
            with gate.ApiGate(notes):
                self.assertRaises(httpx.DecodingError, send, 'GET', self.url)
            self.assertIsNone(notes.last.response_body)
            self.assertEqual(gates.SEEN, notes.seen)

    def test_stream_of_the_client(self):
        self.notes()
        with self.client.stream('GET', self.url) as response:
            self.assertEqual(
                {'path': '/v2.1/servers'},
                json.loads(b''.join(response.iter_raw())),
            )

        async def act(client):
            async with client.stream('GET', self.url) as response:
                return [part async for part in response.aiter_raw()]

        self.assertEqual(
            {'path': '/v2.1/servers'}, json.loads(b''.join(self.later(act)))
        )

    def test_others_are_left_to_the_client(self):
        for headers in (
            {'Content-Type': 'text/plain', 'Content-Length': '2'},
            {'Content-Type': 'application/json'},
            {'Content-Type': 'application/json', 'Content-Length': '9' * 5000},
            {'Content-Type': 'application/json', 'Content-Length': '99999999'},
        ):
            read = []

            class Stream(httpx.SyncByteStream):
                def __iter__(self, read=read):
                    read.append(1)
                    yield b'{}'

            def handle_request(self, request, headers=headers, stream=Stream):
                return httpx.Response(200, headers=headers, stream=stream())

            with self.subTest(headers=headers):
                restore = patching.patch_attribute(
                    httpx.HTTPTransport, 'handle_request', handle_request
                )
                try:
                    notes = gates.Notes()
                    with gate.ApiGate(notes):
                        with self.client.stream('GET', self.url) as response:
                            self.assertEqual([], read)
                            self.assertIsNone(notes.last.response.content)
                            self.assertEqual(b'{}', response.read())
                finally:
                    restore()

    def test_observer_that_raises_afterwards(self):
        class Raises(gates.Notes):
            def after(self, call):
                raise ZeroDivisionError

        limits = httpx.Limits(max_connections=1)
        with (
            gate.ApiGate(Raises()),
            httpx.Client(
                limits=limits, timeout=httpx.Timeout(60, pool=0.1)
            ) as client,
        ):
            for _ in range(3):
                # The only connection is given back each time.
                self.assertRaises(ZeroDivisionError, client.get, self.url)
        self.assertIsNone(gate.current_call())


class TestPatch(TestCase):
    def replace(self, name, value):
        self.addCleanup(observers.unknown.cache_clear)
        self.addCleanup(
            patching.patch_attribute(httpx.HTTPTransport, name, value)
        )
        observers.unknown.cache_clear()

    def test_unknown_version(self):
        original = httpx.HTTPTransport.handle_request

        def handle_request(self, verb, *, request):
            return original(self, request)

        class Transport(httpx.HTTPTransport):
            def handle_request(self, request):
                return super().handle_request('verb', request=request)

        self.replace('handle_request', handle_request)
        notes = gates.Notes()
        with self.assertLogs('safe_fixtures') as logs:
            for _ in range(2):
                with (
                    gate.ApiGate(notes),
                    httpx.Client(transport=Transport(verify=False)) as client,
                ):
                    self.assertEqual(200, client.get(self.url).status_code)
        self.assertEqual([], notes.seen)
        self.assertEqual(1, len(logs.output), logs.output)
        self.assertIn(
            'does not know httpx.HTTPTransport.handle_request()',
            logs.output[0],
        )

    def test_unknown_request(self):
        def handle_request(self, request):
            return httpx.Response(204)

        self.replace('handle_request', handle_request)
        notes = gates.Notes()
        with self.assertLogs('safe_fixtures') as logs, gate.ApiGate(notes):
            with httpx.HTTPTransport(verify=False) as transport:
                for _ in range(2):
                    response = transport.handle_request(object())
                    self.assertEqual(204, response.status_code)
        self.assertEqual([], notes.seen)
        self.assertEqual(1, len(logs.output), logs.output)

    def test_imported_while_it_is_active(self):
        script = (
            'import sys\n'
            'from safe_fixtures.core import gate\n'
            'with gate.ApiGate(None):\n'
            '    print("httpx" in sys.modules, "urllib3" in sys.modules)\n'
            '    import httpx, urllib3\n'
            '    pool = urllib3.HTTPConnectionPool\n'
            '    for each in (httpx.HTTPTransport.handle_request,\n'
            '                 httpx.AsyncHTTPTransport.handle_async_request,\n'
            '                 pool.urlopen):\n'
            '        print(hasattr(each, "__wrapped__"))\n'
            'for each in (httpx.HTTPTransport.handle_request,\n'
            '             httpx.AsyncHTTPTransport.handle_async_request,\n'
            '             pool.urlopen):\n'
            '    print(hasattr(each, "__wrapped__"))\n'
        )
        done = subprocess.run(
            [sys.executable, '-c', script],
            cwd=base.ROOT,
            env=dict(os.environ),
            capture_output=True,
            text=True,
        )
        self.assertEqual('', done.stderr)
        self.assertEqual(
            ['False'] * 2 + ['True'] * 3 + ['False'] * 3, done.stdout.split()
        )


class TestGateContract(testing.FixtureContract, base.TestCase):
    def setUp(self):
        super().setUp()
        self.server = self.useFixture(web.Loopback())

    def make_fixture(self):
        return gate.ApiGate(gates.Notes())

    def use(self, fixture):
        httpx.get(self.server.url, verify=False)

    def state(self):
        return gates.patched(), gate.OBSERVERS.users
