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

"""``safe-fixtures run``."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
import datetime
import os
from typing import Any

from cliff import lister

from safe_fixtures.cli import alerts
from safe_fixtures.cli import app
from safe_fixtures.cli import failures
from safe_fixtures.cli import help
from safe_fixtures.cli import outputs
from safe_fixtures.cli import page
from safe_fixtures.cli import run_options
from safe_fixtures.cli.runner import colours
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import paired
from safe_fixtures.cli.runner import process
from safe_fixtures.cli.runner import profiling
from safe_fixtures.cli.runner import reruns
from safe_fixtures.cli.runner import supervisor
from safe_fixtures.cli import selection
from safe_fixtures.cli import tables
from safe_fixtures.cli import violations
from safe_fixtures import conf
from safe_fixtures.core import debts
from safe_fixtures.core import waivers
from safe_fixtures import exceptions
from safe_fixtures.guards.services import journal
from safe_fixtures.runtime import printable
from safe_fixtures import summary

__all__ = ['Run']

_EPILOG = """\
examples:
  Run the functional tests of a project:
    safe-fixtures run my_project.tests.functional
  Run what failed last time, and stop at the first failure:
    safe-fixtures run --failing --fail-fast
  Run the second of four parts, each of which takes equally long:
    safe-fixtures run --shard 2/4 --timings yesterday my_project.tests
  Look for tests that fail only sometimes:
    safe-fixtures run --shuffle random --rerun-failures 2 my_project.tests

exit codes:
  0  all is well, or nothing is to be run
  1  a test failed, was ended or was not run
  2  an enforced rule was violated
  3  nothing could be run as asked, or no test was hardened
"""


class Run(lister.Lister):
    """Run tests hardened, in several processes, and print a summary.

    The tests need no edits. Those of a project that builds on the test bases
    of Nova are hardened fully, and those of any other project by the guards
    that need no Nova.
    """

    _epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        run_options.add(parser)
        help.tidy(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run, print, and return the exit code."""
        self._status = 0
        self._directory = ''
        self._debts: list[debts.Debt] | None = None
        try:
            super().run(parsed_args)
            violations.show(
                self._summary, parsed_args, [self._directory], self.app.stdout
            )
            if self._directory and not parsed_args.no_html:
                page.write(
                    self._directory, alerts.of(parsed_args), self._debts
                )
        except (discovery.Unusable, exceptions.ConfigurationError) as error:
            return _unusable(str(error))
        except selection.Nothing as nothing:
            return _unusable(f'nothing to run: {nothing}', 0)
        except KeyboardInterrupt:
            return _unusable('interrupted', self._status or 1)
        return self._status

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        """Run the tests; return the columns and rows of the summary.

        :param parsed_args: from the parser.
        """
        setup = process.Setup(
            settings=_settings(parsed_args),
            profile=parsed_args.profile,
            fail_fast=parsed_args.fail_fast,
        )
        self._debts = _debts(setup.settings)
        if parsed_args.profile and profiling.find_sampler() is None:
            colours.say(
                'no flame graphs: they need py-spy; '
                'pip install safe_fixtures[profile]'
            )
        _name_left(journal.left_by_dead(conf.load().journals))
        directory = _directory(parsed_args.report)
        wrong = _run(parsed_args, directory, setup)
        self._sum_up(parsed_args, directory)
        self._status = (
            self._status
            or violations.exit_code(self._summary, parsed_args)
            or int(wrong)
        )
        try:
            outputs.write(parsed_args, [directory], self._debts)
        except outputs.Unwritten as error:
            # What the tests did goes before.
            unwritten = _unusable(str(error))
            self._status = self._status or unwritten
        return tables.of_summary(self._summary, parsed_args)

    def _sum_up(self, parsed_args: argparse.Namespace, directory: str) -> None:
        try:
            total = summary.summarize(
                [directory], alerts.of(parsed_args), self._debts
            )
        except (OSError, ValueError) as error:
            # A test has removed all records.
            total = summary.Summary()
            total.skipped.append(str(error))
            self._status = _unusable(str(error))
        self._summary, self._directory = total, directory


def _name_left(records: Iterable[journal.Record]) -> None:
    """Name the journals of killed runs: services are left changed."""
    for record in records:
        colours.say(
            printable.line(
                f'{len(record.debts)} services of a cloud were left changed '
                f'by {record.owner}, which has ended: safe-fixtures restore '
                f'{record.path}'
            )
        )


def _run(
    parsed_args: argparse.Namespace, directory: str, setup: process.Setup
) -> bool:
    """Run the tests, and some again; return whether anything went wrong.

    :param parsed_args: from the parser.
    :param directory: the report directory.
    :param setup: how a process of the run is set up.
    """
    tests, weights = selection.find(parsed_args, setup)
    if parsed_args.shuffle is not None:
        colours.say(f'shuffled: --shuffle {parsed_args.shuffle}')
    how = {
        'concurrency': parsed_args.concurrency,
        'test_timeout': parsed_args.test_timeout,
        'mode': parsed_args.mode or conf.load().mode,
    }
    # Nothing masks the logs: they are for the owner only.
    os.makedirs(directory, 0o700, exist_ok=True)
    report = supervisor.run(
        tests,
        directory,
        setup,
        seed=parsed_args.shuffle,
        weights=weights,
        **how,
    )
    failures.show(report, directory, len(tests.tests))
    failed = set(report.failures)
    again = tests, report, directory, setup
    if parsed_args.rerun_failures and failed and not report.interrupted:
        failed -= set(reruns.rerun(parsed_args.rerun_failures, *again, **how))
    if parsed_args.paired and not report.interrupted:
        colours.say('running some tests again, with and without speed-up')
        paired.measure(parsed_args.paired, *again, **how)
    return bool(report.interrupted or failed or report.lost)


def _unusable(text: str, status: int = app.ERROR) -> int:
    colours.say(f'safe-fixtures run: {text}')
    return status


def _settings(parsed_args: argparse.Namespace) -> dict[str, str]:
    """Return the settings of the run; check the whole configuration."""
    path = parsed_args.waivers
    if path is None and conf.load().waivers_file is None:
        default = run_options.WAIVERS
        path = default if os.path.isfile(default) else None
    given = {'waivers_file': path, 'baseline_file': parsed_args.baseline}
    settings = {
        name: os.path.abspath(path)
        for name, path in given.items()
        if path is not None
    }
    with conf.override(**settings):
        waivers.of_suite()
        debts.of_suite()
    return settings


def _debts(settings: Mapping[str, str]) -> list[debts.Debt] | None:
    """Return the debts of the suite; None without a baseline."""
    with conf.override(**settings):
        return debts.of_suite() if conf.load().baseline_file else None


def _directory(path: str | None) -> str:
    if path is None:
        now = datetime.datetime.now(datetime.UTC)
        path = f'safe-fixtures-report-{now:%Y%m%dT%H%M%SZ}'
    if not path:
        raise discovery.Unusable('--report: give the name of a directory')
    if os.path.lexists(path):
        if not os.path.isdir(path):
            raise discovery.Unusable(f'--report: {path} is no directory')
        if os.listdir(path):
            raise discovery.Unusable(
                f'--report: {path} is not empty; name a new directory'
            )
    return os.path.abspath(path)
