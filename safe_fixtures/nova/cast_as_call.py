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

"""Turn casts of a hardened test into calls."""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import time
from typing import Any
import unittest

import fixtures
from nova.tests import fixtures as nova_fixtures
from oslo_messaging._drivers import impl_fake
from oslo_messaging.rpc import client
from oslo_messaging.rpc import dispatcher
import wrapt

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures import redaction
from safe_fixtures.runtime import patching

__all__ = ['Permit', 'SafeCastAsCall', 'TurnedCast']

# Exceptions within exceptions, as deep as that: one may hold itself.
_DEEPEST = 5
# That a test replaces must not stop the clock.
_now = time.monotonic


@dataclasses.dataclass(slots=True)
class TurnedCast:
    """A cast that was turned into a call; never its arguments.

    :ivar topic: where it went (str).
    :ivar server: the one it was for (str), or None for any.
    :ivar method: what it called (str).
    :ivar fanout: whether it was for all servers of the topic (bool).
    :ivar servers: those that a fanout was delivered to (tuple of str).
    :ivar seconds: how long it took (float), or None until it is over.
    :ivar outcome: ``success``, ``failure``, or ``unknown`` until it is over.
    :ivar error: the type of what it raised (str), or None.
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
    """Turns RPC casts into calls, so that a test knows that they are done.

    A drop-in for Nova's ``CastAsCallFixture``, whose place it takes in
    hardened tests, and so what ``CAST_AS_CALL`` stands for there. It works
    in these only, from the ``setUp`` of their base until they end. A cast
    waits, returns and raises like a call; what it raises is masked, in a
    copy of the same type where there is something to mask. A fanout is
    delivered to each server that listens, one after the other, and returns
    None; if some raise, the others are reached all the same, and what the
    first raised goes on. Of several fixtures, the last one that is set up
    turns the casts. What it replaces in oslo.messaging is given back at
    cleanup, and casts are casts again.

    Example::

        casting = self.useFixture(SafeCastAsCall(self))
        server = self._create_server(networks='none')
        self.assertIn('build_and_run_instance',
                      [cast.method for cast in casting.casts])

    :param testcase: the running test (a hardened one); default: the one
        that uses the fixture, found on the stack.
    :param fanout_to_one: deliver a fanout to any one server of its topic,
        as Nova's own fixture does (bool).
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
        #: What it has turned since its set-up, in the order in which the
        #: casts were made (list of :class:`.TurnedCast`).
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
        self.addCleanup(_remove, self)
        _add(self)

    def _turn(
        self, context: Any, ctxt: Any, method: str, arguments: dict[str, Any]
    ) -> Any:
        target = context.target
        cast = TurnedCast(
            target.topic, target.server, method, bool(target.fanout)
        )
        self.casts.append(cast)
        began = _now()
        try:
            if cast.fanout:
                result = self._fan_out(context, cast, ctxt, arguments)
            else:
                result = context.call(ctxt, method, **arguments)
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
            cast.seconds = _now() - began
            self._record(cast)
        try:
            # Not where the other is handled, which would be its context.
            raise masked
        finally:
            del masked

    def _fan_out(
        self,
        context: Any,
        cast: TurnedCast,
        ctxt: Any,
        arguments: dict[str, Any],
    ) -> Any:
        target = context.target
        servers = _servers(context.transport, target)
        if self._fanout_to_one or servers is None:
            one = client._CallContext._prepare(context, fanout=False)
            return one.call(ctxt, cast.method, **arguments)
        refusals: list[Exception] = []
        failures: list[Exception] = []
        for server in servers:
            one = client._CallContext._prepare(
                context, fanout=False, server=server
            )
            try:
                one.call(ctxt, cast.method, **arguments)
            except fixtures.TimeoutException:
                # Of the test, and it is to end.
                raise
            except Exception as error:
                if _is_refusal(error, target.version, cast.method):
                    refusals.append(error)
                    continue
                failures.append(error)
            cast.servers += (server,)
        if not cast.servers:
            # Nobody listens, which is no error, or nobody understands.
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


class Permit(fixtures.Fixture):
    """Lets a test turn its casts into calls, and nobody else.

    Nova's own fixture, if the test uses it, is :class:`SafeCastAsCall` then.

    :param test: a hardened test, at its set-up.
    """

    def __init__(self, test: unittest.TestCase) -> None:
        super().__init__()
        self.test = test

    def _setUp(self) -> None:
        #: What was made to listen to the fake bus since.
        self.listeners: list[impl_fake.FakeListener] = []
        self.addCleanup(_withdraw, self)
        self.addCleanup(
            patching.patch_attribute(
                impl_fake.FakeListener,
                '__init__',
                wrapt.FunctionWrapper(
                    vars(impl_fake.FakeListener)['__init__'], self._note
                ),
            )
        )
        stock = nova_fixtures.CastAsCallFixture
        self.addCleanup(
            patching.patch_attribute(
                stock,
                '_stub_out',
                staticmethod(_stub_out_instead_of(stock._stub_out)),
            )
        )
        _permits.append(self)

    def _note(
        self,
        wrapped: Callable[..., Any],
        listener: Any,
        args: Any,
        kwargs: Any,
    ) -> None:
        wrapped(*args, **kwargs)
        self.listeners.append(listener)


