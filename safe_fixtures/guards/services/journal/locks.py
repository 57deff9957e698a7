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

"""Locks on services, so that two runs on one machine do not mix."""

import contextlib
import fcntl
import hashlib
import json
import os as _os
import posix
import resource
import threading
from typing import NamedTuple

from safe_fixtures import exceptions
from safe_fixtures.guards.services.journal import cloud
from safe_fixtures.guards.services.journal import owners
from safe_fixtures.guards.services.journal import records
from safe_fixtures.guards.services.journal import storage
from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable
from safe_fixtures.runtime import system
from safe_fixtures.runtime.system import os

__all__ = ['FOLDER', 'Holder', 'LockHeld', 'ServiceLock']

#: Where locks are in the directory of the option.
FOLDER = 'locks'
_LIMIT = 16384  # bytes that say who holds a lock
# So many locks may count against the limit of open files.
_FEW = 100

# Bound at import, so that a test that patches them changes nothing here.
_fcntl, _flock = fcntl.fcntl, fcntl.flock
_getrlimit, _setrlimit = resource.getrlimit, resource.setrlimit
_unlink = _os.unlink
_sha256 = hashlib.sha256
_decode = json.JSONDecoder().decode
_RLock = threading.RLock


class Holder(NamedTuple):
    """Who holds a lock, as it says itself.

    :ivar run: the UUID of the run (str).
    :ivar pid: the number of the process (int).
    :ivar host: the name of its host, or container (str).
    :ivar test_id: the test that changed the service (str); empty if none.
    :ivar since: since when (str).
    """

    run: str
    pid: int
    host: str
    test_id: str
    since: str

    def __str__(self) -> str:
        test = f' for {self.test_id}' if self.test_id else ''
        return printable.line(
            f'run {self.run} (pid {self.pid} on {self.host}), since '
            f'{self.since}{test}'
        )


class LockHeld(Exception):
    """Another process holds a service.

    :ivar service: the service (Service).
    :ivar holder: who holds it (Holder); None if that cannot be read.
    """

    def __init__(
        self, service: records.Service, holder: Holder | None
    ) -> None:
        super().__init__(service, holder)
        self.service = service
        self.holder = holder

    def __str__(self) -> str:
        return f'{self.service} is held by {self.holder or "another process"}'

    def violation(self) -> exceptions.ServiceHeld:
        """Return the violation of SF206, for a guard to report."""
        return exceptions.ServiceHeld(
            str(self), service=str(self.service), holder=self.holder
        )


class _Held:
    """A lock that this process holds, and for how many users.

    :param descriptor: of the locked file.
    """

    def __init__(self, descriptor: int) -> None:
        self.users = 0
        self._descriptor = descriptor
        self._which = _identity(os.fstat(descriptor))

    def free(self, path: str) -> None:
        """Free the lock, and remove its file."""
        if not self._is_ours():
            return
        with contextlib.suppress(OSError):
            # First, while it is locked: who waits for it sees that.
            if _identity(os.stat(path)) == self._which:
                _unlink(path)
        with contextlib.suppress(OSError):
            # A process forked meanwhile would keep it.
            _flock(self._descriptor, fcntl.LOCK_UN)
        self.close()

    def close(self) -> None:
        """Close the file: that frees the lock if no process shares it."""
        if self._is_ours():
            posix.close(self._descriptor)

    def _is_ours(self) -> bool:
        """Whether the descriptor is still the lock: a test may close it."""
        try:
            return _identity(os.fstat(self._descriptor)) == self._which
        except OSError:
            return False


# By file. A forked child holds none of them.
_held: dict[str, _Held] = {}
_mutex = _RLock()


