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

"""What the service toggle and the places where services are agree on."""

from collections.abc import Callable, Mapping, Sized
import dataclasses
from typing import Any, Protocol


__all__ = [
    'HostedServer',
    'ServiceGone',
    'ServiceRef',
    'ServiceState',
    'ServiceUnreachable',
    'Services',
    'WatchedServices',
    'Watcher',
    'counted',
    'is_change',
    'taken_out',
]


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceState:
    """What a toggle changes of a service, and a restore gives back.

    :ivar disabled: whether the scheduler passes it over (bool).
    :ivar disabled_reason: why, as the record has it (str or None).
    :ivar forced_down: whether it counts as down (bool).
    """

    disabled: bool = False
    disabled_reason: str | None = None
    forced_down: bool = False

    @property
    def status(self) -> str:
        """``enabled`` or ``disabled``, as the API says it."""
        return 'disabled' if self.disabled else 'enabled'

    def __str__(self) -> str:
        reason = f' ({self.disabled_reason!r})' if self.disabled_reason else ''
        down = ', forced down' if self.forced_down else ''
        return f'{self.status}{reason}{down}'


@dataclasses.dataclass(frozen=True)
class ServiceRef:
    """One service record.

    :ivar uuid: its uuid, or its id where it has none (str).
    :ivar host: the host it runs on (str).
    :ivar binary: its binary, such as ``nova-compute`` (str).
    :ivar handle: what the backend needs to reach it again.
    """

    uuid: str
    host: str
    binary: str
    handle: Any = dataclasses.field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f'{self.binary} on {self.host}'


@dataclasses.dataclass(frozen=True, slots=True)
class HostedServer:
    """A server that is on a compute, or on its way to it.

    :ivar uuid: its uuid (str).
    :ivar state: its state, such as ``active`` (str).
    :ivar in_flight: whether it is still to be built there (bool).
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


class Watcher(Protocol):
    """Who is told of changes to services."""

    def changing(self, ref: ServiceRef, before: ServiceState) -> Any:
        """A service is about to change; returns a token for changed()."""

    def changed(self, token: Any, after: ServiceState) -> None:
        """The service has changed."""

    def leaving(self, ref: ServiceRef, how: str, by: str | None) -> None:
        """A compute service is about to be taken out of service.

        Of several watchers the last one is told, before ``changing``. What
        it raises prevents the change.

        :param how: such as ``forced down``; all but that and ``disabled``
            are no change of its state, and come about at once.
        :param by: what does it, where that is no request and no toggle.
        """

    def started(self, host: str, binary: str) -> None:
        """A service is being started."""


class Services(Protocol):
    """Where services are found, read, written and watched."""

    #: Whether a test tears it down before the fixtures that it used first.
    torn_down_by_test: bool

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell *watcher* of every change; returns what ends that."""

    def find(self, service: Any) -> ServiceRef:
        """Return the one service that is meant.

        :raises: LookupError that lists the candidates.
        """

    def servers_on(self, ref: ServiceRef) -> list[HostedServer] | None:
        """Return what is on a compute; None where that cannot be known."""

    def read(self, ref: ServiceRef) -> ServiceState:
        """Return its state.

        :raises: ServiceGone, ServiceUnreachable.
        """

    def read_all(
        self, refs: list[ServiceRef]
    ) -> Mapping[ServiceRef, ServiceState | Exception]:
        """Return the states of many at once; what read() raises, as value."""

    def write(
        self, ref: ServiceRef, state: ServiceState, timeout: float
    ) -> str:
        """Give it this state; returns how that was done."""


class WatchedServices(Services, Protocol):
    """Those whose changes are seen whoever makes them."""

    @property
    def is_watched(self) -> bool:
        """Whether anybody is told of changes."""


def taken_out(before: ServiceState, after: ServiceState) -> str:
    """Return how a change takes a service out of service, or nothing."""
    return ' and '.join(
        how
        for how, is_so in (
            ('disabled', after.disabled and not before.disabled),
            ('forced down', after.forced_down and not before.forced_down),
        )
        if is_so
    )


def is_change(how: str) -> bool:
    """Whether it is by a change of its state that a service is taken out.

    :param how: see ``Watcher.leaving``.
    """
    return how.startswith(('disabled', 'forced down'))


def counted(servers: Sized) -> str:
    """Return how many servers these are, in words."""
    return f'{len(servers)} server{"" if len(servers) == 1 else "s"}'
