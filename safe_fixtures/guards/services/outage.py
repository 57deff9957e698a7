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

"""A time in which a compute is out of service with servers on it."""

from collections.abc import Sized
import dataclasses
import re

from safe_fixtures.core import gate
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import clock

__all__ = ['Moment', 'Outage', 'asked', 'counted']

# More requests than these are only counted: a test may poll for minutes.
_KEPT = 200
_ACT = re.compile(r'[\w-]{1,40}', re.ASCII)


@dataclasses.dataclass(slots=True)
class Moment:
    """Something that happened during an outage.

    :ivar seconds: when, counted from the start of the outage (float).
    :ivar what: what happened, such as ``forced down`` (str).
    :ivar by: what did it and where it was called; None for a request (str).
    :ivar times: how often it happened in a row (int).
    """

    seconds: float
    what: str
    by: str | None = None
    times: int = 1

    def __str__(self) -> str:
        by = f' by {self.by}' if self.by else ''
        times = f' ({self.times} times)' if self.times > 1 else ''
        return f'+{self.seconds:.3f} s  {self.what}{times}{by}'


@dataclasses.dataclass(eq=False)
class Outage:
    """A time in which a compute is out of service with servers on it.

    :ivar service: which compute service (ServiceRef).
    :ivar servers: the servers on it when it started (tuple of HostedServer).
    :ivar reason: why the test declares or waives it; None if it does neither
        (str or None).
    :ivar moments: what happened meanwhile, oldest first (list of Moment).
    :ivar dropped: how many moments were not kept (int).
    :ivar seconds: how long it lasted; None while it lasts (float or None).
    :ivar ended: what ended it; None while it lasts (str or None).
    """

    service: model.ServiceRef
    servers: tuple[model.HostedServer, ...]
    reason: str | None
    moments: list[Moment] = dataclasses.field(default_factory=list)
    dropped: int = 0
    seconds: float | None = None
    ended: str | None = None
    _began: float = dataclasses.field(
        default_factory=clock.monotonic, repr=False
    )
    # What has to change to end it.
    _state: model.ServiceState = model.ServiceState()
    _running: bool = True
    # Whether a request may have taken servers away.
    _emptying: bool = False

    def note(self, what: str, by: str | None = None) -> None:
        """Note what happens now."""
        last = self.moments[-1] if self.moments else None
        if last is not None and (last.what, last.by) == (what, by):
            last.times += 1
        elif by is not None or len(self.moments) < _KEPT:
            self.moments.append(
                Moment(clock.monotonic() - self._began, what, by)
            )
        else:
            self.dropped += 1

    def end(self, how: str) -> None:
        """End the outage."""
        self.seconds = clock.monotonic() - self._began
        self.ended = how

    def __str__(self) -> str:
        reason = f', as declared: {self.reason}' if self.reason else ''
        lines = [
            f'{self.service} was out of service with '
            f'{counted(self.servers)} on it{reason}',
            *(f'  {moment}' for moment in self.moments),
        ]
        if self.dropped:
            lines.append(f'  and {self.dropped} more')
        if self.seconds is not None:
            lines.append(f'  +{self.seconds:.3f} s  {self.ended}')
        return '\n'.join(lines)


def asked(call: gate.ApiCall) -> str:
    """Return what a request asks of a server, such as `` (evacuate)``."""
    if call.method != 'POST' or not call.path.endswith('/action'):
        return ''
    names = list(call.body) if isinstance(call.body, dict) else []
    is_name = len(names) == 1 and _ACT.fullmatch(names[0])
    return f' ({names[0]})' if is_name else ''


def counted(servers: Sized) -> str:
    """Return a number of servers in words, such as ``2 servers``."""
    return f'{len(servers)} server{"" if len(servers) == 1 else "s"}'
