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

"""Restore services when the process ends, without a test runner.

A runner calls the cleanups of its tests. A script, or a runner that is
interrupted, may end without: then the services are restored at the exit of
the interpreter. SIGTERM would end the process at once. It interrupts it as
Ctrl-C does instead, and ends it afterwards. SIGKILL leaves no chance: see
the journal.
"""

import atexit
from collections.abc import Callable
import signal
import sys
import threading
import traceback
from types import FrameType

from safe_fixtures.runtime import forks
from safe_fixtures.runtime.system import os

__all__ = ['restoring']

_signal = signal.signal
_getsignal = signal.getsignal

# What restores, oldest first.
_restores: list[Callable[[], None]] = []
_process = 0
_terminated = False


class Terminated(KeyboardInterrupt):
    """SIGTERM ends the process, as soon as services are restored.

    Runners take most other exceptions for a failure of one test, and go on.
    """


def restoring(restore: Callable[[], None]) -> Callable[[], None]:
    """Restore when the process ends.

    SIGTERM is handled from the first call on, if nothing else handles it and
    this is the main thread.

    :param restore: what restores, and may be called again.
    :returns: a callable that ends it. The last one gives SIGTERM back.
    """
    global _process
    if not _restores:
        _process = forks.process()
        atexit.register(_at_exit)
        _handle(signal.SIG_DFL, _terminate)
    _restores.append(restore)

    def end() -> None:
        if restore not in _restores:
            return
        _restores.remove(restore)
        if not _restores and not _terminated:
            _handle(_terminate, signal.SIG_DFL)
            atexit.unregister(_at_exit)

    return end


def _handle(before: object, after: object) -> None:
    """Handle SIGTERM another way, unless somebody else handles it."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and _getsignal(signal.SIGTERM) is before:
        _signal(signal.SIGTERM, after)  # type: ignore[arg-type]


def _terminate(number: int, frame: FrameType | None) -> None:
    global _terminated
    if forks.process() != _process:
        _die()
    if not _terminated:
        _terminated = True
        # The cleanups on the way out run first, then _at_exit.
        raise Terminated('SIGTERM')


def _at_exit() -> None:
    if forks.process() != _process:
        # What a forked process changed is not known here.
        return
    for restore in reversed(_restores):
        try:
            restore()
        except Exception:
            # Whoever started the process sees no other report.
            traceback.print_exc()
    if _terminated:
        sys.stdout.flush()
        sys.stderr.flush()
        _die()


def _die() -> None:
    """End as SIGTERM ends a process, so that its parent sees that."""
    _signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
