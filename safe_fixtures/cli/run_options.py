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

"""The options of ``safe-fixtures run``."""

import argparse
import math
import os
import random
import re

from safe_fixtures.cli import alerts
from safe_fixtures.cli import baseline
from safe_fixtures.cli import outputs
from safe_fixtures.cli import violations

__all__ = ['WAIVERS', 'add']

#: The waivers file of a suite, if it exists.
WAIVERS = 'safe-fixtures.toml'


def add(parser: argparse.ArgumentParser) -> None:
    """Add all options, in groups."""
    _add_choice(parser.add_argument_group('what to run'))
    _add_manner(parser.add_argument_group('how to run it'))
    kept = parser.add_argument_group('what is kept and told')
    _add_kept(kept)
    violations.add_arguments(kept)
    alerts.add_argument(kept)
    outputs.add_arguments(kept)
    _add_measuring(parser.add_argument_group('measuring'))


def _add_choice(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        'tests',
        nargs='*',
        metavar='TEST_OR_MODULE',
        help='a package, module, class or test, such as '
        'my.tests.test_x.TestX.test_y, or a file or directory below the '
        'current directory',
    )
    of_ids = parser.add_mutually_exclusive_group()
    of_ids.add_argument(
        '--load-list',
        metavar='FILE',
        help='run only the tests in this file, one id per line',
    )
    of_ids.add_argument(
        '--failing',
        nargs='?',
        const='',
        type=_results,
        metavar='DIR',
        help='run only the tests that failed last time, as DIR says: a '
        'report directory, or one with a .stestr (default: the newest in the '
        'current directory); name tests before this option',
    )
    parser.add_argument(
        '--exclude',
        type=_expression,
        metavar='REGEX',
        help='leave out the tests whose ids match',
    )
    parser.add_argument(
        '--shard',
        type=_shard,
        metavar='I/N',
        help='run the part I of N, such as 1/3; each test is in exactly one '
        'part, and the tests of a class stay together',
    )


def _add_manner(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        '--mode',
        choices=('default', 'enforce', 'audit'),
        help="what a violation does: default is each rule's own mode, "
        'enforce fails the test, audit only records it and changes no '
        'outcome (default: that of OS_SAFE_FIXTURES__MODE, else default)',
    )
    parser.add_argument(
        '--waivers',
        metavar='FILE',
        help='the waivers of the suite (default: '
        f'OS_SAFE_FIXTURES__WAIVERS_FILE, else {WAIVERS} if it exists)',
    )
    baseline.add_argument(
        parser, ' (default: OS_SAFE_FIXTURES__BASELINE_FILE)'
    )
    parser.add_argument(
        '--concurrency',
        type=_positive_number,
        default=os.cpu_count() or 1,
        metavar='N',
        help='how many processes run tests (default: one per CPU)',
    )
    parser.add_argument(
        '--shuffle',
        type=_seed,
        metavar='SEED',
        help='run classes, and the tests of each, in the order that this '
        "number gives; 'random' draws one, which is printed",
    )
    _add_failures(parser)
    parser.add_argument(
        '--timings',
        action='append',
        default=[],
        type=_results,
        metavar='DIR',
        help='how long the tests took in an earlier run: its report '
        'directory, or one with a .stestr; the longest classes then run '
        'first, and shards take equally long; can be repeated',
    )
    parser.add_argument(
        '--test-timeout',
        type=_seconds,
        default=300.0,
        metavar='SECONDS',
        help='stop a test that runs longer (default: 300)',
    )


def _add_failures(parser: argparse._ActionsContainer) -> None:
    failures = parser.add_mutually_exclusive_group()
    failures.add_argument(
        '--fail-fast',
        action='store_true',
        help='start no test once one has failed; those in progress end, and '
        'the others are not run',
    )
    failures.add_argument(
        '--rerun-failures',
        type=_positive_number,
        metavar='N',
        help='run each failed test again, up to N times, in a process of its '
        'own; one that passes then is flaky: it is listed, and does not fail '
        'the run. One that broke an enforced rule is not run again',
    )


def _add_kept(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        '--report',
        metavar='DIR',
        help='where events, results and logs go: an empty or new directory '
        '(default: safe-fixtures-report-TIME)',
    )
    parser.add_argument(
        '--no-html',
        action='store_true',
        help='write no report.html to the report directory',
    )


def _add_measuring(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        '--paired',
        type=_positive_number,
        metavar='N',
        help='run N tests that passed again, with and without what speeds '
        'them up, and say how long the run would have taken',
    )
    parser.add_argument(
        '--profile',
        action='store_true',
        help='measure where the time goes: a table of phases, tests and '
        'fixtures, and, with py-spy, a flame graph of each process in the '
        'report directory',
    )


def _positive_number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError('must be a number, at least 1')
    return number


def _results(path: str) -> str:
    if path and not os.path.isdir(path):
        raise argparse.ArgumentTypeError(
            f'there is no directory {path!r}, which would have the results '
            'of an earlier run'
        )
    return path


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition('/')
    try:
        shard = int(number), int(count)
    except ValueError:
        shard = 0, 0
    if not 1 <= shard[0] <= shard[1]:
        raise argparse.ArgumentTypeError(
            'must be a part and the number of parts, such as 1/3'
        )
    return shard


def _seed(text: str) -> int:
    if text == 'random':
        return random.SystemRandom().randrange(10**6)
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            "must be a whole number, or 'random'"
        ) from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (seconds > 0 and math.isfinite(seconds)):
        raise argparse.ArgumentTypeError('must be a number of seconds above 0')
    return seconds


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(
            f'must be a regular expression ({error})'
        ) from error
    return text
