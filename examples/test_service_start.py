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

"""A test that says which services it is about."""

from safe_fixtures.nova import SafeIntegratedTestBase  # isort: skip

from nova import context
from nova import objects

from safe_fixtures.testing import expect_violation


class TestWithoutScheduler(SafeIntegratedTestBase):
    """Nothing schedules here, not even by mistake."""

    ALLOWED_SERVICES = ('compute', 'conductor')

    def _setup_scheduler_service(self):
        return self._setup_conductor_service()

    def test_no_scheduler(self):
        """It is refused before there is a record of it."""
        with expect_violation('SF204') as seen:
            self.start_service('scheduler')

        self.assertIn('may start compute, conductor', seen[0].message)
        self.assertNotIn(
            'nova-scheduler',
            [
                service.binary
                for service in objects.ServiceList.get_all(
                    context.get_admin_context()
                )
            ],
        )
