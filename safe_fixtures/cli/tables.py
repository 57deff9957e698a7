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

"""Listings: tables that fit the terminal, whole data for programs."""

import argparse
from collections.abc import Iterable, Sequence
import re
import shutil
import textwrap
from typing import Any

from cliff import columns
from cliff import lister

__all__ = ['Listing', 'SummaryListing']

_WIDTH = 100  # columns, if there is no terminal
# Narrower details cannot be read: the table is then too wide.
_LEAST_DETAILS = 30
# The module in the id of a test.
_MODULE = re.compile(r'(?<![\w.])(?:[A-Za-z_]\w*\.){3,}(?=[A-Z]\w*\.\w)')
_BREAKS = re.compile(r'(?<=;) |(?<=\),) |(?<=most in) ')


class Listing(lister.Lister):
    """A listing; by default its table fits the terminal."""

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
    ) -> int:
        """Print the list."""
        # The default, 0, means any width to cliff, and -1 still does.
        if parsed_args.max_width == 0:
            parsed_args.max_width = _terminal_width()
        return int(super().produce_output(parsed_args, column_names, data))


class SummaryListing(lister.Lister):
    """The rows of a summary; a table wraps only the details."""

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
    ) -> int:
        """Print the summary."""
        rows = list(data)
        # cliff would shrink the other columns too.
        width = parsed_args.max_width or _terminal_width()
        others = [
            max(len(str(value)) for value in column)
            for column in list(zip(column_names, *rows, strict=True))[:-1]
        ]
        width -= sum(others) + 3 * len(column_names) + 1
        return int(
            super().produce_output(
                parsed_args,
                column_names,
                [(*row[:-1], _Details(row[-1], width)) for row in rows],
            )
        )


class _Details(columns.FormattableColumn[str]):
    """Text that a table wraps; it shows tests without their modules."""

    def __init__(self, value: str, width: int) -> None:
        super().__init__(value)
        self._width = max(width, _LEAST_DETAILS)

    def human_readable(self) -> str:
        """Return the text for a table."""
        return '\n'.join(
            line
            for part in _BREAKS.split(_MODULE.sub('', self._value))
            for line in textwrap.wrap(
                part, self._width, break_on_hyphens=False
            )
        )


def _terminal_width() -> int:
    return shutil.get_terminal_size((_WIDTH, 24)).columns
