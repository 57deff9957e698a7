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

"""The posture of Nova and Placement: their policy and their options."""

from collections.abc import Iterable, Iterator, Mapping
import sys
from typing import Any, NamedTuple

from nova import context as nova_context
from nova import exception

from safe_fixtures.guards import posture
from safe_fixtures.guards.posture import policy
from safe_fixtures.nova.posture import leaks as posture_leaks
from safe_fixtures.nova.posture import state_probes

__all__ = ['NovaPosture', 'PolicyProbe']

_PROJECT = '6f0d1e4c1a8b4d5f9f0f2f4c8e7d6a5b'
_USER = '0b1c2d3e4f5a4b6c8d7e9f0a1b2c3d4e'


class PolicyProbe(posture.Probe):
    """The rules that the policy engines in use enforce, not their files.

    An engine that is not in use, or has loaded nothing yet, counts as having
    the defaults.
    """

    name = 'policy'

    def snapshot(self) -> dict[str, '_Rules']:
        return {
            name: _Rules(
                {rule: str(check) for rule, check in list(each.rules.items())},
                each.registered_rules,
                each.conf,
            )
            for name, each in _engines().items()
        }

    def changes(
        self, before: dict[str, '_Rules'], after: dict[str, '_Rules']
    ) -> Iterator[tuple[str, Any, Any]]:
        for engine in sorted(before.keys() | after.keys()):
            old = before.get(engine) or after[engine].defaults()
            new = after.get(engine) or before[engine].defaults()
            for name in sorted(old.checks.keys() | new.checks.keys()):
                was, is_ = old.check(name), new.check(name)
                if was != is_:
                    yield f'{engine} {name}', was, is_

    def describe(self, key: str, value: Any) -> str:
        return '(absent)' if value is None else f'"{value}"'


class _Rules(NamedTuple):
    """The rules of one engine."""

    checks: dict[str, str]
    registered: dict[str, Any]
    conf: Any

    def defaults(self) -> '_Rules':
        """Return the rules of this engine before it has loaded any."""
        return self._replace(checks={})

    def check(self, name: str) -> str | None:
        """Return a rule, or its default; None if it is not registered."""
        if name in self.checks:
            return self.checks[name]
        rule = self.registered.get(name)
        if rule is None:
            return None
        # Before oslo.policy 5 it is an empty list if there is none.
        old = rule.deprecated_rule or None
        if (
            old is not None
            and old.check_str != rule.check_str
            and not self.conf.oslo_policy.enforce_new_defaults
        ):
            return f'({rule.check} or {old.check})'
        return str(rule.check)


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
        return [
            PolicyProbe(),
            state_probes.NovaProbe(),
            state_probes.NovaCellProbe(),
            state_probes.NovaClientProbe(),
            state_probes.NovaModulesProbe(),
        ]

    @staticmethod
    def configs() -> Mapping[str, Any]:
        # Nova's is cfg.CONF. Placement gets one of its own for each test.
        engines = _engines()
        if 'placement' not in engines:
            return {}
        return {'placement': engines['placement'].conf}

    @staticmethod
    def is_allowed(rule: str, persona: str) -> bool:
        if persona not in policy.PERSONAS:
            raise LookupError(f'there are {", ".join(policy.PERSONAS)}')
        name = 'placement' if rule.startswith('placement:') else 'nova'
        engine = _engines().get(name)
        if engine is None:
            raise LookupError(f'the policy of {name} is not in use now')
        if rule not in engine.registered_rules:
            raise LookupError(f'the policy of {name} has no such rule')
        context = nova_context.RequestContext(
            user_id=_USER,
            project_id=_PROJECT,
            roles=policy.PERSONAS[persona],
            # Do not become the current context of this thread.
            overwrite=False,
        )
        target = {'project_id': _PROJECT, 'user_id': _USER}
        authorize = sys.modules[f'{name}.policy'].authorize
        try:
            return bool(authorize(context, rule, target, do_raise=False))
        except exception.PolicyNotAuthorized:
            # Nova raises it for a wrong scope in any case.
            return False
