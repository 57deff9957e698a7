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


import collections
import re

from safe_fixtures.baseline import compare
from safe_fixtures.report import markdown
from safe_fixtures.summary import violations
from tests.unit.report import base

CODE = re.compile(r'(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)')


class TestMarkdown(base.TestCase):
    def text(self, **more):
        text = markdown.compose(self.found(), **more)
        self.assertTrue(text.endswith('\n'))
        self.assertLessEqual(len(text.splitlines()), 60)
        return text

    def test_passed(self):
        self.run_of(('a.T.test', 'success', 1), ('a.T.no', 'skip', 0))
        with self.trail('1', 'a.T.test') as trail:
            trail.record('evaluate/test', 'a.T.test')
        self.assertEqual(
            """\
### safe_fixtures: passed

2 tests, and none failed.

| | Count |
|---|---:|
| Tests passed | 1 |
| Tests failed | 0 |
| Tests skipped | 1 |
| Violations enforced | 0 |
| Violations recorded | 0 |

""",
            self.text(),
        )

    def test_flaky(self):
        self.run_of(('a.T.one', 'fail', 1))
        self.rerun('a.T.one', flaky=True)
        text = self.text()
        self.assertIn('| Tests flaky | 1 |', text)
        self.assertIn('- `a.T.one` flaky', text)

    def test_failed(self):
        self.run_of(
            ('a.T.one', 'fail', 1), ('a.T.two', 'timeout', 1),
            ('a.T.three', 'success', 1), tests=5,
        )  # fmt: skip
        self.say('a.T.one', '  File "x"\nValueError: bad')
        self.violate(message='an outage', test='a.T.three')
        self.violate('SF301', test='a.T.one', message='big', mode='enforce')
        text = self.text()
        self.assertIn('### safe_fixtures: failed\n', text)
        self.assertIn(
            '2 of 3 tests failed; 1 violation of enforced rules; '
            '2 tests not run.\n', text,
        )  # fmt: skip
        self.assertIn('- `a.T.one` failed: `ValueError: bad`\n', text)
        self.assertIn('- `a.T.two` timeout\n', text)
        self.assertIn('| Tests not run | 2 |', text)
        lines = text.splitlines()
        self.assertEqual(
            ['<details open>', '<summary>2 violations, 2 different</summary>'],
            [line for line in lines if line.startswith('<')][:2],
        )
        (one, two) = (line for line in lines if line.startswith('- **'))
        self.assertTrue(
            one.startswith(
                '- **SF301** enforced, 1 time, at `/elsewhere/tests/t.py:7`: '
                '`big. Use an image'
            ),
            one,
        )
        self.assertTrue(two.startswith('- **SF203** recorded, 1 time'), two)

    def test_equal_acts_are_one(self):
        for test in ('a.T.one', 'a.T.one', 'a.T.two'):
            self.violate(test=test, message=f'{test} did 3', where=None)
        text = self.text()
        self.assertIn('<summary>3 violations, 1 different</summary>', text)
        self.assertIn(
            '- **SF203** recorded, 3 times in 2 tests, at `a.T.', text
        )

    def test_expected_ones_are_only_counted(self):
        self.violate(expected=[])
        text = self.text()
        self.assertIn('| Violations expected | 1 |', text)
        self.assertNotIn('SF203', text)

    def test_nothing_was_hardened(self):
        self.run_of(('a.T.test', 'success', 1))
        self.assertIn('no test was hardened.', self.text())

    def test_a_part_was_not_read(self):
        self.run_of(('a.T.test', 'success', 1))
        with open(f'{self.directory}/events-run.jsonl', 'a') as file:
            file.write('{}\n')
        self.assertIn('a part of the records could not be read', self.text())

    def test_new_since_a_baseline(self):
        self.violate()
        self.assertNotIn('baseline', self.text())
        self.assertIn('**New since the baseline: none**', self.text(new=()))
        ((violation, _),) = self.found().found.listed()
        group = violations.Group(violation, collections.Counter(x=2))
        text = self.text(new=[group] * 9)
        self.assertIn('**New since the baseline: 9 violations**', text)
        self.assertIn('- ... and 3 more', text)

    def compared(self, number=1):
        groups = self.found().found.folded()
        return compare.Comparison(
            appeared=groups * number,
            gone=groups,
            changed=[compare.Changed('a.T.x', 'success', 'fail')] * number,
            new_tests=['a.T.new'],
            lost_tests=[],
            slower=[compare.Slower('a.T.x', (1.0,), (4.0,))] * number,
            pace=1.0,
            left=[compare.Left('host1', 'a.T.x')] * number,
            missing=[],
        )

    def test_compared_with_earlier_runs(self):
        self.violate()
        text = self.text(compared=self.compared())
        self.assertIn(
            '**Since the runs before: 1 violation appeared, 1 violation gone, '
            '1 outcome changed, 1 service newly left changed, 1 test slower**',
            text,
        )
        for line in (
            '- `a.T.x`: success, now fail',
            '- `a.T.x` leaves `host1` changed',
            '- `a.T.x` takes longer: 1.00 -> 4.00 s',
        ):
            self.assertIn(f'\n{line}\n', text)
        self.assertIn(
            '**Since the runs before: no change**',
            self.text(compared=self.compared(0)).replace(
                '1 violation gone', 'no change'
            ),
        )

    def test_debts_are_no_violations_of_enforced_rules(self):
        self.violate('SF301', mode='enforce')
        self.assertIn('1 violation of enforced rules', self.text())
        self.assertNotIn('of enforced rules', self.text(new=()))

    def test_at_most_60_lines(self):
        statuses = (
            'success', 'fail', 'uxsuccess', 'timeout', 'died', 'lost', 'skip',
            'xfail',
        )  # fmt: skip
        self.run_of(
            *((f'a.T.test{n}', statuses[n % 8], 1) for n in range(80)),
            tests=99,
        )
        for number in range(70):
            self.violate(where=f'/x.py:{number}')
        for mode, how in (
            ('enforce', {}), ('audit', {'waiver': {'reason': 'so'}}),
            ('audit', {'expected': []}),
        ):  # fmt: skip
            self.violate('SF301', mode=mode, **how)
        groups = self.found().found.folded()
        self.assertIn('- ... and 40 more', self.text(new=groups))
        for new in (None, groups):
            self.text(new=new, compared=self.compared(20))

    def test_hostile(self):
        self.run_of(*((name, 'fail', 1) for name in base.HOSTILE))
        for text in base.HOSTILE:
            self.say('a.T.test', text)
            with self.trail('1', text) as trail:
                trail.record('deny', text, code=text, message=text)
        found = self.found()
        for groups in (None, found.found.folded()):
            for line in self.text(new=groups).splitlines():
                self.assertLess(len(line), 1500)
                self.assertTrue(line.isprintable(), line)
                if not line.startswith('- '):
                    continue
                # Nothing of a record is outside of code.
                rest = CODE.sub('', line)
                self.assertRegex(rest, r'^[- .:,*\w]*$')
                for word in ('everyone', 'script', 'http', 'x'):
                    self.assertNotIn(word, rest.replace('expected', ''))
