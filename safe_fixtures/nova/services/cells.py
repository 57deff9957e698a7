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

"""Find and read service records in every cell."""

from collections.abc import Iterable, Iterator, Mapping
import contextlib
import contextvars
from typing import Any, NamedTuple

import nova.context
from nova.db.api import api as api_db
from nova.db.main import api as db
from nova import exception
from nova import objects
from oslo_db import exception as db_exc

from safe_fixtures.guards.services import lookup
from safe_fixtures.guards.services import model

__all__ = [
    'FIELDS',
    'Record',
    'connected',
    'context_of',
    'current_manager',
    'find',
    'is_any_open',
    'managers',
    'read',
    'records_in',
    'ref_of',
    'rows_in',
    'snapshot',
    'state_of',
    'within',
]

_NOVAS_OWN = db.get_context_manager
# The columns of a record that ServiceState has.
FIELDS = ('disabled', 'disabled_reason', 'forced_down')


_RECORDS = (
    'SELECT uuid, host, services.binary, disabled, disabled_reason, '
    'forced_down '
    'FROM services WHERE deleted = 0'
)
# A connection in the middle of a statement, and the records before it. To
# use it by a session would end its transaction.
_within: contextvars.ContextVar[tuple[Any, Mapping[str, 'Record']] | None] = (
    contextvars.ContextVar('safe_fixtures_cell', default=None)
)


class Record(NamedTuple):
    """What a service record says."""

    uuid: str
    host: str
    binary: str
    state: model.ServiceState

    def ref(self, manager: Any) -> model.ServiceRef:
        """Return a reference to it; see :func:`ref_of`."""
        return model.ServiceRef(
            self.uuid, self.host, self.binary, handle=manager
        )


def rows_in(connection: Any, query: str) -> list[Any]:
    """Return what a query finds.

    :param connection: a connection of the driver.
    """
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def records_in(connection: Any) -> dict[str, Record]:
    """Return the service records in a database, by uuid."""
    return {
        str(uuid): Record(
            str(uuid),
            host,
            binary,
            model.ServiceState(bool(disabled), reason, bool(down)),
        )
        for uuid, host, binary, disabled, reason, down in rows_in(
            connection, _RECORDS
        )
    }


@contextlib.contextmanager
def within(connection: Any, records: Mapping[str, Record]) -> Iterator[None]:
    """Read from a connection in the middle of a statement, in the block.

    :param connection: a connection of the driver.
    :param records: the service records before the statement, by uuid.
    """
    token = _within.set((connection, records))
    try:
        yield
    finally:
        _within.reset(token)


@contextlib.contextmanager
def connected(manager: Any) -> Iterator[Any]:
    """Connect to a cell's database, by the driver, in the block."""
    reading = _within.get()
    if reading is not None:
        yield reading[0]
        return
    with contextlib.closing(
        manager.reader.get_engine().raw_connection()
    ) as connection:
        yield connection


def current_manager() -> Any:
    """Return the database of whoever targets no cell."""
    return db.get_context_manager(nova.context.get_admin_context())


def is_any_open() -> bool:
    """Whether there may be records, as a database is open."""
    return (
        # A fixture of Nova has made cells.
        db.get_context_manager is not _NOVAS_OWN
        or db.context_manager.is_started
        or api_db.context_manager.is_started
    )


def managers() -> list[Any]:
    """Return the databases of all cells, as far as they are open."""
    found = [current_manager()]
    api = api_db.context_manager
    if api.is_started:
        with contextlib.suppress(Exception), connected(api) as connection:
            urls = rows_in(
                connection, 'SELECT database_connection FROM cell_mappings'
            )
            for (url,) in urls:
                # The one that there is already, in a test.
                with contextlib.suppress(Exception):
                    found.append(db.create_context_manager(url))
    # A query would start any other. The first one may be a cell's.
    return [manager for manager in dict.fromkeys(found) if manager.is_started]


