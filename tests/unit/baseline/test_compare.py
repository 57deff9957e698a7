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

"""What differs between runs."""

import dataclasses
import json

from safe_fixtures.baseline import compare
from tests.unit.baseline import base
from tests.unit.summary import test_hostile

OTHER = 'tests.x.Y.test_other'


class TestCompare(base.TestCase):
    def setUp(self):
        super().setUp()
        self.number = 0

    def runs(self, *runs):
        """Write a run for each list of tests; return the directories."""
        paths = []
        for tests in runs:
            self.number += 1
            paths.append(self.write(*tests, run=f'run{self.number}'))
        return paths

    def compared(self, before, after):
        """Compare one run with another, each given as its tests."""
        return compare.compare(self.runs(before), self.runs(after))

    def assertViolations(self, expected, groups):
        self.assertEqual(
            expected,
            [(each.first.message, dict(each.tests)) for each in groups],
        )

    def test_nothing_differs(self):
        tests = [self.test(('SF301', 'what')), self.test(name=OTHER)]
        found = self.compared(tests, tests)
        self.assertEqual(
            compare.Comparison([], [], [], [], [], [], 1.0, [], []), found
        )
        self.assertEqual(
            [('Times', 'pace', 1.0, 'of the median test')], found.rows()
        )

    def test_violations(self):
        found = self.compared(
            [
                self.test(
                    ('SF301', 'stays 1'), ('SF301', 'less'),
                    ('SF301', 'less'), ('SF301', 'goes'),
                ),
                self.test(('SF301', 'of a test that is gone'), name=OTHER),
            ],
            [
                self.test(
                    ('SF301', 'stays 2'), ('SF301', 'less'),
                    ('SF301', 'comes'), ('SF301', 'comes'),
                ),
                self.test(('SF301', 'comes'), name='tests.x.Y.new'),
            ],
        )  # fmt: skip
        self.assertViolations(
            [('comes', {base.TEST: 2, 'tests.x.Y.new': 1})], found.appeared
        )
        self.assertViolations(
            [('goes', {base.TEST: 1}), ('less', {base.TEST: 1})], found.gone
        )

    def test_places_do_not_differ(self):
        one, other = (
            self.test(('SF301', 'what', {'where': f'{place}/tests/x.py:{n}'}))
            for n, place in enumerate(('/a', '/b/c'), 1)
        )
        found = self.compared([one], [other])
        self.assertEqual(([], []), (found.appeared, found.gone))

    def test_what_is_waived_is_gone(self):
        why = {'waiver': {'reason': 'why'}}
        found = self.compared(
            [self.test(('SF301', 'what'))], [self.test(('SF301', 'what', why))]
        )
        self.assertEqual([], found.appeared)
        self.assertViolations([('what', {base.TEST: 1})], found.gone)

    def test_outcomes(self):
        found = self.compared(
            [self.test(), self.test(name=OTHER), self.test(name='x.old')],
            [
                self.test(status='fail'),
                self.test(name=OTHER),
                self.test(name='x.new', status='fail'),
            ],
        )
        self.assertEqual(
            [compare.Changed(base.TEST, 'success', 'fail')], found.changed
        )
        self.assertEqual(
            (['x.new'], ['x.old']), (found.new_tests, found.lost_tests)
        )

    def test_outcomes_that_differ_themselves(self):
        found = compare.compare(
            self.runs([self.test()], [self.test()]),
            self.runs([self.test()], [self.test(status='died')]),
        )
        self.assertEqual(
            [compare.Changed(base.TEST, 'success', 'died (2 different)')],
            found.changed,
        )

    def slower(self, before, after):
        """Compare seconds of a test; return whether it is slower."""
        found = compare.compare(
            *(
                self.runs(*([self.test(seconds=each)] for each in seconds))
                for seconds in (before, after)
            )
        )
        return bool(found.slower)

    def test_slower(self):
        for before, after, is_slower in (
            ([4.0], [6.0], True),
            ([4.0], [5.9], False),
            ([1.0], [2.9], False),
            ([1.0], [3.0], True),
            ([0.0], [2.0], True),
            ([4.0], [2.0], False),
            # The median of two is their mean.
            ([4.0, 4.0], [4.0, 8.0], True),
            ([4.0, 4.0], [4.0, 7.9], False),
            ([4.0, 4.1, 4.2], [4.7, 4.6, 4.9], True),
            ([4.0, 4.1, 4.2], [4.5, 4.5, 4.5], False),
            ([4.0, 4.1, 5.0], [4.9, 6.0, 6.0], False),
            ([40.0, 40.0, 40.0], [43.0, 43.0, 43.0], False),
            ([40.0, 40.0, 40.0], [44.0, 44.0, 44.0], True),
            # Three against two are no series.
            ([4.0, 4.1, 4.2], [4.7, 4.7], False),
        ):
            with self.subTest(f'{before} {after}'):
                self.assertEqual(is_slower, self.slower(before, after))

    def test_seconds_of_tests_that_fail_do_not_count(self):
        found = self.compared(
            [self.test(status='fail', seconds=1.0)],
            [self.test(status='fail', seconds=60.0)],
        )
        self.assertEqual([], found.slower)

    def test_slowest_first(self):
        found = compare.compare(
            self.runs([self.test(), self.test(name=OTHER)]),
            self.runs(
                [self.test(seconds=4.0), self.test(name=OTHER, seconds=9.0)]
            ),
        )
        self.assertEqual([OTHER, base.TEST], [e.test for e in found.slower])
        self.assertEqual('1.00 -> 9.00 s', found.slower[0].describe())
        self.assertEqual(
            '2.00 (1.00 to 3.00) -> 4.50 (4.00 to 5.00) s',
            compare.Slower('x', (1.0, 2.0, 3.0), (4.0, 5.0)).describe(),
        )

    def many(self, seconds, slow, number=20):
        return [
            *(
                self.test(name=f'x.{each}', seconds=seconds)
                for each in range(number)
            ),
            self.test(seconds=slow),
        ]

    def test_pace_of_the_machine(self):
        found = self.compared(self.many(2.0, 2.0), self.many(6.0, 6.0))
        self.assertEqual((3.0, []), (found.pace, found.slower))
        found = self.compared(self.many(2.0, 2.0), self.many(6.0, 12.0))
        self.assertEqual([base.TEST], [each.test for each in found.slower])

    def test_pace_of_too_few_tests(self):
        found = self.compared(self.many(2.0, 2.0, 18), self.many(6.0, 6.0, 18))
        self.assertEqual((1.0, 19), (found.pace, len(found.slower)))

    def test_faster_machine(self):
        found = self.compared(self.many(20.0, 8.0), self.many(2.0, 7.0))
        self.assertEqual((0.1, []), (found.pace, found.slower))

    def services(self, *restored):
        """Return a test that changes services, of which some are restored."""

        def write(of_run):
            with base.audit.AuditTrail(base.TEST) as trail:
                for name, outcome in zip(
                    ('host1', 'host2'), restored, strict=False
                ):
                    trail.record('disable', name, target_id=name)
                    if outcome:
                        trail.record(
                            'restore/service',
                            name,
                            target_id=name,
                            outcome=outcome,
                        )

        return write

    def test_services(self):
        found = self.compared(
            [self.services('success', '')],
            [self.services('failure', '')],
        )
        self.assertEqual([compare.Left('host1', base.TEST)], found.left)
        found = self.compared(
            [self.services()], [self.services('success', '')]
        )
        self.assertEqual([compare.Left('host2', base.TEST)], found.left)

    def test_rows(self):
        found = self.compared(
            [self.test(('SF301', 'goes')), self.test(name='x.old')],
            [
                self.test(
                    (
                        'SF302',
                        f'comes in {base.TEST}',
                        {
                            'where': '/v/site-packages/a/x.py:3',
                            'mode': 'enforce',
                        },
                    ),
                    status='fail',
                ),
                self.test(name='x.new'),
                self.services(''),
            ],
        )
        self.assertEqual(
            [
                (
                    'Appeared',
                    'SF302 enforced',
                    1,
                    f'a/x.py:3: comes; in {base.TEST} (1)',
                ),
                ('Gone', 'SF301 recorded', 1, f'goes; in {base.TEST} (1)'),
                ('Outcomes', 'success -> fail', 1, base.TEST),
                ('Tests', 'new', 1, 'x.new'),
                ('Tests', 'gone', 1, 'x.old'),
                ('Times', 'pace', 1.0, 'of the median test'),
                ('Services', 'left changed', 1, f'host1; {base.TEST}'),
            ],
            found.rows(),
        )

    def test_records_that_cannot_be_read(self):
        before, after = self.runs([self.test()], [self.test()])
        self.poison(before)
        found = compare.compare([before], [after])
        self.assertEqual(1, len(found.missing))
        self.assertIn(('Records', 'not read', 1, found.missing[0]),
                      found.rows())  # fmt: skip
        self.assertRaises(FileNotFoundError, compare.compare, ['x'], [after])

    def test_hostile_records(self):
        before, after = self.runs([self.test()], [self.test()])
        with open(f'{before}/events-1.jsonl') as file:
            template = json.loads(file.readlines()[-1])
        for action in test_hostile.ACTIONS:
            for value in test_hostile.HOSTILE:
                content = dict.fromkeys(
                    ('seconds', 'status', 'off', 'message', 'where'), '@@'
                )
                template['action'] = action
                template['attachments'][0]['content'] = content
                line = json.dumps(template).replace('"@@"', value)
                self.poison(after, line + '\n')
        found = compare.compare([before], [after])
        self.assertTrue(found.rows())
        self.assertTrue(dataclasses.asdict(found))
