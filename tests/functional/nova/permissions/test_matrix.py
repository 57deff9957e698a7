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

"""ServerPermissions on real Nova."""

import contextlib
import json
import os
from unittest import mock

import fixtures
from nova.api.openstack import common
from nova.api.openstack.compute import server_metadata
from nova.api.openstack.compute import servers as servers_api
from nova.api.openstack.compute.views import servers as servers_view
from nova.api.openstack import wsgi
from nova.compute import api as compute_api
from nova import context as nova_context
from nova.db.main import api as db
from nova import objects
from nova import policy as nova_policy
from nova import rpc
from nova.tests import fixtures as nova_fixtures
from oslo_context import context as oslo_context
from oslo_policy import policy as oslo_policy
import testtools
import webob.exc

from safe_fixtures.core import gate
from safe_fixtures import expect_violation
from safe_fixtures.guards import permissions as guards_permissions
from safe_fixtures import nova as safe_nova
from safe_fixtures.nova import permissions
from safe_fixtures.nova.permissions import prober
from safe_fixtures.nova.permissions import source
from safe_fixtures.nova.permissions import table
from safe_fixtures.nova import pins
from safe_fixtures import ServerPermissions
from tests.functional.nova import inner

SERVERS = 'os_compute_api:servers:'
CONSOLES = 'os_compute_api:os-remote-consoles'
DIAGNOSTICS = 'os_compute_api:os-server-diagnostics'
EXTENDED = 'os_compute_api:os-extended-server-attributes'
METADATA = 'os_compute_api:server-metadata:'
MIGRATE = 'os_compute_api:os-migrate-server:migrate'
TAGS = 'os_compute_api:os-server-tags:'
PASSWORD = 'dummy-password'
CONTEXT = 'nova.api.auth.NovaKeystoneContext._create_context'


class Narrow(permissions.NovaPermissions):
    """What a weakness would show in, and little else."""

    def to(self, operation, *personas):
        self._personas = personas
        self.operations = [
            each
            for each in table.OPERATIONS
            if each.name in {'show', operation}
        ]

    def personas(self):
        return [
            each for each in super().personas() if each.name in self._personas
        ]


class Server(safe_nova.SafeIntegratedTestBase):
    """A test that has a server."""

    microversion = '2.79'

    def setUp(self):
        super().setUp()
        self.source = Narrow()
        self.narrow = self.useFixture(
            ServerPermissions(self.api_fixture, source=self.source, test=self)
        )
        body = self._build_server(networks='none')
        body['adminPass'] = PASSWORD
        self.server = self._wait_for_state_change(
            self.api.post_server({'server': body}), 'ACTIVE'
        )


# Each weakens something, and gives it back when it is left.


@contextlib.contextmanager
def rules(test, **checks):
    enforcer = nova_policy._ENFORCER
    before, use_conf = dict(enforcer.rules), enforcer.use_conf
    test.policy.set_rules(checks, overwrite=False)
    try:
        yield
    finally:
        enforcer.rules.clear()
        enforcer.rules.update(before)
        enforcer.use_conf = use_conf


def rule(name, check):
    return lambda test: rules(test, **{name: check})


@contextlib.contextmanager
def only_rule(test):
    enforcer = nova_policy._ENFORCER
    before, use_conf = enforcer.rules, enforcer.use_conf
    nova_policy.set_rules(oslo_policy.Rules.from_dict({f'{SERVERS}show': '@'}))
    try:
        yield
    finally:
        enforcer.rules, enforcer.use_conf = before, use_conf


class PolicyFile(nova_fixtures.RealPolicyFixture):
    """An operator's file."""

    def _prepare_policy(self):
        directory = self.useFixture(fixtures.TempDir()).path
        self.policy_file = os.path.join(directory, 'policy.yaml')
        with open(self.policy_file, 'w') as file:
            json.dump({DIAGNOSTICS: 'role:member'}, file)


def policy_file(test):
    return PolicyFile()


def overridden(test):
    return nova_fixtures.OverridePolicyFixture(
        {f'{SERVERS}update': 'rule:project_reader_or_admin'}
    )


def role_based(test):
    return nova_fixtures.RoleBasedPolicyFixture(role='reader')