class ServiceLock:
    """Keeps other processes of this machine from changing a service.

    The kernel frees it when the process ends, however that happens. Within
    the process it is counted: the service stays locked until each of its
    users has released it.

    :param directory: as in ``[safe_fixtures] journal_dir`` (str).
    :param service: the service (Service).
    :raises: ValueError if the endpoint of the service is no URL.
    """

    def __init__(self, directory: str, service: records.Service) -> None:
        self.service = service
        self._folder = os.path.join(directory, FOLDER)
        endpoint = cloud.canonical(service.endpoint)
        key = system.as_json([endpoint, service.uuid]).encode()
        name = f'{_sha256(key).hexdigest()[:40]}.lock'
        self._path = os.path.join(self._folder, name)
        self._mine: _Held | None = None
        self._count = 0

    def acquire(self, timeout: float, test_id: str | None = None) -> None:
        """Lock the service.

        :param timeout: how long to wait for another process (seconds).
        :param test_id: the test that locks it, for who waits.
        :raises: LockHeld if another process still holds it then.
        :raises: JournalError if the lock cannot be made.
        """
        until = clock.monotonic() + timeout
        while not self._try(test_id):
            if clock.monotonic() >= until:
                raise LockHeld(self.service, _holder(self._path))
            files.pause()

    def release(self) -> None:
        """Release the lock; nothing if it is not locked through this."""
        with _mutex:
            held = _held.get(self._path)
            # What a forked child has of its parent is not its own.
            if held is None or held is not self._mine or not self._count:
                return
            self._count -= 1
            held.users -= 1
            if not held.users:
                del _held[self._path]
                held.free(self._path)

    def _try(self, test_id: str | None) -> bool:
        with _mutex:
            held = _held.get(self._path)
            if held is None:
                try:
                    with audit_hook.unseen():
                        descriptor = _moved_away(self._locked(test_id))
                except OSError as error:
                    raise storage.JournalError.of(error, self._path) from error
                if descriptor is None:
                    return False
                held = _held[self._path] = _Held(descriptor)
            if held is not self._mine:
                self._mine, self._count = held, 0
            self._count += 1
            held.users += 1
            return True

    def _locked(self, test_id: str | None) -> int | None:
        """Return the locked file; None if another process holds it."""
        storage.make_private(self._folder)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            descriptor = posix.open(self._path, flags, 0o600)
            try:
                _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _leads_to(self._path, descriptor):
                    # Its holder has removed it meanwhile.
                    posix.close(descriptor)
                    continue
                _note(descriptor, test_id)
            except BlockingIOError:
                posix.close(descriptor)
                return None
            except BaseException:
                posix.close(descriptor)
                raise
            return descriptor


def _moved_away(descriptor: int | None) -> int | None:
    """Move a lock above the limit of open files, if there are many locks.

    So the locks take no number that the test needs for a file of its own.
    The limit is raised for a moment only: it counts when a file is opened.
    """
    if descriptor is None or len(_held) < _FEW:
        return descriptor
    before = _getrlimit(resource.RLIMIT_NOFILE)
    _setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        moved = _fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, before[0])
    except OSError:
        # The limit cannot be raised.
        return descriptor
    finally:
        _setrlimit(resource.RLIMIT_NOFILE, before)
    posix.close(descriptor)
    return moved


def _note(descriptor: int, test_id: str | None) -> None:
    """Say in a lock who holds it."""
    owner = owners.this_process()
    holder = Holder(
        owner.run, owner.pid, owner.host, (test_id or '')[:1000], records.now()
    )
    os.ftruncate(descriptor, 0)
    # Nothing depends on it, so a full disk is no reason to stop.
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, records.line(holder._asdict()), 0)


def _holder(path: str) -> Holder | None:
    """Return who holds a lock; None if it does not say."""
    try:
        with audit_hook.unseen(), files.open_regular(path) as file:
            stored = _decode(file.read(_LIMIT).decode())
        holder = Holder(**stored)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts = holder.run, holder.host, holder.test_id, holder.since
    if type(holder.pid) is not int or set(map(type, texts)) != {str}:
        return None
    return holder


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _leads_to(path: str, descriptor: int) -> bool:
    """Whether a path still leads to an open file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return _identity(found) == _identity(os.fstat(descriptor))


def _forked() -> None:
    """In a forked child: let go of what the parent holds."""
    global _mutex
    _mutex = _RLock()
    for held in _held.values():
        held.close()
    _held.clear()


_os.register_at_fork(after_in_child=_forked)
