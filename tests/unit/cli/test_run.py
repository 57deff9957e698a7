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

"""``safe-fixtures run``, on modules of tests that are written for it."""

import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import textwrap
import time

import fixtures
from stestr.repository import file as repository
import testtools

from safe_fixtures import audit
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import packets as runner_packets
from safe_fixtures.cli.runner import progress as runner_progress
from safe_fixtures.cli.runner import supervisor
from safe_fixtures import summary
from tests.support import base

# How long to wait for what another process is about to do, in seconds.
PATIENCE = 120

HEADER = """\
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

import testtools

from safe_fixtures import audit

HERE = pathlib.Path(__file__).parent
"""

PLAIN = """
class TestPlain(testtools.TestCase):
    def test_one(self):
        print('said on stdout')

    def test_two(self):
        pass
"""


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.report = self.home / 'report'

    def write(self, name, source):
        """Write a module of tests."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + textwrap.dedent(source))

    def command(self, *arguments):
        return [
            sys.executable, '-m', 'safe_fixtures.cli.main', 'run', '-f',
            'json', '--concurrency', '2', *arguments,
        ]  # fmt: skip

    def run_cli(self, *arguments, status=0, report='report'):
        """Run the command; returns it, with the rows of the summary."""
        done = subprocess.run(
            self.command(
                *(['--report', report] if report else []), *arguments
            ),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual(status, done.returncode, done.stderr + done.stdout)
        done.rows = json.loads(done.stdout) if done.stdout else None
        return done

    def start_cli(self, *arguments):
        """Start the command; it is not waited for."""
        process = subprocess.Popen(
            self.command('--report', 'report', *arguments),
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def wait_for(self, name):
        """Wait for a file; returns what is in it."""
        path = self.home / name
        end = time.monotonic() + PATIENCE
        while not (path.exists() and path.read_text()):
            self.assertLess(time.monotonic(), end, f'no {name}')
            time.sleep(0.05)
        return path.read_text()

    def events(self, action):
        path = self.report / 'events-run.jsonl'
        events = [json.loads(line) for line in path.read_text().splitlines()]
        return [event for event in events if event['action'] == action]

    def outcomes(self):
        """Return the status of each test, by its id."""
        found = {}
        for event in self.events('evaluate/outcome'):
            name = event['target']['name']
            self.assertNotIn(name, found)
            found[name] = audit.details(event)['status']
        return found

    def assertGone(self, process):
        """Assert that a process has ended; nobody may have reaped it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                stat = pathlib.Path(f'/proc/{process}/stat').read_text()
            except (FileNotFoundError, ProcessLookupError):
                return
            if stat.rpartition(')')[2].split()[0] == 'Z':
                return
            time.sleep(0.05)
        self.fail(f'process {process} is still there')


