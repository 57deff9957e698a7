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

"""The policy defaults of the installed Nova."""

from collections.abc import Iterable, Iterator, Mapping
import contextlib
import functools
import json
from typing import Any
import weakref

from nova import policies
from nova import policy as nova_policy
from nova.tests.unit import fake_policy
from oslo_config import cfg
from oslo_policy import opts as oslo_policy_opts
from oslo_policy import policy as oslo_policy

from safe_fixtures.guards import permissions
from safe_fixtures.nova.permissions import table
from safe_fixtures.runtime import patching

__all__ = ['closure', 'defaults', 'expected', 'set_aside', 'watching']

_OPTION = 'enforce_new_defaults'
# No file can have this name.
_NO_FILE = '\0'


def _enforces_new_defaults() -> bool:
    """Whether the release ignores deprecated rules by default.

    Placement's fixture sets the default of this option to false in the whole
    process, and never restores it.
    """
    for opt in oslo_policy_opts._options:
        if opt.name == _OPTION:
            where = getattr(opt, '_set_location', None)
            if where is None or where.location is cfg.Locations.opt_default:
                return bool(opt.default)
    # All releases that have a pin do.
    return True


_NEW_DEFAULTS = _enforces_new_defaults()


@functools.cache
def defaults(new_defaults: bool = _NEW_DEFAULTS) -> oslo_policy.Enforcer:
    """Return an engine with the default of each rule that is needed.

    :param new_defaults: whether it ignores deprecated rules (bool).
    """
    conf = cfg.ConfigOpts()
    conf([], project='nova', default_config_files=[], default_config_dirs=[])
    enforcer = oslo_policy.Enforcer(conf, policy_file=_NO_FILE)
    conf.set_override('policy_dirs', [], group='oslo_policy')
    conf.set_override(_OPTION, new_defaults, group='oslo_policy')
    enforcer.suppress_deprecation_warnings = True
    enforcer.suppress_default_change_warnings = True
    registered = {rule.name: rule for rule in policies.list_rules()}
    checks = {name: rule.check for name, rule in registered.items()}
    needed = {rule for each in table.OPERATIONS for rule in each.rules}
    needed |= {table.MANAGER_RULE} & registered.keys()
    enforcer.register_defaults(
        [registered[name] for name in closure(needed, checks)]
    )
    enforcer.load_rules()
    return enforcer


def closure(names: Iterable[str], rules: Mapping[str, Any]) -> Iterator[str]:
    """Yield rules, and those that they refer to."""
    waiting: list[str] = list(names)
    seen = set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        yield name
        waiting += _references(rules.get(name))


def _references(check: Any) -> Iterator[str]:
    if isinstance(check, oslo_policy.RuleCheck):
        yield check.match
    for part in getattr(check, 'rules', None) or ():
        yield from _references(part)
    if hasattr(check, 'rule'):
        yield from _references(check.rule)


@functools.cache
def expected(
    persona: permissions.Persona, operation: permissions.Operation
) -> str:
    """Return what an operation should come to, by the defaults."""
    user = persona.user or 'owner'
    project = 'project' if persona.in_project else 'other'
    creds = {
        'user_id': user,
        'project_id': project,
        'roles': list(persona.roles),
        'is_admin': persona.is_admin,
    }
    target = {'project_id': 'project', 'user_id': 'owner'}
    is_visible = persona.in_project or persona.is_admin
    if operation.kind == 'list':
        # A list is of the project of the caller.
        target = {'project_id': project, 'user_id': user}
    elif operation.finds_first and not is_visible:
        return 'hidden'
    enforce = defaults().enforce
    if not all(enforce(rule, target, dict(creds)) for rule in operation.rules):
        return 'hidden' if operation.kind == 'attribute' else 'forbidden'
    if operation.kind == 'list' and not (
        operation.everywhere or persona.in_project
    ):
        return 'hidden'
    return 'allowed'


_Noted = weakref.WeakKeyDictionary[Any, Mapping[str, Any]]


def _note(
    enforcer: Any, rules: Any, overwrite: bool = True, use_conf: bool = False
) -> None:
    for noted in _watching.users:
        if use_conf:
            # They were loaded from files.
            noted.pop(enforcer, None)
        else:
            noted.setdefault(enforcer, dict(enforcer.rules))


_watching: patching.SharedPatch[_Noted] = patching.SharedPatch(
    lambda: patching.call_before(oslo_policy.Enforcer, 'set_rules', _note)
)


@contextlib.contextmanager
def watching() -> Iterator[_Noted]:
    """Note the rules of each engine before a test sets others by hand.

    An engine is noted only until it loads its rules from files again.
    """
    noted: _Noted = weakref.WeakKeyDictionary()
    stop = _watching.add(noted)
    try:
        yield noted
    finally:
        stop()


def set_aside(
    undo: contextlib.ExitStack, watched: Mapping[Any, Mapping[str, Any]]
) -> list[str]:
    """Reset rules that only the test policy relaxes.

    Nova's test bases write a policy file that allows everybody nearly
    everything. A rule that is as they wrote it was not weakened by the test.

    :param undo: restores the rules when it is closed.
    :param watched: what ``watching`` has noted.
    :returns: the names of the rules.
    """
    # As the first request would; loading later would undo the reset.
    if nova_policy._ENFORCER is None:
        nova_policy.init()
    enforcer = nova_policy._ENFORCER
    if not isinstance(enforcer, oslo_policy.Enforcer):
        return []
    enforcer.load_rules()
    rules = enforcer.rules
    loaded = watched.get(enforcer, rules)
    relaxed = _relaxed(enforcer)
    aside = []
    for name in sorted(defaults().registered_rules):
        check, default = rules.get(name), defaults().rules[name]
        text = str(check)
        if (
            check is not None
            and text != str(default)
            and text in (relaxed.get(name), _legacy(enforcer, name))
            and loaded.get(name) is check
        ):
            undo.callback(_restore_rule, rules, name, check, default)
            rules[name] = default
            aside.append(name)
    return aside


def _restore_rule(rules: Any, name: str, check: Any, default: Any) -> None:
    # The rules may have been loaded again.
    if rules.get(name) is default:
        rules[name] = check


def _relaxed(enforcer: oslo_policy.Enforcer) -> dict[str, str]:
    """Return the rules of the policy file that are as Nova's tests relax
    them.
    """
    policy: dict[str, str] = json.loads(fake_policy.policy_data)
    relaxed = {
        name: str(rule.check)
        for name, rule in enforcer.file_rules.items()
        if policy.get(name) == rule.check_str
    }
    # Another file may have some of these rules by chance.
    return relaxed if len(relaxed) * 2 > len(policy) else {}


def _legacy(enforcer: oslo_policy.Enforcer, name: str) -> str | None:
    """Return a rule as Placement's default makes it, with deprecated ones.

    None if somebody else has set the option.
    """
    info = enforcer.conf._get_opt_info(_OPTION, 'oslo_policy')
    if 'override' in info or 'default' in info:
        return None
    return str(defaults(False).rules[name])
