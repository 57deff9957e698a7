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

"""The section on the runs."""

import collections
import shlex
from typing import Any

from safe_fixtures.audit import events
from safe_fixtures.summary import sections

__all__ = ['Runs']

# It names a directory that is not empty when the run is done again.
_NOT_AGAIN = '--report'


class _Run:
    """One run, as the process that ran the tests recorded it."""

    def __init__(self) -> None:
        self.configured: dict[str, Any] = {}
        self.outcomes = 0
        self.seconds: float | None = None
        self.interrupted = False
        self.stopped = False

    def describe(self) -> str:
        """Return how it was run, and whether it finished."""
        parts = [
            f'{name} {self.configured[name]}'
            for name in ('mode', 'tests', 'concurrency')
            if name in self.configured
        ]
        if self.interrupted:
            parts.append('interrupted')
        elif self.seconds is None:
            parts.append('not finished')
        elif self.stopped:
            parts.append('stopped by a failed test')
        return '; '.join(filter(None, (', '.join(parts), self.command())))

    def command(self) -> str:
        """Return the command that does it again, for a shell.

        It has no ``--report``: a new run needs a new directory.
        """
        arguments = iter(self.configured.get('arguments', ()))
        kept = []
        for argument in arguments:
            name, equals, _ = argument.partition('=')
            # argparse takes the beginning of an option, too.
            if len(name) > len('--re') and _NOT_AGAIN.startswith(name):
                if not equals:
                    next(arguments, None)
            else:
                kept.append(argument)
        return shlex.join(['safe-fixtures', *kept]) if kept else ''


class Runs(sections.Section):
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
            run.stopped = bool(event.details.get('stopped'))

    def rows(self) -> sections.Rows:
        for run in self._runs.values():
            if run.configured or run.seconds is not None:
                yield 'seconds', run.seconds or 0.0, run.describe()

    def commands(self) -> list[str]:
        """Return the commands that do the runs again, for a shell."""
        commands = [run.command() for run in self._runs.values()]
        return [each for each in dict.fromkeys(commands) if each]

    @property
    def not_run(self) -> int:
        """How many tests were to run and have no outcome."""
        return sum(
            max(0, run.configured.get('tests', 0) - run.outcomes)
            for run in self._runs.values()
        )

    @property
    def hardens(self) -> bool:
        """Whether a run was to harden its tests."""
        modes = {run.configured.get('mode') for run in self._runs.values()}
        return bool(modes - {None, 'unhardened'})

    @property
    def interrupted(self) -> bool:
        """Whether a run was interrupted."""
        return any(run.interrupted for run in self._runs.values())
