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

"""Sections on what the tests did, and on the records of it."""

import collections
from collections.abc import Iterable
import heapq
from typing import Any

from safe_fixtures.audit import events
from safe_fixtures.summary import sections

__all__ = [
    'Checks',
    'Microversions',
    'Records',
    'Services',
    'SlowestRestores',
    'SpeedUp',
    'Waiting',
]

# How many restores or helpers have a row.
_SHOWN = 5


class Services(sections.Section):
    """The services that were started or changed, and what became of them."""

    title = 'Services'

    def __init__(self) -> None:
        self._started: collections.Counter[str] = collections.Counter()
        self._changes = 0
        # The name, by test and service.
        self._changed: dict[tuple[str, str], str] = {}
        # Whether the last attempt to restore it succeeded.
        self._restored: dict[tuple[str, str], bool] = {}
        # Seconds, service and test.
        self._outages: list[tuple[float, str, str]] = []

    def add(self, event: events.Event) -> None:
        key = event.test, event.target_id
        if event.action == events.START:
            self._started[event.details.get('binary', 'a service')] += 1
        elif event.action in events.CHANGES:
            self._changes += 1
            self._changed[key] = event.target
        elif event.action == events.RESTORE:
            self._restored[key] = event.outcome == 'success'
        elif event.action == events.OUTAGE:
            self._outages.append((event.seconds, event.target, event.test))

    def rows(self) -> sections.Rows:
        if self._started:
            started = sections.with_counts(sorted(self._started.items()))
            yield 'started', self._started.total(), started
        failed = [key for key, good in self._restored.items() if not good]
        pending = [key for key in self._changed if key not in self._restored]
        good = sum(self._restored.get(key, False) for key in self._changed)
        changes = sections.plural(self._changes, 'change')
        yield 'toggled', len(self._changed), changes if self._changes else ''
        yield 'restored', good, ''
        yield 'restore failed', len(failed), self._named(failed)
        if pending:
            yield 'never restored', len(pending), self._named(pending)
        if self._outages:
            seconds, service, test = max(self._outages)
            longest = f'longest {seconds:.3f} s ({service} in {test})'
            yield 'outages', len(self._outages), longest

    def _named(self, keys: Iterable[tuple[str, str]]) -> str:
        names = ((self._changed.get(key, 'a service'), key[0]) for key in keys)
        return sections.first([f'{name} ({test})' for name, test in names])


class SlowestRestores(sections.Section):
    """The restores that took longest."""

    title = 'Slowest restores'

    def __init__(self) -> None:
        # Seconds, service and test; the slowest first.
        self._slowest: list[tuple[float, str, str]] = []

    def add(self, event: events.Event) -> None:
        if event.action == events.RESTORE and 'seconds' in event.details:
            restore = event.seconds, event.target, event.test
            self._slowest = heapq.nlargest(
                _SHOWN, [*self._slowest, restore], key=lambda each: each[0]
            )

    def rows(self) -> sections.Rows:
        for seconds, service, test in self._slowest:
            yield service, seconds, test


class Microversions(sections.Section):
    """The microversions of requests, and where the API has moved on."""

    title = 'Microversions'

    def __init__(self) -> None:
        self._requests: collections.Counter[str] = collections.Counter()
        # What requests for "latest" were served at.
        self._latest: collections.Counter[str] = collections.Counter()
        # The tests, by message.
        self._drift: dict[str, set[str]] = {}

    def add(self, event: events.Event) -> None:
        if event.action == events.PIN:
            self._latest[event.details.get('served', 'unknown')] += 1
        elif event.action == events.REQUESTS:
            self._requests.update(event.details.get('requests', {}))
        elif event.code == 'SF104' and event.is_violation:
            if event.kind != 'expected':
                message = event.details.get('message', '')
                self._drift.setdefault(message, set()).add(event.test)

    def rows(self) -> sections.Rows:
        for version in sorted(
            self._requests.keys() | self._latest.keys(), key=_version_key
        ):
            details = 'requests without a version' if version == 'none' else ''
            requests, latest = self._requests[version], self._latest[version]
            if latest:
                # They are among the requests, unless that record is lost.
                asked = 'all' if latest >= requests else f'{latest} of them'
                details = f'{asked} asked for latest'
            yield version, max(requests, latest), details
        for message, tests in sorted(self._drift.items()):
            yield 'drift, tests', len(tests), message


class Checks(sections.Section):
    """What guards checked."""

    title = 'Checked'

    def __init__(self) -> None:
        self._actions: collections.Counter[str] = collections.Counter()
        # By outcome.
        self._permissions: collections.Counter[str] = collections.Counter()

    def add(self, event: events.Event) -> None:
        self._actions[event.action] += 1
        if event.action == events.PERMISSIONS:
            self._permissions[event.outcome] += 1

    def rows(self) -> sections.Rows:
        yield 'images', self._actions[events.IMAGE], ''
        yield 'flavors', self._actions[events.FLAVOR], ''
        if self._permissions:
            wrong = self._permissions['failure']
            checked = wrong + self._permissions['success']
            details = f'{self._permissions["unknown"]} not checked'
            yield 'server permissions', checked, f'{wrong} wrong, {details}'


