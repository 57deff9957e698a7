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

from collections.abc import Mapping, Sequence
import collections
import contextlib
import dataclasses
import os
import selectors
import signal
import time
import types

from safe_fixtures import audit
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import grouping
from safe_fixtures.cli.runner import outcomes
from safe_fixtures.cli.runner import packets
from safe_fixtures.cli.runner import process as child
from safe_fixtures.cli.runner import profiling
from safe_fixtures.cli.runner import progress as runner_progress
from safe_fixtures.cli.runner import records
from safe_fixtures import conf
from safe_fixtures.core import waivers
from safe_fixtures import rules

__all__ = ['run']

_TICK = 0.1  # seconds between two looks at the workers
_STACKS_LIMIT = 5.0  # seconds for writing the stacks
_EXIT_LIMIT = 10.0  # seconds for a worker that has nothing left to do
_INTERRUPT_LIMIT = 30.0  # seconds for the cleanups of interrupted tests
_TRIES = 2  # for a group, and a worker, that dies before any test


def run(
    tests: discovery.Tests,
    directory: str,
    setup: child.Setup = child.DEFAULT,
    *,
    concurrency: int,
    test_timeout: float = 300.0,
    mode: str = 'default',
    seed: int | None = None,
    weights: grouping.Weights | None = None,
) -> records.Report:
    """Run tests; leave a report directory.

    :param tests: as :func:`.discovery.find` returned them.
    :param directory: an empty directory.
    :param setup: how the worker processes are set up.
    :param concurrency: how many processes may run tests at once.
    :param test_timeout: seconds after which a test is stopped.
    :param mode: the mode of the rules.
    :param seed: shuffles the classes, and the tests of each. The same tests
        and seed give the same order.
    :param weights: how long tests take: the longest groups go first.
    """
    directory = os.path.abspath(directory)
    groups = grouping.groups(
        tests,
        concurrency=concurrency,
        seed=seed,
        weights=weights,
        alone=setup.alone,
    )
    workers = max(1, min(concurrency, len(groups)))
    total = len(tests.tests) + len(tests.errors) + len(tests.skipped)
    path = os.path.join(directory, 'events-run.jsonl')
    with (
        conf.override(**{**setup.settings, 'audit_file': path}),
        audit.AuditTrail('safe-fixtures run') as trail,
        contextlib.closing(runner_progress.Progress(total)) as shown,
    ):
        kept = records.Records(directory, trail, shown.say)
        supervisor = _Supervisor(
            kept,
            shown,
            directory,
            dataclasses.replace(
                setup, settings={**setup.settings, 'mode': mode}
            ),
            test_timeout,
        )
        kept.begin(
            mode if setup.harden else 'unhardened',
            total,
            workers,
            waivers.of_suite() if setup.harden else (),
            _rules_off(mode),
        )
        began = time.monotonic()
        supervisor.run(tests, groups, workers)
        lost = kept.end(
            time.monotonic() - began,
            supervisor.interrupted,
            supervisor.stopped,
        )
    lost = '\n'.join(filter(None, (lost, records.store(directory))))
    return records.Report(
        kept.outcomes,
        kept.failures,
        supervisor.interrupted,
        lost,
        supervisor.stopped,
    )


def _rules_off(mode: str) -> list[str]:
    with conf.override(mode=mode):
        settings = conf.load()
    return [code for code in rules.RULES if settings.mode_of(code) == 'off']


