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

"""No secret leaves the process of any runner."""

import os
import subprocess
import sys
import textwrap

import fixtures

from tests.support import base
from tests.support import outputs

SECRET = outputs.SECRET


class TestRunners(base.TestCase):
    """The process of each runner, and all that comes out of it."""

    SOURCE = '''
        import logging
        import sys
        import fixtures
        import testtools
        import safe_fixtures.audit
        from safe_fixtures.guards import output
        SECRET = 'x7' + 'Qm2-vKp9'
        LEAK = 'adminPass=' + SECRET
        logging.basicConfig()
        class Test(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(output.RedactedOutput())
                self.useFixture(fixtures.FakeLogger('captured'))
                logging.getLogger('captured').error('captured ' + LEAK)
                logging.getLogger('other').error('handled ' + LEAK)
                print('printed', LEAK)
                print('printed too', LEAK, file=sys.stderr)
            def test_pass(self):
                pass
            def test_fail(self):
                try:
                    raise ValueError('cause ' + LEAK)
                except ValueError:
                    raise RuntimeError('effect ' + LEAK)
            def test_skip(self):
                self.skipTest('reason ' + LEAK)
            def test_expected(self):
                self.expectFailure('known ' + LEAK, self.fail, LEAK)
    '''

    def run_process(self, *arguments, code=1):
        directory = self.useFixture(fixtures.TempDir()).path
        with open(os.path.join(directory, 'test_leaks.py'), 'w') as file:
            file.write(textwrap.dedent(self.SOURCE))
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=directory,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(
                [directory, base.ROOT]
            )},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.assertEqual(code, done.returncode, done.stdout)
        found = {'output': done.stdout}
        for path, _, names in os.walk(directory):
            for name in names:
                if not name.startswith('test_leaks.'):
                    with open(os.path.join(path, name), 'rb') as file:
                        found[name] = file.read()
        for name, data in found.items():
            self.assertNotIn(SECRET.encode(), data, name)
        return b''.join(found.values()).decode(errors='replace')

    def assertReadable(self, text, *said):
        for each in (*said, 'handled', 'printed', 'printed too'):
            self.assertIn(f'{each} adminPass=***', text)

    def test_testtools(self):
        text = self.run_process('-m', 'testtools.run', 'test_leaks')
        self.assertReadable(text, 'cause', 'effect', 'captured')
        self.assertIn('FAILED (failures=1)', text)

    def test_unittest(self):
        text = self.run_process('-m', 'unittest', '--locals', 'test_leaks')
        self.assertReadable(text, 'cause', 'effect', 'captured')
        self.assertIn(
            'FAILED (errors=1, skipped=1, expected failures=1)', text
        )

    def test_unittest_that_captures(self):
        text = self.run_process('-m', 'unittest', '-b', 'test_leaks')
        self.assertReadable(text, 'cause', 'effect')
        self.assertIn('Stdout:\nprinted adminPass=***', text)

    def test_stestr(self):
        text = self.run_process(
            '-m', 'stestr', '--test-path', '.', 'run', '--serial'
        )
        self.assertReadable(text, 'cause', 'effect', 'captured', 'reason')
        for each in ('Passed: 1', 'Skipped: 1', 'Failed: 1'):
            self.assertIn(each, text)
