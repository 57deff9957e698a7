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

import csv
import io
import json
import os
import shlex

import fixtures
import yaml

from safe_fixtures import audit
from tests.unit.cli import base

MODULE = 'nova.tests.functional.regressions.test_bug_1'
TEST = f'{MODULE}.TestOfSomethingWithAQuiteLongName.test_that_is_long'
FIELDS = {
    'message': f'Popen of env in {TEST}',
    'remedy': 'Stub it.',
    'where': '/x/site-packages/nova/tests/test_bug_1.py:7',
    'mode': 'audit',
}


class TestViolations(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.useFixture(fixtures.EnvironmentVariable('COLUMNS', '100'))

    def record(self, code='SF406', test=TEST, times=1, **said):
        path = os.path.join(self.directory, 'events-1.jsonl')
        self.configure(audit_file=path)
        action = said.pop('action', 'evaluate/violation')
        with audit.AuditTrail(test) as trail:
            for _ in range(times):
                trail.record(action, 'x', code=code, **{**FIELDS, **said})

    def report(self, *arguments, status=0):
        code, out, err = self.command('report', self.directory, *arguments)
        self.assertEqual((status, ''), (code, err))
        return out

    def text(self, *arguments, **how):
        """Return what follows the table."""
        return self.report(*arguments, **how).partition('\n\n')[2]

    def test_nothing(self):
        self.record(action='evaluate/image')
        self.assertEqual('No violations\n\n', self.text())

    def test_one(self):
        self.record()
        self.assertEqual(
            '1 recorded violation in 1 test\n'
            '\n'
            'SF406 recorded in 1 test: process spawned\n'
            '  To do: Stub it.\n'
            '  * nova/tests/test_bug_1.py:7\n'
            '    Popen of env\n'
            '    TestOfSomethingWithAQuiteLongName.test_that_is_long\n'
            '\n'
            'All of them:  safe-fixtures report --violations '
            f'{self.directory}\n'
            'About a rule: safe-fixtures rules SF406\n',
            self.text(),
        )

    def test_several(self):
        self.record(times=2)
        self.record(test=f'{TEST}_too', message=f'Popen of env in {TEST}_too')
        self.record(
            test=f'{TEST}_three', message=f'Popen of env in {TEST}_three'
        )
        self.record(message='Popen of ls', remedy='Do not.')
        self.record('SF301', where='', waived='it is meant')
        self.record('SF301', action='deny', expected=True)
        text = self.text()
        self.assertIn(
            '5 recorded, 1 waived violations in 3 tests (1 were expected)\n'
            '\n'
            'SF406 recorded 5 times in 3 tests: process spawned\n'
            '  To do: Stub it.\n',
            text,
        )
        # A name is never broken.
        self.assertIn(
            '    TestOfSomethingWithAQuiteLongName.test_that_is_long (2 '
            'times),\n'
            '    TestOfSomethingWithAQuiteLongName.test_that_is_long_three '
            'and 1 more\n',
            text,
        )
        self.assertIn('    Popen of ls\n    To do: Do not.\n', text)
        # Without a place, the module is needed.
        self.assertIn(f'    {TEST}\n    waived: it is meant\n', text)

    def test_that_would_fail_by_default(self):
        self.record('SF301')
        self.assertIn(
            'SF301 recorded in 1 test: image that is not dummy; in mode '
            'default it fails the test\n',
            self.text(),
        )

    def test_enforced_go_first(self):
        self.record(times=9)
        self.record('SF301', action='deny')
        text = self.text(status=2)
        self.assertLess(
            text.index('SF301 enforced in 1 test'),
            text.index('SF406 recorded 9 times'),
        )

    def test_rules_that_are_broken_most_often_go_first(self):
        self.record('SF406', times=2)
        for number in range(3):
            self.record('SF405', where=f'test_x.py:{number}')
        text = self.text()
        self.assertLess(text.index('SF405 recorded'), text.index('SF406 '))

    def test_too_many(self):
        for number in range(5):
            self.record(where=f'x.py:{number}', times=5 - number)
        for code in range(301, 312):
            self.record(f'SF{code}')
        text = self.text()
        self.assertNotIn('x.py:3', text)
        self.assertIn('    Popen of env\n', text)
        self.assertIn('\n  and 3 more\n', text)
        self.assertIn('\nand SF310 recorded, SF311 recorded\n', text)

    def test_width(self):
        self.record(message='word ' * 60, remedy='do it ' * 60)
        for width in (80, 100):
            self.useFixture(
                fixtures.EnvironmentVariable('COLUMNS', str(width))
            )
            lines = self.text().splitlines()
            longest = max(map(len, lines[:-3]))
            self.assertTrue(width - 8 < longest <= width, longest)

    def test_hostile_records(self):
        self.record(
            'SF\x1b[2J',
            test='t\n\x1b[1m',
            message='a\x1b]0;x\x07\n\ud800' + 'x' * 10**6,
            remedy='\r\x9b',
            where='\u202ex.py:1',
            waived='\x1b[0m',
        )
        for arguments in ((), ('--violations',)):
            text = self.report(*arguments)
            self.assertTrue(text.replace('\n', '').isprintable())
            self.assertLess(len(text), 10**5)

    def test_formats_stay_pure(self):
        self.record()
        rows = json.loads(self.report('-f', 'json'))
        self.assertIn('SF406 recorded', [row['Item'] for row in rows])

    def test_each_by_itself(self):
        self.record(times=2)
        self.record('SF301', where='here', action='deny', expected=True)
        expected = [
            {
                'code': 'SF406',
                'mode': 'audit',
                'outcome': 'recorded',
                'test': TEST,
                'file': '/x/site-packages/nova/tests/test_bug_1.py',
                'line': 7,
                'message': FIELDS['message'],
                'remedy': 'Stub it.',
                'count': 2,
            },
            {
                'code': 'SF301',
                'mode': 'audit',
                'outcome': 'expected',
                'test': TEST,
                'file': '',
                'line': 0,
                'message': FIELDS['message'],
                'remedy': 'Stub it.',
                'count': 1,
            },
        ]

        def output(form):
            return self.report('--violations', '-f', form)

        self.assertEqual(expected, json.loads(output('json')))
        self.assertEqual(expected, yaml.safe_load(output('yaml')))
        self.assertEqual(
            [{name: str(value) for name, value in row.items()}
             for row in expected],
            list(csv.DictReader(io.StringIO(output('csv')))),
        )  # fmt: skip
        self.assertIn('SF406 audit recorded', output('value'))

    def test_table_of_all(self):
        for number in range(5):
            self.record(where=f'x.py:{number}', times=5 - number)
        self.record('SF301', action='deny')
        lines = self.report('--violations', status=2).splitlines()
        self.assertEqual(1, len({len(line) for line in lines}))
        self.assertLessEqual(len(lines[0]), 100)
        cells = [
            [cell.strip() for cell in line.split('|')[1:-1]]
            for line in lines
            if line.startswith('|')
        ]
        self.assertEqual(
            [['Code', 'Outcome', 'Count'], ['SF301', 'enforced', '1']]
            + [['SF406', 'recorded', str(5 - n)] for n in range(5)],
            [row[:3] for row in cells if row[0]],
        )
        self.assertIn('where  x.py:4', [row[3] for row in cells])

    def test_the_command_can_be_copied(self):
        odd = os.path.join(self.directory, 'a b; c')
        os.mkdir(odd)
        self.directory = odd
        self.record()
        (line,) = [
            line
            for line in self.text().splitlines()
            if line.startswith('All of them:')
        ]
        command = shlex.split(line.partition(':')[2])
        self.assertEqual('safe-fixtures', command[0])
        self.assertEqual(0, self.command(*command[1:])[0])


class TestStrictWaivers(base.TestCase):
    def test_a_waiver_without_tests(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'events')
        self.configure(audit_file=path)
        with audit.AuditTrail('run') as trail:
            trail.record('configure/waiver', 'a.*', code='SF203', reason='why')
            trail.record('evaluate/outcome', 'b.x', status='success')
        self.assertEqual((0, ''), self.command('report', path)[::2])
        code, out, err = self.command('report', path, '--strict-waivers')
        self.assertEqual(1, code)
        self.assertIn('SF203 without tests', out)
        self.assertEqual(
            '--strict-waivers: the waiver of SF203 for a.*: it matches no '
            'test of the run\n',
            err,
        )
        with audit.AuditTrail('t') as trail:
            trail.record('allow/waiver', 'x', code='SF203', pattern='a.*')
        code, _, err = self.command('report', path, '--strict-waivers')
        self.assertEqual((0, ''), (code, err))
