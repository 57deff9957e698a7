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

"""Find learned secrets in a text, in every encoding."""

import base64
from collections.abc import Callable, Iterator
import functools
import html
import json
import re
from urllib import parse

from safe_fixtures.redaction import shapes

__all__ = ['SHORTEST', 'Learned']

SHORTEST = 6  # characters; anything shorter is no secret


class Learned:
    """A learned secret, in all its forms.

    :param secret: the secret (str).
    """

    def __init__(self, secret: str) -> None:
        data = secret.encode('utf-8', 'surrogateescape')
        self._secret = secret
        # Most ways to escape leave this part as it is.
        self._core = max(re.findall('[A-Za-z0-9]*', secret), key=len)
        self._reach = 12 * len(secret) + 12
        forms = {
            form
            for form in _forms_of(secret, twice=len(self._core) < 4)
            if len(self._core) < 4 or self._core not in form
        }
        forms.update(_base64_forms(data))
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._hex = data.hex()
        # Each form has one of these in it, without white space.
        parts = {max(form.split(), key=len) for form in self._forms}
        parts |= {self._hex, self._hex.upper()}
        if self._core:
            parts.add(self._core)
        self._parts = sorted(
            part
            for part in parts
            if not any(other in part and other != part for other in parts)
        )

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        # Takes a millisecond; few secrets ever need it.
        return re.compile(''.join(_escaped(self._secret)))

    @functools.cached_property
    def _rest(self) -> re.Pattern[str]:
        end = self._secret.index(self._core) + len(self._core)
        return re.compile(''.join(_escaped(self._secret[end:])))

    def may_be_in(self, text: str, grams: set[str] | None) -> bool:
        """Whether the secret may be in a text (a quick check).

        :param text: the text.
        :param grams: all parts of it that have ``SHORTEST`` characters.
        """
        return any(
            part in text
            for part in self._parts
            if grams is None
            or len(part) < SHORTEST
            or (part[:SHORTEST] in grams and part[-SHORTEST:] in grams)
        )

    def find(self, text: str) -> list[shapes.Shape]:
        """Return where the secret is in a text."""
        forms = [(text, form) for form in self._forms]
        spans = [
            shapes.Shape('learned', start, start + len(form))
            for where, form in [*forms, (shapes.lowered(text), self._hex)]
            for start in shapes.positions(where, form)
        ]
        done = 0
        cores = shapes.positions(text, self._core) if self._core else ()
        for position in cores:
            end = position + len(self._core)
            if position < done or not self._rest.match(text, end):
                continue
            match = self._pattern.search(
                text, max(done, position - self._reach), position + self._reach
            )
            if match:
                done = match.end()
                spans.append(shapes.Shape('learned', *match.span()))
        return spans


def _escaped(secret: str) -> Iterator[str]:
    """Yield a pattern for each character, in all ways to escape it."""
    for part in re.findall(r'\\+|[^\\]', secret):
        if part[0] == '\\':
            yield r'(?>(?:\\|%(?:25)*5[Cc]|&#(?:92|x5[Cc]);)++)'
            continue
        data = part.encode('utf-8', 'surrogateescape')
        number = ord(part)
        ways = [re.escape(part)]
        ways += {
            ' ': ['\\+'], '\n': [r'(?<=\\)n'], '\r': [r'(?<=\\)r'],
            '\t': [r'(?<=\\)t'],
        }.get(part, ())  # fmt: skip
        escape = ''.join(rf'\\*+x{byte:02x}' for byte in data)
        ways.append(rf'(?i:(?<=\\)u{number:04x}|(?<=\\){escape[4:]})')
        ways.append(''.join(rf'(?i:%(?:25)*{byte:02x})' for byte in data))
        ways.append(rf'(?i:&(?:amp;)*+#(?:0*+{number}|x0*+{number:x});)')
        if part in _ENTITIES:
            ways.append(rf'&(?:amp;)*{_ENTITIES[part]};')
        yield rf'(?:\\*+(?:{"|".join(ways)}))'


_ENTITIES = {'&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos'}


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield the base64 of data within other data.

    Those are the characters that do not depend on the data around it.
    """
    for shift in range(3):
        first = (shift * 8 + 5) // 6
        last = (shift + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b'\0' * shift + data + b'\0').decode()[first:last]


_ESCAPES: tuple[Callable[[str], str], ...] = (
    html.escape,
    functools.partial(html.escape, quote=False),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: repr(text)[1:-1],
    # As it is where double quotes stand around.
    lambda text: repr('"\'' + text)[4:-1],
    parse.quote_plus,
)


def _forms_of(secret: str, twice: bool) -> Iterator[str]:
    """Yield the forms that a secret can have, but for base64 and hex.

    :param twice: those that are escaped twice, too.
    """
    data = secret.encode('utf-8', 'surrogateescape')
    for quote in (parse.quote, parse.quote_plus):
        for safe in ('', '/'):
            quoted = quote(data, safe=safe)
            yield quoted
            yield re.sub('%..', lambda each: each[0].lower(), quoted)
    yield secret
    for escape in _ESCAPES:
        once = escape(secret)
        yield once
        for again in _ESCAPES if twice else ():
            yield again(once)
    once = repr(data)[2:-1]
    yield once
    yield repr(once)[1:-1]
    for mark in ('\\u{:04x}', '\\u{:04X}'):
        yield ''.join(mark.format(ord(each)) for each in secret)
    for mark in ('\\x{:02x}', '\\x{:02X}'):
        yield ''.join(mark.format(each) for each in data)
