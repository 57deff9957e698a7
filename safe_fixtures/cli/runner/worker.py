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

It is told what to run one group after another, so that it imports the
project once, and a slow group keeps no other from being run elsewhere.
"""

import argparse
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
from typing import Any
import unittest

from stestr.subunit_runner import program
from subunit import test_results
import testtools

from safe_fixtures.cli.runner import loading
from safe_fixtures.cli.runner import packets as runner_packets
from safe_fixtures.core import plugins
from safe_fixtures.guards import isolation
from safe_fixtures.guards.output import result as output_result
from safe_fixtures.guards.output import streams
from safe_fixtures import redaction

# Whatever else is imported above this line may be imported before the
# standard library is patched, which is the first thing that some projects
# do when they are hardened.

__all__ = ['main']


class _Stream(io.FileIO):
    """Where the packets go: nothing that a test prints ends up there."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, 'wb')
        # What a test starts does not keep it open.
        os.set_inheritable(descriptor, False)
        self._process = os.getpid()

    def write(self, data: Any) -> int:
        if os.getpid() != self._process:
            # A test forked, and its child came back here.
            return len(data)
        return super().write(data)


def main(arguments: list[str]) -> int:
    """Do what ``safe-fixtures run`` asks of one of its processes.

    :param arguments: of the command line.
    :returns: 0, or 130 where it was interrupted.
    """
    parser = argparse.ArgumentParser(prog='safe_fixtures.cli.runner.worker')
    parser.add_argument(
        '--stock', action='store_true', help='harden nothing: to compare'
    )
    commands = parser.add_subparsers(dest='command', required=True)
    command = commands.add_parser('list')
    command.add_argument('question')
    command.add_argument('answer')
    command = commands.add_parser('run')
    command.add_argument('--tasks', type=int, required=True)
    command.add_argument('--stream', type=int, required=True)
    command.add_argument('--stacks', required=True)
    options = parser.parse_args(arguments)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if options.command == 'list':
        _list(options)
        return 0
    return _run(options)


def _harden(options: argparse.Namespace) -> list[str]:
    if options.stock:
        return []
    # From before anything of the project is imported.
    isolation.install()
    return plugins.harden()


def _masker(options: argparse.Namespace) -> output_result.Masker | None:
    """Return what masks what is not of a hardened test, which does itself."""
    if options.stock:
        return None
    return output_result.Masker(
        redaction.Redactor(), counts=False, again=False
    )


def _masked(
    masker: output_result.Masker | None, texts: dict[str, str]
) -> dict[str, str]:
    if masker is None:
        return texts
    # Not as one mapping, in which the name of a module would count.
    return {name: masker.text(name, text) for name, text in texts.items()}


def _list(options: argparse.Namespace) -> None:
    with open(options.question, encoding='utf-8') as file:
        question = json.load(file)
    faulthandler.enable()
    hardened = _harden(options)
    listing = loading.Listing(question['limit'])
    for argument in question['arguments']:
        listing.add(argument)
    tests = listing.tests
    missing: list[str] = []
    wanted = question['ids']
    if wanted is not None:
        if question['arguments']:
            missing = [each for each in wanted if each not in tests]
            tests = {each: tests[each] for each in wanted if each in tests}
        else:
            missing = listing.add_ids(wanted)
    if question['exclude'] is not None:
        exclude = re.compile(question['exclude'])
        tests = {
            test_id: source
            for test_id, source in tests.items()
            if not exclude.search(test_id)
        }
    masker = _masker(options)
    answer = {
        'tests': tests,
        'errors': _masked(masker, listing.errors),
        'skipped': _masked(masker, listing.skipped),
        'unknown': listing.unknown,
        'missing': missing,
        'hardened': hardened,
    }
    with open(options.answer, 'w', encoding='utf-8') as file:
        json.dump(answer, file)


def _run(options: argparse.Namespace) -> int:
    # It may have been ignored by whoever started it all.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _end_with_reader(options)
    _keep_stacks(options.stacks)
    os.set_inheritable(options.tasks, False)
    tasks = open(options.tasks, encoding='utf-8')
    packets = runner_packets.Writer(_Stream(options.stream))
    process = os.getpid()
    masker = _masker(options)
    if masker is not None:
        streams.MaskedStreams(masker).setUp()

    def tell(name: str, text: str = '') -> None:
        if masker is not None:
            text = masker.text(name, text)
        packets.status(file_name=name, file_bytes=text.encode(), eof=True)

    try:
        _harden(options)
        tell(runner_packets.READY)
        for line in tasks:
            task = json.loads(line)
            try:
                suite = _suite_of(task)
            except (Exception, SystemExit):
                tell(runner_packets.FAILED, traceback.format_exc())
                continue
            _run_suite(suite, packets, masker)
            if os.getpid() != process:
                # A test forked: what is left is its parent's.
                os._exit(0)
            tell(runner_packets.DONE)
    except KeyboardInterrupt:
        tell(runner_packets.INTERRUPTED)
        return 130
    return 0


def _end_with_reader(options: argparse.Namespace) -> None:
    """Have a process end this session once nobody reads the stream.

    A test that hangs may keep this one from doing so itself.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    # What it leaves is no child of ours that a test could come upon.
    if os.fork():
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os.close(options.tasks)
    reader = select.poll()
    reader.register(options.stream, 0)
    reader.poll()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _run_suite(
    suite: unittest.TestSuite,
    packets: runner_packets.Writer,
    masker: output_result.Masker | None,
) -> None:
    told: Any = testtools.ExtendedToStreamDecorator(packets)
    if masker is not None:
        told = output_result.MaskedResult(told, masker)
    result = test_results.AutoTimingTestResultDecorator(told)
    result.startTestRun()
    try:
        suite(result)
    finally:
        result.stopTestRun()


def _suite_of(task: dict[str, Any]) -> unittest.TestSuite:
    suite = unittest.TestSuite(
        loading.load(source) for source in task['sources']
    )
    program.filter_by_ids(suite, frozenset(task['ids']))
    return suite


def _keep_stacks(path: str) -> None:
    """On SIGUSR1 write what every thread and greenlet is doing."""
    stacks = open(path, 'a', encoding='utf-8')  # open as long as we live
    os.set_inheritable(stacks.fileno(), False)

    def write_greenlets(number: int, frame: types.FrameType | None) -> None:
        greenlet = sys.modules.get('greenlet')
        if greenlet is None:
            return
        for each in gc.get_objects():
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
    # It works even where Python never gets to run its own handlers.
    faulthandler.register(
        signal.SIGUSR1, file=stacks, all_threads=True, chain=True
    )
    faulthandler.enable()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
