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

"""One fixture, added to an otherwise unchanged Nova test."""

import safe_fixtures.nova  # isort: skip

from nova.tests.functional import integrated_helpers

from safe_fixtures import SafeServiceToggle


class TestDisabledCompute(integrated_helpers._IntegratedTestBase):
    """A test on Nova's own base, which toggles a service the raw way."""

    ADMIN_API = True
    microversion = '2.53'

    def setUp(self):
        # Only for a Nova that was installed from its wheel.
        self.useFixture(safe_fixtures.nova.InstalledNova())
        super().setUp()
        # The line that is new.
        self.toggle = self.useFixture(SafeServiceToggle())

    def test_no_valid_host(self):
        """Nothing can be built, and the service is enabled afterwards."""
        service = self.api.get_services(binary='nova-compute')[0]
        self.api.put_service(service['id'], {'status': 'disabled'})

        self._create_server(networks='none', expected_state='ERROR')

        entry = self.toggle.ledger[0]
        self.assertEqual('enabled', entry.before.status)
        self.assertEqual('disabled', entry.after.status)
