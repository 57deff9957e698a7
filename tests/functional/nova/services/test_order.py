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

"""Computes that are taken away from their servers, on real Nova."""

import safe_fixtures.nova  # isort: skip

import re
import threading
from unittest import mock

import fixtures
from nova.compute import api as compute_api
from nova.compute import manager
from nova.compute import rpcapi
from nova import context as nova_context
from nova.db.main import api as db
from nova import exception
from nova import objects
from nova import service as nova_service
from nova.tests.functional.api import client
from nova.tests.functional import integrated_helpers
from oslo_db import exception as db_exc
from oslo_utils.fixture import uuidsentinel as uuids
import requests
from sqlalchemy import orm

from safe_fixtures import exceptions
from safe_fixtures.guards import services
from safe_fixtures import testing
from tests.functional.nova import inner as inner_run
from tests.support import base

REASON = 'this is what the test is about'


def put(
    body, path='{uuid}', client='admin_api', version='2.53', of='os-services'
):
    """Return a way of a request."""

    def way(case, compute):
        api = getattr(case.api_fixture, client)
        path_of = path.format(uuid=compute.service_ref.uuid, host=compute.host)
        with mock.patch.object(api, 'microversion', version):
            api.api_put(
                f'{of}/{path_of}',
                {
                    name: value.format(host=compute.host)
                    if isinstance(value, str)
                    else value
                    for name, value in body.items()
                },
            )

    return way


def by_requests(case, compute):
    response = requests.put(
        f'{case.api_fixture.base_url}/os-services/{compute.service_ref.uuid}',
        json={'forced_down': True},
        headers={
            **inner_run.HEADERS,
            'OpenStack-API-Version': 'compute 2.53',
        },
    )
    case.assertEqual(200, response.status_code)


def record_of(compute):
    return objects.Service.get_by_uuid(
        nova_context.get_admin_context(), compute.service_ref.uuid
    )


def save(**fields):
    """Return a way of saving the record itself."""

    def way(case, compute):
        record = record_of(compute)
        for name, value in fields.items():
            setattr(record, name, value)
        record.save()

    return way


def update(case, compute):
    record = record_of(compute)
    db.service_update(record._context, record.id, {'disabled': True})


def through_host_api(case, compute):
    compute_api.HostAPI().service_update_by_host_and_binary(
        nova_context.get_admin_context(),
        compute.host,
        'nova-compute',
        {'disabled': True},
    )


def destroy(case, compute):
    record_of(compute).destroy()


def power(action):
    def way(case, compute):
        with mock.patch.object(case.admin_api, 'microversion', '2.42'):
            case.admin_api.api_get(f'os-hosts/{compute.host}/{action}')

    return way


def put_host(**body):
    return put(body, '{host}', version='2.42', of='os-hosts')


def tell_compute(case, compute):
    rpcapi.ComputeAPI().set_host_enabled(
        nova_context.get_admin_context(), compute.host, False
    )


def delete_unasked(case, compute):
    # What Nova refuses, it refuses with this.
    with mock.patch.object(
        objects.InstanceList,
        'get_count_by_hosts',
        autospec=True,
        return_value=0,
    ):
        case.delete_service(compute)


