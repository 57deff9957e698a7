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

"""Find the tests that the arguments of a run ask for."""

import argparse

from safe_fixtures.cli.runner import colours
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import grouping
from safe_fixtures.cli.runner import history
from safe_fixtures.cli.runner import process
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable
from safe_fixtures.summary import sections

__all__ = ['Nothing', 'find']


class Nothing(Exception):
    """There is nothing to run, and nothing is wrong; the text says why."""


def find(
    parsed_args: argparse.Namespace, setup: process.Setup
) -> tuple[discovery.Tests, grouping.Weights]:
    """Return the tests to run, and how long they will take.

    :param parsed_args: the arguments of the command.
    :param setup: how the processes of the run are set up.
    :raises: Unusable, Nothing.
    """
    ids = _ids(parsed_args.load_list)
    failing = parsed_args.failing is not None
    if failing:
        ids = _failing(parsed_args.failing or history.newest())
    if not parsed_args.tests and ids is None:
        raise discovery.Unusable(
            'nothing to run: name packages, modules, classes, tests or '
            'paths, or use --load-list or --failing'
        )
    known = history.seconds(parsed_args.timings)
    colours.say('looking for the tests')
    tests = discovery.find(parsed_args.tests, ids, parsed_args.exclude, setup)
    if failing and tests.missing:
        _tell_missing(tests, bool(parsed_args.tests))
    _check(tests)
    weights = grouping.Weights(known)
    if parsed_args.shard is not None:
        tests = _shard(tests, parsed_args.shard, weights, bool(known))
    return tests, weights


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


def _failing(directory: str) -> list[str]:
    ids = history.failing(directory)
    if not ids:
        raise Nothing(f'no test failed in {directory}')
    failed = sections.plural(len(ids), 'test')
    colours.say(f'{failed} failed last time, in {directory}')
    return ids


def _tell_missing(tests: discovery.Tests, named: bool) -> None:
    """Say which tests that failed are not run.

    :param named: whether names limit what is run.
    """
    where = 'among those named' if named else 'there any more'
    missing = sections.plural(len(tests.missing), 'test')
    text = f'{missing} that failed last time are not {where}'
    if named and not tests.tests:
        raise Nothing(text)
    colours.say('\n  '.join([f'warning: {text}:', *tests.missing]))
    tests.missing.clear()


def _check(tests: discovery.Tests) -> None:
    """Refuse to run anything but what was asked for."""
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


def _shard(
    found: discovery.Tests,
    wanted: tuple[int, int],
    weights: grouping.Weights,
    known: bool,
) -> discovery.Tests:
    number, count = wanted
    tests = grouping.shard(found, number, count, weights)
    text = f'shard {number}/{count}: {len(tests.tests)} of '
    text += sections.plural(len(found.tests), 'test')
    if known:
        took, total = weights.of(tests.tests), weights.of(found.tests)
        text += f', about {took:.0f} of {total:.0f} s'
    if not (tests.tests or tests.errors or tests.skipped):
        raise Nothing(text)
    colours.say(text)
    return tests
