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

"""What the outcomes of a run are."""

from safe_fixtures import audit
from tests.unit.cli import runs


class TestOutcomes(runs.TestCase):
    def test_clean(self):
        self.write(
            'test_plain.py',
            runs.PLAIN
            + """
    def test_skipped(self):
        self.skipTest('said why')

    @unittest.expectedFailure
    def test_expected(self):
        self.fail('as expected')
""",
        )
        done = self.run_cli('test_plain')
        self.assertEqual(
            {
                'test_plain.TestPlain.test_one': 'success',
                'test_plain.TestPlain.test_two': 'success',
                'test_plain.TestPlain.test_skipped': 'skip',
                'test_plain.TestPlain.test_expected': 'xfail',
            },
            self.outcomes(),
        )
        self.assertIn('4/4 done, 0 failed, 0 violations', done.stderr)
        self.assertIn(f'report: {self.report}', done.stderr)
        self.assertIn(['Tests', 'failed', 0], [
            [row['Section'], row['Item'], row['Count']] for row in done.rows
        ])  # fmt: skip
        self.assertFalse((self.report / 'failures.txt').exists())
        self.assertEqual([], list(self.report.glob('stacks-*')))
        # What tests print is in no stream but the log.
        log = (self.report / 'worker-0.log').read_text()
        self.assertIn('said on stdout', log)
        [configured] = self.events('configure/run')
        said = audit.details(configured)
        self.assertEqual(
            ('default', 4, 1),
            (said['mode'], said['tests'], said['concurrency']),
        )
        [ended] = self.events('monitor/run')
        self.assertFalse(audit.details(ended)['interrupted'])

    def test_failures(self):
        self.write(
            'test_plain.py',
            runs.PLAIN
            + """
    def test_failing(self):
        self.fail('said by the test')

    def test_broken(self):
        {}['said by the error']

    def test_cleanup(self):
        self.addCleanup(self.fail, 'said by the clean-up')
        self.skipTest('because')

    def test_exit(self):
        sys.exit(0)

    @unittest.expectedFailure
    def test_unexpected(self):
        pass

class TestOld(unittest.TestCase):
    def test_cleanup(self):
        self.addCleanup(self.fail, 'said by the old clean-up')
        self.skipTest('because')
""",
        )
        done = self.run_cli('test_plain', status=1)
        name = 'test_plain.TestPlain.test_'
        self.assertEqual(
            {
                f'{name}one': 'success',
                f'{name}two': 'success',
                f'{name}failing': 'fail',
                f'{name}broken': 'fail',
                f'{name}cleanup': 'fail',
                f'{name}exit': 'fail',
                f'{name}unexpected': 'uxsuccess',
                'test_plain.TestOld.test_cleanup': 'fail',
            },
            self.outcomes(),
        )
        failures = (self.report / 'failures.txt').read_text()
        for where, text in (
            ('stderr', done.stderr),
            ('failures.txt', failures),
        ):
            with self.subTest(where=where):
                self.assertIn('AssertionError: said by the test', text)
                self.assertIn("KeyError: 'said by the error'", text)
                self.assertIn('AssertionError: said by the clean-up', text)
                self.assertIn('AssertionError: said by the old clean-up', text)
                self.assertIn(f'uxsuccess: {name}unexpected', text)

    def test_class_fixtures(self):
        self.write(
            'test_classes.py',
            """
            class TestFails(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    raise ValueError('said by setUpClass')

                def test_one(self):
                    pass

                def test_two(self):
                    pass

            class TestSkips(TestFails):
                @classmethod
                def setUpClass(cls):
                    raise unittest.SkipTest('not here')

            class TestOnce(unittest.TestCase):
                times = 0

                @classmethod
                def setUpClass(cls):
                    with open(HERE / 'once', 'a') as file:
                        file.write('x')

                def test_one(self):
                    pass

                def test_two(self):
                    pass

            class TestEnds(unittest.TestCase):
                @classmethod
                def tearDownClass(cls):
                    raise ValueError('said by tearDownClass')

                def test_one(self):
                    pass
            """,
        )
        done = self.run_cli('test_classes', status=1)
        name = 'test_classes.Test'
        self.assertEqual(
            {
                f'{name}Fails.test_one': 'fail',
                f'{name}Fails.test_two': 'fail',
                f'{name}Skips.test_one': 'skip',
                f'{name}Skips.test_two': 'skip',
                f'{name}Once.test_one': 'success',
                f'{name}Once.test_two': 'success',
                f'{name}Ends.test_one': 'success',
                f'tearDownClass ({name}Ends)': 'fail',
            },
            self.outcomes(),
        )
        self.assertIn('ValueError: said by setUpClass', done.stderr)
        self.assertEqual('x', (self.home / 'once').read_text())

    def test_fork_that_comes_back(self):
        self.write(
            'test_fork.py',
            """
            class TestFork(testtools.TestCase):
                def test_fork(self):
                    child = os.fork()
                    if child:
                        os.waitpid(child, 0)
                    else:
                        raise ValueError('in the child')

            class TestOther(testtools.TestCase):
                def test(self):
                    with open(HERE / 'other', 'a') as file:
                        file.write('x')
            """,
        )
        self.run_cli('test_fork', '--concurrency', '1')
        self.assertEqual({'success'}, set(self.outcomes().values()))
        self.assertEqual('x', (self.home / 'other').read_text())
