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

from collections.abc import Callable, Iterable, Iterator, Mapping
import contextlib
import contextvars
import dataclasses
import inspect
import threading
from typing import Any, Protocol

import fixtures
from oslo_utils import strutils
from oslo_utils import uuidutils
import wrapt

from safe_fixtures import _backend
from safe_fixtures import _callsite
from safe_fixtures import _endpoints
from safe_fixtures import _guard
from safe_fixtures import _restore
from safe_fixtures import exceptions
from safe_fixtures import gate

__all__ = [
    'LedgerEntry',
    'SafeServiceToggle',
    'ServiceGone',
    'ServiceRef',
    'ServiceState',
    'ServiceUnreachable',
    'Services',
    'ToggleHandle',
    'identify',
    'pick_one',
]


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceState:
    """What a toggle changes of a service, and a restore gives back.

    :ivar disabled: whether the scheduler passes it over (bool).
    :ivar disabled_reason: why, as the record has it (str or None).
    :ivar forced_down: whether it counts as down (bool).
    """

    disabled: bool = False
    disabled_reason: str | None = None
    forced_down: bool = False

    @property
    def status(self) -> str:
        """``enabled`` or ``disabled``, as the API says it."""
        return 'disabled' if self.disabled else 'enabled'

    def __str__(self) -> str:
        reason = f' ({self.disabled_reason!r})' if self.disabled_reason else ''
        down = ', forced down' if self.forced_down else ''
        return f'{self.status}{reason}{down}'


@dataclasses.dataclass(frozen=True)
class ServiceRef:
    """One service record.

    :ivar uuid: its uuid, or its id where it has none (str).
    :ivar host: the host it runs on (str).
    :ivar binary: its binary, such as ``nova-compute`` (str).
    :ivar handle: what the backend needs to reach it again.
    """

    uuid: str
    host: str
    binary: str
    handle: Any = dataclasses.field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f'{self.binary} on {self.host}'


class ServiceGone(LookupError):
    """The record does not exist any more."""


class ServiceUnreachable(LookupError):
    """The record is in a cell that does not answer."""


# Nothing is left to restore, or no way to it: noted, no failure.
_NOTED = (ServiceGone, ServiceUnreachable)


class Watcher(Protocol):
    """Who is told of changes to services."""

    def changing(self, ref: ServiceRef, before: ServiceState) -> Any:
        """A service is about to change; returns a token for changed()."""

    def changed(self, token: Any, after: ServiceState) -> None:
        """The service has changed."""


