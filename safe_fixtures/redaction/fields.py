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

"""Find named secrets in text: password=..., {'token': '...'} and the like."""

from collections.abc import Callable, Iterable, Iterator
import functools
import re

from safe_fixtures.redaction import encoded
from safe_fixtures.redaction import names
from safe_fixtures.redaction import shapes
from safe_fixtures.redaction import statements
from safe_fixtures.redaction import values

__all__ = ['find']

_LONGEST_NAME = 80
_NAME_BACKWARDS = re.compile(r'[\w.-]*+')
_BASE64_LINES = re.compile(r'(?:[A-Za-z0-9+/_-]|\s|\\+[nr])++=*+')


def find(
    text: str,
    lowered: str,
    roots: Iterable[str],
    holds_secret: Callable[[str], bool],
) -> Iterator[shapes.Shape]:
    """Find the values of fields that are named as secrets.

    :param text: any text.
    :param lowered: the same in lower case.
    :param roots: the roots of names that are in it, see ``names``.
    :param holds_secret: whether something in base64 holds a secret; called
        with the value of each field that may.
    :returns: an iterator of shapes; the kind of a value that holds a secret
        is ''.
    """
    statement: statements.Reader | None = None
    found: dict[int, re.Match[str]] = {}
    for root in roots:
        match_at = _pattern(root).match
        for position in shapes.positions(lowered, root):
            field = match_at(text, position)
            if field is not None:
                found.setdefault(field.end('end'), field)
            begins = statements.ROOTS.get(root)
            if begins and lowered.startswith(begins, position):
                statement = statement or statements.Reader(text)
                yield from statement.at_root(root, position)
    if not found:
        return
    reader = values.Reader(text)
    done = 0
    for _, field in sorted(found.items()):
        end = field.end('end')
        if end < done:
            continue
        name = _name_at(text, end)
        if names.is_holder(name):
            start = field.end()
            pattern = _BASE64_LINES if field['open'] else encoded.BASE64
            encoded_data = pattern.match(text, start)
            if encoded_data and holds_secret(encoded_data[0]):
                done = encoded_data.end()
                yield shapes.Shape('', start, done)
        elif names.is_secret_name(name):
            value = reader.value_of(name, field)
            if value and names.is_secret(
                name,
                text[value.start : value.end],
                quoted=value.quoted,
                colon=':' in field[0],
                after=text[value.end : value.end + 1],
            ):
                done = value.end
                yield shapes.Shape(
                    names.kind_of(name), value.start, done, value.quote
                )


@functools.cache
def _pattern(root: str) -> re.Pattern[str]:
    name = names.FIELD_NAMES[root]
    return re.compile(
        rf'(?:{name})(?>{names.NUMBER})(?P<end>)(?![\w-]){values.BETWEEN}',
        re.IGNORECASE,
    )


def _name_at(text: str, end: int) -> str:
    """Return the whole name that ends at *end*."""
    name = _NAME_BACKWARDS.match(text[max(0, end - _LONGEST_NAME) : end][::-1])
    assert name
    return name[0][::-1].lstrip('-.')
