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

"""The journal of this process: what it owes, in memory and on disk."""

import contextlib
import dataclasses
import errno
import functools
import threading
from typing import Any

from safe_fixtures.guards.services.journal import cloud
from safe_fixtures.guards.services.journal import owners
from safe_fixtures.guards.services.journal import reading
from safe_fixtures.guards.services.journal import records
from safe_fixtures.guards.services.journal import storage
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime import forks
from safe_fixtures.runtime.system import os

__all__ = ['Journal', 'of']

# Bound at import, so that a test that patches it changes nothing here.
_RLock = threading.RLock


class Journal:
    """What this process owes to services, written before each change.

    A service is owed the state that it had before its first change, until it
    is seen in that state again. If somebody else changes it in between, it is
    owed what they have made of it, from the next change on. The file is made
    at the first change, and goes when nothing is owed. Threads may share a
    journal. In a forked child it is empty: what the parent owes is for the
    parent to restore.

    Example::

        journal = of(settings.journals)
        journal.intend(service, before, after, test.id())
        ...  # change it, restore it, read it back
        journal.saw(service, state)

    :param directory: as in ``[safe_fixtures] journal_dir`` (str); None keeps
        the journal in memory.
    """

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._begin()

    def _begin(self) -> None:
        """Owe nothing: a forked child owes what it changes itself."""
        self._process = forks.process()
        # A thread of the parent may hold the one that was copied.
        self._lock = _RLock()
        self._debts: dict[records.Service, records.Debt] = {}
        # What the file still says is owed, after a write that failed.
        self._unwritten: set[records.Service] = set()
        self._file: storage.DurableFile | None = None

    @property
    def path(self) -> str | None:
        """The file (str); None while there is none."""
        return None if self._file is None else self._file.path

    def intend(
        self,
        service: records.Service,
        before: model.ServiceState,
        after: model.ServiceState,
        test_id: str | None = None,
    ) -> None:
        """Put on record that a service is about to be changed.

        Every change counts, and a restore of a handle too: a replay undoes
        no state that is not on record. When it returns, the record is on
        disk.

        :param before: the state it has, read just now.
        :param after: the state it is about to get.
        :param test_id: the test that does it.
        :raises: JournalError if the record cannot be written. Then the
            service must not be changed. What was owed stays owed.
        :raises: ValueError if the endpoint of the service is no URL.
        """
        service, at = _canonical(service), records.now()
        with self._guarded():
            line = records.intent(service, before, after, test_id, at)
            self._write([line])
            debt = self._debts.get(service)
            if debt is None or debt.is_over(before):
                debt = records.Debt(service, before, frozenset(), test_id, at)
            self._debts[service] = dataclasses.replace(
                debt, made=debt.made | {after}
            )

    def first(self, service: records.Service) -> model.ServiceState | None:
        """Return the state that a service is owed; None if it is not."""
        with self._guarded():
            debt = self._debts.get(_canonical(service))
            return None if debt is None else debt.before

    def made(self, service: records.Service) -> frozenset[model.ServiceState]:
        """Return every state that was made of a service that is owed one."""
        with self._guarded():
            debt = self._debts.get(_canonical(service))
            return frozenset() if debt is None else debt.made

    def saw(self, service: records.Service, state: model.ServiceState) -> bool:
        """Settle what a service is owed, if it has that state.

        :param state: its state, read just now.
        :returns: whether it is owed nothing now.
        """
        with self._guarded():
            debt = self._debts.get(_canonical(service))
            if debt is not None and debt.before == state:
                self.forget(service)
                return True
            return debt is None

    def forget(self, service: records.Service) -> None:
        """Settle what a service is owed that can never be restored.

        If the file cannot be written now, it says so with the next line.
        """
        service = _canonical(service)
        with self._guarded():
            if self._debts.pop(service, None) is None:
                return
            self._unwritten.add(service)
            try:
                if self._debts:
                    self._write([])
                else:
                    self._end()
            except storage.JournalError:
                # A replay finds it as it was, and does nothing.
                return

    def owed(self) -> list[records.Debt]:
        """Return what is owed, in the order of the first changes."""
        with self._guarded():
            return list(self._debts.values())

    def _guarded(self) -> contextlib.AbstractContextManager[Any]:
        if self._process != forks.process():
            self._begin()
        return self._lock

    def _write(self, lines: list[dict[str, Any]]) -> None:
        """Append lines, after the settlements that are not written yet."""
        directory = self._directory
        if directory is None:
            self._unwritten.clear()
            return
        settled = [records.settlement(each) for each in self._unwritten]
        file = self._file
        if file is None:
            file, settled = _new_file(directory), []
            lines = [records.header(owners.this_process()), *lines]
        written = [records.line(each) for each in (*settled, *lines)]
        if max(map(len, written)) > records.LONGEST:
            raise storage.JournalError(
                errno.EMSGSIZE, 'the record is too long', file.path
            )
        file.append(b''.join(written))
        self._file = file
        self._unwritten.clear()

    def _end(self) -> None:
        """Remove the file, as nothing is owed."""
        if self._file is not None:
            try:
                self._file.remove()
            except storage.JournalError:
                self._write([])
                return
        self._file = None
        self._unwritten.clear()


def _canonical(service: records.Service) -> records.Service:
    return service._replace(endpoint=cloud.canonical(service.endpoint))


def _new_file(directory: str) -> storage.DurableFile:
    owner = owners.this_process()
    folder = os.path.join(directory, reading.FOLDER)
    name = f'{owner.pid}-{owner.run}{reading.SUFFIX}'
    try:
        with audit_hook.unseen():
            storage.make_private(folder)
    except OSError as error:
        raise storage.JournalError.of(error, folder) from error
    return storage.DurableFile(os.path.join(folder, name))


def of(directory: str | None) -> Journal:
    """Return the journal of this process for a directory, always the same.

    :param directory: as in ``[safe_fixtures] journal_dir`` (str); None for a
        journal in memory.
    """
    return _of(None if directory is None else os.path.abspath(directory))


_of = functools.cache(Journal)
