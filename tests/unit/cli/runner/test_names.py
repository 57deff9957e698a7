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

"""Tests that scenarios multiply, and files with odd names."""

import os

from safe_fixtures.cli.runner import discovery
from tests.unit.cli import runs

SCENARIOS = """
import testscenarios


class TestRun(testscenarios.WithScenarios, testtools.TestCase):
    scenarios = [('one', {'x': 1}), ('two', {'x': 2})]

    def test_it(self):
        self.assertIn(self.x, (1, 2))

    def test_other(self):
        pass


class TestOne(testtools.TestCase):
    def test_it(self):
        pass
"""
LOADED = """
import testscenarios

load_tests = testscenarios.load_tests_apply_scenarios


class TestLoad(testtools.TestCase):
    scenarios = [('one', {'x': 1}), ('two', {'x': 2})]

    def test_it(self):
        self.assertIn(self.x, (1, 2))
"""


class TestScenarios(runs.TestCase):
    def setUp(self):
        super().setUp()
        self.write('test_run.py', SCENARIOS)
        self.write('test_load.py', LOADED)

    def find(self, *arguments, ids=None):
        with self.in_home():
            return discovery.find(list(arguments), ids)

    def test_listed_as_other_runners_list_it(self):
        for case, scenarios in (
            ('test_run.TestRun.test_it', ['(one)', '(two)']),
            ('test_load.TestLoad.test_it', ['(one)', '(two)']),
            ('test_run.TestRun.test_it(two)', ['']),
            ('test_run.TestOne.test_it', ['']),
        ):
            with self.subTest(case=case):
                expected = [case + name for name in scenarios]
                module = case.partition('.')[0]
                for found in (
                    self.find(ids=[case]),
                    self.find(module, ids=[case]),
                    self.find(case),
                ):
                    self.assertEqual([], found.missing)
                    self.assertEqual({}, found.unknown)
                    self.assertEqual(expected, sorted(found.tests))

    def test_unknown(self):
        for case in (
            'test_run.TestRun.test',
            'test_run.TestRun.test_it(three)',
            'test_run.TestOne.test_it(one)',
            'test_run.TestRun.test_none',
        ):
            with self.subTest(case=case):
                for found in (
                    self.find(ids=[case]),
                    self.find('test_run', ids=[case]),
                ):
                    self.assertEqual([case], found.missing)
                    self.assertEqual({}, found.tests)

    def test_run(self):
        (self.home / 'ids').write_text(
            'test_run.TestRun.test_it\ntest_load.TestLoad.test_it(one)\n'
        )
        self.run_cli('--load-list', 'ids')
        self.assertEqual(
            {
                'test_run.TestRun.test_it(one)': 'success',
                'test_run.TestRun.test_it(two)': 'success',
                'test_load.TestLoad.test_it(one)': 'success',
            },
            self.outcomes(),
        )


class TestNames(runs.TestCase):
    def find(self, *arguments):
        with self.in_home():
            return discovery.find(list(arguments))

    def test_names_that_can_be_imported(self):
        for path, name in (
            ('05_x.py', '05_x'),
            ('a-b.py', 'a-b'),
            ('sub/05_y.py', 'sub.05_y'),
            ('class.py', 'class'),
            ('pkg/__init__.py', 'pkg'),
            ('höst.py', 'höst'),
        ):
            with self.subTest(path=path):
                self.write(path, runs.PLAIN)
                expected = [
                    f'{name}.TestPlain.test_{each}' for each in ('one', 'two')
                ]
                found = self.find(path)
                self.assertEqual(({}, {}), (found.unknown, found.errors))
                self.assertEqual(expected, sorted(found.tests))
                # As testtools.run does.
                self.assertEqual(expected, sorted(self.find(name).tests))
                self.assertEqual(
                    expected[:1], sorted(self.find(expected[0]).tests)
                )

    def test_run(self):
        self.write('05_x.py', runs.PLAIN)
        self.run_cli('05_x.py')
        self.assertEqual(
            {
                '05_x.TestPlain.test_one': 'success',
                '05_x.TestPlain.test_two': 'success',
            },
            self.outcomes(),
        )

    def test_byte_order_mark(self):
        self.write('test_bom.py', '')
        path = self.home / 'test_bom.py'
        path.write_text((runs.HEADER + runs.PLAIN), encoding='utf-8-sig')
        self.assertEqual(2, len(self.find('test_bom.py').tests))

    def test_symbolic_link(self):
        self.write('test_real.py', runs.PLAIN)
        os.symlink('test_real.py', self.home / 'test_link.py')
        self.assertEqual(
            {'test_link.TestPlain.test_one', 'test_link.TestPlain.test_two'},
            set(self.find('test_link.py').tests),
        )

    def test_directory_without_init(self):
        self.write('sub/test_x.py', runs.PLAIN)
        self.assertEqual(2, len(self.find('sub').tests))
        self.assertEqual(2, len(self.find('sub/').tests))

    def test_names_that_cannot_be_imported(self):
        for path in ('x.y.py', 'a b.py', 'a.b/test_x.py', 'x\x1b.py'):
            with self.subTest(path=path):
                self.write(path, runs.PLAIN)
                done = self.run_cli(path, status=3)
                self.assertIn(
                    'cannot be part of the name of a module', done.stderr
                )
                self.assertNotIn('Traceback', done.stderr)
                self.assertNotIn('\x1b', done.stderr)

    def test_what_is_no_module(self):
        self.write('test_x.txt', '')
        done = self.run_cli('./test_x.txt', status=3)
        self.assertIn('its name must end in .py', done.stderr)

    def test_name_of_another_module(self):
        self.write('codecs.py', runs.PLAIN)
        # The tests of the other one would run.
        (text,) = self.find('codecs.py').unknown.values()
        self.assertIn('is a module of that name, too', text)

    def test_syntax_error(self):
        self.write('05_x.py', 'def')
        done = self.run_cli('05_x.py', status=3)
        self.assertIn('05_x cannot be imported', done.stderr)
        self.assertIn('SyntaxError', done.stderr)

    def test_lists_that_are_no_files(self):
        self.expect_no_writer()
        self.write('test_plain.py', runs.PLAIN)
        os.mkfifo(self.home / 'pipe')
        for path in ('pipe', '.', '/dev/zero', 'absent'):
            with self.subTest(path=path):
                done = self.run_cli('--load-list', path, status=3)
                self.assertIn('--load-list: ', done.stderr)
                self.assertIn(path, done.stderr)
        done = self.run_cli('--load-list', '/dev/null', status=3)
        self.assertIn('there is no test', done.stderr)

    def test_waivers_that_are_no_file(self):
        self.write('test_plain.py', runs.PLAIN)
        os.mkfifo(self.home / 'pipe')
        for path in ('pipe', '.', '/dev/zero', 'absent'):
            with self.subTest(path=path):
                done = self.run_cli('--waivers', path, 'test_plain', status=3)
                self.assertIn('waivers_file', done.stderr)
        self.run_cli('--waivers', '/dev/null', 'test_plain')
