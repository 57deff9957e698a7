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

import base64

from safe_fixtures.testing import expect_violation


class TestPayload(SafeIntegratedTestBase):
    ADMIN_API = True
    microversion = '2.60'

    def test_documentation_data(self):
        script = b'#!/bin/sh\nmail -s "it is up" operator@example.com\n'
        server = self._build_server(networks='none')
        server['accessIPv4'] = '192.0.2.10'
        server['accessIPv6'] = '2001:db8::10'
        server['user_data'] = base64.b64encode(script).decode()
        server = self.api.post_server({'server': server})
        self._wait_for_state_change(server, 'ACTIVE')

    def test_real_looking_data(self):
        server = self._create_server(networks='none')
        update = {'name': 'of joe@gmail.com', 'accessIPv4': '8.8.8.8'}
        with expect_violation('SF303') as seen:
            self.api.api_put(f'/servers/{server["id"]}', {'server': update})
        self.assertIn(
            'holds real-looking data: '
            'server.accessIPv4: public address 8.8.8.8; '
            'server.name: e-mail domain gmail.com',
            seen[0].message,
        )
