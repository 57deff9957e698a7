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

"""Restore what a process that has ended owes to the services of a cloud."""

from collections.abc import Iterable
import contextlib
import dataclasses
import errno
import fcntl
import posix
from typing import Any

from safe_fixtures.guards.services import changes
from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services.journal import locks
from safe_fixtures.guards.services.journal import plans
from safe_fixtures.guards.services.journal import reading
from safe_fixtures.guards.services.journal import records
from safe_fixtures.guards.services.journal import storage
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable
from safe_fixtures.runtime.system import os

__all__ = ['replay']

# Outcomes after which a service is owed nothing.
_SETTLED = ('done', 'restored', 'forced')
_GONE = 'the API does not list it any more'
_SILENT = 'its cell does not answer'
_flock = fcntl.flock


def replay(
    record: records.Record,
    api: clients.Api,
    *,
    dry_run: bool = False,
    force: bool = False,
    timeout: float = 10.0,
    directory: str | None = None,
    lock_timeout: float = 0.0,
) -> list[plans.Row]:
    """Restore what a journal says is owed at the endpoint of a client.

    The services are listed once, restored in the reverse order of their
    first changes, and listed again. What is as before then is settled in the
    journal, which goes when nothing is owed any more. So it can be repeated.
    Whoever calls it asks :func:`why_refused` first.

    :param record: what :func:`read` returned (Record).
    :param api: the client.
    :param dry_run: change nothing, and say what would be done (bool).
    :param force: restore conflicts too, and forget services that are gone
        (bool).
    :param timeout: how long one request may take (seconds).
    :param directory: where the locks are, as in ``[safe_fixtures]
        journal_dir`` (str); None for no locks.
    :param lock_timeout: how long to wait for other runs, and for another
        replay of the journal (seconds).
    :returns: a row for each service, in the order of the restores (list of
        Row).
    :raises: ApiError, ApiUnreachable or TimeoutError if the services cannot
        be listed. Then nothing was changed.
    :raises: JournalError if another process replays the journal, or if what
        was restored cannot be put on record.
    """
    if dry_run:
        return _Replay(record, api, force, timeout).look()
    with contextlib.ExitStack() as stack:
        if record.path:
            # Another replay may have been first.
            record = _locked(record.path, lock_timeout, stack) or (
                dataclasses.replace(record, debts=[], path='')
            )
        attempt = _Replay(record, api, force, timeout)
        if directory is not None:
            attempt.lock(directory, lock_timeout, stack)
        rows = attempt.run()
        if record.path:
            _settle(record, rows, force)
        return rows


class _Listing:
    """The services of a cloud at one moment."""

    def __init__(self, listed: Iterable[clients.Listed] = ()) -> None:
        self._by_uuid: dict[str, clients.Listed] = {}
        # Those whose cell does not answer have no uuid.
        self._silent: set[tuple[str, str]] = set()
        for each in listed:
            if each.state is None:
                self._silent.add((each.ref.host, each.ref.binary))
            else:
                self._by_uuid[each.ref.uuid] = each

    def find(self, service: records.Service) -> clients.Listed | None:
        """Return a service; None if it is not listed."""
        found = self._by_uuid.get(service.uuid)
        if found is None or _name(found.ref) != _name(service):
            return None
        return found

    def state(self, service: records.Service) -> model.ServiceState | None:
        """Return the state of a service; None if it is not listed."""
        found = self.find(service)
        return None if found is None else found.state

    def is_silent(self, service: records.Service) -> bool:
        """Whether the cell of a service does not answer."""
        return _name(service) in self._silent


def _name(service: Any) -> tuple[str, str]:
    return service.host, service.binary


