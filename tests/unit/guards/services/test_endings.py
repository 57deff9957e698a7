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

import os
import select
import signal
import subprocess
import sys
import textwrap

import urllib3

from safe_fixtures.guards.services import endings
from safe_fixtures.guards.services import watching
from tests.support import base
from tests.unit.guards.services import test_live

_SCRIPT = """
import signal
import sys
import time

from keystoneauth1 import adapter
from keystoneauth1 import noauth
from keystoneauth1 import session

from safe_fixtures.guards import services

# A shell may have started all of this with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
auth = noauth.NoAuth(endpoint=sys.argv[1])
api = adapter.Adapter(session.Session(auth=auth), service_type='compute')
toggle = services.SafeServiceToggle(api=api)
toggle.setUp()
toggle.disable('host1')
toggle.force_down('host2')
print('changed', flush=True)
sys.stdin.readline()
"""


class TestProcess(test_live.TestCase):
    """A script that is no test changes services, and ends."""

    def start(self, end='', **options):
        environ = {
            **os.environ,
            'OS_SAFE_FIXTURES__JOURNAL_DIR': self.directory,
            **{
                f'OS_SAFE_FIXTURES__{name.upper()}': str(value)
                for name, value in options.items()
            },
        }
        process = subprocess.Popen(
            [
                sys.executable,
                '-c',
                _SCRIPT + textwrap.dedent(end),
                self.api.url,
            ],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.communicate)
        self.assertEqual('changed\n', process.stdout.readline())
        self.assertEqual('disabled', self.api.state()['host1'][0])
        self.assertIs(True, self.api.state()['host2'][2])
        return process

    def end(self, process, number=None):
        if number is not None:
            process.send_signal(number)
        _, error = process.communicate()
        return process.returncode, error

    def test_exit(self):
        code, error = self.end(self.start())
        self.assertEqual((0, ''), (code, error))
        self.assertRestored()

    def test_error(self):
        code, error = self.end(self.start('raise ZeroDivisionError'))
        self.assertEqual(1, code)
        self.assertIn('ZeroDivisionError', error)
        self.assertRestored()

    def test_sigterm(self):
        process = self.start()
        code, _ = self.end(process, signal.SIGTERM)
        self.assertEqual(-signal.SIGTERM, code)
        self.assertRestored()

    def test_sigint(self):
        code, error = self.end(self.start(), signal.SIGINT)
        self.assertEqual(-signal.SIGINT, code)
        self.assertIn('KeyboardInterrupt', error)
        self.assertRestored()

    def test_sigkill_leaves_a_journal(self):
        process = self.start()
        self.assertEqual(
            (-signal.SIGKILL, ''), self.end(process, signal.SIGKILL)
        )
        self.assertEqual('disabled', self.api.state()['host1'][0])
        self.assertEqual(1, len(self.journals()))

    def test_sigkill_with_a_watcher(self):
        process = self.start(watcher=True)
        watcher = self.only_child_of(process)
        descriptor = os.pidfd_open(watcher)
        self.addCleanup(os.close, descriptor)
        # With all that is in its group, as a runner does that gives up.
        os.killpg(process.pid, signal.SIGKILL)
        select.select([descriptor], [], [])
        self.assertRestored()

    def test_watcher_of_a_process_that_restores(self):
        process = self.start(watcher=True)
        self.only_child_of(process)
        self.assertEqual((0, ''), self.end(process))
        self.assertRestored()

    def test_forked_child_restores_nothing(self):
        process = self.start(
            """
            import os
            child = os.fork()
            if not child:
                sys.exit()
            os.waitpid(child, 0)
            print('child ended', flush=True)
            sys.stdin.readline()
            """
        )
        process.stdin.write('\n')
        process.stdin.flush()
        self.assertEqual('child ended\n', process.stdout.readline())
        self.assertEqual('disabled', self.api.state()['host1'][0])
        self.assertEqual((0, ''), self.end(process))
        self.assertRestored()

    def only_child_of(self, process):
        path = f'/proc/{process.pid}/task/{process.pid}/children'
        with open(path) as children:
            (child,) = children.read().split()
        return int(child)


class TestConnections(test_live.TestCase):
    def test_they_are_closed_and_can_be_used(self):
        """Those of a pool, which a forked process shares with its parent."""
        pool = urllib3.connection_from_url(self.api.url)
        self.addCleanup(pool.close)
        pool.request('GET', '/v2.1/os-services')
        (kept,) = filter(None, pool.pool.queue)
        self.assertIsNotNone(kept.sock)
        watching._forget_connections()
        self.assertIsNone(kept.sock)
        answer = pool.request('GET', '/v2.1/os-services')
        self.assertEqual(400, answer.status)


class TestRestoring(base.TestCase):
    def test_sigterm_is_given_back(self):
        before = signal.getsignal(signal.SIGTERM)
        ends = [endings.restoring(lambda: None) for _ in range(2)]
        self.assertIsNot(before, signal.getsignal(signal.SIGTERM))
        for end in ends:
            end()
            end()
        self.assertIs(before, signal.getsignal(signal.SIGTERM))

    def test_handler_of_somebody_else_stays(self):
        def handler(number, frame):
            pass

        self.addCleanup(
            signal.signal,
            signal.SIGTERM,
            signal.signal(signal.SIGTERM, handler),
        )
        end = endings.restoring(lambda: None)
        self.assertIs(handler, signal.getsignal(signal.SIGTERM))
        end()
        self.assertIs(handler, signal.getsignal(signal.SIGTERM))
