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


"""Engines of equal settings share what SQLAlchemy has compiled."""

from safe_fixtures import nova as safe_nova  # noqa: F401  isort: skip

import functools
import sqlite3
from unittest import mock

import fixtures
from nova.db.main import models
from oslo_db import exception
from oslo_db.sqlalchemy import engines
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.ext import compiler
from sqlalchemy import orm
from sqlalchemy.sql import elements
from sqlalchemy.sql import schema
from sqlalchemy import util

from safe_fixtures.nova.speed import statements
from safe_fixtures.runtime import patching
from tests.functional.nova import inner
from tests.speed import base

PATCHED = [
    (elements.ClauseElement, '_compile_w_cache'),
    (schema.Table, 'append_column'),
    (sa.Engine, 'clear_compiled_cache'),
    (compiler, 'compiles'),
]


def new_engine(**how):
    return engines.create_engine('sqlite://', **how)


def new_table(name='t'):
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column('a', sa.Integer),
        sa.Column('b', sa.Text),
    )


class Servers(inner.SafeApiTestCase):
    def list(self):
        self.assertEqual([], self.admin_api.get_servers())

    def fail_here(self):
        self.list()
        self.fail('on purpose')


class FailsInSetUp(Servers):
    def setUp(self):
        super().setUp()
        self.fail('on purpose')


class StatementsTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.counts = statements.Statements.counts
        self.addCleanup(setattr, self.counts, 'off', self.counts.off)

    def won(self, act):
        """Return what an act returns, and how often it hit and missed."""
        before = self.counts.hits, self.counts.misses
        result = act()
        return (
            result,
            self.counts.hits - before[0],
            self.counts.misses - before[1],
        )


