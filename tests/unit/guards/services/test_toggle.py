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

import dataclasses
import threading
import types
from unittest import mock
import uuid
import warnings

import fixtures
import requests
from requests import adapters
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards import services
from safe_fixtures import testing
from tests.support import base
from tests.support import web

OUTSIDE = 'http://nova.example.com:8774/v2.1'
ENABLED = services.ServiceState()
DISABLED = services.ServiceState(disabled=True)


class Sent(Exception):
    """A request would have left this process."""


class Wire(adapters.HTTPAdapter):
    """A transport that ends before the first byte."""

    def get_connection_with_tls_context(self, *args, **kwargs):
        raise Sent

    def get_connection(self, *args, **kwargs):
        raise Sent


class Client(testing.FakeComputeClient):
    """A client that also knows the actions from before 2.53, and faults.

    ``faults`` has what becomes of a put, by host.
    """

    def __init__(self, hosts=('host1', 'host2', 'host3')):
        super().__init__(list(hosts))
        self.faults = {}

    def put_service(self, service_id, req):
        """Change a service, if no fault is planned for it."""
        if service_id in ('enable', 'disable', 'disable-log-reason'):
            status = 'enabled' if service_id == 'enable' else 'disabled'
            change = {'status': status}
            if 'disabled_reason' in req:
                change['disabled_reason'] = req['disabled_reason']
            return super().put_service(self.uuid(req['host']), change)
        if service_id == 'force-down':
            return super().put_service(
                self.uuid(req['host']),
                {'forced_down': req['forced_down'] in (True, 'true')},
            )
        fault = self.faults.get(self.host(service_id))
        if fault is not None and not fault():
            return {}
        return super().put_service(service_id, req)

    def uuid(self, host):
        (found,) = (
            service['id'] for service in self.list() if service['host'] == host
        )
        return found

    def host(self, key):
        service = self._services.get(key)
        return service and service['host']

    def list(self):
        return list(self._services.values())

    def set(self, host, **values):
        self._services[self.uuid(host)].update(values)

    def delete(self, host):
        del self._services[self.uuid(host)]

    def state(self):
        return {
            service['id']: (
                service['status'],
                service['disabled_reason'],
                service['forced_down'],
            )
            for service in self.list()
        }

    def count(self, name):
        return sum(call[0] == name for call in self.calls)


def fails():
    raise ConnectionError('the API is down')


def fails_once():
    calls = []

    def fault():
        calls.append(None)
        return len(calls) > 1 or fails()

    return fault


def lies():
    return False


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.client = Client()
        self.before = self.client.state()

    def toggle(self, **kwargs):
        return safe_fixtures.SafeServiceToggle(api=self.client, **kwargs)

    def assertRestored(self, client=None):
        self.assertEqual(self.before, (client or self.client).state())
        self.assertNotIn('put_service', vars(client or self.client))
        self.assertEqual((), gate.OBSERVERS.users)


class TestToggle(TestCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.assertRestored)
        self.fixture = self.useFixture(self.toggle())

    def service(self, host='host1'):
        return self.client._services[self.client.uuid(host)]

    def test_disable(self):
        self.fixture.disable('host1')
        self.assertEqual('disabled', self.service()['status'])
        self.assertIsNone(self.service()['disabled_reason'])
        self.assertEqual('enabled', self.service('host2')['status'])

    def test_disable_with_reason(self):
        self.fixture.disable('host1', reason='maintenance')
        self.assertEqual('maintenance', self.service()['disabled_reason'])
        self.fixture.disable('host1', 'other')
        self.assertEqual('other', self.service()['disabled_reason'])

    def test_enable(self):
        self.fixture.disable('host1', 'why')
        self.fixture.enable('host1')
        self.assertEqual('enabled', self.service()['status'])
        self.assertIsNone(self.service()['disabled_reason'])

    def test_force_down_and_up(self):
        self.fixture.force_down('host1')
        self.assertIs(True, self.service()['forced_down'])
        self.fixture.force_up('host1')
        self.assertIs(False, self.service()['forced_down'])

    def test_keeps_the_other_half_of_the_state(self):
        self.fixture.disable('host1', 'why')
        self.fixture.force_down('host1')
        self.assertEqual(
            ('disabled', 'why', True),
            self.client.state()[self.client.uuid('host1')],
        )

    def test_no_change(self):
        self.fixture.enable('host1')
        self.assertEqual([], self.fixture.ledger)
        self.assertEqual(0, self.client.count('put_service'))


