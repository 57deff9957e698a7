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

"""What happens because of a violation, and how it is expected."""

import threading

import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import violations
from safe_fixtures import exceptions
from safe_fixtures import rules
from tests.support import base
from tests.support import inner


REAL = 'SF301 (CWE-531): real image'


class TestModes(base.TestCase):
    def outcome(self, code):
        """Return what a violation comes to: its actions, and if it raised."""
        with audit.AuditTrail() as trail:
            guard = inner.Watch()
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
            with self.subTest(code):
                if rule.default == 'enforce':
                    self.assertRefused(code)
                else:
                    self.assertRecorded(code)

    def test_enforce(self):
        self.configure(mode='enforce')
        for code in rules.RULES:
            with self.subTest(code):
                self.assertRefused(code)

    def test_audit(self):
        self.configure(mode='audit')
        for code in rules.RULES:
            with self.subTest(code):
                if code == 'SF202':
                    self.assertRefused(code)
                else:
                    self.assertRecorded(code)

    def test_off(self):
        self.configure(mode='off')
        for code in rules.RULES:
            with self.subTest(code):
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
        with audit.AuditTrail() as trail, inner.Watch() as guard:
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


class TestExpectViolation(base.TestCase):
    def setUp(self):
        super().setUp()
        self.guard = self.useFixture(inner.Watch())

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
        with inner.Watch() as guard:
            self.guard = guard
            error = self.assertRaises(AssertionError, self._expect_audit)
            self.assertIn('there was none', str(error))

    def _expect_audit(self):
        with safe_fixtures.expect_violation('SF104'):
            self.guard.violate('SF104', 'drift')

    def test_another_rule(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                guard = self.useFixture(inner.Watch())
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
                guard = self.useFixture(inner.Watch())
                with safe_fixtures.expect_violation('SF301'):
                    guard.violate('SF301', 'expected')
                inner.swallowed(guard.violate)('SF301', 'real image')

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
                guard = self.useFixture(inner.Watch())
                with safe_fixtures.expect_violation('SF301'):
                    guard.violate('SF301', 'real image')

        self.assertPasses(Inner)
