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

"""The section on debts, and what it does to the exit code."""

from safe_fixtures import summary
from tests.unit.baseline import base

OTHER = 'tests.x.Y.test_other'
ENFORCED = {'mode': 'enforce'}


class TestBaseline(base.TestCase):
    def total(self, debts, *tests, **more):
        return summary.summarize([self.write(*tests, **more)], debts=debts)

    def rows(self, total):
        return {
            item: (count, details)
            for section, item, count, details in total.rows()
            if section == 'Baseline'
        }

    def assertCounts(self, expected, code, debts, *tests, **more):
        total = self.total(debts, *tests, **more)
        rows = self.rows(total)
        found = {
            item: count
            for item, (count, _) in rows.items()
            if item not in ('debts', 'waivers')
        }
        self.assertEqual(expected, found)
        self.assertEqual(code, total.exit_code())
        return rows

    def test_without_a_baseline(self):
        total = self.total(None, self.test(('SF301', 'what', ENFORCED)))
        self.assertEqual({}, self.rows(total))
        self.assertEqual(2, total.exit_code())

    def test_empty_baseline(self):
        rows = self.assertCounts({}, 0, [], self.test())
        self.assertEqual((0, 'in 0 tests'), rows['debts'])

    def test_known(self):
        self.assertCounts(
            {'SF301 known': 2},
            0,
            [base.debt(count=2)],
            self.test(*[('SF301', 'what', ENFORCED)] * 2),
        )

    def test_new(self):
        self.assertCounts(
            {'SF301 known': 1, 'SF301 new': 1, 'SF302 new': 1},
            2,
            [base.debt()],
            self.test(
                ('SF301', 'what', ENFORCED),
                ('SF302', 'what'),
                ('SF301', 'other', ENFORCED),
            ),
        )

    def test_more_often_than_the_debt_says(self):
        test = self.test(*[('SF301', 'what', ENFORCED)] * 3)
        expected = {'SF301 known': 2, 'SF301 new': 1}
        self.assertCounts(expected, 2, [base.debt(count=2)], test)
        folded = self.test(('SF301', 'what', {**ENFORCED, 'times': 3}))
        self.assertCounts(
            expected, 2, [base.debt(count=2)], folded, run='folded'
        )

    def test_new_ones_that_are_only_recorded_fail_nothing(self):
        self.assertCounts(
            {'SF301 new': 1}, 0, [], self.test(('SF301', 'what'))
        )

    def test_what_is_waived_is_not_new(self):
        why = {'waiver': {'reason': 'why'}}
        self.assertCounts(
            {},
            0,
            [],
            self.test(
                ('SF301', 'what', {**ENFORCED, **why}),
                ('SF301', 'what', {**ENFORCED, 'expectation': []}),
            ),
        )

    def test_each_run_of_a_test_may_do_it(self):
        test = self.test(('SF301', 'what', ENFORCED))
        self.assertCounts({'SF301 known': 2}, 0, [base.debt()], test, test)

    def test_failing_test_is_not_excused(self):
        self.assertCounts(
            {'SF301 known': 1},
            1,
            [base.debt()],
            self.test(('SF301', 'what', ENFORCED), status='fail'),
        )

    def test_failed_by_what_is_known(self):
        known = 'SF301', 'what', ENFORCED
        cases = (
            ([known], [base.debt()], 'owed', 0),
            ([known, ('SF302', 'more')], [base.debt()], 'owed', 0),
            # Too often, or something else.
            ([known] * 2, [base.debt()], 'failed', 2),
            ([known, ('SF301', 'x', ENFORCED)], [base.debt()], 'failed', 2),
            ([('SF301', 'x', ENFORCED), known], [base.debt()], 'failed', 2),
            ([known], [], 'failed', 2),
            ([known], None, 'failed', 2),
            # Nothing that was refused is on record.
            ([('SF301', 'what')], [base.debt()], 'failed', 1),
            ([], [base.debt()], 'failed', 1),
        )
        for number, (violations, debts, item, code) in enumerate(cases):
            with self.subTest(violations=violations, debts=debts):
                total = self.total(
                    debts,
                    self.test(*violations, status='fail', by_violations=True),
                    run=str(number),
                )
                self.assertEqual(code, total.exit_code())
                (named,) = [
                    row[1] for row in total.rows()
                    if row[0] == 'Tests' and row[3] == base.TEST
                ]  # fmt: skip
                self.assertEqual(item, named)

    def test_a_run_that_failed_by_itself(self):
        owed = self.test(
            ('SF301', 'what', ENFORCED), status='fail', by_violations=True
        )
        total = self.total([base.debt()], owed, self.test(status='fail'))
        self.assertEqual(1, total.exit_code())

    def test_as_guards_saw_it(self):
        for by_violations, code in ((True, 0), (False, 1)):
            with self.subTest(by_violations=by_violations):
                test = self.test(
                    ('SF301', 'what', ENFORCED),
                    status='fail',
                    by_violations=by_violations,
                    runner=False,
                )
                total = self.total([base.debt()], test, run=str(by_violations))
                self.assertEqual(code, total.exit_code())

    def test_looks_fixed(self):
        rows = self.assertCounts(
            {'SF301 known': 1, 'SF301 looks fixed': 2},
            0,
            [base.debt(count=3), base.debt(test=OTHER)],
            self.test(('SF301', 'what')),
        )
        self.assertEqual(
            (2, f'in 1 test, most in {base.TEST} (2)'),
            rows['SF301 looks fixed'],
        )
        self.assertEqual((4, 'in 2 tests, of we (4)'), rows['debts'])

    def test_waivers(self):
        def listed(trail):
            trail.record('configure/waiver', 'x.*', code='SF203', reason='so')

        def waived(pattern):
            return {'waiver': {'reason': 'why', **pattern}}

        rows = self.assertCounts(
            {},
            0,
            [],
            listed,
            self.test(
                ('SF203', 'a', waived({'pattern': 'x.*'})),
                ('SF203', 'b', waived({'pattern': 'x.*'})),
                ('SF203', 'c', waived({})),
                ('SF301', 'd', waived({})),
            ),
            self.test(('SF301', 'd', waived({})), name=OTHER),
        )
        self.assertEqual((4, 'each with a reason'), rows['waivers'])

    def test_owners(self):
        debts = [
            base.debt(str(number), owner=f'team {number % 4}')
            for number in range(9)
        ]
        rows = self.assertCounts({}, 0, debts)
        self.assertEqual(
            (9, 'in 1 test, of team 0 (3), team 1 (2), team 2 (2)'),
            rows['debts'],
        )
