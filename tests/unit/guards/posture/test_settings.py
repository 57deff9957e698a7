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

"""A test does not change the settings of its own guards."""

import os
import threading
from unittest import mock

import fixtures
from oslo_config import cfg
from oslo_config import fixture as config_fixture
import testtools

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.guards import posture
from tests.support import base
from tests.support import inner

GROUP = 'safe_fixtures'
SAID = 'SF501 (CWE-459): the test loosened the settings of its guards: '
# Looser than what the inner tests are set up with.
LOOSER = {
    'mode': 'audit',
    'rule_modes': {},
    'pinned_microversion': '2.54',
    'latest_policy': 'pin',
    'restore_timeout': 60.0,
    'restore_deadline': 600.0,
    'journal_dir': 'off',
    'lock_timeout': 600.0,
    'allowed_endpoints': ['lab.example.com'],
    'allowed_hosts': ['lab.example.com'],
    'allowed_programs': ['grep', 'true'],
    'allowed_paths': ['/srv/scratch'],
    'max_image_bytes': 2**30,
    'dummy_image_name': '.*',
    'dummy_flavor_name': '.*',
    'audit_file': None,
    'waivers_file': '/nowhere.toml',
    'baseline_file': '/nowhere.toml',
}


def override(test):
    conf.CONF.set_override('mode', 'off', GROUP)


def use_fixture(test):
    options = test.useFixture(config_fixture.Config(conf.CONF))
    options.config(group=GROUP, mode='off')


def use_fixture_in_a_block(test):
    with config_fixture.Config(conf.CONF) as options:
        options.config(group=GROUP, mode='off')


def set_default(test):
    conf.CONF.set_default('mode', 'off', GROUP)


def override_in_a_thread(test):
    seen = []

    def act():
        try:
            override(test)
        except AssertionError as error:
            seen.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    raise seen[0]


def set_to_nothing(test):
    conf.CONF.set_override('mode', None, GROUP)


def clear_an_earlier_override(test):
    conf.CONF.clear_override('rule_modes', GROUP)


def clear_override(test):
    conf.CONF.clear_override('latest_policy', GROUP)


def reset(test):
    conf.CONF.reset()


class SettingsTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'audit')
        # What the inner tests begin with.
        self.configure(
            pinned_microversion='2.53',
            dummy_image_name='x',
            dummy_flavor_name='x',
            audit_file=path,
        )

    def inner(self, act, way_out='pass', base=testtools.TestCase):
        outer = self
        outer.ended = []

        class Inner(base):
            def setUp(self):
                options = self.useFixture(config_fixture.Config(conf.CONF))
                options.config(
                    group=GROUP,
                    latest_policy='refuse',
                    rule_modes={'SF104': 'enforce'},
                )
                super().setUp()
                outer.trail = self.useFixture(audit.AuditTrail())
                self.useFixture(posture.PostureGuard([]))
                self.guard = self.useFixture(inner.Watch())
                if way_out == 'error':
                    act(self)
                    raise ZeroDivisionError

            def test_x(self):
                act(self)
                if way_out == 'fail':
                    self.fail('by itself')

        return Inner


class TestRefused(SettingsTestCase):
    def check(self, act, option='mode', said=SAID):
        for way_out in ('pass', 'fail', 'error'):
            for hide in (lambda act: act, inner.swallowed):
                with self.subTest(act=act.__name__, out=way_out, hide=hide):
                    before = conf.now()
                    case = self.inner(hide(act), way_out)
                    result = self.run_inner(case)
                    text = '\n'.join(base.problems(result))
                    self.assertIn(said, text)
                    self.assertIn(f'[safe_fixtures] {option}: ', text)
                    self.assertEqual(before, conf.now())

    def test_ways(self):
        for act in (
            override,
            use_fixture,
            use_fixture_in_a_block,
            set_default,
            override_in_a_thread,
            set_to_nothing,
        ):
            self.check(act)

    def test_taking_back_what_came_before_the_set_up(self):
        self.check(clear_override, 'latest_policy')
        self.check(clear_an_earlier_override, 'rule_modes')
        self.check(reset, 'latest_policy')

    def test_each_option(self):
        for name, value in LOOSER.items():

            def act(test, name=name, value=value):
                conf.CONF.set_override(name, value, GROUP)

            self.check(act, name)

    def test_the_change_is_undone(self):
        def act(test):
            test.assertRaises(AssertionError, override, test)
            seen.append(conf.load().mode)

        seen = []
        self.assertFails(self.inner(act), SAID)
        self.assertEqual(['default'], seen)

    def test_only_recorded(self):
        self.configure(rule_modes='SF501:audit')

        class Base(testtools.TestCase):
            def setUp(self):
                super().setUp()
                conf.CONF.clear_override('rule_modes', GROUP)

        self.assertPasses(self.inner(use_fixture, base=Base))
        (said, *_) = inner.details_of(self.trail, 'evaluate/violation')
        self.assertIn('[safe_fixtures] mode: ', said['message'])

    def test_seen_at_the_end(self):
        def act(test):
            info = conf.CONF._groups[GROUP]._opts['mode']
            info['override'] = 'off'

        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(posture.PostureGuard())

            def test_x(self):
                act(self)

        with conf.kept():
            self.assertFails(
                Inner,
                'the test changed and did not restore: settings: '
                "[safe_fixtures] mode: 'default' -> 'off'",
            )


