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

"""The tool that starts a cloud, without one."""

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys

import fixtures

from tests.support import base
from tools.live_cloud import commands
from tools.live_cloud import errors
from tools.live_cloud import install
from tools.live_cloud import peers
from tools.live_cloud import ports
from tools.live_cloud import processes
from tools.live_cloud import settings

# Says that it has begun, and starts a child that ignores SIGTERM.
PARENT = (
    'import signal, subprocess, sys, time\n'
    'child = "import signal, time; signal.signal(15, signal.SIG_IGN); '
    'print(1, flush=True); time.sleep(600)"\n'
    'subprocess.Popen([sys.executable, "-c", child])\n'
    'time.sleep(600)\n'
)


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.layout = settings.Layout(self.directory)


class TestProcesses(TestCase):
    def setUp(self):
        super().setUp()
        self.layout.make()
        self.processes = processes.Processes(self.layout)
        self.addCleanup(self.processes.stop_all)

    def start(self, name='one', program=PARENT):
        self.processes.start(name, [sys.executable, '-c', program])
        log = self.layout.log / f'{name}.log'
        processes.wait_for(log.read_text, 60, 'nothing was said')
        return self.processes.pid(name)

    def test_start(self):
        pid = self.start()
        self.assertEqual(pid, os.getsid(pid))
        self.assertTrue(self.processes.is_alive('one'))
        self.assertEqual(['one'], self.processes.names())
        self.assertGreater(self.processes.memory('one'), 0)

    def test_one_of_a_name(self):
        self.start()
        self.assertRaises(errors.CloudError, self.start)

    def test_end_with_its_children(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number):
                pid = self.start()
                self.processes.stop('one', number)
                self.assertFalse(self.processes.is_alive('one'))
                self.assertEqual([], _session(pid))
                self.assertEqual([], self.processes.names())
                self.layout.log.joinpath('one.log').unlink()

    def test_child_outlives_its_parent(self):
        pid = self.start()
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(self.processes.is_alive('one'))
        self.processes.stop('one')
        self.assertEqual([], _session(pid))

    def test_freeze(self):
        self.start()
        self.assertFalse(self.processes.is_frozen('one'))
        self.processes.freeze('one')
        self.assertTrue(self.processes.is_frozen('one'))
        self.processes.thaw('one')
        self.assertFalse(self.processes.is_frozen('one'))

    def test_freeze_waits(self):
        """The kernel stops a process a little later."""
        self.start()
        answers = [True, False, False]
        self.patch(self.processes, 'is_frozen', lambda name: answers.pop())
        self.processes.freeze('one')
        self.assertEqual([], answers)

    def test_end_while_frozen(self):
        self.start()
        self.processes.freeze('one')
        self.processes.stop('one')
        self.assertFalse(self.processes.is_alive('one'))

    def test_number_of_another_process(self):
        pid = self.start()
        file = self.layout.processes / 'one'
        mine = file.read_text()
        fields = mine.split()
        fields[21] = '1'
        file.write_text(' '.join(fields))
        self.processes.stop('one')
        self.assertNotEqual([], _session(pid))
        file.write_text(mine)

    def test_job(self):
        self.processes.run(('job', ['sh', '-c', 'echo said']))
        log = self.layout.log / 'job.log'
        self.assertEqual('said\n', log.read_text())
        self.assertEqual([], self.processes.names())

    def test_job_that_fails(self):
        error = self.assertRaises(
            errors.CloudError,
            self.processes.run,
            ('job', ['sh', '-c', 'echo why; exit 3']),
        )
        self.assertIn('job failed with 3', str(error))
        self.assertIn('why', str(error))


