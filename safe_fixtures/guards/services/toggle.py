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

"""Toggle compute services, and restore their prior state."""

from collections.abc import Callable
import contextlib
import dataclasses
import functools
from typing import Any
import unittest

from safe_fixtures import audit
from safe_fixtures.boundary import endpoints
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards.services import actor
from safe_fixtures.guards.services import client
from safe_fixtures.guards.services import clients
from safe_fixtures.guards.services import endings
from safe_fixtures.guards.services import ledger
from safe_fixtures.guards.services import live
from safe_fixtures.guards.services import model
from safe_fixtures.guards.services import order
from safe_fixtures.guards.services import outage
from safe_fixtures.guards.services import remote
from safe_fixtures.runtime import values

__all__ = ['SafeServiceToggle', 'ToggleHandle']

_NOVA = plugins.Source[model.WatchedServices](
    'services', 'an object with get_services and put_service'
)


@dataclasses.dataclass(eq=False)
class ToggleHandle:
    """Restores the state that a toggle found; usable as a context.

    Example::

        with self.service_toggle.disable('host1'):
            ...  # disabled in here, and as before after it

    :ivar service: which service (ServiceRef).
    :ivar before: the state to restore (ServiceState).
    """

    service: model.ServiceRef
    before: model.ServiceState
    _restore: Callable[[], None]

    def restore(self) -> None:
        """Restore the service now.

        :raises: RestoreFailed (SF201) if that fails.
        """
        self._restore()

    def __enter__(self) -> 'ToggleHandle':
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.restore()


