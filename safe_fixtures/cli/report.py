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
from typing import Any

from cliff import lister

from safe_fixtures.cli import alerts
from safe_fixtures.cli import outputs
from safe_fixtures.cli import tables
from safe_fixtures import summary

__all__ = ['Report']


class Report(lister.Lister):
    """Sum up the records of one or more runs.

    The records of several workers, runs and machines are merged by time. The
    exit code is 0 if all is well, 1 if a test failed, 2 if an enforced rule
    was violated, and 3 if the records cannot be read or a file cannot be
    written.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        alerts.add_argument(parser)
        outputs.add_arguments(parser)
        parser.add_argument(
            'paths',
            nargs='+',
            metavar='DIR',
            help='the report directory of a run, or a single file of events',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        self._summary = summary.summarize(
            parsed_args.paths, alerts.of(parsed_args)
        )
        outputs.write(parsed_args, parsed_args.paths)
        return tables.of_summary(self._summary, parsed_args)

    def run(self, parsed_args: argparse.Namespace) -> int:
        super().run(parsed_args)
        return self._summary.exit_code()
