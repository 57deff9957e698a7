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

import contextlib
import csv
import io
import json
import os

import fixtures
import yaml

from safe_fixtures import audit
from safe_fixtures import summary
from tests.unit.cli import base

LONG = (
    'nova.tests.functional.regressions.test_bug_1.'
    'TestOfSomethingWithAQuiteLongName.test_that_has_an_even_longer_name_'
)


class TestReport(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def write(self, name='events-1.jsonl', test='t', *, code=None, **said):
        path = os.path.join(self.directory, name)
        self.configure(audit_file=path)
        with audit.AuditTrail(test) as trail:
            trail.record('evaluate/test', test, **said)
            if code:
                trail.record('deny', 'x', code=code)
        return path

    def test_exit_codes(self):
        self.write()
        self.assertEqual(0, self.command('report', self.directory)[0])
        self.write(outcome='failure')
        self.assertEqual(1, self.command('report', self.directory)[0])
        path = self.write(code='SF301')
        self.assertEqual(2, self.command('report', self.directory)[0])
        for form in ('json', 'yaml', 'csv', 'value'):
            with self.subTest(form=form):
                self.assertEqual(
                    2, self.command('report', path, '-f', form)[0]
                )

    def test_formats_are_whole(self):
        for number in range(3):
            self.write(test=f'{LONG}{number}', outcome='failure', code='SF301')
        rows = summary.summarize([self.directory]).rows()
        self.assertIn(f'{LONG}0, {LONG}1', str(rows))
        expected = [
            dict(zip(summary.COLUMNS, row, strict=True)) for row in rows
        ]

        def output(form):
            code, out, err = self.command('report', self.directory, '-f', form)
            self.assertEqual((2, ''), (code, err))
            return out

        self.assertEqual(expected, json.loads(output('json')))
        self.assertEqual(expected, yaml.safe_load(output('yaml')))
        self.assertEqual(
            [summary.COLUMNS, *(tuple(map(str, row)) for row in rows)],
            [tuple(row) for row in csv.reader(io.StringIO(output('csv')))],
        )
        for row in rows:
            self.assertIn(' '.join(map(str, row)), output('value'))

    def table(self, *arguments, directory=None):
        _, out, err = self.command(
            'report', directory or self.directory, *arguments
        )
        self.assertEqual('', err)
        # The violations follow.
        return out.partition('\n\n')[0].splitlines()

    def test_table_can_be_read(self):
        for number in range(3):
            self.write(test=f'{LONG}{number}', outcome='failure')
        for width in ('80', '100'):
            with self.subTest(width=width):
                self.useFixture(fixtures.EnvironmentVariable('COLUMNS', width))
                lines = self.table()
                self.assertEqual(1, len({len(line) for line in lines}))
                self.assertLessEqual(len(lines[0]), int(width))
                details = ''.join(
                    line.split('|')[-2].strip()
                    for line in lines
                    if '|' in line
                )
                for number in range(3):
                    name = f'{LONG}{number}'.rpartition('test_bug_1.')[2]
                    self.assertIn(name, details.replace(' ', ''))
                self.assertNotIn('nova.tests', details)

    def test_table_of_a_width(self):
        self.write(test=f'{LONG}1', outcome='failure')
        lines = self.table('--max-width', '120')
        self.assertTrue(100 < len(lines[0]) <= 120, len(lines[0]))

    def test_columns(self):
        self.write(test=f'{LONG}1', code='SF301')
        for columns in (('Details',), ('Section', 'Count')):
            with self.subTest(columns=columns):
                chosen = [word for name in columns for word in ('-c', name)]
                lines = self.table(*chosen)
                self.assertEqual(
                    list(columns),
                    [word.strip() for word in lines[1].split('|')[1:-1]],
                )

    def test_short_names_are_as_they_are(self):
        for name in ('a.test_x.TestX.test_y', 'a.b.test_x.TestX.test_z'):
            self.write(test=name, outcome='failure')
        text = '\n'.join(self.table())
        self.assertIn('| a.test_x.TestX.test_y, TestX.test_z ', text)

    def test_modules_are_no_tests(self):
        path = os.path.join(self.directory, 'events-run.jsonl')
        self.configure(audit_file=path)
        with audit.AuditTrail('run') as trail:
            trail.record(
                'configure/run', 'run', arguments=['nova.tests.a.b.test_x']
            )
        self.assertIn('nova.tests.a.b.test_x', ''.join(self.table()))

    def test_several(self):
        paths = [self.write(f'events-{number}.jsonl') for number in range(2)]
        self.assertIn(
            {'Section': 'Records', 'Item': 'events', 'Count': 2,
             'Details': ''},
            json.loads(self.command('report', *paths, '-f', 'json')[1]),
        )  # fmt: skip

    def test_truncated(self):
        path = self.write()
        with open(path, 'a') as file:
            file.write('{"')
        code, out, _ = self.command('report', path, '-f', 'value')
        self.assertEqual(0, code)
        self.assertIn(f'Records truncated lines 1 {path}:2', out)

    def test_truncated_in_the_middle(self):
        path = self.write()
        with open(path, 'a') as file:
            file.write('{"\n')
        self.write(test='other', code='SF301')
        code, out, err = self.command('report', path, '-f', 'value')
        self.assertEqual((2, ''), (code, err))
        self.assertIn('Records events 3', out)
        self.assertIn(f'Records truncated lines 1 {path}:2', out)

    def test_what_cannot_be_read(self):
        empty = self.useFixture(fixtures.TempDir()).path
        absent = os.path.join(empty, 'absent')
        for path, said in (
            (empty, empty),
            (absent, f'there is no report directory or file {absent!r}'),
        ):
            with self.subTest(path=path):
                code, out, err = self.command('report', path)
                self.assertEqual((3, ''), (code, out))
                self.assertIn(said, err)
                self.assertEqual(1, len(err.splitlines()))

    def test_what_is_no_event_is_skipped(self):
        path = self.write()
        with open(path, 'r+') as file:
            text = file.read()
            file.write(f'{{}}\n{text}')
        for place in (path, self.directory):
            with self.subTest(place=place):
                code, out, err = self.command('report', place, '-f', 'value')
                self.assertEqual((1, ''), (code, err))
                self.assertIn('Records skipped 1 ', out)
                self.assertIn(f'{path}:2 ', out)

    def test_path_below_what_is_no_directory(self):
        code, out, err = self.command('report', '/dev/null/x')
        self.assertEqual((3, ''), (code, out))
        self.assertIn('/dev/null/x', err)

    def write_alerts(self):
        path = os.path.join(self.directory, 'events-2.jsonl')
        self.configure(audit_file=path)
        with audit.AuditTrail('t') as trail:
            trail.record(
                'disable', 'host1', before='enabled', after='disabled'
            )
            trail.record('evaluate/test', 't')
            trail.record('evaluate/violation', 'x', code='SF204')

    def alerts(self, *arguments):
        code, out, _ = self.command(
            'report', self.directory, '-f', 'json', *arguments
        )
        self.assertEqual(0, code)
        return [
            row['Item'] for row in json.loads(out)
            if row['Section'] == 'Alerts'
        ]  # fmt: skip

    def test_alerts(self):
        self.write_alerts()
        self.assertEqual(['service left disabled'], self.alerts())
        self.assertEqual(
            ['repeated refused starts', 'service left disabled'],
            self.alerts(
                '--alert', 'refused_starts=1', '--alert', 'refusals=5'
            ),
        )

    def test_no_alerts(self):
        self.write()
        self.assertEqual([], self.alerts())

    def test_limits_that_make_no_sense(self):
        self.write()
        for limit in ('x=1', 'refusals', 'refusals=x', 'refusals=0',
                      'disabled_seconds=nan'):  # fmt: skip
            with self.subTest(limit=limit):
                err = io.StringIO()
                with contextlib.redirect_stderr(err):
                    code, out, _ = self.command(
                        'report', self.directory, '--alert', limit
                    )
                self.assertNotEqual(0, code)
                self.assertEqual('', out)
