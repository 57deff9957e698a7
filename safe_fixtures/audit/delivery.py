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

"""Pass events on to sinks, and fail where a sink fails."""

from collections.abc import Callable, Iterable
import contextlib
import contextvars
import dataclasses
import errno
import functools
from typing import Any

import fixtures

from safe_fixtures.audit import plugin_sinks
from safe_fixtures.audit import sinks as audit_sinks
from safe_fixtures import exceptions
from safe_fixtures import redaction

__all__ = ['AuditFailed', 'Delivery', 'Sink', 'check_sink', 'watch']

#: A callable that is passed each event.
Sink = Callable[[dict[str, Any]], Any]

# The sinks that are passed the events of all trails.
_watching: list[Sink] = []
# The sinks that are running now in this thread or greenlet.
_running: contextvars.ContextVar[tuple[Sink, ...]] = contextvars.ContextVar(
    'safe_fixtures.audit', default=()
)


class AuditFailed(AssertionError):
    """The audit trail of a test is incomplete.

    A sink failed for some events. The acts were done and the events are in
    memory, but the test fails, as its record has gaps.
    """


@dataclasses.dataclass(slots=True)
class _Failure:
    """The events that one sink failed for."""

    sink: str
    first: str
    error: str
    count: int = 0
    raised: bool = False

    def __str__(self) -> str:
        events = f'{self.count} event{"" if self.count == 1 else "s"}'
        return (
            f'{self.sink} failed for {events}, first for {self.first} '
            f'({self.error})'
        )


class Delivery:
    """Passes events on to sinks.

    A sink that fails does not disturb the test. :meth:`check` reports it.

    :param owner: whose events these are, for the message.
    :param redactor: masks the errors of sinks.
    :param sinks: the sinks; more can be appended to :attr:`sinks`.
    :param fails_at_once: raise AuditFailed where an event is recorded.
    :ivar failures: what failed so far, by the name of the sink (dict).
    """

    def __init__(
        self,
        owner: str,
        redactor: redaction.Redactor,
        sinks: Iterable[Sink],
        *,
        fails_at_once: bool = False,
    ) -> None:
        self.sinks = list(sinks)
        self._owner = owner
        self._redactor = redactor
        self._fails_at_once = fails_at_once
        self.failures: dict[str, _Failure] = {}

    def deliver(self, stored: dict[str, Any]) -> None:
        """Pass an event on to the sinks: of this trail, of all, of plugins."""
        sinks: list[Sink] = [*self.sinks, *_watching, *plugin_sinks.sinks()]
        for sink in sinks:
            running = _running.get()
            if running and sink in running:
                # A sink that records must not be passed its own events.
                continue
            token = _running.set((*running, sink))
            try:
                sink(stored)
            except fixtures.TimeoutException as error:
                # The test's own timeout fired inside the sink.
                if not isinstance(sink, plugin_sinks.PluginSink):
                    self.fail(_name_of(sink), stored, error)
                raise
            except Exception as error:
                self.fail(_name_of(sink), stored, error)
            finally:
                _running.reset(token)

    def fail(self, sink: str, event: dict[str, Any], error: Exception) -> None:
        """Note that a sink failed for an event.

        :raises: AuditFailed if nothing calls :meth:`check` later.
        """
        if sink not in self.failures:
            name = type(error).__name__
            symbol = errno.errorcode.get(getattr(error, 'errno', 0), name)
            self.failures[sink] = _Failure(
                sink,
                f'{event["action"]} of {event["target"]["name"]}',
                self._redactor.redact(f'{symbol}: {_text_of(error)}'),
            )
        self.failures[sink].count += 1
        if self._fails_at_once:
            self.check()

    def check(self) -> None:
        """Raise what failed; once for each sink.

        :raises: AuditFailed.
        """
        failures = [
            failure
            for failure in self.failures.values()
            if self._fails_at_once or not failure.raised
        ]
        for failure in failures:
            failure.raised = True
        if failures:
            raise AuditFailed(
                f'the audit trail of {self._owner} is incomplete: '
                f'{"; ".join(map(str, failures))}. Keep the audit file in '
                'place and writable while tests run, and let no sink raise.'
            )


def watch(sink: Sink) -> Callable[[], None]:
    """Pass the events of all trails of this process to a callable.

    Example::

        self.addCleanup(audit.watch(print))

    :param sink: as in the argument *sinks* of :class:`.AuditTrail`.
    :returns: a function that ends this.
    :raises: ConfigurationError if *sink* is not callable.
    """
    check_sink('watch', sink)
    # A new object each time: ending one watch must not end another.
    entry = functools.partial(sink)
    _watching.append(entry)

    def end() -> None:
        with contextlib.suppress(ValueError):
            _watching.remove(entry)

    return end


def check_sink(argument: str, sink: Any) -> None:
    """Check that a sink can be called.

    :raises: ConfigurationError if not.
    """
    if not callable(sink):
        raise exceptions.ConfigurationError(
            argument, sink, 'give a callable that takes an event'
        )


def _text_of(error: Exception) -> str:
    try:
        return str(error)
    except Exception:
        return '(no text)'


def _name_of(sink: Any) -> str:
    if isinstance(sink, audit_sinks.File):
        return str(sink)
    if sink is audit_sinks.log:
        return 'the logger safe_fixtures.audit'
    if isinstance(sink, functools.partial):
        return _name_of(sink.func)
    name = getattr(sink, '__qualname__', None) or type(sink).__qualname__
    return f'the sink {name}'
