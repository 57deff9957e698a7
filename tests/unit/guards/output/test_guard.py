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


import contextlib
import io
import logging
import os
import subprocess
import sys
import textwrap
import threading
import unittest
import warnings

import fixtures
import requests
from requests import adapters
import subunit
import testtools
from testtools import content
from testtools import content_type
from testtools import testresult

from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures.core import waivers
from safe_fixtures import exceptions
from safe_fixtures.guards import output
from safe_fixtures.guards.output import api_secrets
from safe_fixtures.guards.output import result as output_result
from safe_fixtures.guards.output import streams as output_streams
from safe_fixtures import redaction
from safe_fixtures import testing
from tests.support import base
from tests.support import web

# Assembled, so that no tool takes this file itself for a leak, and no source
# line in a traceback shows it.
SECRET = 'x7' + 'Qm2-vKp9'
LEAK = f'adminPass={SECRET}'
PLAIN = 'server vm is ACTIVE'
VIOLATION = 'secrets in the output of the test were masked'

RedactedOutput = output.RedactedOutput


class Inner(testtools.TestCase):
    """An inner test whose output is masked, and recorded in its trail."""

    def setUp(self):
        super().setUp()
        type(self).trail = self.useFixture(audit.AuditTrail(self.id()))
        self.useFixture(RedactedOutput())


class Told(testresult.TestResult):
    """Notes what it is told, with the details as text."""

    def __init__(self):
        super().__init__()
        self.told = []

    def _note(self, outcome, test, err=None, reason=None, details=None):
        texts = {name: each.as_text() for name, each in details.items()}
        self.told.append((outcome, texts))

    def __getattribute__(self, name):
        if name in output_result._OUTCOMES:
            return lambda *given, **named: self._note(name, *given, **named)
        return super().__getattribute__(name)


def violations(trail):
    """Return the outputs of SF601, and what was masked in each."""
    return {
        event['target']['name']: {
            each['kind']: each['count']
            for each in audit.details(event)['masked']
        }
        for event in trail.events
        if event.get('reason', {}).get('reasonCode') == 'SF601'
        and event['action'] != 'allow/waiver'
    }


def run(case, result=None):
    """Run the inner test ``test``; return what its result was told."""
    result = Told() if result is None else result
    case('test').run(result)
    return result


class TestContract(testing.FixtureContract, base.TestCase):
    def setUp(self):
        super().setUp()
        # Its own lines go nowhere.
        for name in ('stdout', 'stderr'):
            self.useFixture(fixtures.MonkeyPatch(f'sys.{name}', io.StringIO()))

    def make_fixture(self):
        return RedactedOutput()

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


