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

"""Waits that end when they are satisfied."""

import safe_fixtures.nova  # isort: skip

import threading
import time
import traceback
from unittest import mock

from nova.tests.functional import integrated_helpers

from safe_fixtures.nova import waiting
from safe_fixtures.nova.waiting import changes
from safe_fixtures.nova.waiting import helpers
from tests.functional.nova.waiting import cases
from tests.support import freezers


class TestSatisfied(cases.WaitingTestCase):
    def test_every_helper_that_sleeps_is_known_here(self):
        self.assertEqual(
            set(cases.WAITS), {name for _, name, _ in helpers._sleepers()}
        )

    def test_ends_where_only_an_early_ask_is_satisfied(self):
        for name, (world, _) in cases.WAITS.items():
            with self.subTest(helper=name):
                unhardened = cases.call(
                    name, cases.Waiter(world(lambda early: True))
                )
                with waiting.WaitForChange() as fixture, cases.Changes():
                    asked = world(lambda early: early)
                    self.assertEqual(
                        unhardened, cases.call(name, cases.Waiter(asked))
                    )
                self.assertEqual([name], list(fixture.won))
                sleeps, cut_short, seconds = fixture.won[name]
                self.assertEqual(1, cut_short)
                self.assertEqual(asked.polls, sleeps)
                self.assertGreaterEqual(seconds, 0.0)

    def test_does_not_sleep_if_the_first_poll_is_satisfied(self):
        fixture = self.wait_for_change()
        for name, (world, _) in cases.WAITS.items():
            asked = world(lambda early: True)
            cases.call(name, cases.Waiter(asked))
            self.assertEqual((1, 0), (asked.polls, asked.asks), name)
        self.assertEqual({}, fixture.won)

    def test_a_poll_of_its_own_is_satisfied_without_a_change(self):
        fixture = self.wait_for_change()
        world = cases.World(lambda early: world.polls == 2)
        waiter = cases.Waiter(world)
        self.assertEqual(
            'it holds', waiter._wait_for_assert(waiter.holds, sleep=0.01)
        )
        self.assertEqual((2, 0), (world.polls, world.asks))
        self.assertEqual([1, 0, 0.0], fixture.won['_wait_for_assert'])

    def test_initially_in_error(self):
        self.wait_for_change()
        self.useFixture(cases.Changes())
        world = cases.Gone(lambda early: early)
        cases.Waiter(world)._wait_until_deleted(
            {'id': 'server', 'status': 'ERROR'}
        )
        self.assertGreaterEqual(world.asks, 1)

    def test_keyword_arguments(self):
        self.wait_for_change()
        self.useFixture(cases.Changes())
        world = cases.World(lambda early: early)
        server = cases.Waiter(None)._wait_for_server_parameter(
            server=cases.SERVER,
            expected_params={'status': 'ACTIVE'},
            api=world,
        )
        self.assertEqual('ACTIVE', server['status'])

    def test_what_builds_on_a_helper(self):
        fixture = self.wait_for_change()
        self.useFixture(cases.Changes())
        waiter = cases.Waiter(cases.World(lambda early: early))
        self.assertEqual(
            'ACTIVE',
            waiter._wait_for_state_change(cases.SERVER, 'ACTIVE')['status'],
        )
        self.assertEqual(['_wait_for_server_parameter'], list(fixture.won))


