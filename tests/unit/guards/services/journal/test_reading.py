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

"""What is read from a journal that is torn, damaged or hostile."""

import json
import os
import random

from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services.journal import owners
from safe_fixtures.guards.services.journal import records
from tests.unit.guards.services.journal import cases

ONE, TWO, THREE = map(cases.service, (1, 2, 3))
ENABLED, DISABLED, DOWN = cases.ENABLED, cases.DISABLED, cases.DOWN


def intent(service, before=ENABLED, after=DISABLED):
    return records.line(
        records.intent(service, before, after, 'a.test', 'now')
    )


def header(**values):
    return records.line({**records.header(owners.this_process()), **values})


def settlement(service):
    return records.line(records.settlement(service))


class TestRead(cases.TestCase):
    def read(self, *lines):
        path = self.path()
        with open(path, 'wb') as file:
            file.write(b''.join(lines))
        return journal.read(path)

    def owed(self, *lines, damaged=0):
        record = self.read(*lines)
        self.assertEqual(damaged, record.damaged)
        return [debt.service for debt in record.debts]

    def test_whole(self):
        record = self.read(
            header(), intent(ONE), intent(TWO), settlement(ONE),
            intent(TWO, DISABLED, DOWN),
        )  # fmt: skip
        self.assertEqual(owners.this_process(), record.owner)
        self.assertEqual(
            [journal.Debt(TWO, ENABLED, frozenset([DISABLED, DOWN]),
                          'a.test', 'now')],
            record.debts,
        )  # fmt: skip
        self.assertEqual(0, record.damaged)
        self.assertFalse(record.is_torn)
        self.assertFalse(record.has_holes)

    def test_truncated_at_every_byte(self):
        """Each line that is whole counts, and no other one."""
        lines = [header(), intent(ONE), intent(TWO), settlement(ONE)]
        owed = [], [ONE], [ONE, TWO], [TWO]
        data = b''.join(lines)
        for size in range(len(data) + 1):
            record = self.read(data[:size])
            # The line break at the end says nothing.
            ends = [len(b''.join(lines[: n + 1])) - 1 for n in range(4)]
            whole = sum(size >= end for end in ends)
            found = [debt.service for debt in record.debts]
            self.assertEqual(owed[whole - 1] if whole else [], found, size)
            self.assertEqual(record.is_torn, bool(record.damaged))
            self.assertEqual(bool(whole), record.owner is not None)
            self.assertFalse(record.has_holes)

    def test_empty(self):
        record = self.read()
        self.assertEqual((None, [], 0), (record.owner, record.debts,
                                         record.damaged))  # fmt: skip

    def test_lines_in_the_middle(self):
        for damage in (
            b'\n', b'{\n', b'[]\n', b'null\n', b'"x"\n', b'7\n', b'{}\n',
            b'\xff\xfe\x00\n', b'\x00' * 100 + b'\n', b'[' * 50_000 + b'\n',
            b'{"intend": ' + b'9' * 6000 + b'}\n',
            b'{"settle": {"uuid": 1}}\n',
            b'x' * 2**20 + b'\n', b'x' * (9 * 2**20) + b'\n',
            header(), intent(TWO)[:-20] + b'\n',
        ):  # fmt: skip
            with self.subTest(damage=damage[:30]):
                lines = header(), intent(ONE), damage, intent(THREE)
                self.assertEqual([ONE, THREE], self.owed(*lines, damaged=1))
                self.assertTrue(self.read(*lines).has_holes)

    def test_fields_of_the_wrong_type(self):
        good = json.loads(intent(TWO))
        wrong = None, True, 7, 1.5, [], {}, ['x'], 'x', 10**30
        for name, parts in (
            ('intend', ('endpoint', 'region', 'uuid', 'host', 'binary')),
            ('before', ('disabled', 'disabled_reason', 'forced_down')),
            ('after', ('disabled', 'disabled_reason', 'forced_down')),
        ):
            for value in wrong:
                lines = records.line({**good, name: value})
                self.assertEqual([ONE], self.owed(
                    header(), intent(ONE), lines, damaged=1))  # fmt: skip
            for part in parts:
                for value in wrong:
                    kind = type(good[name][part])
                    if isinstance(value, kind) or (
                        value is None or isinstance(value, str)
                    ):
                        continue
                    changed = {**good[name], part: value}
                    line = records.line({**good, name: changed})
                    self.assertEqual([ONE], self.owed(
                        header(), intent(ONE), line, damaged=1))  # fmt: skip
        # These two are for people only.
        for value in wrong:
            line = records.line({**good, 'test': value, 'at': value})
            self.assertEqual([TWO], self.owed(header(), line))

    def test_first_line_is_damaged(self):
        for first in (
            b'', b'x\n', b'{}\n', header(run=7), header(pid='x'),
            header(pid=-1), header(pid=10**30), header(pid=True),
        ):  # fmt: skip
            with self.subTest(first=first):
                record = self.read(first, intent(ONE))
                self.assertIsNone(record.owner)
                self.assertEqual([ONE], [d.service for d in record.debts])
                self.assertEqual(bool(first), bool(record.damaged))

    def test_another_version(self):
        for version in (0, 2, '1', 1.0, True, None, [1]):
            with self.subTest(version=version):
                record = self.read(header(version=version), intent(ONE))
                self.assertEqual([], record.debts)
                self.assertEqual(2, record.damaged)
                self.assertTrue(record.has_holes)
                self.assertEqual(os.getpid(), record.owner.pid)

    def test_hostile_texts_are_read_and_printed_on_one_line(self):
        service = ONE._replace(host='\x1b[2J\n\ud800', binary='\x00')
        record = self.read(header(), intent(service))
        (debt,) = record.debts
        self.assertEqual(service, debt.service)
        self.assertTrue(str(debt.service).isprintable())

    def test_random_bytes(self):
        draw = random.Random(18)
        data = b''.join([header(), intent(ONE), intent(TWO), settlement(ONE)])
        for _ in range(300):
            changed = bytearray(data)
            for _ in range(draw.randrange(1, 9)):
                changed[draw.randrange(len(data))] = draw.randrange(256)
            record = self.read(bytes(changed))
            for debt in record.debts:
                self.assertIsInstance(debt.before, type(ENABLED))

    def test_no_regular_file(self):
        path = self.path('pipe.jsonl')
        os.mkfifo(path)
        self.assertRaises(OSError, journal.read, path)
        self.assertRaises(OSError, journal.read, self.directory)
        self.assertRaises(OSError, journal.read, path + '.absent')
        # Among others, they are left out.
        os.mkdir(self.path('folder.jsonl'))
        self.assertEqual([], journal.left(self.directory))