_permits: list[Permit] = []
_fixtures: tuple[SafeCastAsCall, ...] = ()
_restores: list[Callable[[], None]] = []


def _withdraw(permit: Permit) -> None:
    _permits[:] = [other for other in _permits if other is not permit]


def _is_permitted(test: Any) -> bool:
    return any(permit.test is test for permit in _permits)


def _stub_out_instead_of(stub_out: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(stub_out)
    def instead(testcase: Any, obj: Any = None) -> None:
        if not _is_permitted(testcase):
            stub_out(testcase, obj)
        elif obj is None:
            # It ends with the test, and not with Nova's fixture.
            testcase.useFixture(SafeCastAsCall(testcase))

    return instead


def _add(fixture: SafeCastAsCall) -> None:
    global _fixtures
    _fixtures = (*_fixtures, fixture)
    if _restores:
        return
    stock = client._CallContext.cast

    @functools.wraps(stock)
    def cast(self: Any, ctxt: Any, method: str, **kwargs: Any) -> Any:
        turning = _fixtures
        if not turning:
            # Somebody has kept it.
            return stock(self, ctxt, method, **kwargs)
        return turning[-1]._turn(self, ctxt, method, kwargs)

    _restores[:] = [
        patching.patch_attribute(client._CallContext, 'cast', cast),
        patching.patch_attribute(client.RPCClient, 'cast', _cast),
    ]


@functools.wraps(client.RPCClient.cast)
def _cast(self: Any, ctxt: Any, method: str, **kwargs: Any) -> Any:
    # As Nova's fixture does, unlike the one it replaces: it returns.
    return self.prepare().cast(ctxt, method, **kwargs)


def _remove(fixture: SafeCastAsCall) -> None:
    global _fixtures
    _fixtures = tuple(other for other in _fixtures if other is not fixture)
    while _restores and not _fixtures:
        _restores.pop()()


def _servers(transport: Any, target: Any) -> Sequence[str] | None:
    """Return the servers that listen to a topic; None if nobody can know.

    The queues of the bus do not tell: they stay when a server stops.
    """
    driver = transport._driver
    if not isinstance(driver, impl_fake.FakeDriver):
        return None
    exchange = driver._exchange_manager.get_exchange(target.exchange)
    return list(
        dict.fromkeys(
            listened.server
            for permit in _permits
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
    """Whether a server says that a message is for others than it."""
    return (
        isinstance(error, dispatcher.UnsupportedVersion)
        and error.version == (version or '1.0')
        and error.method == method
    )


def _masked(
    error: BaseException,
    redactor: redaction.Redactor,
    depth: int = _DEEPEST,
) -> BaseException:
    """Return an exception without secrets: the same if it has none.

    The fake bus passes the very object that the server raised and holds. Those
    in its arguments, such as the members of a group, are masked as well.
    """
    # What a guard raised is known to it by identity.
    if isinstance(error, exceptions.SafetyViolation) or not isinstance(
        error, Exception
    ):
        return error
    if not depth:
        return error
    cls = type(error)
    # Past what subclasses have made of their arguments, as in a copy.
    base: Any = next(
        each for each in cls.__mro__ if each.__module__ == 'builtins'
    )
    given = base.__reduce__(error)[1]
    try:
        args = _masked_within(redactor.redact(given), redactor, depth)
        state = {
            name: _masked_within(value, redactor, depth)
            for name, value in redactor.redact(vars(error)).items()
        }
    except Exception:
        # Where it is put out it is masked as text.
        return error
    if args == given and state == vars(error):
        return error
    masked: BaseException = base.__new__(cls, *args)
    base.__init__(masked, *args)
    vars(masked).update(state)
    masked.__cause__ = error.__cause__
    masked.__context__ = error.__context__
    masked.__suppress_context__ = error.__suppress_context__
    return masked.with_traceback(error.__traceback__)


def _masked_within(
    value: Any, redactor: redaction.Redactor, depth: int
) -> Any:
    """Return a value with the exceptions in it masked."""
    if isinstance(value, BaseException):
        return _masked(value, redactor, depth - 1)
    if type(value) in (list, tuple):
        return type(value)(
            _masked_within(item, redactor, depth) for item in value
        )
    return value
