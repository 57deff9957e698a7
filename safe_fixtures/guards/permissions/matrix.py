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

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import Any

import microversion_parse

from safe_fixtures.guards.permissions import model

__all__ = ['Matrix']

# Who makes the requests of an owner who is an administrator.
_STAND_IN = 'project-user'
_version = microversion_parse.parse_version_string


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
            if _version(operation.since) > _version(self._microversion):
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
                if _version(self._microversion) < _version(until)
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
