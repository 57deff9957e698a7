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
import sys

from safe_fixtures.cli.runner import records
from safe_fixtures.runtime import printable

__all__ = ['say', 'show']

_SHOWN = 10  # failures that are printed; the file has all
_LINES = 20  # of each, at either end
_COLUMNS = 1000  # of each line


def say(text: str) -> None:
    """Print text to standard error, with what cannot be printed escaped."""
    print(printable.block(text), file=sys.stderr, flush=True)


def show(report: records.Report, directory: str, total: int) -> None:
    """Print the failures, and where everything is."""
    before = None
    for test_id, outcome in list(report.failures.items())[:_SHOWN]:
        text = '(the same)' if outcome.text == before else outcome.text
        say(f'\n{outcome.status}: {test_id}\n{_shortened(text)}')
        before = outcome.text
    if len(report.failures) > _SHOWN:
        say(f'\n... and {len(report.failures) - _SHOWN} more')
    if report.failures:
        say(f'all failures: {os.path.join(directory, "failures.txt")}')
    if report.interrupted:
        say(f'interrupted: {len(report.outcomes)} of {total} tests were run')
    if report.lost:
        say(report.lost)
    say(f'report: {directory}')


def _shortened(text: str) -> str:
    lines = text.rstrip().splitlines()
    if len(lines) > 2 * _LINES:
        left_out = len(lines) - 2 * _LINES
        lines[_LINES:-_LINES] = [f'... {left_out} lines ...']
    return '\n'.join(
        line if len(line) <= _COLUMNS else f'{line[:_COLUMNS]} ...'
        for line in lines
    )
