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

from safe_fixtures.nova import SafeIntegratedTestBase  # isort: skip

from safe_fixtures import ApiGate


class Requests:
    """Notes what was asked for and how it was answered."""

    def __init__(self):
        self.seen = []

    def before(self, call):
        assert call.response is None

    def after(self, call):
        self.seen.append((call.method, call.path, call.response.status_code))


class TestGate(SafeIntegratedTestBase):
    ADMIN_API = True

    def test_requests(self):
        with ApiGate(Requests()) as gate:
            self.api.get_servers()
            self.api.get_servers()
        self.api.get_servers()
        self.assertEqual(
            [('GET', '/servers/detail', 200)] * 2, gate.observer.seen
        )
