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

from safe_fixtures.report.pictures import texts
from tests.support import base


class TestTexts(base.TestCase):
    def test_shown(self):
        for given, expected in (
            ('plain', 'plain'),
            ('a\n\x1b\u202e', r'a\n\x1b\u202e'),
            ('x' * 10**6, 'x' * 500 + '…'),
            (None, ''),
            (7, ''),
        ):
            with self.subTest(given=str(given)[:9]):
                self.assertEqual(expected, texts.shown(given))

    def test_name(self):
        for given, expected in (
            ('pkg.mod.Class.test_it', 'Class.test_it'),
            ('pkg.mod.Class.test_it(a.b)', 'Class.test_it(a.b)'),
            ('Class.test_it', 'Class.test_it'),
            ('a strange name', 'a strange name'),
            ('', ''),
        ):
            with self.subTest(given=given):
                self.assertEqual(expected, texts.name(given))

    def test_counted(self):
        self.assertEqual('1 server', texts.counted(1, 'server'))
        self.assertEqual('0 servers', texts.counted(0, 'server'))
        self.assertEqual('2,013 tests', texts.counted(2013, 'test'))
