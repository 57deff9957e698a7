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

"""Watch the events of the guards for what somebody should look at."""

import collections
from collections.abc import Mapping
import dataclasses
import datetime
import math
import threading
from typing import Any, NamedTuple

from safe_fixtures.audit import events
from safe_fixtures import exceptions

__all__ = ['LIMITS', 'RULES', 'Alert', 'Alerts']

LEFT_DISABLED = 'service left disabled'
REFUSED_STARTS = 'repeated refused starts'
UNDECLARED = 'toggle outside a declared block'
REFUSALS = 'burst of refusals'

#: The names of the rules.
RULES = (LEFT_DISABLED, REFUSED_STARTS, UNDECLARED, REFUSALS)
#: The limits by default; see :class:`.Alerts`.
LIMITS: Mapping[str, float] = {
    'disabled_seconds': 60.0,
    'refused_starts': 3,
    'undeclared_toggles': 0,
    'refusals': 10,
    'refusals_seconds': 10.0,
}

_DECLARED = 'SafeServiceToggle.'
# What is kept where there is much: alerts, services that are disabled and
# tests that an alert names.
_MOST = 1000
_LARGEST = 10**9
_NAMED = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody should look at.

    :ivar rule: which of :data:`.RULES` (str).
    :ivar message: what happened (str).
    :ivar tests: in which tests (tuple of str), the first 20.
    :ivar count: how many events of that kind there were (int).
    :ivar when: the time of the last one, as the event has it (str).
    """

    rule: str
    message: str
    tests: tuple[str, ...]
    count: int
    when: str

    def __str__(self) -> str:
        return f'{self.rule}: {self.message}, in {", ".join(self.tests)}'


class Alerts:
    """Raises alerts over a stream of events, one by one.

    It is a sink of a trail, or is given events of a file. What is waived,
    and what a test expected, counts for nothing.

    Example::

        alerts = Alerts(disabled_seconds=5)
        self.audit_trail.add_sink(alerts)
        ...
        self.assertEqual([], alerts.raised())

    :param disabled_seconds: for how long a service may be disabled or
        forced down till it is given back its state, by the times of the
        events (float, seconds). One that is not given it back by the end of
        its test is an alert at once.
    :param refused_starts: how often the start of the same service may be
        refused (SF204) before that is an alert (int).
    :param undeclared_toggles: whether each change to a service that was not
        made by the methods of :class:`SafeServiceToggle` is an alert, as it
        is one anyhow where it is refused (SF202). Tests that were written
        without these methods have no other way (bool).
    :param refusals: how many refusals are a burst (int).
    :param refusals_seconds: within how long (float, seconds).
    :raises: ConfigurationError for a limit that makes no sense.
    """

    def __init__(
        self,
        *,
        disabled_seconds: float = LIMITS['disabled_seconds'],
        refused_starts: int = int(LIMITS['refused_starts']),
        undeclared_toggles: bool = bool(LIMITS['undeclared_toggles']),
        refusals: int = int(LIMITS['refusals']),
        refusals_seconds: float = LIMITS['refusals_seconds'],
    ) -> None:
        for name, value in (
            ('disabled_seconds', disabled_seconds),
            ('refused_starts', refused_starts),
            ('refusals', refusals),
            ('refusals_seconds', refusals_seconds),
        ):
            _check(name, value)
        self._disabled_seconds = disabled_seconds
        self._refused_starts = int(refused_starts)
        self._undeclared_toggles = bool(undeclared_toggles)
        self._refusals = int(refusals)
        self._refusals_seconds = refusals_seconds
        # Threads of a test record at the same time.
        self._lock = threading.RLock()
        self._alerts: dict[Any, Alert] = {}
        #: How many alerts were dropped, of more than 1000 (int).
        self.dropped = 0
        # By initiator and service.
        self._changed: dict[tuple[str, str], _Service] = {}
        self._starts: dict[str, _Tally] = {}
        self._recent: collections.deque[_Refusal] = collections.deque(
            maxlen=self._refusals
        )
        self._burst: _Tally | None = None

    def __call__(self, event: Mapping[str, Any]) -> None:
        self.add(event)

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event into account.

        :param event: as in :attr:`safe_fixtures.AuditTrail.events`, or of
            :func:`safe_fixtures.summary.read`.
        """
        with self._lock:
            self._add(events.Event(event))

    def _add(self, event: events.Event) -> None:
        if event.action in events.CHANGES:
            self._on_change(event)
        elif event.counts:
            self._on_violation(event)
        elif event.action == events.RESTORE:
            if event.outcome == 'success':
                self._on_restored(event)
        elif event.action == events.TEST_END:
            self._on_end(event)

    def raised(self, *, ended: bool = False) -> list[Alert]:
        """Return the alerts so far, in the order they were first raised.

        :param ended: whether no event will come any more: what is disabled
            is then left disabled, though its test did not come to its end.
        """
        with self._lock:
            alerts = list(self._alerts.values())
            if ended:
                alerts += [
                    service.never()
                    for service in self._changed.values()
                    if service.since
                ]
        return alerts

    # Services that are disabled.

    def _on_change(self, event: events.Event) -> None:
        key = event.initiator, event.target_id
        service = self._changed.get(key)
        if service is None:
            _make_room(self._changed)
            service = self._changed[key] = _Service(
                event.target,
                event.test,
                _is_down(event.details.get('before', '')),
            )
        if not _is_down(event.details.get('after', event.action)):
            self._up_again(key, service, event)
        elif not service.down_before and service.since is None:
            service.since = event.time
        by = str(event.details.get('by', ''))
        if self._undeclared_toggles and by and not by.startswith(_DECLARED):
            self._raise(
                (UNDECLARED, event.test, event.target),
                UNDECLARED,
                f'{event.action} of {event.target} by {by}',
                event,
            )

    def _on_restored(self, event: events.Event) -> None:
        key = event.initiator, event.target_id
        service = self._changed.get(key)
        # Not where a handle went back to a state in between.
        if service is not None and not _is_down(
            event.details.get('wanted', '')
        ):
            self._up_again(key, service, event)

    def _up_again(
        self, key: tuple[str, str], service: '_Service', event: events.Event
    ) -> None:
        if service.down_before:
            # It owes to be down again.
            return
        del self._changed[key]
        if service.since is None:
            return
        seconds = _seconds(service.since, event.time)
        if seconds > self._disabled_seconds:
            self._put(
                (LEFT_DISABLED, *key, service.since),
                Alert(
                    LEFT_DISABLED,
                    f'{service.name} was down for {seconds:.1f} s (limit '
                    f'{self._disabled_seconds:g} s)',
                    (service.test,),
                    1,
                    event.time,
                ),
            )

    def _on_end(self, event: events.Event) -> None:
        initiator = event.initiator
        for key in [key for key in self._changed if key[0] == initiator]:
            service = self._changed.pop(key)
            if service.since:
                self._put((LEFT_DISABLED, *key), service.never())

    # Refusals.

    def _on_violation(self, event: events.Event) -> None:
        if event.code == 'SF204':
            self._on_refused_start(event)
        elif event.code == 'SF202':
            self._raise(
                (UNDECLARED, event.test, event.target),
                UNDECLARED,
                str(event.details.get('message', event.target)),
                event,
            )
        if event.is_refusal:
            self._on_refusal(event)

    def _on_refused_start(self, event: events.Event) -> None:
        service = str(event.details.get('binary', event.target))
        tally = self._starts.get(service)
        if tally is None:
            _make_room(self._starts)
            tally = self._starts[service] = _Tally()
        tally.add(_Refusal(event.time, event.test))
        if tally.count >= self._refused_starts:
            self._put(
                (REFUSED_STARTS, service),
                tally.alert(
                    REFUSED_STARTS,
                    f'{service} was not to be started, {tally.count} times',
                ),
            )

    def _on_refusal(self, event: events.Event) -> None:
        now = _Refusal(event.time, event.test)
        recent = self._recent
        last = recent[-1].time if recent else None
        recent.append(now)
        if self._burst is not None and last is not None:
            if _seconds(last, now.time) <= self._refusals_seconds:
                self._burst.add(now)
                self._put_burst(self._burst)
                return
        self._burst = None
        if (
            len(recent) == self._refusals
            and _seconds(recent[0].time, now.time) <= self._refusals_seconds
        ):
            self._burst = _Tally()
            for refusal in recent:
                self._burst.add(refusal)
            self._put_burst(self._burst)

    def _put_burst(self, burst: '_Tally') -> None:
        seconds = _seconds(burst.first, burst.when)
        self._put(
            (REFUSALS, burst.first),
            burst.alert(
                REFUSALS, f'{burst.count} refusals within {seconds:.1f} s'
            ),
        )

    # Alerts.

    def _raise(
        self, key: Any, rule: str, message: str, event: events.Event
    ) -> None:
        before = self._alerts.get(key)
        self._put(
            key,
            Alert(
                rule,
                message if before is None else before.message,
                (event.test,),
                1 if before is None else before.count + 1,
                event.time,
            ),
        )

    def _put(self, key: Any, alert: Alert) -> None:
        if key not in self._alerts and len(self._alerts) >= _MOST:
            self.dropped += 1
            return
        self._alerts[key] = alert


