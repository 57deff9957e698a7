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

"""SafeServiceToggle on real Nova."""

import datetime
import itertools
from unittest import mock

import ddt
import fixtures
from keystoneauth1 import noauth
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from nova.conf import CONF
from nova import context as nova_context
from nova.db.main import api as db
from nova.db.main import models
from nova import exception
from nova import objects
from nova import service as nova_service
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional.api import client
from nova.tests.functional import integrated_helpers
from nova import utils
from nova.virt.libvirt import driver as libvirt_driver
from oslo_config import fixture as config_fixture
from oslo_db import exception as db_exc
from oslo_serialization import jsonutils
from oslo_utils import uuidutils
import requests
import sqlalchemy as sa
import testtools
from testtools import matchers

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures import nova as safe_nova
from safe_fixtures import SafeServiceToggle
from safe_fixtures.testing import expect_violation
from safe_fixtures import waive
from tests.functional.nova import inner

REASON = libvirt_driver.DISABLE_PREFIX + 'since before'
# The states that a service is in before it is changed, and again after.
START = {
    'enabled': {},
    'disabled': {'disabled': True, 'disabled_reason': REASON},
    'forced down': {'forced_down': True},
}
EXPECTED = {
    'enabled': (False, None, False),
    'disabled': (True, REASON, False),
    'forced down': (False, None, True),
}
# What changes each of them, as the API takes it from 2.53 and before.
BODY = {
    'enabled': {'status': 'disabled', 'disabled_reason': 'toggled'},
    'disabled': {'status': 'enabled'},
    'forced down': {'forced_down': False},
}
ACTION = {
    'enabled': ('disable-log-reason', {'disabled_reason': 'toggled'}),
    'disabled': ('enable', {}),
    'forced down': ('force-down', {'forced_down': False}),
}
FIELDS = {
    'enabled': {'disabled': True, 'disabled_reason': 'toggled'},
    'disabled': {'disabled': False, 'disabled_reason': None},
    'forced down': {'forced_down': False},
}
HEADERS = {
    'X-Auth-User': 'admin',
    'X-User-Id': 'admin',
    'X-Auth-Project-Id': 'project',
    'X-Roles': 'admin,member,reader',
}


def put_service(test, service, start):
    test.admin_api.put_service(service.uuid, BODY[start])


def put_service_by_action(test, service, start):
    action, body = ACTION[start]
    with utils.temporary_mutation(test.admin_api, microversion='2.52'):
        test.admin_api.put_service(
            action, {'host': service.host, 'binary': service.binary, **body}
        )


def put_service_force_down(test, service, start):
    test.admin_api.put_service_force_down(service.uuid, start != 'forced down')


def force_down_service(test, service, start):
    with utils.temporary_mutation(test.admin_api, microversion='2.11'):
        test.admin_api.force_down_service(
            service.host, service.binary, start != 'forced down'
        )


def api_put_by_action(test, service, start):
    action, body = ACTION[start]
    with utils.temporary_mutation(test.admin_api, microversion='2.11'):
        test.admin_api.api_put(
            f'/os-services/{action}',
            {'host': service.host, 'binary': service.binary, **body},
        )


def api_put_without_reason(test, service, start):
    action = 'enable' if start == 'disabled' else 'disable'
    with utils.temporary_mutation(test.admin_api, microversion=None):
        test.admin_api.api_put(
            f'/os-services/{action}',
            {'host': service.host, 'binary': service.binary},
        )


def api_put(test, service, start):
    test.admin_api.api_put(f'/os-services/{service.uuid}', BODY[start])


def api_request(test, service, start):
    response = test.admin_api.api_request(
        f'os-services/{service.uuid}',
        method='PUT',
        body=jsonutils.dumps(BODY[start]),
    )
    test.assertEqual(200, response.status_code)


def alternative_admin_api(test, service, start):
    api = test.api_fixture.alternative_admin_api
    api.microversion = 'latest'
    api.put_service(service.uuid, BODY[start])


def client_made_by_hand(test, service, start):
    api = client.TestOpenStackClient(
        'admin', test.api_fixture.base_url, roles=['admin']
    )
    api.microversion = '2.53'
    api.put_service(service.uuid, BODY[start])


def keystoneauth_token(test, service, start):
    auth = token_endpoint.Token(test.api_fixture.base_url, 'token')
    session.Session(auth=auth, additional_headers=HEADERS).put(
        f'/os-services/{service.uuid}',
        json=BODY[start],
        endpoint_filter={'service_type': 'compute'},
        microversion='2.53',
    )


def keystoneauth_noauth(test, service, start):
    auth = noauth.NoAuth(endpoint=test.api_fixture.base_url)
    session.Session(auth=auth).put(
        f'/os-services/{service.uuid}',
        json=BODY[start],
        headers=dict(HEADERS),
        endpoint_filter={'service_type': 'compute'},
        microversion='2.53',
    )


def bare_requests(test, service, start):
    response = requests.put(
        f'{test.api_fixture.base_url}/os-services/{service.uuid}',
        json=BODY[start],
        headers={**HEADERS, 'OpenStack-API-Version': 'compute 2.53'},
        timeout=60,
    )
    test.assertEqual(200, response.status_code)


