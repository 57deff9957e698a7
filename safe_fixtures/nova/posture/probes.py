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

"""The posture of Nova and Placement: their policy, and who they know."""

from collections.abc import Iterable, Iterator, Mapping
import sys
from typing import Any

from nova import context as nova_context
from nova import exception
from nova import policy as nova_policy

from safe_fixtures.guards import posture
from safe_fixtures.nova.posture import leaks as posture_leaks

__all__ = ['NovaPosture', 'PolicyProbe']

_PROJECT = '6f0d1e4c1a8b4d5f9f0f2f4c8e7d6a5b'
_USER = '0b1c2d3e4f5a4b6c8d7e9f0a1b2c3d4e'
# The roles that a role implies, as Nova's own policy tests have them.
_PERSONAS = {
    'admin': ['admin', 'manager', 'member', 'reader'],
    'manager': ['manager', 'member', 'reader'],
    'member': ['member', 'reader'],
    'reader': ['reader'],
    'service': ['service'],
}


class PolicyProbe(posture.Probe):
    """The rules that the policy engines in use enforce, not their files.

    An engine that is not there, or has loaded nothing yet, counts as having
    the defaults.
    """

    name = 'policy'

    def snapshot(self) -> dict[str, '_Rules']:
        return {name: _Rules(engine) for name, engine in _engines().items()}

    def changes(
        self, before: dict[str, '_Rules'], after: dict[str, '_Rules']
    ) -> Iterator[tuple[str, Any, Any]]:
        for engine in sorted(before.keys() | after.keys()):
            old, new = before.get(engine), after.get(engine)
            names: set[str] = set()
            for rules in (old, new):
                names.update(() if rules is None else rules.checks)
            for name in sorted(names):
                was = _check(name, old, new)
                is_ = _check(name, new, old)
                if was != is_:
                    yield f'{engine} {name}', was, is_

    def describe(self, key: str, value: Any) -> str:
        return '(absent)' if value is None else f'"{value}"'


class _Rules:
    """The rules of one engine, as text."""

    def __init__(self, engine: Any) -> None:
        self.checks = {
            name: str(check) for name, check in list(engine.rules.items())
        }
        self.conf = engine.conf
        self.registered = engine.registered_rules

    def default(self, name: str) -> str | None:
        """Return what a rule is by default; None if it is not registered."""
        rule = self.registered.get(name)
        if rule is None:
            return None
        old = rule.deprecated_rule
        if (
            old is not None
            and old.check_str != rule.check_str
            and not self.conf.oslo_policy.enforce_new_defaults
        ):
            return f'({rule.check} or {old.check})'
        return str(rule.check)


def _check(
    name: str, rules: _Rules | None, others: _Rules | None
) -> str | None:
    if rules is not None and name in rules.checks:
        return rules.checks[name]
    return (rules or others).default(name)  # type: ignore[union-attr]


def _engines() -> dict[str, Any]:
    """Return the policy engines that are in use now."""
    found = {}
    for name in ('nova', 'placement'):
        module = sys.modules.get(f'{name}.policy')
        engine = getattr(module, '_ENFORCER', None)
        if engine is not None:
            found[name] = engine
    return found


class NovaPosture:
    """See ``posture.PostureSource``."""

    leaks = posture_leaks.LEAKS

    @staticmethod
    def probes() -> Iterable[posture.Probe]:
        return [PolicyProbe()]

    @staticmethod
    def configs() -> Mapping[str, Any]:
        # Nova's own is that of everybody; Placement gets one for each test.
        engines = _engines()
        if 'placement' not in engines:
            return {}
        return {'placement': engines['placement'].conf}

    @staticmethod
    def is_allowed(rule: str, persona: str) -> bool:
        if persona not in _PERSONAS:
            raise LookupError(f'there are {", ".join(_PERSONAS)}')
        name = 'placement' if rule.startswith('placement:') else 'nova'
        engine = _engines().get(name)
        if engine is None:
            raise LookupError(f'the policy of {name} is not in use now')
        if rule not in engine.registered_rules:
            raise LookupError(f'the policy of {name} has no such rule')
        context = nova_context.RequestContext(
            user_id=_USER,
            project_id=_PROJECT,
            roles=_PERSONAS[persona],
            # Not the context of whoever asks next.
            overwrite=False,
        )
        target = {'project_id': _PROJECT, 'user_id': _USER}
        if name == 'placement':
            policy = sys.modules['placement.policy']
            return bool(
                policy.authorize(context, rule, target, do_raise=False)
            )
        try:
            return bool(
                nova_policy.authorize(context, rule, target, do_raise=False)
            )
        except exception.PolicyNotAuthorized:
            # So it says that the scope is wrong, whatever it was asked.
            return False
