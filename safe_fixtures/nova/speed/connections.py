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

"""Keep connections to SQLite files, as long as their engine lives."""

from collections.abc import Callable
import functools
import os
from typing import Any
import weakref

from oslo_db.sqlalchemy import engines
import sqlalchemy
from sqlalchemy import event
from sqlalchemy import pool
from sqlalchemy.pool import base as pool_base

from safe_fixtures.nova.speed import cure
from safe_fixtures.nova.speed import sqlite_state

__all__ = ['Connections']

# What one engine keeps at most.
_MOST = 8
# Whoever listens to these counts connections, or changes new ones.
_EVENTS = ('connect', 'first_connect', 'close', 'detach', 'close_detached')
# As they are when this is imported: tests patch the module.
_getpid, _stat = os.getpid, os.stat
_pools: weakref.WeakSet[Any] = weakref.WeakSet()
# Connections of a parent process: to close them would be its business.
_of_parent: list[Any] = []


class Connections(cure.Cure):
    """Keep connections to SQLite files, as long as their engine lives.

    oslo.db opens and closes a connection for each transaction, which parses
    the schema and writes the log to the file anew: a fifth of the time of a
    test with threads. The engines that oslo.db makes keep them. A connection
    is closed instead when it is returned if it is not as it was when it was
    new: in a setting, attached database, temporary table, function or
    callback, or a cursor that is still there. How many rows it has changed
    and which it inserted last is taken back.

    All are closed when the engine is disposed of or deleted, and when a
    user of this fixture ends. In a forked process none is used.

    Stock it remains for engines with options in their URL, with another
    pool, in memory, and for those that somebody listens to.

    While a connection is kept, recent changes are in the file's log
    (``-wal``) and not yet in the file, and SQLite refuses to leave the WAL
    mode.
    """

    name = 'connections'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        create = cure.known(engines, 'create_engine')
        cure.known(pool.NullPool, '_do_get', 'self')
        cure.known(pool.NullPool, '_do_return_conn', 'self', 'record')
        cure.known(pool.NullPool, 'dispose', 'self')
        cure.known(pool.NullPool, 'recreate', 'self')
        record = pool_base._ConnectionRecord
        cure.known(record, 'close', 'self')
        for name in ('dbapi_connection', 'fresh', 'info', 'record_info'):
            cure.known(record, name)
        sqlite_state.check()
        _at_fork()

        @functools.wraps(create)
        def create_engine(*args: Any, **kwargs: Any) -> Any:
            engine = create(*args, **kwargs)
            if _can_keep(engine):
                _KeepingPool.replace(engine)
            return engine

        restore = cure.replace(engines, 'create_engine', create_engine)

        def end() -> None:
            restore()
            for each in list(_pools):
                each.end()

        return end

    def _setUp(self) -> None:
        super()._setUp()
        # Also where another user goes on: nothing is left of a test.
        self.addCleanup(_close_kept)


class _KeepingPool(pool.NullPool):
    """A pool without limits that keeps connections that are as new."""

    # It logs as the pool that it stands for.
    _sqla_logger_namespace = 'sqlalchemy.pool.impl.NullPool'
    # Until it begins.
    _kept: list[Any] = []  # noqa: RUF012

    @classmethod
    def replace(cls, engine: Any) -> None:
        """Let the pool of an engine keep connections.

        It stays the same object, which its listeners know.
        """
        event.listen(engine, 'do_connect', _add_factory)
        keeping = engine.pool
        keeping.__class__ = cls
        keeping._begin(
            os.path.abspath(engine.url.database), _listeners(keeping)
        )

    def _begin(self, path: str, listeners: list[Any]) -> None:
        self._path = path
        self._listeners = listeners
        self._kept: list[Any] = []
        # It may begin after the cure: an engine is disposed of late.
        self._ended = not Connections._patch.users
        _pools.add(self)

    def recreate(self) -> Any:
        new = super().recreate()
        new._begin(self._path, self._listeners)
        return new

    def dispose(self) -> None:
        super().dispose()
        self.end()

    def end(self) -> None:
        """Keep nothing from now on."""
        self._ended = True
        self.close_kept()

    def close_kept(self) -> None:
        """Close all that are not in use."""
        while record := self._take():
            record.close()

    def __del__(self) -> None:
        self.close_kept()

    def _take(self) -> Any:
        try:
            # One step, so that no two threads take the same. The last one
            # that was returned has the warmest caches.
            return self._kept.pop()
        except IndexError:
            return None

    def _do_get(self) -> Any:
        while record := self._take():
            if self._can_be_used(record):
                Connections.counts.hits += 1
                # Stock does not ping a new connection.
                record.fresh = True
                return record
            record.close()
        Connections.counts.misses += 1
        record = super()._do_get()
        self._note(record)
        return record

    def _can_be_used(self, record: Any) -> bool:
        return (
            # Nobody else has a hold on it, or its cursors.
            sqlite_state.is_alone(record)
            and record.dbapi_connection.note.file == _identity(self._path)
            and _listeners(self) == self._listeners
        )

    def _note(self, record: Any) -> None:
        """Note what a connection is like when it is new."""
        raw = record.dbapi_connection
        if self._ended or type(raw) is not sqlite_state.Connection:
            return
        _Note(raw, dict(record.info), _identity(self._path))

    def _do_return_conn(self, record: Any) -> None:
        note = getattr(record.dbapi_connection, 'note', None)
        if note is None or not self._can_be_kept(record, note):
            super()._do_return_conn(record)
            return
        record.info.clear()
        record.info.update(note.info)
        record.record_info.clear()
        self._kept.append(record)
        if self._ended:
            # It may have ended in another thread.
            self.close_kept()

    def _can_be_kept(self, record: Any, note: Any) -> bool:
        return (
            not self._ended
            and len(self._kept) < _MOST
            and note.pid == _getpid()
            and note.is_as_new(record.dbapi_connection)
            and sqlite_state.make_as_new(record.dbapi_connection)
        )


class _Note(sqlite_state.Note):
    """What is also known of a connection in a pool.

    :ivar info: of its record, when it was new (dict).
    :ivar file: device and inode of its file, or None.
    :ivar pid: the process that opened it (int).
    """

    def __init__(
        self, connection: Any, info: dict[Any, Any], file: Any
    ) -> None:
        super().__init__(connection)
        self.info, self.file, self.pid = info, file, _getpid()


def _can_keep(engine: Any) -> bool:
    return (
        type(engine) is sqlalchemy.Engine
        and type(engine.pool) is pool.NullPool
        and engine.dialect.name == 'sqlite'
        and engine.dialect.driver == 'pysqlite'
        # Options such as check_same_thread, or of a URI.
        and not engine.url.query
        and engine.url.database not in (None, '', ':memory:')
        and not any(
            getattr(engine.pool.dispatch, name).parent_listeners
            for name in _EVENTS
        )
    )


def _listeners(each: Any) -> list[Any]:
    """Return all that are told of connections that open or close."""
    return [list(getattr(each.dispatch, name)) for name in _EVENTS]


def _add_factory(
    dialect: Any, record: Any, args: Any, parameters: dict[str, Any]
) -> None:
    parameters.setdefault('factory', sqlite_state.Connection)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = _stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _close_kept() -> None:
    for each in list(_pools):
        each.close_kept()


@functools.cache
def _at_fork() -> None:
    os.register_at_fork(after_in_child=_leave_to_parent)


def _leave_to_parent() -> None:
    for each in list(_pools):
        while record := each._take():
            _of_parent.append(record)
