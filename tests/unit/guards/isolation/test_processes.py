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

"""Ways to start a process, each tried in an inner test run (SF406)."""

import _posixsubprocess
import asyncio
import contextlib
import multiprocessing
from multiprocessing import util
import os
import pathlib
import pty
import subprocess
from subprocess import Popen as early_bound
import sys
import types

import fixtures
import testtools

from safe_fixtures.guards import isolation
from tests.support import base
from tests.support import lying

# Each would leave this behind.
COMMAND = ('true', 'safe-fixtures')


def forked(fork=os.fork):
    child = fork()
    child = child[0] if isinstance(child, tuple) else child
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def child(method):
    process = multiprocessing.get_context(method).Process(target=print)
    process.start()
    process.join()


def named_like_subprocess():
    spawn = types.FunctionType(
        util.spawnv_passfds.__code__,
        {**vars(util), '__name__': 'my.subprocess'},
    )
    os.waitpid(spawn(b'/bin/true', COMMAND, ()), 0)


def popen_that_tells_nobody():
    quiet = types.SimpleNamespace(
        audit=lambda *args: None,
        getfilesystemencoding=sys.getfilesystemencoding,
    )
    execute = types.FunctionType(
        subprocess.Popen._execute_child.__code__,
        {
            **vars(subprocess),
            'sys': quiet,
            '_fork_exec': _posixsubprocess.fork_exec,
        },
    )
    popen = type('Popen', (subprocess.Popen,), {'_execute_child': execute})
    popen(COMMAND).wait()


async def asyncio_exec():
    await asyncio.create_subprocess_exec(*COMMAND)


async def asyncio_shell():
    await asyncio.create_subprocess_shell('true')


def swallowed():
    with contextlib.suppress(BaseException):
        subprocess.run(COMMAND)


# Where there is another grep.
PLACE = fixtures.TempDir()


class Encoded(str):
    """A program that is encoded as another one."""

    def encode(self, *_):
        return b'/bin/true'


# As if grep of the system were meant.
GREP = ('grep', '--version')

WAYS = {
    'member': lambda: subprocess.run([lying.member('true')]),
    'lying': lambda: subprocess.run([lying.Text('true')]),
    'lying_data': lambda: subprocess.run([lying.Data(b'true')]),
    'lying_string': lambda: subprocess.run(lying.Text('true')),
    'lying_executable': lambda: subprocess.run(
        GREP, executable=lying.Text('/bin/true')
    ),
    'member_executable': lambda: subprocess.run(
        GREP, executable=lying.member('/bin/true')
    ),
    'encoded': lambda: subprocess.run([Encoded('grep')]),
    'encoded_executable': lambda: subprocess.run(
        GREP, executable=Encoded('/bin/grep')
    ),
    'path_like': lambda: subprocess.run(pathlib.Path('/bin/true')),
    'member_in_spawn': lambda: os.posix_spawn(
        lying.member('/bin/true'), COMMAND, {}
    ),
    'member_in_path': lambda: subprocess.run(
        GREP, env={'PATH': lying.member(PLACE.path)}
    ),
    'bytes_in_path': lambda: subprocess.run(
        GREP, env={b'PATH': os.fsencode(PLACE.path)}
    ),
    'Popen': lambda: subprocess.Popen(COMMAND).wait(),
    'early_bound': lambda: early_bound(COMMAND).wait(),
    'run': lambda: subprocess.run(COMMAND),
    'check_output': lambda: subprocess.check_output(COMMAND),
    'path': lambda: subprocess.run(['/bin/true']),
    'bytes': lambda: subprocess.run([b'true']),
    'string': lambda: subprocess.run('true'),
    'shell': lambda: subprocess.run('grep --version', shell=True),
    'getoutput': lambda: subprocess.getoutput('true'),
    'another_executable': lambda: subprocess.run(
        ['grep'], executable='/bin/true'
    ),
    'own_grep': lambda: subprocess.run(['./grep']),
    'grep_elsewhere': lambda: subprocess.run(['/opt/bin/grep']),
    'system': lambda: os.system('true'),
    'popen': lambda: os.popen('true').close(),
    'fork': forked,
    'forkpty': lambda: forked(os.forkpty),
    'pty': lambda: pty.spawn(COMMAND),
    'spawn': lambda: os.spawnlp(os.P_WAIT, *COMMAND),
    'posix_spawn': lambda: os.posix_spawn('/bin/true', COMMAND, {}),
    'posix_spawnp': lambda: os.posix_spawnp('true', COMMAND, {}),
    # Instead of this process, which would show.
    'exec': lambda: os.execv('/bin/true', COMMAND),
    'named_like_subprocess': named_like_subprocess,
    'popen_that_tells_nobody': popen_that_tells_nobody,
    'multiprocessing_fork': lambda: child('fork'),
    'multiprocessing_spawn': lambda: child('spawn'),
    'multiprocessing_forkserver': lambda: child('forkserver'),
    'asyncio_exec': lambda: asyncio.run(asyncio_exec()),
    'asyncio_shell': lambda: asyncio.run(asyncio_shell()),
    'swallowed': swallowed,
}
TWINS = {
    'grep': lambda: subprocess.check_output(['grep', '--version']),
    'grep_of_the_system': lambda: subprocess.check_output(
        ['/bin/grep', '--version']
    ),
    'member': lambda: subprocess.check_output(
        [lying.member('grep'), lying.member('--version')]
    ),
    'lying_data': lambda: subprocess.check_output(
        [lying.Data(b'/bin/grep'), b'--version']
    ),
    'member_executable': lambda: subprocess.check_output(
        GREP, executable=lying.member('/bin/grep')
    ),
    'path_like': lambda: subprocess.check_output(
        [pathlib.Path('/bin/grep'), '--version']
    ),
    'member_in_path': lambda: subprocess.check_output(
        GREP, env={'PATH': lying.member('/bin')}
    ),
    'member_as_directory': lambda: subprocess.check_output(
        GREP, cwd=lying.member('/')
    ),
    'none': os.getpid,
}


