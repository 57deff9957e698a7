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

from safe_fixtures import audit
from safe_fixtures.nova import SafeIntegratedTestBase


class TestTrail(SafeIntegratedTestBase):
    ADMIN_API = True

    def test_events(self):
        with self.service_toggle.disable('compute', reason='maintenance'):
            pass
        disabled, restored = self.audit_trail.events[-2:]
        self.assertEqual('disable', disabled['action'])
        self.assertEqual('nova-compute on compute', disabled['target']['name'])
        self.assertEqual('restore/service', restored['action'])
        self.assertEqual('success', restored['outcome'])
        numbers = [
            audit.Event(event).sequence for event in self.audit_trail.events
        ]
        self.assertEqual(list(range(1, len(numbers) + 1)), numbers)

    def test_with_a_sink_of_ones_own(self):
        seen = []
        self.audit_trail.add_sink(seen.append)
        with self.service_toggle.force_down('compute'):
            pass
        self.assertEqual(self.audit_trail.events[-len(seen) :], seen)
