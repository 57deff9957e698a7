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
"""Find where the value of a named field is in a text."""

import re
from typing import NamedTuple

from safe_fixtures.redaction import names
from safe_fixtures.redaction import quotes

__all__ = ['BETWEEN', 'Reader', 'Value']

_Q = quotes.QUOTE
_OPEN = rf'{quotes.PREFIX}{_Q}'
# White space, also escaped.
_GAP = r'(?:\s|\\+[nrt])'
# What stands between the end of a name and its value.
BETWEEN = (
    rf'(?P<close>{_Q})?'
    r'(?:'
    # password=x, 'password': 'x', password: !!str x, password=Secret('x')
    # (no heading that is underlined)
    rf'(?:(?<=["\';])\s*+|[ \t]*+|{_GAP}++(?==(?!=)))'
    r'(?:=>|:?=|:|%(?:25)*3[AaDd])'
    rf'(?P<gap>{_GAP}*+)'
    rf'(?:(?:!!?|&)\w++[ \t]++)*+'
    rf'(?:(?:secret(?:str|bytes)?|str|bytes|password)?\(\s*+(?={_OPEN}))?'
    rf'(?P<open>{_OPEN})?'
    # <password>x</password>
    r'|(?:\s[^<>]{0,200})?(?<!/)(?:>|&gt;)(?P<xml>)'
    # <key>password</key><string>x</string>
    rf'|(?P<plist></key>{_GAP}*+<string>)'
    # 'name': 'password', 'value': 'x'; name="password" value="x"
    rf'|{_GAP}*+,?{_GAP}*+(?:{_Q})?value(?:{_Q})?\s*+[:=]\s*+(?P<pair>{_OPEN})'
    # -n x.password -v x; also in a list
    rf'|[ \t]++(?P<flag>--?[a-z][\w-]*+)(?:[ \t]++|=)(?P<flagged>{_OPEN})?'
    rf'|{_GAP}*+,{_GAP}*+{_OPEN}(?P<flag_item>--?[a-z][\w-]*+){_Q}'
    rf'{_GAP}*+,{_GAP}*+(?P<item_flagged>{_OPEN})'
    # password is 'x', --password x
    rf'|(?P<space>{_GAP}++)(?:(?:is|to)[ \t]++(?P<said>{_Q})'
    rf'|(?P<option>{_OPEN})?)'
    # set_password('x')
    rf'|(?P<call>\((?={_OPEN}))'
    # ['--password', 'x']
    rf'|[ \t]*+,{_GAP}*+(?P<item>{_OPEN})'
    r')'
)
_KEY_FOLLOWS = re.compile(rf'{_Q}[ \t]*[:=]')
_PAIR_BEGINS = re.compile(rf'(?P<mark>[(\[]){_GAP}*+[bu]?{_Q}\Z')
_PAIR_ENDS = re.compile(rf'{_Q}{_GAP}*+\]')
_NAMED = re.compile(
    rf'(?:name|key|id|field|param(?:eter)?)(?:{_Q})?\s*[:=]\s*[bu]?{_Q}\Z',
    re.I,
)
# An escaped line break: the next header, or nothing, follows.
_BREAK = r'(?:r\\+n|[nrt](?:[A-Za-z][\w-]{0,80}[:=]|\\|["\'\s]|\Z))'
_BARE = re.compile(
    rf'(?:[^\s"\'&<,%\\]++|\\++(?!{_BREAK})|%(?!26)|,(?![\w.-]{{1,80}}=))++'
)
_NUMBER = re.compile(r'[+-]?[0-9][\w.+-]*+(?=[\s,}\]]|\Z)')
_LINE = re.compile(r'(?:[^\r\n"\'<\\=]++|=(?:\\*+"[^"\r\n\\]*+\\*+")?)++')
_LIST = re.compile(r'\[[^\[\]{}]{0,9999}\]')
_AFTER_VALUE = ',;:.)]}>\\'
# A function that sets a password: set_admin_password('x').
_SETTER = re.compile(r'(?:^|[._])(?:set|change|reset)_(?:[a-z]+_)?passw')
_ARGUMENTS = re.compile(
    r'(?>[^()\'"\r\n]{1,99}|\'[^\'\r\n]{0,99}\'|"[^"\r\n]{0,99}"){1,9}(?=\))'
)
# After a tab stands the next word of a table, or a secret: one with a digit.
_IN_TABLE = re.compile(r'(?=\S*[0-9])\S{6}')
# The options of a value, if a name stands before: iscsiadm -n x -v y.
_VALUE_FLAGS = frozenset({'-v', '--value', '-w', '-s', '--set'})
_SCHEME = re.compile(r'(?:basic|bearer|digest|negotiate|aws4-\S+)\s', re.I)
_TO_END_OF_LINE = ('authorization', 'cookie')
# The id in what describes a token: {'expires': ..., 'id': 'x'}.
_INNER_ID = re.compile(
    rf'[^{{}}]{{0,2000}}?{_Q}id{_Q}\s*+:\s*+(?P<open>[bu]?{_Q})'
)
# In an element: <Value>x</Value>, as Windows has it; <![CDATA[x]]>.
_INNER_VALUE = re.compile(
    r'(?P<sign><|&lt;)(?:\w+:)?Value(?:>|&gt;)(?P<value>[^<&]*)'
    r'|<!\[CDATA\[(?P<data>.*?)\]\]>',
    re.IGNORECASE | re.DOTALL,
)
# A block of YAML begins: "password: |".
_BLOCK = re.compile(
    r'[|>][+-]?[0-9]?[+-]?[ \t]*+(?:#[^\r\n\\]*+)?(?=\r?\n|\\+[rn])'
)
_BREAK_LINE = re.compile(r'(?:\r?\n|(?:\\+r)?\\+n)')
_REAL_LINE = re.compile(r'\r?\n(?P<indent>[ \t]*+)(?P<text>[^\r\n]*+)')
_ESCAPED_LINE = re.compile(
    r'(?:\\++r)?\\++n(?P<indent>[ \t]*+)'
    r'(?P<text>(?:[^\r\n\\"\']|\\++(?![nr"\']))*+)'
)
_BEFORE_KEY = re.compile(r'(?:[ \t]*+(?:- ++)*+)\Z')
_LONGEST_INDENT = 200
_HERE = re.compile(r'<<[-~]?["\']?(?P<mark>[A-Za-z_]\w{0,30})["\']?\r?\n')


