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

from collections.abc import Iterable, Mapping
import contextlib
import dataclasses
import errno
import fcntl
import posix
from typing import Any, Literal, NamedTuple

from safe_fixtures.guards.services import changes
from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services.journal import cloud
from safe_fixtures.guards.services.journal import locks
from safe_fixtures.guards.services.journal import reading
from safe_fixtures.guards.services.journal import records
from safe_fixtures.guards.services.journal import storage
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable
from safe_fixtures.runtime.system import os

__all__ = ['Outcome', 'Row', 'plan', 'replay', 'why_refused']

Outcome = Literal[
    'done', 'restored', 'would restore', 'conflict', 'forced', 'failed', 'gone'
]
Plan = Literal['done', 'restore', 'conflict']

#: Outcomes after which a service is owed nothing.
_SETTLED = ('done', 'restored', 'forced')
_flock = fcntl.flock


class Row(NamedTuple):
    """What became of one service.

    :ivar service: which service (Service).
    :ivar wanted: the state that it is owed (ServiceState).
    :ivar found: the state it had (ServiceState); None if it is unknown.
    :ivar outcome: what was done (str).
    :ivar why: what there is to say about it (str); may be empty.
    """

    service: records.Service
    wanted: model.ServiceState
    found: model.ServiceState | None
    outcome: Outcome
    why: str = ''


def plan(debt: records.Debt, found: model.ServiceState) -> Plan:
    """Decide what to do for a service, by the state it is found in.

    :returns: ``done`` if it is as before; ``restore`` if it is as its owner
        made it; ``conflict`` if somebody else has changed it since.
    """
    if found == debt.before:
        return 'done'
    return 'restore' if found in debt.made else 'conflict'


def why_refused(
    record: records.Record, api: clients.Api, force: bool = False
) -> str | None:
    """Return why a journal must not be replayed; None if it may.

    :param api: the client that would restore.
    :param force: replay it also where its owner may live, on another host.
    """
    owner = record.owner
    alive = None if owner is None else owner.is_alive()
    if alive:
        return f'{owner} still runs, and restores by itself'
    if alive is None and not force:
        who = 'its owner' if owner is None else str(owner)
        return (
            f'nobody here knows whether {who} still runs; use --force if it '
            'does not'
        )
    if record.debts and not any(_is_of(api, debt) for debt in record.debts):
        service = record.debts[0].service
        return (
            f'it is about {_place(service.endpoint, service.region)}, and '
            f'not about {_place(_endpoint(api), api.region())}'
        )
    return None


