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

"""The record of every act of a guard, as CADF events."""

from collections.abc import Callable, Iterable, Mapping
import contextlib
import contextvars
import errno
import functools
import itertools
import os
import threading
import time
from typing import Any

import fixtures
from pycadf import cadftaxonomy
from pycadf import host
from pycadf import identifier
from pycadf import resource
from pycadf import tag
from pycadf import timestamp
from testtools import content as detail
from testtools import content_type

from safe_fixtures.audit import cadf
from safe_fixtures.audit import events
from safe_fixtures.audit import sinks as audit_sinks
from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures import redaction
from safe_fixtures import rules

__all__ = [
    'MAX_EVENTS',
    'WORKER',
    'AuditFailed',
    'AuditTrail',
    'Sink',
    'current',
    'watch',
]

#: What an event is passed on to: anything that can be called with it.
Sink = Callable[[dict[str, Any]], Any]

#: The variable of the environment that names the worker, if there are several.
WORKER = 'SAFE_FIXTURES_WORKER'

#: How many events a trail keeps in memory by default.
MAX_EVENTS = 10_000

_SHOWN = 100  # events in the detail of a test
_REMEDY = (
    'Make it writable and leave it there while tests run; without a whole '
    'record nobody can tell what the test did.'
)

_active: list['AuditTrail'] = []
# What is passed the events of all trails.
_watching: list[Sink] = []
# The sinks that this thread or greenlet is in.
_inside: contextvars.ContextVar[tuple[Sink, ...]] = contextvars.ContextVar(
    'safe_fixtures.audit', default=()
)


class AuditFailed(AssertionError):
    """Events of a trail did not reach one of its sinks.

    The acts were done, and the events are in memory, where JSON can hold
    them; the test fails, as its record has gaps.
    """