class _Replay:
    """One replay of one journal."""

    def __init__(
        self,
        record: records.Record,
        api: clients.Api,
        force: bool,
        timeout: float,
    ) -> None:
        self._api = api
        self._force = force
        self._timeout = timeout
        here = plans.Place.of(api)
        self._debts = [
            debt for debt in reversed(record.debts) if here.has(debt.service)
        ]
        self._rows: dict[records.Service, plans.Row] = {}

    def lock(
        self, directory: str, timeout: float, stack: contextlib.ExitStack
    ) -> None:
        """Lock the services; those that another run holds have failed."""
        until = clock.monotonic() + timeout
        for debt in sorted(self._debts, key=lambda debt: debt.service.uuid):
            lock = locks.ServiceLock(directory, debt.service)
            try:
                lock.acquire(max(until - clock.monotonic(), 0.0))
            except locks.LockHeld as held:
                self._note(debt, None, 'failed', str(held))
                continue
            stack.callback(lock.release)

    def look(self) -> list[plans.Row]:
        """Return what would be done."""
        for debt, found in self._to_restore(self._list()):
            why = ''
            if plans.plan(debt, found) == 'conflict':
                why = 'somebody else changed it'
            self._note(debt, found, 'would restore', why)
        return self._in_order()

    def run(self) -> list[plans.Row]:
        """Restore, verify, and return what was done."""
        before = self._list()
        written = [
            (debt, found, self._write(before, debt, found))
            for debt, found in self._to_restore(before)
        ]
        if written:
            self._verify(written)
        return self._in_order()

    def _list(self) -> _Listing:
        if len(self._rows) == len(self._debts):
            return _Listing()
        return _Listing(self._api.list_services(self._timeout))

    def _to_restore(
        self, listing: _Listing
    ) -> list[tuple[records.Debt, model.ServiceState]]:
        """Return what is to be restored, with its state.

        Why any other service is not is noted.
        """
        found = []
        for debt in self._debts:
            service = debt.service
            if service in self._rows:
                continue
            state = listing.state(service)
            if state is None:
                if listing.is_silent(service):
                    silence = clients.ApiUnreachable(_SILENT)
                    self._note(debt, None, 'failed', _SILENT, silence)
                else:
                    self._note(debt, None, 'gone', _GONE)
                continue
            planned = plans.plan(debt, state)
            if planned == 'done':
                self._note(debt, state, 'done', 'it is as before')
            elif planned == 'conflict' and not self._force:
                self._note(debt, state, 'conflict', 'somebody else changed it')
            else:
                found.append((debt, state))
        return found

    def _write(
        self,
        listing: _Listing,
        debt: records.Debt,
        found: model.ServiceState,
    ) -> Exception | None:
        """Restore a service; return what it raised."""
        listed = listing.find(debt.service)
        if listed is None:
            return None
        ref, body = listed.ref, changes.body_for(found, debt.before)
        try:
            self._api.put_service(ref.handle or ref.uuid, body, self._timeout)
        except Exception as error:
            return error
        return None

    def _verify(
        self,
        written: Iterable[
            tuple[records.Debt, model.ServiceState, Exception | None]
        ],
    ) -> None:
        unread, after = None, _Listing()
        try:
            after = self._list()
        except Exception as error:
            unread = error
        for debt, found, failure in written:
            state = after.state(debt.service)
            why = _text(failure) if failure is not None else ''
            if state == debt.before:
                is_ours = plans.plan(debt, found) == 'restore'
                if why:
                    why = f'its record is right, after {why}'
                self._note(
                    debt, found, 'restored' if is_ours else 'forced', why
                )
            else:
                if not why and unread is not None:
                    why = f'it cannot be read again: {_text(unread)}'
                why = why or f'it is {state or "gone"} after that'
                self._note(debt, found, 'failed', why, failure or unread)

    def _note(
        self,
        debt: records.Debt,
        found: model.ServiceState | None,
        outcome: plans.Outcome,
        why: str = '',
        error: Exception | None = None,
    ) -> None:
        row = plans.Row(debt.service, debt.before, found, outcome, why, error)
        self._rows[debt.service] = row

    def _in_order(self) -> list[plans.Row]:
        return [self._rows[debt.service] for debt in self._debts]


def _settle(
    record: records.Record, rows: Iterable[plans.Row], force: bool
) -> None:
    """Note in a journal what is settled; remove it if that is all.

    :raises: JournalError if that fails.
    """
    settled = [
        row.service
        for row in rows
        if row.outcome in _SETTLED or (force and row.outcome == 'gone')
    ]
    is_all = len(settled) == len(record.debts)
    try:
        with audit_hook.unseen():
            if is_all and (force or not record.has_holes):
                storage.remove(record.path)
            elif settled:
                lines = map(records.settlement, settled)
                data = b''.join(map(records.line, lines))
                storage.append(record.path, data)
    except OSError as error:
        raise storage.JournalError.of(error, record.path) from error


def _locked(
    path: str, timeout: float, stack: contextlib.ExitStack
) -> records.Record | None:
    """Lock a journal against other replays, and read it again.

    :param stack: frees it.
    :returns: what it says now; None if it has gone.
    :raises: JournalError if another process replays it.
    """
    until = clock.monotonic() + timeout
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        with audit_hook.unseen():
            descriptor = posix.open(path, flags)
        stack.callback(posix.close, descriptor)
        while not _take(descriptor):
            if clock.monotonic() >= until:
                raise storage.JournalError(
                    errno.EWOULDBLOCK, 'another process replays it', path
                )
            files.pause()
        return reading.read(path)
    except FileNotFoundError:
        return None


def _take(descriptor: int) -> bool:
    try:
        _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _text(error: Exception) -> str:
    return printable.line(f'{type(error).__name__}: {error}')
