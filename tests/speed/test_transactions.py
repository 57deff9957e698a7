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

"""A transaction of SQLite begins as on stock."""

import safe_fixtures.nova  # noqa: F401  isort: skip

import contextlib
import functools
import re
import sqlite3
from unittest import mock

import fixtures
from oslo_db.sqlalchemy import engines
import sqlalchemy as sa
from sqlalchemy.engine import default
from sqlalchemy import event

from safe_fixtures.nova.speed import transactions
from tests.speed import base
from tests.speed import contract

COUNTS = transactions.Transactions.counts
EVENTS = {
    'before_execute': 5, 'after_execute': 6, 'before_cursor_execute': 6,
    'after_cursor_execute': 6,
}  # fmt: skip
# In in_transactions(). Older releases of oslo.db ping in one of their own.
FEWEST = 5


def in_transactions(engine):
    """Write, take back, write; return what is left."""
    with engine.begin() as connection:
        connection.execute(sa.text('CREATE TABLE t (a)'))
    for number, error in ((1, None), (2, KeyError), (3, None)):
        with contextlib.suppress(KeyError), engine.begin() as connection:
            connection.execute(sa.text(f'INSERT INTO t VALUES ({number})'))
            if error:
                raise error
    with engine.connect() as connection:
        return [
            each.a for each in connection.execute(sa.text('SELECT * FROM t'))
        ]


