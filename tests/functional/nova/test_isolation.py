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

"""Isolation of tests of real Nova, in both concurrency modes."""

from safe_fixtures import nova as safe_nova  # isort: skip

import contextlib
import os
import socket
import subprocess
import sys
import threading

import fixtures
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as keystone
from keystoneauth1 import session
from nova.tests.functional import fixtures as nova_fixtures
from oslo_concurrency import processutils
import requests
import testtools

from safe_fixtures import exceptions
from safe_fixtures.guards.isolation import scope
from tests.functional.nova import inner
from tests.support import inner as support_inner
from tests.support import settings
from tests.support import subtests

ADDRESS = ('198.51.100.7', 80)
PROBED = ('192.0.2.1', 9)
URL = 'http://198.51.100.7/v2.1'


def connect():
    with contextlib.closing(socket.socket()) as endpoint:
        endpoint.settimeout(1)
        endpoint.connect(ADDRESS)


def send(make=socket.socket):
    with contextlib.closing(
        make(socket.AF_INET, socket.SOCK_DGRAM)
    ) as endpoint:
        # This finds the address of this machine, and is no violation.
        endpoint.connect(PROBED)
        endpoint.send(b'x')


def has_route():
    with contextlib.closing(
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ) as endpoint:
        try:
            endpoint.connect(PROBED)
        except OSError:
            return False
    return True


def green_ways(eventlet):
    """Return the ways of eventlet, which is not there with threads."""

    def connect_green():
        with contextlib.closing(eventlet.green.socket.socket()) as endpoint:
            endpoint.settimeout(1)
            endpoint.connect(ADDRESS)

    def way(spawn):
        def wait():
            done = eventlet.event.Event()

            def run():
                try:
                    connect_green()
                finally:
                    done.send(None)

            spawn(run)
            done.wait()

        return wait

    return {
        'green_socket': connect_green,
        'eventlet_connect': lambda: eventlet.connect(ADDRESS),
        'green_thread': way(eventlet.spawn),
        'greenlet': way(eventlet.spawn_n),
        'green_pool': way(lambda run: eventlet.GreenPool().spawn(run)),
    }


# Besides those of tests.unit, those that come with Nova.
NETWORK = {
    'requests': lambda: requests.get(URL, timeout=1),
    'requests_session': lambda: requests.Session().post(URL, timeout=1),
    'keystoneauth': lambda: adapter.Adapter(
        session.Session(), endpoint_override=URL
    ).get('/', authenticated=False, connect_retries=0),
}
if 'eventlet' in sys.modules:
    NETWORK.update(green_ways(sys.modules['eventlet']))


def case_of(act, base=safe_nova.SafeNoDBTestCase):
    class Case(base):
        def test(self):
            act()

    return Case


class TestWays(testtools.TestCase):
    def setUp(self):
        super().setUp()
        # Where these would be refused by something else.
        self.useFixture(settings.options(mode='enforce'))

    def check(self, code, act, name):
        result = inner.run_inner(case_of(act))
        text = inner.problems(result)
        self.assertIn(f'{code} (CWE-668)', text, name)
        self.assertIn('Case.test', text, name)

    def test_network(self):
        for name, act in NETWORK.items():
            self.check('SF401', act, name)

    @testtools.skipUnless(has_route(), 'no route to other hosts')
    def test_datagrams(self):
        self.check('SF401', send, 'send')
        if 'eventlet' in sys.modules:
            green = sys.modules['eventlet'].green.socket.socket
            self.check('SF401', lambda: send(green), 'green send')

    def test_process(self):
        self.check('SF406', lambda: processutils.execute('true'), 'execute')

    def test_nothing_that_is_inside(self):
        with contextlib.closing(socket.create_server(('127.0.0.1', 0))) as it:
            address = it.getsockname()

            def way():
                with socket.create_connection(address) as connection:
                    connection.send(b'x')
                    connection.sendall(b'x')

            result = inner.run_inner(case_of(way))
        self.assertEqual('', inner.problems(result))
        self.assertTrue(result.wasSuccessful())


