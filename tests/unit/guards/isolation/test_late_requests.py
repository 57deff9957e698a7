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

"""Requests to a service of the test that has ended; they are no fault."""

import socket
import sys
import threading
import uuid

import fixtures
import requests
import wsgi_intercept

from safe_fixtures import audit
from safe_fixtures.guards import isolation
from tests.support import base
from tests.support import inner
from tests.support import web

LATE = 'monitor/late_request'


WAYS = {
    'requests': lambda host: requests.get(f'http://{host}/'),
    'lookup': lambda host: socket.getaddrinfo(host, 80),
    'lookup with text': lambda host: socket.getaddrinfo(host, '80'),
    'lookup without a port': lambda host: socket.getaddrinfo(host, None),
    'old lookup': socket.gethostbyname,
    'in capitals': lambda host: socket.getaddrinfo(host.upper() + '.', 80),
}


def serve(host, port=80):
    with web.Served(url=f'http://{host}:{port}'):
        pass


class TestLateRequests(base.TestCase):
    def setUp(self):
        super().setUp()
        # As an interception makes them up.
        self.host = str(uuid.uuid4())

    def guarded(self, act, **arguments):
        def guarded(test):
            test.useFixture(isolation.IsolationGuard(**arguments))
            act()

        return inner.case_of(guarded)

    def test_late(self):
        for name, way in WAYS.items():
            with self.subTest(name), audit.AuditTrail() as trail:

                def act(way=way):
                    serve(self.host)
                    for _ in range(3):
                        error = self.assertRaises(OSError, way, self.host)
                        self.assertIn('no such host', str(error))

                self.assertPasses(self.guarded(act))
                (event,) = inner.events_of(trail, LATE)
                self.assertIn(self.host, event['target']['name'].lower())
                self.assertIn(
                    self.host, audit.details(event)['message'].lower()
                )
                self.assertEqual([], inner.events_of(trail, 'deny'))

    def test_intercepted_before_the_guard(self):
        with web.Served(url=f'http://{self.host}:80') as served:
            self.useFixture(isolation.IsolationGuard())
            self.assertTrue(requests.get(served.url).ok)
        self.assertRaises(socket.gaierror, socket.gethostbyname, self.host)

    def test_what_is_no_late_request(self):
        other = str(uuid.uuid4())
        for served, asked in (
            ('served.test', lambda: socket.getaddrinfo('served.test', 80)),
            ('placement', lambda: socket.getaddrinfo('placement', 80)),
            (self.host, lambda: socket.getaddrinfo(other, 80)),
            (self.host, lambda: socket.getaddrinfo(self.host, 81)),
            (self.host, lambda: socket.getaddrinfo(self.host, 'http')),
            (self.host, lambda: socket.getaddrinfo(f'{self.host}.org', 80)),
            (f'{other}.org', lambda: socket.getaddrinfo(other, 80)),
            (f'{other}.org', lambda: socket.gethostbyname(f'{other}.org')),
        ):
            with self.subTest(served):

                def act(served=served, asked=asked):
                    serve(served)
                    asked()

                self.assertFails(self.guarded(act), 'SF401 ')

    def test_in_what_a_test_left_running(self):
        go, seen = threading.Event(), []

        def ask():
            go.wait()
            try:
                socket.getaddrinfo(self.host, 80)
            except OSError as error:
                seen.append(error)

        thread = threading.Thread(target=ask)

        def act():
            serve(self.host)
            thread.start()

        path = f'{self.useFixture(fixtures.TempDir()).path}/audit.jsonl'
        self.configure(audit_file=path)
        self.assertPasses(self.guarded(act))
        go.set()
        thread.join()
        self.assertIsInstance(seen[0], socket.gaierror)
        with open(path) as file:
            lines = [line for line in file if self.host in line]
        self.assertEqual(1, len(lines))
        self.assertIn(LATE, lines[0])
        self.assertIn('left running', lines[0])

    def test_a_run_that_only_looks(self):
        self.configure(mode='audit')
        with audit.AuditTrail() as trail, isolation.IsolationGuard():
            serve(self.host)
            # The event without the look-up, which would be tried.
            sys.audit('socket.getaddrinfo', self.host, 80, 0, 0, 0)
        self.assertEqual(1, len(inner.events_of(trail, LATE)))

    def test_hosts_and_ports_of_any_type(self):
        with isolation.IsolationGuard():
            for host, port in (
                (None, 80), (b'x', 80), (self.host, None), (self.host, '80'),
                (self.host, 2**99999), ([], {}),
            ):  # fmt: skip
                with self.subTest(host=host, port=port):
                    try:
                        wsgi_intercept.add_wsgi_intercept(host, port, object)
                    except TypeError:
                        # It cannot be a key.
                        continue
                    wsgi_intercept.remove_wsgi_intercept(host, port)
            case = self.guarded(lambda: socket.getaddrinfo(self.host, 80))
            self.assertFails(case, 'SF401 ')

    def test_nothing_stays_patched(self):
        before = wsgi_intercept.add_wsgi_intercept
        with isolation.IsolationGuard():
            self.assertIsNot(before, wsgi_intercept.add_wsgi_intercept)
        self.assertIs(before, wsgi_intercept.add_wsgi_intercept)
