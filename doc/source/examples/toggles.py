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

from safe_fixtures.nova import SafeProviderUsageBaseTestCase  # isort: skip

import os_traits

from safe_fixtures import SafeServiceToggle


class TestToggles(SafeProviderUsageBaseTestCase):
    compute_driver = 'fake.SmallFakeDriver'

    def service(self, host):
        return self.admin_api.get_services(host=host, binary='nova-compute')[0]

    def test_handle(self):
        self._start_compute('host1')
        handle = self.service_toggle.disable('host1', reason='maintenance')
        self.assertEqual('disabled', self.service('host1')['status'])
        handle.restore()
        self.assertEqual('enabled', self.service('host1')['status'])

        with self.service_toggle.force_down('host1'):
            self.assertTrue(self.service('host1')['forced_down'])
        self.assertFalse(self.service('host1')['forced_down'])

    def test_ways_to_name_a_service(self):
        compute = self._start_compute('host1')
        service = self.service('host1')
        for name in ('host1', service['id'], service, compute):
            with self.service_toggle.disable(name):
                self.assertEqual('disabled', self.service('host1')['status'])

    def test_ledger(self):
        self._start_compute('host1')
        toggle = self.service_toggle
        with toggle.disable('host1', reason='maintenance'):
            pass
        self.admin_api.put_service_force_down(
            self.service('host1')['id'], True
        )

        first, second = toggle.ledger
        self.assertEqual('nova-compute on host1', str(first.service))
        self.assertEqual('enabled', str(first.before))
        self.assertEqual("disabled ('maintenance')", str(first.after))
        self.assertEqual('record and compute', first.restored)
        self.assertIn('PUT /v2.1/os-services/', second.by)
        self.assertEqual('enabled, forced down', str(second.after))
        self.assertIsNone(second.restored)  # not yet

    def test_stopped_compute(self):
        compute = self._start_compute('host1')
        handle = self.service_toggle.disable('host1')
        compute.stop()
        handle.restore()

        self.assertEqual(
            'record; its compute is down and was not told',
            self.service_toggle.ledger[0].restored,
        )

    def test_trait_follows(self):
        self._start_compute('host1')
        provider = self._get_provider_uuid_by_host('host1')
        trait = os_traits.COMPUTE_STATUS_DISABLED
        with self.service_toggle.disable('host1'):
            self.assertIn(trait, self._get_provider_traits(provider))
        self.assertNotIn(trait, self._get_provider_traits(provider))

    def test_one_client(self):
        self._start_compute('host1')
        with SafeServiceToggle(api=self.admin_api) as toggle:
            service = self.service('host1')
            self.admin_api.put_service(service['id'], {'status': 'disabled'})
            self.assertEqual(1, len(toggle.ledger))
        self.assertEqual('enabled', self.service('host1')['status'])
        self.assertNotIn('put_service', vars(self.admin_api))


class TestCells(SafeProviderUsageBaseTestCase):
    compute_driver = 'fake.SmallFakeDriver'
    NUMBER_OF_CELLS = 2

    def test_each_service_in_its_own_cell(self):
        self._start_compute('host1', cell_name='cell1')
        self._start_compute('host2', cell_name='cell2')
        for host in ('host1', 'host2'):
            with self.service_toggle.disable(host) as handle:
                self.assertEqual(host, handle.service.host)
        for service in self.admin_api.get_services(binary='nova-compute'):
            self.assertEqual('enabled', service['status'])
