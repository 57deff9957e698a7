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

"""RedactedOutput: its rule, its use, and its contract as a fixture."""

import io
import logging
import sys
import unittest

import fixtures
from requests import adapters
import testtools
from testtools import content
from testtools import content_type

from safe_fixtures import audit
from safe_fixtures.core import waivers
from safe_fixtures import exceptions
from safe_fixtures.guards import output
from safe_fixtures import redaction
from safe_fixtures import testing
from tests.support import base
from tests.support import outputs

SECRET = outputs.SECRET
LEAK = outputs.LEAK
PLAIN = outputs.PLAIN
VIOLATION = outputs.VIOLATION
Inner = outputs.Inner
run = outputs.run
violations = outputs.violations


class TestContract(testing.FixtureContract, base.TestCase):
    def setUp(self):
        super().setUp()
        # Its own lines go nowhere.
        for name in ('stdout', 'stderr'):
            self.useFixture(fixtures.MonkeyPatch(f'sys.{name}', io.StringIO()))

    def make_fixture(self):
        return output.RedactedOutput()

    def use(self, fixture):
        print(LEAK)
        fixture.trail.redactor.learn(SECRET)

    def state(self):
        streams = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
        return [
            *(
                (id(stream), sorted(map(str, vars(stream).items())))
                for stream in streams
            ),
            id(vars(adapters.HTTPAdapter)['send']),
        ]