class Services(Protocol):
    """Where services are found, read, written and watched."""

    #: Whether a test tears it down before the fixtures that it used first.
    torn_down_by_test: bool

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell *watcher* of every change; returns what ends that."""

    def find(self, service: Any) -> ServiceRef:
        """Return the one service that is meant.

        :raises: LookupError that lists the candidates.
        """

    def read(self, ref: ServiceRef) -> ServiceState:
        """Return its state.

        :raises: ServiceGone, ServiceUnreachable.
        """

    def read_all(
        self, refs: list[ServiceRef]
    ) -> Mapping[ServiceRef, ServiceState | Exception]:
        """Return the states of many at once; what read() raises, as value."""

    def write(
        self, ref: ServiceRef, state: ServiceState, timeout: float
    ) -> str:
        """Give it this state; returns how that was done."""


@dataclasses.dataclass(slots=True)
class LedgerEntry:
    """One change to one service.

    :ivar service: which (ServiceRef).
    :ivar by: what changed it, and where it was called (str).
    :ivar before: its state before (ServiceState).
    :ivar after: its state after; None if the change did not come about.
    :ivar restored: how it was given back its state; None before that.
    """

    service: ServiceRef
    by: str
    before: ServiceState
    after: ServiceState | None = None
    restored: str | None = None


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
        service: ServiceRef,
        before: ServiceState,
        restore: Callable[[ServiceRef, ServiceState], None],
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
# The actions of the API before 2.53, and the status that each sets.
_ACTIONS = {
    'enable': 'enabled',
    'disable': 'disabled',
    'disable-log-reason': 'disabled',
    'force-down': None,
}
# What this package itself is doing to a service, for the ledger.
_doing: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    'safe_fixtures_toggle', default=None
)
# The toggles whose own restore is under way.
_silent: contextvars.ContextVar[tuple[int, ...]] = contextvars.ContextVar(
    'safe_fixtures_silent', default=()
)


class SafeServiceToggle(_guard.Guard):
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

    Example::

        toggle = self.useFixture(SafeServiceToggle())
        toggle.force_down('host1')
        with toggle.disable('host2', reason='maintenance'):
            ...

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
        services: Services | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._api = api
        self._endpoint = endpoint
        self._given_services = services
        #: Every change so far, oldest first (list of LedgerEntry).
        self.ledger: list[LedgerEntry] = []

    def _prepare(self) -> None:
        if self._given_services is not None:
            self._services = self._given_services
        elif self._api is not None:
            self._refuse_endpoint()
            self._services = _ClientServices(
                self._api, self._refuse_endpoint, self._records_of_api()
            )
        else:
            services = getattr(_backend.find(), 'services', None)
            if services is None:
                raise exceptions.ConfigurationError(
                    'SafeServiceToggle api',
                    None,
                    'no Nova is imported whose services could be toggled; '
                    'give an object with get_services and put_service',
                )
            self._services = services

    def _setUp(self) -> None:
        super()._setUp()
        self.ledger = []
        # The prior state of each service that is not restored yet.
        self._owed: dict[ServiceRef, ServiceState] = {}
        # The entries of the ledger that do not say how they were restored.
        self._unsettled: dict[ServiceRef, list[LedgerEntry]] = {}
        self.useFixture(gate.ApiGate(self))
        self.addCleanup(self._services.watch(self))
        self.addCleanup(self._restore_owed)

    def _endpoint_of_api(self) -> str | None:
        # Asked each time: a client can be pointed elsewhere.
        if self._endpoint is not None:
            return self._endpoint
        url: str | None = getattr(self._api, 'base_url', None)
        return url

    def _records_of_api(self) -> Services | None:
        url = self._endpoint_of_api()
        if url is None or not _endpoints.is_intercepted(url):
            return None
        return getattr(_backend.find(), 'services', None)

    def disable(self, service: Any, reason: str | None = None) -> ToggleHandle:
        """Disable a service, so that nothing is scheduled to it.

        :param service: a host name, a uuid, a service as the API shows it,
            or a Nova service object.
        :param reason: why (str); default: none is recorded.
        :returns: a handle; as a context it restores at the end of the block.
        :raises: LookupError that lists the candidates, for a service that
            is unknown or ambiguous.
        :raises: SafetyViolation (SF202) while the fixture is not active.
        """
        return self._toggle(
            'disable', service, disabled=True, disabled_reason=reason
        )

    def enable(self, service: Any) -> ToggleHandle:
        """Enable a service. See :meth:`disable`."""
        return self._toggle(
            'enable', service, disabled=False, disabled_reason=None
        )

    def force_down(self, service: Any) -> ToggleHandle:
        """Make a service count as down. See :meth:`disable`."""
        return self._toggle('force_down', service, forced_down=True)

    def force_up(self, service: Any) -> ToggleHandle:
        """Let a service count as up again. See :meth:`disable`."""
        return self._toggle('force_up', service, forced_down=False)

    def _toggle(self, verb: str, service: Any, **changes: Any) -> ToggleHandle:
        if not self._active:
            self._violate(
                exceptions.SafetyViolation(
                    'SF202',
                    f'SafeServiceToggle.{verb}({service!r}) was called while '
                    'the fixture is not active',
                ),
                str(service),
            )
        ref = self._services.find(service)
        before = self._services.read(ref)
        with _labelled(f'SafeServiceToggle.{verb}'):
            self._services.write(
                ref,
                dataclasses.replace(before, **changes),
                self._settings.restore_timeout,
            )
        return ToggleHandle(ref, before, self._restore_one)

    # What the gate shows.

    def before(self, call: gate.ApiCall) -> None:
        """Refuse to toggle what is not a test's; see ``gate.Observer``."""
        if call.method in ('PUT', 'DELETE') and '/os-services/' in call.path:
            self._refuse_endpoint(call.url)

    def after(self, call: gate.ApiCall) -> None:
        """See ``gate.Observer``; changes are seen where they are made."""

    def _refuse_endpoint(self, url: str | None = None) -> None:
        url = url or self._endpoint_of_api()
        if url is None or _endpoints.is_test_endpoint(
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
        self, ref: ServiceRef, before: ServiceState
    ) -> LedgerEntry | None:
        """Owe the service its state; see ``Watcher``."""
        if id(self) in _silent.get():
            return None
        if ref not in self._owed:
            if self._test is not None and self._services.torn_down_by_test:
                self._test.addCleanup(self._restore_if_owed, ref)
            self._owed[ref] = before
        entry = LedgerEntry(ref, _described(), before)
        self.ledger.append(entry)
        self._unsettled.setdefault(ref, []).append(entry)
        return entry

    def changed(self, entry: LedgerEntry | None, after: ServiceState) -> None:
        """Record the change; see ``Watcher``."""
        if entry is None:
            return
        entry.after = after
        self.trail.record(
            _action(entry.before, after),
            str(entry.service),
            target_id=entry.service.uuid,
            by=entry.by,
            before=str(entry.before),
            after=str(after),
        )

    # Giving back.

    def _restore_if_owed(self, ref: ServiceRef) -> None:
        if ref in self._owed:
            self._give_back({ref: self._owed[ref]}, final=True)

    def _restore_one(self, ref: ServiceRef, wanted: ServiceState) -> None:
        self._give_back({ref: wanted}, final=False)

    def _restore_owed(self) -> None:
        self._give_back(dict(reversed(self._owed.items())), final=True)

    def _give_back(
        self, wanted: Mapping[ServiceRef, ServiceState], *, final: bool
    ) -> None:
        """Restore these services, in this order, and verify each.

        :param final: whether this is the cleanup. Before it, what fails is
            still owed, and raised once more if it is swallowed.
        :raises: RestoreFailed, or MultipleExceptions of them, once all were
            tried.
        """
        failed: dict[ServiceRef, Exception] = {}
        how: dict[ServiceRef, str] = {}
        timeout = self._settings.restore_timeout
        with _labelled(_RESTORE), self._not_noting():
            for ref, found in self._read_all(wanted).items():
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
                )
            except exceptions.SafetyViolation as violation:
                errors.append(violation)
        if len(errors) > 1:
            raise fixtures.MultipleExceptions(
                *(
                    (type(error), error, error.__traceback__)
                    for error in errors
                )
            )
        if errors:
            raise errors[0]

    def _read_all(
        self, wanted: Mapping[ServiceRef, ServiceState]
    ) -> Mapping[ServiceRef, ServiceState | Exception]:
        try:
            return self._services.read_all(list(wanted))
        except Exception as error:
            return dict.fromkeys(wanted, error)

    def _conclude(
        self,
        ref: ServiceRef,
        wanted: ServiceState,
        actual: ServiceState | Exception,
        how: str,
        error: Exception | None,
        final: bool,
    ) -> None:
        """Note how a restore went, and raise if it went wrong."""
        done = actual == wanted or isinstance(actual, _NOTED)
        if final or (done and self._owed.get(ref) == wanted):
            self._owed.pop(ref, None)
        if error is not None:
            how = f'{how}: {type(error).__name__}: {error}'
        for entry in self._unsettled.pop(ref, ()):
            entry.restored = how
        self.trail.record(
            'restore/service',
            str(ref),
            target_id=ref.uuid,
            outcome='success' if done else 'failure',
            wanted=str(wanted),
            actual=str(actual),
            how=how,
        )
        if done:
            return
        violation = exceptions.RestoreFailed(
            f'{ref} should be {wanted} again, and is {actual} ({how})',
            service=str(ref),
            wanted=wanted,
            actual=actual if isinstance(actual, ServiceState) else None,
        )
        violation.__cause__ = error
        self._violate(violation, str(ref), keep=not final)

    @contextlib.contextmanager
    def _not_noting(self) -> Iterator[None]:
        token = _silent.set((*_silent.get(), id(self)))
        try:
            yield
        finally:
            _silent.reset(token)


