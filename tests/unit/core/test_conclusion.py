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

"""How a test is concluded."""

import os

import fixtures
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import conclusion
from safe_fixtures.core import violations
from safe_fixtures import summary
from tests.support import base
from tests.support import inner
from tests.support import settings


class TestConclude(base.TestCase):
    def conclusions(self, case):
        """Run an inner test; return the outcomes that its trail has."""
        path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'audit.jsonl'
        )
        with settings.options(audit_file=path):
            self.run_inner(case)
        return [
            (event['outcome'], event['target']['name'].rpartition('.')[2])
            for event in summary.read([path])
            if event['action'] == 'evaluate/test'
        ]

    def test_passes(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(inner.Watch())

        self.assertEqual([('success', 'test_x')], self.conclusions(Inner))

    def test_fails(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(inner.Watch()).violate('SF301', 'real image')

        self.assertEqual([('failure', 'test_x')], self.conclusions(Inner))

    def test_what_failed_it(self):
        def fail(test):
            test.fail('by itself')

        def refuse(test):
            test.watch.violate('SF301', 'real image')

        swallow = inner.swallowed(refuse)

        def fail_later(test):
            test.addCleanup(test.fail, 'by itself')
            refuse(test)

        def fail_after_the_guards(test):
            test.of_old.append(lambda: test.fail('by itself'))
            refuse(test)

        def leave_open(test):
            test.block = violations.expect_violation('SF302')
            test.block.__enter__()
            refuse(test)

        class Acting(testtools.TestCase):
            def __init__(self, acts):
                super().__init__('test_x')
                self.acts = acts

            def setUp(self):
                super().setUp()
                self.of_old = []
                self.addCleanup(lambda: [each() for each in self.of_old])
                self.watch = self.useFixture(inner.Watch())

            def test_x(self):
                for act in self.acts:
                    act(self)

        path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'audit.jsonl'
        )
        for acts, at_end, in_all in (
            ((refuse,), True, True),
            ((swallow,), True, True),
            ((swallow, refuse), True, True),
            ((fail,), False, False),
            ((swallow, fail), False, False),
            ((fail_later,), False, False),
            ((fail_after_the_guards,), True, False),
            ((leave_open,), False, False),
            ((), False, False),
        ):
            with self.subTest([act.__name__ for act in acts]):
                case = Acting(acts)
                with settings.options(audit_file=path):
                    case.run(testtools.TestResult())
                *_, end = (
                    event
                    for event in summary.read([path])
                    if event['action'] == 'evaluate/test'
                )
                self.assertEqual(
                    at_end, audit.details(end).get('by_violations', False)
                )
                self.assertEqual(in_all, conclusion.failed_by_violations(case))

    def test_what_failed_a_test_without_guards(self):
        case = inner.case_of(lambda test: test.fail('by itself'))('test_it')
        case.run(testtools.TestResult())
        self.assertFalse(conclusion.failed_by_violations(case))
        self.assertFalse(conclusion.failed_by_violations(object()))

    def test_skips(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(inner.Watch())
                self.skipTest('not here')

        self.assertEqual([('unknown', 'test_x')], self.conclusions(Inner))

    def test_is_counted_once_whatever_it_uses(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                for _ in range(2):
                    with inner.Watch():
                        pass
                self.useFixture(inner.Watch())
                self.useFixture(inner.Watch())

        self.assertEqual([('success', 'test_x')], self.conclusions(Inner))

    def test_waiver_that_waived_nothing(self):
        class Inner(testtools.TestCase):
            @safe_fixtures.waive('SF301', reason='needed once')
            @safe_fixtures.waive('SF302', reason='needed now')
            def test_x(self):
                guard = self.useFixture(inner.Watch())
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
                self.useFixture(inner.Watch())

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
                guard = self.useFixture(inner.Watch())
                trails.append(guard.trail)

        for mode in ('enforce', 'audit'):
            with self.subTest(mode=mode):
                trails = []
                self.configure(rule_modes=f'SF901:{mode}')
                self.assertPasses(Inner)
                said = [
                    (
                        event['action'],
                        event['outcome'],
                        event['target']['name'],
                    )
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
                self.useFixture(inner.Watch()).violate('SF302', 'real flavor')

        self.configure(rule_modes='SF901:enforce')
        self.assertFails(Inner, 'SF901: waivers that never applied: SF901')

    def test_waiver_of_a_rule_that_is_off(self):
        class Inner(testtools.TestCase):
            @safe_fixtures.waive('SF104', reason='drifts')
            def test_x(self):
                self.useFixture(inner.Watch()).violate('SF104', 'drift')

        self.configure(mode='enforce', rule_modes='SF104:off')
        self.assertPasses(Inner)
