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

"""Runs of ``safe-fixtures run`` on modules of tests that a test writes."""

import contextlib
import json
import pathlib
import subprocess
import sys
import textwrap
import time
import types

import fixtures

from safe_fixtures import audit
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import process
from safe_fixtures.cli.runner import supervisor
from tests.support import preloaded
from tests.unit.cli import base

# Seconds to wait for what another process is about to do.
PATIENCE = 300
# Seconds that the clock goes forward for each byte in the file "clock".
LEAP = 100

HEADER = """\
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

import testtools

from safe_fixtures import audit

HERE = pathlib.Path(__file__).parent


def leap(number):
    with open(HERE / 'clock', 'a') as file:
        file.write('x' * number)


def leap_on():
    # Again and again: the run may not have seen the start of the test yet.
    def leaps():
        while True:
            time.sleep(1)
            leap(10)
            time.sleep(9)

    threading.Thread(target=leaps, daemon=True).start()
"""

PLAIN = """
class TestPlain(testtools.TestCase):
    def test_one(self):
        print('said on stdout')

    def test_two(self):
        pass
"""


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.Timeout(PATIENCE, gentle=True))
        self.useFixture(preloaded.Processes())
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.report = self.home / 'report'

    def write(self, name, source):
        """Write a module of tests."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + textwrap.dedent(source))

    def in_home(self):
        return contextlib.chdir(self.home)

    def arguments(self, *arguments):
        return ['run', '-f', 'json', '--concurrency', '2', *arguments]

    def run_cli(self, *arguments, status=0, report='report'):
        """Run the command in this process.

        :param status: what it must exit with; None for anything.
        :returns: its output, and the rows of the summary.
        """
        if report:
            arguments = '--report', report, *arguments
        with contextlib.chdir(self.home):
            code, stdout, stderr = self.command(*self.arguments(*arguments))
        if status is not None:
            self.assertEqual(status, code, stderr + stdout)
        return types.SimpleNamespace(
            status=code,
            stdout=stdout,
            stderr=stderr,
            rows=json.loads(stdout) if stdout else None,
        )

    def start_cli(self, *arguments, **options):
        """Start the command in a process of its own."""
        process = subprocess.Popen(
            [
                sys.executable, '-m', 'safe_fixtures.cli.main',
                *self.arguments('--report', 'report', *arguments),
            ],
            cwd=self.home,
            **{
                'stdout': subprocess.PIPE,
                'stderr': subprocess.PIPE,
                'text': True,
                **options,
            },
        )  # fmt: skip
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def run_unhardened(self, names, environment=None, **options):
        """Run tests in this process, without the command around it."""
        setup = process.Setup(False, environment=environment or {})
        self.report.mkdir()
        with contextlib.chdir(self.home):
            tests = discovery.find(names, setup=setup)
            return supervisor.run(
                tests, 'report', setup, concurrency=1, **options
            )

    def leaping_clock(self):
        """Let ``leap``, in the tests of the run, put this clock forward.

        So no limit is reached because the machine is slow.
        """
        clock = self.home / 'clock'
        clock.touch()
        now = time.monotonic
        self.useFixture(
            fixtures.MonkeyPatch(
                'time.monotonic',
                lambda: now() + LEAP * clock.stat().st_size,
            )
        )

    def wait_for(self, name):
        """Wait for a file; return what is in it."""
        path = self.home / name
        while not (path.exists() and path.read_text()):
            time.sleep(0.05)
        return path.read_text()

    def events(self, action):
        path = self.report / 'events-run.jsonl'
        events = [json.loads(line) for line in path.read_text().splitlines()]
        return [event for event in events if event['action'] == action]

    def outcomes(self):
        """Return the status of each test, by its id."""
        found = {}
        for event in self.events('evaluate/outcome'):
            name = event['target']['name']
            self.assertNotIn(name, found)
            found[name] = audit.details(event)['status']
        return found

    def assertGone(self, number):
        """Assert that a process ends; nobody may have reaped it."""
        while True:
            try:
                stat = pathlib.Path(f'/proc/{number}/stat').read_text()
            except (FileNotFoundError, ProcessLookupError):
                return
            if stat.rpartition(')')[2].split()[0] == 'Z':
                return
            time.sleep(0.05)
