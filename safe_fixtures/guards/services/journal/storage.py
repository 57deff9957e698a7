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

"""Files that survive the end of the process, and the loss of power."""

import contextlib
import errno
import os as _os
import posix
import stat as _stat

from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime.system import os

__all__ = [
    'DurableFile', 'JournalError', 'append', 'make_private', 'remove', 'sync',
]  # fmt: skip

# Bound at import, so that a test that patches them changes nothing here.
_fsync = _os.fsync
_makes = _os.mkdir
_unlink = _os.unlink
_S_ISDIR = _stat.S_ISDIR


class JournalError(OSError):
    """What is owed cannot be put on record, so nothing may be changed.

    It has the number, the reason and the file of an ``OSError``.
    """

    def __str__(self) -> str:
        return (
            'what services are owed cannot be put on record: '
            f'{self.strerror} ({self.filename})'
        )

    @classmethod
    def of(cls, error: OSError, path: str) -> 'JournalError':
        """Return an error about a file, with its cause."""
        found = cls(error.errno, error.strerror or str(error), path)
        found.__cause__ = error
        return found


def make_private(directory: str) -> None:
    """Make a directory for this user only, with those above it.

    One that is there stays as it is, if it is this user's own.

    :raises: OSError if that cannot be, or it is another user's.
    """
    directory, missing = os.path.abspath(directory), []
    while True:
        try:
            os.stat(directory)
            break
        except FileNotFoundError:
            missing.append(directory)
            directory = os.path.dirname(directory)
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            _makes(each, 0o700)
        # Else the new directory may be gone after a loss of power.
        sync(os.path.dirname(each))
        directory = each
    found = os.stat(directory)
    if not _S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, 'it is no directory')
    if found.st_uid != os.geteuid():
        raise PermissionError(
            errno.EPERM, f'the directory belongs to user {found.st_uid}'
        )


def sync(directory: str) -> None:
    """Write a directory to the disk: which files it has.

    :raises: OSError.
    """
    descriptor = posix.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _fsync(descriptor)
    finally:
        posix.close(descriptor)


def remove(path: str) -> None:
    """Remove a file; nothing if it is not there.

    :raises: OSError if it stays.
    """
    with contextlib.suppress(FileNotFoundError):
        _unlink(path)
    # One that is there again after a loss of power says what was true.
    with contextlib.suppress(OSError):
        sync(os.path.dirname(path))


def append(path: str, data: bytes) -> None:
    """Append whole lines to a file that another process has left.

    :raises: OSError if they are not on the disk for certain.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = posix.open(path, flags)
    try:
        size = os.fstat(descriptor).st_size
        is_torn = size and os.pread(descriptor, 1, size - 1) != b'\n'
        _write(descriptor, b'\n' + data if is_torn else data, size)
    finally:
        posix.close(descriptor)


def _write(descriptor: int, data: bytes, size: int) -> None:
    """Write at the end of a file of a size; leave that size on failure."""
    try:
        while data:
            data = data[posix.write(descriptor, data) :]
        _fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


class DurableFile:
    """A file of lines that one process appends to.

    It is opened for each line, since tests may close open files. When
    :meth:`append` returns, the line is on the disk. One that fails leaves the
    lines before it whole, and the next one begins a line of its own.

    :param path: the file; it must not be there yet (str).
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._known: tuple[int, int] | None = None
        self._size = 0

    def append(self, data: bytes) -> None:
        """Write whole lines at the end.

        :raises: JournalError if they are not on the disk for certain.
        """
        try:
            with audit_hook.unseen():
                self._append(data)
        except OSError as error:
            raise JournalError.of(error, self.path) from error

    def _append(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        is_new = self._known is None
        if is_new:
            flags |= os.O_CREAT | os.O_EXCL
        # Of the posix module: eventlet replaces those of os.
        descriptor = posix.open(self.path, flags, 0o600)
        try:
            self._check(descriptor)
            self._write(descriptor, data)
        except BaseException:
            if is_new:
                self._give_up()
            raise
        finally:
            posix.close(descriptor)
        if is_new:
            try:
                sync(os.path.dirname(self.path))
            except BaseException:
                self._give_up()
                raise

    def _give_up(self) -> None:
        """Remove a new file that may not be there after a power loss."""
        self._known, self._size = None, 0
        with contextlib.suppress(OSError):
            _unlink(self.path)

    def _check(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        which = found.st_dev, found.st_ino
        if self._known not in (None, which):
            raise OSError(errno.ESTALE, 'it was replaced while it was in use')
        if found.st_size < self._size:
            raise OSError(errno.ESTALE, 'it was truncated while it was in use')
        self._known = which

    def _write(self, descriptor: int, data: bytes) -> None:
        before = os.fstat(descriptor).st_size
        # What an earlier write has left may end in the middle of a line.
        if before != self._size:
            data = b'\n' + data
        _write(descriptor, data, self._size)
        self._size = before + len(data)

    def remove(self) -> None:
        """Remove it.

        :raises: JournalError if it stays.
        """
        try:
            with audit_hook.unseen():
                remove(self.path)
        except OSError as error:
            raise JournalError.of(error, self.path) from error
