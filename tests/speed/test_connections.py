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

"""A connection that is kept shows nothing that a new one would not show."""

from safe_fixtures import nova as safe_nova  # isort: skip

import contextlib
import gc
import os
import sqlite3
import threading
from unittest import mock

import fixtures
from nova import utils
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import engines
import sqlalchemy
from sqlalchemy import event
from sqlalchemy import pool

from safe_fixtures.nova.speed import connections
from safe_fixtures.nova.speed import sqlite_state
from tests.functional.nova import inner
from tests.speed import base
from tests.speed import contract

COUNTS = connections.Connections.counts


def raw_of(connection):
    """Return the connection of sqlite3."""
    return connection.connection.dbapi_connection


def sql(connection, statement):
    """Execute a statement as a test would; return the rows."""
    return list(map(tuple, raw_of(connection).execute(statement).fetchall()))


def pragma(name, value):
    return (
        lambda connection: sql(connection, f'PRAGMA {name} = {value}'),
        lambda connection: sql(connection, f'PRAGMA {name}'),
    )


def attribute(name, value):
    return (
        lambda connection: setattr(raw_of(connection), name, value),
        lambda connection: getattr(raw_of(connection), name),
    )


def method(name, *args, see):
    return lambda connection: getattr(raw_of(connection), name)(*args), see


def result_of(statement):
    """Return a callable that executes it, and returns rows or the error."""

    def see(connection):
        try:
            return sql(connection, statement)
        except (sqlite3.Error, sqlalchemy.exc.SQLAlchemyError) as error:
            return str(error)

    return see


def run(*statements):
    return lambda connection: [sql(connection, each) for each in statements]


class Text(str):
    """A statement of a test's own class."""


class OtherCursor(sqlite3.Cursor):
    """A cursor of a test's own."""


def deny(action, *_):
    # An update, which is what is tried then.
    return sqlite3.SQLITE_DENY if action == 23 else sqlite3.SQLITE_OK


def serializable(connection):
    connection.rollback()
    connection.execution_options(isolation_level='SERIALIZABLE')