class AuditTrail(fixtures.Fixture):
    """Collects the events of the guards that are used while it is active.

    Guards record to the trail they are given, else to the innermost active
    one, else to one of their own. Every event is a CADF event
    (``pycadf``), masked by a :class:`Redactor`, numbered, and kept in
    :attr:`events`. It is also passed on, at once, to each sink: the file
    that ``[safe_fixtures] audit_file`` names, as one whole line of JSON
    (``{pid}`` in the name gives each process a file of its own); the logger
    ``safe_fixtures.audit``, if that has a handler; and what *sinks*,
    ``add_sink()`` and ``safe_fixtures.audit.watch()`` name. What a sink
    itself causes to be recorded is not passed to that sink again.

    A sink that fails disturbs nothing that the test does. The cleanup of
    the trail then fails the test, once.

    Example::

        trail = self.useFixture(AuditTrail())
        self.useFixture(SafeServiceToggle()).disable('host1')
        self.assertEqual('disable', trail.events[-1]['action'])

    :param test_id: the test that initiates the events (str); default: the
        name of this process.
    :param redactor: masks each event before it is stored.
    :param sinks: callables that are passed each event (a dict, not to be
        changed), in the thread that records it.
    :param max_events: how many events stay in memory (int, at least 1);
        of more, the oldest go.
    :raises: ConfigurationError at set-up if the configuration makes no
        sense; AuditFailed at cleanup if an event did not reach a sink.
    """

    def __init__(
        self,
        test_id: str | None = None,
        redactor: redaction.Redactor | None = None,
        *,
        sinks: Iterable[Sink] = (),
        max_events: int = MAX_EVENTS,
    ) -> None:
        super().__init__()
        self.test_id = test_id
        self.redactor = redactor or redaction.Redactor()
        self._given_sinks = sinks
        self._max_events = max_events
        # One that has no cleanup to come fails where it is.
        self._fails_at_once = False
        #: The last events, as dictionaries; not to be changed.
        self.events: list[dict[str, Any]] = []
        #: How many events were before those (int).
        self.dropped = 0

    def setUp(self) -> None:
        # Read before anything is installed, and outside _setUp, which would
        # wrap the error.
        self._file: str | None = conf.load().audit_file
        self._check_arguments()
        if any(trail is self for trail in _active):
            raise RuntimeError(f'{self!r} is set up already')
        super().setUp()

    def _check_arguments(self) -> None:
        if type(self._max_events) is not int or self._max_events < 1:
            raise exceptions.ConfigurationError(
                'AuditTrail max_events', self._max_events, 'give 1 or more'
            )
        self._given_sinks = list(self._given_sinks)
        for sink in self._given_sinks:
            _check_sink('AuditTrail sinks', sink)

    @classmethod
    def apart(cls, test_id: str | None) -> 'AuditTrail':
        """Return a trail that can be recorded to, and is nobody else's.

        It has no cleanup: an event that does not reach a sink raises
        AuditFailed where it is recorded.

        :param test_id: as of the class.
        """
        trail = cls(test_id)
        trail._file = conf.load().audit_file
        trail._fails_at_once = True
        trail._begin()
        return trail

    def _setUp(self) -> None:
        self._begin()
        self.addCleanup(_deactivate, self)
        self.addCleanup(self.check)
        _active.append(self)

    def _begin(self) -> None:
        self.events = []
        self.dropped = 0
        self._began = time.monotonic()
        self._sinks: list[Sink] = [
            *([] if self._file is None else [audit_sinks.File(self._file)]),
            audit_sinks.log,
            *self._given_sinks,
        ]
        # By the name of the sink.
        self._losses: dict[str, _Loss] = {}
        self._told: set[str] = set()
        self._processes: dict[int, _Process] = {}
        self._process()

    def _process(self) -> '_Process':
        pid = os.getpid()
        found = self._processes.get(pid)
        if found is None:
            name = self.redactor.redact(self.test_id or f'process {pid}')
            # The same one for all threads that come here at once; a lock
            # could be held by a thread that was not forked along.
            found = self._processes.setdefault(pid, _Process(pid, name))
        return found

    def add_sink(self, sink: Sink) -> None:
        """Pass each event from now on to a callable too.

        :param sink: as in the argument *sinks*; till the trail is set up
            again.
        :raises: ConfigurationError for what cannot be called.
        """
        _check_sink('AuditTrail.add_sink', sink)
        self._sinks.append(sink)

    def record(
        self,
        action: str,
        target: str,
        *,
        target_type: str = events.SERVICE_TYPE,
        target_id: str | None = None,
        outcome: str = cadftaxonomy.OUTCOME_SUCCESS,
        code: str | None = None,
        event_type: str = 'activity',
        **content: Any,
    ) -> dict[str, Any]:
        """Record one event.

        :param action: of the CADF taxonomy, such as ``disable`` or
            ``restore/service``.
        :param target: the name of what was acted on.
        :param target_type: its CADF type.
        :param target_id: its uuid, or another id that a uuid is made from;
            default: the name.
        :param outcome: ``success``, ``failure`` or ``unknown``.
        :param code: the rule the event is about, such as ``SF201``.
        :param event_type: ``activity``, ``control`` or ``monitor``.
        :param content: what else there is to say; must be representable in
            JSON once redacted. Of an act that takes time, ``seconds``.
        :returns: the event as it was stored.
        :raises: ValueError for what CADF does not know.
        """
        process = self._processes.get(os.getpid()) or self._process()
        stored = cadf.skeleton(event_type, action, outcome).copy()
        stored['target'] = cadf.resource_of(
            target_type, self.redactor.redact(target), target_id
        )
        stored['initiator'] = process.initiator
        stored['id'] = identifier.generate_uuid()
        stored['eventTime'] = timestamp.get_utc_now()
        stored['tags'] = [
            tag.generate_name_value_tag(
                events.SEQUENCE, str(next(process.numbers))
            )
        ]
        if code is not None:
            stored['reason'] = cadf.reason_of(code)
        if content:
            stored['attachments'] = [
                {
                    'typeURI': 'application/json',
                    'content': self._said(content, stored),
                    'name': 'details',
                }
            ]
        self._keep(stored, process)
        for sink in (*self._sinks, *_watching):
            self._pass_on(sink, stored)
        return stored

    def record_violation(
        self,
        violation: exceptions.SafetyViolation,
        target: str,
        *,
        mode: rules.Mode,
        waiver: Mapping[str, str] | None = None,
        expected: bool = False,
        target_type: str = events.SERVICE_TYPE,
        **content: Any,
    ) -> None:
        """Record a violation, and the waiver that excuses it.

        :param violation: what happened.
        :param target: the name of what it happened to.
        :param mode: the mode of the rule: what is neither ``audit`` nor
            waived is recorded as refused.
        :param waiver: the ``reason`` of the waiver that applies, and its
            ``pattern`` in the waivers file; default: none applies.
        :param expected: whether the test expects the violation.
        :param target_type: the CADF type of the target.
        :param content: more details.
        """
        if waiver is not None:
            content['waived'] = waiver['reason']
        if expected:
            content['expected'] = True
        refused = mode == 'enforce' and waiver is None
        about: dict[str, Any] = {
            'target_type': target_type,
            'code': violation.code,
            'event_type': 'control',
        }
        self.record(
            events.DENY if refused else events.VIOLATION,
            target,
            outcome=cadftaxonomy.OUTCOME_FAILURE,
            message=violation.message,
            remedy=violation.remedy,
            cwe=violation.cwe,
            where=violation.where,
            mode=mode,
            **about,
            **content,
        )
        if waiver is not None:
            self.record(events.WAIVER, target, **about, **waiver)

    def _said(
        self, content: dict[str, Any], stored: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what is said besides, masked, as JSON can hold it."""
        try:
            said: dict[str, Any] = cadf.as_json(
                self.redactor.redact(content), self.redactor
            )
        except Exception as error:
            self._lose('what JSON can hold', stored, error)
            return {'lost': type(error).__name__}
        return said

    def _keep(self, stored: dict[str, Any], process: '_Process') -> None:
        self.events.append(stored)
        if len(self.events) > self._max_events:
            with process.dropping:
                excess = max(0, len(self.events) - self._max_events)
                del self.events[:excess]
                self.dropped += excess

    def _pass_on(self, sink: Sink, stored: dict[str, Any]) -> None:
        inside = _inside.get()
        if inside and sink in inside:
            # It records, too, and would never come to an end.
            return
        token = _inside.set((*inside, sink))
        try:
            sink(stored)
        except fixtures.TimeoutException as error:
            # Of the test, and it is to go on.
            self._lose(_name_of(sink), stored, error)
            raise
        except Exception as error:
            self._lose(_name_of(sink), stored, error)
        finally:
            _inside.reset(token)

    def _lose(
        self, sink: str, stored: dict[str, Any], error: Exception
    ) -> None:
        loss = self._losses.get(sink)
        if loss is None:
            number = getattr(error, 'errno', None)
            symbol = errno.errorcode.get(number) if number else None
            loss = self._losses[sink] = _Loss(
                f'{stored["action"]} of {stored["target"]["name"]}',
                self.redactor.redact(
                    f'{symbol or type(error).__name__}: {_text_of(error)}'
                ),
            )
        loss.count += 1
        if self._fails_at_once:
            self.check()

    @property
    def is_whole(self) -> bool:
        """Whether every event so far has reached every sink."""
        return not self._losses

    @property
    def seconds(self) -> float:
        """How long ago the trail was set up."""
        return time.monotonic() - self._began

    def check(self) -> None:
        """Fail if events did not reach a sink; once for each sink.

        The cleanup calls it. Who records after that must do so, too.

        :raises: AuditFailed.
        """
        untold = {
            sink: loss
            for sink, loss in self._losses.items()
            if self._fails_at_once or sink not in self._told
        }
        self._told.update(untold)
        if untold:
            raise AuditFailed(
                'the audit trail of '
                f'{self._process().initiator["name"]} is not whole: '
                + '; '.join(
                    f'{loss.count} of its events did not reach {sink}, the '
                    f'first of them {loss.first} ({loss.error})'
                    for sink, loss in untold.items()
                )
                + f'. {_REMEDY}'
            )

    def as_detail(self) -> detail.Content:
        """Return the last events as a detail of a test, a line each.

        What it shows is looked up when it is read.
        """
        return detail.Content(
            content_type.UTF8_TEXT,
            lambda: [self._text().encode(errors='backslashreplace')],
        )

    def _text(self) -> str:
        shown = self.events[-_SHOWN:]
        left_out = self.dropped + len(self.events) - len(shown)
        lines = [audit_sinks.as_line(stored) for stored in shown]
        if left_out:
            where = (
                'see [safe_fixtures] audit_file'
                if self._file is None
                else f'they are in {audit_sinks.path_of(self._file)}'
            )
            lines.insert(0, f'... {left_out} events before these; {where}')
        return '\n'.join(lines) + '\n'


class _Process:
    """What a trail has in one process: one that was forked is another."""

    def __init__(self, pid: int, name: str) -> None:
        self.numbers = itertools.count(1)
        self.dropping = threading.Lock()
        self.initiator: dict[str, Any] = resource.Resource(
            typeURI=events.TEST_TYPE,
            name=name,
            domain=os.environ.get(WORKER) or None,
            host=host.Host(agent=f'process {pid}'),
        ).as_dict()


class _Loss:
    """Events that did not reach a sink."""

    def __init__(self, first: str, error: str) -> None:
        self.first = first
        self.error = error
        self.count = 0


def _check_sink(argument: str, sink: Any) -> None:
    if not callable(sink):
        raise exceptions.ConfigurationError(
            argument, sink, 'it must be callable, with an event'
        )


def _text_of(error: Exception) -> str:
    try:
        return str(error)
    except Exception:
        return 'without a text'


def _name_of(sink: Any) -> str:
    if isinstance(sink, audit_sinks.File):
        return str(sink)
    if sink is audit_sinks.log:
        return 'the logger safe_fixtures.audit'
    if isinstance(sink, functools.partial):
        return _name_of(sink.func)
    name = getattr(sink, '__qualname__', None) or type(sink).__qualname__
    return f'the sink {name}'


def _deactivate(trail: AuditTrail) -> None:
    # By identity, and even if it was not activated.
    _active[:] = [other for other in _active if other is not trail]


def current() -> AuditTrail | None:
    """Return the innermost active trail, or None."""
    return _active[-1] if _active else None


def watch(sink: Sink) -> Callable[[], None]:
    """Pass the events of all trails of this process to a callable.

    Example::

        self.addCleanup(audit.watch(print))

    :param sink: as in the argument *sinks* of :class:`.AuditTrail`.
    :returns: what ends that.
    :raises: ConfigurationError for what cannot be called.
    """
    _check_sink('watch', sink)
    # Another one each time, so that what ends this ends no other.
    entry = functools.partial(sink)
    _watching.append(entry)

    def end() -> None:
        with contextlib.suppress(ValueError):
            _watching.remove(entry)

    return end