class TestOutcomes(TestCase):
    def test_clean(self):
        self.write(
            'test_plain.py',
            PLAIN
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
            ('audit', 4, 1),
            (said['mode'], said['tests'], said['concurrency']),
        )
        [ended] = self.events('monitor/run')
        self.assertFalse(audit.details(ended)['interrupted'])

    def test_failures(self):
        self.write(
            'test_plain.py',
            PLAIN
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
        for text in (done.stderr, failures):
            self.assertIn('AssertionError: said by the test', text)
            self.assertIn("KeyError: 'said by the error'", text)
            self.assertIn('AssertionError: said by the clean-up', text)
            self.assertIn('AssertionError: said by the old clean-up', text)
            self.assertIn(f'uxsuccess: {name}unexpected', text)

    def test_only_some_failures_are_printed(self):
        self.write(
            'test_many.py',
            """
            class TestMany(testtools.TestCase):
                pass

            for number in range(12):
                setattr(TestMany, f'test_{number}',
                        lambda self, n=number: self.fail(f'number {n:02}'))
            """,
        )
        done = self.run_cli('test_many', status=1)
        self.assertEqual(10, done.stderr.count('AssertionError: number'))
        self.assertIn('... and 2 more', done.stderr)
        failures = (self.report / 'failures.txt').read_text()
        self.assertEqual(12, failures.count('AssertionError: number'))

    def test_long_line(self):
        self.write(
            'test_long.py',
            """
            class TestLong(testtools.TestCase):
                def test(self):
                    self.fail('x' * 100_000)
            """,
        )
        done = self.run_cli('test_long', status=1)
        self.assertIn('AssertionError: xxx', done.stderr)
        self.assertLess(max(map(len, done.stderr.splitlines())), 2000)
        failures = (self.report / 'failures.txt').read_text()
        self.assertIn('x' * 100_000, failures)

    def test_stestr_reads_the_run(self):
        self.write(
            'test_plain.py',
            PLAIN + '    def test_three(self):\n        os._exit(1)\n',
        )
        self.run_cli('test_plain', status=1)
        store = repository.RepositoryFactory().open(str(self.report))
        self.assertEqual(
            {
                f'test_plain.TestPlain.test_{n}'
                for n in ('one', 'two', 'three')
            },
            set(store.get_test_ids(store.latest_id())),
        )
        [(test_id, text)] = problems_of(store.get_failing()).items()
        self.assertEqual('test_plain.TestPlain.test_three', test_id)
        self.assertIn('exit code 1', text)

    def test_large_detail(self):
        self.write(
            'test_large.py',
            """
            from testtools import content

            class TestLarge(testtools.TestCase):
                def test(self):
                    self.addDetail(
                        'log', content.text_content('x' * 9_000_000)
                    )
                    self.fail('too much')
            """,
        )
        self.run_cli('test_large', status=1)
        self.assertEqual(
            {'test_large.TestLarge.test': 'fail'}, self.outcomes()
        )
        store = repository.RepositoryFactory().open(str(self.report))
        [text] = problems_of(store.get_latest_run()).values()
        self.assertIn('AssertionError: too much', text)

    def test_id_of_two_lines(self):
        self.write(
            'test_lines.py',
            """
            class TestLines(testtools.TestCase):
                pass

            setattr(TestLines, 'test_a\\nb', lambda self: self.fail('said'))
            """,
        )
        done = self.run_cli('test_lines', status=1)
        self.assertEqual(
            {'test_lines.TestLines.test_a\nb': 'fail'}, self.outcomes()
        )
        self.assertIn(['Tests', 'failed', 1], [
            [row['Section'], row['Item'], row['Count']] for row in done.rows
        ])  # fmt: skip

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


def problems_of(run):
    """Return the tests that failed in a run of a stestr repository."""
    result = testtools.TestResult()
    decorated = testtools.StreamToExtendedDecorator(result)
    decorated.startTestRun()
    run.get_test().run(decorated)
    decorated.stopTestRun()
    return {test.id(): text for test, text in result.errors + result.failures}


class TestRules(TestCase):
    MODULE = """
    class TestRule(testtools.TestCase):
        def test(self):
            with audit.AuditTrail(self.id()) as trail:
                trail.record(
                    '{action}', 'image', code='SF301', **{more}
                )
    """

    def check(self, status, count, action='deny', **more):
        self.write(
            'test_rule.py', self.MODULE.format(action=action, more=more)
        )
        done = self.run_cli('--mode', 'default', 'test_rule', status=status)
        self.assertIn(f'1/1 done, 0 failed, {count} violations', done.stderr)

    def test_enforced(self):
        self.check(2, 1)

    def test_recorded(self):
        self.check(0, 1, action='evaluate/violation')

    def test_waived(self):
        self.check(0, 0, waived='a reason')

    def test_expected(self):
        self.check(0, 0, expected=True)

    def test_before_failures(self):
        self.write(
            'test_rule.py',
            self.MODULE.format(action='deny', more={})
            + '            self.fail()',
        )
        self.run_cli('test_rule', status=2)

    def test_configuration_of_the_workers(self):
        self.write(
            'test_options.py',
            """
            class TestOptions(testtools.TestCase):
                def test(self):
                    options = {
                        name.removeprefix('OS_SAFE_FIXTURES__'): value
                        for name, value in os.environ.items()
                        if name.startswith('OS_SAFE_FIXTURES__')
                    }
                    self.assertEqual(
                        {
                            'MODE': 'enforce',
                            'AUDIT_FILE': str(
                                HERE / 'report/events-worker-0-0.jsonl'
                            ),
                            'WAIVERS_FILE': str(HERE / 'safe-fixtures.toml'),
                        },
                        options,
                    )
            """,
        )
        waivers = self.home / 'safe-fixtures.toml'
        waivers.write_text(
            '[[waiver]]\nrule = "SF203"\ntests = "x.*"\nreason = "so"\n'
        )
        self.run_cli('--mode', 'enforce', 'test_options')
        [waiver] = self.events('configure/waiver')
        self.assertEqual('x.*', waiver['target']['name'])
        self.assertEqual('SF203', waiver['reason']['reasonCode'])
        self.assertEqual({'reason': 'so'}, audit.details(waiver))
        [configured] = self.events('configure/run')
        self.assertEqual('enforce', audit.details(configured)['mode'])

    def test_initiator_of_a_worker(self):
        self.write(
            'test_worker.py',
            """
            class TestWorker(testtools.TestCase):
                def test(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('enable', 'host1')
                        if not os.fork():
                            trail.record('enable', 'host2')
                            os._exit(0)
                        os.wait()
            """,
        )
        done = self.run_cli('test_worker')
        # One that it has forked has a file of its own.
        found = [
            [event['initiator'] for event in summary.read([str(path)])]
            for path in self.report.glob('events-worker-0-0*')
        ]
        self.assertEqual(2, len(found))
        for initiators in found:
            self.assertEqual({'worker-0'}, {i['domain'] for i in initiators})
            self.assertEqual(1, len({str(i['host']) for i in initiators}))
            self.assertIn(
                'test_worker.TestWorker.test', [i['name'] for i in initiators]
            )
        self.assertNotEqual(found[0][0]['host'], found[1][0]['host'])
        self.assertNotIn('missing', [row['Item'] for row in done.rows])

    def test_alerts(self):
        self.write(
            'test_alert.py',
            """
            class TestAlert(testtools.TestCase):
                def test(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('disable', 'host1', before='enabled',
                                     after='disabled', by='PUT /x')
            """,
        )
        done = self.run_cli('--alert', 'undeclared_toggles=1', 'test_alert')
        self.assertEqual(
            [
                ('service left disabled', 'in test_alert.TestAlert.test'),
                (
                    'toggle outside a declared block',
                    'in test_alert.TestAlert.test',
                ),
            ],
            [
                (row['Item'], row['Details'].rpartition('; ')[2])
                for row in done.rows
                if row['Section'] == 'Alerts'
            ],
        )

    def test_record_that_a_test_spoils(self):
        self.write(
            'test_spoils.py',
            """
            class TestSpoils(testtools.TestCase):
                def test(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('enable', 'host1')
                    os.unlink(HERE / 'report/events-run.jsonl')
            """,
        )
        done = self.run_cli('test_spoils', status=1)
        self.assertIn('is incomplete', done.stderr)
        self.assertIn('ENOENT', done.stderr)
        self.assertIn('Tests', str(done.rows))

    def test_record_that_a_test_takes_away(self):
        self.write(
            'test_spoils.py',
            """
            class TestSpoils(testtools.TestCase):
                def test(self):
                    os.unlink(HERE / 'report/events-run.jsonl')
            """,
        )
        done = self.run_cli('test_spoils', status=3)
        self.assertIn('is incomplete', done.stderr)
        self.assertIn('has no events-*.jsonl', done.stderr)

    def test_waivers_that_make_no_sense(self):
        self.write('test_plain.py', PLAIN)
        (self.home / 'mine.toml').write_text('[[waiver]]\nrule = "SF999"\n')
        done = self.run_cli('--waivers', 'mine.toml', 'test_plain', status=3)
        self.assertIn('mine.toml', done.stderr)
        self.assertFalse(self.report.exists())


class TestDeaths(TestCase):
    def test_in_a_test(self):
        self.write(
            'test_dies.py',
            """
            class TestDies(testtools.TestCase):
                def test_1(self):
                    pass

                def test_2_exits(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('disable', 'host1')
                    print('its last words', flush=True)
                    os._exit(7)

                def test_3(self):
                    pass

                def test_4_is_killed(self):
                    os.kill(os.getpid(), signal.SIGKILL)

                def test_5(self):
                    pass

            class TestOther(testtools.TestCase):
                def test(self):
                    pass
            """,
        )
        done = self.run_cli('test_dies', status=1)
        name = 'test_dies.TestDies.test_'
        self.assertEqual(
            {
                f'{name}1': 'success',
                f'{name}2_exits': 'died',
                f'{name}3': 'success',
                f'{name}4_is_killed': 'died',
                f'{name}5': 'success',
                'test_dies.TestOther.test': 'success',
            },
            self.outcomes(),
        )
        self.assertIn(f'died: {name}2_exits', done.stderr)
        self.assertIn('exit code 7', done.stderr)
        self.assertIn('its last words', done.stderr)
        self.assertIn('signal SIGKILL', done.stderr)
        # What it had recorded is still read.
        self.assertIn(['Services', 'toggled', 1], [
            [row['Section'], row['Item'], row['Count']] for row in done.rows
        ])  # fmt: skip

    def test_by_a_signal_without_a_name(self):
        self.write(
            'test_dies.py',
            """
            class TestDies(testtools.TestCase):
                def test_1(self):
                    os.kill(os.getpid(), signal.SIGRTMIN + 5)

                def test_2(self):
                    pass
            """,
        )
        done = self.run_cli('test_dies', status=1)
        name = 'test_dies.TestDies.test_'
        self.assertEqual(
            {f'{name}1': 'died', f'{name}2': 'success'}, self.outcomes()
        )
        self.assertIn(f'signal {signal.SIGRTMIN + 5}', done.stderr)

    def test_in_no_test(self):
        self.write(
            'test_between.py',
            """
            class TestBetween(testtools.TestCase):
                def test_1(self):
                    pass

                def test_2(self):
                    pass

            class Dying(unittest.TestSuite):
                def run(self, result, debug=False):
                    for number, test in enumerate(self):
                        if number and not (HERE / 'died').exists():
                            (HERE / 'died').touch()
                            os._exit(9)
                        test(result)
                    return result

            def load_tests(loader, tests, pattern):
                return Dying(
                    loader.loadTestsFromTestCase(TestBetween)
                )
            """,
        )
        done = self.run_cli('test_between')
        self.assertEqual(['success'] * 2, list(self.outcomes().values()))
        self.assertIn(
            'warning: worker 0 ended with exit code 9, after '
            'test_between.TestBetween.test_1',
            done.stderr,
        )

    def test_while_a_module_is_imported(self):
        self.write('test_plain.py', PLAIN)
        self.write(
            'test_import.py',
            PLAIN
            + """
if '--tasks' in sys.argv:
    with open(HERE / 'imported', 'a') as file:
        file.write('x')
    os._exit(5)
""",
        )
        done = self.run_cli('test_import', 'test_plain', status=1)
        self.assertEqual(
            {
                'test_import.TestPlain.test_one': 'lost',
                'test_import.TestPlain.test_two': 'lost',
                'test_plain.TestPlain.test_one': 'success',
                'test_plain.TestPlain.test_two': 'success',
            },
            self.outcomes(),
        )
        self.assertIn('exit code 5', done.stderr)
        self.assertEqual('xx', (self.home / 'imported').read_text())

    def test_of_every_worker_at_its_start(self):
        self.write('test_plain.py', PLAIN)
        self.write('test_other.py', PLAIN)
        (self.home / 'sitecustomize.py').write_text(
            'import os, sys\n'
            'if "--tasks" in sys.orig_argv:\n'
            '    print("not today", file=sys.stderr, flush=True)\n'
            '    with open("started", "a") as file:\n'
            '        file.write("x")\n'
            '    os._exit(4)\n'
        )
        self.useFixture(
            fixtures.EnvironmentVariable(
                'PYTHONPATH',
                os.pathsep.join(
                    filter(
                        None, [str(self.home), os.environ.get('PYTHONPATH')]
                    )
                ),
            )
        )
        done = self.run_cli('test_plain', 'test_other', status=1)
        self.assertEqual(['lost'] * 4, list(self.outcomes().values()))
        self.assertIn('not today', done.stderr)
        self.assertEqual('xxxx', (self.home / 'started').read_text())

    def test_module_that_fails_in_the_worker_only(self):
        self.write(
            'test_import.py',
            PLAIN + "if '--tasks' in sys.argv:\n    raise ValueError('no')\n",
        )
        done = self.run_cli('test_import', status=1)
        self.assertEqual(['lost'] * 2, list(self.outcomes().values()))
        self.assertIn('ValueError: no', done.stderr)


class TestHangs(TestCase):
    def test_in_a_test(self):
        self.write(
            'test_hangs.py',
            """
            def wait_for_ever():
                lock = threading.Lock()
                lock.acquire()
                child = subprocess.Popen(['sleep', '1000'])
                (HERE / 'child').write_text(str(child.pid))
                lock.acquire()

            class TestHangs(testtools.TestCase):
                def test_1(self):
                    pass

                def test_2_hangs(self):
                    wait_for_ever()

                def test_3(self):
                    pass
            """,
        )
        done = self.run_cli('--test-timeout', '3', 'test_hangs', status=1)
        name = 'test_hangs.TestHangs.test_'
        self.assertEqual(
            {
                f'{name}1': 'success',
                f'{name}2_hangs': 'timeout',
                f'{name}3': 'success',
            },
            self.outcomes(),
        )
        [stacks] = self.report.glob('stacks-*.txt')
        for text in (stacks.read_text(), done.stderr):
            self.assertIn('in wait_for_ever', text)
            self.assertIn('in test_2_hangs', text)
        self.assertIn('more than 3 s', done.stderr)
        self.assertGone((self.home / 'child').read_text())

    def test_in_no_test(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.cli.runner.discovery.IMPORT_LIMIT', 3
            )
        )
        self.write('test_plain.py', PLAIN)
        self.write(
            'test_slow.py',
            PLAIN
            + """
def import_for_ever():
    time.sleep(1000)

if '--tasks' in sys.argv:
    import_for_ever()
""",
        )
        report = self.run_here(
            ['test_slow', 'test_plain'], test_timeout=0.5, concurrency=1
        )
        self.assertEqual(
            {
                'test_slow.TestPlain.test_one': 'lost',
                'test_slow.TestPlain.test_two': 'lost',
                'test_plain.TestPlain.test_one': 'success',
                'test_plain.TestPlain.test_two': 'success',
            },
            {name: each.status for name, each in report.outcomes.items()},
        )
        self.assertIn('in import_for_ever', report.failures[0].text)

    def test_while_looking_for_tests(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.cli.runner.discovery.IMPORT_LIMIT', 3
            )
        )
        self.write('test_slow.py', 'def wait():\n    time.sleep(1000)\nwait()')
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.home)
        error = self.assertRaises(
            discovery.Unusable, discovery.find, ['test_slow'], harden=False
        )
        self.assertIn('loading test_slow\n', str(error))
        self.assertIn('in wait', str(error))

    def run_here(self, arguments, **options):
        self.useFixture(
            fixtures.EnvironmentVariable('PYTHONDONTWRITEBYTECODE')
        )
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.home)
        self.report.mkdir()
        tests = discovery.find(arguments, harden=False)
        return supervisor.run(tests, str(self.report), harden=False, **options)


