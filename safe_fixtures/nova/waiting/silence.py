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

"""Let a service that has stopped be silent for longer, without waiting.

Nova sees a service as down some time after its last heartbeat. A test that
stops one waits for that: half a minute, in which nothing else happens.
"""

from collections.abc import Callable
import datetime
from typing import Any

from nova.servicegroup.drivers import db

from safe_fixtures.nova import service_start
from safe_fixtures.nova.waiting import changes
from safe_fixtures.runtime import patching

__all__ = ['Silence']

# Seconds. A heartbeat that was under way when a service stopped has arrived.
_ARRIVED = 0.4


class Silence:
    """The time that was skipped for services that have stopped.

    Whoever asks whether such a service is up gets the answer for that much
    later. The next heartbeat of the service ends it. No record is changed.
    """

    def __init__(self) -> None:
        # By binary and host: the last heartbeat, and when it was first seen.
        self._last: dict[Any, tuple[datetime.datetime, float]] = {}
        # When, for how long, and which services did report.
        self._skipped: list[
            tuple[datetime.datetime, datetime.timedelta, set[Any]]
        ] = []

    def watch(self) -> Callable[[], None]:
        """Start to look at heartbeats; return a callable that ends it."""
        return patching.patch_attributes(
            [patching.wrapped_attribute(db.DbDriver, 'is_up', self._is_up)]
        )

    def skip(self, binary: str, host: str, seconds: float) -> bool:
        """Let a service be silent for longer, if it has stopped.

        :param binary: such as ``nova-compute``.
        :param host: its host.
        :param seconds: how much longer (float).
        :returns: whether it has stopped, and the time was skipped.
        """
        last, since = self._last.get((binary, host), (None, 0.0))
        reporting = service_start.STARTS.reporting()
        if (
            last is None
            or changes.now() - since < _ARRIVED
            or reporting.get((binary, host), True)
        ):
            return False
        self._skipped.append(
            (
                # Of the clock of heartbeats.
                db.timeutils.utcnow(),
                datetime.timedelta(seconds=seconds),
                {each for each, reports in reporting.items() if reports},
            )
        )
        return True

    def _is_up(
        self, wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any
    ) -> Any:
        if kwargs or len(args) != 1:
            return wrapped(*args, **kwargs)
        service = args[0]
        # As stock looks for it.
        last = service.get('last_seen_up') or service['created_at']
        if not isinstance(last, datetime.datetime):
            return wrapped(service)
        last = last.replace(tzinfo=None)
        key = service.get('binary'), service.get('host')
        if self._last.get(key, (None,))[0] != last:
            self._last[key] = last, changes.now()
        skipped = sum(
            (
                long
                for when, long, reporting in self._skipped
                if last <= when and key not in reporting
            ),
            datetime.timedelta(),
        )
        if not skipped:
            return wrapped(service)
        binary, host = key
        return wrapped(
            {'binary': binary, 'host': host, 'last_seen_up': last - skipped}
        )
