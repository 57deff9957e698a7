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

import unicodedata

from safe_fixtures.runtime import printable
from tests.support import base

# What a terminal obeys, what UTF-8 cannot encode, and what hides or turns
# the text around it.
HOSTILE = (
    *map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)),
    '\udcff', '\ud800', '\u202e', '\u2066', '\u200e', '\u061c', '\u2028',
    '\u2029', '\u200b', '\ufeff', '\u00ad', '\U000e0001',
)  # fmt: skip


class TestPrintable(base.TestCase):
    def test_line(self):
        for char in HOSTILE:
            with self.subTest(char=char):
                text = printable.line(f'a{char}b')
                self.assertTrue(text.isprintable(), text)
                self.assertTrue(text.startswith('a\\') and text[-1] == 'b')
                text.encode()
                self.assertEqual(text, printable.line(text))

    def test_different_ones_stay_different(self):
        self.assertEqual(len(HOSTILE), len(set(map(printable.line, HOSTILE))))

    def test_block(self):
        for char in HOSTILE:
            with self.subTest(char=char):
                text = printable.block(f'a{char}b')
                if char in '\n\t':
                    self.assertEqual(f'a{char}b', text)
                else:
                    self.assertEqual(printable.line(f'a{char}b'), text)

    def test_what_stays(self):
        for text in (
            '', 'tests.T.test_x(a,b)', 'höst 1', '東京', 'C:\\new', 'a\\x1b',
            unicodedata.lookup('SNOWMAN'),
        ):  # fmt: skip
            with self.subTest(text=text):
                self.assertEqual(text, printable.line(text))
                self.assertEqual(text, printable.block(text))

    def test_names(self):
        self.assertEqual(
            r'sur\udcff \x1b[31m\n', printable.line('sur\udcff \x1b[31m\n')
        )
