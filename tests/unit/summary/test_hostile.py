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

"""Events that hold what no guard of ours writes."""

import itertools
import json
import os
from unittest import mock

import fixtures

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import summary
from tests.unit.cli import base

DEEP = '{"x":' * 50_000 + '1' + '}' * 50_000
# As they stand in the file.
HOSTILE = (
    'null', '[]', '{}', '""', '"x"', '[[[[[]]]]]', '[1, [2]]', '{"x": []}',
    '{"x": [1]}', '{"x": [1, "y"]}', '{"x": [-1, 1e999]}', '9' * 5000,
    '-' + '9' * 5000, '9' * 18, '-1', '1.5', '1e999', '-1e999', 'NaN',
    'Infinity', 'true', 'false', r'"\udcff"', r'"\u0000\u001b[31m\n"',
    '"' + '9' * 5000 + '"', '"9.9"', f'{{"{"1" * 5000}": 1}}',
)  # fmt: skip
ACTIONS = sorted(
    value
    for name, value in vars(events).items()
    if name.isupper() and isinstance(value, str) and not name.startswith('_')
    and name not in ('SERVICE_TYPE', 'TEST_TYPE', 'SEQUENCE')
)  # fmt: skip
TOP = (
    'typeURI', 'action', 'eventTime', 'eventType', 'outcome', 'initiator',
    'target', 'observer', 'reason', 'tags', 'attachments', 'id',
)  # fmt: skip
FIELDS = (
    'seconds', 'waived', 'expected', 'message', 'binary', 'by', 'before',
    'after', 'wanted', 'served', 'requests', 'waits', 'cut_short',
    'seconds_won', 'helpers', 'status', 'mode', 'tests', 'concurrency',
    'arguments', 'reason', 'pattern', 'interrupted', 'folded',
    'hardened', 'lacks', 'off', 'baseline',
)  # fmt: skip
MARK = '"@@"'