# What a test does to a compute, by any name but the toggle's.
RAW = {
    'disable': put({'status': 'disabled'}),
    'disable, with a reason': put(
        {'status': 'disabled', 'disabled_reason': 'why'}
    ),
    'force down': put({'forced_down': True}),
    'both': put({'status': 'disabled', 'forced_down': True}),
    'at the newest microversion': put({'forced_down': True}, version='latest'),
    'by another client': put(
        {'forced_down': True}, client='alternative_admin_api'
    ),
    'disable before 2.53': put(
        {'host': '{host}', 'binary': 'nova-compute'}, 'disable', version='2.1'
    ),
    'disable with a reason before 2.53': put(
        {'host': '{host}', 'binary': 'nova-compute', 'disabled_reason': 'x'},
        'disable-log-reason',
        version='2.1',
    ),
    'force down before 2.53': put(
        {'host': '{host}', 'binary': 'nova-compute', 'forced_down': True},
        'force-down',
        version='2.11',
    ),
    'bare requests': by_requests,
    'the record, disabled': save(disabled=True),
    'the record, forced down': save(forced_down=True),
    'the database': update,
    'the API behind the API': through_host_api,
    'stop': lambda case, compute: compute.stop(),
    'kill': lambda case, compute: compute.kill(),
    'destroy the record': destroy,
    'a deletion that Nova serves': delete_unasked,
}
# What leaves the record of the service as it is.
HOSTS = {
    'disable the host': put_host(status='disable'),
    'put the host into maintenance': put_host(maintenance_mode='enable'),
    'shut the host down': power('shutdown'),
    'reboot the host': power('reboot'),
    'tell the compute': tell_compute,
}
# And by the toggle.
OWN = {
    'toggle.disable': lambda case, compute: case.service_toggle.disable(
        compute.host
    ),
    'toggle.disable, with a reason': (
        lambda case, compute: case.service_toggle.disable(compute, 'why')
    ),
    'toggle.force_down': lambda case, compute: case.service_toggle.force_down(
        compute.service_ref.uuid
    ),
}


class Computes(integrated_helpers._IntegratedTestBase):
    """Two computes, of which one has a server on it."""

    api_major_version = 'v2.1'
    microversion = 'latest'
    ADMIN_API = True
    CAST_AS_CALL = False

    def _setup_compute_service(self):
        self.full = self.start_service('compute', host='full')
        self.empty = self.start_service('compute', host='empty')

    def boot(self, host='full', **kwargs):
        return self._create_server(networks='none', host=host, **kwargs)

    def delete_service(self, compute, api=None):
        api = api or self.admin_api
        with mock.patch.object(api, 'microversion', '2.53'):
            return api.api_delete(f'os-services/{compute.service_ref.uuid}')

    def delete_service_by_number(self, compute):
        with mock.patch.object(self.admin_api, 'microversion', '2.52'):
            return self.admin_api.api_delete(
                f'os-services/{compute.service_ref.id}'
            )

    def service_of(self, compute):
        (service,) = self.admin_api.get_services(
            binary='nova-compute', host=compute.host
        )
        return service['status'], service['forced_down'], service['state']

    def records(self, action):
        return contents(self.audit_trail, action)


def contents(trail, action):
    """Return what the events of an action hold."""
    return [
        event['attachments'][0]['content']
        for event in trail.events
        if event['action'] == action
    ]


SafeComputes = safe_fixtures.nova.hardened(Computes)
UP = ('enabled', False, 'up')


class TestCase(base.TestCase):
    def inner(self, act, waived=None, **attributes):
        """Run a test that does this; return the result."""
        outer = self

        class Inner(SafeComputes):
            def test(self):
                outer.case = self
                # Nova clears the attributes of a test at its end.
                outer.outages = self.service_toggle.outages
                outer.trail = self.audit_trail
                act(self)

        if waived is not None:
            Inner.test = safe_fixtures.waive('SF203', reason=waived)(
                Inner.test
            )

        for name, value in attributes.items():
            setattr(Inner, name, value)
        return inner_run.run_inner(Inner)

    def assertPassed(self, result):
        self.assertEqual('', inner_run.problems(result))
        self.assertEqual(1, result.testsRun)
        self.assertEqual({}, result.skip_reasons)


