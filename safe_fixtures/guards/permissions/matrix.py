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

"""Try who can do what to one server, and judge what came of it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
import dataclasses
import json
import re
from typing import Any

from safe_fixtures.guards.permissions import model

__all__ = ['Creation', 'Matrix', 'attributes', 'changes', 'unknown']

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
# Who makes the requests of an owner who is an administrator.
_STAND_IN = 'project-user'
# When it was saved, in a response and in its record.
_TIMES = frozenset(['updated', 'updated_at'])


@dataclasses.dataclass
class Creation:
    """A request that created servers, and who made it."""

    endpoint: str
    user: str | None
    project: str | None
    # None where they cannot be told by their names.
    security_groups: set[str] | None
    passwords: frozenset[str]


class Matrix:
    """Who can do what to one server, as it was found."""

    def __init__(
        self,
        source: model.PermissionSource,
        record: model.ServerRecord,
        microversion: str,
        stated: Mapping[tuple[str, str], model.Deviation],
    ) -> None:
        self._source = source
        self._record = record
        self._microversion = microversion
        self._stated = stated
        self.left_out: list[str] = []
        self.personas = list(self._personas())
        self.operations = list(self._operations())
        self.attempts: dict[
            tuple[model.Persona, model.Operation],
            model.Attempt,
        ] = {}
        self.requests = 0
        self.set_aside: Sequence[str] = ()
        self.findings: list[model.Finding] = []
        #: What the first persona is shown of the server, and is afterwards.
        self.before: Mapping[str, Any] | None = None
        self.after: Mapping[str, Any] | None = None

    def _personas(self) -> Iterator[model.Persona]:
        personas = self._source.personas()
        is_admins = self._record.user_id == self._source.admin_user
        deviating = {persona for persona, _ in self._stated}
        stand_ins = {
            persona.roles
            for persona in personas
            if persona.user is not None and persona.in_project
        }
        for persona in personas:
            if persona.user is not None or not is_admins:
                yield persona
                continue
            why = (
                f'the user {self._record.user_id!r} is made an administrator, '
                'whatever the roles'
            )
            if persona.roles in stand_ins and persona.name not in deviating:
                self.left_out.append(f'{persona.name}: {why}')
            else:
                self.left_out.append(
                    f'{persona.name}, but as another user of the project: '
                    f'{why}'
                )
                yield dataclasses.replace(persona, user=_STAND_IN)

    def _operations(self) -> Iterator[model.Operation]:
        for operation in self._source.operations:
            if _key(operation.since) > _key(self._microversion):
                self.left_out.append(
                    f'{operation.name}: microversion {self._microversion} '
                    'does not have it'
                )
            elif operation.kind == 'list' and not self._record.is_listed:
                self.left_out.append(
                    f'{operation.name}: lists leave out what is deleted softly'
                )
            else:
                yield operation

    def keys(self, operation: model.Operation) -> list[str]:
        """Return the keys that show an attribute."""
        return [
            *operation.keys,
            *(
                key
                for key, until in operation.early_keys
                if _key(self._microversion) < _key(until)
            ),
        ]

    def run(
        self,
        endpoint: str,
        watched: Any,
    ) -> None:
        with self._source.probing(
            self._record, endpoint, self._microversion, watched
        ) as prober:
            self.set_aside = prober.set_aside
            for persona in self.personas:
                for operation in self.operations:
                    attempt = self._try(prober, persona, operation)
                    self.attempts[persona, operation] = attempt
                    self._judge(
                        prober,
                        persona,
                        operation,
                        attempt,
                        self._stated.get((persona.name, operation.name)),
                    )
            first = self.personas[0], self.operations[0]
            self.before = self.attempts[first].shown
            self.after = prober.attempt(*first).shown
            self.requests = prober.requests
        tried = {
            (persona.name, operation.name)
            for persona, operation in self.attempts
        }
        for key in sorted(self._stated.keys() - tried):
            self.left_out.append(f'the deviation of {key[0]}: {key[1]}')

    def _try(
        self,
        prober: model.Prober,
        persona: model.Persona,
        operation: model.Operation,
    ) -> model.Attempt:
        if operation.kind != 'attribute':
            return prober.attempt(persona, operation)
        keys = self.keys(operation)
        for attempt in self.shown_to(persona).values():
            for key in attempt.shown or ():
                if key in keys:
                    return model.Attempt('allowed', f'{key} is shown')
        return model.Attempt('hidden', 'not shown')

    def shown_to(
        self, persona: model.Persona
    ) -> dict[model.Operation, model.Attempt]:
        """Return what showed the server to a persona."""
        return {
            operation: attempt
            for operation, attempt in self.answers_to(persona).items()
            if attempt.shown is not None
        }

    def answers_to(
        self, persona: model.Persona
    ) -> dict[model.Operation, model.Attempt]:
        """Return what a persona was answered."""
        return {
            operation: attempt
            for (asker, operation), attempt in self.attempts.items()
            if asker == persona
        }

    def _judge(
        self,
        prober: model.Prober,
        persona: model.Persona,
        operation: model.Operation,
        attempt: model.Attempt,
        deviation: model.Deviation | None,
    ) -> None:
        default = self._source.expected(persona, operation)
        rule, cause = operation.rules[-1], ''
        if deviation is None:
            expected = default
            if attempt.got == expected:
                return
            rule, cause = prober.cause(persona, operation)
        else:
            expected = deviation.expected
            cause = f'it is stated that it deviates ({deviation.reason})'
            if expected == default:
                cause += ', but it is so by default'
            elif attempt.got == expected:
                return
        self.findings.append(
            model.Finding(
                persona.name,
                operation.name,
                expected,
                attempt.got,
                attempt.answer,
                rule,
                cause,
            )
        )


def attributes(
    record: model.ServerRecord,
    matrix: Matrix,
    creation: Creation | None,
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
    creation: Creation | None,
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
    creation: Creation | None,
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
    matrix: Matrix,
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


def unknown(creation: Creation | None, matrix: Matrix) -> Iterator[str]:
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


def _key(microversion: str) -> tuple[int, ...]:
    return tuple(int(part) for part in microversion.split('.'))
