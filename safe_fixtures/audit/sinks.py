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

"""Sinks: the audit file and the logger."""

import contextlib
import errno
import fcntl
import logging
import posix
from typing import Any

from safe_fixtures.audit import events
from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable
from safe_fixtures.runtime import system
from safe_fixtures.runtime.system import os
from safe_fixtures.runtime.system import stat

__all__ = ['LOGGER', 'PID', 'File', 'as_line', 'log']

#: The placeholder for the process number in a file name.
PID = '{pid}'
#: The logger for events; it is used once it has a handler.
LOGGER = logging.getLogger('safe_fixtures.audit')
# Tests capture the root logger: events do not belong there.
LOGGER.propagate = False
LOGGER.setLevel(logging.INFO)

_FIRST = os.getpid()
_flock = fcntl.flock
_ATTEMPTS = 500  # to write to a full pipe, a hundredth of a second each
# Details that repeat the rule, or are a table.
_LEFT_OUT = ('cwe', 'mode', 'outcomes', 'remedy')


class File:
    """Appends events to a file, each as one line of JSON.

    The file is opened for each event: tests may close open files, and a
    file that was removed, replaced or truncated is noticed. A line is written
    whole or not at all, even if other processes append too. Half a line that
    another process left becomes a line of its own.

    :param name: the file (str); ``{pid}`` in it is the number of the
        process. A forked process has its own file.
    """

    def __init__(self, name: str) -> None:
        # The test may change its working directory later.
        self._name = os.path.abspath(name)
        self._path = ''
        self._known: tuple[int, int] | None = None
        # The size of the file after the last event, if that was written.
        self._size = 0

    def __str__(self) -> str:
        return f'[safe_fixtures] audit_file {path_of(self._name)}'

    def __call__(self, stored: dict[str, Any]) -> None:
        data = system.as_json(stored).encode() + b'\n'
        path = path_of(self._name)
        if path != self._path:
            self._path, self._known, self._size = path, None, 0
        # Without O_NONBLOCK, a pipe that nobody reads would stop the test.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        if self._known is None:
            flags |= os.O_CREAT
        # Guards must not see this as an act of the test.
        with audit_hook.unseen(), contextlib.ExitStack() as undo:
            # Of the posix module: eventlet replaces those of os, and waits
            # for devices that cannot be waited for.
            descriptor = posix.open(path, flags, 0o600)
            undo.callback(posix.close, descriptor)
            # A process forked meanwhile would keep the lock.
            undo.callback(_flock, descriptor, fcntl.LOCK_UN)
            self._append(descriptor, data)

    def _append(self, descriptor: int, data: bytes) -> None:
        # O_APPEND does not keep a line whole if a write is partial.
        found = os.fstat(descriptor)
        if not files.is_null(found):
            # All processes share the device, and its lock.
            files.lock(descriptor, self._path)
            found = os.fstat(descriptor)
        which = found.st_dev, found.st_ino
        if self._known not in (None, which):
            raise OSError(
                errno.ESTALE, 'it was replaced while it was in use', self._path
            )
        self._known = which
        before, self._size = self._size, 0
        if found.st_size < before:
            raise OSError(
                errno.ESTALE,
                'it was truncated while it was in use',
                self._path,
            )
        if found.st_size != before and not _ends_a_line(self._path, found):
            data = b'\n' + data
        left = data
        try:
            while left:
                left = left[_write(descriptor, left) :]
        except BaseException:
            if len(left) < len(data):
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, found.st_size)
            raise
        if stat.S_ISREG(found.st_mode):
            self._size = found.st_size + len(data)


def _write(descriptor: int, data: bytes) -> int:
    """Write some bytes; a full pipe may take a moment."""
    for _ in range(_ATTEMPTS):
        try:
            return posix.write(descriptor, data)
        except BlockingIOError:
            files.pause()
    raise OSError(errno.EAGAIN, 'nobody reads what is in the pipe')


def _ends_a_line(path: str, found: os.stat_result) -> bool:
    """Whether a file ends with a whole line, or cannot be read."""
    if not stat.S_ISREG(found.st_mode):
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        return os.pread(descriptor, 1, found.st_size - 1) in (
            b'\n',
            b'',
        )
    finally:
        os.close(descriptor)


def path_of(name: str) -> str:
    """Return the file that this process writes.

    :param name: as in ``[safe_fixtures] audit_file``.
    """
    pid = os.getpid()
    if PID in name:
        return name.replace(PID, str(pid))
    if pid == _FIRST:
        return name
    root, extension = os.path.splitext(name)
    return f'{root}.{pid}{extension}'


def log(stored: dict[str, Any]) -> None:
    """Pass an event on to the logger, if it has a handler."""
    if not (LOGGER.handlers or LOGGER.propagate):
        return
    if LOGGER.disabled:
        raise RuntimeError('the logger is disabled, but has handlers')
    LOGGER.log(
        logging.WARNING if events.Event(stored).counts else logging.INFO,
        '%s',
        as_line(stored),
        extra={'event': stored},
    )


def as_line(stored: dict[str, Any]) -> str:
    """Return an event as one line for a person."""
    event = events.Event(stored)
    parts = [
        event.time[11:26],
        event.action,
        event.code,
        event.target,
        f'({event.outcome})',
        '; '.join(
            f'{name}: {value}'
            for name, value in events.details(stored).items()
            if name not in _LEFT_OUT
        ),
    ]
    return printable.line(' '.join(' '.join(parts).split()))