class TestInterrupts(TestCase):
    MODULE = """
    class TestStuck(testtools.TestCase):
        def test_1_stuck(self):
            child = subprocess.Popen(['sleep', '1000'])
            self.addCleanup((HERE / 'cleaned').write_text, 'up')
            with audit.AuditTrail(self.id()) as trail:
                trail.record('disable', 'host1')
            (HERE / 'child').write_text(str(child.pid))
            (HERE / 'worker').write_text(str(os.getpid()))
            {wait}

        def test_2(self):
            pass
    """
    LOCK = 'lock = threading.Lock(); lock.acquire(); lock.acquire()'
    STUCK = 'test_stuck.TestStuck.test_1_stuck'

    def check(self, number, wait):
        self.write('test_stuck.py', self.MODULE.format(wait=wait))
        process = self.start_cli('test_stuck')
        worker = self.wait_for('worker')
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        self.assertEqual(1, process.returncode, stderr)
        self.assertEqual('up', (self.home / 'cleaned').read_text())
        self.assertIn('1 of 2 tests were run', stderr)
        rows = json.loads(stdout)
        self.assertIn(['Services', 'toggled', 1], [
            [row['Section'], row['Item'], row['Count']] for row in rows
        ])  # fmt: skip
        self.assertEqual({self.STUCK: 'fail'}, self.outcomes())
        [ended] = self.events('monitor/run')
        self.assertTrue(audit.details(ended)['interrupted'])
        self.assertGone(worker)
        self.assertGone(self.wait_for('child'))

    def test_of_a_sleep(self):
        self.check(signal.SIGINT, 'time.sleep(1000)')

    def test_of_a_lock(self):
        self.check(signal.SIGINT, self.LOCK)

    def test_by_sigterm(self):
        self.check(signal.SIGTERM, self.LOCK)

    def test_by_sighup(self):
        # Ignored, if these tests are run under nohup.
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        self.check(signal.SIGHUP, self.LOCK)

    def test_sighup_under_nohup(self):
        self.write(
            'test_short.py',
            """
            class TestShort(testtools.TestCase):
                def test(self):
                    (HERE / 'worker').write_text(str(os.getpid()))
                    while not (HERE / 'go').exists():
                        time.sleep(0.05)
            """,
        )
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        process = self.start_cli('test_short')
        self.wait_for('worker')
        process.send_signal(signal.SIGHUP)
        (self.home / 'go').touch()
        _, stderr = process.communicate(timeout=PATIENCE)
        self.assertEqual(0, process.returncode, stderr)
        self.assertEqual(
            {'test_short.TestShort.test': 'success'}, self.outcomes()
        )

    def test_twice(self):
        self.write(
            'test_stuck.py',
            """
            class TestStuck(testtools.TestCase):
                def test_1_stuck(self):
                    (HERE / 'worker').write_text(str(os.getpid()))
                    self.addCleanup(time.sleep, 1000)
                    self.addCleanup((HERE / 'cleaning').write_text, 'up')
                    time.sleep(1000)
            """,
        )
        process = self.start_cli('test_stuck')
        worker = self.wait_for('worker')
        process.send_signal(signal.SIGINT)
        self.wait_for('cleaning')
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE)
        self.assertEqual(1, process.returncode, stderr)
        self.assertEqual({self.STUCK: 'died'}, self.outcomes())
        self.assertIn('before it had cleaned up', stderr)
        self.assertGone(worker)

    def test_while_looking_for_tests(self):
        self.write(
            'test_slow.py',
            "(HERE / 'lister').write_text(str(os.getpid()))\n"
            'time.sleep(1000)\n',
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start_cli('test_slow')
            lister = self.wait_for('lister')
            process.send_signal(number)
            _, stderr = process.communicate(timeout=PATIENCE)
            self.assertEqual(1, process.returncode, stderr)
            self.assertIn('interrupted', stderr)
            self.assertGone(lister)
            self.assertFalse(self.report.exists())
            (self.home / 'lister').unlink()

    def test_parent_that_is_killed(self):
        """In the worst of times: nothing else can be run in the worker."""
        self.write(
            'test_orphan.py',
            """
            import ctypes

            class TestOrphan(testtools.TestCase):
                def test(self):
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    os.killpg(0, signal.SIGTERM)
                    child = subprocess.Popen(['sleep', '1000'])
                    (HERE / 'child').write_text(str(child.pid))
                    (HERE / 'worker').write_text(str(os.getpid()))
                    # It keeps the lock of the interpreter.
                    ctypes.PyDLL(None).sleep(1000)
            """,
        )
        process = self.start_cli('test_orphan')
        worker = self.wait_for('worker')
        process.kill()
        process.wait()
        self.assertGone(worker)
        self.assertGone(self.wait_for('child'))

    def test_nothing_else_is_a_child_of_a_worker(self):
        self.write(
            'test_wait.py',
            """
            class TestWait(testtools.TestCase):
                def test(self):
                    self.assertRaises(ChildProcessError, os.wait)
            """,
        )
        self.run_cli('test_wait')


class TestSelection(TestCase):
    SCENARIOS = """
    class TestScenarios(testtools.TestCase):
        def test(self):
            pass

    def load_tests(loader, tests, pattern):
        return unittest.TestSuite(
            testtools.clone_test_with_new_id(test, f'{test.id()}({name})')
            for test in testtools.iterate_tests(tests)
            for name in ('a.b', 'c')
        )
    """

    def ids(self):
        return sorted(self.outcomes())

    def setUp(self):
        super().setUp()
        self.write('test_plain.py', PLAIN)

    def test_duplicates(self):
        self.write(
            'test_counts.py',
            """
            class TestCounts(testtools.TestCase):
                def test(self):
                    with open(HERE / 'count', 'a') as file:
                        file.write('x')
            """,
        )
        self.write('test_again.py', 'from test_counts import TestCounts\n')
        self.run_cli(
            'test_counts', 'test_counts.TestCounts', 'test_again',
            'test_counts.TestCounts.test', './test_counts.py',
        )  # fmt: skip
        self.assertEqual(['test_counts.TestCounts.test'], self.ids())
        self.assertEqual('x', (self.home / 'count').read_text())

    def test_class_of_another_module(self):
        self.write('test_again.py', 'from test_plain import TestPlain\n')
        self.run_cli('test_again.TestPlain.test_one')
        self.assertEqual(['test_plain.TestPlain.test_one'], self.ids())

    def test_scenarios(self):
        self.write('test_scenarios.py', self.SCENARIOS)
        self.run_cli('test_scenarios.TestScenarios')
        name = 'test_scenarios.TestScenarios.test'
        self.assertEqual([f'{name}(a.b)', f'{name}(c)'], self.ids())

    def test_scenarios_that_a_test_multiplies_itself_by(self):
        self.write(
            'test_own.py',
            """
            import testscenarios

            class TestOwn(testscenarios.WithScenarios, testtools.TestCase):
                scenarios = [('a', {'value': 1}), ('b', {'value': 2})]

                def test(self):
                    self.assertIn(self.value, (1, 2))

                def test_other(self):
                    self.assertEqual(1, self.value)
            """,
        )
        self.run_cli('test_own', status=1)
        name = 'test_own.TestOwn.test'
        self.assertEqual(
            [
                f'{name}(a)',
                f'{name}(b)',
                f'{name}_other(a)',
                f'{name}_other(b)',
            ],
            self.ids(),
        )
        self.assertEqual('fail', self.outcomes()[f'{name}_other(b)'])

    def test_one_scenario(self):
        self.write('test_scenarios.py', self.SCENARIOS)
        self.run_cli('test_scenarios.TestScenarios.test(a.b)')
        self.assertEqual(
            ['test_scenarios.TestScenarios.test(a.b)'], self.ids()
        )

    def test_generated_methods(self):
        self.write(
            'test_data.py',
            """
            class TestData(testtools.TestCase):
                def test_other(self):
                    pass

            for number in (1, 2):
                setattr(TestData, f'test_it_{number}_x', lambda self: None)
            """,
        )
        self.run_cli('test_data.TestData.test_it')
        name = 'test_data.TestData.test_it'
        self.assertEqual([f'{name}_1_x', f'{name}_2_x'], self.ids())

    def test_load_list(self):
        self.write('test_scenarios.py', self.SCENARIOS)
        wanted = [
            'test_plain.TestPlain.test_two',
            'test_scenarios.TestScenarios.test(a.b)',
        ]
        (self.home / 'list').write_text(
            '\n'.join(['', *wanted, '', wanted[0], ''])
        )
        self.run_cli('--load-list', 'list')
        self.assertEqual(wanted, self.ids())

    def test_load_list_of_another_system(self):
        (self.home / 'list').write_bytes(
            b'\xef\xbb\xbftest_plain.TestPlain.test_two\r\n\r\n'
        )
        self.run_cli('--load-list', 'list')
        self.assertEqual(['test_plain.TestPlain.test_two'], self.ids())

    def test_load_list_of_arguments(self):
        (self.home / 'list').write_text('test_plain.TestPlain.test_two\n')
        self.run_cli('--load-list', 'list', 'test_plain')
        self.assertEqual(['test_plain.TestPlain.test_two'], self.ids())

    def test_load_list_with_what_is_not_there(self):
        missing = [
            'test_plain.TestPlain.test_three',
            'nowhere.TestPlain.test_one',
            'test_plain.TestPlain.test_one(scenario)',
        ]
        (self.home / 'list').write_text(
            '\n'.join(['test_plain.TestPlain.test_one', *missing])
        )
        done = self.run_cli('--load-list', 'list', status=3)
        for test_id in missing:
            self.assertIn(f'  {test_id}\n', done.stderr)
        self.assertNotIn('  test_plain.TestPlain.test_one\n', done.stderr)
        self.assertFalse(self.report.exists())
        done = self.run_cli('--load-list', 'nowhere', status=3)
        self.assertIn('--load-list', done.stderr)

    def test_exclude(self):
        self.run_cli('--exclude', r'test_t\w+$', 'test_plain')
        self.assertEqual(['test_plain.TestPlain.test_one'], self.ids())

    def test_exclude_that_is_no_expression(self):
        self.run_cli('--exclude', '(', 'test_plain', status=3)

    def package(self):
        self.write('suite/__init__.py', '')
        self.write('suite/test_a.py', PLAIN)
        self.write('suite/helper.py', PLAIN)
        self.write('suite/inner/__init__.py', '')
        self.write('suite/inner/test_b.py', PLAIN)
        self.write('suite/data/test_c.py', PLAIN)
        self.expected = [
            f'suite.{module}.TestPlain.test_{name}'
            for module in ('inner.test_b', 'test_a')
            for name in ('one', 'two')
        ]

    def test_package(self):
        self.package()
        self.run_cli('suite')
        self.assertEqual(self.expected, self.ids())

    def test_paths(self):
        self.package()
        self.run_cli('suite/', 'suite/test_a.py')
        self.assertEqual(self.expected, self.ids())

    def test_this_directory(self):
        self.package()
        self.run_cli('.')
        self.assertEqual(
            sorted(
                self.expected
                + [f'test_plain.TestPlain.test_{n}' for n in ('one', 'two')]
            ),
            self.ids(),
        )

    def test_directory_that_is_no_package(self):
        self.write('loose/test_d.py', PLAIN)
        self.run_cli('loose/')
        self.assertEqual(
            [f'loose.test_d.TestPlain.test_{n}' for n in ('one', 'two')],
            self.ids(),
        )

    def test_package_that_loads_itself(self):
        self.package()
        self.write(
            'suite/__init__.py',
            """
            def load_tests(loader, tests, pattern):
                return unittest.TestSuite(
                    testtools.clone_test_with_new_id(
                        test, f'{test.id()}(here)'
                    )
                    for test in testtools.iterate_tests(
                        loader.loadTestsFromName('suite.test_a')
                    )
                )
            """,
        )
        self.run_cli('suite')
        self.assertEqual(
            [f'suite.test_a.TestPlain.test_{n}(here)' for n in ('one', 'two')],
            self.ids(),
        )

    def test_module_that_is_skipped(self):
        self.write('test_no.py', 'raise unittest.SkipTest("not here")\n')
        self.run_cli('test_no')
        self.assertEqual({'test_no': 'skip'}, self.outcomes())

    def test_module_that_cannot_be_imported(self):
        self.write('test_bad.py', 'import nowhere_at_all\n')
        for name in ('test_bad', 'test_bad.TestBad', './test_bad.py'):
            done = self.run_cli(name, status=3)
            self.assertIn('test_bad cannot be imported', done.stderr)
            self.assertIn("No module named 'nowhere_at_all'", done.stderr)
            self.assertFalse(self.report.exists())

    def test_package_that_cannot_be_imported(self):
        self.package()
        self.write('suite/__init__.py', 'import nowhere_at_all\n')
        for name in ('suite', 'suite.test_a', 'suite.inner.test_b.TestPlain'):
            done = self.run_cli(name, status=3)
            self.assertIn('suite cannot be imported', done.stderr)
            self.assertIn("No module named 'nowhere_at_all'", done.stderr)

    def test_module_that_cannot_be_imported_among_others(self):
        self.write('test_bad.py', 'sys.exit("said by the import")\n')
        done = self.run_cli('test_bad', 'test_plain', status=1)
        self.assertEqual(
            {
                'test_bad': 'fail',
                'test_plain.TestPlain.test_one': 'success',
                'test_plain.TestPlain.test_two': 'success',
            },
            self.outcomes(),
        )
        self.assertIn('said by the import', done.stderr)

    def test_module_that_ends_the_process(self):
        self.write('test_exits.py', 'os._exit(7)')
        done = self.run_cli('test_plain', 'test_exits', status=3)
        self.assertIn('exit code 7', done.stderr)
        self.assertIn('loading test_exits\n', done.stderr)
        self.assertFalse(self.report.exists())

    def test_numbers_that_are_none(self):
        for option in ('--concurrency', '--test-timeout'):
            for value in ('0', '-1', 'x', 'nan', ''):
                done = self.run_cli(option, value, 'test_plain', status=3)
                self.assertIn(f'{option}: must be a number', done.stderr)

    def test_names_of_nothing(self):
        for name, text in (
            ('nowhere', 'there is no module nowhere'),
            ('test_plain.TestNone', 'test_plain has no test TestNone'),
            ('test_plain.TestPlain.test_no', 'has no test TestPlain.test_no'),
            ('test_plain.TestPlain.id', 'has no test TestPlain.id'),
            ('./test_none.py', 'there is no such file'),
            ('../', 'not below the current directory'),
            ('a b', 'cannot be the name'),
        ):
            done = self.run_cli(name, 'test_plain', status=3)
            self.assertIn(text, done.stderr)
            self.assertIn(f'{name}: ', done.stderr)
            self.assertFalse(self.report.exists())

    def test_nothing_to_run(self):
        self.write('test_empty.py', '')
        self.assertIn('no test', self.run_cli('test_empty', status=3).stderr)
        self.assertIn('say what to run', self.run_cli(status=3).stderr)
        self.run_cli('--concurrency', '0', 'test_plain', status=3)
        self.run_cli('--test-timeout', 'nan', 'test_plain', status=3)
        self.assertFalse(self.report.exists())


class TestReport(TestCase):
    def setUp(self):
        super().setUp()
        self.write('test_plain.py', PLAIN)

    def test_is_never_overwritten(self):
        self.report.mkdir()
        kept = self.report / 'kept'
        kept.write_text('kept')
        done = self.run_cli('test_plain', status=3)
        self.assertIn('not empty', done.stderr)
        self.assertEqual([kept], list(self.report.iterdir()))
        done = self.run_cli('test_plain', status=3, report='report/kept')
        self.assertIn('no directory', done.stderr)

    def test_without_a_name(self):
        before = sorted(self.home.iterdir())
        self.run_cli('--report', '', 'test_plain', status=3, report=None)
        self.assertEqual(before, sorted(self.home.iterdir()))

    def test_any_name(self):
        self.report = self.home / 'a $report of 100%[x]'
        (self.home / 'safe$x.toml').write_text(
            '[[waiver]]\nrule = "SF203"\ntests = "x.*"\nreason = "so"\n'
        )
        self.run_cli(
            '--waivers', 'safe$x.toml', 'test_plain', report=self.report.name
        )
        self.assertEqual(2, len(self.outcomes()))
        [waiver] = self.events('configure/waiver')
        self.assertEqual('x.*', waiver['target']['name'])

    def test_is_nobody_else_s_business(self):
        self.write(
            'test_private.py',
            """
            class TestPrivate(testtools.TestCase):
                def test_1(self):
                    self.fail()

                def test_2(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('disable', 'host1')
                    time.sleep(1000)
            """,
        )
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.run_cli('--test-timeout', '1', 'test_private', status=1)
        self.assertEqual(0o700, self.report.stat().st_mode & 0o777)
        modes = {
            path.name: path.stat().st_mode & 0o777
            for path in self.report.iterdir()
        }
        self.assertEqual(0o700, modes.pop('.stestr'))
        self.assertEqual(
            {
                'events-run.jsonl',
                'events-worker-0-0.jsonl',
                'failures.txt',
                'stacks-worker-0-0.txt',
                'stream.subunit',
                'worker-0.log',
            },
            set(modes),
        )
        self.assertEqual({0o600}, set(modes.values()))

    def test_empty_directory(self):
        self.report.mkdir()
        self.run_cli('test_plain')

    def test_default(self):
        done = self.run_cli('test_plain', report=None)
        [path] = self.home.glob('safe-fixtures-report-*Z')
        self.assertIn(f'report: {path}', done.stderr)
        self.assertTrue((path / 'events-run.jsonl').exists())

    def test_stock(self):
        self.write(
            'test_stock.py',
            """
            class TestStock(testtools.TestCase):
                def test(self):
                    self.assertEqual(
                        [], [n for n in os.environ if 'SAFE_FIXTURES' in n]
                    )
                    self.assertEqual('here', os.environ['SAID'])
            """,
        )
        self.configure(mode='audit')
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.home)
        self.report.mkdir()
        tests = discovery.find(['test_stock'], harden=False)
        self.assertEqual([], tests.hardened)
        report = supervisor.run(
            tests, 'report', concurrency=1, harden=False,
            environment={'SAID': 'here'},
        )  # fmt: skip
        self.assertEqual([], report.failures)
        [configured] = self.events('configure/run')
        self.assertEqual('stock', audit.details(configured)['mode'])


