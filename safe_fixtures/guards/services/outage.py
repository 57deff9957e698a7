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

"""Measure for how long a compute is out of service with servers on it."""

import dataclasses
import time

from safe_fixtures.guards.services import model

__all__ = ['Moment', 'Outage']

# That a test replaces must not stop the clock.
_now = time.monotonic

# From where on requests are not kept; a test may poll for minutes.
_KEPT = 200


@dataclasses.dataclass(slots=True)
class Moment:
    """Something that happened in an outage.

    :ivar seconds: after the outage opened (float).
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


class Outage:
    """A time in which a compute is out of service with servers on it.

    :ivar service: which compute service (ServiceRef).
    :ivar servers: what was on it when it went (tuple of HostedServer).
    :ivar reason: why the test says that it is to be so; None if it does not
        (str or None).
    :ivar moments: what happened meanwhile, oldest first (list of Moment).
    :ivar dropped: how many moments were not kept (int).
    :ivar seconds: how long it lasted; None while it lasts (float or None).
    :ivar ended: what ended it; None while it lasts (str or None).
    """

    def __init__(
        self,
        service: model.ServiceRef,
        servers: tuple[model.HostedServer, ...],
        reason: str | None,
    ) -> None:
        self.service = service
        self.servers = servers
        self.reason = reason
        self.moments: list[Moment] = []
        self.dropped = 0
        self.seconds: float | None = None
        self.ended: str | None = None
        self._began = _now()

    def note(self, what: str, by: str | None = None) -> None:
        """Note what happens now."""
        last = self.moments[-1] if self.moments else None
        if last is not None and (last.what, last.by) == (what, by):
            last.times += 1
        elif by is not None or len(self.moments) < _KEPT:
            self.moments.append(Moment(_now() - self._began, what, by))
        else:
            self.dropped += 1

    def end(self, how: str) -> None:
        """End it."""
        self.seconds = _now() - self._began
        self.ended = how

    def __str__(self) -> str:
        reason = f', as declared: {self.reason}' if self.reason else ''
        lines = [
            f'{self.service} was out of service with '
            f'{model.counted(self.servers)} on it{reason}',
            *(f'  {moment}' for moment in self.moments),
        ]
        if self.dropped:
            lines.append(f'  and {self.dropped} more')
        if self.seconds is not None:
            lines.append(f'  +{self.seconds:.3f} s  {self.ended}')
        return '\n'.join(lines)
