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

"""The headers of a request or a response."""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

from safe_fixtures.runtime import values

__all__ = ['Headers']

_SENT_AS_THEY_ARE = (str, bytes, int)


class Headers(MutableMapping[str, Any]):
    """Headers by name, whether it is in capitals or small letters.

    Values of the same name are joined with commas, as a server joins them.

    :param pairs: names and values, text, bytes or numbers.
    :ivar changed: whether they are no longer what was given (bool).
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]] = ()) -> None:
        # The name as it was given and the value, by the name in small
        # letters.
        self._entries: dict[str, tuple[str, Any]] = {}
        self.changed = False
        for name, value in pairs:
            self._add(_text(name), _text(value))
            # A subclass can say something else of itself when it is sent.
            self.changed |= _is_special(name) or _is_special(value)

    def _add(self, name: str, value: Any) -> None:
        key = name.lower()
        if key in self._entries:
            name, first = self._entries[key]
            value = f'{first}, {value}'
        self._entries[key] = name, value

    def __getitem__(self, name: Any) -> Any:
        return self._entries[_text(name).lower()][1]

    def __setitem__(self, name: Any, value: Any) -> None:
        name = _text(name)
        self._entries[name.lower()] = name, _text(value)
        self.changed = True

    def __delitem__(self, name: Any) -> None:
        del self._entries[_text(name).lower()]
        self.changed = True

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)


def _text(value: Any) -> Any:
    value = values.plain(value)
    if isinstance(value, bytes):
        return value.decode('latin-1')
    return str(value) if isinstance(value, int) else value


def _is_special(value: Any) -> bool:
    kind = type(value)
    return kind not in _SENT_AS_THEY_ARE and issubclass(
        kind, _SENT_AS_THEY_ARE
    )
