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

from safe_fixtures.redaction import encoded
from safe_fixtures.redaction import fields
from safe_fixtures.redaction import learned
from safe_fixtures.redaction import names
from safe_fixtures.redaction import shapes
from safe_fixtures.redaction import urls

__all__ = ['Redactor']

_T = TypeVar('_T')
_Counts = collections.Counter[str]
_Learned = Mapping[str, learned.Learned]

_TEXTS = (str, bytes, bytearray)
_SEQUENCES = (list, tuple, set, frozenset)
_SHORTEST_SHAPE = 20
# Masking one secret can uncover another, but never more often than this.
_ROUNDS = 10
_LONG_BASE64 = re.compile(r'[A-Za-z0-9+/_-]{24,}+=*+')
# Base64 within base64 within base64, and no further.
_DEPTH = 3
_MOST_UNPACKED = 1024 * 1024  # bytes
# A longer text is reduced to its different words first: that pays.
_LONG_TEXT = 10_000
# Of more learned secrets than this, a set rules out most.
_MANY = 20
# Not learned, without - and _: masking one of these would wreck every text.
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
# Guards concurrent calls of learn().
_learning = threading.RLock()


class Redactor:
    """Masks secrets: those that look like one, and those it has learned.

    It does no I/O and never changes the value it is given. Names of secrets
    are those that ``oslo_utils.strutils`` masks, and those that web services
    and clouds use. Redacting again changes nothing. The time it takes grows
    only with the size of the text.

    Example::

        >>> Redactor().redact('rabbit://nova:s3cret@bus:5672/')
        'rabbit://***@bus:5672/'

    :param secrets: secrets to learn at once (iterable of str or bytes).
    """

    def __init__(self, secrets: Iterable[str | bytes] = ()) -> None:
        self._learned: _Learned = {}
        for secret in secrets:
            self.learn(secret)

    def learn(self, value: str | bytes) -> bool:
        """Mask a secret from now on, in whatever encoding it appears.

        These are: as it is, URL-quoted, in base64, in hexadecimal, and
        escaped as in JSON, in Python or in XML; also within other text. It
        refuses to learn what would wreck ordinary texts: less than 6
        characters, one character repeated, anything with a mask (``***``) in
        it, and words such as ``password``, ``adminPass`` or
        ``X-Auth-Token``.

        :param value: the secret (str or bytes).
        :returns: whether it is known now.
        """
        if isinstance(value, bytes):
            value = value.decode('utf-8', 'surrogateescape')
        if value in self._learned:
            return True
        if (
            len(value.strip()) < learned.SHORTEST
            or len(set(value)) == 1
            or names.MASK in value
            or re.sub('[_-]', '', value).lower() in _WORDS
        ):
            return False
        made = learned.Learned(value)
        with _learning:
            # The longest first, as one may be a part of another. The dict is
            # replaced as a whole: another thread may be redacting.
            secrets = {**self._learned, value: made}
            longest_first = sorted(secrets, key=len, reverse=True)
            self._learned = {each: secrets[each] for each in longest_first}
        return True

    def redact(self, value: _T) -> _T:
        """Return *value* with its secrets masked.

        :param value: text, bytes, a mapping, a list, tuple or set of such;
            any other object is returned as it is. It is never changed. The
            keys of a mapping are kept, except for secrets in them.
        :returns: a value of the same type; if that type cannot be made from
            its items, a plain dict, list or str.
        :raises: ValueError if a container holds itself.
        """
        return self.redact_and_count(value)[0]

    def redact_and_count(self, value: _T) -> tuple[_T, _Counts]:
        """Return *value* with its secrets masked, and how many there were.

        :param value: as for :meth:`redact`.
        :returns: what :meth:`redact` returns; and how many secrets of each
            kind, such as ``password``, were masked. A mask that was there
            already does not count.
        """
        counts: _Counts = collections.Counter()
        masked: _T = _Pass(self._learned, counts).any(value)
        return masked, counts


