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

"""Mask the secrets in a value before it is stored or shown."""

import base64
import binascii
import collections
from collections.abc import Callable, Iterable, Iterator, Mapping
import functools
import html
import json
import re
import threading
from typing import Any, TypeVar
from urllib import parse
import zlib

from oslo_utils import strutils

from safe_fixtures.redaction import shapes

__all__ = ['Redactor']

_T = TypeVar('_T')
_Counts = collections.Counter[str]

_MASK = '***'
_SHORTEST = 6  # characters of a text that holds a secret
_SHORTEST_SHAPE = 20
# Masking one thing can show another; more often than this it never does.
_ROUNDS = 10

# What the name of a secret, or of what may hold one, has in it. To look for
# these takes a small part of the time of a regular expression, and few texts
# have any.
_ROOTS = (
    'pass', 'wd', 'token', 'secret', 'key', 'cookie', 'authorization',
    'credential', 'signature', 'sig=', 'configdrive', 'barbicansimplecrypto',
    'cephclusterfsid', 'swifthashsuffix', 'user_data', 'userdata', 'content',
)  # fmt: skip
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
# Of a secret, besides those that oslo.utils knows.
_SECRET_NAME = re.compile(
    r'(?:passw(?:or)?ds?|passphrase|passcode|pwd|[_-]pass|authorization'
    r'|cookies?|(?:x-amz-|temp_url_|^)sig(?:nature)?|x-amz-credential'
    r'|(?:access|secret|api|account|shared|encryption|signing|master|storage'
    r'|auth|client|private|session|hmac|rndc)[_-]?keys?|access[_-]?key[_-]?id'
    r'|(?:auth|access)[_-]?tokens|secrets|secret_value)[0-9]*$'
)
_HOLDER_NAME = re.compile(r'(?:user_?data|contents?)$')
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
# What is written in the place of a secret: a type, a variable, a place holder,
# a rule of a policy, a hash that keystoneauth has made of it, a public key.
_NO_SECRET = re.compile(
    r'\*+|[.?-]*|none|null|nil|true|false|undefined|str|string|bytes|bool|int'
    r'|optional\b[\w .\[\]]*|<[\w .-]*>?|\{\w*\}?|%[sdr]'
    r'|%\(\w+\)[sdr]|\$\{\w+\}?'
    r'|\$[a-z]+(?:_[a-z]+)+|(?-i:\$[A-Z_]+)'
    r'|(?:rule|role|is_admin):[\w.:%() -]*|@|!'
    r'|\{SHA(?:1|256)\}[0-9a-f]+'
    r'|(?:ssh|ecdsa)-[\w@.-]+ [\w+/]+=*(?: [\w@.-]*)*|<SANITIZED>',
    re.IGNORECASE | re.DOTALL,
)
_UUID = re.compile(
    r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
    re.IGNORECASE,
)
# What follows a colon in a sentence, but not a name that no sentence has.
_PROSE = re.compile(r'[A-Za-z]{1,12}')
_FIELD_NAME = re.compile('[_-](?:token|key|secret)$', re.IGNORECASE)
_HEX_ID = re.compile(r'[0-9a-f]{32}')
_EXPRESSION = re.compile(r'(?:[A-Za-z_]\w*\.)*+([A-Za-z_]\w*)')
_CALL = re.compile(r'(?=\w*[._])(?:[A-Za-z_]\w*\.)*+[a-z_]\w*\(')

_AUTHORITY = re.compile(r'://[^/\s\'"<>]*+')
_ESCAPED_AUTHORITY = re.compile(r':(?:\\+/){2}[^/\\\s\'"<>]*+')
_QUOTED_AUTHORITY = re.compile(
    r'%(?:25)*+3A(?:%(?:25)*+2F){2}'
    r'((?:[^\s\'"<>&/%]|%(?!(?:25)*(?:2F|3F|40))){1,500}%(?:25)*+40)++',
    re.IGNORECASE,
)
# A message bus has several hosts, each with credentials of its own.
_CREDENTIALS = re.compile(r'(?:^|(?<=,))[^@,]*:[^@]*(?:@[^@,]*)*(?=@)')
# A password with a slash; a port is none.
_WITH_SLASH = re.compile(
    r'://[\w.%+-]*+:(?![0-9]++(?:[/\s\'"<>,?#]|\Z))[^@\s\'"<>\\]{1,200}@(?=\w)'
)

