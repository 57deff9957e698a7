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

"""Compare runs: what is new, what is gone, and what takes longer."""

import collections
from collections.abc import Callable, Iterable, Iterator
import dataclasses
import statistics

from safe_fixtures.audit import events
from safe_fixtures.runtime import printable
from safe_fixtures.summary import debts as summary_debts
from safe_fixtures.summary import places
from safe_fixtures.summary import reader
from safe_fixtures.summary import sections
from safe_fixtures.summary import violations

__all__ = ['Changed', 'Comparison', 'Left', 'Slower', 'compare']

_SERIES = 3  # runs of a test that show how much its time differs anyway
# How much longer a test must take to count as slower: as a factor, and in
# seconds. Of a series, the times before and after may not overlap besides.
_IN_SERIES = 1.1, 0.5
_ALONE = 1.5, 2.0
# Tests that are needed to tell the pace of a whole run, and the seconds that
# each must take.
_PACED = 20, 0.1
# What a runner says of a test, the worst first.
_STATUSES = (
    'died', 'timeout', 'lost', 'fail', 'uxsuccess', 'xfail', 'skip', 'success',
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Changed:
    """A test with another outcome than before.

    :ivar test: its id (str).
    :ivar before: the worst outcome before, such as ``success`` (str).
    :ivar after: the worst outcome after (str).
    """

    test: str
    before: str
    after: str


@dataclasses.dataclass(frozen=True)
class Slower:
    """A test that takes longer than before, beyond what differs anyway.

    :ivar test: its id (str).
    :ivar before: its seconds before, sorted (tuple of float).
    :ivar after: its seconds after, sorted (tuple of float).
    """

    test: str
    before: tuple[float, ...]
    after: tuple[float, ...]

    def describe(self) -> str:
        """Return both times; of several runs, the median and the interval."""
        return f'{_interval(self.before)} -> {_interval(self.after)} s'


@dataclasses.dataclass(frozen=True)
class Left:
    """A service that a test has changed and not restored.

    :ivar service: its name (str).
    :ivar test: the id of the test (str).
    """

    service: str
    test: str


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What differs between two sets of runs.

    :ivar appeared: violations that are new, or more often; the same ones
        folded (list of
        :class:`~safe_fixtures.summary.violations.Group`).
    :ivar gone: those that are gone, or less often, of tests that still run.
    :ivar changed: tests with another outcome (list of Changed).
    :ivar new_tests: ids of tests that did not run before (list of str).
    :ivar lost_tests: ids of tests that ran before only (list of str).
    :ivar slower: tests that take longer (list of Slower).
    :ivar pace: how many times as long the median test takes (float); 1.0 if
        too few tests ran in both. A test counts as slower if it is so beyond
        that.
    :ivar left: services that are left changed, and were not before (list of
        Left).
    :ivar missing: records that cannot be read, and so were not compared
        (list of str).
    """

    appeared: list[violations.Group]
    gone: list[violations.Group]
    changed: list[Changed]
    new_tests: list[str]
    lost_tests: list[str]
    slower: list[Slower]
    pace: float
    left: list[Left]
    missing: list[str]

    def rows(self) -> list[tuple[str, str, int | float | str, str]]:
        """Return what differs, as rows like those of a summary."""
        return [
            *_violation_rows('Appeared', self.appeared),
            *_violation_rows('Gone', self.gone),
            *(
                ('Outcomes', f'{each.before} -> {each.after}', 1, each.test)
                for each in self.changed
            ),
            *(('Tests', 'new', 1, test) for test in self.new_tests),
            *(('Tests', 'gone', 1, test) for test in self.lost_tests),
            ('Times', 'pace', round(self.pace, 3), 'of the median test'),
            *(
                (
                    'Times',
                    'slower',
                    round(_factor(each), 2),
                    f'{each.describe()}; {each.test}',
                )
                for each in self.slower
            ),
            *(
                ('Services', 'left changed', 1, f'{each.service}; {each.test}')
                for each in self.left
            ),
            *(('Records', 'not read', 1, place) for place in self.missing),
        ]


def compare(before: Iterable[str], after: Iterable[str]) -> Comparison:
    """Return what differs between runs.

    With three runs or more on both sides, a test is slower if its fastest
    time after exceeds its slowest time before, and the median grew by 10 %
    and 0.5 s at least. With fewer, the median must have grown by half and
    2 s at least. What the median of all tests grew is no change of a test.

    Example::

        found = compare(['yesterday'], ['today'])
        for test in found.changed:
            print(test.test, test.before, test.after)

    :param before: as for :func:`safe_fixtures.summary.read`.
    :param after: the same.
    :raises: OSError, ValueError: as by :func:`safe_fixtures.summary.read`.
    """
    old, new = _Side(before), _Side(after)
    both = sorted(old.statuses.keys() & new.statuses.keys())
    pace = _pace(old.seconds, new.seconds)
    return Comparison(
        appeared=_more(old.done, new.done, lambda test: True),
        gone=_more(new.done, old.done, new.ran),
        changed=[
            Changed(test, old.status(test), new.status(test))
            for test in both
            if old.status(test) != new.status(test)
        ],
        new_tests=sorted(new.statuses.keys() - old.statuses.keys()),
        lost_tests=sorted(old.statuses.keys() - new.statuses.keys()),
        slower=_slower(old.seconds, new.seconds, pace),
        pace=pace,
        left=[
            Left(service, test)
            for test, service in sorted(new.left() - old.left())
        ],
        missing=[*old.missing, *new.missing],
    )


class _Side:
    """The runs of one side."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.done = summary_debts.Done()
        self.missing: list[str] = []
        self.statuses: dict[str, set[str]] = {}
        self.seconds: dict[str, list[float]] = {}
        self._guarded: set[str] = set()
        # Whether a service is restored, and its name, by test and service.
        self._services: dict[tuple[str, str], tuple[bool, str]] = {}
        for event in reader.views(paths, self.missing, self.missing):
            self._add(event)

    def _add(self, event: events.Event) -> None:
        self.done.add(event)
        key = event.test, event.target_id or event.target
        if event.action == events.TEST_OUTCOME:
            self._end(printable.line(event.target), event)
        elif event.action == events.TEST_END:
            self._guarded.add(printable.line(event.target))
        elif event.action in events.CHANGES:
            self._services[key] = False, printable.line(event.target)
        elif event.action == events.RESTORE and key in self._services:
            name = self._services[key][1]
            self._services[key] = event.outcome == 'success', name

    def _end(self, test: str, event: events.Event) -> None:
        status = event.details.get('status', event.outcome)
        known = status if status in _STATUSES else 'unknown'
        self.statuses.setdefault(test, set()).add(known)
        # Others may have ended early.
        if known == 'success':
            self.seconds.setdefault(test, []).append(event.seconds)

    def status(self, test: str) -> str:
        """Return the worst outcome of a test; more are named."""
        found = self.statuses[test]
        worst = [status for status in _STATUSES if status in found]
        if len(worst) > 1:
            return f'{worst[0]} ({len(worst)} different)'
        return worst[0] if worst else 'unknown'

    def ran(self, test: str) -> bool:
        """Whether a test ran guarded."""
        return test in self._guarded

    def left(self) -> set[tuple[str, str]]:
        """Return the tests, and the services that each left changed."""
        return {
            (printable.line(test), name)
            for (test, _), (restored, name) in self._services.items()
            if not restored
        }


def _more(
    before: summary_debts.Done,
    after: summary_debts.Done,
    counts: Callable[[str], bool],
) -> list[violations.Group]:
    """Return what was done after and not before, or less often."""
    groups: dict[tuple[str, ...], violations.Group] = {}
    for key, count in after.counts.items():
        rule, test, file, act = key
        more = count - before.counts.get(key, 0)
        if more > 0 and counts(test):
            group = groups.setdefault(
                (rule, file, act),
                violations.Group(after.first[key], collections.Counter()),
            )
            group.tests[test] += more
    return [
        group
        for _, group in sorted(
            groups.items(), key=lambda each: (-each[1].count, each[0])
        )
    ]


def _pace(
    before: dict[str, list[float]], after: dict[str, list[float]]
) -> float:
    """Return how many times as long the median test takes."""
    enough, least = _PACED
    factors = [
        statistics.median(after[test]) / statistics.median(seconds)
        for test, seconds in before.items()
        if test in after and min(*seconds, *after[test]) >= least
    ]
    return statistics.median(factors) if len(factors) >= enough else 1.0


def _slower(
    before: dict[str, list[float]], after: dict[str, list[float]], pace: float
) -> list[Slower]:
    # That a machine is faster makes no test slower.
    pace = max(1.0, pace)
    found = [
        Slower(test, tuple(sorted(seconds)), tuple(sorted(after[test])))
        for test, seconds in before.items()
        if test in after
    ]
    slower = [each for each in found if _is_slower(each, pace)]
    return sorted(
        slower,
        key=lambda each: (
            statistics.median(each.before) - statistics.median(each.after),
            each.test,
        ),
    )


def _is_slower(each: Slower, pace: float) -> bool:
    old = statistics.median(each.before) * pace
    new = statistics.median(each.after)
    is_series = min(len(each.before), len(each.after)) >= _SERIES
    factor, seconds = _IN_SERIES if is_series else _ALONE
    if is_series and each.after[0] <= each.before[-1] * pace:
        return False
    return new >= factor * old and new - old >= seconds


def _factor(each: Slower) -> float:
    before = statistics.median(each.before)
    # A test may take no time at all.
    return statistics.median(each.after) / max(before, 0.001)


def _interval(seconds: tuple[float, ...]) -> str:
    text = f'{statistics.median(seconds):.2f}'
    if len(seconds) > 1:
        text += f' ({seconds[0]:.2f} to {seconds[-1]:.2f})'
    return text


def _violation_rows(
    section: str, groups: Iterable[violations.Group]
) -> Iterator[tuple[str, str, int, str]]:
    for group in groups:
        first = group.first
        most = sorted(group.tests.items(), key=lambda each: (-each[1], each))
        named = sections.with_counts(most[: sections.NAMED])
        more = len(most) - sections.NAMED
        rest = f' and {more} more' if more > 0 else ''
        place = f'{places.place(first)}: ' if first.file else ''
        yield (
            section,
            f'{first.code} {first.outcome}',
            group.count,
            f'{place}{first.act}; in {named}{rest}',
        )
