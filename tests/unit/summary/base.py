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

"""What the tests of the summary share."""

import contextlib

from safe_fixtures import audit
from safe_fixtures import summary
from tests.support import base


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.events = []

    @contextlib.contextmanager
    def trail(self, test_id='tests.T.test'):
        with audit.AuditTrail(test_id) as trail:
            yield trail
        self.events.extend(trail.events)

    def total(self):
        total = summary.Summary()
        for event in self.events:
            total.add(event)
        return total

    def rows(self, section):
        rows = self.total().rows()
        for row in rows:
            self.assertEqual(len(summary.COLUMNS), len(row))
        return [row[1:] for row in rows if row[0] == section]

    def assertExits(self, code):
        self.assertEqual(code, self.total().exit_code())
