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

import json
import os
import resource

import fixtures

from safe_fixtures import audit
from safe_fixtures import summary
from tests.unit.summary import base as summary_base


class TestRead(summary_base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def event(self, time, name='x'):
        with audit.AuditTrail('t') as trail:
            event = trail.record('evaluate/image', name)
        event['eventTime'] = f'2026-01-01T00:00:{time:02}.000000+0000'
        return event

    def write(self, name, *times, tail=b''):
        path = os.path.join(self.directory, name)
        with open(path, 'wb') as file:
            for time in times:
                event = self.event(time, f'{name} {time}')
                file.write(json.dumps(event).encode() + b'\n')
            file.write(tail)
        return path

    def names(self, *paths, truncated=None):
        return [
            event['target']['name'] for event in summary.read(paths, truncated)
        ]

    def test_what_a_trail_writes(self):
        path = os.path.join(self.directory, 'audit')
        self.configure(audit_file=path)
        with audit.AuditTrail() as trail:
            trail.record('evaluate/image', 'x')
            trail.record('deny', 'x', code='SF301')
        self.assertEqual(trail.events, list(summary.read([path])))

    def test_in_the_order_of_time(self):
        one, two = self.write('one', 1, 4, 5), self.write('two', 2, 3, 6)
        expected = ['one 1', 'two 2', 'two 3', 'one 4', 'one 5', 'two 6']
        self.assertEqual(expected, self.names(one, two))
        self.assertEqual(expected, self.names(two, one))

    def test_clock_that_was_set_back(self):
        one, two = self.write('one', 5, 1, 6), self.write('two', 2, 3)
        names = self.names(one, two)
        self.assertEqual(5, len(set(names)))
        self.assertEqual(
            ['one 5', 'one 1', 'one 6'],
            [name for name in names if name.startswith('one')],
        )

    def test_directory(self):
        self.write('events-b.jsonl', 2)
        self.write('events-a.jsonl', 1)
        self.write('other.jsonl', 3, tail=b'no event')
        self.assertEqual(
            ['events-a.jsonl 1', 'events-b.jsonl 2'],
            self.names(self.directory),
        )

    def test_each_file_once(self):
        path = self.write('events-a.jsonl', 1)
        os.symlink(path, os.path.join(self.directory, 'events-b.jsonl'))
        self.assertEqual(1, len(self.names(self.directory, path, path)))

    def test_more_files_than_can_be_open(self):
        for number in range(100):
            self.write(f'events-{number:03}.jsonl', 1, 2)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, limits[1]))
        self.assertEqual(200, len(set(self.names(self.directory))))

    def test_large_file(self):
        times = range(1000, 2000)
        path = self.write('one', *times, tail=b'{')
        self.assertGreater(os.path.getsize(path), 300_000)
        truncated = []
        self.assertEqual(
            [f'one {time}' for time in times],
            self.names(path, truncated=truncated),
        )
        self.assertEqual([f'{path}:1001'], truncated)

    def test_pipe(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        with open(write, 'w') as file:
            for time in (1, 2):
                print(json.dumps(self.event(time, str(time))), file=file)
        self.assertEqual(['1', '2'], self.names(f'/dev/fd/{read}'))

    def test_odd_names(self):
        odd = os.path.join(self.directory, '[x]*')
        os.mkdir(odd)
        self.write('[x]*/events-a.jsonl', 1)
        self.assertEqual(1, len(self.names(odd)))

    def test_empty_file(self):
        self.assertEqual([], self.names(self.write('one')))

    def test_truncated_last_line(self):
        whole = json.dumps(self.event(9)).encode()
        for tail in (
            b'{',
            whole[:40],
            whole[:-1],
            b'{"a": "\xc3',
            b'\xff\xfe\n',
            b'\0\0\0',
            whole[:40] + b'\n',
        ):
            with self.subTest(tail=tail):
                truncated = []
                one = self.write('one', 1, 3, tail=tail)
                two = self.write('two', 2, 4)
                self.assertEqual(
                    ['one 1', 'two 2', 'one 3', 'two 4'],
                    self.names(one, two, truncated=truncated),
                )
                self.assertEqual([f'{one}:3'], truncated)
                rows = summary.summarize([one, two]).rows()
                self.assertIn(
                    ('Records', 'truncated lines', 1, f'{one}:3'), rows
                )
                self.assertIn(('Records', 'events', 4, ''), rows)

    def test_whole_last_line_without_its_end(self):
        truncated = []
        path = self.write('one', 1, tail=json.dumps(self.event(2)).encode())
        self.assertEqual(['one 1', 'x'], self.names(path, truncated=truncated))
        self.assertEqual([], truncated)

    def test_truncated_lines_of_many(self):
        for number in range(5):
            self.write(f'events-{number}.jsonl', 1, tail=b'{"')
        rows = summary.summarize([self.directory]).rows()
        section, item, count, details = rows[-1]
        self.assertEqual(('truncated lines', 5), (item, count))
        self.assertTrue(details.endswith(' and 2 more'))

    def test_garbage(self):
        whole = json.dumps(self.event(9)).encode() + b'\n'
        foreign = dict(self.event(9), typeURI='other')
        timeless = self.event(9)
        del timeless['eventTime']
        for line in (
            b'3\n',
            b'{}\n',
            json.dumps(foreign).encode() + b'\n',
            json.dumps(timeless).encode() + b'\n',
            json.dumps(dict(self.event(9), target='x')).encode() + b'\n',
            *(
                json.dumps({**self.event(9), **odd}).encode() + b'\n'
                for odd in (
                    {'action': []},
                    {'eventTime': None},
                    {'target': {'name': 3}},
                    {'target': {}},
                    {'initiator': ['name']},
                )
            ),
        ):
            with self.subTest(line=line):
                path = self.write('one', 1, 2, tail=line + whole)
                total = summary.summarize([path])
                (skipped,) = total.skipped
                self.assertTrue(skipped.startswith(f'{path}:3 ('), skipped)
                self.assertIn(('Records', 'skipped', 1, skipped), total.rows())
                self.assertIn(('Records', 'events', 3, ''), total.rows())
                self.assertEqual(1, total.exit_code())

    def test_truncated_line_in_the_middle(self):
        whole = json.dumps(self.event(9)).encode() + b'\n'
        for line in (
            whole[:40] + b'\n',
            # Who wrote on did not notice.
            whole[:40] + whole,
            b'\xff\xfe\n',
            b'\n',
            b'\0\0\0\n',
            b'[' * 100_000 + b'\n',
        ):
            with self.subTest(line=line[:100]):
                truncated = []
                path = self.write('one', 1, 2, tail=line + whole)
                self.assertEqual(
                    ['one 1', 'one 2', 'x'],
                    self.names(path, truncated=truncated),
                )
                self.assertEqual([f'{path}:3'], truncated)
                rows = summary.summarize([path]).rows()
                self.assertIn(
                    ('Records', 'truncated lines', 1, f'{path}:3'), rows
                )

    def test_event_that_was_truncated_is_missing(self):
        path = os.path.join(self.directory, 'audit')
        self.configure(audit_file=path)
        with audit.AuditTrail() as trail:
            for number in range(4):
                trail.record('evaluate/image', f'x{number}')
        with open(path, 'rb') as file:
            lines = file.readlines()
        for spoilt in (
            [lines[0], lines[1][:50] + b'\n', *lines[2:]],
            # The first ones were cut off.
            [lines[0][50:], *lines[1:]],
        ):
            with self.subTest(spoilt=spoilt):
                with open(path, 'wb') as file:
                    file.writelines(spoilt)
                rows = summary.summarize([path]).rows()
                self.assertEqual(
                    [('events', 3), ('missing', 1), ('truncated lines', 1)],
                    [row[1:3] for row in rows if row[0] == 'Records'],
                )

    def test_no_file_of_events(self):
        path = os.path.join(self.directory, 'log')
        with open(path, 'w') as file:
            file.write('one\ntwo\n')
        error = self.assertRaises(ValueError, self.names, path)
        self.assertIn(f'{path} has no audit event in its 2 lines', str(error))

    def test_last_line_that_is_whole_and_no_event(self):
        path = self.write('one', 1, tail=b'{}\n')
        self.assertEqual(['one 1'], self.names(path))
        (skipped,) = summary.summarize([path]).skipped
        self.assertTrue(skipped.startswith(f'{path}:2 ('), skipped)

    def test_nothing_to_read(self):
        absent = os.path.join(self.directory, 'absent')
        # Before the first event is asked for.
        error = self.assertRaises(FileNotFoundError, summary.read, [absent])
        self.assertIn('absent', str(error))
        error = self.assertRaises(ValueError, summary.read, [self.directory])
        self.assertIn(self.directory, str(error))
