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

"""Tests that stay together, the order of such groups, and their shards."""

from collections.abc import Iterable, Mapping
import dataclasses
import heapq
import random
import statistics

from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import process as child

__all__ = ['Weights', 'groups', 'shard']


class Weights:
    """How long tests will take, as far as that is known.

    A test that is not known is taken to be an average one.

    :param seconds: of the tests of an earlier run. They count from a
        thousandth up, so that a group of instant tests still counts.
    """

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self._seconds = seconds or {}
        self._average = (
            statistics.fmean(sorted(self._seconds.values()))
            if self._seconds
            else 1.0
        )

    def of(self, ids: Iterable[str]) -> float:
        """Return the seconds of tests; without any known, their number."""
        return sum(
            max(self._seconds.get(each, self._average), 0.001)
            for each in sorted(ids)
        )


def groups(
    found: discovery.Tests,
    *,
    concurrency: int,
    seed: int | None = None,
    weights: Weights | None = None,
    alone: bool = False,
) -> list[child.Group]:
    """Return the groups of tests, in the order in which they are to run.

    :param found: the tests.
    :param concurrency: how many processes run groups.
    :param seed: shuffles the groups, and the tests of each.
    :param weights: how long tests take; default: all the same.
    :param alone: whether each test is a group of its own.
    """
    together = set(found.together)
    if alone:
        chosen = [[test_id] for test_id in found.tests]
    else:
        chosen = list(_named(found).values())
    if concurrency > 1:
        # The longest first: nobody should wait for one that starts last. One
        # process keeps the order of other runners: some tests need it.
        weights = weights or Weights()
        chosen.sort(key=weights.of, reverse=True)
    if seed is not None:
        shuffle = random.Random(seed).shuffle
        # The order in which they were named or found must not count.
        chosen = sorted(map(sorted, chosen))
        shuffle(chosen)
        for ids in chosen:
            shuffle(ids)
    return [
        child.Group(
            ids,
            sources,
            # Their suite has an order of its own.
            shuffled=seed is not None and together.isdisjoint(sources),
        )
        for ids in chosen
        for sources in [list(dict.fromkeys(found.tests[one] for one in ids))]
    ]


def shard(
    found: discovery.Tests, number: int, count: int, weights: Weights
) -> discovery.Tests:
    """Return the tests of one of several machines.

    Each test is in exactly one shard, and groups stay together. From the same
    tests and seconds, every machine makes the same shards. The longest group
    goes first, each to the shard that has least so far: so no shard exceeds
    an even share by more than its last group.

    :param found: all tests.
    :param number: which shard, from 1.
    :param count: how many shards there are.
    :param weights: how long tests take.
    """
    named = _named(found)
    longest = sorted(named, key=lambda name: (-weights.of(named[name]), name))
    shards = [(0.0, each) for each in range(1, count + 1)]
    chosen: set[str] = set()
    for name in longest:
        seconds, least = shards[0]
        heapq.heapreplace(shards, (seconds + weights.of(named[name]), least))
        if least == number:
            chosen.update(named[name])
    return dataclasses.replace(
        found,
        tests={
            test_id: source
            for test_id, source in found.tests.items()
            if test_id in chosen
        },
        errors=_every(found.errors, number, count),
        skipped=_every(found.skipped, number, count),
    )


def _named(found: discovery.Tests) -> dict[str, list[str]]:
    """Return the tests that stay together, by their class or module."""
    together = set(found.together)
    named: dict[str, list[str]] = {}
    for test_id, source in found.tests.items():
        name = test_id.partition('(')[0].rpartition('.')[0]
        if source in together:
            name = source
        named.setdefault(name, []).append(test_id)
    return named


def _every(
    modules: Mapping[str, str], number: int, count: int
) -> dict[str, str]:
    chosen = sorted(modules)[number - 1 :: count]
    return {name: modules[name] for name in chosen}