class TestHostileEvents(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(self.directory, 'events-1.jsonl')
        with audit.AuditTrail('tests.T.test') as trail:
            trail.record('evaluate/image', 'x')
            trail.record('deny', 'x', code='SF301', message='why')
        self.good = [json.dumps(event) for event in trail.events]

    def template(self, action, **content):
        event = json.loads(self.good[1]) | {'action': action}
        event['attachments'][0]['content'] = content
        return event

    def write(self, *lines):
        with open(self.path, 'wb') as file:
            for line in (self.good[0], *lines, self.good[1]):
                if isinstance(line, str):
                    line = line.encode()
                file.write(line + b'\n')

    def assertSummedUp(self, events=None):
        total = summary.summarize([self.path])
        rows = total.rows()
        # The good violation is always there.
        self.assertEqual(2, total.exit_code())
        (found,) = [row[2] for row in rows if row[1] == 'events']
        if events is not None:
            self.assertEqual(events, found)
        return total

    def test_every_field_of_every_action(self):
        lines = []
        for action, field, value in itertools.product(
            ACTIONS, FIELDS, HOSTILE
        ):
            event = json.dumps(self.template(action, **{field: '@@'}))
            lines.append(event.replace(MARK, value))
        self.write(*lines)
        # A field that makes no sense costs nothing but itself.
        total = self.assertSummedUp(len(lines) + 2)
        self.assertEqual(([], []), (total.truncated, total.skipped))
        for form in ('table', 'value', 'csv', 'json', 'yaml'):
            with self.subTest(form=form):
                # It has been read above.
                with mock.patch.object(
                    summary, 'summarize', autospec=True, return_value=total
                ):
                    code, out, err = self.command(
                        'report', self.path, '-f', form
                    )
                self.assertEqual((2, ''), (code, err))
                self.assertNotIn('\x1b', out)
                self.assertIn('unreadable fields', out)

    def test_every_field_of_an_event(self):
        lines = []
        for action, field, value in itertools.product(
            ('deny', 'disable', 'evaluate/outcome'), TOP, HOSTILE
        ):
            event = self.template(action) | {field: '@@'}
            lines.append(json.dumps(event).replace(MARK, value))
        for part, field, value in itertools.product(
            ('initiator', 'target', 'reason', 'observer'),
            ('id', 'name', 'typeURI', 'reasonCode', 'host'),
            HOSTILE,
        ):
            event = self.template('deny')
            event[part][field] = '@@'
            lines.append(json.dumps(event).replace(MARK, value))
        for name, value in itertools.product(('name', 'content'), HOSTILE):
            event = self.template('deny')
            event['attachments'][0][name] = '@@'
            lines.append(json.dumps(event).replace(MARK, value))
        for value in HOSTILE:
            lines.append(value)
        self.write(*lines)
        total = self.assertSummedUp()
        skipped = [*total.skipped, *total.truncated]
        self.assertEqual(
            len(lines) + 2,
            len(skipped)
            + sum(row[2] for row in total.rows() if row[1] == 'events'),
        )
        code, out, err = self.command('report', self.path)
        self.assertEqual((2, ''), (code, err))
        self.assertNotIn('\x1b', out)

    def test_violation_with_a_rule_that_makes_no_sense(self):
        for value in HOSTILE:
            with self.subTest(value=value[:30]):
                event = self.template('deny')
                event['reason']['reasonCode'] = '@@'
                with open(self.path, 'w') as file:
                    print(json.dumps(event).replace(MARK, value), file=file)
                self.assertEqual(2, summary.summarize([self.path]).exit_code())

    def test_lines_that_are_no_json(self):
        for line in (
            b'', b'{', b'\xff\xfe\x00', b'\0' * 100, DEEP.encode(),
            b'[' * 100_000, self.good[0].encode()[:-3], bytes(range(256)),
        ):  # fmt: skip
            with self.subTest(line=line[:20]):
                self.write(line)
                total = self.assertSummedUp(2)
                self.assertTrue(total.truncated)

    def test_line_that_is_too_long(self):
        event = json.dumps(self.template('disable', before='@@'))
        for size in ((1 << 24) + 100, 100_000_000):
            with self.subTest(size=size):
                self.write(event.replace('@@', 'x' * size))
                total = self.assertSummedUp(2)
                self.assertEqual(
                    [f'{self.path}:2 (it is too long)'], total.skipped
                )

    def test_keys_that_are_there_twice(self):
        line = self.good[0]
        self.write(line[:-1] + ', "target": 3, "action": "disable"}')
        self.assertEqual(1, len(self.assertSummedUp(2).skipped))

    def test_good_fields_stay(self):
        # The twin: nothing of what guards write is left out.
        for action, content in (
            ('monitor/microversion', {'requests': {'2.1': 3, 'none': 1}}),
            ('monitor/wait', {'helpers': {'x': [3, 0.5]}, 'waits': 3}),
            ('monitor/run', {'seconds': 3, 'interrupted': False}),
            ('configure/run', {'tests': 3, 'arguments': ['x']}),
            ('deny', {'message': 'why', 'waived': 'so', 'seconds': 0}),
            ('something/else', {'requests': [1], 'message': 3}),
        ):
            with self.subTest(action=action):
                event = audit.Event(self.template(action, **content))
                self.assertEqual(content, event.details)
                self.assertEqual((), event.unreadable)

    def test_what_is_unreadable_is_named(self):
        self.write(json.dumps(self.template('restore/service', seconds=[])))
        self.assertIn(
            (
                'Records',
                'unreadable fields',
                1,
                f'{self.path}:2 (seconds of restore/service)',
            ),
            self.assertSummedUp(3).rows(),
        )

    def test_alerts(self):
        alerts = audit.Alerts(undeclared_toggles=True)
        for action, field, value in itertools.product(
            ACTIONS, FIELDS, HOSTILE
        ):
            event = json.dumps(self.template(action, **{field: '@@'}))
            line = event.replace(MARK, value)
            if '9' * 100 in line:
                continue
            alerts(json.loads(line))
        for alert in alerts.raised(ended=True):
            self.assertTrue(str(alert).isprintable(), str(alert))

    def test_something_else_in_place_of_a_file(self):
        self.expect_no_writer()
        self.write()
        other = os.path.join(self.directory, 'events-2.jsonl')
        for make, undo in (
            (os.mkdir, os.rmdir),
            (os.mkfifo, os.unlink),
            (lambda path: os.symlink('/dev/zero', path), os.unlink),
            (lambda path: os.symlink(path, path), os.unlink),
            (lambda path: os.symlink('/nowhere', path), os.unlink),
        ):
            make(other)
            with self.subTest(found=os.lstat(other).st_mode):
                total = summary.summarize([self.directory])
                self.assertEqual(2, total.exit_code())
                (skipped,) = total.skipped
                self.assertIn(other, skipped)
                code, out, err = self.command('report', self.directory)
                self.assertEqual((2, ''), (code, err))
            undo(other)

    def test_nobody_writes_to_a_pipe(self):
        self.expect_no_writer()
        path = os.path.join(self.directory, 'pipe')
        os.mkfifo(path)
        code, out, err = self.command('report', path)
        self.assertEqual((3, ''), (code, out))
        self.assertIn(path, err)
        self.assertEqual(1, len(err.splitlines()))
