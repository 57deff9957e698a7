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

"""PostureGuard on real Nova."""

import logging
import os

import ddt
from nova import conf as nova_conf
from nova import context as nova_context
from nova import policy as nova_policy
from nova import rpc as nova_rpc
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import fixtures as func_fixtures
from oslo_config import cfg
from oslo_context import context
from oslo_policy import opts as policy_opts
from oslo_policy import policy as oslo_policy
from placement import policy as placement_policy
import testtools

from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures.guards import posture
from safe_fixtures import nova as safe_nova
from safe_fixtures.nova.posture import leaks
from tests.functional.nova import inner
from tests.support import posture as changes
from tests.support import settings
from tests.support import subtests

CONF = nova_conf.CONF
# Else the first test of a process would: the page on posture says what of an
# option is not seen then.
policy_opts._register(CONF)


SERVICES = 'os_compute_api:os-services:update'
PROVIDERS = 'placement:resource_providers:list'


class DatabaseTestCase(safe_nova.SafeNoDBTestCase):
    """A test that may set up a database."""

    USES_DB_SELF = True


class TestCase(subtests.SubTests, testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(settings.options(rule_modes='SF501:enforce'))

    def run_test(self, act, base=safe_nova.SafeNoDBTestCase):
        """Run a test of Nova; return what went wrong."""
        outer = self

        class Inner(base):
            def test(self):
                outer.events = self.audit_trail.events
                act(self)

        self.result = inner.run_inner(Inner)
        self.assertEqual(1, self.result.testsRun)
        return inner.problems(self.result)


def lift(rules):
    """Let everybody do what these rules are about."""
    checks = oslo_policy.Rules.from_dict(dict.fromkeys(rules, '@'))
    nova_policy._ENFORCER.set_rules(checks, overwrite=False, use_conf=False)


# What a test of Nova's bases can leave behind, as Nova undoes none of these:
# each returns what undoes it.


def leave_variable(test):
    os.environ['POSTURE_TEST'] = 'left'
    return lambda: os.environ.pop('POSTURE_TEST')


def leave_library_default(test):
    policy_opts.set_defaults(CONF, policy_default_rule='open')
    return lambda: policy_opts.set_defaults(CONF, policy_default_rule=default)


def leave_root_level(test):
    logging.root.setLevel(logging.CRITICAL)
    return lambda: logging.root.setLevel(logging.DEBUG)


def leave_nova_logger(test):
    logger = logging.getLogger('nova.policy')
    logger.propagate = False
    return lambda: setattr(logger, 'propagate', True)


def leave_allowed_exceptions(test):
    nova_rpc.ALLOWED_EXMODS.append('evil')
    return lambda: nova_rpc.ALLOWED_EXMODS.remove('evil')


def leave_cell(test):
    nova_context.CELL_CACHE['a cell'] = ('a database', 'a bus')
    return lambda: nova_context.CELL_CACHE.pop('a cell')


def leave_open_policy(test):
    before = nova_policy.authorize
    nova_policy.authorize = lambda *args, **kwargs: True
    return lambda: setattr(nova_policy, 'authorize', before)


(default,) = (
    opt.default
    for opt in policy_opts._options
    if opt.dest == 'policy_default_rule'
)


@ddt.ddt
class TestLeft(TestCase):
    """What stock Nova leaves is no change; what a test leaves is."""

    @ddt.data(
        (leave_variable, "environ: POSTURE_TEST: (absent) -> 'left'"),
        (
            leave_library_default,
            "config: [oslo_policy] policy_default_rule: 'default' -> 'open'",
        ),
        (leave_root_level, 'logging: root level: '),
        (leave_nova_logger, 'nova.policy propagate: True -> False'),
        (leave_allowed_exceptions, 'nova: nova.rpc.ALLOWED_EXMODS: '),
        (leave_cell, 'nova cells: nova.context.CELL_CACHE a cell: '),
        (leave_open_policy, 'nova modules: nova.policy.authorize: '),
        (changes.intercept, 'wsgi_intercept: left.test:80: (absent) -> '),
        (changes.start_thread, 'threads: left behind: (absent) -> '),
    )
    @ddt.unpack
    def test_left(self, act, change):
        undo = []
        problems = self.run_test(lambda test: undo.append(act(test)))
        undo.pop()()
        self.assertEqual(1, problems.count('SF501 (CWE-459)'), problems)
        self.assertIn(change, problems)
        (event,) = seen(self.events)
        changes = audit.details(event)['changes']
        self.assertEqual(1, len(changes), changes)
        self.assertEqual(
            '', self.run_test(lambda test: test.addCleanup(act(test)))
        )
        self.assertEqual([], seen(self.events))

    def test_what_nova_gives_back(self):
        def act(test):
            test.flags(host='another')
            lift([SERVICES])

        self.assertEqual('', self.run_test(act))
        self.assertEqual([], seen(self.events))

    def test_failing_set_up(self):
        class Base(safe_nova.SafeNoDBTestCase):
            def setUp(base):
                super().setUp()
                self.addCleanup(leave_variable(base))
                raise ZeroDivisionError

        problems = self.run_test(self.fail, Base)
        self.assertIn('ZeroDivisionError', problems)
        self.assertIn('SF501', problems)

    def test_flags_before_set_up(self):
        """The reset of ConfFixture is Nova's doing."""

        class Base(safe_nova.SafeNoDBTestCase):
            def setUp(base):
                base.flags(compute_driver='fake.MediumFakeDriver')
                super().setUp()

        self.assertEqual('', self.run_test(lambda test: None, Base))

    def test_first_test_with_placement(self):
        """Its fixture sets defaults of the options of all tests after it."""
        options = []
        # Without enforce_scope from oslo.policy 6 on.
        for opt in policy_opts._options:
            if opt.dest in ('enforce_scope', 'enforce_new_defaults'):
                self.addCleanup(setattr, opt, 'default', opt.default)
                # As before any test with Placement.
                opt.default = True
                options.append(opt)
        self.assertEqual(
            '',
            self.run_test(
                lambda test: test.useFixture(func_fixtures.PlacementFixture()),
                DatabaseTestCase,
            ),
        )
        self.assertIn(False, [opt.default for opt in options])

    def test_waived_by_nobody(self):
        """Each leak is of a probe there is, and says why it is none."""
        names = {probe.name for probe in posture.PostureGuard.default_probes()}
        for leak in leaks.LEAKS:
            with self.subTest(leak=leak):
                self.assertIn(leak.probe, names)
                self.assertNotIn(leak.key, ('', '*'))
                self.assertNotIn(leak.after, ('', '*'))
                self.assertNotEqual('', leak.reason)


def real_policy(test):
    return test.useFixture(nova_fixtures.RealPolicyFixture())


def set_rules(test):
    rules = nova_policy._ENFORCER.rules
    before = dict(rules)
    lift([SERVICES])
    return lambda: rules.update(before)


def one_role_for_all(test):
    fixture = nova_fixtures.RoleBasedPolicyFixture(role='member')
    fixture.setUp()

    def undo():
        fixture.cleanUp()
        nova_policy.init(suppress_deprecation_warnings=True)

    return undo


def change_check(test):
    """The rule stays the same object."""
    check = nova_policy._ENFORCER.rules['context_is_admin']
    # With what is deprecated it is one of several.
    while not hasattr(check, 'match'):
        check = check.rules[0]
    before = check.match
    check.match = 'everybody'
    return lambda: setattr(check, 'match', before)


def delete_rules(test):
    rules = nova_policy._ENFORCER.rules
    check = rules['context_is_admin']
    rules['context_is_admin'] = oslo_policy.Rules.from_dict({'x': '@'})['x']
    return lambda: rules.__setitem__('context_is_admin', check)


@ddt.ddt
class TestPolicy(TestCase):
    """The rules that are enforced, whatever the files say."""

    @ddt.data(set_rules, one_role_for_all, change_check, delete_rules)
    def test_frozen(self, act):
        def left(test):
            real_policy(test)
            with test.posture_guard.frozen('policy'):
                undo = act(test)
            undo()

        def given_back(test):
            real_policy(test)
            with test.posture_guard.frozen('policy'):
                act(test)()

        problems = self.run_test(left)
        self.assertIn('SF501 (CWE-459): changed in a frozen block', problems)
        self.assertIn('policy: nova ', problems)
        self.assertEqual('', self.run_test(given_back))

    def test_left(self):
        """An engine that outlives its test, as nobody resets it."""

        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(nova_fixtures.ConfFixture(CONF))
                self.useFixture(posture.PostureGuard(test=self))

            def test(self):
                nova_policy.init(suppress_deprecation_warnings=True)

            def test_changed(self):
                self.test()
                lift([SERVICES])

            def test_reset(self):
                self.test_changed()
                self.addCleanup(nova_policy.reset)

        self.addCleanup(nova_policy.reset)
        # All as it is by default: it could as well not be there.
        for method, left in (
            ('test', False),
            ('test_changed', True),
            ('test_reset', False),
        ):
            nova_policy.reset()
            problems = inner.problems(inner.run_inner(Inner, method))
            self.assertEqual(left, bool(problems), problems)
        nova_policy.reset()
        problems = inner.problems(inner.run_inner(Inner, 'test_changed'))
        self.assertIn(f'policy: nova {SERVICES}: "', problems)
        self.assertIn('-> "@"', problems)

    def test_assertion(self):
        def act(test):
            real_policy(test)
            denied = [(SERVICES, 'member'), (SERVICES, 'reader')]
            test.assertPosture(
                denies=denied,
                allows=[
                    (SERVICES, 'admin'),
                    ('os_compute_api:servers:delete', 'member'),
                ],
                options={'DEFAULT.host': CONF.host},
                tls=True,
            )
            lift([SERVICES])
            error = test.assertRaises(
                AssertionError, test.assertPosture, denies=denied
            )
            test.assertIn(f'policy allows {SERVICES} to member', str(error))
            test.assertIn(f'policy allows {SERVICES} to reader', str(error))
            for fact in (('os_compute_api:no', 'member'), (SERVICES, 'root')):
                with self.subTest(fact=fact):
                    test.assertRaises(
                        exceptions.ConfigurationError,
                        test.assertPosture,
                        denies=[fact],
                    )

        self.assertEqual('', self.run_test(act))

    def test_assertion_leaves_no_trace(self):
        def act(test):
            before = context.get_current()
            test.posture_guard.assert_posture(allows=[(SERVICES, 'admin')])
            test.assertIs(before, context.get_current())
            nova_policy.reset()
            test.assertRaises(
                exceptions.ConfigurationError,
                test.assertPosture,
                allows=[(SERVICES, 'admin')],
            )
            # Nobody was asked, so nobody had to load it.
            test.assertIsNone(nova_policy._ENFORCER)

        self.assertEqual('', self.run_test(act))

    def test_placement(self):
        def act(test):
            test.useFixture(func_fixtures.PlacementFixture())
            test.assertPosture(
                allows=[(PROVIDERS, 'admin')], denies=[(PROVIDERS, 'member')]
            )
            guard = test.posture_guard
            engine = placement_policy._ENFORCER
            rules = oslo_policy.Rules.from_dict({PROVIDERS: '@'})
            with guard.frozen('policy'):
                engine.set_rules(rules, overwrite=False, use_conf=False)

        problems = self.run_test(act, DatabaseTestCase)
        self.assertIn(f'policy: placement {PROVIDERS}: "', problems)

    def test_placement_options(self):
        def act(test):
            test.useFixture(func_fixtures.PlacementFixture())
            with test.posture_guard.frozen('config'):
                conf = placement_policy._ENFORCER.conf
                conf.set_override('auth_strategy', 'keystone', group='api')

        problems = self.run_test(act, DatabaseTestCase)
        self.assertIn(
            "config: placement [api] auth_strategy: 'noauth2' -> 'keystone'",
            problems,
        )


class TestOptions(TestCase):
    def test_frozen(self):
        def left(test):
            with test.posture_guard.frozen('config'):
                test.flags(host='another')

        def same(test):
            with test.posture_guard.frozen('config'):
                test.flags(host=CONF.host)

        self.assertIn(
            "config: [DEFAULT] host: 'fake-mini' -> 'another'",
            self.run_test(left),
        )
        self.assertEqual('', self.run_test(same))

    def test_all_options_are_read_as_oslo_config_does(self):
        """Whatever their type, and wherever their value is from."""

        def act(test):
            probe = posture.PostureGuard.default_probes()[0]
            (state,) = probe.snapshot().values()
            test.assertIs(cfg.CONF, state.conf)
            keys = [
                (group, dest)
                for group, each in state._groups.items()
                for dest in each.opts
            ]
            test.assertGreater(len(keys), 500)
            for key in keys:
                entry = state.entry(key)
                if isinstance(entry[0], cfg.SubCommandOpt):
                    continue
                group, name = key
                values = CONF if group is None else CONF[group]
                test.assertEqual(values[name], state.value(key, entry), key)

        self.assertEqual('', self.run_test(act))


def seen(events):
    """Return the records of changes of the posture."""
    return [
        event
        for event in events
        if event.get('reason', {}).get('reasonCode') == 'SF501'
    ]
