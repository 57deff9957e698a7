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

"""Raise alerts over the events of guards."""

import collections
from collections.abc import Callable, Mapping
import dataclasses
import datetime
import inspect
import threading
from typing import Any

from safe_fixtures.audit import alert_rules
from safe_fixtures.audit import board as board_of
from safe_fixtures.audit import events
from safe_fixtures import exceptions

__all__ = ['LIMITS', 'Alerts']

LEFT_DISABLED = 'service left disabled'
REFUSED_STARTS = 'repeated refused starts'
UNDECLARED = 'toggle outside a declared block'
REFUSALS = 'burst of refusals'

_DECLARED = 'SafeServiceToggle.'
_MOST = 1000  # disabled services and started services in memory
_LARGEST = 10**9

_Watcher = Callable[[events.Event], None]


class Alerts:
    """Raises alerts over a stream of events, one by one.

    It is a sink of a trail, or is passed the events of a file. Violations
    that are waived or expected do not count.

    Example::

        alerts = Alerts(disabled_seconds=5)
        self.audit_trail.add_sink(alerts)
        ...
        self.assertEqual([], alerts.raised())

    :param disabled_seconds: how long a service may be disabled or forced
        down until it is restored, by the times of the events (float,
        seconds). A service that is not restored at the end of its test is
        an alert in any case.
    :param refused_starts: how many refused starts (SF204) of one service
        are an alert (int).
    :param undeclared_toggles: whether each change to a service that the
        methods of :class:`SafeServiceToggle` did not make is an alert, even
        if it was not refused (bool). Tests that were written without these
        methods have no other way.
    :param refusals: how many refusals are a burst (int).
    :param refusals_seconds: within how long (float, seconds).
    :raises: ConfigurationError for a limit that makes no sense.
    """

    def __init__(
        self,
        *,
        disabled_seconds: float = 60.0,
        refused_starts: int = 3,
        undeclared_toggles: bool = False,
        refusals: int = 10,
        refusals_seconds: float = 10.0,
    ) -> None:
        _check(
            disabled_seconds=disabled_seconds,
            refused_starts=refused_starts,
            refusals=refusals,
            refusals_seconds=refusals_seconds,
        )
        # Threads of a test record at the same time.
        self._lock = threading.RLock()
        self._board = board_of.Board()
        self._left_disabled = _LeftDisabled(self._board, disabled_seconds)
        self._watchers = (
            self._left_disabled.add,
            _refused_starts(self._board, int(refused_starts)),
            _undeclared(self._board, bool(undeclared_toggles)),
            _Refusals(self._board, int(refusals), refusals_seconds).add,
            *alert_rules.watchers(self._board),
        )

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event into account.

        :param event: as in :attr:`safe_fixtures.AuditTrail.events`, or of
            :func:`safe_fixtures.summary.read`.
        :raises: ValueError for what is no audit event.
        """
        self.add_view(events.Event(event))

    def add_view(self, view: events.Event) -> None:
        """Take one event into account, as a typed view."""
        with self._lock:
            for watch in self._watchers:
                watch(view)

    def __call__(self, event: Mapping[str, Any]) -> None:
        self.add(event)

    def raised(self, *, ended: bool = False) -> list[board_of.Alert]:
        """Return the alerts so far, in the order they were first raised.

        :param ended: whether no more events will come: services that are
            down now are then left disabled, even if their test has no end.
        """
        with self._lock:
            alerts = list(self._board.alerts.values())
            return alerts + self._left_disabled.pending() if ended else alerts

    @property
    def dropped(self) -> int:
        """How many alerts were dropped: beyond 1000, new ones are."""
        return self._board.dropped


#: The limits of :class:`.Alerts` and their defaults.
LIMITS: Mapping[str, float] = {
    name: argument.default
    for name, argument in inspect.signature(Alerts).parameters.items()
}


@dataclasses.dataclass(slots=True)
class _Service:
    """A service that was changed.

    :ivar down_before: whether it was down before the first change.
    :ivar since: when it was taken down; None while it is up.
    """

    name: str
    test: str
    down_before: bool
    since: str | None = None

    def alert(
        self, message: str = 'was never restored', when: str | None = None
    ) -> board_of.Alert:
        what = f'{self.name} {message}'
        when = when or self.since or ''
        return board_of.Alert(LEFT_DISABLED, what, (self.test,), 1, when)


class _LeftDisabled:
    """Services that are down for too long, or at the end of their test."""

    def __init__(self, board: board_of.Board, limit: float) -> None:
        self._board = board
        self._limit = limit
        # By initiator and service.
        self._changed: dict[tuple[str, str], _Service] = {}

    def add(self, event: events.Event) -> None:
        key = event.initiator, event.target_id
        if event.action in events.CHANGES:
            self._change(key, event)
        elif event.action == events.RESTORE:
            # Not if a handle restored a state in between.
            up = not _is_down(event.details.get('wanted', ''))
            if up and event.outcome == 'success' and key in self._changed:
                self._up_again(key, event.time)
        elif event.action == events.TEST_END:
            self._end(event.initiator)

    def pending(self) -> list[board_of.Alert]:
        """Return alerts on the services that are down now."""
        services = self._changed.values()
        return [service.alert() for service in services if service.since]

    def _change(self, key: tuple[str, str], event: events.Event) -> None:
        service = self._changed.get(key)
        if service is None:
            _make_room(self._changed)
            service = self._changed[key] = _Service(
                event.target,
                event.test,
                _is_down(event.details.get('before', '')),
            )
        if not _is_down(event.details.get('after', event.action)):
            self._up_again(key, event.time)
        elif not service.down_before and service.since is None:
            service.since = event.time

    def _up_again(self, key: tuple[str, str], time: str) -> None:
        service = self._changed[key]
        if service.down_before:
            # Its restore will take it down again.
            return
        del self._changed[key]
        seconds = _seconds(service.since, time) if service.since else 0.0
        if seconds > self._limit:
            message = f'was down for {seconds:.1f} s (limit {self._limit:g} s)'
            self._board.put(
                (LEFT_DISABLED, *key, service.since),
                service.alert(message, time),
            )

    def _end(self, initiator: str) -> None:
        for key in [key for key in self._changed if key[0] == initiator]:
            service = self._changed.pop(key)
            if service.since:
                self._board.put((LEFT_DISABLED, *key), service.alert())


def _refused_starts(board: board_of.Board, limit: int) -> _Watcher:
    """Watch for services whose start broke SF204 repeatedly, in any tests."""
    starts: dict[str, board_of.Tally] = {}

    def watch(event: events.Event) -> None:
        if not event.counts or event.code != 'SF204':
            return
        service = str(event.details.get('binary', event.target))
        if service not in starts:
            _make_room(starts)
            starts[service] = board_of.Tally()
        tally = starts[service]
        tally.add(event.time, event.test)
        if tally.count >= limit:
            message = f'{service} may not be started, {tally.count} times'
            alert = tally.alert(REFUSED_STARTS, message)
            board.put((REFUSED_STARTS, service), alert)

    return watch


def _undeclared(board: board_of.Board, every: bool) -> _Watcher:
    """Watch for changes outside a test, or not by the toggle's methods.

    :param every: whether a change by anything else counts even if it was
        not refused.
    """

    def watch(event: events.Event) -> None:
        by = str(event.details.get('by', ''))
        if event.counts and event.code == 'SF202':
            message = str(event.details.get('message', event.target))
        elif every and event.action in events.CHANGES:
            if not by or by.startswith(_DECLARED):
                return
            message = f'{event.action} of {event.target} by {by}'
        else:
            return
        key = UNDECLARED, event.test, event.target
        first = board_of.Alert(UNDECLARED, message, (event.test,), 0, '')
        alert = board.alerts.get(key, first)
        alert = dataclasses.replace(
            alert, count=alert.count + 1, when=event.time
        )
        board.put(key, alert)

    return watch


class _Refusals:
    """Many refusals within a short time."""

    def __init__(
        self, board: board_of.Board, limit: int, seconds: float
    ) -> None:
        self._board = board
        self._seconds = seconds
        # Time and test of the last refusals, at most as many as make a burst.
        self._recent: collections.deque[tuple[str, str]] = collections.deque(
            maxlen=limit
        )
        self._burst: board_of.Tally | None = None

    def add(self, event: events.Event) -> None:
        if not (event.is_refusal and event.counts):
            return
        recent, burst = self._recent, self._burst
        recent.append((event.time, event.test))
        if burst is not None and self._is_close(burst.last, event.time):
            burst.add(event.time, event.test)
        elif len(recent) == recent.maxlen and self._is_close(
            recent[0][0], event.time
        ):
            burst = self._burst = board_of.Tally()
            for time, test in recent:
                burst.add(time, test)
        else:
            self._burst = None
            return
        seconds = _seconds(burst.first, burst.last)
        message = f'{burst.count} refusals within {seconds:.1f} s'
        alert = burst.alert(REFUSALS, message)
        self._board.put((REFUSALS, burst.first), alert)

    def _is_close(self, since: str, till: str) -> bool:
        return _seconds(since, till) <= self._seconds


def _check(**limits: Any) -> None:
    for name, value in limits.items():
        # No bool, which is an int too.
        good = type(value) in (int, float) and 0 < value <= _LARGEST
        if name.endswith('_seconds'):
            allowed = 'give a number of seconds above 0'
        else:
            allowed = 'give a whole number, 1 or more'
            good = good and value == int(value)
        if not good:
            raise exceptions.ConfigurationError(
                f'Alerts {name}', value, allowed
            )


def _make_room(kept: dict[Any, Any]) -> None:
    # Drop the oldest: its test was killed long ago.
    if len(kept) >= _MOST:
        del kept[next(iter(kept))]


def _is_down(state: str) -> bool:
    """Whether a state, or an action, says disabled or forced down."""
    return state.startswith('disable') or state.endswith('forced down')


def _seconds(since: str, till: str) -> float:
    read = datetime.datetime.fromisoformat
    try:
        return (read(till) - read(since)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        # A time in a foreign format says nothing.
        return 0.0
