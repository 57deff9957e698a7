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

"""What services are owed: every change to one, and its restore."""

from collections.abc import Callable, Iterable, Mapping
import contextlib
import dataclasses
import functools
import unittest

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures.guards.services import actor
from safe_fixtures.guards.services import model
from safe_fixtures.guards.services import order as service_order
from safe_fixtures.guards.services import outage as service_outage
from safe_fixtures.runtime import clock

__all__ = ['Ledger', 'LedgerEntry']

_UNSEEN = 'something that did not use SQLAlchemy'
_OUT_OF_REACH = (model.ServiceGone, model.ServiceUnreachable)


@dataclasses.dataclass(slots=True)
class LedgerEntry:
    """One change to one service.

    :ivar service: which service (ServiceRef).
    :ivar by: what changed it, and where it was called (str).
    :ivar before: its state before (ServiceState).
    :ivar after: its state after; None if the change failed.
    :ivar restored: how its state was restored; None before that.
    :ivar outage: the outage that the change is part of; None if no server
        was on the service.
    """

    service: model.ServiceRef
    by: str
    before: model.ServiceState
    after: model.ServiceState | None = None
    restored: str | None = None
    outage: service_outage.Outage | None = None


@dataclasses.dataclass(slots=True)
class _Attempt:
    """One attempt to restore a service.

    :ivar wanted: the state that the service should have.
    :ivar how: how it was restored, or why it was not.
    :ivar seconds: how long its own write took.
    :ivar error: what the write raised; None if it raised nothing.
    :ivar actual: the state afterwards, or why it cannot be read.
    """

    ref: model.ServiceRef
    wanted: model.ServiceState
    how: str = ''
    seconds: float = 0.0
    error: Exception | None = None
    actual: model.ServiceState | Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.is_out_of_reach or self.actual == self.wanted

    @property
    def is_out_of_reach(self) -> bool:
        """Whether nothing is left to restore, or it cannot be reached."""
        return isinstance(self.actual, _OUT_OF_REACH)

    def violation(self) -> exceptions.RestoreFailed:
        state = self.actual
        violation = exceptions.RestoreFailed(
            f'{self.ref} should be {self.wanted} again, and is {state} '
            f'({self.how})',
            service=str(self.ref),
            wanted=self.wanted,
            actual=state if isinstance(state, model.ServiceState) else None,
        )
        violation.__cause__ = self.error
        return violation


