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

"""What was done and where, in words that do not differ by run or machine."""

import hashlib
import re

from safe_fixtures.runtime import printable

__all__ = ['act', 'file_of', 'place_of']

_PLACE = re.compile(r'(.+):(\d+)$', re.DOTALL)
# Ids, numbers and temporary names, which differ by run.
_VARYING = re.compile(
    # One peer on the network is not like another.
    r'(?P<peer>\b\d+(?:\.\d+){3}\b(?::\d+)?)'
    r'|(?<![0-9a-z])(?:[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}'
    # As tempfile calls its files.
    r'|0x[0-9a-f]+|tmp[0-9a-z_]{8})(?![0-9a-z])|\d+',
    re.I,
)
_PACKAGES = re.compile(r'(?<![^/])(?:site|dist)-packages/')
# Directories that may be elsewhere on another machine. The path in a URL is
# none, and what is in these is at the same place everywhere.
_DIRECTORIES = re.compile(
    r"(?<![\w/:.*-])/(?!(?:boot|dev|etc|proc|run|sys)/)(?:[^/\s'\"]+/)+"
)
_LONGEST = 400  # characters of an act
_MORE = 'and * more'  # what ends a list that was cut
_DIGITS = 9  # of a line number
# Bound at import, so that a test that patches it changes nothing here.
_sha256 = hashlib.sha256


def act(message: str) -> str:
    """Return what a message says was done, the same on every machine.

    Directories are left out, besides ids and numbers; of a path in an
    installed package, only those above it. Addresses on the network stay.
    A list with semicolons is sorted, and each part counts once. What is too
    long is cut, with a digest of all of it.

    Example::

        >>> act('open of /home/me/nova/instances/7/console.log')
        'open of */console.log'

    :param message: the message of a violation, masked.
    """
    # Escaped first, as the records may be already.
    text = _DIRECTORIES.sub(_directory, printable.line(message))
    text = _VARYING.sub(lambda found: found['peer'] or '*', text)
    text = _as_set(text)
    if len(text) > _LONGEST:
        digest = _sha256(text.encode()).hexdigest()[:12]
        text = f'{text[:_LONGEST]} ... ({digest})'
    return text.strip() or 'unknown'


def _as_set(text: str) -> str:
    """Return a list as a set: what was found comes in any order and number."""
    head, _, items = text.partition(': ')
    if '; ' not in items:
        return text
    different = {*items.split('; ')} - {_MORE}
    return f'{head}: ' + '; '.join(sorted(different))


def _directory(found: re.Match[str]) -> str:
    inside = _in_package(found[0])
    return '*/' if inside is None else inside


def _in_package(path: str) -> str | None:
    """Return a path below installed packages; None if it is elsewhere."""
    *_, inside = _PACKAGES.split(path)
    return None if inside == path else inside


def place_of(where: str) -> tuple[str, int]:
    """Return the file and the line of a place, such as ``test_x.py:12``.

    :returns: an empty file and line 0 for what is no such place.
    """
    found = _PLACE.match(where)
    return (found[1], int(found[2][:_DIGITS])) if found else ('', 0)


def file_of(path: str, test: str) -> str:
    """Return the path of a file from where its package is imported.

    Example::

        >>> file_of('/home/me/nova/nova/tests/base.py', 'nova.tests.x.Y.z')
        'nova/tests/base.py'

    :param path: the file.
    :param test: the id of the test that did something there. A file that is
        not installed counts from the last directory that is called as the
        package of the test; of others the name remains.
    """
    inside = _in_package(path)
    if inside is None:
        package = test.partition('.')[0]
        _, found, rest = path.rpartition(f'/{package}/')
        inside = f'{package}/{rest}' if found else path.rpartition('/')[2]
    return printable.line(inside)
