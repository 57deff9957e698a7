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

"""Toggle compute services, and give every one back its prior state."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import functools
import time
from typing import Any
import unittest

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.boundary import endpoints
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards.services import actor
from safe_fixtures.guards.services import client
from safe_fixtures.guards.services import ledger
from safe_fixtures.guards.services import model
from safe_fixtures.guards.services import order
from safe_fixtures.guards.services import outage as services_outage
from safe_fixtures.runtime import stack

__all__ = [
    'SafeServiceToggle',
    'ToggleHandle',
]


_SERVICES = plugins.Source[model.WatchedServices](
    'services', 'an object with get_services and put_service'
)
# Nothing is left to restore, or no way to it: noted, no failure.
_NOTED = (model.ServiceGone, model.ServiceUnreachable)


class ToggleHandle:
    """Gives a service back the state that a toggle found, as a context.

    Example::

        with self.service_toggle.disable('host1'):
            ...  # disabled in here, and as before after it

    :ivar service: which (ServiceRef).
    :ivar before: the state it goes back to (ServiceState).
    """

    def __init__(
        self,
        service: model.ServiceRef,
        before: model.ServiceState,
        restore: Callable[[model.ServiceRef, model.ServiceState], None],
    ) -> None:
        self.service = service
        self.before = before
        self._restore = restore

    def restore(self) -> None:
        """Give the service back its state now.

        :raises: RestoreFailed if that cannot be done.
        """
        self._restore(self.service, self.before)

    def __enter__(self) -> 'ToggleHandle':
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.restore()


_RESTORE = 'SafeServiceToggle restore'


class SafeServiceToggle(guard.Guard):
    """Restores every service that a test changes, however it does so.

    While it is active, a change to ``status``, ``disabled_reason`` or
    ``forced_down`` of any service is noted with the state before it: made
    by the methods here, by any client of the API, by a driver, or on the
    record itself. Each service is given back the state it had before its
    first change, last one first, and read back to be sure. Where the test
    case is known (given as *test*, or found as the one that uses the
    fixture) the restore is registered on it at the first change, so that it
    runs while what was started before that is still alive; else it runs at
    the cleanup of the fixture. One that cannot be restored is SF201, and
    the others are restored all the same; one that is gone or unreachable is
    noted in the ledger.

    A compute that servers are on, or in flight to, is disabled and forced
    down by the methods here only where that is declared (SF203). How long it
    was out of service, and what was requested meanwhile, is measured, and
    shown as a timeline if the test fails.

    Example::

        toggle = self.useFixture(SafeServiceToggle())
        with toggle.disable('host2', reason='maintenance'):
            ...
        toggle.force_down(
            'host1', expecting_servers=True, reason='local delete'
        )

    :param test: the test case; default: the one that uses the fixture.
    :param api: any object with ``get_services()`` and
        ``put_service(id, body)``: only what goes through its ``put_service``
        is seen and restored. Default: the Nova in this process.
    :param endpoint: the URL that *api* talks to (str); default: its
        ``base_url``. One that has neither is an in-process double.
    :param services: where services are found; default: as by *api*.
    :param trail: where acts are recorded; default: the active trail.
    :raises: SafetyViolation (SF202) at set-up if *api* talks to an endpoint
        that is not a test endpoint.
    :raises: ConfigurationError at set-up without *api* where no Nova is.
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
        self._endpoint = endpoint
        self._given_services = services
        #: Every change so far, oldest first (list of LedgerEntry).
        self.ledger: list[ledger.LedgerEntry] = []
        #: Each time a compute was out of service with servers on it, oldest
        #: first (list of Outage).
        self.outages: list[services_outage.Outage] = []

    def _prepare(self) -> None:
        if self._given_services is not None:
            self._services = self._given_services
        elif self._api is not None:
            _check_client(self._api)
            self._refuse_endpoint()
            self._services = client.ClientServices(
                self._api, self._refuse_endpoint, self._records_of_api()
            )
        else:
            self._services = _SERVICES.require('SafeServiceToggle api')

    def _setUp(self) -> None:
        super()._setUp()
        self.ledger = []
        # The state of each service before its first change.
        self._first: dict[model.ServiceRef, model.ServiceState] = {}
        # Those that are not back in it yet.
        self._owed: dict[model.ServiceRef, model.ServiceState] = {}
        # The entries of the ledger that do not say how they were restored.
        self._unsettled: dict[model.ServiceRef, list[ledger.LedgerEntry]] = {}
        # What was refused while a request was served, until its client is
        # told.
        self._refused: dict[gate.ApiCall, exceptions.SafetyViolation] = {}
        self._declarations: list[order.Declaration] = []
        self._order = order.Order(
            self._services, self._violate, self.trail, self._test
        )
        self.outages = self._order.outages
        self.useFixture(gate.ApiGate(self))
        self.addCleanup(self._withdraw)
        self.addCleanup(self._services.watch(self))
        self.addCleanup(self._restore_owed)
        self.addCleanup(self._order.end)

    def _endpoint_of_api(self) -> str | None:
        # Asked each time: a client can be pointed elsewhere.
        if self._endpoint is not None:
            return self._endpoint
        url = getattr(self._api, 'base_url', None)
        return url if isinstance(url, str) else None

    def _records_of_api(self) -> model.WatchedServices | None:
        url = self._endpoint_of_api()
        if url is None or not endpoints.is_intercepted(url):
            return None
        return _SERVICES.find()

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
        :param expecting_servers: whether servers are to be on it meanwhile,
            for the reason given; that holds for all that takes it out of
            service until it is restored.
        :returns: a handle; as a context it restores at the end of the block.
        :raises: LookupError that lists the candidates, for a service that
            is unknown or ambiguous.
        :raises: ValueError if servers are expected for no reason.
        :raises: WrongOrder (SF203) if servers are on it and not expected.
        :raises: SafetyViolation (SF202) while the fixture is not active.
        """
        return self._toggle(
            'disable',
            service,
            _reason_of('disable', expecting_servers, reason),
            disabled=True,
            disabled_reason=reason,
        )

    def enable(self, service: Any) -> ToggleHandle:
        """Enable a service. See :meth:`disable`."""
        return self._toggle(
            'enable', service, None, disabled=False, disabled_reason=None
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
        expected = _reason_of('force_down', expecting_servers, reason)
        return self._toggle('force_down', service, expected, forced_down=True)

    def force_up(self, service: Any) -> ToggleHandle:
        """Let a service count as up again. See :meth:`disable`."""
        return self._toggle('force_up', service, None, forced_down=False)

    def _toggle(
        self, verb: str, service: Any, expected: str | None, **changes: Any
    ) -> ToggleHandle:
        self._refuse_inactive(
            f'SafeServiceToggle.{verb}({service!r})', str(service)
        )
        ref = self._services.find(service)
        before = self._services.read(ref)
        wanted = dataclasses.replace(before, **changes)
        if wanted == before:
            # It may only be remembered so: somebody else can have changed it.
            found = self._services.read_all([ref])[ref]
            if isinstance(found, Exception):
                raise found
            before, wanted = found, dataclasses.replace(found, **changes)
        with contextlib.ExitStack() as undo:
            declaration = None
            if expected is not None:
                declaration = order.declare(ref, expected)
                undo.callback(declaration.withdraw)
            with (
                actor.labelled(f'SafeServiceToggle.{verb}'),
                actor.judged(ref),
            ):
                how = model.taken_out(before, wanted)
                if how:
                    self._judge(ref, how, expected)
                self._services.write(
                    ref, wanted, self._settings.restore_timeout
                )
            undo.pop_all()
        if declaration is not None:
            self._declarations.append(declaration)
        return ToggleHandle(
            ref, before, functools.partial(self._restore_one, declaration)
        )

    def _judge(
        self, ref: model.ServiceRef, how: str, expected: str | None
    ) -> None:
        servers = self._order.judge(ref, how, actor.described(), enforced=True)
        if servers == () and expected is not None:
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

    def _withdraw(self) -> None:
        while self._declarations:
            self._declarations.pop().withdraw()

    def _refuse_inactive(self, what: str, service: str) -> None:
        if not self._active:
            self._violate(
                exceptions.SafetyViolation(
                    'SF202',
                    f'{what} was called while the fixture is not active',
                ),
                service,
            )

    # What the gate shows.

    def before(self, call: gate.ApiCall) -> None:
        """Refuse to toggle what is not a test's; see ``gate.Observer``."""
        if call.method in ('PUT', 'DELETE') and '/os-services/' in call.path:
            self._refuse_endpoint(call.url)

    def after(self, call: gate.ApiCall) -> None:
        """Tell the client what was refused; see ``gate.Observer``."""
        refused = self._refused.pop(call, None)
        if refused is not None:
            # What serves the request made an error 500 of it.
            raise refused
        self._order.served(call)

    def _refuse_endpoint(self, url: str | None = None) -> None:
        url = url or self._endpoint_of_api()
        if url is None or endpoints.is_test_endpoint(
            url, self._settings.allowed_endpoints
        ):
            return
        self._violate(
            exceptions.SafetyViolation(
                'SF202',
                f'a service would be toggled at {url}, which is not a test '
                'endpoint',
            ),
            url,
        )

    # What the watched services tell.

    def changing(
        self, ref: model.ServiceRef, before: model.ServiceState
    ) -> ledger.LedgerEntry | None:
        """Owe the service its state; see ``Watcher``."""
        if id(self) in actor.silent.get():
            return None
        if ref not in self._owed:
            if self._test is not None and self._services.torn_down_by_test:
                self._test.addCleanup(self._restore_if_owed, ref)
            # Another thread may have been first.
            first = self._first.setdefault(ref, before)
            self._owed.setdefault(ref, first)
        entry = ledger.LedgerEntry(ref, actor.described(), before)
        self.ledger.append(entry)
        self._unsettled.setdefault(ref, []).append(entry)
        return entry

    def changed(
        self, entry: ledger.LedgerEntry | None, after: model.ServiceState
    ) -> None:
        """Record the change; see ``Watcher``."""
        if entry is None:
            return
        entry.after = after
        if model.taken_out(entry.before, after):
            entry.outage = self._order.left(entry.service, entry.by, after)
        else:
            self._order.changed(entry.service, after, entry.by)
        self.trail.record(
            _action(entry.before, after),
            str(entry.service),
            target_id=entry.service.uuid,
            by=entry.by,
            before=str(entry.before),
            after=str(after),
        )

    def leaving(self, ref: model.ServiceRef, how: str, by: str | None) -> None:
        """Judge the order in which things are done; see ``Watcher``."""
        if (
            actor.silent.get()
            or actor.is_judged(ref)
            or stack.in_cleanup()
            or stack.is_within('restart_compute_service')
        ):
            return
        by = actor.described(by)
        try:
            servers = self._order.judge(ref, how, by)
        except exceptions.SafetyViolation as violation:
            call = gate.current_call()
            if call is not None:
                self._refused[call] = violation
            raise
        if servers and not model.is_change(how):
            self._order.left(ref, by)

    def started(self, host: str, binary: str) -> None:
        """See ``Watcher``."""
        self._order.started(host, binary, actor.described('Service.start'))

    # Giving back.

    def _restore_if_owed(self, ref: model.ServiceRef) -> None:
        if ref in self._owed:
            self._give_back({ref: self._owed[ref]}, final=True)

    def _restore_one(
        self,
        declaration: order.Declaration | None,
        ref: model.ServiceRef,
        wanted: model.ServiceState,
    ) -> None:
        self._refuse_inactive('ToggleHandle.restore()', str(ref))
        self._give_back({ref: wanted}, final=False)
        if declaration is not None:
            declaration.withdraw()

    def _restore_owed(self) -> None:
        self._give_back(dict(reversed(self._owed.items())), final=True)

    def _give_back(
        self,
        wanted: Mapping[model.ServiceRef, model.ServiceState],
        *,
        final: bool,
    ) -> None:
        """Restore these services, in this order, and verify each.

        :param final: whether this is the cleanup. Before it, what fails is
            still owed, and raised once more if it is swallowed.
        :raises: RestoreFailed, or MultipleExceptions of them, once all were
            tried.
        """
        failed: dict[model.ServiceRef, Exception] = {}
        how: dict[model.ServiceRef, str] = {}
        # Of its own write; all are read at once.
        seconds: dict[model.ServiceRef, float] = {}
        timeout = self._settings.restore_timeout
        with actor.labelled(_RESTORE), self._not_noting():
            for ref, found in self._read_all(wanted).items():
                began = time.monotonic()
                try:
                    if isinstance(found, _NOTED):
                        how[ref] = f'not restored: {found}'
                    elif isinstance(found, Exception):
                        raise found
                    elif found == wanted[ref]:
                        how[ref] = 'already as before'
                    else:
                        how[ref] = self._services.write(
                            ref, wanted[ref], timeout
                        )
                except Exception as error:
                    failed[ref] = error
                seconds[ref] = time.monotonic() - began
            actual = self._read_all(wanted)
        errors: list[exceptions.SafetyViolation] = []
        for ref, state in wanted.items():
            try:
                self._conclude(
                    ref,
                    state,
                    actual[ref],
                    how.get(ref, 'restore failed'),
                    failed.get(ref),
                    final,
                    seconds[ref],
                )
            except exceptions.SafetyViolation as violation:
                errors.append(violation)
        guard.raise_all(errors)

    def _read_all(
        self, wanted: Mapping[model.ServiceRef, model.ServiceState]
    ) -> Mapping[model.ServiceRef, model.ServiceState | Exception]:
        try:
            return self._services.read_all(list(wanted))
        except Exception as error:
            return dict.fromkeys(wanted, error)

    def _conclude(
        self,
        ref: model.ServiceRef,
        wanted: model.ServiceState,
        actual: model.ServiceState | Exception,
        how: str,
        error: Exception | None,
        final: bool,
        seconds: float,
    ) -> None:
        """Note how a restore went, and raise if it went wrong."""
        done = actual == wanted or isinstance(actual, _NOTED)
        first = self._first.get(ref, wanted)
        if final or (done and (actual == first or actual != wanted)):
            self._owed.pop(ref, None)
        else:
            # Also where a handle went back to a state in between.
            self._owed.setdefault(ref, first)
        if error is not None:
            how = f'{how}: {type(error).__name__}: {error}'
        self._settle(ref, wanted, how, done, final)
        if isinstance(actual, model.ServiceState):
            self._order.changed(ref, actual, _RESTORE)
        self.trail.record(
            events.RESTORE,
            str(ref),
            target_id=ref.uuid,
            outcome='success' if done else 'failure',
            wanted=str(wanted),
            actual=str(actual),
            how=how,
            seconds=round(seconds, 6),
        )
        if done:
            return
        violation = exceptions.RestoreFailed(
            f'{ref} should be {wanted} again, and is {actual} ({how})',
            service=str(ref),
            wanted=wanted,
            actual=actual if isinstance(actual, model.ServiceState) else None,
        )
        violation.__cause__ = error
        self._violate(violation, str(ref), keep=not final)

    def _settle(
        self,
        ref: model.ServiceRef,
        wanted: model.ServiceState,
        how: str,
        done: bool,
        final: bool,
    ) -> None:
        """Say in the ledger how the changes were undone that are undone."""
        entries = self._unsettled.pop(ref, [])
        undone = 0
        if not final and done:
            # A handle undoes what came after the state that it goes back to.
            undone = max(
                (
                    number
                    for number, entry in enumerate(entries)
                    if entry.before == wanted
                ),
                default=0,
            )
        elif not final:
            undone = len(entries)
        for entry in entries[undone:]:
            entry.restored = how
        if entries[:undone]:
            self._unsettled[ref] = entries[:undone]

    @contextlib.contextmanager
    def _not_noting(self) -> Iterator[None]:
        token = actor.silent.set((*actor.silent.get(), id(self)))
        try:
            yield
        finally:
            actor.silent.reset(token)


def _check_client(api: Any) -> None:
    for name in ('get_services', 'put_service'):
        if not callable(getattr(api, name, None)):
            raise exceptions.ConfigurationError(
                'SafeServiceToggle api', api, f'it must have {name}()'
            )
    if not hasattr(api, '__dict__') or isinstance(
        getattr(type(api), 'put_service', None), property
    ):
        raise exceptions.ConfigurationError(
            'SafeServiceToggle api',
            api,
            'the put_service of the instance must be replaceable',
        )


def _reason_of(verb: str, expecting: bool, reason: str | None) -> str | None:
    """Return why servers are expected, None if they are not.

    :raises: ValueError if that is not said.
    """
    if not expecting:
        return None
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError(
            f'{verb}(expecting_servers=True) needs a reason, not {reason!r}'
        )
    return reason


def _action(before: model.ServiceState, after: model.ServiceState) -> str:
    if before.disabled != after.disabled:
        return events.DISABLE if after.disabled else events.ENABLE
    if before.forced_down != after.forced_down:
        return events.FORCE_DOWN
    return events.DISABLED_REASON
