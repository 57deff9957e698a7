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

from nova.tests.functional import integrated_helpers

from safe_fixtures import MicroversionPin
from safe_fixtures import SafeServiceToggle


class TestDisabledHost(integrated_helpers._IntegratedTestBase):
    ADMIN_API = True
    microversion = 'latest'

    def setUp(self):
        # Only where Nova was installed from its wheel; see below.
        self.useFixture(safe_fixtures.nova.InstalledNova())
        super().setUp()
        self.useFixture(MicroversionPin())
        self.toggle = self.useFixture(SafeServiceToggle())

    def test_nothing_is_built_there(self):
        service = self.api.get_services(binary='nova-compute')[0]
        self.api.put_service(service['id'], {'status': 'disabled'})
        self._create_server(networks='none', expected_state='ERROR')
        self.assertEqual('enabled', self.toggle.ledger[0].before.status)
