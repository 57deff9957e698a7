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

"""Time and memory of hardened Nova tests, compared to unhardened ones.

What is compared takes turns. "functional" and "cures" compare processes, as
tests are set up from what the tests before them left: each runs a share of
the sample, from its imports to its end. "guards" runs each test both ways in
one process, without any of that. "memory" compares processes that run the
whole sample twice: imports do not make the second half grow.
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
import resource
import subprocess
import sys
import tempfile
import time

import testtools

from benchmarks import _pairs

SAMPLE = pathlib.Path(__file__).with_name('sample.txt')
# How many processes share the sample.
LANES = 2
PREFIX = 'OS_SAFE_FIXTURES__'


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


def run_all(variant, share, out):
    """Run the tests of a share; write a line of JSON for each.

    Each line says how long the test took, and the most memory that the
    process has used until then.
    """
    from safe_fixtures.nova import hardened
    from safe_fixtures.nova import InstalledNova

    with InstalledNova():
        for family, test_id in share:
            module, cls, method = test_id.rsplit('.', 2)
            case = getattr(importlib.import_module(module), cls)
            if variant != 'unhardened':
                case = hardened(case)
            row = measure(case(method))
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            row.update(family=family, test=test_id, MiB=used / 1024)
            print(json.dumps(row), file=out, flush=True)


def processes(shares, what, **options):
    """Run a process for each share, side by side.

    :param what: ``pairs``, or the variant that all of them run.
    :param options: options of ``[safe_fixtures]`` for them.
    :returns: what they measured, one row for each run of a test, and what
        the processes took.
    """
    environment = {
        f'{PREFIX}{name.upper()}': str(value)
        for name, value in options.items()
    }
    found, took = [], {'cpu': 0.0, 'wall': 0.0}
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        started = []
        for share in shares:
            # Not a pipe: nobody reads it while another process runs.
            out = stack.enter_context(tempfile.TemporaryFile('w+'))
            process = subprocess.Popen(
                [sys.executable, '-m', __name__, what],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, **environment},
            )
            stack.callback(process.kill)
            json.dump(share, process.stdin)
            process.stdin.close()
            started.append((process, out))
        for process, out in started:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError('a process failed')
            took['cpu'] += usage.ru_utime + usage.ru_stime
            out.seek(0)
            # Nova logs to standard output, too.
            found += [
                json.loads(line) for line in out if line.startswith('{"cpu"')
            ]
    took['wall'] = time.perf_counter() - began
    return found, took


def compare(pairs, tests, variants):
    """Run the same tests in turn in several ways.

    :param variants: the options of each way, by its name; the way
        ``unhardened`` has none.
    :returns: rows of tests with their variants, and for each variant what
        each of its rounds took.
    """
    shares = [tests[number::LANES] for number in range(LANES)]
    found = []
    took = collections.defaultdict(list)
    for number in range(pairs):
        names = list(variants)
        for name in (
            names[number % len(names) :] + names[: number % len(names)]
        ):
            rows, whole = processes(shares, name, **variants[name])
            for row in rows:
                row.update(pair=number, variant=name)
            found += rows
            took[name].append(whole)
    return found, took


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


def print_failed(rows):
    """Name the tests that failed in any run: their figures mislead."""
    failed = sorted({row['test'] for row in rows if not row['passed']})
    print(f'  failed: {", ".join(failed) or "none"}')


def main(pairs):
    """Print the ratios over the whole sample, and for each family."""
    found, took = compare(pairs, sample(), {'unhardened': {}, 'hardened': {}})
    _pairs.report(
        f'hardened to unhardened, whole processes: {len(sample())} tests',
        list(zip(took['hardened'], took['unhardened'], strict=True)),
        's',
    )
    print_failed(found)
    for family in sorted({row['family'] for row in found}):
        report(
            f'hardened to unhardened, {family}, without imports',
            [row for row in found if row['family'] == family],
        )


def cures(pairs):
    """Print what each cure of slowness wins: all of them to all but it."""
    from safe_fixtures.nova.speed import warm

    names = [each.name for each in warm.CURES]
    found, took = compare(
        pairs,
        sample()[::3],
        {
            'hardened': {},
            **{name: {'speed_up_without': name} for name in names},
            'all of them': {'speed_up': False},
        },
    )
    for name in (*names, 'all of them'):
        _pairs.report(
            f'with to without {name}, whole processes',
            list(zip(took['hardened'], took[name], strict=True)),
            's',
        )
    print_failed(found)


def guards(pairs):
    """Print the ratios of guards alone, for 21 tests."""
    # One in five of each family, in one process: the ratio is near 1, and
    # processes that share the caches of a machine disturb each other.
    found, _ = processes(
        [sample()[::5]],
        f'pairs:{pairs}',
        wait_for_change=False,
        speed_up=False,
    )
    report('guards alone to unhardened', found)


def memory(pairs):
    """Print how much memory one process uses, hardened and unhardened."""
    found = []

    def peaks(variant):
        rows, _ = processes([sample() * 2], variant)
        found.extend(rows)
        return {
            f'{number} tests': rows[number - 1]['MiB']
            for number in range(50, len(rows) + 1, 50)
        }

    _pairs.report(
        'peak memory, hardened to unhardened, one process',
        _pairs.alternate(
            pairs, lambda: peaks('hardened'), lambda: peaks('unhardened')
        ),
        'MiB',
    )
    print_failed(found)


if __name__ == '__main__':
    what, _, number = sys.argv[1].partition(':')
    if what == 'pairs':
        lane(int(number), json.load(sys.stdin), sys.stdout)
    else:
        run_all(what, json.load(sys.stdin), sys.stdout)
