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

"""Find credentials in URLs."""

from collections.abc import Callable, Iterator
import functools
import re

from safe_fixtures.redaction import shapes

__all__ = ['FINDERS']

_KIND = 'URL credentials'
_AUTHORITY = re.compile(r'://[^/\s\'"<>]*+')
_ESCAPED_AUTHORITY = re.compile(r':(?:\\+/){2}[^/\\\s\'"<>]*+')
_QUOTED_AUTHORITY = re.compile(
    r'%(?:25)*+3A(?:%(?:25)*+2F){2}'
    r'((?:[^\s\'"<>&/%]|%(?!(?:25)*(?:2F|3F|40))){1,500}%(?:25)*+40)++',
    re.IGNORECASE,
)
_QUOTED_COLON = re.compile('%(?:25)*3A', re.IGNORECASE)
# A message bus has several hosts, each with credentials of its own.
_CREDENTIALS = re.compile(r'(?:^|(?<=,))[^@,]*:[^@]*(?:@[^@,]*)*(?=@)')
# A password with a slash in it. Only digits: a port, not a password.
_WITH_SLASH = re.compile(
    r'://[\w.%+-]*+:(?![0-9]++(?:[/\s\'"<>,?#]|\Z))[^@\s\'"<>\\]{1,200}@(?=\w)'
)


def _with_slashes(text: str) -> Iterator[shapes.Shape]:
    if '://' in text:
        for match in _WITH_SLASH.finditer(text):
            yield shapes.Shape(_KIND, match.start() + 3, match.end() - 1)


def _in_quoted(text: str) -> Iterator[shapes.Shape]:
    if '%40' in text:
        for match in _QUOTED_AUTHORITY.finditer(text):
            start, end = match.span(1)
            if _QUOTED_COLON.search(text, start, end):
                end = text.rindex('%', start, end)
                yield shapes.Shape(_KIND, start, end)


def _before_hosts(
    begin: str, authority: re.Pattern[str], text: str
) -> Iterator[shapes.Shape]:
    for match in authority.finditer(text) if begin in text else ():
        whole = match[0]
        if '@' not in whole:
            continue
        start = whole.rindex('/', 0, whole.index('@')) + 1
        credentials = whole[start : whole.rindex('@') + 1]
        for each in _CREDENTIALS.finditer(credentials):
            at = match.start() + start + each.start()
            yield shapes.Shape(_KIND, at, at + len(each[0]))


# Each finds shapes in a text in which those before it were masked.
FINDERS: tuple[Callable[[str], Iterator[shapes.Shape]], ...] = (
    functools.partial(_before_hosts, '://', _AUTHORITY),
    _with_slashes,
    functools.partial(_before_hosts, ':\\', _ESCAPED_AUTHORITY),
    _in_quoted,
)