class TestSharing(StatementsTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(statements.Statements())
        # As long as they live, each has an identity of its own.
        self.kept = []

    def rows(self, engine, table, query=None):
        with engine.begin() as connection:
            table.create(connection, checkfirst=True)
            connection.execute(table.insert(), [{'a': 1, 'b': 'x'}])
            if query is None:
                query = sa.select(table).where(table.c.a == 1)
            found = connection.execute(query).all()
            connection.execute(table.delete())
        engine.dispose()
        return found

    def repeated(self, table):
        """Return how often a new engine hits what it has compiled itself.

        That depends on the release of SQLAlchemy.
        """
        engine = new_engine()
        statements._forget()
        return self.won(lambda: self.rows(engine, table))[1]

    def test_second_engine(self):
        table = new_table()
        # oslo.db tries each engine before it hands it out.
        both = new_engine(), new_engine()
        first, again, misses = self.won(lambda: self.rows(both[0], table))
        second, hits, missed = self.won(lambda: self.rows(both[1], table))
        self.assertEqual([(1, 'x')], first)
        self.assertEqual(first, second)
        self.assertTrue(misses)
        self.assertEqual(misses + again, hits + missed)
        # oslo.db tries the connection once more.
        self.assertLessEqual(missed, 1)

    def test_settings_that_come_late(self):
        table = new_table()
        self.rows(new_engine(), table)
        # In any order, or all at once.
        for names in (*statements._LATE, [], list(statements._LATE)):
            names = [names] if isinstance(names, str) else names
            with self.subTest(names):
                engine = new_engine()
                dialect = engine.dialect
                for name in statements._LATE:
                    vars(dialect).pop(name, None)
                before = statements._settings(dialect)
                for name in names:
                    getattr(dialect, name)
                self.assertEqual(before, statements._settings(dialect))
                _, _, misses = self.won(
                    functools.partial(self.rows, engine, table)
                )
                self.assertEqual(0, misses)

    def test_late_settings_that_somebody_has_set(self):
        for name in statements._LATE:
            with self.subTest(name):
                dialect = new_engine().dialect
                before = statements._settings(dialect)
                vars(dialect)[name] = 'mine'
                self.assertNotEqual(before, statements._settings(dialect))

    def test_settings_that_change(self):
        dialect = new_engine().dialect
        before = statements._settings(dialect)
        dialect.label_length = 20
        changed = statements._settings(dialect)
        self.assertNotEqual(before, changed)
        # The number of settings stays the same.
        del dialect.label_length
        dialect.mine = 20
        self.assertNotIn(statements._settings(dialect), (before, changed))
        del dialect.mine
        dialect.label_length = None
        self.assertEqual(before, statements._settings(dialect))
        dialect.label_length = []
        self.assertIsNone(statements._settings(dialect))

    def test_settings_of_its_quotes_and_hooks(self):
        dialect = new_engine().dialect
        before = statements._settings(dialect)
        dialect.identifier_preparer.initial_quote = '['
        quoted = statements._settings(dialect)
        self.assertNotEqual(before, quoted)
        dialect.identifier_preparer.initial_quote = '"'
        self.assertEqual(before, statements._settings(dialect))
        statements._forget()
        self.assertNotIn(statements._settings(dialect), (before, quoted))

    def test_a_dialect_without_a_driver(self):
        dialect = pysqlite.SQLiteDialect_pysqlite()
        self.assertIsNone(statements._settings(dialect))

    def test_what_is_remembered_of_dialects_has_an_end(self):
        with mock.patch.object(statements, '_MOST', 10):
            for number in range(2 * statements._MOST_DIALECTS):
                dialect = pysqlite.SQLiteDialect_pysqlite(
                    dbapi=sqlite3, label_length=number
                )
                self.kept.append(dialect)
                statements._settings(dialect)
                self.assertLessEqual(len(statements._numbers), 10)
                self.assertLessEqual(
                    len(statements._last_seen), statements._MOST_DIALECTS
                )

    def test_a_number_has_one_meaning(self):
        dialect = new_engine().dialect
        before = statements._settings(dialect)
        statements._numbers.clear()
        statements._last_seen.clear()
        dialect.label_length = 20
        self.assertNotEqual(before, statements._settings(dialect))

    def test_other_values(self):
        table = new_table()
        for value in (1, 2):
            query = sa.select(table).where(table.c.a == value)
            found = self.rows(new_engine(), table, query)
            self.assertEqual([(1, 'x')] if value == 1 else [], found)

    def test_orm(self):
        found = []
        for host in ('one', 'two'):
            engine = new_engine()
            models.Service.__table__.create(engine)
            with orm.Session(engine) as session:
                session.add(models.Service(host=host, binary='b'))
                session.commit()
                (service,) = session.query(models.Service).all()
                found.append((service.id, service.host, service.disabled))
            engine.dispose()
        self.assertEqual([(1, 'one', False), (1, 'two', False)], found)

    def test_another_setting(self):
        table = new_table()
        again = self.repeated(table)
        for name, value in (
            ('label_length', 20),
            ('supports_multivalues_insert', False),
            ('unknown', 'x'),
        ):
            with self.subTest(name=name):
                engine = new_engine()
                setattr(engine.dialect, name, value)
                rows, hits, misses = self.won(
                    lambda engine=engine: self.rows(engine, table)
                )
                self.assertEqual([(1, 'x')], rows)
                self.assertEqual(again, hits)
                self.assertTrue(misses)

    def test_other_quotes(self):
        table = new_table('a table')
        self.rows(new_engine(), table)
        engine = new_engine()
        engine.dialect.identifier_preparer.initial_quote = '['
        engine.dialect.identifier_preparer.final_quote = ']'
        compiled = []
        sa.event.listen(
            engine,
            'before_cursor_execute',
            lambda *args: compiled.append(args[2]),
        )
        self.rows(engine, table)
        self.assertTrue(compiled)
        self.assertEqual(
            [], [each for each in compiled if '"a table"' in each]
        )

    def test_value_that_has_no_hash(self):
        table = new_table()
        self.rows(new_engine(), table)
        engine = new_engine()
        engine.dialect.unknown = []
        rows, hits, misses = self.won(lambda: self.rows(engine, table))
        self.assertEqual([(1, 'x')], rows)
        self.assertEqual((0, 0), (hits, misses))

    def test_another_dialect(self):
        class Dialect(pysqlite.SQLiteDialect_pysqlite):
            supports_statement_cache = True

        table = new_table()
        self.rows(new_engine(), table)
        engine = new_engine()
        engine.dialect.__class__ = Dialect
        rows, hits, misses = self.won(lambda: self.rows(engine, table))
        self.assertEqual([(1, 'x')], rows)
        self.assertEqual((0, 0), (hits, misses))

    def test_another_compiler(self):
        class Compiler(pysqlite.SQLiteDialect_pysqlite.statement_compiler):
            def visit_select(self, *args, **kwargs):
                return super().visit_select(*args, **kwargs) + ' LIMIT 0'

        table = new_table()
        self.rows(new_engine(), table)
        with fixtures.MonkeyPatch(
            'sqlalchemy.dialects.sqlite.pysqlite.SQLiteDialect_pysqlite'
            '.statement_compiler',
            Compiler,
        ):
            self.assertEqual([], self.rows(new_engine(), table))
        self.assertEqual([(1, 'x')], self.rows(new_engine(), table))

    def test_own_cache(self):
        table = new_table()
        self.rows(new_engine(), table)
        own = {}
        engine = new_engine().execution_options(compiled_cache=own)
        _, hits, _ = self.won(lambda: self.rows(engine, table))
        self.assertEqual(0, hits)
        self.assertTrue(own)
        # SQLAlchemy's own keys.
        self.assertTrue(all(key[0] is engine.dialect for key in own))

    def test_no_cache(self):
        table = new_table()
        self.rows(new_engine(), table)
        engine = new_engine().execution_options(compiled_cache=None)
        _, hits, misses = self.won(lambda: self.rows(engine, table))
        self.assertEqual((0, 0), (hits, misses))

    def test_compile_hook(self):
        class Twice(sa.sql.expression.ColumnElement):
            inherit_cache = True
            type = sa.Integer()

        table = new_table()
        query = sa.select(Twice())
        found = []
        for text in ('1 + 1', '2 + 2'):
            compiler.compiles(Twice)(lambda *_, text=text, **__: text)
            found += self.rows(new_engine(), table, query)
        self.assertEqual([(2,), (4,)], found)

    def test_added_column(self):
        table = new_table()
        query = sa.select(table)
        self.rows(new_engine(), table, query)
        table.append_column(sa.Column('c', sa.Integer))
        found = self.rows(new_engine(), table, sa.select(table))
        self.assertEqual([(1, 'x', None)], found)

    def test_cleared_by_a_test(self):
        table = new_table()
        again = self.repeated(table)
        engine = new_engine()
        engine.clear_compiled_cache()
        rows, hits, _ = self.won(lambda: self.rows(engine, table))
        self.assertEqual([(1, 'x')], rows)
        self.assertEqual(again, hits)

    def test_errors_are_as_on_stock(self):
        table = new_table()
        query = sa.select(table).where(table.c.a == 1)
        messages = set()
        for _ in range(2):
            with new_engine().connect() as connection:
                error = self.assertRaises(
                    exception.DBNonExistentTable, connection.execute, query
                )
            messages.add(str(error))
        stock = elements.ClauseElement._compile_w_cache.__wrapped__
        with fixtures.MonkeyPatch(
            'sqlalchemy.sql.elements.ClauseElement._compile_w_cache', stock
        ):
            with new_engine().connect() as connection:
                error = self.assertRaises(
                    exception.DBNonExistentTable, connection.execute, query
                )
        self.assertEqual({str(error)}, messages)

    def test_bounded(self):
        self.assertLessEqual(statements._compiled.capacity, 5000)

    def test_what_an_engine_is(self):
        engine = new_engine()
        self.assertIs(pysqlite.SQLiteDialect_pysqlite, type(engine.dialect))
        self.assertIs(util.LRUCache, type(engine._compiled_cache))


class TestUndone(StatementsTestCase):
    def test_identity(self):
        before = [vars(owner)[name] for owner, name in PATCHED]
        for cls, method, problems in (
            (Servers, 'list', 0),
            (Servers, 'fail_here', 1),
            (FailsInSetUp, 'list', 1),
        ):
            with self.subTest(cls=cls.__name__, method=method):
                result = inner.run_inner(cls, method)
                self.assertEqual(problems, len(base.problems(result)))
                after = [vars(owner)[name] for owner, name in PATCHED]
                self.assertTrue(
                    all(
                        old is new
                        for old, new in zip(before, after, strict=True)
                    )
                )

    def test_hits_from_one_test_to_the_next(self):
        inner.run_inner(Servers, 'list')
        result, hits, misses = self.won(
            lambda: inner.run_inner(Servers, 'list')
        )
        self.assertEqual([], base.problems(result))
        self.assertLess(0, hits)
        self.assertEqual(0, misses)

    def test_unknown(self):
        def other(self, dialect, *, cache):
            raise AssertionError('it is not called')

        undo = patching.patch_attribute(schema.Table, 'append_column', other)
        self.addCleanup(undo)
        before = [vars(owner)[name] for owner, name in PATCHED]
        with statements.Statements():
            self.assertIn('append_column takes other', self.counts.off)
            self.assertEqual(
                before, [vars(owner)[name] for owner, name in PATCHED]
            )
        self.assertEqual([], base.problems(inner.run_inner(Servers, 'list')))