class TestRefused(TestCase):
    """What is tried, one way after the other, as nothing is changed."""

    def setUp(self):
        super().setUp()
        self.configure(rule_modes='SF203:enforce')

    def test_each_way(self):
        def act(case):
            server = case.boot()
            for name, way in {**RAW, **HOSTS, **OWN}.items():
                with testing.expect_violation('SF203') as seen:
                    way(case, case.full)
                (violation,) = seen
                case.assertIsInstance(violation, exceptions.WrongOrder, name)
                case.assertEqual(
                    (services.HostedServer(server['id'], 'active'),),
                    violation.servers,
                    name,
                )
                case.assertIn('nova-compute on full would be', str(violation))
                case.assertIn('test_order.py:', violation.where, name)
                case.assertEqual(UP, case.service_of(case.full), name)
            # It still does what a compute does.
            case._reboot_server(server)
            case.assertEqual([], case.service_toggle.ledger)
            case.assertEqual([], case.service_toggle.outages)

        self.assertPassed(self.inner(act))

    def test_each_way_on_a_compute_without_servers(self):
        def act(case):
            case.boot()
            for way in (
                *HOSTS.values(),
                put_host(status='enable'),
                put_host(maintenance_mode='disable'),
                power('startup'),
            ):
                way(case, case.empty)
            # Nor of what gives one back.
            put_host(status='enable')(case, case.full)
            put_host(maintenance_mode='disable')(case, case.full)
            power('startup')(case, case.full)
            done = []
            for name, way in {**OWN, **RAW}.items():
                if name in ('kill', 'destroy the record'):
                    # There is no way back.
                    continue
                way(case, case.empty)
                done.append(name)
                if name == 'a deletion that Nova serves':
                    break
                if name == 'stop':
                    case.empty.start()
                    continue
                case.assertNotEqual(UP, case.service_of(case.empty), name)
                put({'status': 'enabled', 'forced_down': False})(
                    case, case.empty
                )
            case.assertEqual(len(RAW) + len(OWN) - 2, len(done))
            case.assertEqual([], case.records('deny'))
            case.assertEqual([], case.service_toggle.outages)

        self.assertPassed(self.inner(act))

    def test_swallowed(self):
        def act(case):
            case.boot()
            for way in (RAW['disable'], RAW['stop'], OWN['toggle.disable']):
                case.assertRaises(AssertionError, way, case, case.full)

        result = self.inner(act)
        problems = inner_run.problems(result)
        for how in ('disabled', 'stopped'):
            self.assertIn(f'nova-compute on full would be {how}', problems)

    def test_by_a_client_whose_nova_nobody_watches(self):
        class Inner(Computes):
            def test(self):
                self.boot()
                down = {'forced_down': True}
                with (
                    services.SafeServiceToggle(api=self.admin_api) as toggle,
                    mock.patch.object(self.admin_api, 'microversion', '2.53'),
                ):
                    put_service = self.admin_api.put_service
                    put_service(self.empty.service_ref.uuid, down)
                    with testing.expect_violation('SF203') as seen:
                        put_service(self.full.service_ref.uuid, down)
                    self.assertEqual('forced down', seen[0].how)
                self.assertEqual([], toggle.outages)

        with safe_fixtures.nova.InstalledNova():
            self.assertPassed(inner_run.run_inner(Inner))

    def test_what_is_on_it(self):
        """Servers in any state count; those that have left it do not."""

        def act(case):
            stay = case.boot()
            case.api.post_server_action(stay['id'], {'os-stop': {}})
            case._wait_for_state_change(stay, 'SHUTOFF')
            moved = case.boot()
            shelved = case.boot()
            case.boot('empty')
            deleted = case.boot()
            case._delete_server(deleted)
            case.flags(shelved_offload_time=0)
            case._shelve_server(shelved, expected_state='SHELVED_OFFLOADED')
            case._live_migrate(moved, 'completed')
            refused = case.assertRaises(
                exceptions.WrongOrder, force_down, case, case.full
            )
            case.assertEqual(
                [(stay['id'], 'stopped')],
                [(server.uuid, server.state) for server in refused.servers],
            )
            case._delete_server(stay)
            force_down(case, case.full)

        problems = inner_run.problems(self.inner(act))
        self.assertEqual(1, problems.count('Traceback (most recent call'))
        self.assertIn('SF203 (CWE-696): nova-compute on full', problems)

    def test_what_is_in_flight(self):
        """A build that the scheduler has sent there and that has not begun."""

        def act(case):
            arrived, go_on = threading.Event(), threading.Event()
            case.addCleanup(go_on.set)
            build = manager.ComputeManager.build_and_run_instance

            def wait(*args, **kwargs):
                arrived.set()
                if not go_on.wait(60):
                    raise TimeoutError
                return build(*args, **kwargs)

            with mock.patch.object(
                manager.ComputeManager, 'build_and_run_instance', wait
            ):
                server = case.admin_api.post_server(
                    {
                        'server': case._build_server(
                            networks='none', host='full'
                        )
                    }
                )
                case.assertTrue(arrived.wait(60))
                for way in (
                    RAW['disable'],
                    RAW['force down'],
                    RAW['stop'],
                    OWN['toggle.force_down'],
                    Computes.delete_service,
                    Computes.delete_service_by_number,
                ):
                    with testing.expect_violation('SF203') as seen:
                        way(case, case.full)
                    (known,) = seen[0].servers
                    case.assertEqual(server['id'], known.uuid)
                    case.assertIs(True, known.in_flight)
                    case.assertIn('(building, in flight)', str(seen[0]))
                    case.assertEqual(UP, case.service_of(case.full))
                refused = case.assertRaises(
                    client.OpenStackApiException,
                    case.delete_service,
                    case.full,
                    case.api_fixture.reader_api,
                )
                case.assertEqual(403, refused.response.status_code)
                # Nova deletes it before the record.
                objects.HostMapping.get_by_host(
                    nova_context.get_admin_context(), 'full'
                )
                force_down(case, case.empty)
                go_on.set()
                case._wait_for_state_change(server, 'ACTIVE')

        self.assertPassed(self.inner(act))


