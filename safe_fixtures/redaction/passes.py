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

"""Go through a value once, and mask the secrets in it."""

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping
import enum
import functools
import re
import types
from typing import Any

from safe_fixtures.redaction import commands
from safe_fixtures.redaction import encoded
from safe_fixtures.redaction import fields
from safe_fixtures.redaction import learned
from safe_fixtures.redaction import names
from safe_fixtures.redaction import shapes
from safe_fixtures.redaction import statements
from safe_fixtures.redaction import unquoted
from safe_fixtures.redaction import urls
from safe_fixtures.runtime import values

__all__ = ['Pass', 'plain']

_Counts = collections.Counter[str]
_Learned = Mapping[str, learned.Learned]

_TEXTS = (str, bytes, bytearray)
_SEQUENCES = (list, tuple, set, frozenset)
_SHORTEST_SHAPE = 20
# Masking one secret can uncover another, but never more often than this.
_ROUNDS = 10
_LONG_BASE64 = re.compile(r'[A-Za-z0-9+/_-]{24,}+=*+')
# Containers within containers; deeper ones are masked as a whole.
_DEEPEST = 100
# Base64 within base64 within base64, and no further.
_DEPTH = 3
_MOST_UNPACKED = 1024 * 1024  # bytes
# A longer text is reduced to its different words first: that pays.
_LONG_TEXT = 10_000
# Of more learned secrets than this, a set rules out most.
_MANY = 20
# What is in any text with a secret that has a name, or is an argument.
_GATES = shapes.by_rarest((*names.ROOTS, *statements.GATES, *commands.GATES))
_NOTHING: Mapping[Any, str] = types.MappingProxyType({})


