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

"""Parse each policy rule once."""

import abc
from collections.abc import Callable
import functools
import inspect
import types
from typing import Any, TypeVar

from nova import policy as nova_policy
from oslo_policy import _checks
from oslo_policy import _parser
from oslo_policy import policy

from safe_fixtures.nova.speed import copying
from safe_fixtures.nova.speed import cure
from safe_fixtures.runtime import patching

__all__ = ['Policy']

# How many signatures of checks, rules and policy files are remembered.
_MOST_CHECKS = 256
_MOST_RULES = 4096
_MOST_FILES = 32
_SET_ATTRIBUTE: Any = object.__setattr__


class Policy(cure.Cure):
    """Remember parsed policy rules and files; copy rules in less time.

    Whoever asks for a rule or a file gets a copy of what is remembered, as
    new as from oslo.policy: what a test changes in it is the test's own.

    A rule is parsed anew if a handler of it is not a plain class, or if
    parsing it logs an error. After a check was registered, or replaced, all
    rules are. All of it is left to oslo.policy while its parser is replaced.
    """

    name = 'policy'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        patches = [
            *_signatures(),
            *_parsing(),
            *_files(),
            *_rules(),
        ]
        return patching.patch_together(
            *(functools.partial(cure.replace, *each) for each in patches)
        )


_Patch = tuple[Any, str, Any]
_Memory = TypeVar('_Memory')
# What remembers, by its class.
_memories: dict[type, Any] = {}


def _remembered(made: _Memory) -> _Memory:
    """Return the last memory of this class if it relies on the same."""
    last: _Memory | None = _memories.get(type(made))
    if last is None or last != made:
        last = _memories[type(made)] = made
    return last


# Signatures of checks