def record(test, service, start):
    for field, value in FIELDS[start].items():
        setattr(service, field, value)
    service.save()


def database(test, service, start):
    db.service_update(service._context, service.id, FIELDS[start])


def driver(test, service, start):
    test.flags(host=service.host)
    # It goes on to the mounts of the host, of which there is none.
    with mock.patch.object(libvirt_driver.mount, 'get_manager', autospec=True):
        libvirt_driver.LibvirtDriver._set_host_enabled(
            mock.Mock(), start == 'disabled', 'toggled'
        )


def own_method(test, service, start):
    toggle = test.service_toggle
    if start == 'enabled':
        toggle.disable(service.host, reason='toggled')
    elif start == 'disabled':
        toggle.enable(service.uuid)
    else:
        toggle.force_up(service)


WAYS = {
    way.__name__: way
    for way in (
        put_service,
        put_service_by_action,
        put_service_force_down,
        force_down_service,
        api_put_by_action,
        api_put_without_reason,
        api_put,
        api_request,
        alternative_admin_api,
        client_made_by_hand,
        keystoneauth_token,
        keystoneauth_noauth,
        bare_requests,
        record,
        database,
        driver,
        own_method,
    )
}
EXITS = ['pass', 'fail', 'error in setUp']


class Oops(Exception):
    """What an inner test raises on purpose."""


class Seen:
    """What an inner test saw of its services, after it was torn down.

    A test watches before it changes anything: what it looks at is then what
    the restore has left.
    """

    def __init__(self):
        self.state = {}
        self.ledger = None
        self.trail = None

    def watch(self, test, *hosts, cell='cell1'):
        def look():
            for host in hosts:
                self.state[host] = inner.state_of(test, host, cell)

        self.ledger = test.service_toggle.ledger
        self.trail = test.audit_trail
        test.addCleanup(look)

    def restored(self):
        return [entry.restored for entry in self.ledger]

    def events(self, action):
        return [
            event for event in self.trail.events if event['action'] == action
        ]


@ddt.ddt
class TestEveryWay(testtools.TestCase):
    """Each way to change a service, in each start state and exit."""

    def _run(self, way, way_out):
        seen = Seen()
        changed = {}

        class Inner(inner.SafeApiTestCase):
            def setUp(self):
                super().setUp()
                services = {
                    start: inner.make_service(
                        self, start.replace(' ', '-'), **state
                    )
                    for start, state in START.items()
                }
                seen.watch(self, *(each.host for each in services.values()))
                for start, service in services.items():
                    way(self, service, start)
                    changed[start] = inner.state_of(self, service.host)
                if way_out == 'error in setUp':
                    raise Oops

            def test(self):
                if way_out == 'fail':
                    self.fail('on purpose')

        result = inner.run_inner(Inner)
        return result, seen, changed

    @ddt.data(*itertools.product(WAYS, EXITS))
    @ddt.unpack
    def test_restored(self, way, way_out):
        result, seen, changed = self._run(WAYS[way], way_out)

        problems = inner.problems(result)
        if way_out == 'pass':
            self.assertEqual('', problems)
        elif way_out == 'fail':
            self.assertEqual((0, 1), _counts(result), problems)
            self.assertIn('AssertionError: on purpose', problems)
        else:
            self.assertEqual((1, 0), _counts(result), problems)
            self.assertIn('Oops', problems)
        self.assertNotIn('SF201', problems)
        self.assertEqual(set(START), set(changed))
        for start, state in changed.items():
            self.assertNotEqual(EXPECTED[start], state, start)
        self.assertEqual(
            {start.replace(' ', '-'): EXPECTED[start] for start in START},
            seen.state,
        )
        self.assertEqual(3, len(seen.ledger))
        for entry in seen.ledger:
            start = entry.service.host.replace('-', ' ')
            self.assertEqual(EXPECTED[start], _fields(entry.before))
            self.assertEqual(changed[start], _fields(entry.after))
            self.assertThat(entry.restored, matchers.StartsWith('record'))


def _counts(result):
    return len(result.errors), len(result.failures)


def _fields(state):
    return state.disabled, state.disabled_reason, state.forced_down


