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

import collections
from collections.abc import Callable, Iterable, Mapping
import functools
import re
import threading
from typing import Any, TypeVar


from safe_fixtures.redaction import encoded as redaction_encoded
from safe_fixtures.redaction import fields as redaction_fields
from safe_fixtures.redaction import learned as redaction_learned
from safe_fixtures.redaction import names
from safe_fixtures.redaction import shapes

__all__ = ['Redactor']

_T = TypeVar('_T')
_Counts = collections.Counter[str]

_SHORTEST_SHAPE = 20
# Masking one thing can show another; more often than this it never does.
_ROUNDS = 10

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

_LINES = re.compile(r'(?:[A-Za-z0-9+/_-]|\s|\\+[nr])++=*+')
_LONG_BASE64 = re.compile(r'[A-Za-z0-9+/_-]{24,}+=*+')
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
        self._learned: dict[str, redaction_learned.Learned] = {}
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
            len(value.strip()) < redaction_learned.SHORTEST
            or len(set(value)) == 1
            or names.MASK in value
            or re.sub('[_-]', '', value).lower() in _WORDS
        ):
            return False
        # The longest first, as one may be a part of another. All at once,
        # for those that redact at the same time.
        made = redaction_learned.Learned(value)
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
        self, learned: dict[str, redaction_learned.Learned], counts: _Counts
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
            and not (
                isinstance(value[1], str) and names.is_secret_name(value[1])
            )
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
        if not isinstance(name, str) or not names.has_root(name):
            return self.any(item)
        if names.is_holder(name):
            if isinstance(item, str):
                return self._held(item)
            if isinstance(item, (bytes, bytearray)):
                return _as_bytes(item, self._held)
        elif names.is_secret_name(name):
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
            self._counts[names.kind_of(name)] += 1
            return names.MASK
        if isinstance(item, (int, float)) and not isinstance(item, bool):
            self._counts[names.kind_of(name)] += 1
            return names.MASK
        return self.any(item)

    def _value(self, name: str, value: str) -> str:
        if not names.is_secret(name, value, quoted=True):
            return self.text(value)
        self._counts[names.kind_of(name)] += 1
        return names.MASK

    def _held(self, value: str) -> str:
        if self._holds_secret(value):
            return names.MASK
        return self.text(value)

    def _holds_secret(self, value: str, depth: int = _DEPTH) -> bool:
        """Whether what is in base64 holds a secret, which is counted."""
        content = redaction_encoded.decoded(value)
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
        if len(text) < redaction_learned.SHORTEST:
            return text
        if len(text) < _SHORTEST_SHAPE and text.isalnum():
            # One word, which neither names a secret nor has a shape.
            return self._without_learned(text, text)
        # What is in none of the words is nowhere.
        words = text
        if len(text) > _LONG_TEXT:
            words = '\n'.join(set(text.split()))
        lowered = shapes.lowered(words)
        if self._learned:
            text = self._without_learned(text, words)
        spans = [*shapes.find(text, words)]
        if redaction_encoded.BEGIN_IN_BASE64 in words:
            spans += redaction_encoded.encoded_keys(text)
        if spans:
            text = self._replaced(text, spans)
        roots = [root for root in names.ROOTS if root in lowered]
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
                parts += (text[done:start], names.MASK)
            done = max(done, end)
        parts.append(text[done:])
        return ''.join(parts)

    def _without_learned(self, text: str, words: str) -> str:
        grams = None
        if len(self._learned) > _MANY and len(words) > _LONG_TEXT:
            grams = {
                words[start : start + redaction_learned.SHORTEST]
                for start in range(len(words) - redaction_learned.SHORTEST + 1)
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
        reader = redaction_fields.Reader(text)
        done = 0
        for field in redaction_fields.find_fields(text, roots):
            end = field.end('end')
            if end < done:
                continue
            name = redaction_fields.name_at(text, end)
            if names.is_holder(name):
                encoded = (
                    redaction_encoded.BASE64
                    if field['open'] is None
                    else _LINES
                ).match(text, field.end())
                if encoded and self._holds_secret(encoded[0]):
                    done = encoded.end()
                    spans.append(shapes.Shape('', field.end(), done))
                continue
            if not names.is_secret_name(name):
                continue
            found = reader.value_of(name, field)
            if found is None:
                continue
            start, stop = found
            # What is no secret may hold one.
            if names.is_secret(
                name,
                text[start:stop],
                quoted=field['open'] is not None,
                colon=':' in field[0],
                after=text[stop : stop + 1],
            ):
                done = stop
                spans.append(shapes.Shape(names.kind_of(name), *found))
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
        masked, number = _CREDENTIALS.subn(names.MASK, whole[start:end])
        if masked == whole[start:end]:
            return whole
        self._counts['URL credentials'] += number
        return whole[:start] + masked + whole[end:]

    def _mask_whole(self, match: re.Match[str]) -> str:
        self._counts['URL credentials'] += 1
        return f'://{names.MASK}@'

    def _mask_quoted(self, match: re.Match[str]) -> str:
        inner = match[1]
        if not re.search('%(?:25)*3A', inner, re.IGNORECASE):
            return match[0]
        self._counts['URL credentials'] += 1
        return (
            match[0][: -len(inner)] + names.MASK + inner[inner.rindex('%') :]
        )


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
