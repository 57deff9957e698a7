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

"""End the waits of Nova's test helpers as soon as they are satisfied.

A helper of Nova's polls: it asks the API, sleeps for half a second, and asks
again. Here, its sleep waits for a change: a write to a database, or a
notification. When the change has settled, the sleep calls the helper anew, to
ask once. If that satisfies the helper, the wait ends with its result. If not,
the sleep goes on. The helper still polls as before, so its deadline and the
message of its failure stay the same.
"""

import collections
from collections.abc import Callable, Iterator
import contextlib
import contextvars
import dataclasses
import functools
import time
from types import CodeType
from types import FunctionType
from typing import Any

import fixtures
from nova import test
from nova.tests.functional import integrated_helpers

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.nova.waiting import changes
from safe_fixtures.nova.waiting import pauses
from safe_fixtures.nova.waiting import silence
from safe_fixtures.nova.waiting import sleep
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import system

__all__ = ['WaitForChange']

# A wait that goes on after so many asks in vain is a long one. To end it
# between two polls would save little, and to ask takes CPU from others.
_IN_VAIN = 4


class WaitForChange(fixtures.Fixture):
    """Ends the waits of Nova's test helpers as soon as they are satisfied.

    It is for the helpers of ``integrated_helpers``, such as
    ``_wait_for_state_change`` and all that use it. A wait lasts at most as
    long as without the fixture, and fails in the same way. A ``time.sleep``
    in a test is not affected, and neither are the helpers of a class that
    has them before ``nova.test.TestCase`` in its order of bases.

    Pauses that only time ends are short: until a service that has stopped is
    seen as down, before Placement is asked again, and for an event that the
    fake libvirt never sends.

    The hardened bases use it unless ``[safe_fixtures] wait_for_change`` is
    false. Cleanup restores what it replaces in ``integrated_helpers``, in
    SQLAlchemy, and in Nova: the fake notifiers, the driver of service
    groups, the client of Placement and the libvirt driver.

    Example::

        def setUp(self):
            super().setUp()
            self.useFixture(WaitForChange())

    :param trail: where the saved time is recorded, as ``monitor/wait``
        (:class:`~safe_fixtures.AuditTrail`); default: the active trail.
    :raises: WaitCutShort at cleanup, if an event of libvirt came after the
        wait for it had been cut short.
    """

    def __init__(self, trail: audit.AuditTrail | None = None) -> None:
        super().__init__()
        self._given_trail = trail

    def _setUp(self) -> None:
        self._changes = changes.Changes()
        #: For each helper that slept: how often, how often that was cut
        #: short, and the seconds that this saved.
        self.won: dict[str, list[float]] = collections.defaultdict(
            lambda: [0, 0, 0.0]
        )
        self._silence = silence.Silence()
        self.addCleanup(self._record)
        self.addCleanup(self._changes.watch())
        self.addCleanup(self._silence.watch())
        self.addCleanup(pauses.Pauses(self._count).shorten())
        self.addCleanup(
            patching.patch_attributes(
                patching.wrapped_attribute(
                    owner, name, functools.partial(self._wait, owner, code)
                )
                for owner, name, code in _sleepers()
            )
        )
        self.addCleanup(sleep.replace_sleep(integrated_helpers, self._sleep))

    def _wait(
        self,
        owner: type,
        code: CodeType,
        wrapped: Callable[..., Any],
        instance: Any,
        args: Any,
        kwargs: Any,
    ) -> Any:
        order = type(instance).__mro__
        if test.TestCase in order and order.index(owner) < order.index(
            test.TestCase
        ):
            # The wait that calls it, if any, does not cover it either.
            with _as_current(None):
                return wrapped(*args, **kwargs)
        ask = functools.partial(wrapped, *args, **kwargs)
        wait = _Wait(code, ask, self._changes)
        try:
            with _as_current(wait):
                return ask()
        except _Over as end:
            if end.wait is not wait:
                raise
            over = end
        if over.error is not None:
            raise over.error
        return over.value

    def _sleep(self, seconds: float) -> None:
        wait = _current.get()
        if wait is None or system.frame(1).f_code is not wait.code:
            time.sleep(seconds)
            return
        if wait.asking:
            raise _Over(wait)
        if wait.calm == wait.changes.work and self._skip(
            system.frame(1).f_locals, seconds
        ):
            self._count(wait.code.co_name, seconds)
            wait.look()
            return
        tally = self.won[wait.code.co_name]
        tally[0] += 1
        end = changes.now() + seconds
        work = wait.changes.work
        while wait.vain < _IN_VAIN and wait.changes.settled(wait.seen, end):
            wait.look()
            over = wait.ask_once()
            if over is not None:
                tally[1] += 1
                tally[2] += max(end - changes.now(), 0.0)
                raise over
            wait.vain += 1
        time.sleep(max(end - changes.now(), 0.0))
        # The poll that follows may miss what changes from here on.
        wait.look()
        wait.calm = work if wait.changes.work == work else None

    def _skip(self, helper: Any, seconds: float) -> bool:
        """Skip a sleep, if a service that has stopped is to go down.

        :param helper: the variables of the helper that sleeps.
        :param seconds: how long it would sleep (float).
        :returns: whether it was skipped.
        """
        wanted, found = helper.get('expected_params'), helper.get('service')
        return (
            isinstance(wanted, dict)
            and isinstance(found, dict)
            and (found.get('state'), wanted.get('state')) == ('up', 'down')
            and self._silence.skip(found['binary'], found['host'], seconds)
        )

    def _count(self, name: str, seconds: float) -> None:
        """Count a sleep that was cut short, and the seconds it saved."""
        tally = self.won[name]
        tally[0] += 1
        tally[1] += 1
        tally[2] += seconds

    def _record(self) -> None:
        trail = self._given_trail or audit.current()
        if trail is None or not self.won:
            return
        waits, cuts, won = map(sum, zip(*self.won.values(), strict=True))
        trail.record(
            events.WAIT,
            'test helpers',
            target_type='service/test',
            event_type='monitor',
            waits=int(waits),
            cut_short=int(cuts),
            seconds_won=round(won, 3),
            helpers={
                name: [int(count), round(seconds, 3)]
                for name, (count, _, seconds) in sorted(self.won.items())
            },
        )


