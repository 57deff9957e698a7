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

"""Changes of services that no statement of SQLAlchemy made."""

import safe_fixtures.nova  # isort: skip

import sqlite3

from nova import context as nova_context
from nova.db.main import api as db
from nova import objects
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import integrated_helpers
from oslo_utils.fixture import uuidsentinel

from safe_fixtures import SafeServiceToggle
from tests.functional.nova import inner
from tests.functional.nova.services import computes
from tests.functional.nova.services import restores
from tests.support import base

UPDATE = "UPDATE services SET disabled = 1, disabled_reason = 'raw'"
UNDO = 'UPDATE services SET disabled = 0, disabled_reason = NULL'
REFUSE = (
    'CREATE TRIGGER refuse BEFORE UPDATE OF disabled ON services '
    "BEGIN SELECT RAISE(ABORT, 'refused'); END"
)
RAW = (True, 'raw', False)


def engine_of(test, cell):
    url = test.cell_mappings[cell].database_connection
    return db.create_context_manager(url).writer.get_engine()


def cursor(test, cell, statement=UPDATE):
    connection = engine_of(test, cell).raw_connection()
    connection.cursor().execute(statement)
    connection.commit()
    connection.close()


def many(test, cell):
    connection = engine_of(test, cell).raw_connection()
    connection.cursor().executemany(f'{UPDATE} WHERE id > ?', [(0,), (0,)])
    connection.commit()
    connection.close()


def script(test, cell):
    connection = engine_of(test, cell).raw_connection()
    connection.driver_connection.executescript(UPDATE)
    connection.close()


def of_a_connection(test, cell):
    with engine_of(test, cell).connect() as connection:
        connection.connection.cursor().execute(UPDATE)
        connection.connection.commit()


def trigger(test, cell):
    with engine_of(test, cell).connect() as connection:
        connection.exec_driver_sql(
            f'CREATE TRIGGER t AFTER INSERT ON tags BEGIN {UPDATE}; END'
        )
        connection.exec_driver_sql(
            "INSERT INTO tags (resource_id, tag) VALUES ('1', '2')"
        )
        connection.exec_driver_sql('DROP TRIGGER t')
        connection.commit()


WAYS = {
    way.__name__: way
    for way in (cursor, many, script, of_a_connection, trigger)
}


class Oops(Exception):
    """What an inner test raises on purpose."""


