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

"""The whole matrix on real Nova, and the checks besides it."""

import json
import os
from unittest import mock

import fixtures
from nova.api.openstack.compute import server_metadata
from nova.compute import api as compute_api
from nova import context as nova_context
from nova import objects
from nova import policy as nova_policy
from nova import rpc
from nova.tests import fixtures as nova_fixtures
from oslo_context import context as oslo_context
from oslo_policy import policy as oslo_policy
import testtools

from safe_fixtures.core import gate
from safe_fixtures import expect_violation
from safe_fixtures.guards import permissions as guards_permissions
from safe_fixtures.nova.permissions import prober
from safe_fixtures.nova.permissions import source
from safe_fixtures.nova import pins
from safe_fixtures import ServerPermissions
from tests.functional.nova import inner
from tests.functional.nova.permissions import cases


class TestSeveral(testtools.TestCase):
    def test_end_in_any_order(self):
        before = cases.patched()
        for last in (0, 1):
            with self.subTest(last=last):
                checks = [ServerPermissions(), ServerPermissions()]
                for check in checks:
                    check.setUp()
                checks[1 - last].cleanUp()
                # The other one still needs it.
                self.assertNotEqual(before, cases.patched())
                checks[last].cleanUp()
                self.assertEqual(before, cases.patched())


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


class TestMatrix(cases.InnerTestCase):
    """All personas and all operations."""

    def test_other_ways(self):
        def act(test):
            for each in (
                unhardened_policy,
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
                    cases.patched(),
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
            # No persona that policy allows to delete has requested it.
            deleters = sorted(
                user for method, user in seen if method == 'DELETE'
            )
            test.assertEqual(
                ['fake', 'no-role', 'other-member', 'other-reader'], deleters
            )
            (record,) = cases.records(test)
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


def unhardened_policy(test):
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
                cases.rule(f'{cases.SERVERS}update', '')(test),
                expect_violation('SF502') as seen,
            ):
                check.assert_permissions(test.server)
            check.assert_permissions(test.server)
    (finding,) = cases.found(seen)
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
        (finding,) = cases.found(seen)
        test.assertEqual('k of user somebody', finding.got)
        pair.user_id = test.server['user_id']
        test.narrow.assert_permissions(test.server)


def deviation(test):
    stated = guards_permissions.Deviation(
        'owner reader', 'delete', 'allowed', reason='readers clean up'
    )
    test.source.to('delete', 'owner reader')
    check = test.narrow.assert_permissions
    with cases.rule(f'{cases.SERVERS}delete', 'role:reader')(test):
        check(test.server, deviations=[stated])
    with expect_violation('SF502') as seen:
        check(test.server, deviations=[stated])
    (finding,) = cases.found(seen)
    test.assertEqual(('allowed', 'forbidden'), (finding.expected, finding.got))
    test.assertIn('readers clean up', finding.cause)


def interrupted(test):
    before = cases.patched()
    test.source.to('show', 'no role')
    with fixtures.MonkeyPatch(
        'safe_fixtures.nova.permissions.source.json.dumps', None
    ):
        test.assertRaises(
            TypeError, test.narrow.assert_permissions, test.server
        )
    test.assertEqual(before, cases.patched())


def administrator(test):
    """The stub makes everybody an administrator who is called admin."""
    server = test._create_server(
        networks='none', api=test.api_fixture.admin_api
    )
    test.source.to('show', 'admin', 'owner member')
    test.narrow.assert_permissions(server)
    test.assertIn(
        'owner member, but as another user of the project: ',
        cases.records(test)[-1]['not_checked'][0],
    )


def finds(test, operation, *personas):
    """Return what the fixture of the bases finds, narrowed."""
    test.source.to(operation, *personas)
    with mock.patch.object(test.server_permissions, '_source', test.source):
        try:
            with expect_violation('SF502') as seen:
                test.assertServerPermissions(test.server)
        except AssertionError:
            # There was none.
            if seen:
                raise
    return cases.found(seen)


def set_by_hand(test):
    """Also a rule that is set to what Nova's policy for tests says."""
    name = 'project_reader_api'
    text = str(nova_policy._ENFORCER.rules[name])
    test.assertIn('is_admin:True', text)
    with cases.rule(name, text)(test):
        (finding,) = finds(test, 'show', 'no role')
    test.assertIn(f'{name} is "', finding.cause)
    test.assertEqual([], finds(test, 'show', 'no role'))


class Counting(oslo_policy.Enforcer):
    """The same engine, as a class of its own."""


def another_class(test):
    enforcer = nova_policy._ENFORCER
    enforcer.__class__ = Counting
    try:
        test.assertEqual([], finds(test, 'update', 'no role'))
        with cases.rule(f'{cases.SERVERS}update', '')(test):
            (finding,) = finds(test, 'update', 'no role')
    finally:
        enforcer.__class__ = oslo_policy.Enforcer
    test.assertIn('the policy engine is a Counting', finding.cause)


def many_tags(test):
    url = f'/servers/{test.server["id"]}/tags'
    test.api.api_put(url, {'tags': [f'tag{n}' for n in range(50)]})
    test.assertEqual([], finds(test, 'write tags', 'owner member'))
    with cases.rule(f'{cases.TAGS}update', '!')(test):
        (finding,) = finds(test, 'write tags', 'owner member')
    test.assertEqual('forbidden', finding.got)
    test.api.api_put(url, {'tags': []})


def other_responses(test):
    for said, wrong in (
        (cases.PASSWORD, ['the admin password shown to owner reader']),
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
    """Since 2.90, everybody sees the hostname."""
    name = 'see extended attributes'
    add = cases.shown(lambda: {'OS-EXT-SRV-ATTR:hostname': 'x'})
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
    add = cases.shown(lambda: {'OS-EXT-AZ:availability_zone': 'former'})
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
    """The policy engine does not say which servers are in a list."""
    # The first persona makes a request, the second one counts.
    asking = 'owner member', 'other project member'
    with cases.context(lambda: {'is_admin': True})(test):
        got = finds(test, 'list', *asking)
    test.assertEqual(['show'], [finding.operation for finding in got])
    with cases.code(compute_api.API, 'get_all', cases.all_projects)(test):
        got = finds(test, 'list', *asking)
    test.assertEqual(['list'], [finding.operation for finding in got])


def other_links(test):
    test.flags(
        max_limit=1, compute_link_prefix='http://nova.test', group='api'
    )
    test.assertEqual([], finds(test, 'list', 'owner member'))


def policy_directory(test):
    """Rules that are loaded again from files are in force."""
    directory = test.useFixture(fixtures.TempDir()).path
    file = os.path.join(directory, 'policy.yaml')
    test.flags(policy_dirs=[directory], group='oslo_policy')
    for mtime, rules, count in (
        (1, {'os_compute_api:os-lock-server:lock': 'role:reader'}, 0),
        (2, {f'{cases.SERVERS}delete': 'role:reader'}, 1),
    ):
        with open(file, 'w') as policy:
            json.dump(rules, policy)
        # Newer than before, whatever the clock says.
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
        cases.records(test)[-1]['not_checked'],
    )
