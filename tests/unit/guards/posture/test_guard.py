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

"""The guard: when it compares, and what becomes of a change."""

import json
import os
import threading

import fixtures
from oslo_config import cfg
import testscenarios
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards import posture
from safe_fixtures import testing
from tests.support import base
from tests.support import posture as support


class TestWays(testscenarios.WithScenarios, support.WaysTestCase):
    """Each way to change the posture is seen, unless it is undone."""

    scenarios = [
        (
            act.__name__,
            {
                'act': staticmethod(act),
                'change': change,
                'remedy': support.REMEDIES.get(
                    change.partition(':')[0],
                    'Undo the change in a cleanup: use a fixture, or '
                    'addCleanup().',
                ),
            },
        )
        for act, change in support.WAYS
    ]

    def test_left(self):
        self.assertFails(
            self.inner(self.act, restore=False),
            'SF501 (CWE-459): the test changed and did not restore: ',
            self.change,
            self.remedy,
        )

    def test_given_back(self):
        self.assertPasses(self.inner(self.act, restore=True))
        self.assertEqual([], support.seen(self.trail))

    def test_recorded_only(self):
        self.configure(mode='audit')
        self.assertPasses(self.inner(self.act, restore=False))
        (event,) = support.seen(self.trail)
        changes = '\n'.join(
            '{probe}: {key}: {before} -> {after}'.format_map(change)
            for change in audit.details(event)['changes']
        )
        self.assertIn(self.change, changes)
        self.assertNotIn(support.SECRET, json.dumps(event))


class TestWaysOut(testscenarios.WithScenarios, support.WaysTestCase):
    """A leftover is reported however the test ends."""

    scenarios = [
        ('pass', {'way_out': 'pass', 'other': ''}),
        ('fail', {'way_out': 'fail', 'other': 'AssertionError: by itself'}),
        ('error', {'way_out': 'error', 'other': 'ZeroDivisionError'}),
    ]

    def test_left(self):
        result = self.assertFails(
            self.inner(support.set_override, False, self.way_out),
            'SF501 (CWE-459)',
        )
        self.assertIn(self.other, base.problems(result)[0])

    def test_given_back(self):
        result = self.run_inner(
            self.inner(support.set_override, True, self.way_out)
        )
        texts = base.problems(result)
        self.assertEqual(self.way_out != 'pass', bool(texts))
        for text in texts:
            with self.subTest(text=text):
                self.assertIn(self.other, text)
                self.assertNotIn('SF501', text)

    def test_waived(self):
        inner = self.inner(support.set_override, False)
        inner.test_it = safe_fixtures.waive('SF501', reason='a try')(
            inner.test_it
        )
        self.assertPasses(inner)
        (event,) = support.seen(self.trail)
        self.assertEqual('a try', audit.details(event)['waived'])


class TestInterrupts(support.WaysTestCase):
    """A violation does not replace an interrupt."""

    def test_in_a_test(self):
        outer = self

        class Inner(testtools.TestCase):
            def test_it(self):
                outer.trail = self.useFixture(audit.AuditTrail())
                self.useFixture(posture.PostureGuard())
                outer.addCleanup(support.set_override(outer))
                raise KeyboardInterrupt

        self.assertRaises(
            KeyboardInterrupt, Inner('test_it').run, testtools.TestResult()
        )
        self.assertEqual(1, len(support.seen(self.trail)))

    def test_in_a_block(self):
        for error in (KeyboardInterrupt, SystemExit):
            with self.subTest(error=error):
                with audit.AuditTrail() as trail:
                    try:
                        with posture.PostureGuard():
                            undo = support.set_override(self)
                            raise error
                    except error:
                        undo()
                self.assertEqual(1, len(support.seen(trail)), error)

    def test_after_an_interrupt_it_can_be_reused(self):
        guard = posture.PostureGuard()
        try:
            with guard:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        self.assertRaises(
            exceptions.SafetyViolation, self._use_and_change, guard
        )

    def _use_and_change(self, guard):
        with guard:
            self.addCleanup(support.set_override(self))