class TestLedger(testtools.TestCase):
    def _ledger(self, act):
        seen = Seen()

        class Inner(inner.SafeApiTestCase):
            def test(self):
                service = inner.make_service(self, 'host')
                seen.watch(self, 'host')
                act(self, service)

        result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertEqual(EXPECTED['enabled'], seen.state['host'])
        return seen

    def test_says_which_request_and_where(self):
        def act(test, service):
            test.admin_api.put_service(service.uuid, {'forced_down': True})

        (entry,) = self._ledger(act).ledger
        self.assertIn('PUT /v2.1/os-services/', entry.by)
        self.assertIn('test_toggle.py:', entry.by)
        self.assertEqual('nova-compute on host', str(entry.service))

    def test_says_that_it_was_the_record(self):
        def act(test, service):
            service.forced_down = True
            service.save()

        (entry,) = self._ledger(act).ledger
        self.assertThat(entry.by, matchers.StartsWith('the record ('))
        self.assertIn('test_toggle.py:', entry.by)

    def test_says_that_it_was_the_toggle(self):
        def act(test, service):
            test.service_toggle.disable('host', reason='why')

        seen = self._ledger(act)
        self.assertIn('SafeServiceToggle.disable', seen.ledger[0].by)
        (event,) = seen.events('disable')
        self.assertEqual("disabled ('why')", audit.details(event)['after'])

    def test_first_of_several_changes_counts(self):
        def act(test, service):
            api = test.admin_api
            api.put_service(service.uuid, {'forced_down': True})
            api.put_service(service.uuid, {'status': 'disabled'})
            api.put_service(service.uuid, {'forced_down': False})

        seen = self._ledger(act)
        self.assertEqual(3, len(seen.ledger))
        self.assertEqual(1, len(seen.events('restore/service')))

    def test_what_changes_nothing_is_not_in_it(self):
        def act(test, service):
            test.admin_api.put_service(service.uuid, {'status': 'enabled'})
            # Only now: one that was seen counts as up, and is then called.
            service.report_count += 1
            service.save()

        seen = self._ledger(act)
        self.assertEqual([], seen.ledger)
        self.assertEqual([], seen.events('restore/service'))

    def test_what_the_test_took_back_itself(self):
        def act(test, service):
            api = test.admin_api
            api.put_service(service.uuid, {'status': 'disabled'})
            api.put_service(service.uuid, {'status': 'enabled'})

        self.assertEqual(
            ['already as before'] * 2, self._ledger(act).restored()
        )

    def test_refused_change_is_not_in_it(self):
        def act(test, service):
            error = test.assertRaises(
                client.OpenStackApiException,
                test.admin_api.put_service,
                service.uuid,
                {'status': 'enabled', 'disabled_reason': 'no'},
            )
            test.assertEqual(400, error.response.status_code)

        self.assertEqual([], self._ledger(act).ledger)

    def test_restored_in_reverse_order(self):
        seen = Seen()

        class Inner(inner.SafeApiTestCase):
            def test(self):
                hosts = ['host1', 'host2', 'host3']
                for host in hosts:
                    inner.make_service(self, host)
                seen.watch(self, *hosts)
                for host in ['host2', 'host1', 'host3', 'host2']:
                    self.service_toggle.disable(host, reason=str(object()))

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(
            [
                f'nova-compute on {host}'
                for host in ('host3', 'host1', 'host2')
            ],
            [
                event['target']['name']
                for event in seen.events('restore/service')
            ],
        )
        self.assertEqual({(False, None, False)}, set(seen.state.values()))


TRAIT = 'COMPUTE_STATUS_DISABLED'


class RunningCompute(safe_nova.SafeIntegratedTestBase):
    """A compute that runs, with its provider in a real Placement."""

    ADMIN_API = True
    microversion = 'latest'

    def traits(self):
        (node,) = objects.ComputeNodeList.get_all_by_host(
            nova_context.get_admin_context(), 'compute'
        )
        return self._get_provider_traits(node.uuid)

    def service(self):
        (service,) = self.admin_api.get_services(
            binary='nova-compute', host='compute'
        )
        return service


class PlainRunningCompute(integrated_helpers._IntegratedTestBase):
    """The same on the base of Nova, unhardened."""

    ADMIN_API = True
    microversion = 'latest'
    traits = RunningCompute.traits
    service = RunningCompute.service

    def setUp(self):
        self.useFixture(safe_nova.InstalledNova())
        super().setUp()


class TestRunningCompute(testtools.TestCase):
    """The trait in Placement follows a restore."""

    def _run(self, act, base=RunningCompute):
        seen = {}

        class Inner(base):
            def test(self):
                self.addCleanup(look, self)
                act(self, seen)

        def look(test):
            seen['state'] = inner.state_of(test, 'compute')
            seen['traits'] = test.traits()

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        return seen

    def test_trait_goes_when_enabled_again(self):
        def act(test, seen):
            test.admin_api.put_service(
                test.service()['id'], {'status': 'disabled'}
            )
            test.assertIn(TRAIT, test.traits())
            seen['ledger'] = test.service_toggle.ledger

        seen = self._run(act)
        self.assertEqual(EXPECTED['enabled'], seen['state'])
        self.assertNotIn(TRAIT, seen['traits'])
        self.assertEqual('record and compute', seen['ledger'][0].restored)

    def test_trait_comes_back_when_disabled_again(self):
        def act(test, seen):
            service = test.service()
            test.admin_api.put_service(
                service['id'], {'status': 'disabled', 'disabled_reason': 'x'}
            )
            test.assertIn(TRAIT, test.traits())
            test.useFixture(SafeServiceToggle())
            test.admin_api.put_service(service['id'], {'status': 'enabled'})
            test.assertNotIn(TRAIT, test.traits())

        seen = self._run(act, base=PlainRunningCompute)
        self.assertEqual((True, 'x', False), seen['state'])
        self.assertIn(TRAIT, seen['traits'])

    def test_trait_goes_though_it_was_enabled_while_down(self):
        def act(test, seen):
            test.service_toggle.disable('compute')
            test.assertIn(TRAIT, test.traits())
            test.service_toggle.force_down('compute')
            # Nobody tells a compute that counts as down.
            test.service_toggle.enable('compute')

        seen = self._run(act)
        self.assertEqual(EXPECTED['enabled'], seen['state'])
        self.assertNotIn(TRAIT, seen['traits'])

    def test_trait_follows_in_a_block(self):
        def act(test, seen):
            with test.service_toggle.disable('compute', reason='x'):
                test.assertIn(TRAIT, test.traits())
                test.assertEqual('disabled', test.service()['status'])
            test.assertNotIn(TRAIT, test.traits())
            test.assertEqual('enabled', test.service()['status'])

        self.assertNotIn(TRAIT, self._run(act)['traits'])

    def test_restarted_compute_is_told(self):
        class Inner(RunningCompute):
            def test(self):
                handle = self.service_toggle.disable('compute')
                # What it starts is torn down before the restore at the end.
                self.restart_compute_service(self.compute)
                self.assertIn(TRAIT, self.traits())
                handle.restore()
                self.assertEqual('enabled', self.service()['status'])
                self.assertNotIn(TRAIT, self.traits())

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_long_rpc_timeout_is_given_back(self):
        def act(test, seen):
            test.flags(long_rpc_timeout=1234)
            with test.service_toggle.disable('compute'):
                pass
            test.assertEqual(1234, CONF.long_rpc_timeout)

        self._run(act)


