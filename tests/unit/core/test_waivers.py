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
import unittest
from unittest import mock

import fixtures

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import waivers as core_waivers
from safe_fixtures import exceptions
from safe_fixtures import rules
from tests.support import base
from tests.support import inner
from tests.support import settings


@safe_fixtures.waive('SF301', reason='class')
@safe_fixtures.waive('SF302', reason='class')
class Waived(base.testtools.TestCase):
    @safe_fixtures.waive('SF301', reason='method')
    @safe_fixtures.waive('SF303', reason='method')
    def test_x(self):
        pass

    def test_plain(self):
        pass


@safe_fixtures.waive('SF302', reason='subclass')
@safe_fixtures.waive('SF401', reason='subclass')
class Sub(Waived):
    pass


class Override(Waived):
    def test_x(self):
        pass


class TestWaive(base.TestCase):
    def test_method_goes_before_class(self):
        waivers = core_waivers.of(Waived('test_x'))
        self.assertEqual({'reason': 'method'}, waivers.apply('SF301'))
        self.assertEqual({'reason': 'class'}, waivers.apply('SF302'))
        self.assertEqual({'reason': 'method'}, waivers.apply('SF303'))
        self.assertIsNone(waivers.apply('SF401'))

    def test_method_is_excepted_alone(self):
        waivers = core_waivers.of(Waived('test_plain'))
        self.assertEqual({'reason': 'class'}, waivers.apply('SF301'))
        self.assertIsNone(waivers.apply('SF303'))

    def test_subclass_adds_to_what_it_inherits(self):
        waivers = core_waivers.of(Sub('test_plain'))
        self.assertEqual({'reason': 'class'}, waivers.apply('SF301'))
        self.assertEqual({'reason': 'subclass'}, waivers.apply('SF302'))
        self.assertEqual({'reason': 'subclass'}, waivers.apply('SF401'))

    def test_subclass_leaves_its_base_alone(self):
        waivers = core_waivers.of(Waived('test_plain'))
        self.assertEqual({'reason': 'class'}, waivers.apply('SF302'))
        self.assertIsNone(waivers.apply('SF401'))

    def test_method_is_inherited_with_its_waivers(self):
        waivers = core_waivers.of(Sub('test_x'))
        self.assertEqual({'reason': 'method'}, waivers.apply('SF303'))

    def test_override_states_its_own(self):
        waivers = core_waivers.of(Override('test_x'))
        self.assertEqual({'reason': 'class'}, waivers.apply('SF301'))
        self.assertIsNone(waivers.apply('SF303'))

    def test_unused(self):
        waivers = core_waivers.of(Waived('test_x'))
        self.assertEqual(
            {'SF301': 'method', 'SF303': 'method'}, waivers.unused
        )
        waivers.apply('SF303')
        self.assertEqual({'SF301': 'method'}, waivers.unused)
        waivers.apply('SF301')
        self.assertEqual({}, waivers.unused)

    def test_shared_by_the_guards_of_a_test(self):
        test = Waived('test_x')
        self.assertIs(core_waivers.of(test), core_waivers.of(test))
        self.assertIsNot(
            core_waivers.of(test), core_waivers.of(Waived('test_x'))
        )

    def test_without_test(self):
        self.assertIsNone(core_waivers.of(None).apply('SF301'))
        self.assertEqual({}, core_waivers.of(None).unused)

    def test_reason_is_required(self):
        self.assertRaises(TypeError, safe_fixtures.waive, 'SF301')
        for reason in ('', '  \n', None, 3, b'why'):
            with self.subTest(reason=reason):
                error = self.assertRaises(
                    ValueError, safe_fixtures.waive, 'SF301', reason=reason
                )
                self.assertIn('needs a reason', str(error))
                self.assertIn(repr(reason), str(error))

    def test_unknown_code(self):
        error = self.assertRaises(
            ValueError, safe_fixtures.waive, 'SF999', reason='why'
        )
        self.assertIn('SF999', str(error))
        self.assertIn('SF301', str(error))

    def test_always_enforced_code(self):
        error = self.assertRaises(
            ValueError, safe_fixtures.waive, 'SF202', reason='why'
        )
        self.assertIn('always enforced', str(error))

    def test_every_other_code_can_be_waived(self):
        for code in set(rules.RULES) - {'SF202'}:
            with self.subTest(code=code):
                safe_fixtures.waive(code, reason='why')(lambda: None)

    def test_refused_when_the_module_is_imported(self):
        source = (
            'import safe_fixtures\n'
            'class TestX:\n'
            '    @safe_fixtures.waive({!r}, reason={!r})\n'
            '    def test_x(self): pass\n'
        )
        for code, reason in (('SF999', 'x'), ('SF202', 'x'), ('SF301', '')):
            with self.subTest(code=code, reason=reason):
                self.assertRaises(
                    ValueError, exec, source.format(code, reason), {}
                )
        exec(source.format('SF301', 'x'), {})

    def test_waived_violation_is_recorded_and_fails_nothing(self):
        trails = []

        class Inner(base.testtools.TestCase):
            @safe_fixtures.waive('SF301', reason='it is the subject')
            def test_waived(self):
                guard = self.useFixture(inner.Watch())
                trails.append(guard.trail)
                guard.violate('SF301', 'real image')

        self.assertPasses(Inner)
        violation, waiver = (
            event for event in trails[0].events if 'reason' in event
        )
        said = safe_fixtures.audit.details(violation)
        self.assertEqual('evaluate/violation', violation['action'])
        self.assertEqual('it is the subject', said['waived'])
        self.assertEqual('allow/waiver', waiver['action'])
        self.assertEqual('SF301', waiver['reason']['reasonCode'])

    def test_waiver_of_another_rule_does_not_help(self):
        class Inner(base.testtools.TestCase):
            @safe_fixtures.waive('SF302', reason='it is the subject')
            def test_waived(self):
                guard = self.useFixture(inner.Watch())
                guard.violate('SF301', 'real image')

        self.assertFails(Inner, 'SF301 (CWE-531): real image')

    def test_waived_in_a_fixture_used_by_the_outer_test_only(self):
        # The waiver is of the test that uses the fixture.
        with inner.Watch(test=Waived('test_x')) as guard:
            guard.violate('SF301', 'real image')
        with inner.Watch() as guard:
            with safe_fixtures.expect_violation('SF301'):
                guard.violate('SF301', 'real image')
        self.assertRaises(exceptions.SafetyViolation, self._violate_unwaived)

    def _violate_unwaived(self):
        with inner.Watch(test=Waived('test_plain')) as guard:
            guard.violate('SF303', 'real data')
            guard.violate('SF401', 'a host')


