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

"""The vocabulary of audit events, and a typed view of one event."""

from collections.abc import Callable, Mapping
import sys
from typing import Any, Final, Literal

from safe_fixtures.audit import checks

__all__ = ['Event', 'InvalidEvent', 'details']

# A rule was broken, and the act was refused (DENY) or only recorded
# (VIOLATION). A waiver that applied follows as WAIVER.
DENY: Final = 'deny'
VIOLATION: Final = 'evaluate/violation'
WAIVER: Final = 'allow/waiver'
VIOLATIONS: Final = (DENY, VIOLATION)

# A service was changed, restored, started, stopped.
ENABLE: Final = 'enable'
DISABLE: Final = 'disable'
FORCE_DOWN: Final = 'update/forced_down'
DISABLED_REASON: Final = 'update/disabled_reason'
CHANGES: Final = (ENABLE, DISABLE, FORCE_DOWN, DISABLED_REASON)
RESTORE: Final = 'restore/service'
START: Final = 'start/service'
STOP: Final = 'stop/service'
# A compute with servers is about to go out of service, may do so, and was.
ORDER: Final = 'evaluate/order'
ORDER_DECLARED: Final = 'allow/order'
OUTAGE: Final = 'monitor/outage'

# A guard checked something and found nothing wrong.
FLAVOR: Final = 'evaluate/flavor'
IMAGE: Final = 'evaluate/image'
PAYLOAD: Final = 'evaluate/payload'
PERMISSIONS: Final = 'evaluate/permissions'
POSTURE: Final = 'evaluate/posture'

# A request came after the service that it was for had ended.
LATE: Final = 'monitor/late_request'
# A request for "latest" was pinned; the versions of a test's requests.
PIN: Final = 'configure/microversion'
REQUESTS: Final = 'monitor/microversion'
# What the helpers of a test waited for, and the RPC casts made calls.
WAIT: Final = 'monitor/wait'
CAST: Final = 'monitor/cast'
# What was taken from memory while a test was set up.
SPEED_UP: Final = 'monitor/speed_up'

# A test ended, as its guards saw it and as the runner saw it.
TEST_END: Final = 'evaluate/test'
TEST_OUTCOME: Final = 'evaluate/outcome'
# A run began with these waivers, and ended.
RUN: Final = 'configure/run'
RUN_WAIVER: Final = 'configure/waiver'
RUN_END: Final = 'monitor/run'
# A test that had failed was run again.
RERUN: Final = 'evaluate/rerun'
# How long some of its tests take with and without what speeds them up.
PAIRED: Final = 'monitor/paired'
# A plugin of another package was loaded, or left out.
PLUGIN: Final = 'configure/plugin'
# Where the time of its processes went.
PROFILE: Final = 'monitor/profile'

# CADF types of what is acted on.
SERVICE_TYPE: Final = 'service/compute'
TEST_TYPE: Final = 'service/test'

SEQUENCE: Final = 'sequence'

Kind = Literal['enforced', 'recorded', 'waived', 'expected']

_OUTCOMES = frozenset({'success', 'failure', 'unknown', 'pending'})


class InvalidEvent(ValueError):
    """A value is no audit event; the text says why."""