class _ClientServices:
    """Services behind an object with get_services and put_service.

    What they are is listed when the first one is needed, and kept up with
    by what the client puts; a restore lists them again.

    :param client: the object.
    :param refuse: called before the client puts anything.
    :param records: the services of the Nova that the client talks to, if
        that is in this process: read and written there.
    """

    torn_down_by_test = False

    def __init__(
        self,
        client: Any,
        refuse: Callable[[], None],
        records: Services | None,
    ) -> None:
        self._client = client
        self._refuse = refuse
        self._records = records
        self._known: dict[ServiceRef, ServiceState] = {}
        self._by_name: dict[str, list[ServiceRef]] = {}

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        self._watcher = watcher

        def put_service(
            wrapped: Any, instance: Any, args: Any, kwargs: Any
        ) -> Any:
            self._refuse()
            bound = inspect.signature(wrapped).bind(*args, **kwargs)
            given = [*bound.args, *bound.kwargs.values(), None, None]
            service_id, body = given[:2]
            if not isinstance(body, Mapping):
                return wrapped(*args, **kwargs)
            try:
                ref = self.find(_named_by(service_id, body))
                before = self.read(ref)
            except LookupError:
                # The API says what is wrong with it.
                return wrapped(*args, **kwargs)
            after = _applied(before, service_id, body)
            if after == before:
                return wrapped(*args, **kwargs)
            token = watcher.changing(ref, before)
            result = wrapped(*args, **kwargs)
            self._known[ref] = after
            watcher.changed(token, after)
            return result

        return _restore.patch_attribute(
            self._client,
            'put_service',
            wrapt.FunctionWrapper(self._client.put_service, put_service),
        )

    def find(self, service: Any) -> ServiceRef:
        if self._records is not None:
            return self._records.find(service)
        names = [
            str(name)
            for name in identify(service).values()
            if name is not None
        ]
        matches = self._matches(names)
        if not matches:
            self._list()
            matches = self._matches(names)
        return pick_one(service, matches, self._known)

    def _matches(self, names: list[str]) -> list[ServiceRef]:
        # From the rarest name on: all have the same binary.
        found = sorted(
            (self._by_name.get(name, []) for name in names), key=len
        )
        return [
            ref
            for ref in (found[0] if found else ())
            if {ref.uuid, ref.host, ref.binary}.issuperset(names)
        ]

    def _list(self) -> None:
        self._known.clear()
        self._by_name.clear()
        for service in self._client.get_services():
            # A service in a cell that is down has no id and no state.
            if 'id' not in service:
                continue
            ref = ServiceRef(
                str(service['id']),
                service['host'],
                service.get('binary', 'nova-compute'),
                # As the client gave it: a number before 2.53.
                handle=service['id'],
            )
            self._known[ref] = _state_of(service)
            for name in (ref.uuid, ref.host, ref.binary):
                self._by_name.setdefault(name, []).append(ref)

    def read(self, ref: ServiceRef) -> ServiceState:
        if self._records is not None:
            return self._records.read(ref)
        return self._known[ref]

    def read_all(
        self, refs: list[ServiceRef]
    ) -> Mapping[ServiceRef, ServiceState | Exception]:
        if self._records is not None:
            return self._records.read_all(refs)
        self._list()
        gone = ServiceGone('the API does not list it any more')
        return {ref: self._known.get(ref, gone) for ref in refs}

    def write(
        self, ref: ServiceRef, state: ServiceState, timeout: float
    ) -> str:
        if self._records is not None:
            return self._write_record(self._records, ref, state, timeout)
        body: dict[str, Any] = {}
        current = self._known[ref]
        if (current.disabled, current.disabled_reason) != (
            state.disabled,
            state.disabled_reason,
        ):
            body['status'] = state.status
            if state.disabled and state.disabled_reason:
                body['disabled_reason'] = state.disabled_reason
        if current.forced_down != state.forced_down:
            body['forced_down'] = state.forced_down
        if body:
            _bounded(timeout, self._client.put_service, ref.handle, body)
        return 'put_service'

    def _write_record(
        self,
        records: Services,
        ref: ServiceRef,
        state: ServiceState,
        timeout: float,
    ) -> str:
        # It does not go through put_service, where it would be seen.
        before = records.read(ref)
        if before == state:
            return records.write(ref, state, timeout)
        token = self._watcher.changing(ref, before)
        how = records.write(ref, state, timeout)
        self._watcher.changed(token, state)
        return how


