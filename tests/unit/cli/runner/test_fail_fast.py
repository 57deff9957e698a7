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

"""``--fail-fast`` ends a run after the first test that fails."""

from safe_fixtures import audit
from tests.unit.cli import runs

FAILS = """
class TestFails(testtools.TestCase):
    def test_1(self):
        pass

    def test_2_fails(self):
        {fail}

    def test_3(self):
        pass

class TestOther(testtools.TestCase):
    def test(self):
        pass
"""


class TestFailFast(runs.TestCase):
    def check(self, fail, status, **more):
        self.write('test_it.py', FAILS.format(fail=fail))
        done = self.run_cli(
            '--fail-fast', '--concurrency', '1', 'test_it', status=1
        )
        name = 'test_it.TestFails.test_'
        self.assertEqual(
            {f'{name}1': 'success', f'{name}2_fails': status}, self.outcomes()
        )
        self.assertIn(
            'stopped: a test failed (--fail-fast); 2 of 4 tests were not run',
            done.stderr,
        )
        self.assertIn(['not run', 2], [
            [row['Item'], row['Count']] for row in done.rows
        ])  # fmt: skip
        [ended] = self.events('monitor/run')
        self.assertTrue(audit.details(ended)['stopped'])
        self.assertIn('stopped by a failed test', done.rows[0]['Details'])

    def test_failure(self):
        self.check('self.fail()', 'fail')

    def test_worker_that_dies(self):
        self.check('os._exit(7)', 'died')

    def test_other_process(self):
        self.write(
            'test_slow.py',
            """
            import select

            class TestSlow(testtools.TestCase):
                def test_1(self):
                    (HERE / 'begun').touch()
                    self.addCleanup((HERE / 'cleaned').touch)
                    # Our parent has read of the failure, and says so.
                    tasks = int(sys.argv[sys.argv.index('--tasks') + 1])
                    ended = select.poll()
                    ended.register(tasks, 0)
                    ended.poll()

                def test_2(self):
                    (HERE / 'second').touch()

            """,
        )
        self.write(
            'test_fails.py',
            """
            class TestFails(testtools.TestCase):
                def test_1(self):
                    while not (HERE / 'begun').exists():
                        time.sleep(0.05)
                    self.fail()
            """,
        )
        self.run_cli('--fail-fast', 'test_slow', 'test_fails', status=1)
        self.assertEqual(
            {
                'test_slow.TestSlow.test_1': 'success',
                'test_fails.TestFails.test_1': 'fail',
            },
            self.outcomes(),
        )
        self.assertTrue((self.home / 'cleaned').exists())
        self.assertFalse((self.home / 'second').exists())

    def test_module_that_cannot_be_imported(self):
        self.write('test_bad.py', 'raise ValueError()')
        self.write('test_it.py', FAILS.format(fail='pass'))
        self.run_cli('--fail-fast', 'test_bad', 'test_it', status=1)
        self.assertEqual({'test_bad': 'fail'}, self.outcomes())

    def test_nothing_fails(self):
        self.write('test_it.py', FAILS.format(fail='pass'))
        done = self.run_cli('--fail-fast', 'test_it')
        self.assertEqual(4, len(self.outcomes()))
        self.assertNotIn('stopped', done.stderr + done.rows[0]['Details'])
