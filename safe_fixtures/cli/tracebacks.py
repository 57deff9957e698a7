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

"""Shorten the text of a failure to what its author needs first."""

import dataclasses
import os
import re
from types import ModuleType

import fixtures
import testtools
import wrapt

from safe_fixtures import rules
from safe_fixtures.runtime import stack

__all__ = ['Shortened', 'shortened']

_FRAME = re.compile(
    r'(?P<margin>[ |+-]*?)  File "(?P<path>.*)", line \d+, in '
)
_VIOLATION = re.compile(
    r'(?P<margin>[ |]*)(?P<name>[\w.]+): (?P<code>SF\d{3})'
    r'(?: \(CWE-\d+\))?: (?P<text>.*)'
)
_SAID = 'as said above'
# How a result of unittest names what has been masked.
# A traceback that has nothing left, and is in no chain.
_BARE = re.compile(
    r'(?:\A|(?<!occurred:)(?<!following exception:)\n\n)'
    r'Traceback \(most recent call last\):\n[\w.]+: SF\d{3}, '
    rf'{_SAID}(?=\n*\Z|\n\nTraceback )'
)


def _folder_of(package: ModuleType) -> str:
    return os.path.join(os.path.abspath(package.__path__[0]), '')


_LIBRARIES = tuple(map(_folder_of, (fixtures, testtools, wrapt)))


@dataclasses.dataclass(frozen=True)
class Shortened:
    """The text of a failure, shortened.

    :ivar violations: the code of each violation, and what it says.
    :ivar text: the rest: frames of the test and of what it tests, and the
        exceptions.
    :ivar left_out: how many frames were left out.
    """

    violations: tuple[tuple[str, str], ...]
    text: str
    left_out: int

    def __str__(self) -> str:
        parts = [_described(*violation) for violation in self.violations]
        return '\n\n'.join(filter(None, (*parts, self.text)))


def shortened(text: str) -> Shortened:
    """Shorten the text of a failure.

    Violations come first. Frames of this package, of what runs the tests and
    of the standard library are left out; the exceptions all stay, also those
    of a chain and of a group. What is no traceback stays as it is.

    :param text: the tracebacks of a test, as Python writes them.
    """
    kept: list[str] = []
    violations: dict[tuple[str, str], None] = {}
    left_out = 0
    inside, hidden = None, False  # of a frame: the margin of its source
    for line in text.rstrip().splitlines():
        frame = _FRAME.match(line)
        if frame:
            inside = frame['margin'] + '  '
            hidden = _is_library(frame['path'])
            left_out += hidden
        elif inside and not line.startswith((inside + '  ', inside + '[')):
            inside, hidden = None, False
        if hidden:
            continue
        found = None if inside else _VIOLATION.match(line)
        if found and found['code'] in rules.RULES:
            violations[found['code'], found['text']] = None
            name = found['name'].rpartition('.')[2]
            line = f'{found["margin"]}{name}: {found["code"]}, {_SAID}'
        kept.append(line)
    rest = re.sub(r'\n{3,}', '\n\n', '\n'.join(kept))
    rest = _BARE.sub('', rest).strip('\n')
    return Shortened(tuple(violations), rest, left_out)


def _is_library(path: str) -> bool:
    return stack.is_elsewhere(path) or path.startswith(_LIBRARIES)


def _described(code: str, text: str) -> str:
    """Return the rule, what happened, what to do, and where more is."""
    rule = rules.RULES[code]
    lines = [f'{code}, {rule.title}', text]
    happened = text.removesuffix(rule.remedy).rstrip()
    if happened != text:
        lines[1:] = [happened, f'To do: {rule.remedy}']
    lines.append(f'More: safe-fixtures rules {code}')
    return '\n  '.join(lines)
