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

"""End the waits of Nova's test helpers when what they wait for is there.

A helper of Nova's polls: it asks the API, sleeps for half a second, and asks
again. Here its sleep is where it waits for change: once something was
written to a database or a notification was sent, and what follows from that
has settled, it asks at once, in the helper's own words, and the helper
returns if that satisfies it. The helper's own polls, and so its deadline and
the message of its failure, are as they were.
"""

import collections
from collections.abc import Callable, Iterator
import contextlib
import contextvars
import functools
import sys
import threading
import time
from types import CodeType
from types import FunctionType
from typing import Any

import fixtures
from nova import test
from nova.tests.fixtures import notifications
from nova.tests.functional import integrated_helpers
from sqlalchemy.engine import default
import wrapt

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.nova.waiting import sleep
from safe_fixtures.runtime import patching

__all__ = ['WaitForChange']

# Seconds without a statement after which what was going on has settled: far
# more than there are between two statements of one operation, and little
# against a poll. Asking earlier would ask in vain, at the cost of the work
# that is waited for.
_QUIET = 0.03
# A wait that goes on after so many asks in vain is a long one: to end it
# between two polls would win little, and asking takes from what it waits for.
_IN_VAIN = 4
_SLEEP = time.sleep
# That a test replaces must not stop the clock of a wait.
_now = time.monotonic


