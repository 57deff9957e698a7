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

"""Where the fixture works, and what it restores."""

import safe_fixtures.nova  # isort: skip

import threading

from nova.tests import fixtures as nova_fixtures
from oslo_messaging.rpc import client
import testtools

from safe_fixtures import audit
from safe_fixtures.nova import cast_as_call
from safe_fixtures import testing
from tests.functional.nova.cast_as_call import cases
from tests.functional.nova import inner as inner_run


class TestOutside(cases.InnerMixin, testtools.TestCase):
    """The fixture is refused outside of a running hardened test."""

    def refuse(self, *args):
        before = cases.attributes()
        fixture = cast_as_call.SafeCastAsCall(*args)
        error = self.assertRaises(
            safe_fixtures.ConfigurationError, fixture.setUp
        )
        self.assertIn('inside a running hardened test only', str(error))
        self.assertEqual(before, cases.attributes())

    def test_no_hardened_test(self):
        self.refuse()
        self.refuse(self)
        thread = threading.Thread(target=self.refuse)
        thread.start()
        thread.join()

    def test_a_plain_test_of_nova(self):
        self.check(
            lambda inner: self.refuse(inner), base=cases.UnhardenedTestCase
        )

    def test_another_test(self):
        self.check(lambda inner: self.refuse(self))
        self.check(lambda inner: self.refuse(type(inner)('test')))

    def test_before_the_set_up_of_the_base(self):
        class Early(cases.HardenedTestCase):
            def setUp(inner):
                self.refuse(inner)
                super().setUp()

        self.check(lambda inner: None, base=Early)

    def test_after_its_end(self):
        case, _ = self.run_inner(lambda inner: None)
        self.refuse(case)


class TestLeavesNothing(cases.InnerMixin, testtools.TestCase):
    def setUp(self):
        super().setUp()
        before = cases.attributes()
        self.addCleanup(lambda: self.assertEqual(before, cases.attributes()))

    def test_three_exits(self):
        for use in cases.USES:
            with self.subTest(use=use):

                def set_up(inner, use=use):
                    inner.served = cases.Endpoint()
                    inner.serve('host', inner.served)
                    use(inner)
                    cases.cast(inner)
                    inner.assertGreaterEqual(len(inner.served.received), 2)

                def broken_set_up(inner, set_up=set_up):
                    set_up(inner)
                    raise ZeroDivisionError('in setUp')

                before = cases.attributes()
                self.check(cases.cast, set_up=set_up)
                self.assertEqual(before, cases.attributes())
                _, result = self.run_inner(
                    lambda inner: inner.fail('on purpose'), set_up=set_up
                )
                self.assertIn('on purpose', inner_run.problems(result))
                self.assertEqual(before, cases.attributes())
                _, result = self.run_inner(cases.cast, set_up=broken_set_up)
                self.assertIn('in setUp', inner_run.problems(result))
                self.assertEqual(before, cases.attributes())

    def test_novas_own_fixture_before(self):
        # Set up before anything is hardened, it is Nova's own.
        class Early(cases.HardenedTestCase):
            def setUp(inner):
                cases.use_unhardened(inner)
                super().setUp()

        def body(inner):
            inner.serve('host', cases.Endpoint())
            with cast_as_call.SafeCastAsCall() as casting:
                inner.client().prepare().cast({}, 'note')
            inner.assertEqual(1, len(casting.casts))
            inner.assertEqual('noted', inner.client().cast({}, 'note'))

        self.check(body, base=Early)

    def test_after_novas_own(self):
        """What Nova's fixture has left on a class is restored as well."""

        def body(inner):
            inner.serve('host', cases.Endpoint())
            cases.use_unhardened(inner)
            cases.cast(inner)

        for name in ('cast', 'prepare'):
            self.addCleanup(cases.give_back, name)
        self.check(body, base=cases.UnhardenedTestCase)
        self.assertIn('cast', vars(client._CallContext))
        before = cases.attributes()

        def hardened_body(inner):
            inner.serve('host', cases.Endpoint())
            cases.use_ours(inner)
            cases.cast(inner)

        self.assertEqual(2, len(self.check(hardened_body)))
        self.assertEqual(before, cases.attributes())


class TestDropIn(cases.InnerMixin, testtools.TestCase):
    def test_novas_fixture_in_a_hardened_test(self):
        def body(inner):
            endpoint = cases.Endpoint()
            inner.serve('a', endpoint)
            inner.serve('b', endpoint)
            # As with Nova's own, it lasts until the end of the test.
            with nova_fixtures.CastAsCallFixture(inner):
                inner.client(fanout=True).cast({}, 'note')
            inner.client(fanout=True).cast({}, 'note')
            inner.assertEqual(4, len(endpoint.received))

        events = self.check(body)
        self.assertEqual(
            [['a', 'b']] * 2,
            [audit.details(event)['servers'] for event in events],
        )

    def test_novas_fixture_of_another_test(self):
        def body(inner):
            inner.serve('host', cases.Endpoint())
            before = cases.attributes()
            other = cases.UnhardenedTestCase('run')
            for name in ('cast', 'prepare'):
                self.addCleanup(cases.give_back, name)
            self.addCleanup(other.doCleanups)
            with nova_fixtures.CastAsCallFixture(other):
                context = inner.client().prepare()
                inner.assertEqual('noted', context.cast({}, 'note'))
            inner.assertNotEqual(before, cases.attributes())

        # By the inner fixture, not by this one.
        self.assertEqual([], self.check(body))

    def test_the_last_one_turns(self):
        def body(inner):
            inner.serve('host', cases.Endpoint())
            outer = inner.useFixture(cast_as_call.SafeCastAsCall())
            with cast_as_call.SafeCastAsCall() as casting:
                inner.client().cast({}, 'note')
            inner.assertEqual(1, len(casting.casts))
            inner.assertEqual([], outer.casts)
            inner.client().cast({}, 'note')
            inner.assertEqual(1, len(casting.casts))
            inner.assertEqual(1, len(outer.casts))
            with casting:
                inner.assertEqual([], casting.casts)

        self.assertEqual(2, len(self.check(body)))

    def test_what_was_kept_casts(self):
        def body(inner):
            done = threading.Event()
            inner.serve('host', cases.Endpoint(lambda: done.set() or 'noted'))
            context = inner.client().prepare(server='host')
            with cast_as_call.SafeCastAsCall() as casting:
                kept = context.cast
                inner.assertEqual('noted', kept({}, 'note'))
            for act in (kept, context.cast):
                with self.subTest(act=act):
                    done.clear()
                    # A cast does not wait for what it returns.
                    inner.assertIsNone(act({}, 'note'))
                    inner.assertTrue(done.wait(cases.PATIENCE))
            inner.assertEqual(1, len(casting.casts))

        self.assertEqual(1, len(self.check(body)))

    def test_given_trail(self):
        def body(inner):
            inner.serve('host', cases.Endpoint())
            with audit.AuditTrail('another') as trail:
                pass
            inner.useFixture(cast_as_call.SafeCastAsCall(trail=trail))
            inner.client().cast({}, 'note')
            inner.assertEqual(
                ['monitor/cast'], [event['action'] for event in trail.events]
            )

        self.assertEqual([], self.check(body))


class TestContract(testing.FixtureContract, cases.HardenedTestCase):
    def make_fixture(self):
        return cast_as_call.SafeCastAsCall(self)

    def use(self, fixture):
        self.client(fanout=True).cast({}, 'note')

    def state(self):
        return cases.attributes()
