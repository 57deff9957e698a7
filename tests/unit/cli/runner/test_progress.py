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

"""What a run shows while it goes on."""

import os
import pty
import subprocess

import fixtures

from safe_fixtures import audit
from safe_fixtures.cli.runner import progress as runner_progress
from tests.unit.cli import runs


class TestProgress(runs.TestCase):
    def test_lines(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.cli.runner.progress._INTERVAL', 0
            )
        )
        stderr = self.useFixture(fixtures.StringStream('stderr')).stream
        self.useFixture(fixtures.MonkeyPatch('sys.stderr', stderr))
        progress = runner_progress.Progress(4)
        progress.update(0, 0, 0)
        progress.update(1, 1, 3)
        progress.update(4, 1, 3)
        stderr.seek(0)
        lines = stderr.read().splitlines()
        self.assertEqual('0/4 done, 0 failed, 0 violations', lines[0])
        self.assertRegex(
            lines[1], r'^1/4 done, 1 failed, 3 violations, \d+ s left$'
        )
        self.assertEqual('4/4 done, 1 failed, 3 violations', lines[2])

    def test_terminal(self):
        self.write(
            'test_plain.py',
            runs.PLAIN + '    def test_bad(self):\n        self.fail("bad")\n',
        )
        for name, value in (
            ('NO_COLOR', None), ('FORCE_COLOR', None), ('TERM', 'xterm')
        ):  # fmt: skip
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        parent, child = pty.openpty()
        process = self.start_cli(
            'test_plain', stdout=subprocess.DEVNULL, stderr=child
        )
        os.close(child)
        said = b''
        while True:
            try:
                said += os.read(parent, 4096)
            except OSError:
                break
        os.close(parent)
        self.assertEqual(1, process.wait())
        self.assertIn(b'100%', said)
        self.assertIn(b'3/3', said)
        self.assertIn(b'1 failed, 0 violations', said)
        self.assertIn(
            b'\x1b[31mfail\x1b[0m: test_plain.TestPlain.test_bad', said
        )

    def test_violations(self):
        path = self.home / 'events.jsonl'
        self.configure(audit_file=str(path))
        violations = runner_progress.Violations()
        violations.watch(str(path))
        self.assertEqual(0, violations.update())
        with audit.AuditTrail() as trail:
            trail.record('deny', 'a', code='SF301')
            trail.record('evaluate/violation', 'a', code='SF301', waived='x')
            trail.record(
                'evaluate/violation', 'a', code='SF301', expected=True
            )
            trail.record('enable', 'deny')
            self.assertEqual(1, violations.update())
            trail.record('evaluate/violation', 'a', code='SF301')
        whole = path.read_bytes()
        path.write_bytes(whole[:-10])
        self.assertEqual(1, violations.update())
        path.write_bytes(whole)
        self.assertEqual(2, violations.update())
        self.assertEqual(2, violations.update())
