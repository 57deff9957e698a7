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

"""Keep a compute in service while servers are on it, unless declared."""

from collections.abc import Callable
import dataclasses
from typing import Any
import unittest

from testtools import content
from testtools.content_type import UTF8_TEXT

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards.services import model
from safe_fixtures.guards.services import outage as services_outage

__all__ = ['CODE', 'Declaration', 'Order', 'declare']

CODE = 'SF203'
_TIMELINE = 'safe_fixtures.timeline'

# How many servers a message lists; the record has them all.
_LISTED = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Declaration:
    """A test's word that a compute is to go out of service with servers.

    :ivar ref: which compute service.
    :ivar reason: why.
    """

    ref: model.ServiceRef
    reason: str

    def covers(self, ref: model.ServiceRef) -> bool:
        """Whether it is about that compute.

        One that was deleted and started anew has another record.
        """
        return (self.ref.host, self.ref.binary) == (ref.host, ref.binary)

    def withdraw(self) -> None:
        """End it; once is enough."""
        _declared[:] = [other for other in _declared if other is not self]


# What is declared holds for all toggles: which one sees an act is not the
# test's concern.
_declared: list[Declaration] = []


def declare(ref: model.ServiceRef, reason: str) -> Declaration:
    """Let a compute go out of service with servers on it from now on."""
    declaration = Declaration(ref, reason)
    _declared.append(declaration)
    return declaration


def _declared_for(ref: model.ServiceRef) -> str | None:
    for declaration in reversed(_declared):
        if declaration.covers(ref):
            return declaration.reason
    return None


@dataclasses.dataclass
class _Open:
    """An outage that is open, and what has to change for it to close."""

    outage: services_outage.Outage
    state: model.ServiceState
    running: bool = True
    # Whether something was asked for that may have taken servers away.
    emptying: bool = False

    @property
    def is_over(self) -> bool:
        out = self.state.disabled or self.state.forced_down
        return self.running and not out


