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

"""Which headers ask for latest."""

from oslo_config import fixture as config_fixture
import requests

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures import conf
from tests.support import web
from tests.unit.guards import microversion_cases as cases


class TestLatest(cases.TestCase):
    def assertArrives(self, expected, **headers):
        with self.pin() as fixture:
            cases.get(**headers)
            self.assertEqual(expected, self.arrived())
            return [
                audit.details(event)
                for event in fixture.trail.events
                if event['action'] == 'configure/microversion'
            ]

    def assertPinned(self, expected, **headers):
        records = self.assertArrives(expected, **headers)
        self.assertEqual([{'sent': 'latest', 'served': '2.53'}], records)

    def assertLeft(self, **headers):
        expected = (headers.get('standard'), headers.get('legacy'))
        self.assertEqual([], self.assertArrives(expected, **headers))

    def test_both_headers(self):
        self.assertPinned(
            ('compute 2.53', '2.53'),
            standard='compute latest',
            legacy='latest',
        )

    def test_standard_header(self):
        self.assertPinned(('compute 2.53', None), standard='compute latest')

    def test_legacy_header(self):
        self.served = 'compute 2.53'
        self.assertPinned((None, '2.53'), legacy='latest')

    def test_underscores_are_dashes_to_wsgi(self):
        self.assertPinned(
            ('compute 2.53', None), OpenStack_API_Version='compute latest'
        )
        self.served = 'compute 2.53'
        self.assertPinned(
            (None, '2.53'), X_OpenStack_Nova_API_Version='latest'
        )

    def test_settings_that_a_test_has_cleared(self):
        self.configure(latest_policy='refuse')
        with self.pin():
            with config_fixture.Config(conf.CONF) as settings:
                settings.config(group='safe_fixtures', restore_timeout=3)
            with safe_fixtures.expect_violation('SF101'):
                cases.latest()

    def test_list_of_services(self):
        self.served = 'compute 2.53'
        self.assertPinned(
            ('placement latest, compute 2.53', None),
            standard='placement latest, compute latest',
        )

    def test_list_of_services_the_other_way_round(self):
        self.served = 'compute 2.53'
        self.assertPinned(
            ('compute 2.53, placement latest', None),
            standard='compute latest,placement latest',
        )

    def test_last_entry_counts(self):
        self.served = 'compute 2.53'
        self.assertPinned(
            ('compute 2.60, compute 2.53', None),
            standard='compute 2.60, compute latest',
        )

    def test_earlier_entry_does_not_count(self):
        self.served = 'compute 2.60'
        self.assertLeft(standard='compute latest, compute 2.60')

    def test_service_in_capitals(self):
        self.served = 'compute 2.53'
        self.assertPinned(('COMPUTE 2.53', None), standard='COMPUTE latest')

    def test_header_name_in_any_case(self):
        self.served = 'compute 2.53'
        records = self.assertArrives(
            ('compute 2.53', '2.53'),
            **{
                cases.STANDARD.lower(): 'compute latest',
                cases.LEGACY.upper(): 'latest',
            },
        )
        self.assertEqual(1, len(records))

    def test_bytes(self):
        self.assertPinned(
            ('compute 2.53', '2.53'),
            standard=b'compute latest',
            legacy=b'latest',
        )

    def test_any_white_space(self):
        self.served = 'compute 2.53'
        for value in (
            'compute\tlatest',
            'compute   latest',
            'compute latest ',
        ):
            with self.subTest(value=value):
                self.assertPinned(('compute 2.53', None), standard=value)

    def test_legacy_list(self):
        self.served = 'compute 2.53'
        self.assertPinned((None, '2.60, 2.53'), legacy='2.60, latest')

    def test_legacy_beside_another_service(self):
        self.served = 'compute 2.53'
        self.assertPinned(
            ('placement latest', '2.53'),
            standard='placement latest',
            legacy='latest',
        )

    def test_placement_is_left_alone(self):
        self.assertLeft(standard='placement latest')

    def test_none_is_left_alone(self):
        self.assertLeft()

    def test_concrete_versions_are_left_alone(self):
        for value in ('2.1', '2.53', '2.104'):
            with self.subTest(value=value):
                self.assertLeft(standard=f'compute {value}', legacy=value)

    def test_malformed_version_is_left_to_the_api(self):
        self.served = 'none'
        for value in ('compute 2.x', 'compute', 'compute 3', 'latest'):
            with self.subTest(value=value):
                self.assertLeft(standard=value)

    def test_gone_after_cleanup(self):
        with self.pin():
            cases.latest()
        self.assertEqual(('compute 2.53', '2.53'), self.arrived())
        cases.latest()
        self.assertEqual(('compute latest', 'latest'), self.arrived())
        self.assertUntouched()

    def test_innermost_of_several_counts(self):
        with self.pin('2.60'):
            with self.pin('2.70'):
                cases.latest()
                self.assertEqual(('compute 2.70', '2.70'), self.arrived())
            cases.latest()
            self.assertEqual(('compute 2.60', '2.60'), self.arrived())

    def test_client_of_its_own(self):
        self.useFixture(self.pin())
        request = requests.Request(
            'GET', web.URL, headers={cases.LEGACY: 'latest'}
        ).prepare()
        self.served = 'compute 2.53'
        with requests.Session() as session:
            session.send(request)
        self.assertEqual((None, '2.53'), self.arrived())
