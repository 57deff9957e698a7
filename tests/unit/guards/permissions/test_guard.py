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

import contextlib
import dataclasses
import json
import pickle
import types

import fixtures
import requests
import testtools

from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards import permissions
from safe_fixtures import rules
from safe_fixtures import ServerPermissions
from safe_fixtures import testing
from safe_fixtures import waive
from tests.support import base
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
    """A cloud with one server, where all is as it should be."""

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
        """Return what is found in an inner test that must fail."""
        seen = []

        def test_it(test):
            check = self.fixture(test, **arguments)
            with testing.expect_violation('SF502') as violations:
                check.assert_permissions(SERVER)
            seen.extend(violations)

        self.assertPasses(self.case(test_it))
        (violation,) = seen
        return violation.findings

    def fixture(self, test, **arguments):
        return test.useFixture(
            ServerPermissions(
                self.api, source=self.source, test=test, **arguments
            )
        )

    def case(self, test_it):
        return type('Inner', (testtools.TestCase,), {'test_it': test_it})

    def assert_finds(self, text, **arguments):
        (finding,) = self.found(**arguments)
        self.assertEqual(text, str(finding))
        return finding


class TestMatrix(PermissionsTestCase):
    def test_all_is_well(self):
        trail = self.useFixture(audit.AuditTrail())
        with ServerPermissions(
            self.api, source=self.source, trail=trail
        ) as check:
            check.assert_permissions({'id': SERVER, 'name': 'any'})
        (event,) = trail.events
        self.assertEqual('evaluate/permissions', event['action'])
        self.assertEqual('success', event['outcome'])
        said = event['attachments'][0]['content']
        self.assertEqual(7, said['requests'])
        self.assertEqual('2.100', said['microversion'])
        self.assertEqual(['opened'], said['rules_set_aside'])
        self.assertEqual([], said['findings'])
        self.assertEqual(
            [
                'requester, admin password, security groups: its creation '
                'was not seen'
            ],
            said['not_checked'],
        )

    def test_weaker(self):
        self.source.outcomes['other', 'show'] = 'allowed'
        finding = self.assert_finds(
            'other: show: expected hidden, got allowed (HTTP) [show: '
            'somebody weakened it]'
        )
        self.assertEqual(
            permissions.Finding(
                'other',
                'show',
                'hidden',
                'allowed',
                'HTTP',
                'show',
                'somebody weakened it',
            ),
            finding,
        )

    def test_stricter(self):
        self.source.outcomes['owner', 'tags'] = 'forbidden'
        self.assert_finds(
            'owner: tags: expected allowed, got forbidden (HTTP) [tags: '
            'somebody weakened it]'
        )

    def test_existence_disclosed(self):
        self.source.outcomes['other', 'show'] = 'forbidden'
        self.assert_finds(
            'other: show: expected hidden, got forbidden (HTTP) [show: '
            'somebody weakened it]'
        )

    def test_all_of_them(self):
        self.source.outcomes = dict.fromkeys(DEFAULTS, 'error')
        self.assertEqual(
            [
                (persona, operation)
                for persona in ('admin', 'owner', 'other')
                for operation in ('show', 'see secrets', 'tags')
                if DEFAULTS[persona, operation] != 'hidden'
                or operation != 'see secrets'
            ],
            [(each.persona, each.operation) for each in self.found()],
        )

    def test_attribute(self):
        self.source.outcomes['owner', 'see secrets'] = 'allowed'
        self.assert_finds(
            'owner: see secrets: expected hidden, got allowed (secret is '
            'shown) [secrets: somebody weakened it]'
        )

    def test_early_attribute(self):
        self.source.also['owner'] = {'early': 'x'}
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(SERVER)
        self.configure(pinned_microversion='2.89')
        self.assert_finds(
            'owner: see secrets: expected hidden, got allowed (early is '
            'shown) [secrets: somebody weakened it]'
        )

    def test_lists_leave_it_out(self):
        self.source.operations = (SHOW, LIST)
        for persona in ('admin', 'owner', 'other'):
            key = persona, 'list'
            self.source.outcomes[key] = DEFAULTS[persona, 'show']
        self.source.expected = lambda persona, operation: (
            'allowed'
            if operation is LIST
            else DEFAULTS[persona.name, operation.name]
        )
        (finding,) = self.found()
        self.assertEqual('list', finding.operation)
        self.source.records = [record(is_listed=False)]
        trail = self.useFixture(audit.AuditTrail())
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(SERVER)
        said = trail.events[-1]['attachments'][0]['content']
        self.assertEqual(
            'list: lists leave out what is deleted softly',
            said['not_checked'][0],
        )

    def admins(self):
        self.source.records = [record(user_id='admin')]
        self.source.shown['user_id'] = 'admin'
        self.source.outcomes['owner', 'show'] = 'hidden'
        return self.useFixture(audit.AuditTrail())

    def test_administrator_as_owner(self):
        trail = self.admins()
        # Somebody else of the project has the same roles.
        mate = dataclasses.replace(OWNER, name='other', user='mate')
        self.source.personas = lambda: (ADMIN, OWNER, mate)
        self.source.outcomes['other', 'show'] = 'allowed'
        self.source.expected = lambda *each: self.source.outcomes[
            tuple(part.name for part in each)
        ]
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(SERVER)
        said = trail.events[-1]['attachments'][0]['content']
        self.assertEqual(
            "owner: the user 'admin' is made an administrator, whatever the "
            'roles',
            said['not_checked'][0],
        )
        self.assertEqual({'admin', 'mate'}, self.source.users)
        # What is stated of it must be so.
        stated = permissions.Deviation('owner', 'tags', 'hidden', 'hers')
        (finding,) = self.found(deviations=[stated])
        self.assertEqual(
            ('owner', 'tags', 'hidden', 'allowed'),
            (
                finding.persona,
                finding.operation,
                finding.expected,
                finding.got,
            ),
        )

    def test_stand_in_for_an_administrator(self):
        trail = self.admins()
        (finding,) = self.found()
        self.assertEqual(
            ('owner', 'show', 'allowed', 'hidden'),
            (
                finding.persona,
                finding.operation,
                finding.expected,
                finding.got,
            ),
        )
        (said,) = [
            event['attachments'][0]['content']
            for event in trail.events
            if event['action'] == 'evaluate/permissions'
        ]
        self.assertEqual(
            'owner, but as another user of the project: the user '
            "'admin' is made an administrator, whatever the roles",
            said['not_checked'][0],
        )
        self.assertIn('project-user', self.source.users)
        self.assertNotIn(None, self.source.users)

    def test_microversion(self):
        self.configure(pinned_microversion='2.25')
        self.source.outcomes['owner', 'tags'] = 'forbidden'
        trail = self.useFixture(audit.AuditTrail())
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(SERVER)
        said = trail.events[-1]['attachments'][0]['content']
        self.assertEqual(
            'tags: microversion 2.25 does not have it', said['not_checked'][0]
        )

    def test_pickle(self):
        self.source.outcomes['other', 'show'] = 'allowed'
        with ServerPermissions(self.api, source=self.source) as check:
            with testing.expect_violation('SF502') as seen:
                check.assert_permissions(SERVER)
        violation = pickle.loads(pickle.dumps(seen[0]))
        self.assertIsInstance(violation, permissions.WrongPermissions)
        self.assertEqual(str(seen[0]), str(violation))
        self.assertEqual(SERVER, violation.server)
        self.assertEqual(seen[0].findings, violation.findings)
        self.assertEqual('CWE-732', violation.cwe)


