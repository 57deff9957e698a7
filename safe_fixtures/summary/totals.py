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
    Mapping,
)
import heapq
from typing import Any


from safe_fixtures import audit
from safe_fixtures.audit import events as audit_events
from safe_fixtures import rules
from safe_fixtures.summary import reader
from safe_fixtures.summary import sections

__all__ = ['COLUMNS', 'Summary', 'summarize']

#: What the columns of :meth:`Summary.rows` are.
COLUMNS = ('Section', 'Item', 'Count', 'Details')

_KINDS = ('enforced', 'recorded', 'waived', 'expected')


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
        self._runs: dict[str, sections.Run] = {}
        self._tests = sections.Tests()
        self._violations: dict[tuple[str, str], collections.Counter[str]] = {}
        self._waivers: dict[tuple[str, str], str] = {}
        self._waived: collections.Counter[tuple[str, str | None]] = (
            collections.Counter()
        )
        self._services = sections.Services()
        self._versions: collections.Counter[str] = collections.Counter()
        self._latest: collections.Counter[str] = collections.Counter()
        self._drift: dict[str, set[str]] = {}
        self._checks: collections.Counter[str] = collections.Counter()
        # How often the permissions of a server came out so.
        self._permissions: collections.Counter[str] = collections.Counter()
        self._waiting = sections.Waiting()
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
            'monitor/outage': self._services.add_outage,
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
            (section, item, sections.rounded(count), details)
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

    def _count(self, stored: Mapping[str, Any]) -> None:
        number = audit.sequence(stored)
        if number is not None:
            key = stored['initiator'].get('id', '')
            highest, count = self._numbers.get(key, (0, 0))
            self._numbers[key] = max(highest, number), count + 1

    def _run_of(self, stored: Mapping[str, Any]) -> sections.Run:
        # Each trail of a process that runs tests has an id of its own.
        key = stored['initiator'].get('id', '')
        return self._runs.setdefault(key, sections.Run())

    def _add_run(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        self._run_of(stored).configured = said

    def _add_end(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        run = self._run_of(stored)
        run.seconds = said.get('seconds', 0.0)
        run.interrupted = bool(said.get('interrupted'))

    def _add_outcome(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        self._run_of(stored).outcomes += 1
        self._tests.add_told(stored, said)

    def _missing(self) -> int:
        return sum(run.missing() for run in self._runs.values())

    def _add_violation(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        code = audit_events.Event(stored).code
        kind = audit_events.Event(stored).kind
        test = audit_events.Event(stored).test
        self._violations.setdefault((code, kind), collections.Counter())[
            test
        ] += 1
        if code == 'SF104' and kind != 'expected':
            message = said.get('message', '')
            self._drift.setdefault(message, set()).add(test)

    def _add_waiver(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        key = (audit_events.Event(stored).code, stored['target']['name'])
        self._waivers[key] = said.get('reason', '')

    def _add_waived(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        self._waived[audit_events.Event(stored).code, said.get('pattern')] += 1

    def _add_latest(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        self._latest[said.get('served', 'unknown')] += 1

    def _add_requests(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        self._versions.update(said.get('requests', {}))

    def _add_check(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        self._checks[stored['action']] += 1

    def _add_permissions(
        self, stored: Mapping[str, Any], said: Mapping[str, Any]
    ) -> None:
        self._permissions[stored['outcome']] += 1

    def _run_rows(self) -> sections.Rows:
        for run in self._runs.values():
            if run.configured or run.seconds is not None:
                yield 'seconds', run.seconds or 0.0, run.told()

    def _violation_rows(self) -> sections.Rows:
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
                    sections.NAMED,
                    tests.items(),
                    key=lambda item: (-item[1], item[0]),
                )
            )
            yield (
                f'{code} {kind}',
                tests.total(),
                f'{rule.title if rule else "unknown rule"}; in '
                f'{sections.counted(len(tests), "test")}, most in {worst}',
            )

    def _alert_rows(self) -> sections.Rows:
        found: dict[str, list[audit.Alert]] = {}
        for alert in self._alerts.raised(ended=True):
            found.setdefault(alert.rule, []).append(alert)
        for rule in sorted(found):
            of_rule = found[rule]
            for alert in of_rule[: sections.NAMED]:
                yield (
                    rule,
                    alert.count,
                    f'{alert.message}; in {sections.few(alert.tests)}',
                )
            more = of_rule[sections.NAMED :]
            if more:
                tests = list(
                    dict.fromkeys(test for each in more for test in each.tests)
                )
                yield (
                    rule,
                    sum(alert.count for alert in more),
                    f'{sections.counted(len(more), "more alert")}; in '
                    f'{sections.few(tests)}',
                )
        if self._alerts.dropped:
            yield 'more', self._alerts.dropped, 'not kept'

    def _waiver_rows(self) -> sections.Rows:
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

    def _microversion_rows(self) -> sections.Rows:
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

    def _check_rows(self) -> sections.Rows:
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

    def _record_rows(self) -> sections.Rows:
        yield 'events', self._events, ''
        missing = sum(
            max(0, highest - count)
            for highest, count in self._numbers.values()
        )
        if missing:
            yield 'missing', missing, 'numbers of events that are not there'
        if self.torn:
            yield 'torn lines', len(self.torn), sections.few(self.torn)


def summarize(
    paths: Iterable[str], watching: audit.Alerts | None = None
) -> Summary:
    """Return the summary of the records in some files and directories.

    :param paths: as for :func:`read`.
    :param watching: as of :class:`Summary`.
    :raises: OSError, ValueError: as by :func:`read`.
    """
    summary = Summary(watching)
    for stored in reader.read(paths, summary.torn):
        summary.add(stored)
    return summary


def _version_key(version: str) -> tuple[Any, ...]:
    parts = version.split('.')
    if all(part.isdecimal() for part in parts):
        return (0, *map(int, parts))
    # After all that are numbers.
    return 1, version
