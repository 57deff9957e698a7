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

"""The fixture, by itself and in hardened tests."""

import safe_fixtures.nova  # isort: skip

import threading
import time
import types
from unittest import mock

import fixtures
from nova import test
from nova.tests.functional.api import client
from nova.tests.functional import integrated_helpers
from oslo_messaging._drivers import impl_fake
from sqlalchemy.engine import default

from safe_fixtures import audit
from safe_fixtures.nova import waiting
from safe_fixtures.nova.waiting import changes
from safe_fixtures.nova.waiting import helpers
from safe_fixtures.nova.waiting import sleep as waiting_sleep
from tests.functional.nova import inner as inner_run
from tests.functional.nova import test_bases
from tests.functional.nova.waiting import cases
from tests.support import settings


class TestTheFixture(cases.WaitingTestCase):
    def test_leaves_nothing(self):
        before = cases.patched()
        with waiting.WaitForChange():
            during = cases.patched()
        self.assertEqual(before, cases.patched())
        left = {key for key in before if before[key] == during[key]}
        self.assertEqual({(impl_fake, 'time')}, left)

    def test_again(self):
        fixture = waiting.WaitForChange()
        for _ in range(2):
            with fixture, cases.Changes():
                waiter = cases.Waiter(cases.World(lambda early: early))
                waiter._wait_for_assert(waiter.holds, sleep=cases.LONG)
                self.assertEqual([1, 1], fixture.won['_wait_for_assert'][:2])

    def test_nested(self):
        before = cases.patched()
        trail = self.useFixture(audit.AuditTrail())
        with waiting.WaitForChange():
            between = cases.patched()
            with waiting.WaitForChange(), cases.Changes():
                waiter = cases.Waiter(cases.World(lambda early: early))
                waiter._wait_for_assert(waiter.holds, sleep=cases.LONG)
            self.assertEqual(between, cases.patched())
        self.assertEqual(before, cases.patched())
        self.assertEqual(
            ['monitor/wait'], [event['action'] for event in trail.events]
        )

    def test_a_set_up_that_fails(self):
        before = cases.patched()
        fixture = waiting.WaitForChange()
        with mock.patch.object(
            waiting_sleep,
            'replace_sleep',
            autospec=True,
            side_effect=ZeroDivisionError,
        ):
            self.assertRaises(fixtures.MultipleExceptions, fixture.setUp)
        self.assertEqual(before, cases.patched())

    def test_the_event(self):
        trail = self.useFixture(audit.AuditTrail('me'))
        with waiting.WaitForChange() as fixture, cases.Changes():
            waiter = cases.Waiter(cases.World(lambda early: early))
            waiter._wait_for_assert(waiter.holds, sleep=cases.LONG)
            waiter._wait_for_state_change(cases.SERVER, 'ACTIVE')
            cases.failure(
                cases.Waiter(cases.World())._wait_for_assert,
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
        self.assertGreater(said['seconds_won'], cases.LONG / 2)
        self.assertEqual(
            {name: [item[0], round(item[2], 3)] for name, item in won.items()},
            said['helpers'],
        )
        self.assertEqual(2, len(said['helpers']))

    def test_no_event_where_nothing_waited(self):
        trail = self.useFixture(audit.AuditTrail())
        with waiting.WaitForChange():
            waiter = cases.Waiter(cases.World(lambda early: True))
            waiter._wait_for_assert(waiter.holds)
        self.assertEqual([], trail.events)

    def test_without_a_trail(self):
        with waiting.WaitForChange(), cases.Changes():
            waiter = cases.Waiter(cases.World(lambda early: early))
            waiter._wait_for_assert(waiter.holds, sleep=cases.LONG)


class TestOnABase(cases.WaitingTestCase):
    """The hardened bases use it."""

    def run_inner(
        self, body, base=safe_fixtures.nova.SafeNoDBTestCase, **more
    ):
        before = cases.patched()
        result, events = test_bases.run(base, body, **more)
        self.assertEqual(before, cases.patched())
        return result, [
            audit.details(event)
            for event in events
            if event['action'] == 'monitor/wait'
        ]

    def test_pass(self):
        during = {}
        result, events = self.run_inner(
            lambda inner: during.update(cases.patched())
        )
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))
        self.assertEqual([], events)
        self.assertFalse(set(during.values()) & set(cases.patched().values()))

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
        def waited_in():
            # The record of services patches the dialect, too.
            return {
                key: value
                for key, value in cases.patched().items()
                if key[0] is not default.DefaultDialect
            }

        before = waited_in()

        def body(inner):
            inner.assertEqual(before, waited_in())
            inner.assertIs(time, integrated_helpers.time)
            inner.assertIs(time, impl_fake.time)

        with settings.options(wait_for_change='false'):
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
            # At least one wait has to sleep.
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

        # The clock is so slow that no sleep ends by itself: only an early
        # ask ends a wait.
        slowly = 1200
        for module, name, value in (
            (changes, 'now', lambda: time.monotonic() / slowly),
            (changes, '_QUIET', changes._QUIET / slowly),
            (helpers, '_IN_VAIN', 10**6),
        ):
            self.useFixture(
                fixtures.MonkeyPatch(f'{module.__name__}.{name}', value)
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
        self.assertLessEqual(set(said['helpers']), set(cases.WAITS))
        self.assertIn('_wait_for_service_parameter', said['helpers'])
