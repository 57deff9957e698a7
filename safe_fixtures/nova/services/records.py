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

"""The compute services of the Nova in this process, by their records."""

from collections.abc import Callable, Iterator
import contextlib
from types import CodeType
from typing import Any

from nova.compute import rpcapi
from nova.compute import vm_states
import nova.conf
import nova.context
from nova import exception
from nova import objects
from nova import test
from oslo_db import exception as db_exc
from oslo_log import log as logging
import wrapt

from safe_fixtures.guards.services import model
from safe_fixtures.nova import service_start
from safe_fixtures.nova.services import cells
from safe_fixtures.nova.services import watch

__all__ = ['ServiceRecords']

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

_RESTARTS: list[CodeType] = []


def _note_restarts(module: Any) -> None:
    """Note what restarts a compute, as Nova defines it.

    Now, as a test may replace it, and a function of the same name in a test
    is another one.
    """
    _RESTARTS.extend(
        vars(cls)['restart_compute_service'].__code__
        for cls in list(vars(module).values())
        if isinstance(cls, type)
        and cls.__module__ == module.__name__
        and 'restart_compute_service' in vars(cls)
    )


_note_restarts(test)
# Its tests have a helper of their own. It is not imported for others.
wrapt.register_post_import_hook(
    _note_restarts, 'nova.tests.functional.libvirt.base'
)


class ServiceRecords:
    """Finds, reads, writes and watches service records, in every cell."""

    # Services are started, and their records destroyed, within the test.
    torn_down_by_test = True
    restarts = _RESTARTS

    find = staticmethod(cells.find)
    read = staticmethod(cells.read)

    def __init__(self) -> None:
        self._watch = watch.ServiceWatch()

    def watch(self, watcher: model.Watcher) -> Callable[[], None]:
        """Show every change to *watcher*; see ``Services``."""
        return self._watch.watchers.add(watcher)

    def watch_from_start(self) -> Callable[[], None]:
        """Watch before there is any service; see ``ServiceWatch``."""
        return self._watch.watch_from_start()

    def snapshot(self) -> dict[model.ServiceRef, model.ServiceState]:
        """Return the state of every service; see ``Services``."""
        return self._watch.snapshot()

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches; see ``WatchedServices``."""
        return bool(self._watch.watchers.users)

    def servers_on(
        self, ref: model.ServiceRef
    ) -> list[model.HostedServer] | None:
        """Return the servers on a compute, or in flight; see ``Services``."""
        if ref.handle is None or not ref.handle.is_started:
            return None
        sent = self._watch.sent_to(ref.host)
        with cells.connected(ref.handle) as connection:
            # Only these columns: to load a whole server takes milliseconds.
            rows = cells.rows_in(
                connection,
                'SELECT uuid, vm_state, host FROM instances WHERE deleted = 0',
            )
        return [
            model.HostedServer(uuid, state, in_flight=host is None)
            for uuid, state, host in rows
            # A server is on the compute once the compute has claimed it.
            # A build that failed before that is on no compute.
            if host == ref.host
            or (host is None and state == vm_states.BUILDING and uuid in sent)
        ]

    def read_all(self, refs: list[model.ServiceRef]) -> model.States:
        """Read each service; see ``Services``."""
        states: dict[model.ServiceRef, model.ServiceState | Exception] = {}
        for ref in refs:
            try:
                states[ref] = cells.read(ref)
            except Exception as error:
                states[ref] = error
        return states

    def write(
        self, ref: model.ServiceRef, state: model.ServiceState, timeout: float
    ) -> str:
        """Save a record, and tell its compute; see ``Services``.

        Both happen as in the API, so that the trait COMPUTE_STATUS_DISABLED
        of the compute's resource providers follows. A compute that is
        stopped is not told: it would not answer.
        """
        context = cells.context_of(ref.handle)
        record = objects.Service.get_by_uuid(context, ref.uuid)
        changed = record.disabled != state.disabled
        # A compute that is forced down is told nothing, so it is told now.
        lifted = record.forced_down and not state.forced_down
        for field in cells.FIELDS:
            setattr(record, field, getattr(state, field))
        record.save()
        if ref.binary != 'nova-compute' or not (changed or lifted):
            return 'record'
        if state.forced_down or not _is_running(ref):
            missed = '; its compute is down and was not told'
            return f'record{missed if changed else ""}'
        try:
            _tell_compute(context, ref.host, not state.disabled, timeout)
        except Exception as error:
            LOG.warning('The trait of %s was not synchronized', ref)
            return f'record; its compute did not follow ({error})'
        return 'record and compute'


def _is_running(ref: model.ServiceRef) -> bool:
    """Whether a compute of this process serves a record now."""
    return any(
        service.host == ref.host
        and service.binary == ref.binary
        and getattr(service.rpcserver, '_started', False)
        for service in service_start.STARTS.services()
    )


def _tell_compute(ctxt: Any, host: str, enabled: bool, timeout: float) -> None:
    with contextlib.ExitStack() as stack:
        # What the compute does by itself then goes to its cell as well.
        with contextlib.suppress(
            exception.HostMappingNotFound, db_exc.DBError
        ):
            mapping = objects.HostMapping.get_by_host(
                nova.context.get_admin_context(), host
            )
            ctxt = stack.enter_context(
                nova.context.target_cell(ctxt, mapping.cell_mapping)
            )
        stack.enter_context(_rpc_timeout(timeout))
        rpcapi.ComputeAPI().set_host_enabled(ctxt, host, enabled)


@contextlib.contextmanager
def _rpc_timeout(seconds: float) -> Iterator[None]:
    """Let a call of a compute wait this long at most, in the block."""
    unset = 'override' not in CONF._get_opt_info('long_rpc_timeout')
    previous = CONF.long_rpc_timeout
    CONF.set_override('long_rpc_timeout', max(1, round(seconds)))
    try:
        yield
    finally:
        if unset:
            CONF.clear_override('long_rpc_timeout')
        else:
            CONF.set_override('long_rpc_timeout', previous)
