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
import socket
import traceback
import unittest

import fixtures
import hypothesis
from hypothesis import strategies

from safe_fixtures.cli import failures
from safe_fixtures.cli.runner import records
from safe_fixtures.cli import tracebacks
from safe_fixtures import exceptions
from tests.unit.cli import base


def _text_of(function):
    try:
        function()
    except Exception:
        return traceback.format_exc()
    raise AssertionError('it raised nothing')


def _violate(remedy=None):
    raise exceptions.SafetyViolation('SF401', 'it went out', remedy=remedy)


class TestShortened(base.TestCase):
    def test_violation(self):
        short = tracebacks.shortened(_text_of(_violate))
        [(code, text)] = short.violations
        self.assertEqual('SF401', code)
        first, happened, remedy, more, *_ = str(short).splitlines()
        self.assertEqual('SF401, network egress', first)
        self.assertEqual('  it went out.', happened)
        self.assertIn('  To do: Talk to fakes', remedy)
        self.assertEqual('  More: safe-fixtures rules SF401', more)
        self.assertIn(', in _violate\n    raise', short.text)
        self.assertRegex(
            short.text, r'\nSafetyViolation: SF401, as said above\Z'
        )
        self.assertEqual(0, short.left_out)

    def test_violation_with_a_remedy_of_its_own(self):
        short = tracebacks.shortened(_text_of(lambda: _violate('Do this.')))
        self.assertIn('\n  it went out. Do this.\n  More: ', str(short))

    def test_what_looks_like_a_violation(self):
        for line in ('x: SF999: no', 'SF401: no', 'see x: SF401: no'):
            with self.subTest(line=line):
                short = tracebacks.shortened(line)
                self.assertEqual(((), line), (short.violations, short.text))

    def test_libraries(self):
        def fail_in_libraries():
            fixtures.FunctionFixture(_fail).setUp()

        def _fail():
            socket.create_connection(('127.0.0.1', 'no number'))

        text = _text_of(fail_in_libraries)
        self.assertIn(os.path.dirname(fixtures.__file__), text)
        self.assertIn(socket.__file__, text)
        short = tracebacks.shortened(text)
        self.assertEqual(3, short.text.count('  File "'))
        self.assertEqual(text.count('  File "') - 3, short.left_out)
        for name in ('_text_of', 'fail_in_libraries', '_fail'):
            self.assertIn(f', in {name}\n', short.text)
        self.assertEqual(text.splitlines()[-1], short.text.splitlines()[-1])

    def test_what_only_a_library_saw(self):
        def in_library():
            unittest.TestCase().fail('enough')

        text = _text_of(in_library).replace(__file__, unittest.__file__)
        short = tracebacks.shortened(text)
        self.assertEqual(
            'Traceback (most recent call last):\nAssertionError: enough',
            short.text,
        )
        violation = _text_of(_violate).replace(__file__, unittest.__file__)
        short = tracebacks.shortened(f'{text}\n{violation}\n{violation}')
        self.assertEqual(1, len(short.violations))
        self.assertEqual(
            'Traceback (most recent call last):\nAssertionError: enough',
            short.text,
        )

    def test_chain(self):
        def chain():
            try:
                _violate()
            except exceptions.SafetyViolation as error:
                raise ValueError('next') from error

        text = _text_of(chain)
        violation, _, rest = text.partition('\nThe above exception was')
        hidden = violation.replace(__file__, unittest.__file__)
        short = tracebacks.shortened(
            f'{hidden}\nThe above exception was{rest}'
        )
        self.assertRegex(
            short.text,
            r'\ATraceback \(most recent call last\):\n'
            r'SafetyViolation: SF401, as said above\n\n'
            r'The above exception was the direct cause [\s\S]*'
            r'\nValueError: next\Z',
        )

    def test_group(self):
        def group():
            errors = []
            for fail in (_violate, lambda: unittest.TestCase().fail('no')):
                try:
                    fail()
                except AssertionError as error:
                    errors.append(error)
            raise ExceptionGroup('both', errors)

        short = tracebacks.shortened(_text_of(group))
        self.assertEqual(1, len(short.violations))
        self.assertEqual(1, short.left_out)
        self.assertIn(
            '    | SafetyViolation: SF401, as said above\n', short.text
        )
        self.assertIn('    | AssertionError: no\n', short.text)
        self.assertNotIn(unittest.__file__, short.text)

    def test_recursion(self):
        def again():
            again()

        text = _text_of(again).replace(__file__, unittest.__file__)
        short = tracebacks.shortened(text)
        self.assertNotIn('Previous line repeated', short.text)
        self.assertIn('RecursionError', short.text)

    def test_stacks_stay(self):
        text = f'stopped:\n  File "{unittest.__file__}", line 3 in wait'
        short = tracebacks.shortened(text)
        self.assertEqual((text, 0), (short.text, short.left_out))

    @hypothesis.given(
        strategies.lists(
            strategies.sampled_from(
                (
                    'Traceback (most recent call last):',
                    f'  File "{unittest.__file__}", line 1, in x',
                    '  File "/x.py", line 1, in x',
                    '    source',
                    '  [Previous line repeated 9 more times]',
                    'a.B: SF401: said',
                    'ValueError: \x1b[31m',
                    '',
                    '  | ',
                )
            )
            | strategies.text(max_size=9)
        )
    )
    def test_whatever_it_is(self, lines):
        text = '\n'.join(lines)
        short = tracebacks.shortened(text)
        # Exceptions stay, in their order; of frames, only those of libraries
        # go.
        said = [line for line in text.splitlines() if 'ValueError' in line]
        kept = [
            line for line in short.text.splitlines() if 'ValueError' in line
        ]
        self.assertEqual(said, kept)
        self.assertEqual(
            text.count('"/x.py", line'), short.text.count('"/x.py", line')
        )
        self.assertNotIn(unittest.__file__, short.text)


class TestShow(base.TestCase):
    def said(self, text):
        failed = {'a.test': records.Outcome('fail', 0.0, 0, text)}
        report = records.Report(failed, failed, False, '')
        stream = self.useFixture(fixtures.StringStream('stderr')).stream
        with fixtures.MonkeyPatch('sys.stderr', stream):
            failures.show(report, 'there', 1)
        stream.seek(0)
        return stream.read()

    def test_frames_that_are_left_out(self):
        said = self.said(_text_of(lambda: unittest.TestCase().fail('no')))
        self.assertIn(
            '\nAssertionError: no\n(1 frame of the toolkit and of libraries '
            'left out: see there/failures.txt)\n',
            said,
        )
        self.assertNotIn('left out', self.said(_text_of(_violate)))

    def test_what_a_terminal_would_obey(self):
        said = self.said('ValueError: \x1b[31m\nx.Y: SF401: \x1b[2J')
        self.assertNotIn('\x1b', said)
        self.assertIn('\n  \\x1b[2J\n', said)
