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

"""An expectation belongs to one test and ends with it."""

import contextlib
import threading
import unittest

import testtools

from safe_fixtures.audit import events
from safe_fixtures import expect_violation
from tests.support import base
from tests.support import inner

LEFT_OPEN = "the block of expect_violation('SF301') was entered and never left"


def enter(test):
    """Enter a block that nobody leaves."""
    block = expect_violation('SF301')
    block.__enter__()
    LEFT.append(block)


def enter_by_a_stack(test):
    stack = contextlib.ExitStack()
    stack.enter_context(expect_violation('SF301'))
    LEFT.append(stack)


def enter_by_a_generator(test):
    def steps():
        with expect_violation('SF301'):
            yield

    generator = steps()
    next(generator)
    LEFT.append(generator)


def enter_in_a_cleanup(test):
    test.addCleanup(enter, test)


# So that nothing ends with its last reference.
LEFT = []


class ExpectationTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(LEFT.clear)

    def case(self, body, way_out='pass', base=testtools.TestCase):
        class Inner(base):
            def setUp(self):
                super().setUp()
                self.guard = inner.Watch(test=self)
                self.guard.setUp()
                self.addCleanup(self.guard.cleanUp)
                if way_out == 'error':
                    body(self)
                    raise ZeroDivisionError

            def test_x(self):
                body(self)
                if way_out == 'fail':
                    self.fail('by itself')

        return Inner

    def assertSeen(self):
        """Assert that a swallowed violation fails a test."""
        result = self.run_inner(self.case(inner.swallowed(violate)))
        self.assertIn('real image', '\n'.join(base.problems(result)))


class TestOutcomeOnRecord(ExpectationTestCase):
    """The record of a test says what the runner says."""

    def outcome_of(self, body, before=None):
        """Run a test; return the outcome on record, and its problems."""
        trails = []

        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                if before is not None:
                    before(self)
                self.guard = inner.Watch(test=self)
                self.guard.setUp()
                trails.append(self.guard.trail)
                self.addCleanup(self.guard.cleanUp)

            def test_x(self):
                body(self)

        result = self.run_inner(Inner)
        (event,) = inner.events_of(trails[0], events.TEST_END)
        return event['outcome'], base.problems(result)

    def test_left_open_is_a_failure(self):
        for act in (enter, enter_by_a_stack, enter_in_a_cleanup):
            with self.subTest(act=act.__name__):
                outcome, problems = self.outcome_of(act)
                self.assertIn(LEFT_OPEN, '\n'.join(problems))
                self.assertEqual('failure', outcome)

    def test_left_in_time_is_a_success(self):
        def in_a_cleanup(test):
            block = expect_violation('SF301')
            block.__enter__()
            test.addCleanup(block.__exit__, None, None, None)
            violate(test)

        for act in (expect, in_a_cleanup):
            with self.subTest(act=act.__name__):
                outcome, problems = self.outcome_of(inner.swallowed(act))
                self.assertEqual([], problems)
                self.assertEqual('success', outcome)

    def test_entered_before_the_guards_may_be_left_after_them(self):
        def before(test):
            block = expect_violation('SF301')
            test.addCleanup(block.__exit__, None, None, None)
            block.__enter__()

        outcome, problems = self.outcome_of(inner.swallowed(violate), before)
        self.assertEqual([], problems)
        self.assertEqual('success', outcome)


def violate(test):
    test.guard.violate('SF301', 'real image')


def expect(test):
    with expect_violation('SF301') as seen:
        violate(test)
    test.assertEqual(1, len(seen))