class WaitForChange(fixtures.Fixture):
    """Lets the waits of Nova's test helpers end when they are satisfied.

    It is for the helpers of ``integrated_helpers``, such as
    ``_wait_for_state_change`` and all that use it. A wait lasts at most as
    long as without the fixture, and fails as without it. A ``time.sleep`` in
    a test stays what it is, and so do the helpers of a class that has them
    before ``nova.test.TestCase`` in its order of bases. The hardened bases
    use it unless ``[safe_fixtures] wait_for_change`` is false. What it
    replaces in ``integrated_helpers``, in Nova's fake notifiers and in
    SQLAlchemy is given back at cleanup.

    Example::

        def setUp(self):
            super().setUp()
            self.useFixture(WaitForChange())

    :param trail: where the time that was won is recorded
        (:class:`~safe_fixtures.AuditTrail`); default: the active trail.
    """

    def __init__(self, trail: audit.AuditTrail | None = None) -> None:
        super().__init__()
        self._given_trail = trail

    def _setUp(self) -> None:
        self._changes = _Changes()
        #: For each helper that slept: how often, how often that was cut
        #: short, and the seconds that this won.
        self.won: dict[str, list[float]] = collections.defaultdict(
            lambda: [0, 0, 0.0]
        )
        self.addCleanup(self._record)
        self.addCleanup(self._changes.watch())
        for owner, name, code in _sleepers():
            self.addCleanup(
                patching.patch_attribute(
                    owner,
                    name,
                    wrapt.FunctionWrapper(
                        vars(owner)[name],
                        functools.partial(self._wait, owner, code),
                    ),
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
            # Not part of a wait that calls it, either.
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
        # A test may replace time.sleep; then it wants that.
        if (
            wait is None
            or sys._getframe(1).f_code is not wait.code
            or time.sleep is not _SLEEP
        ):
            time.sleep(seconds)
            return
        if wait.asking:
            raise _Over(wait)
        tally = self.won[wait.code.co_name]
        tally[0] += 1
        end = _now() + seconds
        while wait.vain < _IN_VAIN and wait.changes.settled(wait.seen, end):
            wait.look()
            over = wait.ask_once()
            if over is not None:
                tally[1] += 1
                tally[2] += max(end - _now(), 0.0)
                raise over
            wait.vain += 1
        time.sleep(max(end - _now(), 0.0))
        # What changes from here on is not known to the poll that follows.
        wait.look()

    def _record(self) -> None:
        trail = self._given_trail or audit.current()
        if trail is None or not self.won:
            return
        trail.record(
            events.WAIT,
            'test helpers',
            target_type='service/test',
            event_type='monitor',
            waits=sum(int(count) for count, _, _ in self.won.values()),
            cut_short=sum(int(cut) for _, cut, _ in self.won.values()),
            seconds_won=round(sum(won for _, _, won in self.won.values()), 3),
            helpers={
                name: [int(count), round(won, 3)]
                for name, (count, _, won) in sorted(self.won.items())
            },
        )


class _Wait:
    """A call of a helper that sleeps until it is satisfied.

    :ivar code: of the helper.
    :ivar changes: what it waits for one of.
    :ivar seen: the number of changes before it last asked.
    :ivar asking: whether it is called to ask once, and not to sleep.
    :ivar vain: how often it was asked early and not satisfied.
    """

    def __init__(
        self, code: CodeType, ask: Callable[[], Any], changes: '_Changes'
    ) -> None:
        self.code = code
        self.changes = changes
        self.asking = False
        self.vain = 0
        self._ask = ask
        self.look()

    def look(self) -> None:
        """Take what has changed so far as seen."""
        self.seen = self.changes.count

    def ask_once(self) -> '_Over | None':
        """Call the helper anew; return how it ended, unless it would sleep."""
        again = _Wait(self.code, self._ask, self.changes)
        again.asking = True
        over = _Over(self)
        try:
            with _as_current(again):
                over.value = self._ask()
        except _Over as end:
            if end.wait is not again:
                raise
            return None
        except Exception as error:
            over.error = error
        return over


class _Over(BaseException):
    """Ends a call of a helper, which must not catch it."""

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


class _Changes:
    """Counts what may satisfy a wait: what is written, and what is sent."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        self._last = 0.0
        self._own = threading.local()

    @property
    def count(self) -> int:
        """How many changes others have made than the thread that asks.

        While it waits, the thread itself changes something only by asking,
        and must not be told to ask again by that.
        """
        return self._count - self._count_own()

    def watch(self) -> Callable[[], None]:
        """Begin to count; return what ends it."""
        undo = contextlib.ExitStack()
        # Not the events of SQLAlchemy: where another thread is within one,
        # it fails when a listener comes or goes.
        for owner, name, tell in (
            (default.DefaultDialect, 'do_execute', self._executed),
            (default.DefaultDialect, 'do_executemany', self._executed),
            (default.DefaultDialect, 'do_commit', self._committed),
            (notifications.FakeNotifier, '_notify', self._sent),
            (notifications.FakeVersionedNotifier, '_notify', self._sent),
        ):
            undo.callback(
                patching.patch_attribute(
                    owner,
                    name,
                    wrapt.FunctionWrapper(
                        vars(owner)[name], functools.partial(_after, tell)
                    ),
                )
            )
        return undo.close

    def settled(self, seen: int, end: float) -> bool:
        """Wait for a change, and until what follows from it has settled.

        :param seen: the number of changes that are known already.
        :param end: when to give up, by ``time.monotonic``.
        :returns: whether there was one, before *end*.
        """
        with self._condition:
            while self.count == seen:
                left = end - _now()
                if left <= 0:
                    return False
                self._condition.wait(left)
            while True:
                now = _now()
                quiet = self._last + _QUIET
                if quiet <= now:
                    return now < end
                if now >= end:
                    return False
                # Nothing tells that nothing happens.
                self._condition.wait(min(quiet, end) - now)

    def _executed(
        self, cursor: Any, statement: str, parameters: Any, context: Any = None
    ) -> None:
        self._last = _now()
        if context is not None and statement.startswith(
            ('INSERT', 'UPDATE', 'DELETE')
        ):
            context.root_connection.info[self] = True

    def _committed(self, connection: Any) -> None:
        if connection.info.pop(self, False):
            self._changed()

    def _sent(self, *args: Any, **kwargs: Any) -> None:
        self._changed()

    def _changed(self) -> None:
        with self._condition:
            self._last = _now()
            self._count += 1
            self._own.count = self._count_own() + 1
            self._condition.notify_all()

    def _count_own(self) -> int:
        count: int = getattr(self._own, 'count', 0)
        return count


def _after(
    tell: Callable[..., None],
    wrapped: Callable[..., Any],
    _: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    result = wrapped(*args, **kwargs)
    tell(*args, **kwargs)
    return result


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
