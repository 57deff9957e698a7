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

"""Which violations become debts, and which debts are paid."""

import dataclasses
import itertools
import json

from safe_fixtures.baseline import accept
from safe_fixtures.baseline import toml
from safe_fixtures.core import debts
from tests.unit.baseline import base
from tests.unit.summary import test_hostile

OTHER = 'tests.x.Y.test_other'


class TestAccept(base.TestCase):
    def accepted(self, *paths, **more):
        return accept.accept(paths, 'we', **more)

    def assertDebts(self, expected, *paths, **more):
        found = self.accepted(*paths, **more)
        self.assertEqual(
            sorted(map(dataclasses.astuple, expected)),
            sorted(map(dataclasses.astuple, found.debts)),
        )
        return found

    def test_what_counts(self):
        path = self.write(
            self.test(
                ('SF301', 'recorded'),
                ('SF301', 'enforced', {'mode': 'enforce'}),
                ('SF301', 'waived', {'waiver': {'reason': 'why'}}),
                ('SF301', 'expected', {'expectation': []}),
                ('SF301', 'owed', {'mode': 'enforce', 'is_debt': True}),
            )
        )
        found = self.assertDebts(
            [base.debt(name) for name in ('recorded', 'enforced', 'owed')],
            path,
        )
        self.assertEqual((1, 0, []), (
            found.enforced, found.refused, found.missing
        ))  # fmt: skip

    def test_line_and_numbers_do_not_count(self):
        path = self.write(
            self.test(
                ('SF301', 'image 1', {'where': '/a/tests/x.py:1'}),
                ('SF301', 'image 22', {'where': '/a/tests/x.py:333'}),
                ('SF301', 'image 22', {'where': '/a/tests/y.py:1'}),
            )
        )
        self.assertDebts(
            [
                base.debt('image *', 2, file='tests/x.py'),
                base.debt('image *', 1, file='tests/y.py'),
            ],
            path,
        )

    def test_folded_events(self):
        path = self.write(
            self.test(
                ('SF301', 'what'),
                ('SF301', 'what', {'times': 4}),
                ('SF302', 'what', {'times': 10**12}),
                ('SF302', 'what', {'times': 10**12}),
            )
        )
        self.assertDebts(
            [base.debt(count=5), base.debt(rule='SF302', count=debts.MOST)],
            path,
        )

    def test_the_run_of_a_test_that_did_most(self):
        once, twice = (
            self.test(*[('SF301', 'what')] * count) for count in (1, 2)
        )
        paths = [
            self.write(once, run='a'),
            self.write(twice, once, run='b'),
        ]
        self.assertDebts([base.debt(count=2)], *paths)

    def test_rules_without_debts(self):
        path = self.write(
            self.test(
                ('SF202', 'toggle', {'mode': 'enforce'}), ('SF301', 'what')
            )
        )
        event = self.events_of(path)[1]
        event['reason']['reasonCode'] = 'SF999'
        self.append(path, event)
        found = self.assertDebts([base.debt()], path)
        self.assertEqual(2, found.refused)

    def events_of(self, path):
        with open(f'{path}/events-1.jsonl') as file:
            return list(map(json.loads, file))

    def test_owners_stay(self):
        path = self.write(self.test(('SF301', 'one'), ('SF301', 'two')))
        self.assertDebts(
            [base.debt('one', owner='they'), base.debt('two')],
            path,
            before=[
                base.debt('one', 7, owner='they'),
                base.debt('gone', owner='they'),
            ],
        )

    def test_records_that_cannot_be_read(self):
        path = self.write(self.test(('SF301', 'what')))
        self.poison(path)
        found = self.assertDebts([base.debt()], path)
        self.assertEqual(1, len(found.missing))

    def test_nothing_to_read(self):
        self.assertRaises(FileNotFoundError, self.accepted, 'absent')
        self.assertRaises(ValueError, self.accepted, str(self.home))

    def test_hostile_events(self):
        path = self.write(self.test(('SF301', 'what')))
        template = next(
            event for event in self.events_of(path) if 'reason' in event
        )
        for field, value in itertools.product(
            ('message', 'where', 'folded', 'baseline', 'mode', 'remedy'),
            test_hostile.HOSTILE,
        ):
            template['attachments'][0]['content'] = {field: '@@'}
            line = json.dumps(template).replace('"@@"', value)
            self.poison(path, line + '\n')
        for name in ('\x1b[31m', 'a"b\\c', 'x' * 10**6, '\udcff', '\n', ' '):
            template['initiator']['name'] = name
            self.append(path, template)
        found = self.accepted(path)
        file = str(self.home / 'baseline.toml')
        toml.write(file, found.debts)
        self.assertCountEqual(found.debts, debts.read(file))


class TestPrune(base.TestCase):
    def pruned(self, given, *tests, owner=None, **more):
        path = self.write(*tests, **more)
        return accept.prune(given, [path], owner)

    def assertLeft(self, left, given, *tests, **more):
        found = self.pruned(given, *tests, **more)
        self.assertEqual(left, found.debts)
        return found

    def test_what_is_paid(self):
        given = [base.debt('one'), base.debt('two', 3), base.debt('three', 2)]
        found = self.assertLeft(
            [base.debt('two', 1), base.debt('three', 2)],
            given,
            self.test(
                ('SF301', 'two'), ('SF301', 'three'), ('SF301', 'three')
            ),
        )
        self.assertEqual(
            (1, 1, 0), (found.removed, found.lowered, found.unproved)
        )

    def test_nothing_is_added(self):
        given = [base.debt('one')]
        self.assertLeft(
            given,
            given,
            self.test(*[('SF301', 'one')] * 5, ('SF301', 'new')),
            self.test(('SF301', 'new'), name=OTHER),
        )

    def test_test_that_is_no_proof(self):
        given = [base.debt()]
        for about in (
            {'name': OTHER},
            {'guarded': False},
            *({'status': status} for status in (
                'fail', 'skip', 'xfail', 'uxsuccess', 'timeout', 'died',
                'lost',
            )),
        ):  # fmt: skip
            with self.subTest(about):
                found = self.assertLeft(
                    given, given, self.test(**about), run=str(about)[:40]
                )
                self.assertEqual(1, found.unproved)
        self.assertLeft([], given, self.test(status=None))

    def test_test_that_passed_and_failed(self):
        given = [base.debt()]
        self.assertLeft(given, given, self.test(), self.test(status='fail'))

    def test_rule_that_was_off(self):
        given = [base.debt(), base.debt(rule='SF302')]
        self.assertLeft(given[:1], given, self.test(), off=['SF301'])

    def test_owner(self):
        given = [base.debt('one'), base.debt('two', owner='they')]
        self.assertLeft(given[:1], given, self.test(), owner='they')

    def test_waived_since(self):
        """It does not count any more: the reason has taken its place."""
        self.assertLeft(
            [],
            [base.debt()],
            self.test(('SF301', 'what', {'waiver': {'reason': 'why'}})),
        )

    def test_records_that_cannot_be_read(self):
        path = self.write(self.test())
        self.assertEqual([], accept.prune([base.debt()], [path]).debts)
        self.poison(path)
        error = self.assertRaises(
            ValueError, accept.prune, [base.debt()], [path]
        )
        self.assertIn('events-1.jsonl:', str(error))