@contextlib.contextmanager
def old_defaults(test):
    group = 'oslo_policy'
    nova_policy.CONF.set_override('enforce_new_defaults', False, group=group)
    try:
        with nova_fixtures.RealPolicyFixture():
            yield
    finally:
        nova_policy.CONF.clear_override('enforce_new_defaults', group=group)


class Lax(oslo_policy.Enforcer):
    def authorize(self, *args, **kwargs):
        return True


def another_engine(test):
    return mock.patch.object(nova_policy, '_ENFORCER', Lax(nova_policy.CONF))


def allow(*args, **kwargs):
    return True


def stubbed_authorize(test):
    return mock.patch.object(nova_policy, 'authorize', allow)


def stubbed_can(test):
    return mock.patch.object(nova_context.RequestContext, 'can', allow)


def context(make):
    """Stub what builds the context of a request, as OSAPIFixture does."""

    def stub(env, **kwargs):
        said = {
            'user_id': env['HTTP_X_AUTH_USER'],
            'project_id': env['HTTP_X_AUTH_PROJECT_ID'],
            'is_admin': env['HTTP_X_AUTH_USER'] == 'admin',
            'roles': env['HTTP_X_ROLES'].split(','),
        }
        return nova_context.RequestContext(**{**said, **make()}, **kwargs)

    return lambda test: fixtures.MonkeyPatch(CONTEXT, stub)


def code(target, name, broken):
    """Break the code of the API."""
    return lambda test: mock.patch.object(target, name, broken)


def delete_unasked(self, context, req, server_id):
    self.compute_api.delete(context, self._get_server(context, req, server_id))


def metadata_unasked(self, req, server_id, body):
    context = req.environ['nova.context']
    server = common.get_instance(self.compute_api, context, server_id)
    metadata = self._update_instance_metadata(
        context, server, body['metadata'], delete=False
    )
    return {'metadata': metadata}


_get_instance = common.get_instance
_get_all = compute_api.API.get_all
_can = nova_context.RequestContext.can
_show = servers_view.ViewBuilder.show


def any_project(api, context, *args, **kwargs):
    return _get_instance(api, context.elevated(), *args, **kwargs)


def all_projects(self, context, search_opts=None, **kwargs):
    search_opts.pop('project_id', None)
    return _get_all(self, context.elevated(), search_opts, **kwargs)


def own_target(self, action, target=None, fatal=True):
    # Whoever asks is taken for the owner.
    return _can(self, action, None, fatal)


def hidden_from_members(api, context, *args, **kwargs):
    if 'admin' not in context.roles:
        raise webob.exc.HTTPNotFound()
    return _get_instance(api, context, *args, **kwargs)


def shown(make):
    """Show something else of a server."""

    def weaken(test):
        def show(self, request, instance, *args, **kwargs):
            view = _show(self, request, instance, *args, **kwargs)
            view['server'].update(make())
            return view

        return mock.patch.object(servers_view.ViewBuilder, 'show', show)

    return weaken


def changed(self, request, instance, *args, **kwargs):
    # Deeper than what stops requests.
    context = nova_context.get_admin_context()
    mapping = objects.InstanceMapping.get_by_instance_uuid(
        context, instance.uuid
    )
    with nova_context.target_cell(context, mapping.cell_mapping) as cell:
        db.instance_metadata_update(cell, instance.uuid, {'k': 'v'}, False)
    return _show(self, request, instance, *args, **kwargs)


