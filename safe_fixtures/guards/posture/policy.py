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

"""Ask the policy of any project that uses oslo.policy."""

from collections.abc import Iterable, Iterator
import sys
from typing import Any, Final

from safe_fixtures import exceptions
from safe_fixtures.guards.posture import source as posture_source

__all__ = ['PERSONAS', 'faults']

_PROJECT: Final = '6f0d1e4c1a8b4d5f9f0f2f4c8e7d6a5b'
_USER: Final = '0b1c2d3e4f5a4b6c8d7e9f0a1b2c3d4e'
#: The roles of each persona, with those that a role implies.
PERSONAS: Final = {
    'admin': ['admin', 'manager', 'member', 'reader'],
    'manager': ['manager', 'member', 'reader'],
    'member': ['member', 'reader'],
    'reader': ['reader'],
    'service': ['service'],
}


def faults(
    facts: Iterable[tuple[str, str]], *, allowed: bool, enforcer: Any
) -> Iterator[str]:
    """Yield where the policy in force does not do what is said.

    :param facts: rules and personas.
    :param allowed: whether all of them must be allowed, or all denied.
    :param enforcer: whom to ask; default: the project under test, else the
        enforcer in this process that has the rule.
    :raises: ConfigurationError for an unknown rule or persona.
    """
    for fact in facts:
        rule, persona = fact
        try:
            actual = _is_allowed(rule, persona, enforcer)
        except LookupError as error:
            raise exceptions.ConfigurationError(
                'assert_posture', fact, str(error.args[0])
            ) from error
        if actual != allowed:
            verb = 'allows' if actual else 'denies'
            yield f'policy {verb} {rule} to {persona}'


def _is_allowed(rule: str, persona: str, enforcer: Any) -> bool:
    project = posture_source.SOURCE.find()
    if enforcer is None and project is not None:
        try:
            return project.is_allowed(rule, persona)
        except LookupError:
            # It may be a rule of another project.
            if persona not in PERSONAS or not _enforcers(rule):
                raise
    if persona not in PERSONAS:
        raise LookupError(f'there are {", ".join(PERSONAS)}')
    if enforcer is None:
        enforcer = _enforcer_of(rule)
    elif rule not in enforcer.registered_rules:
        raise LookupError('the enforcer has no such rule')
    credentials = {
        'user_id': _USER,
        'project_id': _PROJECT,
        'roles': PERSONAS[persona],
    }
    target = {'project_id': _PROJECT, 'user_id': _USER}
    return bool(enforcer.authorize(rule, target, credentials, do_raise=False))


def _enforcer_of(rule: str) -> Any:
    found = _enforcers(rule)
    if found:
        return found[0]
    raise LookupError(
        'no policy in use has such a rule: start the service, or give the '
        "Enforcer of oslo.policy as assert_posture's enforcer"
    )


def _enforcers(rule: str) -> list[Any]:
    """Return those that have a rule, of where all projects keep theirs."""
    oslo_policy: Any = sys.modules.get('oslo_policy.policy')
    found = [
        getattr(module, '_ENFORCER', None)
        for name, module in sys.modules.copy().items()
        if oslo_policy and name.rpartition('.')[2] == 'policy'
    ]
    return [
        each
        for each in found
        if isinstance(each, oslo_policy.Enforcer)
        and rule in each.registered_rules
    ]
