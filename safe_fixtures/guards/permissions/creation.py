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

"""Read the request that creates a server."""

from collections.abc import Mapping
import dataclasses
import re
from typing import Any

__all__ = [
    'CHANGE_GROUPS',
    'Creation',
    'PART_OF_SERVER',
    'endpoint_of',
    'part_of',
    'passwords_in',
    'security_groups_in',
]


_VERSION = re.compile(r'/v2(?:\.[0-9]+)?(?:/.*)?$')
PART_OF_SERVER = re.compile(
    r'/servers/([^/]+)(?:/(action|os-interface)\b.*)?$'
)
_SHORTEST_PASSWORD = 6
CHANGE_GROUPS = frozenset(['addSecurityGroup', 'removeSecurityGroup'])


def passwords_in(*bodies: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        body['adminPass']
        for body in bodies
        if isinstance(body.get('adminPass'), str)
        and len(body['adminPass']) >= _SHORTEST_PASSWORD
    )


def security_groups_in(asked: Mapping[str, Any]) -> set[str] | None:
    """Return the names of the security groups that were asked for."""
    networks = asked.get('networks')
    if isinstance(networks, list) and any(
        'port' in part_of(network) for network in networks
    ):
        # A port has those that it was created with.
        return None
    given = asked.get('security_groups')
    if given is None:
        return {'default'}
    names = {str(part_of(group).get('name')) for group in given}
    # Neutron takes an id for a name.
    return (
        None
        if any(re.fullmatch('[0-9a-f-]{36}', n) for n in names)
        else (names or {'default'})
    )


def part_of(body: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        body = body.get(key) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


def endpoint_of(url: str) -> str:
    """Return the URL of the API without its version and a project."""
    return _VERSION.sub('', url)


@dataclasses.dataclass
class Creation:
    """A request that created servers, and who made it."""

    endpoint: str
    user: str | None
    project: str | None
    # None where they cannot be told by their names.
    security_groups: set[str] | None
    passwords: frozenset[str]
