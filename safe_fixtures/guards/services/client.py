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

"""The services behind a client of the API."""

from collections.abc import Callable, Mapping
import contextlib
from typing import Any

from oslo_utils import strutils
from safe_fixtures import exceptions
from safe_fixtures.guards.services import actor
from safe_fixtures.guards.services import bounded
from safe_fixtures.guards.services import changes
from safe_fixtures.guards.services import lookup
from safe_fixtures.guards.services import model
from safe_fixtures.guards.services import puts
from safe_fixtures.runtime import values

__all__ = ['ClientServices']


class ClientServices:
    """The services behind an object with get_services and put_service.

    They are listed when the first one is needed, and then kept up to date
    with what the client puts. A restore lists them again.

    :param client: the object.
    :param refuse: called before the client sends anything.
    :param records: the services of the Nova that the client talks to, if it
        is in this process: they are read and written there.
    :raises: ConfigurationError if the client cannot be watched.
    """

    torn_down_by_test = False

    def __init__(
        self,
        client: Any,
        refuse: Callable[[], None],
        records: model.WatchedServices | None,
    ) -> None:
        _check(client)
        self._client = client
        self.refuse = refuse
        self._records = records
        self._known: dict[model.ServiceRef, model.ServiceState] = {}
        # A restart of a compute stops it; it puts nothing.
        self.restarts = () if records is None else records.restarts

    def watch(self, watcher: model.Watcher) -> Callable[[], None]:
        """Show *watcher* what the client puts; see ``Services``."""
        self._watcher = watcher
        return puts.watch(self._client, self)

    def snapshot(self) -> Mapping[model.ServiceRef, model.ServiceState]:
        """Return nothing, as this is about what the client puts."""
        return {}

    def planned(
        self, service_id: Any, body: Mapping[str, Any]
    ) -> changes.Planned | None:
        """Return what a put would change; None if the service is unknown."""
        change = changes.of_put(service_id, body)
        try:
            ref = self.find(change.service)
            before = self.read(ref)
        except LookupError:
            # The API answers with an error.
            return None
        return changes.Planned(ref, before, change.applied(before))

    def checking(
        self, service_id: Any, body: Mapping[str, Any]
    ) -> contextlib.AbstractContextManager[None]:
        """Check the order of a put, and act as the client in the block."""
        if self._records is not None and self._records.is_watched:
            # It is checked at the record, when the API accepts the put.
            return actor.acting(checker=self._watcher)
        change = self.planned(service_id, body)
        if change is None:
            return contextlib.nullcontext()
        how = model.taken_out(change.before, change.after)
        if how:
            self._watcher.leaving(change.ref, how, 'put_service')
        # The API may be in this process all the same.
        return actor.acting(checked=[change.ref])

    def changing(self, change: changes.Planned | None) -> Callable[[], None]:
        """Show the watcher what is about to be put.

        :returns: to be called after the put.
        """
        if change is None or change.after == change.before:
            return lambda: None
        ref, before, after = change
        noted = self._watcher.changing(ref, before)

        def changed() -> None:
            self._known[ref] = after
            noted(after)

        return changed

    def find(self, service: Any) -> model.ServiceRef:
        """Find a service, among the known ones first; see ``Services``."""
        if self._records is not None:
            return self._records.find(service)
        known = lookup.identify(service)
        if not any(map(known.fits, self._known)):
            self._list()
        matches = list(filter(known.fits, self._known))
        return lookup.pick_one(service, matches, self._known)

    def _list(self) -> None:
        self.refuse()
        self._known.clear()
        for service in self._client.get_services():
            # A service in a cell that is down has no id and no state.
            if 'id' not in service:
                continue
            ref = model.ServiceRef(
                str(values.plain(service['id'])),
                values.plain(service['host']),
                values.plain(service.get('binary', 'nova-compute')),
                # As the client gave it: a number before 2.53.
                handle=service['id'],
            )
            self._known[ref] = model.ServiceState(
                disabled=values.plain(service.get('status')) == 'disabled',
                disabled_reason=values.plain(service.get('disabled_reason')),
                forced_down=strutils.bool_from_string(
                    values.plain(service.get('forced_down'))
                ),
            )

    def servers_on(
        self, ref: model.ServiceRef
    ) -> list[model.HostedServer] | None:
        """Ask the client for the servers; see ``Services``."""
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

    def read(self, ref: model.ServiceRef) -> model.ServiceState:
        """Return the last known state; see ``Services``."""
        if self._records is not None:
            return self._records.read(ref)
        return self._known[ref]

    def read_all(self, refs: list[model.ServiceRef]) -> model.States:
        """List the services again; see ``Services``."""
        if self._records is not None:
            return self._records.read_all(refs)
        self._list()
        gone = model.ServiceGone('the API does not list it any more')
        return {ref: self._known.get(ref, gone) for ref in refs}

    def write(
        self, ref: model.ServiceRef, state: model.ServiceState, timeout: float
    ) -> str:
        """Put what differs; see ``Services``."""
        current = self.read(ref)
        if self._records is not None:
            # The put of the client does not see this.
            changed = self.changing(changes.Planned(ref, current, state))
            how = self._records.write(ref, state, timeout)
            changed()
            return how
        body = changes.body_for(current, state)
        if body:
            bounded.call(timeout, self._client.put_service, ref.handle, body)
        return 'put_service'


def _check(client: Any) -> None:
    for name in ('get_services', 'put_service'):
        if not callable(getattr(client, name, None)):
            raise exceptions.ConfigurationError(
                'SafeServiceToggle api', client, f'it must have {name}()'
            )
    if not hasattr(client, '__dict__') or isinstance(
        getattr(type(client), 'put_service', None), property
    ):
        raise exceptions.ConfigurationError(
            'SafeServiceToggle api',
            client,
            'the put_service of the instance must be replaceable',
        )
