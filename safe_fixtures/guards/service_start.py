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
import os
import sys
from types import FrameType
from typing import Any, Protocol
import unittest
import weakref

import testtools

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf
from safe_fixtures.core import guard as core_guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.runtime import stack as runtime_stack

__all__ = ['DEFAULT_ALLOWED', 'ServiceStartGuard', 'Starts', 'Watcher']

#: What a test may start that does not say what it may start.
DEFAULT_ALLOWED = ('compute', 'conductor', 'scheduler')

_ON_TEST = '_safe_fixtures_service_start'
_UNTOLD = tuple(
    os.path.join(os.path.dirname(os.path.abspath(path)), '')
    for path in (
        os.path.dirname(__file__),
        testtools.__file__,
        unittest.__file__,
    )
)


class Watcher(Protocol):
    """What is told of services that are started."""

    def permit(self, service: Any, binary: str, host: str) -> None:
        """Raise if a service must not be made, or not be started.

        Called for each of the two, before anything of it is done.
        """

    def starting(self, service: Any, binary: str, host: str) -> None:
        """Note a service that is started now: all watchers permitted it."""

    def stopping(self, service: Any, binary: str, host: str) -> None:
        """A service that runs is about to be stopped.

        What this raises goes to who stops it, and it is not.
        """

    def started(
        self, service: Any, uuid: str | None, seconds: float, failed: bool
    ) -> None:
        """Note that the start is over.

        :param uuid: of its record, if it has one.
        :param seconds: how long it took.
        :param failed: whether it raised something.
        """


