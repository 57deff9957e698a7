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

"""Find out what a path means, whatever a test has patched.

Tests replace functions of ``os`` and ``os.path``. So this module keeps its
own references to the few system calls that it makes.
"""

from collections.abc import Iterator
from typing import Any

from safe_fixtures.runtime.system import os
from safe_fixtures.runtime.system import stat
from safe_fixtures.runtime import values

__all__ = [
    'absolute',
    'exists',
    'is_below',
    'is_directory',
    'of_descriptor',
    'open_directories',
    'resolve',
    'status',
]

_stat, _lstat, _fstat = os.stat, os.lstat, os.fstat
_readlink, _getcwd, _listdir = os.readlink, os.getcwd, os.listdir
_MOST_LINKS = 40
_DESCRIPTORS = '/proc/self/fd'
_SHARED_MEMORY = '/dev/shm/'


def absolute(name: Any, base: str | int | None = None) -> str | None:
    """Return an absolute path, with its links, or None if there is none.

    :param name: anything that holds a path.
    :param base: the directory that it is relative to, or a descriptor of it;
        default: the current one.
    """
    path = values.text(name)
    # Whatever opens or changes files refuses a null character.
    if '\0' in path:
        return None
    if path.startswith('/'):
        return path
    if base is None or base == -1:
        try:
            base = _getcwd()
        except OSError:
            # Nothing can be made in a directory that is gone.
            return None
    elif isinstance(base, int):
        base = of_descriptor(base)
    return None if base is None else f'{base}/{path}'


def resolve(path: str) -> str:
    """Return an absolute path without links, as ``os.path.realpath`` does."""
    waiting = path.split('/')[::-1]
    done = ''
    links = 0
    while waiting:
        name = waiting.pop()
        if name in ('', '.'):
            continue
        if name == '..':
            done = done.rpartition('/')[0]
            continue
        place = f'{done}/{name}'
        found = status(place, follow=False)
        # With more links, the system gives up, too.
        if found and stat.S_ISLNK(found.st_mode) and links < _MOST_LINKS:
            links += 1
            try:
                target = _readlink(place)
            except OSError:
                # Somebody removed it just now.
                target = name
            waiting.extend(target.split('/')[::-1])
            if target.startswith('/'):
                done = ''
        else:
            done = place
    return done or '/'


def status(path: str, *, follow: bool = True) -> os.stat_result | None:
    """Return the status of a file, or None if there is none."""
    try:
        return _stat(path) if follow else _lstat(path)
    except (OSError, ValueError):
        return None


def exists(path: str) -> bool:
    """Whether there is something, or a link that leads nowhere."""
    return status(path, follow=False) is not None


def is_directory(path: str) -> bool:
    """Whether a path leads to a directory."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_below(path: str, root: str) -> bool:
    """Whether a path is *root*, or below it."""
    return path == root or path.startswith(root.rstrip('/') + '/')


def of_descriptor(number: int) -> str | None:
    """Return the path of what is open, or None if it has none."""
    try:
        found = _fstat(number)
        path = _readlink(f'{_DESCRIPTORS}/{number}')
    except (OSError, OverflowError):
        return None
    if not found.st_nlink or not path.startswith('/'):
        return None
    # Shared memory has an interface of its own; it is no file of the host.
    return None if path.startswith(_SHARED_MEMORY) else path


def open_directories() -> Iterator[str]:
    """Yield the paths of the directories that this process has open."""
    try:
        numbers = [int(each) for each in _listdir(_DESCRIPTORS)]
    except OSError:
        return
    for number in sorted(numbers):
        try:
            is_open = stat.S_ISDIR(_fstat(number).st_mode)
        except OSError:
            continue
        path = of_descriptor(number) if is_open else None
        if path is not None:
            yield path
