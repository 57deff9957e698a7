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

"""Note the requests that create and change servers."""

from collections.abc import Mapping
import dataclasses
import re
from typing import Any

from safe_fixtures.core import gate
from safe_fixtures.guards.permissions import model

__all__ = ['Creation', 'Creations', 'part_of', 'server_in']

_PART_OF_SERVER = re.compile(
    r'/servers/([^/]+)(?:/(action|os-interface)\b.*)?$'
)
_UUID = re.compile('[0-9a-f-]{36}')
_SHORTEST_PASSWORD = 6
_CHANGE_GROUPS = frozenset(['addSecurityGroup', 'removeSecurityGroup'])
# A request with one of these may create several servers.
_SEVERAL = frozenset(['max_count', 'min_count', 'return_reservation_id'])


def part_of(body: Any, *keys: str) -> dict[str, Any]:
    """Return a dictionary inside of a body; empty if there is none."""
    for key in keys:
        body = body.get(key) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


@dataclasses.dataclass
class Creation:
    """A request that created servers.

    :ivar server_id: the server that the response names, if it names one.
    :ivar reservation: the reservation that the response names otherwise.
    :ivar url: where it was sent.
    :ivar user: who made it; None if unknown.
    :ivar project: the project of that user; None if unknown.
    :ivar security_groups: the names that were asked for; None if unknown.
    :ivar passwords: the admin passwords that were asked for or returned.
    """

    server_id: str | None
    reservation: str | None
    url: str
    user: str | None
    project: str | None
    security_groups: set[str] | None
    passwords: frozenset[str]


class Creations:
    """The requests that created the servers of a test.

    :param source: tells which servers have the same reservation.
    """

    def __init__(self, source: model.PermissionSource) -> None:
        self._source = source
        self._by_server: dict[str, Creation] = {}
        # Requests that may have created several servers.
        self._shared: list[Creation] = []

    def of(self, server_id: str) -> Creation | None:
        """Return the request that created a server, if it was seen."""
        if server_id not in self._by_server and self._shared:
            reservation = self._reservation(server_id)
            for shared in self._shared:
                if reservation is not None and reservation in (
                    shared.reservation,
                    self._reservation(shared.server_id),
                ):
                    # A copy: later changes concern one server only.
                    self._by_server[server_id] = dataclasses.replace(shared)
                    break
        return self._by_server.get(server_id)

    def _reservation(self, server_id: str | None) -> str | None:
        record = server_id and self._source.server(server_id)
        return record.reservation if record else None

    def note_creation(self, call: gate.ApiCall) -> Creation | None:
        """Note a request that creates servers, if the response names any."""
        created = part_of(call.response_body, 'server')
        asked = part_of(call.body, 'server')
        headers = call.request.headers
        creation = Creation(
            created.get('id'),
            part_of(call.response_body).get('reservation_id'),
            call.url,
            headers.get('X-Auth-User'),
            headers.get('X-Auth-Project-Id'),
            _security_groups_in(asked),
            _passwords_in(created, asked),
        )
        if not (creation.server_id or creation.reservation):
            return None
        if creation.server_id:
            self._by_server[creation.server_id] = creation
        if _SEVERAL & asked.keys():
            self._shared.append(dataclasses.replace(creation))
        return creation

    def note_change(
        self, call: gate.ApiCall, server_id: str, what: str
    ) -> None:
        """Note a successful action, or a change of a port.

        :param what: ``action`` or ``os-interface``.
        """
        creation = self.of(server_id)
        if creation is None:
            return
        asked = part_of(call.body)
        if what == 'os-interface' or asked.keys() & _CHANGE_GROUPS:
            # The response does not tell which groups the server has now.
            creation.security_groups = None
        answer = part_of(call.response_body)
        creation.passwords |= _passwords_in(
            answer, part_of(answer, 'server'), *map(part_of, asked.values())
        )


def server_in(path: str) -> tuple[str | None, str | None]:
    """Return the server of a path, and what comes after it.

    The latter is ``action``, ``os-interface``, or None for the server itself.
    """
    found = _PART_OF_SERVER.match(path)
    return (None, None) if found is None else (found[1], found[2])


def _passwords_in(*bodies: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        body['adminPass']
        for body in bodies
        if isinstance(body.get('adminPass'), str)
        and len(body['adminPass']) >= _SHORTEST_PASSWORD
    )


def _security_groups_in(asked: Mapping[str, Any]) -> set[str] | None:
    """Return the names of the security groups that were asked for.

    None if they are unknown: a port brings its own, and Neutron takes an id
    for a name.
    """
    networks = asked.get('networks')
    if isinstance(networks, list) and any(
        'port' in part_of(network) for network in networks
    ):
        return None
    names = {
        str(part_of(group).get('name'))
        for group in asked.get('security_groups') or ()
    }
    if any(map(_UUID.fullmatch, names)):
        return None
    return names or {'default'}
