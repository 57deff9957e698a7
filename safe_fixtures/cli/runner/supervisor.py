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

"""Run tests in several processes, and outlive whatever they do."""

from collections.abc import Callable, Mapping, Sequence
import collections
import contextlib
import dataclasses
import datetime
import io
import os
import re
import selectors
import signal
import sys
import time
import types
from typing import Any

import fixtures
from stestr import scheduler
import subunit

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import outcomes as runner_outcomes
from safe_fixtures.cli.runner import packets
from safe_fixtures.cli.runner import process as runner_process
from safe_fixtures.cli.runner import progress as runner_progress
from safe_fixtures.core import waivers

__all__ = ['Report', 'run']

_TICK = 0.1  # how often the workers are looked at, in seconds
_STACKS_LIMIT = 2.0  # for writing the stacks
_EXIT_LIMIT = 10.0  # for a worker that has nothing left to do
_INTERRUPT_LIMIT = 30.0  # for the clean-up of the interrupted tests
_TRIES = 2  # for a group, and a worker, that dies before any test
_FIXTURE_OF_MANY = re.compile(r'(setUp|tearDown)(Class|Module) \((.+)\)')


@dataclasses.dataclass
class Report:
    """What a run came to.

    :param outcomes: by test.
    :param failures: those that failed, with what is known about them.
    :param interrupted: whether a signal ended it.
    :param seconds: how long it took.
    :param lost: what is wrong with its record, if anything.
    """

    outcomes: dict[str, runner_outcomes.Outcome]
    failures: list[runner_outcomes.Failure]
    interrupted: bool
    seconds: float
    lost: str = ''


def run(
    tests: discovery.Tests,
    directory: str,
    *,
    concurrency: int,
    test_timeout: float = 300.0,
    mode: str = 'audit',
    harden: bool = True,
    environment: Mapping[str, str] | None = None,
    progress: Callable[
        [int], runner_progress.Progress
    ] = runner_progress.Progress,
) -> Report:
    """Run tests; leave a report directory.

    :param tests: as :func:`find` returned them.
    :param directory: an empty one.
    :param concurrency: how many processes may run tests at once.
    :param test_timeout: seconds after which a test is ended.
    :param mode: what a violation does.
    :param harden: whether the tests are hardened.
    :param environment: what differs in the environment of the workers.
    :param progress: made with the number of tests, told how it goes.
    """
    directory = os.path.abspath(directory)
    path = os.path.join(directory, 'events-run.jsonl')
    with contextlib.ExitStack() as stack:
        changes = {
            'OS_SAFE_FIXTURES__AUDIT_FILE': runner_process.literal(path),
            **(environment or {}),
        }
        for name, value in changes.items():
            stack.enter_context(fixtures.EnvironmentVariable(name, value))
        trail = stack.enter_context(audit.AuditTrail('safe-fixtures run'))
        total = len(tests.tests) + len(tests.errors) + len(tests.skipped)
        supervisor = _Supervisor(
            directory,
            trail,
            stack.enter_context(contextlib.closing(progress(total))),
            lambda number, generation: runner_process.environment_of(
                harden,
                {
                    **(environment or {}),
                    **(
                        {
                            'OS_SAFE_FIXTURES__MODE': mode,
                            audit.WORKER: f'worker-{number}',
                        }
                        if harden
                        else {}
                    ),
                },
                os.path.join(
                    directory, f'events-worker-{number}-{generation}.jsonl'
                ),
            ),
            harden,
            test_timeout,
        )
        groups = _groups(tests.tests)
        concurrency = max(1, min(concurrency, len(groups)))
        trail.record(
            events.RUN,
            'safe-fixtures run',
            target_type='service/test',
            event_type='control',
            mode=mode if harden else 'stock',
            tests=total,
            concurrency=concurrency,
            arguments=sys.argv[1:],
        )
        for waiver in waivers.of_suite() if harden else ():
            trail.record(
                events.RUN_WAIVER,
                waiver.pattern,
                target_type='service/test',
                event_type='control',
                code=waiver.rule,
                reason=waiver.reason,
            )
        began = time.monotonic()
        try:
            supervisor.unrun(tests.errors, 'fail')
            supervisor.unrun(tests.skipped, 'skip')
            supervisor.run(groups, concurrency)
        finally:
            supervisor.close()
        seconds = time.monotonic() - began
        trail.record(
            events.RUN_END,
            'safe-fixtures run',
            target_type='service/test',
            event_type='monitor',
            seconds=round(seconds, 3),
            interrupted=supervisor.interrupted,
        )
        lost = ''
        try:
            trail.check()
        except audit.AuditFailed as error:
            # What was found is told all the same.
            lost = str(error)
    runner_outcomes.store(directory)
    return Report(
        supervisor.record.outcomes,
        supervisor.record.failures,
        supervisor.interrupted,
        seconds,
        lost,
    )


