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

"""Waits that end when what they wait for is there.

No test here looks at a clock: a sleep that must be cut short would last for
minutes, or is satisfied by nothing but an early ask.
"""

import safe_fixtures.nova  # isort: skip

import contextlib
import threading
import time
import traceback
import types
from unittest import mock

import fixtures
import greenlet
from nova import test
from nova.tests.fixtures import notifications
from nova.tests.functional.api import client
from nova.tests.functional import integrated_helpers
from oslo_messaging._drivers import impl_fake
import sqlalchemy
from sqlalchemy.engine import default
import testtools

from safe_fixtures import audit
from safe_fixtures.nova import waiting
from safe_fixtures.nova.waiting import helpers
from safe_fixtures.nova.waiting import sleep as waiting_sleep
from tests.functional.nova import inner as inner_run
from tests.functional.nova import test_bases

# Seconds of a sleep that nobody sleeps out.
LONG = 600
NOT_FOUND = client.OpenStackApiNotFoundException(
    response=types.SimpleNamespace(
        status_code=404, content='', text='', headers={}
    )
)


def patched():
    """Return what the fixture patches, by identity."""
    # A wrapper is equal to what it wraps.
    found = {
        (owner, name): id(vars(owner)[name])
        for owner, name in (
            *((owner, name) for owner, name, _ in helpers._sleepers()),
            (notifications.FakeNotifier, '_notify'),
            (notifications.FakeVersionedNotifier, '_notify'),
            (default.DefaultDialect, 'do_execute'),
            (default.DefaultDialect, 'do_executemany'),
            (default.DefaultDialect, 'do_commit'),
        )
    }
    for module in (integrated_helpers, impl_fake):
        found[module, 'time'] = id(module.time)
    return found


def is_early():
    """Whether a helper is called to ask once, and not to sleep."""
    wait = helpers._current.get()
    return wait is not None and wait.asking


def write(statement='INSERT INTO things VALUES (1)', end='commit'):
    """Write to a database of its own, in a thread of its own."""

    def run():
        engine = sqlalchemy.create_engine('sqlite://')
        with engine.connect() as connection:
            connection.exec_driver_sql('CREATE TABLE things (id INTEGER)')
            connection.exec_driver_sql(statement)
            getattr(connection, end)()
        engine.dispose()

    in_thread(run)


def in_thread(function):
    errors = []

    def run():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


class World:
    """What the helpers ask: it counts, and may be satisfied.

    :ivar satisfied: called with whether the ask is an early one.
    """

    def __init__(self, satisfied=lambda early: False):
        self.satisfied = satisfied
        self.polls = 0
        self.asks = 0

    def ask(self):
        early = is_early()
        if early:
            self.asks += 1
        else:
            self.polls += 1
        return self.satisfied(early)

    def get_services(self, host, binary):
        return [{'status': 'enabled' if self.ask() else 'disabled'}]

    def get_server(self, server_id):
        return {'id': server_id, 'status': 'ACTIVE' if self.ask() else 'BUILD'}

    def get_instance_actions(self, server_id):
        return [{'action': 'create', 'request_id': 'request'}]

    def get_instance_action_details(self, server_id, request_id):
        result = 'Error' if self.ask() else None
        return {'events': [{'event': 'build', 'result': result}]}

    def get_server_volume(self, server_id, volume_id):
        if not self.ask():
            raise NOT_FOUND

    def get_server_volumes(self, server_id):
        return ['none']

    def api_get(self, url):
        migration = {
            'instance_uuid': 'server',
            'status': 'finished' if self.ask() else 'migrating',
        }
        return types.SimpleNamespace(body={'migrations': [migration]})


class Gone(World):
    """A server and a volume that go away."""

    def get_server(self, server_id):
        if self.ask():
            raise NOT_FOUND
        return {'id': server_id, 'status': 'ACTIVE'}

    def get_server_volume(self, server_id, volume_id):
        if self.ask():
            raise NOT_FOUND