ENTRY = '[[waiver]]\nrule = "SF301"\ntests = "*.test_x"\nreason = "why"\n'


class FileTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'waivers.toml'
        )
        self.configure(waivers_file=self.path)

    def write(self, text):
        with open(self.path, 'wb') as file:
            file.write(text.encode('utf-8', 'surrogateescape'))
        settings.forget()

    def write_entries(self, *entries):
        """Write waivers, each with a rule, a pattern and maybe a reason."""
        self.write(
            ''.join(
                ENTRY.replace('SF301', rule)
                .replace('*.test_x', pattern)
                .replace('why', ''.join(reason) or 'why')
                for rule, pattern, *reason in entries
            )
        )


class TestOfSuite(FileTestCase):
    """The file is read, refused, and kept with the settings."""

    def test_nonsense_fails_a_test_before_anything_is_installed(self):
        class Inner(base.testtools.TestCase):
            def test_x(self):
                try:
                    self.useFixture(inner.Watch())
                finally:
                    left.append(audit.current())

        left = []
        self.write(ENTRY.replace('SF301', 'SF999'))
        self.assertFails(Inner, self.path)
        self.write(ENTRY)
        self.assertPasses(Inner)
        self.assertIsNone(left[0])
        self.assertIsNotNone(left[1])

    def test_is_read_once(self):
        self.write(ENTRY)
        self.assertEqual(1, len(core_waivers.of_suite()))
        with mock.patch('builtins.open', autospec=True, side_effect=OSError):
            self.assertEqual(1, len(core_waivers.of_suite()))
        os.remove(self.path)
        self.assertEqual(1, len(core_waivers.of_suite()))
        settings.forget()
        self.assertRaises(exceptions.ConfigurationError, core_waivers.of_suite)

    def test_another_file_is_read(self):
        self.write(ENTRY)
        self.assertEqual(1, len(core_waivers.of_suite()))
        self.path += '.new'
        self.write('')
        self.configure(waivers_file=self.path)
        self.assertEqual([], core_waivers.of_suite())

    def test_is_read_again_once_it_is_mended(self):
        self.write(ENTRY * 2)
        self.assertRaises(exceptions.ConfigurationError, core_waivers.of_suite)
        with open(self.path, 'w') as file:
            file.write(ENTRY)
        self.assertEqual(1, len(core_waivers.of_suite()))


