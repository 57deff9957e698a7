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


"""Databases from images are those that stock makes."""

from safe_fixtures import nova as safe_nova  # isort: skip

import contextlib
import datetime
import functools
import importlib
import itertools
import os
import re
import sqlite3
import tempfile
import threading
from unittest import mock

import fixtures
from nova.db.api import api as api_db
from nova.db.main import api as main_db
from nova.tests.functional import fixtures as functional_fixtures
from nova import utils
import os_resource_classes as orc
import os_traits
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslo_utils import fixture as utils_fixture
from oslo_utils import timeutils
from placement import conf as placement_conf
from placement.db.sqlalchemy import migration
from placement.db.sqlalchemy import models
from placement import db_api as placement_db
from placement import deploy
from placement.objects import resource_class
from placement.objects import trait
from placement.tests import fixtures as placement_fixtures
import sqlalchemy
from sqlalchemy.pool import base as pool

from safe_fixtures.nova.speed import cure
from safe_fixtures.nova.speed import databases
from safe_fixtures.nova.speed import images
from tests.functional.nova import inner
from tests.speed import base
from tests.support import settings

nova_fixtures = importlib.import_module('nova.tests.fixtures.nova')
Databases = databases.Databases
NAMES = ('api', 'main', 'cell0', 'cell1', 'placement')
PRAGMAS = (
    'application_id',
    'auto_vacuum',
    'encoding',
    'foreign_key_check',
    'foreign_keys',
    'freelist_count',
    'integrity_check',
    'journal_mode',
    'locking_mode',
    'page_count',
    'page_size',
    'synchronous',
    'user_version',
)
PATCHED = (
    (pool._ConnectionFairy, '__getattr__'),
    (placement_fixtures.Database, 'generate_schema_create_all'),
    (migration, 'create_schema'),
)
FIXED = datetime.datetime(2001, 2, 3, 4, 5, 6, 789)


@contextlib.contextmanager
def raw(engine):
    """Provide the driver's connection."""
    pooled = engine.raw_connection()
    try:
        yield pooled.dbapi_connection
    finally:
        pooled.close()


def dump(engine):
    """Return all that can be seen of a database."""
    with raw(engine) as connection:
        run = connection.execute
        # With the pages where tables begin: the layout is the same, too.
        schema = run('SELECT * FROM sqlite_master ORDER BY rowid').fetchall()
        tables = [each[1] for each in schema if each[0] == 'table']
        return {
            'schema': schema,
            'rows': {
                each: run(
                    f'SELECT rowid, * FROM "{each}" ORDER BY rowid'
                ).fetchall()
                for each in tables
            },
            'pragmas': {
                each: run(f'PRAGMA {each}').fetchall() for each in PRAGMAS
            },
            'synced': (
                trait._TRAITS_SYNCED,
                resource_class._RESOURCE_CLASSES_SYNCED,
            ),
        }


def state():
    """Return the raw attributes that the cure replaces."""
    return [vars(owner)[name] for owner, name in PATCHED]


def files(root):
    """Return what lies in a directory, without the random part of names."""
    found = []
    for _, folders, names in os.walk(root):
        found += ['folder'] * len(folders)
        found += [re.sub('-[^-.]*[.]', '.', name) for name in names]
    return sorted(found)


class Made(safe_nova.SafeTestCase):
    """It makes a database of each kind."""

    USES_DB = False
    USES_DB_SELF = True
    fixed = True

    def make(self):
        # The fixtures move it.
        self.root = tempfile.gettempdir()
        if self.fixed:
            self.useFixture(utils_fixture.TimeFixture(FIXED))
        self.useFixture(nova_fixtures.Database('api'))
        self.useFixture(nova_fixtures.Database('main'))
        self.engines = {
            'api': api_db.get_engine(),
            'main': main_db.get_engine(),
        }
        cells = nova_fixtures.CellDatabases()
        for name in ('cell0', 'cell1'):
            cells.add_cell_database(name, default=name == 'cell1')
            manager = cells._ctxt_mgrs[name]
            self.engines[name] = manager.writer.get_engine()
        self.useFixture(cells)
        self.placement = self.useFixture(
            functional_fixtures.PlacementFixture()
        )
        self.engines['placement'] = placement_db.get_placement_engine()

    def check(self):
        self.make()
        type(self).files = files(self.root)
        type(self).dumps = {
            name: dump(engine) for name, engine in self.engines.items()
        }
        self.look()

    def look(self):
        """Look further."""