# What is weakened; who can do what then; what should come of it and what
# does; and the rule that is named.
WAYS = [
    (
        rule(f'{SERVERS}show', '@'),
        'no role',
        'show',
        'forbidden',
        'allowed',
        f'{SERVERS}show',
    ),
    (
        rule(f'{SERVERS}delete', 'role:reader'),
        'owner reader',
        'delete',
        'forbidden',
        'allowed',
        f'{SERVERS}delete',
    ),
    (
        rule('project_member_api', 'project_id:%(project_id)s'),
        'no role',
        'write metadata',
        'forbidden',
        'allowed',
        'project_member_api',
    ),
    (
        rule('context_is_admin', 'role:admin or role:member'),
        'project member',
        'read diagnostics',
        'forbidden',
        'allowed',
        'context_is_admin',
    ),
    (
        rule(f'{SERVERS}index:get_all_tenants', '@'),
        'other project reader',
        'list all projects',
        'forbidden',
        'allowed',
        f'{SERVERS}index:get_all_tenants',
    ),
    (
        rule(f'{SERVERS}detail:get_all_tenants', ''),
        'other project member',
        'list details of all projects',
        'forbidden',
        'allowed',
        f'{SERVERS}detail:get_all_tenants',
    ),
    (
        rule(f'{TAGS}index', ''),
        'other project member',
        'read tags',
        'forbidden',
        'hidden',
        f'{TAGS}index',
    ),
    (
        rule(f'{TAGS}update', ''),
        'no role',
        'write tags',
        'forbidden',
        'allowed',
        f'{TAGS}update',
    ),
    (
        rule(EXTENDED, 'rule:project_reader_or_admin'),
        'owner reader',
        'see extended attributes',
        'hidden',
        'allowed',
        EXTENDED,
    ),
    (
        rule(f'{SERVERS}show:host_status', '@'),
        'owner member',
        'see the status of the host',
        'hidden',
        'allowed',
        f'{SERVERS}show:host_status',
    ),
    (
        rule(MIGRATE, 'rule:project_member_or_admin'),
        'owner member',
        'migrate',
        'forbidden',
        'allowed',
        MIGRATE,
    ),
    (
        rule(CONSOLES, '!'),
        'owner member',
        'open a console',
        'allowed',
        'forbidden',
        CONSOLES,
    ),
    (
        only_rule,
        'owner member',
        'delete',
        'allowed',
        'forbidden',
        f'{SERVERS}delete',
    ),
    (
        policy_file,
        'project member',
        'read diagnostics',
        'forbidden',
        'allowed',
        DIAGNOSTICS,
    ),
    (
        overridden,
        'owner reader',
        'update',
        'forbidden',
        'allowed',
        f'{SERVERS}update',
    ),
    (
        role_based,
        'owner reader',
        'delete',
        'forbidden',
        'allowed',
        f'{SERVERS}delete',
    ),
    (
        old_defaults,
        'no role',
        'delete',
        'forbidden',
        'allowed',
        'project_member_or_admin',
    ),
    (
        another_engine,
        'owner reader',
        'update',
        'forbidden',
        'allowed',
        'the policy engine is a Lax',
    ),
    (
        stubbed_authorize,
        'no role',
        'read console output',
        'forbidden',
        'allowed',
        'nova.policy.authorize is patched',
    ),
    (
        stubbed_can,
        'project member',
        'read diagnostics',
        'forbidden',
        'allowed',
        'RequestContext.can is patched',
    ),
    (
        context(lambda: {'is_admin': True}),
        'other project member',
        'show',
        'hidden',
        'forbidden',
        'is_admin of the context is True',
    ),
    (
        context(lambda: {'roles': ['admin', 'member', 'reader']}),
        'no role',
        'delete',
        'forbidden',
        'allowed',
        'the roles of the context are admin,member,reader',
    ),
    (
        code(servers_api.ServersController, '_delete', delete_unasked),
        'owner reader',
        'delete',
        'forbidden',
        'allowed',
        'API.delete',
    ),
    (
        code(
            server_metadata.ServerMetadataController,
            'create',
            metadata_unasked,
        ),
        'owner reader',
        'write metadata',
        'forbidden',
        'allowed',
        'API.update_instance_metadata',
    ),
    (
        code(common, 'get_instance', any_project),
        'other project member',
        'show',
        'hidden',
        'forbidden',
        f'{SERVERS}show',
    ),
    (
        code(compute_api.API, 'get_all', all_projects),
        'other project reader',
        'list details',
        'hidden',
        'allowed',
        f'{SERVERS}detail',
    ),
    (
        code(nova_context.RequestContext, 'can', own_target),
        'other project reader',
        'read tags',
        'forbidden',
        'hidden',
        f'{TAGS}index',
    ),
    (
        code(common, 'get_instance', hidden_from_members),
        'owner member',
        'show',
        'allowed',
        'hidden',
        f'{SERVERS}show',
    ),
    (
        shown(lambda: {'description': PASSWORD}),
        'owner reader',
        'show',
        'no admin password',
        'the admin password shown to owner reader',
        None,
    ),
    (
        shown(lambda: {'OS-EXT-AZ:availability_zone': 'compute'}),
        'owner reader',
        'show',
        'no name of a host',
        'compute shown to owner reader',
        None,
    ),
    (
        shown(lambda: {'user_id': 'somebody'}),
        'admin',
        'show',
        'user fake',
        'user somebody',
        None,
    ),
    (
        shown(lambda: {'tenant_id': 'theirs'}),
        'admin',
        'show',
        f'project {nova_fixtures.PROJECT_ID}',
        'project theirs',
        None,
    ),
    (
        shown(lambda: {'security_groups': [{'name': 'open'}]}),
        'admin',
        'show',
        'security groups default',
        'security groups open',
        None,
    ),
    (
        code(servers_view.ViewBuilder, 'show', changed),
        'anybody',
        'all',
        'metadata {}',
        "metadata {'k': 'v'}",
        None,
    ),
]


