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

"""What counts as a change."""

import threading
from unittest import mock

import fixtures
import greenlet
from nova.tests.fixtures import notifications
import sqlalchemy
from sqlalchemy.engine import default

from safe_fixtures.nova import waiting
from safe_fixtures.nova.waiting import changes
from safe_fixtures.nova.waiting import helpers
from tests.functional.nova.waiting import cases


class TestWhatIsAChange(cases.WaitingTestCase):
    def during_first_poll(self, change, sleep=cases.LONG):
        """Wait, and make a change between the first poll and its sleep."""
        fixture = self.wait_for_change()

        def satisfied(early):
            if not early and world.polls == 1:
                change()
            return early

        world = cases.World(satisfied)
        waiter = cases.Waiter(world)
        try:
            waiter._wait_for_assert(waiter.holds, max_retries=2, sleep=sleep)
        except AssertionError:
            pass
        self.assertEqual(world.asks, fixture.won['_wait_for_assert'][1])
        return world.asks

    def test_a_row(self):
        for statement in (
            'INSERT INTO things VALUES (1)',
            'UPDATE things SET id = 2',
            'DELETE FROM things',
        ):
            with self.subTest(statement=statement):
                self.assertEqual(
                    1,
                    self.during_first_poll(
                        lambda sql=statement: cases.write(sql)
                    ),
                )

    def test_several_rows_at_once(self):
        def run():
            engine = sqlalchemy.create_engine('sqlite://')
            with engine.begin() as connection:
                connection.exec_driver_sql('CREATE TABLE things (id INTEGER)')
                connection.exec_driver_sql(
                    'INSERT INTO things VALUES (?)', [(1,), (2,)]
                )

        self.assertEqual(
            1, self.during_first_poll(lambda: cases.in_thread(run))
        )

    def test_a_read_is_none(self):
        self.assertEqual(
            0,
            self.during_first_poll(
                lambda: cases.write('SELECT * FROM things'), sleep=0.2
            ),
        )

    def test_what_is_rolled_back_is_none(self):
        self.assertEqual(
            0,
            self.during_first_poll(
                lambda: cases.write(end='rollback'), sleep=0.2
            ),
        )

    def test_it_counts_once_it_is_committed(self):
        """The ask that follows must see it in the database."""
        seen = []

        def do_commit(dialect, connection):
            # In the thread that writes: its own changes do not count.
            seen.append(fixture._changes._count)

        with mock.patch.object(default.DefaultDialect, 'do_commit', do_commit):
            with waiting.WaitForChange() as fixture:
                before = fixture._changes._count
                cases.write()
                self.assertEqual({before}, set(seen))
                self.assertEqual(before + 1, fixture._changes.count)

    def test_heartbeats_are_no_work(self):
        beat = 'UPDATE services SET report_count = 1'
        disable = 'UPDATE services SET disabled = 1'
        insert = 'INSERT INTO services (disabled) VALUES (1)'
        engine = sqlalchemy.create_engine('sqlite://')
        self.addCleanup(engine.dispose)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                'CREATE TABLE services (report_count INTEGER, disabled)'
            )
        for statements, work in (
            ([beat], 0),
            ([beat, beat], 0),
            ([disable], 1),
            ([insert], 1),
            ([beat, disable], 1),
            ([insert, beat], 1),
        ):
            with self.subTest(statements), waiting.WaitForChange() as fixture:
                with engine.begin() as connection:
                    for each in statements:
                        connection.exec_driver_sql(each)
                self.assertEqual(
                    (1, work), (fixture._changes._count, fixture._changes.work)
                )

    def test_a_notification(self):
        def notify(cls):
            notifier = cls(None, 'publisher', test_case_id='me')
            if threading.local.__module__.startswith('eventlet.'):
                # Nova finds the sender there.
                greenlet.getcurrent().test_case_id = 'me'
            notifier.prepare('other').info(
                {}, event_type='instance.create.end', payload={}
            )

        for cls in (
            notifications.FakeNotifier,
            notifications.FakeVersionedNotifier,
        ):
            with self.subTest(cls=cls):
                self.assertEqual(
                    1,
                    self.during_first_poll(
                        lambda cls=cls: cases.in_thread(lambda: notify(cls))
                    ),
                )

    def test_what_the_wait_itself_does_is_none(self):
        """Its own changes would make it ask for ever."""

        def change(run):
            engine = sqlalchemy.create_engine('sqlite://')
            with engine.begin() as connection:
                connection.exec_driver_sql('CREATE TABLE things (id INTEGER)')
                connection.exec_driver_sql('INSERT INTO things VALUES (1)')

        def asks(run):
            world = cases.World()

            def assertion():
                world.ask()
                run(lambda: change(None))
                self.fail('it does not hold')

            with waiting.WaitForChange():
                cases.failure(
                    cases.Waiter(world)._wait_for_assert,
                    assertion,
                    max_retries=2,
                    sleep=0.2,
                )
            self.assertEqual(2, world.polls)
            return world.asks

        self.assertEqual(0, asks(lambda function: function()))
        self.assertGreater(asks(cases.in_thread), 0)

    def test_a_long_wait_is_left_to_its_polls(self):
        def asks(limit):
            world = cases.World()

            def assertion():
                world.ask()
                cases.write()
                self.fail('it does not hold')

            with (
                waiting.WaitForChange(),
                fixtures.MonkeyPatch(f'{changes.__name__}._QUIET', 0),
                fixtures.MonkeyPatch(f'{helpers.__name__}._IN_VAIN', limit),
            ):
                cases.failure(
                    cases.Waiter(world)._wait_for_assert,
                    assertion,
                    max_retries=2,
                    sleep=1,
                )
            self.assertEqual(2, world.polls)
            return world.asks

        for limit in (2, 3):
            with self.subTest(limit=limit):
                self.assertEqual(limit, asks(limit))

    def test_what_does_not_settle_leaves_the_polls(self):
        """Constant work does not keep a helper from polling."""
        fixture = self.wait_for_change()
        self.useFixture(cases.Changes(pause=0.01))
        self.useFixture(fixtures.MonkeyPatch(f'{changes.__name__}._QUIET', 60))
        world = cases.World(lambda early: world.polls == 3)
        waiter = cases.Waiter(world)
        waiter._wait_for_assert(waiter.holds, sleep=0.2)
        self.assertEqual((3, 0), (world.polls, world.asks))
        self.assertEqual([2, 0, 0.0], fixture.won['_wait_for_assert'])

    def test_others_may_be_told_of_statements_meanwhile(self):
        """A thread is inside of a commit when the fixture is set up."""
        entered, go_on = threading.Event(), threading.Event()
        errors = []

        def listener(connection):
            entered.set()
            go_on.wait(cases.LONG)

        def run():
            try:
                cases.write()
            except BaseException as error:
                errors.append(error)

        sqlalchemy.event.listen(sqlalchemy.Engine, 'commit', listener)
        self.addCleanup(
            sqlalchemy.event.remove, sqlalchemy.Engine, 'commit', listener
        )

        def during_commit(act):
            entered.clear()
            go_on.clear()
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            self.assertTrue(entered.wait(cases.LONG))
            act()
            go_on.set()
            thread.join()
            self.assertEqual([], errors)

        fixture = waiting.WaitForChange()
        during_commit(fixture.setUp)
        during_commit(fixture.cleanUp)
