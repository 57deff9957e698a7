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

from safe_fixtures import exceptions
from safe_fixtures.guards import posture
from tests.support import base
from tests.support import extensions
from tests.support import inner

STATE = {}


class State(posture.Probe):
    remedy = 'Remove it.'

    def snapshot(self):
        return dict(STATE)


class Left(State):
    rule = 'SF503'


class FailsAtOnce(State):
    def snapshot(self):
        raise ValueError('no')


class FailsInChanges(State):
    def changes(self, before, after):
        yield from super().changes(before, after)
        raise ValueError('no more')


class FailsInTexts(State):
    def describe(self, key, value):
        raise SystemExit


class NoChanges(State):
    def changes(self, before, after):
        return 1


class Loosens(State):
    rule = 'SF202'


class Remedy(State):
    remedy = 1


class Own(posture.Probe):
    name = 'state'

    def snapshot(self):
        return {}


class TestProbes(base.TestCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(STATE.clear)

    def plugins(self, **probes):
        self.log = self.useFixture(
            extensions.Plugins(
                *(
                    extensions.Entry('probes', name, lambda made=made: made)
                    for name, made in probes.items()
                )
            )
        ).logger

    def case(self, value, probes=None):
        """Return a test that leaves the state changed, unless it is None."""

        def act(case):
            case.useFixture(posture.PostureGuard(probes))
            if value is not None:
                STATE['key'] = value

        return inner.case_of(act)

    def test_a_change_is_named_like_the_plugin(self):
        self.plugins(state=State)
        self.assertFails(
            self.case('new'),
            'SF501 (CWE-459): the test changed and did not restore: state: '
            "key: (absent) -> 'new'",
            'Remove it.',
        )
        self.assertPasses(self.case(None))
        self.assertEqual('', self.log.output)

    def test_secrets_are_masked(self):
        self.plugins(state=State)

        def act(case):
            case.useFixture(posture.PostureGuard())
            STATE['password'] = 'x7Qm2' + 'vKp9'

        result = self.assertFails(inner.case_of(act), 'state: password')
        self.assertNotIn('x7Qm2' + 'vKp9', str(result.errors))

    def test_other_rule(self):
        self.configure(rule_modes='SF503:enforce')
        self.plugins(state=Left)
        self.assertFails(self.case('new'), 'SF503')

    def test_frozen(self):
        self.plugins(state=State)

        def act(case):
            guard = case.useFixture(posture.PostureGuard())
            with guard.frozen('state'):
                STATE['key'] = 1
                del STATE['key']

        self.assertPasses(inner.case_of(act))

    def test_not_for_probes_that_are_given(self):
        self.plugins(state=State)
        self.assertPasses(self.case('new', []))

    def test_failing_ones_fail_no_test(self):
        for probe, fault in (
            (FailsAtOnce, 'snapshot failed with ValueError: no'),
            (NoChanges, "comparison failed with TypeError: 'int' object"),
            (dict, 'set-up failed with TypeError: it makes no'),
            (Loosens, 'set-up failed with ValueError: its rule is none of'),
            (Remedy, 'set-up failed with TypeError: its remedy is no text'),
        ):
            with self.subTest(probe=probe):
                self.plugins(state=probe)
                for value in (1, 2):
                    self.assertPasses(self.case(value))
                self.assertEqual(1, self.log.output.count(fault))
                STATE.clear()

    def test_a_failing_one_hides_no_other(self):
        self.plugins(a=FailsAtOnce, b=State, c=FailsAtOnce)
        self.assertFails(self.case('new'), "b: key: (absent) -> 'new'")

    def test_what_it_found_until_it_failed_counts(self):
        self.plugins(state=FailsInChanges)
        self.assertFails(self.case('new'), "state: key: (absent) -> 'new'")
        self.assertIn('comparison failed', self.log.output)

    def test_what_it_cannot_show_counts(self):
        self.plugins(state=FailsInTexts)
        self.assertFails(self.case('new'), 'state: key: (not shown) -> ')
        self.assertIn('description failed with SystemExit', self.log.output)

    def test_name_of_another_probe(self):
        for name, given in (
            ('environ', None),
            ('state', lambda: [*posture.PostureGuard.default_probes(), Own()]),
        ):
            with self.subTest(name=name):
                self.plugins(**{name: State})
                probes = None if given is None else given()
                self.assertPasses(self.case('new', probes))
                self.assertIn('another probe has its name', self.log.output)
                STATE.clear()

    def test_two_that_are_given_are_refused_as_ever(self):
        self.plugins()
        guard = posture.PostureGuard([Own(), Own()])
        self.assertRaises(exceptions.ConfigurationError, guard.setUp)
