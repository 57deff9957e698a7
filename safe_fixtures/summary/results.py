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

"""Sections on the tests, and on what broke rules."""

import collections
from collections.abc import Callable, Iterator
import fnmatch
import re
import sys

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.summary import runs
from safe_fixtures.summary import sections
from safe_fixtures.summary import violations

__all__ = [
    'FAILURES',
    'STATUSES',
    'Alerts',
    'Hardened',
    'Tests',
    'Violations',
    'Waivers',
    'status_of',
]

# The statuses of tests, in the order of the rows: as subunit names them, as
# CADF outcomes, and those that only a runner knows.
_STATUSES = {
    'success': 'passed',
    'flaky': 'flaky',
    'owed': 'owed',
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
#: The statuses that :func:`status_of` returns, in the order of the rows.
STATUSES = tuple(dict.fromkeys(_STATUSES.values()))
_ALWAYS_SHOWN = ('passed', 'failed', 'skipped')
#: The statuses that fail a test.
FAILURES = ('failed', 'uxsuccess', 'timeout', 'died', 'lost')
_NAMED = (*FAILURES, 'flaky', 'owed')
# These ran to no end that could tell how far they were hardened.
_UNTOLD = ('skip', 'timeout', 'died', 'lost')
_ITSELF = 'only what the tests use themselves'
_NOT_AT_ALL = 'no guard came up, or its record is gone'
_KINDS = ('enforced', 'recorded', 'waived', 'expected')
# Of a test that violations failed, and nothing else.
_BY_VIOLATIONS = 'failed by violations'
# Of a waiver whose tests were all skipped.
_UNTRIED = 'not tried'


def status_of(event: events.Event) -> str:
    """Return how a test ended, such as ``passed``.

    :param event: one that says so, of the guards or of the runner.
    """
    status = event.details.get('status')
    if event.action != events.TEST_OUTCOME or status not in _STATUSES:
        status = event.outcome
    return _STATUSES.get(status, 'skipped')


class Tests(sections.Section):
    """How the tests ended: what the runner says beats what guards saw.

    :param runs: knows how many tests were not run.
    :param owes: says whether the baseline covers all that failed a test.
    """

    title = 'Tests'
    always = True

    def __init__(self, runs: runs.Runs, owes: Callable[[str], bool]) -> None:
        self._runs = runs
        self._owes = owes
        # By test; several runs can have the same test.
        self._seen: dict[str, list[str]] = {}
        self._reported: dict[str, list[str]] = {}
        # How many failures of a test were followed by a rerun that passed.
        self._flaky: collections.Counter[str] = collections.Counter()
        #: Whether a test broke an enforced rule when it was run again.
        self.violated = False

    def add(self, event: events.Event) -> None:
        if event.action == events.RERUN:
            self._flaky[event.target] += event.details.get('flaky', False)
            self.violated |= event.details.get('violated', False)
            return
        if event.action == events.TEST_END:
            found = self._seen
        elif event.action == events.TEST_OUTCOME:
            found = self._reported
        else:
            return
        status = status_of(event)
        if status == 'failed' and event.details.get('by_violations'):
            status = _BY_VIOLATIONS
        found.setdefault(sys.intern(event.target), []).append(status)

    def rows(self) -> sections.Rows:
        by_status = self._by_status()
        for status in STATUSES:
            tests = by_status.get(status, [])
            if tests or status in _ALWAYS_SHOWN:
                named = sections.first(tests) if status in _NAMED else ''
                yield status, len(tests), named
        if self._runs.not_run:
            yield 'not run', self._runs.not_run, ''

    def ids(self) -> dict[str, bool]:
        """Return the tests, and whether each was more than skipped."""
        by_status = self._by_status()
        skipped = set(by_status.pop('skipped', ()))
        ran = {test for tests in by_status.values() for test in tests}
        return {test: test in ran for test in sorted(skipped | ran)}

    @property
    def failed(self) -> bool:
        """Whether a test failed or was not run."""
        failures = self._by_status().keys() & set(FAILURES)
        return bool(failures or self._runs.not_run)

    def _by_status(self) -> dict[str, list[str]]:
        by_status: dict[str, list[str]] = {}
        for test, statuses in {**self._seen, **self._reported}.items():
            flaky = self._flaky[test]
            for status in statuses:
                if status == _BY_VIOLATIONS:
                    status = 'owed' if self._owes(test) else 'failed'
                if status in FAILURES and flaky:
                    flaky -= 1
                    status = 'flaky'
                by_status.setdefault(status, []).append(test)
        return by_status


class Hardened(sections.Section):
    """How many tests were hardened fully, in part and not at all, and why.

    Guards that do not apply find nothing, and must not look as if there was
    nothing to find.
    """

    title = 'Hardened'

    def __init__(self) -> None:
        # Why each test that was guarded is hardened in part only; it is
        # empty for those that are hardened fully.
        self._lacks: dict[str, str] = {}
        self._ran: set[str] = set()

    def add(self, event: events.Event) -> None:
        test = sys.intern(event.target)
        if event.action == events.TEST_END:
            fully = event.details.get('hardened') == 'fully'
            why = event.details.get('lacks', _ITSELF)
            self._lacks[test] = '' if fully else sys.intern(str(why))
        elif event.action == events.TEST_OUTCOME:
            if event.details.get('status') not in _UNTOLD:
                self._ran.add(test)

    def rows(self) -> sections.Rows:
        bare = sorted(self._ran - self._lacks.keys())
        if not (bare or self._lacks):
            return
        reasons = collections.Counter(self._lacks.values())
        yield 'fully', reasons.pop('', 0), ''
        partly = sections.with_counts(sorted(reasons.items()))
        if len(reasons) == 1:
            (partly,) = reasons
        yield 'partly', reasons.total(), partly
        why = f'{_NOT_AT_ALL}: {sections.first(bare)}' if bare else ''
        yield 'not at all', len(bare), why

    @property
    def none(self) -> bool:
        """Whether tests were run, and none of them was hardened."""
        return bool(self._ran) and not self._lacks


class Violations(sections.Section):
    """The violations of each rule, by how they were taken."""

    title = 'Violations'

    always = True

    def __init__(self) -> None:
        #: All of them, one by one.
        self.found = violations.Found()

    def add(self, event: events.Event) -> None:
        self.found.add(event)

    def rows(self) -> sections.Rows:
        if not self.found:
            yield 'none', 0, ''
        # How many in which test, by rule and outcome.
        counts: dict[tuple[str, str], collections.Counter[str]] = {}
        titles: dict[str, str] = {}
        for violation, count in self.found.listed():
            key = violation.code, violation.outcome
            tests = counts.setdefault(key, collections.Counter())
            tests[violation.test] += count
            titles[violation.code] = violation.title
        for code, kind in sorted(
            counts, key=lambda key: (key[0], _KINDS.index(key[1]))
        ):
            tests = counts[code, kind]
            where = sections.plural(len(tests), 'test')
            yield (
                f'{code} {kind}',
                tests.total(),
                f'{titles[code]}, in {where}',
            )


class Alerts(sections.Section):
    """The alerts that the events raised.

    :param alerts: raises them.
    """

    title = 'Alerts'

    def __init__(self, alerts: audit.Alerts) -> None:
        self._alerts = alerts

    def add(self, event: events.Event) -> None:
        self._alerts.add_view(event)

    def rows(self) -> sections.Rows:
        by_rule: dict[str, list[audit.Alert]] = {}
        for alert in self._alerts.raised(ended=True):
            by_rule.setdefault(alert.rule, []).append(alert)
        for rule, alerts in sorted(by_rule.items()):
            for alert in alerts[: sections.NAMED]:
                details = f'{alert.message}; in {sections.first(alert.tests)}'
                yield rule, alert.count, details
            more = alerts[sections.NAMED :]
            if more:
                count = sum(alert.count for alert in more)
                tests = dict.fromkeys(t for each in more for t in each.tests)
                left_out = sections.plural(len(more), 'more alert')
                yield rule, count, f'{left_out}; in {sections.first([*tests])}'
        if self._alerts.dropped:
            yield 'more', self._alerts.dropped, 'dropped'


class Waivers(sections.Section):
    """The waivers that applied, and those of the waivers file that did not.

    :param tests: knows the tests that the patterns are for.
    """

    title = 'Waivers'

    def __init__(self, tests: Tests) -> None:
        self._tests = tests
        # By rule and pattern; a waiver in a test has no pattern.
        self._reasons: dict[tuple[str, str], str] = {}
        self._applied: collections.Counter[tuple[str, str]] = (
            collections.Counter()
        )
        self._in_tests: collections.Counter[str] = collections.Counter()

    def add(self, event: events.Event) -> None:
        if event.action == events.RUN_WAIVER:
            key = event.code, event.target
            self._reasons[key] = event.details.get('reason', '')
        elif event.action == events.WAIVER:
            pattern = event.details.get('pattern')
            if pattern is None:
                self._in_tests[event.code] += event.times
            else:
                self._applied[event.code, pattern] += event.times

    def rows(self) -> sections.Rows:
        why = {key: (item, text) for key, item, text in self._idle()}
        for key in sorted(self._applied.keys() | self._reasons.keys()):
            code, pattern = key
            item, text = why.get(key, ('applied', ''))
            reason = self._reasons.get(key)
            details = f'{pattern}: {reason}' if reason else pattern
            if text:
                details = f'{details}; {text}'
            yield f'{code} {item}', self._applied[key], details
        for code, count in sorted(self._in_tests.items()):
            yield f'{code} applied', count, 'by @waive in tests'

    def idle(self) -> list[str]:
        """Return the waivers of the file that should go, to be read.

        One whose tests were all skipped may still be needed.
        """
        return [
            f'the waiver of {code} for {pattern}: {text}'
            for (code, pattern), item, text in self._idle()
            if item != _UNTRIED
        ]

    def _idle(self) -> Iterator[tuple[tuple[str, str], str, str]]:
        """Yield the waivers that never applied, with an item and why."""
        tests: dict[str, bool] | None = None
        for key in sorted(self._reasons.keys() - self._applied.keys()):
            if tests is None:
                tests = self._tests.ids()
            matches = re.compile(fnmatch.translate(key[1])).match
            found = [ran for test, ran in tests.items() if matches(test)]
            count = sections.plural(len(found), 'test')
            if not found:
                yield key, 'without tests', 'it matches no test of the run'
            elif any(found):
                yield key, 'stale', f'it matches {count} and was not needed'
            else:
                yield key, _UNTRIED, f'it matches {count}, all skipped'
