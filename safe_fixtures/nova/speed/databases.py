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


"""Copy the databases of each test from prepared images."""

from collections.abc import Callable, Iterator
import contextvars
import functools
import importlib
import sqlite3
import sys
from typing import Any

from sqlalchemy.pool import base as pool

from safe_fixtures.nova.speed import cure
from safe_fixtures.nova.speed import images
from safe_fixtures.runtime import patching

__all__ = ['Databases']

# Nova has two schemas, and placement one. An image has about a megabyte.
_images = images.Images(8)


class Databases(cure.Cure):
    """Copy the databases of each test from prepared images.

    Nova runs a script of SQL for each database of each test, and placement
    makes its tables from its models and fills in traits and resource
    classes. A copy of the result takes less time.

    - A script of Nova is replaced where it meets a database that nobody has
      set up or written to. Its image is what the script makes of an empty
      database, so it cannot hold anything else. A script that does more
      than to make tables and indices and to fill them is run as before.
    - A database of placement is copied if the traits, the resource classes,
      the models and the functions involved are those of the image, and the
      configuration does not ask for a migration. Placement then finds that
      there is nothing left to add. Its debug messages say so; nothing else
      differs. Each row was created now, by the same clock.

    Images are bytes: no test can open one.
    """

    name = 'databases'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        images.check()
        nova_fixtures = importlib.import_module('nova.tests.fixtures.nova')
        cure.known(nova_fixtures, 'DB_SCHEMA')
        patches = [_scripts(nova_fixtures)]
        # Nova imports it if it tests anything with placement.
        if 'placement.tests.fixtures' in sys.modules:
            patches += _placement(sys.modules['placement.tests.fixtures'])
        return patching.patch_together(
            *(functools.partial(cure.replace, *each) for each in patches)
        )


_Patch = tuple[Any, str, Any]


def _scripts(nova_fixtures: Any) -> _Patch:
    """Return a patch that copies what a script of Nova makes."""
    owner = pool._ConnectionFairy
    original = cure.known(owner, '__getattr__', 'self', 'key')

    @functools.wraps(original)
    def look_up(self: Any, key: str) -> Any:
        found = original(self, key)
        if key == 'executescript':
            connection = self.dbapi_connection
            if images.is_plain(connection):
                return functools.partial(
                    _run, found, nova_fixtures, connection
                )
        return found

    return owner, '__getattr__', look_up


def _run(
    run: Callable[[str], sqlite3.Cursor],
    nova_fixtures: Any,
    connection: sqlite3.Connection,
    script: str,
    /,
) -> sqlite3.Cursor:
    if not _is_schema(nova_fixtures, script) or not images.is_blank(
        connection
    ):
        return run(script)
    counts = Databases.counts
    image = _images.get(script)
    if image is None:
        counts.misses += 1
        if script not in _images:
            _images.put(script, images.image_of_script(script))
        return run(script)
    if not images.copy_onto(connection, image):
        return run(script)
    counts.hits += 1
    return connection.cursor()


def _is_schema(nova_fixtures: Any, script: Any) -> bool:
    # A test may replace the dictionary, or what is in it.
    schemas = nova_fixtures.DB_SCHEMA
    return (
        type(script) is str
        and isinstance(schemas, dict)
        and any(script is each for each in tuple(schemas.values()))
    )


# The tables that are filled in.
_FILLED = ('traits', 'resource_classes')


class _Filling:
    """A database of placement that is being made.

    :param engine: of the database.
    :param key: all that the result depends on.
    :ivar made: whether placement makes it from nothing, not from an image.
    """

    def __init__(self, engine: Any, key: Any) -> None:
        self.engine = engine
        self.key = key
        self.made = False


_filling: contextvars.ContextVar[_Filling | None] = contextvars.ContextVar(
    'filling', default=None
)


def _module(name: str) -> Any:
    try:
        return sys.modules[name]
    except KeyError:
        raise cure.Unknown(f'placement does not import {name}') from None


