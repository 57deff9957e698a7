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

"""What services are owed, and how it is restored."""

import dataclasses
import threading
import types

import fixtures
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards import services
from tests.support import base
from tests.support import toggles


class TestRestore(toggles.TestCase):
    def test_prior_state_of_any_kind(self):
        self.client.set('host1', status='disabled', disabled_reason='older')
        self.client.set('host2', status='disabled', forced_down=True)
        self.client.set('host3', forced_down=True)
        self.before = self.client.state()
        with self.toggle() as toggle:
            for host in ('host1', 'host2', 'host3'):
                toggle.enable(host)
                toggle.force_up(host)
                toggle.disable(host, 'newer')
                toggle.force_down(host)
            toggle.enable('host1')
            toggle.force_up('host2')
        self.assertRestored()

    def test_raw_puts(self):
        key = self.client.uuid('host1')
        compute = {'host': 'host1', 'binary': 'nova-compute'}
        for args, kwargs in (
            ((key, {'status': 'disabled', 'disabled_reason': 'why'}), {}),
            ((), {'service_id': key, 'req': {'forced_down': True}}),
            ((), {'req': {'status': 'disabled'}, 'service_id': key}),
            (('disable', compute), {}),
            (('disable-log-reason', {**compute, 'disabled_reason': 'x'}), {}),
            (('force-down', {**compute, 'forced_down': 'true'}), {}),
        ):
            with self.subTest(args=args, kwargs=kwargs):
                with self.toggle() as toggle:
                    self.client.put_service(*args, **kwargs)
                    self.assertNotEqual(self.before, self.client.state())
                    (entry,) = toggle.ledger
                    self.assertEqual(key, entry.service.uuid)
                self.assertRestored()

    def test_in_reverse_order_and_once_each(self):
        with self.toggle() as toggle:
            for host in ('host2', 'host1', 'host3', 'host2'):
                toggle.disable(host, f'{host} again')
            toggle.disable('host2', 'once more')
            del self.client.calls[:]
        puts = [
            self.client.host(call[1])
            for call in self.client.calls
            if call[0] == 'put_service'
        ]
        self.assertEqual(['host3', 'host1', 'host2'], puts)

    def test_already_as_before(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            toggle.enable('host1')
            del self.client.calls[:]
        self.assertEqual(0, self.client.count('put_service'))
        self.assertRestored()

    def test_put_that_the_client_refuses(self):
        with self.toggle() as toggle:
            key = self.client.uuid('host1')
            self.assertRaises(
                ValueError,
                self.client.put_service,
                key,
                {'status': 'enabled', 'disabled_reason': 'why'},
            )
            self.assertRaises(
                LookupError, self.client.put_service, 'none', {'status': 'x'}
            )
            self.client.faults['host2'] = toggles.fails
            self.assertRaises(ConnectionError, toggle.disable, 'host2')
            self.assertIsNone(toggle.ledger[-1].after)
            del self.client.faults['host2']
        self.assertEqual('already as before', toggle.ledger[-1].restored)
        self.assertRestored()

    def test_result_of_a_put_goes_through(self):
        with self.toggle():
            key = self.client.uuid('host1')
            result = self.client.put_service(key, {'status': 'disabled'})
        self.assertEqual('disabled', result['status'])

    def test_nested_on_one_client(self):
        with self.toggle() as outer:
            outer.disable('host1', 'outer')
            between = self.client.state()
            with self.toggle() as inner:
                inner.enable('host1')
                inner.disable('host2')
                self.client.put_service(
                    self.client.uuid('host3'), {'forced_down': True}
                )
            self.assertEqual(between, self.client.state())
        self.assertRestored()

    def test_ended_out_of_order(self):
        first, second = self.toggle(), self.toggle()
        first.setUp()
        second.setUp()
        second.disable('host1')
        first.cleanUp()
        self.assertEqual(self.before, self.client.state())
        self.client.put_service(
            self.client.uuid('host2'), {'forced_down': True}
        )
        self.assertEqual('host2', second.ledger[-1].service.host)
        second.cleanUp()
        self.assertRestored()

    def test_somebody_else_enabled_it(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            self.client.set('host1', status='enabled')
            toggle.disable('host1')
            self.assertEqual(
                'disabled', self.client.get_services(host='host1')[0]['status']
            )
        self.assertRestored()

    def test_two_clients(self):
        other = toggles.Client(['host1'])
        before = other.state()
        with self.toggle() as one:
            with safe_fixtures.SafeServiceToggle(api=other) as two:
                one.disable('host1')
                two.force_down('host1')
                self.assertEqual(1, len(one.ledger))
                self.assertEqual(1, len(two.ledger))
        self.assertEqual(before, other.state())
        self.assertNotIn('put_service', vars(other))
        self.assertRestored()

    def test_put_service_of_the_instance_comes_back(self):
        own = self.client.put_service
        self.client.put_service = own
        with self.toggle() as toggle:
            toggle.disable('host1')
        self.assertIs(own, vars(self.client)['put_service'])
        del self.client.put_service
        self.assertRestored()

    def test_from_threads(self):
        with self.toggle():
            threads = [
                threading.Thread(
                    target=self.client.put_service,
                    args=(self.client.uuid(host), {'status': 'disabled'}),
                )
                for host in ('host1', 'host2', 'host3')
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(
                {'disabled'}, {item['status'] for item in self.client.list()}
            )
        self.assertRestored()

    def test_gone_is_noted_and_no_failure(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            toggle.disable('host2')
            self.client.delete('host1')
        self.assertIn('not restored', toggle.ledger[0].restored)
        self.assertIn('does not list it', toggle.ledger[0].restored)
        self.assertEqual('put_service', toggle.ledger[1].restored)
        self.assertEqual(
            {('enabled', None, False)}, set(self.client.state().values())
        )

    def _listings(self, number):
        client = toggles.Client([f'host{n}' for n in range(number)])
        before = client.state()
        with safe_fixtures.SafeServiceToggle(api=client) as toggle:
            for n in range(number):
                toggle.disable(f'host{n}')
        self.assertEqual(number, len(toggle.ledger))
        self.assertEqual(before, client.state())
        self.assertEqual(2 * number, client.count('put_service'))
        return client.count('get_services')

    def test_many_services_without_a_listing_for_each(self):
        self.assertEqual(self._listings(1), self._listings(100))

    def test_inner_tests(self):
        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(outer.toggle()).disable('host1')

            def test_passes(self):
                outer.client.put_service(
                    outer.client.uuid('host2'), {'forced_down': True}
                )

            def test_fails(self):
                self.fail('for its own reason')

        class Breaks(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(outer.toggle()).disable('host1')
                raise KeyError('in setUp')

            def test_x(self):
                raise ZeroDivisionError

        outer = self
        self.assertFails(Inner, 'AssertionError: for its own reason')
        self.assertRestored()
        self.assertFails(Breaks, "KeyError: 'in setUp'")
        self.assertRestored()


class TestLedger(toggles.TestCase):
    def test_entries(self):
        with audit.AuditTrail() as trail, self.toggle() as toggle:
            toggle.disable('host1', 'why')
            key = self.client.uuid('host2')
            self.client.put_service(key, {'forced_down': True})
            first, second = toggle.ledger
            self.assertIsNone(first.restored)
        self.assertEqual('nova-compute on host1', str(first.service))
        self.assertEqual(toggles.ENABLED, first.before)
        self.assertEqual(
            services.ServiceState(disabled=True, disabled_reason='why'),
            first.after,
        )
        self.assertTrue(first.by.startswith('SafeServiceToggle.disable ('))
        self.assertEqual(key, second.service.uuid)
        self.assertEqual(services.ServiceState(forced_down=True), second.after)
        self.assertIn(__file__, second.by)
        self.assertNotIn('SafeServiceToggle', second.by)
        for entry in toggle.ledger:
            with self.subTest(service=entry.service):
                self.assertEqual('put_service', entry.restored)
        self.assertEqual(
            ['disable', 'update/forced_down', 'restore/service',
             'restore/service'],
            [event['action'] for event in trail.events],
        )  # fmt: skip
        self.assertEqual(
            ['host1', 'host2', 'host2', 'host1'],
            [event['target']['name'][-5:] for event in trail.events],
        )
        said = audit.details(trail.events[0])
        self.assertEqual('enabled', said['before'])
        self.assertEqual("disabled ('why')", said['after'])

    def test_names_the_line_of_the_test(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
        self.assertIn(f'({__file__}:', toggle.ledger[0].by)

    def test_empty_when_reused(self):
        toggle = self.toggle()
        for _ in range(2):
            with toggle:
                toggle.disable('host1')
                self.assertEqual(1, len(toggle.ledger))
        self.assertRestored()

    def test_restore_is_no_entry(self):
        with self.toggle() as toggle:
            toggle.disable('host1').restore()
            self.assertEqual(1, len(toggle.ledger))


class TestRestoreFails(toggles.TestCase):
    """SF201: a service cannot be restored."""

    def inner(self, *hosts):
        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = self.useFixture(outer.toggle())
                outer.fixture = toggle
                for host in ('host1', 'host2', 'host3'):
                    toggle.disable(host, 'why')
                outer.client.faults.update(faults)

        outer = self
        faults = dict(hosts)
        return Inner

    def assertOthersRestored(self, *lost):
        states = {
            service['host']: service['status']
            for service in self.client.list()
        }
        expected = {
            host: 'disabled' if host in lost else 'enabled' for host in states
        }
        self.assertEqual(expected, states)
        self.assertNotIn('put_service', vars(self.client))
        self.assertEqual((), gate.OBSERVERS.users)

    def says(self, host, how):
        return (
            f'SF201 (CWE-459): nova-compute on {host} should be enabled '
            f"again, and is disabled ('why') ({how})"
        )

    def test_put_fails(self):
        self.assertFails(
            self.inner(('host2', toggles.fails)),
            self.says(
                'host2', 'restore failed: ConnectionError: the API is down'
            ),
        )
        self.assertOthersRestored('host2')

    def test_twin(self):
        self.assertPasses(self.inner())
        self.assertOthersRestored()

    def test_put_lies(self):
        self.assertFails(
            self.inner(('host2', toggles.lies)),
            self.says('host2', 'put_service'),
        )
        self.assertOthersRestored('host2')

    def test_put_hangs(self):
        def hangs():
            released.wait()
            return False

        released = threading.Event()
        self.addCleanup(released.set)
        self.configure(restore_timeout='0.2')
        self.assertFails(
            self.inner(('host2', hangs)),
            self.says(
                'host2',
                'restore failed: TimeoutError: no answer within 0.2 seconds',
            ),
        )
        self.assertOthersRestored('host2')

    def test_all_that_fail_are_reported(self):
        result = self.run_inner(
            self.inner(
                ('host1', toggles.fails),
                ('host2', toggles.lies),
                ('host3', toggles.fails),
            )
        )
        self.assertFalse(result.wasSuccessful())
        text = '\n'.join(base.problems(result))
        self.assertIn(self.says('host2', 'put_service'), text)
        for host in ('host1', 'host3'):
            self.assertIn(f'{host} should be enabled again', text)
        self.assertOthersRestored('host1', 'host2', 'host3')

    def test_first_and_last_fail(self):
        result = self.run_inner(
            self.inner(('host1', toggles.fails), ('host3', toggles.lies))
        )
        text = '\n'.join(base.problems(result))
        self.assertIn('host1 should be enabled again', text)
        self.assertIn('host3 should be enabled again', text)
        self.assertNotIn('host2 should be', text)
        self.assertOthersRestored('host1', 'host3')

    def test_typed(self):
        toggle = self.toggle()
        toggle.setUp()
        toggle.disable('host1')
        self.client.faults['host1'] = toggles.fails
        error = self.assertRaises(exceptions.RestoreFailed, toggle.cleanUp)
        self.assertEqual('nova-compute on host1', error.service)
        self.assertEqual(toggles.ENABLED, error.wanted)
        self.assertEqual(toggles.DISABLED, error.actual)
        self.assertIsInstance(error.__cause__, ConnectionError)
        self.assertIn('ConnectionError', toggle.ledger[0].restored)
        (event,) = (
            event
            for event in toggle.trail.events
            if event['action'] == 'restore/service'
        )
        self.assertEqual('failure', event['outcome'])

    def test_seconds_are_those_of_its_own_write(self):
        clock = [100.0]
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.guards.services.ledger.clock',
                types.SimpleNamespace(monotonic=lambda: clock[0]),
            )
        )

        def takes(seconds, result):
            clock[0] += seconds
            return result()

        toggle = self.toggle()
        toggle.setUp()
        for host in ('host1', 'host2', 'host3'):
            toggle.disable(host)
        toggle.enable('host3')
        self.client.faults['host1'] = lambda: takes(1.25, toggles.fails)
        self.client.faults['host2'] = lambda: takes(0.5, lambda: True)
        listing = self.client.get_services
        self.client.get_services = lambda: takes(10, listing)
        self.assertRaises(exceptions.RestoreFailed, toggle.cleanUp)
        self.assertEqual(
            {
                'nova-compute on host1': 1.25,
                'nova-compute on host2': 0.5,
                'nova-compute on host3': 0.0,
            },
            {
                event['target']['name']: audit.details(event)['seconds']
                for event in toggle.trail.events
                if event['action'] == 'restore/service'
            },
        )

    def test_listing_fails(self):
        toggle = self.toggle()
        toggle.setUp()
        toggle.disable('host1')
        self.client.get_services = toggles.fails
        error = self.assertRaises(exceptions.RestoreFailed, toggle.cleanUp)
        self.assertIsNone(error.actual)
        self.assertIn('the API is down', str(error))

    def test_recorded_in_audit_mode(self):
        self.configure(rule_modes='SF201:audit')
        self.assertPasses(self.inner(('host2', toggles.fails)))
        self.assertOthersRestored('host2')
        codes = [
            event['reason']['reasonCode']
            for event in self.fixture.trail.events
            if 'reason' in event
        ]
        self.assertEqual(['SF201'], codes)

    def test_in_a_test_that_failed_already(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = self.useFixture(outer.toggle())
                toggle.disable('host1')
                outer.client.faults['host1'] = toggles.lies
                self.fail('for its own reason')

        outer = self
        result = self.run_inner(Inner)
        text = '\n'.join(base.problems(result))
        self.assertIn('AssertionError: for its own reason', text)
        self.assertIn('SF201 (CWE-459): nova-compute on host1', text)


class TestServicesOfATest(base.TestCase):
    def inner(self, records):
        class Inner(testtools.TestCase):
            def test_x(self):
                outer.toggle = self.useFixture(
                    safe_fixtures.SafeServiceToggle(services=records)
                )
                self.addCleanup(records.close)
                outer.toggle.disable('host1')
                outer.toggle.force_down('host1')

        outer = self
        return Inner

    def test_restored_before_what_was_started_earlier_is_torn_down(self):
        records = toggles.Records()
        self.assertPasses(self.inner(records))
        self.assertEqual(toggles.ENABLED, records.state)
        self.assertEqual(
            ['written', 'written'],
            [entry.restored for entry in self.toggle.ledger],
        )
        self.assertIsNone(records.watcher)

    def test_unreachable_is_noted_and_no_failure(self):
        records = toggles.Records(torn_down_by_test=False)
        self.assertPasses(self.inner(records))
        self.assertEqual(
            dataclasses.replace(toggles.DISABLED, forced_down=True),
            records.state,
        )
        for entry in self.toggle.ledger:
            with self.subTest(service=entry.service):
                self.assertIn('the API is closed', entry.restored)
