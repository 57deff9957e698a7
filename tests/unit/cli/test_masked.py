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


"""What ``safe-fixtures run`` prints of tests that are not hardened."""

import subprocess
import sys

from safe_fixtures.cli.runner import worker
from tests.unit.cli import runs

# In parts, as tracebacks show lines of the modules below.
SECRET = 'x7' + 'Qm2-vKp9'

TESTS = """
LEAK = 'adminPass=' + 'x7' + 'Qm2-vKp9'

class TestLeaks(unittest.TestCase):
    def test_failed(self):
        print('printed', LEAK, flush=True)
        print('not ended', LEAK, end='')
        self.fail('failed ' + LEAK)

    def test_skipped(self):
        self.skipTest('skipped ' + LEAK)

    def test_parts(self):
        with self.subTest(password=LEAK.partition('=')[2]):
            self.fail('part ' + LEAK)

class TestDetails(testtools.TestCase):
    def test_passed(self):
        self.addDetail('said', testtools.content.text_content(LEAK))

class TestClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise ValueError('class ' + LEAK)

    def test(self):
        pass
"""

PRINTS = """
class TestPlain(unittest.TestCase):
    def test_secret(self):
        print('adminPass=' + 'x7' + 'Qm2-vKp9')

    def test_twin(self):
        print('adminPass is not said')

class TestTools(testtools.TestCase):
    def test_secret(self):
        print('adminPass=' + 'x7' + 'Qm2-vKp9', file=sys.stderr, end='')
"""

FAILS_IN_WORKER = """
if 'run' in sys.argv:
    raise ValueError('load adminPass=' + 'x7' + 'Qm2-vKp9')

class TestLoaded(testtools.TestCase):
    def test(self):
        pass
"""


class TestMasked(runs.TestCase):
    def test_what_a_worker_tells(self):
        self.write('test_leaks.py', TESTS)
        self.write('test_loaded.py', FAILS_IN_WORKER)
        done = subprocess.run(
            [
                sys.executable, '-m', 'safe_fixtures.cli.main', 'run',
                '--concurrency', '1', '--report', 'report', 'test_leaks',
                'test_loaded',
            ],
            cwd=self.home,
            capture_output=True,
        )  # fmt: skip
        self.assertEqual(1, done.returncode, done.stderr)
        found = {'stdout': done.stdout, 'stderr': done.stderr}
        for path in self.report.rglob('*'):
            if path.is_file():
                found[path.name] = path.read_bytes()
        for name, data in found.items():
            self.assertNotIn(SECRET.encode(), data, name)
        every = b''.join(found.values())
        for said in (
            'failed', 'skipped', 'part', 'class', 'printed', 'not ended',
            'load',
        ):  # fmt: skip
            self.assertIn(f'{said} adminPass=***'.encode(), every)

    def test_what_a_test_prints_counts_for_the_test(self):
        self.write('test_prints.py', PRINTS)
        self.run_cli('--mode', 'enforce', 'test_prints', status=2)
        self.assertEqual(
            {
                'test_prints.TestPlain.test_secret': 'fail',
                'test_prints.TestPlain.test_twin': 'success',
                'test_prints.TestTools.test_secret': 'fail',
            },
            self.outcomes(),
        )

    def test_what_cannot_be_imported(self):
        texts = {'test_password': f'ValueError: adminPass={SECRET}'}
        for unhardened, text in (
            (False, 'ValueError: adminPass=***'),
            # It hardens nothing.
            (True, texts['test_password']),
        ):
            with self.subTest(unhardened=unhardened):
                self.assertEqual(
                    {'test_password': text},
                    worker._masked(worker._masker(unhardened), texts),
                )
