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

"""A hardened test of Nova goes past its guards by no way to its base."""

import contextlib
import os
import unittest

import fixtures
from nova import test
import testtools

import safe_fixtures
from safe_fixtures.hardening import suite as hardening_suite
from safe_fixtures.nova import suite
from tests.support import subtests

NAME = 'SAFE_LEFT_BY_A_TEST'
NO_GUARD = 'set up no guard'
# What testtools says of a set-up that does not reach it.
NO_BASE = 'setUp was not called'


def by_super(cls):
    return lambda self: super(cls, self).setUp()


def of_nova(cls):
    return lambda self: test.TestCase.setUp(self)


def of_testtools(cls):
    return lambda self: testtools.TestCase.setUp(self)


def of_unittest(cls):
    return lambda self: unittest.TestCase.setUp(self)


def of_nothing(cls):
    return lambda self: None


def swallowing(cls):
    def set_up(self):
        self.MICROVERSION_PIN = 'none'
        with contextlib.suppress(safe_fixtures.ConfigurationError):
            super(cls, self).setUp()

    return set_up


class Leaks:
    """Leaks where it sets up, and again where it tests."""

    _done = ()

    def test(self):
        self._done += ('test',)
        os.environ[NAME] = '1'


class Mixin:
    """Calls the next set-up, as a mixin does."""

    def setUp(self):
        super().setUp()
        self._done += ('mixin',)


class Rude:
    """A mixin that calls a base by name."""

    def setUp(self):
        test.TestCase.setUp(self)


class WaysToTheBase:
    """Each way, for the drop-ins and for the hardened suite."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable(NAME))

    def made(self, *bases, set_up=by_super, **attributes):
        """Return a test class like those of users."""
        base = type('Base', (Leaks, *bases, test.TestCase), {})
        base.setUp = set_up(base)
        return type('Inner', (self.hardened(base),), attributes)

    def run_one(self, cls):
        """Run its test; return the case, the result and what it says."""
        case = cls('test')
        os.environ.pop(NAME, None)
        result = testtools.TestResult()
        case.run(result)
        self.assertEqual(1, result.testsRun)
        said = result.failures + result.errors
        return case, result, '\n'.join(text for _, text in said)

    def assertGuarded(self, cls):
        case, _, text = self.run_one(cls)
        self.assertEqual(1, text.count('SF501 ('), text)
        self.assertIn(NAME, text)
        self.assertIn('test', case._done)

    def assertRefused(self, cls, why, *names):
        case, result, text = self.run_one(cls)
        self.assertNotIn('test', case._done)
        self.assertEqual(1, len(result.errors), text)
        self.assertEqual([], result.failures + result.unexpectedSuccesses)
        self.assertEqual([], result.expectedFailures)
        self.assertIn(why, text)
        for name in names:
            self.assertIn(name, text)

    def test_guarded_by_either_way(self):
        for set_up in (by_super, of_nova):
            with self.subTest(set_up=set_up.__name__):
                self.assertGuarded(self.made(set_up=set_up))

    def test_guards_are_up_before_novas_fixtures_and_down_after(self):
        order = []

        class Poison(test.TestCase):
            def useFixture(self, fixture):
                order.append(type(fixture).__name__)
                return super().useFixture(fixture)

        for set_up in (by_super, of_nova):
            with self.subTest(set_up=set_up.__name__):
                order.clear()
                self.assertGuarded(self.made(Poison, set_up=set_up))
                self.assertEqual(1, order.count('PostureGuard'))
                self.assertLess(
                    order.index('IsolationGuard'), order.index('ConfFixture')
                )

    def test_refused_without_a_base_of_nova(self):
        cls = self.made(set_up=of_testtools)
        self.assertRefused(cls, NO_GUARD, 'Base', 'super().setUp()')

    def test_refused_where_the_guards_failed_and_nobody_heard(self):
        self.assertRefused(self.made(set_up=swallowing), NO_GUARD, 'Base')

    def test_as_stock_without_any_base(self):
        for set_up in (of_unittest, of_nothing):
            with self.subTest(set_up=set_up.__name__):
                self.assertRefused(self.made(set_up=set_up), NO_BASE)

    def test_guarded_with_mixins_in_each_order(self):
        for bases in ((Mixin,), (Mixin, Rude), (Rude,), (Rude, Mixin)):
            with self.subTest(bases=[each.__name__ for each in bases]):
                self.assertGuarded(self.made(*bases))

    def test_guarded_with_a_mixin_before_the_hardened_base(self):
        for mixin in (Mixin, Rude):
            with self.subTest(mixin=mixin.__name__):
                inner = type('Inner', (mixin, self.made()), {})
                self.assertGuarded(inner)

    def test_guarded_if_hardened_twice(self):
        once = self.made(set_up=of_nova)
        self.assertGuarded(self.hardened(once))

    def test_overrides_of_the_runner_are_no_way(self):
        def run_set_up(self, result):
            testtools.TestCase.setUp(self)

        def run_method(self, result):
            self.test()

        self.assertRefused(self.made(_run_setup=run_set_up), NO_GUARD)
        self.assertRefused(
            self.made(set_up=of_testtools, _run_test_method=run_method),
            NO_GUARD,
        )
        self.assertGuarded(self.made(_run_test_method=run_method))

    def test_own_run_is_no_way(self):
        def run(self, result=None):
            return testtools.TestCase.run(self, result)

        self.assertGuarded(self.made(run=run))
        self.assertRefused(self.made(set_up=of_testtools, run=run), NO_GUARD)
        # Guarded where the suite is hardened.
        _, _, text = self.run_one(self.made(set_up=of_nova, run=run))
        self.assertTrue('SF501 (' in text or NO_GUARD in text, text)

    def test_expected_failure_is_not_met_by_the_refusal(self):
        @unittest.expectedFailure
        def fails(self):
            self.fail('as expected')

        self.assertRefused(
            self.made(set_up=of_testtools, test=fails), NO_GUARD
        )
        _, result, text = self.run_one(self.made(set_up=of_nova, test=fails))
        self.assertEqual('', text)
        self.assertEqual(1, len(result.expectedFailures))

    def test_skipped_stays_skipped(self):
        def skip(cls):
            return lambda self: self.skipTest('in the set-up')

        for cls in (
            self.made(set_up=skip),
            self.made(set_up=of_testtools, test=unittest.skip('it')(None)),
            unittest.skip('all')(self.made(set_up=of_testtools)),
        ):
            with self.subTest(cls=cls):
                case, result, text = self.run_one(cls)
                self.assertEqual('', text)
                self.assertEqual(1, len(result.skip_reasons))
                self.assertEqual((), case._done)

    def test_leaves_no_trace(self):
        before = {name: id(each) for name, each in vars(test.TestCase).items()}
        case, _, _ = self.run_one(self.made(set_up=of_nova))
        self.assertEqual(
            before,
            {name: id(each) for name, each in vars(test.TestCase).items()},
        )
        self.assertNotIn('_run_setup', vars(case))
        self.assertNotIn('_safe_fixtures_guarded', vars(case))


class TestDropIn(WaysToTheBase, subtests.SubTests, testtools.TestCase):
    def hardened(self, base):
        return safe_fixtures.nova.hardened(base)


class TestSuite(WaysToTheBase, subtests.SubTests, testtools.TestCase):
    def setUp(self):
        super().setUp()
        # As the command "run" does.
        self.addCleanup(hardening_suite.harden())
        self.addCleanup(suite.harden())

    def hardened(self, base):
        return base