class _Pass:
    """Masks one value, and counts what it masks."""

    def __init__(self, learned: _Learned, counts: _Counts) -> None:
        self._learned = learned
        self._counts = counts
        # The ids of the containers that are open: one may hold itself.
        self._within: set[int] = set()

    # Containers

    def any(self, value: Any) -> Any:
        # First, as most values are text.
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, _TEXTS):
            return _as_text(value, self.text)
        if isinstance(value, Mapping):
            return self._inside(value, self._mapping)
        if isinstance(value, _SEQUENCES):
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

    def _mapping(
        self, value: Mapping[Any, Any], id_of: str | None = None
    ) -> Any:
        """Mask a mapping.

        :param id_of: the secret whose id it holds: ``'token': {'id': 'x'}``.
        """
        items: dict[Any, Any] = {}
        for key, item in value.items():
            shown = unique = self._key(key)
            while unique in items:
                unique = f'{shown}-{len(items)}'
            if id_of and key == 'id':
                items[unique] = self._hidden(id_of, item)
            else:
                items[unique] = self._item(key, item)
        if isinstance(value, collections.defaultdict):
            make = functools.partial(type(value), value.default_factory)
            return _made_of(make, items)
        return items if type(value) is dict else _made_of(type(value), items)

    def _key(self, key: Any) -> Any:
        # Names of fields are short; to skip them saves time.
        if isinstance(key, (str, bytes)) and (self._learned or len(key) > 15):
            return self.any(key)
        return key

    def _items(self, value: Any) -> Any:
        keys = getattr(value, '_fields', ())
        if isinstance(value, tuple) and len(keys) == len(value) > 0:
            items = list(map(self._item, keys, value))
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
        if type(value) in _SEQUENCES:
            return type(value)(items)
        return _made_of(getattr(value, '_make', type(value)), items)

    def _item(self, key: Any, item: Any) -> Any:
        """Mask the value of a field, by the name of the field too."""
        name = key.decode('latin-1') if isinstance(key, bytes) else key
        if isinstance(name, str) and names.has_root(name):
            if names.is_secret_name(name):
                return self._hidden(name, item)
            if names.is_holder(name) and isinstance(item, _TEXTS):
                return _as_text(item, self._held)
        return self.any(item)

    def _hidden(self, name: str, item: Any) -> Any:
        """Mask the value of a field that is named as a secret."""
        if isinstance(item, _TEXTS):
            return _as_text(item, functools.partial(self._value, name))
        if isinstance(item, Mapping):
            # It describes the secret.
            mask = functools.partial(self._mapping, id_of=name)
            return self._inside(item, mask)
        if (isinstance(item, _SEQUENCES) and item) or (
            isinstance(item, (int, float)) and not isinstance(item, bool)
        ):
            return self._masked(name)
        return self.any(item)

    def _value(self, name: str, value: str) -> str:
        if names.is_secret(name, value, quoted=True):
            return self._masked(name)
        return self.text(value)

    def _masked(self, name: str) -> str:
        self._counts[names.kind_of(name)] += 1
        return names.MASK

    def _held(self, value: str) -> str:
        return names.MASK if self._holds_secret(value) else self.text(value)

    # Text

    def _holds_secret(self, value: str, depth: int = _DEPTH) -> bool:
        """Whether something in base64 holds secrets, which are counted."""
        data = encoded.decoded(value, _MOST_UNPACKED)
        if data is None:
            return False
        content = data.decode('utf-8', 'surrogateescape')
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
        if len(text) < learned.SHORTEST:
            return text
        if len(text) < _SHORTEST_SHAPE and text.isalnum():
            # One word: no named secret, and too short to have a shape.
            return self._without_learned(text, text)
        words = text
        if len(text) > _LONG_TEXT:
            words = '\n'.join(set(text.split()))
        lowered = shapes.lowered(words)
        if self._learned:
            text = self._without_learned(text, words)
        spans = [*shapes.find(text, words)]
        if encoded.BEGIN_IN_BASE64 in words:
            spans += encoded.encoded_keys(text)
        if spans:
            text = self._without(text, spans)
        roots = [root for root in names.ROOTS if root in lowered]
        if roots:
            text = self._without(
                text, fields.find(text, roots, self._holds_secret)
            )
        if '@' in words or '%40' in words:
            for find in urls.FINDERS:
                text = self._without(text, find(text))
        return text

    def _without_learned(self, text: str, words: str) -> str:
        grams = None
        if len(self._learned) > _MANY and len(words) > _LONG_TEXT:
            size = learned.SHORTEST
            grams = {
                words[start : start + size]
                for start in range(len(words) - size + 1)
            }
        for secret in self._learned.values():
            if secret.may_be_in(words, grams):
                text = self._without(text, secret.find(text))
        return text

    def _without(self, text: str, spans: Iterable[shapes.Shape]) -> str:
        """Return a text with shapes masked, which are counted."""
        parts: list[str] = []
        done = 0
        for kind, start, end in sorted(spans, key=_start_of):
            if start >= done:
                if kind:
                    self._counts[kind] += 1
                parts += (text[done:start], names.MASK)
            done = max(done, end)
        return ''.join([*parts, text[done:]]) if parts else text


def _start_of(span: shapes.Shape) -> tuple[int, int]:
    return span.start, -span.end


def _as_text(value: Any, mask: Callable[[str], str]) -> Any:
    """Mask text or bytes; return the same type, if it can be made."""
    if isinstance(value, str):
        return mask(value)
    text = bytes(value).decode('utf-8', 'surrogateescape')
    masked = mask(text)
    if masked == text:
        return value
    data = masked.encode('utf-8', 'surrogateescape')
    return data if type(value) is bytes else _made_of(type(value), data)


def _made_of(make: Callable[[Any], Any], items: Any) -> Any:
    """Return what *make* makes of items; the items, if it makes no copy."""
    try:
        made = make(items)
        if len(made) == len(items) and all(
            one is other or one == other
            for one, other in zip(made, items, strict=True)
        ):
            return made
    except Exception:
        pass
    return items
