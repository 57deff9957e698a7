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

"""Who wrote a journal or holds a lock, and whether that process lives."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from safe_fixtures.runtime import forks
from safe_fixtures.runtime import system
from safe_fixtures.runtime.system import os

__all__ = ['Owner', 'this_process']

_UNKNOWN = ''
_BIGGEST = 2**63
_DEAD = (b'Z', b'X')


class Owner(NamedTuple):
    """A process, so that no other one is taken for it.

    :ivar run: a UUID that the process gave itself (str).
    :ivar pid: its number (int).
    :ivar started: when it began, in clock ticks since the system booted
        (int); None if that is unknown.
    :ivar host: the name of its host (str).
    :ivar boot: the id that the kernel drew when it booted (str).
    :ivar pids: the namespace in which its number counts (str): each
        container has its own.
    """

    run: str
    pid: int
    started: int | None
    host: str
    boot: str
    pids: str

    def __str__(self) -> str:
        return f'run {self.run} (pid {self.pid} on {self.host})'

    def is_alive(self) -> bool | None:
        """Whether the process lives; None if this machine cannot know.

        It cannot for a process on another host, or in another container of
        the same host. A zombie does not live.
        """
        boot, pids = _boot(), _pids()
        if _UNKNOWN in (boot, self.boot):
            return None
        if boot != self.boot:
            # A container may share its name with its host, but not a boot.
            return False if self.host == _host() else None
        if _UNKNOWN in (pids, self.pids) or pids != self.pids:
            return None
        state, started = _stat(self.pid)
        if state is None:
            return False if _is_readable() else None
        if state in _DEAD:
            return False
        if None in (started, self.started):
            return None
        return started == self.started

    def as_record(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return self._asdict()

    @classmethod
    def of_record(cls, stored: Mapping[str, Any]) -> 'Owner | None':
        """Return the owner that a record names; None if it names none.

        :param stored: of any content.
        """
        run, pid = stored.get('run'), stored.get('pid')
        if not isinstance(run, str) or not _is_number(pid):
            return None
        started = stored.get('started')
        texts = (stored.get(name) for name in ('host', 'boot', 'pids'))
        return cls(
            run,
            pid,
            started if _is_number(started) else None,
            *(text if isinstance(text, str) else _UNKNOWN for text in texts),
        )


_known: Owner | None = None


def this_process() -> Owner:
    """Return this process as an owner; a forked child is another one."""
    global _known
    pid = forks.process()
    if _known is None or _known.pid != pid:
        _known = Owner(
            str(system.uuid.uuid4()),
            pid,
            _stat(pid)[1],
            _host(),
            _boot(),
            _pids(),
        )
    return _known


def _is_number(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _BIGGEST


def _host() -> str:
    return os.uname().nodename


def _boot() -> str:
    return _content('/proc/sys/kernel/random/boot_id').decode().strip()


def _pids() -> str:
    try:
        return str(os.readlink('/proc/self/ns/pid'))
    except OSError:
        return _UNKNOWN


def _is_readable() -> bool:
    """Whether this system tells of its processes at all."""
    return _stat(forks.process())[0] is not None


def _stat(pid: int) -> tuple[bytes | None, int | None]:
    """Return the state of a process and when it began; None if unknown."""
    # The name of the program, in brackets, may hold anything.
    fields = _content(f'/proc/{pid}/stat').rpartition(b')')[2].split()
    try:
        return fields[0], int(fields[19])
    except (IndexError, ValueError):
        return (fields[0] if fields else None), None


def _content(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b''
    try:
        return bytes(os.read(descriptor, 4096))
    except OSError:
        # The process has ended meanwhile.
        return b''
    finally:
        os.close(descriptor)
