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

"""Options of ``report`` and ``run`` that write a file of some format."""

import argparse
from collections.abc import Callable, Sequence
import dataclasses
import importlib.util

from safe_fixtures import audit
from safe_fixtures.cli import alerts
from safe_fixtures.core import debts as core_debts

__all__ = ['Unwritten', 'add_arguments', 'write']


class Unwritten(OSError):
    """A file that was asked for could not be written; the text says why."""


@dataclasses.dataclass(frozen=True)
class _Given:
    """What is given besides the records.

    :ivar debts: those of the baseline; None without one.
    :ivar before: the report directories of earlier runs, to compare with;
        empty without any.
    :ivar alerts: raises the alerts; None for those with the default limits.
    """

    debts: Sequence[core_debts.Debt] | None = None
    before: Sequence[str] = ()
    alerts: audit.Alerts | None = None


@dataclasses.dataclass(frozen=True)
class _Format:
    """A format that other programs or people read.

    :ivar option: such as ``--junit``.
    :ivar help: what the file is.
    :ivar write: writes a file, given the report directories (or files of
        events), the name of the file, and what else is given.
    :ivar needs: a module of the extra ``cli`` that it imports, if any.
    """

    option: str
    help: str
    write: Callable[[Sequence[str], str, _Given], None]
    needs: str = ''

    def file(self, text: str) -> str:
        """Check the argument of the option, before anything is run."""
        if not text:
            raise argparse.ArgumentTypeError('give the name of a file')
        if self.needs and importlib.util.find_spec(self.needs) is None:
            raise argparse.ArgumentTypeError(
                f'{self.needs} is not installed; install safe_fixtures[cli]'
            )
        return text


# What writes a format is imported when it is asked for.


def _html(paths: Sequence[str], file: str, given: _Given) -> None:
    from safe_fixtures.report import html

    html.write(paths, file, given.alerts, given.debts, given.before)


def _junit(paths: Sequence[str], file: str, given: _Given) -> None:
    from safe_fixtures.report import junit

    junit.write(paths, file, given.debts)


def _sarif(paths: Sequence[str], file: str, given: _Given) -> None:
    from safe_fixtures.report import sarif

    sarif.write(paths, file, given.debts, given.before)


def _markdown(paths: Sequence[str], file: str, given: _Given) -> None:
    from safe_fixtures.report import markdown

    markdown.write(paths, file, given.debts, given.before)


_FORMATS = (
    _Format(
        '--html', 'write one HTML file for a browser', _html, needs='jinja2'
    ),
    _Format(
        '--junit',
        'write the outcomes of the tests as JUnit XML, for CI systems',
        _junit,
        needs='junitparser',
    ),
    _Format(
        '--sarif',
        'write the violations as SARIF 2.1.0, for code scanning',
        _sarif,
    ),
    _Format(
        '--markdown',
        'write a summary of at most 60 lines, for a comment on a change',
        _markdown,
    ),
)


def add_arguments(parser: argparse._ActionsContainer) -> None:
    """Add an option for each format."""
    for each in _FORMATS:
        parser.add_argument(
            each.option, metavar='FILE', type=each.file, help=each.help
        )


def write(
    parsed_args: argparse.Namespace,
    paths: Sequence[str],
    debts: Sequence[core_debts.Debt] | None = None,
    before: Sequence[str] = (),
) -> None:
    """Write what the arguments ask for.

    :param parsed_args: the arguments of the command.
    :param paths: report directories or files of events.
    :param debts: those of the baseline; default: there is none.
    :param before: earlier runs to compare with; as *paths*.
    :raises: Unwritten if a file could not be written; the others are.
    """
    wrong = []
    for each in _FORMATS:
        file = getattr(parsed_args, each.option.strip('-').replace('-', '_'))
        if file is None:
            continue
        try:
            given = _Given(debts, before, alerts.of(parsed_args))
            each.write(paths, file, given)
        except (OSError, ValueError) as error:
            wrong.append(f'{each.option} {file}: {error}')
    if wrong:
        raise Unwritten('\n'.join(wrong))
