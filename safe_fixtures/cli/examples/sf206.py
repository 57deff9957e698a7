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

import os

import testtools

from safe_fixtures import conf
from safe_fixtures.guards.services import journal
from safe_fixtures import SafeServiceToggle
from safe_fixtures.testing import FakeComputeClient


class CloudClient(FakeComputeClient):
    """A client of a cloud: all that it reaches is outside this process."""

    base_url = 'http://localhost:8774/v2.1'

    def in_another_run(self):
        """Lock the compute in another process, as another run does."""
        (found,) = self.get_services()
        service = journal.Service(
            self.base_url, None, found['id'], found['host'], found['binary']
        )
        lock = journal.ServiceLock(conf.load().journals, service)
        ready, done = os.pipe(), os.pipe()
        if not os.fork():
            os.close(done[1])
            lock.acquire(0, 'test_evacuate')
            os.write(ready[1], b'.')
            os.read(done[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        return lambda: (os.close(done[1]), os.wait())


class TestBad(testtools.TestCase):
    def test(self):
        client = CloudClient(['host1'])
        self.addCleanup(client.in_another_run())
        toggle = self.useFixture(SafeServiceToggle(api=client))
        # The other run needs host1 until its test ends.
        toggle.disable('host1')


class TestMended(testtools.TestCase):
    def test(self):
        client = CloudClient(['host1'])
        end = client.in_another_run()
        toggle = self.useFixture(SafeServiceToggle(api=client))
        # The other run has ended, or uses another compute.
        end()
        toggle.disable('host1')
