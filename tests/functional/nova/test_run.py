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

"""``safe-fixtures run``, on tests of Nova that nobody edited."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import fixtures
import testtools

from safe_fixtures import audit

# Seconds to wait for what another process is about to do.
PATIENCE = 600

# The command, with a clock that goes forward once a test is stuck. So the test
# is stopped at once, however long a slow machine takes to set it up.
LEAP = """
import os
import sys
import time

now = time.monotonic
time.monotonic = lambda: now() + 1000 * os.path.exists('stuck')

from safe_fixtures.cli import main

sys.exit(main.main())
"""

SERVICES = 'nova.tests.functional.wsgi.test_services'

STUCK = """
import pathlib
import time

from nova.tests.functional import integrated_helpers

HERE = pathlib.Path(__file__).parent


def wait_for_ever(name):
    (HERE / name).write_text('so it is')
    while True:
        time.sleep(0.5)


class TestStuck(integrated_helpers._IntegratedTestBase):
    microversion = 'latest'

    def test_1_hangs(self):
        wait_for_ever('stuck')

    def test_2_is_interrupted(self):
        [service] = self.admin_api.get_services(binary='nova-compute')
        self.admin_api.put_service(service['id'], {'status': 'disabled'})
        wait_for_ever('toggled')
"""


class TestRun(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.Timeout(PATIENCE, gentle=True))
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.home / 'test_stuck.py').write_text(STUCK)

    def start(self, *arguments, command=('-m', 'safe_fixtures.cli.main')):
        process = subprocess.Popen(
            [
                sys.executable, *command, 'run', '-f', 'json',
                '--report', 'report', '--concurrency', '1', *arguments,
            ],
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def finish(self, process, status):
        """Wait for its end; return counts by section and item, and stderr."""
        stdout, stderr = process.communicate()
        self.assertEqual(status, process.returncode, stderr)
        counts = {
            (row['Section'], row['Item']): row['Count']
            for row in json.loads(stdout)
        }
        return counts, stderr

    def outcomes(self):
        path = self.home / 'report' / 'events-run.jsonl'
        events = [json.loads(line) for line in path.read_text().splitlines()]
        return {
            event['target']['name']: audit.details(event)['status']
            for event in events
            if event['action'] == 'evaluate/outcome'
        }

    def test_tests_that_toggle(self):
        tests = [
            f'{SERVICES}.{name}.test_compute_status_filter'
            for name in (
                'ComputeStatusFilterTest',
                'ComputeStatusFilterTest211',
            )
        ]
        counts, _ = self.finish(self.start(*tests), 0)
        self.assertEqual(dict.fromkeys(tests, 'success'), self.outcomes())
        self.assertEqual(len(tests), counts['Tests', 'passed'])
        self.assertGreater(counts['Services', 'toggled'], 0)
        self.assertEqual(
            counts['Services', 'toggled'], counts['Services', 'restored']
        )
        self.assertNotIn(('Services', 'restore failed'), counts)

    def test_one_that_hangs_and_one_that_is_interrupted(self):
        """In one run: the second one has a worker of its own."""
        process = self.start('test_stuck', command=('-c', LEAP))
        while not (self.home / 'toggled').exists():
            self.assertIsNone(process.poll())
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        counts, stderr = self.finish(process, 1)
        self.assertEqual(
            {
                'test_stuck.TestStuck.test_1_hangs': 'timeout',
                'test_stuck.TestStuck.test_2_is_interrupted': 'fail',
            },
            self.outcomes(),
        )
        [stacks] = (self.home / 'report').glob('stacks-*.txt')
        self.assertIn('in wait_for_ever', stacks.read_text())
        self.assertIn('wait_for_ever', stderr)
        # The interrupt restores.
        self.assertEqual(1, counts['Services', 'toggled'])
        self.assertEqual(1, counts['Services', 'restored'])