class TestStoppedCompute(testtools.TestCase):
    """A compute that does not answer is not asked."""

    NOT_TOLD = 'record; its compute is down and was not told'

    def _run(self, act):
        seen = Seen()

        class Inner(RunningCompute):
            def test(self):
                # Were the compute asked, it would take all of this time,
                # and the ledger would say so.
                self.useFixture(config_fixture.Config(conf.CONF)).config(
                    restore_timeout=1, group='safe_fixtures'
                )
                seen.watch(self, 'compute')
                act(self)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(EXPECTED['enabled'], seen.state['compute'])
        return seen.restored()

    def test_stopped_then_disabled(self):
        def act(test):
            test.compute.stop()
            test.service_toggle.disable('compute')

        self.assertEqual([self.NOT_TOLD], self._run(act))

    def test_disabled_then_stopped(self):
        def act(test):
            test.admin_api.put_service(
                test.service()['id'], {'status': 'disabled'}
            )
            test.compute.stop()

        self.assertEqual([self.NOT_TOLD], self._run(act))

    def test_stopped_then_disabled_and_forced_down(self):
        def act(test):
            service = test.service()
            test.compute.stop()
            test.admin_api.put_service(
                service['id'], {'forced_down': True, 'status': 'disabled'}
            )

        self.assertEqual([self.NOT_TOLD], self._run(act))

    def test_stopped_then_forced_down(self):
        def act(test):
            service = test.service()
            test.compute.stop()
            test.admin_api.put_service_force_down(service['id'], True)

        self.assertEqual(['record'], self._run(act))


class TestOddEnds(testtools.TestCase):
    """Services that are hard to restore, or that need not be."""

    def _run(self, act, *hosts):
        seen = Seen()

        class Inner(inner.SafeApiTestCase):
            def test(self):
                services = [inner.make_service(self, host) for host in hosts]
                seen.watch(self, *hosts)
                act(self, *services)

        result = inner.run_inner(Inner)
        return result, seen

    def test_host_that_the_api_refuses_to_force_up(self):
        def act(test, service):
            test.admin_api.put_service(
                service.uuid, {'forced_down': True, 'status': 'disabled'}
            )
            objects.Migration(
                service._context,
                source_compute='host',
                source_node='host',
                dest_compute='other',
                instance_uuid=None,
                migration_type='evacuation',
                status='done',
            ).create()
            error = test.assertRaises(
                client.OpenStackApiException,
                test.admin_api.put_service,
                service.uuid,
                {'forced_down': False},
            )
            test.assertEqual(400, error.response.status_code)

        result, seen = self._run(act, 'host')
        self.assertEqual('', inner.problems(result))
        self.assertEqual(EXPECTED['enabled'], seen.state['host'])

    def test_record_that_the_test_destroyed(self):
        def act(test, service):
            test.service_toggle.disable('host')
            service.destroy()

        result, seen = self._run(act, 'host')
        self.assertEqual('', inner.problems(result))
        self.assertEqual({'host': None}, seen.state)
        self.assertEqual(['not restored: the record is gone'], seen.restored())

    def test_service_that_was_deleted_through_the_api(self):
        def act(test, service):
            test.admin_api.put_service(service.uuid, {'forced_down': True})
            test.admin_api.api_delete(f'/os-services/{service.uuid}')

        result, seen = self._run(act, 'host')
        self.assertEqual('', inner.problems(result))
        self.assertEqual({'host': None}, seen.state)
        self.assertEqual(['not restored: the record is gone'], seen.restored())

    def test_service_that_its_own_fixture_killed(self):
        seen = Seen()

        class Inner(RunningCompute):
            def test(self):
                fixture = nova_fixtures.ServiceFixture(
                    'compute', 'short-lived', self.cell_mappings['cell1']
                )
                self.flags(host='short-lived')
                seen.watch(self, 'short-lived', 'compute')
                with fixture:
                    self.service_toggle.disable('short-lived')
                    self.service_toggle.disable('compute')

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(
            {'short-lived': None, 'compute': EXPECTED['enabled']}, seen.state
        )
        self.assertEqual(
            ['not restored: the record is gone', 'record and compute'],
            seen.restored(),
        )

    def test_cells_that_are_down_at_cleanup(self):
        def act(test, service):
            test.useFixture(nova_fixtures.DownCellFixture())
            test.assertRaises(
                db_exc.DBError,
                nova_context.target_cell(
                    service._context, test.cell_mappings['cell1']
                ).__enter__,
            )
            service.disabled = True
            service.save()
            test.service_toggle.force_down('host')

        result, seen = self._run(act, 'host')
        self.assertEqual('', inner.problems(result))
        self.assertEqual(EXPECTED['enabled'], seen.state['host'])
        self.assertEqual(
            ['record; its compute is down and was not told'] * 2,
            seen.restored(),
        )

    def test_running_compute_of_a_cell_that_is_down_at_cleanup(self):
        seen = Seen()

        class Inner(RunningCompute):
            def test(self):
                seen.watch(self, 'compute')
                self.useFixture(nova_fixtures.DownCellFixture())
                self.service_toggle.disable('compute')

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(EXPECTED['enabled'], seen.state['compute'])

    def test_cell_database_that_does_not_answer(self):
        down = []

        def refuse(*args):
            if down:
                raise db_exc.DBConnectionError()

        def act(test, service, other):
            manager = db.get_context_manager(service._context)
            sa.event.listen(
                manager.writer.get_engine(), 'before_cursor_execute', refuse
            )
            # Before the first change, so that it is up again for the look
            # at the record, and down for the restore.
            test.addCleanup(down.clear)
            test.service_toggle.disable('host')
            test.service_toggle.disable('other')
            down.append(True)

        result, seen = self._run(act, 'host', 'other')
        self.assertEqual('', inner.problems(result))
        self.assertEqual([True] * 2, [each[0] for each in seen.state.values()])
        self.assertEqual(
            ['not restored: its cell does not answer (DBConnectionError)'] * 2,
            seen.restored(),
        )


