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

"""Plugins in a real run: the package of the example, and broken ones."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import fixtures

from safe_fixtures.cli.runner import discovery
from tests.support import base
from tests.support import extensions
from tests.unit.cli import runs

TESTS = """
import mimetypes

from safe_fixtures import SafeServiceToggle
from safe_fixtures.testing import FakeComputeClient

class TestPlugins(testtools.TestCase):
    def test_services(self):
        client = FakeComputeClient(['host1', 'host2'])
        toggle = self.useFixture(SafeServiceToggle(api=client))
        toggle.disable('host1')
        toggle.disable('host2', reason='maintenance')

    def test_posture(self):
        mimetypes.add_type('text/x-safe', '.safe')

    def test_plain(self):
        pass
"""

BROKEN = """
import sys
from safe_fixtures import audit
from safe_fixtures import summary
from safe_fixtures.guards import posture

class Sink:
    def __call__(self, event):
        event.clear()
        raise ValueError('password=x7Qm2' 'vKp9')

NoSink = list

class Exits:
    def __call__(self, event):
        sys.exit(3)

class Probe(posture.Probe):
    def snapshot(self):
        raise OSError('no snapshot')

class Rule(audit.AlertRule):
    def message(self, event):
        return event.action / 0

class Section(summary.Section):
    title = 'Broken'
    def add(self, event):
        pass
    def rows(self):
        yield 'one', 'two', 'three'
"""
FAULTS = {
    'alerts rule': 'an event failed with TypeError',
    'probes probe': 'snapshot failed with OSError: no snapshot',
    'sections section': 'rows failed with TypeError: a count is no number',
    'sinks absent': 'import failed with ModuleNotFoundError',
    'sinks exits': 'an event failed with SystemExit: 3',
    'sinks no-sink': 'set-up failed with TypeError',
    'sinks sink': 'an event failed with ValueError: password=***',
}
WORKING = {
    'alerts nameless-toggle',
    'probes mime-types',
    'sections busiest-services',
    'sinks toggles-file',
}


class TestPlugins(runs.TestCase):
    def setUp(self):
        super().setUp()
        self.write('test_plugins.py', TESTS)
        self.site = self.home / 'site'
        scratch = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        extensions.install_example(self.site, scratch)
        extensions.write(
            self.site,
            'broken',
            BROKEN,
            sinks='absent = broken_absent\nsink = broken:Sink\n'
            'exits = broken:Exits\nno-sink = broken:NoSink',
            probes='probe = broken:Probe',
            alerts='rule = broken:Rule',
            sections='section = broken:Section',
        )
        self.environment = {
            **os.environ,
            'PYTHONPATH': os.pathsep.join([str(self.site), *sys.path]),
            'TOGGLES_FILE': str(self.home / 'toggles'),
        }

    def run_with(self, *command):
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def run_safely(self):
        done = self.run_with(
            '-m', 'safe_fixtures.cli.main', 'run', '-f', 'json', '--report',
            'report', '--concurrency', '1', '--mode', 'default',
            'test_plugins',
        )  # fmt: skip
        rows = json.loads(done.stdout)
        return done, {
            (row['Section'], row['Item']): (row['Count'], row['Details'])
            for row in rows
        }

    def toggles(self):
        lines = (self.home / 'toggles').read_text().splitlines()
        return [json.loads(line)[1] for line in lines]

    def test_run(self):
        done, rows = self.run_safely()
        # The probe of the plugin found one; the broken ones fail no test.
        self.assertEqual(2, done.returncode, done.stderr)
        self.assertEqual((2, ''), rows['Tests', 'passed'])
        self.assertEqual(1, rows['Tests', 'failed'][0])
        failed = (self.report / 'failures.txt').read_text()
        self.assertIn("mime-types: .safe: (absent) -> 'text/x-safe'", failed)
        self.assertIn('SF501', failed)
        self.assertEqual(1, rows['Violations', 'SF501 enforced'][0])
        self.assertEqual(['disable', 'disable'], self.toggles())
        count, details = rows['Alerts', 'nameless-toggle']
        self.assertEqual(1, count)
        self.assertIn('nova-compute on host1 was disabled without', details)
        self.assertEqual(
            (1, 'times disabled'),
            rows['Busiest services', 'nova-compute on host2'],
        )
        self.assertNotIn(('Records', 'missing'), rows)
        self.check_record(rows)
        logs = '\n'.join(
            path.read_text() for path in self.report.glob('*.log')
        )
        self.assertEqual(1, logs.count('plugin sink (sinks, of broken 1.0)'))
        self.assertNotIn('x7Qm2vKp9', logs + done.stderr + done.stdout)

    def check_record(self, rows):
        plugins = {key[1] for key in rows if key[0] == 'Plugins'}
        self.assertEqual(
            WORKING | {f'{name} failed' for name in FAULTS}, plugins
        )
        # The run loads all; its workers load no alert rules and sections.
        for name in WORKING:
            count = 2 if name.startswith(('sinks', 'probes')) else 1
            self.assertEqual(
                (count, 'safe_fixtures_example 1.0'), rows['Plugins', name]
            )
        for name, fault in FAULTS.items():
            _, details = rows['Plugins', f'{name} failed']
            self.assertIn(f'broken 1.0: {fault}', details)
        recorded = {
            event['target']['name']
            for path in self.report.glob('events-*.jsonl')
            for event in map(json.loads, path.read_text().splitlines())
            if event['action'] == 'configure/plugin'
        }
        self.assertEqual(
            {name.partition(' ')[2] for name in WORKING | FAULTS.keys()},
            recorded,
        )

    def test_other_runner(self):
        done = self.run_with(
            '-m', 'safe_fixtures', '-m', 'unittest', 'test_plugins'
        )
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertEqual(['disable', 'disable'], self.toggles())
        self.assertIn('Ran 3 tests', done.stderr)
        self.assertIn('FAILED (failures=1)', done.stderr)
        self.assertEqual(
            1, done.stderr.count('plugin sink (sinks, of broken 1.0)')
        )


class TestExample(runs.TestCase):
    def test_it_is_taken_for_no_test(self):
        self.write('samples/__init__.py', '')
        self.write('samples/test_plain.py', runs.PLAIN)
        shutil.copytree(
            os.path.join(base.ROOT, 'examples', 'plugin'),
            self.home / 'samples' / 'plugin',
        )
        with self.in_home():
            found = discovery.find(['samples'])
        self.assertEqual(
            ['test_one', 'test_two'],
            sorted(name.rpartition('.')[2] for name in found.tests),
        )
        self.assertEqual(({}, {}), (found.errors, found.unknown))
