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

"""Results that get outcomes masked, whoever runs the test."""

import io
import unittest

import subunit
import testtools

from safe_fixtures.guards import output
from safe_fixtures.guards.output import result as output_result
from safe_fixtures import redaction
from tests.support import base
from tests.support import outputs

SECRET = outputs.SECRET
LEAK = outputs.LEAK
PLAIN = outputs.PLAIN
run = outputs.run


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
            fixture = self.useFixture(output.RedactedOutput())
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

    def test_subtests_that_are_masked_again(self):
        class Case(unittest.TestCase):
            def test(self):
                with self.subTest('one'):
                    self.fail('plain')
                with self.subTest('two'):
                    raise ValueError(LEAK) from KeyError('cause')

        def details(masks):
            found = []
            result = testtools.StreamToDict(found.append)
            result.startTestRun()
            target = testtools.ExtendedToStreamDecorator(result)
            for _ in range(masks):
                target = output_result.MaskedResult(target, self.masker)
            Case('test').run(target)
            result.stopTestRun()
            return found[0]['details']

        texts = {masks: details(masks) for masks in (0, 1, 3)}
        for name, plain in texts[0].items():
            with self.subTest(name):
                wanted = self.masker.text('x', plain.as_text())
                self.assertIn('Error: ', wanted)
                self.assertEqual(wanted, texts[1][name].as_text())
                self.assertEqual(wanted, texts[3][name].as_text())

    def test_subtests_fail_or_break(self):
        class Case(unittest.TestCase):
            def test(self):
                with self.subTest('one'):
                    # What names of classes do not have.
                    self.fail('\x00 \udcff')
                with self.subTest('two'):
                    raise ValueError

        result = unittest.TestResult()
        Case('test').run(output_result.MaskedResult(result, self.masker))
        self.assertEqual((1, 1), (len(result.failures), len(result.errors)))

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
