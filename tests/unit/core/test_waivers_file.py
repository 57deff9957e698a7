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

"""What a waivers file may hold."""

import os

from safe_fixtures.core import waivers_file
from safe_fixtures import exceptions
from safe_fixtures import rules
from tests.support import base
from tests.unit.core import test_waivers

ENTRY = test_waivers.ENTRY
# A part of what is said about each of these files.
NONSENSE = [
    ('waiver = 3', 'waiver must be [[waiver]]'),
    ('[waiver]\nrule = "SF301"', 'waiver must be [[waiver]]'),
    ('waiver = [3]', 'in entry 1, 3 is not a table'),
    ('[[waivers]]\nrule = "SF301"', 'unknown waivers'),
    (f'mode = "off"\n{ENTRY}', 'unknown mode'),
    (f'{ENTRY}test = "x"', 'in entry 1, test is unknown'),
    (f'{ENTRY}[[waiver]]\n', 'in entry 2, rule is None'),
    (ENTRY.replace('SF301', 'SF999'), 'in entry 1, \'SF999\' is not a rule'),
    (ENTRY.replace('"SF301"', '301'), 'in entry 1, rule is 301'),
    (ENTRY.replace('SF301', 'SF202'), 'in entry 1, SF202 cannot be waived'),
    (ENTRY.replace('*.test_x', ' '), "in entry 1, tests is ' '"),
    (ENTRY.replace('"*.test_x"', '["*"]'), "in entry 1, tests is ['*']"),
    (ENTRY.replace('why', ''), "in entry 1, reason is ''"),
    (ENTRY.replace('"why"', 'true'), 'in entry 1, reason is True'),
    (ENTRY.replace('reason = "why"', ''), 'in entry 1, reason is None'),
    (ENTRY * 2, 'in entry 2, rule and tests are the same as in entry 1'),
    (ENTRY + ENTRY.replace('why', 'not'), 'the same as in entry 1'),
    (ENTRY.replace('"why"', 'why'), 'it must be TOML'),
    ('\udcff', 'it must be TOML'),
]


class TestRead(test_waivers.FileTestCase):
    def test_entries(self):
        self.write_entries(
            ('SF302', 'a.*', 'one'),
            ('SF301', 'a.*', 'two'),
            ('SF302', 'b.*', 'one'),
        )
        self.assertEqual(
            [
                waivers_file.Entry('SF302', 'a.*', 'one'),
                waivers_file.Entry('SF301', 'a.*', 'two'),
                waivers_file.Entry('SF302', 'b.*', 'one'),
            ],
            waivers_file.read(self.path),
        )

    def test_entries_of_the_documentation(self):
        path = os.path.join(
            base.ROOT, 'doc', 'source', 'examples', 'safe-fixtures.toml'
        )
        self.assertEqual(
            ['SF203', 'SF104'],
            [entry.rule for entry in waivers_file.read(path)],
        )

    def test_no_entries(self):
        self.write('# None yet.\n')
        self.assertEqual([], waivers_file.read(self.path))

    def test_nonsense(self):
        for text, said in NONSENSE:
            with self.subTest(text):
                self.write(text)
                error = self.assertRaises(
                    exceptions.ConfigurationError,
                    waivers_file.read,
                    self.path,
                )
                self.assertEqual('[safe_fixtures] waivers_file', error.option)
                self.assertIn(self.path, str(error))
                self.assertIn(said, error.allowed)

    def test_nonsense_but_for_one_thing(self):
        self.write(ENTRY)
        self.assertEqual(1, len(waivers_file.read(self.path)))

    def test_every_rule_that_is_not_always_enforced(self):
        codes = [code for code, rule in rules.RULES.items() if not rule.always]
        self.write_entries(*((code, '*') for code in codes))
        self.assertEqual(
            codes, [entry.rule for entry in waivers_file.read(self.path)]
        )
