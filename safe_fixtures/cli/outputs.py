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

from safe_fixtures.report import html

__all__ = ['add_arguments', 'write']


@dataclasses.dataclass(frozen=True)
class _Format:
    """A format that other programs or people read.

    :ivar option: such as ``--junit``.
    :ivar help: what the file is.
    :ivar write: writes a file, given the report directories (or files of
        events) and the name of the file.
    """

    option: str
    help: str
    write: Callable[[Sequence[str], str], None]


_FORMATS: tuple[_Format, ...] = (
    _Format('--html', 'write one HTML file for a browser', html.write),
)


def add_arguments(parser: argparse._ActionsContainer) -> None:
    """Add an option for each format."""
    for each in _FORMATS:
        parser.add_argument(each.option, metavar='FILE', help=each.help)


def write(parsed_args: argparse.Namespace, paths: Sequence[str]) -> None:
    """Write what the arguments ask for.

    :param parsed_args: the arguments of the command.
    :param paths: report directories or files of events.
    :raises: OSError if a file cannot be read or written.
    """
    for each in _FORMATS:
        file = getattr(parsed_args, each.option.strip('-').replace('-', '_'))
        if file is not None:
            each.write(paths, file)