class TestPorts(TestCase):
    def problem(self, options):
        """Return what is said of the port of MariaDB."""
        try:
            ports.check(options)
        except errors.CloudError as error:
            # Others on this machine may take ports at any time.
            return [e for e in str(error).splitlines() if 'mariadb' in e]
        return []

    def test_in_use(self):
        options = _free_options()
        with socket.socket() as other:
            other.bind(('127.0.0.1', options.port('mariadb')))
            other.listen()
            self.assertTrue(ports.accepts(options.port('mariadb')))
            (line,) = self.problem(options)
            self.assertIn(f'is in use by process {os.getpid()} (', line)
        self.assertFalse(ports.accepts(options.port('mariadb')))
        self.assertEqual([], self.problem(options))


class TestInstall(TestCase):
    def install(self):
        return str(
            self.assertRaises(
                errors.CloudError, install.install, self.layout, self.fail
            )
        )

    def setUp(self):
        super().setUp()
        # Whatever is installed here: nothing of it is found.
        self.useFixture(
            fixtures.MonkeyPatch(
                'tools.live_cloud.install.shutil.which',
                lambda name, path=None: self.programs.get(name),
            )
        )
        self.programs = {}

    def test_no_debian(self):
        message = self.install()
        self.assertIn('has no apt-get', message)
        self.assertIn('rabbitmq-server mariadb-server memcached', message)

    def test_not_root(self):
        self.programs = {
            'apt-get': '/usr/bin/apt-get', 'memcached': '/usr/bin/memcached'
        }  # fmt: skip
        self.useFixture(fixtures.MonkeyPatch('os.geteuid', lambda: 1000))
        message = self.install()
        self.assertIn('Run as root', message)
        self.assertIn(
            'recommends rabbitmq-server mariadb-server faketime\n', message
        )


class TestCommands(TestCase):
    def run_command(self, *arguments):
        out, error = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
        ):
            code = commands.main(['--directory', self.directory, *arguments])
        return code, out.getvalue(), error.getvalue()

    def test_status_of_nothing(self):
        code, out, _ = self.run_command('status')
        self.assertEqual(1, code)
        self.assertIn('compute3   down', out)

    def test_down_of_nothing(self):
        self.assertEqual(
            (0, 'nothing was running\n', ''), self.run_command('down')
        )

    def test_another_command_at_work(self):
        inner = []

        def install_(*arguments):
            inner.append(self.run_command('down'))
            raise errors.CloudError('enough')

        self.useFixture(
            fixtures.MonkeyPatch(
                'tools.live_cloud.startup.install.install', install_
            )
        )
        self.assertEqual((2, '', 'enough\n'), self.run_command('up'))
        ((code, _, message),) = inner
        self.assertEqual(2, code)
        self.assertIn('Another command is at work', message)


class TestPeers(base.TestCase):
    def test_answers(self):
        for method, path, key in (
            ('GET', '/network/v2.0/security-groups', 'security_groups'),
            ('GET', '/network', 'versions'),
            ('GET', '/image/v2/images', 'images'),
            ('GET', f'/image/v2/images/{peers.IMAGE}', 'id'),
        ):
            with self.subTest(path):
                status, body = peers.answer(method, path, '127.0.0.1')
                self.assertEqual('200 OK', status)
                self.assertIn(key, body)

    def test_does_not_answer(self):
        for method, path in (
            ('GET', '/image/v2/images/another'),
            ('POST', '/network/v2.0/ports'),
            ('GET', '/elsewhere'),
        ):
            with self.subTest(path):
                status, _ = peers.answer(method, path, '127.0.0.1')
                self.assertEqual('404 Not Found', status)


def _free_options():
    """Return options whose ports were free a moment ago."""
    with socket.socket() as each:
        each.bind(('127.0.0.1', 0))
        return settings.Options(first_port=each.getsockname()[1])


def _session(pid):
    """Return the states of what is alive in a session."""
    states = subprocess.run(
        ['ps', '--no-headers', '-o', 'stat', '-s', str(pid)],
        capture_output=True,
        text=True,
    ).stdout.split()
    return [each for each in states if not each.startswith('Z')]
