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

"""Turn the RPC casts of a hardened test into calls."""

from collections.abc import Callable, Sequence
import dataclasses
import functools
from typing import Any, NamedTuple
import unittest

import fixtures
from nova.tests import fixtures as nova_fixtures
from oslo_messaging._drivers import impl_fake
from oslo_messaging.rpc import client
from oslo_messaging.rpc import dispatcher

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures import redaction
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import patching

__all__ = ['SafeCastAsCall', 'TurnedCast', 'permit']

# How deep exceptions inside exceptions are masked: one may hold itself.
_DEEPEST = 5


@dataclasses.dataclass(slots=True)
class TurnedCast:
    """A cast that was turned into a call, without its arguments.

    :ivar topic: its topic (str).
    :ivar server: the server it was sent to (str), or None for any.
    :ivar method: the method it called (str).
    :ivar fanout: whether it was sent to all servers of the topic (bool).
    :ivar servers: the servers that a fanout reached (tuple of str).
    :ivar seconds: how long it took (float); None until it ends.
    :ivar outcome: ``success``, ``failure``, or ``unknown`` until it ends.
    :ivar error: the type of exception that it raised (str), or None.
    """

    topic: str
    server: str | None
    method: str
    fanout: bool
    servers: tuple[str, ...] = ()
    seconds: float | None = None
    outcome: str = 'unknown'
    error: str | None = None


class SafeCastAsCall(guard.Guard):
    """Turns RPC casts into calls, so that a test knows when they are done.

    A drop-in for Nova's ``CastAsCallFixture``. Hardened tests get it instead
    of that one, also for ``CAST_AS_CALL``. It works in hardened tests only,
    from the ``setUp`` of their base until they end.

    A cast waits, returns and raises like a call. Secrets in an exception are
    masked, in a copy of the same type. A fanout goes to each server that
    listens, one after the other, and returns None. If some of them raise,
    the others are reached all the same; then the first exception is raised.
    Of several fixtures, the last one that was set up turns the casts.
    Cleanup restores the methods of oslo.messaging, and casts are casts
    again.

    Example::

        casting = self.useFixture(SafeCastAsCall(self))
        server = self._create_server(networks='none')
        self.assertIn('build_and_run_instance',
                      [cast.method for cast in casting.casts])

    :param testcase: the running hardened test; default: the one that uses
        the fixture, found on the stack.
    :param fanout_to_one: whether a fanout goes to any one server of its
        topic, as with Nova's own fixture (bool).
    :param trail: where each cast is recorded, as ``monitor/cast``
        (:class:`~safe_fixtures.AuditTrail`); default: the active trail.
    :raises: ConfigurationError at set-up outside a running hardened test.
    """

    def __init__(
        self,
        testcase: unittest.TestCase | None = None,
        *,
        fanout_to_one: bool = False,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=testcase, trail=trail)
        self._fanout_to_one = fanout_to_one
        #: The casts since set-up, oldest first (list of
        #: :class:`.TurnedCast`).
        self.casts: list[TurnedCast] = []

    def _prepare(self) -> None:
        if not _is_permitted(self._test):
            raise exceptions.ConfigurationError(
                'SafeCastAsCall testcase',
                self._test,
                'casts are turned into calls inside a running hardened test '
                'only: derive the test from safe_fixtures.nova.hardened(its '
                'base), and use the fixture after super().setUp()',
            )

    def _setUp(self) -> None:
        super()._setUp()
        self.casts = []
        _turning.add(self, self.addCleanup)

    def _turn(
        self, context: Any, ctxt: Any, method: str, arguments: dict[str, Any]
    ) -> Any:
        target = context.target
        cast = TurnedCast(
            target.topic, target.server, method, bool(target.fanout)
        )
        self.casts.append(cast)
        began = clock.monotonic()

        def call(where: Any) -> Any:
            return where.call(ctxt, method, **arguments)

        try:
            if cast.fanout:
                result = self._fan_out(context, cast, call)
            else:
                result = call(context)
        except BaseException as error:
            cast.outcome = 'failure'
            cast.error = type(error).__name__
            masked = _masked(error, self.trail.redactor)
            if masked is error:
                raise
        else:
            cast.outcome = 'success'
            return result
        finally:
            cast.seconds = clock.monotonic() - began
            self._record(cast)
        try:
            # Outside of the handler: the original must not be its context.
            raise masked
        finally:
            # Its traceback refers to this frame.
            del masked

    def _fan_out(
        self, context: Any, cast: TurnedCast, call: Callable[[Any], Any]
    ) -> Any:
        target = context.target
        prepare = functools.partial(
            client._CallContext._prepare, context, fanout=False
        )
        servers = _servers(context.transport, target)
        if self._fanout_to_one or servers is None:
            return call(prepare())
        refusals: list[Exception] = []
        failures: list[Exception] = []
        for server in servers:
            try:
                call(prepare(server=server))
            except fixtures.TimeoutException:
                # The time of the test is up.
                raise
            except Exception as error:
                if _is_refusal(error, target.version, cast.method):
                    refusals.append(error)
                    continue
                failures.append(error)
            cast.servers += (server,)
        if not cast.servers:
            # No server understands it. If none listens, that is no error.
            failures = refusals
        try:
            if failures:
                raise failures[0]
        finally:
            del refusals, failures

    def _record(self, cast: TurnedCast) -> None:
        content: dict[str, Any] = {}
        if cast.fanout:
            content['servers'] = list(cast.servers)
        if cast.error is not None:
            content['error'] = cast.error
        self.trail.record(
            events.CAST,
            cast.server or cast.topic,
            outcome=cast.outcome,
            event_type='monitor',
            topic=cast.topic,
            method=cast.method,
            fanout=cast.fanout,
            seconds=round(cast.seconds or 0.0, 6),
            **content,
        )


