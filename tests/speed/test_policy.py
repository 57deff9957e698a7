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

"""Rules of policy are parsed once, and are each test's own."""

from safe_fixtures import nova as safe_nova  # isort: skip

import copy
import functools
import json
import logging
from unittest import mock
import warnings

import fixtures
import nova.policies
import nova.policy
from oslo_config import cfg
from oslo_policy import _checks
from oslo_policy import _parser
from oslo_policy import policy as oslo_policy
import placement.policies
import yaml

from safe_fixtures import conf as safe_conf
from safe_fixtures.nova.speed import policy
from tests.functional.nova import inner
from tests.speed import base
from tests.speed import contract

state_of = contract.state_of

# Both have an admin_api.
RULES = list(
    {
        rule.name: rule
        for rule in (
            *nova.policies.list_rules(),
            *placement.policies.list_rules(),
        )
    }.values()
)
TEXTS = [
    *sorted({rule.check_str for rule in RULES}),
    '', '@', '!', 'not role:a', 'a:b', 'tenant:%(id)s', 'is_admin:True',
    '(a:b and role:c) or not rule:d', 'role:a or role:b and role:c and x:y',
    'role:a and role:b and role:c', "'Member':%(role.name)s", 'not (a:b)',
    'http://example.org/%(name)s', '! or role:a', '"quoted"', 'rule:a and',
    'nonsense', 'nonsense or role:a', '((role:a))', ' role:a ', '(',
]  # fmt: skip
LISTS = [[], [[]], ['role:a'], [['role:a', 'rule:b'], 'a:b'], ('nonsense',)]
# Before oslo.policy 5, JSON was parsed as such.
PARSES_JSON = 'jsonutils' in oslo_policy.parse_file_contents.__code__.co_names


def logged(function, *args):
    """Return the state of a result, or the error, and what is logged."""
    with fixtures.FakeLogger(level=logging.DEBUG, format='%(message)s') as log:
        try:
            result = state_of(function(*args))
        except Exception as error:
            result = repr(error)
    return result, log.output.partition('Traceback')[0]


def parts(value, found=None):
    """Return all that could be changed in an object, by id."""
    found = {} if found is None else found
    if id(value) in found or isinstance(value, type):
        return found
    if isinstance(value, list):
        found[id(value)] = value
        for each in value:
            parts(each, found)
    elif isinstance(value, dict):
        found[id(value)] = value
        parts(list(value.values()), found)
    elif hasattr(value, '__dict__'):
        found[id(value)] = value
        for each in vars(value).values():
            parts(each, found)
    return found


class Flag(oslo_policy.Check):
    """A check that a test registers."""

    def __call__(self, target, creds, enforcer):
        return bool(creds.get(self.match))


class Counting(Flag):
    """A check that notes when it is made."""

    made = 0

    def __init__(self, kind, match):
        super().__init__(kind, match)
        type(self).made += 1


