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

"""An audit file that is no file, or that somebody else has locked."""

import fcntl
import os
import pty
import socket
import subprocess
import sys

import fixtures
import testtools

from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures.runtime import files
from tests.support import base
from tests.support import inner

# What eventlet does to os and select, and more.
PATCHED = """
import os, select, time
from safe_fixtures import audit

def refuse(*args, **kwargs):
    raise OSError(1, 'Operation not permitted')

os.open = os.write = refuse
del select.poll
time.sleep = refuse

with audit.AuditTrail('t') as trail:
    trail.record('disable', 'host1')
    trail.record('disable', 'host1')
"""


class TestSpecialFiles(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(self.directory, 'events')

    def case(self, count=2):
        def act(case):
            trail = case.useFixture(audit.AuditTrail(case.id()))
            for _ in range(count):
                trail.record('disable', 'host1')
            self.events = trail.events

        return inner.case_of(act)

    def assertIncomplete(self, path, *texts):
        """Assert that the test runs to its end, and fails in its cleanup."""
        self.configure(audit_file=path)
        self.assertFails(
            self.case(),
            'AuditFailed: the audit trail of ',
            f'[safe_fixtures] audit_file {path} failed for 2 events',
            *texts,
        )
        self.assertEqual(2, len(self.events))

    def test_pipe_without_a_reader(self):
        os.mkfifo(self.path)
        self.assertIncomplete(self.path, 'ENXIO: ')

    def test_pipe_with_a_reader(self):
        os.mkfifo(self.path)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.configure(audit_file=self.path)
        self.assertPasses(self.case())
        self.assertEqual(2, os.read(reader, 1 << 16).count(b'\n'))

    def test_pipe_that_is_full(self):
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.audit.sinks._ATTEMPTS', 3)
        )
        os.mkfifo(self.path)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, writer)
        with testtools.ExpectedException(BlockingIOError):
            while True:
                os.write(writer, b'x' * 4096)
        self.assertIncomplete(self.path, 'EAGAIN: ')

    def lock(self):
        """Lock the file as another process does."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def test_locked_for_good(self):
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.runtime.files._LOCK', 3)
        )
        self.lock()
        self.assertIncomplete(
            self.path, 'EAGAIN: ', 'another process has locked it'
        )

    def test_waits_for_a_lock_once(self):
        attempts = []
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.runtime.files.pause', lambda: attempts.append(1)
            )
        )
        descriptor = self.lock()
        self.assertIncomplete(self.path)
        self.assertEqual(files._LOCK - 1, len(attempts))
        # It is used again once it is free.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        self.assertPasses(self.case())

    def test_locked_for_a_moment(self):
        descriptor = self.lock()
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.runtime.files.pause',
                lambda: fcntl.flock(descriptor, fcntl.LOCK_UN),
            )
        )
        self.configure(audit_file=self.path)
        self.assertPasses(self.case())

    def test_null_device(self):
        descriptor = os.open('/dev/null', os.O_WRONLY)
        self.addCleanup(os.close, descriptor)
        # Everybody shares it, and the lock on it.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.configure(audit_file='/dev/null')
        self.assertPasses(self.case())

    def test_full_device(self):
        self.assertIncomplete('/dev/full', 'ENOSPC: ')

    def test_terminal(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        self.configure(audit_file=os.ttyname(slave))
        self.assertPasses(self.case())

    def test_socket(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path)
            self.assertIncomplete(self.path, 'ENXIO: ')

    def test_directory(self):
        self.configure(audit_file=self.directory)
        error = self.assertRaises(
            exceptions.ConfigurationError, audit.AuditTrail().setUp
        )
        self.assertEqual('[safe_fixtures] audit_file', error.option)

    def test_whatever_is_patched(self):
        os.mkfifo(pipe := self.path + '-pipe')
        for path, code in (('/dev/null', 0), (self.path, 0), (pipe, 1)):
            with self.subTest(path=path):
                done = subprocess.run(
                    [sys.executable, '-c', PATCHED],
                    env=os.environ | {'OS_SAFE_FIXTURES__AUDIT_FILE': path},
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(code, done.returncode, done.stderr)
                self.assertEqual(
                    bool(code), 'AuditFailed' in done.stderr, done.stderr
                )
