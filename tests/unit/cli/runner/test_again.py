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

"""Runs that follow a run: what failed, and what is flaky."""

import json

from safe_fixtures import audit
from tests.unit.cli import runs

FLAKY = """
class TestIt(testtools.TestCase):
    def test_good(self):
        pass

    def test_flaky(self):
        with open(HERE / 'pids', 'a') as file:
            print(os.getpid(), file=file)
        if len((HERE / 'pids').read_text().split()) < 3:
            self.fail('not yet')

    def test_bad(self):
        with open(HERE / 'pids_of_bad', 'a') as file:
            print(os.getpid(), file=file)
        self.fail('never')
"""
VIOLATES = """
class TestViolates(testtools.TestCase):
    def test(self):
        with open(HERE / 'ran', 'a') as file:
            file.write('x')
        if len((HERE / 'ran').read_text()) == {number}:
            with audit.AuditTrail(self.id()) as trail:
                trail.record('deny', 'image', code='SF301')
        if len((HERE / 'ran').read_text()) == 1:
            self.fail()
"""
INTERRUPTS = """
class TestInterrupts(testtools.TestCase):
    def test_good(self):
        pass

    def test_bad(self):
        with open(HERE / 'ran', 'a') as file:
            file.write('x')
        if len((HERE / 'ran').read_text()) == 2:
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(1000)
        self.fail()
"""
NAME = 'test_it.TestIt.test_'


class TestRerun(runs.TestCase):
    def rows(self, done, section='Tests'):
        return {
            row['Item']: (row['Count'], row['Details'])
            for row in done.rows
            if row['Section'] == section
        }

    def test_flaky_and_failed(self):
        self.write('test_it.py', FLAKY)
        done = self.run_cli('--rerun-failures', '3', 'test_it', status=1)
        rows = self.rows(done)
        self.assertEqual((1, f'{NAME}flaky'), rows['flaky'])
        self.assertEqual((1, f'{NAME}bad'), rows['failed'])
        self.assertIn(
            f'flaky: {NAME}flaky failed, and passed after 2 reruns',
            done.stderr,
        )
        # The run itself has seen it fail.
        self.assertEqual('fail', self.outcomes()[f'{NAME}flaky'])
        path = self.report / 'events-reruns.jsonl'
        found = {
            event['target']['name']: audit.details(event)
            for event in map(json.loads, path.read_text().splitlines())
        }
        for each in found.values():
            self.assertLessEqual(0, each.pop('seconds'))
        self.assertEqual(
            {
                f'{NAME}flaky': {
                    'statuses': ['fail', 'success'],
                    'flaky': True,
                    'violated': False,
                },
                f'{NAME}bad': {
                    'statuses': ['fail'] * 3,
                    'flaky': False,
                    'violated': False,
                },
            },
            found,
        )
        # Each in a process of its own.
        pids = [
            pid
            for name in ('pids', 'pids_of_bad')
            for pid in (self.home / name).read_text().split()
        ]
        self.assertEqual(7, len(pids))
        self.assertEqual(6, len(set(pids)))
        code, stdout, _ = self.command(
            'report', '-f', 'json', str(self.report)
        )
        self.assertEqual((1, done.rows), (code, json.loads(stdout)))

    def test_flaky_alone(self):
        self.write('test_it.py', FLAKY.replace('never', 'no').replace(
            "self.fail('no')", 'pass'
        ))  # fmt: skip
        done = self.run_cli('--rerun-failures', '2', 'test_it')
        self.assertEqual(1, self.rows(done)['flaky'][0])
        code, _, _ = self.command('report', str(self.report))
        self.assertEqual(0, code)
        # It is what failed last time.
        with self.in_home():
            done = self.run_cli('--failing', report='next')
        self.assertEqual(1, self.rows(done)['passed'][0])

    def test_violation(self):
        self.write('test_it.py', VIOLATES.format(number=1))
        done = self.run_cli('--rerun-failures', '2', 'test_it', status=2)
        self.assertIn(
            'not run again: 1 of 1 failure; a rerun excuses no violation',
            done.stderr,
        )
        self.assertEqual('x', (self.home / 'ran').read_text())
        self.assertNotIn('flaky', self.rows(done))

    def test_violation_in_a_rerun(self):
        self.write('test_it.py', VIOLATES.format(number=2))
        done = self.run_cli('--rerun-failures', '2', 'test_it', status=2)
        self.assertEqual('xx', (self.home / 'ran').read_text())
        self.assertNotIn('flaky', self.rows(done))
        code, _, _ = self.command('report', str(self.report))
        self.assertEqual(2, code)

    def test_interrupted(self):
        self.write('test_it.py', INTERRUPTS)
        done = self.run_cli(
            '--rerun-failures', '2', '--paired', '1', 'test_it', status=1
        )
        self.assertEqual('xx', (self.home / 'ran').read_text())
        self.assertNotIn('with and without speed-up', done.stderr)
        self.assertFalse((self.report / 'paired-with').exists())

    def test_with_fail_fast(self):
        done = self.run_cli(
            '--rerun-failures', '1', '--fail-fast', 'x', status=3
        )
        self.assertIn('not allowed with argument', done.stderr)


