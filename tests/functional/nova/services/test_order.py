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

"""Computes that are taken from their servers, on real Nova."""

import safe_fixtures.nova  # isort: skip

import functools
import threading
from unittest import mock

import fixtures
from nova.compute import manager
from nova.compute import rpcapi
from nova import context as nova_context
from nova import exception
from nova import objects
from nova.tests.functional.api import client
from oslo_db import exception as db_exc
from oslo_utils.fixture import uuidsentinel as uuids
from sqlalchemy import orm

from safe_fixtures import exceptions
from safe_fixtures.guards import services
from safe_fixtures import testing
from tests.functional.nova import inner as inner_run
from tests.functional.nova.services import computes


class TestRefused(computes.TestCase):
    """Each way in one test, as a refusal changes nothing."""

    def setUp(self):
        super().setUp()
        self.configure(rule_modes='SF203:enforce')

    def test_each_way(self):
        def act(case):
            server = case.boot()
            for name, way in {
                **computes.RAW,
                **computes.HOSTS,
                **computes.OWN,
            }.items():
                with self.subTest(name=name):
                    with testing.expect_violation('SF203') as seen:
                        way(case, case.full)
                    (violation,) = seen
                    case.assertIsInstance(violation, exceptions.WrongOrder)
                    case.assertEqual(
                        (services.HostedServer(server['id'], 'active'),),
                        violation.servers,
                    )
                    case.assertIn(
                        'nova-compute on full would be', str(violation)
                    )
                    case.assertIn('computes.py:', violation.where)
                    case.assertEqual(computes.UP, case.service_of(case.full))
            # The compute still works.
            case._reboot_server(server)
            case.assertEqual([], case.service_toggle.ledger)
            case.assertEqual([], case.service_toggle.outages)

        self.assertPassed(self.inner(act))

    def test_host_actions_on_a_compute_that_is_disabled(self):
        """Each is an act of its own; only the closing follows the record."""

        def act(case):
            case.boot()
            case.service_toggle.disable(
                'full', reason='maintenance', expecting_servers=True
            )
            for way in computes.HOSTS.values():
                way(case, case.full)
            case.assertEqual(
                [
                    'disabled',
                    'put into maintenance',
                    'shut down or rebooted',
                    'shut down or rebooted',
                ],
                [found['how'] for found in case.records('allow/order')],
            )

        self.assertPassed(self.inner(act))

    def test_each_way_on_a_compute_without_servers(self):
        def act(case):
            case.boot()
            for way in (
                *computes.HOSTS.values(),
                computes.put_host(status='enable'),
                computes.put_host(maintenance_mode='disable'),
                computes.power('startup'),
            ):
                way(case, case.empty)
            # The ways back into service are allowed too.
            computes.put_host(status='enable')(case, case.full)
            computes.put_host(maintenance_mode='disable')(case, case.full)
            computes.power('startup')(case, case.full)
            done = []
            # These cannot be undone.
            final = {
                'kill',
                'destroy the record',
                'SQL that deletes',
                'SQL that deletes the row',
            }
            for name, way in {**computes.OWN, **computes.RAW}.items():
                if name in final:
                    continue
                way(case, case.empty)
                done.append(name)
                if name == 'a deletion that Nova serves':
                    break
                if name == 'stop':
                    case.empty.start()
                    continue
                case.assertNotEqual(
                    computes.UP, case.service_of(case.empty), name
                )
                computes.put({'status': 'enabled', 'forced_down': False})(
                    case, case.empty
                )
            case.assertEqual(
                len(computes.RAW) + len(computes.OWN) - len(final),
                len(done),
            )
            case.assertEqual([], case.records('deny'))
            case.assertEqual([], case.service_toggle.outages)

        self.assertPassed(self.inner(act))

    def test_swallowed(self):
        def act(case):
            case.boot()
            ways = {**computes.RAW, **computes.OWN}
            for name in ('disable', 'stop', 'toggle.disable'):
                with self.subTest(name):
                    case.assertRaises(
                        AssertionError, ways[name], case, case.full
                    )

        result = self.inner(act)
        problems = inner_run.problems(result)
        for how in ('disabled', 'stopped'):
            self.assertIn(f'nova-compute on full would be {how}', problems)

    def test_by_a_client_whose_nova_nobody_watches(self):
        class Inner(computes.Computes):
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
        """Servers in any state count. Those that have left do not."""

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
                exceptions.WrongOrder, computes.force_down, case, case.full
            )
            case.assertEqual(
                [(stay['id'], 'stopped')],
                [(server.uuid, server.state) for server in refused.servers],
            )
            case._delete_server(stay)
            computes.force_down(case, case.full)

        problems = inner_run.problems(self.inner(act))
        self.assertEqual(1, problems.count('Traceback (most recent call'))
        self.assertIn('SF203 (CWE-696): nova-compute on full', problems)

    def test_what_is_in_flight(self):
        """A build that was sent to the compute and has not begun."""

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
                for name, way in (
                    *(
                        (name, computes.RAW[name])
                        for name in ('disable', 'force down', 'stop')
                    ),
                    ('toggle', computes.OWN['toggle.force_down']),
                    ('delete', computes.Computes.delete_service),
                    ('number', computes.Computes.delete_service_by_number),
                ):
                    with self.subTest(name):
                        with testing.expect_violation('SF203') as seen:
                            way(case, case.full)
                        (known,) = seen[0].servers
                        case.assertEqual(server['id'], known.uuid)
                        case.assertIs(True, known.in_flight)
                        case.assertIn('(building, in flight)', str(seen[0]))
                        case.assertEqual(
                            computes.UP, case.service_of(case.full)
                        )
                refused = case.assertRaises(
                    client.OpenStackApiException,
                    case.delete_service,
                    case.full,
                    case.api_fixture.reader_api,
                )
                case.assertEqual(403, refused.response.status_code)
                # Nova deletes the mapping before the record.
                objects.HostMapping.get_by_host(
                    nova_context.get_admin_context(), 'full'
                )
                computes.force_down(case, case.empty)
                go_on.set()
                case._wait_for_state_change(server, 'ACTIVE')

        self.assertPassed(self.inner(act))