def force_down(case, compute):
    case.service_toggle.force_down(compute)


class TestLeftToNova(TestCase):
    """What Nova refuses by itself is nothing of ours."""

    def test_what_nova_refuses(self):
        self.configure(rule_modes='SF203:enforce')

        def act(case):
            case.boot()
            for status, way in (
                (409, Computes.delete_service),
                (400, put({'status': 'enabled', 'disabled_reason': 'x'})),
                (400, put({'status': 'disabled', 'host': 'full'})),
                (400, put({})),
                (404, put({'forced_down': True}, path=uuids.service)),
                (403, put({'forced_down': True}, client='reader_api')),
            ):
                refused = case.assertRaises(
                    client.OpenStackApiException, way, case, case.full
                )
                case.assertEqual(status, refused.response.status_code)
            reader = case.api_fixture.reader_api
            with (
                services.SafeServiceToggle(api=reader) as toggle,
                mock.patch.object(reader, 'microversion', '2.53'),
            ):
                refused = case.assertRaises(
                    client.OpenStackApiException,
                    reader.put_service,
                    case.full.service_ref.uuid,
                    {'forced_down': True},
                )
            case.assertEqual(403, refused.response.status_code)
            case.assertEqual([], toggle.outages)
            case.assertEqual([], case.records('deny'))
            case.assertEqual([], case.records('evaluate/violation'))

        self.assertPassed(self.inner(act))

    def test_what_nova_serves_all_the_same(self):
        def act(case):
            case.boot()
            for number, api in enumerate((None, case.admin_api), 1):
                with services.SafeServiceToggle(api=api) as toggle:
                    case.admin_api.put_service(
                        case.full.service_ref.uuid, {'status': 'disabled'}
                    )
                # It passes both toggles, and is recorded by the nearest.
                found = case.records('evaluate/violation')
                case.assertEqual(number, len(found))
                case.assertEqual(1, len(toggle.outages))
            delete_unasked(case, case.full)
            (_, _, found) = case.records('evaluate/violation')
            case.assertEqual('deleted', found['how'])
            case.assertIn('DELETE /v2.1/os-services/', found['by'])
            (outage,) = case.service_toggle.outages
            case.assertEqual(
                ['deleted'], [moment.what for moment in outage.moments[:1]]
            )

        self.assertPassed(self.inner(act))


