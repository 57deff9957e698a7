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

"""The sections of a summary: each counts some events, and yields rows."""

import collections
from collections.abc import Iterable, Iterator, Sequence
import heapq
import sys
from typing import Any

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import rules

__all__ = [
    'Alerts', 'Checks', 'Microversions', 'Records', 'Rows', 'Runs', 'Section',
    'Services', 'SlowestRestores', 'Tests', 'Violations', 'Waiting', 'Waivers',
]  # fmt: skip

#: Item, count and details of each row.
Rows = Iterator[tuple[str, int | float, str]]

# The statuses of tests, in the order of the rows: as subunit names them, as
# CADF outcomes, and those that only a runner knows.
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
_KINDS = ('enforced', 'recorded', 'waived', 'expected')
# How many tests, files or alerts a row names.
_NAMED = 3
# How many restores or helpers have a row.
_SHOWN = 5


class Section:
    """Part of a summary.

    :cvar title: what the column "Section" says.
    """

    title = ''

    def add(self, event: events.Event) -> None:
        """Count an event, if it belongs to this section."""
        raise NotImplementedError

    def rows(self) -> Rows:
        """Yield the rows of this section."""
        raise NotImplementedError


class _Run:
    """One run, as the process that ran the tests recorded it."""

    def __init__(self) -> None:
        self.configured: dict[str, Any] = {}
        self.outcomes = 0
        self.seconds: float | None = None
        self.interrupted = False

    @property
    def not_run(self) -> int:
        """How many of its tests have no outcome."""
        tests: int = self.configured.get('tests', 0)
        return max(0, tests - self.outcomes)

    def describe(self) -> str:
        """Return how it was run, and whether it finished."""
        parts = []
        for name in ('mode', 'tests', 'concurrency', 'arguments'):
            value = self.configured.get(name)
            if isinstance(value, list):
                value = ' '.join(map(str, value))
            if value not in (None, ''):
                parts.append(f'{name} {value}')
        if self.interrupted:
            parts.append('interrupted')
        elif self.seconds is None:
            parts.append('not finished')
        return ', '.join(parts)


class Runs(Section):
    """The runs of ``safe-fixtures run``."""

    title = 'Run'

    def __init__(self) -> None:
        # By initiator: each trail of a process that runs tests has its own.
        self._runs: dict[str, _Run] = collections.defaultdict(_Run)

    def add(self, event: events.Event) -> None:
        if event.action == events.RUN:
            self._runs[event.initiator].configured = event.details
        elif event.action == events.TEST_OUTCOME:
            self._runs[event.initiator].outcomes += 1
        elif event.action == events.RUN_END:
            run = self._runs[event.initiator]
            run.seconds = event.seconds
            run.interrupted = bool(event.details.get('interrupted'))

    def rows(self) -> Rows:
        for run in self._runs.values():
            if run.configured or run.seconds is not None:
                yield 'seconds', run.seconds or 0.0, run.describe()

    @property
    def not_run(self) -> int:
        """How many tests were to run and have no outcome."""
        return sum(run.not_run for run in self._runs.values())

    @property
    def interrupted(self) -> bool:
        """Whether a run was interrupted."""
        return any(run.interrupted for run in self._runs.values())


class Tests(Section):
    """How the tests ended: what the runner says beats what guards saw.

    :param runs: knows how many tests were not run.
    """

    title = 'Tests'

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        # By test; several runs can have the same test.
        self._seen: dict[str, list[str]] = {}
        self._reported: dict[str, list[str]] = {}

    def add(self, event: events.Event) -> None:
        if event.action == events.TEST_END:
            found, status = self._seen, event.outcome
        elif event.action == events.TEST_OUTCOME:
            found = self._reported
            status = event.details.get('status', event.outcome)
        else:
            return
        found.setdefault(sys.intern(event.target), []).append(
            _STATUSES.get(status, status)
        )

    def rows(self) -> Rows:
        by_status = self._by_status()
        for status in dict.fromkeys((*_STATUSES.values(), *by_status)):
            tests = by_status.get(status, [])
            if tests or status in _ALWAYS_SHOWN:
                named = _first(tests) if status in _FAILURES else ''
                yield status, len(tests), named
        if self._runs.not_run:
            yield 'not run', self._runs.not_run, ''

    @property
    def failed(self) -> bool:
        """Whether a test failed or was not run."""
        failures = self._by_status().keys() & set(_FAILURES)
        return bool(failures or self._runs.not_run)

    def _by_status(self) -> dict[str, list[str]]:
        by_status: dict[str, list[str]] = {}
        for test, statuses in {**self._seen, **self._reported}.items():
            for status in statuses:
                by_status.setdefault(status, []).append(test)
        return by_status


