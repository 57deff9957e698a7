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

"""Pass interpreter events and connections to the scopes that check them."""

import _thread
from collections.abc import Callable
import contextlib
import unittest

from pycadf import cadftaxonomy

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.boundary import endpoints as boundary_endpoints
from safe_fixtures import conf
from safe_fixtures.core import guard as core_guard
from safe_fixtures.core import waivers
from safe_fixtures import exceptions
from safe_fixtures.guards.isolation import check
from safe_fixtures.guards.isolation import configuration
from safe_fixtures.guards.isolation import connections
from safe_fixtures.guards.isolation import network
from safe_fixtures.guards.isolation import processes
from safe_fixtures.guards.isolation import sockets
from safe_fixtures.guards.isolation import unreported
from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime import owners
from safe_fixtures.runtime import patching

__all__ = ['TARGET_TYPES', 'Scope', 'active', 'enter_process']

TARGET_TYPES = {
    'SF401': 'network/connection',
    'SF402': 'data/database',
    'SF403': 'service/messaging',
    'SF404': 'data/security/credential',
    'SF405': 'data/file',
    'SF406': 'compute/process',
}


class Scope(owners.Owner):
    """Checks what one test does and leaves running, or what a process does.

    :param checks: the checks of the rules that are on.
    :param endpoints: where options, engines and transports may lead (tuple
        of str); None if they are not checked.
    :param test: the test; None for a process.
    :param settings: those of the guard.
    :ivar guard: the guard, while it is active.
    :ivar entered_by: the thread or greenlet that set it up.
    :ivar by_event: the checks, by the names of their events.
    """

    def __init__(
        self,
        checks: list[check.Check],
        endpoints: tuple[str, ...] | None,
        test: unittest.TestCase | None,
        settings: conf.Settings,
    ) -> None:
        super().__init__(test)
        self.guard: core_guard.Guard | None = None
        self.entered_by: int | None = None
        # The targets of what was recorded, and is no violation.
        self._noted: set[str] = set()
        self._remove: Callable[[], None] = lambda: None
        self.endpoints = endpoints
        self._checks = checks
        self.by_event: dict[str, list[check.Check]] = {}
        for each in checks:
            for event in each.events:
                self.by_event.setdefault(event, []).append(each)
        # Not the test itself: a thread that outlives it would keep it alive.
        self._test_id = None if test is None else test.id()
        self._waivers = waivers.of(test)
        self._settings = settings

    def enter(self, guard: core_guard.Guard) -> None:
        """Check this thread, and what belongs to it, from now on."""
        self.guard = guard
        self.entered_by = _thread.get_ident()
        self._remove = active.add(self)
        _refresh()

    def leave(self) -> None:
        """End the guard's part; what the test left running stays checked."""
        self._remove()
        self.guard = None
        _left.append(self)
        _refresh()

    def finish(self) -> None:
        """Report what only shows afterwards.

        :raises: SafetyViolation for the first finding of an enforced rule.
        """
        with contextlib.ExitStack() as stack:
            for each in self._checks:
                for finding in each.finish():
                    stack.callback(self.report, finding, keep=False)

    def on_event(self, event: str, args: check.Args) -> None:
        """Check an event and report what is wrong with it."""
        for each in self.by_event.get(event, ()):
            self.report(each.on_event(event, args))

    def report(
        self, finding: check.Finding | None, *, keep: bool = True
    ) -> None:
        """Record a finding, if there is one.

        :param keep: raise it again at cleanup, in case it is swallowed.
        :raises: SafetyViolation if its rule is enforced, else the error of
            the finding, unless it is waived or the run only looks.
        """
        if finding is None:
            return
        message = f'{finding.message} {self._whose()}'.rstrip()
        waived = None
        if finding.is_violation:
            waived = self._any_guard()._violate(
                exceptions.SafetyViolation(finding.code, message),
                finding.target,
                keep=keep,
                target_type=TARGET_TYPES[finding.code],
            )
        else:
            self._note(finding, message)
        if waived or self._settings.only_looks(finding.code):
            return
        if finding.error is not None:
            raise finding.error

    def _note(self, finding: check.Finding, message: str) -> None:
        """Record what is no violation; once, as it may be tried for long."""
        if finding.target in self._noted:
            return
        self._noted.add(finding.target)
        with self._any_guard()._any_trail(None) as trail:
            trail.record(
                events.LATE,
                finding.target,
                target_type=TARGET_TYPES[finding.code],
                outcome=cadftaxonomy.OUTCOME_FAILURE,
                event_type='monitor',
                message=message,
            )

    def _any_guard(self) -> core_guard.Guard:
        if self.guard is not None:
            return self.guard
        return core_guard.Guard(
            trail=audit.AuditTrail.standalone(
                self._test_id, self._settings.audit_file
            ),
            waivers=self._waivers,
            settings=self._settings,
        )

    def _whose(self) -> str:
        if self.guard is not None:
            return f'in {self._test_id}' if self._test_id else ''
        if self._test_id:
            return f'in what {self._test_id} left running'
        return 'outside any test'


# The scope of the process, if it is guarded.
_process: Scope | None = None
# The scopes of tests that are over, as long as their threads may run.
_left: list[Scope] = []


def _current() -> Scope | None:
    """Return the scope that the current thread or greenlet belongs to."""
    # The one it entered itself comes before the one it was started in.
    ident = _thread.get_ident()
    for scope in reversed(active.users):
        if scope.entered_by == ident:
            return scope
    owner = owners.find()
    if isinstance(owner, Scope):
        return owner
    tests = (each for each in reversed(active.users) if each is not _process)
    return next(tests, _process)


def _on_event(event: str, args: check.Args) -> None:
    scope = _current()
    if scope is not None:
        scope.on_event(event, args)


def _on_connection(kind: str, url: str) -> None:
    scope = _current()
    if scope is not None and scope.endpoints is not None:
        scope.report(configuration.check_url(kind, url))


def _watch() -> Callable[[], None]:
    return patching.patch_together(
        lambda: owners.follow(_current),
        boundary_endpoints.note_interceptions,
        network.report_eventlet_lookups,
        sockets.report_sends,
        unreported.report,
        processes.report_fork_exec,
        lambda: connections.watch(_on_connection),
    )


#: The scopes that check something now, the innermost last.
active: patching.SharedPatch[Scope] = patching.SharedPatch(_watch)


def enter_process(make: Callable[[], Scope]) -> None:
    """Check all that no test is responsible for, until the process ends.

    :param make: returns the scope; not called if there is one already.
    """
    global _process
    if _process is None:
        _process = make()
        active.add(_process)
        _refresh()


def _refresh() -> None:
    """Watch the events that some scope checks, and no others."""
    _left[:] = [scope for scope in _left if scope.is_alive()]
    audit_hook.watch(
        {
            event: _on_event
            for scope in (*active.users, *_left)
            for event in scope.by_event
        }
    )
