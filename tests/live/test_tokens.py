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

"""The token of a client becomes invalid between a toggle and its restore."""

import safe_fixtures
from tests.live import base
from tests.live import clients
from tools.live_cloud import processes


class TestRenewed(base.Scenarios):
    scenarios = [(kind, {'kind': kind}) for kind in clients.KINDS]

    def toggle(self):
        """Disable a compute; return the toggle and the token."""
        client = clients.KINDS[self.kind](self.cloud)
        toggle = self.set_up(safe_fixtures.SafeServiceToggle(api=client))
        toggle.disable('compute1')
        return toggle, clients.token_of(client)

    def test_revoked(self):
        toggle, token = self.toggle()
        self.cloud.revoke(token)
        toggle.cleanUp()
        self.assertChanged()

    def test_expired(self):
        with self.cloud.changed('keystone', token_expiration=8):
            toggle, token = self.toggle()
            processes.wait_for(
                lambda: not self.cloud.accepts(token), 60, 'it is valid'
            )
            toggle.cleanUp()
        self.assertChanged()


class TestStatic(base.TestCase):
    def test_cannot_be_renewed(self):
        given = self.cloud.get_token()
        script = self.run_script(
            '''
            import os
            from tests.live import base
            from tests.live import clients
            api = clients.token_session(base.running(), os.environ['TOKEN'])
            toggle = make_toggle(api)
            toggle.disable('compute1')
            print('token', clients.token_of(api), flush=True)
            point('toggled')
            toggle.cleanUp()
            ''',
            TOKEN=given,
            OS_SAFE_FIXTURES__RESTORE_DEADLINE='5',
        )
        script.reach('toggled')
        (line,) = (
            each
            for each in script.output.splitlines()
            if each.startswith('token ')
        )
        # Another one could be had for the one that was given.
        for token in (line.split()[1], given):
            self.cloud.revoke(token)
        self.assertNotEqual(0, script.end())
        # It stays in the journal.
        self.assertChanged('compute1')
        self.assertRestores()
