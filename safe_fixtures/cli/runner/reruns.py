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

"""Run failed tests again, to tell the flaky ones."""

import collections
from collections.abc import Mapping, Sequence
import dataclasses
import os
from typing import Any

from pycadf import cadftaxonomy

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.cli.runner import colours
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import process as child
from safe_fixtures.cli.runner import records
from safe_fixtures.cli.runner import supervisor
from safe_fixtures import conf
from safe_fixtures.summary import reader
from safe_fixtures.summary import sections

__all__ = ['rerun']

_PASSED = ('success', 'xfail')


def rerun(
    times: int,
    tests: discovery.Tests,
    run: records.Report,
    directory: str,
    setup: child.Setup,
    **how: Any,
) -> list[str]:
    """Run failed tests again, each in a new process; return the flaky ones.

    A test that has broken an enforced rule is not run again: no rerun
    excuses that. What the tests leave is in ``rerun-1`` and so on.

    :param times: how often, until it passes.
    :param tests: those of the run.
    :param run: its result; if a rerun is interrupted, so is this.
    :param directory: its report directory.
    :param setup: how its worker processes were set up.
    :param how: as for :func:`.supervisor.run`.
    """
    violated = _violated(directory)
    wanted = [
        each
        for each in run.failures
        if each in tests.tests and each not in violated
    ]
    if len(wanted) < len(run.failures):
        colours.say(
            f'not run again: {len(run.failures) - len(wanted)} of '
            f'{sections.plural(len(run.failures), "failure")}; a rerun '
            'excuses no violation, and no module that cannot be imported'
        )
    seconds = collections.defaultdict[str, float](float)
    statuses: dict[str, list[str]] = {each: [] for each in wanted}
    setup = dataclasses.replace(setup, alone=True, profile=False)
    violated = set()
    for number in range(1, times + 1):
        if not wanted:
            break
        colours.say(
            f'running {sections.plural(len(wanted), "failed test")} again, '
            f'each in a process of its own ({number} of {times})'
        )
        where = os.path.join(directory, f'rerun-{number}')
        os.makedirs(where, 0o700)
        report = supervisor.run(_some(tests, wanted), where, setup, **how)
        for test_id, outcome in report.outcomes.items():
            statuses.setdefault(test_id, []).append(outcome.status)
            seconds[test_id] += outcome.seconds
        violated |= _violated(where)
        wanted = [
            each
            for each in wanted
            if each not in violated and not _has_passed(statuses[each])
        ]
        if report.interrupted:
            run.interrupted = True
            break
    flaky = [
        each
        for each, found in statuses.items()
        if _has_passed(found) and each not in violated
    ]
    _record(directory, setup, statuses, seconds, flaky, violated)
    for each in flaky:
        count = sections.plural(len(statuses[each]), 'rerun')
        colours.say(f'flaky: {each} failed, and passed after {count}')
    return flaky


def _has_passed(statuses: Sequence[str]) -> bool:
    return bool(statuses) and statuses[-1] in _PASSED


def _some(tests: discovery.Tests, ids: Sequence[str]) -> discovery.Tests:
    return dataclasses.replace(
        tests,
        tests={test_id: tests.tests[test_id] for test_id in ids},
        errors={},
        skipped={},
    )


def _violated(directory: str) -> set[str]:
    """Return the tests that broke an enforced rule."""
    try:
        return {
            event.test
            for event in reader.views([directory], [], [])
            if event.is_violation and event.kind == 'enforced'
        }
    except (OSError, ValueError):
        # A test has removed the records; the summary says so.
        return set()


def _record(
    directory: str,
    setup: child.Setup,
    statuses: dict[str, list[str]],
    seconds: Mapping[str, float],
    flaky: Sequence[str],
    violated: set[str],
) -> None:
    path = os.path.join(directory, 'events-reruns.jsonl')
    with (
        conf.override(**{**setup.settings, 'audit_file': path}),
        audit.AuditTrail('safe-fixtures run') as trail,
    ):
        for each, found in statuses.items():
            passed = each in flaky
            trail.record(
                events.RERUN,
                each,
                target_type=events.TEST_TYPE,
                event_type='monitor',
                outcome=(
                    cadftaxonomy.OUTCOME_SUCCESS
                    if passed
                    else cadftaxonomy.OUTCOME_FAILURE
                ),
                seconds=round(seconds[each], 3),
                statuses=found,
                flaky=passed,
                violated=each in violated,
            )
