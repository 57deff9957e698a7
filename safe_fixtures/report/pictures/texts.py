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

"""Texts of records, as the pictures show them."""

import re

from safe_fixtures.runtime import printable

__all__ = ['counted', 'name', 'shown']

_MOST = 500  # characters
_MODULE = re.compile(r'^(?:\w+\.)+(?=\w+\.\w+)')


def shown(text: object) -> str:
    """Return a text on one line, cut if it is long; else nothing."""
    if not isinstance(text, str):
        return ''
    if len(text) > _MOST:
        text = f'{text[:_MOST]}…'
    return printable.line(text)


def name(test: str) -> str:
    """Return the id of a test without its module."""
    return _MODULE.sub('', shown(test), count=1)


def counted(number: int, what: str) -> str:
    """Return a number of things in words, such as ``2 servers``."""
    return f'{number:,} {what}{"" if number == 1 else "s"}'