class Asks:
    """Asks the world in the ways that no API is asked for."""

    def __init__(self, world):
        super().__init__('holds')
        self.api = world
        self.stdlog = self

    def _get_allocations_by_server_uuid(self, consumer_id):
        return {'provider': {}} if self.api.ask() else {}

    @property
    def logger(self):
        return types.SimpleNamespace(
            output='here it is' if self.api.ask() else 'nothing'
        )

    def holds(self):
        if not self.api.ask():
            raise AssertionError('it does not hold')
        return 'it holds'


class Waiter(
    Asks, test.NoDBTestCase, integrated_helpers.PlacementInstanceHelperMixin
):
    """Has the helpers as all tests of Nova's bases have them; is not run."""


class OwnOrder(
    Asks, integrated_helpers.PlacementInstanceHelperMixin, test.NoDBTestCase
):
    """Has the helpers before nova.test.TestCase; is not run."""


SERVER = {'id': 'server', 'status': 'BUILD'}
# The world and the arguments of each helper that sleeps.
WAITS = {
    '_wait_for_service_parameter': (
        World,
        ('host', 'nova-compute', {'status': 'enabled'}),
    ),
    '_wait_for_server_parameter': (World, (SERVER, {'status': 'ACTIVE'})),
    '_wait_until_deleted': (Gone, (SERVER,)),
    '_wait_for_instance_action_event': (
        World,
        (SERVER, 'create', 'build', 'error'),
    ),
    '_wait_for_volume_attach': (World, ('server', 'volume')),
    '_wait_for_volume_detach': (Gone, ('server', 'volume')),
    '_wait_for_migration_status': (World, (SERVER, ['finished'])),
    '_wait_for_log': (World, ('here',)),
    '_wait_for_assert': (World, ()),
    '_wait_for_server_allocations': (World, ('server',)),
}


def call(name, waiter, **kwargs):
    _, args = WAITS[name]
    if name == '_wait_for_assert':
        args = (waiter.holds,)
    return getattr(waiter, name)(*args, **kwargs)