class TestFailing(runs.TestCase):
    MODULE = """
    class TestA(testtools.TestCase):
        def test_1(self):
            self.assertTrue((HERE / 'mended').exists())

        def test_2(self):
            pass

    class TestB(unittest.TestCase):
        @classmethod
        def tearDownClass(cls):
            assert (HERE / 'mended').exists()

        def test(self):
            pass
    """

    def test_until_nothing_fails(self):
        self.write('test_it.py', self.MODULE)
        self.write('test_bad.py', 'raise ValueError()')
        self.run_cli('test_it', 'test_bad', status=1, report='1')
        (self.home / 'mended').touch()
        self.write('test_bad.py', runs.PLAIN)
        done = self.run_cli('--failing')
        self.assertIn('3 tests failed last time, in 1', done.stderr)
        self.assertEqual(
            [
                'test_bad.TestPlain.test_one',
                'test_bad.TestPlain.test_two',
                'test_it.TestA.test_1',
                'test_it.TestB.test',
            ],
            sorted(self.outcomes()),
        )
        done = self.run_cli('--failing', 'report', report='3')
        self.assertIn('nothing to run: no test failed in report', done.stderr)
        self.assertIsNone(done.rows)
        done = self.run_cli('test_it.TestB', '--failing', '1', report='3')
        self.assertEqual(1, done.stderr.count('1/1 done'))

    def test_that_are_gone_or_not_named(self):
        self.write('test_it.py', self.MODULE)
        self.run_cli('test_it', status=1, report='1')
        done = self.run_cli('test_it.TestA.test_2', '--failing', report='2')
        self.assertIn(
            '2 tests that failed last time are not among those named',
            done.stderr,
        )
        self.write('test_it.py', self.MODULE.replace('TestB', 'TestC'))
        (self.home / 'mended').touch()
        done = self.run_cli('--failing', '1', report='2')
        self.assertIn(
            'warning: 1 test that failed last time are not there any more:\n'
            '  test_it.TestB\n',
            done.stderr,
        )

    def test_no_results(self):
        for arguments, said in (
            (('--failing',), 'has no results of an earlier run'),
            (('--failing', 'test_it'), "there is no directory 'test_it'"),
            (('--failing', '.'), '. has no results: no .stestr'),
            (('--failing', '--load-list', 'x'), 'not allowed with argument'),
        ):
            with self.subTest(arguments=arguments):
                done = self.run_cli(*arguments, status=3)
                self.assertIn(said, done.stderr)


class TestShard(runs.TestCase):
    def test_parts(self):
        self.write('test_it.py', FLAKY)
        self.write('test_plain.py', runs.PLAIN)
        self.run_cli('test_it', 'test_plain', status=1, report='0')
        found, statuses = [], set()
        for number in (1, 2):
            done = self.run_cli(
                '--shard', f'{number}/2', '--timings', '0',
                'test_it', 'test_plain',
                report=str(number), status=None,
            )  # fmt: skip
            # Which one has the test that fails depends on the timings.
            statuses.add(done.status)
            self.assertRegex(
                done.stderr, rf'shard {number}/2: \d of 5 tests, about \d'
            )
            self.report = self.home / str(number)
            found += self.outcomes()
        self.assertEqual({0, 1}, statuses)
        self.assertEqual(5, len(set(found)))
        self.assertEqual(5, len(found))

    def test_empty(self):
        self.write('test_it.py', runs.PLAIN)
        done = self.run_cli('--shard', '2/2', 'test_it')
        self.assertIn('nothing to run: shard 2/2: 0 of 2 tests', done.stderr)
        self.assertFalse(self.report.exists())

    def test_that_makes_no_sense(self):
        for value in ('0/2', '3/2', '1', '1/0', 'x/2', '1/2/3', ''):
            with self.subTest(value=value):
                done = self.run_cli('--shard', value, 'x', status=3)
                self.assertIn('such as 1/3', done.stderr)
