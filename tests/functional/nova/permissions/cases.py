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

"""Ways to weaken who can do what, and tests that have a server."""

import contextlib
import json
import os
from unittest import mock

import fixtures
from nova.api.openstack import common
from nova.api.openstack.compute.views import servers as servers_view
from nova.api.openstack import wsgi
from nova.compute import api as compute_api
from nova import context as nova_context
from nova.db.main import api as db
from nova import objects
from nova import policy as nova_policy
from nova.tests import fixtures as nova_fixtures
from oslo_policy import policy as oslo_policy
import testtools
import webob.exc

from safe_fixtures import nova as safe_nova
from safe_fixtures.nova import permissions
from safe_fixtures.nova.permissions import prober
from safe_fixtures.nova.permissions import table
from safe_fixtures import ServerPermissions
from tests.functional.nova import inner
from tests.support import subtests

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
    """Only the operation and the personas that a test needs."""

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


# Each is a context manager that weakens something and restores it.


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
    """The policy file of an operator."""

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
    """Build the contexts of requests, as the stub of OSAPIFixture does."""

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
    # Takes each caller for the owner.
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
    # Below the methods where requests are stopped.
    context = nova_context.get_admin_context()
    mapping = objects.InstanceMapping.get_by_instance_uuid(
        context, instance.uuid
    )
    with nova_context.target_cell(context, mapping.cell_mapping) as cell:
        db.instance_metadata_update(cell, instance.uuid, {'k': 'v'}, False)
    return _show(self, request, instance, *args, **kwargs)


class InnerTestCase(subtests.SubTests, testtools.TestCase):
    def run_test(self, act, base=Server, **attributes):
        inner_case = type(
            'Inner', (base,), {'test': lambda test: act(test), **attributes}
        )
        self.result = inner.run_inner(inner_case)
        return inner.problems(self.result)

    def assert_passes(self, act, **kwargs):
        self.assertEqual('', self.run_test(act, **kwargs))


def found(seen):
    """Return the findings of violations."""
    return [finding for violation in seen for finding in violation.findings]


def records(test):
    """Return the records of the checks of a test."""
    return [
        event['attachments'][0]['content']
        for event in test.audit_trail.events
        if event['action'] == 'evaluate/permissions'
    ]


# The attributes that are patched during a check.
PATCHED = [
    *prober.STOPS,
    (oslo_policy.Enforcer, 'set_rules'),
    (wsgi.Resource, 'dispatch'),
]


def patched():
    return [(name, id(vars(owner).get(name))) for owner, name in PATCHED]
