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

__all__ = ['find']

# Escaped as often as the text was put into another string.
_QUOTE = r'\\*+(?:["\']|&quot;|&#(?:34|39|x27);)'
# What stands between the end of a name and its value.
_BETWEEN = (
    rf'(?P<close>{_QUOTE})?'
    r'(?:'
    # password=x, 'password': 'x', password: !!str x
    rf'[ \t]*+(?:=>|[:=]|%(?:25)*3[Dd])[ \t]*+(?:!!\w++[ \t]++)?'
    rf'(?P<open>[bu]?{_QUOTE})?'
    # <password>x</password>
    r'|(?:[ \t][^<>]{0,200})?(?<!/)(?:>|&gt;)(?P<xml>)'
    # password is 'x', --password x
    rf'|(?:[ \t]++|\\t)(?:(?:is|to)[ \t]++(?P<said>{_QUOTE})'
    rf'|(?P<option>[bu]?{_QUOTE})?)'
    # set_password('x')
    rf'|(?P<call>\((?=[bu]?{_QUOTE}))'
    # ['--password', 'x']
    rf'|[ \t]*+,[ \t]*+(?P<item>[bu]?{_QUOTE})'
    r')'
)
_LONGEST_NAME = 80
_NAME_BACKWARDS = re.compile(r'[\w.-]*+')
_KEY_FOLLOWS = re.compile(rf'{_QUOTE}[ \t]*[:=]')
_PAIR_BACKWARDS = re.compile(rf'(?:[bu]?{_QUOTE}\(|{_QUOTE}b?\()')
_BARE = re.compile(r'(?:[^\s"\'&<,%]++|%(?!26)|,(?![\w.-]{1,80}=))++')
_LINE = re.compile(r'[^\r\n"\'<\\]++')
_LIST = re.compile(r'\[[^\[\]{}\r\n]{0,9999}\]')
_AFTER_VALUE = ',;:.)]}>\\'
# A function that sets a password: set_admin_password('x').
_SETTER = re.compile(r'(?:^|[._])(?:set|change|reset)_(?:[a-z]+_)?passw')
_ARGUMENTS = re.compile(
    r'(?>[^()\'"\r\n]{1,99}|\'[^\'\r\n]{0,99}\'|"[^"\r\n]{0,99}"){1,9}(?=\))'
)
# After a tab stands the next word of a table, or a secret: one with a digit.
_IN_TABLE = re.compile(r'(?=\S*[0-9])\S{6}')
_SCHEME = re.compile(r'(?:basic|bearer|digest|negotiate|aws4-\S+)\s', re.I)
_TO_END_OF_LINE = ('authorization', 'cookie')
# The id in what describes a token: {'expires': ..., 'id': 'x'}.
_INNER_ID = re.compile(
    rf'[^{{}}]{{0,2000}}?{_QUOTE}id{_QUOTE}\s*+:\s*+(?P<open>[bu]?{_QUOTE})'
)
_BASE64_LINES = re.compile(r'(?:[A-Za-z0-9+/_-]|\s|\\+[nr])++=*+')
_MARKS = {
    mark: re.compile(rf'(\\*+){mark}')
    for mark in ('"', "'", '&quot;', '&#34;', '&#39;', '&#x27;')
}


def find(
    text: str, roots: Iterable[str], holds_secret: Callable[[str], bool]
) -> Iterator[shapes.Shape]:
    """Find the values of fields that are named as secrets, in order.

    :param text: any text.
    :param roots: the roots of names that are in it, see ``names``.
    :param holds_secret: whether something in base64 holds a secret; called
        with the value of each field that may.
    :returns: an iterator of shapes; the kind of a value that holds a secret
        is ''.
    """
    reader = _Reader(text)
    done = 0
    for field in _fields_in(text, roots):
        end = field.end('end')
        if end < done:
            continue
        name = _name_at(text, end)
        if names.is_holder(name):
            start = field.end()
            pattern = _BASE64_LINES if field['open'] else encoded.BASE64
            value = pattern.match(text, start)
            if value and holds_secret(value[0]):
                done = value.end()
                yield shapes.Shape('', start, done)
        elif names.is_secret_name(name):
            span = reader.value_of(name, field)
            if span and names.is_secret(
                name,
                text[slice(*span)],
                quoted=field['open'] is not None,
                colon=':' in field[0],
                after=text[span[1] : span[1] + 1],
            ):
                done = span[1]
                yield shapes.Shape(names.kind_of(name), *span)


def _fields_in(text: str, roots: Iterable[str]) -> Iterator[re.Match[str]]:
    """Yield what looks like a name and the beginning of a value, in order."""
    lowered = shapes.lowered(text)
    found: dict[int, re.Match[str]] = {}
    for root in roots:
        match_at = _pattern(root).match
        for position in shapes.positions(lowered, root):
            field = match_at(text, position)
            if field is not None:
                found.setdefault(field.end('end'), field)
    for _, field in sorted(found.items()):
        yield field


