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

"""The violations of a run, as text and as the rows of a table."""

import argparse
from collections.abc import Iterator, Sequence
import shlex
import textwrap
from typing import IO, Any

from safe_fixtures.cli.runner import colours
from safe_fixtures.cli import tables
from safe_fixtures.runtime import printable
from safe_fixtures import summary
from safe_fixtures.summary import places
from safe_fixtures.summary import sections
from safe_fixtures.summary import violations

__all__ = ['add_arguments', 'exit_code', 'show', 'table']

_COLUMNS = (
    'code', 'mode', 'outcome', 'test', 'file', 'line', 'message', 'remedy',
    'count',
)  # fmt: skip
_OUTCOMES = ('enforced', 'recorded', 'waived')
_BLOCKS = 10  # rules at the end of a run
_GROUPS = 3  # of each rule
_TESTS = 2  # of each group
_LONGEST = 600  # characters of a message in a text


def add_arguments(parser: argparse._ActionsContainer) -> None:
    """Add what ``run`` and ``report`` have in common."""
    parser.add_argument(
        '--strict-waivers',
        action='store_true',
        help='exit with 1 if a waiver was not needed, or matches no test',
    )


def exit_code(total: summary.Summary, parsed_args: argparse.Namespace) -> int:
    """Return the exit code of a summary; say what the waivers add to it.

    :param parsed_args: the arguments of the command.
    """
    strict: bool = parsed_args.strict_waivers
    for each in total.idle_waivers() if strict else ():
        colours.say(f'--strict-waivers: {printable.line(each)}')
    return total.exit_code(strict_waivers=strict)


