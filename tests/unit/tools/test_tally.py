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

"""What tools/tally.py adds up."""

import io
import os
import pathlib
import subprocess
import sys

import fixtures
from stestr.repository import file
import subunit

from tests.support import base

PATH = os.path.join(base.ROOT, 'tools', 'tally.py')


class TestTally(base.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def store(self, name, *statuses, said=''):
        """Leave the result of a run."""
        directory = self.home / name
        directory.mkdir(parents=True)
        stream = io.BytesIO()
        writer = subunit.StreamResultToBytes(stream)
        for number, status in enumerate(statuses):
            writer.status(test_id=f'test_{number}', test_status='inprogress')
            if status:
                writer.status(
                    test_id=f'test_{number}',
                    test_status=status,
                    file_name='traceback',
                    file_bytes=(said or f'{status} in {name}\n').encode(),
                    mime_type='text/plain;charset=utf8',
                )
        run = (
            file.RepositoryFactory().initialise(str(directory)).get_inserter()
        )
        run.startTestRun()
        subunit.ByteStreamToStreamResult(io.BytesIO(stream.getvalue())).run(
            run
        )
        run.stopTestRun()

    def tally(self, *arguments, status=0):
        """Return the lines that it prints."""
        done = subprocess.run(
            [sys.executable, PATH, *arguments],
            cwd=self.home,
            capture_output=True,
            text=True,
        )
        self.assertEqual((status, ''), (done.returncode, done.stderr))
        return done.stdout.splitlines()

    def test_all_passed(self):
        self.store('a', 'success', 'xfail', 'skip')
        self.store('b', 'success')
        self.assertEqual(
            ['3 passed, 0 failed, 1 skipped'], self.tally('a', 'b')
        )

    def test_failed(self):
        self.store('a', 'success', 'fail', None)
        self.assertEqual(
            [
                'failed in a: test_1',
                '    fail in a',
                'failed in a: test_2',
                '1 passed, 2 failed',
            ],
            self.tally('a', status=1),
        )

    def test_long_failure(self):
        self.store('a', 'fail', said='line\n' * 100 + 'the end\n')
        lines = self.tally('a', status=1)
        self.assertEqual(['    the end', '0 passed, 1 failed'], lines[-2:])
        self.assertLess(len(lines), 20)

    def test_letter_that_the_terminal_does_not_have(self):
        self.store('a', 'fail', said='\N{SNOWMAN}\n')
        self.useFixture(
            fixtures.EnvironmentVariable('PYTHONIOENCODING', 'ascii')
        )
        lines = self.tally('a', status=1)
        self.assertEqual(['    \\u2603', '0 passed, 1 failed'], lines[-2:])

    def test_nothing_ran(self):
        self.store('a', 'success')
        self.assertEqual(
            ['b: no test ran', '1 passed, 1 failed'],
            self.tally('a', 'b', status=1),
        )

    def test_check_without_tests(self):
        self.store('a', 'success')
        lines = self.tally('--exit-status', '1', 'a', status=1)
        self.assertEqual('1 passed, 1 failed', lines[-1])

    def test_no_newer_python(self):
        self.store('a', 'success')
        lines = self.tally('a', '--newer-python', 'newer')
        self.assertIn('there is none on this machine', lines[0])
        self.assertEqual(['1 passed, 0 failed'], lines[1:])

    def test_newer_python(self):
        self.store('a', 'success')
        self.store('newer/3.13/unit', 'success')
        self.store('newer/3.13/examples', 'success')
        self.assertEqual(
            ['Also run on Python 3.13.', '3 passed, 0 failed'],
            self.tally('a', '--newer-python', 'newer'),
        )

    def test_newer_python_that_failed(self):
        self.store('a', 'success')
        self.store('newer/3.13/unit', 'success', 'fail')
        self.assertEqual(
            [
                'Also run on Python 3.13.',
                'failed in newer/3.13/unit: test_1',
                '    fail in newer/3.13/unit',
                'examples: no test ran',
                '2 passed, 2 failed',
            ],
            self.tally('a', '--newer-python', 'newer', status=1),
        )
