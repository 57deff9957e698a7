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

"""``safe-fixtures rules``: the catalogue of rules."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from safe_fixtures.cli import help
from safe_fixtures.cli import tables
from safe_fixtures import rules

__all__ = ['Rules']

_EPILOG = """\
examples:
  List all rules:
    safe-fixtures rules
  Show only what each is about, and what it does by default:
    safe-fixtures rules -c Code -c Rule -c Default
  Give the catalogue to a program:
    safe-fixtures rules -f json
"""


class Rules(lister.Lister):
    """List the rules: what violates each, and what to do about it."""

    _epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        help.tidy(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        # To cliff, 0 means any width.
        parsed_args.max_width = (
            parsed_args.max_width or tables.terminal_width()
        )
        return (
            ('Code', 'Rule', 'Default', 'CWE', 'Finding', 'Remedy'),
            [
                (
                    rule.code,
                    rule.title,
                    f'{rule.default}, always' if rule.always else rule.default,
                    rule.cwe or '',
                    rule.finding,
                    rule.remedy,
                )
                for rule in rules.RULES.values()
            ],
        )