@functools.cache
def _pattern(root: str) -> re.Pattern[str]:
    name = names.FIELD_NAMES[root]
    return re.compile(
        rf'(?:{name})(?>[0-9]*)(?P<end>)(?![\w-]){_BETWEEN}', re.IGNORECASE
    )


def _name_at(text: str, end: int) -> str:
    """Return the whole name that ends at *end*."""
    name = _NAME_BACKWARDS.match(text[max(0, end - _LONGEST_NAME) : end][::-1])
    assert name
    return name[0][::-1].lstrip('-.')


class _Reader:
    """Finds where the values of fields in a text are."""

    def __init__(self, text: str) -> None:
        self._text = text
        # By quote: the text has no more of them from there on.
        self._none_from: dict[str, int] = {}

    def value_of(
        self, name: str, field: re.Match[str]
    ) -> tuple[int, int] | None:
        """Return where the value of a field is; None if it has none."""
        start = field.end()
        name_starts = field.end('end') - len(name)
        before = self._text[max(0, name_starts - 9) : name_starts]
        if field['xml'] is not None:
            return self._in_element(before, field, start)
        if field['call']:
            setter = _SETTER.search(name)
            found = _ARGUMENTS.match(self._text, start) if setter else None
            return found.span() if found else None
        if not self._is_field(before, field, start):
            return None
        quote = (
            field['open'] or field['item'] or field['option'] or field['said']
        )
        if quote:
            return self._in_quotes(quote, field, start)
        is_key = field['close'] is not None
        if self._text.startswith('{', start):
            return self._in_description(start) if is_key else None
        if is_key and self._text.startswith('[', start):
            found = _LIST.match(self._text, start)
            return (start + 1, found.end() - 1) if found else None
        return self._bare(name, start)

    def _is_field(self, before: str, field: re.Match[str], start: int) -> bool:
        """Whether the text around a name makes it one of a field."""
        closed = field['close'] is not None
        if field['said']:
            return not closed
        is_option = before.endswith('--')
        if field['item']:
            return closed and (
                is_option or bool(_PAIR_BACKWARDS.match(before[::-1]))
            )
        if self._text[field.end('end') : start].strip('"\'\\ \t'):
            return True
        # Only white space, and maybe quotes, separates name and value.
        return not closed and (
            field['option'] is not None
            or is_option
            or bool(
                self._text.endswith(('\t', '\\t'), max(0, start - 2), start)
                and _IN_TABLE.match(self._text, start)
            )
        )

    def _in_quotes(
        self, quote: str, field: re.Match[str], start: int
    ) -> tuple[int, int] | None:
        end = self._end_of(quote, start)
        # ['token', 'password'] are names; so is x in {token 'x': 1}.
        if field['item'] and names.is_secret_name(self._text[start:end]):
            return None
        if field['option'] and _KEY_FOLLOWS.match(self._text, end):
            return None
        return start, end

    def _in_description(self, start: int) -> tuple[int, int] | None:
        """Return where the id in the description of a token is."""
        inner = _INNER_ID.match(self._text, start + 1, start + 2500)
        if inner is None:
            return None
        return inner.end(), self._end_of(inner['open'], inner.end())

    def _bare(self, name: str, start: int) -> tuple[int, int] | None:
        to_end_of_line = name.lower().endswith(
            _TO_END_OF_LINE
        ) or _SCHEME.match(self._text, start)
        bare = (_LINE if to_end_of_line else _BARE).match(self._text, start)
        if bare is None:
            return None
        return start, start + len(bare[0].rstrip(_AFTER_VALUE))

    def _in_element(
        self, before: str, field: re.Match[str], start: int
    ) -> tuple[int, int] | None:
        """Return where the text of an XML element is."""
        sign = '&lt;' if field[0].endswith(';') else '<'
        if field['close'] or not re.search(rf'{sign}(?:\w+:)?\Z', before):
            return None
        end = self._text.find(sign, start, start + 100_000)
        if end < 0 or not self._text.startswith('/', end + len(sign)):
            return None
        value = self._text[start:end]
        start += len(value) - len(value.lstrip())
        return start, max(start, start + len(value.strip()))

    def _end_of(self, quote: str, start: int) -> int:
        """Return where a string ends that began with *quote*."""
        text = self._text
        quote = quote.lstrip('bu')
        mark = quote.lstrip('\\')
        depth = len(quote) - len(mark)
        if self._none_from.get(quote, len(text) + 1) > start:
            for found in _MARKS[mark.lower()].finditer(text, start):
                # With more backslashes it is a quote within the string, even
                # if that was put into another string since.
                if len(found[1]) <= depth:
                    return found.start()
            self._none_from[quote] = start
        # The string is truncated.
        line = text.find('\n', start)
        return len(text) if line < 0 else line
