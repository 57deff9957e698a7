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

from collections.abc import Mapping
import re
from typing import Any, TypeVar

from oslo_utils import strutils

__all__ = ['Redactor']

_T = TypeVar('_T')

_MASK = '***'
_AUTHORITY = re.compile(r'(?<=://)[^/\s\'"]*@')
# A message bus has several hosts, each with credentials of its own.
_CREDENTIALS = re.compile(r'(?:^|(?<=,))[^@,]*:[^@]*(?:@[^@,]*)*(?=@)')


class Redactor:
    """Masks secrets. Pure: no state, no I/O.

    Example::

        >>> Redactor().redact('rabbit://nova:s3cret@bus:5672/')
        'rabbit://***@bus:5672/'
    """

    def redact(self, value: _T) -> _T:
        """Return *value* with its secrets masked.

        :param value: text, bytes, a mapping, a list, tuple or set of such;
            any other object is returned as it is. Never changed in place.
        :returns: a value of the same type.
        """
        return self._redact(value)  # type: ignore[no-any-return]

    def _redact(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes):
            text = value.decode('utf-8', 'surrogateescape')
            return self._text(text).encode('utf-8', 'surrogateescape')
        if isinstance(value, Mapping):
            return {key: self._item(key, item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            items = [self._redact(item) for item in value]
            if hasattr(value, '_fields'):
                return type(value)(*items)
            return type(value)(items)
        return value

    def _item(self, key: Any, item: Any) -> Any:
        # What is nested is gone into below; here the key decides.
        if isinstance(item, Mapping):
            return self._redact(item)
        masked = strutils.mask_dict_password({key: item}, secret=_MASK)[key]
        return masked if masked == _MASK else self._redact(item)

    @staticmethod
    def _text(text: str) -> str:
        masked: str = strutils.mask_password(text, secret=_MASK)
        if '://' in masked:
            masked = _AUTHORITY.sub(_mask_credentials, masked)
        return masked


def _mask_credentials(authority: re.Match[str]) -> str:
    return _CREDENTIALS.sub(_MASK, authority[0])
