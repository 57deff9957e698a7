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

import fixtures
import testtools

from safe_fixtures import testing
from tests.support import base


class TestFakeComputeClient(base.TestCase):
    def setUp(self):
        super().setUp()
        self.client = testing.FakeComputeClient(['host1', 'host2'])
        self.service, self.other = self.client.get_services()

    def test_services(self):
        self.assertEqual(
            ['host1', 'host2'],
            [item['host'] for item in self.client.get_services()],
        )
        self.assertEqual('enabled', self.service['status'])

    def test_filters(self):
        get = self.client.get_services
        self.assertEqual([self.other], get(host='host2'))
        self.assertEqual([], get(binary='nova-conductor'))
        self.assertEqual(2, len(get(binary='nova-compute')))

    def test_servers(self):
        client = testing.FakeComputeClient(
            ['host1', 'host2'], servers={'host1': ['a', 'b'], 'host2': ['c']}
        )
        for wanted, options in (
            ('abc', None),
            ('abc', {'all_tenants': 1}),
            ('ab', {'host': 'host1'}),
            ('', {'host': 'host3'}),
        ):
            with self.subTest(options=options):
                servers = client.get_servers(search_opts=options)
                self.assertEqual(
                    list(wanted), [server['id'] for server in servers]
                )
        client.servers['host2'].clear()
        self.assertEqual([], client.get_servers(search_opts={'host': 'host2'}))
        self.assertEqual([], self.client.get_servers())

    def test_returns_copies(self):
        self.service['status'] = 'changed'
        self.assertEqual('enabled', self.client.get_services()[0]['status'])

    def test_put(self):
        key = self.service['id']
        self.client.put_service(
            key, {'status': 'disabled', 'disabled_reason': 'why'}
        )
        self.client.put_service(key, {'forced_down': True})
        changed, other = self.client.get_services()
        self.assertEqual(
            ('disabled', 'why', True),
            (
                changed['status'],
                changed['disabled_reason'],
                changed['forced_down'],
            ),
        )
        self.assertEqual(self.other, other)
        self.client.put_service(key, {'status': 'enabled'})
        self.assertIsNone(self.client.get_services()[0]['disabled_reason'])

    def test_refuses_what_the_api_refuses(self):
        key = self.service['id']
        put = self.client.put_service
        self.assertRaises(LookupError, put, 'none', {'status': 'disabled'})
        self.assertRaises(ValueError, put, key, {})
        self.assertRaises(
            ValueError, put, key, {'status': 'enabled', 'disabled_reason': 'x'}
        )
        self.assertEqual(self.service, self.client.get_services()[0])

    def test_notes_calls(self):
        self.client.put_service(self.service['id'], {'forced_down': False})
        self.assertEqual(
            [
                ('get_services', None, None),
                ('put_service', self.service['id'], {'forced_down': False}),
            ],
            self.client.calls,
        )


class Subject(fixtures.Fixture):
    """A fixture whose faults are chosen."""

    values = ['original']
    leaves_used = leaves_unused = breaks_when_nested = single_use = False
    leaves_on_error = False
    uses = 0

    def _setUp(self):
        before = list(self.values)
        self.used = False

        def restore():
            if self.leaves_used and self.used:
                return
            if self.leaves_unused and not self.used:
                self.values.append('left')
                return
            self.values[:] = (
                ['original'] if self.breaks_when_nested else before
            )
            if self.uses == 2 and self.single_use:
                self.values.append('left')

        type(self).uses += 1
        self.addCleanup(restore)

    def __exit__(self, exc_type, exc_value, traceback):
        super().__exit__(exc_type, exc_value, traceback)
        if self.leaves_on_error and exc_type is not None:
            self.values.append('left')

    def use(self):
        self.used = True
        self.values.append(f'used {len(self.values)}')


class TestFixtureContract(base.TestCase):
    def broken(self, **faults):
        """Return which parts of the contract a fixture breaks."""

        class Faulty(Subject):
            values = ['original']
            uses = 0

        for name, value in faults.items():
            setattr(Faulty, name, value)

        class Inner(testing.FixtureContract, testtools.TestCase):
            def setUp(self):
                super().setUp()
                Faulty.values = ['original']
                Faulty.uses = 0

            def make_fixture(self):
                return Faulty()

            def use(self, fixture):
                fixture.use()

            def state(self):
                return list(Faulty.values)

        result = self.run_inner(Inner)
        self.assertEqual(5, result.testsRun)
        return {
            test.id().rpartition('.test_contract_')[2]
            for test, _ in result.failures
        }

    def test_kept(self):
        self.assertEqual(set(), self.broken())

    def test_not_restored(self):
        self.assertEqual(
            {'restores', 'restores_on_error', 'can_be_reused', 'nests'},
            self.broken(leaves_used=True),
        )

    def test_not_restored_unused(self):
        self.assertEqual({'restores_unused'}, self.broken(leaves_unused=True))

    def test_not_restored_on_error(self):
        self.assertEqual(
            {'restores_on_error'}, self.broken(leaves_on_error=True)
        )

    def test_restored_to_a_default_instead_of_what_was_before(self):
        self.assertEqual({'nests'}, self.broken(breaks_when_nested=True))

    def test_not_reusable(self):
        self.assertEqual(
            {'can_be_reused', 'nests'}, self.broken(single_use=True)
        )