_BEGIN_IN_BASE64 = 'LS0tLS1CRUdJTi'
_BASE64 = re.compile(r'[A-Za-z0-9+/_-]++=*+')
_LINES = re.compile(r'(?:[A-Za-z0-9+/_-]|\s|\\+[nr])++=*+')
_LONG_BASE64 = re.compile(r'[A-Za-z0-9+/_-]{24,}+=*+')
_GZIP = b'\x1f\x8b'
_MOST_UNPACKED = 1024 * 1024
_BREAKS = re.compile(r'(?:\s|\\+[nr])+')
# Base64 within base64 within base64, and no further.
_DEPTH = 3

# To learn one of these would wreck every text. Without - and _.
_WORDS = frozenset(
    """
    access accesskey accesstoken active adminpass adminpassword apikey
    authorization authtoken bearer compute configdrive contents cookie
    credential credentials default encryptionkey fernetkey instance keystone
    openstack passphrase passwd password passwords personality private
    privatekey project public secret secretkey secrets secretuuid server
    servers servicetoken setcookie signature sslkey string subjecttoken tenant
    token tokens userdata username xauthtoken xservicetoken xsubjecttoken
    """.split()
)
# To find out which words it has pays in one that is longer.
_LONG_TEXT = 10_000
# Of more learned secrets than this, most are ruled out by a set.
_MANY = 20
# That what two threads learn at once is known of both.
_learning = threading.RLock()


class Redactor:
    """Masks secrets: those that look like one, and those it has learned.

    It does nothing but that: no I/O, and the value stays as it is. What names
    a secret is what ``oslo_utils.strutils`` says, and what web services and
    clouds use besides. To redact again changes nothing. The time it takes
    grows with the size of the text only.

    Example::

        >>> Redactor().redact('rabbit://nova:s3cret@bus:5672/')
        'rabbit://***@bus:5672/'

    :param secrets: what to learn at once (iterable of str or bytes).
    """

    def __init__(self, secrets: Iterable[str | bytes] = ()) -> None:
        self._learned: dict[str, _Learned] = {}
        for secret in secrets:
            self.learn(secret)

    def learn(self, value: str | bytes) -> bool:
        """Mask a secret from now on, in whatever encoding it appears.

        That is as it is, URL-quoted, in base64, in hexadecimal, and escaped
        as in JSON, in Python or in XML; within other text too. Not learned is
        what would wreck ordinary texts: what is shorter than 6 characters,
        one character repeated, what holds a mask (``***``), and words that
        texts about secrets consist of, such as ``password``, ``adminPass``
        or ``X-Auth-Token``.

        :param value: the secret (str or bytes).
        :returns: whether it is known now.
        """
        if isinstance(value, bytes):
            value = value.decode('utf-8', 'surrogateescape')
        if value in self._learned:
            return True
        if (
            len(value.strip()) < _SHORTEST
            or len(set(value)) == 1
            or _MASK in value
            or re.sub('[_-]', '', value).lower() in _WORDS
        ):
            return False
        # The longest first, as one may be a part of another. All at once,
        # for those that redact at the same time.
        made = _Learned(value)
        with _learning:
            learned = {**self._learned, value: made}
            self._learned = dict(
                sorted(learned.items(), key=lambda item: -len(item[0]))
            )
        return True

    def redact(self, value: _T) -> _T:
        """Return *value* with its secrets masked.

        :param value: text, bytes, a mapping, a list, tuple or set of such;
            any other object is returned as it is. Never changed in place.
            The keys of a mapping are kept, but for secrets in them.
        :returns: a value of the same type; where that cannot be made from its
            items, a plain dict, list or str.
        :raises: ValueError for a container that holds itself.
        """
        return self.redact_and_count(value)[0]

    def redact_and_count(
        self, value: _T
    ) -> tuple[_T, collections.Counter[str]]:
        """Return *value* with its secrets masked, and how many there were.

        :param value: as of :meth:`redact`.
        :returns: what :meth:`redact` returns; and how many secrets of each
            kind, such as ``password``, were masked. What was masked before
            is not counted.
        """
        counts: _Counts = collections.Counter()
        masked: _T = _Pass(self._learned, counts).any(value)
        return masked, counts


