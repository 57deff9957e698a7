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

"""See every way in which a service of Nova is changed.

Whatever changes a record is a statement of SQL, and whatever takes a compute
out of service otherwise ends in one of a few functions. Each is patched while
anybody watches. A watcher, such as the ledger of a toggle, is
called straight from the patched function.
"""

from collections.abc import Callable, Mapping
import contextlib
import functools
import inspect
from typing import Any

from nova.compute import api as compute_api
from nova.compute import rpcapi

from safe_fixtures.core import gate
from safe_fixtures.guards import service_start
from safe_fixtures.guards.services import actor
from safe_fixtures.guards.services import model
from safe_fixtures.nova import service_start as nova_starts
from safe_fixtures.nova.services import cells
from safe_fixtures.nova.services import statements
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import stack

__all__ = ['ServiceWatch']


# The methods of ``rpcapi.ComputeAPI`` that take a compute out of service, but
# not by its record: how, and whether they do so, by their arguments.
_CALLS: dict[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
    'set_host_enabled': (
        'closed to new servers',
        lambda given: not given['enabled'],
    ),
    'host_maintenance_mode': (
        'put into maintenance',
        lambda given: bool(given['mode']),
    ),
    'host_power_action': (
        'shut down or rebooted',
        lambda given: given['action'] != 'startup',
    ),
}


class _Nobody:
    """Has everything watched, and looks at nothing; a ``Watcher``."""

    def _ignore(self, *_: Any) -> None:
        pass

    def changing(self, *_: Any) -> Callable[[model.ServiceState], None]:
        return self._ignore

    leaving = started = created = deleted = _ignore