class _Placement:
    """What of placement decides how a new database looks.

    :param fixtures: the module of placement's fixtures.
    :raises: cure.Unknown if placement is otherwise.
    """

    def __init__(self, fixtures: Any) -> None:
        migration, deploy, trait, resource_class, models = (
            _module(f'placement.{each}')
            for each in (
                'db.sqlalchemy.migration',
                'deploy',
                'objects.trait',
                'objects.resource_class',
                'db.sqlalchemy.models',
            )
        )
        self.fixtures, self.migration, self.models = (
            fixtures,
            migration,
            models,
        )
        self.trait, self.resource_class = trait, resource_class
        # A test may replace them, for the fixture or for what it calls.
        self._usual = [
            (fixtures, 'migration', migration),
            (fixtures, 'deploy', deploy),
            (migration, 'models', models),
            (deploy, 'trait', trait),
            (deploy, 'resource_class', resource_class),
            *(
                (owner, name, cure.known(owner, name))
                for owner, name in (
                    (deploy, 'update_database'),
                    (trait, 'ensure_sync'),
                    (trait, '_trait_sync'),
                    (trait, '_TRAIT_TBL'),
                    (resource_class, 'ensure_sync'),
                    (resource_class, '_resource_classes_sync'),
                    (resource_class, '_RC_TBL'),
                )
            ),
        ]
        cure.known(deploy, 'update_database', 'conf')
        cure.known(trait, '_trait_sync', 'ctx')
        cure.known(resource_class, '_resource_classes_sync', 'ctx')
        cure.known(trait, 'os_traits')
        cure.known(resource_class, 'orc')
        for name, column in self._columns():
            default = column.default
            if default is None or not default.is_callable:
                raise cure.Unknown(f'{name} has no time of creation')
        # A test may replace them later; the cure itself replaces the first.
        self.create_schema = cure.known(migration, 'create_schema', 'engine')
        self.generate = cure.known(
            fixtures.Database, 'generate_schema_create_all', 'self', 'engine'
        )
        self._functions = (
            *(found for _, _, found in self._usual),
            self.create_schema,
            self.generate,
        )

    def _columns(self) -> list[tuple[str, Any]]:
        tables = self.models.BASE.metadata.tables
        try:
            return [(name, tables[name].c.created_at) for name in _FILLED]
        except (AttributeError, KeyError) as error:
            raise cure.Unknown(f'placement has no {error}') from error

    def filling(self, fixture: Any, engine: Any) -> _Filling | None:
        """Return what is to be filled, None if it is not as usual."""
        if (
            type(fixture) is not self.fixtures.Database
            or engine.dialect.name != 'sqlite'
            or _would_migrate(fixture.conf_fixture.conf)
            or not self._is_usual()
        ):
            return None
        key = (
            self._functions,
            tuple(self.trait.os_traits.get_traits()),
            tuple(self.resource_class.orc.STANDARDS),
            _signature(self.models.BASE.metadata),
        )
        return _Filling(engine, key)

    def _is_usual(self) -> bool:
        return all(
            vars(owner).get(name) is found
            for owner, name, found in self._usual
        ) and not any(_listeners(self.models.BASE.metadata))

    def amend(self, engine: Any, connection: sqlite3.Connection) -> None:
        """Let all rows be created now."""
        connection.execute('BEGIN')
        for name, column in self._columns():
            as_text = column.type.dialect_impl(engine.dialect).bind_processor(
                engine.dialect
            )
            rows = connection.execute(f'SELECT id FROM {name} ORDER BY id')
            connection.executemany(
                f'UPDATE {name} SET created_at = ? WHERE id = ?',
                # One call for each row, as when they are inserted.
                [(as_text(column.default.arg(None)), row[0]) for row in rows],
            )
        connection.execute('COMMIT')


def _placement(fixtures: Any) -> list[_Patch]:
    """Return patches that copy the databases of placement."""
    placement = _Placement(fixtures)

    @functools.wraps(placement.generate)
    def generate(self: Any, engine: Any) -> None:
        filling = placement.filling(self, engine)
        token = _filling.set(filling)
        try:
            placement.generate(self, engine)
        finally:
            _filling.reset(token)
        if filling is not None and filling.made:
            _keep(filling)

    @functools.wraps(placement.create_schema)
    def create_schema(engine: Any = None) -> None:
        filling = _filling.get()
        if filling is None or filling.engine is not engine:
            placement.create_schema(engine)
        elif _fill(placement, filling):
            Databases.counts.hits += 1
        else:
            placement.create_schema(engine)

    return [
        (fixtures.Database, 'generate_schema_create_all', generate),
        (placement.migration, 'create_schema', create_schema),
    ]


def _fill(placement: _Placement, filling: _Filling) -> bool:
    """Fill a database from an image; tell whether that was possible."""
    engine = filling.engine
    with engine.connect() as pooled:
        connection = pooled.connection.dbapi_connection
        if not images.is_blank(connection):
            return False
        image = _images.get(filling.key)
        if image is None:
            Databases.counts.misses += 1
            filling.made = True
            return False
        amend = functools.partial(placement.amend, engine)
        return images.copy_onto(connection, image, amend)


def _keep(filling: _Filling) -> None:
    """Remember a database that no test has touched yet."""
    with filling.engine.connect() as pooled:
        connection = pooled.connection.dbapi_connection
        _images.put(filling.key, images.image_of(connection))


def _would_migrate(conf: Any) -> bool:
    return bool(getattr(conf.placement_database, 'sync_on_startup', True))


def _listeners(metadata: Any) -> Iterator[Any]:
    """Yield what SQLAlchemy calls when it makes the tables."""
    for each in (metadata, *metadata.tables.values()):
        yield from each.dispatch.before_create
        yield from each.dispatch.after_create


def _signature(metadata: Any) -> Any:
    """Return what tables depend on, as something that can be compared."""
    return tuple(
        (
            table.key,
            table.name,
            table.schema,
            tuple(map(repr, table.c)),
            frozenset(map(_described, table.constraints)),
            frozenset(map(_described, table.indexes)),
        )
        for table in metadata.tables.values()
    )


def _described(of: Any) -> tuple[Any, ...]:
    # The object itself stands for what is not listed.
    return of, of.name, getattr(of, 'unique', None), tuple(of.columns)
