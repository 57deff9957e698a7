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

"""A fake cloud, and test cases that send requests to it."""

import contextlib
import json
import types

import requests

from safe_fixtures import audit
from safe_fixtures.guards import permissions
from safe_fixtures import ServerPermissions
from safe_fixtures import testing
from tests.support import base
from tests.support import inner
from tests.support import web

SERVER = '6c0f6ad2-8f3c-4c0e-9b0a-7f8f0d5d3c11'
ADMIN = permissions.Persona('admin', ('admin',), 'admin', is_admin=True)
OWNER = permissions.Persona('owner', ('member',))
OTHER = permissions.Persona('other', ('member',), 'other', in_project=False)
SHOW = permissions.Operation('show', 'GET /servers/{id}', ('show',))
SECRETS = permissions.Operation(
    'see secrets',
    'secret',
    ('secrets',),
    'attribute',
    keys=('secret',),
    early_keys=(('early', '2.90'),),
)
LIST = permissions.Operation('list', 'GET /servers', ('list',), 'list')
TAGS = permissions.Operation(
    'tags', 'GET /servers/{id}/tags', ('tags',), since='2.26'
)
DEFAULTS = {
    ('admin', 'show'): 'allowed',
    ('owner', 'show'): 'allowed',
    ('other', 'show'): 'hidden',
    ('admin', 'see secrets'): 'allowed',
    ('owner', 'see secrets'): 'hidden',
    ('other', 'see secrets'): 'hidden',
    ('admin', 'tags'): 'allowed',
    ('owner', 'tags'): 'allowed',
    ('other', 'tags'): 'forbidden',
}


def record(**fields):
    return permissions.ServerRecord(
        **{
            'server_id': SERVER,
            'project_id': 'project',
            'user_id': 'user',
            'hosts': frozenset(['compute7']),
            'key_pairs': (),
            'state': {'metadata': {}},
            **fields,
        }
    )


class Source:
    """A cloud with one server whose permissions are right."""

    operations = (SHOW, SECRETS, TAGS)
    admin_user = 'admin'

    def __init__(self, **got):
        self.outcomes = dict(DEFAULTS)
        self.shown = {'id': SERVER, 'user_id': 'user', 'tenant_id': 'project'}
        self.also = {}
        self.texts = {}
        self.records = [record(), record()]
        self.probers = 0
        self.requests = 0
        self.set_aside = ['opened']
        self.users = set()

    def microversion(self, pin):
        return pin or '2.100'

    def personas(self):
        return ADMIN, OWNER, OTHER

    def expected(self, persona, operation):
        return DEFAULTS[persona.name, operation.name]

    def server(self, server_id):
        if server_id != SERVER:
            return None
        if len(self.records) == 1:
            return self.records[0]
        return self.records.pop(0)

    def watching_policy(self):
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def probing(self, server, endpoint, microversion, watched):
        self.probers += 1
        self.requests = 0
        yield self

    def attempt(self, persona, operation):
        self.requests += 1
        self.users.add(persona.user)
        got = self.outcomes[persona.name, operation.name]
        shown, text = None, self.texts.get((persona.name, operation.name), '')
        if operation is SHOW and got == 'allowed':
            shown = dict(self.shown, **self.also.get(persona.name, {}))
            if self.outcomes[persona.name, 'see secrets'] == 'allowed':
                shown['secret'] = 'x'
            text = json.dumps(shown)
        return permissions.Attempt(got, 'HTTP', shown, text)

    def cause(self, persona, operation):
        return operation.rules[-1], 'somebody weakened it'


class PermissionsTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.source = Source()
        self.web = self.useFixture(web.Served())
        self.api = types.SimpleNamespace(base_url=f'{web.URL}/v2.1')

    def found(self, **arguments):
        """Return the findings of a check in an inner test."""
        seen = []

        def test_it(test):
            check = self.fixture(test, **arguments)
            with testing.expect_violation('SF502') as violations:
                check.assert_permissions(SERVER)
            seen.extend(violations)

        self.assertPasses(inner.case_of(test_it))
        (violation,) = seen
        return violation.findings

    def fixture(self, test, **arguments):
        return test.useFixture(
            ServerPermissions(
                self.api, source=self.source, test=test, **arguments
            )
        )

    def assert_finds(self, text, **arguments):
        (finding,) = self.found(**arguments)
        self.assertEqual(text, str(finding))
        return finding


class RequestsTestCase(PermissionsTestCase):
    """Tests that create a server by requests, and show it."""

    def setUp(self):
        super().setUp()
        self.web.respond = self.respond
        self.status = 'ACTIVE'
        self.task = None
        self.answer, self.body = '202 Accepted', None
        self.response = {'id': SERVER, 'adminPass': 'x8Jk2mQp'}
        self.trail = self.useFixture(audit.AuditTrail())

    def respond(self, environ):
        if environ['REQUEST_METHOD'] in ('DELETE', 'POST'):
            return self.answer, {}, self.body or {'server': self.response}
        server = {
            'id': SERVER,
            'status': self.status,
            'OS-EXT-STS:task_state': self.task,
        }
        if environ['PATH_INFO'].endswith('/detail'):
            return '200 OK', {}, {'servers': [{'id': 'x'}, server]}
        return '200 OK', {}, {'server': server}

    def send(self, method, path, body=None):
        requests.request(
            method,
            f'{web.URL}/v2.1{path}',
            json=body,
            headers={'X-Auth-User': 'user', 'X-Auth-Project-Id': 'project'},
        )

    def create(self, **server):
        self.send('POST', '/servers', {'server': server})

    def checked(self, **arguments):
        return ServerPermissions(
            source=self.source, test=self, check_first=True, **arguments
        )

    def said(self):
        return [
            event['attachments'][0]['content']
            for event in self.trail.events
            if event['action'] == 'evaluate/permissions'
        ]

    def finds(self, *, then=(), of=SERVER, **server):
        """Return the findings about a server that is created so."""
        with ServerPermissions(self.api, source=self.source) as check:
            self.create(**server)
            for action in then:
                if isinstance(action, dict):
                    action = 'POST', '/action', action
                method, path, body = action
                self.send(method, f'/servers/{of}{path}', body)
            with testing.expect_violation('SF502') as seen:
                # expect_violation needs a finding.
                self.source.outcomes['other', 'show'] = 'error'
                check.assert_permissions(of)
        return [
            str(each) for each in seen[0].findings if each.persona != 'other'
        ]
