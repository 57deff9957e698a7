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

"""Workers that die, and tests that hang."""

import os
import signal
import subprocess

import fixtures

from safe_fixtures import audit
from safe_fixtures.cli.runner import discovery
from tests.unit.cli import runs


class TestDeaths(runs.TestCase):
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
        self.write('test_plain.py', runs.PLAIN)
        self.write(
            'test_import.py',
            runs.PLAIN
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
        self.write('test_plain.py', runs.PLAIN)
        self.write('test_other.py', runs.PLAIN)
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
        # It is about how Python starts.
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.cli.runner.process.subprocess', subprocess
            )
        )
        done = self.run_cli('test_plain', 'test_other', status=1)
        self.assertEqual(['lost'] * 4, list(self.outcomes().values()))
        self.assertIn('not today', done.stderr)
        self.assertEqual('xxxx', (self.home / 'started').read_text())

    def test_module_that_fails_in_the_worker_only(self):
        self.write(
            'test_import.py',
            runs.PLAIN
            + "if '--tasks' in sys.argv:\n    raise ValueError('no')\n",
        )
        done = self.run_cli('test_import', status=1)
        self.assertEqual(['lost'] * 2, list(self.outcomes().values()))
        self.assertIn('ValueError: no', done.stderr)


class TestHangs(runs.TestCase):
    def test_in_a_test(self):
        self.write(
            'test_hangs.py',
            """
            def wait_for_ever():
                lock = threading.Lock()
                lock.acquire()
                child = subprocess.Popen(['sleep', '1000'])
                (HERE / 'child').write_text(str(child.pid))
                leap_on()
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
        self.leaping_clock()
        done = self.run_cli('--test-timeout', '250', 'test_hangs', status=1)
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
        for where, text in (
            (stacks.name, stacks.read_text()),
            ('stderr', done.stderr),
        ):
            with self.subTest(where=where):
                self.assertIn('in wait_for_ever', text)
                self.assertIn('in test_2_hangs', text)
        self.assertIn('more than 250 s', done.stderr)
        self.assertGone((self.home / 'child').read_text())

    def test_in_no_test(self):
        self.leaping_clock()
        self.write('test_plain.py', runs.PLAIN)
        self.write(
            'test_slow.py',
            runs.PLAIN
            + """
def import_for_ever():
    leap_on()
    time.sleep(1000)

if '--tasks' in sys.argv:
    import_for_ever()
""",
        )
        # It takes longer than a test may take.
        self.write(
            'test_late.py',
            runs.PLAIN + "if '--tasks' in sys.argv:\n    leap(1)\n"
            '    time.sleep(0.5)\n',
        )
        report = self.run_unhardened(
            ['test_slow', 'test_plain', 'test_late'], test_timeout=50
        )
        self.assertEqual(
            {
                'test_slow.TestPlain.test_one': 'lost',
                'test_slow.TestPlain.test_two': 'lost',
                'test_plain.TestPlain.test_one': 'success',
                'test_plain.TestPlain.test_two': 'success',
                'test_late.TestPlain.test_one': 'success',
                'test_late.TestPlain.test_two': 'success',
            },
            {name: each.status for name, each in report.outcomes.items()},
        )
        [text, _] = (each.text for each in report.failures.values())
        self.assertIn('in import_for_ever', text)

    def test_while_looking_for_tests(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.cli.runner.discovery.IMPORT_LIMIT', 3
            )
        )
        # It imports nothing else that could take so long.
        (self.home / 'test_slow.py').write_text(
            'import time\ndef wait():\n    time.sleep(1000)\nwait()\n'
        )
        error = self.assertRaises(
            discovery.Unusable, self.run_unhardened, ['test_slow']
        )
        self.assertIn('loading test_slow\n', str(error))
        self.assertIn('in wait', str(error))


class TestUnhardened(runs.TestCase):
    def test_no_settings(self):
        self.write(
            'test_env.py',
            """
            class TestEnvironment(testtools.TestCase):
                def test(self):
                    self.assertEqual(
                        [], [n for n in os.environ if 'SAFE_FIXTURES' in n]
                    )
                    self.assertEqual('here', os.environ['SAID'])
            """,
        )
        self.configure(mode='audit')
        report = self.run_unhardened(['test_env'], {'SAID': 'here'})
        self.assertEqual({}, report.failures)
        [configured] = self.events('configure/run')
        self.assertEqual('unhardened', audit.details(configured)['mode'])