class Pass:
    """Masks one value, and counts what it masks.

    :param learned: the secrets that are known, the longest first.
    :param counts: gets how many secrets of each kind were masked.
    """

    def __init__(self, learned: _Learned, counts: dict[str, int]) -> None:
        self._learned = learned
        self._counts = counts
        # The ids of the containers that are open: one may hold itself.
        self._within: set[int] = set()

    # Containers

    def any(self, value: Any) -> Any:
        """Return a value of any type with its secrets masked."""
        # First, as most values are text.
        if type(value) is str:
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
        if len(self._within) == _DEEPEST:
            return self._too_deep()
        self._within.add(id(value))
        try:
            return mask(value)
        except RecursionError:
            # Whoever called was deep already.
            return self._too_deep()
        finally:
            self._within.discard(id(value))

    def _too_deep(self) -> str:
        """Return what stands for a container that is not looked into."""
        self._counts['too deep'] += 1
        return names.MASK

    def _mapping(
        self, value: Mapping[Any, Any], hidden: Mapping[Any, str] = _NOTHING
    ) -> Any:
        """Mask a mapping.

        :param hidden: for a key whose value is a secret, the name of that:
            the "id" of ``'token': {'id': 'x'}``.
        """
        items: dict[Any, Any] = {}
        plain = values.plain
        beside = names.secret_beside(
            {plain(key): plain(item) for key, item in value.items()}
        )
        if beside is not None:
            hidden = {**hidden, beside: 'secret'}
        for key, item in value.items():
            shown = unique = self._key(key)
            while unique in items:
                unique = f'{shown}-{len(items)}'
            if hidden and plain(key) in hidden:
                items[unique] = self._hidden(hidden[plain(key)], item)
            else:
                items[unique] = self._item(key, item)
        if isinstance(value, collections.defaultdict):
            make = functools.partial(type(value), value.default_factory)
            return _made_of(make, items)
        return items if type(value) is dict else _made_of(type(value), items)

    def _key(self, key: Any) -> Any:
        # Names of fields are short; to skip them saves time.
        if not isinstance(key, (str, bytes)):
            return key
        key = values.plain(key)
        return self.any(key) if self._learned or len(key) > 15 else key

    def _items(self, value: Any) -> Any:
        keys = getattr(value, '_fields', ())
        if isinstance(value, tuple) and len(keys) == len(value) > 0:
            items = list(map(self._item, keys, value))
        elif len(value) == 2 and _is_pair(value):
            name, item = self._arguments(value)
            items = [self.any(name), self._item(name, item)]
        else:
            items = list(map(self.any, self._arguments(value)))
        if type(value) in _SEQUENCES:
            return type(value)(items)
        return _made_of(getattr(value, '_make', type(value)), items)

    def _arguments(self, value: Any) -> Any:
        """Mask the secrets in what may be the arguments of a command."""
        if not (
            isinstance(value, (list, tuple))
            and len(value) > 1
            and all(isinstance(item, (str, bytes)) for item in value)
        ):
            return value
        words = list(map(plain, value))
        if not commands.in_list(words):
            return value
        items = list(value)
        for index, start, end in commands.find_in_words(words):
            self._counts['password'] += 1
            items[index] = _replaced(value[index], start, end)
        return items

    def _item(self, key: Any, item: Any) -> Any:
        """Mask the value of a field, by the name of the field too."""
        name = values.plain(key)
        name = name.decode('latin-1') if isinstance(name, bytes) else name
        if isinstance(name, str) and names.has_root(name):
            if name == 'chpasswd' and isinstance(item, Mapping):
                return self._described(item, {'list': name})
            if names.is_secret_name(name):
                return self._hidden(name, item)
            if isinstance(item, _TEXTS):
                if names.is_holder(name):
                    return _as_text(item, self._held)
                if names.begins_as_secret(name):
                    return _as_text(item, self._chance)
        return self.any(item)

    def _hidden(self, name: str, item: Any) -> Any:
        """Mask the value of a field that is named as a secret."""
        if isinstance(item, _TEXTS):
            return _as_text(item, functools.partial(self._value, name))
        if isinstance(item, Mapping):
            # It describes the secret; or has cookies by their names.
            cookies = names.kind_of(name) == 'cookie'
            keys = item if cookies else ('id',)
            hidden = dict.fromkeys(map(values.plain, keys), name)
            return self._described(item, hidden)
        if (isinstance(item, _SEQUENCES) and item) or (
            isinstance(item, (int, float, enum.Enum))
            and not isinstance(item, bool)
        ):
            return self._masked(name)
        return self.any(item)

    def _described(
        self, item: Mapping[Any, Any], hidden: Mapping[Any, str]
    ) -> Any:
        mask = functools.partial(self._mapping, hidden=hidden)
        return self._inside(item, mask)

    def _chance(self, value: str) -> str:
        if names.is_chance(value):
            return self._masked('secret')
        return self.text(value)

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
        Pass(self._learned, found).text(content)
        if found:
            for kind, number in found.items():
                self._counts[kind] += number
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
        gates = shapes.those_in(_GATES, lowered)
        # Calls only for what needs them: most texts are short lines.
        quoted = ('%' in lowered or '\\' in lowered) and unquoted.may_have(
            lowered
        )
        options = quoted or ('-' in lowered and commands.have_options(lowered))
        if gates or options:
            text = self._without_named(text, words, gates, options, quoted)
        if '@' in words or ('%' in words and '%40' in words):
            for find in urls.FINDERS:
                text = self._without(text, find(text))
            if quoted:
                text = self._without(
                    text, unquoted.find(text, urls.FINDERS[0])
                )
        return text

    def _without_named(
        self,
        text: str,
        words: str,
        gates: list[str],
        options: bool,
        quoted: bool,
    ) -> str:
        """Mask what fields, statements and commands tell to be secret."""
        roots = [gate for gate in gates if gate in names.FIELD_NAMES]
        stated = [gate for gate in statements.GATES if quoted or gate in gates]
        used = commands.in_text(words, gates, options)

        def named(text: str) -> Iterator[shapes.Shape]:
            lowered = shapes.lowered(text)
            yield from fields.find(text, lowered, roots, self._holds_secret)
            for gate in stated:
                yield from statements.Reader(text).at_gate(gate, lowered)
            if used:
                yield from commands.find(text, used)

        if quoted:
            text = self._without(text, unquoted.find(text, named))
        return self._without(text, named(text))

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
        for kind, start, end, quote in sorted(spans, key=_start_of):
            if start >= done:
                if kind:
                    self._counts[kind] += 1
                parts += (text[done:start], quote, names.MASK, quote)
            done = max(done, end)
        return ''.join([*parts, text[done:]]) if parts else text


def _is_pair(value: Any) -> bool:
    """Whether two items are a header; or one of a mapping, as a tuple."""
    name, item = value
    if isinstance(value, tuple):
        # Not the names of two fields.
        item = values.plain(item)
        return not (isinstance(item, str) and names.is_secret_name(item))
    return (
        isinstance(value, list)
        and isinstance(name, (str, bytes))
        and names.is_secret_name(plain(name))
        and isinstance(item, _TEXTS)
        and names.is_paired(plain(item))
    )


def plain(value: Any) -> str:
    """Return text or bytes as text."""
    value = values.plain(value)
    if isinstance(value, str):
        # Or what passes for one, such as a proxy.
        return value if type(value) is str else str(value)
    return bytes(value).decode('utf-8', 'surrogateescape')


def _start_of(span: shapes.Shape) -> tuple[int, int]:
    return span.start, -span.end


def _as_text(value: Any, mask: Callable[[str], str]) -> Any:
    """Mask text or bytes; return the same type, if it can be made."""
    text = plain(value)
    masked = mask(text)
    if isinstance(value, str):
        return masked
    if masked == text:
        return values.plain(value)
    make = bytearray if isinstance(value, bytearray) else bytes
    return make(masked, 'utf-8', 'surrogateescape')


def _replaced(value: Any, start: int, end: int) -> Any:
    """Mask a part of text or bytes."""

    def replaced(text: str) -> str:
        return f'{text[:start]}{names.MASK}{text[end:]}'

    return _as_text(value, replaced)


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
