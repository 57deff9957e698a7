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

"""Locks on services, within a process and between processes."""

import errno
import json
import os
import resource
import signal

from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services.journal import locks
from safe_fixtures.guards.services.journal import storage
from tests.unit.guards.services.journal import cases

ONE, TWO = cases.service(1), cases.service(2)


class TestLock(cases.TestCase):
    def setUp(self):
        super().setUp()
        self.children = set()

    def lock(self, service=ONE):
        lock = journal.ServiceLock(self.directory, service)
        self.addCleanup(self.end, lock)
        return lock

    def end(self, lock):
        for _ in range(lock._count):
            lock.release()

    def held(self, service=ONE):
        """Return who else holds a service."""
        error = self.assertRaises(
            journal.LockHeld, self.lock(service).acquire, 0
        )
        self.assertEqual(service, error.service)
        return error.holder

    def other(self, service=ONE):
        """Start a process that holds a service; return its number."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                lock = journal.ServiceLock(self.directory, service)
                lock.acquire(0, 'tests.test_other')
                os.write(writing, b'held')
                signal.pause()
            finally:
                os._exit(1)
        self.children.add(child)
        self.addCleanup(self.kill, child)
        os.close(writing)
        with open(reading, 'rb') as file:
            self.assertEqual(b'held', file.read(4))
        return child

    def kill(self, child):
        """End a process; nothing if it was ended."""
        if child in self.children:
            self.children.remove(child)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def test_nothing_is_left(self):
        lock = self.lock()
        lock.acquire(0)
        self.assertEqual(1, len(self.files('locks')))
        lock.release()
        self.assertEqual([], self.files('locks'))
        lock.release()
        self.assertEqual({}, locks._held)

    def test_another_process(self):
        process = self.other()
        holder = self.held()
        self.assertEqual(process, holder.pid)
        self.assertEqual(os.uname().nodename, holder.host)
        self.assertEqual('tests.test_other', holder.test_id)
        self.lock(TWO).acquire(0)
        self.assertEqual(2, len(self.files('locks')))

    def test_the_kernel_frees_it(self):
        process = self.other()
        self.assertIsNotNone(self.held())
        self.kill(process)
        lock = self.lock()
        lock.acquire(0)
        self.assertEqual(os.getpid(), locks._holder(lock._path).pid)

    def test_waits(self):
        process = self.other()
        pauses = []

        def pause():
            pauses.append(None)
            if len(pauses) == 3:
                self.kill(process)

        self.patch(locks.files, 'pause', pause)
        lock = self.lock()
        lock.acquire(60)
        self.assertEqual(3, len(pauses))

    def test_gives_up(self):
        self.other()
        now = [0.0]
        self.patch(locks.clock, 'monotonic', lambda: now[0])

        def pause():
            now[0] += 1

        self.patch(locks.files, 'pause', pause)
        self.assertRaises(journal.LockHeld, self.lock().acquire, 30)
        self.assertEqual(30, now[0])

    def test_more_than_files_may_be_open(self):
        _, most = limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        before = 400, most
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        opened = os.listdir('/proc/self/fd')
        mine = [self.lock(cases.service(number)) for number in range(500)]
        for lock in mine:
            lock.acquire(0)
        # A process that is started must not keep a lock.
        for held in locks._held.values():
            self.assertFalse(os.get_inheritable(held._descriptor))
        # The test may still open some.
        for file in [open(os.devnull) for _ in range(100)]:
            file.close()
        self.assertEqual(before, resource.getrlimit(resource.RLIMIT_NOFILE))

        def others():
            self.held(cases.service(0))
            self.held(cases.service(499))

        self.in_child(others)
        for lock in mine:
            lock.release()
        self.assertEqual(opened, os.listdir('/proc/self/fd'))

    def test_limit_that_cannot_be_raised(self):
        """The process runs out of files, and the lock says so."""
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)

        def act():
            resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
            locks = [
                journal.ServiceLock(self.directory, cases.service(number))
                for number in range(500)
            ]
            with self.assertRaises(journal.JournalError) as raised:
                for lock in locks:
                    lock.acquire(0)
            assert raised.exception.errno == errno.EMFILE
            assert 200 < sum(lock._count for lock in locks) < 400

        self.in_child(act)
        self.assertEqual(limits, resource.getrlimit(resource.RLIMIT_NOFILE))

    def test_is_counted_within_the_process(self):
        first, second = self.lock(), self.lock()
        first.acquire(0)
        first.acquire(0)
        second.acquire(0)

        def others():
            self.held()

        first.release()
        second.release()
        second.release()
        self.in_child(others)
        first.release()
        first.release()
        self.assertEqual([], self.files('locks'))

    def test_the_service_counts_and_not_the_form_of_its_url(self):
        lock = self.lock()
        lock.acquire(0)

        def others():
            for url in ('http://LAB.example.com:8774', cases.URL + '/P/'):
                self.held(ONE._replace(endpoint=url, region=None))
            for url in ('http://lab.example.com:8775', 'http://a.b:8774'):
                self.lock(ONE._replace(endpoint=url)).acquire(0)
            self.lock(TWO).acquire(0)

        self.in_child(others)

    def test_a_child_holds_nothing_of_its_parent(self):
        lock = self.lock()
        lock.acquire(0, 'a.test')

        def act():
            holder = self.held()
            assert holder.pid == os.getppid(), holder
            # It is not the child's to release.
            lock.release()
            self.held()
            self.lock(TWO).acquire(0)
            lock.release()

        self.in_child(act)
        self.in_child(self.held)
        lock.release()
        self.assertEqual(1, len(self.files('locks')))
        # What the child held is free, as it has ended.
        self.lock(TWO).acquire(0)
        self.in_child(lambda: self.lock().acquire(0))

    def test_a_living_child_does_not_keep_it(self):
        lock = self.lock()
        lock.acquire(0)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        os.close(reading)
        lock.release()
        self.lock().acquire(0)
        os.close(writing)
        os.waitpid(child, 0)

    def test_a_descriptor_that_a_test_closes(self):
        lock = self.lock()
        lock.acquire(0)
        descriptor = locks._held[lock._path]._descriptor
        os.close(descriptor)
        # The number now is of another file.
        again = os.open('/dev/null', os.O_RDONLY)
        self.assertEqual(descriptor, again)
        lock.release()
        os.fstat(again)
        os.close(again)
        self.lock().acquire(0)

    def test_a_file_that_was_removed_is_no_lock(self):
        """Who waits with an old file tries the new one."""
        opened = locks.posix.open
        removed = []

        def remove_once(path, *args):
            descriptor = opened(path, *args)
            if path.endswith('.lock') and not removed:
                removed.append(path)
                os.unlink(path)
            return descriptor

        self.patch(locks.posix, 'open', remove_once)
        lock = self.lock()
        lock.acquire(0)
        self.assertEqual(removed, self.files('locks'))
        self.in_child(self.held)
        lock.release()

    def test_a_holder_that_says_nonsense(self):
        self.other()
        (path,) = self.files('locks')
        for text in (
            b'', b'{', b'[1]', b'\xff\xff', b'[' * 9000, b'{"run": 1}',
            b'{"run":1,"pid":"x","host":"","test_id":"","since":""}',
        ):  # fmt: skip
            with self.subTest(text=text[:20]):
                with open(path, 'wb') as file:
                    file.write(text)
                self.assertIsNone(self.held())
        with open(path, 'w') as file:
            json.dump({'run': 'r', 'pid': 1, 'host': '\x1b[2J',
                       'test_id': 't\n', 'since': 's'}, file)  # fmt: skip
        error = self.assertRaises(journal.LockHeld, self.lock().acquire, 0)
        self.assertEqual(
            'nova-compute on host1 is held by run r (pid 1 on \\x1b[2J), '
            'since s for t\\n',
            str(error),
        )
        violation = error.violation()
        self.assertEqual('SF206', violation.code)
        self.assertEqual('nova-compute on host1', violation.service)
        self.assertEqual(error.holder, violation.holder)
        self.assertIn(str(error), str(violation))

    def test_a_lock_that_cannot_be_made(self):
        os.makedirs(os.path.dirname(self.directory))
        with open(self.directory, 'w'):
            pass
        error = self.assertRaises(
            storage.JournalError, self.lock().acquire, 60
        )
        self.assertEqual(errno.ENOTDIR, error.errno)
        self.assertEqual({}, locks._held)

    def test_a_full_disk_keeps_nobody_from_locking(self):
        def refuse(*args):
            raise OSError(errno.ENOSPC, 'full')

        self.patch(locks.os, 'pwrite', refuse)
        lock = self.lock()
        lock.acquire(0)
        self.in_child(lambda: self.assertIsNone(self.held()))
        lock.release()
