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

"""Restores at the record: computes that run, stop, or are gone."""

import datetime

from nova.conf import CONF
from nova import context as nova_context
from nova.db.main import api as db
from nova.db.main import models
from nova import objects
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional.api import client
from nova.tests.functional import integrated_helpers
from oslo_config import fixture as config_fixture
from oslo_db import exception as db_exc
from oslo_utils import uuidutils
import sqlalchemy as sa
import testtools

from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures import nova as safe_nova
from safe_fixtures import SafeServiceToggle
from tests.functional.nova import inner
from tests.functional.nova.services import restores


class PlainRunningCompute(integrated_helpers._IntegratedTestBase):
    """The same on Nova's own base, unhardened."""

    ADMIN_API = True
    microversion = 'latest'
    traits = restores.RunningCompute.traits
    service = restores.RunningCompute.service

    def setUp(self):
        self.useFixture(safe_nova.InstalledNova())
        super().setUp()


class TestRunningCompute(testtools.TestCase):
    """The trait in Placement follows a restore."""

    def _run(self, act, base=restores.RunningCompute):
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
            test.assertIn(restores.TRAIT, test.traits())
            seen['ledger'] = test.service_toggle.ledger

        seen = self._run(act)
        self.assertEqual(restores.EXPECTED['enabled'], seen['state'])
        self.assertNotIn(restores.TRAIT, seen['traits'])
        self.assertEqual('record and compute', seen['ledger'][0].restored)

    def test_trait_comes_back_when_disabled_again(self):
        def act(test, seen):
            service = test.service()
            test.admin_api.put_service(
                service['id'], {'status': 'disabled', 'disabled_reason': 'x'}
            )
            test.assertIn(restores.TRAIT, test.traits())
            test.useFixture(SafeServiceToggle())
            test.admin_api.put_service(service['id'], {'status': 'enabled'})
            test.assertNotIn(restores.TRAIT, test.traits())

        seen = self._run(act, base=PlainRunningCompute)
        self.assertEqual((True, 'x', False), seen['state'])
        self.assertIn(restores.TRAIT, seen['traits'])

    def test_trait_goes_though_it_was_enabled_while_down(self):
        def act(test, seen):
            test.service_toggle.disable('compute')
            test.assertIn(restores.TRAIT, test.traits())
            test.service_toggle.force_down('compute')
            # A compute that counts as down is not told.
            test.service_toggle.enable('compute')

        seen = self._run(act)
        self.assertEqual(restores.EXPECTED['enabled'], seen['state'])
        self.assertNotIn(restores.TRAIT, seen['traits'])

    def test_trait_follows_in_a_block(self):
        def act(test, seen):
            with test.service_toggle.disable('compute', reason='x'):
                test.assertIn(restores.TRAIT, test.traits())
                test.assertEqual('disabled', test.service()['status'])
            test.assertNotIn(restores.TRAIT, test.traits())
            test.assertEqual('enabled', test.service()['status'])

        self.assertNotIn(restores.TRAIT, self._run(act)['traits'])

    def test_restarted_compute_is_told(self):
        class Inner(restores.RunningCompute):
            def test(self):
                handle = self.service_toggle.disable('compute')
                # What this starts is torn down before the restore at the end.
                self.restart_compute_service(self.compute)
                self.assertIn(restores.TRAIT, self.traits())
                handle.restore()
                self.assertEqual('enabled', self.service()['status'])
                self.assertNotIn(restores.TRAIT, self.traits())

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_long_rpc_timeout_is_given_back(self):
        def act(test, seen):
            test.flags(long_rpc_timeout=1234)
            with test.service_toggle.disable('compute'):
                pass
            test.assertEqual(1234, CONF.long_rpc_timeout)

        self._run(act)


class TestStoppedCompute(testtools.TestCase):
    """A compute that would not answer is not called."""

    NOT_TOLD = 'record; its compute is down and was not told'

    def _run(self, act):
        seen = restores.Seen()

        class Inner(restores.RunningCompute):
            def test(self):
                # A call of the compute would time out, and the ledger would
                # say so.
                self.useFixture(config_fixture.Config(conf.CONF)).config(
                    restore_timeout=1, group='safe_fixtures'
                )
                seen.watch(self, 'compute')
                act(self)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(restores.EXPECTED['enabled'], seen.state['compute'])
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
    """Services that are hard to restore, or need no restore."""

    def _run(self, act, *hosts):
        seen = restores.Seen()

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
        self.assertEqual(restores.EXPECTED['enabled'], seen.state['host'])

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
        seen = restores.Seen()

        class Inner(restores.RunningCompute):
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
            {'short-lived': None, 'compute': restores.EXPECTED['enabled']},
            seen.state,
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
        self.assertEqual(restores.EXPECTED['enabled'], seen.state['host'])
        self.assertEqual(
            ['record; its compute is down and was not told'] * 2,
            seen.restored(),
        )

    def test_running_compute_of_a_cell_that_is_down_at_cleanup(self):
        seen = restores.Seen()

        class Inner(restores.RunningCompute):
            def test(self):
                seen.watch(self, 'compute')
                self.useFixture(nova_fixtures.DownCellFixture())
                self.service_toggle.disable('compute')

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(restores.EXPECTED['enabled'], seen.state['compute'])

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
            # Registered before the first change, so that the database is
            # down for the restore and up for the look at the record.
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


class TestManyServices(testtools.TestCase):
    """A restore takes the same time for each service, however many."""

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
                # Registered before the first change, so that it runs after
                # the last restore.
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
        few = self._statements_of_restore(20)
        many = self._statements_of_restore(60)

        self.assertNotEqual(0, few)
        # Cells may be looked up once, whatever the number.
        self.assertEqual(few // 20, (many - few) / 40)


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