UPDATE = 'UPDATE t SET a = a WHERE 0'
READ_ONLY = 'pragma /* this */ query_only=1'
# What a test does to a connection, and where it shows.
POISONS = {
    'foreign_keys': pragma('foreign_keys', 1),
    'recursive_triggers': pragma('recursive_triggers', 1),
    'query_only': pragma('query_only', 1),
    'read_uncommitted': pragma('read_uncommitted', 1),
    'ignore_check_constraints': pragma('ignore_check_constraints', 1),
    'reverse_unordered_selects': pragma('reverse_unordered_selects', 1),
    'writable_schema': pragma('writable_schema', 1),
    'trusted_schema': pragma('trusted_schema', 0),
    'legacy_alter_table': pragma('legacy_alter_table', 1),
    'busy_timeout': pragma('busy_timeout', 4321),
    'cache_size': pragma('cache_size', 4321),
    'synchronous': pragma('synchronous', 0),
    'temp_store': pragma('temp_store', 2),
    'locking_mode': pragma('locking_mode', 'EXCLUSIVE'),
    'wal_autocheckpoint': pragma('wal_autocheckpoint', 7),
    'mmap_size': pragma('mmap_size', 65536),
    'full_column_names': pragma('full_column_names', 1),
    'case_sensitive_like': (
        run('PRAGMA case_sensitive_like = 1'),
        result_of("SELECT 'a' LIKE 'A'"),
    ),
    'a pragma through SQLAlchemy': (
        lambda connection: connection.exec_driver_sql(
            'PRAGMA recursive_triggers = 1'
        ),
        result_of('PRAGMA recursive_triggers'),
    ),
    'an attached database': (
        run("ATTACH ':memory:' AS other"),
        result_of('SELECT count(*) FROM pragma_database_list'),
    ),
    'a temporary table': (
        run('CREATE TEMPORARY TABLE mine (a INTEGER)'),
        result_of('SELECT * FROM mine'),
    ),
    'a temporary view': (
        run('CREATE TEMPORARY VIEW t AS SELECT 5 AS b'),
        result_of('SELECT * FROM t'),
    ),
    'a temporary trigger': (
        run('CREATE TEMP TRIGGER mine AFTER DELETE ON t BEGIN SELECT 1; END'),
        result_of('SELECT name FROM sqlite_temp_master'),
    ),
    'row_factory': attribute('row_factory', sqlite3.Row),
    'text_factory': attribute('text_factory', bytes),
    'isolation_level': attribute('isolation_level', 'IMMEDIATE'),
    'isolation level of SQLAlchemy': (
        serializable,
        lambda connection: raw_of(connection).isolation_level,
    ),
    'a function': method(
        'create_function', 'mine', 0, lambda: 5, see=result_of('SELECT mine()')
    ),
    'a function replaced': method(
        'create_function',
        'regexp',
        2,
        lambda *_: 5,
        see=result_of("SELECT 'a' REGEXP 'b'"),
    ),
    'a function of SQLite replaced': method(
        'create_function',
        'upper',
        1,
        lambda _: 'mine',
        see=result_of("SELECT upper('a')"),
    ),
    'a collation': method(
        'create_collation',
        'mine',
        lambda *_: 0,
        see=result_of("SELECT 'a' = 'b' COLLATE mine"),
    ),
    'a collation replaced': method(
        'create_collation',
        'nocase',
        lambda *_: 0,
        see=result_of("SELECT 'a' = 'b' COLLATE nocase"),
    ),
    'a limit': method(
        'setlimit',
        sqlite3.SQLITE_LIMIT_COLUMN,
        1,
        see=lambda connection: raw_of(connection).getlimit(
            sqlite3.SQLITE_LIMIT_COLUMN
        ),
    ),
    'an authorizer': method('set_authorizer', deny, see=result_of(UPDATE)),
    'an authorizer, past the connection': (
        lambda connection: sqlite3.Connection.set_authorizer(
            raw_of(connection), deny
        ),
        result_of(UPDATE),
    ),
    'a progress handler': method(
        'set_progress_handler', lambda: 1, 1, see=result_of('SELECT a FROM t')
    ),
    'info': (
        lambda connection: connection.info.update(mine=1),
        lambda connection: connection.info.get('mine'),
    ),
    'info of the record': (
        lambda connection: connection.connection.record_info.update(mine=1),
        lambda connection: connection.connection.record_info.get('mine'),
    ),
    'the last row': (
        run('INSERT INTO t VALUES (77)'),
        result_of('SELECT last_insert_rowid()'),
    ),
    'the last row, undone': (
        run('BEGIN', 'INSERT INTO t VALUES (77)'),
        result_of('SELECT last_insert_rowid()'),
    ),
    'the last row of a statement that failed': (
        result_of('INSERT INTO t VALUES (77), (NULL)'),
        result_of('SELECT last_insert_rowid()'),
    ),
    'counts of changes': (
        run('UPDATE t SET a = a'),
        result_of('SELECT changes(), total_changes()'),
    ),
    'counts of changes, asked of the connection': (
        run('INSERT INTO t VALUES (77)', 'DELETE FROM t WHERE a = 77'),
        lambda connection: raw_of(connection).total_changes,
    ),
    'the last row of many': (
        lambda connection: raw_of(connection).executemany(
            'INSERT INTO t VALUES (?)', [(77,), (78,)]
        ),
        result_of('SELECT last_insert_rowid()'),
    ),
    # What shows these names no pragma, which would be noted by itself.
    'a pragma of a connection': (
        lambda connection: raw_of(connection).execute(READ_ONLY),
        result_of(UPDATE),
    ),
    'a pragma of a cursor': (
        lambda connection: raw_of(connection).cursor().execute(READ_ONLY),
        result_of(UPDATE),
    ),
    'a pragma of a script': (
        lambda connection: raw_of(connection).executescript(
            f'SELECT 1; -- and\n{READ_ONLY}'
        ),
        result_of(UPDATE),
    ),
    'a pragma of a script of a cursor': (
        lambda connection: (
            raw_of(connection).cursor().executescript(READ_ONLY)
        ),
        result_of(UPDATE),
    ),
    'a pragma of a cursor of another class': (
        lambda connection: (
            raw_of(connection).cursor(factory=OtherCursor).execute(READ_ONLY)
        ),
        result_of(UPDATE),
    ),
    'a pragma of a statement of another class': (
        lambda connection: raw_of(connection).execute(Text(READ_ONLY)),
        result_of(UPDATE),
    ),
    'an open transaction': (
        run('BEGIN'),
        lambda connection: raw_of(connection).in_transaction,
    ),
}


