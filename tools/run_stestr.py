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

"""Run suites of tests with stestr, all of them at once.

    python tools/run_stestr.py RESULTS SUITE[,SUITE...] [OPTION...] [NAME...]

A suite is a folder below "tests", such as "unit". A suffix says more about
its run: "functional-eventlet" and "functional-threading" are the tests in
"tests/functional" in these modes of Nova. With the option "--once", those for
which the mode makes no difference run in one of them only (see ONCE).
All other arguments are those of "stestr run".

Each run gets a new, empty repository: the folder of its name below RESULTS.
So environments can run side by side, and the result of an earlier run is
never taken for one of this run. A run that takes longer than MINUTES is
ended with its workers, as a test of Nova can hang where no timeout of its
own ends it.

The tests with Nova run in the order that the number in OS_TEST_SEED gives,
if it is set. "random" draws a number, which is printed; set that number to
run them in the same order again.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

MINUTES = 40
# As of timeout(1).
TIMED_OUT = 124
# What Nova is told by the suffix of a suite.
MODES = {'eventlet': 'False', 'threading': 'True'}
# Neither threads nor greenlets take part in what these tests look at, or
# another run looks at it in the other mode. By the mode in which they run, so
# that both modes take about as long; by the name of a package, module, class
# or test below tests/functional.
ONCE = {
    'eventlet': (
        # What the API and the policy make of one request: each is served in
        # the thread of the test.
        'nova.permissions',
        'nova.test_dummy_data',
        'nova.test_microversion',
        'nova.test_payload',
        # The record of a service is changed and restored in the thread of the
        # test.
        'nova.services.test_every_way',
        # They import in processes of their own, in each mode.
        'nova.test_bases.TestImport',
    ),
    'threading': (
        # As test_every_way, mostly without a compute that runs. Those with
        # one run twice.
        'nova.services.test_cells.TestSameHostTwice',
        'nova.services.test_ledger.TestRestoreThatFails',
        'nova.services.test_records.TestManyServices',
        'nova.services.test_toggle.TestElsewhere',
        'nova.services.test_toggle.TestGivenClient',
        'nova.services.test_toggle.TestOutsideATest',
        'nova.services.test_unseen.TestUnseen',
        # The servers on a compute are looked up by the thread that acts. Each
        # way to act, a build in flight, restarts and outages run twice.
        'nova.services.test_order.TestLeftToNova',
        'nova.services.test_order.TestNotCounted.'
        'test_a_helper_named_like_that_of_nova',
        'nova.services.test_order.TestNotCounted.'
        'test_what_a_test_has_replaced_before',
        'nova.services.test_order.TestRefused.'
        'test_each_way_on_a_compute_without_servers',
        'nova.services.test_order.TestRefused.test_swallowed',
        'nova.services.test_order.TestRefused.test_what_is_on_it',
        'nova.services.test_order.TestUnknown',
        'nova.services.test_outage.TestDeclared.test_by_a_waiver',
        'nova.services.test_outage.TestDeclared.test_on_a_toggle_of_its_own',
        # The classes that are hardened, and what they offer to a test.
        'nova.test_bases.TestAssertions',
        'nova.test_bases.TestHardened',
        'nova.test_bases.TestKnobs',
        'nova.test_bases.TestWaivers',
        'nova.test_suite.TestGuarded',
        'nova.test_suite.TestHarden',
        'nova.test_suite.TestWaysOfATest',
        'nova.test_ways_to_base',
        # The environment small31 runs these with eventlet, and the command
        # with tests that toggle.
        'nova.posture',
        'nova.test_drop_in',
        'nova.test_run.TestRun.test_tests_that_toggle',
        # The mode is one of Nova's, and this is about tests without Nova.
        'test_another_project',
    ),
}


class Run:
    """One run of stestr; its output goes to ours."""

    def __init__(self, results, name, arguments, prefix):
        self.name = name
        suite, _, suffix = name.partition('-')
        repository = os.path.join(results, name)
        shutil.rmtree(repository, ignore_errors=True)
        os.makedirs(repository)
        environment = dict(os.environ)
        if suffix in MODES:
            environment['OS_NOVA_DISABLE_EVENTLET_PATCHING'] = MODES[suffix]
        self.process = subprocess.Popen(
            [
                sys.executable, '-m', 'stestr', '--repo-url', repository,
                '--test-path', f'./tests/{suite}', '--top-dir', '.',
                'run', *arguments,
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        self._output = threading.Thread(
            target=self._copy, args=(prefix,), daemon=True
        )
        self._output.start()

    def _copy(self, prefix):
        for line in self.process.stdout:
            sys.stdout.buffer.write(prefix + line)
            sys.stdout.buffer.flush()

    def wait(self, end):
        """Wait till a time; return the exit code."""
        try:
            code = self.process.wait(timeout=max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            print(f'{self.name}: ended after {MINUTES} minutes', flush=True)
            return TIMED_OUT
        self._output.join()
        return code

    def kill(self):
        """End it; workers outlive what started them."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def elsewhere(mode):
    """Return a regular expression for the tests that run in another mode."""
    names = '|'.join(
        re.escape(name)
        for other, names in ONCE.items()
        if other != mode
        for name in names
    )
    return rf'^tests\.functional\.({names})(\.|$)'


def main(results, suites, *arguments):
    names = suites.split(',')
    once = '--once' in arguments
    arguments = [each for each in arguments if each != '--once']
    if os.environ.get('OS_TEST_SEED') == 'random':
        os.environ['OS_TEST_SEED'] = str(random.randrange(10**6))
    if seed := os.environ.get('OS_TEST_SEED'):
        print(f'{suites}: OS_TEST_SEED={seed}', flush=True)
    end = time.monotonic() + MINUTES * 60
    runs = []
    try:
        for name in names:
            prefix = f'{name}: '.encode() if len(names) > 1 else b''
            _, _, mode = name.partition('-')
            more = []
            if once and mode in ONCE:
                more = ['--exclude-regex', elsewhere(mode)]
            runs.append(Run(results, name, arguments + more, prefix))
        return max(run.wait(end) for run in runs)
    finally:
        # Also when this is interrupted.
        for run in runs:
            run.kill()


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
