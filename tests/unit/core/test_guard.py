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
import threading
import unittest

import fixtures
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.audit import trail as audit_trail
from safe_fixtures.core import gate
from safe_fixtures.core import guard as core_guard
from safe_fixtures.core import violations
from safe_fixtures import exceptions
from safe_fixtures import rules
from safe_fixtures import summary
from safe_fixtures import testing
from tests.support import base


class Watch(core_guard.Guard):
    """A guard that is told what it sees."""

    def violate(self, code, message, **kwargs):
        self._violate(exceptions.SafetyViolation(code, message), **kwargs)


class Broken(Watch):
    """A guard whose set-up fails half way."""

    def _setUp(self):
        super()._setUp()
        self.useFixture(gate.ApiGate(self))
        raise ZeroDivisionError('half way')


class Refusing(Watch):
    def _prepare(self):
        raise exceptions.ConfigurationError('Refusing x', 1, 'give 2')


REAL = 'SF301 (CWE-531): real image'


class TestModes(base.TestCase):
    def outcome(self, code):
        """Return what a violation comes to: its actions, and if it raised."""
        with audit.AuditTrail() as trail:
            guard = Watch()
            guard.setUp()
            try:
                guard.violate(code, 'what')
            except exceptions.SafetyViolation as violation:
                self.assertEqual(code, violation.code)
                self.assertRaises(exceptions.SafetyViolation, guard.cleanUp)
                raised = True
            else:
                guard.cleanUp()
                raised = False
        return [event['action'] for event in trail.events], raised

    def assertRefused(self, code):
        self.assertEqual((['deny'], True), self.outcome(code))

    def assertRecorded(self, code):
        self.assertEqual((['evaluate/violation'], False), self.outcome(code))

    def assertIgnored(self, code):
        self.assertEqual(([], False), self.outcome(code))

    def test_default(self):
        for code, rule in rules.RULES.items():
            if rule.default == 'enforce':
                self.assertRefused(code)
            else:
                self.assertRecorded(code)

    def test_enforce(self):
        self.configure(mode='enforce')
        for code in rules.RULES:
            self.assertRefused(code)

    def test_audit(self):
        self.configure(mode='audit')
        for code in rules.RULES:
            if code == 'SF202':
                self.assertRefused(code)
            else:
                self.assertRecorded(code)

    def test_off(self):
        self.configure(mode='off')
        for code in rules.RULES:
            if code == 'SF202':
                self.assertRefused(code)
            else:
                self.assertIgnored(code)

    def test_single_rules(self):
        self.configure(
            mode='audit',
            rule_modes='SF301:enforce,SF302:off,SF104:enforce,SF202:off',
        )
        self.assertRefused('SF301')
        self.assertIgnored('SF302')
        self.assertRefused('SF104')
        self.assertRefused('SF202')
        self.assertRecorded('SF401')

    def test_single_rule_over_default(self):
        self.configure(rule_modes='SF301:audit')
        self.assertRecorded('SF301')
        self.assertRefused('SF302')
        self.assertRecorded('SF104')

    def test_record(self):
        with audit.AuditTrail() as trail, Watch() as guard:
            with safe_fixtures.expect_violation('SF301'):
                guard.violate('SF301', 'real image', target='x', more='y')
        (event,) = trail.events
        said = audit.details(event)
        self.assertEqual('failure', event['outcome'])
        self.assertEqual('control', event['eventType'])
        self.assertEqual('x', event['target']['name'])
        self.assertEqual('SF301', event['reason']['reasonCode'])
        self.assertEqual('real image', said['message'])
        self.assertEqual(rules.get('SF301').remedy, said['remedy'])
        self.assertEqual('CWE-531', said['cwe'])
        self.assertEqual('enforce', said['mode'])
        self.assertEqual('y', said['more'])
        self.assertIs(True, said['expected'])
        path, _, line = said['where'].rpartition(':')
        self.assertEqual(__file__, path)
        self.assertTrue(line.isdigit())