class TestRestoreThatFails(testtools.TestCase):
    """What cannot be given back is SF201, and the others are given back."""

    def _run(self, act, spoil='ignore', decorate=None, mode=None):
        seen = Seen()
        spoiled = []

        class Inner(inner.SafeApiTestCase):
            def setUp(self):
                if mode is not None:
                    self.useFixture(config_fixture.Config(conf.CONF)).config(
                        group='safe_fixtures', **mode
                    )
                super().setUp()
                update = db.service_update
                for host in ('good1', 'bad', 'good2'):
                    inner.make_service(self, host)
                seen.watch(self, 'good1', 'bad', 'good2')

                def service_update(context, service_id, values):
                    service = db.service_get(context, service_id)
                    if spoiled and service.host in spoiled:
                        if spoil == 'ignore':
                            return service
                        raise exception.ServiceNotFound(service_id='spoiled')
                    return update(context, service_id, values)

                self.useFixture(
                    fixtures.MonkeyPatch(
                        'nova.db.main.api.service_update', service_update
                    )
                )

            def test(self):
                act(self, spoiled)

            if decorate is not None:
                test = decorate(test)

        return inner.run_inner(Inner), seen

    @staticmethod
    def _toggle_all(test, spoiled):
        test.service_toggle.disable('good1')
        test.service_toggle.disable('bad', reason='stuck')
        test.service_toggle.disable('good2')
        spoiled.append('bad')

    def _assert_others_restored(self, seen):
        self.assertEqual(EXPECTED['enabled'], seen.state['good1'])
        self.assertEqual(EXPECTED['enabled'], seen.state['good2'])
        self.assertEqual((True, 'stuck', False), seen.state['bad'])

    def test_write_that_is_ignored(self):
        result, seen = self._run(self._toggle_all)

        self.assertEqual((0, 1), _counts(result))
        problems = inner.problems(result)
        self.assertIn('SF201', problems)
        self.assertIn(
            "nova-compute on bad should be enabled again, and is disabled "
            "('stuck')",
            problems,
        )
        self.assertNotIn('on good', problems)
        self._assert_others_restored(seen)

    def test_write_that_raises(self):
        result, seen = self._run(self._toggle_all, spoil='raise')

        self.assertEqual((0, 1), _counts(result))
        problems = inner.problems(result)
        self.assertIn(
            "nova-compute on bad should be enabled again, and is disabled "
            "('stuck')",
            problems,
        )
        self.assertIn('ServiceNotFound: Service spoiled', problems)
        self._assert_others_restored(seen)

    def test_twin_that_works(self):
        def act(test, spoiled):
            self._toggle_all(test, spoiled)
            spoiled.clear()

        result, seen = self._run(act)
        self.assertEqual('', inner.problems(result))
        self.assertEqual({EXPECTED['enabled']}, set(seen.state.values()))

    def test_every_one_that_fails_is_reported(self):
        def act(test, spoiled):
            self._toggle_all(test, spoiled)
            spoiled.append('good2')

        result, seen = self._run(act)
        problems = inner.problems(result)
        self.assertIn('nova-compute on bad should be', problems)
        self.assertIn('nova-compute on good2 should be', problems)
        self.assertEqual(EXPECTED['enabled'], seen.state['good1'])

    def test_in_a_block_even_if_swallowed(self):
        def act(test, spoiled):
            try:
                with test.service_toggle.disable('bad'):
                    spoiled.append('bad')
            except exceptions.RestoreFailed as error:
                test.assertEqual('nova-compute on bad', error.service)
                test.assertEqual('enabled', error.wanted.status)
                test.assertEqual('disabled', error.actual.status)
            else:
                test.fail('the block did not raise')

        result, _ = self._run(act)
        self.assertEqual((0, 1), _counts(result))
        problems = inner.problems(result)
        self.assertIn('SF201', problems)
        self.assertNotIn('the block did not raise', problems)

    def test_mode_audit_records_only(self):
        for mode in ({'mode': 'audit'}, {'rule_modes': {'SF201': 'audit'}}):
            with self.subTest(mode=mode):
                result, seen = self._run(self._toggle_all, mode=mode)
                self.assertEqual('', inner.problems(result))
                (event,) = seen.events('evaluate/violation')
                self.assertEqual('SF201', event['reason']['reasonCode'])
                self._assert_others_restored(seen)

    def test_waived(self):
        result, seen = self._run(
            self._toggle_all, decorate=waive('SF201', reason='on purpose')
        )
        self.assertEqual('', inner.problems(result))
        (event,) = seen.events('allow/waiver')
        self.assertEqual('on purpose', audit.details(event)['reason'])
        self._assert_others_restored(seen)

    def test_waiver_of_another_rule_does_not_help(self):
        result, _ = self._run(
            self._toggle_all, decorate=waive('SF301', reason='on purpose')
        )
        self.assertIn('SF201', inner.problems(result))