def identify(service: Any) -> dict[str, str | None]:
    """Return what is known of a service: its uuid, host and binary.

    :param service: a host name, a uuid, a service as the API shows it, or a
        Nova service object.
    :raises: LookupError if it is nothing of that kind.
    """
    if isinstance(service, str) and service:
        if uuidutils.is_uuid_like(service):
            return {'uuid': service, 'host': None, 'binary': None}
        return {'uuid': None, 'host': service, 'binary': 'nova-compute'}
    if isinstance(service, Mapping):
        uuid = service.get('uuid') or service.get('id')
        # Before 2.53 the API shows the number of the record, which another
        # cell may have given too.
        if isinstance(uuid, int):
            uuid = None if service.get('host') else str(uuid)
        return {
            'uuid': uuid,
            'host': service.get('host'),
            'binary': service.get('binary'),
        }
    # A running service carries its record.
    record = getattr(service, 'service_ref', None) or service
    host = getattr(record, 'host', None)
    if host is None:
        raise LookupError(
            f'{service!r} is not a host name, a uuid, a service of the API '
            'or a Nova service object'
        )
    return {
        'uuid': getattr(record, 'uuid', None),
        'host': host,
        'binary': getattr(record, 'binary', None),
    }


def pick_one(
    service: Any, matches: list[ServiceRef], candidates: Iterable[ServiceRef]
) -> ServiceRef:
    """Return the only match.

    :raises: LookupError that lists the matches if there are several, and
        the candidates if there is none.
    """
    if len(matches) == 1:
        return matches[0]
    if matches:
        problem, listed = 'is ambiguous', matches
    else:
        problem, listed = 'is unknown', sorted(candidates, key=str)
    names = ', '.join(f'{ref} ({ref.uuid})' for ref in listed[:20])
    more = f' and {len(listed) - 20} more' if len(listed) > 20 else ''
    raise LookupError(
        f'service {service!r} {problem}; there are: {names or "none"}{more}'
    )


