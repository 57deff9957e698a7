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

"""Forks and odd audit files in hardened tests of Nova."""

from safe_fixtures import nova as safe_nova  # isort: skip

import json
import os
import pathlib

import fixtures
import testtools


from tests.functional.nova import inner
from tests.support import settings


class Forks(safe_nova.SafeTestCase):
    """Each child comes back from the method of the test."""

    fails = False

    def check(self):
        for _ in range(4):
            child = os.fork()
            if not child:
                return
            self.assertEqual(0, os.waitpid(child, 0)[1])
        if self.fails:
            self.fail('after the forks')


class Fails(Forks):
    fails = True


class Plain(safe_nova.SafeTestCase):
    def check(self):
        pass


class TestForks(testtools.TestCase):
    def run_each(self, *classes):
        """Run a test of each class; return the result of each."""
        owner = os.getpid()
        try:
            return [inner.run_inner(cls, 'check') for cls in classes]
        finally:
            if os.getpid() != owner:
                os._exit(77)  # It came back.

    def test_each_fork_is_recorded_once(self):
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(
            settings.options(
                audit_file=str(home / '{pid}.jsonl'), mode='audit'
            )
        )
        passed, failed, after = self.run_each(Forks, Fails, Plain)
        self.assertEqual('', inner.problems(passed))
        self.assertIn('after the forks', inner.problems(failed))
        self.assertEqual('', inner.problems(after))
        self.assertEqual(1, after.testsRun)
        # None of a child: it has done nothing that counts.
        self.assertEqual(
            [f'{os.getpid()}.jsonl'], [path.name for path in home.iterdir()]
        )
        [path] = home.iterdir()
        forks = [
            event['initiator']['name']
            for event in map(json.loads, path.read_text().splitlines())
            if 'SF406' in str(event.get('reason'))
        ]
        self.assertEqual(8, len(forks), forks)


class TestAuditFiles(testtools.TestCase):
    def run_with(self, path):
        self.useFixture(settings.options(audit_file=str(path)))
        return inner.problems(inner.run_inner(Plain, 'check'))

    def test_pipe_that_nobody_reads(self):
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        os.mkfifo(home / 'events')
        said = self.run_with(home / 'events')
        self.assertIn('AuditFailed', said)
        self.assertIn(str(home / 'events'), said)

    def test_dev_null(self):
        self.assertEqual('', self.run_with('/dev/null'))