class Value(NamedTuple):
    """Where a value is in a text.

    :ivar start: where it begins (int).
    :ivar end: where it ends (int).
    :ivar quoted: whether it is in quotes, so that it is no name (bool).
    :ivar quote: what goes around its mask (str).
    """

    start: int
    end: int
    quoted: bool = True
    quote: str = ''


class Reader:
    """Finds where the values of fields in a text are.

    :param text: the text (str).
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._quotes = quotes.Quotes(text)
        # No value ends beyond the end of this element.
        self._no_element_to: dict[str, int] = {}

    def value_of(self, name: str, field: re.Match[str]) -> Value | None:
        """Return where the value of a field is; None if it has none.

        :param name: the name of the field (str).
        :param field: the end of the name and what :data:`BETWEEN` matched.
        """
        start = field.end()
        name_starts = field.end('end') - len(name)
        before = self._text[max(0, name_starts - 24) : name_starts]
        if field['xml'] is not None or field['plist']:
            return self._in_element(before, field, start)
        if field['call']:
            setter = _SETTER.search(name)
            found = _ARGUMENTS.match(self._text, start) if setter else None
            return Value(*found.span(), quoted=False) if found else None
        if not self._is_field(name, before, field, start):
            return None
        quote = _quote_of(field)
        if quote:
            return self._in_quotes(quote, field, start)
        if field['close'] is not None:
            return self._of_key(name, field, start)
        if _has_break(field['gap']):
            return self._below(field, name_starts)
        block = _BLOCK.match(self._text, start)
        if block:
            return self._block(name_starts, block.end())
        here = _HERE.match(self._text, start)
        if here:
            end = self._text.find(
                f'\n{here["mark"]}', here.end(), here.end() + 9999
            )
            return Value(here.end(), end) if end >= 0 else None
        return self._bare(name, start)

    def _is_field(
        self, name: str, before: str, field: re.Match[str], start: int
    ) -> bool:
        """Whether the text around a name makes it one of a field."""
        closed = field['close'] is not None
        is_option = before.endswith('--') or bool(
            re.search(r'(?:\A|[\s\'"])-\Z', before)
        )
        if field['gap'] is not None:
            if name.startswith('os-') and before.endswith('api:'):
                # A policy: os_compute_api:os-server-password:show
                return False
            return (
                closed
                or not _has_break(field['gap'])
                or '=' in field[0]
                or field['gap'][-1] in ' \t'
            )
        if field['said']:
            return not closed
        if field['pair']:
            # <password value="x"/>, too
            return bool(closed and _NAMED.search(before)) or (
                not closed and before.endswith('<')
            )
        flag = field['flag'] or field['flag_item']
        if flag:
            return not is_option and ('.' in name or flag in _VALUE_FLAGS)
        if field['item']:
            return closed and (
                is_option or self._is_pair(field, before, start)
            )
        # Only white space, and maybe quotes, separates name and value.
        if closed:
            return False
        if _has_break(field['space']) and not is_option:
            return bool(
                field['option']
                and names.is_chance(
                    self._text[
                        slice(*self._quotes.span(field['option'], start))
                    ]
                )
            )
        return (
            field['option'] is not None
            or is_option
            or bool(
                (
                    field['space'].endswith(('\t', '\\t'))
                    # aws configure set aws_secret_access_key x
                    or before.endswith(' set ')
                )
                and _IN_TABLE.match(self._text, start)
            )
        )

    def _is_pair(self, field: re.Match[str], before: str, start: int) -> bool:
        """Whether a name and a value are the two items of a pair."""
        pair = _PAIR_BEGINS.search(before)
        if pair is None or pair['mark'] != '[':
            return pair is not None
        # A list may hold names, and be longer.
        end = self._quotes.end_of(field['item'], start)
        return end is not None and (
            _PAIR_ENDS.match(self._text, end) is not None
            and names.is_paired(self._text[start:end])
        )

    def _in_quotes(
        self, quote: str, field: re.Match[str], start: int
    ) -> Value | None:
        start, end = self._quotes.span(quote, start)
        # ['token', 'password'] are names; so is x in {token 'x': 1}, and in
        # {token to 'x': 1}.
        if field['item'] and names.is_secret_name(self._text[start:end]):
            return None
        if (field['option'] or field['said']) and _KEY_FOLLOWS.match(
            self._text, end
        ):
            return None
        # In quotes, but x in "token, '--x', 'y'" is a name as often as not.
        return Value(start, end, quoted=field['open'] is not None)

    def _of_key(
        self, name: str, field: re.Match[str], start: int
    ) -> Value | None:
        """Return where the value of a key in quotes is: ``'token': 1``."""
        text = self._text
        if text.startswith('{', start):
            inner = _INNER_ID.match(text, start + 1, start + 2500)
            if inner is None:
                return None
            span = self._quotes.span(inner['open'], inner.end())
            return Value(*span, quoted=False)
        if text.startswith('[', start):
            found = _LIST.match(text, start)
            if found is None:
                return None
            inside = found[0][1:-1]
            quote = '' if inside == names.MASK else field['close']
            return Value(start + 1, found.end() - 1, quoted=False, quote=quote)
        number = _NUMBER.match(text, start)
        if number:
            return Value(*number.span(), quoted=False, quote=field['close'])
        if _has_break(field['gap']):
            return None
        bare = self._bare(name, start)
        return bare and bare._replace(quote=field['close'])

    def _bare(self, name: str, start: int) -> Value | None:
        to_end_of_line = name.lower().endswith(
            _TO_END_OF_LINE
        ) or _SCHEME.match(self._text, start)
        bare = (_LINE if to_end_of_line else _BARE).match(self._text, start)
        if bare is None:
            return None
        end = start + len(bare[0].rstrip(_AFTER_VALUE))
        return Value(start, end, quoted=False)

    # YAML

    def _below(self, field: re.Match[str], name_starts: int) -> Value | None:
        """Return where the value is if it is below its name, indented."""
        value = self._block(name_starts, field.start('gap'))
        if value is None:
            return None
        found = self._text[value.start : value.end]
        lines = [line.strip(' \t') for line in _BREAK_LINE.split(found)]
        if all(line.startswith('- ') for line in lines):
            lines = [line[2:].strip() for line in lines]
        elif len(lines) > 1:
            return None
        if all(' ' not in line and _IN_TABLE.match(line) for line in lines):
            return value
        return None

    def _block(self, name_starts: int, position: int) -> Value | None:
        """Return where the lines of a block are."""
        text = self._text
        indent = self._indent_of(name_starts)
        pattern = _REAL_LINE
        if not text.startswith(('\r', '\n'), position):
            pattern = _ESCAPED_LINE
        start = end = -1
        while line := pattern.match(text, position):
            if line['text'] and len(line['indent']) <= indent:
                break
            if line['text']:
                start = line.start('text') if start < 0 else start
                end = line.end()
            position = line.end()
        return Value(start, end) if start >= 0 else None

    def _indent_of(self, name_starts: int) -> int:
        """Return by how much the line of a key is indented."""
        before = self._text[
            max(0, name_starts - _LONGEST_INDENT) : name_starts
        ]
        found = _BEFORE_KEY.search(before)
        assert found
        if before[: found.start()].endswith('\\n') or not found.start():
            return len(found[0])
        return len(found[0]) if before[found.start() - 1] == '\n' else 0

    # XML

    def _in_element(
        self, before: str, field: re.Match[str], start: int
    ) -> Value | None:
        """Return where the text of an XML element is."""
        text = self._text
        sign = '&lt;' if field[0].endswith(';') else '<'
        if field['close']:
            # <meta key="password">x</meta>
            if not _NAMED.search(before):
                return None
        elif not field['plist'] and not re.search(
            rf'{sign}(?:\w+:)?\Z', before
        ):
            return None
        end = text.find(sign, start, start + 100_000)
        if end < 0:
            return None
        if not text.startswith('/', end + len(sign)):
            inner = _INNER_VALUE.search(text, start, start + 500)
            if inner is None or text[start:end].strip('\\nrt \t\r\n'):
                return None
            group = 'data' if inner['data'] is not None else 'value'
            return Value(*inner.span(group), quoted=False)
        value = text[start:end]
        start += len(value) - len(value.lstrip())
        end = max(start, start + len(value.strip()))
        return Value(start, end, quoted=False)


def _quote_of(field: re.Match[str]) -> str | None:
    for group in ('open', 'item', 'option', 'said', 'pair', 'flagged',
                  'item_flagged'):  # fmt: skip
        if field[group]:
            return field[group]
    return None


def _has_break(gap: str | None) -> bool:
    """Whether white space has a line break in it, real or escaped."""
    return bool(gap and _BREAK_LINE.search(gap))
