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

"""Services that a test leaves running."""

import safe_fixtures
from safe_fixtures import exceptions
from tests.support import base
from tests.support import start_doubles


def left(path):
    """Return the start of the message for a service started in a file."""
    return (
        'SF205 (CWE-459): nova-compute on host1 was left running (it listens, '
        f'2 periodic timers run), started by {path}:'
    )


LEFT = left(start_doubles.__file__)


class TestLeft(start_doubles.TestCase):
    def setUp(self):
        super().setUp()
        starts = self.starts
        self.leave = lambda test: starts.start()

    def test_audited(self):
        self.configure(rule_modes='SF205:audit')
        self.assertPasses(self.inner(self.leave))
        ((name, outcome, said),) = self.events('evaluate/violation')
        self.assertEqual('nova-compute on host1', name)
        self.assertEqual(
            ['it listens', '2 periodic timers run'], said['remains']
        )
        # The test's own line comes first.
        self.assertEqual(5, len(said['stack']), said['stack'])
        files = (f'{__file__}:', f'{start_doubles.__file__}:')
        for line in said['stack']:
            self.assertTrue(line.startswith(files), line)
        self.assertEqual(said['stack'][0], said['where'])

    def test_enforced(self):
        self.configure(rule_modes='SF205:enforce')
        self.assertFails(
            self.inner(self.leave), LEFT, 'or stop the service in a cleanup.'
        )

    def test_twin(self):
        self.configure(mode='enforce')
        self.assertPasses(self.inner(lambda test: test.start()))
        self.assertEqual([], self.starts.halted)
        self.assertEqual([], self.events('stop/service'))

    def test_in_a_test_that_fails(self):
        def act(test):
            self.starts.start()
            raise ZeroDivisionError

        self.configure(rule_modes='SF205:enforce')
        self.assertFails(self.inner(act), LEFT, 'raise ZeroDivisionError')

    def test_in_a_set_up_that_fails(self):
        def set_up(test):
            parent.setUp(test)
            self.starts.start()
            raise ZeroDivisionError

        self.configure(rule_modes='SF205:enforce')
        parent = self.inner(lambda test: None)
        case = type('Inner', (parent,), {'setUp': set_up})
        self.assertFails(case, left(__file__), 'raise ZeroDivisionError')

    def test_all_are_told(self):
        def act(test):
            self.starts.start(host='h1')
            self.starts.start('nova-conductor', 'h2')
            test.start(host='h3')

        self.configure(rule_modes='SF205:enforce')
        text = '\n'.join(base.problems(self.run_inner(self.inner(act))))
        self.assertIn('nova-compute on h1 was left running', text)
        self.assertIn('nova-conductor on h2 was left running', text)
        self.assertNotIn('nova-compute on h3', text)
        self.assertEqual(
            ['nova-compute on h1', 'nova-conductor on h2'], self.starts.halted
        )

    def test_stopped_and_recorded(self):
        self.configure(rule_modes='SF205:audit')
        self.configure(restore_timeout='2.5')
        self.assertPasses(self.inner(self.leave))
        self.assertEqual(['nova-compute on host1'], self.starts.halted)
        self.assertEqual([2.5], self.starts.seconds)
        self.assertEqual(
            [
                (
                    'nova-compute on host1',
                    'success',
                    {'how': 'stopped', 'remains': []},
                )
            ],
            self.events('stop/service'),
        )

    def test_one_that_does_not_stop(self):
        self.configure(rule_modes='SF205:audit')

        def halt(service, seconds):
            self.starts.halted.append(str(service))
            raise TimeoutError('too slow')

        def act(test):
            self.starts.start(host='h1')
            self.starts.start(host='h2')

        self.starts.halt = halt
        self.assertPasses(self.inner(act))
        self.assertEqual(2, len(self.starts.halted))
        for name, outcome, said in self.events('stop/service'):
            with self.subTest(name=name):
                self.assertEqual('failure', outcome)
                self.assertEqual('TimeoutError: too slow', said['how'])
                self.assertIn('it listens', said['remains'])

    def test_off(self):
        self.configure(rule_modes='SF205:off')
        self.assertPasses(self.inner(self.leave))
        self.assertEqual([], self.starts.halted)
        self.assertEqual([], self.events('stop/service'))

    def test_waived(self):
        @safe_fixtures.waive('SF205', reason='it dies with the process')
        def test_it(test):
            self.starts.start()

        self.configure(rule_modes='SF205:enforce')
        self.assertPasses(self.inner(None, test_it=test_it))
        self.assertEqual(1, len(self.events('allow/waiver')))
        self.assertEqual(['nova-compute on host1'], self.starts.halted)

    def test_started_in_its_own_way(self):
        self.configure(rule_modes='SF205:audit')
        self.assertPasses(
            self.inner(
                lambda test: self.starts.start(cls=start_doubles.OwnStart)
            )
        )
        self.assertEqual(1, len(self.events('evaluate/violation')))

    def test_inner_guard_leaves_it_to_the_outer_one(self):
        def act(test):
            with self.guard(test=test):
                service = test.start()
            # The cleanups of the test are still to come.
            test.assertEqual(['it listens'], service.remains[:1])

        self.configure(mode='enforce')
        self.assertPasses(self.inner(act))

        def leave(test):
            with self.guard(test=test):
                self.starts.start()

        self.assertFails(self.inner(leave), LEFT)

    def test_inner_test_is_judged_by_itself(self):
        def act(test):
            self.configure(mode='enforce')
            self.assertFails(self.inner(self.leave), LEFT)

        self.assertPasses(self.inner(act))

    def test_in_a_block(self):
        self.configure(mode='enforce')
        guard = self.guard()
        guard.setUp()
        self.starts.start()
        error = self.assertRaises(exceptions.SafetyViolation, guard.cleanUp)
        self.assertEqual('SF205', error.code)