class TestRule(base.TestCase):
    class Leaks(Inner):
        def test(self):
            self.addDetail('said', content.text_content(f'{LEAK} {LEAK}'))
            self.addDetail('more', content.text_content(LEAK))

    class Skips(Inner):
        def test(self):
            self.skipTest(LEAK)

    class Expected(Inner):
        def test(self):
            self.expectFailure(LEAK, self.fail)

    class Clean(Inner):
        def test(self):
            self.addDetail('said', content.text_content(PLAIN))

    def test_audit(self):
        self.assertEqual('addSuccess', run(self.Leaks).outcomes[0][0])
        self.assertEqual(
            {'said': {'password': 2}, 'more': {'password': 1}},
            violations(self.Leaks.trail),
        )
        event = next(
            event
            for event in self.Leaks.trail.events
            if event['target']['name'] == 'said'
        )
        self.assertEqual('audit', audit.details(event)['mode'])
        self.assertIn(self.Leaks('test').id(), audit.details(event)['where'])

    def test_enforce(self):
        self.configure(rule_modes='SF601:enforce')
        for case, sinks in (
            (self.Leaks, ['said: password (2)', 'more: password (1)']),
            (self.Skips, ['reason: password (1)']),
            (self.Expected, ['reason: password (1)']),
        ):
            ((outcome, texts),) = run(case).outcomes
            self.assertEqual('addFailure', outcome)
            self.assertNotIn(SECRET, str(texts))
            text = '\n'.join(texts.values())
            self.assertEqual(1, text.count(VIOLATION))
            for sink in sinks:
                with self.subTest(case=case, sinks=sinks, sink=sink):
                    self.assertIn(sink, text)
            self.assertIn('SF601', text)
            # What the record says of the end of the test is what it was.
            self.assertEqual(
                {'deny'},
                {
                    event['action']
                    for event in case.trail.events
                    if event.get('reason', {}).get('reasonCode') == 'SF601'
                },
            )

    def test_enforce_where_there_is_nothing(self):
        self.configure(rule_modes='SF601:enforce')
        self.assertEqual(
            [('addSuccess', {'said': PLAIN})], run(self.Clean).outcomes
        )

    def test_enforce_what_comes_late(self):
        self.configure(rule_modes='SF601:enforce')

        class Case(testtools.TestCase):
            def test(self):
                self.useFixture(fixtures.FakeLogger())
                type(self).trail = self.useFixture(audit.AuditTrail())
                self.useFixture(output.RedactedOutput())
                logging.warning(LEAK)

        ((outcome, texts),) = run(Case).outcomes
        self.assertEqual('addFailure', outcome)
        self.assertIn("pythonlogging:'': password (1)", texts['traceback'])
        self.assertNotIn(SECRET, str(texts))

    def test_off(self):
        self.configure(rule_modes='SF601:off')
        ((outcome, texts),) = run(self.Leaks).outcomes
        self.assertEqual('addSuccess', outcome)
        self.assertNotIn(SECRET, str(texts))
        self.assertEqual({}, violations(self.Leaks.trail))

    def test_off_reads_nothing_early(self):
        self.configure(mode='off')
        read = []

        class Case(Inner):
            def test(self):
                said = content.Content(
                    content_type.UTF8_TEXT, lambda: read.append(1) or [b'']
                )
                self.addDetail('said', said)

        result = run(Case, testtools.TestResult())
        self.assertTrue(result.wasSuccessful())
        self.assertEqual(1, result.testsRun)
        self.assertEqual([], read)

    def test_waived(self):
        self.configure(mode='enforce')

        class Case(Inner):
            @waivers.waive('SF601', reason='it is the subject')
            def test(self):
                self.skipTest(LEAK)

        ((outcome, texts),) = run(Case).outcomes
        self.assertEqual('addSkip', outcome)
        self.assertEqual({'reason': 'adminPass=***'}, texts)
        self.assertIn(
            'allow/waiver', [event['action'] for event in Case.trail.events]
        )

    def test_it_is_recorded_before_the_end_of_the_test(self):
        seen = []

        class Case(testtools.TestCase):
            def setUp(self):
                super().setUp()
                seen.append(self.useFixture(output.RedactedOutput()).trail)

            def test(self):
                self.addDetail('said', content.text_content(LEAK))
                self.skipTest(LEAK)

        run(Case)
        self.assertEqual(
            ['reason', 'said', Case('test').id()],
            [event['target']['name'] for event in seen[0].events],
        )

    def test_a_waiver_that_waives_nothing(self):
        self.configure(mode='enforce')

        class Case(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(output.RedactedOutput())

            @waivers.waive('SF601', reason='it is the subject')
            def test(self):
                pass

        ((outcome, texts),) = run(Case).outcomes
        self.assertEqual('addFailure', outcome)
        self.assertIn('SF901', texts['traceback'])

    def test_a_waiver_applies_in_time(self):
        self.configure(mode='enforce')

        class Case(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(output.RedactedOutput())

            @waivers.waive('SF601', reason='it is the subject')
            def test(self):
                self.addDetail('said', content.text_content(LEAK))

        self.assertEqual(
            [('addSuccess', {'said': 'adminPass=***'})], run(Case).outcomes
        )

    def test_of_a_test_that_is_run_by_another(self):
        self.configure(mode='enforce')
        ((_, texts),) = run(self.Skips).outcomes
        self.assertIn('reason: password (1)', texts['traceback'])

    def test_a_violation_reads_as_it_is(self):
        self.configure(mode='enforce')
        ((_, texts),) = run(self.Leaks).outcomes
        self.assertIn('SF601', texts['traceback'])
        self.assertEqual(
            texts['traceback'],
            redaction.Redactor().redact(texts['traceback']),
        )

    def test_every_secret_counts_once(self):
        class Case(Inner):
            def test(self):
                # They share the trail, and so the redactor.
                self.useFixture(output.RedactedOutput())
                with output.RedactedOutput():
                    self.addDetail('said', content.text_content(LEAK))

        ((outcome, texts),) = run(Case).outcomes
        self.assertEqual(
            ('addSuccess', 'adminPass=***'), (outcome, texts['said'])
        )
        self.assertEqual({'said': {'password': 1}}, violations(Case.trail))
        self.assertEqual(
            1,
            sum(
                event['target']['name'] == 'said'
                for event in Case.trail.events
            ),
        )


class TestUse(base.TestCase):
    def test_outside_a_test(self):
        for test in (None, unittest.TestCase(), testtools.TestCase('run')):
            with self.subTest(test=test):
                fixture = output.RedactedOutput(test=test)
                if test is None:
                    # Not of this one, which runs.
                    fixture._given_test = unittest.TestCase()
                error = self.assertRaises(
                    exceptions.ConfigurationError, fixture.setUp
                )
                self.assertIn('RedactedOutput test', str(error))
                self.assertIn('testtools.TestCase', str(error))

    def test_given_a_test(self):
        class Case(testtools.TestCase):
            def test(self):
                helper(self)
                self.fail(LEAK)

        def helper(test):
            test.useFixture(output.RedactedOutput(test=test))

        ((_, texts),) = run(Case).outcomes
        self.assertNotIn(SECRET, str(texts))

    def test_trails_of_their_own(self):
        redactors = []

        class Case(testtools.TestCase):
            def test(self):
                for secret in ('first-' + SECRET, 'other-' + SECRET):
                    fixture = self.useFixture(
                        output.RedactedOutput(
                            trail=self.useFixture(audit.AuditTrail())
                        )
                    )
                    fixture.trail.redactor.learn(secret)
                    redactors.append(fixture.trail.redactor)
                self.fail(f'{PLAIN} first-{SECRET} other-{SECRET}')

        ((_, texts),) = run(Case).outcomes
        self.assertEqual(2, len(set(map(id, redactors))))
        self.assertNotIn(SECRET, str(texts))
        self.assertIn(PLAIN, texts['traceback'])

    def test_an_inner_run_is_its_own(self):
        class Case(testtools.TestCase):
            def test(self):
                self.fail(LEAK)

        class Outer(Inner):
            def test(self):
                # It is not this one that is guarded.
                assert LEAK in run(Case).outcomes[0][1]['traceback']

        self.assertEqual([('addSuccess', {})], run(Outer).outcomes)

    def test_run_again(self):
        case = TestRule.Leaks('test')
        for _ in range(2):
            result = outputs.RecordingResult()
            case.run(result)
            ((outcome, texts),) = result.outcomes
            self.assertEqual('addSuccess', outcome)
            self.assertNotIn(SECRET, str(texts))

    def test_nothing_is_left_on_the_test(self):
        class Case(testtools.TestCase):
            masked = True

            def test(self):
                if self.masked:
                    self.useFixture(output.RedactedOutput())
                self.fail(LEAK)

        case = Case('test')
        case.run(outputs.RecordingResult())
        case.masked = False
        result = outputs.RecordingResult()
        case.run(result)
        self.assertIn(SECRET, result.outcomes[0][1]['traceback'])

    def test_a_redactor_that_fails(self):
        class Redactor(redaction.Redactor):
            def redact_and_count(self, value):
                if SECRET in str(value):
                    raise ZeroDivisionError(value)
                return super().redact_and_count(value)

        class Case(testtools.TestCase):
            def test(self):
                type(self).trail = self.useFixture(
                    audit.AuditTrail(redactor=Redactor())
                )
                self.useFixture(output.RedactedOutput())
                self.addDetail('said', content.text_content(LEAK))
                self.skipTest(PLAIN)

        ((outcome, texts),) = run(Case).outcomes
        self.assertEqual('addSkip', outcome)
        self.assertEqual(
            {
                'said': '(masking this failed: ZeroDivisionError)\n',
                'reason': PLAIN,
            },
            texts,
        )
        self.assertEqual({'said': {'unknown': 1}}, violations(Case.trail))

    def test_a_detail_that_cannot_be_read_yet(self):
        class Case(Inner):
            def setUp(self):
                self.addCleanup(setattr, self, '_ready', True)
                super().setUp()

            def test(self):
                self._ready = False

                def read():
                    if not self._ready:
                        raise OSError('not yet')
                    return [LEAK.encode()]

                self.addDetail(
                    'said', content.Content(content_type.UTF8_TEXT, read)
                )

        self.assertEqual(
            [('addSuccess', {'said': 'adminPass=***'})], run(Case).outcomes
        )
        self.assertEqual({'said': {'password': 1}}, violations(Case.trail))

    def test_a_timeout_is_of_the_test(self):
        class Case(Inner):
            def setUp(self):
                self.addCleanup(setattr, self, '_over', True)
                super().setUp()

            def test(self):
                self._over = False

                def read():
                    if not self._over:
                        raise fixtures.TimeoutException()
                    return [LEAK.encode()]

                self.addDetail(
                    'said', content.Content(content_type.UTF8_TEXT, read)
                )

        ((outcome, texts),) = run(Case).outcomes
        self.assertEqual('addError', outcome)
        self.assertIn('TimeoutException', texts['traceback'])
        self.assertNotIn(SECRET, str(texts))

    def test_a_timeout_while_it_masks(self):
        class Redactor(redaction.Redactor):
            late = True

            def redact_and_count(self, value):
                if self.late and value == LEAK.encode():
                    self.late = False
                    raise fixtures.TimeoutException()
                return super().redact_and_count(value)

        class Case(testtools.TestCase):
            def test(self):
                self.useFixture(audit.AuditTrail(redactor=Redactor()))
                self.useFixture(output.RedactedOutput())
                self.addDetail('said', content.text_content(LEAK))

        ((outcome, texts),) = run(Case).outcomes
        self.assertEqual('addError', outcome)
        self.assertIn('TimeoutException', texts['traceback'])
        self.assertEqual('adminPass=***', texts['said'])

    def test_an_event_that_is_lost_late(self):
        def lose(event):
            if event.get('reason', {}).get('reasonCode') == 'SF601':
                raise OSError('full')

        class Case(testtools.TestCase):
            def test(self):
                self.useFixture(fixtures.FakeLogger())
                self.useFixture(audit.AuditTrail(sinks=[lose]))
                self.useFixture(output.RedactedOutput())
                logging.warning(LEAK)

        ((outcome, texts),) = run(Case).outcomes
        self.assertEqual('addFailure', outcome)
        self.assertIn('is incomplete', texts['traceback'])
        self.assertNotIn(SECRET, str(texts))