class _Pass:
    """Masks one value."""

    def __init__(
        self, learned: 'dict[str, _Learned]', counts: _Counts
    ) -> None:
        self._learned = learned
        self._counts = counts
        # The containers that are gone through, as one may hold itself.
        self._within: set[int] = set()

    def any(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (bytes, bytearray)):
            return _as_bytes(value, self.text)
        if isinstance(value, Mapping):
            return self._inside(value, self._mapping)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._inside(value, self._items)
        return value

    def _inside(self, value: Any, mask: Callable[[Any], Any]) -> Any:
        if id(value) in self._within:
            raise ValueError(f'a {type(value).__name__} that holds itself')
        self._within.add(id(value))
        try:
            return mask(value)
        finally:
            self._within.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any]) -> Any:
        return self._masked_mapping(value, self._item)

    def _masked_mapping(
        self, value: Mapping[Any, Any], mask: Callable[[Any, Any], Any]
    ) -> Any:
        items: dict[Any, Any] = {}
        for key, item in value.items():
            shown = unique = self._key(key)
            while unique in items:
                unique = f'{shown}-{len(items)}'
            items[unique] = mask(key, item)
        return _like(value, items)

    def _key(self, key: Any) -> Any:
        # The names of fields are short, and hold nothing.
        if isinstance(key, (str, bytes)) and (self._learned or len(key) > 15):
            return self.any(key)
        return key

    def _items(self, value: Any) -> Any:
        fields = getattr(value, '_fields', ())
        if isinstance(value, tuple) and len(fields) == len(value) > 0:
            items = list(map(self._item, fields, value))
        elif (
            isinstance(value, tuple)
            and len(value) == 2
            and not (isinstance(value[1], str) and _is_secret_name(value[1]))
        ):
            # A header, or an item of a mapping; not the names of two fields.
            items = [self.any(value[0]), self._item(*value)]
        else:
            items = [self.any(item) for item in value]
        if type(value) in (list, tuple, set, frozenset):
            return type(value)(items)
        return _made_of(getattr(value, '_make', type(value)), items, items)

    def _item(self, key: Any, item: Any) -> Any:
        """Return what is kept under a key, masked."""
        name = key.decode('latin-1') if isinstance(key, bytes) else key
        if not isinstance(name, str) or not _has_root(name):
            return self.any(item)
        if _is_holder(name):
            if isinstance(item, str):
                return self._held(item)
            if isinstance(item, (bytes, bytearray)):
                return _as_bytes(item, self._held)
        elif _is_secret_name(name):
            return self._hidden(name, item)
        return self.any(item)

    def _hidden(self, name: str, item: Any) -> Any:
        """Return what is named as a secret, masked."""
        if isinstance(item, str):
            return self._value(name, item)
        if isinstance(item, (bytes, bytearray)):
            return _as_bytes(item, functools.partial(self._value, name))
        if isinstance(item, Mapping):
            # What describes a token is called that too.
            return self._inside(
                item,
                lambda item: self._masked_mapping(
                    item,
                    lambda key, inner: (
                        self._hidden(name, inner)
                        if key == 'id'
                        else self._item(key, inner)
                    ),
                ),
            )
        if isinstance(item, (list, tuple, set, frozenset)) and item:
            self._counts[_kind_of(name)] += 1
            return _MASK
        if isinstance(item, (int, float)) and not isinstance(item, bool):
            self._counts[_kind_of(name)] += 1
            return _MASK
        return self.any(item)

    def _value(self, name: str, value: str) -> str:
        if not _is_secret(name, value, quoted=True):
            return self.text(value)
        self._counts[_kind_of(name)] += 1
        return _MASK

    def _held(self, value: str) -> str:
        if self._holds_secret(value):
            return _MASK
        return self.text(value)

    def _holds_secret(self, value: str, depth: int = _DEPTH) -> bool:
        """Whether what is in base64 holds a secret, which is counted."""
        content = _decoded(value)
        if content is None:
            return False
        found: _Counts = collections.Counter()
        _Pass(self._learned, found).text(content)
        if found:
            self._counts.update(found)
            return True
        return depth > 1 and any(
            self._holds_secret(match[0], depth - 1)
            for match in _LONG_BASE64.finditer(content)
        )

    def text(self, text: str) -> str:
        for _ in range(_ROUNDS):
            masked = self._once(text)
            if masked == text:
                break
            text = masked
        return text

    def _once(self, text: str) -> str:
        """Return a text masked."""
        if len(text) < _SHORTEST:
            return text
        if len(text) < _SHORTEST_SHAPE and text.isalnum():
            # One word, which neither names a secret nor has a shape.
            return self._without_learned(text, text)
        # What is in none of the words is nowhere.
        words = text
        if len(text) > _LONG_TEXT:
            words = '\n'.join(set(text.split()))
        lowered = _lowered(words)
        if self._learned:
            text = self._without_learned(text, words)
        spans = [*shapes.find(text, words)]
        if _BEGIN_IN_BASE64 in words:
            spans += _encoded_keys(text)
        if spans:
            text = self._replaced(text, spans)
        roots = [root for root in _ROOTS if root in lowered]
        if roots:
            text = self._without_named(text, roots)
        if '@' in words or '%40' in words:
            text = self._without_credentials(text)
        return text

    def _replaced(self, text: str, spans: list[shapes.Shape]) -> str:
        parts: list[str] = []
        done = 0
        for kind, start, end in sorted(spans, key=_start_of):
            if start >= done:
                self._counts[kind] += 1
                parts += (text[done:start], _MASK)
            done = max(done, end)
        parts.append(text[done:])
        return ''.join(parts)

    def _without_learned(self, text: str, words: str) -> str:
        grams = None
        if len(self._learned) > _MANY and len(words) > _LONG_TEXT:
            grams = {
                words[start : start + _SHORTEST]
                for start in range(len(words) - _SHORTEST + 1)
            }
        for learned in self._learned.values():
            if learned.may_be_in(words, grams):
                spans = learned.find(text)
                if spans:
                    text = self._replaced(text, spans)
        return text

    def _without_named(self, text: str, roots: list[str]) -> str:
        """Return a text without what is named as a secret in it."""
        spans = []
        reader = _Reader(text)
        done = 0
        for field in _fields(text, roots):
            end = field.end('end')
            if end < done:
                continue
            name = _name_at(text, end)
            if _is_holder(name):
                encoded = (_BASE64 if field['open'] is None else _LINES).match(
                    text, field.end()
                )
                if encoded and self._holds_secret(encoded[0]):
                    done = encoded.end()
                    spans.append(shapes.Shape('', field.end(), done))
                continue
            if not _is_secret_name(name):
                continue
            found = reader.value_of(name, field)
            if found is None:
                continue
            start, stop = found
            # What is no secret may hold one.
            if _is_secret(
                name,
                text[start:stop],
                quoted=field['open'] is not None,
                colon=':' in field[0],
                after=text[stop : stop + 1],
            ):
                done = stop
                spans.append(shapes.Shape(_kind_of(name), *found))
        if not spans:
            return text
        text = self._replaced(text, spans)
        # Those of what is held were counted when they were found.
        del self._counts['']
        return text

    def _without_credentials(self, text: str) -> str:
        if '://' in text:
            text = _AUTHORITY.sub(self._mask_authority, text)
            text = _WITH_SLASH.sub(self._mask_whole, text)
        if ':\\' in text:
            text = _ESCAPED_AUTHORITY.sub(self._mask_authority, text)
        if '%40' in text:
            text = _QUOTED_AUTHORITY.sub(self._mask_quoted, text)
        return text

    def _mask_authority(self, match: re.Match[str]) -> str:
        whole = match[0]
        if '@' not in whole:
            return whole
        start = whole.rindex('/', 0, whole.index('@')) + 1
        end = whole.rindex('@') + 1
        masked, number = _CREDENTIALS.subn(_MASK, whole[start:end])
        if masked == whole[start:end]:
            return whole
        self._counts['URL credentials'] += number
        return whole[:start] + masked + whole[end:]

    def _mask_whole(self, match: re.Match[str]) -> str:
        self._counts['URL credentials'] += 1
        return f'://{_MASK}@'

    def _mask_quoted(self, match: re.Match[str]) -> str:
        inner = match[1]
        if not re.search('%(?:25)*3A', inner, re.IGNORECASE):
            return match[0]
        self._counts['URL credentials'] += 1
        return match[0][: -len(inner)] + _MASK + inner[inner.rindex('%') :]