class InnerTestCase(testtools.TestCase):
    def run_test(self, act, base=Server, **attributes):
        inner_case = type(
            'Inner', (base,), {'test': lambda test: act(test), **attributes}
        )
        self.result = inner.run_inner(inner_case)
        return inner.problems(self.result)

    def assert_passes(self, act, **kwargs):
        self.assertEqual('', self.run_test(act, **kwargs))


def found(seen):
    """Return what violations have found."""
    return [finding for violation in seen for finding in violation.findings]


def records(test):
    """Return what was recorded of the checks of a test."""
    return [
        event['attachments'][0]['content']
        for event in test.audit_trail.events
        if event['action'] == 'evaluate/permissions'
    ]


class TestWeakened(InnerTestCase):
    """Each way is noticed and named, and nothing else is."""

    def test_ways(self):
        missed = []

        def act(test):
            for weaken, persona, operation, *wanted, named in WAYS:
                test.source.to(
                    operation, 'admin' if persona == 'anybody' else persona
                )
                check = test.narrow.assert_permissions
                try:
                    with weaken(test), expect_violation('SF502') as seen:
                        check(test.server)
                    # The twin: the same without it.
                    check(test.server)
                except AssertionError as error:
                    missed.append((persona, operation, named, str(error)))
                    continue
                matching = [
                    finding
                    for finding in found(seen)
                    if finding.persona == persona
                    and [finding.expected, finding.got] == wanted
                    and finding.operation in (operation, 'show')
                    and (named is None or named in str(finding))
                ]
                if not matching:
                    missed.append((persona, operation, named, found(seen)))

        self.assert_passes(act)
        self.assertEqual([], missed)


# What is patched while there is a matrix.
PATCHED = [
    *prober.STOPS,
    (oslo_policy.Enforcer, 'set_rules'),
    (wsgi.Resource, 'dispatch'),
]


def patched():
    return [(name, id(vars(owner).get(name))) for owner, name in PATCHED]


class TestSeveral(testtools.TestCase):
    def test_end_in_any_order(self):
        before = patched()
        for last in (0, 1):
            checks = [ServerPermissions(), ServerPermissions()]
            for check in checks:
                check.setUp()
            checks[1 - last].cleanUp()
            # The other one still needs it.
            self.assertNotEqual(before, patched())
            checks[last].cleanUp()
            self.assertEqual(before, patched())


class Watch:
    """Counts requests, by method and user."""

    def __init__(self):
        self.seen = []

    def before(self, call):
        self.seen.append(
            (call.method, call.request.headers.get('X-Auth-User'))
        )

    def after(self, call):
        pass


