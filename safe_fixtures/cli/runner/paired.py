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

"""Measure what a run has won, by running some of its tests again."""

import dataclasses
import os
from typing import Any

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.cli.runner import colours
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import process as child
from safe_fixtures.cli.runner import records
from safe_fixtures.cli.runner import supervisor
from safe_fixtures import conf
from safe_fixtures.summary import sections

__all__ = ['measure']

# Without what lets tests take less time.
_WITHOUT = {'speed_up': 'false', 'wait_for_change': 'false'}
_WAYS: dict[str, dict[str, str]] = {'with': {}, 'without': _WITHOUT}


def measure(
    number: int,
    tests: discovery.Tests,
    run: records.Report,
    directory: str,
    setup: child.Setup,
    **how: Any,
) -> None:
    """Run some tests of a run both ways; record how long they took.

    Those that passed only when they ran again are left out: they may fail
    here, and only what passes both ways is counted. Nothing is recorded if
    this is interrupted.

    :param number: how many, spread over all that passed.
    :param tests: those of the run.
    :param run: its result.
    :param directory: the report directory of the run. What the tests leave
        is in ``paired-with`` and ``paired-without``.
    :param setup: how the worker processes of the run were set up.
    :param how: as for :func:`.supervisor.run`.
    """
    passed = [each for each in _seconds(run) if each in tests.tests]
    chosen = passed[:: max(1, len(passed) // number)][:number]
    some = dataclasses.replace(
        tests,
        tests={test_id: tests.tests[test_id] for test_id in chosen},
        errors={},
        skipped={},
    )
    took = {}
    for way, settings in _WAYS.items():
        changed = dataclasses.replace(
            setup,
            settings={**setup.settings, **settings},
            profile=False,
            fail_fast=False,
        )
        where = os.path.join(directory, f'paired-{way}')
        os.makedirs(where, 0o700)
        report = supervisor.run(some, where, changed, **how)
        if report.interrupted:
            return
        took[way] = _seconds(report)
    both = took['with'].keys() & took['without'].keys()
    if len(both) < len(chosen):
        colours.say(
            f'not counted: {len(chosen) - len(both)} of '
            f'{sections.plural(len(chosen), "test")} did not pass both ways'
        )
    path = os.path.join(directory, 'events-paired.jsonl')
    with (
        conf.override(**{**setup.settings, 'audit_file': path}),
        audit.AuditTrail('safe-fixtures run') as trail,
    ):
        trail.record(
            events.PAIRED,
            'safe-fixtures run',
            target_type=events.TEST_TYPE,
            event_type='monitor',
            tests=len(both),
            seconds_with=_sum(took['with'], both),
            seconds_without=_sum(took['without'], both),
        )


def _sum(seconds: dict[str, float], tests: set[str]) -> float:
    return round(sum(seconds[each] for each in tests), 3)


def _seconds(report: records.Report) -> dict[str, float]:
    """Return the seconds of the tests that passed."""
    return {
        test_id: outcome.seconds
        for test_id, outcome in report.outcomes.items()
        if outcome.status == 'success'
    }
