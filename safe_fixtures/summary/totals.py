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

"""Sum up what the guards and the runner recorded, for a person."""

import collections
from collections.abc import (
    Iterable,
    Iterator,
    Mapping,
    MutableSequence,
    Sequence,
)
import glob
import heapq
import json
import os
import sys
from typing import Any

from pycadf import event as cadf

from safe_fixtures import audit
from safe_fixtures import rules

__all__ = ['COLUMNS', 'Summary', 'read', 'summarize']

#: What the columns of :meth:`Summary.rows` are.
COLUMNS = ('Section', 'Item', 'Count', 'Details')

_Event = Mapping[str, Any]
# Without the section.
_Rows = Iterator[tuple[str, int | float, str]]

_REFUSALS = ('deny', 'evaluate/violation')
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
_KINDS = ('enforced', 'recorded', 'waived', 'expected')
# How many are named where there are many.
_NAMED = 3
_SLOWEST = 5
_CHUNK = 1 << 16  # bytes that are read of a file at once


class Summary:
    """What some events come to.

    It keeps counters, and for each test what is needed to name it; never an
    event.

    Example::

        total = summarize(['report'])
        for section, item, count, details in total.rows():
            ...
        sys.exit(total.exit_code())

    :param watching: what raises alerts over the events; default: one with
        the limits by default.
    :ivar torn: where a line cannot be read, as ``file:line`` (list of str);
        for :func:`read` to fill.
    """

    def __init__(self, watching: audit.Alerts | None = None) -> None:
        self.torn: list[str] = []
        self._events = 0
        self._alerts = audit.Alerts() if watching is None else watching
        # The highest number, and how many there are, by initiator.
        self._numbers: dict[str, tuple[int, int]] = {}
        self._runs: dict[str, _Run] = {}
        self._tests = _Tests()
        self._violations: dict[tuple[str, str], collections.Counter[str]] = {}
        self._waivers: dict[tuple[str, str], str] = {}
        self._waived: collections.Counter[tuple[str, str | None]] = (
            collections.Counter()
        )
        self._services = _Services()
        self._versions: collections.Counter[str] = collections.Counter()
        self._latest: collections.Counter[str] = collections.Counter()
        self._drift: dict[str, set[str]] = {}
        self._checks: collections.Counter[str] = collections.Counter()
        # How often the permissions of a server came out so.
        self._permissions: collections.Counter[str] = collections.Counter()
        self._waiting = _Waiting()
        self._by_action = {
            'allow/waiver': self._add_waived,
            'configure/microversion': self._add_latest,
            'configure/run': self._add_run,
            'configure/waiver': self._add_waiver,
            'deny': self._add_violation,
            'disable': self._services.add_change,
            'enable': self._services.add_change,
            'evaluate/flavor': self._add_check,
            'evaluate/image': self._add_check,
            'evaluate/outcome': self._add_outcome,
            'evaluate/permissions': self._add_permissions,
            'evaluate/test': self._tests.add_seen,
            'evaluate/violation': self._add_violation,
            'monitor/microversion': self._add_requests,
            'monitor/run': self._add_end,
            'monitor/wait': self._waiting.add,
            'monitor/window': self._services.add_window,
            'restore/service': self._services.add_restore,
            'start/service': self._services.add_start,
            'update/disabled_reason': self._services.add_change,
            'update/forced_down': self._services.add_change,
        }

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event into account; one of an unknown action is counted.

        :param event: as in :attr:`safe_fixtures.AuditTrail.events`, or of
            :func:`read`.
        """
        self._events += 1
        self._count(event)
        self._alerts.add(event)
        add = self._by_action.get(event['action'])
        if add is not None:
            add(event, audit.details(event))

    def rows(self) -> list[tuple[str, str, int | float | str, str]]:
        """Return the rows of the summary; see :data:`.COLUMNS`."""
        return [
            (section, item, _rounded(count), details)
            for section, rows in (
                ('Run', self._run_rows()),
                ('Tests', self._tests.rows(self._missing())),
                ('Violations', self._violation_rows()),
                ('Alerts', self._alert_rows()),
                ('Waivers', self._waiver_rows()),
                ('Services', self._services.rows()),
                ('Slowest restores', self._services.slowest_rows()),
                ('Microversions', self._microversion_rows()),
                ('Checked', self._check_rows()),
                ('Waiting', self._waiting.rows()),
                ('Records', self._record_rows()),
            )
            for item, count, details in rows
        ]

    def exit_code(self) -> int:
        """Return 2 if a rule that was enforced was violated, else 1 or 0.

        A violation that is waived, or that a test expected, is none. 1 is
        for a test that failed, was ended, or was not run at all, and for a
        run that was interrupted.
        """
        if any(kind == 'enforced' for _, kind in self._violations):
            return 2
        if self._tests.failed() or self._missing():
            return 1
        return int(any(run.interrupted for run in self._runs.values()))

    def _count(self, stored: _Event) -> None:
        number = audit.sequence(stored)
        if number is not None:
            key = stored['initiator'].get('id', '')
            highest, count = self._numbers.get(key, (0, 0))
            self._numbers[key] = max(highest, number), count + 1

    def _run_of(self, stored: _Event) -> '_Run':
        # Each trail of a process that runs tests has an id of its own.
        key = stored['initiator'].get('id', '')
        return self._runs.setdefault(key, _Run())

    def _add_run(self, stored: _Event, said: _Event) -> None:
        self._run_of(stored).configured = said

    def _add_end(self, stored: _Event, said: _Event) -> None:
        run = self._run_of(stored)
        run.seconds = said.get('seconds', 0.0)
        run.interrupted = bool(said.get('interrupted'))

    def _add_outcome(self, stored: _Event, said: _Event) -> None:
        self._run_of(stored).outcomes += 1
        self._tests.add_told(stored, said)

    def _missing(self) -> int:
        return sum(run.missing() for run in self._runs.values())

    def _add_violation(self, stored: _Event, said: _Event) -> None:
        code = _code(stored)
        kind = _kind(stored['action'], said)
        test = _test(stored)
        self._violations.setdefault((code, kind), collections.Counter())[
            test
        ] += 1
        if code == 'SF104' and kind != 'expected':
            message = said.get('message', '')
            self._drift.setdefault(message, set()).add(test)

    def _add_waiver(self, stored: _Event, said: _Event) -> None:
        key = (_code(stored), stored['target']['name'])
        self._waivers[key] = said.get('reason', '')

    def _add_waived(self, stored: _Event, said: _Event) -> None:
        self._waived[_code(stored), said.get('pattern')] += 1

    def _add_latest(self, stored: _Event, said: _Event) -> None:
        self._latest[said.get('served', 'unknown')] += 1

    def _add_requests(self, stored: _Event, said: _Event) -> None:
        self._versions.update(said.get('requests', {}))

    def _add_check(self, stored: _Event, said: _Event) -> None:
        self._checks[stored['action']] += 1

    def _add_permissions(self, stored: _Event, said: _Event) -> None:
        self._permissions[stored['outcome']] += 1

    def _run_rows(self) -> _Rows:
        for run in self._runs.values():
            if run.configured or run.seconds is not None:
                yield 'seconds', run.seconds or 0.0, run.told()

    def _violation_rows(self) -> _Rows:
        if not self._violations:
            yield 'none', 0, ''
        for code, kind in sorted(
            self._violations, key=lambda key: (key[0], _KINDS.index(key[1]))
        ):
            tests = self._violations[code, kind]
            rule = rules.RULES.get(code)
            worst = ', '.join(
                f'{test} ({count})'
                # The same ones whatever the order of the records.
                for test, count in heapq.nsmallest(
                    _NAMED, tests.items(), key=lambda item: (-item[1], item[0])
                )
            )
            yield (
                f'{code} {kind}',
                tests.total(),
                f'{rule.title if rule else "unknown rule"}; in '
                f'{_counted(len(tests), "test")}, most in {worst}',
            )

    def _alert_rows(self) -> _Rows:
        found: dict[str, list[audit.Alert]] = {}
        for alert in self._alerts.raised(ended=True):
            found.setdefault(alert.rule, []).append(alert)
        for rule in sorted(found):
            of_rule = found[rule]
            for alert in of_rule[:_NAMED]:
                yield (
                    rule,
                    alert.count,
                    f'{alert.message}; in {_few(alert.tests)}',
                )
            more = of_rule[_NAMED:]
            if more:
                tests = list(
                    dict.fromkeys(test for each in more for test in each.tests)
                )
                yield (
                    rule,
                    sum(alert.count for alert in more),
                    f'{_counted(len(more), "more alert")}; in {_few(tests)}',
                )
        if self._alerts.dropped:
            yield 'more', self._alerts.dropped, 'not kept'

    def _waiver_rows(self) -> _Rows:
        applied = {
            (code, pattern): count
            for (code, pattern), count in self._waived.items()
            if pattern is not None
        }
        for code, pattern in sorted(applied.keys() | self._waivers.keys()):
            reason = self._waivers.get((code, pattern))
            details = f'{pattern}: {reason}' if reason else pattern
            count = applied.get((code, pattern), 0)
            yield f'{code} {"applied" if count else "stale"}', count, details
        for code in sorted({code for code, _ in self._waived}):
            if (code, None) in self._waived:
                yield (
                    f'{code} applied',
                    self._waived[code, None],
                    'stated by the tests',
                )

    def _microversion_rows(self) -> _Rows:
        for version in sorted(self._versions, key=_version_key):
            yield (
                version,
                self._versions[version],
                'requests that asked for no version'
                if version == 'none'
                else '',
            )
        served = ', '.join(
            f'{version} ({self._latest[version]})'
            for version in sorted(self._latest, key=_version_key)
        )
        yield (
            'latest',
            self._latest.total(),
            f'served at {served}' if served else '',
        )
        for message, tests in sorted(self._drift.items()):
            yield 'drift, tests', len(tests), message

    def _check_rows(self) -> _Rows:
        for item in ('image', 'flavor'):
            yield f'{item}s', self._checks[f'evaluate/{item}'], ''
        if self._permissions:
            checked = self._permissions['success']
            wrong = self._permissions['failure']
            yield (
                'server permissions',
                checked + wrong,
                f'{wrong} wrong, {self._permissions["unknown"]} not checked',
            )

    def _record_rows(self) -> _Rows:
        yield 'events', self._events, ''
        missing = sum(
            max(0, highest - count)
            for highest, count in self._numbers.values()
        )
        if missing:
            yield 'missing', missing, 'numbers of events that are not there'
        if self.torn:
            yield 'torn lines', len(self.torn), _few(self.torn)


class _Run:
    """One run, as the process that ran the tests told of it."""

    def __init__(self) -> None:
        self.configured: _Event = {}
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


class _Tests:
    """How the tests ended: for a runner, or else for the guards."""

    def __init__(self) -> None:
        # A test can be in the records of several runs.
        self._told: dict[str, list[str]] = {}
        self._seen: dict[str, list[str]] = {}

    def add_seen(self, stored: _Event, said: _Event) -> None:
        """Take what the guards saw of a test."""
        _append(self._seen, stored, stored['outcome'])

    def add_told(self, stored: _Event, said: _Event) -> None:
        """Take what a runner told of a test."""
        _append(self._told, stored, said.get('status', stored['outcome']))

    def failed(self) -> bool:
        """Whether a test did not end well."""
        return not self._by_status().keys().isdisjoint(_FAILURES)

    def rows(self, missing: int) -> _Rows:
        """Yield a row for each status; *missing* tests have none."""
        ended = self._by_status()
        for status in dict.fromkeys((*_STATUSES.values(), *ended)):
            tests = ended.get(status, [])
            if tests or status in _ALWAYS_SHOWN:
                named = _few(tests) if status in _FAILURES else ''
                yield status, len(tests), named
        if missing:
            yield 'not run', missing, ''

    def _by_status(self) -> dict[str, list[str]]:
        ended: dict[str, list[str]] = {}
        for test, statuses in {**self._seen, **self._told}.items():
            for status in statuses:
                ended.setdefault(status, []).append(test)
        return ended


class _Services:
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
        self._windows: list[tuple[float, str, str]] = []

    def add_start(self, stored: _Event, said: _Event) -> None:
        """Take the start of a service."""
        self._started[said.get('binary', 'a service')] += 1

    def add_change(self, stored: _Event, said: _Event) -> None:
        """Take a change to a service."""
        self._changes += 1
        self._changed[_service(stored)] = stored['target']['name']

    def add_window(self, stored: _Event, said: _Event) -> None:
        """Take a time in which a compute was out with servers on it."""
        self._windows.append(
            (said.get('seconds', 0.0), stored['target']['name'], _test(stored))
        )

    def add_restore(self, stored: _Event, said: _Event) -> None:
        """Take an attempt to restore a service."""
        self._restored[_service(stored)] = stored['outcome'] == 'success'
        if 'seconds' not in said:
            return
        self._restores += 1
        entry = (
            said['seconds'],
            -self._restores,
            stored['target']['name'],
            _test(stored),
        )
        if len(self._slowest) < _SLOWEST:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)

    def rows(self) -> _Rows:
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
        yield 'toggled', len(changed), _counted(self._changes, 'time')
        yield (
            'restored',
            sum(self._restored.get(key, False) for key in changed),
            '',
        )
        yield 'lost', len(lost), self._named(lost)
        if pending:
            yield 'never restored', len(pending), self._named(pending)
        if self._windows:
            seconds, service, test = max(self._windows)
            yield (
                'out with servers',
                len(self._windows),
                f'times, at most {_rounded(seconds)} s ({service} in {test})',
            )

    def slowest_rows(self) -> _Rows:
        """Yield a row for each of the slowest restores."""
        for seconds, _, service, test in sorted(self._slowest, reverse=True):
            yield service, seconds, test

    def _named(self, keys: Sequence[tuple[str, str]]) -> str:
        return _few(
            [
                f'{self._changed.get(key, "a service")} ({key[0]})'
                for key in keys
            ]
        )


class _Waiting:
    """What was won by waiting for a change instead of for some time."""

    def __init__(self) -> None:
        self._tests = 0
        self._waits = 0
        self._cut_short = 0
        self._seconds = 0.0
        self._counts: collections.Counter[str] = collections.Counter()
        self._won: dict[str, float] = {}

    def add(self, stored: _Event, said: _Event) -> None:
        """Take what one test won."""
        self._tests += 1
        self._waits += said.get('waits', 0)
        self._cut_short += said.get('cut_short', 0)
        self._seconds += said.get('seconds_won', 0.0)
        for helper, (count, seconds) in said.get('helpers', {}).items():
            self._counts[helper] += count
            self._won[helper] = self._won.get(helper, 0.0) + seconds

    def rows(self) -> _Rows:
        """Yield rows, if a test told of its waits."""
        if not self._tests:
            return
        yield 'seconds won', self._seconds, ''
        yield 'waits', self._waits, f'in {_counted(self._tests, "test")}'
        yield 'cut short', self._cut_short, ''
        for helper in heapq.nlargest(
            _SLOWEST, self._won, key=self._won.__getitem__
        ):
            waits = _counted(self._counts[helper], 'wait')
            yield helper, self._won[helper], f'seconds won in {waits}'


def summarize(
    paths: Iterable[str], watching: audit.Alerts | None = None
) -> Summary:
    """Return the summary of the records in some files and directories.

    :param paths: as for :func:`read`.
    :param watching: as of :class:`Summary`.
    :raises: OSError, ValueError: as by :func:`read`.
    """
    summary = Summary(watching)
    for stored in read(paths, summary.torn):
        summary.add(stored)
    return summary


def read(
    paths: Iterable[str], torn: MutableSequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Return the events of some audit files, in the order of their times.

    A process that was killed may have left half a line at the end of its
    file, or in the middle of one that it shared. What is no JSON is passed
    over.

    Example::

        for event in read(['report-of-one', 'report-of-two']):
            print(event['eventTime'], event['action'])

    :param paths: files of events, or report directories, which stand for
        the ``events-*.jsonl`` in them; each file is read once.
    :param torn: where to put the place of each line that is passed over, as
        ``file:line``.
    :raises: OSError for what cannot be read; ValueError for a directory
        without events, for a file of several lines that are none of them
        JSON, and, naming file and line, for JSON that is no event.
    """
    files: dict[str, str] = {}
    for path in paths:
        for name in _files(path):
            files.setdefault(os.path.realpath(name), name)
    return heapq.merge(
        *(
            _read_file(name, [] if torn is None else torn)
            for name in files.values()
        ),
        key=_time,
    )


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):
        # It says which, before anything is read.
        os.stat(path)
        return [path]
    found = sorted(
        glob.glob(os.path.join(glob.escape(path), 'events-*.jsonl'))
    )
    if not found:
        raise ValueError(f'{path} has no events-*.jsonl')
    return found


