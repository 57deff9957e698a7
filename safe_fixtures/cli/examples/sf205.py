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

from nova import service

from safe_fixtures.nova import SafeTestCase


class TestBad(SafeTestCase):
    def test(self):
        conductor = service.Service.create(
            host='host1', binary='nova-conductor'
        )
        conductor.start()


class TestMended(SafeTestCase):
    def test(self):
        # It is stopped in a cleanup.
        self.start_service('conductor', host='host1')
