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

"""Let a test start only the services that it is about."""

from collections.abc import Callable, Collection, Mapping, Sequence
import dataclasses
from typing import Any, Protocol
import unittest
import weakref

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.core import guard as core_guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.runtime import stack
from safe_fixtures.runtime import values

__all__ = ['DEFAULT_ALLOWED', 'ServiceStartGuard', 'Starts', 'Watcher']

#: What a test may start if it does not say so itself.
DEFAULT_ALLOWED = ('compute', 'conductor', 'scheduler')

_ON_TEST = '_safe_fixtures_service_start'


class Watcher:
    """Sees services being made, started and stopped.

    A subclass overrides the methods that it needs; here they do nothing.
    """

    def permit(self, service: Any, binary: str, host: str) -> None:
        """Raise an error if a service must not be made or started.

        It is called before a service is made, and again before it is
        started.
        """

    def starting(self, service: Any, binary: str, host: str) -> None:
        """See a service that all watchers permitted, before its start."""

    def stopping(self, service: Any, binary: str, host: str) -> None:
        """See a service that runs, before it is stopped.

        What this raises goes to the caller, and the service is not stopped.
        """

    def started(
        self, service: Any, uuid: str | None, seconds: float, failed: bool
    ) -> None:
        """See the end of a start.

        :param uuid: of the service record, if there is one.
        :param seconds: how long the start took.
        :param failed: whether it raised an error.
        """


