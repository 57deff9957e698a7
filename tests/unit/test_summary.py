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

import contextlib
import io
import json
import os
import subprocess
import sys

import fixtures

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures import summary
from safe_fixtures import testing
from tests.unit import base
from tests.unit import test_guard

NOTHING = """\
Tests:           none
Services:        0 toggled (0 times), 0 restored, 0 lost
Microversions:   no request for latest
Images checked:  0
Flavors checked: 0
Violations:      none"""

ALL = """\
Tests:           1 failed, 2 passed, 1 skipped
Services:        3 toggled (5 times), 2 restored, 1 lost
Microversions:   2 requests for latest served at 2.53, \
1 requests for latest served at 2.60
Images checked:  2
Flavors checked: 1
Violations:      3, and 1 that tests provoked
  SF104 drift: the API supports more than the pin: 1 recorded
  SF301 an image that is not dummy: 1 expected, 1 refused, 1 waived"""


class TestSummary(base.TestCase):
    def record_all(self, trail):
        one, two, three = (f'{n}' * 32 for n in '123')
        for outcome in ('success', 'failure', 'success', 'unknown'):
            trail.record('evaluate/test', 'x', outcome=outcome)
        trail.record('disable', 'x', target_id=one)
        trail.record('enable', 'x', target_id=one)
        trail.record('update/forced_down', 'x', target_id=two)
        trail.record('update/disabled_reason', 'x', target_id=two)
        trail.record('disable', 'x', target_id=three)
        trail.record('restore/service', 'x', target_id=one)
        trail.record('restore/service', 'x', target_id=two)
        trail.record(
            'restore/service', 'x', target_id=three, outcome='failure'
        )
        for served in ('2.60', '2.53', '2.53'):
            trail.record('configure/microversion', 'x', served=served)
        trail.record('evaluate/image', 'x')
        trail.record('evaluate/flavor', 'x')
        trail.record('evaluate/image', 'x')
        trail.record('deny', 'x', code='SF301')
        trail.record('deny', 'x', code='SF301', expected=True)
        trail.record('evaluate/violation', 'x', code='SF301', waived='why')
        trail.record('allow/waiver', 'x', code='SF301', reason='why')
        trail.record('evaluate/violation', 'x', code='SF104')

    def test_nothing(self):
        self.assertEqual(NOTHING, summary.summarize([]))

    def test_all(self):
        trail = self.useFixture(audit.AuditTrail())
        self.record_all(trail)
        self.assertEqual(ALL, summary.summarize(trail.events))

    def test_what_the_guards_record(self):
        trail = self.useFixture(audit.AuditTrail())
        client = testing.FakeComputeClient(['host1', 'host2'])
        with safe_fixtures.SafeServiceToggle(api=client) as toggle:
            toggle.disable('host1')
            toggle.force_down('host1')
            toggle.disable('host2')
        with test_guard.Watch() as guard:
            guard.violate('SF104', 'drift')
        text = summary.summarize(trail.events)
        self.assertIn('2 toggled (3 times), 2 restored, 0 lost', text)
        self.assertIn('Violations:      1, and 0 that tests provoked', text)

    def main(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = summary.main(list(arguments))
        return status, out.getvalue(), err.getvalue()

    def write(self, name='audit.jsonl'):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, name)
        self.configure(audit_file=path)
        with audit.AuditTrail() as trail:
            self.record_all(trail)
        return path

    def test_restored_at_last(self):
        with audit.AuditTrail() as trail:
            key = '1' * 32
            trail.record('disable', 'x', target_id=key)
            for outcome in ('failure', 'success'):
                trail.record(
                    'restore/service', 'x', target_id=key, outcome=outcome
                )
        self.assertIn(
            '1 toggled (1 times), 1 restored, 0 lost',
            summary.summarize(trail.events),
        )

    def test_main(self):
        self.assertEqual((0, ALL + '\n', ''), self.main(self.write()))

    def test_main_with_several_files(self):
        status, out, _ = self.main(self.write(), self.write())
        self.assertEqual(0, status)
        self.assertIn('Tests:           2 failed, 4 passed, 2 skipped', out)

    def test_command(self):
        done = subprocess.run(
            [sys.executable, '-m', 'safe_fixtures.summary', self.write()],
            cwd=base.ROOT,
            capture_output=True,
            text=True,
        )
        self.assertEqual(
            (0, ALL + '\n', ''), (done.returncode, done.stdout, done.stderr)
        )

    def test_no_file_is_named(self):
        status, out, err = self.main()
        self.assertEqual((2, ''), (status, out))
        self.assertIn('Usage', err)

    def test_missing_file(self):
        status, out, err = self.main('absent.jsonl')
        self.assertEqual((2, ''), (status, out))
        self.assertIn('absent.jsonl', err)

    def test_bad_files(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'bad')
        with audit.AuditTrail() as trail:
            trail.record('evaluate/test', 'x')
            good = json.dumps(trail.events[0])
        for text in (
            'no JSON\n',
            f'{good}\n{good[:40]}',
            '[]\n',
            '3\n',
            '{}\n',
            '{"action": "deny"}\n',
            '{"action": "disable", "target": "x"}\n',
            f'{good}\n\n',
        ):
            with open(path, 'w') as bad:
                bad.write(text)
            status, out, err = self.main(path)
            self.assertEqual((2, ''), (status, out), text)
            self.assertIn('cannot summarize', err)

    def test_bad_bytes(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'bad')
        with open(path, 'wb') as bad:
            bad.write(b'\xff\xfe\n')
        status, _, err = self.main(path)
        self.assertEqual(2, status)
        self.assertIn('cannot summarize', err)