class TestSuite(FileTestCase):
    class Inner(base.testtools.TestCase):
        def test_x(self):
            guard = self.useFixture(inner.Watch())
            guard.violate('SF301', 'real image')

    def outcome(self, case=Inner):
        """Run the test of a class; return a failure, and what waived."""
        with audit.AuditTrail() as trail:
            problems = base.problems(self.run_inner(case))
        waived = [
            audit.details(event)['waived']
            for event in trail.events
            if 'waived' in audit.details(event)
        ]
        waivers = [
            audit.details(event)
            for event in trail.events
            if event['action'] == 'allow/waiver'
        ]
        self.assertEqual(waived, [waiver['reason'] for waiver in waivers])
        return ''.join(problems), waivers

    def assertWaived(self, case=Inner, **waiver):
        self.assertEqual(('', [waiver]), self.outcome(case))

    def assertNotWaived(self, case=Inner):
        problem, waivers = self.outcome(case)
        self.assertIn('SF301 (CWE-531): real image', problem)
        self.assertEqual([], waivers)

    def test_waived(self):
        test_id = self.Inner('test_x').id()
        for pattern in (test_id, '*.Inner.*', '*', '*test_[xy]'):
            with self.subTest(pattern=pattern):
                self.write_entries(('SF301', pattern))
                self.assertWaived(reason='why', pattern=pattern)

    def test_pattern_is_of_the_whole_id(self):
        for pattern in (
            'Inner.test_x',
            '*.Inner',
            'tests.unit.core.test_waivers',
        ):
            with self.subTest(pattern=pattern):
                self.write_entries(('SF301', pattern))
                self.assertNotWaived()

    def test_case_matters(self):
        self.write_entries(('SF301', '*.inner.test_x'))
        self.assertNotWaived()

    def test_another_test(self):
        self.write_entries(('SF301', '*.test_y'))
        self.assertNotWaived()

    def test_another_rule(self):
        self.write_entries(('SF302', '*'))
        self.assertNotWaived()

    def test_without_file(self):
        self.write('')
        self.assertNotWaived()
        self.configure(waivers_file=None)
        self.assertNotWaived()

    def test_first_that_matches_applies(self):
        self.write_entries(
            ('SF301', '*.test_y', 'one'),
            ('SF301', '*.test_x', 'two'),
            ('SF301', '*', 'three'),
        )
        self.assertWaived(reason='two', pattern='*.test_x')

    def test_class_goes_before_the_file(self):
        @safe_fixtures.waive('SF301', reason='class')
        class OfClass(self.Inner):
            pass

        self.write_entries(('SF301', '*'))
        self.assertWaived(OfClass, reason='class')
        self.assertWaived(reason='why', pattern='*')

    def test_method_goes_before_the_file(self):
        class OfMethod(self.Inner):
            @safe_fixtures.waive('SF301', reason='method')
            def test_x(self):
                super().test_x()

        self.write_entries(('SF301', '*'))
        self.assertWaived(OfMethod, reason='method')

    def test_plain_unittest(self):
        class Plain(unittest.TestCase):
            def test_x(self):
                with inner.Watch() as guard:
                    guard.violate('SF301', 'real image')

        self.write_entries(('SF301', '*.Plain.*'))
        self.assertWaived(Plain, reason='why', pattern='*.Plain.*')
        self.write_entries(('SF301', '*.Inner.*'))
        self.assertNotWaived(Plain)

    def test_enforced_violation_is_waived_too(self):
        self.configure(mode='enforce')
        self.write_entries(('SF301', '*'))
        self.assertWaived(reason='why', pattern='*')

    def test_nothing_is_recorded_of_a_rule_that_is_off(self):
        self.configure(mode='off')
        self.write_entries(('SF301', '*'))
        self.assertEqual(('', []), self.outcome())

    def test_one_that_did_not_apply_does_not_fail_the_test(self):
        class Innocent(base.testtools.TestCase):
            def test_x(self):
                self.useFixture(inner.Watch())

        class Stale(Innocent):
            @safe_fixtures.waive('SF301', reason='needed once')
            def test_x(self):
                super().test_x()

        self.configure(rule_modes='SF901:enforce')
        self.write_entries(('SF301', '*'))
        self.assertPasses(Innocent)
        self.assertFails(Stale, 'SF901: waivers that never applied: SF301')

    def test_one_that_did_not_apply_is_waived(self):
        class Stale(base.testtools.TestCase):
            @safe_fixtures.waive('SF302', reason='needed once')
            def test_x(self):
                trails.append(self.useFixture(inner.Watch()).trail)

        @safe_fixtures.waive('SF901', reason='class')
        class OfClass(Stale):
            pass

        def waiver(case):
            self.assertPasses(case)
            actions = [event['action'] for event in trails[-1].events]
            self.assertEqual(
                ['evaluate/violation', 'allow/waiver', 'evaluate/test'],
                actions,
            )
            return audit.details(trails[-1].events[1])

        trails = []
        self.configure(rule_modes='SF901:enforce')
        self.write_entries(('SF901', '*.Stale.*'))
        self.assertEqual(
            {'reason': 'why', 'pattern': '*.Stale.*'}, waiver(Stale)
        )
        self.assertEqual({'reason': 'class'}, waiver(OfClass))
        self.write_entries(('SF901', '*.Inner.*'))
        self.assertFails(Stale, 'SF901: waivers that never applied: SF302')
