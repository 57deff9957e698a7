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

import fixtures

from safe_fixtures import rules
from tests.unit.cli import base


class TestRules(base.TestCase):
    def test_json(self):
        code, out, err = self.command('rules', '-f', 'json')
        self.assertEqual((0, ''), (code, err))
        listed = {row.pop('Code'): row for row in json.loads(out)}
        self.assertEqual(list(rules.RULES), list(listed))
        for code, rule in rules.RULES.items():
            with self.subTest(code=code):
                default = rule.default + (', always' if rule.always else '')
                self.assertEqual(
                    {
                        'Rule': rule.title,
                        'Default': default,
                        'CWE': rule.cwe or '',
                        'Finding': rule.finding,
                        'Remedy': rule.remedy,
                    },
                    listed[code],
                )
        self.assertEqual('enforce, always', listed['SF202']['Default'])
        self.assertEqual('audit', listed['SF104']['Default'])

    def test_csv(self):
        code, out, _ = self.command('rules', '-f', 'csv')
        self.assertEqual(0, code)
        self.assertEqual(
            ['Code', 'Rule', 'Default', 'CWE', 'Finding', 'Remedy'],
            next(csv.reader(io.StringIO(out))),
        )

    def test_table_fits(self):
        code, out, _ = self.command('rules')
        self.assertEqual(0, code)
        widths = {len(line) for line in out.splitlines()}
        self.assertEqual(1, len(widths))
        self.assertLessEqual(widths.pop(), 100)

    def test_table_as_wide_as_it_is(self):
        code, out, _ = self.command('rules', '--max-width', '-1')
        self.assertEqual(0, code)
        for rule in rules.RULES.values():
            with self.subTest(code=rule.code):
                self.assertIn(f'| {rule.remedy} ', out)

    def test_columns(self):
        code, out, _ = self.command('rules', '-f', 'value', '-c', 'Code')
        self.assertEqual((0, list(rules.RULES)), (code, out.split()))

    def test_one_is_explained(self):
        code, out, err = self.command('rules', 'SF203')
        self.assertEqual((0, ''), (code, err))
        rule = rules.RULES['SF203']
        self.assertTrue(out.startswith(f'SF203: {rule.title}\n'), out)
        self.assertIn(rule.remedy, ' '.join(out.split()))
        for text in (
            '  Default mode    audit\n',
            '  Weakness        CWE-696\n',
            'how-to/troubleshoot.html#sf203\n',
            '    from safe_fixtures.nova import SafeIntegratedTestBase\n',
            'A test that breaks it:\n\n    class TestBad(',
            'self.service_toggle.force_down(self.compute)\n',
            'The same test, mended:\n\n    class TestMended(',
            'expecting_servers=True',
        ):
            self.assertIn(text, out)
        self.assertNotIn('License', out)

    def test_each_is_explained(self):
        for width in ('80', '100'):
            self.useFixture(fixtures.EnvironmentVariable('COLUMNS', width))
            code, out, err = self.command(
                'rules', *map(str.lower, rules.RULES)
            )
            self.assertEqual((0, ''), (code, err))
            self.assertEqual(len(rules.RULES), out.count('class TestBad('))
            self.assertEqual(len(rules.RULES), out.count('class TestMended('))
            longest = max(map(len, out.splitlines()))
            self.assertLessEqual(longest, int(width) + 4)

    def test_several_for_a_program(self):
        code, out, _ = self.command('rules', 'SF203', 'SF101', '-f', 'json')
        self.assertEqual(0, code)
        self.assertEqual(
            ['SF203', 'SF101'], [row['Code'] for row in json.loads(out)]
        )

    def test_an_unknown_rule(self):
        for form in ((), ('-f', 'json')):
            code, out, err = self.command('rules', 'SF203', 'SF999', *form)
            self.assertEqual((3, ''), (code, out))
            self.assertIn("'SF999' is not a rule; the rules are SF101", err)
