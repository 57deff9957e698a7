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

"""Whose an act is: a test's, what it left running, or the process's."""

from concurrent import futures
import contextlib
import gc
import json
import os
import socket
import sys
import threading
import types

import fixtures
import testtools

from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures.guards import isolation
from safe_fixtures.runtime import audit_hook
from tests.support import base

ADDRESS = ('198.51.100.7', 9)


def connect():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.connect(ADDRESS)


class TestWhoseItIs(base.TestCase):
    """Which guard checks an act, and which test is to blame."""

    def case(self, act, **arguments):
        class Case(testtools.TestCase):
            def test_it(self):
                self.useFixture(isolation.IsolationGuard(**arguments))
                act()

        return Case

    def in_thread(self, act):
        thread = threading.Thread(target=act)
        thread.start()
        thread.join()

    def test_guard_set_up_in_a_thread_that_belongs_to_another(self):
        seen = []

        def run():
            with isolation.IsolationGuard(allowed_hosts=[ADDRESS[0]]):
                connect()
            try:
                connect()
            except exceptions.SafetyViolation as violation:
                seen.append(violation)

        with isolation.IsolationGuard():
            outer = self.case(lambda: self.in_thread(run))
            self.assertFails(outer, 'connect to 198.51.100.7:9')
        self.assertEqual(1, len(seen))

    def test_task_of_a_pool_that_another_test_began(self):
        with futures.ThreadPoolExecutor(1) as pool:

            def work():
                pool.submit(connect).result()

            def swallow():
                pool.submit(connect).exception()

            self.assertPasses(self.case(lambda: pool.submit(int).result()))
            self.assertPasses(self.case(work, allowed_hosts=[ADDRESS[0]]))
            self.assertFails(self.case(work), 'SF401')
            self.assertFails(self.case(swallow), 'SF401')

    def test_greenlets_are_not_blind_for_one_another(self):
        # As eventlet has it, in one thread.
        idents = iter([1, 2])
        self.patch(
            audit_hook._dispatch,
            '__defaults__',
            (
                {'x': lambda event, args: args[0]()},
                set(),
                types.SimpleNamespace(get_ident=lambda: next(idents)),
                sys.is_finalizing,
            ),
        )
        calls = []
        audit_hook._dispatch(
            'x',
            (lambda: audit_hook._dispatch('x', (lambda: calls.append(2),)),),
        )
        self.assertEqual([2], calls)

    def test_signal_between_any_two_steps(self):
        # Whatever it interrupts, the next event is checked.
        def interrupt(frame, event, _):
            if frame.f_code is audit_hook._dispatch.__code__:
                steps.append(event)
                if len(steps) == at:
                    raise ZeroDivisionError
            return interrupt

        with isolation.IsolationGuard(allowed_hosts=['192.0.2.0/24']):
            for at in range(1, 30):
                with self.subTest(at=at):
                    steps = []
                    sys.settrace(interrupt)
                    try:
                        sys.audit('socket.gethostbyname', 'localhost')
                    except ZeroDivisionError:
                        pass
                    finally:
                        sys.settrace(None)
                    self.assertEqual(set(), audit_hook._busy, at)

    def test_what_it_started_is_forgotten(self):
        with isolation.IsolationGuard() as guard:
            for _ in range(100):
                self.in_thread(int)
            gc.collect()
            self.assertGreater(5, len(guard._scope._started))


class TestThreads(base.TestCase):
    """What outlives a test belongs to it."""

    def leave_running(self, act, *tests):
        """Run tests, the first of which starts a thread that acts later."""
        go = threading.Event()
        started = []

        class Case(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(isolation.IsolationGuard())

            def test_starts(self):
                started.append(threading.Thread(target=self.later))
                started[0].start()

            def later(self):
                go.wait()
                act()

            def test_while(self):
                go.set()
                started[0].join()

        results = {}
        for test in tests:
            results[test] = testtools.TestResult()
            Case(test).run(results[test])
        go.set()
        started[0].join()
        return results

    def file_of_events(self):
        directory = self.useFixture(fixtures.TempDir()).path
        path = os.path.join(directory, 'audit.jsonl')
        self.configure(audit_file=path)
        return path

    def violations(self, path):
        with open(path) as file:
            events = [json.loads(line) for line in file]
        return [
            (event['initiator']['name'], audit.details(event)['message'])
            for event in events
            if event.get('reason', {}).get('reasonCode') == 'SF401'
        ]

    def test_after_the_last_test(self):
        path = self.file_of_events()
        seen = []

        def act():
            try:
                connect()
            except exceptions.SafetyViolation as violation:
                seen.append(violation)

        self.leave_running(act, 'test_starts')
        self.assertEqual(1, len(seen))
        self.assertIn('test_scope.py:', seen[0].where)
        ((name, message),) = self.violations(path)
        self.assertTrue(name.endswith('.test_starts'), name)
        self.assertIn('left running', message)

    def test_while_another_test_runs(self):
        path = self.file_of_events()

        def act():
            with contextlib.suppress(exceptions.SafetyViolation):
                connect()

        results = self.leave_running(act, 'test_starts', 'test_while')
        # Another test is not to blame.
        self.assertTrue(results['test_while'].wasSuccessful())
        ((name, _),) = self.violations(path)
        self.assertTrue(name.endswith('.test_starts'), name)

    def test_nothing_is_seen_any_more_once_it_is_over(self):
        self.leave_running(int, 'test_starts')
        with isolation.IsolationGuard():
            pass
        self.assertEqual({}, audit_hook.handlers())