class TestNotSatisfied(cases.WaitingTestCase):
    """A wait fails in the same way as without the fixture."""

    def test_the_message_and_the_polls_are_those_of_stock(self):
        for name, (make, _) in cases.WAITS.items():
            with self.subTest(helper=name):
                with mock.patch('time.sleep', autospec=True) as sleep:
                    world = make()
                    unhardened = cases.failure(
                        cases.call, name, cases.Waiter(world)
                    )
                # A fast clock, sleeps that follow it, and something that
                # changes all the time: it asks in vain during each sleep.
                with (
                    waiting.WaitForChange() as fixture,
                    cases.Changes(pause=0.002),
                    mock.patch.object(
                        changes, 'now', lambda: time.monotonic() * 20
                    ),
                    mock.patch.object(
                        helpers, 'time', autospec=True
                    ) as of_helpers,
                ):
                    of_helpers.sleep = lambda seconds: time.sleep(seconds / 20)
                    asked = make()
                    error = cases.failure(
                        cases.call, name, cases.Waiter(asked)
                    )
                self.assertIs(AssertionError, type(unhardened))
                self.assertEqual(
                    (type(unhardened), str(unhardened)),
                    (type(error), str(error)),
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
            with self.subTest(name=name):
                world = cases.World()
                error = cases.failure(
                    cases.call, name, cases.Waiter(world), max_retries=2
                )
                self.assertIsInstance(error, AssertionError)
                self.assertEqual((2, 0), (world.polls, world.asks), name)

    def test_the_last_error_of_an_assertion_is_that_of_a_poll(self):
        self.wait_for_change()
        errors = []

        def assertion():
            errors.append((cases.is_early(), AssertionError(len(errors))))
            cases.write()
            raise errors[-1][1]

        error = cases.failure(
            cases.Waiter(None)._wait_for_assert, assertion, max_retries=2
        )
        polls = [seen for early, seen in errors if not early]
        self.assertLess(len(polls), len(errors))
        self.assertEqual(2, len(polls))
        self.assertIs(polls[-1], error)

    def test_a_clock_that_the_test_stopped_or_moved(self):
        for name, freezer in freezers.all_of_them().items():
            with self.subTest(freezer=name):
                world = cases.World()
                waiter = cases.Waiter(world)
                with waiting.WaitForChange() as fixture, freezer:
                    cases.failure(
                        waiter._wait_for_assert,
                        waiter.holds,
                        max_retries=2,
                        sleep=0.01,
                    )
                self.assertEqual(2, world.polls)
                self.assertEqual([2, 0, 0.0], fixture.won['_wait_for_assert'])

    def test_is_satisfied_while_the_clock_stands(self):
        for name, freezer in freezers.all_of_them().items():
            with self.subTest(freezer=name):
                world = cases.World(lambda early: early)
                waiter = cases.Waiter(world)
                with (
                    waiting.WaitForChange() as fixture,
                    cases.Changes(),
                    freezer,
                ):
                    waiter._wait_for_assert(waiter.holds, sleep=cases.LONG)
                _, cut_short, seconds = fixture.won['_wait_for_assert']
                self.assertEqual(1, cut_short)
                self.assertTrue(0 <= seconds <= cases.LONG)


class TestErrors(cases.WaitingTestCase):
    """An exception of an early ask is raised unchanged."""

    def raised(self, name, error):
        def satisfied(early):
            if early:
                raise error
            # For helpers that wait for a volume to appear or to go.
            return False

        fixture = self.wait_for_change()
        make, _ = cases.WAITS[name]
        with cases.Changes():
            caught = cases.failure(
                cases.call, name, cases.Waiter(make(satisfied))
            )
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
        for name in cases.WAITS:
            with self.subTest(helper=name):
                self.raised(name, ZeroDivisionError('on purpose'))

    def test_no_context_of_the_fixture(self):
        self.assertEqual(
            [ZeroDivisionError],
            self.raised('_wait_for_log', ZeroDivisionError()),
        )

    def test_a_violation(self):
        # Nova's _wait_for_assert swallows it, as it swallows its base.
        for name in set(cases.WAITS) - {'_wait_for_assert'}:
            with self.subTest(helper=name):
                self.raised(
                    name, safe_fixtures.SafetyViolation('SF301', 'an image')
                )

    def test_what_is_no_exception_ends_the_wait(self):
        def satisfied(early):
            if early:
                raise KeyboardInterrupt
            return False

        self.wait_for_change()
        self.useFixture(cases.Changes())
        waiter = cases.Waiter(cases.World(satisfied))
        self.assertRaises(
            KeyboardInterrupt,
            waiter._wait_for_assert,
            waiter.holds,
            sleep=cases.LONG,
        )
        self.assertIsNone(helpers._current.get())

    def test_a_server_that_goes_to_error_fails_at_once(self):
        class Broken(cases.World):
            def get_server(self, server_id):
                early = self.ask()
                return {'id': 'server', 'status': 'ERROR' if early else 'GONE'}

        fixture = self.wait_for_change()
        self.useFixture(cases.Changes())
        error = cases.failure(
            cases.Waiter(Broken(lambda early: early))._wait_until_deleted,
            cases.SERVER,
        )
        self.assertIsInstance(error, AssertionError)
        self.assertEqual(
            'Server went to error state instead ofdisappearing.', str(error)
        )
        self.assertEqual(1, fixture.won['_wait_until_deleted'][1])


class TestTogether(cases.WaitingTestCase):
    def test_a_wait_within_a_wait(self):
        fixture = self.wait_for_change()
        self.useFixture(cases.Changes())
        world = cases.World(lambda early: early)
        outer = cases.World(lambda early: early)
        waiter = cases.Waiter(world)

        def assertion():
            # An early ask of the outer wait waits, too.
            server = waiter._wait_for_server_parameter(
                cases.SERVER, {'status': 'ACTIVE'}
            )
            self.assertTrue(outer.ask())
            return server

        server = waiter._wait_for_assert(assertion, sleep=cases.LONG)
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual((1, 1), (outer.polls, outer.asks))
        self.assertEqual([1, 1], fixture.won['_wait_for_assert'][:2])
        self.assertEqual(2, fixture.won['_wait_for_server_parameter'][1])
        self.assertIsNone(helpers._current.get())

    def test_a_helper_within_itself(self):
        self.wait_for_change()
        self.useFixture(cases.Changes())
        inner = cases.World(lambda early: early)
        outer = cases.World(lambda early: early)

        def assertion():
            waiter = cases.Waiter(inner)
            found = waiter._wait_for_assert(waiter.holds, sleep=cases.LONG)
            self.assertTrue(outer.ask())
            return found

        self.assertEqual(
            'it holds',
            cases.Waiter(outer)._wait_for_assert(assertion, sleep=cases.LONG),
        )
        self.assertEqual((1, 1), (outer.polls, outer.asks))
        self.assertEqual((2, 2), (inner.polls, inner.asks))

    def test_an_error_of_the_inner_wait(self):
        self.wait_for_change()
        error = cases.failure(
            cases.Waiter(None)._wait_for_assert,
            lambda: cases.Waiter(cases.World())._wait_for_server_parameter(
                cases.SERVER, {'status': 'ACTIVE'}, max_retries=1
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
            cases.World(lambda early: early and worlds[1].asks > 0),
            cases.World(lambda early: early and 0 in found),
        ]

        def run(number):
            waiter = cases.Waiter(worlds[number])
            found[number] = waiter._wait_for_assert(
                waiter.holds, sleep=cases.LONG
            )

        threads = [
            threading.Thread(target=run, args=(number,), daemon=True)
            for number in (0, 1)
        ]
        with cases.Changes():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual({0: 'it holds', 1: 'it holds'}, found)
        self.assertEqual([1, 1], [world.polls for world in worlds])
        self.assertEqual([2, 2], fixture.won['_wait_for_assert'][:2])


class TestWhatStaysUnhardened(cases.WaitingTestCase):
    def test_a_class_that_has_the_helpers_first(self):
        fixture = self.wait_for_change()
        self.useFixture(cases.Changes())
        for cls, early in ((cases.Waiter, True), (cases.OwnOrder, False)):
            with self.subTest(cls=cls, early=early):
                world = cases.World(lambda early: early)
                waiter = cls(world)
                try:
                    waiter._wait_for_assert(
                        waiter.holds, max_retries=2, sleep=0.3
                    )
                except AssertionError:
                    pass
                self.assertEqual(early, world.asks > 0, cls)
                if not early:
                    self.assertEqual(2, world.polls)
                self.assertEqual(early, bool(fixture.won))
                fixture.won.clear()

    def test_such_a_class_within_a_wait(self):
        self.wait_for_change()
        self.useFixture(cases.Changes())
        world = cases.World(lambda early: world.polls == 2)
        own = cases.OwnOrder(world)

        def assertion():
            return own._wait_for_assert(own.holds, sleep=0.2)

        outer = cases.Waiter(None)
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

        cases.Waiter(None)._wait_for_assert(assertion)
        self.assertEqual({}, fixture.won)

    def test_a_sleep_that_the_test_replaced(self):
        fixture = self.wait_for_change()
        world = cases.World()
        for target in ('time.sleep', f'{integrated_helpers.__name__}.time'):
            with self.subTest(target=target):
                with mock.patch(target, autospec=True) as fake:
                    cases.failure(
                        cases.Waiter(world)._wait_for_server_parameter,
                        cases.SERVER,
                        {'status': 'ACTIVE'},
                        max_retries=2,
                    )
                sleep = fake if target == 'time.sleep' else fake.sleep
                sleep.assert_called_once_with(0.5)
        self.assertEqual({}, fixture.won)
        self.assertEqual((4, 0), (world.polls, world.asks))