class Violations(Section):
    """The violations of each rule, by how they were taken."""

    title = 'Violations'

    def __init__(self) -> None:
        # How many in which test, by rule and kind.
        self._counts: dict[tuple[str, str], collections.Counter[str]] = (
            collections.defaultdict(collections.Counter)
        )

    def add(self, event: events.Event) -> None:
        if event.is_violation:
            key = event.code or 'unknown', event.kind
            self._counts[key][event.test] += 1

    def rows(self) -> Rows:
        if not self._counts:
            yield 'none', 0, ''
        for code, kind in sorted(
            self._counts, key=lambda key: (key[0], _KINDS.index(key[1]))
        ):
            tests = self._counts[code, kind]
            rule = rules.RULES.get(code)
            title = rule.title if rule else 'unknown rule'
            # Sorted by name too: the order of the records does not matter.
            worst = heapq.nsmallest(
                _NAMED, tests.items(), key=lambda item: (-item[1], item[0])
            )
            yield (
                f'{code} {kind}',
                tests.total(),
                f'{title}; in {_plural(len(tests), "test")}, most in '
                f'{_with_counts(worst)}',
            )

    @property
    def enforced(self) -> bool:
        """Whether an enforced rule was violated."""
        return any(kind == 'enforced' for _, kind in self._counts)


class Alerts(Section):
    """The alerts that the events raised.

    :param alerts: raises them.
    """

    title = 'Alerts'

    def __init__(self, alerts: audit.Alerts) -> None:
        self._alerts = alerts

    def add(self, event: events.Event) -> None:
        self._alerts.add(event.stored)

    def rows(self) -> Rows:
        by_rule: dict[str, list[audit.Alert]] = {}
        for alert in self._alerts.raised(ended=True):
            by_rule.setdefault(alert.rule, []).append(alert)
        for rule, alerts in sorted(by_rule.items()):
            for alert in alerts[:_NAMED]:
                details = f'{alert.message}; in {_first(alert.tests)}'
                yield rule, alert.count, details
            more = alerts[_NAMED:]
            if more:
                tests = dict.fromkeys(
                    test for alert in more for test in alert.tests
                )
                yield (
                    rule,
                    sum(alert.count for alert in more),
                    f'{_plural(len(more), "more alert")}; in '
                    f'{_first(list(tests))}',
                )
        if self._alerts.dropped:
            yield 'more', self._alerts.dropped, 'dropped'


class Waivers(Section):
    """The waivers that applied, and those of the waivers file that did not."""

    title = 'Waivers'

    def __init__(self) -> None:
        # By rule and pattern; a waiver in a test has no pattern.
        self._reasons: dict[tuple[str, str], str] = {}
        self._applied: collections.Counter[tuple[str, str]] = (
            collections.Counter()
        )
        self._in_tests: collections.Counter[str] = collections.Counter()

    def add(self, event: events.Event) -> None:
        if event.action == events.RUN_WAIVER:
            reason = event.details.get('reason', '')
            self._reasons[event.code, event.target] = reason
        elif event.action == events.WAIVER:
            pattern = event.details.get('pattern')
            if pattern is None:
                self._in_tests[event.code] += 1
            else:
                self._applied[event.code, pattern] += 1

    def rows(self) -> Rows:
        for code, pattern in sorted(
            self._applied.keys() | self._reasons.keys()
        ):
            reason = self._reasons.get((code, pattern))
            count = self._applied[code, pattern]
            yield (
                f'{code} {"applied" if count else "stale"}',
                count,
                f'{pattern}: {reason}' if reason else pattern,
            )
        for code, count in sorted(self._in_tests.items()):
            yield f'{code} applied', count, 'by @waive in tests'


class Services(Section):
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

    def rows(self) -> Rows:
        if self._started:
            started = _with_counts(sorted(self._started.items()))
            yield 'started', self._started.total(), started
        failed = [key for key, good in self._restored.items() if not good]
        pending = [key for key in self._changed if key not in self._restored]
        good = sum(self._restored.get(key, False) for key in self._changed)
        yield 'toggled', len(self._changed), _plural(self._changes, 'change')
        yield 'restored', good, ''
        yield 'restore failed', len(failed), self._named(failed)
        if pending:
            yield 'never restored', len(pending), self._named(pending)
        if self._outages:
            seconds, service, test = max(self._outages)
            yield (
                'outages',
                len(self._outages),
                f'longest {rounded(seconds)} s ({service} in {test})',
            )

    def _named(self, keys: Sequence[tuple[str, str]]) -> str:
        return _first(
            [
                f'{self._changed.get(key, "a service")} ({key[0]})'
                for key in keys
            ]
        )