class TestProgress(TestCase):
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
            PLAIN + '    def test_bad(self):\n        self.fail("bad")\n',
        )
        parent, child = pty.openpty()
        process = subprocess.Popen(
            self.command('test_plain'),
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            stderr=child,
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
        self.assertIn(b'fail: test_plain.TestPlain.test_bad', said)

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


class TestPackets(base.TestCase):
    def packet(self, text):
        class Stream:
            data = b''

            def write(self, data):
                self.data += bytes(data)
                return len(data)

            def read(self, size):
                return b''

            def flush(self):
                pass

        stream = Stream()
        runner_packets.Writer(stream).status(
            test_id='x', file_name='f', file_bytes=text
        )
        return stream.data

    def test_split(self):
        for size in (1, 50, 70, 20_000, 500_000):
            packet = self.packet(b'\xb3' * size)
            data = bytearray()
            for start in range(0, len(packet), 997):
                self.assertEqual([], list(runner_packets.split(data)))
                data += packet[start : start + 997]
            data += packet + b'noise' + packet[:-1]
            self.assertEqual(
                [packet, packet], list(runner_packets.split(data))
            )
            self.assertEqual(packet[:-1], data)

    def test_large(self):
        data = bytearray(self.packet(b'x' * 9_000_000))
        packets = list(runner_packets.split(data))
        self.assertEqual(9, len(packets))
        self.assertEqual(
            9_000_000, sum(each.count(b'x') for each in packets) - 9
        )
