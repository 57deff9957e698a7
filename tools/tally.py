#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""Print which tests failed in several stestr runs, and a line with counts.

Each directory is one that run_stestr.py has been given, or the report of
"safe-fixtures run". A run that left no result, or in which no test ran, counts
as one failure. So does a failing --exit-status with nothing failed in the
results, since then it is a check without tests, such as the linters, that has
failed.

"--newer-python" names a directory with one for each newer version of Python
that this machine has; in it are the results of the runs on that version.
"""

import argparse
import collections
import pathlib
import sys

from stestr.repository import abstract
from stestr.repository import util
import subunit
import testtools

PASSED = {'success', 'xfail'}
SKIPPED = {'skip'}
NEWER_PYTHON_RUNS = ['unit', 'examples']
# Of each traceback. The end of a long run must say what is wrong.
LINES = 12


def show(directory, test):
    """Print the name of a failed test, and the end of its traceback."""
    print(f'failed in {directory}: {test["id"]}')
    for name, detail in sorted(test['details'].items()):
        if name.startswith('traceback'):
            for line in detail.as_text().splitlines()[-LINES:]:
                print(f'    {line}')


def count(directory):
    """Return how many tests of the newest run ended how."""
    counts = collections.Counter()
    try:
        run = util.get_repo_open(repo_url=str(directory)).get_latest_run()
    except (KeyError, abstract.RepositoryNotFound):
        return counts

    def on_test(test):
        status = test['status']
        if status in PASSED:
            counts['passed'] += 1
        elif status in SKIPPED:
            counts['skipped'] += 1
        elif status != 'exists':
            # Also a test that started and never ended.
            counts['failed'] += 1
            show(directory, test)

    result = testtools.StreamToDict(on_test)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(
        run.get_subunit_stream(), non_subunit_name='output'
    ).run(result)
    result.stopTestRun()
    return counts


def newer(directory):
    """Say which newer versions of Python there are; return their results."""
    if directory is None:
        return []
    versions = sorted(directory.glob('*'))
    for version in versions:
        print(f'Also run on Python {version.name}.')
    if not versions:
        print('Not run on a newer Python: there is none on this machine.')
    return [
        version / name for version in versions for name in NEWER_PYTHON_RUNS
    ]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--exit-status', type=int, default=0)
    parser.add_argument('--newer-python', type=pathlib.Path)
    parser.add_argument('directories', nargs='+', type=pathlib.Path)
    args = parser.parse_args(argv)
    # A terminal may not have every letter.
    sys.stdout.reconfigure(errors='backslashreplace')

    total = collections.Counter()
    for directory in args.directories + newer(args.newer_python):
        counts = count(directory)
        if not counts['passed'] + counts['failed']:
            counts['failed'] = 1
            print(f'{directory.name}: no test ran')
        total += counts
    if args.exit_status and not total['failed']:
        print('A check outside of the test results has failed.')
        total['failed'] = 1

    line = f'{total["passed"]} passed, {total["failed"]} failed'
    if total['skipped']:
        line += f', {total["skipped"]} skipped'
    print(line)
    return 1 if total['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