class ServiceWatch(service_start.Watcher):
    """Shows every change to a service to its watchers.

    :ivar watchers: the patch of Nova; its users see the changes.
    """

    def __init__(self) -> None:
        self.watchers = patching.SharedPatch[model.Watcher](self._patch)
        # The host that each server was last sent to, to be built there.
        self._sent: dict[str, str] = {}
        # The databases of the cells, as far as they were looked up.
        self._managers: list[Any] = []
        # Those of them where records were seen.
        self._holding: dict[Any, None] = {}
        # Whether every record of these databases was seen since it is there.
        self._saw_all = False

    def watch_from_start(self) -> Callable[[], None]:
        """See every record from now on, before there is any.

        :meth:`snapshot` then knows which databases hold records, and reads
        no other: to connect to one takes milliseconds.

        :returns: a callable that ends it.
        """
        first = not self.watchers.users
        end = self.watchers.add(_Nobody())
        if first:
            self._saw_all = not cells.is_any_open()
        return end

    def snapshot(self) -> dict[model.ServiceRef, model.ServiceState]:
        """Return the state of every service, as far as its cell answers."""
        if not self._saw_all:
            return cells.snapshot(cells.managers())
        # Another thread may add one meanwhile. A query would start one that
        # the test has stopped.
        return cells.snapshot(
            manager for manager in list(self._holding) if manager.is_started
        )

    def sent_to(self, host: str) -> list[str]:
        """Return the uuids of the servers that were last sent to a host."""
        # Another thread may send one meanwhile.
        return [uuid for uuid, to in list(self._sent.items()) if to == host]

    def starting(self, service: Any, binary: str, host: str) -> None:
        """Show a service that is started; see ``service_start.Watcher``."""
        for watcher in self.watchers.users:
            watcher.started(host, binary)

    def stopping(self, service: Any, binary: str, host: str) -> None:
        """Check a compute that stops; see ``service_start.Watcher``."""
        if binary == 'nova-compute' and not stack.in_cleanup():
            self._compute_leaving(service, host, 'stopped', 'Service.stop')

    def _patch(self) -> Callable[[], None]:
        compute = rpcapi.ComputeAPI
        aggregates = compute_api.AggregateAPI
        looks: list[tuple[Any, str, Callable[..., None]]] = [
            (aggregates, 'get_aggregates_by_host', self._deleting),
            (compute, 'build_and_run_instance', self._building),
            *((compute, name, self._calling(name)) for name in _CALLS),
        ]
        return patching.patch_together(
            lambda: self._forget,
            *(
                functools.partial(patching.call_before, *look)
                for look in looks
            ),
            lambda: statements.watch(self._look),
            lambda: nova_starts.STARTS.watch(self),
        )

    def _forget(self) -> None:
        self._sent.clear()
        self._managers = []
        self._holding = {}
        self._saw_all = False

    def _look(
        self,
        engine: Any,
        connection: Any,
        before: Mapping[str, cells.Record],
        after: Mapping[str, cells.Record],
    ) -> None:
        """See what a statement has done; see ``statements.watch``."""
        manager = self._manager_of(engine)
        if manager is None:
            # No cell of this test, unless it is mapped later.
            self._saw_all = False
            return
        self._holding[manager] = None
        with cells.within(connection, before):
            for uuid, record in before.items():
                ref = record.ref(manager)
                if uuid not in after:
                    self._deleted(ref, record.state)
                elif after[uuid].state != record.state:
                    self._changed(ref, record.state, after[uuid].state)
            for uuid in after.keys() - before.keys():
                ref = after[uuid].ref(manager)
                for watcher in self.watchers.users:
                    watcher.created(ref, after[uuid].state)

    def _manager_of(self, engine: Any) -> Any:
        # The cheapest first. All are kept.
        looks: list[Callable[[], list[Any]]] = [
            lambda: self._managers,
            lambda: [cells.current_manager()],
            cells.managers,
        ]
        for known in looks:
            for manager in known():
                if (
                    manager.is_started
                    and manager.writer.get_engine().pool is engine.pool
                ):
                    if manager not in self._managers:
                        self._managers.append(manager)
                    return manager
        return None

    def _changed(
        self,
        ref: model.ServiceRef,
        before: model.ServiceState,
        after: model.ServiceState,
    ) -> None:
        how = model.taken_out(before, after)
        if how:
            self._leaving(ref, how)
        for watcher in self.watchers.users:
            watcher.changing(ref, before)(after)

    def _deleted(
        self, ref: model.ServiceRef, state: model.ServiceState
    ) -> None:
        # At the end of a test, its fixtures destroy what it started.
        if not (_is_being_deleted() or stack.in_cleanup()):
            self._leaving(ref, 'deleted', 'Service.destroy')
        for watcher in self.watchers.users:
            watcher.deleted(ref, state)

    def _deleting(self, api: Any, context: Any, compute_host: Any) -> None:
        # The API calls this after its own checks and before it deletes
        # anything. The record is the last thing it deletes.
        if _is_being_deleted():
            self._compute_leaving(compute_host, compute_host, 'deleted')

    def _building(
        self,
        api: Any,
        context: Any,
        instance: Any,
        host: Any,
        *_: Any,
        **__: Any,
    ) -> None:
        self._sent[instance.uuid] = host

    def _calling(self, name: str) -> Callable[..., None]:
        how, applies = _CALLS[name]
        signature = inspect.signature(vars(rpcapi.ComputeAPI)[name])

        def look(*args: Any, **kwargs: Any) -> None:
            host = None
            # A replacement by the test may take other arguments.
            with contextlib.suppress(KeyError, TypeError):
                given = signature.bind(*args, **kwargs).arguments
                host = given['host'] if applies(given) else None
            if host is not None:
                # The API also closes a compute after it has disabled the
                # record, which was checked then.
                follows = name == 'set_host_enabled'
                self._compute_leaving(host, host, how, unless_disabled=follows)

        return look

    def _compute_leaving(
        self,
        service: Any,
        host: str,
        how: str,
        by: str | None = None,
        unless_disabled: bool = False,
    ) -> None:
        """Have a compute checked that is known by its host or service."""
        try:
            ref = cells.find(service)
        except LookupError:
            # It has no record.
            return
        except Exception:
            # The database cannot be queried, so nothing is known of it.
            ref = model.ServiceRef('unknown', host, 'nova-compute')
        if not (unless_disabled and _is_disabled(ref)):
            self._leaving(ref, how, by)

    def _leaving(
        self, ref: model.ServiceRef, how: str, by: str | None = None
    ) -> None:
        # The last one, unless a client says who checks its requests.
        watchers = (*self.watchers.users, actor.current().checker)
        for watcher in list(filter(None, watchers))[-1:]:
            watcher.leaving(ref, how, by)


def _is_disabled(ref: model.ServiceRef) -> bool:
    try:
        return cells.read(ref).disabled
    except Exception:
        # It is checked, as if it were not.
        return False


def _is_being_deleted() -> bool:
    """Whether the API is serving a request to delete a service."""
    call = gate.current_call()
    return (
        call is not None
        and call.method == 'DELETE'
        and '/os-services/' in call.path
    )
