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

"""Which files and directories are temporary."""

import functools
import os
import tempfile
from typing import Any

__all__ = [
    'MAKING',
    'absolute',
    'is_below',
    'is_made',
    'is_temporary',
    'note_made',
    'of_descriptor',
]


_DEFAULT = tempfile.gettempdir()
#: The events that tell of a directory or file that ``tempfile`` makes.
MAKING = ('tempfile.mkdtemp', 'tempfile.mkstemp')
_SHARED_MEMORY = '/dev/shm/'


# What tempfile made in this process, in a test or for its class. It is kept,
# as a name may be made again.
_made: set[str] = set()
_resolved = functools.lru_cache(os.path.realpath)


def absolute(name: Any, base: str | int | None = None) -> str | None:
    """Return an absolute path, with its links, or None if there is none.

    :param base: what it is relative to: a directory or its descriptor.
    """
    name = os.fsdecode(name)
    # What has one in it is refused by all that opens or changes files.
    if '\0' in name:
        return None
    if os.path.isabs(name):
        return str(name)
    if base is None or base == -1:
        try:
            base = os.getcwd()
        except OSError:
            # Nothing can be made in a directory that is gone.
            return None
    elif isinstance(base, int):
        base = of_descriptor(base)
    return None if base is None else os.path.join(base, name)


def note_made(args: tuple[Any, ...]) -> None:
    """Note a directory or file that ``tempfile`` is about to make."""
    path = absolute(args[0])
    # Not a name that it tries and finds taken.
    if path is not None and not os.path.lexists(path):
        path = os.path.realpath(path)
        if not is_made(path):
            _made.add(path)


def is_made(path: str) -> bool:
    """Whether a resolved path is in what ``tempfile`` made."""
    below = ''
    while path != below:
        if path in _made:
            return True
        below, path = path, os.path.dirname(path)
    return False


def is_temporary(path: str) -> bool:
    """Whether a resolved path is in the temporary directory, or was made."""
    return is_below(path, _resolved(_temporary())) or is_made(path)


def _temporary() -> str:
    """Return the temporary directory, which tests move."""
    # Not by gettempdir(): it holds a lock while it writes to directories to
    # find one that it can write to.
    current = tempfile.tempdir or next(
        filter(None, map(os.environ.get, ('TMPDIR', 'TEMP', 'TMP'))), _DEFAULT
    )
    return os.fsdecode(current)


def is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(os.path.join(root, ''))


def of_descriptor(number: int) -> str | None:
    """Return the path of what is open, or None if it has none."""
    try:
        status = os.fstat(number)
        path = os.readlink(f'/proc/self/fd/{number}')
    except (OSError, OverflowError):
        return None
    if not status.st_nlink or not os.path.isabs(path):
        return None
    # That was made by another interface than that of files.
    return None if path.startswith(_SHARED_MEMORY) else path
