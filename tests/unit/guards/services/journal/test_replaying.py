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

"""Replays of what a process that has ended owes."""

import os

from safe_fixtures.guards import services
from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services.journal import owners
from safe_fixtures.guards.services.journal import records
from safe_fixtures.guards.services.journal import storage
from tests.unit.guards.services.journal import cases

ONE, TWO, THREE = map(cases.service, (1, 2, 3))
ENABLED, DISABLED = cases.ENABLED, cases.DISABLED
DOWN, FOREIGN = cases.DOWN, cases.FOREIGN
BOTH = services.ServiceState(True, 'kept', True)


class TestCase(cases.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = cases.Cloud(1, 2, 3)

    def owe(self, service, *states, before=ENABLED):
        """Change a service, through the states, as the dead run did."""
        for state in states:
            self.journal.intend(service, before, state, 'a.test')
            self.cloud.states[service] = before = state

    def read(self):
        (path,) = self.files()
        return journal.read(path)

    def replay(self, **options):
        """Replay the only journal; return the outcome of each service."""
        rows = journal.replay(
            self.read(), self.cloud, directory=self.directory, **options
        )
        return {row.service: row.outcome for row in rows}


class TestPlan(TestCase):
    def test_each_way(self):
        debt = journal.Debt(ONE, ENABLED, frozenset([DISABLED, DOWN]))
        for found, expected in (
            (ENABLED, 'done'),
            (DISABLED, 'restore'),
            (DOWN, 'restore'),
            (FOREIGN, 'conflict'),
            (BOTH, 'conflict'),
        ):
            self.assertEqual(expected, journal.plan(debt, found))


class TestReplay(TestCase):
    def test_restores_in_reverse_order_with_two_listings(self):
        self.owe(ONE, DISABLED)
        self.owe(TWO, DOWN, FOREIGN)
        self.owe(THREE, DISABLED, before=BOTH)
        self.owe(ONE, DOWN, before=DISABLED)
        rows = journal.replay(self.read(), self.cloud)
        self.assertEqual(
            [(THREE, BOTH, DISABLED, 'restored', '', None),
             (TWO, ENABLED, FOREIGN, 'restored', '', None),
             (ONE, ENABLED, DOWN, 'restored', '', None)],
            [tuple(row) for row in rows],
        )  # fmt: skip
        self.assertEqual(
            ['list',
             (THREE.uuid, {'status': 'disabled', 'disabled_reason': 'kept',
                           'forced_down': True}),
             (TWO.uuid, {'status': 'enabled'}),
             (ONE.uuid, {'forced_down': False}),
             'list'],
            self.cloud.calls,
        )  # fmt: skip
        self.assertEqual(
            {ONE: ENABLED, TWO: ENABLED, THREE: BOTH}, self.cloud.states
        )
        self.assertEqual([], self.files())
        self.assertEqual([], self.files('locks'))

    def test_what_was_not_done_or_is_undone(self):
        self.journal.intend(ONE, ENABLED, DISABLED)
        self.assertEqual({ONE: 'done'}, self.replay())
        self.assertEqual(['list'], self.cloud.calls)
        self.assertEqual([], self.files())

    def test_conflict(self):
        self.owe(ONE, DISABLED)
        self.owe(TWO, DISABLED)
        self.cloud.states[ONE] = FOREIGN
        self.assertEqual({ONE: 'conflict', TWO: 'restored'}, self.replay())
        self.assertEqual(FOREIGN, self.cloud.states[ONE])
        self.assertEqual([ONE], [d.service for d in self.read().debts])
        self.assertEqual({ONE: 'conflict'}, self.replay())
        self.assertEqual({ONE: 'forced'}, self.replay(force=True))
        self.assertEqual(ENABLED, self.cloud.states[ONE])
        self.assertEqual([], self.files())

    def test_somebody_else_in_between(self):
        """Then it is owed what they have made of it."""
        self.owe(ONE, DISABLED)
        self.cloud.states[ONE] = FOREIGN
        self.owe(ONE, DOWN, before=FOREIGN)
        self.assertEqual(FOREIGN, self.journal.first(ONE))
        self.assertEqual(self.journal.owed(), self.read().debts)
        self.assertEqual({ONE: 'restored'}, self.replay())
        self.assertEqual(FOREIGN, self.cloud.states[ONE])

    def test_dry_run(self):
        self.owe(ONE, DISABLED)
        self.owe(TWO, DISABLED)
        self.owe(THREE, DISABLED)
        self.cloud.states[TWO] = FOREIGN
        self.cloud.states[THREE] = ENABLED
        (path,) = self.files()
        with open(path) as file:
            before = file.read()
        self.assertEqual(
            {ONE: 'would restore', TWO: 'conflict', THREE: 'done'},
            self.replay(dry_run=True),
        )
        self.assertEqual(
            'would restore', self.replay(dry_run=True, force=True)[TWO]
        )
        self.assertEqual(['list', 'list'], self.cloud.calls)
        with open(path) as file:
            self.assertEqual(before, file.read())

    def test_one_that_fails_keeps_no_other_one(self):
        for fault, why in (
            (ConnectionError('it broke'), 'ConnectionError: it broke'),
            (None, 'it is disabled (\'a test\') after that'),
        ):
            with self.subTest(fault=fault):
                self.owe(ONE, DISABLED)
                self.owe(TWO, DISABLED)
                self.cloud.faults = {TWO.uuid: fault}
                rows = journal.replay(self.read(), self.cloud)
                self.assertEqual(
                    [('failed', why), ('restored', '')],
                    [(row.outcome, row.why) for row in rows],
                )
                self.cloud.faults = {}
                self.assertEqual({TWO: 'restored'}, self.replay())
                self.assertEqual([], self.files())
                self.journal = journal.Journal(self.directory)

    def test_a_record_that_is_right_after_a_timeout(self):
        self.owe(ONE, DISABLED)

        def put(*args):
            put_service(*args)
            raise TimeoutError('no answer')

        put_service, self.cloud.put_service = self.cloud.put_service, put
        (row,) = journal.replay(self.read(), self.cloud)
        self.assertEqual('restored', row.outcome)
        self.assertEqual(
            'its record is right, after TimeoutError: no answer', row.why
        )

    def test_a_listing_that_fails(self):
        self.owe(ONE, DISABLED)
        listed = []

        def fail(timeout):
            listed.append(timeout)
            if len(listed) == failing:
                raise ConnectionError('it broke')
            return list_services(timeout)

        list_services, self.cloud.list_services = (
            self.cloud.list_services, fail
        )  # fmt: skip
        failing = 1
        self.assertRaises(ConnectionError, self.replay)
        self.assertEqual([], self.cloud.puts())
        failing = 3
        (row,) = journal.replay(self.read(), self.cloud, timeout=7)
        self.assertEqual(7, listed[-1])
        self.assertEqual('failed', row.outcome)
        self.assertIn('cannot be read again: Connection', row.why)
        # It was restored all the same.
        self.assertEqual({ONE: 'done'}, self.replay())

    def test_gone(self):
        self.owe(ONE, DISABLED)
        del self.cloud.states[ONE]
        self.assertEqual({ONE: 'gone'}, self.replay())
        self.assertEqual(1, len(self.files()))
        self.assertEqual({ONE: 'gone'}, self.replay(force=True))
        self.assertEqual([], self.files())

    def test_another_service_with_the_uuid(self):
        self.owe(ONE, DISABLED)
        state = self.cloud.states.pop(ONE)
        self.cloud.states[ONE._replace(host='host9')] = state
        self.assertEqual({ONE: 'gone'}, self.replay())
        self.assertEqual([], self.cloud.puts())

    def test_a_cell_that_does_not_answer(self):
        self.owe(ONE, DISABLED)
        del self.cloud.states[ONE]
        self.cloud.states[ONE._replace(uuid='')] = None
        (row,) = journal.replay(self.read(), self.cloud, force=True)
        self.assertEqual(
            ('failed', 'its cell does not answer'), (row.outcome, row.why)
        )
        self.assertEqual(1, len(self.files()))

    def test_services_elsewhere_stay_owed(self):
        other = ONE._replace(endpoint='http://other.example.com:80')
        region = TWO._replace(region='RegionTwo')
        self.owe(ONE, DISABLED)
        for each in (other, region):
            self.journal.intend(each, ENABLED, DISABLED)
        self.assertEqual({ONE: 'restored'}, self.replay(force=True))
        self.assertEqual(
            [other, region], [debt.service for debt in self.read().debts]
        )

    def test_a_service_that_another_run_holds(self):
        self.owe(ONE, DISABLED)
        self.owe(TWO, DISABLED)
        ready, done = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            journal.ServiceLock(self.directory, TWO).acquire(0, 'b.test')
            os.write(ready[1], b'.')
            os.close(done[1])
            os.read(done[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        rows = journal.replay(
            self.read(), self.cloud, directory=self.directory
        )
        self.assertEqual(['failed', 'restored'], [row.outcome for row in rows])
        self.assertIn('is held by run ', rows[0].why)
        self.assertIn('for b.test', rows[0].why)
        os.close(done[1])
        os.waitpid(child, 0)
        self.assertEqual({TWO: 'restored'}, self.replay())

    def test_a_link_is_not_written_to(self):
        self.owe(ONE, DISABLED)
        self.owe(TWO, DISABLED)
        self.cloud.states[TWO] = FOREIGN
        (path,) = self.files()
        target = os.path.join(self.directory, 'target')
        os.rename(path, target)
        os.symlink(target, path)
        with open(target) as file:
            before = file.read()
        self.assertRaises(storage.JournalError, self.replay)
        with open(target) as file:
            self.assertEqual(before, file.read())

    def test_two_replays_at_once(self):
        self.owe(ONE, DISABLED)
        record = self.read()
        seen = []

        def put(*args):
            # In the middle of the first one, in another process.
            child = os.fork()
            if not child:
                try:
                    journal.replay(record, cases.Cloud(1))
                except journal.JournalError as error:
                    os._exit(7 if 'another process' in str(error) else 8)
                os._exit(9)
            seen.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            put_service(*args)

        put_service, self.cloud.put_service = self.cloud.put_service, put
        self.assertEqual({ONE: 'restored'}, self.replay())
        self.assertEqual([7], seen)
        # The second one finds that the journal has gone.
        self.assertEqual([], journal.replay(record, self.cloud))

    def test_a_line_that_is_lost_keeps_the_journal(self):
        self.owe(ONE, DISABLED)
        (path,) = self.files()
        with open(path, 'ab') as file:
            file.write(b'garbage\n')
            file.write(records.line(records.intent(
                TWO, ENABLED, DISABLED, None, 'now')))  # fmt: skip
        self.assertEqual({ONE: 'restored', TWO: 'done'}, self.replay())
        record = self.read()
        self.assertEqual(([], 1), (record.debts, record.damaged))
        self.assertEqual({}, self.replay(force=True))
        self.assertEqual([], self.files())

    def test_a_torn_end(self):
        self.owe(ONE, DISABLED)
        self.owe(TWO, DISABLED)
        (path,) = self.files()
        os.truncate(path, os.path.getsize(path) - 5)
        self.cloud.states[ONE] = FOREIGN
        self.assertEqual({ONE: 'conflict'}, self.replay())
        self.cloud.states[ONE] = DISABLED
        self.assertEqual({ONE: 'restored'}, self.replay())
        self.assertEqual([], self.files())

    def test_a_settlement_after_a_torn_end_is_a_line_of_its_own(self):
        self.owe(ONE, DISABLED)
        self.owe(TWO, DISABLED)
        self.owe(THREE, DISABLED)
        (path,) = self.files()
        os.truncate(path, os.path.getsize(path) - 5)
        self.cloud.states[ONE] = FOREIGN
        self.assertEqual({ONE: 'conflict', TWO: 'restored'}, self.replay())
        self.assertEqual([ONE], [d.service for d in self.read().debts])

    def test_a_journal_that_cannot_be_written(self):
        self.owe(ONE, DISABLED)

        def refuse(path):
            raise PermissionError(13, 'no', path)

        self.patch(storage, 'remove', refuse)
        error = self.assertRaises(journal.JournalError, self.replay)
        self.assertIn(self.directory, str(error))
        self.assertEqual(ENABLED, self.cloud.states[ONE])

    def test_many_services(self):
        """The work grows with the services, and the listings do not."""
        numbers = range(1, 1001)
        self.cloud = cases.Cloud(*numbers)
        for number in numbers:
            service = cases.service(number)
            self.cloud.states[service] = DISABLED
        data = b''.join(
            records.line(records.intent(
                cases.service(number), ENABLED, DISABLED, None, 'now'))
            for number in numbers
        )  # fmt: skip
        with open(self.path(), 'wb') as file:
            file.write(data)
        rows = journal.replay(self.read(), self.cloud)
        self.assertEqual({'restored'}, {row.outcome for row in rows})
        self.assertEqual(1000, len(rows))
        self.assertEqual(2, self.cloud.calls.count('list'))
        self.assertEqual(1000, len(self.cloud.puts()))


class TestRefused(TestCase):
    def refused(self, force=False, **owner):
        owner = owners.this_process()._replace(**owner)
        debt = journal.Debt(ONE, ENABLED, frozenset([DISABLED]))
        record = journal.Record(owner, [debt])
        return journal.why_refused(record, self.cloud, force)

    def test_a_living_owner(self):
        for force in (False, True):
            self.assertIn('still runs', self.refused(force))

    def test_a_dead_owner(self):
        self.assertIsNone(self.refused(started=1))

    def test_an_owner_that_cannot_be_known(self):
        elsewhere = {'host': 'elsewhere', 'boot': 'x'}
        self.assertIn('--force', self.refused(**elsewhere))
        self.assertIsNone(self.refused(True, **elsewhere))
        record = journal.Record(None, [])
        self.assertIn('--force', journal.why_refused(record, self.cloud))
        self.assertIsNone(journal.why_refused(record, self.cloud, True))

    def test_another_place(self):
        for name, value, said in (
            ('url', 'http://other.example.com/v2.1',
             'http://other.example.com:80 in region RegionOne'),
            ('url', None, 'an unknown URL'),
            ('of_region', 'RegionTwo', 'in region RegionTwo'),
        ):  # fmt: skip
            with self.subTest(name=name, value=value):
                self.cloud = cases.Cloud(1)
                setattr(self.cloud, name, value)
                for force in (False, True):
                    refused = self.refused(force, started=1)
                    self.assertIn(said, refused)
                    self.assertIn(
                        'about http://lab.example.com:8774 in region '
                        'RegionOne, and',
                        refused,
                    )

    def test_a_region_that_is_unknown(self):
        self.cloud.of_region = None
        self.assertIsNone(self.refused(started=1))
