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

"""Read journals, of which a line may be torn, damaged or hostile."""

import dataclasses
import json
import os as _os
from typing import Any, BinaryIO

from safe_fixtures.guards.services.journal import cloud
from safe_fixtures.guards.services.journal import owners
from safe_fixtures.guards.services.journal import records
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime import files
from safe_fixtures.runtime.system import os

__all__ = ['FOLDER', 'SUFFIX', 'left', 'left_by_dead', 'newest', 'read']

#: Where journals are in the directory of the option, and their suffix.
FOLDER, SUFFIX = 'journals', '.jsonl'

_listdir = _os.listdir
_decode = json.JSONDecoder().decode
# A line that no journal of ours has, and that fits into memory.
_LIMIT = 4 * records.LONGEST


class _Reader:
    """Takes in a journal line by line."""

    def __init__(self) -> None:
        self.owner: owners.Owner | None = None
        self._debts: dict[records.Service, records.Debt] = {}
        self._made: dict[records.Service, set[model.ServiceState]] = {}
        self.damaged = 0
        self._is_known_version = True

    def first(self, stored: dict[str, Any] | None) -> bool:
        """Take in the first line; return whether it can be trusted."""
        if stored is None or 'version' not in stored:
            # The lines that follow it say by themselves what they are.
            return stored is not None and self.next(stored)
        self.owner = owners.Owner.of_record(stored)
        version = stored['version']
        self._is_known_version = (
            type(version) is int and version == records.VERSION
        )
        return self._is_known_version and self.owner is not None

    def next(self, stored: dict[str, Any] | None) -> bool:
        """Take in another line; return whether it can be trusted."""
        if stored is None or not self._is_known_version:
            return False
        if records.SETTLE in stored:
            service = records.service_of(stored[records.SETTLE])
            if service is not None:
                self._debts.pop(service, None)
            return service is not None
        service = records.service_of(stored.get(records.INTEND))
        before = records.state_of(stored.get('before'))
        after = records.state_of(stored.get('after'))
        if service is None or before is None or after is None:
            return False
        if self._is_first(service, before):
            test, at = stored.get('test'), stored.get('at')
            self._debts[service] = records.Debt(
                service, before, frozenset(), _text(test), _text(at)
            )
            self._made[service] = set()
        self._made[service].add(after)
        return True

    def _is_first(
        self, service: records.Service, before: model.ServiceState
    ) -> bool:
        """Whether a change is the first one to a service, as it was then."""
        debt = self._debts.get(service)
        if debt is None:
            return True
        # A lost line may have been about the state before.
        return not self.damaged and debt.is_over(before, self._made[service])

    def debts(self) -> list[records.Debt]:
        """Return what is owed, the first change first."""
        return [
            dataclasses.replace(debt, made=frozenset(self._made[service]))
            for service, debt in self._debts.items()
        ]


def read(path: str) -> records.Record:
    """Read a journal, whatever it holds.

    :param path: the file (str).
    :returns: what can be trusted of it (Record).
    :raises: OSError if it cannot be read, or is no regular file.
    """
    reader, is_torn = _Reader(), False
    # A guard must not see this as an act of the test.
    with audit_hook.unseen(), files.open_regular(path) as file:
        take = reader.first
        while text := _next_line(file):
            is_whole = text.endswith(b'\n')
            if not take(_parsed(text)):
                reader.damaged += 1
                is_torn = not is_whole
            take = reader.next
    return records.Record(
        reader.owner,
        reader.debts(),
        reader.damaged,
        is_torn,
        path,
    )


def left(directory: str) -> list[records.Record]:
    """Return what all journals of a directory say, by name of the file.

    Those that cannot be read, or go meanwhile, are left out.

    :param directory: as in ``[safe_fixtures] journal_dir`` (str).
    """
    folder = os.path.join(directory, FOLDER)
    found = []
    try:
        with audit_hook.unseen():
            names = sorted(_listdir(folder))
    except OSError:
        return []
    for name in names:
        if name.endswith(SUFFIX):
            try:
                found.append(read(os.path.join(folder, name)))
            except OSError:
                continue
    return found


def left_by_dead(
    directory: str | None, endpoint: str | None = None
) -> list[records.Record]:
    """Return the journals of processes that have ended and owe something.

    :param directory: as in ``[safe_fixtures] journal_dir`` (str); None for
        none.
    :param endpoint: only those that owe it something; default: all.
    :returns: the records (list of Record), the newest first. In that order
        each one is restored to what the next one has made.
    """
    if directory is None:
        return []
    wanted = None if endpoint is None else cloud.canonical(endpoint)
    found = [
        record
        for record in left(directory)
        if record.owner is not None
        and any(
            wanted in (None, debt.service.endpoint) for debt in record.debts
        )
        and record.owner.is_alive() is False
    ]
    return sorted(found, key=newest, reverse=True)


def newest(record: records.Record) -> str:
    """Return when a journal noted its newest debt, to sort by it."""
    return max((debt.at or '' for debt in record.debts), default='')


def _next_line(file: BinaryIO) -> bytes:
    """Return the next line; of one that is too long, only its end."""
    text = file.readline(_LIMIT)
    while len(text) == _LIMIT and not text.endswith(b'\n'):
        # What is left of it is no JSON.
        text = b'!' + file.readline(_LIMIT - 1)
    return text


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        stored = _decode(text.decode())
    except (ValueError, RecursionError):
        return None
    return stored if isinstance(stored, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
