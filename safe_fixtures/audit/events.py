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

"""The vocabulary of audit events, and how an event is read."""

from collections.abc import Mapping
import functools
import sys
from typing import Any
import uuid

from oslo_utils import uuidutils
from pycadf import event
from pycadf import reason
from pycadf import resource

__all__ = [
    'Event',
    'REFUSALS',
    'SEQUENCE',
    'TEST',
    'code_of',
    'details',
    'kind_of',
    'reason_of',
    'resource_of',
    'sequence',
    'skeleton',
    'test_of',
]


TEST = 'service/test'
_OBSERVER = 'service/security/audit/safe_fixtures'
SEQUENCE = 'sequence'


@functools.lru_cache(maxsize=256)
def skeleton(event_type: str, action: str, outcome: str) -> dict[str, Any]:
    nothing = resource.Resource(typeURI=TEST)
    skeleton: dict[str, Any] = event.Event(
        eventType=event_type,
        action=action,
        outcome=outcome,
        initiator=nothing,
        target=nothing,
        observer=_observer(),
    ).as_dict()
    skeleton['observer'] = _observer_part()
    return skeleton


@functools.cache
def _observer() -> resource.Resource:
    return resource.Resource(typeURI=_OBSERVER, name='safe_fixtures')


@functools.cache
def _observer_part() -> dict[str, Any]:
    part: dict[str, Any] = _observer().as_dict()
    return part


@functools.lru_cache(maxsize=1024)
def resource_of(
    target_type: str, name: str, target_id: str | None
) -> dict[str, Any]:
    if target_id is None:
        target_id = f'{target_type} {name}'
    # What stands for bytes of a file name is no text.
    target_id = target_id.encode(errors='backslashreplace').decode()
    if not uuidutils.is_uuid_like(target_id):
        # CADF wants uuids; the same one each time for the same thing.
        target_id = str(uuid.uuid5(uuid.NAMESPACE_OID, target_id))
    part: dict[str, Any] = resource.Resource(
        typeURI=target_type, name=name, id=target_id
    ).as_dict()
    return part


@functools.lru_cache(maxsize=256)
def reason_of(code: str) -> dict[str, Any]:
    part: dict[str, Any] = reason.Reason(
        reasonType='safe_fixtures', reasonCode=code
    ).as_dict()
    return part


def details(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said about an event besides its CADF fields.

    :param stored: an event of :attr:`safe_fixtures.AuditTrail.events` or of
        a file.
    """
    for item in stored.get('attachments', ()):
        if item.get('name') == 'details':
            content: dict[str, Any] = item['content']
            return content
    return {}


def sequence(stored: Mapping[str, Any]) -> int | None:
    """Return the number of an event, or None if it has none.

    Those of one initiator (by its ``id``: one trail in one process) are
    numbered from 1, in the order of their acts; one that is missing was
    lost.

    :param stored: as in :func:`details`.
    """
    for each in stored.get('tags', ()):
        name, _, value = each.partition('?value=')
        if name == SEQUENCE and value.isdecimal():
            return int(value)
    return None


Event = Mapping[str, Any]
REFUSALS = ('deny', 'evaluate/violation')


def test_of(stored: Event) -> str:
    return sys.intern(stored['initiator']['name'])


def code_of(stored: Event) -> str:
    code: str = stored.get('reason', {}).get('reasonCode', 'unknown')
    return code


def kind_of(action: str, said: Event) -> str:
    if 'waived' in said:
        return 'waived'
    if said.get('expected'):
        return 'expected'
    return 'enforced' if action == 'deny' else 'recorded'
