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

"""Pins of services other than compute, each with its own version headers."""

from keystoneauth1 import session
from keystoneauth1 import token_endpoint
import requests

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards import microversion
from tests.support import web
from tests.unit.guards import microversion_cases as cases

# Each service with a pin and its own header, as its documentation has it.
SERVICES = {
    'baremetal': ('1.94', 'X-OpenStack-Ironic-API-Version'),
    'baremetal-introspection': (
        '1.17',
        'X-OpenStack-Ironic-Inspector-API-Version',
    ),
    'compute': ('2.79', 'X-OpenStack-Nova-API-Version'),
    'placement': ('1.36', None),
    'shared-file-system': ('2.80', 'X-OpenStack-Manila-API-Version'),
    'volume': ('3.71', None),
}
# What users of keystoneauth call some of them.
CATALOG = {'block-storage': 'volume', 'volumev3': 'volume',
           'sharev2': 'shared-file-system'}  # fmt: skip


class TestServices(cases.TestCase):
    def get(self, headers):
        requests.get(f'{web.URL}/things', headers=headers)
        return self.arrived_as(headers)

    def arrived_as(self, names):
        environ = self.server.requests[-1]
        return {
            name: environ.get(f'HTTP_{name.upper().replace("-", "_")}')
            for name in names
        }

    def pin(self, service, pin=None, **kwargs):
        return safe_fixtures.MicroversionPin(
            pin or SERVICES[service][0], service=service, **kwargs
        )

    def test_all_are_tried(self):
        self.assertEqual(set(SERVICES), set(microversion.SERVICES))

    def test_latest(self):
        for service, (pin, legacy) in SERVICES.items():
            with self.subTest(service=service):
                headers = {cases.STANDARD: f'{service} latest'}
                pinned = {cases.STANDARD: f'{service} {pin}'}
                if legacy:
                    headers[legacy] = 'latest'
                    pinned[legacy] = pin
                with self.pin(service) as fixture:
                    self.assertEqual(pinned, self.get(headers))
                    (event,) = fixture.trail.events
                served = pin if service == 'compute' else f'{service} {pin}'
                self.assertEqual(
                    {'sent': 'latest', 'served': served}, audit.details(event)
                )
        self.assertUntouched()

    def test_latest_of_other_services(self):
        for service in SERVICES:
            with self.subTest(service=service), self.pin(service):
                for other, (_, legacy) in SERVICES.items():
                    if other == service:
                        continue
                    headers = {cases.STANDARD: f'{other} latest'}
                    if legacy:
                        headers[legacy] = 'latest'
                    self.served = 'none'
                    self.assertEqual(headers, self.get(headers))

    def test_side_by_side(self):
        self.served = 'none'
        for service in SERVICES:
            self.useFixture(self.pin(service))
        latest = ', '.join(f'{service} latest' for service in SERVICES)
        pinned = ', '.join(f'{name} {pin}' for name, (pin, _) in
                           SERVICES.items())  # fmt: skip
        self.assertEqual(
            {cases.STANDARD: pinned}, self.get({cases.STANDARD: latest})
        )

    def test_keystoneauth(self):
        for name in [*SERVICES, *CATALOG]:
            service = CATALOG.get(name, name)
            pin, legacy = SERVICES[service]
            with self.subTest(name=name), self.pin(service):
                client = session.Session(
                    auth=token_endpoint.Token(web.URL, 'a-token')
                )
                client.get(
                    f'{web.URL}/things',
                    microversion='latest',
                    endpoint_filter={'service_type': name},
                )
                arrived = self.arrived_as([cases.STANDARD, legacy or 'x'])
                self.assertEqual(f'{service} {pin}', arrived[cases.STANDARD])
                self.assertIn(arrived.get(legacy), (pin, None))

    def test_refused_where_latest_is_refused(self):
        self.configure(latest_policy='refuse')
        for service in SERVICES:
            with self.subTest(service=service), self.pin(service):
                with safe_fixtures.expect_violation('SF101') as seen:
                    self.get({cases.STANDARD: f'{service} latest'})
                self.assertIn(f'{service} microversion', seen[0].message)
        self.assertEqual([], self.server.requests)

    def test_served_at_another_version(self):
        for service, (pin, _) in SERVICES.items():
            self.served = f'{service} {pin}0'
            with self.subTest(service=service), self.pin(service):
                with safe_fixtures.expect_violation('SF103') as seen:
                    self.get({cases.STANDARD: f'{service} latest'})
                self.assertIn(f'{pin}0', seen[0].message)

    def test_outside_what_the_api_supports(self):
        versions = cases.Versions('3.0', '3.71', '3.70')
        with self.pin('volume', versions=versions):
            with safe_fixtures.expect_violation('SF102'):
                self.get({cases.STANDARD: 'volume 3.72'})
            for version in ('volume 3.0', 'volume 3.71', 'compute 2.999'):
                with self.subTest(version=version):
                    self.assertEqual(
                        {cases.STANDARD: version},
                        self.get({cases.STANDARD: version}),
                    )

    def test_pin_that_is_vetted(self):
        versions = cases.Versions('3.0', '3.71', '3.70')
        with safe_fixtures.MicroversionPin(
            service='volume', versions=versions
        ) as fixture:
            self.assertEqual('3.70', fixture.pin)

    def test_counted(self):
        with self.pin('volume') as fixture:
            self.get({cases.STANDARD: 'volume latest'})
            self.get({cases.STANDARD: 'volume 3.70'})
            self.get({cases.STANDARD: 'compute 2.53'})
            self.get({})
            trail = fixture.trail
        event = trail.events[-1]
        self.assertEqual('volume API', event['target']['name'])
        self.assertEqual(
            {'requests': {'volume 3.71': 1, 'volume 3.70': 1}},
            audit.details(event),
        )

    def test_option_is_for_compute_only(self):
        self.configure(pinned_microversion='2.53')
        error = self.assertRaises(
            exceptions.ConfigurationError,
            safe_fixtures.MicroversionPin(service='volume').setUp,
        )
        self.assertIn("such as '3.71': major 3", str(error))
        self.assertUntouched()

    def test_pin_of_another_major(self):
        for service, (pin, _) in SERVICES.items():
            for value in (f'{int(pin[0]) + 1}.1', pin[0], 'latest', f' {pin}'):
                with self.subTest(service=service, value=value):
                    error = self.assertRaises(
                        exceptions.ConfigurationError,
                        self.pin(service, value).setUp,
                    )
                    self.assertEqual(value, error.value)
                    self.assertEqual((), gate.OBSERVERS.users)

    def test_unknown_service(self):
        for service in ('block-storage', 'Volume', '', 'nova'):
            with self.subTest(service=service):
                error = self.assertRaises(
                    exceptions.ConfigurationError,
                    safe_fixtures.MicroversionPin(
                        '3.71', service=service
                    ).setUp,
                )
                self.assertIn('volume', str(error))
                self.assertIn('MicroversionPin service', str(error))
