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


from safe_fixtures.nova import SafeIntegratedTestBase
from safe_fixtures import Redactor


class TestRedaction(SafeIntegratedTestBase):
    def test_what_is_seen_once_is_masked_everywhere(self):
        server = self._build_server(networks=[])
        created = self.api.post_server({'server': server})
        self._wait_for_state_change(created, 'ACTIVE')
        password = created['adminPass']
        redactor = Redactor([password])
        self.assertEqual(
            'the password of the server is ***',
            redactor.redact(f'the password of the server is {password}'),
        )
        self.assertEqual(
            'in hexadecimal: ***',
            redactor.redact(f'in hexadecimal: {password.encode().hex()}'),
        )