class TestUnknown(TestCase):
    """What is on a compute cannot be asked for."""

    def test_nothing_fails(self):
        self.configure(rule_modes='SF203:enforce')
        told = []

        def act(case):
            case.boot()
            for target, name, error in (
                (objects.HostMapping, 'get_by_host', RuntimeError),
                (
                    nova_context,
                    'set_target_cell',
                    exception.CellTimeout,
                ),
                (orm.Session, 'query', db_exc.CantStartEngineError),
            ):
                with mock.patch.object(
                    target, name, autospec=True, side_effect=error
                ):
                    tell_compute(case, case.full)
                    case.full.stop()
                case.full.start()
            told.extend(case.records('evaluate/order'))

        self.assertPassed(self.inner(act))
        self.assertEqual(
            ['closed to new servers', 'stopped'] * 3,
            [each['how'] for each in told],
        )
        self.assertEqual([], self.outages)


class TestNotCounted(TestCase):
    def test_restarts_cleanups_and_restores(self):
        self.configure(rule_modes='SF203:enforce')

        def act(case):
            server = case.boot()
            case.full = case.restart_compute_service(case.full)
            case.addCleanup(case.full.stop)
            case.addCleanup(put({'status': 'disabled'}), case, case.full)
            case._reboot_server(server)

        self.assertPassed(self.inner(act))
        self.assertEqual([], self.outages)

    def test_what_a_test_has_replaced_before(self):
        told = mock.Mock()

        def set_up(case):
            case.useFixture(
                fixtures.MockPatchObject(
                    rpcapi.ComputeAPI, 'set_host_enabled', told
                )
            )
            super(case.__class__, case).setUp()

        def act(case):
            case.boot()
            tell_compute(case, case.full)
            RAW['disable'](case, case.empty)

        self.configure(rule_modes='SF203:enforce')
        self.assertPassed(self.inner(act, setUp=set_up))
        # Once more as it is given back its status.
        self.assertEqual(3, told.call_count)


class TestDeclared(TestCase):
    def setUp(self):
        super().setUp()
        self.configure(mode='enforce', rule_modes='SF406:audit')

    def test_by_the_toggle(self):
        def act(case):
            server = case.boot()
            with case.service_toggle.force_down(
                case.full, expecting_servers=True, reason=REASON
            ):
                case.full.stop()
                # It is stopped already.
                case.full.stop()
                case.admin_api.delete_server(server['id'])
                case._wait_until_deleted(server)
                case.full.start()
            case.assertEqual(UP, case.service_of(case.full))

        self.assertPassed(self.inner(act))
        (outage,) = self.outages
        self.assertEqual(REASON, outage.reason)
        self.assertEqual('no server is on it any more', outage.ended)
        told = [moment.what for moment in outage.moments]
        self.assertEqual(['forced down', 'stopped'], told[:2])
        self.assertEqual(1, outage.moments[1].times)
        self.assertIn(f'DELETE /servers/{outage.servers[0].uuid}: 204', told)
        (on_record,) = contents(self.trail, 'monitor/outage')
        self.assertEqual(round(outage.seconds, 6), on_record['seconds'])
        self.assertEqual(
            [str(moment) for moment in outage.moments], on_record['moments']
        )

    def test_of_a_compute_that_is_started_anew(self):
        def act(case):
            case.boot()
            case.service_toggle.force_down(
                case.full, expecting_servers=True, reason=REASON
            )
            case.full.kill()
            case.full = case.start_service('compute', host='full')
            case.full.stop()

        self.assertPassed(self.inner(act))
        self.assertEqual(
            [REASON] * len(self.outages),
            [outage.reason for outage in self.outages],
        )

    def test_by_a_waiver(self):
        def act(case):
            case.boot()
            case.full.stop()
            RAW['force down'](case, case.full)
            case.full.start()
            RAW['disable'](case, case.full)
            # Each is an act of its own, also of one that is disabled.
            HOSTS['put the host into maintenance'](case, case.full)
            HOSTS['shut the host down'](case, case.full)
            case.assertEqual(
                [
                    'stopped',
                    'forced down',
                    'disabled',
                    'put into maintenance',
                    'shut down or rebooted',
                ],
                [found['how'] for found in case.records('evaluate/violation')],
            )

        self.assertPassed(self.inner(act, waived=REASON))
        (outage,) = self.outages[:1]
        self.assertEqual(REASON, outage.reason)

    def test_on_a_toggle_of_its_own(self):
        def act(case):
            case.boot()
            for api in (None, case.admin_api):
                toggle = services.SafeServiceToggle(api=api)
                with (
                    toggle,
                    toggle.disable('full', REASON, expecting_servers=True),
                ):
                    case.assertEqual('disabled', case.service_of(case.full)[0])
            # Said once, by whoever is nearest.
            with testing.expect_violation('SF203') as seen:
                with services.SafeServiceToggle(api=case.admin_api):
                    RAW['disable'](case, case.full)
            case.assertEqual(1, len(seen))
            case.assertEqual(1, len(case.records('deny')))

        self.assertPassed(self.inner(act))


