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

"""Observers of the gate, and what the gate patches."""

import importlib
import sys
import threading

from safe_fixtures.core import gate
from tests.support import web

#: What an observer sees of a request for the servers.
SEEN = [('before', 'GET', '/servers'), ('after', 'GET', '/servers')]
# What it patches, by module and class.
_PATCHED = {
    ('requests.adapters', 'HTTPAdapter'): 'send',
    ('urllib3.connectionpool', 'HTTPConnectionPool'): 'urlopen',
    ('httpx', 'HTTPTransport'): 'handle_request',
    ('httpx', 'AsyncHTTPTransport'): 'handle_async_request',
}


# What is seen of a request to ``/redirect/1`` of tests.support.web.
REDIRECTED = [
    (when, 'GET', path)
    for path in ('/redirect/1', '/redirect/0', '/end')
    for when in ('before', 'after')
]


class Notes:
    """An observer that notes what it sees."""

    def __init__(self):
        self.seen = []
        self.calls = []

    def before(self, call):
        self.seen.append(('before', call.method, call.path))
        self.last = call
        self.calls.append(call)

    def after(self, call):
        self.seen.append(('after', call.method, call.path))


class Adds(Notes):
    """An observer that adds a header."""

    def before(self, call):
        super().before(call)
        call.request.headers['x-added'] = 'new'


class Reads(Notes):
    """An observer that reads the body before it is sent."""

    def before(self, call):
        super().before(call)
        self.body = call.body


class Forbids(Notes):
    def before(self, call):
        raise ZeroDivisionError('forbidden')


def patched():
    """Return all that the gate patches, of the modules that are imported."""
    return {
        (module, name, attribute): vars(
            getattr(importlib.import_module(module), name)
        )[attribute]
        for (module, name), attribute in _PATCHED.items()
        if module in sys.modules
    }


class Untouched:
    """Makes sure that a test leaves nothing of the gate."""

    def setUp(self):
        super().setUp()
        self.was = patched()
        self.addCleanup(self.assertUntouched)

    def assertUntouched(self):
        self.assertEqual(set(self.was), set(patched()))
        for key, value in patched().items():
            self.assertIs(self.was[key], value, key)
        self.assertEqual((), gate.OBSERVERS.users)
        self.assertIsNone(gate.current_call())


class Served(Untouched):
    """Has a server that answers, on a socket of loopback."""

    def setUp(self):
        super().setUp()
        self.server = self.useFixture(web.Loopback(self.respond))
        self.url = f'{self.server.url}/v2.1/servers'

    def respond(self, environ):
        path = environ['PATH_INFO']
        if path.startswith('/redirect/'):
            steps = int(path.rpartition('/')[2])
            target = f'/redirect/{steps - 1}' if steps else '/end'
            return '302 Found', {'Location': target}, None
        return '200 OK', {'X-Answer': 'yes'}, {'path': path}

    def notes(self):
        return self.useFixture(gate.ApiGate(Notes())).observer


class EachClient:
    """What holds for each way to send a request for the servers.

    ``clients()`` returns the ways by name: functions that send it.
    """

    def check(self, call):
        """Check what else holds for a call."""

    def test_every_client_is_seen_once(self):
        for name, send in self.clients().items():
            with self.subTest(name=name):
                notes = Notes()
                with gate.ApiGate(notes):
                    send()
                self.assertEqual(SEEN, notes.seen)
                self.check(notes.last)
                self.assertUntouched()

    def test_nothing_is_seen_without_it(self):
        notes = Notes()
        with gate.ApiGate(notes):
            pass
        for send in self.clients().values():
            send()
        self.assertEqual([], notes.seen)
        self.assertEqual(len(self.clients()), len(self.server.requests))

    def test_nothing_is_sent_if_an_observer_raises(self):
        for name, send in self.clients().items():
            with self.subTest(name=name):
                with gate.ApiGate(Forbids()):
                    self.assertRaises(ZeroDivisionError, send)
                self.assertUntouched()
        self.assertEqual([], self.server.requests)


def current_calls(server, send):
    """Return the current calls while two threads send at the same time.

    :param server: a fixture that serves, with ``respond``.
    :param send: called with a path, to send a request.
    """
    both = threading.Barrier(2)

    def respond(environ):
        both.wait()
        seen[environ['PATH_INFO']] = gate.current_call().path
        both.wait()
        return '200 OK', {}, None

    seen = {}
    server.respond = respond
    threads = [
        threading.Thread(target=send, args=(path,))
        for path in ('/one', '/two')
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen
