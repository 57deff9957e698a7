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
import subprocess
import sys

import fixtures

from safe_fixtures import exceptions
from tests.support import base as support_base
from tests.unit.cli import base


class TestMain(base.TestCase):
    def raises(self, error):
        """Have a command raise something."""

        def take_action(*args):
            raise error

        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.cli.rules.Rules.take_action', take_action
            )
        )

    def test_no_command(self):
        code, out, err = self.command()
        self.assertEqual((3, ''), (code, err))
        for name in ('report', 'rules', 'run'):
            with self.subTest(name=name):
                self.assertRegex(out, rf'(?m)^  {name} ')

    def test_help(self):
        code, out, _ = self.command('--help')
        self.assertEqual(0, code)
        self.assertRegex(out, '(?m)^  report ')
        for arguments in (('report', '--help'), ('help', 'report')):
            with self.subTest(arguments=arguments):
                code, out, _ = self.command(*arguments)
                self.assertEqual(0, code)
                self.assertIn('usage: safe-fixtures report', out)

    def test_version(self):
        code, out, _ = self.command('--version')
        self.assertEqual(0, code)
        self.assertNotIn('None', out)

    def test_unknown_command(self):
        for name in ('bogus', 'repot', '--bogus'):
            with self.subTest(name=name):
                code, out, err = self.command(name)
                self.assertEqual(3, code)
                self.assertIn(name, out + err)

    def test_usage(self):
        for arguments in (
            ('report',),
            ('report', '--bogus', 'x'),
            ('rules', 'x'),
            ('rules', '-f', 'bogus'),
            ('help', 'bogus'),
            # No abbreviation of --debug.
            ('rules', '--deb'),
        ):
            with self.subTest(arguments=arguments):
                code, out, err = self.command(*arguments)
                self.assertEqual((3, ''), (code, out), arguments)
                self.assertNotEqual('', err)

    def test_errors(self):
        for error in (
            exceptions.ConfigurationError('option', 'value', 'it is wrong'),
            OSError('it is wrong'),
            ValueError('it is wrong'),
        ):
            with self.subTest(error=error):
                self.raises(error)
                code, out, err = self.command('rules')
                self.assertEqual((3, ''), (code, out))
                self.assertEqual([str(error)], err.splitlines())

    def test_error_that_nobody_foresaw(self):
        self.raises(KeyError('x'))
        code, _, err = self.command('rules')
        self.assertEqual(3, code)
        self.assertIn('KeyError', err)
        self.assertIn('--debug', err)
        self.assertNotIn('Traceback', err)

    def test_debug(self):
        self.raises(OSError('it is wrong'))
        code, _, err = self.command('--debug', 'rules')
        self.assertEqual(3, code)
        self.assertIn('Traceback', err)
        self.assertIn('in take_action', err)

    def test_what_a_command_returns(self):
        for result in (0, 1, 2):
            with self.subTest(result=result):
                self.useFixture(
                    fixtures.MonkeyPatch(
                        'safe_fixtures.cli.rules.Rules.run',
                        lambda *args, result=result: result,
                    )
                )
                self.assertEqual(result, self.command('rules')[0])

    def test_command_that_cannot_be_imported(self):
        path = self.useFixture(fixtures.TempDir()).path
        information = os.path.join(path, 'broken-1.0.dist-info')
        os.mkdir(information)
        for name, text in (
            ('METADATA', 'Name: broken\nVersion: 1.0\n'),
            (
                'entry_points.txt',
                '[safe_fixtures.cli]\nbroken = absent_module:Broken\n',
            ),
        ):
            with open(os.path.join(information, name), 'w') as file:
                file.write(text)
        done = self.process('broken', PYTHONPATH=path)
        self.assertEqual(3, done.returncode)
        self.assertIn("No module named 'absent_module'", done.stderr)
        self.assertIn('safe_fixtures[cli]', done.stderr)
        self.assertEqual('', done.stdout)

    def test_without_cliff(self):
        path = self.useFixture(fixtures.TempDir()).path
        with open(os.path.join(path, 'sitecustomize.py'), 'w') as file:
            file.write('import sys\nsys.modules["cliff"] = None\n')
        done = self.process('rules', PYTHONPATH=path)
        self.assertEqual(3, done.returncode)
        self.assertEqual(
            ['safe-fixtures: cliff is not installed; install '
             'safe_fixtures[cli]'],
            done.stderr.splitlines(),
        )  # fmt: skip

    def test_as_a_process(self):
        self.assertEqual(0, self.process('rules').returncode)
        self.assertEqual(3, self.process().returncode)

    def process(self, *arguments, **environment):
        return subprocess.run(
            [sys.executable, '-m', 'safe_fixtures.cli.main', *arguments],
            cwd=support_base.ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
