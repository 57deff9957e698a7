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

"""A hardened test goes past its guards by no way to its base."""

import os
import unittest

from oslo_config import fixture as config_fixture
import testscenarios
import testtools

import safe_fixtures
from safe_fixtures.hardening import suite
from tests.support import inner
from tests.unit.hardening import test_bases

NAME = test_bases.NAME
NO_GUARD = 'set up no guard'


class Plain(unittest.TestCase):
    def __init__(self, *args):
        super().__init__(*args)
        self.done = ()


class Tools(testtools.TestCase):
    def __init__(self, *args):
        super().__init__(*args)
        self.done = ()


BASES = (Plain, Tools)
# What the runner calls of a test: its set-up, and its method.
RUNNER = {
    Plain: ('_callSetUp', '_callTestMethod'),
    Tools: ('_run_setup', '_run_test_method'),
}


def leak(case):
    case.done += ('test',)
    os.environ[NAME] = '1'


def run_set_up(self, *args):
    """Set up around all that sets up."""
    for base in (testtools.TestCase, unittest.TestCase):
        if isinstance(self, base):
            return base.setUp(self)
    return None


def run_method(self, *args):
    self.test_it()


def run_by_name(self, result=None):
    own = testtools.TestCase
    return (own if isinstance(self, own) else unittest.TestCase).run(
        self, result
    )