@dataclasses.dataclass(eq=False)
class _Wait:
    """A call of a helper.

    :ivar code: the code of the helper.
    :ivar ask: calls the helper anew.
    :ivar changes: counts what may satisfy it.
    :ivar asking: whether it must ask once, and not sleep.
    :ivar vain: how often it asked early and was not satisfied.
    :ivar seen: the number of changes before it last asked.
    :ivar calm: the number of changes other than heartbeats before it last
        slept; None if there was one meanwhile.
    """

    code: CodeType
    ask: Callable[[], Any]
    changes: changes.Changes
    asking: bool = False
    vain: int = 0
    calm: int | None = None

    def __post_init__(self) -> None:
        self.look()

    def look(self) -> None:
        """Note how much has changed so far."""
        self.seen = self.changes.count

    def ask_once(self) -> '_Over | None':
        """Call the helper anew; return how it ended, unless it would sleep."""
        again = _Wait(self.code, self.ask, self.changes, asking=True)
        over = _Over(self)
        try:
            with _as_current(again):
                over.value = self.ask()
        except _Over as end:
            if end.wait is not again:
                raise
            return None
        except Exception as error:
            over.error = error
        return over


class _Over(BaseException):
    """Ends a call of a helper; no exception, so that it is not caught."""

    def __init__(self, wait: _Wait) -> None:
        super().__init__()
        self.wait = wait
        self.value: Any = None
        self.error: Exception | None = None


_current: contextvars.ContextVar[_Wait | None] = contextvars.ContextVar(
    'safe_fixtures_wait', default=None
)


@contextlib.contextmanager
def _as_current(wait: _Wait | None) -> Iterator[None]:
    token = _current.set(wait)
    try:
        yield
    finally:
        _current.reset(token)


@functools.cache
def _sleepers() -> tuple[tuple[type, str, CodeType], ...]:
    """Return the helpers that sleep: their class, name and code."""
    return tuple(
        (owner, name, function.__code__)
        for owner in vars(integrated_helpers).values()
        if isinstance(owner, type)
        and owner.__module__ == integrated_helpers.__name__
        for name, function in vars(owner).items()
        if isinstance(function, FunctionType)
        and {'time', 'sleep'} <= set(function.__code__.co_names)
    )
