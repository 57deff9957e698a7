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

"""What a run prints about its failures."""

import os

from safe_fixtures.cli.runner import colours
from safe_fixtures.cli.runner import records
from safe_fixtures.cli import tracebacks
from safe_fixtures.summary import sections

__all__ = ['show']

_SHOWN = 10  # failures that are printed; the file has all
_LINES = 20  # of each, at either end
_COLUMNS = 1000  # of each line


def show(report: records.Report, directory: str, total: int) -> None:
    """Print the failures, and where everything is."""
    before = None
    file = os.path.join(directory, 'failures.txt')
    for test_id, outcome in list(report.failures.items())[:_SHOWN]:
        same = outcome.text == before
        text = '(the same)' if same else _shortened(outcome.text, file)
        colours.say(f'\n{outcome.status}: {test_id}\n{text}')
        before = outcome.text
    if len(report.failures) > _SHOWN:
        colours.say(f'\n... and {len(report.failures) - _SHOWN} more')
    if report.failures:
        colours.say(f'all failures: {file}')
    if report.interrupted:
        colours.say(
            f'interrupted: {len(report.outcomes)} of {total} tests were run'
        )
    not_run = total - len(report.outcomes)
    if report.stopped and not_run > 0:
        colours.say(
            f'stopped: a test failed (--fail-fast); {not_run} of {total} '
            'tests were not run'
        )
    if report.lost:
        colours.say(report.lost)
    colours.say(f'report: {directory}')


def _shortened(text: str, file: str) -> str:
    """Return the part of a failure that a person needs first.

    :param file: where the whole text is.
    """
    short = tracebacks.shortened(text)
    lines = str(short).splitlines()
    if len(lines) > 2 * _LINES:
        left_out = len(lines) - 2 * _LINES
        lines[_LINES:-_LINES] = [f'... {left_out} lines ...']
    if short.left_out:
        lines.append(
            f'({sections.plural(short.left_out, "frame")} of the toolkit and '
            f'of libraries left out: see {file})'
        )
    return '\n'.join(
        line if len(line) <= _COLUMNS else f'{line[:_COLUMNS]} ...'
        for line in lines
    )