class TestServer(PermissionsTestCase):
    """What is shown of a server, and what it is afterwards."""

    def test_host(self):
        self.source.also['owner'] = {'fault': {'at': ['compute7']}}
        self.assert_finds(
            'owner: show: expected no name of a host, got compute7 shown to '
            'owner (HTTP) [hosts are for administrators]'
        )

    def test_host_in_another_response(self):
        key = 'owner', 'tags'
        self.source.texts[key] = '{"metadata": {"k": "compute7"}}'
        self.assert_finds(
            'owner: tags: expected no name of a host, got compute7 shown to '
            'owner (HTTP) [hosts are for administrators]'
        )
        self.source.records = [record(state={'metadata': {'k': 'compute7'}})]
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(SERVER)

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
            self.source.records = [record(hosts=frozenset([host]))]
            self.source.also['owner'] = {'fault': {'message': message}}
            # As a check without any finding would fail here.
            self.source.outcomes['other', 'show'] = 'error'
            found = [each for each in self.found() if each.persona == 'owner']
            self.assertEqual(wrong, bool(found), message)

    def test_host_is_chosen(self):
        self.source.records = [
            record(
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
            check.assert_permissions(SERVER)

    def test_host_for_a_zone(self):
        self.source.shown['OS-EXT-AZ:availability_zone'] = 'compute7'
        self.assertEqual(
            ['compute7 shown to owner'], [each.got for each in self.found()]
        )

    def test_password(self):
        self.source.also['admin'] = {'adminPass': 'x'}
        self.assert_finds(
            'admin: show: expected no admin password, got the admin password '
            'shown to admin (HTTP) [the password is for who created it, once]'
        )

    def test_owner(self):
        self.source.shown['tenant_id'] = 'theirs'
        self.assert_finds(
            'admin: show: expected project project, got project theirs (HTTP) '
            '[it is of who created it]'
        )

    def test_key_pair(self):
        pairs = (('mine', 'user'), ('theirs', 'somebody'))
        self.source.records = [record(key_pairs=pairs)]
        self.assert_finds(
            'owner: key pair: expected one of user user, got theirs of user '
            "somebody [the key pair is somebody else's]"
        )

    def test_changed(self):
        self.source.records[1] = record(state={'metadata': {'k': 'v'}})
        self.assert_finds(
            "anybody: all: expected metadata {}, got metadata {'k': 'v'} [it "
            'was changed meanwhile]'
        )

    def test_changed_by_somebody_else(self):
        busy = {'task_state': 'resizing', 'metadata': {}}
        self.source.records = [
            record(is_busy=True, state=dict(busy, updated_at='1')),
            record(state={'task_state': None, 'metadata': {}}),
        ]
        with ServerPermissions(self.api, source=self.source) as check:
            check.assert_permissions(SERVER)

    def test_gone(self):
        self.source.records[1] = None
        self.assert_finds(
            'anybody: all: expected unchanged, got the server is gone'
        )


class TestDeviations(PermissionsTestCase):
    def deviation(self, expected='allowed', **fields):
        return permissions.Deviation(
            **{
                'persona': 'other',
                'operation': 'tags',
                'expected': expected,
                'reason': 'tags are public here',
                **fields,
            }
        )

    def test_applies(self):
        self.source.outcomes['other', 'tags'] = 'allowed'
        trail = self.useFixture(audit.AuditTrail())
        for given, later in (
            ([self.deviation()], ()),
            ((), [self.deviation()]),
        ):
            with ServerPermissions(
                self.api, source=self.source, deviations=given
            ) as check:
                check.assert_permissions(SERVER, deviations=later)
            said = trail.events[-1]['attachments'][0]['content']
            self.assertEqual(
                {'other: tags': 'tags are public here'}, said['deviations']
            )

    def test_any_iterable(self):
        self.source.outcomes['other', 'tags'] = 'allowed'
        check = ServerPermissions(
            self.api,
            source=self.source,
            deviations=(each for each in [self.deviation()]),
        )
        for _ in range(2):
            with check:
                check.assert_permissions(SERVER)

    def test_contradiction(self):
        deviations = [self.deviation(), self.deviation('hidden')]
        check = ServerPermissions(
            self.api, source=self.source, deviations=deviations
        )
        error = self.assertRaises(exceptions.ConfigurationError, check.setUp)
        self.assertIn('it contradicts Deviation(', error.allowed)
        # To say it twice is no harm.
        check = ServerPermissions(
            self.api, source=self.source, deviations=[self.deviation()] * 2
        )
        with check:
            pass

    def test_no_deviation(self):
        check = ServerPermissions(
            self.api, source=self.source, deviations=['other']
        )
        error = self.assertRaises(exceptions.ConfigurationError, check.setUp)
        self.assertEqual('each must be a Deviation', error.allowed)

    def test_does_not_apply(self):
        self.assert_finds(
            'other: tags: expected allowed, got forbidden (HTTP) [tags: it is '
            'stated that it deviates (tags are public here)]',
            deviations=[self.deviation()],
        )

    def test_is_the_default(self):
        self.assert_finds(
            'other: tags: expected forbidden, got forbidden (HTTP) [tags: it '
            'is stated that it deviates (tags are public here), but it is so '
            'by default]',
            deviations=[self.deviation('forbidden')],
        )

    def test_something_else(self):
        self.source.outcomes['other', 'tags'] = 'hidden'
        (finding,) = self.found(deviations=[self.deviation()])
        self.assertEqual(
            ('allowed', 'hidden'), (finding.expected, finding.got)
        )

    def test_is_not_tried(self):
        self.configure(pinned_microversion='2.25')
        trail = self.useFixture(audit.AuditTrail())
        with ServerPermissions(
            self.api, source=self.source, deviations=[self.deviation()]
        ) as check:
            check.assert_permissions(SERVER)
        said = trail.events[-1]['attachments'][0]['content']
        self.assertIn('the deviation of other: tags', said['not_checked'])

    def test_refused(self):
        for fields, allowed in (
            ({'reason': ''}, 'say why, in words'),
            ({'reason': ' \n'}, 'say why, in words'),
            ({'reason': None}, 'say why, in words'),
            (
                {'expected': 'yes'},
                'it must be one of allowed, forbidden, hidden',
            ),
        ):
            error = self.assertRaises(
                exceptions.ConfigurationError, self.deviation, **fields
            )
            self.assertEqual(allowed, error.allowed)
            self.assertIsInstance(error, ValueError)

    def test_unknown(self):
        for deviation, allowed in (
            (self.deviation(persona='me'), 'admin, owner, other'),
            (self.deviation(operation='x'), 'show, see secrets, tags'),
        ):
            check = ServerPermissions(
                self.api, source=self.source, deviations=[deviation]
            )
            error = self.assertRaises(
                exceptions.ConfigurationError, check.setUp
            )
            self.assertEqual(f'it must be one of {allowed}', error.allowed)
            with ServerPermissions(self.api, source=self.source) as check:
                self.assertRaises(
                    exceptions.ConfigurationError,
                    check.assert_permissions,
                    SERVER,
                    deviations=[deviation],
                )
        self.assertEqual(0, self.source.probers)


class TestGuard(PermissionsTestCase):
    def weak(self):
        self.source.outcomes['other', 'show'] = 'allowed'

    def check(self, test):
        self.fixture(test).assert_permissions(SERVER)

    def swallow(self, test):
        with contextlib.suppress(AssertionError):
            self.check(test)

    def test_enforced(self):
        self.assertEqual('enforce', rules.get('SF502').default)
        self.weak()
        for test_it in (self.check, self.swallow):
            self.assertFails(
                self.case(lambda test, act=test_it: act(test)),
                'SF502 (CWE-732): server',
            )

    def test_twin(self):
        self.assertPasses(self.case(lambda test: self.check(test)))

    def test_set_up_fails(self):
        self.weak()

        class Inner(testtools.TestCase):
            def setUp(inner):
                super().setUp()
                self.check(inner)

            def test_it(inner):
                pass

        self.assertFails(Inner, 'SF502 (CWE-732): server')

    def test_audit(self):
        self.weak()
        self.configure(mode='audit')
        self.assertPasses(self.case(lambda test: self.check(test)))

    def test_off(self):
        self.configure(rule_modes='SF502:off')
        self.assertPasses(self.case(lambda test: self.check(test)))
        self.assertEqual(0, self.source.probers)

    def test_waived(self):
        self.weak()
        case = self.case(lambda test: self.check(test))
        self.assertPasses(waive('SF502', reason='it is open here')(case))

    def test_reused(self):
        check = ServerPermissions(self.api, source=self.source)
        for _ in range(2):
            with check:
                check.assert_permissions(SERVER)
        self.assertEqual(2, self.source.probers)

    def test_no_such_server(self):
        with ServerPermissions(self.api, source=self.source) as check:
            error = self.assertRaises(
                exceptions.ConfigurationError, check.assert_permissions, 'x'
            )
        self.assertEqual('there is no such server, or not yet', error.allowed)

    def test_no_source(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.core.plugins.find', lambda: None
            )
        )
        error = self.assertRaises(
            exceptions.ConfigurationError, ServerPermissions(self.api).setUp
        )
        self.assertEqual('ServerPermissions source', error.option)

    def test_real_authentication(self):
        self.api.stub_keystone = False
        check = ServerPermissions(self.api, source=self.source)
        error = self.assertRaises(exceptions.ConfigurationError, check.setUp)
        self.assertEqual('its authentication must be stubbed', error.allowed)

    def test_another_process(self):
        api = types.SimpleNamespace(base_url='http://nova.test:80/v2.1')
        check = ServerPermissions(api, source=self.source)
        error = self.assertRaises(exceptions.ConfigurationError, check.setUp)
        self.assertEqual('http://nova.test:80', error.value)
        self.api = api
        with ServerPermissions(source=self.source) as check:
            self.assertRaises(
                exceptions.ConfigurationError, check.assert_permissions, SERVER
            )
        self.assertEqual(0, self.source.probers)


class TestRequests(PermissionsTestCase):
    """What is seen of how a server was created, and of when it is active."""

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
        """Return what is found of a server that is created like that."""
        with ServerPermissions(self.api, source=self.source) as check:
            self.create(**server)
            for action in then:
                if isinstance(action, dict):
                    action = 'POST', '/action', action
                method, path, body = action
                self.send(method, f'/servers/{of}{path}', body)
            with testing.expect_violation('SF502') as seen:
                # As a check without any finding would fail here.
                self.source.outcomes['other', 'show'] = 'error'
                check.assert_permissions(of)
        return [
            str(each) for each in seen[0].findings if each.persona != 'other'
        ]

    def test_requester(self):
        self.source.shown.update(user_id='her', tenant_id='hers')
        self.assertEqual(
            [
                'admin: show: expected user user, got user her (HTTP) [it is '
                'of who created it]',
                'admin: show: expected project project, got project hers '
                '(HTTP) [it is of who created it]',
            ],
            self.finds(),
        )

    def test_password(self):
        for field in (self.response['adminPass'], 'z7Qm1vKp'):
            self.source.records = [record()]
            self.source.also['owner'] = {'note': f'it is {field}'}
            (found,) = self.finds(adminPass='z7Qm1vKp')
            self.assertIn('the admin password shown to owner', found)

    def test_password_in_another_response(self):
        self.source.texts['owner', 'tags'] = 'it is x8Jk2mQp'
        (found,) = self.finds()
        self.assertTrue(found.startswith('owner: tags: expected no admin'))

    def test_later_password(self):
        shown = {'note': 'z7Qm1vKp'}
        rebuild = {'rebuild': {'adminPass': 'z7Qm1vKp'}}
        rescue = {'rescue': {}}
        for then, body, answer, wrong in (
            ([rebuild], None, '202 Accepted', True),
            ([rebuild], None, '403 Forbidden', False),
            ([rescue], {'adminPass': 'z7Qm1vKp'}, '200 OK', True),
            ([rescue], {'server': shown}, '200 OK', False),
        ):
            self.source.records = [record()]
            self.source.also['owner'] = shown
            self.body, self.answer = None, '202 Accepted'
            create = self.create

            def created(create=create, body=body, answer=answer, **server):
                create(**server)
                self.body, self.answer = body, answer

            self.create = created
            found = self.finds(then=then)
            self.create = create
            self.assertEqual(wrong, bool(found), (then, answer, found))

    def test_several(self):
        """The response has only the first of them, or none."""
        other = '0e2a4c55-1b1f-4a6e-9f0c-5a4f1d1c9b10'
        records = {
            SERVER: record(reservation='r-1'),
            other: record(server_id=other, reservation='r-1'),
        }
        self.source.server = records.get
        self.source.shown['security_groups'] = [{'name': 'open'}]
        self.assertEqual([], self.finds(of=other))
        for body, asked in (
            (None, {'min_count': 2}),
            ({'reservation_id': 'r-1'}, {'return_reservation_id': True}),
        ):
            self.body = body
            (found,) = self.finds(of=other, **asked)
            self.assertIn('got security groups open', found)
            # Not each server is one of them.
            records[other] = record(server_id=other, reservation='r-2')
            self.assertEqual([], self.finds(of=other, **asked))
            records[other] = record(server_id=other, reservation='r-1')

    def test_first_is_one_of_a_reservation(self):
        self.body = {'reservation_id': 'r-1'}
        with self.checked():
            self.create(return_reservation_id=True)
        self.assertEqual(
            [['all: its id was not in the response']],
            [each['not_checked'] for each in self.said()],
        )

    def test_security_groups(self):
        port = [{'port': 'x'}]
        group = {'name': '6c0f6ad2-8f3c-4c0e-9b0a-7f8f0d5d3c11'}
        add = [{'addSecurityGroup': {'name': 'open'}}]
        attach = [('POST', '/os-interface', {'interfaceAttachment': {}})]
        detach = [('DELETE', '/os-interface/port', None)]
        for shown, asked, then, wrong in (
            (['default'], {}, (), False),
            (['open'], {}, (), True),
            ([], {}, (), False),
            (['a', 'b'], {'security_groups': ['b', 'a']}, (), False),
            (['a'], {'security_groups': ['b', 'a']}, (), True),
            (['default', 'a'], {'security_groups': ['a']}, (), True),
            (['open'], {'networks': port}, (), False),
            (['open'], {'networks': 'none'}, (), True),
            (['open'], {'security_groups': [group]}, (), False),
            (['open'], {}, add, False),
            (['open'], {}, attach, False),
            (['open'], {}, detach, False),
            (['open'], {}, [{'lock': None}], True),
        ):
            self.source.records = [record()]
            asked = {
                key: [
                    {'name': each} if isinstance(each, str) else each
                    for each in value
                ]
                if isinstance(value, list)
                else value
                for key, value in asked.items()
            }
            self.source.shown['security_groups'] = [
                {'name': name} for name in shown
            ]
            found = self.finds(then=then, **asked)
            self.assertEqual(wrong, bool(found), (shown, asked, found))

    def test_no_security_groups(self):
        self.source.shown.update(security_groups=[], addresses={'net': ['x']})
        group = {'name': 'web'}
        (found,) = self.finds(security_groups=[group])
        self.assertIn(
            'expected security groups web, got security groups none', found
        )
        # So it is on a network without port security.
        self.source.records = [record()]
        self.assertEqual([], self.finds())
        self.assertEqual(
            ['security groups: its network may be without port security'],
            self.said()[-1]['not_checked'],
        )
        self.source.records = [record()]
        self.source.shown['addresses'] = {}
        self.assertEqual([], self.finds(security_groups=[group]))

    def test_off(self):
        self.configure(rule_modes='SF502:off')
        with self.checked() as check:
            self.create()
            self.send('GET', f'/servers/{SERVER}')
            self.assertNotIn(check, [each.observer for each in gate._gates])
        self.assertEqual(0, self.source.probers)
        self.assertEqual([], self.said())

    def test_first_is_not_deleted(self):
        with self.checked():
            self.create()
            self.answer = '409 Conflict'
            self.send('DELETE', f'/servers/{SERVER}')
            self.send('GET', f'/servers/{SERVER}')
        self.assertEqual(1, self.source.probers)

    def test_first_is_checked_once(self):
        with self.checked():
            self.status = 'BUILD'
            self.create()
            self.send('GET', f'/servers/{SERVER}')
            self.status, self.task = 'ACTIVE', 'spawning'
            self.send('GET', f'/servers/{SERVER}')
            self.send('GET', '/servers/detail')
            self.assertEqual(0, self.source.probers)
            self.task = None
            self.send('GET', '/servers/another')
            self.assertEqual(0, self.source.probers)
            self.send('GET', f'/servers/{SERVER}')
            self.assertEqual(1, self.source.probers)
            self.send('GET', f'/servers/{SERVER}')
            self.create()
            self.send('GET', f'/servers/{SERVER}')
        self.assertEqual(1, self.source.probers)
        (said,) = self.said()
        self.assertEqual([], said['not_checked'])

    def test_first_is_seen_in_a_list(self):
        with self.checked():
            self.create()
            self.send('GET', '/servers/detail')
        self.assertEqual(1, self.source.probers)

    def test_first_is_weak(self):
        self.source.outcomes['other', 'show'] = 'allowed'
        with self.checked():
            self.create()
            with testing.expect_violation('SF502'):
                self.send('GET', f'/servers/{SERVER}')
            self.send('GET', f'/servers/{SERVER}')
        self.assertEqual(1, self.source.probers)

    def test_first_is_not_checked(self):
        def delete():
            self.create()
            self.send('DELETE', f'/servers/{SERVER}')

        def fail():
            self.response = {}
            self.create()

        for act, why in (
            (delete, 'it is deleted before it was seen active'),
            (self.create, 'it was not seen active before the test ended'),
            (fail, 'no server was seen to be created'),
        ):
            with self.checked():
                act()
            self.assertEqual([f'all: {why}'], self.said()[-1]['not_checked'])
        self.assertEqual(0, self.source.probers)

    def test_first_is_asserted(self):
        with self.checked() as check:
            self.create()
            check.assert_permissions(SERVER)
            self.send('GET', f'/servers/{SERVER}')
        self.assertEqual(1, self.source.probers)
        self.assertEqual([[]], [each['not_checked'] for each in self.said()])

    def test_first_is_seen_by_a_matrix(self):
        """The requests of a matrix pass the gate as well."""
        self.source.server = lambda server_id: record()
        attempt = self.source.attempt

        def asking(persona, operation):
            self.send('GET', '/servers/detail')
            return attempt(persona, operation)

        self.source.attempt = asking
        with self.checked() as check:
            self.create()
            check.assert_permissions('another')
            self.assertEqual(1, self.source.probers)
            self.send('GET', f'/servers/{SERVER}')
        self.assertEqual(2, self.source.probers)

    def test_nobody_asked(self):
        with ServerPermissions(source=self.source):
            self.create()
            self.send('GET', f'/servers/{SERVER}')
        self.assertEqual(0, self.source.probers)
        self.assertEqual([], self.said())
