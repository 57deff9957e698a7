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

"""The processes of a run: how they are started, and how they end."""

from collections.abc import Mapping
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from typing import IO

from safe_fixtures.cli.runner import outcomes
from safe_fixtures.cli.runner import profiling
from safe_fixtures.cli.runner import records
from safe_fixtures import conf
from safe_fixtures.runtime import files

__all__ = [
    'DEFAULT',
    'Group',
    'Process',
    'Setup',
    'describe_exit',
    'kill_group',
    'tail_of',
]

_TAIL = 4000  # bytes of a log that are worth quoting
_VARIABLES = ('OS_SAFE_FIXTURES__', 'SAFE_FIXTURES_')


@dataclasses.dataclass(frozen=True)
class Setup:
    """How the processes of a run are set up.

    :param harden: whether tests are hardened. If not, none of our options
        reaches a process.
    :param settings: options of ``[safe_fixtures]`` by name, which take
        precedence over the environment.
    :param environment: variables that differ from our environment.
    :param profile: whether they measure where their time goes.
    :param fail_fast: whether no test starts once one has failed.
    :param alone: whether each test runs in a process of its own.
    """

    harden: bool = True
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    profile: bool = False
    fail_fast: bool = False
    alone: bool = False

    def start(
        self,
        *arguments: str,
        log: IO[bytes],
        descriptors: tuple[int, ...] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a process that leads a session of its own.

        :param arguments: a command of :mod:`.worker`, with its arguments.
        :param log: gets what it prints.
        :param descriptors: the pipes that it inherits.
        """
        options = (
            ['--settings', json.dumps(dict(self.settings))]
            if self.harden
            else ['--unhardened']
        )
        return subprocess.Popen(
            [
                sys.executable, '-m', 'safe_fixtures.cli.runner.worker',
                *options, *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self._environment(),
            pass_fds=descriptors,
            start_new_session=True,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if self.harden or not name.startswith(_VARIABLES)
        }
        # Each process has a file of its own, or none.
        environment.pop('OS_SAFE_FIXTURES__AUDIT_FILE', None)
        return environment | dict(self.environment)

    def of_worker(self, number: int, events: str) -> 'Setup':
        """Return the set-up of a worker process.

        :param number: the number of the worker.
        :param events: the path of its audit file.
        """
        if not self.harden:
            return self
        return dataclasses.replace(
            self,
            settings={**self.settings, 'audit_file': events},
            environment={**self.environment, conf.WORKER: f'worker-{number}'},
        )


#: Hardened, with the settings and the environment of this process.
DEFAULT = Setup()


@dataclasses.dataclass
class Group:
    """Tests that one process runs one after another: those of a class."""

    ids: list[str]
    sources: list[str]
    tries: int = 0
    #: Whether they run in the order of their ids here.
    shuffled: bool = False


class Process:
    """One process of a worker, as the parent sees it.

    :param number: the number of the worker.
    :param generation: how many processes the worker had before.
    :param directory: the report directory.
    :param setup: how it is set up.
    """

    def __init__(
        self, number: int, generation: int, directory: str, setup: Setup
    ) -> None:
        self.number = number
        self.generation = generation
        self.reader: outcomes.Reader
        #: The tests that it was given.
        self.group: Group | None = None
        #: Whether it has asked for tests.
        self.ready = False
        #: When it is killed, if it is still there.
        self.deadline: float | None = None
        #: For how many seconds it hung, if it is killed for that.
        self.stuck: float | None = None
        name = f'worker-{number}-{generation}'
        self._log = os.path.join(directory, f'worker-{number}.log')
        self._log_start = records.size(self._log)
        self._stacks = os.path.join(directory, f'stacks-{name}.txt')
        #: The path of its audit file.
        self.events = os.path.join(directory, f'events-{name}.jsonl')
        self._profile = os.path.join(directory, f'profile-{name}')
        #: Draws a flame graph of it, if that was asked for.
        self.sampler: profiling.Sampler | None = None
        self._start(setup.of_worker(number, self.events))

    def _start(self, setup: Setup) -> None:
        self.stream, stream = os.pipe()
        tasks, write = os.pipe()
        # Created here, so that nobody else can read it.
        open(self._stacks, 'ab', opener=records.private).close()
        arguments = ['--stacks', self._stacks]
        if setup.profile:
            arguments += [
                '--profile', self.measures,
                '--started', str(time.monotonic()),
            ]  # fmt: skip
        if setup.fail_fast:
            arguments.append('--fail-fast')
        with open(self._log, 'ab', opener=records.private) as log:
            self._process = setup.start(
                'run', '--tasks', str(tasks), '--stream', str(stream),
                *arguments,
                log=log, descriptors=(tasks, stream),
            )  # fmt: skip
            self._sample(setup, log)
        os.close(stream)
        os.close(tasks)
        os.set_blocking(self.stream, False)
        self._tasks = open(write, 'wb', buffering=0)

    @property
    def measures(self) -> str:
        """The path of what it measures, if it does."""
        return f'{self._profile}.json'

    def _sample(self, setup: Setup, log: IO[bytes]) -> None:
        command = profiling.find_sampler() if setup.profile else None
        if command is not None:
            self.sampler = profiling.Sampler(
                command, self._process.pid, f'{self._profile}.svg', log
            )

    def give(self, group: Group) -> None:
        """Send it a group to run; it must have said that it is ready."""
        self.group = group
        self.reader.ids = group.ids
        self.reader.since = time.monotonic()
        line = json.dumps(
            {
                'ids': group.ids,
                'sources': group.sources,
                'shuffled': group.shuffled,
            }
        )
        with contextlib.suppress(BrokenPipeError):
            data = line.encode() + b'\n'
            while data:
                data = data[self._tasks.write(data) :]

    def dismiss(self) -> None:
        """Let it end once it has run what it was given."""
        self._tasks.close()

    def read(self) -> bytes | None:
        """Return what can be read; None if there is nothing yet."""
        try:
            return os.read(self.stream, 1 << 16)
        except BlockingIOError:
            return None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def ended(self) -> bool:
        """Whether it has ended; it still has to be reaped."""
        # Until it is reaped, its process group cannot be another's.
        return (
            os.waitid(
                os.P_PID,
                self._process.pid,
                os.WEXITED | os.WNOHANG | os.WNOWAIT,
            )
            is not None
        )

    def kill(self) -> None:
        """End it and all that it started in its session."""
        kill_group(self._process)

    def reap(self) -> int:
        """End all that is left of it; return its exit status."""
        self.kill()
        status = self._process.wait()
        self.dismiss()
        os.close(self.stream)
        if not records.size(self._stacks):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._stacks)
        return status

    def remains(self) -> str:
        """Return what it left for a reader: its stacks if it was stuck."""
        if self.stuck is not None:
            return f'; {self.last_stacks()}'
        return f'\n{self.last_output()}'

    def last_output(self) -> str:
        """Return the end of its log."""
        tail = tail_of(self._log, self._log_start)
        return f'the end of {self._log}:\n{tail}' if tail else ''

    def last_stacks(self) -> str:
        """Return the stacks that it wrote, that of its test first."""
        path = self._stacks
        try:
            with files.open_regular(path) as file:
                text = file.read().decode(errors='replace')
            stacks = text.strip().split('\n\n')
        except OSError:
            stacks = ['the worker could not even write its stacks']
        # Other threads and greenlets do not start in the worker module.
        stacks.sort(key=lambda stack: 'cli/runner/worker.py' not in stack)
        return f'{path}:\n' + '\n\n'.join(stacks)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session, and all that is in it."""
    # Once it is reaped, its number may be another's.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def describe_exit(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f'exit code {status}'
    try:
        return f'signal {signal.Signals(-status).name}'
    except ValueError:
        # Most real-time signals have no name.
        return f'signal {-status}'


def tail_of(path: str, start: int = 0) -> str:
    """Return the end of a file, from *start* (bytes) on at most."""
    try:
        with files.open_regular(path) as file:
            file.seek(max(start, records.size(path) - _TAIL))
            return file.read().decode(errors='replace')
    except OSError as error:
        return f'({error.strerror})'
