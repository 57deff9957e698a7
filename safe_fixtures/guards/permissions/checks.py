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

"""Check the attributes of a server."""

from collections.abc import Collection, Iterator, Mapping
import json
import re
from typing import Any

from safe_fixtures.guards.permissions import creation as permissions_creation
from safe_fixtures.guards.permissions import matrix as permissions_matrix
from safe_fixtures.guards.permissions import model

__all__ = [
    'attributes',
    'changes',
    'unknown',
]


# What the owner of a server chooses, and may name like a host. Of the
# metadata, that is what is recorded.
_CHOSEN = frozenset(
    [
        'OS-EXT-SRV-ATTR:hostname',
        'description',
        'display_description',
        'display_name',
        'hostname',
        'key_name',
        'links',
        'locked_reason',
        'metadata',
        'name',
        'properties',
        'tags',
    ]
)
_DEFAULT_GROUP = {'default'}
_ZONE = 'OS-EXT-AZ:availability_zone'
# When it was saved, in a response and in its record.
_TIMES = frozenset(['updated', 'updated_at'])


def attributes(
    record: model.ServerRecord,
    matrix: permissions_matrix.Matrix,
    creation: permissions_creation.Creation | None,
) -> Iterator[model.Finding]:
    """Yield what is wrong with what is shown of a server, and to whom."""
    judged = {key for each in matrix.operations for key in matrix.keys(each)}
    told = set()
    for persona in matrix.personas:
        for operation, attempt in matrix.answers_to(persona).items():
            for cause, wanted, got in (
                *_leaks(persona, record, attempt, creation, judged),
                *_mistakes(record, attempt, creation),
            ):
                # Once is enough.
                if got not in told:
                    told.add(got)
                    yield model.Finding(
                        persona.name,
                        operation.name,
                        wanted,
                        got,
                        attempt.answer,
                        cause=cause,
                    )
    for name, user in record.key_pairs:
        if user != record.user_id:
            yield model.Finding(
                'owner',
                'key pair',
                f'one of user {record.user_id}',
                f'{name} of user {user}',
                cause="the key pair is somebody else's",
            )


def _leaks(
    persona: model.Persona,
    record: model.ServerRecord,
    attempt: model.Attempt,
    creation: permissions_creation.Creation | None,
    judged: Collection[str],
) -> Iterator[tuple[str, str, str]]:
    """Yield what a persona is shown that it must not be shown."""
    shown = attempt.shown
    if shown is None:
        shown = _from_json(attempt.text)
    passwords = () if creation is None else creation.passwords
    if 'adminPass' in shown or any(
        password in attempt.text for password in passwords
    ):
        yield (
            'the password is for who created it, once',
            'no admin password',
            f'the admin password shown to {persona.name}',
        )
    if not persona.is_admin:
        values = set(_values(shown, judged, record.state))
        fault = _mapping(shown.get('fault'))
        said = f'{fault.get("message")} {fault.get("details")}'
        for host in sorted(record.hosts):
            if host not in values and not _is_named(host, said):
                continue
            yield (
                'hosts are for administrators',
                'no name of a host',
                f'{host} shown to {persona.name}',
            )


def _mistakes(
    record: model.ServerRecord,
    attempt: model.Attempt,
    creation: permissions_creation.Creation | None,
) -> Iterator[tuple[str, str, str]]:
    """Yield what a server is shown to be, and should not be."""
    shown = attempt.shown or {}
    user, project = record.user_id, record.project_id
    if creation is not None:
        user = creation.user or user
        project = creation.project or project
    for what, key, wanted in (
        ('user', 'user_id', user),
        ('project', 'tenant_id', project),
    ):
        if shown.get(key, wanted) != wanted:
            yield (
                'it is of who created it',
                f'{what} {wanted}',
                f'{what} {shown[key]}',
            )
    groups = {
        str(group.get('name')) for group in shown.get('security_groups') or ()
    }
    asked = None if creation is None else creation.security_groups
    if _lacks_groups(shown) and asked == _DEFAULT_GROUP:
        return
    # One without a port has none.
    has_ports = groups or shown.get('addresses')
    if has_ports and asked is not None and groups != asked:
        yield (
            'it has those that were asked for',
            f'security groups {", ".join(sorted(asked))}',
            f'security groups {", ".join(sorted(groups)) or "none"}',
        )


def _lacks_groups(shown: Mapping[str, Any]) -> bool:
    """Whether it has no group, as on a network without port security."""
    return bool(shown.get('addresses')) and not shown.get('security_groups')


def _values(
    shown: Any, besides: Collection[str], recorded: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what a server says, except for what its owner has chosen.

    :param besides: other keys that do not count.
    :param recorded: what is recorded of it.
    """
    if isinstance(shown, Mapping):
        if shown.get(_ZONE) == recorded.get('availability_zone'):
            besides = {*besides, _ZONE}
        yield from (
            value
            for key, value in _mapping(shown.get('metadata')).items()
            if _mapping(recorded.get('metadata')).get(key) != value
        )
        for key, value in shown.items():
            if key not in _CHOSEN and key not in besides:
                yield from _values(value, besides, recorded)
    elif isinstance(shown, list):
        for value in shown:
            yield from _values(value, besides, recorded)
    elif isinstance(shown, str):
        yield shown


def _is_named(host: str, text: str) -> bool:
    """Whether a text names a host."""
    name = re.escape(host)
    if host.isalpha():
        # It can be a word like any other, such as "compute".
        name = rf'\b(?i:host|node):? [\'"]?{name}'
    return re.search(rf'(?<![\w.-]){name}(?![\w-])', text) is not None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _from_json(text: str) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(text))
    except ValueError:
        return {}


def changes(
    record: model.ServerRecord,
    after: model.ServerRecord | None,
    matrix: permissions_matrix.Matrix,
) -> Iterator[model.Finding]:
    """Yield what is not as it was before the matrix."""
    if after is None:
        yield model.Finding(
            'anybody', 'all', 'unchanged', 'the server is gone'
        )
        return
    looks = [(record.state, after.state)]
    if matrix.before is not None and matrix.after is not None:
        looks.append((matrix.before, matrix.after))
    for before, now in looks:
        changed = {
            name
            for name in before.keys() | now.keys()
            if before.get(name) != now.get(name)
        }
        if record.is_busy:
            # Somebody else is at work on it.
            changed &= _CHOSEN
        # That a compute saves what it knows already is no change.
        for name in sorted(changed - _TIMES):
            yield model.Finding(
                'anybody',
                'all',
                f'{name} {before.get(name)!r}',
                f'{name} {now.get(name)!r}',
                cause='it was changed meanwhile',
            )


def unknown(
    creation: permissions_creation.Creation | None,
    matrix: permissions_matrix.Matrix,
) -> Iterator[str]:
    """Yield what is not checked, as it is not known what was asked for."""
    if creation is None:
        yield (
            'requester, admin password, security groups: its creation was not '
            'seen'
        )
    elif creation.security_groups is None:
        yield 'security groups: they are not known by name'
    elif creation.security_groups == _DEFAULT_GROUP and any(
        _lacks_groups(attempt.shown or {})
        for attempt in matrix.attempts.values()
    ):
        yield 'security groups: its network may be without port security'
