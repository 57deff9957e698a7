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

"""Each way to weaken permissions is noticed."""

from nova.api.openstack import common
from nova.api.openstack.compute import server_metadata
from nova.api.openstack.compute import servers as servers_api
from nova.api.openstack.compute.views import servers as servers_view
from nova.compute import api as compute_api
from nova import context as nova_context
from nova.tests import fixtures as nova_fixtures

from safe_fixtures import expect_violation
from tests.functional.nova.permissions import cases


# How permissions are weakened; the persona and the operation that show it;
# what is expected and what comes of it; and the rule that the finding names.
WAYS = [
    (
        cases.rule(f'{cases.SERVERS}show', '@'),
        'no role',
        'show',
        'forbidden',
        'allowed',
        f'{cases.SERVERS}show',
    ),
    (
        cases.rule(f'{cases.SERVERS}delete', 'role:reader'),
        'owner reader',
        'delete',
        'forbidden',
        'allowed',
        f'{cases.SERVERS}delete',
    ),
    (
        cases.rule('project_member_api', 'project_id:%(project_id)s'),
        'no role',
        'write metadata',
        'forbidden',
        'allowed',
        'project_member_api',
    ),
    (
        cases.rule('context_is_admin', 'role:admin or role:member'),
        'project member',
        'read diagnostics',
        'forbidden',
        'allowed',
        'context_is_admin',
    ),
    (
        cases.rule(f'{cases.SERVERS}index:get_all_tenants', '@'),
        'other project reader',
        'list all projects',
        'forbidden',
        'allowed',
        f'{cases.SERVERS}index:get_all_tenants',
    ),
    (
        cases.rule(f'{cases.SERVERS}detail:get_all_tenants', ''),
        'other project member',
        'list details of all projects',
        'forbidden',
        'allowed',
        f'{cases.SERVERS}detail:get_all_tenants',
    ),
    (
        cases.rule(f'{cases.TAGS}index', ''),
        'other project member',
        'read tags',
        'forbidden',
        'hidden',
        f'{cases.TAGS}index',
    ),
    (
        cases.rule(f'{cases.TAGS}update', ''),
        'no role',
        'write tags',
        'forbidden',
        'allowed',
        f'{cases.TAGS}update',
    ),
    (
        cases.rule(cases.EXTENDED, 'rule:project_reader_or_admin'),
        'owner reader',
        'see extended attributes',
        'hidden',
        'allowed',
        cases.EXTENDED,
    ),
    (
        cases.rule(f'{cases.SERVERS}show:host_status', '@'),
        'owner member',
        'see the status of the host',
        'hidden',
        'allowed',
        f'{cases.SERVERS}show:host_status',
    ),
    (
        cases.rule(cases.MIGRATE, 'rule:project_member_or_admin'),
        'owner member',
        'migrate',
        'forbidden',
        'allowed',
        cases.MIGRATE,
    ),
    (
        cases.rule(cases.CONSOLES, '!'),
        'owner member',
        'open a console',
        'allowed',
        'forbidden',
        cases.CONSOLES,
    ),
    (
        cases.only_rule,
        'owner member',
        'delete',
        'allowed',
        'forbidden',
        f'{cases.SERVERS}delete',
    ),
    (
        cases.policy_file,
        'project member',
        'read diagnostics',
        'forbidden',
        'allowed',
        cases.DIAGNOSTICS,
    ),
    (
        cases.overridden,
        'owner reader',
        'update',
        'forbidden',
        'allowed',
        f'{cases.SERVERS}update',
    ),
    (
        cases.role_based,
        'owner reader',
        'delete',
        'forbidden',
        'allowed',
        f'{cases.SERVERS}delete',
    ),
    (
        cases.old_defaults,
        'no role',
        'delete',
        'forbidden',
        'allowed',
        'project_member_or_admin',
    ),
    (
        cases.another_engine,
        'owner reader',
        'update',
        'forbidden',
        'allowed',
        'the policy engine is a Lax',
    ),
    (
        cases.stubbed_authorize,
        'no role',
        'read console output',
        'forbidden',
        'allowed',
        'nova.policy.authorize is patched',
    ),
    (
        cases.stubbed_can,
        'project member',
        'read diagnostics',
        'forbidden',
        'allowed',
        'RequestContext.can is patched',
    ),
    (
        cases.context(lambda: {'is_admin': True}),
        'other project member',
        'show',
        'hidden',
        'forbidden',
        'is_admin of the context is True',
    ),
    (
        cases.context(lambda: {'roles': ['admin', 'member', 'reader']}),
        'no role',
        'delete',
        'forbidden',
        'allowed',
        'the roles of the context are admin,member,reader',
    ),
    (
        cases.code(
            servers_api.ServersController, '_delete', cases.delete_unasked
        ),
        'owner reader',
        'delete',
        'forbidden',
        'allowed',
        'API.delete',
    ),
    (
        cases.code(
            server_metadata.ServerMetadataController,
            'create',
            cases.metadata_unasked,
        ),
        'owner reader',
        'write metadata',
        'forbidden',
        'allowed',
        'API.update_instance_metadata',
    ),
    (
        cases.code(common, 'get_instance', cases.any_project),
        'other project member',
        'show',
        'hidden',
        'forbidden',
        f'{cases.SERVERS}show',
    ),
    (
        cases.code(compute_api.API, 'get_all', cases.all_projects),
        'other project reader',
        'list details',
        'hidden',
        'allowed',
        f'{cases.SERVERS}detail',
    ),
    (
        cases.code(nova_context.RequestContext, 'can', cases.own_target),
        'other project reader',
        'read tags',
        'forbidden',
        'hidden',
        f'{cases.TAGS}index',
    ),
    (
        cases.code(common, 'get_instance', cases.hidden_from_members),
        'owner member',
        'show',
        'allowed',
        'hidden',
        f'{cases.SERVERS}show',
    ),
    (
        cases.shown(lambda: {'description': cases.PASSWORD}),
        'owner reader',
        'show',
        'no admin password',
        'the admin password shown to owner reader',
        None,
    ),
    (
        cases.shown(lambda: {'OS-EXT-AZ:availability_zone': 'compute'}),
        'owner reader',
        'show',
        'no name of a host',
        'compute shown to owner reader',
        None,
    ),
    (
        cases.shown(lambda: {'user_id': 'somebody'}),
        'admin',
        'show',
        'user fake',
        'user somebody',
        None,
    ),
    (
        cases.shown(lambda: {'tenant_id': 'theirs'}),
        'admin',
        'show',
        f'project {nova_fixtures.PROJECT_ID}',
        'project theirs',
        None,
    ),
    (
        cases.shown(lambda: {'security_groups': [{'name': 'open'}]}),
        'admin',
        'show',
        'security groups default',
        'security groups open',
        None,
    ),
    (
        cases.code(servers_view.ViewBuilder, 'show', cases.changed),
        'anybody',
        'all',
        'metadata {}',
        "metadata {'k': 'v'}",
        None,
    ),
]


class TestWeakened(cases.InnerTestCase):
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
                    for finding in cases.found(seen)
                    if finding.persona == persona
                    and [finding.expected, finding.got] == wanted
                    and finding.operation in (operation, 'show')
                    and (named is None or named in str(finding))
                ]
                if not matching:
                    missed.append(
                        (persona, operation, named, cases.found(seen))
                    )

        self.assert_passes(act)
        self.assertEqual([], missed)
