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

import dataclasses
import re

from safe_fixtures import rules
from tests.support import base

# The catalogue of the design, code by code.
ENFORCE = {
    'SF101', 'SF102', 'SF103', 'SF201', 'SF202', 'SF204', 'SF205', 'SF206',
    'SF301', 'SF302', 'SF401', 'SF402', 'SF403', 'SF501', 'SF502',
}  # fmt: skip
AUDIT = {
    'SF104', 'SF203', 'SF303', 'SF404', 'SF405', 'SF406', 'SF503', 'SF601',
    'SF901',
}  # fmt: skip


class TestRules(base.TestCase):
    def test_catalogue_is_complete(self):
        self.assertEqual(ENFORCE | AUDIT, set(rules.RULES))

    def test_default_modes(self):
        modes = {rule.code: rule.default for rule in rules.RULES.values()}
        expected = dict.fromkeys(ENFORCE, 'enforce')
        expected.update(dict.fromkeys(AUDIT, 'audit'))
        self.assertEqual(expected, modes)

    def test_only_a_toggle_outside_a_test_is_always_enforced(self):
        always = [rule.code for rule in rules.RULES.values() if rule.always]
        self.assertEqual(['SF202'], always)

    def test_every_rule_says_what_and_what_to_do(self):
        for code, rule in rules.RULES.items():
            with self.subTest(code=code):
                self.assertEqual(code, rule.code)
                self.assertTrue(rule.title, code)
                # It goes into the middle of a line.
                self.assertNotIn('\n', rule.title)
                self.assertFalse(rule.title.endswith('.'), code)
                self.assertTrue(rule.remedy.endswith('.'), code)
                self.assertTrue(rule.finding, code)
                if rule.cwe is not None:
                    self.assertTrue(
                        re.fullmatch(r'CWE-[0-9]+', rule.cwe), code
                    )

    def test_titles_are_distinct(self):
        titles = {rule.title for rule in rules.RULES.values()}
        self.assertEqual(len(rules.RULES), len(titles))

    def test_get(self):
        self.assertIs(rules.RULES['SF301'], rules.get('SF301'))

    def test_unknown_code_lists_the_known(self):
        for code in ('SF999', 'sf301', '', None, 301, ['SF301']):
            with self.subTest(code=code):
                error = self.assertRaises(ValueError, rules.get, code)
                self.assertIn(repr(code), str(error))
                for known in rules.RULES:
                    self.assertIn(known, str(error).partition('not a rule')[2])

    def test_catalogue_cannot_be_changed(self):
        def add():
            rules.RULES['SF999'] = rules.get('SF301')

        self.assertRaises(TypeError, add)
        self.assertRaises(
            dataclasses.FrozenInstanceError,
            setattr,
            rules.get('SF301'),
            'default',
            'off',
        )