class Subclass(oslo_policy.RuleDefault):
    """A rule with something more."""

    def __init__(self, *args, extra=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.extra = extra


class OwnCopy(oslo_policy.RuleDefault):
    """A rule that is copied in its own way."""

    def __deepcopy__(self, memo):
        return OwnCopy(self.name, 'role:copied')


class Shared:
    """Something that is not copied."""

    def __deepcopy__(self, memo):
        return self


class PolicyTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        registered = dict(_checks.registered_checks)
        self.addCleanup(_checks.registered_checks.update, registered)
        self.addCleanup(_checks.registered_checks.clear)

    def parse(self, text):
        return _parser.parse_rule(text)

    def assertSame(self, function, *args):
        """Assert that a function does as on stock, three times."""
        stock = [logged(function, *args) for _ in range(3)]
        with policy.Policy():
            cured = [logged(function, *args) for _ in range(3)]
        self.assertEqual(stock, cured)


class TestPolicy(contract.Contract, PolicyTestCase):
    CURE = policy.Policy
    PATCHED = (
        (_checks, 'inspect'),
        (oslo_policy._BaseRule, '__deepcopy__'),
        (_parser, '_parse_text_rule'),
    )
    NEEDED = _parser, '_parse_check'


class TestParsedRules(PolicyTestCase):
    def test_as_on_stock(self):
        for text in (*TEXTS, *LISTS):
            with self.subTest(str(text)):
                self.assertSame(self.parse, text)

    def test_remembered(self):
        text = 'role:remembered or (rule:a and not is_admin:False)'
        with policy.Policy():
            self.parse(text)
        with policy.Policy():
            hits = policy.Policy.counts.hits
            self.parse(text)
            self.assertEqual(hits + 1, policy.Policy.counts.hits)

    def test_changed_in_place(self):
        text = 'role:a or (is_admin:True and role:c) or not rule:d'
        stock = state_of(self.parse(text))

        def change(check):
            check.rules[0].match = 'poison'
            check.rules[1].rules[0].expected = False
            check.rules[1].add_check(_checks.TrueCheck())
            check.rules[2].rule.kind = 'poison'
            check.rules[2].rule = _checks.TrueCheck()
            check.scope_types = ['system']
            check.pop_check()
            check.add_check(_checks.TrueCheck())

        with policy.Policy():
            for _ in range(3):
                check = self.parse(text)
                self.assertEqual(stock, state_of(check))
                change(check)

    def test_registered_meanwhile(self):
        def kinds():
            found = []
            for register in (
                lambda: None,
                lambda: oslo_policy.register('flag', Flag),
                lambda: oslo_policy.register('role', Flag),
                lambda: oslo_policy.register(None, Flag),
                lambda: _checks.registered_checks.pop('flag'),
                lambda: _checks.registered_checks.pop(None),
            ):
                register()
                found += [
                    self.parse(text)
                    for text in ('flag:x', 'role:x', 'flag:x and role:x')
                ]
            oslo_policy.register('role', _checks.RoleCheck)
            oslo_policy.register(None, _checks.GenericCheck)
            return found

        self.assertSame(kinds)

    def test_extensions_meanwhile(self):
        def kinds():
            found = [self.parse('http:x')]
            with mock.patch.dict(_checks.extension_checks, {'http': Flag}):
                found.append(self.parse('http:x'))
            found.append(self.parse('http:x'))
            return found

        self.assertSame(kinds)

    def test_what_is_made_is_made_each_time(self):
        made = []

        def factory(kind, match):
            made.append(match)
            return _checks.RoleCheck('role', f'{match}{len(made)}')

        def parse():
            made.clear()
            Counting.made = 0
            oslo_policy.register('factory', factory)
            oslo_policy.register('counting', Counting)
            for _ in range(3):
                found = [
                    self.parse('factory:x'),
                    self.parse('not factory:role:a'),
                    self.parse('counting:y'),
                ]
            oslo_policy.register(None, factory)
            found += [self.parse('x:y'), self.parse('x:y')]
            oslo_policy.register(None, _checks.GenericCheck)
            return [found, list(made), Counting.made]

        self.assertSame(parse)

    def test_replaced_parser(self):
        check = _checks.TrueCheck()
        with policy.Policy():
            self.parse('role:a')
            for owner, name in (
                (_parser, '_parse_check'),
                (_parser, '_parse_text_rule'),
            ):
                with mock.patch.object(owner, name, autospec=True) as made:
                    made.return_value = check
                    self.assertIs(check, self.parse('role:a'))
            with mock.patch.object(
                _checks.Check, '__init__', autospec=True
            ) as made:
                made.return_value = None
                self.assertEqual({}, vars(self.parse('role:a')))
            self.assertEqual('role:a', str(self.parse('role:a')))


class TestParsedFiles(PolicyTestCase):
    def parse_file(self, data):
        return oslo_policy.parse_file_contents(data)

    def test_as_on_stock(self):
        for data in (
            '', '{}', 'a: role:a', '{"a": "role:a", "b": "!"}', b'a: role:a',
            'a: [role:a, [rule:b, role:c]]', 'a: ', '- a', 'a: 1', 'a: {',
            '"a": !!python/object:object {}', 'a: role:a\na: role:b',
        ):  # fmt: skip
            with self.subTest(str(data)):
                self.assertSame(self.parse_file, data)

    def test_changed_in_place(self):
        data = '{"a": "role:a", "b": "role:b"}'
        lists = 'a: [[role:a]]'
        with policy.Policy():
            for _ in range(3):
                rules = self.parse_file(data)
                self.assertEqual({'a': 'role:a', 'b': 'role:b'}, rules)
                rules['a'] = 'poison'
                rules.pop('b')
                rules = self.parse_file(lists)
                self.assertEqual({'a': [['role:a']]}, rules)
                rules['a'][0].append('poison')

    def test_remembered(self):
        data = 'remembered: role:a'
        with policy.Policy():
            self.parse_file(data)
        with policy.Policy():
            hits = policy.Policy.counts.hits
            self.parse_file(data)
            expected = hits if PARSES_JSON else hits + 1
            self.assertEqual(expected, policy.Policy.counts.hits)

    def test_what_a_test_teaches_yaml(self):
        data = 'a: role:a'

        def constant(loader, node):
            return 'constant'

        with policy.Policy():
            stock = self.parse_file(data)
            constructors = {
                **yaml.SafeLoader.yaml_constructors,
                'tag:yaml.org,2002:str': constant,
            }
            with mock.patch.object(
                yaml.SafeLoader, 'yaml_constructors', constructors
            ):
                taught = self.parse_file(data)
            self.assertEqual({'constant': 'constant'}, taught)
            self.assertEqual({'a': 'role:a'}, stock)
            self.assertEqual(stock, self.parse_file(data))


class TestCopiedRules(PolicyTestCase):
    def copies(self, rule):
        """Return a copy as on stock, and one with the cure."""
        stock = copy.deepcopy(rule)
        with policy.Policy():
            return stock, copy.deepcopy(rule)

    def test_as_on_stock(self):
        for rule in RULES:
            stock, copied = self.copies(rule)
            self.assertEqual(state_of(stock), state_of(copied))
            self.assertEqual(
                parts(stock).keys() & parts(rule).keys(),
                parts(copied).keys() & parts(rule).keys(),
            )
            self.assertEqual(len(parts(stock)), len(parts(copied)))

    def test_shared_parts(self):
        operations = [{'path': '/', 'method': 'GET'}] * 2
        rules = [
            oslo_policy.DocumentedRuleDefault(name, '', 'x', operations)
            for name in 'abb'
        ]
        rules.append(rules[0])
        _, copied = self.copies(rules)
        self.assertEqual(state_of(rules), state_of(copied))
        self.assertIs(copied[0], copied[3])
        self.assertIsNot(rules[0], copied[0])
        self.assertIs(copied[0].operations, copied[1].operations)
        self.assertIs(copied[0].operations[0], copied[0].operations[1])
        self.assertIsNot(operations[0], copied[0].operations[0])

    def test_changed_before(self):
        rule = copy.deepcopy(RULES[-1])
        shared = Shared()
        rule.more = {'set': {1}, 'tuple': ([],), 'shared': shared}
        rule._check = _checks.OrCheck([Flag('flag', 'x')])
        rule._check.rules[0].more = shared
        rule._check_str = [['role:a']]
        rule.scope_types = ['system', 'project']
        rule.me = rule
        _, copied = self.copies(rule)
        self.assertIs(copied, copied.me)
        self.assertIs(shared, copied.more['shared'])
        self.assertIs(shared, copied.check.rules[0].more)
        self.assertIsNot(rule.more['set'], copied.more['set'])
        self.assertIsNot(rule.more['tuple'][0], copied.more['tuple'][0])
        del rule.me, copied.me, rule.more, copied.more
        self.assertEqual(state_of(rule), state_of(copied))

    def test_subclasses(self):
        for rule in (
            Subclass('a', 'role:a', extra={'b': ['c']}),
            OwnCopy('a', 'role:a'),
        ):
            stock, copied = self.copies(rule)
            self.assertEqual(state_of(stock), state_of(copied))
        self.assertEqual('role:copied', copied.check_str)

    def test_own_way_of_a_class(self):
        rule = oslo_policy.RuleDefault('a', 'role:a or rule:b')
        own = _checks.TrueCheck()
        with policy.Policy():
            self.assertFalse(hasattr(oslo_policy.RuleDefault, '__deepcopy__'))
            with mock.patch.object(
                _checks.RoleCheck, '__deepcopy__', create=True, new=Shared
            ):
                _checks.RoleCheck.__deepcopy__ = lambda self, memo: own
                copied = copy.deepcopy(rule)
            self.assertIs(own, copied.check.rules[0])
            with mock.patch.object(
                oslo_policy.RuleDefault,
                '__deepcopy__',
                create=True,
                new=lambda self, memo: own,
            ):
                self.assertIs(own, copy.deepcopy(rule))
            self.assertEqual(state_of(rule), state_of(copy.deepcopy(rule)))


class TestSignatures(PolicyTestCase):
    def call(self, check):
        enforcer = mock.sentinel.enforcer
        return _checks._check(check, {}, {'x': 1}, enforcer, 'current')

    def test_as_on_stock(self):
        class Base(Flag):
            def __init__(self):
                super().__init__('flag', 'x')

        class Four(Base):
            def __call__(self, target, creds, enforcer, current_rule=None):
                return current_rule

        class Any(Base):
            def __call__(self, *args):
                return len(args)

        class Wrapped(Base):
            @functools.wraps(Four.__call__)
            def __call__(self, *args):
                return len(args)

        class Static(Base):
            @staticmethod
            def __call__(target, creds, enforcer, current_rule=None, more=1):
                return current_rule

        class Signed(Base):
            def __call__(self, *args):
                return len(args)

        Signed.__call__.__signature__ = _signature()

        for check in (Base, Four, Any, Wrapped, Static, Signed):
            with self.subTest(check.__name__):
                self.assertSame(self.call, check())

        def signed():
            found = [self.call(Any())]
            Any.__call__.__signature__ = _signature()
            found.append(self.call(Any()))
            del Any.__call__.__signature__
            return [*found, self.call(Any())]

        self.assertSame(signed)

        def changed():
            found = [self.call(Any()), self.call(Four())]
            with mock.patch.object(Any, '__call__', Four.__call__):
                found.append(self.call(Any()))
            code = Any.__call__.__code__
            Any.__call__.__code__ = Four.__call__.__code__
            Any.__call__.__defaults__ = (None,)
            found.append(self.call(Any()))
            Any.__call__.__code__ = code
            Any.__call__.__defaults__ = None
            return [*found, self.call(Any())]

        self.assertSame(changed)

    def test_remembered(self):
        check = self.parse('role:a')
        with policy.Policy():
            self.assertFalse(self.call(check))
            hits = policy.Policy.counts.hits
            self.assertFalse(self.call(check))
            self.assertEqual(hits + 1, policy.Policy.counts.hits)


def _signature():
    def five(self, target, creds, enforcer, current_rule):
        pass

    return __import__('inspect').signature(five)


class TestEnforcer(PolicyTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        self.useFixture(fixtures.WarningsCapture())
        self.path = self.useFixture(fixtures.TempDir()).join('policy.yaml')

    def enforcer(self, **rules):
        with open(self.path, 'w') as file:
            json.dump(rules, file)
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        enforcer = oslo_policy.Enforcer(conf, policy_file=self.path)
        conf.set_override('enforce_new_defaults', False, 'oslo_policy')
        conf.set_override('policy_dirs', [], 'oslo_policy')
        old = oslo_policy.DeprecatedRule(
            'old', 'role:old', deprecated_reason='y', deprecated_since='1'
        )
        enforcer.register_defaults(
            [
                oslo_policy.RuleDefault('new', 'role:new', 'n', old),
                oslo_policy.RuleDefault('old2', 'rule:cycle'),
                oslo_policy.RuleDefault('cycle', 'rule:old2 or rule:none'),
                oslo_policy.RuleDefault('list', [['role:a', 'role:b']]),
                oslo_policy.RuleDefault('same', 'role:same'),
                oslo_policy.RuleDefault(
                    'gone', 'role:a', deprecated_for_removal=True,
                    deprecated_reason='y', deprecated_since='1',
                ),
                *RULES,
            ]
        )  # fmt: skip
        return enforcer

    def decide(self, **rules):
        """Return rules, decisions and warnings."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            enforcer = self.enforcer(**rules)
            decisions = [
                enforcer.authorize(name, {'id': 1}, {'roles': roles})
                for _ in range(2)
                for roles in (['a', 'b'], ['new'], ['old'], ['over'])
                for name in ('new', 'list', 'same', 'gone')
            ]
        try:
            enforcer.register_default(RULES[0])
        except oslo_policy.DuplicatePolicyError as error:
            decisions.append(str(error))
        texts = [str(each.message) for each in caught]
        return [
            decisions,
            texts,
            dict(enforcer.rules),
            enforcer.registered_rules,
            enforcer.file_rules,
        ]

    def test_as_on_stock(self):
        for rules in (
            {},
            {'old': 'role:over'},
            {'new': 'role:over', 'gone': '@', 'same': 'role:same'},
            {'old': 'rule:new', 'list': ['role:a', ['role:b']]},
        ):
            with self.subTest(str(rules)):
                decide = functools.partial(self.decide, **rules)
                self.assertEqual(5, len(decide()))
                self.assertSame(decide)

    def test_other_content_of_a_file(self):
        with policy.Policy():
            for role in ('a', 'b', 'a'):
                enforcer = self.enforcer(new=f'role:{role}')
                for each in 'ab':
                    self.assertEqual(
                        each == role,
                        enforcer.authorize('new', {}, {'roles': [each]}),
                    )

    def test_changed_in_place(self):
        stock = logged(self.decide)
        with policy.Policy():
            for _ in range(2):
                self.assertEqual(stock, logged(self.decide))
                enforcer = self.enforcer(same='role:x or role:y')
                enforcer.load_rules()
                for rules in (enforcer.registered_rules, enforcer.file_rules):
                    for rule in rules.values():
                        for part in parts(rule).values():
                            self.poison(part)
                for check in enforcer.rules.values():
                    for part in parts(check).values():
                        self.poison(part)

    @staticmethod
    def poison(part):
        if isinstance(part, list):
            part.clear()
        elif isinstance(part, dict):
            part['path'] = 'poison'
        elif isinstance(part, _checks.Check):
            part.kind = part.match = 'poison'
        elif not isinstance(part, _checks.BaseCheck):
            part._name = part._check_str = 'poison'


class TestNova(base.TestCase):
    def test_poisoned_rules(self):
        seen = {}

        class Inner(inner.ApiMixin, safe_nova.SafeTestCase):
            def test_1(self):
                self.look('first')
                enforcer = nova.policy._ENFORCER
                for check in enforcer.rules.values():
                    for part in parts(check).values():
                        TestEnforcer.poison(part)
                for rule in enforcer.registered_rules.values():
                    for part in parts(rule).values():
                        TestEnforcer.poison(part)

            def test_2(self):
                self.look('second')
                self.policy.set_rules({'context_is_admin': '!'})
                oslo_policy.register('role', Flag)

            def test_3(self):
                self.look('third')

            def look(self, name):
                self.admin_api.get_servers()
                enforcer = nova.policy._ENFORCER
                seen[name] = [
                    state_of(dict(enforcer.rules)),
                    state_of(enforcer.registered_rules),
                    state_of(enforcer.file_rules),
                ]

        def run():
            for name in ('test_1', 'test_2', 'test_3'):
                result = inner.run_inner(Inner, name)
                self.assertEqual('', inner.problems(result))
                oslo_policy.register('role', _checks.RoleCheck)
            return dict(seen)

        with safe_conf.override(speed_up='false'):
            stock = run()
        hits = policy.Policy.counts.hits
        self.assertEqual(stock, run())
        self.assertEqual(stock['first'], stock['third'])
        self.assertGreater(policy.Policy.counts.hits, hits)
