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
from safe_fixtures.guards.services import outage as service_outage

__all__ = ['Departure', 'Order', 'declare']

_CODE = 'SF203'
_TIMELINE = 'safe_fixtures.timeline'
_TEST_ENDED = 'the test ended'

# How many servers a message lists; the record has them all.
_LISTED = 10

# Host, binary and reason. A declaration holds for all toggles, as a test
# does not care which of them sees an act.
_declared: list[tuple[str, str, str]] = []


def declare(ref: model.ServiceRef, reason: str) -> Callable[[], None]:
    """Let a compute go out of service with servers on it from now on.

    :param reason: why.
    :returns: a callable that withdraws the declaration; later calls do
        nothing.
    """
    # By name, as a compute that is deleted and started anew has another
    # record.
    declaration = (ref.host, ref.binary, reason)

    def withdraw() -> None:
        _declared[:] = [each for each in _declared if each is not declaration]

    _declared.append(declaration)
    return withdraw


def _declared_for(ref: model.ServiceRef) -> str | None:
    for host, binary, reason in reversed(_declared):
        if (host, binary) == (ref.host, ref.binary):
            return reason
    return None


@dataclasses.dataclass
class Departure:
    """A compute that is about to go out of service.

    :ivar ref: which compute service.
    :ivar how: how, such as ``forced down``.
    :ivar by: what does it, and where it was called.
    :ivar servers: the servers on it, or being scheduled to it.
    :ivar reason: why the test declares or waives it; None if it does not.
    """

    ref: model.ServiceRef
    how: str
    by: str
    servers: tuple[model.HostedServer, ...]
    reason: str | None = None

    @property
    def is_change(self) -> bool:
        """Whether the state of the service changes, after this check."""
        return self.how.startswith(('disabled', 'forced down'))

    @property
    def details(self) -> dict[str, Any]:
        """What an audit event says of it."""
        servers = [str(server) for server in self.servers]
        return {'how': self.how, 'by': self.by, 'servers': servers}

    def violation(self) -> exceptions.WrongOrder:
        """Return the violation that it is if nothing allows it."""
        verb = 'disable' if self.how.startswith('disabled') else 'force_down'
        listed = ', '.join(map(str, self.servers[:_LISTED]))
        more = len(self.servers) - _LISTED
        if more > 0:
            listed = f'{listed} and {more} more'
        return exceptions.WrongOrder(
            f'{self.ref} would be {self.how} with '
            f'{service_outage.counted(self.servers)} on it ({listed})',
            service=str(self.ref),
            how=self.how,
            servers=self.servers,
            remedy='Move or delete the servers first, or declare that the '
            'test needs this order: before it, '
            f'service_toggle.{verb}({self.ref.host!r}, '
            "expecting_servers=True, reason='...'), or @waive('SF203', "
            "reason='...') on the test.",
        )