class TestOutage(TestCase):
    def test_timeline_of_a_test_that_fails(self):
        def act(case):
            server = case.boot()
            case.full.stop()
            RAW['force down'](case, case.full)
            case.admin_api.get_server(server['id'])
            case.admin_api.get_server(server['id'])
            put({'forced_down': False})(case, case.full)
            case.full.start()
            case.fail('for another reason')

        self.inner(act)
        timeline = self.case.getDetails()['safe_fixtures.timeline'].as_text()
        (outage,) = self.outages
        path = f'/os-services/{outage.service.uuid}'
        told = [
            re.sub(r'^ *\+\d+\.\d{3} s  | \(/.*\)$', '', line)
            for line in timeline.splitlines()
        ]
        self.assertEqual(
            [
                'nova-compute on full was out of service with 1 server on it',
                'stopped by Service.stop',
                f'forced down by PUT /v2.1{path}',
                f'PUT {path}: 200',
                f'GET /servers/{outage.servers[0].uuid}: 200 (2 times)',
                f'enabled by PUT /v2.1{path}',
                f'PUT {path}: 200',
                'started by Service.start',
                'in service again',
            ],
            told,
        )

    def test_three_exits_leave_no_trace(self):
        def fail(case):
            case.full.stop()
            case.fail('for another reason')

        def set_up(case):
            super(case.__class__, case).setUp()
            case.boot()
            case.full.stop()
            raise ZeroDivisionError

        before = attributes()
        for kwargs in ({'act': Computes.boot}, {'act': fail}):
            self.inner(**kwargs)
            self.assertEqual(before, attributes())
        self.inner(act=fail, setUp=set_up)
        self.assertEqual(before, attributes())


def attributes():
    """Return what is patched, by identity."""
    return {
        f'{target.__name__}.{name}': id(vars(target)[name])
        for target, name in (
            (db, 'service_update'),
            (db, 'service_destroy'),
            (compute_api.AggregateAPI, 'get_aggregates_by_host'),
            (rpcapi.ComputeAPI, 'build_and_run_instance'),
            (rpcapi.ComputeAPI, 'host_maintenance_mode'),
            (rpcapi.ComputeAPI, 'host_power_action'),
            (rpcapi.ComputeAPI, 'set_host_enabled'),
            (nova_service.Service, 'start'),
            (nova_service.Service, 'stop'),
        )
    }