def made(**attributes):
    """Return a new class of tests that make all databases."""
    return type('Made', (Made,), attributes)


def no_images():
    """Return a fixture: a process that has no images yet."""
    return fixtures.MonkeyPatch(
        'safe_fixtures.nova.speed.databases._images', images.Images(8)
    )


# What stock makes, by name of the database.
_stock = {}


class SameTestCase(base.TestCase):
    """Dumps of all databases, from images and from stock."""

    def dumps(self, cls=None):
        cls = cls or made()
        self.assertEqual('', inner.problems(inner.run_inner(cls, 'check')))
        return cls.dumps

    def stock(self, cls=None):
        if cls is None and _stock:
            return _stock
        with settings.options(speed_up_without='databases'):
            if not nova_fixtures.DB_SCHEMA['main', None]:
                # Migrations make the first one of a process.
                self.dumps()
            dumps = self.dumps(cls)
        if cls is None:
            _stock.update(dumps)
        return dumps

    def warm(self):
        """Make images of all databases."""
        self.stock()
        self.dumps()

    def assertSame(self, stock, dumps):
        for name, expected in stock.items():
            for part, value in expected.items():
                self.assertEqual(value, dumps[name][part], (name, part))


class TestSame(SameTestCase):
    """A database from an image is the one that stock makes."""

    def test_dumps(self):
        stock = self.stock()
        self.warm()
        before = Databases.counts.hits
        dumps = self.dumps()
        self.assertEqual(len(NAMES), Databases.counts.hits - before)
        self.assertSame(stock, dumps)
        self.assertEqual(sorted(NAMES), sorted(dumps))
        self.assertTrue(dumps['placement']['rows']['traits'])
        self.assertEqual((True, True), dumps['placement']['synced'])

    def test_files(self):
        self.useFixture(fixtures.NestedTempfile())
        stock, copied = made(), made()
        self.stock(stock)
        self.warm()
        self.dumps(copied)
        self.assertEqual(stock.files, copied.files)
        threading_mode = getattr(utils, 'concurrency_mode_threading', bool)
        databases_there = [
            each for each in copied.files if each.endswith('.sqlite')
        ]
        self.assertEqual(
            len(NAMES) if threading_mode() else 0, len(databases_there)
        )
        self.assertEqual([], os.listdir(tempfile.gettempdir()))

    def test_rows_are_created_now(self):
        self.warm()
        cls = made(fixed=False)
        before = timeutils.utcnow()
        dumps = self.dumps(cls)
        after = timeutils.utcnow()
        rows = dumps['placement']['rows']
        # A column before the identifiers: when the row was created.
        columns = [each.name for each in models.Trait.__table__.c]
        at = columns.index('created_at')
        for table in ('traits', 'resource_classes'):
            times = [
                datetime.datetime.fromisoformat(row[1 + at])
                for row in rows[table]
            ]
            self.assertTrue(before <= min(times) <= max(times) <= after)
            self.assertEqual(sorted(times), times)
            self.assertLess(1, len(set(times)))

    def test_last_modified(self):
        def look(case):
            response = case.placement._fake_get(
                None, '/traits', version='1.15'
            )
            type(case).header = response.headers['last-modified']

        stock, copied = made(look=look), made(look=look)
        self.stock(stock)
        self.warm()
        self.dumps(copied)
        self.assertEqual('Sat, 03 Feb 2001 04:05:06 GMT', stock.header)
        self.assertEqual(stock.header, copied.header)

    def test_versions_and_connections(self):
        def look(case):
            type(case).dumps = {}
            for number, options in enumerate(
                (
                    {'version': 'head'},
                    {'version': 'head'},
                    {'connection': 'sqlite://'},
                )
            ):
                fixture = nova_fixtures.Database('main', **options)
                case.useFixture(fixture)
                case.dumps[number] = dump(fixture.get_engine())

        def check(case):
            look(case)

        self.addCleanup(nova_fixtures.DB_SCHEMA.pop, ('main', 'head'), None)
        # The first one makes its script.
        self.dumps(made(check=check))
        stock = self.stock(made(check=check))
        for _ in range(2):
            self.assertSame(stock, self.dumps(made(check=check)))


