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

"""What earlier runs recorded: which tests failed, and how long each took."""

from collections.abc import Iterable
import contextlib
import glob
import io
import os
import re
from typing import Any

from stestr.repository import abstract
from stestr.repository import file as repository
import testtools

from safe_fixtures.audit import events
from safe_fixtures.cli.runner import discovery
from safe_fixtures.summary import reader

__all__ = ['failing', 'newest', 'seconds']

_EVENTS = 'events-run.jsonl'
_FIXTURE = re.compile(r'(?:setUp|tearDown)(?:Class|Module) \((.+)\)')


def newest() -> str:
    """Return the directory of the newest results that are here.

    They are those of a report directory in the current directory, or those
    of stestr in the current directory itself.

    :raises: Unusable if there are none.
    """
    found = {
        os.path.getmtime(each): os.path.dirname(os.path.dirname(each))
        for each in [
            *glob.glob('.stestr/next-stream'),
            *glob.glob('*/.stestr/next-stream'),
        ]
        if each.startswith('.')
        or os.path.exists(
            os.path.join(os.path.dirname(each), os.pardir, _EVENTS)
        )
    }
    if not found:
        raise discovery.Unusable(
            'the current directory has no results of an earlier run: no '
            'report directory, and no .stestr'
        )
    return found[max(found)] or os.curdir


def failing(directory: str) -> list[str]:
    """Return the ids of the tests that failed last time.

    For a fixture of a class or a module that failed, it has the name of
    that.

    :param directory: has a repository of stestr, as a report directory does.
    :raises: Unusable if it has none that can be read.
    """
    found = _tests_of(directory, lambda kept: kept.get_failing())
    return list(
        dict.fromkeys(_FIXTURE.sub(r'\1', each['id']) for each in found)
    )


def seconds(directories: Iterable[str]) -> dict[str, float]:
    """Return how many seconds each test took.

    :param directories: report directories, or such with a repository of
        stestr, of which the latest run counts. The last one that knows a
        test counts.
    :raises: Unusable if one has no results.
    """
    found: dict[str, float] = {}
    for directory in directories:
        path = os.path.join(directory, _EVENTS)
        found |= (
            _of_events(path) if os.path.exists(path) else _of_stestr(directory)
        )
    return found


def _of_events(path: str) -> dict[str, float]:
    try:
        return {
            event.target: event.seconds
            for event in reader.views([path], [], [])
            if event.action == events.TEST_OUTCOME
        }
    except (OSError, ValueError) as error:
        raise discovery.Unusable(str(error)) from error


def _of_stestr(directory: str) -> dict[str, float]:
    found = {}
    for each in _tests_of(directory, lambda kept: kept.get_latest_run()):
        started, stopped = each['timestamps']
        if started and stopped:
            took = (stopped - started).total_seconds()
            found[each['id']] = max(0.0, took)
    return found


def _tests_of(directory: str, choose: Any) -> list[Any]:
    """Return the tests of a run that stestr keeps.

    :param choose: returns the run, given the repository.
    """
    found: list[Any] = []
    try:
        run = choose(repository.RepositoryFactory().open(directory)).get_test()
        result = testtools.StreamToDict(found.append)
        result.startTestRun()
        # subunit prints what it cannot read.
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
            run.run(result)
        result.stopTestRun()
    except abstract.RepositoryNotFound as error:
        raise discovery.Unusable(
            f'{directory} has no results: no .stestr is in it'
        ) from error
    # subunit and stestr raise Exception itself, too.
    except Exception as error:
        raise discovery.Unusable(
            f'the results in {directory} cannot be read: {error!r}'
        ) from error
    return found