class Ledger:
    """Notes every change to a service, and restores what is owed.

    A service is owed the state it had before its first change. That ends
    when the service is seen in that state again, or at the cleanup.

    :param services: the services; the ledger is their watcher.
    :param order: checks what takes a compute out of service.
    :param report: reports a violation, as ``Guard`` does.
    :param trail: where changes and restores are recorded.
    :param test: the test whose cleanups restore; None for none.
    :param timeout: how long one restore may wait (seconds).
    :param shared: the services again, if others change them, too.
    :ivar entries: every change, oldest first (list of LedgerEntry).
    """

    def __init__(
        self,
        services: model.Services,
        order: service_order.Order,
        report: Callable[..., str | None],
        trail: audit.AuditTrail,
        test: unittest.TestCase | None,
        timeout: float,
        shared: model.Shared | None = None,
    ) -> None:
        self.entries: list[LedgerEntry] = []
        self._timeout = timeout
        self._services = services
        self._shared = shared
        self._order = order
        self._report = report
        self._trail = trail
        self._test = test
        # The state of each service when it was first known.
        self._known: dict[model.ServiceRef, model.ServiceState] = {}
        # The state of each service before its first change.
        self._first: dict[model.ServiceRef, model.ServiceState] = {}
        # What each service is owed, in the order of the first changes.
        self._owed: dict[model.ServiceRef, model.ServiceState] = {}
        # The entries that do not say yet how they were restored.
        self._unsettled: dict[model.ServiceRef, list[LedgerEntry]] = {}
        # A violation during a request becomes a 500 in Nova. It is kept
        # for the client.
        self._refused: dict[gate.ApiCall, exceptions.SafetyViolation] = {}

    # What the services report; see ``Watcher``.

    def leaving(self, ref: model.ServiceRef, how: str, by: str | None) -> None:
        """Check the servers on a compute."""
        if actor.is_exempt(ref, self._services.restarts):
            return
        by = actor.describe(by)
        try:
            departure = self.check(ref, how, by)
        except exceptions.SafetyViolation as violation:
            call = gate.current_call()
            if call is not None:
                self._refused[call] = violation
            raise
        if departure and departure.servers and not departure.is_change:
            self._order.left(ref, by)

    def check(
        self, ref: model.ServiceRef, how: str, by: str, enforced: bool = False
    ) -> service_order.Departure | None:
        """Report a compute that leaves its servers undeclared.

        :param how: such as ``forced down``.
        :param by: what does it, and where it was called.
        :param enforced: refuse it whatever the default mode of the rule.
        :returns: what was found; None if it is not known.
        :raises: WrongOrder (SF203).
        """
        departure = self._order.check(ref, how, by, enforced)
        if departure is None or not departure.servers:
            return departure
        if departure.reason is None:
            departure.reason = self._report(
                departure.violation(),
                str(ref),
                enforced=enforced,
                **departure.details,
            )
        self._order.allow(departure)
        return departure

    def changing(
        self,
        ref: model.ServiceRef,
        before: model.ServiceState,
        by: str | None = None,
    ) -> Callable[[model.ServiceState], None]:
        """Owe a service the state it has, and note the change.

        :returns: to be called with the state after the change.
        """
        if self in actor.current().restoring:
            return lambda after: None
        if ref not in self._owed:
            if self._test is not None and self._services.torn_down_by_test:
                self._test.addCleanup(self._restore_if_owed, ref)
            # Another thread may have been first.
            self._owed.setdefault(ref, self._first.setdefault(ref, before))
        entry = LedgerEntry(ref, by or actor.describe(), before)
        self.entries.append(entry)
        self._unsettled.setdefault(ref, []).append(entry)
        return functools.partial(self._changed, entry)

    def _changed(self, entry: LedgerEntry, after: model.ServiceState) -> None:
        entry.after = after
        if model.taken_out(entry.before, after):
            entry.outage = self._order.left(entry.service, entry.by, after)
        else:
            self._order.changed(entry.service, after, entry.by)
        self._trail.record(
            _action(entry.before, after),
            str(entry.service),
            target_id=entry.service.uuid,
            by=entry.by,
            before=str(entry.before),
            after=str(after),
        )

    def created(
        self, ref: model.ServiceRef, state: model.ServiceState
    ) -> None:
        """Know the first state of a service."""
        self._known.setdefault(ref, state)
        # It may have been deleted, and added anew in another state.
        self._note_unseen(ref, state, actor.describe())

    def deleted(
        self, ref: model.ServiceRef, state: model.ServiceState
    ) -> None:
        """Note what was not seen of a service that has gone."""
        # It is raised at cleanup: this is in the middle of tearing it down.
        with contextlib.suppress(exceptions.SafetyViolation):
            self._note_unseen(ref, state)

    def begin(self) -> None:
        """Know the state of every service from now on."""
        self._known = dict(self._services.snapshot())

    def _note_unseen(
        self,
        ref: model.ServiceRef,
        after: model.ServiceState,
        by: str = _UNSEEN,
    ) -> None:
        """Note a change that nobody saw, by what it left.

        :param by: what made it, as far as that is known.
        :raises: WrongOrder (SF203).
        """
        before = self._known.get(ref, after)
        if ref in self._owed or after == before:
            return
        noted = self.changing(ref, before, by)
        how = model.taken_out(before, after)
        try:
            if how:
                self.check(ref, how, by)
        finally:
            noted(after)

    def started(self, host: str, binary: str) -> None:
        """Note that a service is being started."""
        self._order.started(host, binary, actor.describe('Service.start'))

    def served(self, call: gate.ApiCall) -> None:
        """Note a request that was served.

        :raises: SafetyViolation if it was refused.
        """
        refused = self._refused.pop(call, None)
        if refused is not None:
            raise refused
        self._order.served(call)

    # Restoring.

    def restore_owed(self) -> None:
        """Restore every service that is owed its state, last one first.

        :raises: as :meth:`restore`.
        """
        errors: list[Exception] = []
        for ref, state in self._services.snapshot().items():
            try:
                self._note_unseen(ref, state)
            except exceptions.SafetyViolation as violation:
                errors.append(violation)
        try:
            self.restore(dict(reversed(self._owed.items())), final=True)
        except Exception as error:
            errors.append(error)
        guard.raise_all(errors)

    def _restore_if_owed(self, ref: model.ServiceRef) -> None:
        if ref in self._owed:
            self.restore({ref: self._owed[ref]}, final=True)

    def restore(
        self,
        wanted: Mapping[model.ServiceRef, model.ServiceState],
        *,
        final: bool,
    ) -> None:
        """Restore services, in the order given, and read each back.

        :param wanted: the state that each should have.
        :param final: whether this is the cleanup. Before it, a service that
            is not restored is still owed its state, and the failure is
            raised again at cleanup in case it is swallowed.
        :raises: RestoreFailed (SF201), or MultipleExceptions of them, after
            all were tried.
        """
        attempts = [_Attempt(*each) for each in wanted.items()]
        with actor.acting('SafeServiceToggle restore', restoring=[self]):
            found = self._read_all(wanted)
            for attempt in attempts:
                self._try(attempt, found[attempt.ref])
            actual = self._read_all(wanted)
        errors: list[exceptions.SafetyViolation] = []
        for attempt in attempts:
            attempt.actual = actual[attempt.ref]
            try:
                self._conclude(attempt, final)
            except exceptions.SafetyViolation as violation:
                errors.append(violation)
        guard.raise_all(errors)

    def _read_all(self, wanted: Iterable[model.ServiceRef]) -> model.States:
        try:
            return self._services.read_all(list(wanted))
        except Exception as error:
            return dict.fromkeys(wanted, error)

    def _try(
        self, attempt: _Attempt, found: model.ServiceState | Exception
    ) -> None:
        began = clock.monotonic()
        try:
            if isinstance(found, _OUT_OF_REACH):
                attempt.how = f'not restored: {found}'
            elif isinstance(found, Exception):
                raise found
            elif found == attempt.wanted:
                attempt.how = 'already as before'
            elif self._shared and (
                why := self._shared.left_alone(attempt.ref, found)
            ):
                attempt.how = f'not restored: {why}'
            else:
                attempt.how = self._services.write(
                    attempt.ref, attempt.wanted, self._timeout
                )
        except Exception as error:
            attempt.how = f'restore failed: {type(error).__name__}: {error}'
            attempt.error = error
        attempt.seconds = clock.monotonic() - began

    def _conclude(self, attempt: _Attempt, final: bool) -> None:
        """Verify an attempt, record it, and report it if it failed."""
        ref, wanted, actual = attempt.ref, attempt.wanted, attempt.actual
        first = self._first.get(ref, wanted)
        if final or attempt.is_out_of_reach or actual == wanted == first:
            self._owed.pop(ref, None)
            if not attempt.is_done or attempt.is_out_of_reach:
                # It was tried, and is not looked at again.
                self._known.pop(ref, None)
        else:
            # Also if a handle restored a state that is not the first.
            self._owed.setdefault(ref, first)
        self._settle(attempt, final)
        if self._shared and actual is not None:
            self._shared.concluded(ref, actual)
        if isinstance(actual, model.ServiceState):
            self._order.changed(ref, actual, 'SafeServiceToggle restore')
        self._trail.record(
            events.RESTORE,
            str(ref),
            target_id=ref.uuid,
            outcome='success' if attempt.is_done else 'failure',
            wanted=str(wanted),
            actual=str(actual),
            how=attempt.how,
            seconds=round(attempt.seconds, 6),
        )
        if not attempt.is_done:
            self._report(attempt.violation(), str(ref), keep=not final)

    def _settle(self, attempt: _Attempt, final: bool) -> None:
        """Note in the entries of a service how each was restored."""
        entries = self._unsettled.pop(attempt.ref, [])
        kept = 0
        if not final:
            for number, entry in enumerate(entries):
                # A handle undoes what came after the state that it restores.
                if entry.before == attempt.wanted:
                    kept = number
        if not (final or attempt.is_done):
            kept = len(entries)
        for entry in entries[kept:]:
            entry.restored = attempt.how
        if kept:
            self._unsettled[attempt.ref] = entries[:kept]


def _action(before: model.ServiceState, after: model.ServiceState) -> str:
    if before.disabled != after.disabled:
        return events.DISABLE if after.disabled else events.ENABLE
    if before.forced_down != after.forced_down:
        return events.FORCE_DOWN
    return events.DISABLED_REASON
