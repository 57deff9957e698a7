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

"""Each outcome of a test stays what it is, and is reported masked."""

import logging
import sys
import unittest

import fixtures
import testtools
from testtools import content
from testtools import content_type

from safe_fixtures import audit
from safe_fixtures.guards import output
from safe_fixtures.guards.output import result as output_result
from safe_fixtures import redaction
from tests.support import base
from tests.support import outputs

SECRET = outputs.SECRET
LEAK = outputs.LEAK
PLAIN = outputs.PLAIN
Inner = outputs.Inner
run = outputs.run
violations = outputs.violations


class TestOutcomes(base.TestCase):
    """Each outcome stays what it is, and is told masked."""

    def assertOutcome(self, outcome, case, *names):
        """Assert an outcome, and that just these details held a secret."""
        (reported, texts), *others = run(case).outcomes
        self.assertEqual(outcome, reported)
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

        texts = self.assertOutcome('addSuccess', Case, 'said')
        self.assertEqual(PLAIN, texts['plain'])

    def test_success_that_says_nothing(self):
        class Case(Inner):
            def test(self):
                self.addDetail('said', content.text_content(PLAIN))

        texts = self.assertOutcome('addSuccess', Case)
        self.assertEqual({'said': PLAIN}, texts)

    def test_failure(self):
        class Case(Inner):
            def test(self):
                self.fail(f'{PLAIN} {LEAK}')

        texts = self.assertOutcome('addFailure', Case, 'traceback')
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

        texts = self.assertOutcome('addError', Case, 'traceback')
        for said in ('first ', 'note ', 'group ', 'other ', 'KeyError'):
            self.assertIn(said, texts['traceback'])

    def test_mismatch(self):
        class Case(Inner):
            def test(self):
                self.assertThat(
                    [LEAK], testtools.matchers.Contains(PLAIN), verbose=True
                )

        texts = self.assertOutcome('addFailure', Case, 'traceback')
        self.assertIn(PLAIN, texts['traceback'])

    def test_several_expectations(self):
        class Case(Inner):
            def test(self):
                self.expectThat(LEAK, testtools.matchers.Equals(PLAIN))
                self.expectThat(LEAK, testtools.matchers.Equals(''))

        self.assertOutcome(
            'addFailure', Case, 'Failed expectation', 'Failed expectation-1'
        )

    def test_skip(self):
        class Case(Inner):
            def test(self):
                self.skipTest(f'{PLAIN} {LEAK}')

        texts = self.assertOutcome('addSkip', Case, 'reason')
        self.assertIn(PLAIN, texts['reason'])

    def test_skip_in_set_up(self):
        class Case(Inner):
            def setUp(self):
                super().setUp()
                raise unittest.SkipTest(LEAK)

            def test(self):
                pass

        self.assertOutcome('addSkip', Case, 'reason')

    def test_expected_failure(self):
        class Case(Inner):
            def test(self):
                self.expectFailure(LEAK, self.assertEqual, LEAK, 1)

        self.assertOutcome('addExpectedFailure', Case, 'reason', 'traceback')

    def test_unexpected_success(self):
        class Case(Inner):
            @unittest.expectedFailure
            def test(self):
                self.addDetail('said', content.text_content(LEAK))

        self.assertOutcome('addUnexpectedSuccess', Case, 'said')

    def test_error_in_set_up(self):
        class Case(Inner):
            def setUp(self):
                super().setUp()
                raise RuntimeError(LEAK)

            def test(self):
                pass

        self.assertOutcome('addError', Case, 'traceback')

    def test_error_in_tear_down_and_cleanups(self):
        class Case(Inner):
            def test(self):
                self.addCleanup(self.fail, LEAK)
                raise RuntimeError(LEAK)

            def tearDown(self):
                super().tearDown()
                raise RuntimeError(LEAK)

        self.assertOutcome(
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

        self.assertOutcome(
            'addError', Case, 'held', 'traceback', 'traceback-1'
        )

    def test_what_handlers_of_exceptions_add(self):
        class Case(Inner):
            def test(self):
                self.addOnException(
                    lambda exc_info: self.addDetail(
                        'handled', content.text_content(LEAK)
                    )
                )
                self.fail(PLAIN)

        self.assertOutcome('addFailure', Case, 'handled')

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

        texts = self.assertOutcome(
            'addFailure', Case, "pythonlogging:''", 'stdout', 'stderr'
        )
        for name in ("pythonlogging:''", 'stdout', 'stderr'):
            with self.subTest(name=name):
                self.assertIn(PLAIN, texts[name])

    def test_details_of_a_fixture_that_was_there_before(self):
        class Case(testtools.TestCase):
            def test(self):
                self.useFixture(fixtures.FakeLogger())
                type(self).trail = self.useFixture(audit.AuditTrail())
                self.useFixture(output.RedactedOutput())
                logging.warning(LEAK)

        self.assertOutcome('addSuccess', Case, "pythonlogging:''")

    def test_what_comes_in_pieces(self):
        class Case(Inner):
            def test(self):
                said = content.Content(
                    content_type.UTF8_TEXT,
                    lambda: [each.encode() for each in LEAK],
                )
                self.addDetail('said', said)

        self.assertOutcome('addSuccess', Case, 'said')

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

        texts = self.assertOutcome('addSuccess', Case, 'said')
        self.assertIn(PLAIN, texts['said'])

    def test_parameters_of_a_type(self):
        # Not the charset, by which the detail is read.
        given = {'charset': 'utf-16', 'password': SECRET, 'a': LEAK, 'b': 'c'}
        type_ = content_type.ContentType('text', 'plain', given)
        types = []

        class Case(Inner):
            def test(self):
                data = PLAIN.encode('utf-16')
                self.addDetail('said', content.Content(type_, lambda: [data]))

        class Result(testtools.TestResult):
            def addSuccess(self, test, details=None):
                types.append(details['said'].content_type)
                self.text = details['said'].as_text()

        result = Result()
        run(Case, result)
        self.assertEqual(PLAIN, result.text)
        (seen,) = types
        self.assertNotIn(SECRET, str(seen.parameters))
        self.assertEqual(
            {'charset': 'utf-16', 'b': 'c', 'password': '***'},
            {
                key: seen.parameters[key]
                for key in seen.parameters
                if key != 'a'
            },
        )
        self.assertEqual(SECRET, given['password'])

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
        # No result could decode it.
        types['unknown'] = content_type.ContentType(
            'text', 'plain', {'charset': 'iso-8859-1'}
        )
        for name, type_ in types.items():
            with self.subTest(name=name):
                found, chunks = seen[name]
                same = self.assertEqual if name == 'unknown' else self.assertIs
                same(type_, found)
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

        ((_, texts),) = run(Case).outcomes
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

        self.assertOutcome('addFailure', Case, 'said', 'traceback')

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
        self.assertOutcome('addError', Case, 'said', 'traceback')
        self.assertEqual(LEAK, str(Case.seen[0][1]))

    def test_interrupted(self):
        self.configure(rule_modes='SF601:enforce')
        for error in (KeyboardInterrupt, SystemExit):
            with self.subTest(error=error):

                class Case(Inner):
                    def test(self):
                        raise error(LEAK)  # noqa: B023

                result = outputs.RecordingResult()
                raised = self.assertRaises(error, run, Case, result)
                # It goes on as it is, to whoever runs the runner.
                self.assertEqual(LEAK, str(raised))
                ((outcome, texts),) = result.outcomes
                self.assertEqual('addError', outcome)
                self.assertNotIn(SECRET, str(texts))