_Check = Callable[[Any], bool]
_ANY: dict[str, _Check] = {
    'seconds': checks.is_number,
    'waived': checks.is_text,
    'expected': checks.is_flag,
}
_VIOLATION: dict[str, _Check] = {
    'message': checks.is_text,
    'binary': checks.is_text,
    'by': checks.is_text,
    'folded': checks.is_count,
    'baseline': checks.is_flag,
    'masked': checks.are_masked,
}
_CHANGE: dict[str, _Check] = dict.fromkeys(
    ('before', 'after', 'by'), checks.is_text
)
_OF_ACTIONS: dict[str, dict[str, _Check]] = {
    **dict.fromkeys(VIOLATIONS, _VIOLATION),
    **dict.fromkeys(CHANGES, _CHANGE),
    RESTORE: {'wanted': checks.is_text},
    START: {'binary': checks.is_text},
    PERMISSIONS: {
        'requests': checks.is_count,
        'microversion': checks.is_text,
        'not_checked': checks.are_texts,
        'findings': checks.are_texts,
        'deviations': checks.are_named_texts,
        'outcomes': checks.are_outcomes,
    },
    PIN: {'served': checks.is_text},
    LATE: {'message': checks.is_text},
    REQUESTS: {'requests': checks.are_counts},
    WAIT: {
        'waits': checks.is_count,
        'cut_short': checks.is_count,
        'seconds_won': checks.is_number,
        'helpers': checks.are_waits,
    },
    SPEED_UP: {'cures': checks.are_hits, 'off': checks.are_named_texts},
    TEST_END: {
        'hardened': checks.is_text,
        'lacks': checks.is_text,
        'by_violations': checks.is_flag,
    },
    TEST_OUTCOME: {'status': checks.is_text, 'by_violations': checks.is_flag},
    RUN: {
        'mode': checks.is_text,
        'tests': checks.is_count,
        'concurrency': checks.is_count,
        'arguments': checks.are_texts,
        'off': checks.are_texts,
    },
    RUN_WAIVER: {'reason': checks.is_text},
    WAIVER: {'pattern': checks.is_text, 'folded': checks.is_count},
    PLUGIN: dict.fromkeys(('group', 'package', 'fault'), checks.is_text),
    RUN_END: {'interrupted': checks.is_flag, 'stopped': checks.is_flag},
    RERUN: {
        'statuses': checks.are_texts,
        'flaky': checks.is_flag,
        'violated': checks.is_flag,
    },
    PAIRED: {
        'tests': checks.is_count,
        'seconds_with': checks.is_number,
        'seconds_without': checks.is_number,
    },
    PROFILE: {'phases': checks.are_seconds, 'fixtures': checks.are_waits},
}
#: What the content of an action must be, as far as somebody reads it.
_CONTENT = {action: _ANY | content for action, content in _OF_ACTIONS.items()}


class Event:
    """A typed, read-only view of one audit event.

    It reads an event of :attr:`safe_fixtures.AuditTrail.events` and an event
    of a file alike.

    Example::

        broken = [
            event.code
            for event in map(audit.Event, trail.events)
            if event.counts
        ]

    :param stored: the event, a dictionary in the CADF format.
    :param place: where it was read, as ``file:line``; default: unknown.
    :ivar stored: the same.
    :ivar place: the same.
    :ivar action: what happened, such as ``disable`` (str).
    :ivar outcome: ``success``, ``failure`` or ``unknown`` (str).
    :ivar code: the rule, such as ``SF301``; empty without one (str).
    :ivar time: when, in UTC, in the ISO 8601 format (str).
    :ivar test: the test that caused it (str).
    :ivar initiator: a uuid of that test's trail in one process, else the
        test (str).
    :ivar target: the name of what was acted on (str).
    :ivar target_id: its uuid; empty without one (str).
    :ivar details: the content besides the CADF fields (dict), without what
        the action does not allow.
    :ivar unreadable: the names of the fields whose values make no sense; they
        count as absent (tuple of str).
    :ivar seconds: how long the act took (float); 0 if the event does not say.
    :ivar is_violation: whether a rule was broken (bool).
    :ivar is_refusal: whether a rule was broken and the act refused (bool).
    :raises: ValueError for what is no audit event.
    """

    def __init__(self, stored: Mapping[str, Any], place: str = '') -> None:
        fields = _Fields(stored)
        self.place = place
        self.stored = stored
        self.action: str = fields.needed(stored, 'action')
        self.time: str = fields.needed(stored, 'eventTime')
        initiator = fields.needed(stored, 'initiator', dict)
        # Thousands of events name the same test.
        self.test: str = sys.intern(
            fields.needed(initiator, 'name', of='initiator')
        )
        self.initiator: str = fields.text(initiator, 'id') or self.test
        target = fields.needed(stored, 'target', dict)
        self.target: str = fields.needed(target, 'name', of='target')
        self.target_id: str = fields.text(target, 'id')
        self.outcome: str = fields.outcome()
        self.code: str = fields.code()
        self.details: dict[str, Any] = fields.details(self.action)
        self._tags = fields.tags()
        self.unreadable = tuple(fields.wrong)
        self.seconds: float = self.details.get('seconds', 0.0)
        self.is_violation = self.action in VIOLATIONS
        self.is_refusal = self.action == DENY

    @property
    def counts(self) -> bool:
        """Whether a rule was broken, neither waived nor expected."""
        return self.is_violation and self.kind in ('enforced', 'recorded')

    @property
    def kind(self) -> Kind:
        """How a violation was taken.

        ``waived`` or ``expected``, else ``enforced`` or ``recorded``.
        """
        if 'waived' in self.details:
            return 'waived'
        if self.details.get('expected'):
            return 'expected'
        return 'enforced' if self.is_refusal else 'recorded'

    @property
    def is_debt(self) -> bool:
        """Whether the baseline of the run covers the violation."""
        return bool(self.details.get('baseline'))

    @property
    def times(self) -> int:
        """How many equal acts the event stands for; 1 for most."""
        return int(self.details.get('folded', 1))

    @property
    def sequence(self) -> int | None:
        """Its number, or None if it has none.

        The events of one initiator are numbered from 1, in the order of the
        acts. A missing number is a lost event.
        """
        for tag in self._tags:
            name, _, value = tag.partition('?value=')
            if name == SEQUENCE and value.isdecimal() and len(value) < 16:
                return int(value)
        return None