class Order:
    """Finds what takes a compute from its servers, and measures outages.

    :param services: where the servers are known.
    :param trail: where it is recorded.
    :param test: the test that shows a timeline if it fails.
    :param settings: those of the guard.
    :ivar outages: each time a compute was out of service with servers on
        it, oldest first (list of Outage).
    """

    def __init__(
        self,
        services: model.Services,
        trail: audit.AuditTrail,
        test: unittest.TestCase | None,
        settings: conf.Settings,
    ) -> None:
        self.outages: list[service_outage.Outage] = []
        self._settings = settings
        self._services = services
        self._trail = trail
        self._test = test
        self._open: dict[model.ServiceRef, service_outage.Outage] = {}
        # What was allowed and has not happened yet.
        self._allowed: dict[model.ServiceRef, Departure] = {}

    def check(
        self, ref: model.ServiceRef, how: str, by: str, enforced: bool
    ) -> Departure | None:
        """Check for servers on a compute that is about to leave service.

        :param how: such as ``forced down``.
        :param by: what does it, and where it was called.
        :param enforced: check it whatever the default mode of the rule.
        :returns: what was found; None if the servers were not looked up or
            cannot be known.
        """
        self._allowed.pop(ref, None)
        is_off = not enforced and self._settings.mode_of(_CODE) == 'off'
        if is_off or ref.binary != 'nova-compute':
            return None
        servers = self._servers_on(ref)
        if servers is None:
            unknown = 'the servers on it cannot be known'
            self._record(
                events.ORDER,
                ref,
                outcome='unknown',
                how=how,
                by=by,
                message=unknown,
            )
            return None
        departure = Departure(ref, how, by, servers, _declared_for(ref))
        reason = departure.reason
        if servers and reason is not None:
            self._record(
                events.ORDER_DECLARED, ref, reason=reason, **departure.details
            )
        return departure

    def allow(self, departure: Departure) -> None:
        """Expect a compute to leave its servers."""
        self._allowed[departure.ref] = departure

    def left(
        self,
        ref: model.ServiceRef,
        by: str,
        state: model.ServiceState | None = None,
    ) -> service_outage.Outage | None:
        """Note that what was allowed last has happened.

        :param state: the state of the service now; None if it is as before.
        :returns: the outage; None if no server was on the compute.
        """
        departure = self._allowed.pop(ref, None)
        if departure is None:
            return None
        outage = self._open.get(ref)
        if outage is None:
            outage = self._open[ref] = service_outage.Outage(
                ref,
                departure.servers,
                departure.reason,
                _state=state or self._state_of(ref),
            )
            self.outages.append(outage)
            self._end_with_test(ref)
        outage.note(departure.how, by)
        outage._state = state or outage._state
        # If its state is as before, the service has been stopped.
        outage._running = outage._running and state is not None
        return outage

    def changed(
        self, ref: model.ServiceRef, state: model.ServiceState, by: str
    ) -> None:
        """Note the state that a service has now."""
        outage = self._open.get(ref)
        if outage is not None and outage._state != state:
            outage._state = state
            outage.note(str(state), by)
            self._end_if_over(ref)

    def started(self, host: str, binary: str, by: str) -> None:
        """Note that a service is being started."""
        for ref, outage in list(self._open.items()):
            if (ref.host, ref.binary) == (host, binary):
                outage._running = True
                outage.note('started', by)
                self._end_if_over(ref)

    def served(self, call: gate.ApiCall) -> None:
        """Note a request that was served."""
        if not self._open or not call.is_compute:
            return
        status, asked = call.response.status_code, service_outage.asked(call)
        for ref, outage in list(self._open.items()):
            outage.note(f'{call.method} {call.path}{asked}: {status}')
            # A server often leaves only some requests after the one that
            # takes it away.
            outage._emptying |= call.method != 'GET' or status == 404
            if outage._emptying and self._servers_on(ref) == ():
                self._end(ref, 'no server is on it any more')

    def end(self) -> None:
        """End every outage that lasts, as the test has ended."""
        for ref in list(self._open):
            self._end(ref, _TEST_ENDED)

    def _servers_on(
        self, ref: model.ServiceRef
    ) -> tuple[model.HostedServer, ...] | None:
        try:
            found = self._services.servers_on(ref)
        except Exception:
            # A look-up must not fail the test.
            return None
        return None if found is None else tuple(found)

    def _state_of(self, ref: model.ServiceRef) -> model.ServiceState:
        try:
            return self._services.read(ref)
        except Exception:
            return model.ServiceState()

    def _end_if_over(self, ref: model.ServiceRef) -> None:
        outage = self._open[ref]
        out = outage._state.disabled or outage._state.forced_down
        if outage._running and not out:
            self._end(ref, 'in service again')

    def _end(self, ref: model.ServiceRef, how: str) -> None:
        outage = self._open.pop(ref, None)
        if outage is None:
            return
        outage.end(how)
        self._record(
            events.OUTAGE,
            ref,
            event_type='monitor',
            seconds=round(outage.seconds or 0.0, 6),
            ended=how,
            declared=outage.reason,
            servers=[str(server) for server in outage.servers],
            moments=[str(moment) for moment in outage.moments],
            dropped=outage.dropped,
        )

    def _record(
        self,
        action: str,
        ref: model.ServiceRef,
        event_type: str = 'control',
        **details: Any,
    ) -> None:
        self._trail.record(
            action,
            str(ref),
            target_id=ref.uuid,
            code=_CODE,
            event_type=event_type,
            **details,
        )

    def _end_with_test(self, ref: model.ServiceRef) -> None:
        test: Any = self._test
        if test is not None:
            test.addCleanup(self._end, ref, _TEST_ENDED)
        if hasattr(test, 'addOnException'):
            test.addOnException(self._show_timeline)

    def _show_timeline(self, exc_info: Any) -> None:
        if not isinstance(exc_info[1], unittest.SkipTest) and self._test:
            # Read when it is reported, as more may happen until then.
            self._test.addDetail(  # type: ignore[attr-defined]
                _TIMELINE,
                content.Content(
                    UTF8_TEXT,
                    lambda: ['\n'.join(map(str, self.outages)).encode()],
                ),
            )