class TestProbes(support.WaysTestCase):
    def test_refused(self):
        for probes in (
            [object()],
            [support.Dial],
            [support.Dial(), support.Dial()],
            [posture.Probe()],
            [support.Dial(), None],
        ):
            with self.subTest(probes=probes):
                guard = posture.PostureGuard(probes)
                error = self.assertRaises(
                    exceptions.ConfigurationError, guard.setUp
                )
                self.assertIn('PostureGuard probes', str(error))
                self.assertIsNone(audit.current())

    def test_failing_at_set_up(self):
        guard = posture.PostureGuard(
            [support.Dial(), support.Broken(ZeroDivisionError(support.SECRET))]
        )
        error = self.assertRaises(exceptions.ConfigurationError, guard.setUp)
        self.assertIn('broken', str(error))
        self.assertIn('ZeroDivisionError', str(error))
        self.assertNotIn(support.SECRET, str(error))
        self.assertIsNone(audit.current())

    def test_failing_at_cleanup(self):
        """It hides no change that another probe sees."""
        guard = posture.PostureGuard(
            [support.Broken({}, ZeroDivisionError()), support.Dial()]
        )
        guard.setUp()
        self.addCleanup(support.turn_dial(self))
        error = self.assertRaises(exceptions.SafetyViolation, guard.cleanUp)
        self.assertIn(
            'broken: snapshot: compared -> failed with ZeroDivisionError; '
            'dial: at: 0 -> 11',
            str(error),
        )

    def test_interrupted(self):
        guard = posture.PostureGuard([support.Broken({}, KeyboardInterrupt())])
        with audit.AuditTrail():
            guard.setUp()
            self.assertRaises(KeyboardInterrupt, guard.cleanUp)

    def test_many_changes(self):
        probe = support.Broken(
            {}, {f'key{number:03}': 1 for number in range(99)}
        )
        with audit.AuditTrail() as trail:
            guard = posture.PostureGuard([probe])
            guard.setUp()
            error = self.assertRaises(
                exceptions.SafetyViolation, guard.cleanUp
            )
        self.assertIn('key019', str(error))
        self.assertNotIn('key020', str(error))
        self.assertIn('and 79 more', str(error))
        (event,) = support.seen(trail)
        self.assertEqual(99, len(audit.details(event)['changes']))

    def test_of_the_project(self):
        plugins.provide(support.Backend())
        names = [probe.name for probe in posture.PostureGuard.default_probes()]
        self.assertEqual('dial', names[-1])
        self.assertEqual(len(names), len(set(names)))


class TestMasking(support.WaysTestCase):
    def test_error_of_a_probe(self):
        self.assert_masked_probe(
            support.Broken({}, ValueError(support.SECRET))
        )

    def assert_masked_probe(self, probe):
        with audit.AuditTrail() as trail:
            error = self.assertRaises(
                exceptions.SafetyViolation, self._use_probes, [probe]
            )
        self.assertIn('failed with ValueError', str(error))
        self.assertNotIn(support.SECRET, str(error) + json.dumps(trail.events))

    def _use_probes(self, probes):
        with posture.PostureGuard(probes):
            pass


class TestLeaks(support.WaysTestCase):
    def setUp(self):
        super().setUp()
        self.backend = support.Backend()
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.core.plugins._provided', [])
        )
        plugins.provide(self.backend)

    def leave(self, *leaks):
        self.backend.posture.leaks = leaks
        with posture.PostureGuard():
            support.Dial.at = 11
            self.addCleanup(setattr, support.Dial, 'at', 0)

    def test_listed(self):
        self.leave(posture.Leak('dial', 'at', '11', 'it is so'))
        self.leave(posture.Leak('dial', 'a*', '1*', 'it is so'))

    def test_not_in_a_block(self):
        """Leaks are for whole tests."""
        self.backend.posture.leaks = (posture.Leak('dial', '*', '*', 'so'),)
        self.addCleanup(setattr, support.Dial, 'at', 0)
        with (
            testing.expect_violation('SF501'),
            posture.PostureGuard() as guard,
        ):
            with guard.frozen('dial'):
                support.Dial.at = 11

    def test_of_another(self):
        for leak in (
            ('dials', 'at', '11'),
            ('dial', 'a', '11'),
            ('dial', 'at', '1'),
            ('dial', 'at', '[1]1'),
            ('dial', '?t', '11'),
        ):
            with self.subTest(leak=leak):
                support.Dial.at = 0
                self.assertRaises(
                    exceptions.SafetyViolation,
                    self.leave,
                    posture.Leak(*leak, 'it is so'),
                )