class TestTransactions(contract.UsedByNova, contract.Contract, base.TestCase):
    CURE = transactions.Transactions
    PATCHED = ((engines, 'create_engine'),)
    BESIDE = ('connections',)
    NEEDED = engines, '_init_events'

    def new_engine(self, **how):
        path = self.useFixture(fixtures.TempDir()).join('db')
        engine = engines.create_engine(f'sqlite:///{path}', **how)
        self.addCleanup(engine.dispose)
        return engine

    def begun(self, act):
        """Return how many transactions the cure and stock have begun."""
        hits, misses = COUNTS.hits, COUNTS.misses
        result = act()
        return result, COUNTS.hits - hits, COUNTS.misses - misses

    def test_begin_commit_and_rollback(self):
        stock = in_transactions(self.new_engine())
        self.assertEqual([1, 3], stock)
        with transactions.Transactions():
            engine = self.new_engine()
            left, hits, misses = self.begun(
                functools.partial(in_transactions, engine)
            )
        self.assertEqual((stock, 0), (left, misses))
        self.assertLessEqual(FEWEST, hits)

    def test_others_do_not_see_it_before_its_end(self):
        with transactions.Transactions():
            engine = self.new_engine()
            in_transactions(engine)
            count = sa.text('SELECT count(*) FROM t')
            with engine.begin() as one:
                one.execute(sa.text('DELETE FROM t'))
                with engine.connect() as other:
                    self.assertEqual(2, other.execute(count).scalar())
            with engine.connect() as other:
                self.assertEqual(0, other.execute(count).scalar())

    def test_the_mark_of_oslo_db(self):
        def marks(marked):
            with self.new_engine().connect() as connection:
                if marked:
                    connection.info['in_transaction'] = 'mine'
                connection.begin()
                found = connection.info['in_transaction']
                # Who has set it does not want oslo.db to begin.
                begun = connection.connection.dbapi_connection.in_transaction
                connection.rollback()
                return found, begun, 'in_transaction' in connection.info

        for marked in (False, True):
            with self.subTest(marked):
                stock = marks(marked)
                self.assertEqual(not marked, stock[1])
                with transactions.Transactions():
                    self.assertEqual(stock, marks(marked))

    def test_what_is_no_engine_is_left_alone(self):
        made = object()
        with (
            mock.patch.object(engines, 'create_engine', lambda url: made),
            transactions.Transactions(),
        ):
            self.assertIs(made, engines.create_engine('sqlite://'))

    def test_savepoints(self):
        with transactions.Transactions():
            engine = self.new_engine()
            in_transactions(engine)
            with engine.begin() as connection:
                nested = connection.begin_nested()
                connection.execute(sa.text('DELETE FROM t'))
                nested.rollback()
                self.assertEqual(
                    2, connection.scalar(sa.text('SELECT count(*) FROM t'))
                )

    def test_who_listens_to_statements_sees_it(self):
        for name, count in EVENTS.items():
            with self.subTest(name):
                stock = self.seen_by_listener(name, count)
                self.assertIn('BEGIN', str(stock))
                with transactions.Transactions():
                    self.assertEqual(stock, self.seen_by_listener(name, count))

    def seen_by_listener(self, name, count):
        engine = self.new_engine()
        seen = []

        def listen(connection, *arguments):
            seen.extend(
                str(each)
                for each in arguments
                if isinstance(each, str | sa.ClauseElement)
            )

        listeners = {
            5: lambda a, b, c, d, e: listen(a, b),
            6: lambda a, b, c, d, e, f: listen(a, b, c),
        }
        event.listen(engine, name, listeners[count])
        in_transactions(engine)
        return seen

    def test_who_executes_for_the_dialect_sees_it(self):
        with transactions.Transactions():
            engine = self.new_engine()
            seen = []
            event.listen(
                engine,
                'do_execute',
                lambda cursor, statement, *others: seen.append(statement),
            )
            _, hits, _ = self.begun(functools.partial(in_transactions, engine))
        self.assertEqual(hits, seen.count('BEGIN'))
        self.assertLessEqual(FEWEST, hits)

    def test_statements_that_are_logged(self):
        def logged():
            with fixtures.FakeLogger('sqlalchemy.engine') as logger:
                engine = self.new_engine(connection_debug=51)
                in_transactions(engine)
            # Some lines say how long it took.
            return re.sub(r'[\d.]+s', '', logger.output).splitlines()

        stock = logged()
        self.assertIn('BEGIN', stock)
        with transactions.Transactions():
            self.assertEqual(stock, logged())

    def test_it_fails_as_on_stock(self):
        def failed():
            engine = self.new_engine()
            with engine.connect() as connection:
                connection.connection.cursor().execute('BEGIN')
                return self.assertRaises(
                    sa.exc.OperationalError, connection.begin
                )

        stock = failed()
        with transactions.Transactions():
            error, hits, misses = self.begun(failed)
        self.assertEqual((type(stock), str(stock)), (type(error), str(error)))
        self.assertEqual(0, misses)
        self.assertLess(0, hits)

    def test_a_failure_that_a_test_makes(self):
        def failed(fault, expected):
            engine = self.new_engine()
            execute = default.DefaultDialect.do_execute
            faults = [fault]

            def fail_once(dialect, cursor, statement, *others, **more):
                if statement == 'BEGIN' and faults:
                    raise faults.pop()
                return execute(dialect, cursor, statement, *others, **more)

            told = []
            event.listen(
                engine,
                'handle_error',
                lambda context: told.append(
                    (context.statement, type(context.original_exception))
                ),
            )
            with mock.patch.object(
                default.DefaultDialect, 'do_execute', fail_once
            ):
                error = self.assertRaises(expected, in_transactions, engine)
            in_transactions(engine)
            return type(error), str(error), told

        for fault, expected in (
            (sqlite3.OperationalError('it is locked'), Exception),
            (sqlite3.DatabaseError('it is no database'), Exception),
            (ValueError('of a mock'), Exception),
            (KeyboardInterrupt(), KeyboardInterrupt),
        ):
            with self.subTest(fault=fault):
                stock = failed(fault, expected)
                with transactions.Transactions():
                    self.assertEqual(stock, failed(fault, expected))

    def test_who_listens_to_begin_is_told(self):
        told = []

        @event.listens_for(sa.Engine, 'begin')
        def tell(connection):
            told.append(connection)

        self.addCleanup(event.remove, sa.Engine, 'begin', tell)
        with transactions.Transactions():
            engine = self.new_engine()
            _, hits, misses = self.begun(
                functools.partial(in_transactions, engine)
            )
        self.assertEqual((0, 0), (hits, misses))
        self.assertLessEqual(FEWEST, len(told))

    def test_who_listens_to_begin_later_is_told(self):
        told = []
        with transactions.Transactions():
            engine = self.new_engine()
            event.listen(engine, 'begin', told.append)
            _, hits, _ = self.begun(functools.partial(in_transactions, engine))
        self.assertEqual(len(told), hits)
        self.assertLessEqual(FEWEST, hits)

    def test_an_engine_that_outlives_it(self):
        with transactions.Transactions():
            engine = self.new_engine()
        left, hits, misses = self.begun(
            functools.partial(in_transactions, engine)
        )
        self.assertEqual(([1, 3], 0), (left, hits))
        self.assertLessEqual(FEWEST, misses)

    def test_it_is_off_where_oslo_db_begins_otherwise(self):
        def immediate(engine, **how):
            def _sqlite_emit_begin(connection):
                if 'in_transaction' not in connection.info:
                    connection.execute(sa.text('BEGIN IMMEDIATE'))
                    connection.info['in_transaction'] = True

        def of_the_driver(engine, **how):
            def _sqlite_emit_begin(connection):
                if 'in_transaction' not in connection.info:
                    connection.exec_driver_sql('BEGIN')
                    connection.info['in_transaction'] = True

        for init in (immediate, of_the_driver):
            registered = {'sqlite': {'*': [init]}}
            with (
                self.subTest(init.__name__),
                mock.patch.object(engines._init_events, 'reg', registered),
                transactions.Transactions(),
            ):
                self.assertRestored()
                self.assertIn('something else', COUNTS.off)