class TestRestore(TestCase):
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
        for put in (
            lambda key, host: self.client.put_service(
                key, {'status': 'disabled', 'disabled_reason': 'why'}
            ),
            lambda key, host: self.client.put_service(
                service_id=key, req={'forced_down': True}
            ),
            lambda key, host: self.client.put_service(
                req={'status': 'disabled'}, service_id=key
            ),
            lambda key, host: self.client.put_service(
                'disable', {'host': host, 'binary': 'nova-compute'}
            ),
            lambda key, host: self.client.put_service(
                'disable-log-reason',
                {
                    'host': host,
                    'binary': 'nova-compute',
                    'disabled_reason': 'why',
                },
            ),
            lambda key, host: self.client.put_service(
                'force-down',
                {
                    'host': host,
                    'binary': 'nova-compute',
                    'forced_down': 'true',
                },
            ),
        ):
            with self.toggle() as toggle:
                put(self.client.uuid('host1'), 'host1')
                self.assertNotEqual(self.before, self.client.state())
                self.assertEqual(1, len(toggle.ledger))
                self.assertEqual(
                    self.client.uuid('host1'), toggle.ledger[0].service.uuid
                )
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
            self.client.faults['host2'] = fails
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
        other = Client(['host1'])
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
        client = Client([f'host{n}' for n in range(number)])
        before = client.state()
        with safe_fixtures.SafeServiceToggle(api=client) as toggle:
            for n in range(number):
                toggle.disable(f'host{n}')
        self.assertEqual(number, len(toggle.ledger))
        self.assertEqual(before, client.state())
        self.assertEqual(2 * number, client.count('put_service'))
        return client.count('get_services')

    def test_a_thousand_services_without_a_listing_for_each(self):
        self.assertEqual(self._listings(1), self._listings(1000))

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


