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

"""Find named fields in text."""

from collections.abc import Iterable, Iterator
import re

from safe_fixtures.redaction import names
from safe_fixtures.redaction import shapes

__all__ = [
    'Reader',
    'find_fields',
    'name_at',
]


_QUOTE = r'\\*+(?:["\']|&quot;|&#(?:34|39|x27);)'
# The rest of the name, and what is between it and the value. Quotes may be
# escaped, as often as they were put into a string.
_FIELD = re.compile(
    r'(?>pass(?:word|wd|phrase|code)?s?|p?s?wd|tokens?'
    r'|secrets?(?:_uuid|_id|_value)?'
    r'|key(?:[_-]?id)?s?|cookies?|authorization|credential|signature|sig'
    r'|configdrive|barbicansimplecryptokek|cephclusterfsid|swifthashsuffix'
    r'|user_?data|contents?)(?>[0-9]*)(?P<end>)(?![\w-])'
    rf'(?P<close>{_QUOTE})?'
    r'(?:'
    rf'[ \t]*+(?:=>|[:=]|%(?:25)*3[Dd])[ \t]*+(?:!!\w++[ \t]++)?'
    rf'(?P<open>[bu]?{_QUOTE})?'
    r'|(?:[ \t][^<>]{0,200})?(?<!/)(?:>|&gt;)(?P<xml>)'
    rf'|(?:[ \t]++|\\t)(?:(?:is|to)[ \t]++(?P<said>{_QUOTE})'
    rf'|(?P<option>[bu]?{_QUOTE})?)'
    rf'|(?P<call>\((?=[bu]?{_QUOTE}))'
    rf'|[ \t]*+,[ \t]*+(?P<item>[bu]?{_QUOTE})'
    r')',
    re.IGNORECASE,
)
_LONGEST_NAME = 80
_NAME_BACKWARDS = re.compile(r'[\w.-]*+')
_KEY_FOLLOWS = re.compile(rf'{_QUOTE}[ \t]*[:=]')
_BEFORE_PAIR = re.compile(rf'(?:[bu]?{_QUOTE}\(|{_QUOTE}b?\()')
_BARE = re.compile(r'(?:[^\s"\'&<,%]++|%(?!26)|,(?![\w.-]{1,80}=))++')
_LINE = re.compile(r'[^\r\n"\'<\\]++')
_LIST = re.compile(r'\[[^\[\]{}\r\n]{0,9999}\]')
_AFTER_VALUE = ',;:.)]}>\\'
# Of one that sets a password, such as set_admin_password('x').
_SETTER = re.compile(r'(?:^|[._])(?:set|change|reset)_(?:[a-z]+_)?passw')
_ARGUMENTS = re.compile(
    r'(?>[^()\'"\r\n]{1,99}|\'[^\'\r\n]{0,99}\'|"[^"\r\n]{0,99}"){1,9}(?=\))'
)
# After a tab, also as source has it, where words of a table can be.
_IN_TABLE = re.compile(r'(?=\S*[0-9])\S{6}')
_SCHEME = re.compile(r'(?:basic|bearer|digest|negotiate|aws4-\S+)\s', re.I)
_TO_END_OF_LINE = ('authorization', 'cookie')
# Of the description of a token: its own id.
_INNER_ID = re.compile(
    rf'[^{{}}]{{0,2000}}?{_QUOTE}id{_QUOTE}\s*+:\s*+(?P<open>[bu]?{_QUOTE})'
)
_MARKS = {
    mark: re.compile(rf'(\\*+){mark}')
    for mark in ('"', "'", '&quot;', '&#34;', '&#39;', '&#x27;')
}