class _Learned:
    """A secret that was learned, in all its forms."""

    def __init__(self, secret: str) -> None:
        data = secret.encode('utf-8', 'surrogateescape')
        self._secret = secret
        # What most ways to escape leave as it is.
        self._core = max(re.findall('[A-Za-z0-9]*', secret), key=len)
        self._reach = 12 * len(secret) + 12
        forms = {
            form
            for form in _forms_of(secret)
            if len(self._core) < 4 or self._core not in form
        }
        for shift in range(3):
            # The characters that do not depend on what is around it.
            first = (shift * 8 + 5) // 6
            last = (shift + len(data)) * 8 // 6
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                encoded = encode(b'\0' * shift + data + b'\0').decode()
                forms.add(encoded[first:last])
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._hex = data.hex()
        # A part of each form, without white space.
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
        # Costs a millisecond, and few are ever looked for.
        return re.compile(''.join(_escaped(self._secret)))

    @functools.cached_property
    def _rest(self) -> re.Pattern[str]:
        end = self._secret.index(self._core) + len(self._core)
        return re.compile(''.join(_escaped(self._secret[end:])))

    def may_be_in(self, text: str, grams: set[str] | None) -> bool:
        """Whether to look for it in a text.

        :param text: the text.
        :param grams: what is in it of the length of the shortest secret.
        """
        for part in self._parts:
            if grams is not None and len(part) >= _SHORTEST:
                if (
                    part[:_SHORTEST] not in grams
                    or part[-_SHORTEST:] not in grams
                ):
                    continue
            if part in text:
                return True
        return False

    def find(self, text: str) -> list[shapes.Shape]:
        """Return where it is in a text."""
        spans = [
            shapes.Shape('learned', start, start + len(form))
            for form in self._forms
            for start in _positions(text, form)
        ]
        spans += (
            shapes.Shape('learned', start, start + len(self._hex))
            for start in _positions(_lowered(text), self._hex)
        )
        done = 0
        for position in _positions(text, self._core) if self._core else ():
            if position < done or not self._rest.match(
                text, position + len(self._core)
            ):
                continue
            match = self._pattern.search(
                text,
                max(done, position - self._reach),
                position + self._reach,
            )
            if match:
                done = match.end()
                spans.append(shapes.Shape('learned', *match.span()))
        return spans


