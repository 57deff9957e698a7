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

"""CPU and wall time of hardened Nova tests, compared to unhardened ones.

Each test runs unhardened and hardened in turn, several times. Several
processes, called lanes, share the sample. A pair is one pass over the whole
sample.
"""

import os

if __name__ == '__main__':
    # First in the process of a lane, so that eventlet can patch the rest.
    import safe_fixtures.nova  # noqa: F401

import collections
import contextlib
import gc
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import testtools

from benchmarks import _pairs

SAMPLE = pathlib.Path(__file__).with_name('sample.txt')
LANES = 3
WAITS = 'OS_SAFE_FIXTURES__WAIT_FOR_CHANGE'


def sample():
    """Return the family and the id of each test of the sample."""
    return [
        line.split()
        for line in SAMPLE.read_text().splitlines()
        if not line.startswith('#')
    ]


def measure(case):
    """Run one test; return the seconds of CPU and wall that it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = testtools.TestResult()
    case.run(result)
    cpu = time.process_time() - cpu
    wall = time.perf_counter() - wall
    if not result.wasSuccessful():
        print((result.errors + result.failures)[0][1], file=sys.stderr)
    return {
        'cpu': cpu,
        'wall': wall,
        'passed': result.wasSuccessful(),
    }


def lane(pairs, share, out):
    """Measure the tests of a share; write a line of JSON for each run."""
    from safe_fixtures.nova import hardened
    from safe_fixtures.nova import InstalledNova

    tests = []
    for family, test_id in share:
        module, cls, method = test_id.rsplit('.', 2)
        unhardened = getattr(importlib.import_module(module), cls)
        variants = [
            ('unhardened', unhardened),
            ('hardened', hardened(unhardened)),
        ]
        tests.append((family, test_id, method, variants))
    with InstalledNova():
        # The first test of a process pays for lazy imports.
        for _, variant in tests[0][3]:
            measure(variant(tests[0][2]))
        # A full collection takes a second with all these imports, and hits
        # whichever variant is running.
        gc.collect()
        gc.freeze()
        for number in range(pairs):
            for index, (family, test_id, method, variants) in enumerate(tests):
                # Each goes first as often as the other.
                order = -1 if (number + index) % 2 else 1
                for name, cls in variants[::order]:
                    # Or one variant would clear away the other's garbage.
                    gc.collect()
                    row = measure(cls(method))
                    row.update(
                        pair=number, family=family, test=test_id, variant=name
                    )
                    print(json.dumps(row), file=out, flush=True)


def rows(pairs, tests, waits, lanes=LANES):
    """Run the lanes side by side; return what they measured."""
    found = []
    with contextlib.ExitStack() as stack:
        processes = []
        for number in range(lanes):
            # Not a pipe: nobody reads it while another lane runs.
            out = stack.enter_context(tempfile.TemporaryFile('w+'))
            process = subprocess.Popen(
                [sys.executable, '-m', __name__, str(pairs)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, WAITS: str(waits)},
            )
            stack.callback(process.kill)
            json.dump(tests[number::lanes], process.stdin)
            process.stdin.close()
            processes.append((process, out))
        for process, out in processes:
            if process.wait():
                raise RuntimeError('a lane failed')
            out.seek(0)
            # Nova logs to standard output, too.
            found += [
                json.loads(line) for line in out if line.startswith('{"cpu"')
            ]
    return found


def report(title, measured):
    """Print the ratios of the passes.

    :param measured: a row for each run of a test.
    """
    failed = {row['test'] for row in measured if not row['passed']}
    totals = collections.defaultdict(lambda: {'cpu': 0.0, 'wall': 0.0})
    for row in measured:
        # A test that fails once is left out of both variants.
        if row['test'] not in failed:
            total = totals[row['variant'], row['pair']]
            total['cpu'] += row['cpu']
            total['wall'] += row['wall']
    pairs = [
        (totals['hardened', number], totals['unhardened', number])
        for number in sorted({row['pair'] for row in measured})
    ]
    tests = {row['test'] for row in measured} - failed
    _pairs.report(f'{title}: {len(tests)} tests', pairs, 's')
    for test in sorted(failed):
        print(f'  left out, as it failed: {test}')


def main(pairs):
    """Print the ratios over the whole sample, and for each family."""
    measured = rows(pairs, sample(), waits=True)
    report('hardened to unhardened', measured)
    for family in sorted({row['family'] for row in measured}):
        report(
            f'hardened to unhardened, {family}',
            [row for row in measured if row['family'] == family],
        )


def guards(pairs):
    """Print the ratios without shorter waits, for 21 tests."""
    # One in five of each family, in one process: the ratio is near 1, and
    # processes that share the caches of a machine disturb each other.
    report(
        'guards alone to unhardened',
        rows(pairs, sample()[::5], waits=False, lanes=1),
    )


if __name__ == '__main__':
    lane(int(sys.argv[1]), json.load(sys.stdin), sys.stdout)
