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

"""The journal of this process, in memory and on disk."""

import errno
import os
import pickle
import stat
import threading

from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services.journal import owners
from safe_fixtures.guards.services.journal import storage
from tests.unit.guards.services.journal import cases

ENABLED, DISABLED = cases.ENABLED, cases.DISABLED
DOWN, FOREIGN = cases.DOWN, cases.FOREIGN
ONE, TWO = cases.service(1), cases.service(2)


class TestJournal(cases.TestCase):
    def test_no_file_before_the_first_change(self):
        self.assertIsNone(self.journal.first(ONE))
        self.assertEqual([], self.journal.owed())
        self.assertFalse(os.path.exists(self.directory))

    def test_intend(self):
        self.journal.intend(ONE, ENABLED, DISABLED, 'a.test')
        first, second = self.lines()
        owner = journal.Owner.of_record(first)
        self.assertEqual(1, first['version'])
        self.assertEqual(os.getpid(), owner.pid)
        self.assertIs(True, owner.is_alive())
        self.assertEqual(
            {
                'endpoint': cases.ENDPOINT,
                'region': 'RegionOne',
                'uuid': ONE.uuid,
                'host': 'host1',
                'binary': 'nova-compute',
            },
            second['intend'],
        )
        self.assertEqual(
            {'disabled': True, 'disabled_reason': 'a test',
             'forced_down': False},
            second['after'],
        )  # fmt: skip
        self.assertEqual('a.test', second['test'])
        self.assertTrue(second['at'].endswith('+00:00'), second['at'])

    def test_modes(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        (path,) = self.files()
        self.assertEqual(path, self.journal.path)
        self.assertEqual(0o600, stat.S_IMODE(os.stat(path).st_mode))
        folder = os.path.dirname(path)
        while folder != os.path.dirname(os.path.dirname(self.directory)):
            self.assertEqual(0o700, stat.S_IMODE(os.stat(folder).st_mode))
            folder = os.path.dirname(folder)

    def test_no_secret_of_the_url(self):
        url = 'https://me:pw@LAB.example.com/compute/v2.1/PROJECT?token=x#y'
        self.journal.intend(ONE._replace(endpoint=url), ENABLED, DISABLED)
        (debt,) = self.journal.owed()
        self.assertEqual(
            'https://lab.example.com:443/compute', debt.service.endpoint
        )
        with open(self.journal.path) as file:
            text = file.read()
        for secret in ('me:', 'pw', 'token', 'PROJECT'):
            self.assertNotIn(secret, text)

    def test_what_is_no_url_is_refused(self):
        service = ONE._replace(endpoint='lab')
        self.assertRaises(
            ValueError, self.journal.intend, service, ENABLED, DISABLED
        )
        self.assertEqual([], self.files())

    def test_is_owed_the_first_state(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        self.journal.intend(ONE, DISABLED, DOWN)
        self.assertEqual(ENABLED, self.journal.first(ONE))
        self.assertEqual({DISABLED, DOWN}, self.journal.made(ONE))
        self.assertIs(False, self.journal.saw(ONE, DISABLED))
        self.assertIs(False, self.journal.saw(ONE, FOREIGN))
        self.assertEqual(ENABLED, self.journal.first(ONE))
        self.assertIs(True, self.journal.saw(ONE, ENABLED))
        self.assertIsNone(self.journal.first(ONE))
        self.assertEqual(frozenset(), self.journal.made(ONE))
        self.assertIs(True, self.journal.saw(ONE, ENABLED))

    def test_another_form_of_the_url_is_the_same_service(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        other = ONE._replace(endpoint='http://LAB.example.com:8774/v2.1/P/')
        self.assertEqual(ENABLED, self.journal.first(other))
        self.assertEqual({DISABLED}, self.journal.made(other))
        self.assertTrue(self.journal.saw(other, ENABLED))

    def test_the_file_goes_when_nothing_is_owed(self):
        for _ in range(2):
            self.journal.intend(ONE, ENABLED, DISABLED)
            self.journal.intend(TWO, DISABLED, ENABLED)
            self.journal.saw(ONE, ENABLED)
            self.assertEqual(1, len(self.files()))
            self.assertEqual(
                [TWO], [debt.service for debt in self.on_disk().debts]
            )
            self.journal.saw(TWO, DISABLED)
            self.assertEqual([], self.files())
            self.assertIsNone(self.journal.path)

    def on_disk(self):
        return journal.read(self.journal.path)

    def test_what_is_read_is_what_is_owed(self):
        self.journal.intend(ONE, ENABLED, DISABLED, 'first')
        self.journal.intend(TWO, DOWN, ENABLED, 'second')
        self.journal.intend(ONE, DISABLED, FOREIGN, 'third')
        record = self.on_disk()
        self.assertEqual(self.journal.owed(), record.debts)
        self.assertEqual(0, record.damaged)
        self.assertEqual(['first', 'second'],
                         [debt.test_id for debt in record.debts])  # fmt: skip

    def test_forget(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        self.journal.forget(ONE)
        self.journal.forget(ONE)
        self.assertEqual([], self.files())

    def test_in_memory(self):
        kept = journal.Journal(None)
        kept.intend(ONE, ENABLED, DISABLED)
        self.assertEqual(ENABLED, kept.first(ONE))
        self.assertIsNone(kept.path)
        self.assertTrue(kept.saw(ONE, ENABLED))
        self.assertEqual([], kept.owed())

    def test_is_shared_within_the_process(self):
        self.assertIs(
            journal.of(self.directory), journal.of(self.directory + '/')
        )
        self.assertIs(journal.of(None), journal.of(None))
        self.assertIsNot(journal.of(None), journal.of(self.directory))

    def test_threads(self):
        """Each line is whole, and all that is owed is on disk."""

        def change(number):
            for _ in range(5):
                each = cases.service(number)
                self.journal.intend(each, ENABLED, DISABLED)
                self.journal.saw(each, ENABLED)
            self.journal.intend(each, ENABLED, DOWN)

        threads = [
            threading.Thread(target=change, args=(number,))
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        record = self.on_disk()
        self.assertEqual(0, record.damaged)
        self.assertEqual(4, len(record.debts))
        self.assertEqual(self.journal.owed(), record.debts)

    def test_a_test_that_closes_files_and_replaces_functions(self):
        self.journal.intend(ONE, ENABLED, DISABLED)

        def refuse(*args, **kwargs):
            raise AssertionError(args)

        for name in ('open', 'write', 'fsync', 'close', 'unlink', 'stat'):
            self.patch(os, name, refuse)
        self.journal.intend(TWO, ENABLED, DISABLED)
        self.assertEqual(2, len(self.on_disk().debts))
        self.journal.saw(ONE, ENABLED)
        self.journal.saw(TWO, ENABLED)
        self.assertIsNone(self.journal.path)


class TestFork(cases.TestCase):
    def test_a_child_owes_nothing(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        (path,) = self.files()
        with open(path) as file:
            before = file.read()

        def act():
            assert not self.journal.owed()
            assert self.journal.saw(ONE, ENABLED)
            self.journal.intend(ONE, DISABLED, DOWN)
            assert self.journal.path != path
            assert len(self.files()) == 2

        self.in_child(act)
        self.assertEqual(ENABLED, self.journal.first(ONE))
        with open(path) as file:
            self.assertEqual(before, file.read())
        # The child has ended, and its journal says what it owes.
        (record,) = journal.left_by_dead(self.directory, cases.URL)
        (debt,) = record.debts
        self.assertEqual((DISABLED, {DOWN}), (debt.before, debt.made))

    def test_a_child_of_a_process_that_is_writing(self):
        """Nobody in the child releases the lock of another thread."""
        with self.journal._guarded():
            self.in_child(lambda: self.journal.intend(ONE, ENABLED, DISABLED))


class TestFaults(cases.TestCase):
    """What cannot be written is refused, and what was owed stays owed."""

    def refused(self, service=TWO, number=None):
        error = self.assertRaises(
            storage.JournalError,
            self.journal.intend,
            service,
            ENABLED,
            DISABLED,
        )
        if number is not None:
            self.assertEqual(number, error.errno)
        self.assertIn(self.directory, str(error))
        self.assertIsNone(self.journal.first(service))
        self.assertIsInstance(error, OSError)
        return error

    def torn_write(self, *counts):
        """Let each write put so many bytes, then none."""
        left = list(counts)
        write = storage.posix.write

        def partial(descriptor, data):
            if not left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(descriptor, data[: left.pop(0)])

        self.patch(storage.posix, 'write', partial)
        return lambda: self.patch(storage.posix, 'write', write)

    def test_the_error_says_what_and_where_and_pickles(self):
        error = storage.JournalError(errno.ENOSPC, 'No space', '/x/y')
        self.assertEqual(
            'what services are owed cannot be put on record: No space (/x/y)',
            str(error),
        )
        again = pickle.loads(pickle.dumps(error))
        self.assertIs(storage.JournalError, type(again))
        self.assertEqual(str(error), str(again))

    def test_the_first_line_does_not_fit(self):
        for written in ((), (1,), (300, 5)):
            with self.subTest(written=written):
                mend = self.torn_write(*written)
                self.refused(number=errno.ENOSPC)
                self.assertEqual([], self.files())
                mend()
        self.journal.intend(TWO, ENABLED, DISABLED)
        self.assertEqual(2, len(self.lines()))

    def test_a_later_line_does_not_fit(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        before = self.lines()
        for written in ((), (1,), (100, 7)):
            with self.subTest(written=written):
                mend = self.torn_write(*written)
                self.refused(number=errno.ENOSPC)
                self.assertEqual(before, self.lines())
                mend()
        self.assertEqual(ENABLED, self.journal.first(ONE))
        self.journal.intend(TWO, ENABLED, DISABLED)
        self.assertEqual(3, len(self.lines()))

    def test_half_a_line_that_cannot_be_taken_back(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        mend = self.torn_write(50)
        truncate = storage.os.ftruncate

        def refuse(descriptor, size):
            raise OSError(errno.EIO, 'no')

        self.patch(storage.os, 'ftruncate', refuse)
        self.refused(number=errno.ENOSPC)
        mend()
        self.patch(storage.os, 'ftruncate', truncate)
        self.journal.intend(TWO, ENABLED, DOWN)
        record = journal.read(self.journal.path)
        self.assertEqual(self.journal.owed(), record.debts)
        self.assertEqual(1, record.damaged)
        self.journal.saw(ONE, ENABLED)
        self.journal.saw(TWO, ENABLED)
        self.assertEqual([], self.files())

    def test_what_is_not_on_the_disk_is_not_done(self):
        for fault in ('_fsync', 'sync'):
            with self.subTest(fault=fault):
                whole = getattr(storage, fault)
                calls = []

                def fail(*args, whole=whole, calls=calls):
                    calls.append(args)
                    where = args[0]
                    if isinstance(where, str) and not where.endswith(
                        'journals'
                    ):
                        return whole(where)
                    raise OSError(errno.EIO, os.strerror(errno.EIO))

                self.patch(storage, fault, fail)
                self.refused(number=errno.EIO)
                self.assertEqual([], self.files())
                self.assertTrue(calls)
                self.patch(storage, fault, whole)
        self.journal.intend(TWO, ENABLED, DISABLED)

    def test_a_file_in_the_place_of_the_directory(self):
        os.makedirs(os.path.dirname(self.directory))
        with open(self.directory, 'w'):
            pass
        self.refused(number=errno.ENOTDIR)

    def test_a_directory_that_was_deleted(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        (path,) = self.files()
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
        error = self.refused(number=errno.ENOENT)
        self.assertIn(path, str(error))
        self.assertEqual(ENABLED, self.journal.first(ONE))
        # What is owed can still be settled, and a new file begins.
        self.assertTrue(self.journal.saw(ONE, ENABLED))
        self.journal.intend(TWO, ENABLED, DISABLED)
        self.assertEqual(2, len(self.lines()))

    def test_a_file_that_was_replaced_or_truncated(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        (path,) = self.files()
        with open(path, 'rb') as file:
            data = file.read()
        os.rename(path, path + '.old')
        with open(path, 'wb') as file:
            file.write(data)
        self.assertIn('replaced', str(self.refused(number=errno.ESTALE)))
        os.rename(path + '.old', path)
        os.truncate(path, 10)
        self.assertIn('truncated', str(self.refused(number=errno.ESTALE)))

    def test_a_file_that_is_there_already(self):
        owner = owners.this_process()
        folder = os.path.join(self.directory, 'journals')
        os.makedirs(folder)
        path = os.path.join(folder, f'{owner.pid}-{owner.run}.jsonl')
        with open(path, 'w') as file:
            file.write('of somebody else')
        self.refused(number=errno.EEXIST)
        with open(path) as file:
            self.assertEqual('of somebody else', file.read())

    def test_a_link_in_the_place_of_the_file(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        (path,) = self.files()
        os.rename(path, path + '.old')
        os.symlink(path + '.old', path)
        self.refused(number=errno.ELOOP)

    def test_a_record_that_is_too_long(self):
        before = DISABLED.__class__(True, 'x' * 2**20)
        error = self.assertRaises(
            storage.JournalError, self.journal.intend, ONE, before, ENABLED
        )
        self.assertEqual(errno.EMSGSIZE, error.errno)
        self.assertEqual([], self.files())

    def test_a_settlement_that_does_not_fit_is_written_later(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        self.journal.intend(TWO, ENABLED, DISABLED)
        mend = self.torn_write()
        self.assertTrue(self.journal.saw(ONE, ENABLED))
        self.assertEqual(2, len(journal.read(self.journal.path).debts))
        mend()
        three = cases.service(3)
        self.journal.intend(three, ENABLED, DISABLED)
        self.assertEqual(
            [TWO, three],
            [each.service for each in journal.read(self.journal.path).debts],
        )

    def test_a_file_that_cannot_be_removed_says_what_is_settled(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        unlink = storage._unlink

        def refuse(path):
            raise PermissionError(errno.EACCES, 'no', path)

        self.patch(storage, '_unlink', refuse)
        self.assertTrue(self.journal.saw(ONE, ENABLED))
        self.assertEqual([], journal.read(self.journal.path).debts)
        self.patch(storage, '_unlink', unlink)
        self.journal.intend(ONE, DISABLED, DOWN)
        (debt,) = journal.read(self.journal.path).debts
        self.assertEqual(DISABLED, debt.before)
        self.assertTrue(self.journal.saw(ONE, DISABLED))
        self.assertEqual([], self.files())
