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

"""A process that restores services as soon as this one is gone.

It is forked, so that it has the client with its authentication, and nothing
secret is written anywhere. It waits for the end of this process, and then
does what ``safe-fixtures restore`` would do.
"""

from collections.abc import Callable
import gc
import select
import sys
import warnings

from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime.system import os

__all__ = ['Watcher']

_DONE = b'.'


class Watcher:
    """Restores what this process leaves changed, even after SIGKILL.

    Example::

        watcher = Watcher()
        watcher.start(replay_the_journal)
        ...
        watcher.stop()
    """

    def __init__(self) -> None:
        self._pid: int | None = None

    def start(self, restore: Callable[[], None]) -> None:
        """Start the process, unless it runs.

        :param restore: called in that process, when this one is gone.
        :raises: OSError.
        """
        if self._pid is not None:
            return
        with audit_hook.unseen(), warnings.catch_warnings():
            # It only waits and sends requests: locks that other threads hold
            # at the fork are not needed for that.
            warnings.simplefilter('ignore', DeprecationWarning)
            watched = os.pidfd_open(os.getpid())
            reading, self._writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                _watch(reading, watched, restore)
            os.close(reading)
            os.close(watched)
        self._pid = pid

    def stop(self) -> None:
        """End the process: everything is as before, or on record."""
        if self._pid is None:
            return
        with audit_hook.unseen():
            try:
                os.write(self._writing, _DONE)
            except OSError:
                # Somebody has ended it.
                pass
            os.close(self._writing)
            try:
                os.waitpid(self._pid, 0)
            except ChildProcessError:
                # Somebody has waited for it.
                pass
        self._pid = None


def _watch(reading: int, watched: int, restore: Callable[[], None]) -> None:
    """Be the process that watches; do not return."""
    code = 1
    try:
        # Away from the signals for the terminal and for its group.
        os.setsid()
        _forget_connections()
        _close_all_but(reading, watched)
        if not _is_done(reading, watched):
            restore()
        code = 0
    finally:
        os._exit(code)


def _is_done(reading: int, watched: int) -> bool:
    """Wait for the end of the process, or for what it has to say."""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    poll.register(watched, select.POLLIN)
    while True:
        found = [descriptor for descriptor, _ in poll.poll()]
        if reading in found:
            if os.read(reading, 1) == _DONE:
                return True
            # The pipe is closed, and the process may still be ending.
            poll.unregister(reading)
        elif watched in found:
            return False


def _forget_connections() -> None:
    """Close connections that are shared with the process that is watched."""
    pools = sys.modules.get('urllib3.connectionpool')
    if pools is None:
        return
    for each in gc.get_objects():
        if isinstance(each, pools.HTTPConnectionPool) and each.pool:
            # Each opens again when it is used.
            for connection in filter(None, each.pool.queue):
                connection.close()


def _close_all_but(*kept: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    before = 2
    for descriptor in [*sorted(kept), os.sysconf('SC_OPEN_MAX')]:
        os.closerange(before + 1, descriptor)
        before = descriptor
