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

"""Headers as observers see them."""

import enum

from hypothesis import given
from hypothesis import strategies

from safe_fixtures.core.gate import headers
from tests.support import base

NAMES = strategies.sampled_from(['X-A', 'x-a', 'X-B', 'x_b', b'X-C', b'x-c'])
VALUES = strategies.one_of(
    strategies.text(max_size=3), strategies.binary(max_size=3),
    strategies.integers(),
)  # fmt: skip


class Named(str, enum.Enum):
    VERSION = 'compute latest'


class TestHeaders(base.TestCase):
    def test_names_in_capitals_or_not(self):
        made = headers.Headers([('X-Auth-Token', 'a'), (b'Accept', b'b')])
        self.assertEqual('a', made['x-auth-token'])
        self.assertEqual('a', made.get(b'X-AUTH-TOKEN'))
        self.assertEqual('b', made['accept'])
        self.assertIsNone(made.get('other'))
        self.assertIn('ACCEPT', made)
        self.assertEqual(['X-Auth-Token', 'Accept'], list(made))
        self.assertFalse(made.changed)

    def test_several_of_a_name(self):
        made = headers.Headers([('X-A', '1'), ('x-a', b'2'), ('X-B', 3)])
        self.assertEqual({'X-A': '1, 2', 'X-B': '3'}, dict(made))
        self.assertFalse(made.changed)

    def test_changes(self):
        made = headers.Headers([('X-A', '1')])
        made['x-a'] = '2'
        self.assertEqual({'x-a': '2'}, dict(made))
        self.assertTrue(made.changed)
        made = headers.Headers([('X-A', '1')])
        del made['x-a']
        self.assertEqual({}, dict(made))
        self.assertTrue(made.changed)

    def test_texts_of_other_classes_are_replaced(self):
        made = headers.Headers([('X-A', Named.VERSION)])
        self.assertEqual({'X-A': 'compute latest'}, dict(made))
        self.assertIs(str, type(made['x-a']))
        self.assertTrue(made.changed)

    @given(strategies.lists(strategies.tuples(NAMES, VALUES)))
    def test_they_hold_every_value(self, pairs):
        made = headers.Headers(pairs)
        expected = {}
        for name, value in pairs:
            name, value = (
                each.decode('latin-1') if isinstance(each, bytes)
                else str(each) for each in (name, value)
            )  # fmt: skip
            expected.setdefault(name.lower(), []).append(value)
        self.assertEqual(
            {name: ', '.join(found) for name, found in expected.items()},
            {name.lower(): value for name, value in made.items()},
        )
        self.assertEqual(len(expected), len(made))