class WaysToTheBase:
    def run_one(self, cls):
        """Run its test; return the case, the result and what it says."""
        os.environ.pop(NAME, None)
        case = cls('test_it')
        result = testtools.TestResult()
        case.run(result)
        # Python 3.12.1 does not count a test that a decorator skips.
        self.assertEqual(1, result.testsRun or len(result.skip_reasons))
        said = result.failures + result.errors
        return case, result, '\n'.join(text for _, text in said)

    def made(self, base, act=leak, **attributes):
        return inner.case_of(act, self.hardened(base), **attributes)

    def assertGuarded(self, cls):
        case, _, text = self.run_one(cls)
        self.assertEqual(1, text.count('SF501 ('), text)
        self.assertIn('test', case.done)

    def assertRefused(self, cls):
        case, result, text = self.run_one(cls)
        self.assertIn(NO_GUARD, text)
        self.assertIn('Inner', text)
        self.assertEqual((), case.done)
        self.assertEqual(1, len(result.errors), text)
        self.assertEqual([], result.expectedFailures)
        self.assertEqual([], result.unexpectedSuccesses)

    def test_set_up_of_the_runner_is_no_way(self):
        for base in BASES:
            with self.subTest(base=base.__name__):
                name = RUNNER[base][0]
                self.assertRefused(self.made(base, **{name: run_set_up}))

    def test_method_of_the_runner_is_no_way(self):
        for base in BASES:
            with self.subTest(base=base.__name__):
                set_up, method = RUNNER[base]
                self.assertGuarded(self.made(base, **{method: run_method}))
                self.assertRefused(
                    self.made(base, **{set_up: run_set_up, method: run_method})
                )

    def test_own_run_is_no_way(self):
        class Mixin:
            run = run_by_name

        for base in BASES:
            with self.subTest(base=base.__name__):
                self.assertNotPast(self.made(base, run=run_by_name))
                # Before the hardened base, and before the one it hardens.
                made = self.made(base)
                self.assertNotPast(type('Inner', (Mixin, made), {}))
                mixed = type('Mixed', (Mixin, base), {})
                self.assertGuarded(self.made(mixed))

    def test_expected_failure_is_not_met_by_the_refusal(self):
        @unittest.expectedFailure
        def fails(self):
            self.fail('as expected')

        for base in BASES:
            with self.subTest(base=base.__name__):
                name = RUNNER[base][0]
                self.assertRefused(
                    self.made(base, test_it=fails, **{name: run_set_up})
                )
                _, result, text = self.run_one(self.made(base, test_it=fails))
                self.assertEqual('', text)
                self.assertEqual(1, len(result.expectedFailures))

    def test_skipped_stays_skipped(self):
        def skip(self):
            self.skipTest('in the set-up')

        for base in BASES:
            with self.subTest(base=base.__name__):
                name = RUNNER[base][0]
                skips = {name: lambda self, *args: skip(self)}
                past = {name: run_set_up}
                for cls in (
                    self.made(base, setUp=skip),
                    self.made(base, **skips),
                    self.made(base, test_it=unittest.skip('it')(leak), **past),
                    unittest.skip('all')(self.made(base, **past)),
                ):
                    case, result, text = self.run_one(cls)
                    self.assertEqual('', text)
                    self.assertEqual(1, len(result.skip_reasons))
                    self.assertEqual((), case.done)

    def test_failed_set_up_says_what_failed(self):
        def fail(self, *args):
            raise ValueError('in the set-up')

        for base in BASES:
            with self.subTest(base=base.__name__):
                _, _, text = self.run_one(
                    self.made(base, **{RUNNER[base][0]: fail})
                )
                self.assertIn('in the set-up', text)
                self.assertNotIn(NO_GUARD, text)

    def test_run_again(self):
        for base in BASES:
            with self.subTest(base=base.__name__):
                case, _, _ = self.run_one(self.made(base))
                os.environ.pop(NAME, None)
                result = testtools.TestResult()
                case.run(result)
                said = result.failures + result.errors
                self.assertEqual(1, len(said))
                self.assertIn('SF501', said[0][1])

    def test_scenarios_are_guarded_each(self):
        class Scenarios(testscenarios.WithScenarios):
            scenarios = (('one', {}), ('two', {}))

        ids = []
        for base in BASES:
            with self.subTest(base=base.__name__):
                mixed = type('Mixed', (Scenarios, base), {})
                ids.clear()
                cls = self.made(mixed, lambda case: ids.append(case.id()))
                result = testtools.TestResult()
                cls('test_it').run(result)
                said = result.failures + result.errors
                self.assertEqual([], [text for _, text in said])
                self.assertEqual(2, len(set(ids)))
                cls = self.made(mixed)
                os.environ.pop(NAME, None)
                cls('test_it').run(result)
                said = result.failures + result.errors
                # The second one finds the variable as the first left it.
                self.assertEqual(1, len(said), said)
                self.assertIn('SF501', said[0][1])

    def test_leaves_no_trace(self):
        for base in BASES:
            with self.subTest(base=base.__name__):
                case, _, _ = self.run_one(self.made(base))
                for name in ('setUp', *RUNNER[base]):
                    self.assertNotIn(name, vars(case))

    def test_loosened_settings_are_refused(self):
        conf = safe_fixtures.conf.CONF

        def loosen(case):
            conf.set_override('mode', 'off', 'safe_fixtures')

        def tighten(case):
            conf.set_override('mode', 'enforce', 'safe_fixtures')

        before = conf.safe_fixtures.mode
        for base in BASES:
            with self.subTest(base=base.__name__):
                _, _, text = self.run_one(self.made(base, loosen))
                self.assertIn('SF501', text)
                self.assertIn('[safe_fixtures] mode', text)
                self.assertEqual(before, conf.safe_fixtures.mode)
                # What a test tightens is fine, and ends with it.
                _, _, text = self.run_one(self.made(base, tighten))
                self.assertEqual('', text)
                self.assertEqual(before, conf.safe_fixtures.mode)

    def test_settings_set_before_the_guards_count(self):
        def run(self, result=None):
            with config_fixture.Config(safe_fixtures.conf.CONF) as config:
                config.config(mode='off', group='safe_fixtures')
                return super(cls, self).run(result)

        for base in BASES:
            with self.subTest(base=base.__name__):
                cls = self.made(base, run=run)
                case, _, text = self.run_one(cls)
                self.assertEqual('', text)
                self.assertEqual(('test',), case.done)


class TestHardened(WaysToTheBase, test_bases.Shared):
    assertNotPast = WaysToTheBase.assertRefused

    def hardened(self, base):
        return safe_fixtures.hardened(base)


class TestSuite(WaysToTheBase, test_bases.Shared):
    assertNotPast = WaysToTheBase.assertGuarded

    def setUp(self):
        super().setUp()
        self.addCleanup(suite.harden())

    def hardened(self, base):
        return base