class TestBases(subtests.SubTests, testtools.TestCase):
    def test_from_before_the_set_up_of_nova_until_after_it(self):
        class Case(safe_nova.SafeNoDBTestCase):
            def test(self):
                pass

        for name in ('_setUp', 'cleanUp'):
            with self.subTest(name=name):
                self.useFixture(
                    fixtures.MonkeyPatch(
                        f'nova.tests.fixtures.ConfFixture.{name}',
                        lambda self, *args, **kwargs: connect(),
                    )
                )
                result = inner.run_inner(Case)
                self.assertIn('SF401', inner.problems(result))

    def test_leaves_no_trace(self):
        def state():
            greenthread = sys.modules.get('eventlet.greenthread')
            green = (
                ()
                if greenthread is None
                else (
                    vars(greenthread.GreenThread)['__init__'],
                    greenthread._spawn_n,
                )
            )
            return (
                id(vars(threading.Thread)['start']),
                *map(id, green),
                dict(os.environ),
            )

        before = state()
        for act in (int, connect, lambda: 1 / 0):
            with self.subTest(act=act):
                inner.run_inner(case_of(act))
                self.assertEqual(before, state())

    def test_what_outlives_a_test_belongs_to_it(self):
        # With eventlet, these are green.
        go = threading.Event()
        raised = []
        trails = []

        def later():
            go.wait()
            try:
                connect()
            except exceptions.SafetyViolation as violation:
                raised.append(violation)

        thread = threading.Thread(target=later, daemon=True)

        class Starts(safe_nova.SafeNoDBTestCase):
            def test(self):
                thread.start()

        class Other(safe_nova.SafeNoDBTestCase):
            def test(self):
                trails.append(self.audit_trail)
                go.set()
                thread.join()

        for cls in (Starts, Other):
            with self.subTest(cls=cls):
                result = inner.run_inner(cls)
                self.assertEqual('', inner.problems(result))
        message = raised[0].message
        self.assertIn('Starts.test left running', message)
        self.assertNotIn(
            'SF401',
            [
                event['reason']['reasonCode']
                for event in trails[0].events
                if 'reason' in event
            ],
        )
        self.assertEqual((), scope.active.users)

    def test_late_request_to_placement(self):
        # As of a live migration that goes on while the test is cleaned up.
        outcomes, trails = [], []

        class Late(safe_nova.SafeTestCase):
            host = None

            def setUp(self):
                super().setUp()
                trails.append(self.audit_trail)
                # After Placement has ended, before the guards end.
                self.addCleanup(self.ask_in_a_thread)
                self.placement = self.useFixture(
                    nova_fixtures.PlacementFixture()
                )

            def test(self):
                found = self.ask()
                if self.host is not None:
                    self.placement.endpoint = self.host
                outcomes.append(found.status_code)

            def ask(self):
                return self.placement._fake_get(None, '/resource_providers')

            def ask_in_a_thread(self):
                thread = threading.Thread(target=self.ask_late)
                thread.start()
                thread.join()

            def ask_late(self):
                try:
                    self.ask()
                except Exception as error:
                    outcomes.append(type(error))

        class Elsewhere(Late):
            host = 'http://placement.example.org/'

        result = inner.run_inner(Late)
        self.assertEqual('', inner.problems(result))
        self.assertEqual([200, keystone.ConnectFailure], outcomes)
        self.assertEqual(
            1, len(support_inner.events_of(trails[0], 'monitor/late_request'))
        )
        self.assertEqual([], support_inner.events_of(trails[0], 'deny'))

        result = inner.run_inner(Elsewhere)
        self.assertIn('SF401', inner.problems(result))
        self.assertEqual(
            [], support_inner.events_of(trails[1], 'monitor/late_request')
        )
        self.assertEqual(1, len(support_inner.events_of(trails[1], 'deny')))

    def test_importing_nova_is_no_violation(self):
        script = (
            'from safe_fixtures.guards import isolation\n'
            'isolation.install()\n'
            'from safe_fixtures import nova\n'
            'from nova.cmd import manage\n'
            'from nova.tests.functional.libvirt import base\n'
        )
        done = subprocess.run(
            [sys.executable, '-c', script],
            env=dict(os.environ, OS_SAFE_FIXTURES__MODE='enforce'),
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertNotIn('SF40', done.stderr)
