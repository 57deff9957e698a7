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

"""A process of ``safe-fixtures run``: it lists tests, or it runs them.

It gets one group of tests after another. So it imports the project once, and
while it runs a slow group, other processes take the next ones.
"""

import argparse
from collections.abc import Callable
import faulthandler
import gc
import io
import json
import os
import re
import select
import signal
import sys
import traceback
import types
from typing import IO, Any
import unittest

from stestr.subunit_runner import program
from subunit import test_results
import testtools

from safe_fixtures.cli.runner import loading
from safe_fixtures.cli.runner import packets as runner_packets
from safe_fixtures.cli.runner import profiling
from safe_fixtures import conf
from safe_fixtures.core import conclusion
from safe_fixtures.guards import isolation
from safe_fixtures.guards.output import result as output_result
from safe_fixtures.guards.output import streams
from safe_fixtures.hardening import suite as hardening
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import forks
from safe_fixtures.runtime import printable

__all__ = ['main']


class _Stream(io.FileIO):
    """The pipe for the packets; what a test prints does not go there."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, 'wb')
        # Processes that a test starts must not keep it open.
        os.set_inheritable(descriptor, False)
        self._process = forks.process()

    def write(self, data: Any) -> int:
        if forks.process() != self._process:
            # A test has forked, and its child has returned to our code.
            return len(data)
        return super().write(data)


def main(arguments: list[str]) -> int:
    """List or run tests, as ``safe-fixtures run`` asks.

    :param arguments: those of the command line.
    :returns: 0, or 130 if it was interrupted.
    """
    options = _parse(arguments)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with conf.override(**options.settings):
        return int(options.action(options))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='safe_fixtures.cli.runner.worker')
    parser.add_argument(
        '--settings',
        type=json.loads,
        default={},
        help='options of [safe_fixtures], as JSON',
    )
    parser.add_argument(
        '--unhardened', action='store_true', help='harden nothing'
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser('list')
    command.set_defaults(action=_list)
    command.add_argument('question')
    command.add_argument('answer')
    command = commands.add_parser('run')
    command.set_defaults(action=_run)
    command.add_argument('--tasks', type=int, required=True)
    command.add_argument('--stream', type=int, required=True)
    command.add_argument('--stacks', required=True)
    command.add_argument('--profile')
    command.add_argument('--fail-fast', action='store_true')
    command.add_argument('--started', type=float, default=0.0)
    return parser.parse_args(arguments)


def _harden(unhardened: bool) -> None:
    if not unhardened:
        # Before anything of the project is imported.
        isolation.install()
        hardening.harden()


def _masker(unhardened: bool) -> output_result.Masker | None:
    """Return what masks the output of tests that are not hardened.

    Hardened tests mask their own.
    """
    return None if unhardened else output_result.Masker()


def _masked(
    masker: output_result.Masker | None, texts: dict[str, str]
) -> dict[str, str]:
    if masker is None:
        return texts
    # One by one: in a mapping, the name of a module would count, too.
    return {name: masker.text(name, text) for name, text in texts.items()}


def _list(options: argparse.Namespace) -> int:
    with open(options.question, encoding='utf-8') as file:
        question = json.load(file)
    faulthandler.enable()
    _harden(options.unhardened)
    listing = loading.Listing(question['limit'])
    for argument in question['arguments']:
        listing.add(argument)
    tests, missing = _chosen(listing, question)
    masker = _masker(options.unhardened)
    answer = {
        'tests': tests,
        'together': sorted(listing.together),
        'errors': _masked(masker, listing.errors),
        'skipped': _masked(masker, listing.skipped),
        'unknown': listing.unknown,
        'missing': missing,
    }
    with open(options.answer, 'w', encoding='utf-8') as file:
        json.dump(answer, file)
    return 0


def _chosen(
    listing: loading.Listing, question: dict[str, Any]
) -> tuple[dict[str, str], list[str]]:
    """Return the tests to run, and the ids that do not exist."""
    tests, wanted = listing.tests, question['ids']
    missing: list[str] = []
    if wanted is not None:
        if question['arguments']:
            missing = listing.keep(wanted)
        else:
            missing = listing.add_ids(wanted)
        tests = listing.tests
    if question['exclude'] is not None:
        exclude = re.compile(question['exclude'])
        tests = {
            test_id: source
            for test_id, source in tests.items()
            if not exclude.search(test_id)
        }
    return tests, missing


def _run(options: argparse.Namespace) -> int:
    # Our parent may ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _end_with_reader(options)
    _keep_stacks(options.stacks)
    os.set_inheritable(options.tasks, False)
    tasks = open(options.tasks, encoding='utf-8')
    ended = _end_of(tasks) if options.fail_fast else None
    packets = runner_packets.Writer(_Stream(options.stream))
    masker = _masker(options.unhardened)
    if masker is not None:
        streams.MaskedStreams(masker).setUp()

    def report(name: str, text: str = '') -> None:
        if masker is not None:
            text = masker.text(name, text)
        packets.status(file_name=name, file_bytes=text.encode(), eof=True)

    try:
        _harden(options.unhardened)
        measures = profiling.Measures(options.started)
        if options.profile is not None:
            measures.install()
        report(runner_packets.READY)
        for line in tasks:
            task = json.loads(line)
            try:
                with measures.phase('import'):
                    suite = _suite_of(task)
            except (Exception, SystemExit):
                report(runner_packets.FAILED, traceback.format_exc())
                continue
            # A fixture of a class or a module may fork, too.
            with forks.child_ends_here():
                _run_suite(suite, packets, masker, ended)
            if options.profile is not None:
                measures.write(options.profile)
            report(runner_packets.DONE)
    except KeyboardInterrupt:
        report(runner_packets.INTERRUPTED)
        return 130
    return 0


def _end_with_reader(options: argparse.Namespace) -> None:
    """Start a process that ends this session once nobody reads the stream.

    This process cannot do that itself while a test hangs.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    # An orphan: a test that waits for its children must not find it.
    if os.fork():
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os.close(options.tasks)
    reader = select.poll()
    reader.register(options.stream, 0)
    reader.poll()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _end_of(tasks: IO[str]) -> 'select.poll':
    """Return what says, at once, whether no more tasks will come."""
    # Made here: eventlet removes it.
    ended = select.poll()
    ended.register(tasks, 0)
    return ended


