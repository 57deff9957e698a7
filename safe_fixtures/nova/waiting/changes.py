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

"""Count what may satisfy a wait: database writes and notifications."""

from collections.abc import Callable
import functools
import threading
from typing import Any

from nova.tests.fixtures import notifications
from sqlalchemy.engine import default

from safe_fixtures.runtime import clock
from safe_fixtures.runtime import patching

__all__ = ['Changes', 'now']

# Seconds without a statement after which an operation has settled: far more
# than there are between two of its statements, and little compared to a poll.
# An earlier ask would be in vain, and take CPU from what is waited for.
_QUIET = 0.03
#: The seconds of a clock that no test stops.
now = clock.monotonic


class Changes:
    """Counts committed writes and notifications."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        #: The number of changes other than heartbeats of services.
        self.work = 0
        self._last = 0.0
        self._own = threading.local()

    @property
    def count(self) -> int:
        """The number of changes by other threads than the one that asks.

        A waiting thread changes something only by asking. That must not
        make it ask again.
        """
        return self._count - self._count_own()

    def watch(self) -> Callable[[], None]:
        """Start to count; return a callable that ends it."""
        # Not by events of SQLAlchemy: adding or removing a listener makes
        # threads fail that are running one.
        return patching.patch_attributes(
            patching.wrapped_attribute(
                owner, name, functools.partial(_call_and_tell, tell)
            )
            for owner, name, tell in (
                (default.DefaultDialect, 'do_execute', self._executed),
                (default.DefaultDialect, 'do_executemany', self._executed),
                (default.DefaultDialect, 'do_commit', self._committed),
                (notifications.FakeNotifier, '_notify', self._notified),
                (
                    notifications.FakeVersionedNotifier,
                    '_notify',
                    self._notified,
                ),
            )
        )

    def settled(self, seen: int, end: float) -> bool:
        """Wait for a change, and until what follows from it has settled.

        :param seen: the number of changes that are known already.
        :param end: when to give up, by :func:`now`.
        :returns: whether there was a change that settled before *end*.
        """
        with self._condition:
            while self.count == seen:
                left = end - now()
                if left <= 0:
                    return False
                self._condition.wait(left)
            while True:
                time_is = now()
                quiet = self._last + _QUIET
                if quiet <= time_is:
                    return time_is < end
                if time_is >= end:
                    return False
                # Statements do not wake it, only more changes do.
                self._condition.wait(min(quiet, end) - time_is)

    def _executed(
        self, cursor: Any, statement: str, parameters: Any, context: Any = None
    ) -> None:
        self._last = now()
        if context is not None and statement.startswith(
            ('INSERT', 'UPDATE', 'DELETE')
        ):
            info = context.root_connection.info
            info[self] = info.get(self, False) or not _is_heartbeat(statement)

    def _committed(self, connection: Any) -> None:
        works = connection.info.pop(self, None)
        if works is not None:
            self._changed(works=works)

    def _notified(self, *args: Any, **kwargs: Any) -> None:
        self._changed()

    def _changed(self, works: bool = True) -> None:
        with self._condition:
            self._last = now()
            self._count += 1
            self.work += works
            self._own.count = self._count_own() + 1
            self._condition.notify_all()

    def _count_own(self) -> int:
        return getattr(self._own, 'count', 0)


def _is_heartbeat(statement: str) -> bool:
    return (
        statement.startswith('UPDATE services') and 'report_count' in statement
    )


def _call_and_tell(
    tell: Callable[..., None],
    wrapped: Callable[..., Any],
    _: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    result = wrapped(*args, **kwargs)
    tell(*args, **kwargs)
    return result
