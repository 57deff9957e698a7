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

"""Measure where the time of the processes that run tests goes.

A process measures its own phases and fixtures; py-spy samples it from
outside, as it sees all threads and disturbs no guard.
"""

from collections.abc import Callable, Iterator
import contextlib
import ctypes
import functools
import json
import os
import shutil
import subprocess
import sys
from typing import IO, Any
import unittest

import fixtures
import testtools
from testtools import runtest

from safe_fixtures.runtime import clock
from safe_fixtures.runtime import files
from safe_fixtures.runtime import system

__all__ = ['PHASES', 'Measures', 'Sampler', 'find_sampler', 'merged']

#: What the time of a test, and of the process around it, goes into.
PHASES = ('import', 'setUp', 'body', 'cleanup')
_OF_TESTTOOLS = {
    '_run_setup': 'setUp',
    '_run_test_method': 'body',
    '_run_teardown': 'cleanup',
    '_run_cleanups': 'cleanup',
}
_OF_UNITTEST = {
    '_callSetUp': 'setUp',
    '_callTestMethod': 'body',
    '_callTearDown': 'cleanup',
    'doCleanups': 'cleanup',
}
_LARGEST = 1e9  # a count, or seconds
_RATE = 50  # samples per second
_LIMIT = 60.0  # seconds for drawing a flame graph
# Of prctl(): any process of this user may look at this one.
_SET_PTRACER, _ANY = 0x59616D61, -1
_cpu = system.private('time').process_time


class Measures:
    """The seconds of each phase and each kind of fixture in this process.

    :param started: when the process was started, by the monotonic clock.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        # Wall and CPU.
        self._phases = {phase: [0.0, 0.0] for phase in PHASES}
        # How often each was set up, and for how long.
        self._fixtures: dict[str, list[Any]] = {}
        self._inside = False

    def install(self) -> None:
        """Measure from now on; nothing undoes it."""
        _allow_samples()
        self._phases['import'] = [clock.monotonic() - self._started, _cpu()]
        _wrap(runtest.RunTest, '_run_user', self._measuring_steps)
        for name, phase in _OF_UNITTEST.items():
            measuring = functools.partial(self._measuring, phase)
            _wrap(unittest.TestCase, name, measuring)
        for cls in (testtools.TestCase, fixtures.Fixture):
            _wrap(cls, 'useFixture', self._measuring_fixtures)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add what happens meanwhile to a phase, unless it is in another."""
        if self._inside:
            yield
            return
        self._inside = True
        wall, cpu = clock.monotonic(), _cpu()
        try:
            yield
        finally:
            self._inside = False
            seconds = self._phases[name]
            seconds[0] += clock.monotonic() - wall
            seconds[1] += _cpu() - cpu

    def write(self, path: str) -> None:
        """Write all that was measured so far.

        Nothing is written where a test has removed the directory.

        :param path: of a file, which is replaced.
        """
        measured = {'phases': self._phases, 'fixtures': self._fixtures}
        with contextlib.suppress(OSError):
            with open(f'{path}.new', 'w', encoding='utf-8') as file:
                json.dump(measured, file)
            os.replace(f'{path}.new', path)

    def _measuring(self, phase: str, original: Any) -> Any:
        @functools.wraps(original)
        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.phase(phase):
                return original(*args, **kwargs)

        return measured

    def _measuring_steps(self, original: Any) -> Any:
        @functools.wraps(original)
        def run_user(
            runner: Any, function: Callable[..., Any], *args: Any, **how: Any
        ) -> Any:
            phase = _OF_TESTTOOLS.get(getattr(function, '__name__', ''))
            with self.phase(phase) if phase else contextlib.nullcontext():
                return original(runner, function, *args, **how)

        return run_user

    def _measuring_fixtures(self, original: Any) -> Any:
        @functools.wraps(original)
        def use_fixture(user: Any, fixture: Any) -> Any:
            began = clock.monotonic()
            try:
                return original(user, fixture)
            finally:
                cls = type(fixture)
                name = f'{cls.__module__}.{cls.__qualname__}'
                found = self._fixtures.setdefault(name, [0, 0.0])
                found[0] += 1
                found[1] += clock.monotonic() - began

        return use_fixture


def _wrap(owner: type, name: str, wrap: Callable[[Any], Any]) -> None:
    setattr(owner, name, wrap(getattr(owner, name)))


def merged(paths: list[str]) -> dict[str, dict[str, list[Any]]]:
    """Return the sums of what some processes have written.

    A file that cannot be read is left out.

    :param paths: what :meth:`Measures.write` was given.
    """
    total: dict[str, dict[str, list[Any]]] = {'phases': {}, 'fixtures': {}}
    for path in paths:
        for part, name, pair in _read(path):
            found = total[part].setdefault(name, [0, 0])
            found[0] += pair[0]
            found[1] += pair[1]
    return total


def _read(path: str) -> list[tuple[str, str, list[Any]]]:
    """Return the part, the name and the two numbers of each entry.

    A test may have written to the file, or removed it. Then it has none.
    """
    try:
        with files.open_regular(path) as file:
            parts = json.load(file)
        found = [
            (part, name, pair)
            for part in ('phases', 'fixtures')
            for name, pair in parts[part].items()
        ]
        if all(map(_is_pair, [pair for _, _, pair in found])):
            return found
    # The last one is of lists in lists in lists.
    except (
        AttributeError, KeyError, OSError, RecursionError, TypeError,
        ValueError,
    ):  # fmt: skip
        pass
    return []


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(
            type(each) in (int, float) and 0 <= each < _LARGEST
            for each in value
        )
    )


def _allow_samples() -> None:
    """Let a process that is no parent look at this one, where Yama asks."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_SET_PTRACER, ctypes.c_long(_ANY), 0, 0, 0)


def find_sampler() -> str | None:
    """Return the path of py-spy, None if it is not installed."""
    beside = os.path.join(os.path.dirname(sys.executable), 'py-spy')
    return shutil.which(beside) or shutil.which('py-spy')


class Sampler:
    """Draws a flame graph of a process, from now until that ends.

    :param command: the path of py-spy.
    :param pid: the process.
    :param graph: the path of the SVG file to be made.
    :param log: a file for what py-spy says.
    """

    def __init__(
        self, command: str, pid: int, graph: str, log: IO[bytes]
    ) -> None:
        self._graph = graph
        self._process = subprocess.Popen(
            [
                command, 'record', '--pid', str(pid), '--rate', str(_RATE),
                '--format', 'flamegraph', '--output', graph,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )  # fmt: skip

    def wait(self) -> bool:
        """Wait until it is drawn; return whether it was."""
        try:
            self._process.wait(_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return os.path.exists(self._graph)
