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

"""The toggle around any client, without Nova."""

import testtools

from safe_fixtures import SafeServiceToggle
from safe_fixtures.testing import FakeComputeClient


class TestToggleOfAnyClient(testtools.TestCase):
    """A client needs ``get_services`` and ``put_service``, no more."""

    def setUp(self):
        super().setUp()
        self.client = FakeComputeClient(['host1', 'host2'])
        self.addCleanup(self._assert_restored)
        self.toggle = self.useFixture(SafeServiceToggle(api=self.client))

    def test_toggles_are_undone(self):
        """Whether it was the toggle or the client that made them."""
        self.toggle.disable('host1', reason='maintenance')
        service = self.client.get_services(host='host2')[0]
        self.client.put_service(service['id'], {'forced_down': True})

        self.assertEqual(2, len(self.toggle.ledger))

    def _assert_restored(self):
        for service in self.client.get_services():
            self.assertEqual('enabled', service['status'])
            self.assertFalse(service['forced_down'])
        self.assertNotIn('put_service', vars(self.client))
