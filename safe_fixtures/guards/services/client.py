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

"""Services behind a client that is not watched at its records."""

from collections.abc import Callable, Mapping
import contextlib
import contextvars
import dataclasses
import functools
import inspect
import threading
from typing import Any

from oslo_utils import strutils
import wrapt

from safe_fixtures.guards.services import actor
from safe_fixtures.guards.services import lookup
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import patching

__all__ = ['ClientServices']

# The actions of the API before 2.53, and the status that each sets.
_ACTIONS = {
    'enable': 'enabled',
    'disable': 'disabled',
    'disable-log-reason': 'disabled',
    'force-down': None,
}


class ClientServices:
    """Services behind an object with get_services and put_service.

    What they are is listed when the first one is needed, and kept up with
    by what the client puts; a restore lists them again.

    :param client: the object.
    :param refuse: called before the client puts anything.
    :param records: the services of the Nova that the client talks to, if
        that is in this process: read and written there.
    """

    torn_down_by_test = False

    def __init__(
        self,
        client: Any,
        refuse: Callable[[], None],
        records: model.WatchedServices | None,
    ) -> None:
        self._client = client
        self.refuse = refuse
        self._records = records
        self._known: dict[model.ServiceRef, model.ServiceState] = {}
        self._by_name: dict[str, list[model.ServiceRef]] = {}

    def watch(self, watcher: model.Watcher) -> Callable[[], None]:
        """See ``_services.Services``."""
        self._watcher = watcher
        # One wrapper serves all who watch this client, in any order.
        put = vars(self._client).get('put_service')
        if not isinstance(put, _WatchedPut):
            put = _WatchedPut(self._client)
        put.add(self)
        return functools.partial(put.remove, self)

    def changing(self, service_id: Any, body: Mapping[str, Any]) -> Any:
        """Tell the watcher what is about to be put; returns a token."""
        try:
            ref = self.find(_named_by(service_id, body))
            before = self.read(ref)
        except LookupError:
            # The API says what is wrong with it.
            return None
        after = _applied(before, service_id, body)
        if after == before:
            return None
        return ref, after, self._watcher.changing(ref, before)

    def changed(self, token: Any) -> None:
        """Tell the watcher that it was put."""
        if token is not None:
            ref, after, watching = token
            self._known[ref] = after
            self._watcher.changed(watching, after)

    def judging(
        self, service_id: Any, body: Mapping[str, Any]
    ) -> contextlib.AbstractContextManager[None]:
        """Let the watcher judge what is put in a block."""
        if self._records is not None and self._records.is_watched:
            # There what the API does is told from what it refuses.
            return actor.judged_by(self._watcher)
        try:
            ref = self.find(_named_by(service_id, body))
            before = self.read(ref)
        except LookupError:
            return contextlib.nullcontext()
        how = model.taken_out(before, _applied(before, service_id, body))
        if how:
            self._watcher.leaving(ref, how, 'put_service')
        # Also where the API is in this process.
        return actor.judged(ref)

    def servers_on(
        self, ref: model.ServiceRef
    ) -> list[model.HostedServer] | None:
        if self._records is not None:
            return self._records.servers_on(ref)
        get_servers = getattr(self._client, 'get_servers', None)
        if get_servers is None:
            return None
        self.refuse()
        return [
            model.HostedServer(str(server['id']), server['status'])
            for server in get_servers(
                search_opts={'all_tenants': 1, 'host': ref.host}
            )
        ]

    def find(self, service: Any) -> model.ServiceRef:
        if self._records is not None:
            return self._records.find(service)
        names = [
            str(name)
            for name in lookup.identify(service).values()
            if name is not None
        ]
        matches = self._matches(names)
        if not matches:
            self._list()
            matches = self._matches(names)
        return lookup.pick_one(service, matches, self._known)

    def _matches(self, names: list[str]) -> list[model.ServiceRef]:
        # From the rarest name on: all have the same binary.
        found = sorted(
            (self._by_name.get(name, []) for name in names), key=len
        )
        return [
            ref
            for ref in (found[0] if found else ())
            if {ref.uuid, ref.host, ref.binary}.issuperset(names)
        ]

    def _list(self) -> None:
        self.refuse()
        self._known.clear()
        self._by_name.clear()
        for service in self._client.get_services():
            # A service in a cell that is down has no id and no state.
            if 'id' not in service:
                continue
            ref = model.ServiceRef(
                str(service['id']),
                service['host'],
                service.get('binary', 'nova-compute'),
                # As the client gave it: a number before 2.53.
                handle=service['id'],
            )
            self._known[ref] = _state_of(service)
            for name in (ref.uuid, ref.host, ref.binary):
                self._by_name.setdefault(name, []).append(ref)

    def read(self, ref: model.ServiceRef) -> model.ServiceState:
        if self._records is not None:
            return self._records.read(ref)
        return self._known[ref]

    def read_all(
        self, refs: list[model.ServiceRef]
    ) -> Mapping[model.ServiceRef, model.ServiceState | Exception]:
        if self._records is not None:
            return self._records.read_all(refs)
        self._list()
        gone = model.ServiceGone('the API does not list it any more')
        return {ref: self._known.get(ref, gone) for ref in refs}

    def write(
        self,
        ref: model.ServiceRef,
        state: model.ServiceState,
        timeout: float,
    ) -> str:
        if self._records is not None:
            return self._write_record(self._records, ref, state, timeout)
        body: dict[str, Any] = {}
        current = self._known[ref]
        if (current.disabled, current.disabled_reason) != (
            state.disabled,
            state.disabled_reason,
        ):
            body['status'] = state.status
            if state.disabled and state.disabled_reason:
                body['disabled_reason'] = state.disabled_reason
        if current.forced_down != state.forced_down:
            body['forced_down'] = state.forced_down
        if body:
            _bounded(timeout, self._client.put_service, ref.handle, body)
        return 'put_service'

    def _write_record(
        self,
        records: model.Services,
        ref: model.ServiceRef,
        state: model.ServiceState,
        timeout: float,
    ) -> str:
        # It does not go through put_service, where it would be seen.
        before = records.read(ref)
        if before == state:
            return records.write(ref, state, timeout)
        token = self._watcher.changing(ref, before)
        how = records.write(ref, state, timeout)
        self._watcher.changed(token, state)
        return how