def _groups(tests: Mapping[str, str]) -> list[runner_process.Group]:
    parts = scheduler.partition_tests(
        list(tests), max(1, len(tests)), None, _class_of
    )
    groups = [
        runner_process.Group(
            ids, list(dict.fromkeys(tests[each] for each in ids))
        )
        for ids in parts
        if ids
    ]
    # The longest first: one that is begun last keeps everybody waiting.
    groups.sort(key=lambda group: -len(group.ids))
    return groups


def _class_of(test_id: str) -> str:
    return test_id.partition('(')[0].rpartition('.')[0]


class _Supervisor:
    def __init__(
        self,
        directory: str,
        trail: audit.AuditTrail,
        progress: runner_progress.Progress,
        environment: Callable[[int, int], dict[str, str]],
        harden: bool,
        test_timeout: float,
    ) -> None:
        self.record = runner_outcomes.Record(directory, trail)
        self.interrupted = False
        self._directory = directory
        self._progress = progress
        self._environment = environment
        self._harden = harden
        self._test_timeout = test_timeout
        self._other_timeout = max(test_timeout, discovery.IMPORT_LIMIT)
        self._violations = runner_progress.Violations()
        self._queue: collections.deque[runner_process.Group] = (
            collections.deque()
        )
        self._processes: list[runner_process.Process] = []
        self._selector = selectors.DefaultSelector()
        self._stillborn: collections.Counter[int] = collections.Counter()
        self._last_words = ''
        self._signals = 0
        self._heeded = 0

    def close(self) -> None:
        """Leave nothing running."""
        for process in self._processes:
            process.reap()
        self._selector.close()
        self._update()
        self.record.close()

    def unrun(self, modules: Mapping[str, str], status: str) -> None:
        """Conclude for modules that could not be loaded."""
        for name, text in modules.items():
            outcome = runner_outcomes.Outcome(status, 0.0, 0)
            self._say(self.record.conclude(name, outcome, text))

    def run(
        self, groups: Sequence[runner_process.Group], concurrency: int
    ) -> None:
        """Run groups of tests, till all are done or a signal comes."""
        self._queue.extend(groups)
        looked = 0.0
        with discovery.signals(self._on_signal):
            for number in range(concurrency if groups else 0):
                self._start(number, 0)
            while self._processes:
                for key, _ in self._selector.select(_TICK):
                    self._read(key.data)
                now = time.monotonic()
                self._heed(now)
                for process in list(self._processes):
                    self._check(process, now)
                if now - looked >= 1:
                    looked = now
                    self._update()
        if not self.interrupted:
            # Every worker was given up.
            for group in self._queue:
                self._lose(
                    group, 0, f'no worker could start; {self._last_words}'
                )

    def _update(self) -> None:
        self._progress.update(
            len(self.record.outcomes),
            len(self.record.failures),
            self._violations.update(),
        )

    def _say(self, failure: runner_outcomes.Failure | None) -> None:
        if failure is not None:
            self._progress.say(f'{failure.status}: {failure.test_id}')

    # Signals

    def _on_signal(self, number: int, frame: types.FrameType | None) -> None:
        self._signals += 1

    def _heed(self, now: float) -> None:
        if self._signals == self._heeded:
            return
        first = not self._heeded
        self._heeded = self._signals
        if not first or self._signals > 1:
            for process in self._processes:
                process.deadline = now
            return
        self.interrupted = True
        self._progress.say(
            'interrupted: the tests in progress clean up; once more ends '
            'them at once'
        )
        for process in self._processes:
            process.deadline = now + _INTERRUPT_LIMIT
            process.dismiss()
            process.send(signal.SIGINT)

    # Workers

    def _start(self, number: int, generation: int) -> None:
        process = runner_process.Process(
            number,
            generation,
            self._directory,
            self._environment(number, generation),
            self._harden,
        )
        self._violations.watch(
            os.path.join(
                self._directory, f'events-worker-{number}-{generation}.jsonl'
            )
        )
        self._processes.append(process)
        self._selector.register(process.stream, selectors.EVENT_READ, process)

    def _read(self, process: runner_process.Process) -> bool:
        read = process.read()
        if not read:
            if read is not None:
                self._forget(process)
            return False
        process.data += read
        for packet in packets.split(process.data):
            if process.stuck is None:
                subunit.ByteStreamToStreamResult(io.BytesIO(packet)).run(
                    _Receiver(self._receive, process)
                )
        return True

    def _forget(self, process: runner_process.Process) -> None:
        if process.stream in self._selector.get_map():
            self._selector.unregister(process.stream)

    def _receive(
        self, process: runner_process.Process, packet: dict[str, Any]
    ) -> None:
        test_id, status = packet['test_id'], packet['test_status']
        name = packet['file_name']
        if test_id is None:
            self._on_mark(process, name, packet['file_bytes'])
            return
        if status == 'exists' or test_id == 'subunit.parser':
            return
        self.record.packet(process.number, **packet)
        if name is not None:
            process.details.setdefault(name, bytearray()).extend(
                packet['file_bytes']
            )
        if status == 'inprogress':
            self._flush(process)
            process.test = test_id
            process.since = time.monotonic()
            process.began = packet['timestamp']
            process.details = {}
        elif status is not None:
            self._on_end(process, test_id, status, packet['timestamp'])

    def _on_end(
        self,
        process: runner_process.Process,
        test_id: str,
        status: str,
        ended: datetime.datetime | None,
    ) -> None:
        # Not by the clock of this process, which reads when it gets to it.
        seconds = (
            max(0.0, (ended - process.began).total_seconds())
            if ended and process.began
            else time.monotonic() - process.since
        )
        outcome = runner_outcomes.Outcome(status, seconds, process.number)
        text = _readable(process.details)
        pending = process.pending
        if pending is not None and pending[0] == test_id:
            # A clean-up failed after the test had been skipped, say.
            if outcome.failed and not pending[1].failed:
                process.pending = (test_id, outcome, text)
        else:
            self._flush(process)
            process.pending = (test_id, outcome, text)
        process.since = time.monotonic()
        process.test = None
        process.before = test_id

    def _flush(self, process: runner_process.Process) -> None:
        if process.pending is None:
            return
        test_id, outcome, text = process.pending
        process.pending = None
        match = _FIXTURE_OF_MANY.fullmatch(test_id)
        if match and match[1] == 'setUp' and process.group is not None:
            # None of its tests is going to say anything.
            for each in process.group.ids:
                if each.startswith(f'{match[3]}.'):
                    if each not in self.record.outcomes:
                        self._say(self.record.conclude(each, outcome, text))
        elif match is None or outcome.failed:
            self._say(self.record.finish(test_id, outcome, text))

    def _on_mark(
        self, process: runner_process.Process, name: str, text: bytes
    ) -> None:
        self._flush(process)
        process.since = time.monotonic()
        if name == packets.INTERRUPTED:
            # What is left of it, threads say, is not waited for.
            process.deadline = process.since + _EXIT_LIMIT
            return
        group, process.group = process.group, None
        if group is not None:
            # What ended without a word of some of its tests.
            said = bytes(text).decode(errors='replace')
            self._lose(
                group,
                process.number,
                said
                or 'it was not there any more, or not run, when its turn came',
            )
        process.ready = True
        self._stillborn[process.number] = 0
        if self.interrupted or not self._queue:
            process.dismiss()
            process.deadline = process.since + _EXIT_LIMIT
        else:
            process.give(self._queue.popleft())

    def _lose(
        self, group: runner_process.Group, worker: int, text: str
    ) -> None:
        for test_id in group.ids:
            if test_id not in self.record.outcomes:
                outcome = runner_outcomes.Outcome('lost', 0.0, worker)
                self._say(self.record.conclude(test_id, outcome, text))

    def _check(self, process: runner_process.Process, now: float) -> None:
        if process.ended():
            while self._read(process):
                pass
            self._end(process)
        elif process.deadline is not None:
            if now >= process.deadline:
                process.kill()
        else:
            limit = (
                self._other_timeout
                if process.test is None
                else self._test_timeout
            )
            if now - process.since >= limit:
                process.stuck = limit
                process.deadline = now + _STACKS_LIMIT
                process.send(signal.SIGUSR1)

    def _end(self, process: runner_process.Process) -> None:
        self._processes.remove(process)
        self._forget(process)
        self._flush(process)
        told = runner_process.told(process.reap())
        if process.test is not None:
            self._end_test(process, told)
        if self.interrupted:
            return
        if not process.ready:
            self._stillborn[process.number] += 1
            self._last_words = (
                f'the last one ended with {told}\n{process.last_words()}'
            )
            if self._stillborn[process.number] >= _TRIES:
                return
        if process.group is not None:
            self._resume(process, process.group, told)
        if self._queue:
            self._start(process.number, process.generation + 1)

    def _end_test(self, process: runner_process.Process, told: str) -> None:
        test_id = process.test
        assert test_id is not None
        seconds = time.monotonic() - process.since
        if process.stuck is not None:
            kind = 'timeout'
            seconds = process.stuck
            text = (
                f'ended from outside: it took more than {process.stuck:g} s '
                f'(--test-timeout); {process.last_stacks()}'
            )
        elif self.interrupted:
            kind = 'died'
            text = (
                f'interrupted, and its worker ended with {told} before it '
                f'had cleaned up\n{process.last_words()}'
            )
        else:
            kind = 'died'
            text = (
                f'its worker ended with {told} while it ran\n'
                + process.last_words()
            )
        self._say(
            self.record.conclude(
                test_id,
                runner_outcomes.Outcome(kind, seconds, process.number),
                text,
                started=True,
            )
        )

    def _resume(
        self,
        process: runner_process.Process,
        group: runner_process.Group,
        told: str,
    ) -> None:
        """Have the rest of a group run by the next worker."""
        if process.test is None:
            ended = (
                f'ended with {told}'
                if process.stuck is None
                else f'was ended, as it began no test in {process.stuck:g} s'
            )
            after = (
                f'after {process.before}'
                if process.before
                else 'before its first test'
            )
            self._progress.say(
                f'warning: worker {process.number} {ended}, {after}'
            )
        rest = [each for each in group.ids if each not in self.record.outcomes]
        tries = group.tries + 1 if len(rest) == len(group.ids) else 0
        if tries < _TRIES:
            if rest:
                self._queue.appendleft(
                    runner_process.Group(rest, group.sources, tries)
                )
            return
        text = f'its worker ended {tries} times before it ran: {told}'
        if process.stuck is not None:
            text += f'; {process.last_stacks()}'
        else:
            text += f'\n{process.last_words()}'
        self._lose(group, process.number, text)


class _Receiver:
    """What subunit's parser tells of a packet, for one function."""

    def __init__(
        self,
        receive: Callable[[runner_process.Process, dict[str, Any]], None],
        process: runner_process.Process,
    ) -> None:
        self._receive = receive
        self._process = process

    def status(self, **packet: Any) -> None:
        self._receive(self._process, packet)


def _readable(details: Mapping[str, bytearray]) -> str:
    """Return of the details of a test what tells why it failed."""
    chosen = [
        name for name in details if name.startswith(('traceback', 'reason'))
    ] or list(details)
    return '\n'.join(details[name].decode(errors='replace') for name in chosen)
