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

"""The services behind a client, read and written by requests."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import contextvars
import logging
from typing import Any, TypeVar

from safe_fixtures import conf
from safe_fixtures.guards.services import actor
from safe_fixtures.guards.services import changes
from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services import lookup
from safe_fixtures.guards.services import model
from safe_fixtures.guards.services import retry
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import files

__all__ = ['HOW', 'RemoteServices', 'asking', 'is_asking']

LOG = logging.getLogger(__name__)
_Result = TypeVar('_Result')

#: How a service is changed, for the ledger.
HOW = 'API'
_TRAIT = 'COMPUTE_STATUS_DISABLED'
# Seconds between two looks at the trait of a compute.
_PAUSE = 0.5
# Whether this package asks the API for something.
_asking = contextvars.ContextVar('safe_fixtures_asking', default=False)


def is_asking() -> bool:
    """Whether the request that is being sent is this package's own."""
    return _asking.get()


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Send requests that are not the test's, in the block."""
    token = _asking.set(True)
    try:
        yield
    finally:
        _asking.reset(token)


class RemoteServices:
    """The services behind a client.

    A restore keeps trying while the API is away. Everything else fails at
    once.

    :param api: the compute API.
    :param settings: those of the guard.
    :param refuse: refuses an endpoint that is no test endpoint.
    """

    def __init__(
        self,
        api: clients.Api,
        settings: conf.Settings,
        refuse: Callable[[], None],
    ) -> None:
        self._api = api
        self._settings = settings
        self._refuse = refuse
        self._patience = self._new_patience()
        self._restore_now: actor.Actor | None = None
        # The last state of each service that was read or written.
        self._known: dict[model.ServiceRef, model.ServiceState] = {}
        # Host and binary of the services whose cell does not answer.
        self._silent: set[tuple[str, str]] = set()

    def find(self, service: Any) -> model.ServiceRef:
        """Find a service in a new listing, which has its state, too."""
        known = lookup.identify(service)
        one = self._known_as(known.uuid)
        listed = self._list(known.host or (one.host if one else None))
        matches = list(filter(known.fits, listed))
        return lookup.pick_one(service, matches, matches or self._list())

    def _known_as(self, uuid: str | None) -> model.ServiceRef | None:
        """Return the service with a UUID, if it was listed before."""
        return next((ref for ref in self._known if ref.uuid == uuid), None)

    def servers_on(
        self, ref: model.ServiceRef
    ) -> list[model.HostedServer] | None:
        """Ask the API for the servers."""
        with self._reading():
            return self._api.servers_on(
                ref.host, self._settings.restore_timeout
            )

    def read(self, ref: model.ServiceRef) -> model.ServiceState:
        """Ask the API for the state of a service."""
        state = self._state_in(self._list(ref.host), ref)
        if isinstance(state, Exception):
            raise state
        return state

    def read_all(self, refs: list[model.ServiceRef]) -> model.States:
        """List the services once; a restore waits for their cells, too."""
        hosts = {ref.host for ref in refs}
        host = hosts.pop() if len(hosts) == 1 else None
        found: dict[model.ServiceRef, model.ServiceState | Exception] = {}

        def read() -> None:
            found.clear()
            listed = self._list(host)
            found.update({ref: self._state_in(listed, ref) for ref in refs})
            for state in found.values():
                if isinstance(state, clients.ApiUnreachable):
                    raise state

        try:
            self._patiently('listing services', read)
        except clients.ApiUnreachable:
            # The others can be restored all the same.
            if not found:
                raise
        return found

    def left_alone(
        self, ref: model.ServiceRef, found: model.ServiceState
    ) -> str | None:
        """Return why a service must not be restored; None if it may be."""
        raise NotImplementedError

    def _restore(
        self, ref: model.ServiceRef, state: model.ServiceState, timeout: float
    ) -> str:
        """Put a state until it is there.

        :returns: how, for the ledger.
        """
        tried = False
        untold: Exception | None = None

        def put() -> str:
            nonlocal tried, untold
            current = self.read(ref) if tried else self._known[ref]
            if current == state:
                if untold is None:
                    return HOW
                return self._untold(ref, state.disabled, untold)
            why = self.left_alone(ref, current) if tried else None
            if why:
                return f'not restored: {why}'
            tried = True
            try:
                self._put(ref, current, state, timeout)
            except (TimeoutError, clients.ApiError) as error:
                if isinstance(error, TimeoutError) or error.status >= 500:
                    untold = error
                raise
            return HOW

        return self._patiently(f'restoring {ref}', put)

    def _untold(
        self, ref: model.ServiceRef, disabled: bool, why: Exception
    ) -> str:
        """Return how a service is restored whose compute did not answer.

        :param disabled: whether the compute should have the trait that says
            so.
        """
        told = f'record; its compute was not told ({why})'
        began = clock.monotonic()
        while True:
            try:
                with self._reading():
                    traits = self._api.traits(
                        ref.host, self._settings.restore_timeout
                    )
            except Exception as error:
                traits, told = None, f'{told}; its traits: {error}'
            if traits is None or (_TRAIT in traits) == disabled:
                break
            if clock.monotonic() - began > self._settings.restore_timeout:
                has = 'has no' if disabled else 'still has the'
                told = f'{told}; it {has} trait {_TRAIT}'
                break
            files.pause(_PAUSE)
        LOG.warning('%s is restored: %s', ref, told)
        return told

    def _patiently(
        self, what: str, operation: Callable[[], _Result]
    ) -> _Result:
        now = actor.current()
        if not now.restoring:
            return operation()
        if now is not self._restore_now:
            # Each restore has a deadline of its own.
            self._restore_now = now
            self._patience = self._new_patience()
        return self._patience.keep_trying(what, operation)

    def _new_patience(self) -> retry.Patience:
        return retry.Patience(self._api, self._settings.restore_deadline)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        self._refuse()
        with asking():
            yield

    def _list(
        self, host: str | None = None
    ) -> dict[model.ServiceRef, model.ServiceState]:
        with self._reading():
            found = self._api.list_services(
                self._settings.restore_timeout, host=host
            )
        return self.know(found)

    def know(
        self, found: list[clients.Listed]
    ) -> dict[model.ServiceRef, model.ServiceState]:
        """Take in a listing; return the state of each service in it."""
        listed = {ref: state for ref, state in found if state is not None}
        self._known.update(listed)
        self._silent = {
            (ref.host, ref.binary) for ref, state in found if state is None
        }
        return listed

    def _state_in(
        self,
        listed: Mapping[model.ServiceRef, model.ServiceState],
        ref: model.ServiceRef,
    ) -> model.ServiceState | Exception:
        """Return the state of a service in the last listing, or why not."""
        if ref in listed:
            return listed[ref]
        if (ref.host, ref.binary) in self._silent:
            return clients.ApiUnreachable('its cell does not answer')
        return model.ServiceGone('the API does not list it any more')

    def _put(
        self,
        ref: model.ServiceRef,
        current: model.ServiceState,
        state: model.ServiceState,
        timeout: float,
    ) -> None:
        body = changes.body_for(current, state)
        if body:
            self._api.put_service(ref.handle, body, timeout)