class _Inspect:
    """The module ``inspect``, with the signatures of checks remembered."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[Any, inspect.FullArgSpec]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)

    def getfullargspec(self, func: Any) -> inspect.FullArgSpec:
        function = getattr(func, '__func__', None)
        if (
            type(func) is not types.MethodType
            or type(function) is not types.FunctionType
            # Such as a signature of its own.
            or function.__dict__
        ):
            return inspect.getfullargspec(func)
        kept = self._kept.get(function)
        if kept is not None and kept[0] is function.__code__:
            Policy.counts.hits += 1
            return kept[1]
        Policy.counts.misses += 1
        cure.make_room(self._kept, _MOST_CHECKS)
        spec = inspect.getfullargspec(func)
        self._kept[function] = function.__code__, spec
        return spec


# It stays in the process, as all that is remembered.
_inspect = _Inspect()


def _signatures() -> list[_Patch]:
    check = cure.known(
        _checks, '_check', 'rule', 'target', 'creds', 'enforcer',
        'current_rule',
    )  # fmt: skip
    if cure.known(_checks, 'inspect') is not inspect:
        raise cure.Unknown('oslo_policy._checks.inspect is not the module')
    names = check.__code__.co_names
    if 'inspect' not in names or 'getfullargspec' not in names:
        raise cure.Unknown('oslo.policy does not ask for signatures')
    return [(_checks, 'inspect', _inspect)]


# Parsed rules


class _Parsed:
    """Parsed rules, as long as the same checks are registered.

    :param pure: the constructors that only note what they are passed.
    :ivar kept: what is remembered, by text.
    """

    def __init__(self, pure: frozenset[Any]) -> None:
        self.kept: dict[str, _checks.BaseCheck] = {}
        self._registered = dict(_checks.registered_checks)
        self._extensions = dict(_checks.get_extensions())
        makers = [*self._registered.items(), *self._extensions.items()]
        # What text cannot be remembered: all if it is that of None.
        self._others = [
            '' if name is None else f'{name}:'
            for name, maker in makers
            if not _is_pure(maker, pure)
        ]

    def is_current(self) -> bool:
        """Whether the checks are those that it began with."""
        return (
            _checks.registered_checks == self._registered
            and _checks.extension_checks == self._extensions
        )

    def is_known(self, rule: str) -> bool:
        """Whether making the checks of a rule does nothing else."""
        return not any(each in rule for each in self._others)


def _is_pure(maker: Any, pure: frozenset[Any]) -> bool:
    made_by: Any = getattr(maker, '__init__', None)
    return (
        type(maker) is abc.ABCMeta
        and made_by in pure
        and maker.__setattr__ is _SET_ATTRIBUTE
        and copying.is_plain(maker)
    )


def _is_understood(check: Any) -> bool:
    """Whether no part of a tree may stand for an error that was logged."""
    kind = type(check)
    if kind in (_checks.AndCheck, _checks.OrCheck):
        return all(_is_understood(each) for each in check.rules)
    if kind is _checks.NotCheck:
        return _is_understood(check.rule)
    return kind is _checks.TrueCheck or isinstance(check, _checks.Check)


class _Parser:
    """Parses rules by remembering.

    :param parse: the function of oslo.policy.
    :param pure: the constructors that only note what they are passed.
    :param needed: all that parsing depends on: owner, name, and what must
        be there.
    """

    def __init__(
        self,
        parse: Callable[[Any], Any],
        pure: frozenset[Any],
        needed: list[_Patch],
    ) -> None:
        self._parse = parse
        self._pure = pure
        self._needed = [
            (vars(owner), name, value) for owner, name, value in needed
        ]
        self._parsed: _Parsed | None = None
        self._relies_on = parse, pure, needed

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Parser) and self._relies_on == other._relies_on
        )

    def parse(self, rule: Any) -> Any:
        """Parse a rule, or return a copy of it."""
        if type(rule) is not str or not self._is_stock():
            return self._parse(rule)
        parsed = self._parsed
        if parsed is None or not parsed.is_current():
            parsed = self._parsed = _Parsed(self._pure)
        kept = parsed.kept.get(rule)
        if kept is not None:
            Policy.counts.hits += 1
            return _clone(kept)
        Policy.counts.misses += 1
        check = self._parse(rule)
        if (
            parsed.is_current()
            and parsed.is_known(rule)
            and _is_understood(check)
        ):
            cure.make_room(parsed.kept, _MOST_RULES)
            # What is handed out may be changed.
            parsed.kept[rule] = _clone(check)
        return check

    def _is_stock(self) -> bool:
        for namespace, name, value in self._needed:
            if namespace.get(name) is not value:
                return False
        return True


def _clone(check: Any) -> Any:
    """Return a copy of a tree that is remembered."""
    made = object.__new__(type(check))
    state = vars(made)
    state.update(vars(check))
    if 'rules' in state:
        state['rules'] = [_clone(each) for each in state['rules']]
    elif 'rule' in state:
        state['rule'] = _clone(state['rule'])
    return made


def _parsing() -> list[_Patch]:
    parse = cure.known(_parser, '_parse_text_rule', 'rule')
    cure.known(_parser, 'parse_rule', 'rule')
    cure.known(_checks, 'registered_checks')
    cure.known(_checks, 'extension_checks')
    needed = [
        (owner, name, cure.known(owner, name, *parameters))
        for owner, name, *parameters in (
            (_checks, 'get_extensions'),
            (_checks, 'AndCheck'),
            (_checks, 'FalseCheck'),
            (_checks, 'NotCheck'),
            (_checks, 'OrCheck'),
            (_checks, 'TrueCheck'),
            (_checks.AndCheck, '__init__', 'self', 'rules'),
            (_checks.AndCheck, 'add_check', 'self', 'rule'),
            (_checks.Check, '__init__', 'self', 'kind', 'match'),
            (_checks.NotCheck, '__init__', 'self', 'rule'),
            (_checks.OrCheck, '__init__', 'self', 'rules'),
            (_checks.OrCheck, 'add_check', 'self', 'rule'),
            (_checks.OrCheck, 'pop_check', 'self'),
            (_parser, 'ParseState'),
            (_parser.ParseState, '__init__', 'self'),
            (_parser.ParseState, 'reduce', 'self'),
            (_parser.ParseState, 'result'),
            (_parser.ParseState, 'shift'),
            (_parser, '_checks'),
            (_parser, '_parse_check', 'rule'),
            (_parser, '_parse_tokenize', 'rule'),
            (_parser, '_tokenize_re'),
            (nova_policy.IsAdminCheck, '__init__', 'self', 'kind', 'match'),
        )
    ]
    pure = frozenset(
        (_checks.Check.__init__, nova_policy.IsAdminCheck.__init__)
    )
    parser = _remembered(_Parser(parse, pure, needed))

    @functools.wraps(parse)
    def parse_text_rule(rule: Any) -> Any:
        return parser.parse(rule)

    return [(_parser, '_parse_text_rule', parse_text_rule)]


# Parsed files


def _loader() -> Any:
    """Return all that a test may teach PyYAML."""
    yaml = policy.yaml
    loader = yaml.SafeLoader
    return (
        yaml,
        loader,
        yaml.safe_load,
        dict(loader.yaml_constructors),
        {
            first: list(resolvers)
            for first, resolvers in loader.yaml_implicit_resolvers.items()
        },
    )


class _Files:
    """Parses policy files by remembering.

    :param parse: the function of oslo.policy.
    """

    def __init__(self, parse: Callable[[Any], Any]) -> None:
        self._parse = parse
        self._loader = _loader()
        self._kept: dict[str, dict[str, str]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Files) and (self._parse, self._loader) == (
            other._parse,
            other._loader,
        )

    def parse(self, data: Any) -> Any:
        """Parse the text of a file, or return a copy of its rules."""
        if type(data) is not str or _loader() != self._loader:
            return self._parse(data)
        kept = self._kept.get(data)
        if kept is not None:
            Policy.counts.hits += 1
            return dict(kept)
        Policy.counts.misses += 1
        rules = self._parse(data)
        # Lists of checks could be changed.
        if type(rules) is dict and all(
            type(each) is str for item in rules.items() for each in item
        ):
            cure.make_room(self._kept, _MOST_FILES)
            self._kept[data] = dict(rules)
        return rules


def _files() -> list[_Patch]:
    parse = cure.known(policy, 'parse_file_contents', 'data')
    if 'jsonutils' in parse.__code__.co_names:
        # Before oslo.policy 5. JSON is parsed in C there, and warned of.
        return []
    cure.known(policy, 'yaml')
    files = _remembered(_Files(parse))

    @functools.wraps(parse)
    def parse_file_contents(data: Any) -> Any:
        return files.parse(data)

    return [(policy, 'parse_file_contents', parse_file_contents)]


# Copies of rules


def _rules() -> list[_Patch]:
    base = cure.known(policy, '_BaseRule')
    rules = [
        cure.known(policy, name)
        for name in ('RuleDefault', 'DocumentedRuleDefault', 'DeprecatedRule')
    ]
    for rule in rules:
        if not issubclass(rule, base) or not copying.is_plain(rule):
            raise cure.Unknown(f'{rule.__name__} is copied in its own way')
    return [(base, '__deepcopy__', copying.DeepCopy())]
