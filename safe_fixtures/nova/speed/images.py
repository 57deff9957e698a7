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


"""Copies of whole SQLite databases, in memory."""

from collections.abc import Callable
import functools
import sqlite3
from typing import Any

from safe_fixtures.nova.speed import cure
from safe_fixtures.nova.speed import sqlite_state

__all__ = [
    'Images',
    'check',
    'copy_onto',
    'image_of',
    'image_of_script',
    'is_blank',
    'is_plain',
]

# Bound at import: a test may replace it, and the guards need not watch what
# stays in memory.
_Connection = sqlite3.Connection
# Other actions can give other results each time, or reach other databases.
_PURE = frozenset(
    (
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_REINDEX,
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_UPDATE,
    )
)
# What a new database has in common with all others, and what decides how a
# script runs.
_SETTINGS = tuple(
    f'PRAGMA {name}'
    for name in (
        'application_id',
        'auto_vacuum',
        'defer_foreign_keys',
        'encoding',
        'foreign_keys',
        'freelist_count',
        'ignore_check_constraints',
        'legacy_alter_table',
        'max_page_count',
        'page_size',
        'query_only',
        'recursive_triggers',
        'schema_version',
        'secure_delete',
        'trusted_schema',
        'user_version',
        'writable_schema',
    )
)
# Where the header of a database says whether it has a write-ahead log.
_JOURNALS = slice(18, 20)
_NO_WAL = b'\x01\x01'
_BUSY, _LOCKED = 5, 6


class Images:
    """The newest images, by all that they depend on.

    :param most: how many to keep (int); then the oldest goes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._images: dict[Any, bytes | None] = {}

    def get(self, key: Any) -> bytes | None:
        """Return the image of a key, None if there is none."""
        return self._images.get(key)

    def put(self, key: Any, image: bytes | None) -> None:
        """Keep an image; None says that there can be none."""
        self._images[key] = image
        while len(self._images) > self._most:
            # Another thread may drop the same one.
            self._images.pop(next(iter(self._images)), None)

    def __contains__(self, key: Any) -> bool:
        return key in self._images


class _InUse(Exception):
    """Somebody else writes the database."""


def check() -> None:
    """Check that this interpreter can keep images.

    :raises: cure.Unknown if it cannot.
    """
    for name in ('backup', 'deserialize', 'serialize'):
        cure.known(_Connection, name)


def is_plain(connection: Any) -> bool:
    """Tell whether a connection is as SQLAlchemy, or we, make it."""
    return type(connection) in (_Connection, sqlite_state.Connection)


def is_blank(connection: Any) -> bool:
    """Tell whether nobody has written to a database, nor set it up.

    :param connection: what the driver returned.
    """
    if not is_plain(connection):
        return False
    try:
        if connection.in_transaction:
            return False
        return _settings(connection) == _blank_settings()
    except sqlite3.Error:
        return False


@functools.cache
def _blank_settings() -> list[Any]:
    blank = _Connection(':memory:')
    try:
        return _settings(blank)
    finally:
        blank.close()


def _settings(connection: sqlite3.Connection) -> list[Any]:
    # Not of a class that notes what it asks.
    cursor = sqlite3.Cursor(connection)
    cursor.row_factory = None
    found = [cursor.execute(each).fetchone() for each in _SETTINGS]
    found.append(
        cursor.execute('SELECT count(*) FROM sqlite_master').fetchone()
    )
    # Other databases: attached ones, and that of temporary tables.
    others = cursor.execute('PRAGMA database_list').fetchall()
    found.append([each[1] for each in others])
    return found


def image_of_script(script: str) -> bytes | None:
    """Return what a script makes of an empty database.

    :param script: statements of SQL.
    :returns: None if the script fails, or if it does more than to make
        tables and indices and to fill them.
    """
    connection = _Connection(':memory:', isolation_level=None)
    try:
        connection.set_authorizer(_allow_pure)
        connection.executescript(script)
        if connection.in_transaction:
            return None
        connection.set_authorizer(None)
        return connection.serialize()
    except sqlite3.Error:
        return None
    finally:
        connection.close()


def _allow_pure(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_OK if action in _PURE else sqlite3.SQLITE_DENY


def image_of(connection: sqlite3.Connection) -> bytes | None:
    """Return an image of a database as it is, None if it cannot be read."""
    copied = _Connection(':memory:', isolation_level=None)
    try:
        _Connection.backup(connection, copied, progress=_give_up_if_used)
        image = bytearray(copied.serialize())
    except (sqlite3.Error, _InUse):
        return None
    finally:
        copied.close()
    # It could not be opened in memory otherwise.
    image[_JOURNALS] = _NO_WAL
    return bytes(image)


def copy_onto(
    connection: sqlite3.Connection,
    image: bytes,
    amend: Callable[[sqlite3.Connection], None] | None = None,
) -> bool:
    """Make a blank database what an image is.

    :param connection: of the database. It keeps its journal mode.
    :param amend: changes what is copied; the image is as before.
    :returns: False if that is impossible; the database is as before then.
    """
    source = _Connection(':memory:', isolation_level=None)
    try:
        source.deserialize(image)
        if amend is not None:
            amend(source)
        source.backup(connection, progress=_give_up_if_used)
    except (sqlite3.Error, _InUse):
        return False
    finally:
        source.close()
    return True


def _give_up_if_used(status: int, remaining: int, total: int) -> None:
    # Python would try again for ever.
    if status in (_BUSY, _LOCKED):
        raise _InUse