class _Supervisor:
    def __init__(
        self,
        kept: records.Records,
        progress: runner_progress.Progress,
        directory: str,
        setup: child.Setup,
        test_timeout: float,
    ) -> None:
        self.interrupted = False
        self._records = kept
        self._progress = progress
        self._directory = directory
        self._setup = setup
        self._test_timeout = test_timeout
        self._other_timeout = max(test_timeout, discovery.IMPORT_LIMIT)
        self._violations = runner_progress.Violations()
        self._queue = collections.deque[child.Group]()
        self._processes: list[child.Process] = []
        # Of all processes that were started.
        self._measured: list[str] = []
        self._samplers: list[profiling.Sampler] = []
        self._selector = selectors.DefaultSelector()
        # How many processes in a row ended before they were ready.
        self._stillborn = collections.Counter[int]()
        self._last_death = ''
        self._signals = 0
        self._signals_seen = 0

    def run(
        self,
        tests: discovery.Tests,
        groups: Sequence[child.Group],
        workers: int,
    ) -> None:
        """Run groups of tests, conclude the others; leave nothing running."""
        try:
            self._conclude(tests.errors, 'fail')
            self._conclude(tests.skipped, 'skip')
            self._run(groups, workers)
        finally:
            self._close()

    def _close(self) -> None:
        for process in self._processes:
            process.reap()
        self._selector.close()
        self._update()
        self._records.close()
        missing = [each for each in self._samplers if not each.wait()]
        if missing:
            self._progress.say(
                f'warning: py-spy drew no flame graph of {len(missing)} of '
                f'{len(self._samplers)} processes; the logs of the workers '
                'say why'
            )
        if self._setup.profile:
            self._records.profile(profiling.merged(self._measured))

    def _conclude(self, modules: Mapping[str, str], status: str) -> None:
        """Conclude modules that could not be loaded."""
        for name, text in modules.items():
            outcome = records.Outcome(status, 0.0, 0, text)
            self._records.conclude(name, outcome)

    def _run(self, groups: Sequence[child.Group], workers: int) -> None:
        """Run groups of tests until all are done or a signal comes."""
        self._queue.extend(groups)
        updated = 0.0
        with discovery.signals(self._on_signal):
            for number in range(workers if groups and not self.stopped else 0):
                self._start(number, 0)
            while self._processes:
                for key, _ in self._selector.select(_TICK):
                    self._read(key.data)
                if self.stopped:
                    self._stop()
                now = time.monotonic()
                self._handle_signals(now)
                for process in list(self._processes):
                    self._check(process, now)
                if now - updated >= 1:
                    updated = now
                    self._update()
        if not (self.interrupted or self.stopped):
            # No worker is left that could run these.
            for group in self._queue:
                self._lose(
                    group, 0, f'no worker could start: {self._last_death}'
                )

    @property
    def stopped(self) -> bool:
        """Whether a failed test has ended the run."""
        return self._setup.fail_fast and bool(self._records.failures)

    def _stop(self) -> None:
        """Let the tests in progress end, and start no other."""
        self._queue.clear()
        for process in self._processes:
            process.dismiss()

    def _update(self) -> None:
        self._progress.update(
            len(self._records.outcomes),
            len(self._records.failures),
            self._violations.update(),
        )

    # Signals

    def _on_signal(self, number: int, frame: types.FrameType | None) -> None:
        self._signals += 1

    def _handle_signals(self, now: float) -> None:
        if self._signals == self._signals_seen:
            return
        self._signals_seen = self._signals
        at_once = self.interrupted or self._signals > 1
        self.interrupted = True
        if at_once:
            for process in self._processes:
                process.deadline = now
            return
        self._progress.say(
            'interrupted: the tests in progress clean up; interrupt again '
            'to stop them at once'
        )
        for process in self._processes:
            process.deadline = now + _INTERRUPT_LIMIT
            process.dismiss()
            process.send(signal.SIGINT)

    # Workers

    def _start(self, number: int, generation: int) -> None:
        process = child.Process(
            number, generation, self._directory, self._setup
        )
        process.reader = outcomes.Reader(
            number,
            self._records,
            lambda name, text: self._on_mark(process, name, text),
        )
        self._violations.watch(process.events)
        self._measured.append(process.measures)
        if process.sampler is not None:
            self._samplers.append(process.sampler)
        self._processes.append(process)
        self._selector.register(process.stream, selectors.EVENT_READ, process)

    def _read(self, process: child.Process) -> bool:
        data = process.read()
        if not data:
            if data is not None:
                self._forget(process)
            return False
        if process.stuck is None:
            process.reader.feed(data)
        return True

    def _forget(self, process: child.Process) -> None:
        if process.stream in self._selector.get_map():
            self._selector.unregister(process.stream)

    def _on_mark(self, process: child.Process, name: str, text: str) -> None:
        now = process.reader.since
        if name == packets.INTERRUPTED:
            # Whatever is left of it, such as threads, is not waited for.
            process.deadline = now + _EXIT_LIMIT
            return
        group, process.group = process.group, None
        if group is not None and not self.stopped:
            # Not all of its tests need have reported an end.
            self._lose(
                group,
                process.number,
                text or 'the worker did not find it again, or did not run it',
            )
        process.ready = True
        self._stillborn[process.number] = 0
        used = self._setup.alone and group is not None
        if self.interrupted or self.stopped or used or not self._queue:
            process.dismiss()
            process.deadline = now + _EXIT_LIMIT
        else:
            process.give(self._queue.popleft())

    def _check(self, process: child.Process, now: float) -> None:
        if process.ended():
            while self._read(process):
                pass
            self._end(process)
        elif process.deadline is not None:
            if now >= process.deadline:
                process.kill()
        else:
            idle = process.reader.test is None
            limit = self._other_timeout if idle else self._test_timeout
            if now - process.reader.since >= limit:
                process.stuck = limit
                process.deadline = now + _STACKS_LIMIT
                process.send(signal.SIGUSR1)

    def _end(self, process: child.Process) -> None:
        self._processes.remove(process)
        self._forget(process)
        process.reader.flush()
        how = child.describe_exit(process.reap())
        if process.reader.test is not None:
            self._end_test(process, process.reader.test, how)
        if self.interrupted or self.stopped:
            return
        if not process.ready:
            self._stillborn[process.number] += 1
            self._last_death = (
                f'the last one ended with {how}\n{process.last_output()}'
            )
            if self._stillborn[process.number] >= _TRIES:
                return
        if process.group is not None:
            self._resume(process, process.group, how)
        if self._queue:
            self._start(process.number, process.generation + 1)

    # Outcomes

    def _lose(self, group: child.Group, worker: int, text: str) -> None:
        outcome = records.Outcome('lost', 0.0, worker, text)
        for test_id in group.ids:
            self._records.conclude(test_id, outcome)

    def _end_test(self, process: child.Process, name: str, how: str) -> None:
        status = 'died'
        seconds = time.monotonic() - process.reader.since
        if process.stuck is not None:
            status = 'timeout'
            seconds = process.stuck
            text = f'stopped: it took more than {seconds:g} s (--test-timeout)'
        else:
            when = 'during the test'
            if self.interrupted:
                when = 'after an interrupt, before the test had cleaned up'
            text = f'its worker ended with {how} {when}'
        text += process.remains()
        outcome = records.Outcome(status, seconds, process.number, text)
        self._records.conclude(name, outcome, started=True)

    def _resume(
        self, process: child.Process, group: child.Group, how: str
    ) -> None:
        """Have the rest of a group run by the next process."""
        if process.reader.test is None:
            self._warn(process, how)
        rest = [one for one in group.ids if one not in self._records.outcomes]
        tries = group.tries + 1 if len(rest) == len(group.ids) else 0
        if tries < _TRIES:
            if rest:
                self._queue.appendleft(
                    dataclasses.replace(group, ids=rest, tries=tries)
                )
            return
        text = f'its worker ended {tries} times before it ran: {how}'
        self._lose(group, process.number, text + process.remains())

    def _warn(self, process: child.Process, how: str) -> None:
        """Say that a worker ended while it ran no test."""
        if process.stuck is not None:
            how = f'was stopped: it started no test for {process.stuck:g} s'
        else:
            how = f'ended with {how}'
        before = process.reader.before
        when = f'after {before}' if before else 'before its first test'
        self._progress.say(f'warning: worker {process.number} {how}, {when}')
