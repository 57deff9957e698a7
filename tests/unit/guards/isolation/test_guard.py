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

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading

import _posixsubprocess
import fixtures
import testtools

from safe_fixtures import audit
from safe_fixtures.core import waivers
from safe_fixtures import exceptions
from safe_fixtures.guards import isolation
from safe_fixtures.guards.isolation import network
from safe_fixtures.guards.isolation import scope
from safe_fixtures.runtime import audit_hook
from safe_fixtures import testing
from tests.support import base

ADDRESS = ('198.51.100.7', 9)


def connect():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.connect(ADDRESS)


def state():
    """Return all that a guard changes."""
    return (
        id(vars(threading.Thread)['start']),
        id(_posixsubprocess.fork_exec),
        dict(os.environ),
        dict(audit_hook.handlers()),
        len(scope.active.users),
        len(scope._left),
    )


class TestContract(testing.FixtureContract, base.TestCase):
    def make_fixture(self):
        return isolation.IsolationGuard()

    def use(self, fixture):
        threading.Thread(target=int).start()

    def state(self):
        return state()


class TestExits(base.TestCase):
    """It undoes what it did, however the test ends."""

    def exit_by(self, raised, where):
        class Case(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(isolation.IsolationGuard())
                if where == 'setUp':
                    raise raised

            def test(self):
                if raised is not None:
                    raise raised

        before = state()
        result = testtools.TestResult()
        try:
            Case('test').run(result)
        except BaseException as error:
            self.assertIs(raised, error)
        self.assertEqual(before, state())
        return result

    def test_pass(self):
        self.assertTrue(self.exit_by(None, 'test').wasSuccessful())

    def test_failure_and_error(self):
        for error in (AssertionError(), ZeroDivisionError()):
            for where in ('test', 'setUp'):
                with self.subTest(where=where):
                    result = self.exit_by(error, where)
                    self.assertEqual(1, len(result.failures + result.errors))

    def test_interrupted(self):
        for error in (KeyboardInterrupt(), SystemExit(3)):
            for where in ('test', 'setUp'):
                self.exit_by(error, where)

    def test_timeout(self):
        class Case(testtools.TestCase):
            def test_out_of_time(self):
                self.useFixture(isolation.IsolationGuard())
                self.useFixture(fixtures.Timeout(100, gentle=True))
                # As once they are over.
                signal.raise_signal(signal.SIGALRM)

        before = state()
        self.assertFails(Case, 'raise TimeoutException')
        self.assertEqual(before, state())

    def test_set_up_that_fails_halfway(self):
        class Broken(isolation.IsolationGuard):
            def _hide_credentials(self):
                raise ZeroDivisionError

        before = state()
        self.assertRaises(ZeroDivisionError, self._set_up, Broken())
        self.assertEqual(before, state())

    def test_refused_configuration(self):
        before = state()
        guard = isolation.IsolationGuard(allowed_hosts=['*'])
        self.assertRaises(exceptions.ConfigurationError, guard.setUp)
        self.assertEqual(before, state())
        self.configure(allowed_paths='/')
        before = state()
        guard = isolation.IsolationGuard()
        error = self.assertRaises(exceptions.ConfigurationError, guard.setUp)
        self.assertIn('allowed_paths', str(error))
        self.assertEqual(before, state())

    def _set_up(self, fixture):
        try:
            fixture.setUp()
        except Exception as error:
            # Fixtures wraps what set-up raises.
            causes = getattr(error, 'args', ())
            raise next(
                (cause[1] for cause in causes if isinstance(cause, tuple)),
                error,
            ) from None


class TestGuard(base.TestCase):
    def test_the_innermost_decides(self):
        outer = self.useFixture(isolation.IsolationGuard())
        with isolation.IsolationGuard(allowed_hosts=[ADDRESS[0]]):
            connect()
        with testing.expect_violation('SF401') as seen:
            connect()
        self.assertEqual(1, len(seen))
        self.assertEqual(1, len(outer.trail.events))

    def test_inert_outside_tests(self):
        with isolation.IsolationGuard():
            self.assertIn('socket.connect', audit_hook.handlers())
        self.assertEqual({}, audit_hook.handlers())
        connect()

    def test_nothing_that_nobody_watches(self):
        with isolation.IsolationGuard(files=False, credentials=False):
            self.assertNotIn('open', audit_hook.handlers())
        self.configure(mode='off')
        with isolation.IsolationGuard():
            self.assertEqual({}, audit_hook.handlers())

    def test_record(self):
        trail = self.useFixture(audit.AuditTrail())
        with isolation.IsolationGuard():
            with testing.expect_violation('SF401'):
                connect()
        event = trail.events[-1]
        self.assertEqual('deny', event['action'])
        self.assertEqual('SF401', event['reason']['reasonCode'])
        self.assertEqual('198.51.100.7:9', event['target']['name'])
        self.assertEqual('network/connection', event['target']['typeURI'])
        said = audit.details(event)
        self.assertIn('connect to 198.51.100.7:9 in ', said['message'])
        self.assertIn(self.id(), said['message'])
        self.assertIn('test_guard.py:', said['where'])

    def test_waived(self):
        class Case(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.guard = self.useFixture(isolation.IsolationGuard())

            @waivers.waive('SF401', reason='a probe')
            def test_waived(self):
                connect()

        self.assertPasses(Case)

    def test_the_guard_itself_is_not_seen(self):
        # The record is written to a file that the test may not write.
        path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'audit.jsonl'
        )
        self.useFixture(fixtures.NestedTempfile())
        self.configure(mode='enforce', audit_file=path)
        with isolation.IsolationGuard() as guard:
            guard.trail.record('read', 'x')
            with testing.expect_violation('SF401'):
                connect()
        with open(path) as file:
            events = [json.loads(line) for line in file]
        self.assertEqual(
            ['read', 'deny'], [event['action'] for event in events[:2]]
        )

    def test_error_of_a_check_is_an_error_of_the_call(self):
        def check(*_):
            raise ZeroDivisionError

        self.patch(network.Network, 'on_event', check)
        with isolation.IsolationGuard():
            self.assertRaises(ZeroDivisionError, connect)
            # Once more: it is not taken for busy.
            self.assertRaises(ZeroDivisionError, connect)

    def test_events_of_a_check_are_not_checked(self):
        calls = []

        def check(_, event, args):
            calls.append(event)
            connect()

        self.patch(network.Network, 'on_event', check)
        with isolation.IsolationGuard():
            connect()
        self.assertEqual(['socket.connect'], calls)

    def test_recursion_is_an_error_of_the_test(self):
        def deeper():
            with contextlib.suppress(ValueError):
                socket.getaddrinfo('127.0.0.1', 1)
            deeper()

        with isolation.IsolationGuard():
            self.assertRaises(RecursionError, deeper)
            with testing.expect_violation('SF401'):
                connect()


class TestInstall(base.TestCase):
    """Each in a process of its own, as nothing takes it back."""

    def run_script(self, script, **options):
        directory = self.useFixture(fixtures.TempDir()).path
        path = os.path.join(directory, 'script.py')
        with open(path, 'w') as file:
            file.write(
                'import socket\n'
                'from safe_fixtures.guards import isolation\n'
                'def connect():\n'
                '    endpoint = socket.socket(socket.AF_INET, '
                'socket.SOCK_DGRAM)\n'
                f'    endpoint.connect({ADDRESS})\n' + textwrap.dedent(script)
            )
        environment = dict(os.environ, PYTHONPATH=base.ROOT)
        for name, value in options.items():
            environment[f'OS_SAFE_FIXTURES__{name.upper()}'] = value
        return subprocess.run(
            [sys.executable, path],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
        )

    def test_from_there_to_the_end(self):
        done = self.run_script('''
            import atexit
            connect()
            isolation.install()
            isolation.install()
            atexit.register(connect)
            connect()
            ''')
        self.assertEqual(1, done.returncode)
        self.assertEqual(2, done.stderr.count('SF401'), done.stderr)
        self.assertIn('outside any test at ', done.stderr)
        self.assertIn('atexit', done.stderr)

    def test_what_is_imported(self):
        done = self.run_script('''
            import pathlib, sys
            pathlib.Path('fetches.py').write_text(
                'import socket\\nsocket.gethostbyname("db.example.org")\\n')
            isolation.install()
            sys.path.insert(0, '.')
            import fetches
            ''')
        self.assertEqual(1, done.returncode)
        self.assertIn('SF401', done.stderr)
        self.assertIn('fetches.py:2', done.stderr)

    def test_tests_and_what_surrounds_them(self):
        done = self.run_script(
            '''
            import unittest
            isolation.install()
            class Test(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    try:
                        connect()
                    except AssertionError as error:
                        print('class:', error)
                def test(self):
                    with isolation.IsolationGuard(allowed_hosts=['%s']):
                        connect()
                    try:
                        connect()
                    except AssertionError as error:
                        print('test:', error)
            unittest.main()
            '''
            % ADDRESS[0]
        )
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(2, done.stdout.count('SF401'), done.stdout)

    def test_audit_and_waiver_change_nothing(self):
        done = self.run_script(
            '''
            isolation.install()
            connect()
            ''',
            mode='audit',
        )
        self.assertEqual((0, ''), (done.returncode, done.stderr))

    def test_refused_configuration(self):
        done = self.run_script(
            '''
            try:
                isolation.install()
            except ValueError as error:
                print(error)
            connect()
            ''',
            allowed_hosts='*',
        )
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('[safe_fixtures] allowed_hosts', done.stdout)

    def test_what_prints_at_the_very_end(self):
        # Neither a finalizer nor a daemon thread that is still there then
        # brings down the interpreter.
        done = self.run_script('''
            import threading, time
            isolation.install()
            class Last:
                def __del__(self):
                    try:
                        connect()
                    except BaseException:
                        pass
            keep = Last()
            keep.itself = keep
            def forever():
                while True:
                    try:
                        connect()
                    except BaseException:
                        pass
            threading.Thread(target=forever, daemon=True).start()
            print('end')
            ''')
        self.assertEqual((0, 'end\n'), (done.returncode, done.stdout))
        self.assertEqual('', done.stderr)
