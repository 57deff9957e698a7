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

"""Checks of what responses show of a server, and of changes to it."""

from safe_fixtures import ServerPermissions
from tests.unit.guards.permissions import cases


class TestServer(cases.PermissionsTestCase):
    """Checks of what responses show of a server, and of changes to it."""

    def test_host(self):
        self.source.also['owner'] = {'fault': {'at': ['compute7']}}
        self.assert_finds(
            'owner: show: expected no name of a host, got compute7 shown to '
            'owner (HTTP) [only administrators may see hosts]'
        )

    def test_host_in_another_response(self):
        key = 'owner', 'tags'
        self.source.texts[key] = '{"metadata": {"k": "compute7"}}'
        self.assert_finds(
            'owner: tags: expected no name of a host, got compute7 shown to '
            'owner (HTTP) [only administrators may see hosts]'
        )
        self.source.records = [
            cases.record(state={'metadata': {'k': 'compute7'}})
        ]
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(cases.SERVER)

    def test_host_in_a_fault(self):
        for host, message, wrong in (
            ('compute7', 'It failed on compute7.', True),
            ('compute7', 'It failed on compute77.', False),
            ('compute7', 'It failed on compute7-a.', False),
            ('compute', "Host 'compute' is not mapped.", True),
            ('compute', 'It failed on host compute', True),
            ('compute', 'Insufficient compute resources.', False),
            ('compute', 'No host computes that.', False),
        ):
            with self.subTest(host=host, message=message, wrong=wrong):
                self.source.records = [cases.record(hosts=frozenset([host]))]
                self.source.also['owner'] = {'fault': {'message': message}}
                # found() needs a finding.
                self.source.outcomes['other', 'show'] = 'error'
                found = [
                    each for each in self.found() if each.persona == 'owner'
                ]
                self.assertEqual(wrong, bool(found), message)

    def test_host_is_chosen(self):
        self.source.records = [
            cases.record(
                state={
                    'availability_zone': 'compute7',
                    'metadata': {'k': 'compute7'},
                }
            )
        ]
        self.source.shown['metadata'] = {'k': 'compute7'}
        self.source.shown['name'] = 'compute7'
        self.source.shown['key_name'] = 'compute7'
        self.source.shown['OS-EXT-AZ:availability_zone'] = 'compute7'
        self.source.also['admin'] = {'host': 'compute7'}
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(cases.SERVER)

    def test_host_for_a_zone(self):
        self.source.shown['OS-EXT-AZ:availability_zone'] = 'compute7'
        self.assertEqual(
            ['compute7 shown to owner'], [each.got for each in self.found()]
        )

    def test_password(self):
        self.source.also['admin'] = {'adminPass': 'x'}
        self.assert_finds(
            'admin: show: expected no admin password, got the admin password '
            'shown to admin (HTTP) [only its creator may see the password, '
            'once]'
        )

    def test_owner(self):
        self.source.shown['tenant_id'] = 'theirs'
        self.assert_finds(
            'admin: show: expected project project, got project theirs (HTTP) '
            '[a server belongs to its creator]'
        )

    def test_key_pair(self):
        pairs = (('mine', 'user'), ('theirs', 'somebody'))
        self.source.records = [cases.record(key_pairs=pairs)]
        self.assert_finds(
            'owner: key pair: expected one of user user, got theirs of user '
            "somebody [the key pair belongs to another user]"
        )

    def test_changed(self):
        self.source.records[1] = cases.record(state={'metadata': {'k': 'v'}})
        self.assert_finds(
            "anybody: all: expected metadata {}, got metadata {'k': 'v'} [it "
            'changed during the check]'
        )

    def test_changed_by_somebody_else(self):
        busy = {'task_state': 'resizing', 'metadata': {}}
        self.source.records = [
            cases.record(is_busy=True, state=dict(busy, updated_at='1')),
            cases.record(state={'task_state': None, 'metadata': {}}),
        ]
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(cases.SERVER)

    def test_gone(self):
        self.source.records[1] = None
        self.assert_finds(
            'anybody: all: expected unchanged, got the server is gone'
        )
