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

"""Types shared by the service toggle and its backends."""

from collections.abc import Callable, Collection, Mapping
import dataclasses
from types import CodeType
from typing import Any, Protocol, TypeAlias

__all__ = [
    'HostedServer',
    'ServiceGone',
    'ServiceRef',
    'ServiceState',
    'ServiceUnreachable',
    'Services',
    'Shared',
    'States',
    'WatchedServices',
    'Watcher',
    'taken_out',
]


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceState:
    """The state of a service that a toggle changes and a restore restores.

    :ivar disabled: whether the scheduler skips the service (bool).
    :ivar disabled_reason: why, as the record says (str or None).
    :ivar forced_down: whether the service counts as down (bool).
    """

    disabled: bool = False
    disabled_reason: str | None = None
    forced_down: bool = False

    @property
    def status(self) -> str:
        """``enabled`` or ``disabled``, as the API calls it."""
        return 'disabled' if self.disabled else 'enabled'

    def __str__(self) -> str:
        reason = f' ({self.disabled_reason!r})' if self.disabled_reason else ''
        down = ', forced down' if self.forced_down else ''
        return f'{self.status}{reason}{down}'


@dataclasses.dataclass(frozen=True)
class ServiceRef:
    """One service record.

    :ivar uuid: its uuid, or its id if it has no uuid (str).
    :ivar host: the host it runs on (str).
    :ivar binary: its binary, such as ``nova-compute`` (str).
    :ivar handle: what the backend needs to find the record again.
    """

    uuid: str
    host: str
    binary: str
    handle: Any = dataclasses.field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f'{self.binary} on {self.host}'


@dataclasses.dataclass(frozen=True, slots=True)
class HostedServer:
    """A server that is on a compute, or is being scheduled to it.

    :ivar uuid: its uuid (str).
    :ivar state: its state, such as ``active`` (str).
    :ivar in_flight: whether the compute has still to build it (bool).
    """

    uuid: str
    state: str
    in_flight: bool = False

    def __str__(self) -> str:
        in_flight = ', in flight' if self.in_flight else ''
        return f'{self.uuid} ({self.state}{in_flight})'


class ServiceGone(LookupError):
    """The record does not exist any more."""


class ServiceUnreachable(LookupError):
    """The record is in a cell that does not answer."""


#: The state of each service, or what read() raises for it.
States: TypeAlias = Mapping[ServiceRef, ServiceState | Exception]


class Watcher(Protocol):
    """Sees every change to a service."""

    def changing(
        self, ref: ServiceRef, before: ServiceState
    ) -> Callable[[ServiceState], None]:
        """See a service that is about to change.

        :returns: to be called with the state after the change.
        """

    def leaving(self, ref: ServiceRef, how: str, by: str | None) -> None:
        """Check a compute that is about to go out of service.

        It is called before :meth:`changing`, and of several watchers only
        the last one is called. What it raises prevents the change.

        :param how: such as ``forced down``. ``disabled`` and ``forced down``
            are changes of the state, and :meth:`changing` follows. Anything
            else happens at once.
        :param by: what does it, if neither a request nor the toggle.
        """

    def started(self, host: str, binary: str) -> None:
        """See a service that is being started."""

    def created(self, ref: ServiceRef, state: ServiceState) -> None:
        """See the record of a new service."""

    def deleted(self, ref: ServiceRef, state: ServiceState) -> None:
        """See a service whose record has gone, and its last state."""


class Services(Protocol):
    """Where services are found, read, written and watched."""

    #: Whether a test tears the services down before the fixtures it used
    #: first.
    torn_down_by_test: bool

    #: The code of the project's own helpers that restart a compute. They
    #: may do so with servers on it.
    restarts: Collection[CodeType]

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Show every change to *watcher*.

        :returns: a callable that ends it.
        """

    def snapshot(self) -> Mapping[ServiceRef, ServiceState]:
        """Return the state of every service, where changes may be missed.

        Changes that a watcher does not see are found by two of them.
        """

    def find(self, service: Any) -> ServiceRef:
        """Return the one service that is meant.

        :raises: LookupError that lists the candidates.
        """

    def servers_on(self, ref: ServiceRef) -> list[HostedServer] | None:
        """Return the servers on a compute; None if that is unknown."""

    def read(self, ref: ServiceRef) -> ServiceState:
        """Return the state of a service.

        :raises: ServiceGone, ServiceUnreachable.
        """

    def read_all(self, refs: list[ServiceRef]) -> States:
        """Return the state of each service, or what read() raises for it."""

    def write(
        self, ref: ServiceRef, state: ServiceState, timeout: float
    ) -> str:
        """Change the state of a service.

        :param timeout: how long to wait for an answer (seconds).
        :returns: how it was done, for the ledger.
        """


class Shared(Protocol):
    """Services that others may change while a test has them changed."""

    def left_alone(self, ref: ServiceRef, found: ServiceState) -> str | None:
        """Return why a service must not be restored; None if it may be."""

    def concluded(
        self, ref: ServiceRef, actual: ServiceState | Exception
    ) -> None:
        """Know what a service is after a restore was tried."""


class WatchedServices(Services, Protocol):
    """Services whose every change is seen, whoever makes it."""

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches them."""


def taken_out(before: ServiceState, after: ServiceState) -> str:
    """Return how a change takes a service out of service, such as
    ``disabled``; empty if it does not.
    """
    return ' and '.join(
        how
        for how, is_so in (
            ('disabled', after.disabled and not before.disabled),
            ('forced down', after.forced_down and not before.forced_down),
        )
        if is_so
    )