class TestPoison(SameTestCase):
    """What a test leaves in a database does not get into the next one."""

    def poison(self, script, names=NAMES):
        """Write to all databases at the end of a test, and before."""

        def look(case):
            for name in names:
                engine = case.engines[name]
                with raw(engine) as connection:
                    connection.executescript(script)
                self.assertNotEqual(dump(engine), case.dumps[name])

        stock = self.stock()
        self.useFixture(no_images())
        # When images are made, and when they are copied.
        for _ in range(2):
            self.dumps(made(look=look))
            self.assertSame(stock, self.dumps())

    def test_schema(self):
        self.poison(
            '''CREATE TABLE poison (id INTEGER PRIMARY KEY AUTOINCREMENT);
            INSERT INTO poison DEFAULT VALUES;
            CREATE INDEX poison_idx ON poison (id);
            CREATE VIEW poisoned AS SELECT * FROM poison;
            CREATE TRIGGER poisoning AFTER INSERT ON poison
            BEGIN DELETE FROM poison; END;'''
        )

    def test_pragmas(self):
        self.poison(
            '''PRAGMA user_version = 7;
            PRAGMA application_id = 7;
            PRAGMA foreign_keys = ON;
            PRAGMA synchronous = EXTRA;'''
        )

    def test_journal(self):
        self.poison(
            '''PRAGMA journal_mode = OFF;
            PRAGMA auto_vacuum = FULL;
            PRAGMA user_version = 8;
            VACUUM;'''
        )

    def test_rows(self):
        self.poison(
            '''DELETE FROM traits WHERE id < 9;
            UPDATE traits SET name = 'CUSTOM_' || name;
            UPDATE resource_classes SET created_at = NULL;
            INSERT INTO resource_classes (id, name) VALUES (999, 'x');
            ALTER TABLE traits ADD COLUMN poison TEXT;
            DROP TABLE allocations;''',
            ['placement'],
        )

    def test_through_the_api(self):
        def look(case):
            response = case.placement._fake_put(
                None, '/traits/CUSTOM_POISON', None, version='1.15'
            )
            self.assertEqual(201, response.status_code)

        stock = self.stock()
        self.useFixture(no_images())
        for _ in range(2):
            self.dumps(made(look=look))
            self.assertSame(stock, self.dumps())


class ScriptTestCase(base.TestCase):
    """A connection that a script of Nova is run on."""

    SCRIPT = '''BEGIN TRANSACTION;
    CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
    INSERT INTO "a" VALUES (3, 'x');
    CREATE INDEX a_name ON a (name);
    DELETE FROM "sqlite_sequence";
    INSERT INTO "sqlite_sequence" VALUES ('a', 3);
    COMMIT;'''

    def setUp(self):
        super().setUp()
        self.useFixture(no_images())
        self.useFixture(Databases())
        self.schema(self.SCRIPT)

    def schema(self, script):
        """Let Nova have a script."""
        self.useFixture(
            fixtures.MockPatchObject(
                nova_fixtures, 'DB_SCHEMA', {('x', None): script}
            )
        )

    def engine(self, url='sqlite://'):
        engine = sqlalchemy.create_engine(url)
        self.addCleanup(engine.dispose)
        return engine

    def run_script(self, script=None, prepare=(), url='sqlite://'):
        """Run a script; return the dump, and how often it was copied."""
        engine = sqlalchemy.create_engine(url)
        before = Databases.counts.hits
        pooled = engine.raw_connection()
        with contextlib.ExitStack() as stack:
            # The last one first; a thread may close its own ones only.
            stack.callback(engine.dispose)
            stack.callback(pooled.close)
            for each in prepare:
                pooled.dbapi_connection.execute(each)
            cursor = pooled.executescript(script or self.SCRIPT)
            self.assertIs(sqlite3.Cursor, type(cursor))
            self.assertFalse(pooled.dbapi_connection.in_transaction)
            return dump(engine), Databases.counts.hits - before


