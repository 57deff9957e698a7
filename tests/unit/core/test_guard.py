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

"""The base class of the guards, in inner tests."""

import gc
import threading
import unittest
import weakref

import fixtures
import testtools

from safe_fixtures import audit
from safe_fixtures.audit import trail as audit_trail
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures import testing
from tests.support import base
from tests.support import inner


REAL = 'SF301 (CWE-531): real image'


class Broken(inner.Watch):
    """A guard whose set-up fails half way."""

    def _setUp(self):
        super()._setUp()
        self.useFixture(gate.ApiGate(self))
        raise ZeroDivisionError('half way')


class Refusing(inner.Watch):
    def _prepare(self):
        raise exceptions.ConfigurationError('Refusing x', 1, 'give 2')


class TestMemory(base.TestCase):
    """What is over is freed at once, and not when garbage is collected."""

    def setUp(self):
        super().setUp()
        self.addCleanup(gc.enable)
        gc.disable()

    def test_frees_the_test(self):
        case = inner.case_of(lambda case: case.useFixture(inner.Watch()))
        test = case('test_it')
        freed = weakref.ref(test)
        test.run(testtools.TestResult())
        del test
        self.assertIsNone(freed())

    def test_frees_the_error_that_left_its_block(self):
        class Error(Exception):
            pass

        def fail():
            error = Error()
            errors.append(weakref.ref(error))
            try:
                with watch:
                    raise error
            except Error:
                pass
            finally:
                del error

        errors = []
        watch = inner.Watch()
        fail()
        self.assertIsNone(errors[0]())