def snapshot(
    managers: Iterable[Any],
) -> dict[model.ServiceRef, model.ServiceState]:
    """Return the state of every service, as far as its cell answers.

    :param managers: the databases of the cells.
    """
    found: dict[model.ServiceRef, model.ServiceState] = {}
    for manager in managers:
        with contextlib.suppress(Exception), connected(manager) as connection:
            for record in records_in(connection).values():
                found.setdefault(record.ref(manager), record.state)
    return found


def state_of(record: Any) -> model.ServiceState:
    """Return the state that a record has."""
    return model.ServiceState(
        disabled=bool(record.disabled),
        disabled_reason=record.disabled_reason,
        forced_down=bool(record.forced_down),
    )


def ref_of(record: Any, manager: Any) -> model.ServiceRef:
    """Return a reference to a record.

    :param manager: the context manager of its cell's database.
    """
    return model.ServiceRef(
        str(record.uuid), record.host, record.binary, handle=manager
    )


def context_of(manager: Any) -> Any:
    """Return an admin context that uses one cell's database."""
    context = nova.context.get_admin_context()
    context.db_connection = manager
    return context


def find(service: Any) -> model.ServiceRef:
    """Find a service in any cell; see ``Services``."""
    known = lookup.identify(service)
    matches = []
    for manager in _managers(known.host):
        for record in _records(context_of(manager), known):
            ref = ref_of(record, manager)
            if ref not in matches and known.fits(ref):
                matches.append(ref)
    candidates = [] if len(matches) == 1 else _computes()
    return lookup.pick_one(service, matches, candidates)


def read(ref: model.ServiceRef) -> model.ServiceState:
    """Read the state of a service; see ``Services``."""
    reading = _within.get()
    if reading is not None and ref.uuid in reading[1]:
        return reading[1][ref.uuid].state
    if not ref.handle.is_started:
        # A query would start the database anew, for all that follow.
        raise model.ServiceUnreachable('its database is closed')
    try:
        record = db.service_get_by_uuid(context_of(ref.handle), ref.uuid)
    except exception.ServiceNotFound:
        raise model.ServiceGone('the record is gone') from None
    except db_exc.DBError as error:
        raise model.ServiceUnreachable(
            f'its cell does not answer ({type(error).__name__})'
        ) from error
    return state_of(record)


def _managers(host: str | None) -> list[Any]:
    """Return the databases where a service can be, nearest first.

    A host that is mapped is in its cell. Any other can be in each cell.
    """
    context = nova.context.get_admin_context()
    managers: list[Any] = []
    mappings: Any = ()
    with contextlib.suppress(exception.HostMappingNotFound, db_exc.DBError):
        mapping = host and objects.HostMapping.get_by_host(context, host)
        if mapping:
            mappings = [mapping.cell_mapping]
    if not mappings:
        managers.append(db.get_context_manager(context))
        with contextlib.suppress(db_exc.DBError):
            mappings = objects.CellMappingList.get_all(context)
    for mapping in mappings:
        cell = nova.context.get_admin_context()
        with contextlib.suppress(db_exc.DBError, KeyError):
            nova.context.set_target_cell(cell, mapping)
            managers.append(db.get_context_manager(cell))
    return managers


def _records(context: Any, known: lookup.Known) -> list[Any]:
    with contextlib.suppress(exception.ServiceNotFound, db_exc.DBError):
        if known.uuid is not None:
            return [db.service_get_by_uuid(context, known.uuid)]
        if known.host is not None:
            return list(db.service_get_all_by_host(context, known.host))
    return []


def _computes() -> list[model.ServiceRef]:
    """Return all compute services, once each."""
    found: dict[model.ServiceRef, None] = {}
    for manager in _managers(None):
        with contextlib.suppress(db_exc.DBError):
            for record in db.service_get_all_by_binary(
                context_of(manager), 'nova-compute', include_disabled=True
            ):
                found[ref_of(record, manager)] = None
    return list(found)