class _Reader:
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
            if field['item'] and _is_secret_name(text[start:end]):
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


def _fields(text: str, roots: Iterable[str]) -> Iterator[re.Match[str]]:
    """Yield what looks like the name of a secret and a value, in order."""
    lowered = _lowered(text)
    found: dict[int, re.Match[str]] = {}
    for root in roots:
        for position in _positions(lowered, root):
            field = _FIELD.match(text, position)
            if field is not None:
                found.setdefault(field.end('end'), field)
    for _, field in sorted(found.items()):
        yield field


def _positions(text: str, part: str) -> Iterator[int]:
    position = text.find(part)
    while position >= 0:
        yield position
        position = text.find(part, position + len(part))


def _lowered(text: str) -> str:
    lowered = text.lower()
    if len(lowered) != len(text):
        # The only letter that becomes two.
        lowered = text.replace('\u0130', 'I').lower()
    return lowered


def _name_at(text: str, end: int) -> str:
    """Return the name that ends there."""
    found = _NAME_BACKWARDS.match(
        text[max(0, end - _LONGEST_NAME) : end][::-1]
    )
    assert found
    return found[0][::-1].lstrip('-.')


def _has_root(name: str) -> bool:
    lowered = name.lower()
    return any(root in lowered for root in _ROOTS)


@functools.lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    """Whether what is of that name is a secret."""
    name = name.lower().rpartition('.')[2]
    if _SECRET_NAME.search(name):
        return True
    # As one in a text, so that it has to end like those oslo.utils knows.
    masked: str = strutils.mask_password(f'{name}=x', secret=_MASK)
    return masked == f'{name}={_MASK}'


@functools.lru_cache(maxsize=1024)
def _is_holder(name: str) -> bool:
    return bool(_HOLDER_NAME.search(name.lower()))


