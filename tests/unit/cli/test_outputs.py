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


"""The files of other formats that ``report`` and ``run`` write."""

import json
import os
import sys
from xml.etree import ElementTree

import fixtures

from safe_fixtures import audit
from tests.unit.cli import base
from tests.unit.cli import runs

OPTIONS = ('--junit', '--sarif', '--markdown')


class TestOutputs(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.records = os.path.join(self.directory, 'events-1.jsonl')
        self.configure(audit_file=self.records)
        with audit.AuditTrail('a.T.test') as trail:
            trail.record('evaluate/test', 'a.T.test', outcome='failure')

    def path(self, name):
        return os.path.join(self.directory, name)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def test_all_at_once(self):
        arguments = [
            word
            for option in OPTIONS
            for word in (option, self.path(f'out/{option}'))
        ]
        code, out, err = self.command('report', self.directory, *arguments)
        self.assertEqual((1, ''), (code, err))
        self.assertIn('| Tests ', out)
        root = ElementTree.fromstring(self.read('out/--junit'))
        self.assertEqual('1', root.get('failures'))
        self.assertEqual(
            '2.1.0', json.loads(self.read('out/--sarif'))['version']
        )
        self.assertIn('1 of 1 test failed', self.read('out/--markdown'))

    def test_written_over(self):
        with open(self.path('x'), 'w') as file:
            file.write('x' * 100_000)
        for option in OPTIONS:
            with self.subTest(option=option):
                code, _, err = self.command(
                    'report', self.records, option, self.path('x')
                )
                self.assertEqual((1, ''), (code, err))
                self.assertLess(len(self.read('x')), 99_000)
                self.assertNotIn('xxx', self.read('x'))

    def test_cannot_be_written(self):
        path = os.path.join(self.records, 'x')
        for option in OPTIONS:
            other = next(each for each in OPTIONS if each != option)
            with self.subTest(option=option):
                code, out, err = self.command(
                    'report', self.records, option, path, other,
                    self.path(f'good{option}'),
                )  # fmt: skip
                self.assertEqual((3, ''), (code, out))
                self.assertIn(f'{option} {path}: ', err)
                self.assertIn('Not a directory', err)
                # The others are there.
                self.assertNotEqual('', self.read(f'good{option}'))

    def test_no_name(self):
        for option in OPTIONS:
            with self.subTest(option=option):
                code, out, err = self.command(
                    'report', self.records, option, ''
                )
                self.assertEqual((3, ''), (code, out))
                self.assertIn('give the name of a file', err)

    def test_without_the_package(self):
        self.addCleanup(
            sys.modules.__setitem__, 'junitparser', sys.modules['junitparser']
        )
        sys.modules['junitparser'] = None
        for command in ('report', 'run'):
            code, out, err = self.command(
                command, self.records, '--junit', self.path('x')
            )
            self.assertEqual((3, ''), (code, out))
            self.assertIn(
                'junitparser is not installed; install safe_fixtures[cli]', err
            )
        code, _, err = self.command(
            'report', self.records, '--sarif', self.path('x')
        )
        self.assertEqual((1, ''), (code, err))

    def test_hostile_name(self):
        path = self.path('x\x1b[31m\udcff')
        code, _, err = self.command('report', self.records, '--sarif', path)
        self.assertEqual((1, ''), (code, err))
        self.assertTrue(os.path.exists(path))
        os.mkdir(self.path('\x1b'))
        code, _, err = self.command(
            'report', self.records, '--sarif', self.path('\x1b')
        )
        self.assertEqual(3, code)
        self.assertIn('\\x1b: ', err)
        self.assertNotIn('\x1b', err)


class TestRun(runs.TestCase):
    def test_files(self):
        """All that is written, and what cannot be hides no result."""
        self.write(
            'test_formats.py',
            """
            class TestFormats(testtools.TestCase):
                def test_bad(self):
                    self.assertEqual(1, 2)

                def test_good(self):
                    pass
            """,
        )
        done = self.run_cli(
            'test_formats',
            *('--junit', 'report/junit.xml', '--sarif', 'out/x.sarif'),
            *('--markdown', 'test_formats.py/no'),
            status=1,
        )
        self.assertIn('safe-fixtures run: --markdown test_form', done.stderr)
        self.assertIn('failed', [row['Item'] for row in done.rows])
        root = ElementTree.parse(self.report / 'junit.xml').getroot()
        self.assertEqual('2', root.get('tests'))
        (failure,) = root.iter('failure')
        self.assertIn('MismatchError: 1 != 2', failure.get('message'))
        self.assertIn('self.assertEqual(1, 2)', failure.text)
        log = json.loads((self.home / 'out/x.sarif').read_text())
        self.assertEqual('2.1.0', log['version'])

    def test_only_the_file_is_wrong(self):
        self.write('test_plain.py', runs.PLAIN)
        done = self.run_cli(
            'test_plain', '--sarif', 'test_plain.py/no', status=3
        )
        self.assertIn('Not a directory', done.stderr)
        self.assertIn('passed', [row['Item'] for row in done.rows])
