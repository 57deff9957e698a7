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

"""Try each operation as each persona, and check what it comes to."""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import itertools
from typing import Any

import microversion_parse

from safe_fixtures import exceptions
from safe_fixtures.guards.permissions import model

__all__ = ['Deviations', 'Matrix', 'by_name']

# Makes the requests of an owner who is an administrator.
_STAND_IN = 'project-user'
_version = microversion_parse.parse_version_string

#: Deviations by the names of persona and operation.
Deviations = Mapping[tuple[str, str], model.Deviation]


@dataclasses.dataclass
class Matrix:
    """Who can do what to one server.

    :param source: what can be tried, and what is expected.
    :param record: the server.
    :param microversion: that of the requests (str).
    :param deviations: what the test has changed on purpose.
    :ivar left_out: what is not tried, and why (list of str).
    :ivar attempts: what each operation came to, by persona and operation.
    :ivar prober: tries everything, and stays when that has ended.
    :ivar findings: the wrong permissions.
    :ivar before: what the first persona is shown of the server at first.
    :ivar after: what the same persona is shown at the end.
    """

    _source: model.PermissionSource
    _record: model.ServerRecord
    microversion: str
    _deviations: Deviations
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self.left_out: list[str] = []
        self.personas = list(self._personas())
        self.operations = list(self._operations())
        self.attempts: dict[
            tuple[model.Persona, model.Operation], model.Attempt
        ] = {}
        self.findings: list[model.Finding] = []

    def _personas(self) -> Iterator[model.Persona]:
        personas = self._source.personas()
        if self._record.user_id != self._source.admin_user:
            yield from personas
            return
        why = (
            f'the user {self._record.user_id!r} is made an administrator, '
            'whatever the roles'
        )
        colleagues = {
            persona.roles
            for persona in personas
            if persona.user is not None and persona.in_project
        }
        deviating = {persona for persona, _ in self._deviations}
        for persona in personas:
            name = persona.name
            if persona.user is not None:
                yield persona
            elif persona.roles in colleagues and name not in deviating:
                self.left_out.append(f'{name}: {why}')
            else:
                self.left_out.append(
                    f'{name}, but as another user of the project: {why}'
                )
                yield dataclasses.replace(persona, user=_STAND_IN)

    def _operations(self) -> Iterator[model.Operation]:
        for operation in self._source.operations:
            if _version(operation.since) > _version(self.microversion):
                self.left_out.append(
                    f'{operation.name}: microversion {self.microversion} '
                    'does not have it'
                )
            elif operation.kind == 'list' and not self._record.is_listed:
                self.left_out.append(
                    f'{operation.name}: a soft-deleted server is in no list'
                )
            else:
                yield operation

    def outcomes(self) -> dict[str, dict[str, str]]:
        """Return what each operation came to, by persona and operation.

        All that the source knows is in it; what was not tried is
        ``not checked``.
        """
        got = {
            (persona.name, operation.name): attempt.got
            for (persona, operation), attempt in self.attempts.items()
        }
        return {
            persona.name: {
                operation.name: got.get(
                    (persona.name, operation.name), 'not checked'
                )
                for operation in self._source.operations
            }
            for persona in self._source.personas()
        }

    def keys(self, operation: model.Operation) -> set[str]:
        """Return the keys that show an attribute."""
        early = {
            key
            for key, until in operation.early_keys
            if _version(self.microversion) < _version(until)
        }
        return early.union(operation.keys)

    def run(self, endpoint: str, watched: Any) -> None:
        """Try everything.

        :param endpoint: the URL of the API.
        :param watched: what ``watching_policy`` of the source has noted.
        """
        with self._source.probing(
            self._record, endpoint, self.microversion, watched
        ) as prober:
            self.prober = prober
            for each in itertools.product(self.personas, self.operations):
                self.attempts[each] = self._try(*each)
                self._check(*each)
            first = self.personas[0], self.operations[0]
            self.before = self.attempts[first].shown
            self.after = prober.attempt(*first).shown
        tried = {
            (persona.name, operation.name)
            for persona, operation in self.attempts
        }
        self.left_out += [
            f'the deviation of {persona}: {operation}'
            for persona, operation in sorted(self._deviations.keys() - tried)
        ]

    def _try(
        self, persona: model.Persona, operation: model.Operation
    ) -> model.Attempt:
        if operation.kind != 'attribute':
            return self.prober.attempt(persona, operation)
        keys = self.keys(operation)
        for (asker, _), attempt in self.attempts.items():
            if asker == persona:
                for key in attempt.shown or ():
                    if key in keys:
                        return model.Attempt('allowed', f'{key} is shown')
        return model.Attempt('hidden', 'not shown')

    def _check(self, persona: model.Persona, act: model.Operation) -> None:
        attempt = self.attempts[persona, act]
        expected = default = self._source.expected(persona, act)
        deviation = self._deviations.get((persona.name, act.name))
        if deviation is not None:
            expected = deviation.expected
        # A deviation that states the default is wrong, too.
        needless = deviation is not None and expected == default
        if attempt.got == expected and not needless:
            return
        if deviation is None:
            rule, cause = self.prober.cause(persona, act)
        else:
            rule = act.rules[-1]
            cause = f'a deviation states it ({deviation.reason})'
            if needless:
                cause += ', but it is the default'
        self.findings.append(
            model.Finding(
                persona.name,
                act.name,
                expected,
                attempt.got,
                attempt.answer,
                rule,
                cause,
            )
        )


def by_name(
    deviations: Iterable[model.Deviation], source: model.PermissionSource
) -> Deviations:
    """Return deviations by the names of their persona and operation.

    :raises: ConfigurationError for something else than a deviation, an
        unknown persona or operation, and contradictions.
    """
    named: dict[tuple[str, str], model.Deviation] = {}
    known: dict[str, list[str]] = {}
    option, error = (
        'ServerPermissions deviations',
        exceptions.ConfigurationError,
    )
    for each in deviations:
        if not isinstance(each, model.Deviation):
            raise error(option, each, 'each must be a Deviation')
        known = known or {
            'persona': [persona.name for persona in source.personas()],
            'operation': [operation.name for operation in source.operations],
        }
        for what, names in known.items():
            name = getattr(each, what)
            if name not in names:
                listed = ', '.join(names)
                raise error(
                    f'Deviation {what}', name, f'it must be one of {listed}'
                )
        other = named.setdefault((each.persona, each.operation), each)
        if other.expected != each.expected:
            raise error(option, each, f'it contradicts {other}')
    return named