class _WatchedPut(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """Stands in for the ``put_service`` of one client."""

    def __init__(self, client: Any) -> None:
        super().__init__(client.put_service, self._self_put)
        self._self_watching: list[ClientServices] = []
        self._self_client = client
        self._self_restore: Callable[[], None] | None = None

    def add(self, services: ClientServices) -> None:
        """Show *services* what is put from now on."""
        self._self_watching.append(services)
        if self._self_restore is None:
            self._self_restore = patching.patch_attribute(
                self._self_client, 'put_service', self
            )

    def remove(self, services: ClientServices) -> None:
        """Show it nothing more; the last one restores the client."""
        self._self_watching.remove(services)
        if not self._self_watching and self._self_restore is not None:
            self._self_restore()

    def _self_put(
        self, wrapped: Any, instance: Any, args: Any, kwargs: Any
    ) -> Any:
        watching = list(self._self_watching)
        for services in watching:
            services.refuse()
        bound = inspect.signature(wrapped).bind(*args, **kwargs)
        given = [*bound.args, *bound.kwargs.values(), None, None]
        service_id, body = given[:2]
        if not isinstance(body, Mapping):
            return wrapped(*args, **kwargs)
        with watching[-1].judging(service_id, body):
            tokens = [
                (services, services.changing(service_id, body))
                for services in watching
            ]
            result = wrapped(*args, **kwargs)
            for services, token in tokens:
                services.changed(token)
            return result


def _named_by(service_id: Any, body: Any) -> Any:
    """Return the service that a put is about, at any microversion."""
    if service_id in _ACTIONS and isinstance(body, Mapping):
        return {'host': body.get('host'), 'binary': body.get('binary')}
    return {'id': service_id}


def _applied(
    before: model.ServiceState, service_id: Any, body: Mapping[str, Any]
) -> model.ServiceState:
    status = body.get('status')
    if service_id in _ACTIONS:
        status = _ACTIONS[service_id]
    after = before
    if status is not None:
        disabled = status == 'disabled'
        after = dataclasses.replace(
            after,
            disabled=disabled,
            disabled_reason=body.get('disabled_reason') if disabled else None,
        )
    if 'forced_down' in body:
        after = dataclasses.replace(
            after, forced_down=strutils.bool_from_string(body['forced_down'])
        )
    return after


def _state_of(service: Mapping[str, Any]) -> model.ServiceState:
    return model.ServiceState(
        disabled=service.get('status') == 'disabled',
        disabled_reason=service.get('disabled_reason'),
        forced_down=bool(service.get('forced_down')),
    )


def _bounded(timeout: float, function: Callable[..., Any], *args: Any) -> None:
    """Call a function, and give up on it after *timeout* seconds.

    :raises: TimeoutError, or what the function raises.
    """
    outcome: list[BaseException | None] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            context.run(function, *args)
        except BaseException as error:
            outcome.append(error)
        else:
            outcome.append(None)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(timeout)
    if not outcome:
        raise TimeoutError(f'no answer within {timeout} seconds')
    if outcome[0] is not None:
        raise outcome[0]
