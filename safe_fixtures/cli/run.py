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

"""``safe-fixtures run``."""

import argparse
from collections.abc import Iterable, Sequence
import datetime
import math
import os
import random
import re
import sys
from typing import Any

from cliff import lister

from safe_fixtures.cli import alerts
from safe_fixtures.cli import app
from safe_fixtures.cli import outputs
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import paired
from safe_fixtures.cli.runner import process
from safe_fixtures.cli.runner import profiling
from safe_fixtures.cli.runner import records
from safe_fixtures.cli.runner import supervisor
from safe_fixtures.cli import tables
from safe_fixtures import conf
from safe_fixtures.core import waivers
from safe_fixtures import exceptions
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable
from safe_fixtures import summary

__all__ = ['Run']

_WAIVERS = 'safe-fixtures.toml'
_SHOWN = 10  # failures that are printed; the file has all
_LINES = 20  # of each, at either end
_COLUMNS = 1000  # of each line


class Run(lister.Lister):
    """Run tests hardened, in several processes, and print a summary.

    The tests need no edits. Those of a project that builds on the test bases
    of Nova are hardened fully, and those of any other project by the guards
    that need no Nova. Name packages, modules, classes or methods
    (my.tests.test_x.TestX.test_y), or files and directories below the
    current directory. Exit codes: 0 all is well, 1 tests failed, 2 enforced
    rules were violated, 3 nothing could be run as asked, or no test was
    hardened.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_options(parser)
        _add_measuring_options(parser)
        alerts.add_argument(parser)
        outputs.add_arguments(parser)
        parser.add_argument(
            'tests', nargs='*', metavar='TEST_OR_MODULE', help='what to run'
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run, print, and return the exit code."""
        self._status = 0
        try:
            super().run(parsed_args)
        except (discovery.Unusable, exceptions.ConfigurationError) as error:
            return _unusable(str(error))
        except KeyboardInterrupt:
            return _unusable('interrupted', 1)
        return self._status

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        """Run the tests; return the columns and rows of the summary.

        :param parsed_args: from the parser.
        """
        ids = _ids(parsed_args.load_list)
        if not parsed_args.tests and ids is None:
            raise discovery.Unusable(
                'nothing to run: name packages, modules, classes, tests or '
                'paths, or use --load-list'
            )
        setup = process.Setup(
            settings=_settings(parsed_args.waivers),
            profile=parsed_args.profile,
        )
        how = {
            'concurrency': parsed_args.concurrency,
            'test_timeout': parsed_args.test_timeout,
            'mode': parsed_args.mode,
        }
        if parsed_args.profile and profiling.find_sampler() is None:
            _say(
                'no flame graphs: they need py-spy; '
                'pip install safe_fixtures[profile]'
            )
        directory = _directory(parsed_args.report)
        _say('looking for the tests')
        tests = discovery.find(
            parsed_args.tests, ids, parsed_args.exclude, setup
        )
        _check(tests)
        if parsed_args.shuffle is not None:
            _say(f'shuffled: --shuffle {parsed_args.shuffle}')
        # Nothing masks the logs: they are for the owner only.
        os.makedirs(directory, 0o700, exist_ok=True)
        report = supervisor.run(
            tests, directory, setup, seed=parsed_args.shuffle, **how
        )
        _show(report, directory, len(tests.tests))
        if parsed_args.paired and not report.interrupted:
            _say('running some tests again, with and without speed-up')
            paired.measure(
                parsed_args.paired,
                tests,
                report,
                directory,
                setup,
                **how,
            )
        try:
            total = summary.summarize([directory], alerts.of(parsed_args))
            outputs.write(parsed_args, [directory])
        except (OSError, ValueError) as error:
            # A test has removed all records.
            total = summary.Summary()
            total.skipped.append(str(error))
            self._status = _unusable(str(error))
        failed = report.interrupted or report.failures or report.lost
        self._status = self._status or total.exit_code() or int(bool(failed))
        return tables.of_summary(total, parsed_args)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--mode',
        choices=('default', 'enforce', 'audit'),
        default='audit',
        help="what a violation does: default is each rule's own mode, "
        'enforce fails the test, audit only records it (default: audit)',
    )
    parser.add_argument(
        '--concurrency',
        type=_positive_number,
        default=os.cpu_count() or 1,
        metavar='N',
        help='how many processes run tests (default: one per CPU)',
    )
    parser.add_argument(
        '--report',
        metavar='DIR',
        help='where events, results and logs go: an empty or new directory '
        '(default: safe-fixtures-report-TIME)',
    )
    parser.add_argument(
        '--load-list',
        metavar='FILE',
        help='run only the tests in this file, one id per line',
    )
    parser.add_argument(
        '--exclude',
        type=_expression,
        metavar='REGEX',
        help='leave out the tests whose ids match',
    )
    parser.add_argument(
        '--waivers',
        metavar='FILE',
        help='the waivers of the suite (default: '
        f'OS_SAFE_FIXTURES__WAIVERS_FILE, else {_WAIVERS} if it exists)',
    )
    parser.add_argument(
        '--shuffle',
        type=_seed,
        metavar='SEED',
        help='run classes, and the tests of each, in the order that this '
        "number gives; 'random' draws one, which is printed",
    )
    parser.add_argument(
        '--test-timeout',
        type=_seconds,
        default=300.0,
        metavar='SECONDS',
        help='stop a test that runs longer (default: 300)',
    )


