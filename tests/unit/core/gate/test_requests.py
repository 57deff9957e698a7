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

import os
import subprocess
import sys

from keystoneauth1 import session
from keystoneauth1 import token_endpoint
import requests
from requests import adapters
import testtools
import wsgi_intercept

from safe_fixtures.core import gate
from safe_fixtures import testing
from tests.support import base
from tests.support import gates
from tests.support import web

SEND = vars(adapters.HTTPAdapter)['send']
Notes = gates.Notes
Forbids = gates.Forbids


class MySession(requests.Session):
    """A client of somebody's own."""

    def send(self, request, **kwargs):
        request.headers['X-Mine'] = 'yes'
        return super().send(request, **kwargs)


class MyAdapter(adapters.HTTPAdapter):
    """A transport of somebody's own."""

    def send(self, request, *args, **kwargs):
        return super().send(request, *args, **kwargs)


def bare():
    return requests.get(f'{web.URL}/v2.1/servers')


def bare_request():
    return requests.request('GET', f'{web.URL}/v2.1/servers')


def prepared():
    request = requests.Request('GET', f'{web.URL}/v2.1/servers').prepare()
    with requests.Session() as client:
        return client.send(request)


def subclass():
    with MySession() as client:
        return client.get(f'{web.URL}/v2.1/servers')


def own_adapter():
    with requests.Session() as client:
        client.mount('http://', MyAdapter())
        return client.get(f'{web.URL}/v2.1/servers')


def keystone():
    auth = token_endpoint.Token(f'{web.URL}/v2.1', 'token')
    client = session.Session(auth=auth)
    return client.get('/servers', endpoint_filter={'service_type': 'compute'})


CLIENTS = [bare, bare_request, prepared, subclass, own_adapter, keystone]