def replay(
    record: records.Record,
    api: clients.Api,
    *,
    dry_run: bool = False,
    force: bool = False,
    timeout: float = 10.0,
    directory: str | None = None,
    lock_timeout: float = 0.0,
) -> list[Row]:
    """Restore what a journal says is owed at the endpoint of a client.

    The services are listed once, restored in the reverse order of their
    first changes, and listed again. What is as before then is settled in the
    journal, which goes when nothing is owed any more. So it can be repeated.
    Whoever calls it asks :func:`why_refused` first.

    :param record: from :func:`read`.
    :param api: the client.
    :param dry_run: change nothing, and say what would be done.
    :param force: restore conflicts too, and forget services that are gone.
    :param timeout: how long one request may take (seconds).
    :param directory: where the locks are, as in ``[safe_fixtures]
        journal_dir`` (str); None for no locks.
    :param lock_timeout: how long to wait for another run (seconds).
    :returns: a row for each service, in the order of the restores.
    :raises: what listing the services raises; JournalError if another
        process replays the journal.
    """
    if dry_run:
        attempt = _Replay(record, api, force, timeout)
        return attempt.look()
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
        self._debts = [
            debt for debt in reversed(record.debts) if _is_of(api, debt)
        ]
        self._rows: dict[records.Service, Row] = {}
        # Host and binary of the services whose cell does not answer.
        self._silent: set[tuple[str, str]] = set()

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

    def look(self) -> list[Row]:
        """Return what would be done."""
        found = self._list()
        for debt in self._debts:
            state = self._first_look(debt, found)
            if state is not None:
                self._note(debt, state, 'would restore')
        return self._in_order()

    def run(self) -> list[Row]:
        """Restore, verify, and return what was done."""
        found, written = self._list(), {}
        for debt in self._debts:
            state = self._first_look(debt, found)
            if state is not None:
                ref = found[debt.service.uuid].ref
                error = self._write(ref, state, debt.before)
                written[debt.service] = debt, state, error
        if written:
            self._verify(written)
        return self._in_order()

    def _list(self) -> dict[str, clients.Listed]:
        if all(debt.service in self._rows for debt in self._debts):
            return {}
        listed = self._api.list_services(self._timeout)
        self._silent = {
            (each.ref.host, each.ref.binary)
            for each in listed
            if each.state is None
        }
        return {each.ref.uuid: each for each in listed}

    def _first_look(
        self, debt: records.Debt, found: Mapping[str, clients.Listed]
    ) -> model.ServiceState | None:
        """Return the state of a service that is to be restored.

        For any other one, note why it is not, and return None.
        """
        service = debt.service
        if service in self._rows:
            return None
        state = _state(service, found)
        if state is None and (service.host, service.binary) in self._silent:
            self._note(debt, None, 'failed', 'its cell does not answer')
            return None
        if state is None:
            self._note(debt, None, 'gone', 'the API does not list it any more')
            return None
        planned = plan(debt, state)
        if planned == 'done':
            self._note(debt, state, 'done', 'it is as it was')
        elif planned == 'conflict' and not self._force:
            self._note(debt, state, 'conflict', 'somebody else changed it')
        else:
            return state
        return None

    def _write(
        self,
        ref: model.ServiceRef,
        found: model.ServiceState,
        wanted: model.ServiceState,
    ) -> Exception | None:
        try:
            # A number before 2.53; else the uuid.
            service_id = ref.uuid if ref.handle is None else ref.handle
            body = changes.body_for(found, wanted)
            self._api.put_service(service_id, body, self._timeout)
        except Exception as error:
            return error
        return None

    def _verify(self, written: dict[records.Service, Any]) -> None:
        why, after = '', dict[str, clients.Listed]()
        try:
            after = self._list()
        except Exception as error:
            why = f'it cannot be read again: {_text(error)}'
        for service, (debt, before, failure) in written.items():
            state = _state(service, after)
            if state == debt.before:
                restored: Outcome = (
                    'restored' if plan(debt, before) == 'restore' else 'forced'
                )
                told = f'the record is right, but: {_text(failure)}'
                self._note(debt, before, restored, told if failure else '')
                continue
            text = (
                _text(failure)
                if failure
                else why or f'it is {state or "gone"}'
            )
            self._note(debt, before, 'failed', text)

    def _note(
        self,
        debt: records.Debt,
        found: model.ServiceState | None,
        outcome: Outcome,
        why: str = '',
    ) -> None:
        row = Row(debt.service, debt.before, found, outcome, why)
        self._rows[debt.service] = row

    def _in_order(self) -> list[Row]:
        return [self._rows[debt.service] for debt in self._debts]


def _settle(record: records.Record, rows: Iterable[Row], force: bool) -> None:
    """Note in a journal what is settled; remove it if that is all.

    :raises: JournalError if that fails.
    """
    settled = {
        row.service
        for row in rows
        if row.outcome in _SETTLED or (force and row.outcome == 'gone')
    }
    left = any(debt.service not in settled for debt in record.debts)
    try:
        with audit_hook.unseen():
            if not left and (force or not record.has_holes):
                storage.remove(record.path)
            elif settled:
                lines = [records.line(records.settlement(s)) for s in settled]
                storage.append(record.path, b''.join(lines))
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


def _is_of(api: clients.Api, debt: records.Debt) -> bool:
    """Whether a service is at the endpoint and in the region of a client."""
    service, region = debt.service, api.region()
    return service.endpoint == _endpoint(api) and (
        service.region or region
    ) == (region or service.region)


def _endpoint(api: clients.Api) -> str:
    try:
        return cloud.canonical(api.endpoint() or '')
    except ValueError:
        return 'an unknown endpoint'


def _place(endpoint: str, region: str | None) -> str:
    where = f'{endpoint} in region {region}' if region else endpoint
    return printable.line(where)


def _state(
    service: records.Service, found: Mapping[str, clients.Listed]
) -> model.ServiceState | None:
    """Return the state of a service; None if it is not listed."""
    listed = found.get(service.uuid)
    if listed is None or (service.host, service.binary) != (
        listed.ref.host,
        listed.ref.binary,
    ):
        return None
    return listed.state


def _text(error: Exception) -> str:
    return printable.line(f'{type(error).__name__}: {error}')