def table(
    total: summary.Summary, parsed_args: argparse.Namespace
) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Return the columns and rows of all violations.

    A table has a row for those that are the same to a reader; programs get
    each one.

    :param parsed_args: the arguments of the command.
    """
    if parsed_args.formatter != 'table':
        return _COLUMNS, [
            (
                *(
                    _plain(getattr(violation, name))
                    for name in _COLUMNS
                    if name != 'count'
                ),
                count,
            )
            for violation, count in total.found.listed()
        ]
    groups = total.found.folded()
    rows = [
        (_plain(each.first.code), each.first.outcome, each.count)
        for each in groups
    ]
    columns = 'Code', 'Outcome', 'Count', 'Violation'
    # What the other columns and all borders take.
    width = _width(parsed_args) - sum(map(len, columns[:3])) - 13
    return columns, [
        (*row, '\n'.join(_body(each, max(width, 30))))
        for row, each in zip(rows, groups, strict=True)
    ]


def show(
    total: summary.Summary,
    parsed_args: argparse.Namespace,
    paths: Sequence[str],
    stream: IO[str],
) -> None:
    """Print the violations after the table of a summary.

    With a baseline, these are the new ones.

    Other formats are for programs, which ask for ``report --violations``.

    :param parsed_args: the arguments of the command.
    :param paths: report directories or files of events.
    :param stream: where the table is printed.
    """
    if parsed_args.formatter == 'table':
        for line in _lines(total, _width(parsed_args), paths):
            print(line, file=stream)


def _lines(
    total: summary.Summary, width: int, paths: Sequence[str]
) -> Iterator[str]:
    found = total.unexcused
    # By outcome and rule, the most important first.
    blocks: dict[tuple[str, str], list[violations.Group]] = {}
    for group in found.folded():
        if group.first.outcome in _OUTCOMES:
            key = group.first.outcome, group.first.code
            blocks.setdefault(key, []).append(group)
    yield ''
    heading = _heading(found)
    if total.new is not None:
        heading = f'New since the baseline: {heading.lower()}'
    yield heading
    ordered = sorted(blocks, key=lambda key: _importance(blocks[key]))
    for groups in (blocks[key] for key in ordered[:_BLOCKS]):
        yield ''
        yield from _block(groups, width)
    left = ordered[_BLOCKS:]
    if left:
        yield ''
        rules = ', '.join(f'{code} {outcome}' for outcome, code in left)
        yield from _wrapped(f'and {rules}', width)
    yield ''
    if blocks:
        command = ['safe-fixtures', 'report', '--violations', *paths]
        code = ordered[0][1]
        yield f'All of them:  {printable.line(shlex.join(command))}'
        yield f'About a rule: safe-fixtures rules {printable.line(code)}'
    for again in total.commands:
        yield f'Run it again: {printable.line(again)}'


def _importance(groups: Sequence[violations.Group]) -> tuple[bool | int, ...]:
    """Return what comes first: by outcome, default mode, and count."""
    first = groups[0].first
    return (
        _OUTCOMES.index(first.outcome),
        not first.fails_by_default,
        -sum(group.count for group in groups),
    )


def _heading(found: violations.Found) -> str:
    counts = {each: found.count(each) for each in _OUTCOMES}
    tests = {
        violation.test
        for violation, _ in found.listed()
        if violation.outcome in _OUTCOMES
    }
    heading = 'No violations'
    if tests:
        heading = ', '.join(f'{n} {each}' for each, n in counts.items() if n)
        heading += ' violation' if sum(counts.values()) == 1 else ' violations'
        heading += f' in {sections.plural(len(tests), "test")}'
    expected = found.count('expected')
    return f'{heading} ({expected} were expected)' if expected else heading


def _block(groups: Sequence[violations.Group], width: int) -> Iterator[str]:
    """Yield the lines on violations of one rule with one outcome."""
    first = groups[0].first
    count = sum(group.count for group in groups)
    tests = {test for group in groups for test in group.tests}
    times = f' {count} times' if count > 1 else ''
    would = ''
    if first.outcome == 'recorded' and first.fails_by_default:
        would = '; in mode default it fails the test'
    yield from _wrapped(
        f'{first.code} {first.outcome}{times} in '
        f'{sections.plural(len(tests), "test")}: {first.title}{would}',
        width,
        then='  ',
    )
    yield from _wrapped(f'To do: {first.remedy}', width, '  ')
    for group in groups[:_GROUPS]:
        lines = [places.place(group.first), group.first.act, _tests(group)]
        if group.first.remedy != first.remedy:
            lines.insert(2, f'To do: {group.first.remedy}')
        if group.first.reason:
            lines.append(f'waived: {group.first.reason}')
        indent = '  * '
        for line in filter(None, lines):
            yield from _wrapped(line, width, indent, '    ')
            indent = '    '
    left = groups[_GROUPS:]
    if left:
        yield f'  and {sum(group.count for group in left)} more'


def _body(group: violations.Group, width: int) -> Iterator[str]:
    """Yield the lines of a cell of a table."""
    for label, text in (
        ('where', places.place(group.first)),
        ('what', group.first.act),
        ('to do', group.first.remedy),
        ('waived', group.first.reason),
        ('tests', _tests(group)),
    ):
        if text:
            yield from textwrap.wrap(
                _printed(text),
                width,
                initial_indent=f'{label:7}',
                subsequent_indent=' ' * 7,
                break_on_hyphens=False,
            )


def _tests(group: violations.Group) -> str:
    """Return the tests of a group, those that did it most often first."""
    # Where the place is known, the module of the test is, too.
    shown = [
        (tables.short(test) if group.first.file else test)
        + (f' ({count} times)' if count > 1 else '')
        for test, count in group.tests.most_common(_TESTS)
    ]
    more = len(group.tests) - len(shown)
    return ', '.join(shown) + (f' and {more} more' if more else '')


def _wrapped(
    text: str, width: int, indent: str = '', then: str | None = None
) -> list[str]:
    return textwrap.wrap(
        _printed(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent if then is None else then,
        # Names can be copied.
        break_long_words=False,
        break_on_hyphens=False,
    )


def _printed(text: str) -> str:
    text = printable.line(text)
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]} ...'


def _width(parsed_args: argparse.Namespace) -> int:
    # Narrower text cannot be read.
    return max(parsed_args.max_width or tables.terminal_width(), 40)


def _plain(value: Any) -> Any:
    return printable.line(value) if isinstance(value, str) else value
