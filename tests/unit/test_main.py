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
import pathlib
import subprocess
import sys

import fixtures

from tests.support import base

# A project whose tests can be hardened, one that is not installed, and an
# environment in which Nova is not, whatever the one of this process has.
FILES = {
    'sitecustomize.py': 'import sys\nsys.modules["nova"] = None\n',
    'project/__init__.py': '',
    'project/tests/__init__.py': '',
    'project_suite.py': (
        'import unittest\n'
        'def harden():\n'
        '    unittest.TestCase.hardened = True\n'
    ),
    'project-1.0.dist-info/METADATA': 'Name: project\nVersion: 1.0\n',
    'absent-1.0.dist-info/METADATA': 'Name: absent\nVersion: 1.0\n',
    'absent-1.0.dist-info/entry_points.txt': (
        '[safe_fixtures.suites]\nabsent = absent_suite:harden\n'
    ),
}
KNOWN = 'project-1.0.dist-info/entry_points.txt'
SUITES = '[safe_fixtures.suites]\nproject = project_suite:harden\n'

SHOW = (
    'import sys\n'
    'import unittest\n'
    'print(__name__)\n'
    'print(hasattr(unittest.TestCase.run, "__wrapped__"))\n'
    'print(*sys.argv, sep="\\n")\n'
)
TESTS = (
    'import project.tests\n'
    'import unittest\n'
    'class TestX(unittest.TestCase):\n'
    '    def test_hardened(self):\n'
    '        self.assertTrue(self.hardened)\n'
    '    def test_fails(self):\n'
    '        self.fail("as it must")\n'
)
LEAKS = (
    'import os\n'
    'import unittest\n'
    'import testtools\n'
    'class TestPlain(unittest.TestCase):\n'
    '    def test_leaks(self):\n'
    '        os.environ["LEAKED"] = "1"\n'
    'class TestTools(testtools.TestCase):\n'
    '    def test_leaks(self):\n'
    '        os.environ["LEAKED"] = "2"\n'
    '    def test_passes(self):\n'
    '        pass\n'
)
# Each child that comes back to the runner runs what is left of it.
FORKS = """
import os
import unittest

def fork():
    child = os.fork()
    if child:
        os.waitpid(child, 0)

def setUpModule():
    fork()

def tearDownModule():
    fork()

class TestForks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        fork()

    @classmethod
    def tearDownClass(cls):
        fork()

    def test(self):
        os.write(1, b'ran test\\n')

class TestRun(unittest.TestCase):
    def run(self, result=None):
        fork()
        return super().run(result)

    def test(self):
        pass

class TestTwin(unittest.TestCase):
    def test(self):
        os.write(1, b'ran twin\\n')
"""


class TestMain(base.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, text in FILES.items():
            self.write(name, text)
        self.write(KNOWN, SUITES)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_main(self, *arguments):
        return subprocess.run(
            [sys.executable, '-m', 'safe_fixtures', *arguments],
            cwd=self.root,
            env=dict(
                os.environ,
                PYTHONPATH=os.pathsep.join((str(self.root), base.ROOT)),
            ),
            capture_output=True,
            text=True,
        )

    def test_runs_a_module_as_main_and_hardened(self):
        self.write('show.py', SHOW)
        done = self.run_main('-m', 'show')
        self.assertEqual('', done.stderr)
        self.assertEqual(
            ['__main__', 'True', str(self.root / 'show.py')],
            done.stdout.splitlines(),
        )
        self.assertEqual(0, done.returncode)

    def test_forks_outside_a_test_end_there(self):
        self.write('forks.py', FORKS)
        for runner in 'unittest', 'testtools.run':
            with self.subTest(runner=runner):
                done = self.run_main('-m', runner, 'forks')
                self.assertEqual(0, done.returncode, done.stderr)
                said = done.stdout + done.stderr
                for once in 'ran test', 'ran twin', 'Ran 3 tests':
                    self.assertEqual(1, said.count(once), said)

    def test_runs_a_package(self):
        self.write('show/__init__.py', '')
        self.write('show/__main__.py', SHOW)
        done = self.run_main('-m', 'show', 'all')
        self.assertEqual(
            [
                '__main__',
                'True',
                str(self.root / 'show' / '__main__.py'),
                'all',
            ],
            done.stdout.splitlines(),
        )

    def test_arguments_are_the_module_s(self):
        self.write('show.py', SHOW)
        arguments = ['-m', 'other', '--help', '', '--', 'a b']
        done = self.run_main('-m', 'show', *arguments)
        self.assertEqual(arguments, done.stdout.splitlines()[3:])
        self.assertEqual(0, done.returncode)

    def test_exit_status_is_the_module_s(self):
        for text, status in (
            ('pass', 0),
            ('import sys; sys.exit()', 0),
            ('import sys; sys.exit(7)', 7),
            ('raise SystemExit("it says why")', 1),
            ('raise KeyError("it says why")', 1),
        ):
            with self.subTest(text=text):
                self.write('ends.py', text)
                done = self.run_main('-m', 'ends')
                self.assertEqual(status, done.returncode)
                self.assertEqual('why' in text, 'it says why' in done.stderr)

    def test_runs_tests(self):
        self.write('test_x.py', TESTS)
        for name, status in (
            ('test_x.TestX.test_hardened', 0),
            ('test_x.TestX.test_fails', 1),
            ('test_x', 1),
        ):
            with self.subTest(name=name):
                done = self.run_main('-m', 'testtools.run', name)
                self.assertEqual(status, done.returncode, done.stdout)
                self.assertEqual(status, done.stdout.count('FAIL: '))
                self.assertNotIn('ERROR', done.stdout)

    def test_module_that_is_not_there(self):
        done = self.run_main('-m', 'nowhere')
        self.assertEqual(1, done.returncode)
        self.assertIn('nowhere', done.stderr)

    def test_usage(self):
        self.write('show.py', SHOW)
        for arguments in ((), ('-m',), ('show',), ('show', '-m')):
            with self.subTest(arguments=arguments):
                done = self.run_main(*arguments)
                self.assertEqual(3, done.returncode)
                self.assertIn('python -m safe_fixtures -m MODULE', done.stderr)
                self.assertEqual('', done.stdout)

    def test_tests_of_no_known_project(self):
        self.write('test_y.py', LEAKS)
        for module in ('testtools.run', 'unittest'):
            with self.subTest(module=module):
                done = self.run_main('-m', module, 'test_y')
                self.assertEqual(1, done.returncode)
                said = done.stdout + done.stderr
                _, *failures = said.split('FAIL: ')
                self.assertEqual(2, len(failures), said)
                # A release of testtools tells it twice.
                for each in failures:
                    self.assertIn('SF501 (CWE', each)
                self.assertNotIn('ERROR', said)

    def test_workers_of_stestr(self):
        self.write('stestr.py', 'import os; print(os.environ["PYTHON"])')
        done = self.run_main('-m', 'stestr', 'run')
        self.assertEqual(
            f'{sys.executable} -m safe_fixtures', done.stdout.strip()
        )

    def test_project_that_cannot_be_hardened(self):
        self.write('test_x.py', TESTS)
        self.write('project_suite.py', 'def harden():\n    1 / 0\n')
        done = self.run_main('-m', 'unittest', 'test_x')
        self.assertEqual(1, done.returncode)
        self.assertIn('ZeroDivisionError', done.stderr)
        self.assertEqual('', done.stdout)
