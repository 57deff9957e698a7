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

"""Options of oslo.config."""

import fixtures
from oslo_config import cfg
import testtools

from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards import posture
from tests.support import posture as support


class TestNoChange(support.WaysTestCase):
    """These changes have no effect."""

    def test_override_with_the_same_value(self):
        self.assert_no_change(
            lambda: cfg.CONF.set_override('kind', 'soft', support.GROUP)
        )

    def test_override_with_what_it_is_interpolated_from(self):
        self.assert_no_change(
            lambda: cfg.CONF.set_override('alias', 'soft', support.GROUP)
        )

    def test_files_read_anew(self):
        self.assert_no_change(lambda: cfg.CONF.reload_config_files() and None)

    def test_option_registered(self):
        opt = cfg.StrOpt('late', default='never')
        self.addCleanup(support.unregister, opt)
        self.assert_no_change(
            lambda: cfg.CONF.register_opt(opt, group=support.GROUP) and None
        )

    def test_option_registered_that_a_file_sets(self):
        self.options.write('late = always')
        cfg.CONF.reload_config_files()
        opt = cfg.StrOpt('late', default='never')
        self.addCleanup(support.unregister, opt)
        self.assert_no_change(
            lambda: cfg.CONF.register_opt(opt, group=support.GROUP) and None
        )

    def test_option_unregistered(self):
        opt = cfg.StrOpt('late', default='never')
        cfg.CONF.register_opt(opt, group=support.GROUP)
        self.assert_no_change(lambda: support.unregister(opt))

    def test_subcommand_registered(self):
        opt = cfg.SubCommandOpt('command', handler=lambda subparsers: None)
        cfg.CONF.clear()
        self.addCleanup(cfg.CONF.unregister_opt, opt)
        self.addCleanup(cfg.CONF.clear)
        self.assert_no_change(lambda: cfg.CONF.register_cli_opt(opt) and None)


class TestChanges(support.WaysTestCase):
    def test_values_are_what_they_were(self):
        """Interpolated as they were, too."""
        cfg.CONF.set_override('kind', 'hard', support.GROUP)
        cfg.CONF.set_override('alias', 'so $posture_test.kind', support.GROUP)

        def clear():
            cfg.CONF.clear_override('alias', support.GROUP)
            cfg.CONF.clear_override('kind', support.GROUP)

        error = self.assertRaises(exceptions.SafetyViolation, self.use, clear)
        self.assertIn(
            f"[{support.GROUP}] alias: 'so hard' -> 'soft'", str(error)
        )

    def test_all_that_a_lost_file_had_set(self):
        # As if nobody had imported the fixture of oslo.config, which does it.
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.guards.posture.leaks.LEAKS', ()
            )
        )
        self.options.write('kind = hard\nnumber = 7')
        cfg.CONF.reload_config_files()
        error = self.assertRaises(
            exceptions.SafetyViolation, self.use, cfg.CONF.clear
        )
        self.assertIn(
            f"[{support.GROUP}] kind: 'hard' -> 'soft' (default)", str(error)
        )
        self.assertIn(
            f'[{support.GROUP}] number: 7 -> 1 (default)', str(error)
        )
        self.assertIn(f"[{support.GROUP}] alias: 'hard' -> 'soft'", str(error))

    def test_default_that_was_set_is_none(self):
        """Only what an option was registered with is its default."""
        self.addCleanup(cfg.set_defaults, support.OPTIONS, kind='soft')
        cfg.CONF.clear()
        error = self.assertRaises(
            exceptions.SafetyViolation,
            self.use,
            lambda: cfg.set_defaults(support.OPTIONS, kind='hard'),
        )
        self.assertIn(f"[{support.GROUP}] kind: 'soft' -> 'hard'", str(error))
        self.assertNotIn('(default)', str(error))

    def test_invalid_value(self):
        self.options.write('number = many')
        error = self.assertRaises(
            exceptions.SafetyViolation,
            self.use,
            cfg.CONF.reload_config_files,
        )
        self.assertIn('number: 1 -> ', str(error))
        self.assertIn('(invalid: ', str(error))

    def use(self, act):
        with posture.PostureGuard():
            act()

    def test_configs_of_the_project(self):
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.StrOpt('kind', default='soft'))
        backend = support.Backend()
        backend.posture.configs = lambda: {'other': conf}
        plugins.provide(backend)
        with testtools.ExpectedException(
            exceptions.SafetyViolation,
            r"(?s).*config: other \[DEFAULT\] kind: 'soft' -> 'hard'",
        ):
            with posture.PostureGuard():
                conf.set_override('kind', 'hard')


class TestMasking(support.WaysTestCase):
    def override(self, name, value):
        return lambda: cfg.CONF.set_override(name, value, support.GROUP)

    def test_secret_option(self):
        self.assert_masked(
            self.override('hidden', support.SECRET), shown='hidden'
        )

    def test_option_with_a_telling_name(self):
        self.assert_masked(
            self.override('admin_password', support.SECRET),
            shown='admin_password',
        )

    def test_credentials_in_a_url(self):
        self.assert_masked(
            self.override(
                'url', f'mysql://nova:{support.SECRET}@db.test/nova'
            ),
            shown='db.test',
        )

    def test_secret_of_before(self):
        cfg.CONF.set_override('hidden', support.SECRET, support.GROUP)
        self.assert_masked(self.override('hidden', 'x'), shown='hidden')
