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

"""``safe-fixtures rules``: the catalogue of rules, and one of them."""

import argparse
from collections.abc import Iterable, Sequence
import pathlib
import textwrap
from typing import Any

from cliff import lister

from safe_fixtures.cli import app
from safe_fixtures.cli import help
from safe_fixtures.cli.runner import colours
from safe_fixtures.cli import tables
from safe_fixtures import rules

__all__ = ['Rules']

# The documentation includes them, and its tests run them.
_EXAMPLES = pathlib.Path(__file__).with_name('examples')
_NOTE = '  # isort: skip'
_EPILOG = """\
examples:
  List all rules:
    safe-fixtures rules
  Explain two of them:
    safe-fixtures rules SF203 SF501
  Give a program what the list says:
    safe-fixtures rules -f json
"""


class Rules(lister.Lister):
    """List the rules, or explain some: what violates each, and what to do.

    An explanation has a test that breaks the rule, and the same test mended.
    The exit code is 3 for an unknown rule.
    """

    _epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'codes',
            nargs='*',
            metavar='CODE',
            help='rules to explain, such as SF203 (default: list all rules)',
        )
        help.tidy(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        codes = [code.upper() for code in parsed_args.codes]
        try:
            self._rules = [*map(rules.get, codes)] or [*rules.RULES.values()]
        except ValueError as error:
            colours.say(f'safe-fixtures rules: {error}')
            return app.ERROR
        if codes and parsed_args.formatter == 'table':
            width = max(parsed_args.max_width or tables.terminal_width(), 40)
            texts = (_explained(rule, width) for rule in self._rules)
            print('\n\n'.join(texts), file=self.app.stdout)
            return 0
        return int(super().run(parsed_args))

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
                    _default(rule),
                    rule.cwe or '',
                    rule.finding,
                    rule.remedy,
                )
                for rule in self._rules
            ],
        )


def _default(rule: rules.Rule) -> str:
    return f'{rule.default}, always' if rule.always else rule.default


def _explained(rule: rules.Rule, width: int) -> str:
    """Return what there is to say about a rule, to be read."""
    code = rule.code.lower()
    about = (
        ('Default mode', _default(rule)),
        ('Weakness', rule.cwe or 'no exact one'),
        ('Review finding', rule.finding if rule.finding != '-' else 'none'),
        ('What to do', rule.remedy),
        ('Documentation', f'how-to/troubleshoot.html#{code}'),
    )
    lines = textwrap.wrap(f'{rule.code}: {rule.title}', width)
    for label, text in about:
        lines += textwrap.wrap(
            text,
            width,
            initial_indent=f'  {label:15} ',
            subsequent_indent=' ' * 18,
            break_on_hyphens=False,
        )
    # Without the license.
    source = (_EXAMPLES / f'{code}.py').read_text('utf-8')
    source = source.partition('\n\n')[2].replace(_NOTE, '')
    setting, bad, mended = _parts(source)
    for title, part in (
        ('Both tests begin with', setting),
        ('A test that breaks it', bad),
        ('The same test, mended', mended),
    ):
        lines += ['', f'{title}:', '', textwrap.indent(part, '    ')]
    return '\n'.join(lines)


def _parts(source: str) -> tuple[str, str, str]:
    setting, _, rest = source.partition('class TestBad')
    bad, _, mended = rest.partition('class TestMended')
    return (
        setting.strip(),
        f'class TestBad{bad}'.strip(),
        f'class TestMended{mended}'.strip(),
    )
