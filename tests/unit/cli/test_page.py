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

"""The page of a run, and ``report --html``."""

import os
import sys
from unittest import mock

import fixtures

from tests.support import reports
from tests.unit.cli import runs

TESTS = """
class TestPages(testtools.TestCase):
    def test_link(self):
        os.symlink(HERE / 'other', HERE / 'report' / 'report.html')
"""


class TestRun(runs.TestCase):
    def test_page(self):
        self.write('test_pages.py', TESTS)
        (self.home / 'other').write_text('mine')
        done = self.run_cli('test_pages')
        page = self.report / 'report.html'
        self.assertTrue(
            done.stderr.endswith(f'open in a browser: {page}\n'), done.stderr
        )
        found = reports.Page(page.read_text())
        self.assertIn('1 test passed', found.text)
        # The test had put a link there.
        self.assertEqual('mine', (self.home / 'other').read_text())

    def test_no_page(self):
        self.write('test_plain.py', runs.PLAIN)
        done = self.run_cli('test_plain', '--no-html')
        self.assertNotIn('report.html', done.stderr)
        self.assertFalse((self.report / 'report.html').exists())

    def test_what_a_test_leaves_costs_the_page_only(self):
        self.write(
            'test_pages.py', TESTS.replace('os.symlink(HERE / \'other\', ',
                                           'os.mkdir(')
        )  # fmt: skip
        done = self.run_cli('test_pages')
        self.assertIn('no report.html: ', done.stderr)
        self.assertTrue(done.rows)


class TestReport(runs.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        self.file = os.path.join(self.path, 'x.html')

    def test_page(self):
        reports.Directory(self.path).outcomes(('a.C.test', 'fail', 1.0, 0))
        code, _, _ = self.command('report', '--html', self.file, self.path)
        self.assertEqual(1, code)
        with open(self.file) as file:
            self.assertIn('1 of 1 test failed', reports.Page(file.read()).text)

    def test_limits_of_alerts(self):
        directory = reports.Directory(self.path)
        directory.outcomes(('a.C.test', 'success', 1.0, 0))
        with directory.trail('a.C.test') as trail:
            trail.record('evaluate/violation', 'x', code='SF204')
            trail.record('evaluate/test', 'a.C.test')
        for arguments, shown in (
            ((), False),
            (('--alert', 'refused_starts=1'), True),
        ):
            with self.subTest(arguments=arguments):
                code, _, _ = self.command(
                    'report', '--html', self.file, self.path, *arguments
                )
                self.assertEqual(0, code)
                with open(self.file) as file:
                    page = reports.Page(file.read())
                self.assertEqual(shown, 'repeated refused starts' in page.text)

    def test_it_cannot_be_written(self):
        reports.Directory(self.path).outcomes(('a.C.test', 'fail', 1.0, 0))
        code, _, err = self.command('report', '--html', self.path, self.path)
        self.assertEqual(3, code)
        self.assertIn('Is a directory', err)

    def test_without_jinja(self):
        reports.Directory(self.path).outcomes(('a.C.test', 'fail', 1.0, 0))
        patch = mock.patch.dict(sys.modules, {'jinja2': None})
        self.enterContext(patch)
        code, _, err = self.command('report', '--html', self.file, self.path)
        self.assertEqual(3, code)
        self.assertIn('install safe_fixtures[cli]', err)