def _read_file(
    path: str, torn: MutableSequence[str]
) -> Iterator[dict[str, Any]]:
    number = events = 0
    for number, line in enumerate(_lines(path), 1):
        try:
            stored = json.loads(line)
        except (ValueError, RecursionError):
            torn.append(f'{path}:{number}')
            continue
        if not _is_event(stored):
            raise ValueError(f'{path}:{number} is no audit event')
        events += 1
        yield stored
    if number > 1 and not events:
        raise ValueError(f'{path} has no audit event in its {number} lines')


def _lines(path: str) -> Iterator[bytes]:
    # Not open in between: there may be more files than a process may open.
    offset = 0
    while True:
        with open(path, 'rb') as file:
            if not file.seekable():
                yield from file
                return
            file.seek(offset)
            lines = file.readlines(_CHUNK)
        if not lines:
            return
        yield from lines
        offset += sum(map(len, lines))


def _is_event(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get('typeURI') == cadf.TYPE_URI_EVENT
        and isinstance(value.get('eventTime'), str)
        and {'action', 'outcome'} <= value.keys()
        and isinstance(value['action'], str)
        and isinstance(value['outcome'], str)
        and all(
            isinstance(value.get(role), dict)
            and isinstance(value[role].get('name'), str)
            and isinstance(value[role].get('id', ''), str)
            for role in ('initiator', 'target')
        )
        and (value['action'] not in _REFUSALS or 'reason' in value)
        and isinstance(value.get('reason', {}), dict)
        and _are(str, value.get('tags', []))
        and _are(dict, value.get('attachments', []))
        and _are(
            dict,
            [
                each.get('content')
                for each in value.get('attachments', [])
                if each.get('name') == 'details'
            ],
        )
    )


