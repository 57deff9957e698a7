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

"""Find the tests to run."""

from collections.abc import Callable, Iterable, Iterator, Sequence
import contextlib
import dataclasses
import json
import os
import signal
import tempfile
import threading
import types
from typing import Any

from safe_fixtures.cli.runner import process as child

__all__ = ['IMPORT_LIMIT', 'Tests', 'Unusable', 'find', 'signals']

IMPORT_LIMIT = 300.0  # seconds, at least, for imports and class set-up


class Unusable(Exception):
    """The tests cannot be run as asked."""


@dataclasses.dataclass
class Tests:
    """The tests that :func:`find` found; see :class:`.loading.Listing`."""

    tests: dict[str, str]
    together: list[str]
    errors: dict[str, str]
    skipped: dict[str, str]
    unknown: dict[str, str]
    missing: list[str]


def find(
    arguments: Sequence[str],
    ids: Iterable[str] | None = None,
    exclude: str | None = None,
    setup: child.Setup = child.DEFAULT,
) -> Tests:
    """Find tests, in a process of its own.

    :param arguments: names of packages, modules, classes and methods, and
        paths below the current directory.
    :param ids: only these tests; without *arguments*, they are looked for
        by their names.
    :param exclude: a regular expression; tests that it matches are left
        out.
    :param setup: how the process is set up.
    :raises: Unusable if the tests cannot be listed, or one import takes
        too long.
    """
    question = {
        'arguments': list(arguments),
        'ids': None if ids is None else list(dict.fromkeys(ids)),
        'exclude': exclude,
        'limit': IMPORT_LIMIT,
    }
    with tempfile.TemporaryDirectory() as directory:
        paths = [
            os.path.join(directory, name)
            for name in ('question', 'answer', 'log')
        ]
        with open(paths[0], 'w', encoding='utf-8') as file:
            json.dump(question, file)
        status = _wait_for(setup, paths)
        if status:
            raise Unusable(
                'looking for the tests ended with '
                f'{child.describe_exit(status)}:\n' + child.tail_of(paths[2])
            )
        with open(paths[1], encoding='utf-8') as file:
            return Tests(**json.load(file))


def _wait_for(setup: child.Setup, paths: list[str]) -> int:
    """Run the process that lists the tests; return its exit status."""
    with open(paths[2], 'w+b') as log:
        process = setup.start('list', paths[0], paths[1], log=log)
        try:
            with signals(signal.default_int_handler):
                return process.wait()
        finally:
            child.kill_group(process)
            process.wait()


@contextlib.contextmanager
def signals(
    handler: Callable[[int, types.FrameType | None], Any],
) -> Iterator[None]:
    """Handle the signals that ask us to end; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    # Under nohup it stays ignored.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = [signal.signal(each, handler) for each in numbers]
    try:
        yield
    finally:
        for each, previous in zip(numbers, before, strict=True):
            signal.signal(each, previous)