class TestInATest(base.TestCase):
    def test_passes_without_violation(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(Watch())

        self.assertPasses(Inner)

    def test_fails_where_it_happens_and_once(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(Watch()).violate('SF301', 'real image')

        result = self.assertFails(Inner, REAL)
        self.assertEqual(1, len(result.failures))

    def test_names_the_line_of_the_test(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
                guard.violate('SF301', 'real image')

        self.assertFails(Inner, f'{REAL} at {__file__}:')

    def test_swallowed(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
                try:
                    guard.violate('SF301', 'real image')
                except Exception:
                    return

        self.assertFails(Inner, REAL)

    def test_swallowed_twice(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
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
                guard = self.useFixture(Watch())
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
                guard = self.useFixture(Watch())
                try:
                    guard.violate('SF301', 'real image')
                except Exception as error:
                    raise KeyError('wrapped') from error

        self.assertFails(Inner, REAL, "KeyError: 'wrapped'")

    def test_fails_in_set_up(self):
        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(Watch()).violate('SF301', 'real image')

            def test_x(self):
                raise ZeroDivisionError

        self.assertFails(Inner, REAL)

    def test_swallowed_in_set_up(self):
        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                try:
                    self.useFixture(Watch()).violate('SF301', 'real image')
                except AssertionError:
                    self.swallowed = True

            def test_x(self):
                assert self.swallowed

        self.assertFails(Inner, REAL)

    def test_swallowed_in_a_test_that_fails(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
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
                guard = self.useFixture(Watch())
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
                guard = self.useFixture(Watch())
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
                self.useFixture(Watch()).violate('SF301', 'real image')

        result = self.run_inner(Inner)
        self.assertFalse(result.wasSuccessful())

    def test_expected_failure_of_a_part_does_not_hide_it(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
                self.expectFailure(
                    'it is known', guard.violate, 'SF301', 'real image'
                )

        result = self.run_inner(Inner)
        self.assertFalse(result.wasSuccessful())

    def test_expected_failure_for_another_reason(self):
        class Inner(testtools.TestCase):
            @unittest.expectedFailure
            def test_x(self):
                self.useFixture(Watch())
                self.fail('as expected')

        result = self.run_inner(Inner)
        self.assertTrue(result.wasSuccessful())
        self.assertEqual(1, len(result.expectedFailures))

    def test_swallowed_in_a_thread(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
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
                self.useFixture(Watch())
                thread = threading.Thread(target=len, args=('',))
                thread.start()
                thread.join()

        self.assertPasses(Inner)

    def test_guards_nest(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                outer = self.useFixture(Watch())
                with Watch() as inner:
                    inner.violate('SF104', 'drift')
                self.assertIs(outer.trail, inner.trail)
                try:
                    outer.violate('SF301', 'real image')
                except AssertionError:
                    return

        self.assertFails(Inner, REAL)

    def test_swallowed_in_a_nested_guard(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(Watch())
                with Watch() as inner:
                    try:
                        inner.violate('SF301', 'real image')
                    except AssertionError:
                        inner.swallowed = True

        self.assertFails(Inner, REAL)

    def test_plain_unittest(self):
        class Inner(unittest.TestCase):
            def test_x(self):
                with Watch() as guard:
                    try:
                        guard.violate('SF301', 'real image')
                    except AssertionError:
                        guard.swallowed = True

        result = unittest.TestResult()
        Inner('test_x').run(result)
        self.assertEqual(1, len(result.failures))
        self.assertIn(REAL, result.failures[0][1])


class TestConclude(base.TestCase):
    def conclusions(self, case):
        """Run an inner test; return the outcomes that its trail has."""
        path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'audit.jsonl'
        )
        with fixtures.EnvironmentVariable(
            'OS_SAFE_FIXTURES__AUDIT_FILE', path
        ):
            self.run_inner(case)
        return [
            (event['outcome'], event['target']['name'].rpartition('.')[2])
            for event in summary.read([path])
            if event['action'] == 'evaluate/test'
        ]

    def test_passes(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(Watch())

        self.assertEqual([('success', 'test_x')], self.conclusions(Inner))

    def test_fails(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(Watch()).violate('SF301', 'real image')

        self.assertEqual([('failure', 'test_x')], self.conclusions(Inner))

    def test_skips(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(Watch())
                self.skipTest('not here')

        self.assertEqual([('unknown', 'test_x')], self.conclusions(Inner))

    def test_is_counted_once_whatever_it_uses(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                for _ in range(2):
                    with Watch():
                        pass
                self.useFixture(Watch())
                self.useFixture(Watch())

        self.assertEqual([('success', 'test_x')], self.conclusions(Inner))

    def test_waiver_that_waived_nothing(self):
        class Inner(testtools.TestCase):
            @safe_fixtures.waive('SF301', reason='needed once')
            @safe_fixtures.waive('SF302', reason='needed now')
            def test_x(self):
                guard = self.useFixture(Watch())
                trails.append(guard.trail)
                guard.violate('SF302', 'real flavor')

        trails = []
        self.assertPasses(Inner)
        (event,) = (
            event
            for event in trails[0].events
            if event.get('reason', {}).get('reasonCode') == 'SF901'
        )
        message = audit.details(event)['message']
        self.assertIn('SF301', message)
        self.assertIn('needed once', message)

    def test_waiver_that_waived_nothing_where_that_is_enforced(self):
        class Inner(testtools.TestCase):
            @safe_fixtures.waive('SF301', reason='needed once')
            def test_x(self):
                self.useFixture(Watch())

        self.configure(rule_modes='SF901:enforce')
        self.assertFails(Inner, 'SF901: waivers that never applied: SF301')
        self.configure(rule_modes='SF901:off')
        self.assertPasses(Inner)

    def test_waiver_that_waived_nothing_is_waived(self):
        class Inner(testtools.TestCase):
            @safe_fixtures.waive('SF901', reason='it depends on the host')
            @safe_fixtures.waive('SF301', reason='needed at times')
            @safe_fixtures.waive('SF302', reason='needed at times, too')
            def test_x(self):
                guard = self.useFixture(Watch())
                trails.append(guard.trail)

        for mode in ('enforce', 'audit'):
            trails = []
            self.configure(rule_modes=f'SF901:{mode}')
            self.assertPasses(Inner)
            said = [
                (event['action'], event['outcome'], event['target']['name'])
                for event in trails[0].events
            ]
            test_id = Inner('test_x').id()
            self.assertEqual(
                [
                    ('evaluate/violation', 'failure', test_id),
                    ('allow/waiver', 'success', test_id),
                ]
                * 2
                + [('evaluate/test', 'success', test_id)],
                said,
            )
            for violation, waiver in (
                trails[0].events[:2],
                trails[0].events[2:4],
            ):
                self.assertEqual('SF901', waiver['reason']['reasonCode'])
                self.assertEqual(
                    {'reason': 'it depends on the host'},
                    audit.details(waiver),
                )
                self.assertEqual(
                    'it depends on the host',
                    audit.details(violation)['waived'],
                )

    def test_waiver_of_that_rule_that_waived_nothing(self):
        class Inner(testtools.TestCase):
            @safe_fixtures.waive('SF901', reason='needed once')
            @safe_fixtures.waive('SF302', reason='needed now')
            def test_x(self):
                self.useFixture(Watch()).violate('SF302', 'real flavor')

        self.configure(rule_modes='SF901:enforce')
        self.assertFails(Inner, 'SF901: waivers that never applied: SF901')

    def test_waiver_of_a_rule_that_is_off(self):
        class Inner(testtools.TestCase):
            @safe_fixtures.waive('SF104', reason='drifts')
            def test_x(self):
                self.useFixture(Watch()).violate('SF104', 'drift')

        self.configure(mode='enforce', rule_modes='SF104:off')
        self.assertPasses(Inner)


class TestLife(base.TestCase):
    def test_set_up_twice(self):
        guard = self.useFixture(Watch())
        self.assertRaises(RuntimeError, guard.setUp)
        guard.violate('SF104', 'drift')

    def test_violation_that_cannot_be_recorded(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
                guard.trail.record = outer.fail
                try:
                    guard.violate('SF301', 'real image')
                except AssertionError:
                    pass
                del guard.trail.record

        outer = self
        self.assertFails(Inner, 'SF301 (CWE-531): real image')

    def test_reuse_forgets_violations(self):
        guard = Watch()
        guard.setUp()
        self.assertRaises(
            exceptions.SafetyViolation, guard.violate, 'SF301', 'real image'
        )
        self.assertRaises(exceptions.SafetyViolation, guard.cleanUp)
        with guard:
            guard.violate('SF104', 'drift')

    def test_records_to_the_given_trail(self):
        given = self.useFixture(audit.AuditTrail())
        inner = self.useFixture(audit.AuditTrail())
        guard = self.useFixture(Watch(trail=given))
        guard.violate('SF104', 'drift')
        self.assertEqual((1, 0), (len(given.events), len(inner.events)))

    def test_records_to_the_innermost_trail(self):
        outer = self.useFixture(audit.AuditTrail())
        inner = self.useFixture(audit.AuditTrail())
        self.useFixture(Watch()).violate('SF104', 'drift')
        self.assertEqual((0, 1), (len(outer.events), len(inner.events)))

    def test_records_to_its_own_trail_for_the_test(self):
        guard = self.useFixture(Watch())
        guard.violate('SF104', 'drift')
        self.assertEqual(self.id(), guard.trail.events[0]['initiator']['name'])

    def test_given_test(self):
        other = TestLife('test_given_test')
        other._testMethodDoc = 'another'
        with Watch(test=other) as guard:
            self.assertIs(other, guard._test)
        with Watch() as guard:
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
        return Watch()

    def use(self, fixture):
        fixture.violate('SF104', 'drift')

    def state(self):
        return list(audit_trail._active), gate.OBSERVERS.users


class TestExpectViolation(base.TestCase):
    def setUp(self):
        super().setUp()
        self.guard = self.useFixture(Watch())

    def test_ends_the_block_and_fails_nothing(self):
        went_on = False
        with safe_fixtures.expect_violation('SF301') as seen:
            self.guard.violate('SF301', 'real image')
            went_on = True
        self.assertFalse(went_on)
        self.assertEqual(['real image'], [item.message for item in seen])

    def test_swallowed(self):
        with safe_fixtures.expect_violation('SF301') as seen:
            try:
                self.guard.violate('SF301', 'real image')
            except AssertionError:
                self.guard.violate('SF104', 'drift')
        self.assertEqual(1, len(seen))

    def test_only_recorded(self):
        with safe_fixtures.expect_violation('SF104') as seen:
            self.guard.violate('SF104', 'drift')
            self.guard.violate('SF104', 'drift')
        self.assertEqual(2, len(seen))

    def test_none(self):
        error = self.assertRaises(AssertionError, self._expect_none)
        self.assertIn('SF301', str(error))
        self.assertIn('none', str(error))

    def _expect_none(self):
        with safe_fixtures.expect_violation('SF301'):
            self.guard.violate('SF104', 'drift')

    def test_off_is_none(self):
        self.configure(mode='off')
        with Watch() as guard:
            self.guard = guard
            error = self.assertRaises(AssertionError, self._expect_audit)
            self.assertIn('there was none', str(error))

    def _expect_audit(self):
        with safe_fixtures.expect_violation('SF104'):
            self.guard.violate('SF104', 'drift')

    def test_another_rule(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
                with safe_fixtures.expect_violation('SF302'):
                    guard.violate('SF301', 'real image')

        self.assertFails(Inner, REAL)

    def test_another_error_goes_through(self):
        def fail():
            with safe_fixtures.expect_violation('SF301'):
                raise KeyError

        self.assertRaises(KeyError, fail)
        self.assertEqual([], violations._expectations)

    def test_unknown_code(self):
        def expect():
            with safe_fixtures.expect_violation('SF999'):
                pass

        self.assertRaises(ValueError, expect)

    def test_nested(self):
        with safe_fixtures.expect_violation('SF302') as outer:
            with safe_fixtures.expect_violation('SF301') as inner:
                self.guard.violate('SF301', 'real image')
            self.guard.violate('SF302', 'real flavor')
        self.assertEqual([1, 1], [len(outer), len(inner)])

    def test_nested_same_rule(self):
        with safe_fixtures.expect_violation('SF104') as outer:
            with safe_fixtures.expect_violation('SF104') as inner:
                self.guard.violate('SF104', 'one')
            self.guard.violate('SF104', 'two')
        self.assertEqual(['two'], [item.message for item in outer])
        self.assertEqual(['one'], [item.message for item in inner])

    def test_ends_with_the_block(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
                with safe_fixtures.expect_violation('SF301'):
                    guard.violate('SF301', 'expected')
                try:
                    guard.violate('SF301', 'real image')
                except AssertionError:
                    return

        self.assertFails(Inner, REAL)

    def test_in_a_thread(self):
        def run():
            try:
                self.guard.violate('SF301', 'real image')
            except exceptions.SafetyViolation as violation:
                raised.append(violation)

        raised = []
        with safe_fixtures.expect_violation('SF301') as seen:
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        self.assertEqual(raised, seen)
        self.assertEqual(1, len(seen))

    def test_passes_in_an_inner_test(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(Watch())
                with safe_fixtures.expect_violation('SF301'):
                    guard.violate('SF301', 'real image')

        self.assertPasses(Inner)