class TestMatrix(InnerTestCase):
    """The whole matrix, of everybody and everything."""

    def test_other_ways(self):
        def act(test):
            for each in (
                stock_policy,
                key_pair,
                deviation,
                interrupted,
                administrator,
                set_by_hand,
                another_class,
                many_tags,
                other_responses,
                early_attribute,
                former_host,
                truly_listed,
                other_links,
                policy_directory,
                deleted_softly,
            ):
                each(test)

        self.assert_passes(act)

    def test_nothing_is_left(self):
        def act(test):
            context = nova_context.RequestContext('me', 'mine')
            rules = nova_policy._ENFORCER.rules
            clients = [
                getattr(test.api_fixture, each) for each in inner.CLIENTS
            ]
            calls = []
            router = rpc.ClientRouter.client

            def client(self, context):
                if prober._serving.get() is not None:
                    calls.append(self.target.topic)
                return router(self, context)

            def state():
                api = test.admin_api
                server_id = test.server['id']
                return (
                    api.get_server(server_id),
                    api.get_instance_actions(server_id),
                    test.placement.get(
                        f'/allocations/{server_id}', version='1.28'
                    ).body,
                    [dict(vars(client)) for client in clients],
                    {name: id(check) for name, check in rules.items()},
                    id(nova_policy._ENFORCER.rules),
                    len(test.notifier.versioned_notifications),
                    len(test.notifier.notifications),
                    patched(),
                )

            before = state()
            watch = Watch()
            context.update_store()
            test.useFixture(gate.ApiGate(watch))
            with mock.patch.object(rpc.ClientRouter, 'client', client):
                test.assertServerPermissions(test.server)
            test.assertIs(context, oslo_context.get_current())
            seen = list(watch.seen)
            test.assertEqual(before, state())
            test.assertEqual([], calls)
            # Those whom policy lets delete did not ask for it.
            deleters = sorted(
                user for method, user in seen if method == 'DELETE'
            )
            test.assertEqual(
                ['fake', 'no-role', 'other-member', 'other-reader'], deleters
            )
            (record,) = records(test)
            test.assertEqual(len(seen), record['requests'])
            # Each takes 20 ms.
            test.assertLessEqual(len(seen), 85)
            test.assertEqual([], record['findings'])
            test.assertEqual([], record['not_checked'])
            test.assertIn('seconds', record)
            test.assertEqual(
                pins.vetted_microversion(), record['microversion']
            )

        self.assert_passes(act)


class Checked(safe_nova.SafeIntegratedTestBase):
    CHECK_SERVER_PERMISSIONS = True
    microversion = '2.79'


def stock_policy(test):
    """What Nova's own policy for tests opens is no finding; that a test
    opens the same is one.
    """
    with nova_fixtures.PolicyFixture():
        test.source.to('update', 'no role')
        with ServerPermissions(
            test.api_fixture, source=test.source, test=test
        ) as check:
            check.assert_permissions(test.server)
            with (
                rule(f'{SERVERS}update', '')(test),
                expect_violation('SF502') as seen,
            ):
                check.assert_permissions(test.server)
            check.assert_permissions(test.server)
    (finding,) = found(seen)
    test.assertEqual(
        ('no role', 'update'), (finding.persona, finding.operation)
    )


def key_pair(test):
    test.source.to('show', 'owner member')
    pair = objects.KeyPair(name='k', user_id='somebody')
    instance_of = source._instance

    def with_pair(server_id):
        instance, moves = instance_of(server_id)
        instance.keypairs = objects.KeyPairList(objects=[pair])
        return instance, moves

    with mock.patch.object(source, '_instance', with_pair):
        with expect_violation('SF502') as seen:
            test.narrow.assert_permissions(test.server)
        (finding,) = found(seen)
        test.assertEqual('k of user somebody', finding.got)
        pair.user_id = test.server['user_id']
        test.narrow.assert_permissions(test.server)


def deviation(test):
    stated = guards_permissions.Deviation(
        'owner reader', 'delete', 'allowed', reason='readers clean up'
    )
    test.source.to('delete', 'owner reader')
    check = test.narrow.assert_permissions
    with rule(f'{SERVERS}delete', 'role:reader')(test):
        check(test.server, deviations=[stated])
    with expect_violation('SF502') as seen:
        check(test.server, deviations=[stated])
    (finding,) = found(seen)
    test.assertEqual(('allowed', 'forbidden'), (finding.expected, finding.got))
    test.assertIn('readers clean up', finding.cause)


