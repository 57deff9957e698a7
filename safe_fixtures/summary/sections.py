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

"""The sections of a summary."""

import collections
from collections.abc import Iterator, Mapping, Sequence
import heapq
import sys
from typing import Any

from safe_fixtures.audit import events as audit_events

__all__ = [
    'NAMED',
    'Rows',
    'Run',
    'Services',
    'Tests',
    'Waiting',
    'counted',
    'few',
    'rounded',
]


# Without the section.
Rows = Iterator[tuple[str, int | float, str]]

# The statuses of tests, in the order of the rows: by the names of subunit, by
# the outcomes of CADF, and those that only a runner knows.
_STATUSES = {
    'success': 'passed',
    'fail': 'failed',
    'failure': 'failed',
    'uxsuccess': 'uxsuccess',
    'timeout': 'timeout',
    'died': 'died',
    'lost': 'lost',
    'skip': 'skipped',
    'unknown': 'skipped',
    'xfail': 'xfail',
}
_ALWAYS_SHOWN = ('passed', 'failed', 'skipped')
_FAILURES = ('failed', 'uxsuccess', 'timeout', 'died', 'lost')
# How many are named where there are many.
NAMED = 3
_SLOWEST = 5


class Run:
    """One run, as the process that ran the tests told of it."""

    def __init__(self) -> None:
        self.configured: Mapping[str, Any] = {}
        self.outcomes = 0
        self.seconds: float | None = None
        self.interrupted = False

    def missing(self) -> int:
        """Return how many of its tests have no outcome."""
        tests: int = self.configured.get('tests', 0)
        return max(0, tests - self.outcomes)

    def told(self) -> str:
        """Return how it was run, and whether it came to its end."""
        said = []
        for name in ('mode', 'tests', 'concurrency', 'arguments'):
            value = self.configured.get(name)
            if isinstance(value, list):
                value = ' '.join(str(part) for part in value)
            if value not in (None, ''):
                said.append(f'{name} {value}')
        if self.interrupted:
            said.append('interrupted')
        elif self.seconds is None:
            said.append('not finished')
        return ', '.join(said)