class TestElsewhere(testtools.TestCase):
    """The toggle without a hardened base, and more than one of it."""

    def _run(self, act, base):
        seen = {}

        class Inner(base):
            def test(self):
                service = inner.make_service(self, 'host')
                self.addCleanup(
                    lambda: seen.update(state=inner.state_of(self, 'host'))
                )
                act(self, service)

        result = inner.run_inner(Inner)
        return inner.problems(result), seen.get('state')

    class Plain(inner.ApiMixin, test.TestCase):
        pass

    def test_plain_nova_test(self):
        def act(test, service):
            test.useFixture(SafeServiceToggle())
            test.admin_api.put_service(service.uuid, {'forced_down': True})

        problems, state = self._run(act, self.Plain)
        self.assertEqual('', problems)
        self.assertEqual(EXPECTED['enabled'], state)

    def test_plain_nova_test_without_it(self):
        def act(test, service):
            test.admin_api.put_service(service.uuid, {'forced_down': True})

        problems, state = self._run(act, self.Plain)
        self.assertEqual('', problems)
        self.assertEqual((False, None, True), state)

    def test_before_the_set_up_of_nova(self):
        class Early(inner.ApiMixin, test.TestCase):
            def setUp(self):
                self.useFixture(SafeServiceToggle(test=self))
                super().setUp()

        def act(test, service):
            test.admin_api.put_service(service.uuid, {'forced_down': True})

        problems, state = self._run(act, Early)
        self.assertEqual('', problems)
        self.assertEqual(EXPECTED['enabled'], state)

    def test_nested(self):
        ledgers = []

        def act(test, service):
            own = test.useFixture(SafeServiceToggle())
            ledgers.extend([test.service_toggle.ledger, own.ledger])
            own.disable('host')
            test.service_toggle.force_down('host')

        problems, state = self._run(act, inner.SafeApiTestCase)
        self.assertEqual('', problems)
        self.assertEqual(EXPECTED['enabled'], state)
        for ledger in ledgers:
            self.assertLessEqual(2, len(ledger))
            self.assertNotIn(None, [entry.restored for entry in ledger])

    def test_inner_toggle_gives_back_what_it_found(self):
        def act(test, service):
            test.service_toggle.disable('host', reason='outer')
            with SafeServiceToggle(test=None) as own:
                handle = own.disable('host', reason='inner')
                handle.restore()
                test.assertEqual(
                    (True, 'outer', False), inner.state_of(test, 'host')
                )

        problems, state = self._run(act, inner.SafeApiTestCase)
        self.assertEqual('', problems)
        self.assertEqual(EXPECTED['enabled'], state)

    def test_nova_is_not_left_patched(self):
        def patched():
            return db.service_update, nova_service.Service.__init__

        before = patched()
        during = []

        def act(test, service):
            # Each looks for the compute that would have to be told.
            test.service_toggle.disable('host')
            test.service_toggle.enable('host')
            during.extend(patched())

        self._run(act, inner.SafeApiTestCase)
        for old, new in zip(before, during, strict=True):
            self.assertIsNot(old, new)
        for old, new in zip(before, patched(), strict=True):
            self.assertIs(old, new)


