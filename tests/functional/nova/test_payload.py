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

"""PayloadGuard on real Nova."""

import base64

from nova.tests.fixtures import glance
from oslo_config import fixture as config_fixture
import testtools

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures import nova as safe_nova
from tests.functional.nova import inner


class Servers(safe_nova.SafeIntegratedTestBase):
    ADMIN_API = True
    microversion = '2.60'

    def setUp(self):
        self.useFixture(config_fixture.Config(conf.CONF)).config(
            group='safe_fixtures', rule_modes={'SF303': 'enforce'}
        )
        super().setUp()

    def create(self, address, script):
        return self.api.post_server(
            {
                'server': {
                    'name': 'dummy',
                    'imageRef': glance.GlanceFixture.image1['id'],
                    'flavorRef': '1',
                    'networks': 'none',
                    'accessIPv4': address,
                    'user_data': base64.b64encode(script).decode(),
                }
            }
        )


class TestPayload(testtools.TestCase):
    def test_real_data_is_refused_before_nova_sees_it(self):
        seen = {}

        class Inner(Servers):
            def test(self):
                try:
                    self.create('8.8.8.8', b'mail -s done joe@gmail.com')
                except exceptions.SafetyViolation as violation:
                    seen['message'] = violation.message
                seen['servers'] = self.api.get_servers()

        result = inner.run_inner(Inner)
        self.assertEqual([], seen['servers'])
        self.assertIn(
            'POST /v2.1/servers holds real-looking data: '
            'server.accessIPv4: public address 8.8.8.8; '
            'server.user_data (base64): e-mail domain gmail.com',
            seen['message'],
        )
        # Swallowed, it fails the test all the same.
        self.assertIn(seen['message'], inner.problems(result))
        self.assertIn('SafetyViolation: SF303', inner.problems(result))

    def test_documentation_data_is_served(self):
        seen = {}

        class Inner(Servers):
            def test(self):
                server = self.create('192.0.2.1', b'mail joe@example.com')
                server = self._wait_for_state_change(server, 'ACTIVE')
                seen.update(server, trail=self.audit_trail)

        result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertEqual('192.0.2.1', seen['accessIPv4'])
        checks = [
            audit.details(event)
            for event in seen['trail'].events
            if event['action'] == 'evaluate/payload'
        ]
        self.assertEqual(1, len(checks))
        self.assertGreater(checks[0]['bytes'], 200)
