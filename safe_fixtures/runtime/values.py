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

"""Read a value as the C library gets it, whatever its class makes of it.

A ``str`` that is a member of an ``Enum`` shows its name, and a subclass can
say anything of itself. The interpreter passes on the characters that it
holds.
"""

import sys
from typing import Any

__all__ = ['answers', 'is_number', 'is_text', 'number', 'plain', 'text']

_ENCODING = sys.getfilesystemencoding()
_ERRORS = sys.getfilesystemencodeerrors()
_PLAIN = frozenset([str, bytes, bytearray, bool, int])


def is_text(value: Any) -> bool:
    """Whether a value holds characters, by its real type."""
    return issubclass(type(value), str)


def is_number(value: Any) -> bool:
    """Whether a value is taken for a number, such as a descriptor."""
    kind = type(value)
    return kind is int or (
        not issubclass(kind, (str, bytes)) and hasattr(kind, '__index__')
    )


def number(value: Any) -> int:
    """Return the number that a value holds."""
    if not issubclass(type(value), int):
        value = type(value).__index__(value)
    return int.__index__(value)


def text(value: Any) -> str:
    """Return the text that a value holds, without its class.

    Bytes and buffers are decoded as names of files are. A path-like object
    is asked for its path.

    :raises: TypeError if it holds none.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes):
        # A slice of a subclass is plain bytes.
        return bytes.__getitem__(value, slice(None)).decode(_ENCODING, _ERRORS)
    if hasattr(kind, '__fspath__'):
        path = kind.__fspath__(value)
        if issubclass(type(path), (str, bytes)):
            return text(path)
    return bytes(memoryview(value)).decode(_ENCODING, _ERRORS)


def plain(value: Any) -> Any:
    """Return text, bytes or a number as a value of the built-in type.

    :returns: any other value as it is.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes):
        return bytes.__getitem__(value, slice(None))
    if issubclass(kind, bytearray):
        return bytearray.__getitem__(value, slice(None))
    if issubclass(kind, int):
        return int.__index__(value)
    return value


def answers(value: Any) -> tuple[str, ...]:
    """Return all texts that a value may hold.

    A path-like object can answer differently each time. Some events come
    before it is asked, and others after, so it is asked twice.

    :raises: TypeError if it holds none.
    """
    first = text(value)
    if issubclass(type(value), (str, bytes)):
        return (first,)
    second = text(value)
    return (first,) if first == second else (first, second)