class TestFrozen(support.WaysTestCase):
    def setUp(self):
        super().setUp()
        self.trail = self.useFixture(audit.AuditTrail())
        self.addCleanup(setattr, support.Dial, 'at', 0)
        self.addCleanup(cfg.CONF.clear_override, 'kind', support.GROUP)

    def run_test(self, act):
        class Inner(testtools.TestCase):
            def test_it(self):
                probes = [
                    *posture.PostureGuard.default_probes(),
                    support.Dial(),
                ]
                act(self, self.useFixture(posture.PostureGuard(probes)))

        return Inner

    def test_changed(self):
        def act(test, guard):
            with guard.frozen('dial'):
                test.addCleanup(support.turn_dial(test))

        self.assertFails(
            self.run_test(act),
            'changed in a frozen block: dial: at',
            'Restore it in the block.',
        )

    def test_cannot_be_swallowed(self):
        def act(test, guard):
            with testtools.ExpectedException(exceptions.SafetyViolation):
                with guard.frozen():
                    test.addCleanup(support.turn_dial(test))

        self.assertFails(
            self.run_test(act),
            'SF501 (CWE-459): changed in a frozen block',
            'dial: at',
        )

    def test_changed_and_given_back(self):
        def act(test, guard):
            with guard.frozen():
                support.turn_dial(test)()
            with guard.frozen('dial', 'config'):
                support.set_override(test)()

        self.assertPasses(self.run_test(act))

    def test_of_another_probe(self):
        def act(test, guard):
            with guard.frozen('environ', 'config'):
                test.addCleanup(support.turn_dial(test))

        self.assertPasses(self.run_test(act))

    def test_what_was_changed_before(self):
        def act(test, guard):
            test.addCleanup(support.turn_dial(test))
            with guard.frozen():
                pass

        self.assertPasses(self.run_test(act))

    def test_body_that_raises(self):
        def act(test, guard):
            with guard.frozen():
                test.addCleanup(support.turn_dial(test))
                raise ZeroDivisionError

        result = self.run_inner(self.run_test(act))
        (text,) = base.problems(result)
        self.assertIn('ZeroDivisionError', text)
        self.assertIn('changed in a frozen block', text)
        self.assertEqual(1, len(support.seen(self.trail)))

    def test_body_whose_error_is_swallowed(self):
        def act(test, guard):
            with testtools.ExpectedException(ZeroDivisionError):
                with guard.frozen():
                    test.addCleanup(support.turn_dial(test))
                    raise ZeroDivisionError

        self.assertFails(
            self.run_test(act), 'SF501 (CWE-459): changed in a frozen block'
        )

    def test_interrupt(self):
        def act(test, guard):
            with guard.frozen():
                test.addCleanup(support.turn_dial(test))
                raise KeyboardInterrupt

        self.assertRaises(
            KeyboardInterrupt,
            self.run_test(act)('test_it').run,
            testtools.TestResult(),
        )
        self.assertEqual(1, len(support.seen(self.trail)))

    def test_audit(self):
        self.configure(mode='audit')

        def act(test, guard):
            with guard.frozen():
                test.addCleanup(support.turn_dial(test))

        self.assertPasses(self.run_test(act))
        self.assertEqual(1, len(support.seen(self.trail)))

    def test_expected(self):
        def act(test, guard):
            with testing.expect_violation('SF501') as violations:
                with guard.frozen():
                    test.addCleanup(support.turn_dial(test))
            test.assertIn('dial', violations[0].message)

        self.assertPasses(self.run_test(act))

    def test_unknown_name(self):
        with posture.PostureGuard() as guard:
            error = self.assertRaises(
                exceptions.ConfigurationError,
                guard.frozen('confg').__enter__,
            )
            self.assertIn("'confg'", str(error))
            self.assertIn('config', str(error))

    def test_not_set_up(self):
        self.assertRaises(
            RuntimeError, posture.PostureGuard().frozen('config').__enter__
        )


class TestContract(testing.FixtureContract, support.TestCase):
    """It restores nothing and leaves nothing."""

    def make_fixture(self):
        return posture.PostureGuard()

    def use(self, fixture):
        with fixture.frozen('config'):
            pass

    def state(self):
        return audit.current(), threading.active_count(), os.getcwd()
