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


"""What the tests of the formats share."""

import datetime
import os

import fixtures
import subunit

from safe_fixtures import audit
from safe_fixtures.core import violations
from safe_fixtures import exceptions
from safe_fixtures.report import results
from tests.support import base

HOSTILE = (
    'x\x00\x1b[31m',
    '\udcff\ufffe\U000e0001',
    '</testcase><script>alert(1)</script>]]>&amp;&#0;',
    'a\r\nb\u2028c\u202e',
    '@everyone <img src=x onerror=alert(1)> | ``` `x` https://x.test #1',
    '[x](javascript:alert(1)) **b** \\| |',
    '../../etc/passwd',
    'x' * 100_000,
    '`' * 50,
    '{0} %s {',
    ' ',
    '.',
    '(',
    '\n',
)


class TestCase(base.TestCase):
    """A test with a report directory.

    :ivar directory: the report directory.
    """

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def trail(self, name, test):
        path = os.path.join(self.directory, f'events-{name}.jsonl')
        self.configure(audit_file=path)
        return audit.AuditTrail(test)

    def run_of(self, *outcomes, name='run', ended=True, **configured):
        """Record a run; an outcome is a test, its status and seconds."""
        configured = {'mode': 'audit', 'tests': len(outcomes), **configured}
        with self.trail(name, 'safe-fixtures run') as trail:
            trail.record('configure/run', 'run', **configured)
            for test, status, seconds in outcomes:
                trail.record(
                    'evaluate/outcome', test, status=status, seconds=seconds
                )
            if ended:
                trail.record('monitor/run', 'run', seconds=3)

    def rerun(self, test, *, flaky):
        """Record that a failed test ran again."""
        with self.trail('reruns', 'safe-fixtures run') as trail:
            trail.record('evaluate/rerun', test, flaky=flaky)

    def violate(
        self,
        code='SF203',
        test='tests.T.test',
        *,
        message='why',
        where='/elsewhere/tests/t.py:7',
        mode='audit',
        waiver=None,
        expected=None,
        times=1,
    ):
        """Record a violation, as a guard does."""
        violation = exceptions.SafetyViolation(code, message, where=where)
        verdict = violations.Verdict(violation, mode, waiver, expected)
        with self.trail('worker-0-0', test) as trail:
            for _ in range(times):
                verdict.record(trail, 'host1')

    def say(self, test, *texts, status='fail', detail='traceback'):
        """Add what a test said to the stream of results."""
        path = os.path.join(self.directory, 'stream.subunit')
        with open(path, 'ab') as file:
            stream = subunit.StreamResultToBytes(file)
            for text in texts:
                stream.status(
                    test_id=test,
                    file_name=detail,
                    file_bytes=text.encode(errors='replace'),
                    mime_type='text/plain;charset=utf8',
                )
            stream.status(
                test_id=test,
                test_status=status,
                timestamp=datetime.datetime.now(datetime.UTC),
            )

    def found(self):
        return results.read([self.directory])