class TestConnections(contract.Contract, base.TestCase):
    CURE = connections.Connections
    PATCHED = ((engines, 'create_engine'),)
    BESIDE = ('transactions',)
    NEEDED = pool.NullPool, '_do_get'

    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir())
        self.path = folder.join('test.sqlite')
        self.fill(self.path)
        self.addCleanup(self.assertAllClosed)

    def fill(self, path):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute('PRAGMA journal_mode = WAL')
            connection.execute('CREATE TABLE t (a INTEGER NOT NULL)')
            connection.execute('INSERT INTO t VALUES (1), (2), (3)')
            connection.commit()

    def assertAllClosed(self):
        self.assertEqual([], self.open_files())

    def open_files(self, name='test.sqlite'):
        """Return the descriptors of the database that are open."""
        found = []
        for each in os.listdir('/proc/self/fd'):
            with contextlib.suppress(OSError):
                target = os.readlink(f'/proc/self/fd/{each}')
                if name in target:
                    found.append(target)
        return found

    @contextlib.contextmanager
    def engine(self, kept=True, query='', **options):
        """Yield an engine of oslo.db; dispose of it."""
        with connections.Connections() if kept else contextlib.nullcontext():
            engine = engines.create_engine(
                f'sqlite:///{self.path}{query}', **options
            )
            yield engine
            engine.dispose()

    def read(self, engine):
        """Read in a transaction; return the rows and the raw connection."""
        with engine.begin() as connection:
            rows = connection.exec_driver_sql('SELECT a FROM t').fetchall()
            return list(map(tuple, rows)), id(raw_of(connection))

    def assertKeeps(self, engine, keeps=True):
        self.read(engine)
        hits = COUNTS.hits
        self.assertEqual([(1,), (2,), (3,)], self.read(engine)[0])
        self.assertEqual(hits + keeps, COUNTS.hits)

    def test_a_connection_that_was_read_from_is_kept(self):
        with self.engine() as engine:
            self.assertKeeps(engine)
            self.assertIsInstance(engine.pool, pool.NullPool)
            self.assertEqual('NullPool', engine.pool.status())
            self.assertEqual('NullPool', engine.pool.logger.name[-8:])
        with self.engine(kept=False) as engine:
            self.assertKeeps(engine, keeps=False)

    def test_poisons(self):
        for name, (poison, see) in POISONS.items():
            with self.subTest(name):
                stock = self.see_poison(False, poison, see)
                self.assertEqual(stock, self.see_poison(True, poison, see))

    def see_poison(self, kept, poison, see):
        with self.engine(kept) as engine:
            # One that was kept before.
            self.read(engine)
            with engine.connect() as connection:
                before = see(connection)
            with engine.connect() as connection:
                poison(connection)
                # A poison that does not show proves nothing.
                self.assertNotEqual(before, see(connection))
            with engine.connect() as connection:
                return see(connection)

    def test_a_connection_that_has_written_is_kept(self):
        with self.engine() as engine:
            _, used = self.read(engine)
            for row in (5, 6):
                with engine.begin() as connection:
                    self.assertEqual(used, id(raw_of(connection)))
                    done = connection.exec_driver_sql(
                        f'INSERT INTO t VALUES ({row})'
                    )
                    self.assertEqual(
                        (1, row - 1), (done.rowcount, done.lastrowid)
                    )
                    self.assertEqual(1, raw_of(connection).total_changes)
                    # A cursor that is left would have it closed.
                    del done
            self.assertEqual(used, self.read(engine)[1])

    def test_a_trace(self):
        statements = []
        with self.engine() as engine:
            with engine.connect() as connection:
                raw_of(connection).set_trace_callback(statements.append)
                connection.exec_driver_sql('SELECT 5')
            self.assertIn('SELECT 5', statements)
            told = len(statements)
            self.read(engine)
            self.assertEqual(told, len(statements))

    def test_a_cursor_that_is_left(self):
        for kept in (False, True):
            with self.subTest(kept), self.engine(kept) as engine:
                self.read(engine)
                with engine.connect() as connection:
                    cursor = raw_of(connection).execute('SELECT a FROM t')
                    cursor.fetchone()
                self.assertRaises(sqlite3.ProgrammingError, cursor.fetchone)
                # It would show the rows of then.
                with engine.begin() as connection:
                    connection.exec_driver_sql('DELETE FROM t WHERE a > 3')
                    connection.exec_driver_sql('INSERT INTO t VALUES (4)')
                self.assertIn((4,), self.read(engine)[0])
                # SQLite closes the file with the last cursor.
                del cursor
                gc.collect()

    def test_a_raw_connection_that_is_left(self):
        with self.engine() as engine:
            with engine.connect() as connection:
                raw = raw_of(connection)
            self.assertNotEqual(id(raw), self.read(engine)[1])
            self.assertRaises(sqlite3.ProgrammingError, raw.execute, '')

    def test_transactions_begin_anew(self):
        with self.engine() as engine:
            for _ in range(3):
                with engine.connect() as connection:
                    connection.exec_driver_sql('SELECT 1')
                    self.assertTrue(raw_of(connection).in_transaction)
                with engine.connect() as connection:
                    connection.exec_driver_sql('SELECT 1')
                    self.assertTrue(raw_of(connection).in_transaction)
                    # Returned without an end of the transaction.
                    connection.connection.close()

    def test_changes_by_others_show(self):
        with self.engine() as engine:
            self.assertKeeps(engine)
            with contextlib.closing(sqlite3.connect(self.path)) as other:
                other.execute('CREATE TABLE u (b INTEGER)')
                other.execute('INSERT INTO u VALUES (7)')
                other.commit()
            with engine.connect() as connection:
                self.assertEqual([(7,)], sql(connection, 'SELECT b FROM u'))

    def test_no_limit(self):
        with self.engine() as engine, contextlib.ExitStack() as stack:
            raws = {
                id(raw_of(stack.enter_context(engine.connect())))
                for _ in range(40)
            }
            self.assertEqual(40, len(raws))
            stack.close()
            self.assertLessEqual(len(engine.pool._kept), connections._MOST)
            self.assertKeeps(engine)

    def test_closed_with_the_engine(self):
        with self.engine() as engine:
            self.assertKeeps(engine)
            self.assertNotEqual([], self.open_files())
            with engine.connect() as connection:
                sql(connection, 'SELECT 1')
                engine.dispose()
                self.assertEqual(1, self.databases())
            self.assertEqual([], self.open_files())
            # The next ones are kept again, as Nova disposes early.
            self.assertKeeps(engine)

    def databases(self):
        return sum(each.endswith('.sqlite') for each in self.open_files())

    def test_closed_with_an_engine_that_is_deleted(self):
        with connections.Connections():
            engine = engines.create_engine(f'sqlite:///{self.path}')
            self.assertKeeps(engine)
            self.assertNotEqual([], self.open_files())
            del engine
            gc.collect()
            self.assertEqual([], self.open_files())

    def test_those_of_an_engine_that_is_deleted_are_closed_in_words(self):
        # Python 3.13 warns of one that is only deleted.
        with connections.Connections():
            engine = engines.create_engine(f'sqlite:///{self.path}')
            self.assertKeeps(engine)
            with mock.patch.object(
                pool.Pool, '_close_connection', autospec=True
            ) as close:
                del engine
                gc.collect()
            self.assertEqual(1, close.call_count)
            raw = close.call_args.args[-1]
            close.reset_mock()
            raw.close()

    def test_a_kept_connection_is_not_pinged(self):
        with (
            self.engine() as engine,
            mock.patch.object(
                engine.dialect, '_do_ping_w_event', autospec=True
            ) as ping,
        ):
            self.assertKeeps(engine)
            ping.assert_not_called()

    def test_a_transaction_that_is_left(self):
        with self.engine() as engine:
            engine.pool._reset_on_return = pool.reset_none
            raw = engine.raw_connection()
            raw.execute('BEGIN')
            raw.close()
            with engine.connect() as connection:
                self.assertFalse(raw_of(connection).in_transaction)

    def test_closed_with_the_fixture(self):
        with connections.Connections():
            with connections.Connections():
                engine = engines.create_engine(f'sqlite:///{self.path}')
                self.assertKeeps(engine)
            # A test has ended, and another one goes on.
            self.assertEqual([], self.open_files())
            self.assertKeeps(engine)
            connection = engine.connect()
        connection.close()
        self.assertEqual([], self.open_files())
        self.assertKeeps(engine, keeps=False)
        engine.dispose()
        self.assertKeeps(engine, keeps=False)

    def test_a_file_that_is_removed_or_replaced(self):
        for kept in (False, True):
            with self.subTest(kept), self.engine(kept) as engine:
                self.read(engine)
                other = f'{self.path}.other'
                self.fill(other)
                with contextlib.closing(sqlite3.connect(other)) as connection:
                    connection.execute('INSERT INTO t VALUES (9)')
                    connection.commit()
                os.replace(other, self.path)
                self.assertIn((9,), self.read(engine)[0])
                os.remove(self.path)
                self.assertRaisesRegex(
                    db_exception.DBError, 'no such table', self.read, engine
                )
                self.fill(self.path)

    def test_threads(self):
        with self.engine() as engine:
            used = [self.read(engine)]

            def read():
                for _ in range(20):
                    used.append(self.read(engine))

            hits = COUNTS.hits
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
            self.assertEqual(hits + 20, COUNTS.hits)
            self.assertEqual([([(1,), (2,), (3,)], used[0][1])] * 21, used)
            threads = [threading.Thread(target=read) for _ in range(6)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
            self.assertEqual(141, len(used))
            self.assertEqual({((1,), (2,), (3,))}, {tuple(u[0]) for u in used})

    def test_a_forked_process(self):
        with self.engine() as engine:
            self.assertKeeps(engine)
            kept = engine.pool._kept[0].dbapi_connection
            with engine.connect() as in_use:
                sql(in_use, 'SELECT 1')
                self.read(engine)
                child = os.fork()
                if not child:
                    os._exit(self.in_child(engine, in_use, kept))
                self.assertEqual(0, os.waitpid(child, 0)[1])
            self.assertKeeps(engine)

    def in_child(self, engine, in_use, kept):
        """Return 0 if a forked process uses no connection of its parent."""
        try:
            rows, used = self.read(engine)
            in_use.close()
            ours = [each.dbapi_connection for each in engine.pool._kept]
            if used == id(kept) or rows != [(1,), (2,), (3,)]:
                return 1
            return 2 if kept in ours or len(ours) != 1 else 0
        except BaseException:
            return 3

    def test_engines_that_are_left_alone(self):
        with self.engine(query='?check_same_thread=true') as engine:
            self.assertIs(pool.NullPool, type(engine.pool))
        with connections.Connections():
            engine = engines.create_engine('sqlite://')
            self.assertIs(pool.StaticPool, type(engine.pool))
            engine.dispose()
            engine = sqlalchemy.create_engine(
                f'sqlite:///{self.path}', poolclass=pool.NullPool
            )
            self.assertIs(pool.NullPool, type(engine.pool))
            engine.dispose()

    def test_listeners(self):
        for name in ('connect', 'close'):
            with self.subTest(name), self.engine() as engine:
                self.assertKeeps(engine)
                told = []
                event.listen(
                    engine, name, lambda *_, told=told: told.append(1)
                )
                self.assertKeeps(engine, keeps=False)
                self.assertLessEqual(2, len(told))
                engine.dispose()
                self.assertKeeps(engine, keeps=False)

    def test_listeners_of_all_pools(self):
        told = []
        listener = lambda *_: told.append(1)  # noqa: E731
        event.listen(pool.Pool, 'connect', listener)
        self.addCleanup(event.remove, pool.Pool, 'connect', listener)
        with self.engine() as engine:
            self.assertIs(pool.NullPool, type(engine.pool))

    def test_a_connection_that_is_detached_or_invalid(self):
        with self.engine() as engine:
            for name in ('detach', 'invalidate'):
                with self.subTest(name):
                    with engine.connect() as connection:
                        raw = raw_of(connection)
                        getattr(connection, name)()
                    self.assertRaises(
                        sqlite3.ProgrammingError, raw.execute, ''
                    )
                    self.assertKeeps(engine)

    def test_what_is_no_statement(self):
        self.assertEqual(self.refusals(False), self.refusals(True))

    def refusals(self, kept):
        """Return what is said of statements of a wrong type."""
        with self.engine(kept) as engine, engine.connect() as connection:
            raw = raw_of(connection)
            return [
                str(self.assertRaises(TypeError, each.execute, statement))
                for each in (raw, raw.cursor())
                for statement in (5, b'SELECT 1', None, [])
            ]

    def test_an_error_of_a_statement(self):
        with self.engine() as engine:
            for _ in range(2):
                self.assertRaisesRegex(
                    sqlalchemy.exc.OperationalError,
                    'no such column',
                    self.execute,
                    engine,
                    'SELECT b FROM t',
                )
            self.assertKeeps(engine)

    def execute(self, engine, statement):
        with engine.begin() as connection:
            return connection.exec_driver_sql(statement).fetchall()

    def test_a_nova_test(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                self.admin_api.get_servers()

        with connections.Connections():
            hits = COUNTS.hits
            result = inner.run_inner(Inner)
            self.assertEqual('', inner.problems(result))
            threading_mode = getattr(
                utils, 'concurrency_mode_threading', lambda: False
            )
            self.assertEqual(threading_mode(), hits < COUNTS.hits)
            self.assertEqual([], self.open_files('nova-test-'))

    def test_a_sqlite3_that_tells_less(self):
        names = '_owned', '_is_read'
        for name in names:
            with (
                self.subTest(name),
                mock.patch.object(sqlite_state, name, lambda _: []),
                self.engine() as engine,
            ):
                self.assertIs(pool.NullPool, type(engine.pool))
                self.assertIn('does not tell', COUNTS.off)
            COUNTS.off = None


class TestWarmNova(base.TestCase):
    def test_it_is_one_of_the_cures(self):
        with safe_nova.WarmNova(without=[]):
            folder = self.useFixture(fixtures.TempDir())
            engine = engines.create_engine(
                f'sqlite:///{folder.join("warm.sqlite")}'
            )
            self.assertIsNot(pool.NullPool, type(engine.pool))
            engine.dispose()
