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

"""The command ``safe-fixtures init``."""

import configparser
import contextlib
import os
import pathlib

import fixtures
import yaml

from safe_fixtures.cli import starting_files
from safe_fixtures.core import waivers_file
from tests.unit.cli import base
from tests.unit.cli import test_project

NAMES = ['.zuul.yaml', 'safe-fixtures.toml', 'tox.ini']


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.enterContext(contextlib.chdir(self.home))

    def init(self, *arguments, status=0):
        code, out, err = self.command('init', *arguments)
        self.assertEqual(status, code, out + err)
        return out + err

    def write(self, name, text):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class TestInit(TestCase):
    def names(self):
        return sorted(os.listdir(self.home))

    def tox(self):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(self.home / 'tox.ini')
        return parser['testenv:hardened']

    def test_prints_and_writes_nothing(self):
        self.write('my/tests/test_x.py', test_project.NOVA)
        said = self.init()
        self.assertEqual(['my'], self.names())
        for name in NAMES:
            self.assertIn(f'\n{name} would be:\n', said)
        self.assertIn("3 on Nova's bases", said)
        self.assertIn('nova.test.TestCase (1)', said)
        self.assertIn('safe_fixtures supports nova>=31', said)
        self.assertIn('Nothing was written', said)

    def test_writes(self):
        self.write('my/tests/test_x.py', test_project.NOVA)
        self.write('my/tests/test_y.py', test_project.NOVA)
        self.write('setup.cfg', '[metadata]\nname = My_Project.x\n')
        self.write('requirements.txt', 'oslo.log\nNova>=33.0.0 # comment\n')
        said = self.init('--write')
        self.assertIn('wants Nova>=33.0.0 (requirements.txt)', said)
        self.assertEqual(
            sorted([*NAMES, 'my', 'requirements.txt', 'setup.cfg']),
            self.names(),
        )
        self.assertEqual([], waivers_file.read('safe-fixtures.toml'))
        tox = self.tox()
        self.assertEqual(
            ['-r requirements.txt', '../safe_fixtures[cli]'],
            tox['deps'].split('\n')[1:],
        )
        self.assertIn('OS_NOVA_DISABLE_EVENTLET_PATCHING', tox['set_env'])
        self.assertIn('{posargs:my/tests}', tox['commands'])
        job, check = yaml.safe_load((self.home / '.zuul.yaml').read_text())
        self.assertEqual('my-project-x-hardened', job['job']['name'])
        self.assertEqual(
            ['openstack/nova', 'openstack/safe_fixtures'],
            job['job']['required-projects'],
        )
        self.assertEqual(
            {'{{ zuul.project.src_dir }}/.tox/hardened/report': 'logs'},
            job['job']['vars']['zuul_copy_output'],
        )
        self.assertEqual(
            ['my-project-x-hardened'], check['project']['check']['jobs']
        )

    def test_without_nova(self):
        self.write('tests/test_x.py', test_project.PLAIN)
        said = self.init('--write')
        self.assertIn('2 on other bases', said)
        self.assertNotIn('NOVA', self.tox()['set_env'])
        job, _ = yaml.safe_load((self.home / '.zuul.yaml').read_text())
        self.assertEqual(
            ['openstack/safe_fixtures'], job['job']['required-projects']
        )

    def test_empty_directory(self):
        said = self.init('--write')
        self.assertIn('no tests were found', said)
        self.assertEqual(NAMES, self.names())
        self.assertIn('{posargs:my/tests}', self.tox()['commands'])

    def test_never_overwrites(self):
        for name in NAMES:
            self.write(name, 'mine')
        said = self.init('--write', status=3)
        for name in NAMES:
            self.assertEqual('mine', (self.home / name).read_text())
            self.assertIn(f'{name} exists', said)
        # What to paste.
        self.assertIn('[testenv:hardened]', said)
        self.assertIn('tox_envlist: hardened', said)

    def test_writes_what_does_not_exist(self):
        self.write('tox.ini', '[testenv]\ndeps = x\n')
        said = self.init('--write')
        self.assertIn('{[testenv]deps}', said)
        self.assertEqual('[testenv]\ndeps = x\n',
                         (self.home / 'tox.ini').read_text())  # fmt: skip
        self.assertEqual(NAMES, self.names())

    def test_other_places_of_zuul(self):
        for name in ('zuul.yaml', '.zuul.d/jobs.yaml', 'zuul.d/jobs.yaml'):
            with self.subTest(name):
                self.write(name, '')
                said = self.init()
                self.assertIn(f'{name.partition("/")[0]} exists', said)
                self.assertNotIn('.zuul.yaml would be', said)
                os.unlink(name)
                if '/' in name:
                    os.rmdir(os.path.dirname(name))

    def test_follows_no_dangling_link(self):
        os.symlink(self.home / 'elsewhere', 'tox.ini')
        self.init('--write')
        self.assertFalse((self.home / 'elsewhere').exists())

    def test_another_directory(self):
        self.write('project/test_x.py', test_project.PLAIN)
        self.init('--write', 'project')
        self.assertEqual(
            sorted([*NAMES, 'test_x.py']), sorted(os.listdir('project'))
        )

    def test_no_directory(self):
        for name in ('absent', '/dev/null'):
            said = self.init('--write', name, status=3)
            self.assertIn(f'{name} is no directory', said)

    def test_hostile_project(self):
        self.write('a b;\x1b[31m/test_x.py', test_project.PLAIN)
        self.write('setup.cfg', '[metadata]\nname = x\n  y: {{ z }}\x1b[31m\n')
        self.write('tox.ini', '= nonsense\x1b[31m')
        self.write('pyproject.toml', '[[')
        self.write('requirements.txt', 'nova\x1b[31m' + 'x' * 10**6)
        said = self.init('--write')
        self.assertNotIn('\x1b', said)
        self.assertIn('{posargs:my/tests}', said)
        job, _ = yaml.safe_load((self.home / '.zuul.yaml').read_text())
        self.assertRegex(job['job']['name'], r'\A[a-z0-9-]+\Z')

    def test_files_that_are_none(self):
        for name in ('setup.cfg', 'pyproject.toml', 'requirements.txt'):
            os.mkfifo(name)
        os.mkdir('tox.ini')
        said = self.init()
        self.assertIn('tox.ini exists', said)


class TestNames(TestCase):
    def test_name(self):
        home = self.home / 'Some Directory'
        for text, expected in (
            ('', 'some-directory'),
            ('[project]\nname = "My.App"', 'my-app'),
            ('[project]\nname = 3', 'some-directory'),
            ('project = 3', 'some-directory'),
            ('[[', 'some-directory'),
            ('[project]\nname = "///"', 'my-project'),
        ):
            with self.subTest(text):
                self.write('Some Directory/pyproject.toml', text)
                self.assertEqual(expected, starting_files.name_of(str(home)))

    def test_wanted_nova(self):
        for text, expected in (
            ('nova', 'nova'),
            ('  nova>=33,<35  # why', 'nova>=33,<35'),
            ('python-novaclient\nnovax\nnova-x\n', ''),
            ('-e git+https://opendev.org/openstack/nova#egg=nova', ''),
            ('nova.x', ''),
        ):
            with self.subTest(text):
                self.write('requirements.txt', text)
                wanted = starting_files.wanted_nova('.')
                self.assertEqual(
                    f'{expected} (requirements.txt)' if expected else '',
                    wanted,
                )
        os.unlink('requirements.txt')
        self.write('pyproject.toml', 'dependencies = [\n  "nova>=31",\n]\n')
        self.assertEqual(
            'nova>=31 (pyproject.toml)', starting_files.wanted_nova('.')
        )
