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

"""Sum up what the guards and the runner recorded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from safe_fixtures import audit
from safe_fixtures.core import debts as core_debts
from safe_fixtures.summary import activity
from safe_fixtures.summary import debts as summary_debts
from safe_fixtures.summary import plugins
from safe_fixtures.summary import profile
from safe_fixtures.summary import reader
from safe_fixtures.summary import results
from safe_fixtures.summary import runs
from safe_fixtures.summary import sections
from safe_fixtures.summary import violations

__all__ = ['COLUMNS', 'Summary', 'summarize']

#: The columns of :meth:`Summary.rows`.
COLUMNS = ('Section', 'Item', 'Count', 'Details')


class Summary:
    """The summary of some events.

    It keeps counters, and what is needed to name tests; never an event.

    Example::

        total = summarize(['report'])
        for section, item, count, details in total.rows():
            ...
        sys.exit(total.exit_code())

    :param alerts: raises alerts over the events; default: an
        :class:`~safe_fixtures.Alerts` with the default limits.
    :param debts: the debts of the suite (list of
        :class:`~safe_fixtures.core.debts.Debt`); what they cover does not
        count as a violation. Default: there is no baseline.
    :ivar truncated: the lines that are not JSON, as ``file:line`` (list of
        str); for :func:`read` to fill.
    :ivar skipped: what else could not be read, and why (list of str).
    """

    def __init__(
        self,
        alerts: audit.Alerts | None = None,
        debts: Sequence[core_debts.Debt] | None = None,
    ) -> None:
        self._runs = runs.Runs()
        self._baseline = (
            None if debts is None else summary_debts.Baseline(debts)
        )
        self._tests = results.Tests(self._runs, self.owes)
        self._hardened = results.Hardened()
        self._violations = results.Violations()
        records = activity.Records()
        self.truncated = records.truncated
        self.skipped = records.skipped
        self._waivers = results.Waivers(self._tests)
        # In the order of the rows.
        own: tuple[sections.Section, ...] = (
            self._runs,
            self._tests,
            self._hardened,
            self._violations,
            *((self._baseline,) if self._baseline else ()),
            results.Alerts(audit.Alerts() if alerts is None else alerts),
            self._waivers,
            activity.Services(),
            activity.SlowestRestores(),
            activity.Microversions(),
            activity.Checks(),
            activity.Waiting(),
            activity.SpeedUp(),
            profile.Profile(),
            records,
        )
        titles = [plugins.Plugins.title, *(section.title for section in own)]
        self._sections: tuple[sections.Section, ...] = (
            *own,
            *plugins.of_plugins(titles),
            # Last: the others may fail.
            plugins.Plugins(),
        )

    def add(self, event: Mapping[str, Any]) -> None:
        """Count one event, whatever its action.

        :param event: as in :attr:`safe_fixtures.AuditTrail.events`, or of
            :func:`read`.
        :raises: ValueError for what is no audit event.
        """
        self.add_view(audit.Event(event))

    def add_view(self, view: audit.Event) -> None:
        """Count one event, given as a typed view."""
        for section in self._sections:
            section.add(view)

    def rows(self) -> list[tuple[str, str, int | float | str, str]]:
        """Return the rows of the summary; see :data:`.COLUMNS`.

        What counts nothing and says nothing else has no row, except where
        that is good news.
        """
        return [
            (section.title, item, shown, details)
            for section in self._sections
            for item, count, details in section.rows()
            if (shown := round(count, 3)) or details or section.always
        ]

    @property
    def found(self) -> violations.Found:
        """The violations, one by one."""
        return self._violations.found

    @property
    def commands(self) -> list[str]:
        """The commands that do the runs again, for a shell."""
        return self._runs.commands()

    @property
    def new(self) -> violations.Found | None:
        """The violations that no debt covers; None without a baseline."""
        return None if self._baseline is None else self._baseline.new

    @property
    def unexcused(self) -> violations.Found:
        """The violations that are new, or all without a baseline."""
        return self.found if self.new is None else self.new

    def owes(self, test: str) -> bool:
        """Whether the baseline covers each enforced rule that a test broke.

        If nothing but violations failed the test, it counts as ``owed`` and
        does not fail the run: with the baseline, it would have gone on.

        :param test: its id.
        :returns: False without a baseline, and for a test that broke none.
        """
        return self._baseline is not None and self._baseline.owes(test)

    def exit_code(self, *, strict_waivers: bool = False) -> int:
        """Return the exit code of the command.

        2 if an enforced rule was violated, neither waived nor expected, and
        no debt covers it; else
        1 if a test failed, was ended or was not run, a run was interrupted,
        or a record was skipped (a flaky test, which passed when it was run
        again, does not count, nor does one that only debts have failed);
        else 3 if a run hardened none of its tests; else 0.

        :param strict_waivers: whether the code is 1 as well if a waiver was
            not needed or matches no test.
        """
        if self.unexcused.count('enforced') or self._tests.violated:
            return 2
        if self._tests.failed or self._runs.interrupted or self.skipped:
            return 1
        if strict_waivers and self.idle_waivers():
            return 1
        return 3 if self._hardened.none and self._runs.hardens else 0

    def idle_waivers(self) -> list[str]:
        """Return the waivers that were not needed or match no test.

        :returns: the rule and what is wrong of each, to be read.
        """
        unused = [
            f'{violation.test}: {violation.message}'
            for violation, _ in self.found.listed()
            if violation.code == 'SF901' and violation.outcome == 'recorded'
        ]
        return [*self._waivers.idle(), *unused]


def summarize(
    paths: Iterable[str],
    alerts: audit.Alerts | None = None,
    debts: Sequence[core_debts.Debt] | None = None,
) -> Summary:
    """Return the summary of the records in some files and directories.

    :param paths: as for :func:`read`.
    :param alerts: as for :class:`Summary`.
    :param debts: as for :class:`Summary`.
    :raises: OSError, ValueError: as by :func:`read`.
    """
    summary = Summary(alerts, debts)
    for event in reader.views(paths, summary.truncated, summary.skipped):
        summary.add_view(event)
    return summary
