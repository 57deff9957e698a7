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

"""The services of the Nova in this process, watched at their records."""

from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import functools
import gc
import inspect
from typing import Any
import weakref

from nova.compute import api as compute_api
from nova.compute import rpcapi
from nova.compute import vm_states
from nova.db.main import api as db
from nova.db.main import models
from nova import exception
from nova import objects
from nova import service as nova_service
from oslo_db import exception as db_exc
from oslo_log import log as logging

from safe_fixtures.core import gate
from safe_fixtures.guards import services
from safe_fixtures.nova import service_start
from safe_fixtures.nova.services import cells
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import stack as runtime_stack

__all__ = ['ServiceRecords']

LOG = logging.getLogger(__name__)


class ServiceRecords:
    """Finds, reads, writes and watches service records, in every cell."""

    # Services are started, and their records destroyed, within the test.
    torn_down_by_test = True

    def __init__(self) -> None:
        self._watchers: tuple[services.Watcher, ...] = ()
        self._patches = contextlib.ExitStack()
        # The host that each server was last sent to, to be built there.
        self._sent: dict[str, str] = {}
        self._started: Any = None
        self._unwatch_started: Callable[[], None] | None = None

    def watch(self, watcher: services.Watcher) -> Callable[[], None]:
        """See ``_services.Services``."""
        if not self._watchers:
            self._patch()
        self._watchers = (*self._watchers, watcher)

        def unwatch() -> None:
            self._watchers = tuple(
                other for other in self._watchers if other is not watcher
            )
            if not self._watchers:
                self._unpatch()
                self._forget_started()

        return unwatch

    @property
    def is_watched(self) -> bool:
        """See ``_services.Services``."""
        return bool(self._watchers)

    def note_started(self) -> Callable[[], None]:
        """Note each service as it is made, before there is any.

        :returns: a callable that ends it.
        """
        self._note_started(weakref.WeakSet())
        return self._forget_started

    def _patch(self) -> None:
        # Whatever changes a record ends here, with the prior state at hand.
        patches: tuple[tuple[Any, str, Callable[[Any], Any]], ...] = (
            (db, 'service_update', self._watched_update),
            (db, 'service_destroy', self._watched_destroy),
            (
                compute_api.AggregateAPI,
                'get_aggregates_by_host',
                self._watched_deletion,
            ),
            (
                rpcapi.ComputeAPI,
                'build_and_run_instance',
                self._watched_build,
            ),
            *(
                (
                    rpcapi.ComputeAPI,
                    name,
                    functools.partial(
                        self._watched_call, how, applies, follows
                    ),
                )
                for name, how, applies, follows in _CALLS
            ),
        )
        try:
            for target, name, watched in patches:
                self._patches.callback(
                    patching.patch_attribute(
                        target, name, watched(vars(target)[name])
                    )
                )
            self._patches.callback(
                service_start.STARTS.watch(_Following(self))
            )
        except BaseException:
            self._unpatch()
            raise

    def _unpatch(self) -> None:
        self._patches.pop_all().close()
        self._sent.clear()

    def _watched_update(self, original: Callable[..., Any]) -> Any:

        @functools.wraps(original)
        def service_update(context: Any, service_id: int, values: Any) -> Any:
            if not any(field in values for field in cells.FIELDS):
                return original(context, service_id, values)
            record = db.service_get(context, service_id)
            before = cells.state_of(record)
            if all(
                getattr(before, field) == values.get(field, before_value)
                for field, before_value in cells.items_of(before)
            ):
                return original(context, service_id, values)
            ref = cells.ref_of(record, db.get_context_manager(context))
            how = services.taken_out(
                before,
                dataclasses.replace(
                    before,
                    **{
                        name: values[name]
                        for name in cells.FIELDS
                        if name in values
                    },
                ),
            )
            if how:
                self.leaving(ref, how)
            tokens = [
                (watcher, watcher.changing(ref, before))
                for watcher in self._watchers
            ]
            updated = original(context, service_id, values)
            after = cells.state_of(updated)
            for watcher, token in tokens:
                watcher.changed(token, after)
            return updated

        return service_update

    def _watched_destroy(self, original: Callable[..., Any]) -> Any:
        @functools.wraps(original)
        def service_destroy(context: Any, service_id: int) -> Any:
            # What a test is done with, its fixtures destroy.
            if _is_being_deleted() or runtime_stack.in_cleanup():
                return original(context, service_id)
            record = db.service_get(context, service_id)
            self.leaving(
                cells.ref_of(record, db.get_context_manager(context)),
                'deleted',
                'Service.destroy',
            )
            return original(context, service_id)

        return service_destroy

    def _watched_deletion(self, original: Callable[..., Any]) -> Any:

        @functools.wraps(original)
        def get_aggregates_by_host(
            api: Any, context: Any, compute_host: Any
        ) -> Any:
            # The API asks this when it has refused what it refuses, and
            # has not deleted anything yet; the record goes last.
            if _is_being_deleted():
                ref = self.compute(compute_host, compute_host)
                if ref is not None:
                    self.leaving(ref, 'deleted')
            return original(api, context, compute_host)

        return get_aggregates_by_host

    def _watched_call(
        self,
        how: str,
        applies: Callable[[Mapping[str, Any]], bool],
        follows: bool,
        original: Callable[..., Any],
    ) -> Any:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            host = None
            # What a test has put in its place may take something else.
            with contextlib.suppress(KeyError, TypeError):
                given = signature.bind(*args, **kwargs).arguments
                host = given['host'] if applies(given) else None
            ref = None if host is None else self.compute(host, host)
            if ref is not None and not (follows and self._is_disabled(ref)):
                self.leaving(ref, how)
            return original(*args, **kwargs)

        return call

    def _watched_build(self, original: Callable[..., Any]) -> Any:
        @functools.wraps(original)
        def build_and_run_instance(
            api: Any,
            context: Any,
            instance: Any,
            host: Any,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            self._sent[instance.uuid] = host
            return original(api, context, instance, host, *args, **kwargs)

        return build_and_run_instance

    def compute(self, service: Any, host: str) -> services.ServiceRef | None:
        """Return which compute is about to be taken out of service.

        :param service: see :meth:`find`.
        :returns: None if it has no record; where that cannot be asked for,
            one of which nobody knows what is on it.
        """
        try:
            return self.find(service)
        except LookupError:
            return None
        except Exception:
            # What is done to it may ask nothing of a database.
            return services.ServiceRef('unknown', host, 'nova-compute')

    def _is_disabled(self, ref: services.ServiceRef) -> bool:
        try:
            return self.read(ref).disabled
        except Exception:
            # It is judged as if it were not.
            return False

    def leaving(
        self, ref: services.ServiceRef, how: str, by: str | None = None
    ) -> None:
        """Tell of a service that is about to be taken out of service."""
        watcher = services.judge() or next(reversed(self._watchers), None)
        if watcher is not None:
            watcher.leaving(ref, how, by)

    def started(self, host: str, binary: str) -> None:
        """Tell of a service that is being started."""
        for watcher in self._watchers:
            watcher.started(host, binary)

    def servers_on(
        self, ref: services.ServiceRef
    ) -> list[services.HostedServer] | None:
        """See ``_services.Services``."""
        if ref.handle is None or not ref.handle.is_started:
            return None
        # Others may be sent meanwhile.
        sent = [
            uuid for uuid, host in list(self._sent.items()) if host == ref.host
        ]
        server = models.Instance
        with ref.handle.reader.using(
            cells.cell_context(ref.handle)
        ) as session:
            # Of each only that: to load them whole takes milliseconds.
            rows = session.query(
                server.uuid, server.vm_state, server.host
            ).filter(
                server.deleted == 0,
                (server.host == ref.host) | server.uuid.in_(sent),
            )
            return [
                services.HostedServer(uuid, state, in_flight=host is None)
                for uuid, state, host in rows
                # From when the compute has claimed it, it is on it; one that
                # failed before that is on none.
                if host == ref.host
                or (host is None and state == vm_states.BUILDING)
            ]

    def find(self, service: Any) -> services.ServiceRef:
        """See ``_services.Services``."""
        known = services.identify(service)
        matches = []
        for manager in cells.cells_of(known['host']):
            context = cells.cell_context(manager)
            for record in cells.candidates(context, known):
                ref = cells.ref_of(record, manager)
                if ref not in matches and all(
                    value is None or getattr(ref, name) == value
                    for name, value in known.items()
                ):
                    matches.append(ref)
        if len(matches) == 1:
            return matches[0]
        return services.pick_one(service, matches, cells.all_computes())

    def read(self, ref: services.ServiceRef) -> services.ServiceState:
        """See ``_services.Services``."""
        if not ref.handle.is_started:
            # To ask would start the database anew, for all that follow.
            raise services.ServiceUnreachable('its database is closed')
        context = cells.cell_context(ref.handle)
        try:
            return cells.state_of(db.service_get_by_uuid(context, ref.uuid))
        except exception.ServiceNotFound:
            raise services.ServiceGone('the record is gone') from None
        except db_exc.DBError as error:
            raise services.ServiceUnreachable(
                f'its cell does not answer ({type(error).__name__})'
            ) from error

    def read_all(
        self, refs: list[services.ServiceRef]
    ) -> Mapping[services.ServiceRef, services.ServiceState | Exception]:
        """See ``_services.Services``."""
        states: dict[
            services.ServiceRef, services.ServiceState | Exception
        ] = {}
        for ref in refs:
            try:
                states[ref] = self.read(ref)
            except Exception as error:
                states[ref] = error
        return states

    def write(
        self,
        ref: services.ServiceRef,
        state: services.ServiceState,
        timeout: float,
    ) -> str:
        """See ``_services.Services``.

        The record is saved, as the API saves it, and a compute that is
        running is told, as the API tells it, so that the trait
        COMPUTE_STATUS_DISABLED of its resource providers follows. One that
        is stopped is not asked: it would not answer.
        """
        context = cells.cell_context(ref.handle)
        record = objects.Service.get_by_uuid(context, ref.uuid)
        changed = record.disabled != state.disabled
        # While it counted as down it was told nothing.
        lifted = record.forced_down and not state.forced_down
        for field, value in cells.items_of(state):
            setattr(record, field, value)
        record.save()
        if ref.binary != 'nova-compute' or not (changed or lifted):
            return 'record'
        if state.forced_down or not self._is_running(ref):
            missed = '; its compute is down and was not told'
            return f'record{missed if changed else ""}'
        try:
            cells.tell_compute(context, ref.host, not state.disabled, timeout)
        except Exception as error:
            LOG.warning('The trait of %s was not synchronized', ref)
            return f'record; its compute did not follow ({error})'
        return 'record and compute'

    def _is_running(self, ref: services.ServiceRef) -> bool:
        """Whether a compute of this process serves that record now."""
        return any(
            service.host == ref.host
            and service.binary == ref.binary
            and getattr(service.rpcserver, '_started', False)
            for service in list(self._services_of_nova())
        )

    def _services_of_nova(self) -> Any:
        """Return the services there are in this process.

        Nothing in Nova knows those that a test has started, and asking one
        that was stopped hangs. Where they were not noted as they were made,
        they are looked up among all objects: tens of milliseconds, where a
        status is first given back, and from then on they are noted.
        """
        if self._started is not None:
            return self._started
        found = weakref.WeakSet(
            referrer
            for referrer in gc.get_referrers(nova_service.Service)
            if type(referrer) is nova_service.Service
        )
        if self._watchers:
            self._note_started(found)
        return found

    def _note_started(self, found: Any) -> None:
        if self._started is not None:
            return
        self._started = found
        self._unwatch_started = service_start.STARTS.watch(_Noting(found))

    def _forget_started(self) -> None:
        if self._unwatch_started is not None:
            self._unwatch_started()
            self._started = self._unwatch_started = None


class _Noting:
    """Notes services as they are started."""

    def __init__(self, found: Any) -> None:
        self._found = found

    def permit(self, service: Any, binary: str, host: str) -> None:
        """See ``service_start.Watcher``."""

    def starting(self, service: Any, binary: str, host: str) -> None:
        """See ``service_start.Watcher``."""
        self._found.add(service)

    def stopping(self, service: Any, binary: str, host: str) -> None:
        """See ``service_start.Watcher``."""

    def started(self, *_: Any) -> None:
        """See ``service_start.Watcher``."""


class _Following:
    """Tells of computes as they are stopped and started again."""

    def __init__(self, records: ServiceRecords) -> None:
        self._records = records

    def permit(self, service: Any, binary: str, host: str) -> None:
        """See ``service_start.Watcher``."""

    def starting(self, service: Any, binary: str, host: str) -> None:
        """See ``service_start.Watcher``."""
        self._records.started(host, binary)

    def stopping(self, service: Any, binary: str, host: str) -> None:
        """See ``service_start.Watcher``."""
        if binary != 'nova-compute' or runtime_stack.in_cleanup():
            return
        ref = self._records.compute(service, host)
        if ref is not None:
            self._records.leaving(ref, 'stopped', 'Service.stop')

    def started(self, *_: Any) -> None:
        """See ``service_start.Watcher``."""


def _is_being_deleted() -> bool:
    """Whether the API is serving a request to delete a service."""
    call = gate.current_call()
    return (
        call is not None
        and call.method == 'DELETE'
        and '/os-services/' in call.path
    )


# What takes a compute out of service and leaves its record as it is: the
# method of ComputeAPI, how, with what arguments, and whether the API also
# calls it after the record was disabled, which was judged then.
_CALLS: tuple[
    tuple[str, str, Callable[[Mapping[str, Any]], bool], bool], ...
] = (
    (
        'set_host_enabled',
        'closed to new servers',
        lambda given: not given['enabled'],
        True,
    ),
    (
        'host_maintenance_mode',
        'put into maintenance',
        lambda given: bool(given['mode']),
        False,
    ),
    (
        'host_power_action',
        'shut down or rebooted',
        lambda given: given['action'] != 'startup',
        False,
    ),
)