class Order:
    """Judges what takes a compute from its servers, and measures it.

    :param services: where the servers are known.
    :param violate: reports a violation; returns the reason of a waiver.
    :param trail: where it is recorded.
    :param test: that is given a timeline if it fails.
    :ivar outages: each time a compute was out of service with servers on
        it, oldest first (list of Outage).
    """

    def __init__(
        self,
        services: model.Services,
        violate: Callable[..., str | None],
        trail: audit.AuditTrail,
        test: unittest.TestCase | None,
    ) -> None:
        self.outages: list[services_outage.Outage] = []
        self._services = services
        self._violate = violate
        self._trail = trail
        self._test = test
        self._open: dict[model.ServiceRef, _Open] = {}
        # What was judged and has not come about yet.
        self._allowed: dict[
            model.ServiceRef,
            tuple[str, tuple[model.HostedServer, ...], str | None],
        ] = {}

    def judge(
        self,
        ref: model.ServiceRef,
        how: str,
        by: str,
        *,
        enforced: bool = False,
    ) -> tuple[model.HostedServer, ...] | None:
        """Judge what is about to be done to a service.

        :param how: such as ``forced down``.
        :param by: what does it, and where it was called.
        :param enforced: whether it is refused whatever the mode of the rule.
        :returns: the servers on it, or in flight to it; None if that was
            not asked or cannot be known.
        :raises: WrongOrder if that is neither declared nor waived.
        """
        self._allowed.pop(ref, None)
        if (
            not enforced
            and conf.mode_of(CODE) == 'off'
            or ref.binary != 'nova-compute'
        ):
            return None
        servers = self._servers_on(ref)
        if servers is None:
            self._trail.record(
                events.ORDER,
                str(ref),
                target_id=ref.uuid,
                outcome='unknown',
                code=CODE,
                event_type='control',
                how=how,
                by=by,
                message='what is on it cannot be known',
            )
            return None
        if not servers:
            return ()
        listed = [str(server) for server in servers]
        reason = _declared_for(ref)
        if reason is not None:
            self._trail.record(
                events.ORDER_DECLARED,
                str(ref),
                target_id=ref.uuid,
                code=CODE,
                event_type='control',
                how=how,
                by=by,
                reason=reason,
                servers=listed,
            )
        else:
            reason = self._violate(
                exceptions.WrongOrder(
                    f'{ref} would be {how} with {model.counted(servers)} '
                    f'on it ({_enumerated(listed)})',
                    service=str(ref),
                    how=how,
                    servers=servers,
                    remedy=_remedy(ref, how),
                ),
                str(ref),
                enforced=enforced,
                how=how,
                by=by,
                servers=listed,
            )
        self._allowed[ref] = how, servers, reason
        return servers

    def left(
        self,
        ref: model.ServiceRef,
        by: str,
        state: model.ServiceState | None = None,
    ) -> services_outage.Outage | None:
        """Note that what was judged last has come about.

        :param state: the state of the service now; None if it is as before.
        """
        judged = self._allowed.pop(ref, None)
        if judged is None:
            return None
        how, servers, reason = judged
        entry = self._open.get(ref)
        if entry is None:
            entry = self._open[ref] = _Open(
                services_outage.Outage(ref, servers, reason),
                state or self._state_of(ref),
            )
            self.outages.append(entry.outage)
            self._end_with_test(ref)
        entry.outage.note(how, by)
        entry.state = state or entry.state
        # What is no change of its state is that it does not run.
        entry.running = entry.running and state is not None
        return entry.outage

    def changed(
        self, ref: model.ServiceRef, state: model.ServiceState, by: str
    ) -> None:
        """Note the state that a service has come to."""
        entry = self._open.get(ref)
        if entry is not None and entry.state != state:
            entry.state = state
            entry.outage.note(str(state), by)
            self._end_if_over(ref)

    def started(self, host: str, binary: str, by: str) -> None:
        """Note that a service is started."""
        for ref, entry in list(self._open.items()):
            if (ref.host, ref.binary) == (host, binary):
                entry.running = True
                entry.outage.note('started', by)
                self._end_if_over(ref)

    def served(self, call: gate.ApiCall) -> None:
        """Note a request that was served."""
        if not self._open or not call.is_compute:
            return
        status = call.response.status_code
        for ref, entry in list(self._open.items()):
            entry.outage.note(f'{call.method} {call.path}: {status}')
            # What takes servers away is often over some requests later.
            entry.emptying |= call.method != 'GET' or status == 404
            if entry.emptying and self._servers_on(ref) == ():
                self._end(ref, 'no server is on it any more')

    def end(self) -> None:
        """End what is open, as the test has ended."""
        for ref in list(self._open):
            self._end(ref, 'the test ended')

    def _servers_on(
        self, ref: model.ServiceRef
    ) -> tuple[model.HostedServer, ...] | None:
        """Return what is on a compute; None where that cannot be known."""
        try:
            found = self._services.servers_on(ref)
        except Exception:
            # No test fails because it was looked at.
            return None
        return None if found is None else tuple(found)

    def _end_if_over(self, ref: model.ServiceRef) -> None:
        if self._open[ref].is_over:
            self._end(ref, 'in service again')

    def _end(self, ref: model.ServiceRef, how: str) -> None:
        entry = self._open.pop(ref, None)
        if entry is None:
            return
        outage = entry.outage
        outage.end(how)
        self._trail.record(
            events.OUTAGE,
            str(ref),
            target_id=ref.uuid,
            code=CODE,
            event_type='monitor',
            seconds=round(outage.seconds or 0.0, 6),
            ended=how,
            declared=outage.reason,
            servers=[str(server) for server in outage.servers],
            moments=[str(moment) for moment in outage.moments],
            dropped=outage.dropped,
        )

    def _end_with_test(self, ref: model.ServiceRef) -> None:
        test: Any = self._test
        if test is not None:
            test.addCleanup(self._end, ref, 'the test ended')
        if hasattr(test, 'addOnException'):
            test.addOnException(self._explain)

    def _explain(self, exc_info: Any) -> None:
        if not isinstance(exc_info[1], unittest.SkipTest) and self._test:
            # Read when it is reported, as more may happen until then.
            self._test.addDetail(  # type: ignore[attr-defined]
                _TIMELINE,
                content.Content(
                    UTF8_TEXT,
                    lambda: ['\n'.join(map(str, self.outages)).encode()],
                ),
            )

    def _state_of(self, ref: model.ServiceRef) -> model.ServiceState:
        try:
            return self._services.read(ref)
        except Exception:
            return model.ServiceState()


def _remedy(ref: model.ServiceRef, how: str) -> str:
    verb = 'disable' if how.startswith('disabled') else 'force_down'
    return (
        'Move or delete the servers first, or declare that the test needs '
        f'this order: before it, service_toggle.{verb}({ref.host!r}, '
        "expecting_servers=True, reason='...'), or @waive('SF203', "
        "reason='...') on the test."
    )


def _enumerated(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ', '.join(names[:_LISTED]) + (
        f' and {more} more' if more > 0 else ''
    )