def _are(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, kind) for value in values
    )


def _time(stored: _Event) -> str:
    # Each is written in UTC and to the microsecond.
    time: str = stored['eventTime']
    return time


def _test(stored: _Event) -> str:
    return sys.intern(stored['initiator']['name'])


def _service(stored: _Event) -> tuple[str, str]:
    # Its uuid alone may be made of a number that each test has.
    return _test(stored), stored['target'].get('id', '')


def _append(tests: dict[str, list[str]], stored: _Event, status: str) -> None:
    tests.setdefault(sys.intern(stored['target']['name']), []).append(
        _STATUSES.get(status, status)
    )


def _code(stored: _Event) -> str:
    code: str = stored.get('reason', {}).get('reasonCode', 'unknown')
    return code


def _kind(action: str, said: _Event) -> str:
    if 'waived' in said:
        return 'waived'
    if said.get('expected'):
        return 'expected'
    return 'enforced' if action == 'deny' else 'recorded'


def _counted(count: int, noun: str) -> str:
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ', '.join(names[:_NAMED]) + (
        f' and {more} more' if more > 0 else ''
    )


def _rounded(count: int | float) -> int | float:
    return round(count, 3) if isinstance(count, float) else count


def _version_key(version: str) -> tuple[Any, ...]:
    parts = version.split('.')
    if all(part.isdecimal() for part in parts):
        return (0, *map(int, parts))
    # After all that are numbers.
    return 1, version