class _Fields:
    """Reads the fields of an event that anybody may have written.

    :param stored: the event.
    :ivar wrong: the names of fields whose values make no sense.
    :raises: InvalidEvent.
    """

    def __init__(self, stored: Any) -> None:
        if not isinstance(stored, Mapping):
            raise InvalidEvent('it is no JSON object')
        self._stored = stored
        self.wrong: list[str] = []

    def needed(
        self, part: Mapping[str, Any], name: str, kind: Any = str, of: str = ''
    ) -> Any:
        """Return a field without which this is no event."""
        value = part.get(name)
        if not isinstance(value, kind):
            what = 'text' if kind is str else 'an object'
            raise InvalidEvent(
                f'its {of}{"." if of else ""}{name} is no {what}'
            )
        return value

    def text(self, part: Mapping[str, Any], name: str) -> str:
        value = part.get(name, '')
        if isinstance(value, str):
            return value
        self.wrong.append(name)
        return ''

    def outcome(self) -> str:
        value = self._stored.get('outcome')
        if isinstance(value, str) and value in _OUTCOMES:
            return value
        self.wrong.append('outcome')
        return 'unknown'

    def code(self) -> str:
        reason = self._stored.get('reason', {})
        if isinstance(reason, dict):
            return self.text(reason, 'reasonCode')
        self.wrong.append('reason')
        return ''

    def tags(self) -> list[str]:
        tags = self._stored.get('tags', [])
        if checks.are_texts(tags):
            return list(tags)
        self.wrong.append('tags')
        return []

    def details(self, action: str) -> dict[str, Any]:
        attachments = self._stored.get('attachments', [])
        if not isinstance(attachments, list):
            self.wrong.append('attachments')
            return {}
        if not all(map(checks.is_attachment, attachments)):
            self.wrong.append('attachments')
        content = details({'attachments': attachments})
        wanted = _CONTENT.get(action, _ANY)
        wrong = [
            name
            for name, value in content.items()
            if name in wanted and not wanted[name](value)
        ]
        if not wrong:
            return content
        self.wrong += wrong
        return {
            name: value for name, value in content.items() if name not in wrong
        }


def details(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of an event besides its CADF fields.

    :param stored: an event of :attr:`safe_fixtures.AuditTrail.events` or of
        a file.
    """
    for item in stored.get('attachments', ()):
        if isinstance(item, dict) and item.get('name') == 'details':
            content = item.get('content')
            if isinstance(content, dict):
                return content
    return {}
