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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import tempfile
import threading
import types
from typing import Any

from safe_fixtures.cli.runner import process as runner_process

__all__ = [
    'IMPORT_LIMIT',
    'Tests',
    'Unusable',
    'find',
    'signals',
]


IMPORT_LIMIT = 300.0  # at least, for what is no test: imports, class set-up


class Unusable(Exception):
    """There is nothing that could be run as it was asked for."""


@dataclasses.dataclass
class Tests:
    """What :func:`find` found; see ``_loading.Listing``."""

    tests: dict[str, str]
    errors: dict[str, str]
    skipped: dict[str, str]
    unknown: dict[str, str]
    missing: list[str]
    hardened: list[str]


def find(
    arguments: Sequence[str],
    ids: Iterable[str] | None = None,
    exclude: str | None = None,
    harden: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Tests:
    """Find tests, in a process of its own.

    :param arguments: names of packages, modules, classes and methods, and
        paths below the current directory.
    :param ids: the only tests that are wanted; without *arguments* they
        are looked for by their names.
    :param exclude: a regular expression; what it finds is left out.
    :param harden: whether the tests are hardened.
    :param environment: what differs in the environment.
    :raises: Unusable if the tests cannot be looked at, or one import takes
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
        with open(paths[2], 'w+b') as log:
            process = subprocess.Popen(
                runner_process.command_of(harden, 'list', paths[0], paths[1]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=runner_process.environment_of(harden, environment),
                start_new_session=True,
            )
            try:
                with signals(signal.default_int_handler):
                    status = process.wait()
            finally:
                runner_process.kill_group(process)
                process.wait()
        if status:
            raise Unusable(
                'looking for the tests ended with '
                f'{runner_process.told(status)}:\n'
                + runner_process.tail_of(paths[2], 0)
            )
        with open(paths[1], encoding='utf-8') as file:
            return Tests(**json.load(file))


@contextlib.contextmanager
def signals(
    handler: Callable[[int, types.FrameType | None], Any],
) -> Iterator[None]:
    """Handle what asks us to end; no other thread than the main one can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    # Under nohup it is to be ignored.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = [signal.signal(each, handler) for each in numbers]
    try:
        yield
    finally:
        for each, previous in zip(numbers, before, strict=True):
            signal.signal(each, previous)
