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

"""``safe-fixtures baseline``: accept the violations of a run as debts."""

import argparse
import os

from cliff import command

from safe_fixtures.baseline import accept
from safe_fixtures.baseline import toml
from safe_fixtures.cli import help
from safe_fixtures.core import debts
from safe_fixtures.runtime import printable
from safe_fixtures.summary import sections

__all__ = ['NAME', 'Baseline', 'add_argument', 'of']

#: The baseline of a suite, if no other is named.
NAME = 'safe-fixtures-baseline.toml'
_OWNER = "the suite's owners"
_EPILOG = """\
examples:
  Accept what is there:
    safe-fixtures run --mode audit --report first my.tests
    safe-fixtures baseline first
  Fail on what is new:
    safe-fixtures run --baseline safe-fixtures-baseline.toml my.tests
  Take out what is paid:
    safe-fixtures baseline --prune report

exit codes:
  0  the baseline is written, or needs no change
  3  it exists, or it or the records cannot be read
"""


class Baseline(command.Command):
    """Accept the violations of runs as debts, so that only new ones fail.

    A waiver states a reason; a debt states who owes the change. Make the
    first baseline from a run with --mode audit: there, no violation ends a
    test before it has done all that it does.
    """

    _epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'paths',
            nargs='+',
            metavar='DIR',
            help='the report directory of a run, or a single file of events',
        )
        parser.add_argument(
            '-o',
            '--output',
            default=NAME,
            metavar='FILE',
            help=f'the baseline (default: {NAME})',
        )
        parser.add_argument(
            '--owner',
            type=_owner,
            metavar='WHO',
            help='who owes the change and may remove the debt: a team, a '
            f'person, a bug (default: {_OWNER}). With --prune: whose debts '
            'may be removed (default: all)',
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            '--prune',
            action='store_true',
            help='only take out what is paid: the test passed and did not do '
            'it, or less often. Debts of tests that did not pass stay, and '
            'nothing is added',
        )
        what.add_argument(
            '--force',
            action='store_true',
            help='replace a baseline that exists; what is still there keeps '
            'its owner',
        )
        help.tidy(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the baseline, and say what is in it."""
        if parsed_args.prune:
            self._prune(parsed_args)
        else:
            self._accept(parsed_args)

    def _accept(self, parsed_args: argparse.Namespace) -> None:
        path = parsed_args.output
        before: list[debts.Debt] = []
        if os.path.lexists(path):
            if not parsed_args.force:
                raise ValueError(
                    f'{path} exists: --prune takes out what is paid, and '
                    '--force replaces it'
                )
            before = debts.read(path)
        found = accept.accept(
            parsed_args.paths, parsed_args.owner or _OWNER, before
        )
        toml.write(path, found.debts)
        self._say(f'{path}: {_counted(found.debts)}')
        if found.refused:
            self._say(
                f'{found.refused} more have no debts: their rule is always '
                'enforced, or unknown'
            )
        if found.enforced:
            self._say(
                f'{sections.plural(found.enforced, "debt")} ended the test, '
                'which may do more when it goes on; a run with "--mode audit" '
                'finds all of it at once'
            )
        if found.missing:
            self._say(
                'a part of the records cannot be read: '
                + sections.first(found.missing)
            )

    def _prune(self, parsed_args: argparse.Namespace) -> None:
        path = parsed_args.output
        before = debts.read(path)
        left = accept.prune(before, parsed_args.paths, parsed_args.owner)
        if left.debts != before:
            toml.write(path, left.debts)
        self._say(
            f'{path}: {left.removed} removed, {left.lowered} lowered; '
            f'{_counted(left.debts)}'
        )
        if left.unproved:
            self._say(
                f'{left.unproved} stay because the test did not pass in '
                'these runs'
            )

    def _say(self, text: str) -> None:
        print(printable.line(text), file=self.app.stdout)


def add_argument(parser: argparse._ActionsContainer, more: str = '') -> None:
    """Add the option ``--baseline`` to a command.

    :param more: what the help says besides.
    """
    parser.add_argument(
        '--baseline',
        metavar='FILE',
        help='the debts of the suite, as "safe-fixtures baseline" wrote them: '
        f'only what is new fails{more}',
    )


def of(parsed_args: argparse.Namespace) -> list[debts.Debt] | None:
    """Return the debts that the option names; None without one.

    :raises: ConfigurationError if they make no sense.
    """
    path = parsed_args.baseline
    return None if path is None else debts.read(path)


def _owner(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError('must not be empty')
    return printable.line(text.strip())


def _counted(found: list[debts.Debt]) -> str:
    tests = sections.plural(len({debt.test for debt in found}), 'test')
    return f'{sections.plural(len(found), "debt")} of {tests}'
