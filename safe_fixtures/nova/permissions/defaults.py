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

"""The policy of the installed Nova, as it is by default."""

from collections.abc import Callable, Iterable, Iterator, Mapping
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
# No file has that name.
_NO_FILE = '\0'


def _enforces_new_defaults() -> bool:
    """Whether deprecated rules are ignored, by default of the release.

    Placement's fixture sets the default of this option to false, in the
    whole process and for good.
    """
    for opt in oslo_policy_opts._options:
        if opt.name == _OPTION:
            where = getattr(opt, '_set_location', None)
            if where is None or where.location is cfg.Locations.opt_default:
                return bool(opt.default)
    # So it is in all releases that have a pin.
    return True


_NEW_DEFAULTS = _enforces_new_defaults()


@functools.cache
def defaults(
    new_defaults: bool = _NEW_DEFAULTS,
) -> oslo_policy.Enforcer:
    """Return an engine with the rules that decide, as they are by default.

    :param new_defaults: whether it ignores deprecated rules.
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
    enforcer.register_defaults(
        [
            registered[name]
            for name in closure(
                [
                    *(
                        rule
                        for each in table.OPERATIONS
                        for rule in each.rules
                    ),
                    *(
                        rule
                        for rule in registered
                        if rule == table.MANAGER_RULE
                    ),
                ],
                checks,
            )
        ]
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
    """Return what should come of an operation, by the defaults."""
    enforcer = defaults()
    owns = 'owner'
    project = 'project' if persona.in_project else 'other'
    creds = {
        'user_id': persona.user or owns,
        'project_id': project,
        'roles': list(persona.roles),
        'is_admin': persona.is_admin,
    }
    own = {'project_id': project, 'user_id': creds['user_id']}
    target = (
        own
        if operation.kind == 'list'
        else {'project_id': 'project', 'user_id': owns}
    )
    is_there = persona.in_project or persona.is_admin
    if operation.finds_first and not is_there:
        return 'hidden'
    if not all(
        enforcer.enforce(rule, target, dict(creds)) for rule in operation.rules
    ):
        return 'hidden' if operation.kind == 'attribute' else 'forbidden'
    if operation.kind == 'list' and not (
        operation.everywhere or persona.in_project
    ):
        return 'hidden'
    return 'allowed'


_Noted = weakref.WeakKeyDictionary[Any, Mapping[str, Any]]
# Those who watch; they may begin and end in any order.
_watching: list[_Noted] = []
_restore_set_rules: Callable[[], None] | None = None


@contextlib.contextmanager
def watching() -> Iterator[Mapping[Any, Mapping[str, Any]]]:
    """Note the rules of each engine before they are set by hand.

    An engine that has the rules it has loaded is not in what this yields.
    """
    global _restore_set_rules
    noted: _Noted = weakref.WeakKeyDictionary()
    _watching.append(noted)
    if _restore_set_rules is None:
        _restore_set_rules = _watch_rules()
    try:
        yield noted
    finally:
        _watching[:] = [other for other in _watching if other is not noted]
        if not _watching:
            _restore_set_rules()
            _restore_set_rules = None


def _watch_rules() -> Callable[[], None]:
    original = oslo_policy.Enforcer.set_rules

    @functools.wraps(original)
    def set_rules(
        self: Any, rules: Any, overwrite: bool = True, use_conf: bool = False
    ) -> None:
        for noted in _watching:
            if use_conf:
                # So it is when they are loaded.
                noted.pop(self, None)
            else:
                noted.setdefault(self, dict(self.rules))
        original(self, rules, overwrite, use_conf)

    return patching.patch_attribute(
        oslo_policy.Enforcer, 'set_rules', set_rules
    )


def set_aside(
    undo: contextlib.ExitStack, watched: Mapping[Any, Mapping[str, Any]]
) -> list[str]:
    """Give rules that only the tests' own policy opens their default.

    Nova's test bases write a policy file that lets everybody do nearly
    everything. A rule that is as they wrote it is no weakness that a test
    has made.

    :param watched: what ``watching`` has noted.
    """
    if nova_policy._ENFORCER is None:
        # As the first request would do.
        nova_policy.init()
    enforcer = nova_policy._ENFORCER
    if not isinstance(enforcer, oslo_policy.Enforcer):
        return []
    # The first request would, and undo what is done here.
    enforcer.load_rules()
    loaded = watched.get(enforcer, enforcer.rules)
    written = _written(enforcer)
    aside = []
    rules = enforcer.rules
    for name in sorted(defaults().registered_rules):
        check, default = rules.get(name), defaults().rules[name]
        text = str(check)
        if (
            check is not None
            and text != str(default)
            and text in (written.get(name), _legacy(enforcer, name))
            and loaded.get(name) is check
        ):
            undo.callback(_put_back, rules, name, check, default)
            rules[name] = default
            aside.append(name)
    return aside


def _put_back(rules: Any, name: str, check: Any, default: Any) -> None:
    # Somebody else may have loaded the rules anew meanwhile.
    if rules.get(name) is default:
        rules[name] = check


def _written(enforcer: oslo_policy.Enforcer) -> dict[str, str]:
    """Return the rules that are as the policy of the tests opens them."""
    opened = _opened()
    written = {
        name: str(rule.check)
        for name, rule in enforcer.file_rules.items()
        if opened.get(name) == rule.check_str
    }
    # A file of somebody else can have some of them, too.
    return written if len(written) * 2 > len(opened) else {}


def _legacy(enforcer: oslo_policy.Enforcer, name: str) -> str | None:
    """Return what a rule is where deprecated ones are not ignored.

    None where that was asked for, and not just Placement's default.
    """
    info = enforcer.conf._get_opt_info(_OPTION, 'oslo_policy')
    if 'override' in info or 'default' in info:
        return None
    return str(defaults(False).rules[name])


@functools.cache
def _opened() -> dict[str, str]:
    """Return the rules that Nova's test bases open."""
    opened: dict[str, str] = json.loads(fake_policy.policy_data)
    return opened
