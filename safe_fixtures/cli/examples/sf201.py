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

import fixtures
import testtools

from safe_fixtures import SafeServiceToggle
from safe_fixtures.testing import FakeComputeClient


class BrokenClient(FakeComputeClient):
    broken = False

    def put_service(self, service_id, req):
        if self.broken:
            raise ConnectionError('the API is gone')
        return super().put_service(service_id, req)


class TestBad(testtools.TestCase):
    def test(self):
        client = BrokenClient(['host1'])
        toggle = self.useFixture(SafeServiceToggle(api=client))
        toggle.disable('host1')
        client.broken = True
        self.assertRaises(ConnectionError, client.put_service, 'id', {})


class TestMended(testtools.TestCase):
    def test(self):
        client = BrokenClient(['host1'])
        toggle = self.useFixture(SafeServiceToggle(api=client))
        toggle.disable('host1')
        # It works again before the service is restored.
        with fixtures.MockPatchObject(client, 'broken', True):
            self.assertRaises(ConnectionError, client.put_service, 'id', {})