def _add_measuring_options(parser: argparse.ArgumentParser) -> None:
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


def _say(text: str) -> None:
    print(printable.block(text), file=sys.stderr, flush=True)


def _unusable(text: str, status: int = app.ERROR) -> int:
    _say(f'safe-fixtures run: {text}')
    return status


def _positive_number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError('must be a number, at least 1')
    return number


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


def _ids(path: str | None) -> list[str] | None:
    if path is None:
        return None
    try:
        # Some editors write a byte order mark.
        with files.open_to_read(path) as file:
            text = file.read().decode('utf-8-sig')
    except (OSError, UnicodeError) as error:
        raise discovery.Unusable(f'--load-list: {error}') from error
    ids = map(str.strip, text.split('\n'))
    return [printable.block(test_id) for test_id in ids if test_id]


def _settings(path: str | None) -> dict[str, str]:
    """Return the settings of the run; check the whole configuration.

    :param path: the waivers file that was named, if any.
    """
    if path is None and conf.load().waivers_file is None:
        path = _WAIVERS if os.path.isfile(_WAIVERS) else None
    settings = {} if path is None else {'waivers_file': os.path.abspath(path)}
    with conf.override(**settings):
        waivers.of_suite()
    return settings


def _directory(path: str | None) -> str:
    if path is None:
        now = datetime.datetime.now(datetime.UTC)
        path = f'safe-fixtures-report-{now:%Y%m%dT%H%M%SZ}'
    if not path:
        raise discovery.Unusable('--report: give the name of a directory')
    if os.path.lexists(path):
        if not os.path.isdir(path):
            raise discovery.Unusable(f'--report: {path} is no directory')
        if os.listdir(path):
            raise discovery.Unusable(
                f'--report: {path} is not empty; name a new directory'
            )
    return os.path.abspath(path)


def _check(tests: discovery.Tests) -> None:
    """Refuse to run something else than what was asked for."""
    wrong = [f'{argument}: {text}' for argument, text in tests.unknown.items()]
    if tests.missing:
        wrong.append(
            f'{len(tests.missing)} of the listed tests do not exist:\n  '
            + '\n  '.join(tests.missing)
        )
    nothing = not (tests.tests or tests.skipped)
    if nothing or wrong:
        wrong += [
            f'{name} cannot be imported:\n{text}'
            for name, text in tests.errors.items()
        ]
    if wrong:
        raise discovery.Unusable('\n'.join(wrong))
    if nothing:
        raise discovery.Unusable('there is no test in what was named')


def _show(report: records.Report, directory: str, total: int) -> None:
    """Print the failures, and where everything is."""
    before = None
    for test_id, outcome in list(report.failures.items())[:_SHOWN]:
        text = '(the same)' if outcome.text == before else outcome.text
        _say(f'\n{outcome.status}: {test_id}\n{_shortened(text)}')
        before = outcome.text
    if len(report.failures) > _SHOWN:
        _say(f'\n... and {len(report.failures) - _SHOWN} more')
    if report.failures:
        _say(f'all failures: {os.path.join(directory, "failures.txt")}')
    if report.interrupted:
        _say(f'interrupted: {len(report.outcomes)} of {total} tests were run')
    if report.lost:
        _say(report.lost)
    _say(f'report: {directory}')


def _shortened(text: str) -> str:
    lines = text.rstrip().splitlines()
    if len(lines) > 2 * _LINES:
        left_out = len(lines) - 2 * _LINES
        lines[_LINES:-_LINES] = [f'... {left_out} lines ...']
    return '\n'.join(
        line if len(line) <= _COLUMNS else f'{line[:_COLUMNS]} ...'
        for line in lines
    )
