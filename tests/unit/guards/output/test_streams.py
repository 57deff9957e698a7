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

"""Mask what a test writes to the streams of the process."""

import contextlib
import io
import logging
import sys
import threading
import warnings

import fixtures

from safe_fixtures.guards.output import result as output_result
from safe_fixtures.guards.output import streams as output_streams
from safe_fixtures import redaction
from tests.support import base
from tests.support import outputs

SECRET = outputs.SECRET
LEAK = outputs.LEAK
PLAIN = outputs.PLAIN
Inner = outputs.Inner
run = outputs.run
violations = outputs.violations


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

        ((outcome, texts),) = run(Case).outcomes
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

    def test_it_counts_for_the_latest(self):
        first, second = self.masked(), self.masked()
        with first, second:
            print(LEAK)
        self.assertEqual({}, first.masker.take())
        self.assertEqual({'stdout': {'password': 1}}, second.masker.take())

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