class TestGivenClient(testtools.TestCase):
    """SafeServiceToggle(api=...) with a client of real Nova."""

    def _run(self, act):
        seen = {}

        class Inner(inner.ApiMixin, test.TestCase):
            def test(self):
                service = inner.make_service(self, 'host')
                other = inner.make_service(self, 'other')
                self.addCleanup(look, self)
                api = self.api_fixture.admin_api
                toggle = self.useFixture(SafeServiceToggle(api=api))
                seen['toggle'] = toggle
                self.assertIn('put_service', vars(api))
                act(self, toggle, service, other)

        def look(test):
            seen['host'] = inner.state_of(test, 'host')
            seen['other'] = inner.state_of(test, 'other')
            seen['vars'] = sorted(vars(test.admin_api))

        result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertNotIn('put_service', seen['vars'])
        return seen

    def test_its_put_service_is_restored(self):
        def act(test, toggle, service, other):
            test.admin_api.put_service(service.uuid, {'forced_down': True})
            test.admin_api.put_service(
                service_id=other.uuid, req={'status': 'disabled'}
            )
            test.assertEqual((False, None, True), inner.state_of(test, 'host'))
            test.assertEqual(2, len(toggle.ledger))

        seen = self._run(act)
        self.assertEqual(EXPECTED['enabled'], seen['host'])
        self.assertEqual(EXPECTED['enabled'], seen['other'])

    def test_before_2_53(self):
        def act(test, toggle, service, other):
            test.admin_api.microversion = '2.11'
            test.admin_api.put_service(
                'disable-log-reason',
                {
                    'host': 'host',
                    'binary': 'nova-compute',
                    'disabled_reason': 'x',
                },
            )
            test.admin_api.put_service(
                'force-down',
                {
                    'host': 'other',
                    'binary': 'nova-compute',
                    'forced_down': 'true',
                },
            )
            test.assertEqual((True, 'x', False), inner.state_of(test, 'host'))
            test.assertEqual(
                (False, None, True), inner.state_of(test, 'other')
            )

        seen = self._run(act)
        self.assertEqual(EXPECTED['enabled'], seen['host'])
        self.assertEqual(EXPECTED['enabled'], seen['other'])

    def test_own_methods(self):
        def act(test, toggle, service, other):
            toggle.disable('host', reason='x')
            with toggle.force_down(other.uuid):
                test.assertEqual(
                    (False, None, True), inner.state_of(test, 'other')
                )
            test.assertEqual(
                EXPECTED['enabled'], inner.state_of(test, 'other')
            )
            test.assertEqual((True, 'x', False), inner.state_of(test, 'host'))

        seen = self._run(act)
        self.assertEqual(EXPECTED['enabled'], seen['host'])
        self.assertEqual(
            ['nova-compute on host', 'nova-compute on other'],
            [str(entry.service) for entry in seen['toggle'].ledger],
        )

    def test_other_clients_are_not_watched(self):
        def act(test, toggle, service, other):
            api = test.api_fixture.alternative_admin_api
            api.microversion = 'latest'
            api.put_service(service.uuid, {'forced_down': True})

        seen = self._run(act)
        self.assertEqual((False, None, True), seen['host'])
        self.assertEqual([], seen['toggle'].ledger)

    def test_what_the_api_refuses(self):
        def act(test, toggle, service, other):
            for service_id, body in (
                (service.uuid, {}),
                ('11111111-2222-3333-4444-555555555555', {'forced_down': 1}),
            ):
                test.assertRaises(
                    client.OpenStackApiException,
                    test.admin_api.put_service,
                    service_id,
                    body,
                )

        self.assertEqual(EXPECTED['enabled'], self._run(act)['host'])


class TestWhichService(testtools.TestCase):
    """The forms in which a service can be given."""

    def test_every_form(self):
        class Inner(RunningCompute):
            def test(self):
                api = self.admin_api
                new = self.service()
                with utils.temporary_mutation(api, microversion='2.52'):
                    old = self.service()
                self.assertIsInstance(old['id'], int)
                record = objects.Service.get_by_compute_host(
                    nova_context.get_admin_context(), 'compute'
                )
                forms = ['compute', new['id'], new, old, self.compute, record]
                for form in forms:
                    handle = self.service_toggle.force_down(form)
                    self.assertEqual(record.uuid, handle.service.uuid)
                    self.assertTrue(self.service()['forced_down'])
                    handle.restore()
                    self.assertFalse(self.service()['forced_down'])

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_unknown_lists_the_candidates(self):
        messages = []

        class Inner(inner.SafeApiTestCase):
            def test(self):
                inner.make_service(self, 'host1')
                inner.make_service(self, 'host2')
                for unknown in (
                    'host3',
                    '11111111-2222-3333-4444-555555555555',
                    {'host': 'host3', 'binary': 'nova-compute'},
                ):
                    error = self.assertRaises(
                        LookupError, self.service_toggle.disable, unknown
                    )
                    messages.append(str(error))
                self.assertRaises(
                    LookupError, self.service_toggle.disable, object()
                )
                self.assertEqual([], self.service_toggle.ledger)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(3, len(messages))
        for message in messages:
            self.assertIn('is unknown', message)
            self.assertIn('nova-compute on host1', message)
            self.assertIn('nova-compute on host2', message)


