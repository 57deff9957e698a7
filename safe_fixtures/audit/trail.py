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

"""The audit trail: every act of a guard, as a CADF event."""

from collections.abc import Iterable, Mapping
import itertools
import threading
from typing import Any

import fixtures
from pycadf import cadftaxonomy
from pycadf import host
from pycadf import resource
from pycadf import tag
from pycadf import timestamp
from testtools import content as detail
from testtools import content_type

from safe_fixtures.audit import cadf
from safe_fixtures.audit import delivery
from safe_fixtures.audit import events
from safe_fixtures.audit import plugin_sinks
from safe_fixtures.audit import sinks as audit_sinks
from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures import redaction
from safe_fixtures import rules
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import printable
from safe_fixtures.runtime import system

__all__ = ['MAX_EVENTS', 'AuditTrail', 'current']

#: How many events a trail keeps in memory by default.
MAX_EVENTS = 10_000

_SHOWN = 100  # events in the detail of a test

_active: list['AuditTrail'] = []


class AuditTrail(fixtures.Fixture):
    """Collects the events of the guards that are used while it is active.

    Guards record to the trail they are given, else to the innermost active
    one, else to one of their own. Every event is a CADF event
    (``pycadf``), masked by a :class:`Redactor`, numbered, and kept in
    :attr:`events`. Each sink is passed each event at once:

    * the file that ``[safe_fixtures] audit_file`` names gets a line of JSON
      (``{pid}`` in the name gives each process its own file);
    * the logger ``safe_fixtures.audit`` gets a record, if it has a handler;
    * the callables that *sinks*, ``add_sink()`` and
      ``safe_fixtures.audit.watch()`` name are called. A sink that records is
      not passed its own events;
    * the sinks of plugins are called, with a copy each.

    A sink that fails does not disturb the test while it runs. The cleanup of
    the trail then fails the test, once.

    Example::

        trail = self.useFixture(AuditTrail())
        self.useFixture(SafeServiceToggle()).disable('host1')
        self.assertEqual('disable', trail.events[-1]['action'])

    :param test_id: the test that causes the events (str); default: the
        name of this process.
    :param redactor: masks each event before it is stored.
    :param sinks: callables that are passed each event (a dict, not to be
        changed), in the thread that records it.
    :param max_events: how many events stay in memory (int, at least 1);
        beyond that, the oldest are dropped.
    :raises: ConfigurationError at set-up if the configuration makes no
        sense; AuditFailed at cleanup if a sink failed.
    """

    def __init__(
        self,
        test_id: str | None = None,
        redactor: redaction.Redactor | None = None,
        *,
        sinks: Iterable[delivery.Sink] = (),
        max_events: int = MAX_EVENTS,
    ) -> None:
        super().__init__()
        self.test_id = test_id
        self.redactor = redactor or redaction.Redactor()
        self._given_sinks = sinks
        self._max_events = max_events
        #: The last events, as dictionaries; not to be changed.
        self.events: list[dict[str, Any]] = []
        #: How many older events were dropped (int).
        self.dropped = 0

    def setUp(self) -> None:
        # Outside _setUp, which would wrap the errors.
        self._check_arguments()
        if any(trail is self for trail in _active):
            raise RuntimeError(f'{self!r} is set up already')
        # Not while a guard watches.
        plugin_sinks.load()
        self._begin(conf.load().audit_file)
        super().setUp()

    def _check_arguments(self) -> None:
        if type(self._max_events) is not int or self._max_events < 1:
            raise exceptions.ConfigurationError(
                'AuditTrail max_events', self._max_events, 'give 1 or more'
            )
        self._given_sinks = list(self._given_sinks)
        for sink in self._given_sinks:
            delivery.check_sink('AuditTrail sinks', sink)

    @classmethod
    def standalone(
        cls, test_id: str | None, audit_file: str | None
    ) -> 'AuditTrail':
        """Return a trail without set-up and cleanup, which no guard finds.

        A sink that fails raises AuditFailed where the event is recorded.

        :param test_id: as for the class.
        :param audit_file: where it records.
        """
        trail = cls(test_id)
        trail._begin(audit_file, fails_at_once=True)
        return trail

    def _setUp(self) -> None:
        self.addCleanup(_deactivate, self)
        self.addCleanup(self.check)
        _active.append(self)

    def _begin(
        self, audit_file: str | None, *, fails_at_once: bool = False
    ) -> None:
        self._file = audit_file
        self.events = []
        self.dropped = 0
        self._began = clock.monotonic()
        self._processes: dict[int, _Process] = {}
        sinks: list[delivery.Sink] = [audit_sinks.log, *self._given_sinks]
        if self._file is not None:
            sinks.insert(0, audit_sinks.File(self._file))
        self._delivery = delivery.Delivery(
            self._process().initiator['name'],
            self.redactor,
            sinks,
            fails_at_once=fails_at_once,
        )

    def _process(self) -> '_Process':
        pid = system.os.getpid()
        found = self._processes.get(pid)
        if found is None:
            name = printable.block(
                self.redactor.redact(self.test_id or f'process {pid}')
            )
            # Threads may come here at once. A lock would not do: a fork
            # copies it in whatever state it is.
            found = self._processes.setdefault(pid, _Process(pid, name))
        return found

    def add_sink(self, sink: delivery.Sink) -> None:
        """Pass each event from now on to a callable too.

        :param sink: as in the argument *sinks*; it stays until the trail is
            set up again.
        :raises: ConfigurationError if *sink* is not callable.
        """
        delivery.check_sink('AuditTrail.add_sink', sink)
        self._delivery.sinks.append(sink)

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
        :param target_id: its uuid, or text that a uuid is made from;
            default: type and name.
        :param outcome: ``success``, ``failure`` or ``unknown``.
        :param code: the rule the event is about, such as ``SF201``.
        :param event_type: ``activity``, ``control`` or ``monitor``.
        :param content: more details, which JSON can represent once they are
            masked; ``seconds`` for an act that takes time.
        :returns: the event as it was stored.
        :raises: ValueError for what CADF does not know.
        """
        process = self._process()
        stored = cadf.skeleton(event_type, action, outcome).copy()
        stored['target'] = cadf.resource_of(
            target_type,
            printable.block(self.redactor.redact(target)),
            target_id,
        )
        stored['initiator'] = process.initiator
        stored['id'] = str(system.uuid.uuid4())
        stored['eventTime'] = clock.utcnow().strftime(timestamp.TIME_FORMAT)
        number = str(next(process.numbers))
        stored['tags'] = [tag.generate_name_value_tag(events.SEQUENCE, number)]
        if code is not None:
            stored['reason'] = {
                'reasonType': 'safe_fixtures',
                'reasonCode': code,
            }
        if content:
            stored['attachments'] = [
                {
                    'typeURI': 'application/json',
                    'content': self._masked(content, stored),
                    'name': 'details',
                }
            ]
        self._keep(stored, process)
        self._delivery.deliver(stored)
        return stored

    def record_violation(
        self,
        violation: exceptions.SafetyViolation,
        target: str,
        *,
        mode: rules.Mode,
        waiver: Mapping[str, str] | None = None,
        expected: bool = False,
        is_debt: bool = False,
        target_type: str = events.SERVICE_TYPE,
        **content: Any,
    ) -> None:
        """Record a violation, and the waiver that excuses it.

        :param violation: what happened.
        :param target: the name of the request, service or test concerned.
        :param mode: the mode of the rule: ``enforce`` is recorded as a
            refusal, unless there is a waiver or a debt; all else as a
            violation.
        :param waiver: the ``reason`` of the waiver that applies, and its
            ``pattern`` in the waivers file; default: none applies.
        :param expected: whether the test expects the violation.
        :param is_debt: whether the baseline covers it.
        :param target_type: the CADF type of the target.
        :param content: more details.
        """
        if waiver is not None:
            content['waived'] = waiver['reason']
        if expected:
            content['expected'] = True
        if is_debt:
            content['baseline'] = True
        refused = mode == 'enforce' and waiver is None and not is_debt
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
            if 'folded' in content:
                about['folded'] = content['folded']
            self.record(events.WAIVER, target, **about, **waiver)

    def _masked(
        self, content: dict[str, Any], stored: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the content, masked, as JSON can represent it."""
        try:
            details: dict[str, Any] = cadf.as_json(
                self.redactor.redact(content), self.redactor
            )
        except Exception as error:
            self._delivery.fail('conversion to JSON', stored, error)
            return {'lost': type(error).__name__}
        return details

    def _keep(self, stored: dict[str, Any], process: '_Process') -> None:
        self.events.append(stored)
        if len(self.events) > self._max_events:
            with process.dropping:
                excess = max(0, len(self.events) - self._max_events)
                del self.events[:excess]
                self.dropped += excess

    @property
    def is_whole(self) -> bool:
        """Whether every event so far has reached every sink."""
        return not self._delivery.failures

    @property
    def seconds(self) -> float:
        """How long ago the trail was set up (seconds)."""
        return clock.monotonic() - self._began

    def check(self) -> None:
        """Fail if a sink failed; once for each sink.

        The cleanup calls it. Code that records after the cleanup calls it
        again.

        :raises: AuditFailed.
        """
        self._delivery.check()

    def as_detail(self) -> detail.Content:
        """Return the last events as a detail of a test, a line each.

        The events are looked up when the detail is read.
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
            where = 'see [safe_fixtures] audit_file'
            if self._file is not None:
                where = f'they are in {audit_sinks.path_of(self._file)}'
            lines.insert(0, f'... {left_out} events before these; {where}')
        return '\n'.join(lines) + '\n'


class _Process:
    """The state of a trail in one process; a forked process has its own."""

    def __init__(self, pid: int, name: str) -> None:
        self.numbers = itertools.count(1)
        self.dropping = threading.Lock()
        self.initiator: dict[str, Any] = resource.Resource(
            typeURI=events.TEST_TYPE,
            name=name,
            domain=conf.worker(),
            host=host.Host(agent=f'process {pid}'),
        ).as_dict()


def _deactivate(trail: AuditTrail) -> None:
    # By identity, and even if it was never activated.
    _active[:] = [other for other in _active if other is not trail]


def current() -> AuditTrail | None:
    """Return the innermost active trail, or None."""
    return _active[-1] if _active else None
