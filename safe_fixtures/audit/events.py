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

from collections.abc import Mapping
import sys
from typing import Any, Final, Literal

__all__ = ['Event', 'details']

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

# A request for "latest" was pinned; the versions of a test's requests.
PIN: Final = 'configure/microversion'
REQUESTS: Final = 'monitor/microversion'
# What the helpers of a test waited for, and the RPC casts made calls.
WAIT: Final = 'monitor/wait'
CAST: Final = 'monitor/cast'

# A test ended, as its guards saw it and as the runner saw it.
TEST_END: Final = 'evaluate/test'
TEST_OUTCOME: Final = 'evaluate/outcome'
# A run began with these waivers, and ended.
RUN: Final = 'configure/run'
RUN_WAIVER: Final = 'configure/waiver'
RUN_END: Final = 'monitor/run'

# CADF types of what is acted on.
SERVICE_TYPE: Final = 'service/compute'
TEST_TYPE: Final = 'service/test'

SEQUENCE: Final = 'sequence'

Kind = Literal['enforced', 'recorded', 'waived', 'expected']


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
    :ivar stored: the same.
    :ivar action: what happened, such as ``disable`` (str).
    :ivar outcome: ``success``, ``failure`` or ``unknown`` (str).
    :ivar code: the rule, such as ``SF301``; empty without one (str).
    :ivar time: when, in UTC, in the ISO 8601 format (str).
    :ivar test: the test that caused it (str).
    :ivar initiator: a uuid of that test's trail in one process, else the
        test (str).
    :ivar target: the name of what was acted on (str).
    :ivar target_id: its uuid; empty without one (str).
    :ivar details: the content besides the CADF fields (dict).
    :ivar seconds: how long the act took (float); 0 if the event does not say.
    :ivar is_violation: whether a rule was broken (bool).
    :ivar is_refusal: whether a rule was broken and the act refused (bool).
    """

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.stored = stored
        self.action: str = stored['action']
        self.outcome: str = stored['outcome']
        self.code: str = stored.get('reason', {}).get('reasonCode', '')
        self.time: str = stored['eventTime']
        # Thousands of events name the same test.
        self.test: str = sys.intern(stored['initiator']['name'])
        self.initiator: str = stored['initiator'].get('id') or self.test
        self.target: str = stored['target']['name']
        self.target_id: str = stored['target'].get('id', '')
        self.details = details(stored)
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
    def sequence(self) -> int | None:
        """Its number, or None if it has none.

        The events of one initiator are numbered from 1, in the order of the
        acts. A missing number is a lost event.
        """
        for tag in self.stored.get('tags', ()):
            name, _, value = tag.partition('?value=')
            if name == SEQUENCE and value.isdecimal():
                return int(value)
        return None


def details(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of an event besides its CADF fields.

    :param stored: an event of :attr:`safe_fixtures.AuditTrail.events` or of
        a file.
    """
    for item in stored.get('attachments', ()):
        if item.get('name') == 'details':
            content: dict[str, Any] = item['content']
            return content
    return {}
