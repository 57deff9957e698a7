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
import pickle
import unittest
from unittest import mock

import fixtures
import testtools

import safe_fixtures
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.hardening import suite
from tests.support import base
from tests.support import inner

NAME = 'SAFE_LEFT_BY_A_TEST'
PASSWORD = 'password=Hidden-4711'


class Plain(unittest.TestCase):
    pass


class Tools(testtools.TestCase):
    pass


class AroundTheBase(testtools.TestCase):
    """Its set-up calls that of one class by name."""

    def setUp(self):
        testtools.TestCase.setUp(self)


class NoBase(unittest.TestCase):
    """Its set-up calls none, which is fine for ``unittest``."""

    def setUp(self):
        self.was_set_up = True


class Async(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.was_set_up = True


class Retried(unittest.TestCase):
    """It does more around the run of its base."""

    def run(self, result=None):
        self.ran = True
        return super().run(result)


BASES = (Plain, Tools, AroundTheBase, NoBase, Async, Retried)


def leak(case):
    os.environ[NAME] = '1'


def fail(case):
    case.fail('as it must')


class Shared(base.TestCase):
    """Runs inner tests; a leak of one is gone before the next one."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable(NAME))

    def run_with(self, act, test_base, attributes=None):
        os.environ.pop(NAME, None)
        case = inner.case_of(act, test_base, **(attributes or {}))
        return self.run_case(case('test_it'))

    def run_case(self, case):
        result = testtools.TestResult()
        case.run(result)
        # Python 3.12.1 does not count a test that a decorator skips.
        self.assertEqual(1, result.testsRun or len(result.skip_reasons))
        return '\n'.join(
            text for _, text in result.failures + result.errors
        )  # fmt: skip


class TestHardened(Shared):
    def hardened(self, each):
        return safe_fixtures.hardened(each)

    def test_guarded_whatever_the_set_up_calls(self):
        for each in BASES:
            with self.subTest(base=each.__name__):
                text = self.run_with(leak, self.hardened(each))
                self.assertEqual(1, text.count('SF501 ('), text)
                self.assertIn(NAME, text)

    def test_passes_that_does_nothing_wrong(self):
        for each in BASES:
            with self.subTest(base=each.__name__):
                text = self.run_with(lambda case: None, self.hardened(each))
                self.assertEqual('', text)

    def test_failure_stays_one(self):
        for each in BASES:
            with self.subTest(base=each.__name__):
                text = self.run_with(fail, self.hardened(each))
                self.assertEqual(1, text.count('AssertionError: as'), text)
                self.assertNotIn('SF', text)

    def test_failure_and_leak(self):
        def leak_and_fail(case):
            leak(case)
            case.fail('as it must')

        for each in BASES:
            with self.subTest(base=each.__name__):
                text = self.run_with(leak_and_fail, self.hardened(each))
                self.assertIn('as it must', text)
                self.assertIn('SF501', text)

    def test_error_in_set_up_and_leak(self):
        def set_up(case):
            leak(case)
            raise ValueError('in the set-up')

        for each in (Plain, Tools):
            with self.subTest(base=each.__name__):
                text = self.run_with(
                    fail, self.hardened(each), {'setUp': set_up}
                )
                self.assertIn('in the set-up', text)
                self.assertIn('SF501', text)
                self.assertNotIn('as it must', text)

    def test_output_is_masked(self):
        def say_password(case):
            with case.subTest('a part') if each is Plain else mock.MagicMock():
                case.fail(PASSWORD)

        for each in (Plain, Tools):
            with self.subTest(base=each.__name__):
                text = self.run_with(say_password, self.hardened(each))
                self.assertIn('password=', text)
                self.assertNotIn('Hidden', text)

    def test_host_file_is_seen(self):
        self.configure(mode='enforce')

        def write(case):
            open('/var/safe-fixtures-test', 'w')

        for each in (Plain, Tools, Async):
            with self.subTest(base=each.__name__):
                text = self.run_with(write, self.hardened(each))
                self.assertIn('SF405', text)
                self.assertFalse(os.path.exists('/var/safe-fixtures-test'))

    def test_swallowed_violation_fails_once(self):
        self.configure(mode='enforce')
        swallowed = inner.swallowed(
            lambda case: open('/var/safe-fixtures-test', 'w')
        )
        for each in (Plain, Tools, Async):
            with self.subTest(base=each.__name__):
                text = self.run_with(swallowed, self.hardened(each))
                self.assertIn('SF405', text)

    def test_guards_are_attributes(self):
        def look(case):
            case.assertEqual(case.id(), case.audit_trail.test_id)
            case.assertIs(case.posture_guard.trail, case.audit_trail)
            case.assertIs(case.isolation_guard.trail, case.audit_trail)
            case.assertIs(case.redacted_output.trail, case.audit_trail)
            case.assertIs(case.payload_guard.trail, case.audit_trail)

        for each in BASES:
            with self.subTest(base=each.__name__):
                self.assertEqual('', self.run_with(look, self.hardened(each)))

    def test_its_end_says_how_far_it_is_hardened(self):
        def keep(case):
            trails.append(case.audit_trail)

        for each in BASES:
            with self.subTest(base=each.__name__):
                trails = []
                self.run_with(keep, self.hardened(each))
                (end,) = inner.details_of(trails[0], 'evaluate/test')
                self.assertEqual('partly', end['hardened'])
                self.assertIn('not on a base of Nova', end['lacks'])

    def test_outcome_of_a_plain_test(self):
        def skip(case):
            keep(case)
            case.skipTest('why')

        def break_down(case):
            keep(case)
            case.fail('as it must')

        def keep(case):
            trails.append(case.audit_trail)

        for act, outcome in (
            (keep, 'success'), (break_down, 'failure'), (skip, 'unknown')
        ):  # fmt: skip
            with self.subTest(outcome=outcome):
                trails = []
                self.run_with(act, self.hardened(Plain))
                (end,) = inner.events_of(trails[0], 'evaluate/test')
                self.assertEqual(outcome, end['outcome'])

    def test_leaves_no_trace(self):
        for each in BASES:
            for act in (fail, lambda case: None):
                with self.subTest(base=each.__name__):
                    case = inner.case_of(act, self.hardened(each))('test_it')
                    self.run_case(case)
                    self.assertNotIn('setUp', vars(case))
                    self.assertIsNone(safe_fixtures.audit.current())

    def test_the_same_class_each_time(self):
        self.assertIs(self.hardened(Plain), self.hardened(Plain))
        self.assertIs(
            self.hardened(Plain), self.hardened(self.hardened(Plain))
        )

    def test_name_for_pickle(self):
        self.assertEqual('SafePlain', SafePlain.__name__)
        self.assertIs(SafePlain, pickle.loads(pickle.dumps(SafePlain)))

    def test_what_is_no_test(self):
        for wrong in (object, 'name', None, Plain('id')):
            with self.subTest(wrong=wrong):
                self.assertRaises(
                    exceptions.ConfigurationError, self.hardened, wrong
                )

    def test_invalid_settings_fail_the_test(self):
        self.configure(mode='loud')
        for each in (Plain, Tools):
            with self.subTest(base=each.__name__):
                text = self.run_with(lambda case: None, self.hardened(each))
                self.assertIn('loud', text)

    def test_without_a_result(self):
        for each in (Plain, Tools):
            with self.subTest(base=each.__name__):
                os.environ.pop(NAME, None)
                case = inner.case_of(leak, self.hardened(each))
                result = case('test_it').run()
                self.assertFalse(result.wasSuccessful())

    def test_returns_what_its_base_returns(self):
        for each in (Plain, Tools):
            with self.subTest(base=each.__name__):
                given = unittest.TestResult()
                case = inner.case_of(fail, self.hardened(each))('test_it')
                returned = case.run(given)
                stock = inner.case_of(fail, each)('test_it').run(given)
                self.assertEqual(stock is given, returned is given)


SafePlain = safe_fixtures.hardened(Plain)


class TestSuite(Shared):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.core.plugins.harden', list)
        )

    def run_case(self, case):
        # Not as a part of this test.
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.hardening.life._busy', set())
        )
        restore = suite.harden()
        try:
            return super().run_case(case)
        finally:
            restore()

    def test_every_test_is_guarded(self):
        for each in BASES:
            with self.subTest(base=each.__name__):
                text = self.run_with(leak, each)
                self.assertEqual(1, text.count('SF501 ('), text)

    def test_twin(self):
        for each in BASES:
            with self.subTest(base=each.__name__):
                self.assertEqual('', self.run_with(lambda case: None, each))

    def test_function_and_doctest(self):
        for case in (
            unittest.FunctionTestCase(lambda: leak(None)),
            unittest.FunctionTestCase(
                lambda: None, setUp=lambda: leak(None)
            ),
        ):  # fmt: skip
            os.environ.pop(NAME, None)
            with self.subTest(case=case):
                self.assertIn('SF501', self.run_case(case))

    def test_attributes_of_the_test_are_its_own(self):
        def look(case):
            case.assertEqual('mine', case.audit_trail)
            case.assertFalse(hasattr(case, 'posture_guard'))

        self.assertEqual(
            '', self.run_with(look, Tools, {'audit_trail': 'mine'})
        )

    def test_hardened_by_itself_is_guarded_once(self):
        for each in (Plain, Tools):
            with self.subTest(base=each.__name__):
                text = self.run_with(leak, safe_fixtures.hardened(each))
                self.assertEqual(1, text.count('SF501 ('), text)

    def test_test_within_a_test_is_a_part_of_it(self):
        trails = []

        def run_inner(case):
            trails.append(safe_fixtures.audit.current())
            result = testtools.TestResult()
            inner.case_of(fail, Tools)('test_it').run(result)
            case.assertEqual(1, len(result.failures))
            inner.case_of(leak, Plain)('test_it').run(result)
            case.assertEqual(1, len(result.failures))

        text = self.run_with(run_inner, Tools)
        self.assertEqual(1, text.count('SF501 ('), text)
        ends = inner.events_of(trails[0], 'evaluate/test')
        self.assertEqual(1, len(ends))

    def test_subtests_go_on(self):
        def go_on(case):
            for number in range(3):
                with case.subTest(number=number):
                    case.assertEqual(1, number)

        case = inner.case_of(go_on, Plain)('test_it')
        result = unittest.TestResult()
        with mock.patch.object(testtools, 'TestResult', lambda: result):
            self.run_case(case)
        self.assertEqual(2, len(result.failures))

    def test_skipped_by_a_decorator(self):
        for each in (Plain, Tools):
            with self.subTest(base=each.__name__):
                case = inner.case_of(unittest.skip('why')(leak), each)
                case.test_it = unittest.skip('why')(case.test_it)
                self.assertEqual('', self.run_case(case('test_it')))
                self.assertNotIn(NAME, os.environ)

    def test_expected_failure_hides_no_violation(self):
        for each in (Plain, Tools):
            with self.subTest(base=each.__name__):
                case = inner.case_of(leak, each)
                case.test_it = unittest.expectedFailure(case.test_it)
                os.environ.pop(NAME, None)
                self.assertIn('SF501', self.run_case(case('test_it')))

    def test_leaves_no_trace(self):
        before = unittest.TestCase.run, testtools.TestCase.run
        restore = suite.harden()
        again = suite.harden()
        self.assertIsNot(before[0], unittest.TestCase.run)
        again()
        self.assertIsNot(before[0], unittest.TestCase.run)
        restore()
        self.assertEqual(
            before, (unittest.TestCase.run, testtools.TestCase.run)
        )

    def test_base_that_a_project_hardens_itself(self):
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.hardening.suite._claimed', {})
        )
        suite.claim(
            Tools,
            lambda each: 'hardened by the project',
            lambda run, case, args, kwargs: run(*args, **kwargs),
        )
        self.assertEqual('', self.run_with(leak, Tools))
        self.assertIn('SF501', self.run_with(leak, AroundTheBase))
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.core.plugins.find', lambda: None
            )
        )
        self.assertEqual(
            'hardened by the project',
            safe_fixtures.hardened(type('New', (Tools,), {})),
        )

    def test_project_that_is_imported_late(self):
        loads = []

        def harden():
            if not loads:
                loads.append('project')
                self.useFixture(
                    fixtures.MonkeyPatch(
                        'tests.unit.hardening.test_bases.Tools.run',
                        lambda case, result: result.startTest(case),
                    )
                )
                return loads
            return []

        self.useFixture(fixtures.MonkeyPatch(plugins_name, harden))
        self.assertEqual('', self.run_with(fail, Tools))
        self.assertEqual(['project'], loads)


plugins_name = f'{plugins.__name__}.harden'
