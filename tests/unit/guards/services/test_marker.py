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

from hypothesis import example
from hypothesis import given
from hypothesis import strategies

from safe_fixtures.guards.services import marker
from tests.support import base

MARKER = marker.Marker('0123abcd', 'ci-7.example.com', 4711)


class TestMarker(base.TestCase):
    @given(strategies.none() | strategies.text(max_size=300))
    @example('x' * 300)
    def test_found_in_what_it_was_added_to(self, reason):
        added = MARKER.added_to(reason)
        self.assertEqual(MARKER, marker.find(added))
        self.assertLessEqual(len(added), 255)

    def test_reason_comes_first(self):
        self.assertEqual(
            'fan [safe-fixtures 0123abcd on ci-7.example.com pid 4711]',
            MARKER.added_to('fan'),
        )
        self.assertEqual(str(MARKER), MARKER.added_to(None))

    def test_not_found_in_other_reasons(self):
        for reason in (
            None, '', 'fan', f'{MARKER} and more', str(MARKER)[:-1],
            '[safe-fixtures 0123abcd on  pid 1]',
            f'[safe-fixtures 0123abcd on x pid {10**99}]',
        ):  # fmt: skip
            with self.subTest(reason=reason):
                self.assertIsNone(marker.find(reason))
