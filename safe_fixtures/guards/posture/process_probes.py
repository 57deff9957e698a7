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

"""Compare what the operating system knows of the process."""

import _locale
import _signal  # type: ignore[import-not-found]
from collections.abc import Iterator
import ctypes
import io
import os
import re
import resource
import signal
from typing import Any, NamedTuple

from safe_fixtures.guards.posture import probe
from safe_fixtures.redaction import names

__all__ = ['EnvironProbe', 'ProcessProbe', 'SignalProbe']

# The C library sets them when ``import readline`` looks at the terminal, past
# os.environ.
_OF_READLINE = ('COLUMNS', 'LINES')
# What runs the tests sets these for each of them, or once it has begun.
_OF_RUNNERS = re.compile(
    r'PYTEST_(CURRENT_TEST|VERSION|XDIST_\w+)|TEST_RUN_CONCURRENCY'
    r'|COV_CORE_\w+|COVERAGE_\w+|PYDEVD_\w+'
)


def _find_environment() -> Any:
    """Return where C has the environment, or None if it cannot be read."""
    try:
        entries = ctypes.POINTER(ctypes.c_char_p)
        return entries.in_dll(ctypes.CDLL(None), 'environ')
    except (OSError, TypeError, ValueError):
        return None


_ENVIRONMENT = _find_environment()


class _Environ(NamedTuple):
    """The environment."""

    #: As Python has it: what ``os.environ`` is made from.
    python: dict[Any, Any]
    #: As C has it, which is what a new process gets.
    process: tuple[bytes, ...]

    def of_python(self) -> dict[str, str]:
        return {
            os.fsdecode(name): os.fsdecode(value)
            for name, value in self.python.items()
        }

    def of_process(self) -> dict[str, str]:
        pairs = (os.fsdecode(each).partition('=') for each in self.process)
        return {name: value for name, _, value in pairs}


class EnvironProbe(probe.Probe):
    """The environment, as Python has it, and as a new process gets it."""

    name = 'environ'
    remedy = 'Use useFixture(fixtures.EnvironmentVariable(...)).'

    def snapshot(self) -> _Environ:
        # Copied as it is, since decoding it takes most of the time.
        data = getattr(os.environ, '_data', None)
        python = data.copy() if type(data) is dict else dict(os.environ)
        found: list[bytes] = []
        if _ENVIRONMENT:
            while (entry := _ENVIRONMENT[len(found)]) is not None:
                found.append(entry)
        return _Environ(python, tuple(found))

    def changes(
        self, before: _Environ, after: _Environ
    ) -> Iterator[tuple[str, Any, Any]]:
        if before == after:
            return
        new = after.of_python()
        seen = set()
        for change in super().changes(before.of_python(), new):
            if not _OF_RUNNERS.fullmatch(change[0]):
                seen.add(change[0])
                yield change
        actual = after.of_process()
        for name, old, is_ in super().changes(before.of_process(), actual):
            if name in _OF_READLINE or name in seen:
                continue
            # Otherwise os.environ has changed along with it.
            if actual.get(name) != new.get(name):
                yield f'os.putenv() of {name}', old, is_

    def describe(self, key: str, value: Any) -> str:
        # Most values do not look like what they are.
        name = key.rpartition(' ')[2]
        if value is not probe.ABSENT and names.may_be_secret(name):
            return names.MASK
        return super().describe(name, value)


# Bound here, as tests patch modules.
_getcwd = os.getcwd
_getrlimit = resource.getrlimit
_LIMITS = {
    name: getattr(resource, name)
    for name in dir(resource)
    if name.startswith('RLIMIT_')
}
_IDS = {
    name: getattr(os, name)
    for name in ('getresuid', 'getresgid', 'getgroups', 'getpgrp')
    if hasattr(os, name)
}


class ProcessProbe(probe.Probe):
    """Umask, directory, limits, identity and locale of the process.

    Not its niceness, which others change from outside.
    """

    name = 'process'

    def snapshot(self) -> dict[str, Any]:
        try:
            cwd = _getcwd()
        except FileNotFoundError:
            cwd = '(removed)'
        found: dict[str, Any] = {
            'umask': _umask(),
            'cwd': cwd,
            'locale': _locale.setlocale(_locale.LC_ALL, None),
        }
        for name, limit in _LIMITS.items():
            found[name] = _getrlimit(limit)
        for name, get in _IDS.items():
            found[name.removeprefix('get')] = get()
        return found


def _umask() -> str | None:
    # Not os.umask(), which changes it, for all threads.
    try:
        with io.FileIO('/proc/self/status') as status:
            found = re.search(rb'^Umask:\s*(\d+)', status.read(), re.MULTILINE)
    except OSError:
        return None
    return found and found[1].decode()


_getsignal = _signal.getsignal
_getitimer = _signal.getitimer
_pthread_sigmask = _signal.pthread_sigmask
_SIGNALS = {
    number: signal.Signals(number).name
    for number in sorted(signal.valid_signals())
    if number in set(signal.Signals)
}


class SignalProbe(probe.ObjectProbe):
    """How signals are handled, and whether a timer is running."""

    name = 'signals'
    remedy = 'Restore what signal.signal() returned, in a cleanup.'

    def snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: _getsignal(number) for number, name in _SIGNALS.items()
        }
        found['blocked'] = frozenset(_pthread_sigmask(_signal.SIG_BLOCK, ()))
        for name in ('ITIMER_REAL', 'ITIMER_VIRTUAL', 'ITIMER_PROF'):
            # Only whether: how long it still runs always differs.
            found[name] = any(_getitimer(getattr(_signal, name)))
        return found

    def describe(self, key: str, value: Any) -> str:
        if key == 'blocked':
            return str(sorted(_SIGNALS.get(each, each) for each in value))
        if isinstance(value, bool):
            return 'running' if value else 'stopped'
        if value in (_signal.SIG_DFL, _signal.SIG_IGN):
            return signal.Handlers(value).name
        return super().describe(key, value)
