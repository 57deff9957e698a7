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

"""MicroversionPin on real Nova."""

import fixtures
from keystoneauth1 import noauth
from keystoneauth1 import session
from nova import test
from nova import utils
from oslo_config import fixture as config_fixture
import requests
import testtools

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures import MicroversionPin
from safe_fixtures import nova as safe_nova
from safe_fixtures.nova import pins
from tests.functional.nova import inner
from tests.support import subtests

STANDARD = 'OpenStack-API-Version'
LEGACY = 'X-OpenStack-Nova-API-Version'
# Before 2.61 a flavor has no extra_specs, and before 2.55 no description.
PIN = '2.60'


class Pinned(inner.SafeApiTestCase):
    MICROVERSION_PIN = PIN

    def served(self, api):
        """Return the version of the response, and its flavor."""
        response = api.api_get('/flavors/1')
        return response.headers[STANDARD], response.body['flavor']


class PinTestCase(subtests.SubTests, testtools.TestCase):
    def run_test(self, act, base=Pinned, **settings):
        seen = {}

        class Inner(base):
            def setUp(self):
                self.useFixture(config_fixture.Config(conf.CONF)).config(
                    group='safe_fixtures', **settings
                )
                super().setUp()

            def test(self):
                seen['trail'] = self.audit_trail
                act(self)

        self.result = inner.run_inner(Inner)
        self.problems = inner.problems(self.result)
        self.trail = seen.get('trail')

    def assert_passes(self, act, **kwargs):
        self.run_test(act, **kwargs)
        self.assertEqual('', self.problems)

    def violations(self, code):
        return [
            event
            for event in self.trail.events
            if event.get('reason', {}).get('reasonCode') == code
        ]


