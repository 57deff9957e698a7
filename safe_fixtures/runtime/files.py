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

"""Open, lock and replace files without waiting for good.

A pipe that nobody writes to, or a file that another process has locked,
must not stop a test or a command. No limit here depends on a clock, or on
anything else that a test may replace.
"""

import errno
import fcntl
import io
import secrets
import select
import signal
from typing import BinaryIO

from safe_fixtures.runtime.system import os
from safe_fixtures.runtime.system import stat

__all__ = [
    'is_null',
    'lock',
    'open_regular',
    'open_to_read',
    'pause',
    'write_whole',
]

_PAUSE = 0.01  # seconds between two attempts
_LOCK = 500  # attempts
_NO_WRITER = 5.0  # seconds for a writer to come
_SILENT = 300.0  # seconds for a writer to write something

# Those that a process has waited for: it waits for each once only.
_locked: set[tuple[int, int]] = set()

_sleep = signal.sigtimedwait
_flock = fcntl.flock


def pause(seconds: float = _PAUSE) -> None:
    """Wait, whatever a test has done to ``time``.

    :param seconds: how long; default: a hundredth of a second.
    """
    _sleep((), seconds)


def is_null(found: os.stat_result) -> bool:
    """Whether this is ``/dev/null``, by its number."""
    return stat.S_ISCHR(found.st_mode) and (
        os.major(found.st_rdev),
        os.minor(found.st_rdev),
    ) == (1, 3)


def open_regular(path: str) -> BinaryIO:
    """Open a file to read it at once: a regular one, or ``/dev/null``.

    :raises: OSError for anything else.
    """
    descriptor = _open(path)
    try:
        _refuse_unless(_is_plain(os.fstat(descriptor)), path)
        return open(descriptor, 'rb')
    except BaseException:
        os.close(descriptor)
        raise


def open_to_read(path: str) -> BinaryIO:
    """Open a file or a pipe to read it.

    Reading a pipe raises TimeoutError if no writer comes within 5 seconds,
    or one is silent for 5 minutes.

    :raises: OSError for what is neither of the two, nor ``/dev/null``.
    """
    descriptor = _open(path)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISFIFO(found.st_mode):
            return io.BufferedReader(_Pipe(descriptor, path))
        _refuse_unless(_is_plain(found), path)
        return open(descriptor, 'rb')
    except BaseException:
        os.close(descriptor)
        raise


def _open(path: str) -> int:
    # Opening a pipe would wait for the other end.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor: int = os.open(path, flags)
    return descriptor


def _is_plain(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) or is_null(found)


def _refuse_unless(good: bool, path: str) -> None:
    if not good:
        number = errno.EISDIR if os.path.isdir(path) else errno.EINVAL
        raise OSError(number, 'it is no regular file', path)


class _Pipe(io.RawIOBase):
    """The reading end of a pipe, which does not wait for good."""

    def __init__(self, descriptor: int, path: str) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._path = path
        self._has_begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self._try(buffer)
        if count is None:
            self._wait(_SILENT, 'nobody wrote to it')
            count = self._try(buffer)
        elif count == 0 and not self._has_begun:
            self._wait(_NO_WRITER, 'nobody opened it to write')
            return self.readinto(buffer) if self._begin() else 0
        self._has_begun = True
        return count or 0

    def _begin(self) -> bool:
        begins, self._has_begun = not self._has_begun, True
        return begins

    def _try(self, buffer: memoryview) -> int | None:
        try:
            count: int = os.readv(self._descriptor, [buffer])
        except BlockingIOError:
            return None
        return count

    def _wait(self, seconds: float, what: str) -> None:
        # eventlet removes it; then this reads what is there.
        poll = getattr(select, 'poll', None)
        if poll is None:
            return
        waiting = poll()
        waiting.register(self._descriptor, select.POLLIN)
        if not waiting.poll(seconds * 1000):
            raise TimeoutError(
                errno.ETIMEDOUT, f'{what} for {seconds:g} s', self._path
            )

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def lock(descriptor: int, path: str) -> None:
    """Lock an open file against other processes (``flock``).

    Another process may hold the lock for 5 seconds; a file that was locked
    for so long is not waited for again.

    :raises: OSError if it stays locked.
    """
    found = os.fstat(descriptor)
    which = found.st_dev, found.st_ino
    attempts = 1 if which in _locked else _LOCK
    for attempt in range(attempts):
        if attempt:
            pause()
        try:
            _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        _locked.discard(which)
        return
    _locked.add(which)
    raise OSError(errno.EWOULDBLOCK, 'another process has locked it', path)


def write_whole(path: str, data: bytes, mode: int = 0o666) -> None:
    """Write a file at once: a reader sees the old one or the whole new one.

    Missing directories are made, and a symbolic link is followed. A pipe or
    a device, such as ``/dev/stdout``, gets the data as it is. So does a file
    that may be written in a directory that may not.

    :param path: the name of the file.
    :param data: its content.
    :param mode: the permissions of a new file, as of ``os.open``.
    :raises: OSError if it cannot be written, such as a pipe that nobody
        reads.
    """
    try:
        before = os.stat(path).st_mode
    except FileNotFoundError:
        before = 0
    if before and not stat.S_ISREG(before):
        _write_into(path, data)
        return
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    new = os.path.join(folder, f'.{secrets.token_hex(8)}.new')
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(new, flags, mode)
    except OSError as error:
        if not before:
            raise OSError(error.errno, error.strerror, path) from None
        _write_into(path, data)
        return
    try:
        with open(descriptor, 'wb') as file:
            file.write(data)
        if before:
            os.chmod(new, stat.S_IMODE(before))
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise


def _write_into(path: str, data: bytes) -> None:
    # Opening a pipe would wait for the other end.
    flags = os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    os.set_blocking(descriptor, True)
    with open(descriptor, 'wb') as file:
        file.write(data)
