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

from safe_fixtures.nova import hardened  # isort: skip

from nova.tests.functional import integrated_helpers
from nova.tests.functional.wsgi import test_services


class TestNewBase(hardened(integrated_helpers._IntegratedTestBase)):
    ADMIN_API = True

    def test_servers(self):
        self.assertEqual([], self.api.get_servers())


class TestStatusFilter(hardened(test_services.ComputeStatusFilterTest)):
    """A test class of Nova, unedited."""