class TestScripts(ScriptTestCase):
    """A script is replaced where the result is the same."""

    def url(self):
        folder = self.useFixture(fixtures.TempDir()).path
        return f'sqlite:///{folder}/file.sqlite'

    def test_copied(self):
        first, hits = self.run_script()
        self.assertEqual(0, hits)
        for _ in range(2):
            self.assertEqual((first, 1), self.run_script())

    def test_file(self):
        for prepare in ((), ('PRAGMA journal_mode=WAL',)):
            first, _ = self.run_script(url=self.url(), prepare=prepare)
            again, hits = self.run_script(url=self.url(), prepare=prepare)
            self.assertEqual(1, hits)
            for each in (first, again):
                each['pragmas'].pop('page_count')
            self.assertEqual(first, again)

    def test_unknown_script(self):
        other = self.SCRIPT.replace("'x'", "'y'")
        for _ in range(3):
            found, hits = self.run_script(other)
            self.assertEqual(0, hits)
            self.assertEqual([(3, 3, 'y')], found['rows']['a'])

    def test_changed_script(self):
        self.run_script()
        other = self.SCRIPT.replace("'x'", "'y'")
        self.schema(other)
        for hits in (0, 1, 1):
            found = self.run_script(other)
            self.assertEqual([(3, 3, 'y')], found[0]['rows']['a'])
            self.assertEqual(hits, found[1])
        self.schema(self.SCRIPT)
        found, hits = self.run_script()
        self.assertEqual([(3, 3, 'x')], found['rows']['a'])
        self.assertEqual(1, hits)

    def test_database_in_use(self):
        self.run_script()
        self.run_script()
        for each in (
            'CREATE TABLE b (id)',
            'CREATE TEMP TABLE b (id)',
            'PRAGMA user_version=7',
            'PRAGMA application_id=7',
            'PRAGMA foreign_keys=ON',
            'PRAGMA recursive_triggers=ON',
            'PRAGMA page_size=1024',
            'PRAGMA encoding="UTF-16"',
            'PRAGMA auto_vacuum=FULL',
            "ATTACH ':memory:' AS b",
            'BEGIN',
        ):
            with self.subTest(each):
                found, hits = self.run_script(prepare=[each])
                self.assertEqual(0, hits)
                self.assertEqual([(3, 3, 'x')], found['rows']['a'])

    def test_settings_of_a_database_are_kept(self):
        self.run_script()
        for name in ('user_version', 'application_id'):
            found, _ = self.run_script(prepare=[f'PRAGMA {name}=7'])
            self.assertEqual([(7,)], found['pragmas'][name])

    def test_it_fails_as_before(self):
        self.run_script()
        engine = self.engine()
        with contextlib.closing(engine.raw_connection()) as pooled:
            pooled.executescript(self.SCRIPT)
            error = self.assertRaises(
                sqlite3.OperationalError, pooled.executescript, self.SCRIPT
            )
            self.assertEqual('table a already exists', str(error))
            self.assertRaises(TypeError, pooled.executescript)
            self.assertRaises(
                TypeError, pooled.executescript, script=self.SCRIPT
            )

    def test_scripts_that_do_more(self):
        for each in (
            'CREATE TABLE a (id); INSERT INTO a VALUES (random());',
            "CREATE TABLE a (id); INSERT INTO a VALUES (datetime('now'));",
            'CREATE TABLE a (id); PRAGMA user_version=7;',
            'CREATE TABLE a (id); CREATE VIEW b AS SELECT * FROM a;',
            'CREATE TEMP TABLE a (id);',
            'CREATE TABLE a (id); DROP TABLE a;',
            "ATTACH ':memory:' AS b; CREATE TABLE a (id);",
            'BEGIN; CREATE TABLE a (id);',
        ):
            with self.subTest(each):
                self.schema(each)
                for _ in range(3):
                    engine = self.engine()
                    before = Databases.counts.hits
                    pooled = engine.raw_connection()
                    with contextlib.closing(pooled):
                        pooled.executescript(each)
                    self.assertEqual(before, Databases.counts.hits)

    def test_broken_script(self):
        self.schema('CREATE TABLE a (id); nonsense;')
        script = nova_fixtures.DB_SCHEMA['x', None]
        for _ in range(3):
            engine = self.engine()
            with contextlib.closing(engine.raw_connection()) as pooled:
                self.assertRaises(
                    sqlite3.OperationalError, pooled.executescript, script
                )
                self.assertEqual(['a'], list(dump(engine)['rows']))

    def test_other_attributes(self):
        with contextlib.closing(self.engine().raw_connection()) as pooled:
            connection = pooled.dbapi_connection
            self.assertEqual(connection.iterdump, pooled.iterdump)
            self.assertIs(connection.isolation_level, pooled.isolation_level)
            self.assertRaises(AttributeError, getattr, pooled, 'nonsense')

    def test_threads(self):
        expected, _ = self.run_script()
        self.run_script()
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(self.run_script()[0]))
            for _ in range(6)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual([expected] * 6, found)

    def test_memory_is_bounded(self):
        for number in range(20):
            script = f'CREATE TABLE a{number} (id);'
            self.schema(script)
            for _ in range(2):
                found, hits = self.run_script(script)
                self.assertEqual({f'a{number}': []}, found['rows'])
            self.assertEqual(1, hits)
        self.assertEqual(8, len(databases._images._images))

    def test_locked(self):
        image = images.image_of_script(self.SCRIPT)
        path = self.url().removeprefix('sqlite:///')
        with (
            contextlib.closing(sqlite3.connect(path, timeout=0)) as writer,
            contextlib.closing(sqlite3.connect(path, timeout=0)) as other,
        ):
            writer.execute('PRAGMA journal_mode=WAL')
            writer.execute('BEGIN IMMEDIATE')
            self.assertTrue(images.is_blank(other))
            self.assertFalse(images.copy_onto(other, image))
            writer.execute('ROLLBACK')
            self.assertTrue(images.is_blank(other))
            self.assertTrue(images.copy_onto(other, image))
            rows = writer.execute('SELECT * FROM a').fetchall()
            self.assertEqual([(3, 'x')], rows)