class Reader:
    """Finds the values that names in a text have."""

    def __init__(self, text: str) -> None:
        self._text = text
        # From where on there is no such quote, once that is known.
        self._none_from: dict[str, int] = {}

    def value_of(
        self, name: str, field: re.Match[str]
    ) -> tuple[int, int] | None:
        """Return where the value of a field is, None if it has none."""
        text = self._text
        start = field.end()
        name_starts = field.end('end') - len(name)
        before = text[max(0, name_starts - 9) : name_starts]
        if field['xml'] is not None:
            return self._in_element(before, field, start)
        if field['call']:
            setter = _SETTER.search(name)
            found = _ARGUMENTS.match(text, start) if setter else None
            return found.span() if found else None
        quote = (
            field['open'] or field['item'] or field['option'] or field['said']
        )
        if field['said']:
            if field['close']:
                return None
        elif field['item']:
            if not field['close'] or not (
                before.endswith('--') or _BEFORE_PAIR.match(before[::-1])
            ):
                return None
        elif text[field.end('end') : start].strip('"\'\\ \t') == '':
            # Nothing but white space and maybe quotes is between the two.
            if field['close']:
                return None
            if (
                not quote
                and not before.endswith('--')
                and not (
                    text[max(0, start - 2) : start].endswith(('\t', '\\t'))
                    and _IN_TABLE.match(text, start)
                )
            ):
                return None
        if quote:
            end = self._end_of(quote.lstrip('bu'), start)
            if field['item'] and names.is_secret_name(text[start:end]):
                return None
            if field['option'] and _KEY_FOLLOWS.match(text, end):
                return None
            return start, end
        if text.startswith('{', start):
            inner = _INNER_ID.match(text, start + 1, start + 2500)
            if inner is None or not field['close']:
                return None
            return inner.end(), self._end_of(
                inner['open'].lstrip('bu'), inner.end()
            )
        if text.startswith('[', start) and field['close']:
            found = _LIST.match(text, start)
            return (start + 1, found.end() - 1) if found else None
        if name.lower().endswith(_TO_END_OF_LINE) or _SCHEME.match(
            text, start
        ):
            bare = _LINE.match(text, start)
        else:
            bare = _BARE.match(text, start)
        if bare is None:
            return None
        return start, start + len(bare[0].rstrip(_AFTER_VALUE))

    def _in_element(
        self, before: str, field: re.Match[str], start: int
    ) -> tuple[int, int] | None:
        """Return where the text of an element of XML is."""
        escaped = field[0].endswith(';')
        if field['close'] or not re.search(
            r'&lt;(?:\w+:)?\Z' if escaped else r'<(?:\w+:)?\Z', before
        ):
            return None
        sign = '&lt;' if escaped else '<'
        end = self._text.find(sign, start, start + 100_000)
        if end < 0 or not self._text.startswith('/', end + len(sign)):
            return None
        value = self._text[start:end]
        start += len(value) - len(value.lstrip())
        return start, max(start, start + len(value.strip()))

    def _end_of(self, quote: str, start: int) -> int:
        """Return where a string ends that began with *quote*."""
        text = self._text
        mark = quote.lstrip('\\')
        depth = len(quote) - len(mark)
        if self._none_from.get(quote, len(text) + 1) > start:
            for found in _MARKS[mark.lower()].finditer(text, start):
                # With more backslashes it is one within the string, also if
                # that was put into another string since.
                if len(found[1]) <= depth:
                    return found.start()
            self._none_from[quote] = start
        # It was cut off.
        line = text.find('\n', start)
        return len(text) if line < 0 else line


def find_fields(text: str, roots: Iterable[str]) -> Iterator[re.Match[str]]:
    """Yield what looks like the name of a secret and a value, in order."""
    lowered = shapes.lowered(text)
    found: dict[int, re.Match[str]] = {}
    for root in roots:
        for position in shapes.positions(lowered, root):
            field = _FIELD.match(text, position)
            if field is not None:
                found.setdefault(field.end('end'), field)
    for _, field in sorted(found.items()):
        yield field


def name_at(text: str, end: int) -> str:
    """Return the name that ends there."""
    found = _NAME_BACKWARDS.match(
        text[max(0, end - _LONGEST_NAME) : end][::-1]
    )
    assert found
    return found[0][::-1].lstrip('-.')