class _Result(test_results.AutoTimingTestResultDecorator):
    """Adds times, and ends a child that a test has forked with that test.

    The times are those of a clock that no test moves.

    :param ended: says whether no further test shall start, as one has failed
        in another process. If there is one, a test that fails here is the
        last one, too.
    :param on_violations: called after each test that violations have failed,
        and nothing else.
    """

    def __init__(
        self,
        target: Any,
        ended: 'select.poll | None',
        on_violations: Callable[[], object],
    ) -> None:
        super().__init__(target)
        self._on_violations = on_violations
        self._process = forks.process()
        self._has_failed = False
        self._ended = ended

    def _before_event(self) -> None:
        if self._time is None:
            self.decorated.time(clock.utcnow())

    def startTest(self, test: Any) -> Any:
        self._has_failed = False
        return super().startTest(test)

    def addError(self, *args: Any, **kwargs: Any) -> Any:
        self._fail()
        return super().addError(*args, **kwargs)

    def addFailure(self, *args: Any, **kwargs: Any) -> Any:
        self._fail()
        return super().addFailure(*args, **kwargs)

    def addUnexpectedSuccess(self, *args: Any, **kwargs: Any) -> Any:
        self._fail()
        return super().addUnexpectedSuccess(*args, **kwargs)

    def _fail(self) -> None:
        self._has_failed = True
        if self._ended is not None:
            self.stop()

    def stopTest(self, test: Any) -> None:
        error = sys.exception()
        if not isinstance(error, SystemExit):
            error = None
        forks.end_child(self._process, self._has_failed, error)
        if self._ended is not None and self._ended.poll(0):
            self.stop()
        super().stopTest(test)
        if conclusion.failed_by_violations(test):
            self._on_violations()


def _run_suite(
    suite: unittest.TestSuite,
    packets: runner_packets.Writer,
    masker: output_result.Masker | None,
    ended: 'select.poll | None',
) -> None:
    target: Any = testtools.ExtendedToStreamDecorator(packets)
    if masker is not None:
        target = output_result.MaskedResult(target, masker)
    result = _Result(
        target,
        ended,
        lambda: packets.status(
            file_name=runner_packets.BY_VIOLATIONS, file_bytes=b'', eof=True
        ),
    )
    result.startTestRun()
    try:
        suite(result)
    finally:
        result.stopTestRun()


def _suite_of(task: dict[str, Any]) -> unittest.TestSuite:
    suite = unittest.TestSuite(loading.load(each) for each in task['sources'])
    program.filter_by_ids(suite, _Printed(task['ids']))
    if not task['shuffled']:
        return suite
    place = {test_id: number for number, test_id in enumerate(task['ids'])}

    def place_of(test: Any) -> int:
        return place[printable.block(test.id())]

    tests = testtools.iterate_tests(suite)
    return unittest.TestSuite(sorted(tests, key=place_of))


class _Printed(frozenset[str]):
    """Ids as they are printed; contains those of tests as they are."""

    def __contains__(self, test_id: object) -> bool:
        return super().__contains__(printable.block(str(test_id)))


def _keep_stacks(path: str) -> None:
    """Write the stacks of all threads and greenlets on SIGUSR1."""
    stacks = open(path, 'a', encoding='utf-8')  # for good
    os.set_inheritable(stacks.fileno(), False)

    def write_greenlets(number: int, frame: types.FrameType | None) -> None:
        greenlet = sys.modules.get('greenlet')
        if greenlet is None:
            return
        found = {id(each): each for each in gc.get_objects()}
        # One that was frozen is not among them.
        above = greenlet.getcurrent().parent
        while above is not None:
            found[id(above)] = above
            above = above.parent
        for each in found.values():
            if isinstance(each, greenlet.greenlet) and each.gr_frame:
                print(f'\n{each!r} (most recent call first):', file=stacks)
                for call in reversed(traceback.extract_stack(each.gr_frame)):
                    print(
                        f'  File "{call.filename}", line {call.lineno} in '
                        f'{call.name}',
                        file=stacks,
                    )
        stacks.flush()

    signal.signal(signal.SIGUSR1, write_greenlets)
    # This works even if Python does not get to run its own handlers.
    faulthandler.register(
        signal.SIGUSR1, file=stacks, all_threads=True, chain=True
    )
    faulthandler.enable()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
