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

"""``safe-fixtures report --compare``."""

import json

from tests.unit.baseline import base as baseline_base
from tests.unit.cli import base


class TestCompare(base.TestCase, baseline_base.TestCase):
    def setUp(self):
        super().setUp()
        self.before = self.write(self.test(), run='before')
        self.after = self.write(
            self.test(('SF301', 'what', {'mode': 'enforce'}), status='fail'),
            *(self.test(name=f'x.{number:03}') for number in range(30)),
            run='after',
        )

    def report(self, *arguments):
        code, out, err = self.command('report', *arguments)
        self.assertEqual('', err)
        return code, out

    def test_rows(self):
        code, out = self.report(
            self.after, '--compare', self.before, '-f', 'json'
        )
        self.assertEqual(2, code)
        rows = json.loads(out)
        self.assertEqual(
            ['Appeared', 'Outcomes'], [row['Section'] for row in rows[:2]]
        )
        self.assertEqual(30, sum(row['Section'] == 'Tests' for row in rows))

    def test_table_is_short(self):
        _, out = self.report(self.after, '--compare', self.before)
        self.assertIn('x.019', out)
        self.assertNotIn('x.020', out)
        self.assertRegex(out, r'more *\| +10 \| -f json has all')

    def test_exit_code_is_of_the_runs_after(self):
        code, _ = self.report(self.before, '--compare', self.after)
        self.assertEqual(0, code)

    def test_several(self):
        code, out = self.report(
            self.after, self.before,
            '--compare', self.before, '--compare', self.after,
            '-f', 'json',
        )  # fmt: skip
        self.assertEqual(
            [{'Section': 'Times', 'Item': 'pace', 'Count': 1.0,
              'Details': 'of the median test'}],
            json.loads(out),
        )  # fmt: skip

    def test_what_cannot_be_read(self):
        code, out, err = self.command(
            'report', self.after, '--compare', 'absent'
        )
        self.assertEqual((3, ''), (code, out))
        self.assertIn('absent', err)

    def test_names_stay_text(self):
        after = self.write(self.test(name='x.\x1b[31m'), run='hostile')
        _, out = self.report(after, '--compare', self.before)
        self.assertIn(r'x.\x1b[31m', out)
        self.assertNotIn('\x1b', out)
