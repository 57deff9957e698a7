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

"""Find a service by uuid, host or object."""

from collections.abc import Iterable, Mapping
from typing import Any

from oslo_utils import uuidutils

from safe_fixtures.guards.services import model

__all__ = [
    'identify',
    'pick_one',
]


def identify(service: Any) -> dict[str, str | None]:
    """Return what is known of a service: its uuid, host and binary.

    :param service: a host name, a uuid, a service as the API shows it, or a
        Nova service object.
    :raises: LookupError if it is nothing of that kind.
    """
    if isinstance(service, str) and service:
        if uuidutils.is_uuid_like(service):
            return {'uuid': service, 'host': None, 'binary': None}
        return {'uuid': None, 'host': service, 'binary': 'nova-compute'}
    if isinstance(service, Mapping):
        uuid = service.get('uuid') or service.get('id')
        # Before 2.53 the API shows the number of the record, which another
        # cell may have given too.
        if isinstance(uuid, int):
            uuid = None if service.get('host') else str(uuid)
        return {
            'uuid': uuid,
            'host': service.get('host'),
            'binary': service.get('binary'),
        }
    # A running service carries its record.
    record = getattr(service, 'service_ref', None) or service
    host = getattr(record, 'host', None)
    if host is None:
        raise LookupError(
            f'{service!r} is not a host name, a uuid, a service of the API '
            'or a Nova service object'
        )
    return {
        'uuid': getattr(record, 'uuid', None),
        'host': host,
        'binary': getattr(record, 'binary', None),
    }


def pick_one(
    service: Any,
    matches: list[model.ServiceRef],
    candidates: Iterable[model.ServiceRef],
) -> model.ServiceRef:
    """Return the only match.

    :raises: LookupError that lists the matches if there are several, and
        the candidates if there is none.
    """
    if len(matches) == 1:
        return matches[0]
    if matches:
        problem, listed = 'is ambiguous', matches
    else:
        problem, listed = 'is unknown', sorted(candidates, key=str)
    names = ', '.join(f'{ref} ({ref.uuid})' for ref in listed[:20])
    more = f' and {len(listed) - 20} more' if len(listed) > 20 else ''
    raise LookupError(
        f'service {service!r} {problem}; there are: {names or "none"}{more}'
    )