def failure(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return error
    raise AssertionError('it did not fail')


class Changes(fixtures.Fixture):
    """Something changes again and again, in another thread."""

    def __init__(self, pause=0.05):
        super().__init__()
        self.pause = pause

    def _setUp(self):
        stop = threading.Event()

        def run():
            while not stop.wait(self.pause):
                write()

        thread = threading.Thread(target=run, daemon=True)
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        thread.start()


class WaitingTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        before = patched()
        self.addCleanup(lambda: self.assertEqual(before, patched()))

    @contextlib.contextmanager
    def naming(self, helper):
        """Say which helper it is about, if the block fails."""
        try:
            yield
        except Exception:
            self.addDetail('helper', testtools.content.text_content(helper))
            raise

    def wait_for_change(self):
        return self.useFixture(waiting.WaitForChange())


class TestSatisfied(WaitingTestCase):
    def test_every_helper_that_sleeps_is_known_here(self):
        self.assertEqual(
            set(WAITS), {name for _, name, _ in helpers._sleepers()}
        )

    def test_ends_where_only_an_early_ask_is_satisfied(self):
        for name, (world, _) in WAITS.items():
            with self.naming(name):
                stock = call(name, Waiter(world(lambda early: True)))
                with waiting.WaitForChange() as fixture, Changes():
                    asked = world(lambda early: early)
                    self.assertEqual(stock, call(name, Waiter(asked)))
                self.assertEqual([name], list(fixture.won))
                sleeps, cut_short, seconds = fixture.won[name]
                self.assertEqual(1, cut_short)
                self.assertEqual(asked.polls, sleeps)
                self.assertGreaterEqual(seconds, 0.0)

    def test_does_not_sleep_if_the_first_poll_is_satisfied(self):
        fixture = self.wait_for_change()
        for name, (world, _) in WAITS.items():
            asked = world(lambda early: True)
            call(name, Waiter(asked))
            self.assertEqual((1, 0), (asked.polls, asked.asks), name)
        self.assertEqual({}, fixture.won)

    def test_a_poll_of_its_own_is_satisfied_without_a_change(self):
        fixture = self.wait_for_change()
        world = World(lambda early: world.polls == 2)
        waiter = Waiter(world)
        self.assertEqual(
            'it holds', waiter._wait_for_assert(waiter.holds, sleep=0.01)
        )
        self.assertEqual((2, 0), (world.polls, world.asks))
        self.assertEqual([1, 0, 0.0], fixture.won['_wait_for_assert'])

    def test_initially_in_error(self):
        self.wait_for_change()
        self.useFixture(Changes())
        world = Gone(lambda early: early)
        Waiter(world)._wait_until_deleted({'id': 'server', 'status': 'ERROR'})
        self.assertGreaterEqual(world.asks, 1)

    def test_keyword_arguments(self):
        self.wait_for_change()
        self.useFixture(Changes())
        world = World(lambda early: early)
        server = Waiter(None)._wait_for_server_parameter(
            server=SERVER, expected_params={'status': 'ACTIVE'}, api=world
        )
        self.assertEqual('ACTIVE', server['status'])

    def test_what_builds_on_a_helper(self):
        fixture = self.wait_for_change()
        self.useFixture(Changes())
        waiter = Waiter(World(lambda early: early))
        self.assertEqual(
            'ACTIVE', waiter._wait_for_state_change(SERVER, 'ACTIVE')['status']
        )
        self.assertEqual(['_wait_for_server_parameter'], list(fixture.won))


class TestNotSatisfied(WaitingTestCase):
    """A wait that fails does so as without the fixture."""

    def test_the_message_and_the_polls_are_those_of_stock(self):
        for name, (make, _) in WAITS.items():
            with self.naming(name):
                with mock.patch('time.sleep', autospec=True) as sleep:
                    world = make()
                    stock = failure(call, name, Waiter(world))
                # A fast clock, and something that changes all the time: it
                # asks in vain during each sleep.
                with (
                    waiting.WaitForChange() as fixture,
                    Changes(pause=0.002),
                    mock.patch.object(
                        helpers, '_now', lambda: time.monotonic() * 20
                    ),
                ):
                    asked = make()
                    error = failure(call, name, Waiter(asked))
                self.assertIs(AssertionError, type(stock))
                self.assertEqual(
                    (type(stock), str(stock)), (type(error), str(error))
                )
                self.assertEqual(world.polls, asked.polls)
                self.assertEqual(sleep.call_count, fixture.won[name][0])
                self.assertEqual(0, fixture.won[name][1])

    def test_nothing_is_asked_where_nothing_changes(self):
        self.wait_for_change()
        for name in (
            '_wait_for_service_parameter',
            '_wait_for_server_parameter',
            '_wait_for_server_allocations',
            '_wait_for_assert',
        ):
            world = World()
            error = failure(call, name, Waiter(world), max_retries=2)
            self.assertIsInstance(error, AssertionError)
            self.assertEqual((2, 0), (world.polls, world.asks), name)

    def test_the_last_error_of_an_assertion_is_that_of_a_poll(self):
        self.wait_for_change()
        errors = []

        def assertion():
            errors.append((is_early(), AssertionError(len(errors))))
            write()
            raise errors[-1][1]

        error = failure(
            Waiter(None)._wait_for_assert, assertion, max_retries=2
        )
        polls = [seen for early, seen in errors if not early]
        self.assertLess(len(polls), len(errors))
        self.assertEqual(2, len(polls))
        self.assertIs(polls[-1], error)

    def test_a_clock_that_the_test_stopped(self):
        self.wait_for_change()
        world = World()
        waiter = Waiter(world)
        with mock.patch('time.monotonic', autospec=True, return_value=0.0):
            failure(
                waiter._wait_for_assert,
                waiter.holds,
                max_retries=2,
                sleep=0.01,
            )
        self.assertEqual(2, world.polls)


class TestErrors(WaitingTestCase):
    """What an early ask raises comes out as it is."""

    def raised(self, name, error):
        def satisfied(early):
            if early:
                raise error
            # So that a volume is not there, or is still there.
            return False

        fixture = self.wait_for_change()
        make, _ = WAITS[name]
        with Changes():
            caught = failure(call, name, Waiter(make(satisfied)))
        self.assertIs(error, caught)
        self.assertIn(
            'satisfied',
            [
                frame.name
                for frame in traceback.extract_tb(error.__traceback__)
            ],
        )
        self.assertEqual(1, fixture.won[name][1])
        chain = []
        while caught is not None:
            chain.append(type(caught))
            self.assertNotIsInstance(caught, helpers._Over)
            self.assertIsNone(caught.__cause__)
            caught = caught.__context__
        return chain

    def test_any(self):
        for name in WAITS:
            with self.naming(name):
                self.raised(name, ZeroDivisionError('on purpose'))

    def test_no_context_of_the_fixture(self):
        self.assertEqual(
            [ZeroDivisionError],
            self.raised('_wait_for_log', ZeroDivisionError()),
        )

    def test_a_violation(self):
        # Nova's _wait_for_assert swallows it, as it swallows its base.
        for name in set(WAITS) - {'_wait_for_assert'}:
            with self.naming(name):
                self.raised(
                    name, safe_fixtures.SafetyViolation('SF301', 'an image')
                )

    def test_what_is_no_exception_ends_the_wait(self):
        def satisfied(early):
            if early:
                raise KeyboardInterrupt
            return False

        self.wait_for_change()
        self.useFixture(Changes())
        waiter = Waiter(World(satisfied))
        self.assertRaises(
            KeyboardInterrupt,
            waiter._wait_for_assert,
            waiter.holds,
            sleep=LONG,
        )
        self.assertIsNone(helpers._current.get())

    def test_a_server_that_goes_to_error_fails_at_once(self):
        class Broken(World):
            def get_server(self, server_id):
                early = self.ask()
                return {'id': 'server', 'status': 'ERROR' if early else 'GONE'}

        fixture = self.wait_for_change()
        self.useFixture(Changes())
        error = failure(
            Waiter(Broken(lambda early: early))._wait_until_deleted, SERVER
        )
        self.assertIsInstance(error, AssertionError)
        self.assertEqual(
            'Server went to error state instead ofdisappearing.', str(error)
        )
        self.assertEqual(1, fixture.won['_wait_until_deleted'][1])


class TestWhatIsAChange(WaitingTestCase):
    def during_first_poll(self, change, sleep=LONG):
        """Wait, with a change between the first poll and its sleep."""
        fixture = self.wait_for_change()

        def satisfied(early):
            if not early and world.polls == 1:
                change()
            return early

        world = World(satisfied)
        waiter = Waiter(world)
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
            self.assertEqual(
                1, self.during_first_poll(lambda sql=statement: write(sql))
            )

    def test_several_rows_at_once(self):
        def run():
            engine = sqlalchemy.create_engine('sqlite://')
            with engine.begin() as connection:
                connection.exec_driver_sql('CREATE TABLE things (id INTEGER)')
                connection.exec_driver_sql(
                    'INSERT INTO things VALUES (?)', [(1,), (2,)]
                )

        self.assertEqual(1, self.during_first_poll(lambda: in_thread(run)))

    def test_a_read_is_none(self):
        self.assertEqual(
            0,
            self.during_first_poll(
                lambda: write('SELECT * FROM things'), sleep=0.2
            ),
        )

    def test_what_is_rolled_back_is_none(self):
        self.assertEqual(
            0,
            self.during_first_poll(lambda: write(end='rollback'), sleep=0.2),
        )

    def test_it_counts_once_it_is_committed(self):
        """An ask that follows from it must find it."""
        seen = []

        def do_commit(dialect, connection):
            # In the thread that writes, whose own changes do not count.
            seen.append(fixture._changes._count)

        with mock.patch.object(default.DefaultDialect, 'do_commit', do_commit):
            with waiting.WaitForChange() as fixture:
                before = fixture._changes._count
                write()
                self.assertEqual({before}, set(seen))
                self.assertEqual(before + 1, fixture._changes.count)

    def test_a_notification(self):
        def notify(cls):
            notifier = cls(None, 'publisher', test_case_id='me')
            if threading.local.__module__.startswith('eventlet.'):
                # Nova looks there for who sends.
                greenlet.getcurrent().test_case_id = 'me'
            notifier.prepare('other').info(
                {}, event_type='instance.create.end', payload={}
            )

        for cls in (
            notifications.FakeNotifier,
            notifications.FakeVersionedNotifier,
        ):
            self.assertEqual(
                1,
                self.during_first_poll(
                    lambda cls=cls: in_thread(lambda: notify(cls))
                ),
            )

    def test_what_the_wait_itself_does_is_none(self):
        """It would only make it ask again, for ever."""

        def change(run):
            engine = sqlalchemy.create_engine('sqlite://')
            with engine.begin() as connection:
                connection.exec_driver_sql('CREATE TABLE things (id INTEGER)')
                connection.exec_driver_sql('INSERT INTO things VALUES (1)')

        def asks(run):
            world = World()

            def assertion():
                world.ask()
                run(lambda: change(None))
                self.fail('it does not hold')

            with waiting.WaitForChange():
                failure(
                    Waiter(world)._wait_for_assert,
                    assertion,
                    max_retries=2,
                    sleep=0.2,
                )
            self.assertEqual(2, world.polls)
            return world.asks

        self.assertEqual(0, asks(lambda function: function()))
        self.assertGreater(asks(in_thread), 0)

    def test_a_long_wait_is_left_to_its_polls(self):
        def asks(limit):
            world = World()

            def assertion():
                world.ask()
                write()
                self.fail('it does not hold')

            with (
                waiting.WaitForChange(),
                fixtures.MonkeyPatch(f'{helpers.__name__}._QUIET', 0),
                fixtures.MonkeyPatch(f'{helpers.__name__}._IN_VAIN', limit),
            ):
                failure(
                    Waiter(world)._wait_for_assert,
                    assertion,
                    max_retries=2,
                    sleep=1,
                )
            self.assertEqual(2, world.polls)
            return world.asks

        self.assertEqual(2, asks(2))
        self.assertGreater(asks(1000), 2)

    def test_what_does_not_settle_leaves_the_polls(self):
        """Work that goes on all the time does not keep it from polling."""
        fixture = self.wait_for_change()
        self.useFixture(Changes(pause=0.01))
        self.useFixture(fixtures.MonkeyPatch(f'{helpers.__name__}._QUIET', 60))
        world = World(lambda early: world.polls == 3)
        waiter = Waiter(world)
        waiter._wait_for_assert(waiter.holds, sleep=0.2)
        self.assertEqual((3, 0), (world.polls, world.asks))
        self.assertEqual([2, 0, 0.0], fixture.won['_wait_for_assert'])

    def test_others_may_be_told_of_statements_meanwhile(self):
        """A thread is in the middle of a commit when the fixture comes."""
        entered, go_on = threading.Event(), threading.Event()
        errors = []

        def listener(connection):
            entered.set()
            go_on.wait(LONG)

        def run():
            try:
                write()
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
            self.assertTrue(entered.wait(LONG))
            act()
            go_on.set()
            thread.join()
            self.assertEqual([], errors)

        fixture = waiting.WaitForChange()
        during_commit(fixture.setUp)
        during_commit(fixture.cleanUp)


class TestTogether(WaitingTestCase):
    def test_a_wait_within_a_wait(self):
        fixture = self.wait_for_change()
        self.useFixture(Changes())
        world = World(lambda early: early)
        outer = World(lambda early: early)
        waiter = Waiter(world)

        def assertion():
            # An early ask of the outer wait waits, too.
            server = waiter._wait_for_server_parameter(
                SERVER, {'status': 'ACTIVE'}
            )
            self.assertTrue(outer.ask())
            return server

        server = waiter._wait_for_assert(assertion, sleep=LONG)
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual((1, 1), (outer.polls, outer.asks))
        self.assertEqual([1, 1], fixture.won['_wait_for_assert'][:2])
        self.assertEqual(2, fixture.won['_wait_for_server_parameter'][1])
        self.assertIsNone(helpers._current.get())

    def test_a_helper_within_itself(self):
        self.wait_for_change()
        self.useFixture(Changes())
        inner = World(lambda early: early)
        outer = World(lambda early: early)

        def assertion():
            waiter = Waiter(inner)
            found = waiter._wait_for_assert(waiter.holds, sleep=LONG)
            self.assertTrue(outer.ask())
            return found

        self.assertEqual(
            'it holds', Waiter(outer)._wait_for_assert(assertion, sleep=LONG)
        )
        self.assertEqual((1, 1), (outer.polls, outer.asks))
        self.assertEqual((2, 2), (inner.polls, inner.asks))

    def test_an_error_of_the_inner_wait(self):
        self.wait_for_change()
        error = failure(
            Waiter(None)._wait_for_assert,
            lambda: Waiter(World())._wait_for_server_parameter(
                SERVER, {'status': 'ACTIVE'}, max_retries=1
            ),
            max_retries=1,
            sleep=0.01,
        )
        self.assertIn('Wait for state change failed', str(error))

    def test_two_threads(self):
        fixture = self.wait_for_change()
        found = {}
        # The second is satisfied once the first has returned.
        worlds = [
            World(lambda early: early and worlds[1].asks > 0),
            World(lambda early: early and 0 in found),
        ]

        def run(number):
            waiter = Waiter(worlds[number])
            found[number] = waiter._wait_for_assert(waiter.holds, sleep=LONG)

        threads = [
            threading.Thread(target=run, args=(number,), daemon=True)
            for number in (0, 1)
        ]
        with Changes():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual({0: 'it holds', 1: 'it holds'}, found)
        self.assertEqual([1, 1], [world.polls for world in worlds])
        self.assertEqual([2, 2], fixture.won['_wait_for_assert'][:2])


class TestWhatStaysStock(WaitingTestCase):
    def test_a_class_that_has_the_helpers_first(self):
        fixture = self.wait_for_change()
        self.useFixture(Changes())
        for cls, early in ((Waiter, True), (OwnOrder, False)):
            world = World(lambda early: early)
            waiter = cls(world)
            try:
                waiter._wait_for_assert(waiter.holds, max_retries=2, sleep=0.3)
            except AssertionError:
                pass
            self.assertEqual(early, world.asks > 0, cls)
            if not early:
                self.assertEqual(2, world.polls)
            self.assertEqual(early, bool(fixture.won))
            fixture.won.clear()

    def test_such_a_class_within_a_wait(self):
        self.wait_for_change()
        self.useFixture(Changes())
        world = World(lambda early: world.polls == 2)
        own = OwnOrder(world)

        def assertion():
            return own._wait_for_assert(own.holds, sleep=0.2)

        outer = Waiter(None)
        self.assertEqual('it holds', outer._wait_for_assert(assertion))
        self.assertEqual((2, 0), (world.polls, world.asks))

    def test_a_sleep_of_the_test(self):
        sleep = time.sleep
        fixture = self.wait_for_change()
        self.assertIs(sleep, time.sleep)
        self.assertIs(time.monotonic, integrated_helpers.time.monotonic)

        # Not even where a helper calls it, and by the module of the helper.
        def assertion():
            integrated_helpers.time.sleep(0)
            time.sleep(0)

        Waiter(None)._wait_for_assert(assertion)
        self.assertEqual({}, fixture.won)

    def test_a_sleep_that_the_test_replaced(self):
        fixture = self.wait_for_change()
        world = World()
        for target in ('time.sleep', f'{integrated_helpers.__name__}.time'):
            with mock.patch(target, autospec=True) as fake:
                failure(
                    Waiter(world)._wait_for_server_parameter,
                    SERVER,
                    {'status': 'ACTIVE'},
                    max_retries=2,
                )
            sleep = fake if target == 'time.sleep' else fake.sleep
            sleep.assert_called_once_with(0.5)
        self.assertEqual({}, fixture.won)
        self.assertEqual((4, 0), (world.polls, world.asks))


class TestTheFixture(WaitingTestCase):
    def test_leaves_nothing(self):
        before = patched()
        with waiting.WaitForChange():
            during = patched()
        self.assertEqual(before, patched())
        left = {key for key in before if before[key] == during[key]}
        self.assertEqual({(impl_fake, 'time')}, left)

    def test_again(self):
        fixture = waiting.WaitForChange()
        for _ in range(2):
            with fixture, Changes():
                waiter = Waiter(World(lambda early: early))
                waiter._wait_for_assert(waiter.holds, sleep=LONG)
                self.assertEqual([1, 1], fixture.won['_wait_for_assert'][:2])

    def test_nested(self):
        before = patched()
        trail = self.useFixture(audit.AuditTrail())
        with waiting.WaitForChange():
            between = patched()
            with waiting.WaitForChange(), Changes():
                waiter = Waiter(World(lambda early: early))
                waiter._wait_for_assert(waiter.holds, sleep=LONG)
            self.assertEqual(between, patched())
        self.assertEqual(before, patched())
        self.assertEqual(
            ['monitor/wait'], [event['action'] for event in trail.events]
        )

    def test_a_set_up_that_fails(self):
        before = patched()
        fixture = waiting.WaitForChange()
        with mock.patch.object(
            waiting_sleep,
            'replace_sleep',
            autospec=True,
            side_effect=ZeroDivisionError,
        ):
            self.assertRaises(fixtures.MultipleExceptions, fixture.setUp)
        self.assertEqual(before, patched())

    def test_the_event(self):
        trail = self.useFixture(audit.AuditTrail('me'))
        with waiting.WaitForChange() as fixture, Changes():
            waiter = Waiter(World(lambda early: early))
            waiter._wait_for_assert(waiter.holds, sleep=LONG)
            waiter._wait_for_state_change(SERVER, 'ACTIVE')
            failure(
                Waiter(World())._wait_for_assert,
                waiter.fail,
                max_retries=1,
                sleep=0,
            )
        (event,) = trail.events
        self.assertEqual('monitor/wait', event['action'])
        self.assertEqual('monitor', event['eventType'])
        said = audit.details(event)
        self.assertEqual(
            {'waits', 'cut_short', 'seconds_won', 'helpers'}, set(said)
        )
        won = fixture.won
        self.assertEqual(2, said['cut_short'])
        self.assertEqual(sum(item[0] for item in won.values()), said['waits'])
        self.assertGreater(said['waits'], said['cut_short'])
        self.assertGreater(said['seconds_won'], LONG / 2)
        self.assertEqual(
            {name: [item[0], round(item[2], 3)] for name, item in won.items()},
            said['helpers'],
        )
        self.assertEqual(2, len(said['helpers']))

    def test_no_event_where_nothing_waited(self):
        trail = self.useFixture(audit.AuditTrail())
        with waiting.WaitForChange():
            waiter = Waiter(World(lambda early: True))
            waiter._wait_for_assert(waiter.holds)
        self.assertEqual([], trail.events)

    def test_without_a_trail(self):
        with waiting.WaitForChange(), Changes():
            waiter = Waiter(World(lambda early: early))
            waiter._wait_for_assert(waiter.holds, sleep=LONG)


class TestOnABase(WaitingTestCase):
    """The hardened bases use it."""

    def run_inner(
        self, body, base=safe_fixtures.nova.SafeNoDBTestCase, **more
    ):
        before = patched()
        result, events = test_bases.run(base, body, **more)
        self.assertEqual(before, patched())
        return result, [
            audit.details(event)
            for event in events
            if event['action'] == 'monitor/wait'
        ]

    def test_pass(self):
        during = {}
        result, events = self.run_inner(lambda inner: during.update(patched()))
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))
        self.assertEqual([], events)
        self.assertFalse(set(during.values()) & set(patched().values()))

    def test_fail(self):
        result, _ = self.run_inner(lambda inner: inner.fail('on purpose'))
        self.assertEqual(1, len(result.failures))

    def test_a_set_up_that_fails(self):
        class Base(test.NoDBTestCase):
            def setUp(self):
                super().setUp()
                raise ZeroDivisionError

        result, _ = self.run_inner(
            lambda inner: None, safe_fixtures.nova.hardened(Base)
        )
        self.assertEqual(1, len(result.errors))

    def test_switched_off(self):
        before = patched()

        def body(inner):
            inner.assertEqual(before, patched())
            inner.assertIs(time, integrated_helpers.time)
            inner.assertIs(time, impl_fake.time)

        with fixtures.EnvironmentVariable(
            'OS_SAFE_FIXTURES__WAIT_FOR_CHANGE', 'false'
        ):
            result, events = self.run_inner(body)
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))
        self.assertEqual([], events)

    def test_real_servers(self):
        """All helpers but those for logs and assertions, in one life."""

        def body(inner):
            admin = inner.admin_api
            inner._start_compute('other')
            server = inner._create_server(networks='none', host='compute')
            inner.assertEqual('ACTIVE', server['status'])
            event = inner._wait_for_instance_action_event(
                server,
                'create',
                'compute__do_build_and_run_instance',
                'success',
            )
            inner.assertEqual('Success', event['result'])
            inner.assertTrue(inner._wait_for_server_allocations(server['id']))

            volume = inner.cinder.IMAGE_BACKED_VOL
            inner.api.post_server_volume(
                server['id'], {'volumeAttachment': {'volumeId': volume}}
            )
            inner._wait_for_volume_attach(server['id'], volume)
            inner.api.delete_server_volume(server['id'], volume)
            inner._wait_for_volume_detach(server['id'], volume)

            inner._migrate_server(server)
            migration = inner._wait_for_migration_status(server, ['finished'])
            inner.assertEqual('other', migration['dest_compute'])
            inner._confirm_resize(server)

            service = admin.get_services(host='compute')[0]
            polled = threading.Event()

            def disable():
                polled.wait()
                admin.put_service(service['id'], {'status': 'disabled'})

            def get_services(**kwargs):
                found = admin.get_services(**kwargs)
                polled.set()
                return found

            thread = threading.Thread(target=disable, daemon=True)
            thread.start()
            # One wait, at least, has to sleep.
            inner._wait_for_service_parameter(
                'compute',
                'nova-compute',
                {'status': 'disabled'},
                api=types.SimpleNamespace(get_services=get_services),
            )
            thread.join()
            inner._delete_server(server)
            inner.assertRaises(
                client.OpenStackApiNotFoundException,
                admin.get_server,
                server['id'],
            )

        # So slow a clock that no sleep is slept out: what ends a wait is an
        # early ask.
        slowly = 1200
        for name, value in (
            ('_now', lambda: time.monotonic() / slowly),
            ('_QUIET', helpers._QUIET / slowly),
            ('_IN_VAIN', 10**6),
        ):
            self.useFixture(
                fixtures.MonkeyPatch(f'{helpers.__name__}.{name}', value)
            )
        result, events = self.run_inner(
            body,
            safe_fixtures.nova.SafeIntegratedTestBase,
            ADMIN_API=True,
            CAST_AS_CALL=False,
            microversion='latest',
        )
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))
        (said,) = events
        self.assertGreater(said['waits'], 0)
        self.assertEqual(said['waits'], said['cut_short'])
        self.assertGreater(said['seconds_won'], 0)
        self.assertLessEqual(set(said['helpers']), set(WAITS))
        self.assertIn('_wait_for_service_parameter', said['helpers'])
