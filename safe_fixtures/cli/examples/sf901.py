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

import safe_fixtures.nova  # isort: skip

from safe_fixtures import waive


class TestBad(safe_fixtures.nova.SafeNoDBTestCase):
    @waive('SF301', reason='the import is the subject')
    def test(self):
        # It imports no image any more.
        self.assertEqual(4, 2 + 2)


class TestMended(safe_fixtures.nova.SafeNoDBTestCase):
    def test(self):
        self.assertEqual(4, 2 + 2)
