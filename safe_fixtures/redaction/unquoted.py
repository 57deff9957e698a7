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
"""Find secrets in text that is quoted as in URLs, or as in JavaScript."""

import bisect
from collections.abc import Callable, Iterable, Iterator
import re

from safe_fixtures.redaction import shapes

__all__ = ['find', 'may_have']

# One of these is in any text that is worth it. A colon alone is not: it is
# in many URLs, and read as it is.
_MARK = re.compile(r'%(?:2[0257]|3[cd]|3a\+|0|5|7|40)')
_ESCAPES = ('\\u00', '\\x2', '\\x3')
# White space and signs; quoted again and again.
_QUOTED = re.compile(
    r'%(?:25)*+([2357][0-9A-F]|40|0[9AD])(?P<plus>\+?)'
    r'|\\++(?:u00|x)([23][0-9A-F])',
    re.IGNORECASE,
)
# Only these signs have a meaning around a secret.
_SIGNS = frozenset('"\'=:,;&<>{}[]()| \n\r\t-_/#\\!?@')


def may_have(lowered: str) -> bool:
    """Whether a text in lower case may be quoted (a quick check)."""
    return ('%' in lowered and _MARK.search(lowered) is not None) or (
        '\\' in lowered and any(mark in lowered for mark in _ESCAPES)
    )


def find(
    text: str, finder: Callable[[str], Iterable[shapes.Shape]]
) -> Iterator[shapes.Shape]:
    """Find the secrets in a text once it is unquoted.

    :param text: any text. Only lines with something quoted are looked at.
    :param finder: finds them in what it is given.
    :returns: where they are in the text as it is.
    """
    parts: list[str] = []
    # Where each part begins, in the unquoted text and in the other.
    starts: list[tuple[int, int]] = []
    size = line_ends = done = 0

    def add(part: str, start: int) -> None:
        nonlocal size
        parts.append(part)
        starts.append((size, start))
        size += len(part)

    for quoted in _QUOTED.finditer(text):
        sign = _sign(quoted)
        if not sign:
            continue
        if quoted.start() >= line_ends:
            # The rest of the line before, and the beginning of this one.
            add(text[done:line_ends], done)
            done = text.rfind('\n', line_ends, quoted.start())
            done = line_ends if done < 0 else done
            line_ends = text.find('\n', quoted.end())
            line_ends = len(text) if line_ends < 0 else line_ends
        add(text[done : quoted.start()], done)
        add(sign, quoted.start())
        done = quoted.end()
    if not parts:
        return
    add(text[done:line_ends], done)
    starts.append((size, line_ends))
    yield from _placed(finder(''.join(parts)), starts)


def _sign(quoted: re.Match[str]) -> str:
    """Return what is quoted, if that means something around a secret."""
    sign = chr(int(quoted[1] or quoted[3], 16))
    if sign not in _SIGNS:
        return ''
    if quoted['plus']:
        # After these it stands for a space.
        sign += ' ' if sign in ':,' else '+'
    return sign


def _placed(
    found: Iterable[shapes.Shape], starts: list[tuple[int, int]]
) -> Iterator[shapes.Shape]:
    """Yield shapes with their places in the text before."""
    begins = [start for start, _ in starts]
    for shape in found:
        at = bisect.bisect_right(begins, shape.start) - 1
        start = starts[at][1] + shape.start - starts[at][0]
        # Up to the end of the last character.
        last = bisect.bisect_left(begins, shape.end) - 1
        end = starts[last][1] + shape.end - starts[last][0]
        if begins[last + 1] == shape.end:
            end = starts[last + 1][1]
        yield shape._replace(start=start, end=end)
