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

import hypothesis
from hypothesis import strategies

from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import grouping
from tests.support import base

_TESTS = strategies.dictionaries(
    strategies.tuples(
        strategies.sampled_from('abc'),
        strategies.sampled_from('ABCDEF'),
        strategies.sampled_from(('t1', 't2', 't3(x)', 't3(y)')),
    ).map('.'.join),
    strategies.none() | strategies.floats(0, 1e6),
    max_size=40,
)
_MODULES = strategies.sets(strategies.sampled_from('uvwxyz'))


def _tests(ids, together=(), errors=(), skipped=()):
    return discovery.Tests(
        {test_id: test_id.partition('.')[0] for test_id in ids},
        list(together),
        dict.fromkeys(errors, 'no'),
        dict.fromkeys(skipped, 'why'),
        {},
        [],
    )


def _class_of(test_id):
    return test_id.partition('(')[0].rpartition('.')[0]


class TestShard(base.TestCase):
    @hypothesis.given(
        _TESTS,
        strategies.integers(1, 8),
        strategies.sets(strategies.sampled_from('abc')),
        _MODULES,
        _MODULES,
        strategies.randoms(use_true_random=False),
    )
    def test_any(self, known, count, together, errors, skipped, random):
        found = _tests(known, together, errors, skipped)
        weights = grouping.Weights(
            {each: took for each, took in known.items() if took is not None}
        )
        shards = [
            grouping.shard(found, number, count, weights)
            for number in range(1, count + 1)
        ]
        # Complete and disjoint.
        for part in ('tests', 'errors', 'skipped'):
            self.assertEqual(
                sorted(getattr(found, part)),
                sorted(one for each in shards for one in getattr(each, part)),
            )
        # What belongs together is in one shard.
        for of in (
            _class_of,
            lambda test_id: test_id[0] if test_id[0] in together else test_id,
        ):
            places = {
                (of(test_id), number)
                for number, each in enumerate(shards)
                for test_id in each.tests
            }
            self.assertEqual(len({name for name, _ in places}), len(places))
        # The bound of the greedy way.
        named = grouping._named(found).values()
        longest = max(map(weights.of, named), default=0.0)
        even = sum(map(weights.of, named)) / count
        for each in shards:
            self.assertLessEqual(
                sum(map(weights.of, grouping._named(each).values())),
                (even + longest * (count - 1) / count) * (1 + 1e-9),
            )
        # The order in which tests were found makes no difference.
        ids = list(known)
        random.shuffle(ids)
        again = _tests(ids, together, errors, skipped)
        for number, each in enumerate(shards, 1):
            other = grouping.shard(again, number, count, weights)
            self.assertEqual(each.tests, other.tests)

    def test_seconds_count(self):
        found = _tests(['a.A.t1', 'a.B.t1', 'a.B.t2', 'a.C.t1'])
        slow = grouping.Weights({'a.A.t1': 9.0, 'a.B.t1': 1.0, 'a.C.t1': 2.0})
        self.assertEqual(
            [['a.A.t1'], ['a.B.t1', 'a.B.t2', 'a.C.t1']],
            [[*grouping.shard(found, each, 2, slow).tests] for each in (1, 2)],
        )
        self.assertEqual(
            [['a.B.t1', 'a.B.t2'], ['a.A.t1', 'a.C.t1']],
            [
                [*grouping.shard(found, each, 2, grouping.Weights()).tests]
                for each in (1, 2)
            ],
        )


class TestWeights(base.TestCase):
    def test_unknown_test_is_an_average_one(self):
        weights = grouping.Weights({'a': 1.0, 'b': 3.0})
        self.assertEqual(5.0, weights.of(['b', 'c']))

    def test_nothing_known(self):
        self.assertEqual(2.0, grouping.Weights({}).of(['b', 'c']))


class TestGroups(base.TestCase):
    def ids(self, **how):
        found = _tests(['a.A.t1', 'a.B.t1', 'a.B.t2', 'a.C.t1'])
        return [each.ids for each in grouping.groups(found, **how)]

    def test_longest_first(self):
        self.assertEqual(
            [['a.C.t1'], ['a.B.t1', 'a.B.t2'], ['a.A.t1']],
            self.ids(
                concurrency=2,
                weights=grouping.Weights(
                    {'a.A.t1': 1, 'a.B.t1': 1, 'a.B.t2': 2, 'a.C.t1': 4}
                ),
            ),
        )

    def test_one_process(self):
        self.assertEqual(
            [['a.A.t1'], ['a.B.t1', 'a.B.t2'], ['a.C.t1']],
            self.ids(concurrency=1, weights=grouping.Weights({'a.C.t1': 9.0})),
        )

    def test_alone(self):
        self.assertEqual(
            [['a.A.t1'], ['a.B.t1'], ['a.B.t2'], ['a.C.t1']],
            self.ids(concurrency=1, alone=True),
        )
