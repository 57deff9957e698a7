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

"""Keep other runs from the services that a test changes.

On one machine a lock does that, which the kernel frees when a process ends.
Other machines see the marker in ``disabled_reason``.
"""

from collections.abc import Callable
from typing import Any

from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services.journal import owners
from safe_fixtures.guards.services import marker
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import files

__all__ = ['Holds']

# Seconds between two looks at a service that another run has disabled.
_PAUSE = 0.5


class Holds:
    """The services that this process holds, of one endpoint.

    :param books: the journal of this process.
    :param endpoint: the URL of the API.
    :param region: its region; None if there are no regions.
    :param settings: those of the guard.
    :param report: reports a violation, as ``Guard`` does.
    :param test_id: the test, for another run that waits.
    """

    def __init__(
        self,
        books: journal.Journal,
        endpoint: str,
        region: str | None,
        settings: conf.Settings,
        report: Callable[..., Any],
        test_id: str | None,
    ) -> None:
        self._journal = books
        self._endpoint = endpoint
        self._region = region
        self._settings = settings
        self._report = report
        self._test_id = test_id
        self._locks: dict[model.ServiceRef, journal.ServiceLock] = {}
        owner = owners.this_process()
        self._marker = marker.Marker(owner.run[:8], owner.host, owner.pid)

    def key(self, ref: model.ServiceRef) -> journal.Service:
        """Return a service as the journal and the locks know it."""
        return journal.Service(
            self._endpoint, self._region, ref.uuid, ref.host, ref.binary
        )

    def marked(self, reason: str | None) -> str:
        """Return a reason as it is written, with the marker of this run."""
        return self._marker.added_to(reason)

    def hold(
        self,
        ref: model.ServiceRef,
        read: Callable[[model.ServiceRef], model.ServiceState],
    ) -> model.ServiceState | None:
        """Keep other runs from a service until it is as before again.

        :param read: reads the service afresh.
        :returns: its state, read since it is held; None if it was held
            before, and was not read now.
        :raises: SafetyViolation (SF206) if another run holds it.
        """
        key = self.key(ref)
        if ref in self._locks or self._journal.first(key) is not None:
            return None
        if self._settings.journals is not None:
            self._lock(ref, self._settings.journals)
        return self._wait_for_others(ref, read)

    def _lock(self, ref: model.ServiceRef, directory: str) -> None:
        lock = journal.ServiceLock(directory, self.key(ref))
        held = None
        try:
            lock.acquire(self._settings.lock_timeout, self._test_id)
            self._locks[ref] = lock
        except journal.LockHeld as error:
            held = error
        # Not within the handler, whose exception the test need not see.
        if held is not None:
            self._report(held.violation(), str(ref))

    def release(self, ref: model.ServiceRef) -> None:
        """Let others use a service, unless it is still to be restored."""
        if ref in self._locks and self._journal.first(self.key(ref)) is None:
            self._locks.pop(ref).release()

    def release_all(self) -> None:
        """Let others use what is as before.

        A service that could not be restored stays locked until the process
        ends.
        """
        for ref in list(self._locks):
            self.release(ref)

    def check_own(
        self, ref: model.ServiceRef, state: model.ServiceState
    ) -> None:
        """Check what was read back after this run disabled a service.

        :raises: SafetyViolation (SF206) if another run was as fast.
        """
        other = self._other(state)
        if other is not None:
            self.violate(ref, f'was disabled at the same time by {other}')

    def violate(self, ref: model.ServiceRef, what: str) -> None:
        """Report that another run has a service.

        :raises: SafetyViolation (SF206).
        """
        self._report(
            exceptions.ServiceHeld(
                f'{ref} {what}', service=str(ref), holder=None
            ),
            str(ref),
        )

    def _other(self, state: model.ServiceState) -> marker.Marker | None:
        found = marker.find(state.disabled_reason)
        return None if found == self._marker else found

    def _wait_for_others(
        self,
        ref: model.ServiceRef,
        read: Callable[[model.ServiceRef], model.ServiceState],
    ) -> model.ServiceState:
        began = clock.monotonic()
        while True:
            state = read(ref)
            other = self._other(state)
            if other is None:
                return state
            if clock.monotonic() - began > self._settings.lock_timeout:
                break
            files.pause(_PAUSE)
        self.violate(
            ref,
            f'is disabled by {other}; if that has ended, run "safe-fixtures '
            'restore" on its machine',
        )
        return state
