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

"""Runs that a signal ends."""

import json
import signal

from safe_fixtures import audit
from tests.unit.cli import runs


class TestInterrupts(runs.TestCase):
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
        stdout, stderr = process.communicate()
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
        _, stderr = process.communicate()
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
        _, stderr = process.communicate()
        self.assertEqual(1, process.returncode, stderr)
        self.assertEqual({self.STUCK: 'died'}, self.outcomes())
        self.assertIn('before the test had cleaned up', stderr)
        self.assertGone(worker)

    def test_twice_at_once(self):
        self.write('test_stuck.py', self.MODULE.format(wait=self.LOCK))
        process = self.start_cli('test_stuck')
        worker = self.wait_for('worker')
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
        self.assertEqual(1, process.returncode, stderr)
        self.assertIn('1 of 2 tests were run', stderr)
        [ended] = self.events('monitor/run')
        self.assertTrue(audit.details(ended)['interrupted'])
        self.assertGone(worker)

    def test_while_looking_for_tests(self):
        self.write(
            'test_slow.py',
            "(HERE / 'lister').write_text(str(os.getpid()))\n"
            'time.sleep(1000)\n',
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                process = self.start_cli('test_slow')
                lister = self.wait_for('lister')
                process.send_signal(number)
                _, stderr = process.communicate()
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
