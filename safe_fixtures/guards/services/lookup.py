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

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple
import uuid

from oslo_utils import uuidutils

from safe_fixtures.guards.services import model
from safe_fixtures.runtime import values

__all__ = ['Known', 'identify', 'pick_one']


class Known(NamedTuple):
    """What is known of a service; None for what is not."""

    uuid: str | None = None
    host: str | None = None
    binary: str | None = None

    def fits(self, ref: model.ServiceRef) -> bool:
        """Whether a service can be the one that is meant."""
        found = (ref.uuid, ref.host, ref.binary)
        return any(self) and all(
            mine is None or str(values.plain(mine)) == its
            for mine, its in zip(self, found, strict=True)
        )


def identify(service: Any) -> Known:
    """Return what is known of a service.

    :param service: a host name, a uuid (str or ``uuid.UUID``), a service as
        the API shows it, or a Nova service object.
    :raises: LookupError if it is nothing of that kind.
    """
    service = values.plain(service)
    if isinstance(service, uuid.UUID):
        return Known(str(service))
    if isinstance(service, str) and service:
        if uuidutils.is_uuid_like(service):
            return Known(service)
        return Known(host=service, binary='nova-compute')
    if isinstance(service, Mapping):
        given = values.plain(service.get('uuid') or service.get('id'))
        # Before 2.53 the API shows the number of the record, and a record
        # of another cell may have the same number.
        if isinstance(given, int):
            given = None if service.get('host') else str(given)
        return Known(given, service.get('host'), service.get('binary'))
    # A running service carries its record.
    record = getattr(service, 'service_ref', None) or service
    host = getattr(record, 'host', None)
    if host is None:
        raise LookupError(
            f'{service!r} is not a host name, a uuid, a service of the API '
            'or a Nova service object'
        )
    return Known(
        getattr(record, 'uuid', None), host, getattr(record, 'binary', None)
    )


def pick_one(
    service: Any,
    matches: Collection[model.ServiceRef],
    candidates: Iterable[model.ServiceRef],
) -> model.ServiceRef:
    """Return the only match.

    :raises: LookupError that lists the matches if there are several, and
        the candidates if there is none.
    """
    if len(matches) == 1:
        return next(iter(matches))
    problem = 'is ambiguous' if matches else 'is unknown'
    names = [f'{ref} ({ref.uuid})' for ref in matches or candidates]
    listed = ', '.join(sorted(names)[:20]) or 'none'
    more = f' and {len(names) - 20} more' if len(names) > 20 else ''
    raise LookupError(
        f'service {service!r} {problem}; there are: {listed}{more}'
    )