class TestLatest(PinTestCase):
    """Every way to ask for latest is served at the pin."""

    def _assert_pinned(self, test, api):
        version, flavor = test.served(api)
        test.assertEqual(f'compute {PIN}', version)
        test.assertNotIn('extra_specs', flavor)
        test.assertIn('description', flavor)

    def test_class_attribute(self):
        class Base(safe_nova.SafeIntegratedTestBase):
            MICROVERSION_PIN = PIN
            microversion = 'latest'
            served = Pinned.served

        def act(test):
            self._assert_pinned(test, test.api)
            self._assert_pinned(test, test.admin_api)

        self.assert_passes(act, base=Base)

    def test_assignment_on_every_client(self):
        def act(test):
            for name in inner.CLIENTS:
                with self.subTest(name=name):
                    api = getattr(test.api_fixture, name)
                    api.microversion = 'latest'
                    self._assert_pinned(test, api)
                    test.assertEqual('latest', api.microversion)

        self.assert_passes(act)

    def test_without_a_pin_it_is_the_newest(self):
        class Base(inner.ApiMixin, test.TestCase):
            audit_trail = None
            served = Pinned.served

        def act(test):
            version, flavor = test.served(test.admin_api)
            test.assertEqual(f'compute {pins.vetted_microversion()}', version)
            test.assertIn('extra_specs', flavor)

        self.assert_passes(act, base=Base)

    def test_temporary_mutation(self):
        def act(test):
            api = test.api_fixture.api
            with utils.temporary_mutation(api, microversion='latest'):
                self._assert_pinned(test, api)
            test.assertEqual('compute 2.1', test.served(api)[0])

        self.assert_passes(act)

    def test_either_header_of_bare_requests(self):
        def act(test):
            for headers in (
                {STANDARD: 'compute latest'},
                {LEGACY: 'latest'},
                {STANDARD: 'placement latest, compute latest'},
                {STANDARD: 'compute latest', LEGACY: 'latest'},
            ):
                with self.subTest(headers=headers):
                    response = requests.get(
                        f'{test.api_fixture.base_url}/flavors/1',
                        headers={**inner.HEADERS, **headers},
                        timeout=60,
                    )
                    test.assertEqual(
                        f'compute {PIN}', response.headers[STANDARD]
                    )
                    test.assertEqual(PIN, response.headers[LEGACY])
                    test.assertNotIn('extra_specs', response.json()['flavor'])

        self.assert_passes(act)

    def test_keystoneauth(self):
        def act(test):
            auth = noauth.NoAuth(endpoint=test.api_fixture.base_url)
            response = session.Session(auth=auth).get(
                '/flavors/1',
                headers=dict(inner.HEADERS),
                endpoint_filter={'service_type': 'compute'},
                microversion='latest',
            )
            test.assertEqual(f'compute {PIN}', response.headers[STANDARD])

        self.assert_passes(act)

    def test_service_ids_as_at_the_pin(self):
        class Base(inner.SafeApiTestCase):
            MICROVERSION_PIN = '2.52'

        def act(test):
            service = inner.make_service(test, 'host')
            (listed,) = test.admin_api.get_services(host='host')
            test.assertEqual(service.id, listed['id'])
            test.assertFalse(listed['forced_down'])

        self.assert_passes(act, base=Base)

    def test_placement_with_a_pin_of_its_own(self):
        class Base(safe_nova.SafeIntegratedTestBase):
            MICROVERSION_PIN = PIN

        def served(test):
            response = test.placement.get(
                '/resource_providers', version='latest'
            )
            return response.headers[STANDARD]

        def act(test):
            with MicroversionPin('1.37', service='placement'):
                test.assertEqual('placement 1.37', served(test))
                # The pin of compute stays.
                test.api.microversion = 'latest'
                test.assertEqual(
                    f'compute {PIN}',
                    test.api.api_get('/flavors/1').headers[STANDARD],
                )
            test.assertNotEqual('placement 1.37', served(test))

        self.assert_passes(act, base=Base)

    def test_placement_is_not_touched(self):
        class Base(safe_nova.SafeIntegratedTestBase):
            MICROVERSION_PIN = PIN

        def act(test):
            response = test.placement.get(
                '/resource_providers', version='latest'
            )
            test.assertEqual(200, response.status)
            sent = requests.Request(
                'GET', 'http://x.test/', headers={STANDARD: 'placement latest'}
            ).prepare()
            test.microversion_pin.before(gate.ApiCall(sent))
            test.assertEqual('placement latest', sent.headers[STANDARD])

        self.assert_passes(act, base=Base)

    def test_none_is_the_default_of_nova(self):
        def act(test):
            version, flavor = test.served(test.api_fixture.api)
            test.assertEqual('compute 2.1', version)
            test.assertNotIn('description', flavor)

        self.assert_passes(act)

    def test_concrete_version_is_respected(self):
        def act(test):
            test.admin_api.microversion = '2.61'
            version, flavor = test.served(test.admin_api)
            test.assertEqual('compute 2.61', version)
            test.assertIn('extra_specs', flavor)

        self.assert_passes(act)


