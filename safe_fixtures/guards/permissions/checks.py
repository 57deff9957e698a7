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

"""Check what responses show of a server, and whether it changed."""

from collections.abc import Collection, Iterator, Mapping
import dataclasses
import functools
import json
import re
from typing import Any

from safe_fixtures.guards.permissions import creation as creations
from safe_fixtures.guards.permissions import matrix as matrices
from safe_fixtures.guards.permissions import model

__all__ = ['ServerChecks']

# The owner chooses the values of these keys, and may choose the name of a
# host. Metadata counts as chosen if the record has it.
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
# The time of the last update, in a response and in the record.
_TIMES = frozenset(['updated', 'updated_at'])

# Why something is wrong, what was expected and what was shown.
_Mistake = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class ServerChecks:
    """Checks of one server, after a matrix was tried on it.

    :ivar record: the server before the matrix.
    :ivar matrix: what everybody was shown of it.
    :ivar creation: the request that created it; None if it was not seen.
    :ivar after: the server after the matrix; None if it is gone.
    """

    record: model.ServerRecord
    matrix: matrices.Matrix
    creation: creations.Creation | None
    after: model.ServerRecord | None

    def findings(self) -> Iterator[model.Finding]:
        """Yield all that is wrong with the server."""
        yield from self.matrix.findings
        yield from self._attributes()
        yield from self._changes()

    def _attributes(self) -> Iterator[model.Finding]:
        """Yield the wrong details that responses show of the server."""
        found = set()
        for (persona, operation), attempt in self.matrix.attempts.items():
            for cause, wanted, got in (
                *self._passwords(persona, attempt),
                *self._hosts(persona, attempt),
                *self._creator(attempt.shown or {}),
                *self._security_groups(attempt.shown or {}),
            ):
                # Each mistake is reported once.
                if got not in found:
                    found.add(got)
                    yield model.Finding(
                        persona.name,
                        operation.name,
                        wanted,
                        got,
                        attempt.answer,
                        cause=cause,
                    )
        for name, user in self.record.key_pairs:
            if user != self.record.user_id:
                yield model.Finding(
                    'owner',
                    'key pair',
                    f'one of user {self.record.user_id}',
                    f'{name} of user {user}',
                    cause='the key pair belongs to another user',
                )

    def _passwords(
        self, persona: model.Persona, attempt: model.Attempt
    ) -> Iterator[_Mistake]:
        passwords = self.creation.passwords if self.creation else ()
        if 'adminPass' in _shown(attempt) or any(
            password in attempt.text for password in passwords
        ):
            yield (
                'only its creator may see the password, once',
                'no admin password',
                f'the admin password shown to {persona.name}',
            )

    def _hosts(
        self, persona: model.Persona, attempt: model.Attempt
    ) -> Iterator[_Mistake]:
        if persona.is_admin:
            return
        shown = _shown(attempt)
        values = set(_values(shown, self._checked_keys(), self.record.state))
        fault = _mapping(shown.get('fault'))
        text = f'{fault.get("message")} {fault.get("details")}'
        for host in sorted(self.record.hosts):
            if host in values or _names_host(text, host):
                yield (
                    'only administrators may see hosts',
                    'no name of a host',
                    f'{host} shown to {persona.name}',
                )

    def _checked_keys(self) -> set[str]:
        """Return the keys that the matrix itself checks."""
        operations = self.matrix.operations
        return {key for each in operations for key in self.matrix.keys(each)}

    def _creator(self, shown: Mapping[str, Any]) -> Iterator[_Mistake]:
        user, project = self.record.user_id, self.record.project_id
        if self.creation is not None:
            user = self.creation.user or user
            project = self.creation.project or project
        why = 'a server belongs to its creator'
        if shown.get('user_id', user) != user:
            yield why, f'user {user}', f'user {shown["user_id"]}'
        if shown.get('tenant_id', project) != project:
            yield why, f'project {project}', f'project {shown["tenant_id"]}'

    def _security_groups(self, shown: Mapping[str, Any]) -> Iterator[_Mistake]:
        asked = self.creation.security_groups if self.creation else None
        listed = shown.get('security_groups') or ()
        groups = {str(group.get('name')) for group in listed}
        # A server without a port has no group.
        has_ports = groups or shown.get('addresses')
        if asked is None or groups == asked or not has_ports:
            return
        if asked == _DEFAULT_GROUP and _lacks_groups(shown):
            return
        yield (
            'the request asked for others',
            f'security groups {", ".join(sorted(asked))}',
            f'security groups {", ".join(sorted(groups)) or "none"}',
        )

    def _changes(self) -> Iterator[model.Finding]:
        """Yield what changed of the server during the matrix."""
        finding = functools.partial(model.Finding, 'anybody', 'all')
        if self.after is None:
            yield finding('unchanged', 'the server is gone')
            return
        states = [(self.record.state, self.after.state)]
        if self.matrix.before is not None and self.matrix.after is not None:
            states.append((self.matrix.before, self.matrix.after))
        for before, now in states:
            names = before.keys() | now.keys()
            if self.record.is_busy:
                # A task of the test may change anything else.
                names &= _CHOSEN
            # A compute may save what it knows already, which sets the time.
            for name in sorted(names - _TIMES):
                if before.get(name) != now.get(name):
                    yield finding(
                        f'{name} {before.get(name)!r}',
                        f'{name} {now.get(name)!r}',
                        cause='it changed during the check',
                    )

    def left_out(self) -> Iterator[str]:
        """Yield what is not checked, as the request is not known."""
        groups = self.creation.security_groups if self.creation else None
        if self.creation is None:
            yield (
                'requester, admin password, security groups: its creation was '
                'not seen'
            )
        elif groups is None:
            yield 'security groups: their names are not known'
        elif groups == _DEFAULT_GROUP and any(
            _lacks_groups(attempt.shown or {})
            for attempt in self.matrix.attempts.values()
        ):
            yield 'security groups: its network may be without port security'


def _lacks_groups(shown: Mapping[str, Any]) -> bool:
    """Whether a server has no group, as on a network without port security."""
    return bool(shown.get('addresses')) and not shown.get('security_groups')


def _shown(attempt: model.Attempt) -> Mapping[str, Any]:
    """Return the server that a response shows, or all of the response."""
    if attempt.shown is not None:
        return attempt.shown
    try:
        return _mapping(json.loads(attempt.text))
    except ValueError:
        return {}


def _values(
    shown: Any, skipped: Collection[str], recorded: Mapping[str, Any]
) -> Iterator[str]:
    """Yield all texts in a response that the owner has not chosen.

    :param skipped: other keys that do not count.
    :param recorded: the state of the record.
    """
    if isinstance(shown, Mapping):
        if shown.get(_ZONE) == recorded.get('availability_zone'):
            skipped = {*skipped, _ZONE}
        yield from (
            value
            for key, value in _mapping(shown.get('metadata')).items()
            if _mapping(recorded.get('metadata')).get(key) != value
        )
        for key, value in shown.items():
            if key not in _CHOSEN and key not in skipped:
                yield from _values(value, skipped, recorded)
    elif isinstance(shown, list):
        for value in shown:
            yield from _values(value, skipped, recorded)
    elif isinstance(shown, str):
        yield shown


def _names_host(text: str, host: str) -> bool:
    name = re.escape(host)
    if host.isalpha():
        # It may be an ordinary word, such as "compute".
        name = rf'\b(?i:host|node):? [\'"]?{name}'
    return re.search(rf'(?<![\w.-]){name}(?![\w-])', text) is not None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
