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

"""Compare what runs and what is open."""

from collections.abc import Iterator
import gc
import io
import os
import sys
import threading
from typing import Any

from safe_fixtures.guards.posture import probe
from safe_fixtures.runtime import clock

__all__ = ['ChildProbe', 'DaemonProbe', 'DescriptorProbe', 'ThreadProbe']

#: Seconds in which a thread that is about to end may do so.
_GRACE = 2.0
# Bound here, as tests patch modules.
_close = os.close
_dup = os.dup
_listdir = os.listdir
_readlink = os.readlink
_waitid = os.waitid
_enumerate = threading.enumerate
_current_frames = sys._current_frames
_collects, _start, _stop = gc.isenabled, gc.enable, gc.disable


class ThreadProbe(probe.Probe):
    """The threads that keep the process from ending.

    Only a new thread is a change, and only if it does not end soon.
    """

    name = 'threads'
    remedy = 'End and join the thread in a cleanup.'

    def snapshot(self) -> tuple[threading.Thread, ...]:
        return tuple(thread for thread in _enumerate() if not thread.daemon)

    def changes(
        self,
        before: tuple[threading.Thread, ...],
        after: tuple[threading.Thread, ...],
    ) -> Iterator[tuple[str, Any, Any]]:
        deadline = clock.monotonic() + _GRACE
        for thread in after:
            if any(thread is other for other in before):
                continue
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - clock.monotonic()))
            if thread.is_alive():
                yield _name_of(thread), probe.ABSENT, 'alive'


def _idents() -> list[int]:
    """Return the idents of all threads that run Python."""
    collects = _collects()
    # CPython 3.11 keeps all threads from starting meanwhile. A collection
    # that waits for one of them would wait for good.
    _stop()
    try:
        return list(_current_frames())
    finally:
        if collects:
            _start()


class DaemonProbe(probe.Probe):
    """Daemon threads, and threads that ``threading`` does not know."""

    name = 'daemons'
    remedy = 'End and join the thread in a cleanup.'
    rule = 'SF503'

    def snapshot(self) -> dict[int, Any]:
        found: dict[int, Any] = dict.fromkeys(_idents())
        for thread in _enumerate():
            if thread.ident is not None:
                found[thread.ident] = thread
        return found

    def changes(
        self, before: dict[int, Any], after: dict[int, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        for ident in after.keys() - before.keys():
            thread = after[ident]
            if thread is None:
                yield f'thread {ident}', probe.ABSENT, 'alive'
            elif thread.daemon and thread.is_alive():
                yield _name_of(thread), probe.ABSENT, 'alive'


def _name_of(thread: threading.Thread) -> str:
    kind = type(thread)
    if kind is threading.Thread:
        return thread.name
    # The name alone is a number.
    return f'{kind.__module__}.{kind.__qualname__} {thread.name}'


class DescriptorProbe(probe.Probe):
    """The file descriptors that are open."""

    name = 'descriptors'
    remedy = 'Close it in a cleanup, or use a with statement.'
    rule = 'SF503'

    def snapshot(self) -> set[int]:
        try:
            found = set(map(int, _listdir('/proc/self/fd')))
        except OSError:
            return set()
        # The listing has a descriptor, too: the first one that is free.
        for number in found:
            try:
                free = _dup(number)
            except OSError:
                continue
            _close(free)
            return found - {free}
        return found

    def changes(
        self, before: set[int], after: set[int]
    ) -> Iterator[tuple[str, Any, Any]]:
        for number in sorted(after - before):
            try:
                target = _readlink(f'/proc/self/fd/{number}')
            except OSError:
                continue
            yield str(number), probe.ABSENT, target


class ChildProbe(probe.Probe):
    """The child processes that run, or that nobody has waited for."""

    name = 'children'
    remedy = 'Wait for the process in a cleanup: wait(), or join().'
    rule = 'SF503'

    def snapshot(self) -> frozenset[int]:
        try:
            _waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return frozenset()
        return frozenset(_children())

    def changes(
        self, before: frozenset[int], after: frozenset[int]
    ) -> Iterator[tuple[str, Any, Any]]:
        for number in sorted(after - before - _of_multiprocessing()):
            yield f'process {number}', probe.ABSENT, _state_of(number)


def _children() -> Iterator[int]:
    for thread in _listdir('/proc/self/task'):
        try:
            with io.FileIO(f'/proc/self/task/{thread}/children') as file:
                yield from map(int, file.read().split())
        except OSError:
            continue


def _of_multiprocessing() -> set[Any]:
    """Return the helpers that it starts once for the process."""
    tracker: Any = sys.modules.get('multiprocessing.resource_tracker')
    server: Any = sys.modules.get('multiprocessing.forkserver')
    return {
        getattr(getattr(tracker, '_resource_tracker', None), '_pid', None),
        getattr(getattr(server, '_forkserver', None), '_forkserver_pid', None),
    }


def _state_of(number: int) -> str:
    """Return the name of a process, and whether it has ended."""
    try:
        with io.FileIO(f'/proc/{number}/stat') as file:
            text = os.fsdecode(file.read())
    except OSError:
        return 'gone'
    before, _, after = text.rpartition(')')
    name = before.partition('(')[2]
    return f'{name} (ended, not waited for)' if after[1] == 'Z' else name
