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


"""Another OpenStack project: Placement's own tests, from its wheel."""

import json
import os
import pathlib
import subprocess
import sys

import fixtures
import testtools

from safe_fixtures import audit

PATIENCE = 600
TESTS = 'placement.tests.functional.test_lib_sync.TestLibSync'
# It must load nothing of Nova, which patches the standard library.
SPY = """
import atexit
import pathlib
import sys

HERE = pathlib.Path(__file__).parent


def note():
    if 'placement.tests' in sys.modules:
        found = sorted(
            name
            for name in sys.modules
            if name.partition('.')[0] == 'nova' or name == 'safe_fixtures.nova'
        )
        with open(HERE / 'seen', 'a') as file:
            file.write(f'{found}\\n')


atexit.register(note)
"""


class TestPlacement(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.Timeout(PATIENCE, gentle=True))
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def run_python(self, *arguments):
        (self.home / 'sitecustomize.py').write_text(SPY)
        paths = str(self.home), os.environ.get('PYTHONPATH', '')
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.home,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(paths)},
            capture_output=True,
            text=True,
        )
        self.addDetail('stderr', testtools.content.text_content(done.stderr))
        self.assertEqual(0, done.returncode, done.stdout)
        seen = (self.home / 'seen').read_text()
        self.assertEqual({'[]'}, set(seen.splitlines()))
        return done.stdout

    def test_run(self):
        command = 'import sys; from safe_fixtures.cli import main; main.main()'
        rows = json.loads(
            self.run_python(
                '-c', f'{command}', 'run', '-f', 'json', '--report', 'report',
                TESTS,
            )
        )  # fmt: skip
        counts = {(row['Section'], row['Item']): row['Count'] for row in rows}
        self.assertEqual(2, counts['Tests', 'passed'])
        self.assertEqual(2, counts['Hardened', 'partly'])
        for none in ('fully', 'not at all'):
            self.assertNotIn(('Hardened', none), counts)
        (why,) = (r['Details'] for r in rows if r['Item'] == 'partly')
        self.assertIn('not on a base of Nova', why)

    def test_another_runner(self):
        self.useFixture(
            fixtures.EnvironmentVariable('OS_SAFE_FIXTURES__MODE', 'audit')
        )
        self.useFixture(
            fixtures.EnvironmentVariable(
                'OS_SAFE_FIXTURES__AUDIT_FILE', str(self.home / 'events.jsonl')
            )
        )
        self.run_python('-m', 'safe_fixtures', '-m', 'testtools.run', TESTS)
        with open(self.home / 'events.jsonl') as file:
            events = list(map(json.loads, file))
        ends = [
            audit.details(event)['hardened']
            for event in events
            if event['action'] == 'evaluate/test'
        ]
        self.assertEqual(['partly'] * 2, ends)
