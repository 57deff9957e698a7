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

"""Which URLs lead to the same cloud."""

from safe_fixtures.guards.services import journal
from tests.support import base


class TestCanonical(base.TestCase):
    def test_the_same_cloud(self):
        for wanted, urls in (
            (
                'http://h:8774',
                ('http://h:8774', 'http://h:8774/', 'HTTP://H.:8774/v2.1',
                 'http://h:8774/v2.1/', 'http://h:8774/v2.1/PROJECT',
                 'http://u:p@h:8774/v2/p/?q=1#f', 'http://h:8774/v2.1//'),
            ),
            ('http://h:80', ('http://h', 'http://h:80/v2.1', 'http://h/')),
            (
                'https://h:443/compute',
                ('https://h/compute', 'https://h:443/compute/v2.1/p'),
            ),
            ('http://[2001:db8::1]:8774', ('http://[2001:DB8::1]:8774/v2',)),
            ('http://h:80/v2.1-beta', ('http://h/v2.1-beta',)),
        ):  # fmt: skip
            for url in urls:
                with self.subTest(url=url):
                    self.assertEqual(wanted, journal.canonical(url))
                    self.assertEqual(wanted, journal.canonical(wanted))

    def test_no_url(self):
        for url in ('', 'h:8774', '/v2.1', 'http://', 'http://h:x',
                    'http://[::1'):  # fmt: skip
            with self.subTest(url=url):
                self.assertRaises(ValueError, journal.canonical, url)
