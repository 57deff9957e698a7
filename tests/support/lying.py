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

"""Values whose class says something else than what they hold."""

import enum

__all__ = ['KINDS', 'Data', 'Number', 'Text', 'member']

_CLAIM = 'harmless'


def _claims(*_):
    return _CLAIM


class Text(str):
    """Text that says that it is other text."""

    __str__ = __repr__ = __format__ = lower = upper = strip = _claims
    replace = casefold = title = __getitem__ = _claims
    __hash__ = str.__hash__

    def encode(self, *_):
        return _CLAIM.encode()

    def split(self, *_):
        return [_CLAIM]

    def partition(self, *_):
        return _CLAIM, '', ''

    rpartition = partition

    def __eq__(self, other):
        return other == _CLAIM

    def __contains__(self, part):
        return False

    startswith = endswith = __contains__

    def __len__(self):
        return 0

    def __iter__(self):
        return iter(_CLAIM)

    def find(self, *_):
        return -1


class Data(bytes):
    """Bytes that say that they are other bytes."""

    __str__ = __repr__ = decode = _claims
    __hash__ = bytes.__hash__

    def __bytes__(self):
        return _CLAIM.encode()

    def __eq__(self, other):
        return other == _CLAIM.encode()

    def __len__(self):
        return 0


class Number(int):
    """A number that says that it is another one."""

    def __str__(self):
        return '0'

    __repr__ = __format__ = __str__


def member(text):
    """Return a member of an enumeration that is the text."""
    return enum.Enum('Member', {'IT': text}, type=str).IT


#: How a text can be given: as it is, and as each class.
KINDS = {'plain': str, 'member': member, 'lying': Text}