class TestOutcomes(base.TestCase):
    """Each outcome stays what it is, and is told masked."""

    def assertTold(self, outcome, case, *names):
        """Assert an outcome, and that just these details held a secret."""
        (told, texts), *others = run(case).told
        self.assertEqual(outcome, told)
        self.assertEqual([], others)
        for name in names:
            self.assertIn('***', texts[name], texts)
        self.assertNotIn(SECRET, str(texts))
        self.assertEqual(set(names), violations(case.trail).keys())
        for kinds in violations(case.trail).values():
            self.assertNotEqual({}, kinds)
        self.assertNotIn(SECRET, str(case.trail.events))
        return texts

    def test_success(self):
        class Case(Inner):
            def test(self):
                self.addDetail('said', content.text_content(LEAK))
                self.addDetail('plain', content.text_content(PLAIN))

        texts = self.assertTold('addSuccess', Case, 'said')
        self.assertEqual(PLAIN, texts['plain'])

    def test_success_that_says_nothing(self):
        class Case(Inner):
            def test(self):
                self.addDetail('said', content.text_content(PLAIN))

        texts = self.assertTold('addSuccess', Case)
        self.assertEqual({'said': PLAIN}, texts)

    def test_failure(self):
        class Case(Inner):
            def test(self):
                self.fail(f'{PLAIN} {LEAK}')

        texts = self.assertTold('addFailure', Case, 'traceback')
        self.assertIn(f'AssertionError: {PLAIN} ', texts['traceback'])
        self.assertIn('in test\n', texts['traceback'])

    def test_error_with_its_causes(self):
        class Case(Inner):
            def test(self):
                try:
                    try:
                        raise KeyError(LEAK)
                    except KeyError as error:
                        raise ValueError(f'first {LEAK}') from error
                except ValueError as error:
                    error.add_note(f'note {LEAK}')
                    others = [error, TypeError(f'other {LEAK}')]
                    raise ExceptionGroup(f'group {LEAK}', others) from None

        texts = self.assertTold('addError', Case, 'traceback')
        for said in ('first ', 'note ', 'group ', 'other ', 'KeyError'):
            self.assertIn(said, texts['traceback'])

    def test_mismatch(self):
        class Case(Inner):
            def test(self):
                self.assertThat(
                    [LEAK], testtools.matchers.Contains(PLAIN), verbose=True
                )

        texts = self.assertTold('addFailure', Case, 'traceback')
        self.assertIn(PLAIN, texts['traceback'])

    def test_several_expectations(self):
        class Case(Inner):
            def test(self):
                self.expectThat(LEAK, testtools.matchers.Equals(PLAIN))
                self.expectThat(LEAK, testtools.matchers.Equals(''))

        self.assertTold(
            'addFailure', Case, 'Failed expectation', 'Failed expectation-1'
        )

    def test_skip(self):
        class Case(Inner):
            def test(self):
                self.skipTest(f'{PLAIN} {LEAK}')

        texts = self.assertTold('addSkip', Case, 'reason')
        self.assertIn(PLAIN, texts['reason'])

    def test_skip_in_set_up(self):
        class Case(Inner):
            def setUp(self):
                super().setUp()
                raise unittest.SkipTest(LEAK)

            def test(self):
                pass

        self.assertTold('addSkip', Case, 'reason')

    def test_expected_failure(self):
        class Case(Inner):
            def test(self):
                self.expectFailure(LEAK, self.assertEqual, LEAK, 1)

        self.assertTold('addExpectedFailure', Case, 'reason', 'traceback')

    def test_unexpected_success(self):
        class Case(Inner):
            @unittest.expectedFailure
            def test(self):
                self.addDetail('said', content.text_content(LEAK))

        self.assertTold('addUnexpectedSuccess', Case, 'said')

    def test_error_in_set_up(self):
        class Case(Inner):
            def setUp(self):
                super().setUp()
                raise RuntimeError(LEAK)

            def test(self):
                pass

        self.assertTold('addError', Case, 'traceback')

    def test_error_in_tear_down_and_cleanups(self):
        class Case(Inner):
            def test(self):
                self.addCleanup(self.fail, LEAK)
                raise RuntimeError(LEAK)

            def tearDown(self):
                super().tearDown()
                raise RuntimeError(LEAK)

        self.assertTold(
            'addFailure', Case, 'traceback', 'traceback-1', 'traceback-2'
        )

    def test_several_errors_at_once(self):
        class Bad(fixtures.Fixture):
            def _setUp(self):
                self.addDetail('held', content.text_content(LEAK))
                raise RuntimeError(LEAK)

        class Case(Inner):
            def test(self):
                self.useFixture(Bad())

        self.assertTold('addError', Case, 'held', 'traceback', 'traceback-1')

    def test_what_handlers_of_exceptions_add(self):
        class Case(Inner):
            def test(self):
                self.addOnException(
                    lambda exc_info: self.addDetail(
                        'handled', content.text_content(LEAK)
                    )
                )
                self.fail(PLAIN)

        self.assertTold('addFailure', Case, 'handled')

    def test_captured_logs_and_streams(self):
        class Case(Inner):
            def test(self):
                self.useFixture(fixtures.FakeLogger())
                for name in ('stdout', 'stderr'):
                    stream = self.useFixture(fixtures.StringStream(name))
                    self.useFixture(
                        fixtures.MonkeyPatch(f'sys.{name}', stream.stream)
                    )
                logging.warning('%s %s', PLAIN, LEAK)
                print(PLAIN, LEAK)
                print(PLAIN, LEAK, file=sys.stderr)
                self.fail()

        texts = self.assertTold(
            'addFailure', Case, "pythonlogging:''", 'stdout', 'stderr'
        )
        for name in ("pythonlogging:''", 'stdout', 'stderr'):
            self.assertIn(PLAIN, texts[name])

    def test_details_of_a_fixture_that_was_there_before(self):
        class Case(testtools.TestCase):
            def test(self):
                self.useFixture(fixtures.FakeLogger())
                type(self).trail = self.useFixture(audit.AuditTrail())
                self.useFixture(RedactedOutput())
                logging.warning(LEAK)

        self.assertTold('addSuccess', Case, "pythonlogging:''")

    def test_what_comes_in_pieces(self):
        class Case(Inner):
            def test(self):
                said = content.Content(
                    content_type.UTF8_TEXT,
                    lambda: [each.encode() for each in LEAK],
                )
                self.addDetail('said', said)

        self.assertTold('addSuccess', Case, 'said')

    def test_what_is_still_written(self):
        class Case(Inner):
            def setUp(self):
                said = [PLAIN]
                self.addDetail(
                    'said',
                    content.Content(
                        content_type.UTF8_TEXT,
                        lambda: [each.encode() for each in said],
                    ),
                )
                self.addCleanup(said.append, f' {LEAK}')
                super().setUp()

            def test(self):
                pass

        texts = self.assertTold('addSuccess', Case, 'said')
        self.assertIn(PLAIN, texts['said'])

    def test_other_types_and_charsets(self):
        types = {
            'binary': content_type.ContentType('application', 'octet-stream'),
            'json': content_type.JSON,
            'latin': content_type.ContentType('text', 'plain'),
            'utf16': content_type.ContentType(
                'text', 'plain', {'charset': 'utf-16'}
            ),
            'unknown': content_type.ContentType(
                'text', 'plain', {'charset': 'no-such-charset'}
            ),
        }

        class Case(Inner):
            def test(self):
                for name, type_ in types.items():
                    data = f'{PLAIN} {LEAK} \xe4'.encode(
                        'utf-16' if name == 'utf16' else 'utf-8'
                    )
                    if name == 'binary':
                        data += b'\xff\x00'
                    self.addDetail(
                        name, content.Content(type_, lambda data=data: [data])
                    )

        seen = {}

        class Result(testtools.TestResult):
            def addSuccess(self, test, details=None):
                for name, each in details.items():
                    seen[name] = each.content_type, each.iter_bytes()

        run(Case, Result())
        for name, type_ in types.items():
            found, chunks = seen[name]
            self.assertIs(type_, found)
            charset = 'utf-16' if name == 'utf16' else 'utf-8'
            text = b''.join(chunks).decode(charset, 'replace')
            self.assertNotIn(SECRET, text)
            self.assertIn('***', text)
            self.assertIn(PLAIN, text)
        self.assertEqual(types.keys(), violations(Case.trail).keys())

    def test_names_of_details(self):
        class Case(Inner):
            def test(self):
                for each in ('a', 'b'):
                    self.addDetail(f'{LEAK}{each}', content.text_content(each))

        ((_, texts),) = run(Case).told
        self.assertNotIn(SECRET, str(texts))
        self.assertEqual(['a', 'b'], sorted(texts.values()))
        self.assertEqual(
            {'names of details': {'password': 2}}, violations(Case.trail)
        )

    def test_learned(self):
        class Case(Inner):
            def test(self):
                self.trail.redactor.learn(SECRET)
                self.addDetail('said', content.text_content(f'is {SECRET}'))
                # Late, and after that was looked at.
                self.fail(SECRET)

        self.assertTold('addFailure', Case, 'said', 'traceback')

    def test_locals(self):
        class Case(Inner):
            def test(self):
                password = SECRET  # noqa: F841
                self.fail()

        result = testtools.TestResult(tb_locals=True)
        run(Case, result)
        text = base.problems(result)[0]
        self.assertIn("password = '***'", text)
        self.assertNotIn(SECRET, text)

    def test_tags(self):
        class Case(Inner):
            def test(self):
                pass

        result = testtools.TestResult()
        masked = output_result.MaskedResult(
            result,
            output_result.Masker(redaction.Redactor(), counts=True),
        )
        masked.tags({LEAK, 'slow'}, set())
        self.assertEqual({'adminPass=***', 'slow'}, result.current_tags)

    def test_the_test_itself_sees_all(self):
        class Case(Inner):
            def test(self):
                self.addDetail('said', content.text_content(LEAK))
                try:
                    self.fail(LEAK)
                except AssertionError as error:
                    assert str(error) == LEAK
                assert self.getDetails()['said'].as_text() == LEAK
                self.addOnException(Case.seen.append)
                raise ValueError(LEAK)

        Case.seen = []
        self.assertTold('addError', Case, 'said', 'traceback')
        self.assertEqual(LEAK, str(Case.seen[0][1]))

    def test_interrupted(self):
        self.configure(rule_modes='SF601:enforce')
        for error in (KeyboardInterrupt, SystemExit):

            class Case(Inner):
                def test(self):
                    raise error(LEAK)  # noqa: B023

            result = Told()
            raised = self.assertRaises(error, run, Case, result)
            # It goes on as it is, to whoever runs the runner.
            self.assertEqual(LEAK, str(raised))
            ((outcome, texts),) = result.told
            self.assertEqual('addError', outcome)
            self.assertNotIn(SECRET, str(texts))


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
        self.assertEqual('addSuccess', run(self.Leaks).told[0][0])
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
            ((outcome, texts),) = run(case).told
            self.assertEqual('addFailure', outcome)
            self.assertNotIn(SECRET, str(texts))
            text = '\n'.join(texts.values())
            self.assertEqual(1, text.count(VIOLATION))
            for sink in sinks:
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
            [('addSuccess', {'said': PLAIN})], run(self.Clean).told
        )

    def test_enforce_what_comes_late(self):
        self.configure(rule_modes='SF601:enforce')

        class Case(testtools.TestCase):
            def test(self):
                self.useFixture(fixtures.FakeLogger())
                type(self).trail = self.useFixture(audit.AuditTrail())
                self.useFixture(RedactedOutput())
                logging.warning(LEAK)

        ((outcome, texts),) = run(Case).told
        self.assertEqual('addFailure', outcome)
        self.assertIn("pythonlogging:'': password (1)", texts['traceback'])
        self.assertNotIn(SECRET, str(texts))

    def test_off(self):
        self.configure(rule_modes='SF601:off')
        ((outcome, texts),) = run(self.Leaks).told
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

        ((outcome, texts),) = run(Case).told
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
                seen.append(self.useFixture(RedactedOutput()).trail)

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
                self.useFixture(RedactedOutput())

            @waivers.waive('SF601', reason='it is the subject')
            def test(self):
                pass

        ((outcome, texts),) = run(Case).told
        self.assertEqual('addFailure', outcome)
        self.assertIn('SF901', texts['traceback'])

    def test_a_waiver_applies_in_time(self):
        self.configure(mode='enforce')

        class Case(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(RedactedOutput())

            @waivers.waive('SF601', reason='it is the subject')
            def test(self):
                self.addDetail('said', content.text_content(LEAK))

        self.assertEqual(
            [('addSuccess', {'said': 'adminPass=***'})], run(Case).told
        )

    def test_expected_by_who_runs_it(self):
        self.configure(mode='enforce')
        with testing.expect_violation('SF601') as seen:
            run(self.Skips)
        self.assertIn('reason: password (1)', seen[0].message)

    def test_a_violation_reads_as_it_is(self):
        self.configure(mode='enforce')
        with testing.expect_violation('SF601') as seen:
            run(self.Leaks)
        for violation in seen:
            text = str(violation)
            self.assertEqual(text, redaction.Redactor().redact(text))

    def test_every_secret_counts_once(self):
        class Case(Inner):
            def test(self):
                # They share the trail, and so the redactor.
                self.useFixture(RedactedOutput())
                with RedactedOutput():
                    self.addDetail('said', content.text_content(LEAK))

        ((outcome, texts),) = run(Case).told
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
            fixture = RedactedOutput(test=test)
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
            test.useFixture(RedactedOutput(test=test))

        ((_, texts),) = run(Case).told
        self.assertNotIn(SECRET, str(texts))

    def test_trails_of_their_own(self):
        redactors = []

        class Case(testtools.TestCase):
            def test(self):
                for secret in ('first-' + SECRET, 'other-' + SECRET):
                    fixture = self.useFixture(
                        RedactedOutput(
                            trail=self.useFixture(audit.AuditTrail())
                        )
                    )
                    fixture.trail.redactor.learn(secret)
                    redactors.append(fixture.trail.redactor)
                self.fail(f'{PLAIN} first-{SECRET} other-{SECRET}')

        ((_, texts),) = run(Case).told
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
                assert LEAK in run(Case).told[0][1]['traceback']

        self.assertEqual([('addSuccess', {})], run(Outer).told)

    def test_run_again(self):
        case = TestRule.Leaks('test')
        for _ in range(2):
            result = Told()
            case.run(result)
            ((outcome, texts),) = result.told
            self.assertEqual('addSuccess', outcome)
            self.assertNotIn(SECRET, str(texts))

    def test_nothing_is_left_on_the_test(self):
        class Case(testtools.TestCase):
            masked = True

            def test(self):
                if self.masked:
                    self.useFixture(RedactedOutput())
                self.fail(LEAK)

        case = Case('test')
        case.run(Told())
        case.masked = False
        result = Told()
        case.run(result)
        self.assertIn(SECRET, result.told[0][1]['traceback'])

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
                self.useFixture(RedactedOutput())
                self.addDetail('said', content.text_content(LEAK))
                self.skipTest(PLAIN)

        ((outcome, texts),) = run(Case).told
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
            [('addSuccess', {'said': 'adminPass=***'})], run(Case).told
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

        ((outcome, texts),) = run(Case).told
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
                self.useFixture(RedactedOutput())
                self.addDetail('said', content.text_content(LEAK))

        ((outcome, texts),) = run(Case).told
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
                self.useFixture(RedactedOutput())
                logging.warning(LEAK)

        ((outcome, texts),) = run(Case).told
        self.assertEqual('addFailure', outcome)
        self.assertIn('is incomplete', texts['traceback'])
        self.assertNotIn(SECRET, str(texts))


class TestMasked(base.TestCase):
    """What is told before a fixture can be there."""

    class Case(testtools.TestCase):
        @testtools.skip(f'{PLAIN} {LEAK}')
        def test_skipped(self):
            pass

        def test_failed(self):
            self.fail(f'{PLAIN} {LEAK}')

        def test_passed(self):
            pass

        def test_learned(self):
            fixture = self.useFixture(RedactedOutput())
            fixture.trail.redactor.learn('learned-' + SECRET)
            self.fail(f'{PLAIN} learned-{SECRET}')

        def run(self, result=None):
            return super().run(output.masked(result))

    def test_results_of_testtools(self):
        result = self.run_inner(self.Case)
        self.assertEqual(2, len(result.failures))
        text = str((base.problems(result), result.skip_reasons))
        self.assertNotIn(SECRET, text)
        self.assertEqual(3, text.count(PLAIN))

    def test_results_of_unittest(self):
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(self.Case)(result)
        self.assertEqual(4, result.testsRun)
        self.assertEqual(2, len(result.failures))
        text = str((base.problems(result), result.skipped))
        self.assertNotIn(SECRET, text)
        self.assertEqual(3, text.count(PLAIN))

    def test_no_result(self):
        result = self.Case('test_passed').run()
        self.assertTrue(result.wasSuccessful())
        self.assertIsNone(output.masked(None))

    def test_once_is_enough(self):
        result = output.masked(testtools.TestResult())
        self.assertIs(result, output.masked(result))

    def test_the_run_can_be_stopped(self):
        result = unittest.TestResult()
        output.masked(result).stop()
        self.assertTrue(result.shouldStop)


class TestOtherResults(base.TestCase):
    """What the result is told by who is not testtools.RunTest."""

    def setUp(self):
        super().setUp()
        self.stream = io.BytesIO()
        self.masker = output_result.Masker(redaction.Redactor(), counts=True)
        self.result = output_result.MaskedResult(
            testtools.ExtendedToStreamDecorator(
                subunit.StreamResultToBytes(self.stream)
            ),
            self.masker,
        )

    def run_suite(self, case):
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
        self.result.startTestRun()
        suite.run(self.result)
        self.result.stopTestRun()
        data = self.stream.getvalue()
        self.assertNotIn(SECRET.encode(), data)
        return data

    def test_live_exceptions(self):
        class Case(unittest.TestCase):
            def test_error(self):
                raise ValueError(LEAK)

            def test_failure(self):
                self.fail(f'{PLAIN} {LEAK}')

            def test_skip(self):
                self.skipTest(LEAK)

            @unittest.expectedFailure
            def test_expected(self):
                self.fail(LEAK)

            @unittest.skip(f'{PLAIN} {LEAK}')
            def test_skipped(self):
                pass

            @unittest.expectedFailure
            def test_unexpected(self):
                pass

        data = self.run_suite(Case)
        self.assertIn(PLAIN.encode(), data)
        self.assertEqual(
            {'traceback': {'password': 3}, 'reason': {'password': 2}},
            {
                sink: {'password': kinds.total()}
                for sink, kinds in self.masker.take().items()
            },
        )

    def test_locals(self):
        class Case(unittest.TestCase):
            def test(self):
                password = SECRET  # noqa: F841
                self.fail()

        result = testtools.TestResult(tb_locals=True)
        Case('test').run(output_result.MaskedResult(result, self.masker))
        self.assertIn("password = '***'", base.problems(result)[0])

    def test_subtests(self):
        class Case(unittest.TestCase):
            def test(self):
                with self.subTest(password=SECRET):
                    self.fail(f'{PLAIN} {LEAK}')
                with self.subTest(password=SECRET):
                    pass

        data = self.run_suite(Case)
        self.assertIn(PLAIN.encode(), data)

    def test_a_class_that_cannot_be_set_up(self):
        class Case(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                raise ValueError(LEAK)

            def test(self):
                pass

        self.assertIn(b'ValueError', self.run_suite(Case))

    def test_a_result_without_subtests(self):
        masked = output_result.MaskedResult(object(), self.masker)
        self.assertFalse(hasattr(masked, 'addSubTest'))
        self.assertFalse(hasattr(masked, 'tags'))

    def test_attributes_are_of_the_result(self):
        result = testtools.TestResult()
        masked = output_result.MaskedResult(result, self.masker)
        masked.shouldStop = True
        self.assertTrue(result.shouldStop)


class TestStreams(base.TestCase):
    """What a test writes to the streams of the process."""

    def setUp(self):
        super().setUp()
        self.streams = {}
        for name in ('stdout', 'stderr'):
            self.streams[name] = stream = io.TextIOWrapper(
                io.BytesIO(), write_through=True
            )
            self.useFixture(fixtures.MonkeyPatch(f'sys.{name}', stream))

    def written(self, name='stdout'):
        return self.streams[name].buffer.getvalue().decode()

    def masked(self):
        masker = output_result.Masker(redaction.Redactor(), counts=True)
        return output_streams.MaskedStreams(masker)

    def test_a_test(self):
        class Case(Inner):
            def test(self):
                print(PLAIN, LEAK)
                print('adminPass=', SECRET, sep='', file=sys.stderr)

        run(Case)
        self.assertEqual(f'{PLAIN} adminPass=***\n', self.written())
        self.assertEqual('adminPass=***\n', self.written('stderr'))
        self.assertEqual(
            {'stdout': {'password': 1}, 'stderr': {'password': 1}},
            violations(Case.trail),
        )
        print(LEAK)
        self.assertIn(SECRET, self.written())

    def test_enforced(self):
        self.configure(rule_modes='SF601:enforce')

        class Case(Inner):
            def test(self):
                print(LEAK)

        ((outcome, texts),) = run(Case).told
        self.assertEqual('addFailure', outcome)
        self.assertIn('stdout: password (1)', texts['traceback'])

    def test_all_that_writes(self):
        handler = logging.StreamHandler(sys.stderr)
        logger = logging.getLogger(self.id())
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        self.useFixture(self.masked())
        logger.error(LEAK)
        sys.stderr.write(f'{LEAK}\n')
        sys.stderr.writelines([LEAK, '\n'])
        warnings.showwarning(LEAK, UserWarning, 'file', 1)
        try:
            raise ValueError(LEAK)
        except ValueError:
            logger.exception(PLAIN)
        self.assertNotIn(SECRET, self.written('stderr'))
        self.assertEqual(5, self.written('stderr').count('adminPass=***'))

    def test_the_stream_is_what_it_was(self):
        stream = sys.stdout
        self.useFixture(self.masked())
        self.assertIs(stream, sys.stdout)
        self.assertEqual(2, sys.stdout.write('ab'))
        self.assertEqual(3, sys.stdout.write('cd\n'))
        self.assertIs(stream.buffer, sys.stdout.buffer)
        self.assertRaises(io.UnsupportedOperation, sys.stdout.fileno)
        self.assertRaises(TypeError, sys.stdout.write, b'abc')

    def test_a_line_comes_when_it_is_complete_or_flushed(self):
        with self.masked():
            print('adminPass=', end='')
            self.assertEqual('', self.written())
            print(SECRET)
            self.assertEqual('adminPass=***\n', self.written())
            print(PLAIN, end='', flush=True)
            self.assertTrue(self.written().endswith(PLAIN))
            print(LEAK, end='')
        self.assertTrue(self.written().endswith(f'{PLAIN}adminPass=***'))

    def test_threads_do_not_mix(self):
        self.useFixture(self.masked())
        print('adminPass=', end='')
        thread = threading.Thread(target=print, args=(PLAIN,))
        thread.start()
        thread.join()
        print(SECRET)
        self.assertEqual(f'{PLAIN}\nadminPass=***\n', self.written())

    def test_what_captures_gets_all(self):
        self.useFixture(self.masked())
        captured = io.StringIO()
        with contextlib.redirect_stdout(captured):
            print(LEAK)
        self.assertEqual(f'{LEAK}\n', captured.getvalue())

    def test_any_order(self):
        before = [dict(vars(each)) for each in self.streams.values()]
        first, second = self.masked(), self.masked()
        first.setUp()
        second.setUp()
        first.cleanUp()
        print(LEAK)
        self.assertNotIn(SECRET, self.written())
        second.cleanUp()
        self.assertEqual(
            before, [vars(each) for each in self.streams.values()]
        )

    def test_a_stream_that_is_closed_meanwhile(self):
        with self.masked():
            thread = threading.Thread(target=sys.stdout.write, args=(PLAIN,))
            thread.start()
            thread.join()
            sys.stdout.close()
        self.assertNotIn('write', vars(self.streams['stdout']))

    def test_streams_that_cannot_be_masked(self):
        class Slotted:
            __slots__ = ('write', 'flush')

        with (
            fixtures.MonkeyPatch('sys.stdout', Slotted()),
            fixtures.MonkeyPatch('sys.__stdout__', None),
        ):
            with self.masked():
                print(LEAK, file=sys.stderr)
        self.assertNotIn(SECRET, self.written('stderr'))


class TestGate(base.TestCase):
    """Secrets that pass the API are known afterwards."""

    def setUp(self):
        super().setUp()
        self.headers = {}
        self.answer = {}
        self.useFixture(
            web.Served(lambda environ: ('200 OK', self.headers, self.answer))
        )
        self.learned = []

    def send(self, method='POST', path='/v2.1/servers', **named):
        self.useFixture(gate.ApiGate(api_secrets.SecretsAtGate(self)))
        requests.request(method, web.URL + path, **named)
        return self.learned

    def learn(self, secret):
        self.learned.append(secret)

    def test_a_test(self):
        class Case(Inner):
            def test(self):
                requests.post(
                    f'{web.URL}/v2.1/servers',
                    json={'server': {'name': 'vm', 'adminPass': SECRET}},
                    headers={'X-Auth-Token': f'token-{SECRET}'},
                )
                self.fail(f'{PLAIN} {SECRET} token-{SECRET}')

        ((_, texts),) = run(Case).told
        self.assertNotIn(SECRET, texts['traceback'])
        self.assertIn(f'{PLAIN} *** ***', texts['traceback'])

    def test_passwords_in_requests(self):
        for body in (
            {'server': {'name': 'vm', 'adminPass': SECRET}},
            {'rebuild': {'imageRef': 'image', 'adminPass': SECRET}},
            {'changePassword': {'adminPass': SECRET}},
            {'evacuate': {'host': 'host1', 'adminPass': SECRET}},
            {'rescue': {'adminPass': SECRET}},
        ):
            self.learned = []
            self.assertEqual([SECRET], self.send(json=body), body)

    def test_bodies_of_other_kinds(self):
        for data in (
            f'{{"rescue": {{"adminPass": "{SECRET}"}}}}'.encode(),
            io.BytesIO(f'{{"rescue": {{"adminPass": "{SECRET}"}}}}'.encode()),
        ):
            self.learned = []
            self.assertEqual([SECRET], self.send(data=data))
        for data in (
            'adminPass',
            b'\xff adminPass',
            None,
            {'adminPass': ['x']},
        ):
            self.learned = []
            self.assertEqual([], self.send(data=data))
        self.assertEqual([], self.send(json=[{'adminPass': 1}, None]))

    def test_passwords_in_responses(self):
        self.answer = {'server': {'id': '1', 'adminPass': SECRET}}
        self.assertEqual([SECRET], self.send(json={}))

    def test_nothing_else(self):
        self.answer = {'servers': [{'id': '1', 'token': SECRET}]}
        self.assertEqual([], self.send('GET'))
        self.assertEqual([], self.send(json={'server': {'name': SECRET}}))

    def test_tokens_of_requests(self):
        for name in ('X-Auth-Token', 'X-Service-Token', 'X-Subject-Token'):
            self.learned = []
            for value in (SECRET, SECRET.encode()):
                self.learned = []
                self.assertEqual(
                    [SECRET], self.send('GET', headers={name: value})
                )

    def test_tokens_that_name_who_asks(self):
        for token in ('somebody', 'somebody:their-project'):
            self.assertEqual(
                [],
                self.send(
                    'GET',
                    headers={
                        'X-Auth-Token': token,
                        'X-User-Id': 'somebody',
                        'X-Auth-Project-Id': 'their-project',
                    },
                ),
            )

    def test_tokens_of_responses(self):
        self.headers = {'X-Subject-Token': SECRET}
        self.assertEqual([SECRET], self.send(path='/v3/auth/tokens'))

    def test_consoles(self):
        for url in (
            f'http://127.0.0.1:6080/vnc_auto.html?path=%3Ftoken%3D{SECRET}',
            f'ws://127.0.0.1:6083/?token={SECRET}',
            f'http://127.0.0.1:6082/spice_auto.html?title=vm&token={SECRET}',
        ):
            self.learned = []
            self.answer = {'remote_console': {'type': 'x', 'url': url}}
            path = '/v2.1/servers/1/remote-consoles'
            self.assertEqual([SECRET], self.send(path=path), url)

    def test_once(self):
        self.answer = {'server': {'adminPass': SECRET}}
        with gate.ApiGate(api_secrets.SecretsAtGate(self)):
            for _ in range(2):
                requests.post(web.URL, json={'adminPass': SECRET})
        self.assertEqual([SECRET], self.learned)

    def test_a_stream_is_left_as_it_was(self):
        sent = io.BytesIO(b'....{"adminPass": "abc-def"}')
        sent.seek(4)
        self.send(data=sent)
        self.assertEqual(['abc-def'], self.learned)


class TestRunners(base.TestCase):
    """The process of each runner, and all that comes out of it."""

    SOURCE = '''
        import logging
        import sys
        import fixtures
        import testtools
        import safe_fixtures.audit
        from safe_fixtures.guards import output
        SECRET = 'x7' + 'Qm2-vKp9'
        LEAK = 'adminPass=' + SECRET
        logging.basicConfig()
        class Test(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(output.RedactedOutput())
                self.useFixture(fixtures.FakeLogger('captured'))
                logging.getLogger('captured').error('captured ' + LEAK)
                logging.getLogger('other').error('handled ' + LEAK)
                print('printed', LEAK)
                print('printed too', LEAK, file=sys.stderr)
            def test_pass(self):
                pass
            def test_fail(self):
                try:
                    raise ValueError('cause ' + LEAK)
                except ValueError:
                    raise RuntimeError('effect ' + LEAK)
            def test_skip(self):
                self.skipTest('reason ' + LEAK)
            def test_expected(self):
                self.expectFailure('known ' + LEAK, self.fail, LEAK)
    '''

    def run_process(self, *arguments, code=1):
        directory = self.useFixture(fixtures.TempDir()).path
        with open(os.path.join(directory, 'test_leaks.py'), 'w') as file:
            file.write(textwrap.dedent(self.SOURCE))
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=directory,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(
                [directory, base.ROOT]
            )},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.assertEqual(code, done.returncode, done.stdout)
        found = {'output': done.stdout}
        for path, _, names in os.walk(directory):
            for name in names:
                if not name.startswith('test_leaks.'):
                    with open(os.path.join(path, name), 'rb') as file:
                        found[name] = file.read()
        for name, data in found.items():
            self.assertNotIn(SECRET.encode(), data, name)
        return b''.join(found.values()).decode(errors='replace')

    def assertReadable(self, text, *said):
        for each in (*said, 'handled', 'printed', 'printed too'):
            self.assertIn(f'{each} adminPass=***', text)

    def test_testtools(self):
        text = self.run_process('-m', 'testtools.run', 'test_leaks')
        self.assertReadable(text, 'cause', 'effect', 'captured')
        self.assertIn('FAILED (failures=1)', text)

    def test_unittest(self):
        text = self.run_process('-m', 'unittest', '--locals', 'test_leaks')
        self.assertReadable(text, 'cause', 'effect', 'captured')
        self.assertIn(
            'FAILED (errors=1, skipped=1, expected failures=1)', text
        )

    def test_unittest_that_captures(self):
        text = self.run_process('-m', 'unittest', '-b', 'test_leaks')
        self.assertReadable(text, 'cause', 'effect')
        self.assertIn('Stdout:\nprinted adminPass=***', text)

    def test_stestr(self):
        text = self.run_process(
            '-m', 'stestr', '--test-path', '.', 'run', '--serial'
        )
        self.assertReadable(text, 'cause', 'effect', 'captured', 'reason')
        for each in ('Passed: 1', 'Skipped: 1', 'Failed: 1'):
            self.assertIn(each, text)
