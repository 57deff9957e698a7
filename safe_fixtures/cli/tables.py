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

"""Tables that fit the terminal; programs get whole data."""

import argparse
from collections.abc import Iterable, Sequence
import re
import shutil
import textwrap
from typing import Any

from cliff import columns

from safe_fixtures.runtime import printable
from safe_fixtures import summary

__all__ = ['Row', 'of_rows', 'of_summary', 'short', 'terminal_width']

#: Section, item, count and details.
Row = tuple[str, str, int | float | str, str]

_WIDTH = 100  # columns, if there is no terminal
# Narrower details cannot be read: the table is then too wide.
_LEAST_DETAILS = 30
# The module in the id of a test.
_MODULE = re.compile(r'(?<![\w.])(?:[A-Za-z_]\w*\.){3,}(?=[A-Z]\w*\.\w)')
_BREAKS = re.compile(r'(?<=;) |(?<=\),) ')


def of_summary(
    total: summary.Summary, parsed_args: argparse.Namespace
) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Return columns and rows of a summary; see :func:`of_rows`."""
    return of_rows(total.rows(), parsed_args)


def of_rows(
    found: Iterable[Row], parsed_args: argparse.Namespace
) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Return columns and rows; a table wraps only the details.

    :param found: the rows.
    :param parsed_args: the arguments of the command.
    """
    rows = [
        (
            printable.line(section),
            printable.line(item),
            count,
            printable.line(details),
        )
        for section, item, count, details in found
    ]
    # cliff would shrink the other columns too.
    width = parsed_args.max_width or terminal_width()
    for column in list(zip(summary.COLUMNS, *rows, strict=True))[:-1]:
        width -= max(len(str(value)) for value in column) + 3
    # The borders of the table, and of its last column.
    width -= 4
    return summary.COLUMNS, [
        (*others, _Details(details, width)) for *others, details in rows
    ]


class _Details(columns.FormattableColumn[str]):
    """Text that a table wraps; it shows tests without their modules."""

    def __init__(self, value: str, width: int) -> None:
        super().__init__(value)
        self._width = max(width, _LEAST_DETAILS)

    def human_readable(self) -> str:
        """Return the text for a table."""
        return '\n'.join(
            line
            for part in _BREAKS.split(short(self._value))
            for line in textwrap.wrap(
                part, self._width, break_on_hyphens=False
            )
        )


def short(text: str) -> str:
    """Return text in which tests are named without their modules."""
    return _MODULE.sub('', text)


def terminal_width() -> int:
    """Return how many columns a table may have."""
    return shutil.get_terminal_size((_WIDTH, 24)).columns