@dataclasses.dataclass(slots=True)
class _Service:
    """A service that was changed.

    :ivar down_before: whether it was down before that.
    :ivar since: when it was taken down; None while it is up.
    """

    name: str
    test: str
    down_before: bool
    since: str | None = None

    def never(self) -> Alert:
        return Alert(
            LEFT_DISABLED,
            f'{self.name} was never given back its state',
            (self.test,),
            1,
            self.since or '',
        )


class _Refusal(NamedTuple):
    time: str
    test: str


class _Tally:
    """Events of a kind, and the tests they are of."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ''
        self.when = ''
        self._tests: dict[str, None] = {}

    def add(self, refusal: _Refusal) -> None:
        self.count += 1
        self.when = refusal.time
        self.first = self.first or self.when
        if len(self._tests) < _NAMED:
            self._tests[refusal.test] = None

    def alert(self, rule: str, message: str) -> Alert:
        return Alert(rule, message, tuple(self._tests), self.count, self.when)


def _check(name: str, value: Any) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value <= 0
        or value > _LARGEST
        or (not name.endswith('_seconds') and value != int(value))
    ):
        raise exceptions.ConfigurationError(
            f'Alerts {name}',
            value,
            'give a number of seconds above 0'
            if name.endswith('_seconds')
            else 'give a number, 1 or more',
        )


def _make_room(kept: dict[Any, Any]) -> None:
    # The oldest goes: its test was killed long ago.
    if len(kept) >= _MOST:
        del kept[next(iter(kept))]


def _is_down(state: str) -> bool:
    """Whether a state, or an action, says disabled or forced down."""
    return state.startswith('disable') or state.endswith('forced down')


def _seconds(since: str, till: str) -> float:
    try:
        passed = datetime.datetime.fromisoformat(
            till
        ) - datetime.datetime.fromisoformat(since)
    except (ValueError, TypeError):
        # A foreign time tells nothing.
        return 0.0
    return passed.total_seconds()
