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

__all__ = ['absolute', 'is_made', 'is_temporary', 'of_descriptor']

#: The interpreter events before ``tempfile`` makes a directory or file.
MAKING = ('tempfile.mkdtemp', 'tempfile.mkstemp')
# The process's own. That of a test is below it, and may be nested.
_DEFAULT = tempfile.gettempdir()
_SHARED_MEMORY = '/dev/shm/'
# What tempfile made in this process, in a test or for its class. Names are
# never removed, as one may be made again.
_made: set[str] = set()
_resolved = functools.lru_cache(os.path.realpath)


def absolute(name: Any, base: str | int | None = None) -> str | None:
    """Return an absolute path, with its links, or None if there is none.

    :param base: the directory that it is relative to, or a descriptor of it;
        default: the current one.
    """
    name = os.fsdecode(name)
    # Whatever opens or changes files refuses a null character.
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
    # If it is there, tempfile tries another name.
    if path is not None and not os.path.lexists(path):
        path = os.path.realpath(path)
        if not is_made(path):
            _made.add(path)


def is_made(path: str) -> bool:
    """Whether a resolved path is, or is below, what ``tempfile`` made."""
    below = ''
    while path != below:
        if path in _made:
            return True
        below, path = path, os.path.dirname(path)
    return False


def is_temporary(path: str, *, outer: bool = False, made: bool = True) -> bool:
    """Whether a resolved path is temporary.

    It is if it is in the current temporary directory.

    :param outer: count the outermost temporary directory of the test, too:
        what was made before the current one was nested in it is there.
    :param made: count what ``tempfile`` made elsewhere, too.
    """
    directory = _resolved(_current())
    if outer:
        default = os.path.join(_resolved(_DEFAULT), '')
        if directory.startswith(default):
            name = directory.removeprefix(default).partition(os.sep)[0]
            directory = default + name
    return is_below(path, directory) or (made and is_made(path))


def _current() -> str:
    """Return the temporary directory, which tests move."""
    # Not by gettempdir(): it holds a lock while it writes to directories to
    # find one that it can write to.
    current = tempfile.tempdir or next(
        filter(None, map(os.environ.get, ('TMPDIR', 'TEMP', 'TMP'))), _DEFAULT
    )
    return os.fsdecode(current)


def is_below(path: str, root: str) -> bool:
    """Whether a path is *root*, or below it."""
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
    # Shared memory has an interface of its own; it is no file of the host.
    return None if path.startswith(_SHARED_MEMORY) else path
