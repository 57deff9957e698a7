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
import re
import sqlite3
import sys
import types
from typing import Any

from safe_fixtures.nova.speed import cure

__all__ = ['Connection', 'Note', 'check', 'is_alone', 'make_as_new']

# These do nothing to a connection that the state does not show.
_HARMLESS = frozenset(
    (
        'close', 'commit', 'getlimit', 'interrupt', 'iterdump', 'rollback',
    )
)  # fmt: skip
# Statements that change what cannot be asked for, or not cheaply: settings,
# attached databases, and what is temporary.
_CHANGES = re.compile(
    r'pragma|\battach\b|\bdetach\b|\btemp(orary)?\b|\bload_extension\b', re.I
)
_COUNTS = re.compile(r'\btotal_changes\b', re.I)
# Such a table is the only thing that takes back what was inserted last.
_RESET = """
ATTACH ':memory:' AS safe_fixtures;
CREATE TABLE safe_fixtures.t (a);
INSERT INTO safe_fixtures.t (rowid) VALUES (0);
DELETE FROM safe_fixtures.t WHERE 0;
DETACH safe_fixtures;
"""
# What was executed, and does nothing of this.
_plain: set[str] = set()
_MOST, _LONGEST = 10_000, 20_000


class Note:
    """What is known of a connection since it was new.

    :param connection: a :data:`Connection`, which gets the note.
    :ivar changed: whether it was asked to change something that is not
        looked at (bool).
    :ivar counted: how many changes earlier users have made (int).
    """

    def __init__(self, connection: Any) -> None:
        self.changed = False
        self.counted = 0
        self._owned = _owned(connection)
        self._settings = _settings(connection)
        connection.note = self

    def is_as_new(self, connection: Any) -> bool:
        """Tell whether what it left would show to the next user.

        How many rows have changed, and what was inserted last, is taken back
        by :func:`make_as_new`.
        """
        try:
            return (
                not self.changed
                and not connection.in_transaction
                and not _is_read(connection)
                and self._settings == _settings(connection)
                and self._has_same(_owned(connection))
            )
        except sqlite3.Error:
            # Such as for one that is closed, or of another thread.
            return False

    def _has_same(self, owned: list[Any]) -> bool:
        return len(owned) == len(self._owned) and all(
            map(operator.is_, owned, self._owned)
        )


def make_as_new(connection: Any) -> bool:
    """Take back what shows that a connection has written.

    :param connection: one that is as new but for this.
    :returns: whether that was possible (bool).
    """
    try:
        last, changes = _execute(
            sqlite3.Cursor(connection),
            'SELECT last_insert_rowid(), changes()',
        ).fetchone()
        if last or changes:
            # Not one of the class, which would note it.
            sqlite3.Cursor(connection).executescript(_RESET)
    except sqlite3.Error:
        return False
    connection.note.counted = _total(connection)
    return True


_total: Any = vars(sqlite3.Connection)['total_changes'].__get__
_execute: Any = sqlite3.Cursor.execute


def _look_at(connection: Any, statement: Any) -> None:
    """Note that a statement changes what cannot be asked for."""
    note = getattr(connection, 'note', None)
    if type(statement) is not str or _CHANGES.search(statement):
        if note is not None:
            note.changed = True
    elif not _COUNTS.search(statement):
        if len(statement) <= _LONGEST:
            cure.make_room(_plain, _MOST)
            _plain.add(statement)
    elif note is not None and note.counted:
        connection.create_function(
            'total_changes', 0, lambda: connection.total_changes
        )


def _looking(original: Any) -> Any:
    """Return a method that checks its statement before it runs it."""

    @functools.wraps(original)
    def execute(self: Any, statement: Any, /, *parameters: Any) -> Any:
        if type(statement) is not str or statement not in _plain:
            # It is a cursor, or a connection itself.
            _look_at(getattr(self, 'connection', self), statement)
        return original(self, statement, *parameters)

    return execute


_EXECUTE = 'execute', 'executemany', 'executescript'
_Cursor: Any = type(
    'Cursor',
    (sqlite3.Cursor,),
    {
        '__slots__': (),
        '__doc__': 'A cursor that looks at its statements.',
        '__module__': __name__,
        **{name: _looking(getattr(sqlite3.Cursor, name)) for name in _EXECUTE},
    },
)


def _noting(original: Any) -> Any:
    """Return a method that notes that it was called."""

    @functools.wraps(original)
    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        _note_change(self)
        return original(self, *args, **kwargs)

    return noted


def _note_change(connection: Any) -> None:
    note = getattr(connection, 'note', None)
    if note is not None:
        note.changed = True


class Connection(sqlite3.Connection):
    """A connection that notes calls that change it.

    Which functions and collations it has cannot be asked for.
    """

    __slots__ = ('note',)

    @property
    def total_changes(self) -> int:
        """How many rows have changed since it was taken (int)."""
        note = getattr(self, 'note', None)
        total: int = _total(self)
        return total if note is None else total - note.counted

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """See ``sqlite3.Connection``."""
        if args or kwargs:
            # Of a class that notes nothing.
            _note_change(self)
            return super().cursor(*args, **kwargs)
        return super().cursor(_Cursor)


for _name, _each in vars(sqlite3.Connection).items():
    if _name in _EXECUTE:
        setattr(Connection, _name, _looking(_each))
    elif (
        callable(_each)
        and not _name.startswith('__')
        and _name not in _HARMLESS
        and _name not in vars(Connection)
    ):
        setattr(Connection, _name, _noting(_each))
del _name, _each


def _settings(connection: Any) -> tuple[Any, ...]:
    # The latter is of Python 3.12.
    return connection.isolation_level, getattr(connection, 'autocommit', None)


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
    connection.executescript('CREATE TABLE t (a); INSERT INTO t VALUES (5)')
    if not note.is_as_new(connection) or not make_as_new(connection):
        raise cure.Unknown('sqlite3 does not tell what has changed')
    asked = 'SELECT last_insert_rowid(), changes(), total_changes()'
    if connection.execute(asked).fetchone() != (0, 0, 0):
        raise cure.Unknown('SQLite does not take back what has changed')
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
