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

from safe_fixtures.nova import SafeCastAsCall
from safe_fixtures.nova import SafeIntegratedTestBase


class TestAggregate(SafeIntegratedTestBase):
    ADMIN_API = True
    CAST_AS_CALL = False

    def setUp(self):
        super().setUp()
        self.casting = self.useFixture(SafeCastAsCall(self))

    def test_every_scheduler_is_told(self):
        self.api.post_aggregate({'aggregate': {'name': 'racks'}})
        (cast,) = self.casting.casts
        self.assertEqual('update_aggregates', cast.method)
        self.assertTrue(cast.fanout)
        self.assertEqual(('scheduler',), cast.servers)
        self.assertEqual('success', cast.outcome)
