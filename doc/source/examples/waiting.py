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

from safe_fixtures.nova import InstalledNova  # isort: skip
from safe_fixtures.nova import PromptBus
from safe_fixtures.nova import WaitForChange

from nova.tests.functional import integrated_helpers


class TestPromptly(integrated_helpers._IntegratedTestBase):
    ADMIN_API = True
    CAST_AS_CALL = False
    microversion = '2.37'

    def setUp(self):
        self.useFixture(InstalledNova())
        # Before the services start, so that it ends after they stop.
        self.useFixture(PromptBus())
        super().setUp()
        self.useFixture(WaitForChange())

    def test_server(self):
        server = self._create_server(networks='none')
        self.assertEqual('ACTIVE', server['status'])
        self._delete_server(server)