class TestUnseen(base.TestCase):
    def test_restored_in_each_cell(self):
        """In one test: a toggle of its own for each way and cell."""
        seen = {}

        class Inner(inner.SafeApiTestCase):
            NUMBER_OF_CELLS = 2

            def test(self):
                for name, way in WAYS.items():
                    for cell in ('cell0', 'cell1', 'cell2'):
                        seen[name, cell] = self.look(name, way, cell)

            def look(self, name, way, cell):
                hosts = [f'{name}, before', f'{name}, in it']
                inner.make_service(self, hosts[0], cell, mapped=False)
                with SafeServiceToggle(test=None) as toggle:
                    inner.make_service(self, hosts[1], cell, mapped=False)
                    way(self, cell)
                    changed = self.states(hosts, cell)
                # Others are in the cell, too.
                return (
                    changed,
                    self.states(hosts, cell),
                    [
                        entry
                        for entry in toggle.ledger
                        if entry.service.host in hosts
                    ],
                )

            def states(self, hosts, cell):
                return [inner.state_of(self, host, cell) for host in hosts]

        result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertEqual(len(WAYS) * 3, len(seen))
        for (name, cell), (changed, restored, entries) in seen.items():
            with self.subTest(way=name, cell=cell):
                self.assertEqual([RAW, RAW], changed)
                self.assertEqual([restores.EXPECTED['enabled']] * 2, restored)
                self.assertEqual(2, len(entries))
                for entry in entries:
                    self.assertEqual('raw', entry.after.disabled_reason)
                    self.assertIn('record', entry.restored)
                    self.assertIn('SQLAlchemy', entry.by)

    def test_in_each_exit(self):
        for way_out in ('pass', 'fail', 'error in setUp'):
            with self.subTest(way_out=way_out):
                self._check_exit(way_out)

    def _check_exit(self, way_out):
        seen = {}

        class Inner(inner.SafeApiTestCase):
            def setUp(self):
                super().setUp()
                seen['ledger'] = self.service_toggle.ledger
                inner.make_service(self, 'host')
                cursor(self, 'cell1')
                if way_out == 'error in setUp':
                    raise Oops

            def test(self):
                if way_out == 'fail':
                    raise Oops

        problems = inner.problems(inner.run_inner(Inner))
        self.assertEqual(way_out != 'pass', 'Oops' in problems, problems)
        self.assertNotIn('SF', problems)
        (entry,) = (
            entry for entry in seen['ledger'] if entry.service.host == 'host'
        )
        self.assertIn('record', entry.restored)

    def test_what_is_torn_down_before(self):
        seen = {}

        class Inner(
            safe_fixtures.nova.hardened(
                integrated_helpers.ProviderUsageBaseTestCase
            )
        ):
            compute_driver = 'fake.SmallFakeDriver'

            def test(self):
                self._start_compute('host')
                seen['ledger'] = self.service_toggle.ledger
                cursor(self, 'cell1')

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        by_host = {entry.service.host: entry for entry in seen['ledger']}
        self.assertIn('host', by_host)
        self.assertIn('gone', by_host['host'].restored)

    def test_nothing_is_said_of_what_nova_does_itself(self):
        seen = {}

        class Inner(inner.SafeApiTestCase):
            def test(self):
                seen['ledger'] = self.service_toggle.ledger
                seen['trail'] = self.audit_trail
                service = inner.make_service(self, 'host')
                service.report_count += 1
                service.save()
                gone = inner.make_service(self, 'gone')
                gone.destroy()
                inner.make_service(self, 'gone', mapped=False)
                connection = engine_of(self, 'cell1').raw_connection()
                connection.cursor().execute('BEGIN')
                connection.cursor().execute(UPDATE)
                connection.cursor().execute('ROLLBACK')
                connection.close()

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual([], seen['ledger'])
        self.assertEqual(
            [], computes.contents(seen['trail'], 'evaluate/order')
        )

    def test_nothing_is_said_of_what_the_test_undid(self):
        for undone in ('in the test', 'in a cleanup'):
            with self.subTest(undone=undone):
                self._check_undone(undone)

    def _check_undone(self, undone):
        self.configure(rule_modes='SF203:enforce')
        seen = {}

        class Inner(inner.SafeApiTestCase):
            def test(self):
                seen['ledger'] = self.service_toggle.ledger
                inner.make_service(self, 'host')
                if undone == 'in a cleanup':
                    self.addCleanup(cursor, self, 'cell1', UNDO)
                cursor(self, 'cell1')
                if undone == 'in the test':
                    cursor(self, 'cell1', UNDO)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual([], seen['ledger'])

    def test_nothing_is_said_of_databases_that_are_gone(self):
        seen = {}

        class Inner(inner.SafeApiTestCase):
            def test(self):
                seen['ledger'] = self.service_toggle.ledger
                inner.make_service(self, 'host')
                cursor(self, 'cell1')
                with engine_of(self, 'cell1').connect() as connection:
                    connection.exec_driver_sql('DROP TABLE services')
                    connection.commit()

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_failed_restore_is_reported_once(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                inner.make_service(self, 'host')
                self.service_toggle.disable('host', reason='seen')
                cursor(self, 'cell1', REFUSE)

        problems = inner.problems(inner.run_inner(Inner))
        self.assertEqual(1, problems.count('RestoreFailed: SF201'), problems)

    def test_cells_that_the_test_adds(self):
        for mapped in ('first', 'last'):
            with self.subTest(mapped=mapped):
                self._check_added(mapped)

    def _check_added(self, mapped):
        seen = {}

        class Inner(safe_fixtures.nova.hardened(test.TestCase)):
            USES_DB = False
            USES_DB_SELF = True

            def test(self):
                self.useFixture(nova_fixtures.Database(database='api'))
                # Nova's fixture takes no more of them once it is set up.
                cells = nova_fixtures.CellDatabases()
                for cell in ('cell0', 'cell1'):
                    self.cell_mappings[cell] = objects.CellMapping(
                        nova_context.get_admin_context(),
                        uuid=getattr(uuidsentinel, cell),
                        database_connection=cell,
                        transport_url='fake:///',
                    )
                    cells.add_cell_database(cell)
                self.useFixture(cells)
                if mapped == 'first':
                    self.map()
                with SafeServiceToggle(test=None):
                    for cell in ('cell0', 'cell1'):
                        inner.make_service(self, 'host', cell, mapped=False)
                    if mapped == 'last':
                        self.map()
                    for cell in ('cell0', 'cell1'):
                        cursor(self, cell)
                seen['states'] = [
                    inner.state_of(self, 'host', cell)
                    for cell in ('cell0', 'cell1')
                ]

            def map(self):
                for mapping in self.cell_mappings.values():
                    mapping.create()

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual([restores.EXPECTED['enabled']] * 2, seen['states'])

    def test_a_database_of_its_own_is_none_of_novas(self):
        seen = {}

        class Inner(inner.SafeApiTestCase):
            def test(self):
                seen['ledger'] = self.service_toggle.ledger
                own = sqlite3.connect(':memory:')
                own.execute('CREATE TABLE services (uuid, disabled)')
                own.execute(UPDATE.partition(',')[0])
                own.close()

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual([], seen['ledger'])


class TestOrder(computes.TestCase):
    def test_servers_are_looked_for_at_the_end(self):
        self.configure(rule_modes='SF203:enforce')

        def act(case):
            case.boot()
            cursor(case, 'cell1')

        problems = inner.problems(self.inner(act))
        self.assertIn('SF203', problems)
        self.assertIn('nova-compute on full would be disabled', problems)
        self.assertNotIn('nova-compute on empty', problems)