class OtherDatabase(placement_fixtures.Database):
    """It adds a row to each of its databases."""

    def generate_schema_create_all(self, engine):
        super().generate_schema_create_all(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO traits (name) VALUES ('poison')"
            )


class TestPlacement(base.TestCase):
    """What a test customises of placement is as before."""

    def setUp(self):
        super().setUp()
        self.useFixture(no_images())
        self.useFixture(utils_fixture.TimeFixture(FIXED))

    def made(self, make=placement_fixtures.Database, **options):
        """Return a dump of a new database."""
        with contextlib.ExitStack() as stack:
            conf = stack.enter_context(config_fixture.Config(cfg.ConfigOpts()))
            placement_conf.register_opts(conf.conf)
            conf.config(group='placement_database', **options)
            stack.enter_context(make(conf, set_config=True))
            return dump(placement_db.get_placement_engine())

    def copied(self, *args, **options):
        """Return a dump of a new database, and how often it was copied."""
        before = Databases.counts.hits
        with Databases():
            self.assertIsNone(Databases.counts.off)
            found = self.made(*args, **options)
        return found, Databases.counts.hits - before

    def assertAsBefore(self, change):
        """Assert that a change has its effect, and only while it is there.

        :param change: returns a context that makes it.
        """
        plain = self.made()
        with change():
            changed = self.made()
        self.assertNotEqual(plain, changed)
        for plain_first in (False, True):
            # Whichever comes first could spoil the image of the other.
            with no_images(), Databases():
                if plain_first:
                    self.copied()
                for _ in range(2):
                    with change():
                        self.assertEqual(changed, self.copied()[0])
                    self.assertEqual(plain, self.copied()[0])
                self.assertEqual((plain, 1), self.copied())

    def test_copied(self):
        plain = self.made()
        self.assertEqual((plain, 0), self.copied())
        for _ in range(2):
            self.assertEqual((plain, 1), self.copied())

    def test_traits(self):
        patch = functools.partial(mock.patch.object, os_traits)
        self.assertAsBefore(lambda: patch('POISON', 'POISON', create=True))
        self.assertAsBefore(
            lambda: patch('get_traits', lambda *args: ['HW_A', 'HW_B'])
        )

    def test_resource_classes(self):
        self.assertAsBefore(
            lambda: mock.patch.object(orc, 'STANDARDS', orc.STANDARDS[:5])
        )

    def test_functions(self):
        for owner, name in (
            (trait, '_trait_sync'),
            (trait, 'ensure_sync'),
            (resource_class, '_resource_classes_sync'),
            (resource_class, 'ensure_sync'),
            (deploy, 'update_database'),
            (placement_fixtures, 'deploy'),
        ):
            with self.subTest(name):
                self.assertAsBefore(
                    functools.partial(fixtures.MockPatchObject, owner, name)
                )

    def test_functions_replaced_before(self):
        plain = self.made()
        with fixtures.MockPatchObject(trait, '_trait_sync', lambda ctx: None):
            for hits in (0, 1):
                found = self.copied()
                self.assertEqual([], found[0]['rows']['traits'])
                self.assertEqual(hits, found[1])
        for hits in (0, 1):
            self.assertEqual((plain, hits), self.copied())

    def models(self, change):
        """Return what replaces the models by changed ones."""
        metadata = sqlalchemy.MetaData()
        for each in models.BASE.metadata.tables.values():
            each.to_metadata(metadata)
        change(metadata)
        replaced = mock.Mock(metadata=metadata)
        return lambda: mock.patch.object(models, 'BASE', replaced)

    def test_models(self):
        Column, Integer = sqlalchemy.Column, sqlalchemy.Integer
        changes = {
            'table': lambda md: sqlalchemy.Table(
                'poison', md, Column('id', Integer)
            ),
            'column': lambda md: md.tables['traits'].append_column(
                Column('poison', Integer)
            ),
            'index': lambda md: sqlalchemy.Index(
                'poison', md.tables['traits'].c.id
            ),
            'constraint': lambda md: md.tables['traits'].append_constraint(
                sqlalchemy.CheckConstraint('id > 0')
            ),
        }
        for name, change in changes.items():
            with self.subTest(name):
                self.assertAsBefore(self.models(change))

    def test_models_changed_in_place(self):
        patch = mock.patch.object
        tables = models.BASE.metadata.tables
        index = next(
            each
            for table in tables.values()
            for each in table.indexes
            if not each.unique
        )
        name = tables['traits'].c.name
        for owner, attribute, value in (
            (name.type, 'length', 17),
            (name, 'nullable', True),
            (index, 'unique', True),
            (index, 'name', 'poison'),
        ):
            with self.subTest(attribute):
                self.assertAsBefore(
                    functools.partial(patch, owner, attribute, value)
                )

    @contextlib.contextmanager
    def constraint(self):
        table = models.BASE.metadata.tables['traits']
        added = sqlalchemy.CheckConstraint('id > 0')
        table.append_constraint(added)
        try:
            yield
        finally:
            table.constraints.remove(added)

    def test_constraint_added_in_place(self):
        self.assertAsBefore(self.constraint)

    @contextlib.contextmanager
    def listener(self):
        def listen(target, connection, **kwargs):
            connection.exec_driver_sql('CREATE TABLE poison (id)')

        sqlalchemy.event.listen(models.BASE.metadata, 'after_create', listen)
        try:
            yield
        finally:
            sqlalchemy.event.remove(
                models.BASE.metadata, 'after_create', listen
            )

    def test_listener(self):
        self.assertAsBefore(self.listener)

    def test_subclass(self):
        plain = self.made()
        self.copied()
        for _ in range(2):
            found, hits = self.copied(OtherDatabase)
            self.assertEqual(0, hits)
            self.assertIn('poison', found['rows']['traits'][-1])
            self.assertEqual((plain, 1), self.copied())

    def test_migration(self):
        self.copied()
        upgrade = fixtures.MockPatchObject(migration, 'upgrade')
        with upgrade:
            _, hits = self.copied(sync_on_startup=True)
        upgrade.mock.assert_called_once_with('head')
        self.assertEqual(0, hits)

    def test_database_with_something_in_it(self):
        plain = self.made()
        self.copied()
        engine = sqlalchemy.create_engine('sqlite://')
        self.addCleanup(engine.dispose)
        with engine.begin() as connection:
            connection.exec_driver_sql('CREATE TABLE mine (id)')
        conf = self.useFixture(config_fixture.Config(cfg.ConfigOpts()))
        placement_conf.register_opts(conf.conf)
        with (
            Databases(),
            placement_fixtures.Database(conf, set_config=True) as fixture,
        ):
            before = Databases.counts.hits
            fixture.generate_schema_create_all(engine)
            self.assertEqual(before, Databases.counts.hits)
            rows = dump(engine)['rows']
        self.assertEqual([], rows.pop('mine'))
        self.assertEqual(plain['rows'], rows)
        self.assertEqual((plain, 1), self.copied())

    def test_clock_that_fails(self):
        def fail(*args):
            raise OSError

        plain = self.made()
        self.copied()
        with fixtures.MockPatchObject(timeutils, 'utcnow', fail):
            self.assertRaises(fixtures.MultipleExceptions, self.copied)
        self.assertEqual((plain, 1), self.copied())

    def test_clock_that_counts(self):
        def times():
            moment = itertools.count()
            return mock.patch.object(
                timeutils,
                'utcnow',
                lambda: FIXED + datetime.timedelta(seconds=next(moment)),
            )

        self.copied()
        with times():
            expected = self.made()
        with times():
            self.assertEqual((expected, 1), self.copied())