class Waiting(sections.Section):
    """The time saved by waiting for a change instead of sleeping."""

    title = 'Waiting'

    def __init__(self) -> None:
        self._tests = self._waits = self._cut_short = 0
        self._seconds = 0.0
        self._counts: collections.Counter[str] = collections.Counter()
        self._saved: dict[str, float] = collections.defaultdict(float)

    def add(self, event: events.Event) -> None:
        if event.action != events.WAIT:
            return
        self._tests += 1
        self._waits += event.details.get('waits', 0)
        self._cut_short += event.details.get('cut_short', 0)
        self._seconds += event.details.get('seconds_won', 0.0)
        helpers = event.details.get('helpers', {})
        for helper, (count, seconds) in helpers.items():
            self._counts[helper] += count
            self._saved[helper] += seconds

    def rows(self) -> sections.Rows:
        if not self._tests:
            return
        yield 'seconds saved', self._seconds, ''
        tests = sections.plural(self._tests, 'test')
        yield 'waits', self._waits, f'in {tests}'
        yield 'cut short', self._cut_short, ''
        most = heapq.nlargest(_SHOWN, self._saved.items(), key=lambda x: x[1])
        for helper, seconds in most:
            if round(seconds, 3) == 0:
                continue
            waits = sections.plural(self._counts[helper], 'wait')
            yield helper, seconds, f'seconds saved in {waits}'


class SpeedUp(sections.Section):
    """What was taken from memory instead of being made anew."""

    title = 'Warm set-up'

    def __init__(self) -> None:
        self._hits: collections.Counter[str] = collections.Counter()
        self._misses: collections.Counter[str] = collections.Counter()
        # Why a cure was switched off.
        self._off: dict[str, str] = {}
        # How long all tests took, reruns too, and some of them both ways.
        self._seconds = 0.0
        self._paired = 0
        self._with = self._without = 0.0

    def add(self, event: events.Event) -> None:
        if event.action in (events.TEST_OUTCOME, events.RERUN):
            self._seconds += event.seconds
        elif event.action == events.PAIRED:
            self._paired += event.details.get('tests', 0)
            self._with += event.details.get('seconds_with', 0.0)
            self._without += event.details.get('seconds_without', 0.0)
        if event.action != events.SPEED_UP:
            return
        for cure, (hits, misses) in event.details.get('cures', {}).items():
            self._hits[cure] += hits
            self._misses[cure] += misses
        self._off.update(event.details.get('off', {}))

    def rows(self) -> sections.Rows:
        if self._with:
            estimate = self._seconds * self._without / self._with
            yield (
                'seconds without',
                estimate,
                f'estimated from {sections.plural(self._paired, "test")} '
                f'run both ways; {self._seconds:.1f} with warm set-up and '
                'shorter waits',
            )
        for cure, hits in self._hits.most_common():
            yield cure, hits, f'from memory, {self._misses[cure]} made anew'
        for cure, reason in sorted(self._off.items()):
            yield f'without {cure}', 0, reason


class Records(sections.Section):
    """The records themselves: how many there are, and what is missing.

    :ivar truncated: the lines that are not JSON, as ``file:line``.
    :ivar skipped: what is no event or cannot be read, and why.
    """

    title = 'Records'
    always = True

    def __init__(self) -> None:
        self.truncated: list[str] = []
        self.skipped: list[str] = []
        self._events = 0
        # Fields that were left out, and the first of them.
        self._unreadable = 0
        self._named: list[str] = []
        # The highest number and the count of numbers, by initiator.
        self._numbers: dict[str, tuple[int, int]] = {}

    def add(self, event: events.Event) -> None:
        self._events += 1
        for name in event.unreadable:
            self._unreadable += 1
            if self._unreadable <= sections.NAMED:
                where = event.place or event.test
                self._named.append(f'{where} ({name} of {event.action})')
        number = event.sequence
        if number is not None:
            highest, count = self._numbers.get(event.initiator, (0, 0))
            self._numbers[event.initiator] = max(highest, number), count + 1

    def rows(self) -> sections.Rows:
        yield 'events', self._events, ''
        numbers = self._numbers.values()
        missing = sum(max(0, highest - count) for highest, count in numbers)
        if missing:
            yield 'missing', missing, 'gaps in the numbers of events'
        if self.truncated:
            lines = self.truncated
            yield 'truncated lines', len(lines), sections.first(lines)
        if self.skipped:
            yield 'skipped', len(self.skipped), sections.first(self.skipped)
        if self._unreadable:
            more = self._unreadable - len(self._named)
            named = ', '.join(self._named) + (
                f' and {more} more' if more else ''
            )
            yield 'unreadable fields', self._unreadable, named


def _version_key(version: str) -> tuple[Any, ...]:
    # A service other than compute comes before its version.
    service, _, number = version.rpartition(' ')
    parts = number.split('.')
    if all(part.isdecimal() and len(part) < _SHOWN * 2 for part in parts):
        return (service, 0, *map(int, parts))
    # After all numbers.
    return service, 1, version