class TestOutsideATest(testtools.TestCase):
    """SF202: not a test endpoint, or the fixture is not active."""

    def _refused(self, toggle):
        for call in (
            toggle.disable,
            toggle.enable,
            toggle.force_down,
            toggle.force_up,
        ):
            error = self.assertRaises(exceptions.SafetyViolation, call, 'host')
            self.assertEqual('SF202', error.code)

    def test_before_set_up_and_after_cleanup(self):
        refuse = self._refused
        used = []

        class Inner(inner.SafeApiTestCase):
            def test(self):
                inner.make_service(self, 'host')
                toggle = SafeServiceToggle()
                used.append(toggle)
                refuse(toggle)
                with toggle:
                    toggle.disable('host')
                    used.append(inner.state_of(self, 'host'))
                refuse(toggle)
                # What it was told before is not forgotten.
                self.assertEqual(1, len(toggle.ledger))

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual((True, None, False), used[1])
        self._refused(used[0])

    def test_public_endpoint(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                requests.put(
                    'http://203.0.113.5/v2.1/os-services/x',
                    json={'status': 'disabled'},
                    timeout=1,
                )

        result = inner.run_inner(Inner)
        self.assertEqual((0, 1), _counts(result), inner.problems(result))
        self.assertIn('SF202', inner.problems(result))
        self.assertIn(
            'http://203.0.113.5/v2.1/os-services/x', inner.problems(result)
        )

    def test_public_endpoint_whatever_the_mode_and_if_swallowed(self):
        class Inner(inner.SafeApiTestCase):
            def setUp(self):
                self.useFixture(config_fixture.Config(conf.CONF)).config(
                    mode='off', group='safe_fixtures'
                )
                super().setUp()

            def test(self):
                try:
                    requests.put(
                        'http://203.0.113.5/v2.1/os-services/x',
                        json={'status': 'disabled'},
                        timeout=1,
                    )
                except AssertionError:
                    pass

        result = inner.run_inner(Inner)
        self.assertEqual((0, 1), _counts(result), inner.problems(result))
        self.assertIn('SF202', inner.problems(result))

    def test_expected_refusal_is_no_failure(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                with expect_violation('SF202') as seen:
                    requests.put(
                        'http://203.0.113.5/v2.1/os-services/x',
                        json={'status': 'disabled'},
                        timeout=1,
                    )
                self.assertIn('203.0.113.5', seen[0].message)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_client_of_a_public_endpoint(self):
        class Inner(inner.ApiMixin, test.TestCase):
            def test(self):
                api = client.TestOpenStackClient(
                    'admin', 'http://203.0.113.5/v2.1', roles=['admin']
                )
                error = self.assertRaises(
                    exceptions.SafetyViolation,
                    self.useFixture,
                    SafeServiceToggle(api=api),
                )
                self.assertEqual('SF202', error.code)
                self.assertNotIn('put_service', vars(api))

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))


class TestManyServices(testtools.TestCase):
    """A restore takes the same for each service, however many they are."""

    def _statements_of_restore(self, count):
        seen = {'requests': 0, 'statements': 0, 'down': []}

        def before(*args):
            seen['statements'] += 1

        class CountRequests:
            def before(self, call):
                seen['requests'] += 1

            def after(self, call):
                pass

        class Inner(inner.SafeApiTestCase):
            def test(self):
                hosts = {f'host{number:04}' for number in range(count)}
                _create_services(hosts)
                manager = db.get_context_manager(
                    nova_context.get_admin_context()
                )
                # What is registered before the first change comes after the
                # last restore.
                self.useFixture(gate.ApiGate(CountRequests()))
                self.addCleanup(look, self)
                context = nova_context.get_admin_context()
                for service in db.service_get_all(context):
                    if service.host in hosts:
                        db.service_update(
                            context, service.id, {'disabled': True}
                        )
                look(self)
                sa.event.listen(
                    manager.writer.get_engine(),
                    'before_cursor_execute',
                    before,
                )

        def look(test):
            seen['restored'] = seen['statements']
            services = objects.ServiceList.get_by_binary(
                nova_context.get_admin_context(),
                'nova-compute',
                include_disabled=True,
            )
            seen['down'].append(sum(service.disabled for service in services))

        result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertEqual([count, 0], seen['down'])
        self.assertEqual(0, seen['requests'])
        return seen['restored']

    def test_statements_are_linear(self):
        few = self._statements_of_restore(100)
        many = self._statements_of_restore(500)

        self.assertNotEqual(0, few)
        # Cells may have to be looked up once, whatever the number.
        self.assertEqual(few // 100, (many - few) / 400)


def _create_services(hosts):
    """Create many records at once."""

    @db.pick_context_manager_writer
    def create(context):
        context.session.execute(
            sa.insert(models.Service),
            [
                {
                    'uuid': uuidutils.generate_uuid(),
                    'host': host,
                    'binary': 'nova-compute',
                    'topic': 'compute',
                    'report_count': 0,
                    'disabled': False,
                    'forced_down': False,
                    'deleted': 0,
                    'last_seen_up': datetime.datetime(2000, 1, 1),
                }
                for host in hosts
            ],
        )

    create(nova_context.get_admin_context())