class TestRules(PinTestCase):
    def test_latest_refused(self):
        def act(test):
            test.served(test.admin_api)

        self.run_test(act, latest_policy='refuse')
        self.assertEqual(1, len(self.result.failures), self.problems)
        self.assertIn('SF101', self.problems)
        self.assertIn('GET /v2.1/flavors/1', self.problems)

    def test_latest_refused_and_swallowed(self):
        def act(test):
            try:
                test.served(test.admin_api)
            except AssertionError:
                pass

        self.run_test(act, latest_policy='refuse')
        self.assertIn('SF101', self.problems)

    def test_concrete_version_is_not_refused(self):
        def act(test):
            test.admin_api.microversion = PIN
            test.served(test.admin_api)

        self.assert_passes(act, latest_policy='refuse')

    def test_unsupported_version(self):
        def act(test):
            test.admin_api.microversion = '2.9999'
            test.served(test.admin_api)

        self.run_test(act)
        self.assertEqual(1, len(self.result.failures), self.problems)
        self.assertIn('SF102', self.problems)
        self.assertIn('2.9999', self.problems)

    def test_newest_supported_version(self):
        def act(test):
            test.admin_api.microversion = pins.vetted_microversion()
            test.served(test.admin_api)

        self.assert_passes(act)
        self.assertEqual([], self.violations('SF102'))

    def _served_at(self, version):
        def act(test):
            def send(adapter, request, *args, **kwargs):
                response = requests.Response()
                response.status_code = 200
                response.headers[STANDARD] = f'compute {version}'
                response.headers['content-type'] = 'application/json'
                response._content = b'{"flavor": {}}'
                return response

            # Below the gate, which remains installed.
            with (
                fixtures.MonkeyPatch(
                    'requests.adapters.HTTPAdapter.send', send
                ),
                MicroversionPin(PIN, test=test),
            ):
                test.served(test.admin_api)

        return act

    def test_served_at_another_version(self):
        class Plain(inner.ApiMixin, test.TestCase):
            audit_trail = None
            served = Pinned.served

        self.run_test(self._served_at('2.61'), base=Plain)
        self.assertIn('SF103', self.problems)
        self.assertIn('was served at 2.61', self.problems)

    def test_served_at_the_version_asked_for(self):
        class Plain(inner.ApiMixin, test.TestCase):
            audit_trail = None
            served = Pinned.served

        self.assert_passes(self._served_at(PIN), base=Plain)

    def test_drift_is_recorded(self):
        def act(test):
            test.served(test.admin_api)
            test.served(test.admin_api)

        self.assert_passes(act)
        (event,) = self.violations('SF104')
        self.assertIn(f'the pin is {PIN}', audit.details(event)['message'])

    def test_no_drift_at_the_maximum(self):
        class Base(inner.SafeApiTestCase):
            served = Pinned.served

        def act(test):
            test.assertEqual(
                f'compute {pins.vetted_microversion()}',
                test.served(test.admin_api)[0],
            )

        self.assert_passes(act, base=Base)
        self.assertEqual([], self.violations('SF104'))


class TestVettedPin(PinTestCase):
    def test_that_of_the_installed_release(self):
        pin = MicroversionPin()
        with pin:
            self.assertEqual(pins.vetted_microversion(), pin.pin)

    def test_of_each_release(self):
        for release, pin in (
            ('31.3.1', '2.100'),
            ('32.0.0', '2.100'),
            ('33.0.2', '2.103'),
            ('34.0.0', '2.104'),
            ('34.0.0.0rc1', '2.104'),
        ):
            with self.subTest(release=release, pin=pin):
                self.assertEqual(pin, pins.vetted_microversion(release))

    def test_unknown_release_names_the_option(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.nova.pins._installed', lambda: '99.0.0'
            )
        )
        error = self.assertRaises(
            exceptions.ConfigurationError, MicroversionPin().setUp
        )
        self.assertIn('[safe_fixtures] pinned_microversion', str(error))
        self.assertIn('99.0.0', str(error))

    def test_option_goes_before_data(self):
        self.useFixture(config_fixture.Config(conf.CONF)).config(
            group='safe_fixtures', pinned_microversion='2.53'
        )
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.nova.pins._installed', lambda: '99.0.0'
            )
        )
        with MicroversionPin() as pin:
            self.assertEqual('2.53', pin.pin)

    def test_option_reaches_the_bases(self):
        class Base(inner.SafeApiTestCase):
            served = Pinned.served

        def act(test):
            test.assertEqual(f'compute {PIN}', test.served(test.admin_api)[0])

        self.assert_passes(act, base=Base, pinned_microversion=PIN)

    def test_pin_above_the_maximum(self):
        error = self.assertRaises(
            exceptions.ConfigurationError, MicroversionPin('2.9999').setUp
        )
        self.assertIn('2.9999', str(error))
        self.assertIn(pins.vetted_microversion(), str(error))
