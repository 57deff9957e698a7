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

"""Pass interpreter events and connections to the active guards."""

import _thread
from collections.abc import Callable
from typing import Any
import unittest

from safe_fixtures import audit
from safe_fixtures.core import guard as core_guard
from safe_fixtures.core import waivers
from safe_fixtures import exceptions
from safe_fixtures.guards.isolation import concern as isolation_concern
from safe_fixtures.guards.isolation import configuration as options
from safe_fixtures.guards.isolation import connections
from safe_fixtures.guards.isolation import network as isolation_network
from safe_fixtures.guards.isolation import processes as isolation_processes
from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime import owners

__all__ = [
    'Scope',
    'TARGET_TYPES',
    'enter',
    'installed',
    'leave',
    'refresh',
]


TARGET_TYPES = {
    'SF401': 'network/connection',
    'SF402': 'data/database',
    'SF403': 'service/messaging',
    'SF404': 'data/security/credential',
    'SF405': 'data/file',
    'SF406': 'compute/process',
}


class Scope(owners.Owner):
    """Judges what a test does, and what outlives it; or a process.

    :ivar guard: the guard, as long as it is active.
    :ivar entered_by: the thread or greenlet that set it up.
    :ivar endpoints: where options, engines and transports may lead; None
        if nobody asks.
    """

    def __init__(
        self,
        concerns: list[isolation_concern.Concern],
        endpoints: tuple[str, ...] | None,
        test: unittest.TestCase | None,
    ) -> None:
        super().__init__()
        self.guard: core_guard.Guard | None = None
        self.endpoints = endpoints
        self.entered_by: int | None = None
        self.by_event: dict[str, list[isolation_concern.Concern]] = {}
        for concern in concerns:
            for event in concern.events:
                self.by_event.setdefault(event, []).append(concern)
        # Not the test itself, which a thread that outlives it would keep.
        self._test_id = None if test is None else test.id()
        self._waivers = waivers.of(test)

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        """Judge an event; raise what comes of it."""
        for concern in self.by_event.get(event, ()):
            finding = concern.judge(event, args)
            if finding is not None:
                self.report(finding)

    def report(self, finding: isolation_concern.Finding) -> None:
        """Record a finding; raise what comes of it."""
        guard = self.guard
        if guard is not None:
            whose = f'in {self._test_id}' if self._test_id else ''
        elif self._test_id:
            whose = f'in what {self._test_id} left running'
        else:
            whose = 'outside any test'
        violation = exceptions.SafetyViolation(
            finding.code, f'{finding.message} {whose}'.rstrip()
        )
        if guard is None:
            guard = core_guard.Guard(
                trail=audit.AuditTrail.standalone(self._test_id)
            )
            guard._waivers = self._waivers
        waived = guard._violate(
            violation,
            finding.target,
            target_type=TARGET_TYPES[finding.code],
        )
        if finding.error is not None and not waived:
            raise finding.error


# The guards of tests, innermost last; that of the process; and those of
# tests that are over and left something running.
_active: list[Scope] = []
installed: list[Scope] = []
_left: list[Scope] = []
_unwatch: list[Callable[[], None]] = []


def _current() -> Scope | None:
    """Return what judges the thread or greenlet that runs this."""
    # One that it has entered itself goes before whose it is.
    ident = _thread.get_ident()
    for scope in reversed(_active):
        if scope.entered_by == ident:
            return scope
    owner = owners.find()
    if isinstance(owner, Scope):
        return owner
    for scopes in (_active, installed):
        if scopes:
            return scopes[-1]
    return None


def _on_event(event: str, args: tuple[Any, ...]) -> None:
    scope = _current()
    if scope is not None:
        scope.see(event, args)


def _on_connection(kind: str, url: str) -> None:
    scope = _current()
    if scope is not None and scope.endpoints is not None:
        finding = options.judge_url(kind, url)
        if finding is not None:
            scope.report(finding)


def enter(scope: Scope) -> None:
    scope.entered_by = _thread.get_ident()
    _active.append(scope)
    refresh()


def leave(scope: Scope) -> None:
    _active[:] = [other for other in _active if other is not scope]
    scope.guard = None
    _left.append(scope)
    refresh()


def refresh() -> None:
    """See what there is somebody to judge of, and no more."""
    _left[:] = [scope for scope in _left if scope.is_alive()]
    guarding = [*_active, *installed]
    if guarding and not _unwatch:
        _unwatch.append(owners.follow(_current))
        _unwatch.append(isolation_network.see_unaudited())
        _unwatch.append(isolation_processes.see_unaudited())
        _unwatch.append(connections.watch(_on_connection))
    while _unwatch and not guarding:
        _unwatch.pop()()
    audit_hook.watch(
        {
            event: _on_event
            for scope in (*guarding, *_left)
            for event in scope.by_event
        }
    )