def _named_by(service_id: Any, body: Any) -> Any:
    """Return the service that a put is about, at any microversion."""
    if service_id in _ACTIONS and isinstance(body, Mapping):
        return {'host': body.get('host'), 'binary': body.get('binary')}
    return {'id': service_id}


def _applied(
    before: ServiceState, service_id: Any, body: Mapping[str, Any]
) -> ServiceState:
    status = body.get('status')
    if service_id in _ACTIONS:
        status = _ACTIONS[service_id]
    after = before
    if status is not None:
        disabled = status == 'disabled'
        after = dataclasses.replace(
            after,
            disabled=disabled,
            disabled_reason=body.get('disabled_reason') if disabled else None,
        )
    if 'forced_down' in body:
        after = dataclasses.replace(
            after, forced_down=strutils.bool_from_string(body['forced_down'])
        )
    return after


def _state_of(service: Mapping[str, Any]) -> ServiceState:
    return ServiceState(
        disabled=service.get('status') == 'disabled',
        disabled_reason=service.get('disabled_reason'),
        forced_down=bool(service.get('forced_down')),
    )


def _bounded(timeout: float, function: Callable[..., Any], *args: Any) -> None:
    """Call a function, and give up on it after *timeout* seconds.

    :raises: TimeoutError, or what the function raises.
    """
    outcome: list[BaseException | None] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            context.run(function, *args)
        except BaseException as error:
            outcome.append(error)
        else:
            outcome.append(None)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(timeout)
    if not outcome:
        raise TimeoutError(f'no answer within {timeout} seconds')
    if outcome[0] is not None:
        raise outcome[0]


@contextlib.contextmanager
def _labelled(what: str) -> Iterator[None]:
    # Found here: the change may come about in another thread.
    token = _doing.set(f'{what} ({_callsite.where()})')
    try:
        yield
    finally:
        _doing.reset(token)


def _described() -> str:
    """Return what is changing a service now, and where it was called."""
    label = _doing.get()
    if label is not None:
        return label
    call = gate.current_call()
    what = 'the record' if call is None else str(call)
    return f'{what} ({_callsite.where()})'


def _action(before: ServiceState, after: ServiceState) -> str:
    if before.disabled != after.disabled:
        return 'disable' if after.disabled else 'enable'
    if before.forced_down != after.forced_down:
        return 'update/forced_down'
    return 'update/disabled_reason'
