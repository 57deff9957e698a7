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

"""How a baseline is written."""

import os
import random
import stat

from safe_fixtures.baseline import toml
from safe_fixtures.core import debts
from tests.unit.baseline import base

TEXT = """
[[debt]]
rule = "SF203"
done = "what"
owner = "we"
[debt.tests]
"tests.x.Y.test_a" = 1

[[debt]]
rule = "SF301"
file = "tests/x.py"
done = "say \\"image\\" \\\\ *"
owner = "they"
[debt.tests]
"tests.x.Y.test_a" = 2
"tests.x.Y.test_é(x[\\"y\\"])" = 10
"""


class TestToml(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = str(self.home / 'baseline.toml')
        about = {
            'file': 'tests/x.py',
            'message': 'say "image" \\ *',
            'owner': 'they',
        }
        self.debts = [
            base.debt(test='tests.x.Y.test_é(x["y"])', count=10, **about),
            base.debt(test='tests.x.Y.test_a', count=2, **about),
            base.debt(test='tests.x.Y.test_a', rule='SF203'),
        ]

    def body(self):
        text = toml.as_toml(self.debts)
        header = text[: text.index('\n\n') + 1]
        self.assertTrue(all(
            line.startswith('#') for line in header.splitlines()
        ))  # fmt: skip
        return text.removeprefix(header)

    def test_text(self):
        self.assertEqual(TEXT, self.body())

    def test_order_does_not_matter(self):
        text = self.body()
        for _ in range(5):
            random.shuffle(self.debts)
            self.assertEqual(text, self.body())

    def test_is_read_back(self):
        toml.write(self.path, self.debts)
        self.assertCountEqual(self.debts, debts.read(self.path))
        before = os.stat(self.path)
        toml.write(self.path, debts.read(self.path))
        self.assertEqual(
            TEXT, open(self.path).read().partition('\n\n')[2].join(['\n', ''])
        )
        self.assertNotEqual(before.st_ino, os.stat(self.path).st_ino)

    def test_nothing(self):
        toml.write(self.path, [])
        self.assertEqual([], debts.read(self.path))

    def test_what_cannot_be_printed(self):
        self.debts = [base.debt(test='a\x7f\x00\u2028\udcff', owner='b\r\n\t')]
        toml.write(self.path, self.debts)
        found = debts.read(self.path)
        self.assertEqual(r'a\x7f\x00\u2028\udcff', found[0].test)
        self.assertEqual(r'b\r\n\t', found[0].owner)

    def test_mode_stays(self):
        toml.write(self.path, [])
        os.chmod(self.path, 0o640)
        toml.write(self.path, self.debts)
        self.assertEqual(0o640, stat.S_IMODE(os.stat(self.path).st_mode))

    def test_where_nothing_can_be_written(self):
        self.assertRaises(OSError, toml.write, '/proc/x.toml', [])