class TestLeftToNova(computes.TestCase):
    """The toggle does not refuse what Nova itself refuses."""

    def test_what_nova_refuses(self):
        self.configure(rule_modes='SF203:enforce')

        def act(case):
            case.boot()
            for status, way in (
                (409, computes.Computes.delete_service),
                (
                    400,
                    computes.put(
                        {'status': 'enabled', 'disabled_reason': 'x'}
                    ),
                ),
                (400, computes.put({'status': 'disabled', 'host': 'full'})),
                (400, computes.put({})),
                (404, computes.put({'forced_down': True}, path=uuids.service)),
                (
                    403,
                    computes.put({'forced_down': True}, client='reader_api'),
                ),
            ):
                with self.subTest(status=status):
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
                with self.subTest(number=number):
                    with services.SafeServiceToggle(api=api) as toggle:
                        case.admin_api.put_service(
                            case.full.service_ref.uuid, {'status': 'disabled'}
                        )
                    # Both toggles see it, and the innermost records it.
                    found = case.records('evaluate/violation')
                    case.assertEqual(number, len(found))
                    case.assertEqual(1, len(toggle.outages))
            computes.delete_unasked(case, case.full)
            (_, _, found) = case.records('evaluate/violation')
            case.assertEqual('deleted', found['how'])
            case.assertIn('DELETE /v2.1/os-services/', found['by'])
            (outage,) = case.service_toggle.outages
            case.assertEqual(
                ['deleted'], [moment.what for moment in outage.moments[:1]]
            )

        self.assertPassed(self.inner(act))


class TestUnknown(computes.TestCase):
    """The servers on a compute cannot be known."""

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
                    computes.tell_compute(case, case.full)
                    case.full.stop()
                case.full.start()
            told.extend(case.records('evaluate/order'))

        self.assertPassed(self.inner(act))
        self.assertEqual(
            ['closed to new servers', 'stopped'] * 3,
            [each['how'] for each in told],
        )
        self.assertEqual([], self.outages)


class TestNotCounted(computes.TestCase):
    def test_restarts_cleanups_and_restores(self):
        self.configure(rule_modes='SF203:enforce')

        def act(case):
            server = case.boot()
            case.full = case.restart_compute_service(case.full)
            case.addCleanup(case.full.stop)
            case.addCleanup(
                computes.put({'status': 'disabled'}), case, case.full
            )
            case._reboot_server(server)

        self.assertPassed(self.inner(act))
        self.assertEqual([], self.outages)

    def test_a_helper_named_like_that_of_nova(self):
        self.configure(rule_modes='SF203:enforce')

        def restart_compute_service(case, compute):
            computes.put({'status': 'disabled'})(case, compute)

        def patched(case):
            case.restart_compute_service = functools.partial(
                restart_compute_service, case
            )
            case.restart_compute_service(case.full)

        for way in (
            lambda case: restart_compute_service(case, case.full),
            patched,
        ):

            def act(case, way=way):
                case.boot()
                case.assertRaises(exceptions.WrongOrder, way, case)

            self.assertIn('SF203', inner_run.problems(self.inner(act)))

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
            computes.tell_compute(case, case.full)
            computes.RAW['disable'](case, case.empty)

        self.configure(rule_modes='SF203:enforce')
        self.assertPassed(self.inner(act, setUp=set_up))
        # Once more when the status is restored.
        self.assertEqual(3, told.call_count)
