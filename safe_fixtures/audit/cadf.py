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

"""The parts of a CADF event.

pycadf makes and checks each part once. Events share equal parts, which saves
time and memory.
"""

import functools
import math
from typing import Any

from oslo_utils import uuidutils
from pycadf import attachment
from pycadf import event
from pycadf import resource

from safe_fixtures.audit import events
from safe_fixtures import redaction
from safe_fixtures.runtime.system import uuid
from safe_fixtures.runtime import values

__all__ = ['as_json', 'resource_of', 'skeleton']

_OBSERVER = resource.Resource(
    typeURI='service/security/audit/safe_fixtures', name='safe_fixtures'
)
_NOBODY = resource.Resource(typeURI=events.TEST_TYPE)
# Made at import: pycadf asks for the time, and for classes such as
# datetime.datetime, which tests replace.
_EVENT = event.Event(
    eventType='activity',
    action='unknown',
    outcome='unknown',
    initiator=_NOBODY,
    target=_NOBODY,
    observer=_OBSERVER,
)
_LACKING: dict[str, Any] = _EVENT.as_dict() | {'observer': _OBSERVER.as_dict()}
_BITS = 64  # of a whole number
_SCALARS = frozenset({str, int, bool, type(None)})
_LISTS = frozenset({list, tuple, set, frozenset})


@functools.lru_cache(maxsize=256)
def skeleton(event_type: str, action: str, outcome: str) -> dict[str, Any]:
    """Return an event that lacks all that is its own; not to be changed.

    :raises: ValueError for an argument that CADF does not know.
    """
    # Setting them checks them.
    _EVENT.eventType = event_type
    _EVENT.action = action
    _EVENT.outcome = outcome
    return _LACKING | {
        'eventType': event_type,
        'action': action,
        'outcome': outcome,
    }


@functools.lru_cache(maxsize=1024)
def resource_of(
    target_type: str, name: str, target_id: str | None
) -> dict[str, Any]:
    """Return what was acted on.

    :param target_type: its CADF type.
    :param name: its name.
    :param target_id: its uuid, or text that a uuid is made from; default:
        type and name.
    :raises: ValueError for a type that CADF does not know.
    """
    if target_id is None:
        target_id = f'{target_type} {name}'
    # File names may hold surrogate escapes, which UTF-8 cannot encode.
    target_id = target_id.encode(errors='backslashreplace').decode()
    if not uuidutils.is_uuid_like(target_id):
        # CADF asks for uuids: always the same one for the same thing.
        target_id = str(uuid.uuid5(uuid.NAMESPACE_OID, target_id))
    resource.Resource(typeURI=target_type, name=name, id=target_id)
    # Not its as_dict(), which asks for classes that a test may have replaced.
    return {'typeURI': target_type, 'id': target_id, 'name': name}


def as_json(value: Any, redactor: redaction.Redactor) -> Any:
    """Return a masked value as JSON would give it back.

    :param value: any value, already masked as far as the redactor sees.
    :param redactor: masks what only pycadf's conversion brings to light.
    :raises: ValueError, or what the value raises, if JSON cannot hold it.
    """
    kind = type(value)
    if kind is int and value.bit_length() > _BITS:
        raise ValueError('JSON readers take no number this large')
    if kind in _SCALARS:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise ValueError(f'JSON has no number {value}')
        return value
    if kind is dict:
        return {
            str(values.plain(name)): as_json(item, redactor)
            for name, item in value.items()
        }
    if kind in _LISTS:
        return [as_json(item, redactor) for item in value]
    if isinstance(value, str):
        return str(values.plain(value))
    converted = attachment.Attachment(content=value).as_dict()['content']
    if type(converted) is kind:
        raise TypeError(f'JSON has no type for {kind.__name__}')
    return as_json(redactor.redact(converted), redactor)