class TestGate(gates.Untouched, base.TestCase):
    def setUp(self):
        super().setUp()
        self.server = self.useFixture(web.Served(self.respond))
        self.calls = []

    def respond(self, environ):
        self.calls.append(gate.current_call())
        path = environ['PATH_INFO']
        if path.startswith('/redirect/'):
            steps = int(path.rpartition('/')[2])
            target = f'/redirect/{steps - 1}' if steps else '/end'
            return '302 Found', {'Location': web.URL + target}, None
        return '200 OK', {}, {'path': path}

    def test_every_client_is_seen_once(self):
        for client in CLIENTS:
            with self.subTest(client=client):
                notes = Notes()
                with gate.ApiGate(notes):
                    response = client()
                self.assertEqual(200, response.status_code)
                self.assertEqual(
                    [
                        ('before', 'GET', '/servers'),
                        ('after', 'GET', '/servers'),
                    ],
                    notes.seen,
                    client.__name__,
                )
                self.assertUntouched()

    def test_nothing_is_seen_without_it(self):
        notes = Notes()
        with gate.ApiGate(notes):
            pass
        for client in CLIENTS:
            with self.subTest(client=client):
                client()
        self.assertEqual([], notes.seen)
        self.assertEqual([None] * len(CLIENTS), self.calls)

    def test_session_made_before_it(self):
        with requests.Session() as client:
            notes = Notes()
            with gate.ApiGate(notes):
                client.get(web.URL)
            client.get(web.URL)
        self.assertEqual(2, len(notes.seen))

    def test_call(self):
        notes = Notes()
        with gate.ApiGate(notes):
            response = requests.put(
                f'{web.URL}/v2.1//os-services/1?x=y', json={'status': 'on'}
            )
        call = notes.last
        self.assertEqual('PUT', call.method)
        self.assertEqual('/os-services/1', call.path)
        self.assertEqual(
            'http://served.test:80/v2.1//os-services/1?x=y', call.url
        )
        self.assertEqual({'status': 'on'}, call.body)
        self.assertIs(response, call.response)
        self.assertEqual({'path': '/v2.1//os-services/1'}, call.response_body)
        self.assertEqual('PUT /v2.1/os-services/1', str(call))

    def test_paths(self):
        project = '0123456789abcdef' * 2
        dashed = '01234567-89ab-cdef-0123-456789abcdef'
        for path, expected in (
            ('/v2.1/servers', '/servers'),
            ('/v2/servers', '/servers'),
            (f'/v2.1/{project}/servers', '/servers'),
            (f'/v2.1/{dashed}/servers', '/servers'),
            (f'/v2.1/servers/{dashed}/action', f'/servers/{dashed}/action'),
            ('/v2.1/123/servers', '/servers'),
            ('/v2.1/abc/servers', '/servers'),
            ('/compute/v2.1/servers', '/servers'),
            ('/v2.1', ''),
            (f'/v3/{project}/volumes', '/volumes'),
            (f'/volume/v3/{project}/volumes', '/volumes'),
            ('/v1/nodes', '/nodes'),
            ('/v3/auth/tokens', '/auth/tokens'),
            ('/placement/resource_providers', '/placement/resource_providers'),
            ('/v20/servers', '/v20/servers'),
            ('/servers', '/servers'),
        ):
            with self.subTest(path=path, expected=expected):
                notes = Notes()
                with gate.ApiGate(notes):
                    requests.get(web.URL + path)
                self.assertEqual(expected, notes.last.path)

    def test_body_that_is_not_json(self):
        notes = Notes()
        with gate.ApiGate(notes):
            for data in ('{', b'\xff', None, iter([b'x'])):
                with self.subTest(data=data):
                    requests.post(web.URL, data=data)
                    self.assertIsNone(notes.last.body)

    def test_headers_can_be_changed_before(self):
        class Adds(Notes):
            def before(self, call):
                call.request.headers['X-Added'] = 'yes'

        with gate.ApiGate(Adds()):
            requests.get(web.URL)
        requests.get(web.URL)
        first, second = self.server.requests
        self.assertEqual('yes', first['HTTP_X_ADDED'])
        self.assertNotIn('HTTP_X_ADDED', second)

    def test_nothing_is_sent_if_an_observer_raises(self):
        for client in CLIENTS:
            with self.subTest(client=client):
                notes = Notes()
                with gate.ApiGate(Forbids()), gate.ApiGate(notes):
                    self.assertRaises(ZeroDivisionError, client)
                self.assertEqual(['before'], [item[0] for item in notes.seen])
                self.assertUntouched()
        self.assertEqual([], self.server.requests)

    def test_twin_that_does_not_raise_is_sent(self):
        with gate.ApiGate(Notes()), gate.ApiGate(Notes()):
            bare()
        self.assertEqual(1, len(self.server.requests))

    def test_order(self):
        order = []

        class Named(Notes):
            def __init__(self, name):
                self.name = name

            def before(self, call):
                order.append(f'{self.name} before')

            def after(self, call):
                order.append(f'{self.name} after')

        with gate.ApiGate(Named('outer')), gate.ApiGate(Named('inner')):
            bare()
        self.assertEqual(
            ['inner before', 'outer before', 'outer after', 'inner after'],
            order,
        )

    def test_no_answer(self):
        def respond(environ):
            raise ZeroDivisionError('the application broke')

        self.server.respond = respond
        notes = Notes()
        with gate.ApiGate(notes):
            self.assertRaises(wsgi_intercept.WSGIAppError, bare)
            self.assertIsNone(gate.current_call())
        self.assertEqual(['before'], [item[0] for item in notes.seen])
        self.assertIsNone(notes.last.response)

    def test_redirects_are_seen_one_by_one(self):
        notes = Notes()
        with gate.ApiGate(notes):
            response = requests.get(f'{web.URL}/redirect/1')
        self.assertEqual({'path': '/end'}, response.json())
        self.assertEqual(gates.REDIRECTED, notes.seen)

    def test_redirect_can_be_refused(self):
        class Refuses(Notes):
            def before(self, call):
                if call.path == '/end':
                    raise ZeroDivisionError

        with gate.ApiGate(Refuses()):
            self.assertRaises(
                ZeroDivisionError, requests.get, f'{web.URL}/redirect/0'
            )
        self.assertEqual(
            ['/redirect/0'],
            [item['PATH_INFO'] for item in self.server.requests],
        )

    def test_current_call_while_it_is_served(self):
        notes = Notes()
        with gate.ApiGate(notes):
            bare()
        self.assertEqual([notes.last], self.calls)

    def test_current_call_nests(self):
        def respond(environ):
            before = gate.current_call()
            if environ['PATH_INFO'] == '/outer':
                requests.get(f'{web.URL}/inner')
            seen.append((before.path, gate.current_call().path))
            return '200 OK', {}, None

        seen = []
        self.server.respond = respond
        with gate.ApiGate(Notes()):
            requests.get(f'{web.URL}/outer')
        self.assertEqual([('/inner', '/inner'), ('/outer', '/outer')], seen)

    def test_threads_have_their_own_current_call(self):
        with gate.ApiGate(Notes()):
            seen = gates.current_calls(
                self.server, lambda path: requests.get(web.URL + path)
            )
            self.assertIsNone(gate.current_call())
        self.assertEqual({'/one': '/one', '/two': '/two'}, seen)

    def test_removal_in_any_order(self):
        first, second = gate.ApiGate(Notes()), gate.ApiGate(Notes())
        first.setUp()
        gated = vars(adapters.HTTPAdapter)['send']
        self.assertIsNot(SEND, gated)
        second.setUp()
        self.assertIs(gated, vars(adapters.HTTPAdapter)['send'])
        first.cleanUp()
        self.assertIs(gated, vars(adapters.HTTPAdapter)['send'])
        bare()
        self.assertEqual([], first.observer.seen)
        self.assertEqual(2, len(second.observer.seen))
        second.cleanUp()
        self.assertUntouched()

    def test_same_observer_twice(self):
        notes = Notes()
        with gate.ApiGate(notes):
            with gate.ApiGate(notes):
                bare()
            self.assertEqual(4, len(notes.seen))
            bare()
        self.assertEqual(6, len(notes.seen))

    def test_added_and_removed_during_a_request(self):
        late = Notes()

        class Adds(Notes):
            def before(self, call):
                super().before(call)
                self.gate = gate.ApiGate(late)
                self.gate.setUp()

            def after(self, call):
                super().after(call)
                self.gate.cleanUp()

        adds = Adds()
        with gate.ApiGate(adds):
            bare()
        self.assertEqual(2, len(adds.seen))
        self.assertEqual([], late.seen)

    def test_inner_tests(self):
        class Passes(testtools.TestCase):
            def test_x(self):
                notes = Notes()
                self.useFixture(gate.ApiGate(notes))
                bare()
                self.assertEqual(2, len(notes.seen))

        class Fails(testtools.TestCase):
            def test_x(self):
                self.useFixture(gate.ApiGate(Forbids()))
                bare()

        class Breaks(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(gate.ApiGate(Notes()))
                raise KeyError('in setUp')

            def test_x(self):
                bare()

        self.assertPasses(Passes)
        self.assertUntouched()
        self.assertFails(Fails, 'ZeroDivisionError: forbidden')
        self.assertUntouched()
        self.assertFails(Breaks, "KeyError: 'in setUp'")

    def run_script(self, script):
        done = subprocess.run(
            [sys.executable, '-c', script],
            cwd=base.ROOT,
            env=dict(os.environ),
            capture_output=True,
            text=True,
        )
        self.assertEqual('', done.stderr)
        return done.stdout.split()

    def test_requests_imported_while_it_is_active(self):
        script = (
            'import sys\n'
            'from safe_fixtures.core import gate\n'
            'class Notes:\n'
            '    def before(self, call): print("before")\n'
            '    def after(self, call): print("after")\n'
            'first, second = gate.ApiGate(Notes()), gate.ApiGate(Notes())\n'
            'first.setUp()\n'
            'first.cleanUp()\n'
            'second.setUp()\n'
            'print("requests" in sys.modules)\n'
            'import requests\n'
            'from wsgi_intercept import interceptor\n'
            'send = requests.adapters.HTTPAdapter.send\n'
            'print(send.__name__, hasattr(send, "__wrapped__"))\n'
            'def app(environ, start_response):\n'
            '    start_response("200 OK", [])\n'
            '    return [b""]\n'
            'with interceptor.RequestsInterceptor(lambda: app, url={!r}):\n'
            '    requests.get({!r})\n'
            'second.cleanUp()\n'
            'print(requests.adapters.HTTPAdapter.send is send.__wrapped__)\n'
        ).format(web.URL, web.URL)
        self.assertEqual(
            ['False', 'send', 'True', 'before', 'after', 'True'],
            self.run_script(script),
        )

    def test_requests_imported_after_it(self):
        script = (
            'from safe_fixtures.core import gate\n'
            'with gate.ApiGate(None): pass\n'
            'import requests\n'
            'send = requests.adapters.HTTPAdapter.send\n'
            'print(hasattr(send, "__wrapped__"))\n'
            'with gate.ApiGate(None):\n'
            '    print(requests.adapters.HTTPAdapter.send is send)\n'
            'print(requests.adapters.HTTPAdapter.send is send)\n'
        )
        self.assertEqual(['False', 'False', 'True'], self.run_script(script))


class TestGateContract(testing.FixtureContract, base.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(web.Served())

    def make_fixture(self):
        return gate.ApiGate(Notes())

    def use(self, fixture):
        bare()

    def state(self):
        return id(vars(adapters.HTTPAdapter)['send']), gate.OBSERVERS.users