class Tests:
    """How the tests ended: for a runner, or else for the guards."""

    def __init__(self) -> None:
        # A test can be in the records of several runs.
        self._told: dict[str, list[str]] = {}
        self._seen: dict[str, list[str]] = {}

    def add_seen(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        """Take what the guards saw of a test."""
        _append(self._seen, stored, stored['outcome'])

    def add_told(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        """Take what a runner told of a test."""
        _append(self._told, stored, said.get('status', stored['outcome']))

    def failed(self) -> bool:
        """Whether a test did not end well."""
        return not self._by_status().keys().isdisjoint(_FAILURES)

    def rows(self, missing: int) -> Rows:
        """Yield a row for each status; *missing* tests have none."""
        ended = self._by_status()
        for status in dict.fromkeys((*_STATUSES.values(), *ended)):
            tests = ended.get(status, [])
            if tests or status in _ALWAYS_SHOWN:
                named = few(tests) if status in _FAILURES else ''
                yield status, len(tests), named
        if missing:
            yield 'not run', missing, ''

    def _by_status(self) -> dict[str, list[str]]:
        ended: dict[str, list[str]] = {}
        for test, statuses in {**self._seen, **self._told}.items():
            for status in statuses:
                ended.setdefault(status, []).append(test)
        return ended


class Services:
    """The services that were started or changed, and what came of it."""

    def __init__(self) -> None:
        self._started: collections.Counter[str] = collections.Counter()
        self._changes = 0
        self._changed: dict[tuple[str, str], str] = {}
        # Whether the last attempt to restore it succeeded.
        self._restored: dict[tuple[str, str], bool] = {}
        # The smallest first; of the equal ones, the latest.
        self._slowest: list[tuple[float, int, str, str]] = []
        self._restores = 0
        # How long, of what, and in which test.
        self._outages: list[tuple[float, str, str]] = []

    def add_start(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        """Take the start of a service."""
        self._started[said.get('binary', 'a service')] += 1

    def add_change(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        """Take a change to a service."""
        self._changes += 1
        self._changed[_service(stored)] = stored['target']['name']

    def add_outage(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        """Take a time in which a compute was out with servers on it."""
        self._outages.append(
            (
                said.get('seconds', 0.0),
                stored['target']['name'],
                audit_events.Event(stored).test,
            )
        )

    def add_restore(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        """Take an attempt to restore a service."""
        self._restored[_service(stored)] = stored['outcome'] == 'success'
        if 'seconds' not in said:
            return
        self._restores += 1
        entry = (
            said['seconds'],
            -self._restores,
            stored['target']['name'],
            audit_events.Event(stored).test,
        )
        if len(self._slowest) < _SLOWEST:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)

    def rows(self) -> Rows:
        """Yield rows of what was started, toggled and restored."""
        if self._started:
            yield (
                'started',
                self._started.total(),
                ', '.join(
                    f'{binary} ({count})'
                    for binary, count in sorted(self._started.items())
                ),
            )
        changed = self._changed.keys()
        lost = [key for key, good in self._restored.items() if not good]
        pending = [key for key in changed if key not in self._restored]
        yield 'toggled', len(changed), counted(self._changes, 'time')
        yield (
            'restored',
            sum(self._restored.get(key, False) for key in changed),
            '',
        )
        yield 'lost', len(lost), self._named(lost)
        if pending:
            yield 'never restored', len(pending), self._named(pending)
        if self._outages:
            seconds, service, test = max(self._outages)
            yield (
                'out with servers',
                len(self._outages),
                f'times, at most {rounded(seconds)} s ({service} in {test})',
            )

    def slowest_rows(self) -> Rows:
        """Yield a row for each of the slowest restores."""
        for seconds, _, service, test in sorted(self._slowest, reverse=True):
            yield service, seconds, test

    def _named(self, keys: Sequence[tuple[str, str]]) -> str:
        return few(
            [
                f'{self._changed.get(key, "a service")} ({key[0]})'
                for key in keys
            ]
        )


class Waiting:
    """What was won by waiting for a change instead of for some time."""

    def __init__(self) -> None:
        self._tests = 0
        self._waits = 0
        self._cut_short = 0
        self._seconds = 0.0
        self._counts: collections.Counter[str] = collections.Counter()
        self._won: dict[str, float] = {}

    def add(self, stored: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        """Take what one test won."""
        self._tests += 1
        self._waits += said.get('waits', 0)
        self._cut_short += said.get('cut_short', 0)
        self._seconds += said.get('seconds_won', 0.0)
        for helper, (count, seconds) in said.get('helpers', {}).items():
            self._counts[helper] += count
            self._won[helper] = self._won.get(helper, 0.0) + seconds

    def rows(self) -> Rows:
        """Yield rows, if a test told of its waits."""
        if not self._tests:
            return
        yield 'seconds won', self._seconds, ''
        yield 'waits', self._waits, f'in {counted(self._tests, "test")}'
        yield 'cut short', self._cut_short, ''
        for helper in heapq.nlargest(
            _SLOWEST, self._won, key=self._won.__getitem__
        ):
            waits = counted(self._counts[helper], 'wait')
            yield helper, self._won[helper], f'seconds won in {waits}'


def _service(stored: Mapping[str, Any]) -> tuple[str, str]:
    # Its uuid alone may be made of a number that each test has.
    return audit_events.Event(stored).test, stored['target'].get('id', '')


def _append(
    tests: dict[str, list[str]], stored: Mapping[str, Any], status: str
) -> None:
    tests.setdefault(sys.intern(stored['target']['name']), []).append(
        _STATUSES.get(status, status)
    )


def counted(count: int, noun: str) -> str:
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def few(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ', '.join(names[:NAMED]) + (f' and {more} more' if more > 0 else '')


def rounded(count: int | float) -> int | float:
    return round(count, 3) if isinstance(count, float) else count