class SafeServiceToggle(guard.Guard):
    """Restores every service that a test changes, by whatever way.

    While it is active, it notes each change to ``status``,
    ``disabled_reason`` or ``forced_down`` of any service, with the state
    before: changes by its own methods, by any client of the API, by a
    driver, or on the record itself. Then it restores each service to the
    state before its first change, the last one first, and reads it back. A
    service that cannot be restored is SF201, and the others are restored all
    the same. A service that is gone or unreachable is noted in the ledger.

    At an endpoint outside this process each service is locked, and a journal
    has what it is owed, before it is changed. What somebody else has changed
    meanwhile is left alone. The exit of the interpreter restores, too.

    If the test case is known (given as *test*, or found as the one that uses
    the fixture), the restore is registered on the test at the first change:
    it runs while everything that was started earlier is still alive.
    Otherwise it runs at the cleanup of the fixture.

    The methods refuse to disable or force down a compute with servers on it,
    or being scheduled to it, unless the test declares that (SF203). The
    fixture measures how long the compute was out of service, and lists what
    was requested meanwhile. A test that fails shows that as a timeline.

    Example::

        toggle = self.useFixture(SafeServiceToggle())
        with toggle.disable('host2', reason='maintenance'):
            ...
        toggle.force_down(
            'host1', expecting_servers=True, reason='local delete'
        )

    :param test: the test case; default: the one that uses the fixture.
    :param api: a client of the compute API: an openstacksdk ``Connection``
        or its ``compute``, a keystoneauth ``Session`` or ``Adapter``, a
        novaclient ``Client``, a tempest ``ServicesClient`` or its manager,
        or anything with ``get_services()`` and ``put_service(id, body)``.
        Default: the Nova in this process.
    :param endpoint: the URL that *api* talks to (str); default: as *api*
        says. A client without any is an in-process double.
    :param services: where services are found; default: chosen by *api*.
    :param trail: where acts are recorded; default: the active trail.
    :raises: SafetyViolation (SF202) at set-up if *api* talks to an endpoint
        that is not a test endpoint.
    :raises: ConfigurationError at set-up if *api* cannot be used, or is not
        given where there is no Nova; or if there is no journal where one is
        needed.
    """

    def __init__(
        self,
        *,
        api: Any = None,
        endpoint: str | None = None,
        services: model.Services | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._api = api
        self._endpoint: str | None = values.plain(endpoint)
        self._given_services = services
        #: Every change so far, oldest first (list of LedgerEntry).
        self.ledger: list[ledger.LedgerEntry] = []
        #: Each time a compute was out of service with servers on it, oldest
        #: first (list of Outage).
        self.outages: list[outage.Outage] = []

    def _prepare(self) -> None:
        self._client: clients.Api | None = None
        # Of an endpoint that is not in this process.
        self._live: live.LiveServices | None = None
        self._services = self._given_services or self._find_services()

    def _find_services(self) -> model.Services:
        if self._api is None:
            return _NOVA.require('SafeServiceToggle api')
        api = self._client = clients.adapt(self._api, self._endpoint)
        url = clients.locate(api) if api else self._endpoint
        self._refuse_endpoint(url)
        is_here = url is None or endpoints.is_intercepted(url)
        if api is not None and url is not None and not is_here:
            self._live = live.of_client(
                self._api,
                api,
                url,
                self._settings,
                self._refuse_endpoint,
                self._violate,
                self._test.id() if self._test else None,
            )
            return self._live
        records = None if url is None else _NOVA.find()
        if api is not None and records is not None and api.kind != 'client':
            # Whatever it sends, it ends at these records.
            return records
        return client.ClientServices(self._api, self._refuse_endpoint, records)

    def _setUp(self) -> None:
        super()._setUp()
        settings = self._settings
        checks = order.Order(self._services, self.trail, self._test, settings)
        self._ledger = ledger.Ledger(
            self._services,
            checks,
            self._violate,
            self.trail,
            self._test,
            settings.restore_timeout,
            self._live,
        )
        self.ledger = self._ledger.entries
        self.outages = checks.outages
        self.useFixture(gate.ApiGate(self))
        self.addCleanup(self._services.watch(self._ledger))
        self._ledger.begin()
        if self._live is not None:
            self.addCleanup(endings.restoring(self._ledger.restore_owed))
        self.addCleanup(self._ledger.restore_owed)
        self.addCleanup(checks.end)

    def disable(
        self,
        service: Any,
        reason: str | None = None,
        *,
        expecting_servers: bool = False,
    ) -> ToggleHandle:
        """Disable a service, so that nothing is scheduled to it.

        :param service: a host name, a uuid, a service as the API shows it,
            or a Nova service object.
        :param reason: why (str); default: none is recorded.
        :param expecting_servers: whether servers are expected on it, for
            the reason given (bool). This holds for every act that takes it
            out of service, until it is restored.
        :returns: a handle; as a context it restores at the end of the block.
        :raises: LookupError that lists the candidates, for a service that
            is unknown or ambiguous.
        :raises: ValueError if servers are expected without a reason.
        :raises: WrongOrder (SF203) if servers are on it and not expected.
        :raises: SafetyViolation (SF202) while the fixture is not active.
        """
        return self._toggle(
            'disable',
            service,
            expected=_reason_of('disable', expecting_servers, reason),
            disabled=True,
            disabled_reason=reason,
        )

    def enable(self, service: Any) -> ToggleHandle:
        """Enable a service. See :meth:`disable`."""
        return self._toggle(
            'enable', service, disabled=False, disabled_reason=None
        )

    def force_down(
        self,
        service: Any,
        *,
        expecting_servers: bool = False,
        reason: str | None = None,
    ) -> ToggleHandle:
        """Make a service count as down. See :meth:`disable`.

        :param reason: why servers are expected (str).
        """
        return self._toggle(
            'force_down',
            service,
            expected=_reason_of('force_down', expecting_servers, reason),
            forced_down=True,
        )

    def force_up(self, service: Any) -> ToggleHandle:
        """Let a service count as up again. See :meth:`disable`."""
        return self._toggle('force_up', service, forced_down=False)

    def before(self, call: gate.ApiCall) -> None:
        """Refuse to change services elsewhere; see ``gate.Observer``."""
        if call.method in ('PUT', 'DELETE') and '/os-services/' in call.path:
            self._refuse_endpoint(call.url)
            if self._live is not None:
                self._live.sending(call)

    def after(self, call: gate.ApiCall) -> None:
        """Show the ledger a request; see ``gate.Observer``."""
        if self._live is not None:
            if remote.is_asking():
                return
            self._live.answered(call)
        self._ledger.served(call)

    def _toggle(
        self,
        verb: str,
        service: Any,
        expected: str | None = None,
        **changes: Any,
    ) -> ToggleHandle:
        self._refuse_inactive(
            f'SafeServiceToggle.{verb}({service!r})', str(service)
        )
        ref = self._services.find(service)
        if self._live is not None:
            self._live.hold(ref)
            if 'disabled_reason' in changes and changes['disabled']:
                reason = self._live.marked(changes['disabled_reason'])
                changes['disabled_reason'] = reason
        before = self._services.read(ref)
        wanted = dataclasses.replace(before, **changes)
        if wanted == before:
            # The state may be remembered, and changed by somebody else.
            found = self._services.read_all([ref])[ref]
            if isinstance(found, Exception):
                raise found
            before, wanted = found, dataclasses.replace(found, **changes)
        with contextlib.ExitStack() as undo:
            if expected is not None:
                undo.callback(order.declare(ref, expected))
            with actor.acting(f'SafeServiceToggle.{verb}', checked=[ref]):
                how = model.taken_out(before, wanted)
                if how:
                    self._check_order(ref, how, expected)
                self._services.write(
                    ref, wanted, self._settings.restore_timeout
                )
            # From here on the declaration holds until the restore.
            withdraw = undo.pop_all().close
        self.addCleanup(withdraw)
        return ToggleHandle(
            ref,
            before,
            functools.partial(self._restore_one, ref, before, withdraw),
        )

    def _check_order(
        self, ref: model.ServiceRef, how: str, expected: str | None
    ) -> None:
        leaving = self._ledger.check(
            ref,
            how,
            actor.describe(),
            enforced=not self._settings.only_looks('SF203'),
        )
        if leaving and not leaving.servers and expected is not None:
            self._violate(
                exceptions.SafetyViolation(
                    'SF901',
                    f'servers were expected on {ref} ({expected}), and there '
                    'are none',
                    remedy='Do not expect them, or find out where they went.',
                ),
                str(ref),
                keep=False,
            )

    def _restore_one(
        self,
        ref: model.ServiceRef,
        wanted: model.ServiceState,
        withdraw: Callable[[], None],
    ) -> None:
        self._refuse_inactive('ToggleHandle.restore()', str(ref))
        self._ledger.restore({ref: wanted}, final=False)
        withdraw()

    # What is refused because it is not of a test.

    def _refuse_inactive(self, what: str, service: str) -> None:
        if not self._active:
            self._refuse(
                f'{what} was called while the fixture is not active', service
            )

    def _refuse_endpoint(self, url: str | None = None) -> None:
        url = url or self._endpoint_of_api()
        if url is None or endpoints.is_test_endpoint(
            url, self._settings.allowed_endpoints
        ):
            return
        self._refuse(
            f'a service would be toggled at {url}, which is not a test '
            'endpoint',
            url,
        )

    def _refuse(self, message: str, target: str) -> None:
        self._violate(exceptions.SafetyViolation('SF202', message), target)

    def _endpoint_of_api(self) -> str | None:
        # Looked up each time: a client can be pointed elsewhere.
        return self._client.endpoint() if self._client else self._endpoint


def _reason_of(verb: str, expecting: bool, reason: str | None) -> str | None:
    """Return why servers are expected; None if they are not.

    :raises: ValueError if the reason is missing.
    """
    if not expecting:
        return None
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError(
            f'{verb}(expecting_servers=True) needs a reason, not {reason!r}'
        )
    return reason