class SlowestRestores(Section):
    """The restores that took longest."""

    title = 'Slowest restores'

    def __init__(self) -> None:
        self._count = 0
        # A heap: the fastest first; of equal ones, the latest.
        self._slowest: list[tuple[float, int, str, str]] = []

    def add(self, event: events.Event) -> None:
        if event.action != events.RESTORE or 'seconds' not in event.details:
            return
        self._count += 1
        heapq.heappush(
            self._slowest,
            (event.seconds, -self._count, event.target, event.test),
        )
        if len(self._slowest) > _SHOWN:
            heapq.heappop(self._slowest)

    def rows(self) -> Rows:
        for seconds, _, service, test in sorted(self._slowest, reverse=True):
            yield service, seconds, test


class Microversions(Section):
    """The microversions of requests, and where the API has moved on."""

    title = 'Microversions'

    def __init__(self) -> None:
        self._requests: collections.Counter[str] = collections.Counter()
        # What "latest" was served at.
        self._latest: collections.Counter[str] = collections.Counter()
        # The tests, by message.
        self._drift: dict[str, set[str]] = {}

    def add(self, event: events.Event) -> None:
        if event.action == events.PIN:
            self._latest[event.details.get('served', 'unknown')] += 1
        elif event.action == events.REQUESTS:
            self._requests.update(event.details.get('requests', {}))
        elif (
            event.is_violation
            and event.code == 'SF104'
            and event.kind != 'expected'
        ):
            message = event.details.get('message', '')
            self._drift.setdefault(message, set()).add(event.test)

    def rows(self) -> Rows:
        for version in sorted(self._requests, key=_version_key):
            details = 'requests without a version' if version == 'none' else ''
            yield version, self._requests[version], details
        served = _with_counts(
            (version, self._latest[version])
            for version in sorted(self._latest, key=_version_key)
        )
        details = f'served at {served}' if served else ''
        yield 'latest', self._latest.total(), details
        for message, tests in sorted(self._drift.items()):
            yield 'drift, tests', len(tests), message


class Checks(Section):
    """What guards checked."""

    title = 'Checked'

    def __init__(self) -> None:
        self._images = 0
        self._flavors = 0
        # By outcome.
        self._permissions: collections.Counter[str] = collections.Counter()

    def add(self, event: events.Event) -> None:
        if event.action == events.IMAGE:
            self._images += 1
        elif event.action == events.FLAVOR:
            self._flavors += 1
        elif event.action == events.PERMISSIONS:
            self._permissions[event.outcome] += 1

    def rows(self) -> Rows:
        yield 'images', self._images, ''
        yield 'flavors', self._flavors, ''
        if self._permissions:
            wrong = self._permissions['failure']
            yield (
                'server permissions',
                wrong + self._permissions['success'],
                f'{wrong} wrong, {self._permissions["unknown"]} not checked',
            )


class Waiting(Section):
    """The time saved by waiting for a change instead of sleeping."""

    title = 'Waiting'

    def __init__(self) -> None:
        self._tests = 0
        self._waits = 0
        self._cut_short = 0
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

    def rows(self) -> Rows:
        if not self._tests:
            return
        yield 'seconds saved', self._seconds, ''
        yield 'waits', self._waits, f'in {_plural(self._tests, "test")}'
        yield 'cut short', self._cut_short, ''
        for helper in heapq.nlargest(
            _SHOWN, self._saved, key=self._saved.__getitem__
        ):
            waits = _plural(self._counts[helper], 'wait')
            yield helper, self._saved[helper], f'seconds saved in {waits}'


class Records(Section):
    """The records themselves: how many there are, and what is missing.

    :ivar truncated: the lines that could not be read, as ``file:line``.
    """

    title = 'Records'

    def __init__(self) -> None:
        self.truncated: list[str] = []
        self._events = 0
        # The highest number and the count of numbers, by initiator.
        self._numbers: dict[str, tuple[int, int]] = {}

    def add(self, event: events.Event) -> None:
        self._events += 1
        number = event.sequence
        if number is not None:
            highest, count = self._numbers.get(event.initiator, (0, 0))
            self._numbers[event.initiator] = max(highest, number), count + 1

    def rows(self) -> Rows:
        yield 'events', self._events, ''
        missing = sum(
            max(0, highest - count)
            for highest, count in self._numbers.values()
        )
        if missing:
            yield 'missing', missing, 'gaps in the numbers of events'
        if self.truncated:
            named = _first(self.truncated)
            yield 'truncated lines', len(self.truncated), named


def rounded(count: int | float) -> int | float:
    """Return a count as it is, and seconds to the millisecond."""
    return round(count, 3) if isinstance(count, float) else count


def _plural(count: int, noun: str) -> str:
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def _first(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ', '.join(names[:_NAMED]) + (
        f' and {more} more' if more > 0 else ''
    )


def _with_counts(counts: Iterable[tuple[str, int]]) -> str:
    return ', '.join(f'{name} ({count})' for name, count in counts)


def _version_key(version: str) -> tuple[Any, ...]:
    parts = version.split('.')
    if all(part.isdecimal() for part in parts):
        return (0, *map(int, parts))
    # After all numbers.
    return 1, version