def _is_secret(
    name: str,
    value: str,
    quoted: bool,
    colon: bool = False,
    after: str = '',
) -> bool:
    """Whether a value is a secret, given that it is named so."""
    if _NO_SECRET.fullmatch(value):
        return False
    kind = _kind_of(name)
    if kind == 'secret' and (
        _UUID.fullmatch(value)
        or (name.lower().endswith('uuid') and _HEX_ID.fullmatch(value))
    ):
        # It says which secret.
        return False
    if quoted:
        return True
    if (
        colon
        and kind != 'password'
        and not _FIELD_NAME.search(name)
        and _PROSE.fullmatch(value)
    ):
        return False
    # A line of source.
    expression = _EXPRESSION.fullmatch(value)
    if expression and (
        after == '('
        or expression[1].lower() == name.lower()
        or ('.' in value and _is_secret_name(expression[1]))
    ):
        return False
    return not _CALL.match(value)


@functools.lru_cache(maxsize=1024)
def _kind_of(name: str) -> str:
    name = name.lower()
    for kind in ('pass', 'pwd', 'token', 'cookie', 'authorization', 'key'):
        if kind in name:
            return 'password' if kind in ('pass', 'pwd') else kind
    return 'secret'


def _start_of(span: shapes.Shape) -> tuple[int, int]:
    return span.start, -span.end


def _as_bytes(value: Any, mask: Callable[[str], str]) -> Any:
    text = bytes(value).decode('utf-8', 'surrogateescape')
    masked = mask(text)
    if masked is text or masked == text:
        return value
    data = masked.encode('utf-8', 'surrogateescape')
    return data if type(value) is bytes else _made_of(type(value), data, data)


def _like(value: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """Return a mapping of the type of another."""
    if type(value) is dict:
        return items
    if isinstance(value, collections.defaultdict):
        return _made_of(
            functools.partial(type(value), value.default_factory), items, items
        )
    return _made_of(type(value), items, items)


def _made_of(make: Callable[[Any], Any], items: Any, otherwise: Any) -> Any:
    """Return what is made of items; them, if it is not made so."""
    try:
        made = make(items)
        if len(made) == len(items) and all(
            one is other or one == other
            for one, other in zip(made, items, strict=True)
        ):
            return made
    except Exception:
        pass
    return otherwise


def _encoded_keys(text: str) -> Iterator[shapes.Shape]:
    """Yield private keys that are in base64 once more."""
    done = 0
    for position in _positions(text, _BEGIN_IN_BASE64):
        if position < done:
            continue
        run = _BASE64.match(text, position)
        assert run
        done = run.end()
        if 'PRIVATE KEY' in (_decoded(run[0]) or ''):
            yield shapes.Shape('private key', position, done)


def _decoded(value: str) -> str | None:
    """Return what is in base64, or None if it is not that."""
    try:
        data = _BREAKS.sub('', value).encode('ascii')
        data = data.translate(bytes.maketrans(b'-_', b'+/')).rstrip(b'=')
        # What was cut off is looked into as well.
        data = data[: len(data) - (len(data) % 4 == 1)]
        content = base64.b64decode(
            data + b'=' * (-len(data) % 4), validate=True
        )
    except (UnicodeError, binascii.Error):
        return None
    if content.startswith(_GZIP):
        try:
            content = zlib.decompressobj(wbits=31).decompress(
                content, _MOST_UNPACKED
            )
        except zlib.error:
            return None
    return content.decode('utf-8', 'surrogateescape')


def _escaped(secret: str) -> Iterator[str]:
    """Yield, for each character, a pattern for what it can be escaped as."""
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


def _forms_of(secret: str) -> Iterator[str]:
    """Yield forms that a secret may have in a text, but for base64 and hex."""
    data = secret.encode('utf-8', 'surrogateescape')
    for quote in (parse.quote, parse.quote_plus):
        for safe in ('', '/'):
            quoted = quote(data, safe=safe)
            yield quoted
            yield re.sub('%..', lambda each: each[0].lower(), quoted)
    yield secret
    yield html.escape(secret)
    yield html.escape(html.escape(secret))
    for plain in (True, False):
        escaped = json.dumps(secret, ensure_ascii=plain)[1:-1]
        yield escaped
        yield json.dumps(escaped, ensure_ascii=plain)[1:-1]
    for form in (repr(secret)[1:-1], repr(data)[2:-1]):
        yield form
        yield repr(form)[1:-1]
    for mark in ('\\u{:04x}', '\\u{:04X}'):
        yield ''.join(mark.format(ord(each)) for each in secret)
    for mark in ('\\x{:02x}', '\\x{:02X}'):
        yield ''.join(mark.format(each) for each in data)
