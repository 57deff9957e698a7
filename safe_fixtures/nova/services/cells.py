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

"""Read and write service records in every cell."""

from collections.abc import Iterator
import contextlib
from typing import Any

from nova.compute import rpcapi
import nova.conf
import nova.context
from nova.db.main import api as db
from nova import exception
from nova import objects
from oslo_db import exception as db_exc

from safe_fixtures.guards import services

__all__ = [
    'CONF',
    'FIELDS',
    'all_computes',
    'candidates',
    'cell_context',
    'cells_of',
    'items_of',
    'ref_of',
    'state_of',
    'tell_compute',
]


CONF = nova.conf.CONF
FIELDS = ('disabled', 'disabled_reason', 'forced_down')


def items_of(
    state: services.ServiceState,
) -> list[tuple[str, Any]]:
    return [(field, getattr(state, field)) for field in FIELDS]


def state_of(record: Any) -> services.ServiceState:
    return services.ServiceState(
        disabled=bool(record.disabled),
        disabled_reason=record.disabled_reason,
        forced_down=bool(record.forced_down),
    )


def ref_of(record: Any, manager: Any) -> services.ServiceRef:
    return services.ServiceRef(
        str(record.uuid), record.host, record.binary, handle=manager
    )


def cell_context(manager: Any) -> Any:
    """Return an admin context that goes to one cell's database."""
    context = nova.context.get_admin_context()
    context.db_connection = manager
    return context


def cells_of(host: str | None) -> list[Any]:
    """Return the databases where a service could be, nearest first.

    A host that is mapped is in its cell; else it can be in any.
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


def candidates(context: Any, known: dict[str, str | None]) -> list[Any]:
    try:
        if known['uuid'] is not None:
            return [db.service_get_by_uuid(context, known['uuid'])]
        if known['host'] is not None:
            return db.service_get_all_by_host(context, known['host'])
    except (exception.ServiceNotFound, db_exc.DBError):
        pass
    return []


def all_computes() -> list[services.ServiceRef]:
    found: dict[services.ServiceRef, None] = {}
    for manager in cells_of(None):
        with contextlib.suppress(db_exc.DBError):
            for record in db.service_get_all_by_binary(
                cell_context(manager), 'nova-compute', include_disabled=True
            ):
                found[ref_of(record, manager)] = None
    return list(found)


def tell_compute(
    context: Any, host: str, enabled: bool, timeout: float
) -> None:
    with contextlib.ExitStack() as stack:
        # Also what the compute does by itself is to go to its cell.
        with contextlib.suppress(
            exception.HostMappingNotFound, db_exc.DBError
        ):
            mapping = objects.HostMapping.get_by_host(
                nova.context.get_admin_context(), host
            )
            context = stack.enter_context(
                nova.context.target_cell(context, mapping.cell_mapping)
            )
        stack.enter_context(_rpc_timeout(timeout))
        rpcapi.ComputeAPI().set_host_enabled(context, host, enabled)


@contextlib.contextmanager
def _rpc_timeout(seconds: float) -> Iterator[None]:
    option = CONF._get_opt_info('long_rpc_timeout')
    unset = 'override' not in option
    previous = CONF.long_rpc_timeout
    CONF.set_override('long_rpc_timeout', max(1, round(seconds)))
    try:
        yield
    finally:
        if unset:
            CONF.clear_override('long_rpc_timeout')
        else:
            CONF.set_override('long_rpc_timeout', previous)