class _Permit(NamedTuple):
    """A test that may turn its casts into calls.

    :ivar listeners: what listens to the fake bus since its set-up.
    """

    test: unittest.TestCase
    listeners: list[impl_fake.FakeListener]


def permit(test: unittest.TestCase) -> Callable[[], None]:
    """Let a test turn its casts into calls.

    In this test, Nova's own fixture is :class:`SafeCastAsCall`.

    :param test: a hardened test, at its set-up.
    :returns: a callable that ends it.
    """
    return _permits.add(_Permit(test, []))


def _is_permitted(test: Any) -> bool:
    return any(permit.test is test for permit in _permits.users)


def _watch() -> Callable[[], None]:
    """Note who listens, and replace Nova's own fixture."""
    nova_fixture = nova_fixtures.CastAsCallFixture
    unhardened = nova_fixture._stub_out

    def note(
        wrapped: Callable[..., Any], listener: Any, args: Any, kwargs: Any
    ) -> None:
        wrapped(*args, **kwargs)
        for permit in _permits.users:
            permit.listeners.append(listener)

    @functools.wraps(unhardened)
    def stub_out(testcase: Any, obj: Any = None) -> None:
        if not _is_permitted(testcase):
            unhardened(testcase, obj)
        elif obj is None:
            # It ends with the test, and not with Nova's fixture.
            testcase.useFixture(SafeCastAsCall(testcase))

    listener_class = impl_fake.FakeListener
    return patching.patch_attributes(
        [
            patching.wrapped_attribute(listener_class, '__init__', note),
            (nova_fixture, '_stub_out', staticmethod(stub_out)),
        ]
    )


def _replace_casts() -> Callable[[], None]:
    unhardened = client._CallContext.cast

    @functools.wraps(unhardened)
    def cast(self: Any, ctxt: Any, method: str, **kwargs: Any) -> Any:
        # Read once: another thread may end a fixture meanwhile.
        turning = _turning.users
        if not turning:
            # A test has kept this function.
            return unhardened(self, ctxt, method, **kwargs)
        return turning[-1]._turn(self, ctxt, method, kwargs)

    @functools.wraps(client.RPCClient.cast)
    def client_cast(self: Any, ctxt: Any, method: str, **kwargs: Any) -> Any:
        # Like Nova's fixture, and unlike the original, it returns a value.
        return self.prepare().cast(ctxt, method, **kwargs)

    return patching.patch_attributes(
        [
            (client._CallContext, 'cast', cast),
            (client.RPCClient, 'cast', client_cast),
        ]
    )


_permits: patching.SharedPatch[_Permit] = patching.SharedPatch(_watch)
_turning: patching.SharedPatch[SafeCastAsCall] = patching.SharedPatch(
    _replace_casts
)


def _servers(transport: Any, target: Any) -> Sequence[str] | None:
    """Return the servers that listen to a topic; None if it is unknown.

    The queues of the bus do not tell: they remain when a server stops.
    """
    driver = transport._driver
    if not isinstance(driver, impl_fake.FakeDriver):
        return None
    exchange = driver._exchange_manager.get_exchange(target.exchange)
    return list(
        dict.fromkeys(
            listened.server
            for permit in _permits.users
            for listener in tuple(permit.listeners)
            if not listener._stopped.is_set()
            for listened in listener._targets
            if listened.server is not None
            and listened.topic == target.topic
            and listener._exchange_manager.get_exchange(listened.exchange)
            is exchange
        )
    )


def _is_refusal(error: Exception, version: str | None, method: str) -> bool:
    """Whether a server refuses a message that other servers may take."""
    return (
        isinstance(error, dispatcher.UnsupportedVersion)
        and error.version == (version or '1.0')
        and error.method == method
    )


def _masked(
    error: BaseException, redactor: redaction.Redactor, depth: int = _DEEPEST
) -> BaseException:
    """Return an exception without secrets: the same if it has none.

    The original is not changed: the server that raised it holds it, too.
    Exceptions in its arguments, such as the members of a group, are masked
    as well.
    """
    # A guard recognizes what it raised by identity.
    violated = isinstance(error, exceptions.SafetyViolation)
    if not depth or violated or not isinstance(error, Exception):
        return error
    cls = type(error)
    # Like a copy: without the __init__ of subclasses.
    builtin = (each for each in cls.__mro__ if each.__module__ == 'builtins')
    base: Any = next(builtin)
    given = base.__reduce__(error)[1]
    try:
        args = _masked_in(redactor.redact(given), redactor, depth)
        state = {
            name: _masked_in(value, redactor, depth)
            for name, value in redactor.redact(vars(error)).items()
        }
    except Exception:
        # It cannot be copied. Its text is masked where it is printed.
        return error
    if args == given and state == vars(error):
        return error
    masked: BaseException = base.__new__(cls, *args)
    base.__init__(masked, *args)
    vars(masked).update(state)
    for name in ('__cause__', '__context__', '__suppress_context__'):
        setattr(masked, name, getattr(error, name))
    return masked.with_traceback(error.__traceback__)


def _masked_in(value: Any, redactor: redaction.Redactor, depth: int) -> Any:
    """Return a value with the exceptions in it masked."""
    if isinstance(value, BaseException):
        return _masked(value, redactor, depth - 1)
    if type(value) in (list, tuple):
        return type(value)(_masked_in(item, redactor, depth) for item in value)
    return value