def interrupted(test):
    before = patched()
    test.source.to('show', 'no role')
    with fixtures.MonkeyPatch(
        'safe_fixtures.nova.permissions.source.json.dumps', None
    ):
        test.assertRaises(
            TypeError, test.narrow.assert_permissions, test.server
        )
    test.assertEqual(before, patched())


def administrator(test):
    """The stub makes everybody an administrator who is called admin."""
    server = test._create_server(
        networks='none', api=test.api_fixture.admin_api
    )
    test.source.to('show', 'admin', 'owner member')
    test.narrow.assert_permissions(server)
    test.assertIn(
        'owner member, but as another user of the project: ',
        records(test)[-1]['not_checked'][0],
    )


def finds(test, operation, *personas):
    """Return what the bases' own fixture finds, narrowed."""
    test.source.to(operation, *personas)
    with mock.patch.object(test.server_permissions, '_source', test.source):
        try:
            with expect_violation('SF502') as seen:
                test.assertServerPermissions(test.server)
        except AssertionError:
            # There was none.
            if seen:
                raise
    return found(seen)


def set_by_hand(test):
    """Also where it is set to what it is by Nova's policy for tests."""
    name = 'project_reader_api'
    text = str(nova_policy._ENFORCER.rules[name])
    test.assertIn('is_admin:True', text)
    with rule(name, text)(test):
        (finding,) = finds(test, 'show', 'no role')
    test.assertIn(f'{name} is "', finding.cause)
    test.assertEqual([], finds(test, 'show', 'no role'))


class Counting(oslo_policy.Enforcer):
    """The same engine."""


def another_class(test):
    enforcer = nova_policy._ENFORCER
    enforcer.__class__ = Counting
    try:
        test.assertEqual([], finds(test, 'update', 'no role'))
        with rule(f'{SERVERS}update', '')(test):
            (finding,) = finds(test, 'update', 'no role')
    finally:
        enforcer.__class__ = oslo_policy.Enforcer
    test.assertIn('the policy engine is a Counting', finding.cause)


def many_tags(test):
    url = f'/servers/{test.server["id"]}/tags'
    test.api.api_put(url, {'tags': [f'tag{n}' for n in range(50)]})
    test.assertEqual([], finds(test, 'write tags', 'owner member'))
    with rule(f'{TAGS}update', '!')(test):
        (finding,) = finds(test, 'write tags', 'owner member')
    test.assertEqual('forbidden', finding.got)
    test.api.api_put(url, {'tags': []})


def other_responses(test):
    for said, wrong in (
        (PASSWORD, ['the admin password shown to owner reader']),
        ('compute', ['compute shown to owner reader']),
        ('v', []),
    ):

        def index(self, req, server_id, said=said):
            return {'metadata': {'k': said}}

        with mock.patch.object(
            server_metadata.ServerMetadataController, 'index', index
        ):
            got = finds(test, 'read metadata', 'owner reader')
        test.assertEqual(wrong, [finding.got for finding in got])


def early_attribute(test):
    """The name in the server is everybody's since 2.90."""
    name = 'see extended attributes'
    add = shown(lambda: {'OS-EXT-SRV-ATTR:hostname': 'x'})
    for microversion, count in (('2.89', 1), ('2.90', 0)):
        with (
            mock.patch.object(
                test, 'MICROVERSION_PIN', microversion, create=True
            ),
            add(test),
        ):
            got = finds(test, name, 'owner reader')
        test.assertEqual(count, len(got), got)


def former_host(test):
    add = shown(lambda: {'OS-EXT-AZ:availability_zone': 'former'})
    with add(test):
        test.assertEqual([], finds(test, 'show', 'owner reader'))
        context = nova_context.get_admin_context()
        mapping = objects.InstanceMapping.get_by_instance_uuid(
            context, test.server['id']
        )
        with nova_context.target_cell(context, mapping.cell_mapping) as cell:
            objects.Migration(
                cell,
                instance_uuid=test.server['id'],
                source_compute='former',
                dest_compute='compute',
                migration_type='migration',
                status='finished',
            ).create()
        (finding,) = finds(test, 'show', 'owner reader')
    test.assertEqual('former shown to owner reader', finding.got)