class TestKept(SettingsTestCase):
    """Whatever comes later, a guard works with the settings of its set-up."""

    def test_guards_keep_theirs(self):
        def by_environment(test):
            os.environ['OS_SAFE_FIXTURES__MODE'] = 'off'
            test.addCleanup(os.environ.pop, 'OS_SAFE_FIXTURES__MODE')
            conf.forget()

        def by_options(test):
            with mock.patch.object(conf.state, '_OPTS', []):
                pass
            info = conf.CONF._groups[GROUP]._opts['mode']
            info['override'] = 'off'
            test.addCleanup(info.pop, 'override')

        def by_another_object(test):
            test.useFixture(
                fixtures.MonkeyPatch(
                    'safe_fixtures.conf.CONF', cfg.ConfigOpts()
                )
            )

        def by_function(test):
            test.useFixture(
                fixtures.MonkeyPatch('safe_fixtures.conf.load', None)
            )

        for act in by_environment, by_options, by_another_object, by_function:

            def body(test, act=act):
                act(test)
                test.assertRaises(
                    AssertionError, test.guard.violate, 'SF301', 'real image'
                )

            with self.subTest(act=act.__name__):
                self.assertFails(self.inner(body), 'SF301 (CWE-531)')

    def test_a_cleared_environment_changes_nothing(self):
        """Before the set-up, in the test, and left cleared."""
        outer = self

        class Base(testtools.TestCase):
            def setUp(self):
                os.environ.clear()
                super().setUp()

        @mock.patch.dict(os.environ, clear=True)
        def act(test):
            test.guard.violate('SF301', 'real image')

        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'audit')
        self.configure(mode='audit', audit_file=path)
        conf.read()
        before = dict(os.environ)
        self.addCleanup(os.environ.update, before)
        for which in testtools.TestCase, Base:
            with self.subTest(which=which):
                self.assertPasses(outer.inner(act, base=which))
                with open(path) as file:
                    lines = file.read()
                self.assertIn('real image', lines)
                os.remove(path)


class TestTwins(SettingsTestCase):
    """What changes nothing for the worse, or is over, is nothing."""

    def test_fine(self):
        def tighten(test):
            options = test.useFixture(config_fixture.Config(conf.CONF))
            options.config(
                group=GROUP,
                mode='enforce',
                max_image_bytes=0,
                allowed_paths=[],
            )

        def tighten_in_a_block(test):
            with config_fixture.Config(conf.CONF) as options:
                options.config(group=GROUP, mode='enforce')

        def switch_a_helper_off(test):
            with config_fixture.Config(conf.CONF) as options:
                options.config(group=GROUP, wait_for_change=False)

        def same(test):
            conf.CONF.set_override('mode', 'default', GROUP)
            test.addCleanup(conf.CONF.clear_override, 'mode', GROUP)

        def other_options(test):
            test.useFixture(config_fixture.Config(cfg.CONF))

        def reset_in_a_cleanup(test):
            # It runs while the guards are active.
            test.addCleanup(conf.CONF.reset)

        for act in (
            tighten,
            tighten_in_a_block,
            switch_a_helper_off,
            same,
            other_options,
            reset_in_a_cleanup,
        ):
            with self.subTest(act=act.__name__):
                self.assertPasses(self.inner(act))
                self.assertEqual(
                    [], inner.details_of(self.trail, 'evaluate/violation')
                )

    def test_overridden_before_the_set_up(self):
        class Base(testtools.TestCase):
            def setUp(self):
                super().setUp()
                conf.CONF.set_override('mode', 'audit', GROUP)

        self.assertPasses(
            self.inner(
                lambda test: test.guard.violate('SF301', 'real image'),
                base=Base,
            )
        )

    def test_an_inner_run_has_settings_of_its_own(self):
        def act(test):
            result = testtools.TestResult()
            self.inner(lambda inner: None, base=Base)('test_x').run(result)
            test.assertTrue(result.wasSuccessful(), base.problems(result))

        class Base(testtools.TestCase):
            def setUp(self):
                super().setUp()
                conf.CONF.set_override('mode', 'audit', GROUP)

        self.assertPasses(self.inner(act))