class Starts(Protocol):
    """Where services are started.

    :ivar usual: what the fixtures of the project start besides the default
        (sequence of str).
    """

    usual: Sequence[str]

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Show every service to *watcher*.

        :returns: a callable that ends it.
        """

    def remains(self, service: Any) -> list[str]:
        """Return what still runs of a service that is not being stopped.

        :returns: parts of a sentence, such as ``it listens``.
        """

    def halt(self, service: Any, seconds: float) -> None:
        """Stop what still runs of a service, and nothing else of it.

        :param seconds: how long to wait.
        :raises: Exception if it does not stop.
        """


_STARTS = plugins.Source[Starts]('service_starts', 'a Starts')


@dataclasses.dataclass(frozen=True, eq=False)
class _Term:
    """The time in which a test has an active guard.

    :ivar test_id: None without a test; such a term is never over.
    """

    test_id: str | None

    @property
    def is_over(self) -> bool:
        active = any(guard._term is self for guard in _active)
        return self.test_id is not None and not active


@dataclasses.dataclass
class _Start:
    """A service that was made or started.

    :ivar where: the line of the test (str or None).
    :ivar stack: the calls that led to it, the test's own line first.
    """

    service: Any
    binary: str
    host: str
    where: str | None
    stack: list[str]
    uuid: str | None = None

    def __str__(self) -> str:
        return f'{self.binary} on {self.host}'


_NO_TEST = _Term(None)
# The guards that are set up, in that order.
_active: list['ServiceStartGuard'] = []
# The terms in which each service was made or started.
_made: weakref.WeakKeyDictionary[Any, list[_Term]] = (
    weakref.WeakKeyDictionary()
)


class ServiceStartGuard(core_guard.Guard, Watcher):
    """Lets a test start only certain services, and finds what it leaves.

    While it is active, it refuses a service that the test may not start
    (SF204), before anything of the service exists: no manager, no record, no
    RPC server. It also refuses a service that is started for a test that is
    over, from a thread that the test left behind or by a service that it
    made. At cleanup, it reports each service that still listens or has a
    running periodic timer, with the stack that started it (SF205). Then it
    stops the service, so that the next test is not disturbed.

    Set it up before the fixtures that start services, so that it outlives
    them. Nested guards must all permit a start. A service that is left is
    reported by the outermost guard of the test. At cleanup, the classes that
    it watches are restored.

    Example::

        self.useFixture(ServiceStartGuard(['compute']))

    :param allowed: what may be started (collection of str), each with or
        without the prefix ``nova-``; default: the ``ALLOWED_SERVICES`` of
        the test, else compute, conductor and scheduler.
    :param starts: a :class:`~safe_fixtures.guards.service_start.Starts`;
        default: the Nova in this process.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up for anything but a collection of
        names, and where there is no Nova.
    """

    def __init__(
        self,
        allowed: Collection[str] | None = None,
        *,
        starts: Starts | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._given_allowed = allowed
        self._given_starts = starts

    def _prepare(self) -> None:
        self._starts = self._given_starts or _STARTS.require(
            'ServiceStartGuard starts'
        )
        option, allowed = 'ServiceStartGuard allowed', self._given_allowed
        if allowed is None:
            option = 'ALLOWED_SERVICES'
            allowed = getattr(self._test, option, None)
        if allowed is None:
            allowed = (*DEFAULT_ALLOWED, *self._starts.usual)
        self._allowed = _checked(option, allowed)

    def _setUp(self) -> None:
        super()._setUp()
        self._seen: dict[int, _Start] = {}
        # What was reported when a service was made is not reported again
        # when it is started.
        self._reported: set[tuple[int, str]] = set()
        self._term = _term_of(self._test)
        self.addCleanup(self._seen.clear)
        _active.append(self)
        self.addCleanup(_active.remove, self)
        self.addCleanup(self._starts.watch(self))
        self.addCleanup(self._report_left)

    def permit(self, service: Any, binary: str, host: str) -> None:
        """Refuse what may not be started; see ``Watcher``."""
        start = _Start(service, binary, host, stack.where(), stack.lines())
        fault = self._fault(service, binary)
        if fault is not None and (id(service), binary) not in self._reported:
            self._violate(
                exceptions.SafetyViolation(
                    'SF204',
                    f'{start} would start, and {fault}',
                    remedy='Start only the services that the test is about, '
                    'or list it in ALLOWED_SERVICES.',
                ),
                str(start),
                binary=binary,
                host=host,
            )
            self._reported.add((id(service), binary))
        # Noted here too, as a subclass may start in its own way.
        self._seen[id(service)] = start
        terms = _made.setdefault(service, [])
        if self._term not in terms:
            terms.append(self._term)

    def started(
        self, service: Any, uuid: str | None, seconds: float, failed: bool
    ) -> None:
        """Record a start; see ``Watcher``."""
        start = self._seen.get(id(service))
        if start is None:
            # The guard was set up, or cleaned up, meanwhile.
            return
        start.uuid = uuid
        for guard in reversed(_active):
            if guard is self:
                break
            if guard.trail is self.trail and id(service) in guard._seen:
                # An inner guard records it.
                return
        self.trail.record(
            events.START,
            str(start),
            target_id=uuid,
            outcome='failure' if failed else 'success',
            binary=start.binary,
            host=start.host,
            where=start.where,
            seconds=round(seconds, 6),
        )

    def _fault(self, service: Any, binary: str) -> str | None:
        """Return what is wrong with a start, or None."""
        if _plain(binary) not in self._allowed:
            allowed = ', '.join(sorted(self._allowed)) or 'nothing'
            return f'the test may start {allowed}'
        # A service that is unknown here belongs to its caller.
        terms = _made.get(service) or [
            vars(test)[_ON_TEST]
            for test in stack.tests_of_thread()
            if _ON_TEST in vars(test)
        ]
        if terms and all(term.is_over for term in terms):
            return f'its test is over ({terms[0].test_id})'
        return None

    def _report_left(self) -> None:
        """Report what was left running, and stop it.

        :raises: SafetyViolation (SF205), or MultipleExceptions of them, once
            all are stopped.
        """
        if self._settings.mode_of('SF205') == 'off':
            return
        left = [
            (start, remains)
            for start in self._seen.values()
            if not self._is_left_to_another(start)
            and (remains := self._starts.remains(start.service))
        ]
        errors: list[exceptions.SafetyViolation] = []
        for start, remains in left:
            try:
                self._report(start, remains)
            except exceptions.SafetyViolation as violation:
                errors.append(violation)
            self._halt(start)
        core_guard.raise_all(errors)

    def _is_left_to_another(self, start: _Start) -> bool:
        """Whether a guard around this one will report what is left."""
        return any(
            guard is not self
            and guard._term is self._term
            and id(start.service) in guard._seen
            for guard in _active
        )

    def _report(self, start: _Start, remains: list[str]) -> None:
        self._violate(
            exceptions.SafetyViolation(
                'SF205',
                f'{start} was left running ({", ".join(remains)}), started '
                f'by {" > ".join(start.stack)}',
                where=start.where,
            ),
            str(start),
            keep=False,
            binary=start.binary,
            host=start.host,
            remains=remains,
            stack=start.stack,
        )

    def _halt(self, start: _Start) -> None:
        how = 'stopped'
        try:
            self._starts.halt(start.service, self._settings.restore_timeout)
        except Exception as error:
            how = f'{type(error).__name__}: {error}'
        still = self._starts.remains(start.service)
        self.trail.record(
            events.STOP,
            str(start),
            target_id=start.uuid,
            outcome='failure' if still else 'success',
            how=how,
            remains=still,
        )


def _checked(option: str, names: Any) -> frozenset[str]:
    """Return service names without their prefix.

    :raises: ConfigurationError.
    """
    if (
        isinstance(names, (str, bytes, Mapping))
        or not isinstance(names, Collection)
        or not all(
            isinstance(name, str) and _plain(name).strip() for name in names
        )
    ):
        raise exceptions.ConfigurationError(
            option,
            names,
            'it must be a list of services, such as compute or nova-conductor',
        )
    return frozenset(_plain(name) for name in names)


def _plain(binary: str) -> str:
    return str(values.plain(binary)).removeprefix('nova-')


def _term_of(test: unittest.TestCase | None) -> _Term:
    """Return the term of a test, the same one for all its guards."""
    if test is None:
        return _NO_TEST
    term: _Term = vars(test).setdefault(_ON_TEST, _Term(test.id()))
    return term