class Starts(Protocol):
    """Where services are started.

    :ivar usual: what the fixtures of the project start besides the default
        (sequence of str).
    """

    usual: Sequence[str]

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell of every service from now on; returns an end."""

    def remains(self, service: Any) -> list[str]:
        """Return what still runs of a service that nobody is stopping.

        :returns: parts of a sentence, such as ``it listens``.
        """

    def halt(self, service: Any, seconds: float) -> None:
        """Stop what still runs of a service, and nothing else of it.

        :param seconds: how long to wait for it.
        :raises: Exception if it does not stop.
        """


_STARTS = plugins.Source[Starts]('service_starts', 'a Starts')


@dataclasses.dataclass
class _Start:
    service: Any
    binary: str
    host: str
    where: str | None
    # From the test's own line inwards.
    stack: list[str]
    uuid: str | None = None

    def __str__(self) -> str:
        return f'{self.binary} on {self.host}'


@dataclasses.dataclass
class _Term:
    """The time in which a test is guarded."""

    test_id: str
    guards: int = 0

    @property
    def is_over(self) -> bool:
        return self.guards == 0


_active: list['ServiceStartGuard'] = []
# The tests that a service was made in.
_made: weakref.WeakKeyDictionary[Any, list[_Term]] = (
    weakref.WeakKeyDictionary()
)


class ServiceStartGuard(core_guard.Guard):
    """Lets a test start only certain services, and sees what it leaves.

    While it is active, a service that the test may not start is refused
    (SF204) before anything of it exists: no manager, no record, no RPC
    server. So is one that a test that is over starts, from a thread it left
    behind or by a service it made. At cleanup, a service that still listens
    or has a periodic timer that runs is reported with the stack that started
    it (SF205), and stopped, so that it does not disturb the next test.

    Set it up before the fixtures that start services, so that it outlives
    them. Nested guards must all permit a start; what an inner one sees left
    is judged by the outer one of the same test. The classes that it watches
    are given back at cleanup.

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
        if self._given_allowed is not None:
            self._allowed = _checked(
                'ServiceStartGuard allowed', self._given_allowed
            )
            return
        stated = getattr(self._test, 'ALLOWED_SERVICES', None)
        if stated is None:
            stated = (*DEFAULT_ALLOWED, *self._starts.usual)
        self._allowed = _checked('ALLOWED_SERVICES', stated)

    def _setUp(self) -> None:
        super()._setUp()
        self._seen: dict[int, _Start] = {}
        # What was reported when it was made is not when it is started.
        self._reported: set[tuple[int, str]] = set()
        self._term = _term_of(self._test)
        self.addCleanup(self._seen.clear)
        self.addCleanup(_deactivate, self)
        self._term.guards += 1
        _active.append(self)
        self.addCleanup(self._starts.watch(self))
        self.addCleanup(self._report_left)

    # What the starts tell.

    def permit(self, service: Any, binary: str, host: str) -> None:
        """Refuse what may not be started; see ``Watcher``."""
        tests, stack = _walk()
        fault = self._fault(service, binary, tests)
        if fault is not None and (id(service), binary) not in self._reported:
            self._violate(
                exceptions.SafetyViolation(
                    'SF204',
                    f'{binary} on {host} was to be started {fault}',
                    remedy='Start only the services that the test is about; '
                    'it declares them in ALLOWED_SERVICES.',
                ),
                f'{binary} on {host}',
                binary=binary,
                host=host,
            )
            self._reported.add((id(service), binary))
        # One that starts itself in its own way is at least seen here.
        self._seen[id(service)] = _Start(
            service, binary, host, runtime_stack.where(), stack
        )
        terms = _made.setdefault(service, [])
        if all(term is not self._term for term in terms):
            terms.append(self._term)

    def starting(self, service: Any, binary: str, host: str) -> None:
        """See ``Watcher``."""

    def stopping(self, service: Any, binary: str, host: str) -> None:
        """See ``Watcher``."""

    def started(
        self, service: Any, uuid: str | None, seconds: float, failed: bool
    ) -> None:
        """Record a start; see ``Watcher``."""
        start = self._seen.get(id(service))
        if start is None:
            # The guard has come, or gone, meanwhile.
            return
        start.uuid = uuid
        inner = _active[_active.index(self) + 1 :] if self in _active else []
        if any(
            guard.trail is self.trail and id(service) in guard._seen
            for guard in inner
        ):
            # It is on record there.
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

    def _fault(
        self, service: Any, binary: str, tests: list[unittest.TestCase]
    ) -> str | None:
        """Return what is wrong with a start, or None."""
        if _plain(binary) not in self._allowed:
            allowed = ', '.join(sorted(self._allowed)) or 'nothing'
            return f'in a test that may start {allowed}'
        terms = _made.get(service)
        if not terms:
            # Who calls is asked where what is called does not tell.
            terms = [
                vars(test)[_ON_TEST]
                for test in tests
                if _ON_TEST in vars(test)
            ]
        if terms and all(term.is_over for term in terms):
            return f'for a test that is over ({terms[0].test_id})'
        return None

    # What is left.

    def _report_left(self) -> None:
        """Report what was left running, and stop it.

        :raises: SafetyViolation (SF205), or MultipleExceptions of them, once
            all are stopped.
        """
        if conf.mode_of('SF205') == 'off':
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
        """Whether a guard around this one will judge what is left."""
        return any(
            guard is not self
            and guard._test is self._test
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
    return str(binary).removeprefix('nova-')


def _term_of(test: unittest.TestCase | None) -> _Term:
    """Return the term of a test, the same one for all its guards."""
    if test is None:
        # Nobody can tell when it is over.
        return _Term('no test', guards=1)
    term: _Term | None = vars(test).get(_ON_TEST)
    if term is None:
        term = vars(test)[_ON_TEST] = _Term(test.id())
    return term


def _deactivate(guard: ServiceStartGuard) -> None:
    guard._term.guards -= 1
    # By identity, and even if it was not activated.
    _active[:] = [other for other in _active if other is not guard]


def _walk() -> tuple[list[unittest.TestCase], list[str]]:
    """Return who called in a thread, and the lines that led here.

    :returns: the tests whose methods these are, none where a test is being
        run; and ``file:line`` from the test's own line inwards, without this
        package and what runs tests.
    """
    tests: list[unittest.TestCase] = []
    lines: list[str] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        own = not code.co_filename.startswith(_UNTOLD)
        if own:
            lines.append(f'{code.co_filename}:{frame.f_lineno}')
        if code.co_varnames[:1] == ('self',):
            test = frame.f_locals.get('self')
            if isinstance(test, unittest.TestCase):
                if code.co_name == 'run' and not own:
                    return [], lines[::-1]
                tests.append(test)
        frame = frame.f_back
    return tests, lines[::-1]