class TestInATest(base.TestCase):
    def test_passes_without_violation(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(inner.Watch())

        self.assertPasses(Inner)

    def test_fails_where_it_happens_and_once(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(inner.Watch()).violate('SF301', 'real image')

        result = self.assertFails(Inner, REAL)
        self.assertEqual(1, len(result.failures))

    def test_names_the_line_of_the_test(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                guard.violate('SF301', 'real image')

        self.assertFails(Inner, f'{REAL} at {__file__}:')

    def test_swallowed(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                inner.swallowed(guard.violate)('SF301', 'real image')

        self.assertFails(Inner, REAL)

    def test_swallowed_twice(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                for message in ('real image', 'real disk'):
                    try:
                        guard.violate('SF301', message)
                    except Exception:
                        continue

        # One outcome, which tells of both.
        result = self.run_inner(Inner)
        text = '\n'.join(base.problems(result))
        self.assertFalse(result.wasSuccessful())
        self.assertIn(REAL, text)
        self.assertIn('SF301 (CWE-531): real disk', text)

    def test_one_swallowed_and_one_not(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                try:
                    guard.violate('SF302', 'real flavor')
                except Exception:
                    guard.violate('SF301', 'real image')

        result = self.run_inner(Inner)
        text = '\n'.join(base.problems(result))
        self.assertFalse(result.wasSuccessful())
        self.assertEqual(1, text.count(REAL))
        self.assertIn('SF302 (CWE-531): real flavor', text)

    def test_raised_as_the_cause_of_another(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                try:
                    guard.violate('SF301', 'real image')
                except Exception as error:
                    raise KeyError('wrapped') from error

        self.assertFails(Inner, REAL, "KeyError: 'wrapped'")

    def test_fails_in_set_up(self):
        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(inner.Watch()).violate('SF301', 'real image')

            def test_x(self):
                raise ZeroDivisionError

        self.assertFails(Inner, REAL)

    def test_swallowed_in_set_up(self):
        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                try:
                    self.useFixture(inner.Watch()).violate(
                        'SF301', 'real image'
                    )
                except AssertionError:
                    self.swallowed = True

            def test_x(self):
                assert self.swallowed

        self.assertFails(Inner, REAL)

    def test_swallowed_in_a_test_that_fails(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                try:
                    guard.violate('SF301', 'real image')
                except Exception:
                    self.fail('for another reason')

        result = self.run_inner(Inner)
        text = '\n'.join(base.problems(result))
        self.assertIn('AssertionError: for another reason', text)
        self.assertIn(REAL, text)

    def test_skip_does_not_hide_it(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                try:
                    guard.violate('SF301', 'real image')
                except Exception:
                    self.skipTest('not here')

        result = self.run_inner(Inner)
        self.assertFalse(result.wasSuccessful())
        self.assertIn(REAL, '\n'.join(base.problems(result)))

    def test_skip_because_of_it_does_not_hide_it(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                try:
                    guard.violate('SF301', 'real image')
                except Exception as error:
                    raise unittest.SkipTest('not here') from error

        result = self.run_inner(Inner)
        self.assertFalse(result.wasSuccessful())
        self.assertIn(REAL, '\n'.join(base.problems(result)))

    def test_expected_failure_does_not_hide_it(self):
        class Inner(testtools.TestCase):
            @unittest.expectedFailure
            def test_x(self):
                self.useFixture(inner.Watch()).violate('SF301', 'real image')

        result = self.run_inner(Inner)
        self.assertFalse(result.wasSuccessful())

    def test_expected_failure_of_a_part_does_not_hide_it(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                self.expectFailure(
                    'it is known', guard.violate, 'SF301', 'real image'
                )

        result = self.run_inner(Inner)
        self.assertFalse(result.wasSuccessful())

    def test_expected_failure_for_another_reason(self):
        class Inner(testtools.TestCase):
            @unittest.expectedFailure
            def test_x(self):
                self.useFixture(inner.Watch())
                self.fail('as expected')

        result = self.run_inner(Inner)
        self.assertTrue(result.wasSuccessful())
        self.assertEqual(1, len(result.expectedFailures))

    def test_swallowed_in_a_thread(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                seen = []

                def run():
                    try:
                        guard.violate('SF301', 'real image')
                    except exceptions.SafetyViolation as violation:
                        seen.append(violation)

                thread = threading.Thread(target=run)
                thread.start()
                thread.join()
                self.assertEqual(1, len(seen))

        self.assertFails(Inner, REAL)

    def test_silent_thread(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(inner.Watch())
                thread = threading.Thread(target=len, args=('',))
                thread.start()
                thread.join()

        self.assertPasses(Inner)

    def test_guards_nest(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                outer = self.useFixture(inner.Watch())
                with inner.Watch() as nested:
                    nested.violate('SF104', 'drift')
                self.assertIs(outer.trail, nested.trail)
                inner.swallowed(outer.violate)('SF301', 'real image')

        self.assertFails(Inner, REAL)

    def test_swallowed_in_a_nested_guard(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(inner.Watch())
                with inner.Watch() as nested:
                    inner.swallowed(nested.violate)('SF301', 'real image')

        self.assertFails(Inner, REAL)

    def test_plain_unittest(self):
        class Inner(unittest.TestCase):
            def test_x(self):
                with inner.Watch() as guard:
                    inner.swallowed(guard.violate)('SF301', 'real image')

        result = unittest.TestResult()
        Inner('test_x').run(result)
        self.assertEqual(1, len(result.failures))
        self.assertIn(REAL, result.failures[0][1])


class TestLife(base.TestCase):
    def test_set_up_twice(self):
        guard = self.useFixture(inner.Watch())
        self.assertRaises(RuntimeError, guard.setUp)
        guard.violate('SF104', 'drift')

    def test_violation_that_cannot_be_recorded(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
                guard.trail.record = outer.fail
                try:
                    guard.violate('SF301', 'real image')
                except AssertionError:
                    pass
                del guard.trail.record

        outer = self
        self.assertFails(Inner, 'SF301 (CWE-531): real image')

    def test_reuse_forgets_violations(self):
        guard = inner.Watch()
        guard.setUp()
        self.assertRaises(
            exceptions.SafetyViolation, guard.violate, 'SF301', 'real image'
        )
        self.assertRaises(exceptions.SafetyViolation, guard.cleanUp)
        with guard:
            guard.violate('SF104', 'drift')

    def test_records_to_the_given_trail(self):
        given = self.useFixture(audit.AuditTrail())
        innermost = self.useFixture(audit.AuditTrail())
        guard = self.useFixture(inner.Watch(trail=given))
        guard.violate('SF104', 'drift')
        self.assertEqual((1, 0), (len(given.events), len(innermost.events)))

    def test_records_to_the_innermost_trail(self):
        outer = self.useFixture(audit.AuditTrail())
        innermost = self.useFixture(audit.AuditTrail())
        self.useFixture(inner.Watch()).violate('SF104', 'drift')
        self.assertEqual((0, 1), (len(outer.events), len(innermost.events)))

    def test_records_to_its_own_trail_for_the_test(self):
        guard = self.useFixture(inner.Watch())
        guard.violate('SF104', 'drift')
        self.assertEqual(self.id(), guard.trail.events[0]['initiator']['name'])

    def test_given_test(self):
        other = TestLife('test_given_test')
        other._testMethodDoc = 'another'
        with inner.Watch(test=other) as guard:
            self.assertIs(other, guard._test)
        with inner.Watch() as guard:
            self.assertIs(self, guard._test)

    def test_failing_set_up_leaves_nothing(self):
        error = self.assertRaises(fixtures.MultipleExceptions, Broken().setUp)
        self.assertIs(ZeroDivisionError, error.args[0][0])
        self.assertIsNone(audit.current())
        self.assertEqual((), gate.OBSERVERS.users)

    def test_refusal_leaves_nothing_and_is_not_wrapped(self):
        self.assertRaises(exceptions.ConfigurationError, Refusing().setUp)
        self.assertIsNone(audit.current())
        self.assertEqual((), gate.OBSERVERS.users)


class TestContract(testing.FixtureContract, base.TestCase):
    def make_fixture(self):
        return inner.Watch()

    def use(self, fixture):
        fixture.violate('SF104', 'drift')

    def state(self):
        return list(audit_trail._active), gate.OBSERVERS.users
