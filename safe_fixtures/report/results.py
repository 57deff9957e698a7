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


"""What the formats read of the records of runs."""

import collections
from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import os

from safe_fixtures.audit import events
from safe_fixtures.core import debts as core_debts
from safe_fixtures import summary
from safe_fixtures.summary import reader
from safe_fixtures.summary import results
from safe_fixtures.summary import violations

__all__ = ['Results', 'Run', 'Test', 'read']


@dataclasses.dataclass(frozen=True, slots=True)
class Test:
    """How one test ended in one run.

    :ivar name: its id (str).
    :ivar status: such as ``passed`` or ``timeout``; see
        :data:`.summary.results.STATUSES` (str).
    :ivar seconds: how long it took (float).
    :ivar by_violations: whether nothing but violations failed it (bool).
    """

    name: str
    status: str
    seconds: float
    by_violations: bool = False

    @property
    def failed(self) -> bool:
        """Whether it fails the run."""
        return self.status in results.FAILURES


@dataclasses.dataclass
class Run:
    """One run, as the process that ran the tests recorded it.

    :ivar began: when, in UTC, in the ISO 8601 format; empty if unknown (str).
    :ivar ended: the same of its end.
    :ivar interrupted: whether a signal ended it (bool).
    :ivar expected: how many tests were to run (int).
    :ivar tests: those that ran (list of Test).
    :ivar directory: where its records are (str).
    """

    began: str = ''
    ended: str = ''
    interrupted: bool = False
    expected: int = 0
    tests: list[Test] = dataclasses.field(default_factory=list)
    directory: str = ''

    @property
    def not_run(self) -> int:
        """How many tests were to run and have no outcome."""
        return max(0, self.expected - len(self.tests))


class Results:
    """The outcomes, violations and waivers in some records.

    :param debts: those of the baseline; default: there is none.
    :ivar total: their summary (Summary).
    :ivar found: their violations (Found).
    """

    def __init__(self, debts: Sequence[core_debts.Debt] | None = None) -> None:
        self.total = summary.Summary(debts=debts)
        self.found = self.total.found
        # By initiator: each trail of a process that runs tests has its own.
        self._runs: dict[str, Run] = collections.defaultdict(Run)
        # What guards saw of tests that no runner may have reported.
        self._seen: dict[str, tuple[Test, str]] = {}
        self._patterns: dict[tuple[str, str, str], str] = {}
        # Those that passed when they ran again, and their directories.
        self._flaky: set[tuple[str, str]] = set()

    def add(self, event: events.Event) -> None:
        """Take what an event says, whatever its action."""
        self.total.add_view(event)
        action, details = event.action, event.details
        if action == events.TEST_END:
            self._seen[event.target] = _test(event), _directory(event)
        elif action == events.TEST_OUTCOME:
            self._run(event).tests.append(_test(event))
        elif action == events.RUN:
            run = self._run(event)
            run.began, run.expected = event.time, details.get('tests', 0)
        elif action == events.RUN_END:
            run = self._run(event)
            run.ended = event.time
            run.interrupted = bool(details.get('interrupted'))
        elif action == events.RERUN and details.get('flaky'):
            self._flaky.add((event.target, _directory(event)))
        elif action == events.WAIVER and 'pattern' in details:
            key = event.test, event.code, str(details.get('reason', ''))
            self._patterns[key] = details['pattern']

    def _run(self, event: events.Event) -> Run:
        run = self._runs[event.initiator]
        run.directory = _directory(event)
        return run

    def runs(self) -> Iterator[Run]:
        """Yield the runs, and then one of the tests that only guards saw."""
        for run in self._runs.values():
            tests = [self._judged(test, run.directory) for test in run.tests]
            yield dataclasses.replace(run, tests=tests)
        known = {
            test.name for run in self._runs.values() for test in run.tests
        }
        others = Run()
        for test, directory in self._seen.values():
            if test.name not in known:
                others.tests.append(self._judged(test))
                others.directory = directory
        if others.tests:
            yield others

    def _judged(self, test: Test, directory: str = '') -> Test:
        """Return a test as flaky or owed, if its failure fails no run."""
        if (test.name, directory) in self._flaky:
            return dataclasses.replace(test, status='flaky')
        if test.by_violations and self.total.owes(test.name):
            return dataclasses.replace(test, status='owed')
        return test

    def pattern(self, violation: violations.Violation) -> str | None:
        """Return the pattern of the waivers file that waived a violation.

        :returns: None if a waiver in the test did.
        """
        key = violation.test, violation.code, violation.reason
        return self._patterns.get(key)


def read(
    paths: Iterable[str], debts: Sequence[core_debts.Debt] | None = None
) -> Results:
    """Return what is in some records.

    :param paths: as for :func:`safe_fixtures.summary.read`.
    :param debts: those of the baseline; default: there is none.
    :raises: OSError, ValueError: as by it.
    """
    found = Results(debts)
    total = found.total
    for event in reader.views(paths, total.truncated, total.skipped):
        found.add(event)
    return found


def _test(event: events.Event) -> Test:
    status = results.status_of(event)
    by_violations = status == 'failed' and event.details.get('by_violations')
    return Test(event.target, status, event.seconds, bool(by_violations))


def _directory(event: events.Event) -> str:
    return os.path.dirname(event.place.rpartition(':')[0])