class TestLeftOpen(ExpectationTestCase):
    def test_fails_its_test_and_hides_nothing_of_the_next(self):
        for act in (
            enter,
            enter_by_a_stack,
            enter_by_a_generator,
            enter_in_a_cleanup,
        ):
            for way_out in ('pass', 'fail', 'error'):
                with self.subTest(act=act.__name__, way_out=way_out):
                    result = self.run_inner(self.case(act, way_out))
                    text = '\n'.join(base.problems(result))
                    self.assertIn(LEFT_OPEN, text)
                    self.assertSeen()
                    self.assertPasses(self.case(expect))

    def test_of_plain_unittest(self):
        result = unittest.TestResult()
        self.case(enter, base=unittest.TestCase)('test_x').run(result)
        [(_, text)] = result.failures + result.errors
        self.assertIn(LEFT_OPEN, text)
        result = unittest.TestResult()
        self.case(expect, base=unittest.TestCase)('test_x').run(result)
        self.assertTrue(result.wasSuccessful(), result)

    def test_ended_late(self):
        """The next test is not to blame."""

        def end(test):
            LEFT.pop().__exit__(None, None, None)

        self.assertFails(self.case(enter), LEFT_OPEN)
        self.assertPasses(self.case(end))

    def test_left_in_a_cleanup(self):
        """Whatever comes before or after it."""

        def by_context(test):
            test.enterContext(expect_violation('SF301'))
            with contextlib.suppress(AssertionError):
                violate(test)

        def by_a_stack(test):
            stack = contextlib.ExitStack()
            test.addCleanup(stack.close)
            stack.enter_context(expect_violation('SF301'))
            test.addCleanup(inner.swallowed(violate), test)

        for body in by_context, by_a_stack:
            with self.subTest(body=body.__name__):
                self.assertPasses(self.case(body))

    def test_without_a_test(self):
        with inner.Watch() as guard:
            with expect_violation('SF301') as seen:
                guard.violate('SF301', 'real image')
        self.assertEqual(1, len(seen))


class TestOfAnotherTest(ExpectationTestCase):
    def test_its_violation_satisfies_nothing(self):
        def body(test):
            other = self.case(lambda other: None)('test_x')
            guard = test.useFixture(inner.Watch(test=other))
            with expect_violation('SF301'), contextlib.suppress(Exception):
                guard.violate('SF301', 'real image', keep=False)

        self.assertFails(
            self.case(body),
            'expected a violation of SF301, and there was none',
        )

    def test_an_inner_run(self):
        """Each of two nested tests has its own."""

        def body(test):
            with expect_violation('SF301'):
                result = testtools.TestResult()
                self.case(violate)('test_x').run(result)
                test.assertFalse(result.wasSuccessful())
                violate(test)

        self.assertPasses(self.case(body))

    def test_two_at_once(self):
        """In threads: one expects what the other does not."""
        expecting, done = threading.Event(), threading.Event()

        def wait(test):
            with expect_violation('SF301'):
                expecting.set()
                done.wait(60)
                violate(test)

        result = testtools.TestResult()
        thread = threading.Thread(
            target=self.case(wait)('test_x').run, args=(result,)
        )
        thread.start()
        expecting.wait(60)
        try:
            self.assertSeen()
        finally:
            done.set()
            thread.join()
        self.assertTrue(result.wasSuccessful(), base.problems(result))

    def test_a_thread_that_it_left_running(self):
        go, done = threading.Event(), threading.Event()

        def wait(test, guard):
            go.wait(60)
            with contextlib.suppress(AssertionError):
                guard[0].violate('SF301', 'real image')
            done.set()

        guards = []

        class Leaves(testtools.TestCase):
            def late(self):
                wait(self, guards)

            def test_x(self):
                threading.Thread(target=self.late).start()

        def body(test):
            guards.append(test.guard)
            with expect_violation('SF301'):
                go.set()
                done.wait(60)

        self.assertPasses(Leaves)
        result = self.run_inner(self.case(body))
        self.assertIn(
            'expected a violation of SF301, and there was none',
            '\n'.join(base.problems(result)),
        )

    def test_a_thread_of_the_same_test(self):
        """Twin."""

        def body(test):
            act = inner.swallowed(violate)
            with expect_violation('SF301'):
                thread = threading.Thread(target=act, args=(test,))
                thread.start()
                thread.join()

        self.assertPasses(self.case(body))

    def test_in_a_thread(self):
        """Twin: the block is in the thread, too."""

        def body(test):
            def act():
                with expect_violation('SF301') as seen:
                    test.guard.violate('SF301', 'real image')
                found.extend(seen)

            found = []
            thread = threading.Thread(target=act)
            thread.start()
            thread.join()
            test.assertEqual(1, len(found))

        self.assertPasses(self.case(body))
