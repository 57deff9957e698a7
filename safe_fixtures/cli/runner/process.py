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

"""A process that looks for tests or runs them, as its parent sees it."""

from collections.abc import Mapping
import contextlib
import dataclasses
import datetime
import json
import os
import signal
import subprocess
import sys
import time

from safe_fixtures.cli.runner import outcomes
from safe_fixtures.cli.runner import progress

__all__ = [
    'Group',
    'Process',
    'command_of',
    'environment_of',
    'kill_group',
    'literal',
    'tail_of',
    'told',
]

_TAIL = 4000  # bytes of a log that are worth quoting
_VARIABLES = ('OS_SAFE_FIXTURES__', 'SAFE_FIXTURES_')


@dataclasses.dataclass
class Group:
    """Tests that one process runs one after another: those of a class."""

    ids: list[str]
    sources: list[str]
    tries: int = 0


class Process:
    """One process of a worker, as the parent sees it."""

    def __init__(
        self,
        number: int,
        generation: int,
        directory: str,
        environment: dict[str, str],
        harden: bool,
    ) -> None:
        self.number = number
        self.generation = generation
        self.log = os.path.join(directory, f'worker-{number}.log')
        self.stacks = os.path.join(
            directory, f'stacks-worker-{number}-{generation}.txt'
        )
        self.group: Group | None = None
        #: The test in progress, the one before, and since when it is so.
        self.test: str | None = None
        self.before: str | None = None
        self.since = time.monotonic()
        self.began: datetime.datetime | None = None
        self.details: dict[str, bytearray] = {}
        #: The status of the test that ended last, till the next begins.
        self.pending: tuple[str, outcomes.Outcome, str] | None = None
        self.ready = False
        #: When it is killed, if it is still there.
        self.deadline: float | None = None
        #: For how long it was stuck, if it is killed for that.
        self.stuck: float | None = None
        self.data = bytearray()
        self._log_start = progress.size(self.log)
        read, stream = os.pipe()
        tasks, write = os.pipe()
        # Made here, so that nobody else can read it.
        open(self.stacks, 'ab', opener=outcomes.private).close()
        with open(self.log, 'ab', opener=outcomes.private) as log:
            self.process = subprocess.Popen(
                command_of(
                    harden, 'run', '--tasks', str(tasks),
                    '--stream', str(stream), '--stacks', self.stacks,
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=(tasks, stream),
                start_new_session=True,
            )  # fmt: skip
        os.close(stream)
        os.close(tasks)
        os.set_blocking(read, False)
        self.stream = read
        self._tasks = open(write, 'wb', buffering=0)

    def give(self, group: Group) -> None:
        """Have it run a group; it must have said that it is ready."""
        self.group = group
        self.since = time.monotonic()
        line = json.dumps({'ids': group.ids, 'sources': group.sources})
        with contextlib.suppress(BrokenPipeError):
            data = line.encode() + b'\n'
            while data:
                data = data[self._tasks.write(data) :]

    def dismiss(self) -> None:
        """Let it end once it has done what it was given."""
        self._tasks.close()

    def read(self) -> bytes | None:
        """Return what is there to be read; None if nothing is, yet."""
        try:
            return os.read(self.stream, 1 << 16)
        except BlockingIOError:
            return None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def ended(self) -> bool:
        """Whether it has ended, and is to be reaped."""
        # Till then its group is still its own.
        return (
            os.waitid(
                os.P_PID,
                self.process.pid,
                os.WEXITED | os.WNOHANG | os.WNOWAIT,
            )
            is not None
        )

    def kill(self) -> None:
        """End it and all that it started in its session."""
        kill_group(self.process)

    def reap(self) -> int:
        """End all that is left of it; return its exit status."""
        self.kill()
        status = self.process.wait()
        self.dismiss()
        os.close(self.stream)
        if not progress.size(self.stacks):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.stacks)
        return status

    def last_words(self) -> str:
        """Return the end of its log."""
        tail = tail_of(self.log, self._log_start)
        return f'the end of {self.log}:\n{tail}' if tail else ''

    def last_stacks(self) -> str:
        """Return the stacks that it wrote, that of its test first."""
        try:
            with open(self.stacks, encoding='utf-8', errors='replace') as file:
                stacks = file.read().strip().split('\n\n')
        except FileNotFoundError:
            stacks = ['it could not even write its stacks']
        # All other threads, and greenlets, were begun somewhere else.
        stacks.sort(key=lambda stack: 'cli/_worker.py' not in stack)
        return f'{self.stacks}:\n' + '\n\n'.join(stacks)


def command_of(harden: bool, *arguments: str) -> list[str]:
    """Return what a process is started with."""
    stock = [] if harden else ['--stock']
    return [
        sys.executable, '-m', 'safe_fixtures.cli.runner.worker', *stock,
        *arguments
    ]  # fmt: skip


def environment_of(
    harden: bool,
    changes: Mapping[str, str] | None,
    audit_file: str | None = None,
) -> dict[str, str]:
    """Return the environment of a process.

    :param harden: whether its tests are hardened; if not, none of our
        options reaches it.
    :param changes: what differs from our own.
    :param audit_file: where its events go.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if harden or not name.startswith(_VARIABLES)
    }
    # It is the parent's.
    environment.pop('OS_SAFE_FIXTURES__AUDIT_FILE', None)
    if harden and audit_file is not None:
        environment['OS_SAFE_FIXTURES__AUDIT_FILE'] = literal(audit_file)
    environment.update(changes or {})
    return environment


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session, and all that is in it."""
    # Once it is reaped its number may be another's.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def told(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f'exit code {status}'
    try:
        return f'signal {signal.Signals(-status).name}'
    except ValueError:
        # Most of the real-time ones have no name.
        return f'signal {-status}'


def literal(path: str) -> str:
    """Return a path as an option of oslo.config says it."""
    return path.replace('$', '$$')


def tail_of(path: str, start: int) -> str:
    """Return the end of a file, from *start* (bytes) on at most."""
    with open(path, 'rb') as file:
        file.seek(max(start, progress.size(path) - _TAIL))
        return file.read().decode(errors='replace')