class TestHandle(TestCase):
    def test_restores_at_the_end_of_the_block(self):
        with self.toggle() as toggle:
            with toggle.disable('host1', 'why') as handle:
                self.assertEqual(ENABLED, handle.before)
                self.assertEqual('host1', handle.service.host)
                self.assertNotEqual(self.before, self.client.state())
            self.assertEqual(self.before, self.client.state())
            self.assertEqual('put_service', toggle.ledger[0].restored)
        self.assertRestored()

    def test_restores_on_error(self):
        with self.toggle() as toggle:
            try:
                with toggle.force_down('host1'):
                    raise KeyError
            except KeyError:
                self.assertEqual(self.before, self.client.state())
        self.assertRestored()

    def test_restores_to_what_it_found(self):
        with self.toggle() as toggle:
            toggle.disable('host1', 'outer')
            between = self.client.state()
            with toggle.enable('host1'):
                self.assertEqual(self.before, self.client.state())
            self.assertEqual(between, self.client.state())
        self.assertRestored()

    def test_idempotent(self):
        with self.toggle() as toggle:
            handle = toggle.disable('host1')
            handle.restore()
            puts = self.client.count('put_service')
            handle.restore()
            self.assertEqual(puts, self.client.count('put_service'))
        self.assertRestored()

    def test_several(self):
        with self.toggle() as toggle:
            with toggle.disable('host1'), toggle.disable('host2'):
                with toggle.force_down('host1'):
                    pass
            self.assertEqual(self.before, self.client.state())
        self.assertRestored()

    def test_toggled_again_after_it(self):
        with self.toggle() as toggle:
            with toggle.disable('host1'):
                pass
            toggle.force_down('host1')
        self.assertRestored()

    def test_restored_out_of_order(self):
        with self.toggle() as toggle:
            first = toggle.disable('host1')
            second = toggle.force_down('host1')
            first.restore()
            # It goes back to where it was: disabled.
            second.restore()
        self.assertRestored()

    def test_settles_what_it_undid(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            with toggle.force_down('host1'):
                pass
            self.assertEqual(
                [None, 'put_service'],
                [entry.restored for entry in toggle.ledger],
            )
        self.assertEqual('put_service', toggle.ledger[0].restored)

    def test_restore_after_cleanup(self):
        with self.toggle() as toggle:
            handle = toggle.disable('host1')
        error = self.assertRaises(exceptions.SafetyViolation, handle.restore)
        self.assertEqual('SF202', error.code)
        self.assertRestored()

    def test_failing_restore(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = self.useFixture(outer.toggle())
                with toggle.disable('host1'):
                    outer.client.faults['host1'] = fails_once()

        outer = self
        self.assertFails(
            Inner,
            'SF201 (CWE-459): nova-compute on host1 should be enabled again, '
            'and is disabled (restore failed: ConnectionError: the API is '
            'down)',
        )
        # It was still owed, and tried again at cleanup.
        self.assertRestored()

    def test_failing_restore_that_is_swallowed(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = self.useFixture(outer.toggle())
                try:
                    with toggle.disable('host1'):
                        outer.client.faults['host1'] = fails_once()
                except Exception:
                    return

        outer = self
        self.assertFails(
            Inner, 'SF201 (CWE-459): nova-compute on host1 should be enabled'
        )
        self.assertRestored()


class Numbered:
    """A client of an API before 2.53, which takes what it is given."""

    def __init__(self):
        self.service = {
            'id': 7,
            'host': 'host1',
            'binary': 'nova-compute',
            'status': 'enabled',
            'disabled_reason': None,
        }

    def get_services(self):
        return [dict(self.service)]

    def put_service(self, *args, **kwargs):
        number, body = [*args, *kwargs.values()]
        if number != 7:
            raise LookupError(number)
        self.service.update(body)


class TestOtherClients(TestCase):
    def test_numbers_and_any_signature(self):
        client = Numbered()
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            with audit.AuditTrail() as trail:
                with safe_fixtures.SafeServiceToggle(api=client) as toggle:
                    toggle.disable('host1')
                    client.put_service(7, body={'forced_down': True})
                    self.assertTrue(client.service['forced_down'])
        self.assertEqual(2, len(toggle.ledger))
        self.assertEqual('enabled', client.service['status'])
        self.assertFalse(client.service['forced_down'])
        self.assertEqual(1, len({e['target']['id'] for e in trail.events}))

    def test_calls_that_make_no_sense_are_the_clients(self):
        client = Numbered()
        with safe_fixtures.SafeServiceToggle(api=client) as toggle:
            self.assertRaises(ValueError, client.put_service)
            self.assertRaises(TypeError, client.put_service, 7, None)
        self.assertEqual([], toggle.ledger)

    def test_mock_is_left_as_it_was(self):
        client = mock.Mock()
        client.get_services.return_value = []
        put_service = client.put_service
        with safe_fixtures.SafeServiceToggle(api=client):
            self.assertIsNot(put_service, client.put_service)
        self.assertIs(put_service, client.put_service)

    def test_clients_that_cannot_be_watched(self):
        class Slots:
            __slots__ = ()

            def get_services(self):
                return []

            put_service = get_services

        for client in (object(), Slots()):
            error = self.assertRaises(
                exceptions.ConfigurationError,
                safe_fixtures.SafeServiceToggle(api=client).setUp,
            )
            self.assertIn('SafeServiceToggle api', str(error))


class TestLedger(TestCase):
    def test_entries(self):
        with audit.AuditTrail() as trail, self.toggle() as toggle:
            toggle.disable('host1', 'why')
            key = self.client.uuid('host2')
            self.client.put_service(key, {'forced_down': True})
            first, second = toggle.ledger
            self.assertIsNone(first.restored)
        self.assertEqual('nova-compute on host1', str(first.service))
        self.assertEqual(ENABLED, first.before)
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


class TestFind(TestCase):
    def found(self, *names):
        with self.toggle() as toggle:
            for name in names:
                handle = toggle.disable(name)
                self.assertEqual('host2', handle.service.host)
                self.assertEqual(
                    self.client.uuid('host2'), handle.service.uuid
                )
                handle.restore()

    def test_host_name(self):
        self.found('host2')

    def test_uuid(self):
        self.found(self.client.uuid('host2'))

    def test_api_dict(self):
        self.found(*self.client.get_services(host='host2'))

    def test_api_dict_before_2_53(self):
        self.found({'id': 7, 'host': 'host2', 'binary': 'nova-compute'})

    def test_dict_with_host_alone(self):
        self.found({'host': 'host2'})

    def test_object(self):
        self.found(
            types.SimpleNamespace(
                uuid=self.client.uuid('host2'),
                host='host2',
                binary='nova-compute',
            ),
            types.SimpleNamespace(host='host2'),
        )

    def test_running_service(self):
        record = types.SimpleNamespace(host='host2', binary='nova-compute')
        self.found(types.SimpleNamespace(service_ref=record, host='other'))

    def unknown(self, service):
        with self.toggle() as toggle:
            error = self.assertRaises(LookupError, toggle.disable, service)
            self.assertEqual([], toggle.ledger)
        return str(error)

    def test_unknown_lists_the_candidates(self):
        for name in (
            'host9',
            str(uuid.uuid4()),
            {'host': 'host9'},
            {'id': 'x', 'host': 'host1'},
            {'host': 'host1', 'binary': 'nova-scheduler'},
            types.SimpleNamespace(host='host9', binary='nova-compute'),
        ):
            message = self.unknown(name)
            self.assertIn('is unknown', message)
            for service in self.client.list():
                self.assertIn(
                    f'nova-compute on {service["host"]} ({service["id"]})',
                    message,
                )

    def test_unknown_lists_no_more_than_a_person_reads(self):
        self.client = Client([f'host{n}' for n in range(100, 125)])
        message = self.unknown('host9')
        self.assertEqual(20, message.count('nova-compute on'))
        self.assertIn('and 5 more', message)

    def test_unknown_where_there_is_none(self):
        self.client = Client([])
        self.assertIn('none', self.unknown('host1'))

    def test_ambiguous_lists_the_matches(self):
        self.client = testing.FakeComputeClient(['host1', 'host1', 'host2'])
        message = self.unknown('host1')
        self.assertIn('is ambiguous', message)
        self.assertEqual(2, message.count('nova-compute on host1'))
        self.assertNotIn('host2', message)

    def test_ambiguous_by_host_is_clear_by_uuid(self):
        self.client = testing.FakeComputeClient(['host1', 'host1'])
        second = self.client.get_services()[1]
        with self.toggle() as toggle:
            toggle.disable(second['id'])
            self.assertEqual(
                ['enabled', 'disabled'],
                [item['status'] for item in self.client.get_services()],
            )

    def test_nonsense(self):
        for service in (None, '', 3, object()):
            self.assertIn('is not a host name', self.unknown(service))

    def test_created_after_the_first_listing(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            late = testing.FakeComputeClient(['host2'])._services
            self.client._services.update(late)
            toggle.disable(*late)
            self.assertEqual('disabled', *[s['status'] for s in late.values()])
        self.assertEqual('enabled', *[s['status'] for s in late.values()])

    def test_service_in_a_cell_that_is_down(self):
        listed = self.client.get_services
        down = {'host': 'host9', 'binary': 'nova-compute', 'status': 'UNKNOWN'}
        self.client.get_services = lambda **kwargs: [*listed(), down]
        self.found('host2')
        self.assertIn('is unknown', self.unknown('host9'))


class TestOutsideATest(TestCase):
    """SF202."""

    VERBS = ('disable', 'enable', 'force_down', 'force_up')

    def refused(self, toggle):
        for verb in self.VERBS:
            error = self.assertRaises(
                exceptions.SafetyViolation, getattr(toggle, verb), 'host1'
            )
            self.assertEqual('SF202', error.code)
            self.assertIn(verb, error.message)
            self.assertIn('not active', error.message)
        self.assertEqual(0, self.client.count('put_service'))

    def test_before_set_up_and_after_cleanup(self):
        for mode in ('default', 'enforce', 'audit', 'off'):
            self.configure(mode=mode)
            toggle = self.toggle()
            self.refused(toggle)
            with toggle:
                pass
            self.refused(toggle)

    def test_twin(self):
        with self.toggle() as toggle:
            for verb in self.VERBS:
                getattr(toggle, verb)('host1')
        self.assertRestored()

    def test_in_inner_tests(self):
        class Inner(testtools.TestCase):
            def test_before(self):
                outer.toggle().disable('host1')

            def test_after(self):
                with outer.toggle() as toggle:
                    pass
                toggle.disable('host1')

        outer = self
        result = self.assertFails(Inner, count=2)
        for text in base.problems(result):
            self.assertEqual(1, text.count('SF202 (CWE-749): SafeService'))
        self.assertRestored()

    def endpoint_refused(self, **kwargs):
        for mode in ('default', 'enforce', 'audit', 'off'):
            self.configure(mode=mode, rule_modes='SF202:off')
            error = self.assertRaises(
                exceptions.SafetyViolation, self.toggle(**kwargs).setUp
            )
            self.assertEqual('SF202', error.code)
            self.assertIn('not a test endpoint', error.message)
            self.assertEqual([], self.client.calls)
            self.assertIsNone(audit.current())
            self.assertRestored()
        return error

    def test_base_url_of_a_public_host(self):
        self.client.base_url = OUTSIDE
        self.assertIn(OUTSIDE, self.endpoint_refused().message)

    def test_base_urls_that_only_look_like_loopback(self):
        for url in (
            'http://localhost.example.com/',
            'http://127.0.0.1@example.com/',
            'http://[::1',
            '',
        ):
            self.client.base_url = url
            self.endpoint_refused()

    def test_endpoint_of_a_public_host(self):
        self.client.base_url = 'http://127.0.0.1/'
        self.endpoint_refused(endpoint=OUTSIDE)

    def works(self, **kwargs):
        with self.toggle(**kwargs) as toggle:
            toggle.disable('host1')
            self.assertNotEqual(self.before, self.client.state())
        self.assertRestored()

    def test_twin_on_loopback(self):
        for host in ('localhost', '127.0.0.1', '[::1]'):
            self.client.base_url = f'http://{host}:8774/v2.1'
            self.works()

    def test_twin_that_is_allowed(self):
        self.client.base_url = OUTSIDE
        for entry in ('nova.example.com', 'nova.example.com:8774', OUTSIDE):
            self.configure(allowed_endpoints=entry)
            self.works()
        self.configure(allowed_endpoints='other.example.com')
        del self.client.calls[:]
        self.endpoint_refused()

    def test_twin_that_is_intercepted(self):
        self.useFixture(web.Served())
        self.client.base_url = web.URL
        self.works()

    def test_interception_that_ended(self):
        self.client.base_url = web.URL
        with web.Served():
            toggle = self.useFixture(self.toggle())
            toggle.disable('host1').restore()
        puts = self.client.count('put_service')
        with safe_fixtures.expect_violation('SF202') as seen:
            self.client.put_service(
                self.client.uuid('host1'), {'status': 'disabled'}
            )
        self.assertIn(web.URL, seen[0].message)
        self.assertEqual(puts, self.client.count('put_service'))

    def test_twin_in_process(self):
        self.works()

    def test_endpoint_overrides_base_url(self):
        self.client.base_url = OUTSIDE
        self.works(endpoint='http://localhost/')

    def test_refused_endpoint_in_an_inner_test(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = self.useFixture(outer.toggle())
                toggle.disable('host1')

        outer = self
        self.client.base_url = OUTSIDE
        self.assertFails(Inner, 'SF202 (CWE-749): a service would be toggled')
        self.assertEqual([], self.client.calls)

    def test_client_that_is_pointed_elsewhere_later(self):
        self.client.base_url = 'http://127.0.0.1/'
        with self.toggle() as toggle:
            self.client.base_url = OUTSIDE
            with safe_fixtures.expect_violation('SF202') as seen:
                toggle.disable('host1')
            self.assertIn(OUTSIDE, seen[0].message)
        self.assertEqual(0, self.client.count('put_service'))

    def put(self, url, method='PUT'):
        with requests.Session() as session:
            session.mount('http://', Wire())
            session.request(method, url, json={'status': 'disabled'})

    def test_refusal_at_set_up_is_recorded(self):
        self.client.base_url = OUTSIDE
        with audit.AuditTrail() as trail:
            self.assertRaises(exceptions.SafetyViolation, self.toggle().setUp)
        self.assertEqual(['deny'], [e['action'] for e in trail.events])

    def test_requests_that_change_a_service(self):
        with self.toggle():
            for method, url in (
                ('PUT', OUTSIDE + '/os-services/1'),
                ('DELETE', OUTSIDE + '/os-services/1'),
                ('PUT', 'http://nova.example.com/compute/v2.1/os-services/1'),
                ('PUT', 'http://nova.example.com/v2.1/demo/os-services/1'),
            ):
                with safe_fixtures.expect_violation('SF202'):
                    self.put(url, method)

    def test_request_to_a_public_host(self):
        for mode in ('default', 'audit', 'off'):
            self.configure(mode=mode)
            with self.toggle() as toggle:
                for path in ('/os-services/1', '/os-services/disable'):
                    with safe_fixtures.expect_violation('SF202') as seen:
                        self.put(OUTSIDE + path)
                    self.assertIn(OUTSIDE, seen[0].message)
                self.assertEqual(
                    ['deny', 'deny'],
                    [event['action'] for event in toggle.trail.events],
                )

    def test_request_to_a_public_host_twin(self):
        with self.toggle():
            for url in (
                f'{OUTSIDE}/os-aggregates/1',
                'http://127.0.0.1:8774/v2.1/os-services/1',
            ):
                self.assertRaises(Sent, self.put, url)
            self.assertRaises(
                Sent, self.put, f'{OUTSIDE}/os-services/1', method='GET'
            )
        self.configure(allowed_endpoints='nova.example.com')
        with self.toggle():
            self.assertRaises(Sent, self.put, f'{OUTSIDE}/os-services/1')

    def test_without_api_where_no_nova_is(self):
        error = self.assertRaises(
            exceptions.ConfigurationError,
            safe_fixtures.SafeServiceToggle().setUp,
        )
        self.assertIn('SafeServiceToggle api', str(error))
        self.assertIn('get_services and put_service', str(error))


class TestRestoreFails(TestCase):
    """SF201."""

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
            self.inner(('host2', fails)),
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
            self.inner(('host2', lies)), self.says('host2', 'put_service')
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
            self.inner(('host1', fails), ('host2', lies), ('host3', fails))
        )
        self.assertFalse(result.wasSuccessful())
        text = '\n'.join(base.problems(result))
        self.assertIn(self.says('host2', 'put_service'), text)
        for host in ('host1', 'host3'):
            self.assertIn(f'{host} should be enabled again', text)
        self.assertOthersRestored('host1', 'host2', 'host3')

    def test_first_and_last_fail(self):
        result = self.run_inner(self.inner(('host1', fails), ('host3', lies)))
        text = '\n'.join(base.problems(result))
        self.assertIn('host1 should be enabled again', text)
        self.assertIn('host3 should be enabled again', text)
        self.assertNotIn('host2 should be', text)
        self.assertOthersRestored('host1', 'host3')

    def test_typed(self):
        toggle = self.toggle()
        toggle.setUp()
        toggle.disable('host1')
        self.client.faults['host1'] = fails
        error = self.assertRaises(exceptions.RestoreFailed, toggle.cleanUp)
        self.assertEqual('nova-compute on host1', error.service)
        self.assertEqual(ENABLED, error.wanted)
        self.assertEqual(DISABLED, error.actual)
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
                'safe_fixtures.guards.services.ledger.time',
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
        self.client.faults['host1'] = lambda: takes(1.25, fails)
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
        self.client.get_services = fails
        error = self.assertRaises(exceptions.RestoreFailed, toggle.cleanUp)
        self.assertIsNone(error.actual)
        self.assertIn('the API is down', str(error))

    def test_recorded_in_audit_mode(self):
        self.configure(rule_modes='SF201:audit')
        self.assertPasses(self.inner(('host2', fails)))
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
                outer.client.faults['host1'] = lies
                self.fail('for its own reason')

        outer = self
        result = self.run_inner(Inner)
        text = '\n'.join(base.problems(result))
        self.assertIn('AssertionError: for its own reason', text)
        self.assertIn('SF201 (CWE-459): nova-compute on host1', text)


class Records:
    """Services of an API that a test tears down."""

    def __init__(self, torn_down_by_test=True):
        self.torn_down_by_test = torn_down_by_test
        self.ref = services.ServiceRef(
            str(uuid.uuid4()), 'host1', 'nova-compute'
        )
        self.state = ENABLED
        self.watcher = None
        self.open = True

    def watch(self, watcher):
        self.watcher = watcher
        return lambda: setattr(self, 'watcher', None)

    def find(self, service):
        return self.ref

    def servers_on(self, ref):
        return []

    def read(self, ref):
        return self.state

    def read_all(self, refs):
        closed = services.ServiceUnreachable('the API is closed')
        return dict.fromkeys(refs, self.state if self.open else closed)

    def write(self, ref, state, timeout):
        changed = self.watcher.changing(ref, self.state)
        self.state = state
        changed(state)
        return 'written'

    def close(self):
        self.open = False


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
        records = Records()
        self.assertPasses(self.inner(records))
        self.assertEqual(ENABLED, records.state)
        self.assertEqual(
            ['written', 'written'],
            [entry.restored for entry in self.toggle.ledger],
        )
        self.assertIsNone(records.watcher)

    def test_unreachable_is_noted_and_no_failure(self):
        records = Records(torn_down_by_test=False)
        self.assertPasses(self.inner(records))
        self.assertEqual(
            dataclasses.replace(DISABLED, forced_down=True), records.state
        )
        for entry in self.toggle.ledger:
            self.assertIn('the API is closed', entry.restored)


class TestContract(testing.FixtureContract, TestCase):
    def make_fixture(self):
        return self.toggle()

    def use(self, fixture):
        fixture.disable('host1', f'after {len(self.client.calls)} calls')
        self.client.put_service(
            self.client.uuid('host2'), {'forced_down': True}
        )

    def state(self):
        wrapped = vars(self.client).get('put_service')
        return self.client.state(), id(wrapped), len(gate.OBSERVERS.users)
