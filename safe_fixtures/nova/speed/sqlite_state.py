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

"""Tell whether a connection to SQLite is as it was when it was new."""

import functools
import gc
import operator
import sqlite3
import sys
import types
from typing import Any

from safe_fixtures.nova.speed import cure

__all__ = [
    'Connection',
    'Note',
    'check',
    'is_alone',
    'settings_of',
]

# These do nothing to a connection that the state does not show.
_HARMLESS = frozenset(
    (
        'close', 'commit', 'cursor', 'execute', 'executemany',
        'executescript', 'getlimit', 'interrupt', 'iterdump', 'rollback',
    )
)  # fmt: skip
# Those that differ between connections to the same file. SQLite compiles
# their value in, and never runs the same statement twice.
_PRAGMAS = (
    'analysis_limit', 'automatic_index', 'busy_timeout', 'cache_size',
    'cache_spill', 'cell_size_check', 'checkpoint_fullfsync',
    'count_changes', 'database_list', 'defer_foreign_keys',
    'empty_result_callbacks', 'foreign_keys', 'full_column_names',
    'fullfsync', 'ignore_check_constraints', 'journal_mode',
    'journal_size_limit', 'legacy_alter_table', 'locking_mode', 'mmap_size',
    'query_only', 'read_uncommitted', 'recursive_triggers',
    'reverse_unordered_selects', 'secure_delete', 'short_column_names',
    'synchronous', 'temp_store', 'threads', 'trusted_schema',
    'wal_autocheckpoint', 'writable_schema',
)  # fmt: skip
_QUERIES = (
    # The first is 0 for a new connection; case_sensitive_like has no value.
    "SELECT last_insert_rowid(), 'a' LIKE 'A'",
    *(f'PRAGMA {name}' for name in _PRAGMAS),
)


class Note:
    """What is known of a connection since it was new.

    :param connection: a :data:`Connection`, which gets the note.
    :ivar changed: whether it was called to change it (bool).
    """

    def __init__(self, connection: Any) -> None:
        self.changed = False
        self._owned = _owned(connection)
        connection.note = self

    def is_as_new(self, connection: Any, settings: Any) -> bool:
        """Tell whether what it left would show to the next user.

        :param settings: what ``settings_of`` returned for a new connection
            to the same file.
        """
        try:
            return (
                not self.changed
                # It counts what was rolled back, too.
                and not connection.total_changes
                and not connection.in_transaction
                and not _is_read(connection)
                # Before the queries, which a callback would see.
                and self._has_same(_owned(connection))
                and bool(settings_of(connection) == settings)
            )
        except sqlite3.Error:
            # Such as for one that is closed, or of another thread.
            return False

    def _has_same(self, owned: list[Any]) -> bool:
        return len(owned) == len(self._owned) and all(
            map(operator.is_, owned, self._owned)
        )


def _noting(name: str) -> Any:
    """Return a method that notes that it was called."""
    original = getattr(sqlite3.Connection, name)

    @functools.wraps(original)
    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        note = getattr(self, 'note', None)
        if note is not None:
            note.changed = True
        return original(self, *args, **kwargs)

    return noted


#: A connection that notes calls of methods that change it: which functions
#: and collations it has cannot be asked for.
Connection: Any = type(
    'Connection',
    (sqlite3.Connection,),
    {
        '__slots__': ('note',),
        '__doc__': 'A connection that notes calls that change it.',
        '__module__': __name__,
        **{
            name: _noting(name)
            for name, each in vars(sqlite3.Connection).items()
            if callable(each)
            and not name.startswith('__')
            and name not in _HARMLESS
        },
    },
)


def settings_of(connection: Any) -> list[Any]:
    """Return what a connection can be asked for.

    :raises: sqlite3.Error
    """
    execute = connection.execute
    settings = [execute(query).fetchall() for query in _QUERIES]
    # The latter is of Python 3.12.
    autocommit = getattr(connection, 'autocommit', None)
    return [connection.isolation_level, autocommit, *settings]


def _owned(connection: Any) -> list[Any]:
    """Return the factories and callbacks of a connection."""
    return [
        each
        for each in gc.get_referents(connection)
        # The others are its cursors and statements.
        if not isinstance(each, _OTHERS)
    ]


def _is_read(connection: Any) -> bool:
    """Tell whether there still are cursors, or blobs that are open."""
    return any(
        each() is not None
        for found in gc.get_referents(connection)
        if type(found) is list
        for each in found
    )


def is_alone(record: Any) -> bool:
    """Tell whether a record alone refers to its connection."""
    return sys.getrefcount(record.dbapi_connection) == _references_to_new()


@functools.cache
def _references_to_new() -> int:
    # It refers to itself, too.
    connection = sqlite3.connect(':memory:', factory=Connection)
    record = types.SimpleNamespace(dbapi_connection=connection)
    del connection
    try:
        return sys.getrefcount(record.dbapi_connection)
    finally:
        record.dbapi_connection.close()


_OTHERS = (list, Note, type(functools.cache(len)))


def check() -> None:
    """Check that the interpreter and SQLite tell what is relied on.

    :raises: Unknown
    """
    connection = sqlite3.connect(':memory:', factory=Connection)
    try:
        _check(connection)
    except (sqlite3.Error, TypeError) as error:
        raise cure.Unknown(f'SQLite is otherwise: {error}') from error
    finally:
        connection.close()


def _check(connection: Any) -> None:
    note = Note(connection)
    settings = settings_of(connection)
    if not note.is_as_new(connection, settings):
        raise cure.Unknown('SQLite does not tell its settings')
    cursor = connection.execute('SELECT 1')
    if not _is_read(connection):
        raise cure.Unknown('sqlite3 does not tell its cursors')
    del cursor
    for change in ('authorizer', 'progress_handler', 'trace_callback'):
        more = (1,) if change == 'progress_handler' else ()
        before = list(map(id, _owned(connection)))
        # A guard may have set one before.
        getattr(connection, f'set_{change}')(_check, *more)
        if before == list(map(id, _owned(connection))):
            raise cure.Unknown(f'sqlite3 does not tell its {change}')