class Failing(Made):
    """It fails in one of two places."""

    in_set_up = False

    def setUp(self):
        super().setUp()
        if self.in_set_up:
            raise OSError

    def look(self):
        raise OSError


class TestPatch(SameTestCase):
    """What the cure replaces is restored without trace."""

    def setUp(self):
        super().setUp()
        self.before = state()
        self.addCleanup(self.assertRestored)

    def assertRestored(self):
        for before, now in zip(self.before, state(), strict=True):
            self.assertIs(before, now)

    def test_passes(self):
        seen = []
        self.dumps(made(look=lambda case: seen.extend(state())))
        for before, during in zip(self.before, seen, strict=True):
            self.assertIsNot(before, during)
        self.assertRestored()

    def test_fails(self):
        for in_set_up in (False, True):
            cls = type('Fails', (Failing,), {'in_set_up': in_set_up})
            result = inner.run_inner(cls, 'check')
            self.assertIn('OSError', inner.problems(result))
            self.assertRestored()

    def test_nested_and_reused(self):
        cured = Databases()
        for _ in range(2):
            with cured:
                during = state()
                with Databases():
                    self.assertEqual(during, state())
                self.assertEqual(during, state())
            self.assertRestored()

    def test_interrupted(self):
        def interrupt():
            with Databases():
                raise KeyboardInterrupt

        self.assertRaises(KeyboardInterrupt, interrupt)
        self.assertRestored()

    def test_nothing_is_patched_if_one_is_unknown(self):
        known = cure.known

        def unknown(owner, name, *parameters):
            if name == 'generate_schema_create_all':
                raise cure.Unknown(name)
            return known(owner, name, *parameters)

        with mock.patch.object(cure, 'known', unknown):
            self.assertRaises(cure.Unknown, Databases.install)
        self.assertRestored()

    def test_unknown(self):
        def look_up(self, name):
            return getattr(self.dbapi_connection, name)

        self.addCleanup(setattr, Databases.counts, 'off', None)
        with mock.patch.object(pool._ConnectionFairy, '__getattr__', look_up):
            cls = made(look=lambda case: seen.extend(state()))
            seen = []
            before = Databases.counts.hits
            self.dumps(cls)
            self.assertIs(look_up, seen[0])
        self.assertEqual(self.before[1:], seen[1:])
        self.assertEqual(before, Databases.counts.hits)
        self.assertEqual(
            '_ConnectionFairy.__getattr__ takes other arguments',
            Databases.counts.off,
        )
