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

"""What loosens the settings, option by option."""

import dataclasses

from safe_fixtures import conf
from tests.support import base

# Of each option: looser and not looser than the first value.
CHANGES = {
    'mode': ('default', ['audit', 'off'], ['enforce', 'default']),
    'rule_modes': (
        {'SF203': 'enforce'},
        [{}, {'SF203': 'enforce', 'SF501': 'audit'}],
        [{'SF203': 'enforce', 'SF104': 'enforce'}, {'SF203': 'enforce'}],
    ),
    'pinned_microversion': ('2.53', ['2.54', None], ['2.53']),
    'latest_policy': ('refuse', ['pin'], ['refuse']),
    'restore_timeout': (10.0, [10.5], [10.0, 1.0]),
    'restore_deadline': (10.0, [10.5], [10.0, 0.0]),
    'journal_dir': ('/tmp/x', ['/tmp/y', 'off'], ['/tmp/x']),
    'lock_timeout': (10.0, [10.5], [10.0, 0.0]),
    'dead_journals': ('restore', ['name'], ['restore']),
    'watcher': (True, [False], [True]),
    'allowed_endpoints': (['a'], [['a', 'b'], ['b']], [['a'], []]),
    'allowed_hosts': (['a'], [['a', 'b'], ['b']], [['a'], []]),
    'allowed_programs': (['a'], [['a', 'b'], ['b']], [['a'], []]),
    'allowed_paths': (['a'], [['a', 'b'], ['b']], [['a'], []]),
    'max_image_bytes': (4, [5], [4, 0]),
    'dummy_image_name': ('x', ['x.*', None], ['x']),
    'dummy_flavor_name': ('x', ['x.*', None], ['x']),
    'wait_for_change': (True, [], [True, False]),
    'speed_up': (True, [], [True, False]),
    'speed_up_without': ([], [], [[], ['policy']]),
    'plugins': (True, [], [True, False]),
    'plugins_without': ([], [], [[], ['a']]),
    'audit_file': ('/tmp/x', ['/tmp/y', None], ['/tmp/x']),
    'waivers_file': ('/tmp/x', ['/tmp/y'], ['/tmp/x', None]),
    'baseline_file': ('/tmp/x', ['/tmp/y'], ['/tmp/x', None]),
    'posture_leaks_file': ('/tmp/x', ['/tmp/y'], ['/tmp/x', None]),
}
# The same of options that nobody has set.
UNSET = {
    'pinned_microversion': ([], ['2.53']),
    'latest_policy': ([], ['refuse']),
    'dummy_image_name': ([], ['x']),
    'dummy_flavor_name': ([], ['x']),
    'audit_file': ([], ['/tmp/x']),
    'waivers_file': (['/tmp/x'], []),
    'baseline_file': (['/tmp/x'], []),
    'posture_leaks_file': (['/tmp/x'], []),
}


class TestLoosened(base.TestCase):
    def check(self, name, before, looser, others):
        for after in (*looser, *others):
            with self.subTest(name=name, after=after):
                changed = dataclasses.replace(before, **{name: after})
                self.assertEqual(
                    [name] if after in looser else [],
                    list(conf.loosened(before, changed)),
                )

    def test_each_option(self):
        names = {opt.name for opt in conf.list_opts()[0][1]}
        self.assertEqual(names, CHANGES.keys())
        fields = {each.name for each in dataclasses.fields(conf.Settings)}
        self.assertEqual(names, fields)
        for name, (value, looser, others) in CHANGES.items():
            before = dataclasses.replace(conf.load(), **{name: value})
            self.check(name, before, looser, others)

    def test_each_option_that_nobody_has_set(self):
        for name, (looser, others) in UNSET.items():
            self.check(name, conf.load(), looser, others)

    def test_several(self):
        before = conf.load()
        after = dataclasses.replace(before, mode='off', max_image_bytes=2**30)
        self.assertEqual(
            ['mode', 'max_image_bytes'], list(conf.loosened(before, after))
        )

    def test_a_mode_that_changes_nothing(self):
        """What the option says counts less than what it does."""
        modes = {'SF203': 'enforce', 'SF104': 'audit'}
        before = dataclasses.replace(conf.load(), rule_modes=modes)
        after = dataclasses.replace(before, rule_modes={'SF203': 'enforce'})
        self.assertEqual([], list(conf.loosened(before, after)))
