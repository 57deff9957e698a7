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

"""``safe-fixtures report``: sum up the records of runs."""

import argparse
from collections.abc import Iterable, Sequence
import itertools
from typing import Any

from cliff import lister

from safe_fixtures.baseline import compare
from safe_fixtures.cli import alerts
from safe_fixtures.cli import baseline
from safe_fixtures.cli import help
from safe_fixtures.cli import outputs
from safe_fixtures.cli import tables
from safe_fixtures.cli import violations
from safe_fixtures import summary

__all__ = ['Report']

_SHOWN = 20  # rows of each section of a comparison
_EPILOG = """\
examples:
  Look at a run again:
    safe-fixtures report safe-fixtures-report-20261128T013000Z
  Sum up the parts of a run on two machines:
    safe-fixtures report report-of-one-machine report-of-another
  Say what is new since yesterday:
    safe-fixtures report today --compare yesterday
  Give a program what the table says:
    safe-fixtures report -f json report

exit codes:
  0  all is well
  1  a test failed, was ended or was not run
  2  an enforced rule was violated
  3  the records cannot be read, or a file cannot be written
"""


class Report(lister.Lister):
    """Sum up the records of one or more runs.

    The records of several workers, runs and machines are merged by time.
    With --compare, the table says what differs from earlier runs.
    """

    _epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--violations',
            action='store_true',
            help='show all violations instead of the summary; with -f json, '
            'csv, yaml or value each one by itself',
        )
        violations.add_arguments(parser)
        alerts.add_argument(parser)
        outputs.add_arguments(parser)
        baseline.add_argument(parser)
        parser.add_argument(
            '--compare',
            action='append',
            metavar='BEFORE',
            help='an earlier run to compare with; can be repeated, as several '
            'runs tell what takes longer from what differs anyway',
        )
        parser.add_argument(
            'paths',
            nargs='+',
            metavar='DIR',
            help='the report directory of a run, or a single file of events',
        )
        help.tidy(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        debts = baseline.of(parsed_args)
        self._summary = summary.summarize(
            parsed_args.paths, alerts.of(parsed_args), debts
        )
        outputs.write(
            parsed_args, parsed_args.paths, debts, parsed_args.compare or ()
        )
        if parsed_args.compare is not None:
            found = compare.compare(parsed_args.compare, parsed_args.paths)
            rows = _for_a_table(found.rows(), parsed_args)
            return tables.of_rows(rows, parsed_args)
        if parsed_args.violations:
            return violations.table(self._summary, parsed_args)
        return tables.of_summary(self._summary, parsed_args)

    def run(self, parsed_args: argparse.Namespace) -> int:
        super().run(parsed_args)
        if not (parsed_args.violations or parsed_args.compare):
            violations.show(
                self._summary, parsed_args, parsed_args.paths, self.app.stdout
            )
        return violations.exit_code(self._summary, parsed_args)


def _for_a_table(
    rows: list[tables.Row], parsed_args: argparse.Namespace
) -> list[tables.Row]:
    """Leave out what makes a table too long to read."""
    if parsed_args.formatter != 'table':
        return rows
    shown: list[tables.Row] = []
    for section, found in itertools.groupby(rows, lambda row: row[0]):
        kept = list(found)
        shown += kept[:_SHOWN]
        more = len(kept) - _SHOWN
        if more > 0:
            shown.append((section, 'more', more, '-f json has all'))
    return shown
