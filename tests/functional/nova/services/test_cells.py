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

"""Services in more than one cell."""

from nova import context as nova_context
from nova import objects
import testtools

from safe_fixtures import nova as safe_nova
from tests.functional.nova import inner
from tests.support import subtests

TRAIT = 'COMPUTE_STATUS_DISABLED'


class TwoCells(safe_nova.SafeIntegratedTestBase):
    ADMIN_API = True
    NUMBER_OF_CELLS = 2
    microversion = 'latest'

    def setUp(self):
        super().setUp()
        self._start_compute('host1', cell_name='cell1')
        self._start_compute('host2', cell_name='cell2')

    def traits(self, host, cell):
        context = nova_context.get_admin_context()
        nova_context.set_target_cell(context, self.cell_mappings[cell])
        (node,) = objects.ComputeNodeList.get_all_by_host(context, host)
        return self._get_provider_traits(node.uuid)

    def look(self, seen):
        for number in '12':
            host, cell = f'host{number}', f'cell{number}'
            seen[host] = inner.state_of(self, host, cell)
            seen[f'{host} traits'] = self.traits(host, cell)


class TestCells(subtests.SubTests, testtools.TestCase):
    def _run(self, act):
        seen, changed = {}, {}

        class Inner(TwoCells):
            def test(self):
                self.addCleanup(self.look, seen)
                act(self)
                self.look(changed)
                changed['restored'] = self.service_toggle.ledger

        result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        for host in ('host1', 'host2'):
            with self.subTest(host=host):
                self.assertEqual((False, None, False), seen[host])
                self.assertNotIn(TRAIT, seen[f'{host} traits'])
        return changed

    def test_changed_through_the_api(self):
        def act(test):
            for host in ('host1', 'host2'):
                (service,) = test.admin_api.get_services(host=host)
                test.admin_api.put_service(
                    service['id'],
                    {'status': 'disabled', 'disabled_reason': host},
                )

        changed = self._run(act)
        for host in ('host1', 'host2'):
            with self.subTest(host=host):
                self.assertEqual((True, host, False), changed[host])
                self.assertIn(TRAIT, changed[f'{host} traits'])
        self.assertEqual(
            ['record and compute'] * 2,
            [entry.restored for entry in changed['restored']],
        )

    def test_changed_at_the_record(self):
        def act(test):
            for number in '12':
                context = nova_context.get_admin_context()
                mapping = test.cell_mappings[f'cell{number}']
                with nova_context.target_cell(context, mapping) as cell:
                    service = objects.Service.get_by_compute_host(
                        cell, f'host{number}'
                    )
                    service.disabled = True
                    service.forced_down = True
                    service.save()

        changed = self._run(act)
        for host in ('host1', 'host2'):
            with self.subTest(host=host):
                self.assertEqual((True, None, True), changed[host])

    def test_changed_by_the_toggle(self):
        def act(test):
            test.service_toggle.disable('host1')
            test.service_toggle.disable('host2')

        changed = self._run(act)
        for host in ('host1', 'host2'):
            with self.subTest(host=host):
                self.assertEqual((True, None, False), changed[host])
                self.assertIn(TRAIT, changed[f'{host} traits'])


class TestSameHostTwice(testtools.TestCase):
    """Records of one host name in two cells."""

    def _run(self, act):
        seen = {}

        class Inner(inner.SafeApiTestCase):
            NUMBER_OF_CELLS = 2

            def test(self):
                services = [
                    inner.make_service(self, 'host', cell, mapped=False)
                    for cell in ('cell1', 'cell2')
                ]
                self.addCleanup(look, self)
                act(self, services)

        def look(test):
            for cell in ('cell1', 'cell2'):
                seen[cell] = inner.state_of(test, 'host', cell)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual({(False, None, False)}, set(seen.values()))

    def test_ambiguous_name_lists_the_candidates(self):
        def act(test, services):
            error = test.assertRaises(
                LookupError, test.service_toggle.disable, 'host'
            )
            test.assertIn('is ambiguous', str(error))
            for service in services:
                test.assertIn(service.uuid, str(error))
            test.assertEqual([], test.service_toggle.ledger)

        self._run(act)

    def test_uuid_and_object_are_not_ambiguous(self):
        def act(test, services):
            first, second = services
            test.service_toggle.disable(second.uuid)
            test.service_toggle.force_down(first)
            test.assertEqual(
                (False, None, True), inner.state_of(test, 'host', 'cell1')
            )
            test.assertEqual(
                (True, None, False), inner.state_of(test, 'host', 'cell2')
            )

        self._run(act)

    def test_mapped_host_is_in_its_cell(self):
        def act(test, services):
            objects.HostMapping(
                nova_context.get_admin_context(),
                host='host',
                cell_mapping=test.cell_mappings['cell2'],
            ).create()
            handle = test.service_toggle.disable('host')
            test.assertEqual(services[1].uuid, handle.service.uuid)
            test.assertEqual(
                (True, None, False), inner.state_of(test, 'host', 'cell2')
            )

        self._run(act)
