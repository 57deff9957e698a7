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

"""Clients of every kind, and what a put changes, on real Nova."""

from keystoneauth1 import adapter
from keystoneauth1 import noauth
from keystoneauth1 import session
from nova import test

from safe_fixtures.guards import services
from safe_fixtures.guards.services import changes
from safe_fixtures.guards.services import clients
from tests.functional.nova import inner

# Each form of a put: what comes after os-services, the microversion, and
# the body.
PUTS = [
    (path, version, {'host': 'host', 'binary': 'nova-compute', **body})
    for path, version, body in (
        ('disable', '2.1', {}),
        ('disable', '2.1', {'disabled_reason': 'ignored'}),
        ('disable-log-reason', '2.1', {'disabled_reason': 'why'}),
        ('disable', '2.11', {'forced_down': True}),
        ('enable', '2.1', {}),
        ('force-down', '2.11', {'forced_down': 'True'}),
        ('force-down', '2.52', {'forced_down': 'off'}),
    )
] + [
    ('{uuid}', '2.53', body)
    for body in (
        {'status': 'disabled', 'disabled_reason': 'why'},
        {'status': 'disabled'},
        {'status': 'disabled', 'forced_down': 'yes'},
        {'disabled_reason': 'ignored', 'forced_down': True},
        {'status': 'enabled', 'forced_down': False},
    )
]


class TestClients(inner.ApiMixin, test.TestCase):
    def setUp(self):
        super().setUp()
        self.service = inner.make_service(self, 'host')
        inner.make_service(self, 'other')
        self.adapter = adapter.Adapter(
            session.Session(noauth.NoAuth(self.admin_api.base_url)),
            'compute',
            additional_headers={
                'X-Auth-User': self.admin_api.auth_user,
                'X-Auth-Project-Id': self.admin_api.project_id,
                'X-Roles': ','.join(self.admin_api.roles),
            },
        )

    def state(self):
        return services.ServiceState(*inner.state_of(self, 'host'))

    def test_each_kind(self):
        for client in (self.adapter, self.admin_api):
            for version in (None, '2.1'):
                self.admin_api.microversion = version
                api = clients.adapt(client)
                found = clients.check(api, 30.0)
                self.assertEqual(
                    {'host', 'other'}, {each.ref.host for each in found}
                )
                (found,) = api.list_services(30.0, 'host')
                self.assertEqual(self.service.uuid, found.ref.uuid)
                self.assertEqual(self.state(), found.state)
                body = {'status': 'disabled', 'disabled_reason': api.kind}
                api.put_service(found.ref.handle, body, 30.0)
                self.assertEqual(
                    services.ServiceState(True, api.kind), self.state()
                )
                (found,) = api.list_services(30.0, 'host', 'nova-compute')
                self.assertEqual(self.state(), found.state)
                api.put_service(found.ref.handle, {'status': 'enabled'}, 30.0)
                self.assertEqual([], api.servers_on('host', 30.0))

    def test_what_a_put_changes(self):
        for path, version, body in PUTS:
            path = f'/os-services/{path}'.format(uuid=self.service.uuid)
            before = self.state()
            answer = self.adapter.put(
                path,
                json=body,
                headers={'OpenStack-API-Version': f'compute {version}'},
            )
            self.assertEqual(200, answer.status_code)
            change = changes.parse_change(path, 'PUT', body)
            self.assertEqual(
                self.state(), change.applied(before), f'{path} {body}'
            )
        # What it refuses.
        api = clients.adapt(self.adapter)
        for body in ({}, {'disabled_reason': 'why'}, {'status': 'other'}):
            error = self.assertRaises(
                clients.ApiError,
                api.put_service,
                self.service.uuid,
                body,
                30.0,
            )
            self.assertEqual(400, error.status)
            self.assertNotEqual('without a word', error.message)
