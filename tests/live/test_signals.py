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

"""The process of a test is ended, and nothing is left changed."""

import os
import signal
import threading

from safe_fixtures.guards.services import clients as services_clients
from safe_fixtures.guards.services import journal
from tests.live import base
from tests.live import clients
from tools.live_cloud import processes

# What a script of these tests does. Four requests change a service.
TOGGLE = '''
    stop_at_puts()
    toggle = make_toggle()
    toggle.disable('compute1', reason='why')
    toggle.force_down('compute2')
    point('toggled')
    toggle.cleanUp()
'''
CHANGES = 4
# How long a process of the cloud is away, of the deadline of a restore.
AWAY = 8


class TestCase(base.TestCase):
    def end_at(self, name, number, **environment):
        """Run a script till a point, and end it there with a signal."""
        script = self.run_script(TOGGLE, **environment)
        script.reach(name)
        code = script.end(number)
        return code, script.output


class TestKilledAtRequest(base.Scenarios, TestCase):
    scenarios = [
        (f'{point} {number}', {'point': f'{point} {number}'})
        for number in range(1, CHANGES + 1)
        for point in ('sending', 'answered')
    ]

    def test_given_back(self):
        self.end_at(self.point, signal.SIGKILL)
        self.assertRestores()


class TestEnded(base.Scenarios, TestCase):
    scenarios = [
        (f'{kind} {number.name}', {'kind': kind, 'number': number})
        for kind in clients.KINDS
        for number in (signal.SIGTERM, signal.SIGINT)
    ]

    def test_given_back(self):
        code, output = self.end_at('toggled', self.number, KIND=self.kind)
        self.assertNotEqual(0, code, output)
        self.assertChanged()
        self.assertEqual([], self.journals())


class TestKilled(base.Scenarios, TestCase):
    scenarios = [(kind, {'kind': kind}) for kind in clients.KINDS]

    def test_given_back(self):
        self.end_at('toggled', signal.SIGKILL, KIND=self.kind)
        self.assertChanged('compute1', 'compute2')
        self.assertRestores()


class TestKilledWhileAway(base.Scenarios, TestCase):
    """The cloud does not work when the command begins."""

    scenarios = [
        (name, {'name': name})
        for name in ('mariadb', 'keystone', 'nova-api', 'rabbit')
    ]

    def test_given_back(self):
        self.end_at('toggled', signal.SIGKILL)
        self.cloud.kill(self.name)
        timer = threading.Timer(AWAY, self.cloud.start, [self.name])
        timer.start()
        self.addCleanup(timer.join)
        self.assertRestores()


class TestPowerLoss(TestCase):
    """Of the last line of the journal, any part may be on disk."""

    def test_given_back(self):
        self.end_at('sending 2', signal.SIGKILL)
        changed = self.service('compute1')
        (name,) = self.journals()
        path = os.path.join(self.journal_dir, 'journals', name)
        with open(path, 'rb') as file:
            whole = file.read()
        # What comes before was on disk before the first request.
        *first, last = whole.splitlines(keepends=True)
        begin = len(b''.join(first))
        self.assertIn(b'compute2', last)
        api = services_clients.adapt(clients.adapter(self.cloud))
        for length in range(begin, len(whole) + 1):
            self.put(changed)
            self.assertChanged('compute1')
            with open(path, 'wb') as file:
                file.write(whole[:length])
            rows = journal.replay(journal.read(path), api)
            self.assertIn('restored', {row.outcome for row in rows})
            self.assertChanged()
            self.assertEqual([], self.journals(), length)


class TestOthers(TestCase):
    def test_ends_without_cleanup(self):
        script = self.run_script(TOGGLE.replace('toggle.cleanUp()', ''))
        script.reach('toggled')
        script.go_on()
        # It restores in the end.
        script.reach('answered 4')
        script.end()
        self.assertChanged()
        self.assertEqual([], self.journals())

    def test_watcher(self):
        environment = {'OS_SAFE_FIXTURES__WATCHER': 'true'}
        self.end_at('toggled', signal.SIGKILL, **environment)
        processes.wait_for(
            lambda: self.cloud.services() == self.before,
            60,
            'the watcher does not restore',
        )

    def test_owner_lives(self):
        script = self.run_script(TOGGLE)
        script.reach('toggled')
        # By itself, the command leaves it out.
        done = self.restore()
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertChanged('compute1', 'compute2')
        (name,) = self.journals()
        path = os.path.join(self.journal_dir, 'journals', name)
        done = self.restore(path, '--force')
        self.assertEqual(2, done.returncode, done.stderr)
        self.assertIn('still runs', done.stderr)
        self.assertChanged('compute1', 'compute2')
        script.go_on()
        script.reach('answered 4')
        self.assertEqual(0, script.end(), script.output)
        self.assertChanged()

    def test_somebody_else_changed_it(self):
        self.end_at('toggled', signal.SIGKILL)
        uuid = self.service('compute1').uuid
        other = {'status': 'disabled', 'disabled_reason': 'broken disk'}
        self.cloud.put_service(uuid, **other)
        changed = self.service('compute1')
        done = self.restore()
        self.assertNotEqual(0, done.returncode)
        # The conflict is left alone, the other one is given back.
        self.assertEqual(changed, self.service('compute1'))
        self.assertChanged('compute1')
        self.assertIn('compute1', done.stdout)
        self.assertRestores('--force')
