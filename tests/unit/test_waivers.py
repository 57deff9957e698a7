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

import safe_fixtures
from safe_fixtures import _waivers
from safe_fixtures import exceptions
from safe_fixtures import rules
from tests.unit import base
from tests.unit import test_guard


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
        waivers = _waivers.of(Waived('test_x'))
        self.assertEqual('method', waivers.reason('SF301'))
        self.assertEqual('class', waivers.reason('SF302'))
        self.assertEqual('method', waivers.reason('SF303'))
        self.assertIsNone(waivers.reason('SF401'))

    def test_method_is_excepted_alone(self):
        waivers = _waivers.of(Waived('test_plain'))
        self.assertEqual('class', waivers.reason('SF301'))
        self.assertIsNone(waivers.reason('SF303'))

    def test_subclass_adds_to_what_it_inherits(self):
        waivers = _waivers.of(Sub('test_plain'))
        self.assertEqual('class', waivers.reason('SF301'))
        self.assertEqual('subclass', waivers.reason('SF302'))
        self.assertEqual('subclass', waivers.reason('SF401'))

    def test_subclass_leaves_its_base_alone(self):
        waivers = _waivers.of(Waived('test_plain'))
        self.assertEqual('class', waivers.reason('SF302'))
        self.assertIsNone(waivers.reason('SF401'))

    def test_method_is_inherited_with_its_waivers(self):
        self.assertEqual('method', _waivers.of(Sub('test_x')).reason('SF303'))

    def test_override_states_its_own(self):
        waivers = _waivers.of(Override('test_x'))
        self.assertEqual('class', waivers.reason('SF301'))
        self.assertIsNone(waivers.reason('SF303'))

    def test_unused(self):
        waivers = _waivers.of(Waived('test_x'))
        self.assertEqual(
            {'SF301': 'method', 'SF303': 'method'}, waivers.unused()
        )
        waivers.reason('SF303')
        self.assertEqual({'SF301': 'method'}, waivers.unused())
        waivers.reason('SF301')
        self.assertEqual({}, waivers.unused())

    def test_shared_by_the_guards_of_a_test(self):
        test = Waived('test_x')
        self.assertIs(_waivers.of(test), _waivers.of(test))
        self.assertIsNot(_waivers.of(test), _waivers.of(Waived('test_x')))

    def test_without_test(self):
        self.assertIsNone(_waivers.of(None).reason('SF301'))
        self.assertEqual({}, _waivers.of(None).unused())

    def test_reason_is_required(self):
        self.assertRaises(TypeError, safe_fixtures.waive, 'SF301')
        for reason in ('', '  \n', None, 3, b'why'):
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
            safe_fixtures.waive(code, reason='why')(lambda: None)

    def test_refused_when_the_module_is_imported(self):
        source = (
            'import safe_fixtures\n'
            'class TestX:\n'
            '    @safe_fixtures.waive({!r}, reason={!r})\n'
            '    def test_x(self): pass\n'
        )
        for code, reason in (('SF999', 'x'), ('SF202', 'x'), ('SF301', '')):
            self.assertRaises(
                ValueError, exec, source.format(code, reason), {}
            )
        exec(source.format('SF301', 'x'), {})

    def test_waived_violation_is_recorded_and_fails_nothing(self):
        trails = []

        class Inner(base.testtools.TestCase):
            @safe_fixtures.waive('SF301', reason='it is the subject')
            def test_waived(self):
                guard = self.useFixture(test_guard.Watch())
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
                guard = self.useFixture(test_guard.Watch())
                guard.violate('SF301', 'real image')

        self.assertFails(Inner, 'SF301 (CWE-531): real image')

    def test_waived_in_a_fixture_used_by_the_outer_test_only(self):
        # The waiver is of the test that uses the fixture.
        with test_guard.Watch(test=Waived('test_x')) as guard:
            guard.violate('SF301', 'real image')
        with test_guard.Watch() as guard:
            with safe_fixtures.expect_violation('SF301'):
                guard.violate('SF301', 'real image')
        self.assertRaises(exceptions.SafetyViolation, self._violate_unwaived)

    def _violate_unwaived(self):
        with test_guard.Watch(test=Waived('test_plain')) as guard:
            guard.violate('SF303', 'real data')
            guard.violate('SF401', 'a host')