def case_of(way, **arguments):
    class Case(testtools.TestCase):
        def test(self):
            self.useFixture(isolation.IsolationGuard(**arguments))
            way()

    return Case


class TestWays(base.TestCase):
    def run_way(self, way, **arguments):
        result = testtools.TestResult()
        case_of(way, **arguments)('test').run(result)
        return base.problems(result)

    def test_each_is_refused(self):
        self.configure(mode='enforce')
        self.useFixture(PLACE)
        program = pathlib.Path(PLACE.path, 'grep')
        program.write_text('#!/bin/sh')
        program.chmod(0o755)
        for name, way in WAYS.items():
            with self.subTest(name):
                texts = self.run_way(way)
                self.assertTrue(texts, f'{name} got through')
                for text in texts:
                    with self.subTest(text=text):
                        self.assertIn('SF406 (CWE-668)', text)
                        self.assertIn('test_processes.py', text)

    def test_nothing_else_is(self):
        self.configure(mode='enforce')
        for name, way in TWINS.items():
            with self.subTest(name):
                self.assertEqual([], self.run_way(way))

    def test_recorded_by_default_or_switched_off(self):
        for code, arguments in (
            ('SF406:audit', {}),
            ('SF406:off', {}),
            ('SF406:enforce', {'processes': False}),
        ):
            self.configure(rule_modes=code)
            for way in (
                lambda: subprocess.run(COMMAND, check=True),
                lambda: os.system('true'),
                lambda: child('spawn'),
            ):
                with self.subTest(way=way):
                    self.assertEqual([], self.run_way(way, **arguments))
        self.assertIn('SF406', self.run_way(WAYS['run'])[0])

    def test_arguments_are_nobodys_business(self):
        self.configure(mode='enforce')
        texts = self.run_way(
            lambda: subprocess.run(['mysql', '--password=s3cret'])
        )
        self.assertIn('Popen of mysql in', texts[0])
        self.assertNotIn('s3cret', texts[0].rpartition('SF406')[2])

    def test_allowed(self):
        self.configure(mode='enforce')
        true = ['/bin/true']
        self.assertEqual(
            [],
            self.run_way(
                lambda: subprocess.run(true), allowed_programs=['true']
            ),
        )
        self.assertEqual(
            [],
            self.run_way(lambda: subprocess.run(true), allowed_programs=true),
        )
        for allowed in ([], ['false'], ['/usr/local/bin/true']):
            with self.subTest(allowed=allowed):
                self.assertIn(
                    'SF406',
                    self.run_way(
                        lambda: subprocess.run(true), allowed_programs=allowed
                    )[0],
                )

    def test_allowed_name_of_another_program(self):
        self.configure(mode='enforce')
        directory = self.useFixture(fixtures.TempDir()).path
        path = os.path.join(directory, 'grep')
        with open(path, 'w') as file:
            file.write('#!/bin/sh\n')
        os.chmod(path, 0o700)
        for where in (directory, f'{directory}:/bin'):
            with self.subTest(where=where):
                texts = self.run_way(
                    lambda where=where: subprocess.run(
                        ['grep'], env={'PATH': where}
                    )
                )
                self.assertIn('SF406', '\n'.join(texts))
        self.assertEqual(
            [],
            self.run_way(
                lambda: subprocess.check_output(
                    ['grep', '-V'], env={'PATH': f'/bin:{directory}'}
                )
            ),
        )

    def test_nonsense(self):
        for entry in ('', '*', ' '):
            with self.subTest(entry=entry):
                text = self.run_way(print, allowed_programs=[entry])[0]
                self.assertIn('allowed_programs', text)
                self.assertIn('is refused', text)