class TestLeft(cases.TestCase):
    def write(self, name, *lines):
        with open(self.path(name), 'wb') as file:
            file.write(b''.join(lines))

    def test_only_those_of_the_dead_that_owe_something(self):
        dead = {'started': 1}
        self.write('alive.jsonl', header(), intent(ONE))
        self.write('dead.jsonl', header(**dead), intent(ONE))
        self.write('empty.jsonl')
        self.write('unknown.jsonl', header(boot='x', host='y'), intent(ONE))
        self.write('settled.jsonl', header(**dead), intent(ONE),
                   settlement(ONE))  # fmt: skip
        other = ONE._replace(endpoint='http://other.example.com:8774')
        self.write('other.jsonl', header(**dead), intent(other))
        self.write('notes.txt', b'mine')

        def names(*args):
            return [
                os.path.basename(record.path)
                for record in journal.left_by_dead(self.directory, *args)
            ]

        self.assertEqual(['dead.jsonl', 'other.jsonl'], names())
        self.assertEqual(['dead.jsonl'], names(cases.URL + '/PROJECT'))
        self.assertEqual([], names('http://third.example.com'))
        self.assertEqual(6, len(journal.left(self.directory)))

    def test_no_directory(self):
        self.assertEqual([], journal.left_by_dead(None))
        self.assertEqual([], journal.left_by_dead(self.directory))
