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

"""The forms in which a service can be given."""

import types
import uuid

from safe_fixtures import testing
from tests.support import toggles


class TestFind(toggles.TestCase):
    def found(self, *names):
        with self.toggle() as toggle:
            for name in names:
                with self.subTest(name=name):
                    handle = toggle.disable(name)
                    self.assertEqual('host2', handle.service.host)
                    self.assertEqual(
                        self.client.uuid('host2'), handle.service.uuid
                    )
                    handle.restore()

    def test_host_name(self):
        self.found('host2')

    def test_uuid(self):
        self.found(self.client.uuid('host2'))

    def test_api_dict(self):
        self.found(*self.client.get_services(host='host2'))

    def test_api_dict_before_2_53(self):
        self.found({'id': 7, 'host': 'host2', 'binary': 'nova-compute'})

    def test_dict_with_host_alone(self):
        self.found({'host': 'host2'})

    def test_object(self):
        self.found(
            types.SimpleNamespace(
                uuid=self.client.uuid('host2'),
                host='host2',
                binary='nova-compute',
            ),
            types.SimpleNamespace(host='host2'),
        )

    def test_running_service(self):
        record = types.SimpleNamespace(host='host2', binary='nova-compute')
        self.found(types.SimpleNamespace(service_ref=record, host='other'))

    def unknown(self, service):
        with self.toggle() as toggle:
            error = self.assertRaises(LookupError, toggle.disable, service)
            self.assertEqual([], toggle.ledger)
        return str(error)

    def test_unknown_lists_the_candidates(self):
        for name in (
            'host9',
            str(uuid.uuid4()),
            {'host': 'host9'},
            {'id': 'x', 'host': 'host1'},
            {'host': 'host1', 'binary': 'nova-scheduler'},
            types.SimpleNamespace(host='host9', binary='nova-compute'),
        ):
            with self.subTest(name=name):
                message = self.unknown(name)
                self.assertIn('is unknown', message)
                for service in self.client.list():
                    self.assertIn(
                        f'nova-compute on {service["host"]} ({service["id"]})',
                        message,
                    )

    def test_unknown_lists_no_more_than_a_person_reads(self):
        self.client = toggles.Client([f'host{n}' for n in range(100, 125)])
        message = self.unknown('host9')
        self.assertEqual(20, message.count('nova-compute on'))
        self.assertIn('and 5 more', message)

    def test_unknown_where_there_is_none(self):
        self.client = toggles.Client([])
        self.assertIn('none', self.unknown('host1'))

    def test_ambiguous_lists_the_matches(self):
        self.client = testing.FakeComputeClient(['host1', 'host1', 'host2'])
        message = self.unknown('host1')
        self.assertIn('is ambiguous', message)
        self.assertEqual(2, message.count('nova-compute on host1'))
        self.assertNotIn('host2', message)

    def test_ambiguous_by_host_is_clear_by_uuid(self):
        self.client = testing.FakeComputeClient(['host1', 'host1'])
        second = self.client.get_services()[1]
        with self.toggle() as toggle:
            toggle.disable(second['id'])
            self.assertEqual(
                ['enabled', 'disabled'],
                [item['status'] for item in self.client.get_services()],
            )

    def test_nonsense(self):
        for service in (None, '', 3, object()):
            with self.subTest(service=service):
                self.assertIn('is not a host name', self.unknown(service))

    def test_created_after_the_first_listing(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            late = testing.FakeComputeClient(['host2'])._services
            self.client._services.update(late)
            toggle.disable(*late)
            self.assertEqual('disabled', *[s['status'] for s in late.values()])
        self.assertEqual('enabled', *[s['status'] for s in late.values()])

    def test_service_in_a_cell_that_is_down(self):
        listed = self.client.get_services
        down = {'host': 'host9', 'binary': 'nova-compute', 'status': 'UNKNOWN'}
        self.client.get_services = lambda **kwargs: [*listed(), down]
        self.found('host2')
        self.assertIn('is unknown', self.unknown('host9'))