def truly_listed(test):
    """Whether a list has it is not asked of the policy engine."""
    # The first one would be seen by a request.
    asking = 'owner member', 'other project member'
    with context(lambda: {'is_admin': True})(test):
        got = finds(test, 'list', *asking)
    test.assertEqual(['show'], [finding.operation for finding in got])
    with code(compute_api.API, 'get_all', all_projects)(test):
        got = finds(test, 'list', *asking)
    test.assertEqual(['list'], [finding.operation for finding in got])


def other_links(test):
    test.flags(
        max_limit=1, compute_link_prefix='http://nova.test', group='api'
    )
    test.assertEqual([], finds(test, 'list', 'owner member'))


def policy_directory(test):
    """Rules that are loaded anew are as they were."""
    directory = test.useFixture(fixtures.TempDir()).path
    file = os.path.join(directory, 'policy.yaml')
    test.flags(policy_dirs=[directory], group='oslo_policy')
    for mtime, rules, count in (
        (1, {'os_compute_api:os-lock-server:lock': 'role:reader'}, 0),
        (2, {f'{SERVERS}delete': 'role:reader'}, 1),
    ):
        with open(file, 'w') as policy:
            json.dump(rules, policy)
        # Whatever the clock says, it is newer.
        os.utime(file, (mtime, mtime))
        os.utime(directory, (mtime, mtime))
        got = finds(test, 'delete', 'owner reader')
        test.assertEqual(count, len(got), got)


def deleted_softly(test):
    test.flags(reclaim_instance_interval=3600)
    test.api.delete_server(test.server['id'])
    test._wait_for_state_change(test.server, 'SOFT_DELETED')
    test.assertEqual([], finds(test, 'list details', 'owner member'))
    test.assertEqual(
        ['list details: a soft-deleted server is in no list'],
        records(test)[-1]['not_checked'],
    )


class TestFirstServer(InnerTestCase):
    def test_once(self):
        def act(test):
            for _ in range(2):
                server = test._create_server(networks='none')
            test.api.get_server(server['id'])
            (record,) = records(test)
            test.assertEqual([], record['findings'])

        self.assert_passes(act, base=Checked)

    def test_weakened(self):
        def act(test):
            with rule(f'{SERVERS}show', '@')(test):
                test._create_server(networks='none')

        before = patched()
        problems = self.run_test(act, base=Checked)
        self.assertEqual(before, patched())
        self.assertEqual(1, len(self.result.failures), problems)
        self.assertEqual([], self.result.errors)
        self.assertIn(
            '1 of its permissions are wrong: no role: show: expected '
            f'forbidden, got allowed (HTTP 200) [{SERVERS}show is "@" and by '
            'default "rule:project_reader_or_admin"]',
            problems,
        )

    def test_never_active(self):
        seen = []

        def act(test):
            test.addCleanup(lambda: seen.extend(records(test)))
            body = test._build_server(networks='none')
            server = test.api.post_server({'server': body})
            test.api.delete_server(server['id'])
            test._wait_until_deleted(server)

        self.assert_passes(act, base=Checked)
        (record,) = seen
        self.assertEqual(
            ['all: it was deleted before a response showed it active'],
            record['not_checked'],
        )


class TestExits(InnerTestCase):
    """Nothing is swallowed, and all is given back, however a test ends."""

    def test_swallowed(self):
        def act(test):
            test.source.to('show', 'no role')
            with (
                contextlib.suppress(AssertionError),
                rule(f'{SERVERS}show', '@')(test),
            ):
                test.narrow.assert_permissions(test.server)

        before = patched()
        problems = self.run_test(act)
        self.assertEqual(before, patched())
        self.assertEqual(1, len(self.result.failures), problems)
        self.assertIn('SF502 (CWE-732): server ', problems)

    def test_error_in_set_up(self):
        class Broken(Server):
            def setUp(test):
                super().setUp()
                test.source.to('show', 'no role')
                test.narrow.assert_permissions(test.server)
                raise ValueError('broken')

        before = patched()
        problems = self.run_test(lambda test: None, base=Broken)
        self.assertEqual(before, patched())
        self.assertEqual(1, len(self.result.errors), problems)
        self.assertIn('ValueError: broken', problems)
        self.assertNotIn('SF502', problems)
