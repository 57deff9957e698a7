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

import requests
from requests import adapters
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures import testing
from tests.support import base
from tests.support import web
from tests.unit.guards import microversion_cases as cases


class TestSetUp(cases.TestCase):
    def refused(self, fixture):
        error = self.assertRaises(exceptions.ConfigurationError, fixture.setUp)
        self.assertUntouched()
        cases.latest()
        self.assertEqual(('compute latest', 'latest'), self.arrived())
        return error

    def test_malformed_is_refused_by_name(self):
        for value in cases.MALFORMED:
            with self.subTest(value=value):
                for versions in (cases.Versions(), None):
                    error = self.refused(
                        safe_fixtures.MicroversionPin(value, versions=versions)
                    )
                    self.assertIn('MicroversionPin', str(error))
                    self.assertIn(repr(value), str(error))
                    self.assertIn("such as '2.53'", str(error))

    def test_malformed_vetted_pin(self):
        error = self.refused(self.pin(None, cases.Versions(vetted='2')))
        self.assertEqual('2', error.value)

    def test_malformed_option(self):
        for value in ('2', '2.x', '', '3.1'):
            with self.subTest(value=value):
                self.configure(pinned_microversion=value)
                error = self.refused(self.pin(None))
                self.assertIn('pinned_microversion', str(error))
                self.assertIn(repr(value), str(error))

    def test_outside_what_the_api_supports(self):
        for value in ('2.0', '2.105', '2.1000'):
            with self.subTest(value=value):
                error = self.refused(self.pin(value))
                self.assertIn(repr(value), str(error))
                self.assertIn('2.1 to 2.104', str(error))

    def test_at_the_ends_of_what_the_api_supports(self):
        # As numbers: 2.9 comes before 2.10.
        for value in ('2.1', '2.9', '2.10', '2.104'):
            with self.subTest(value=value):
                with self.pin(value) as fixture:
                    self.assertEqual(value, fixture.pin)

    def test_api_whose_versions_are_unknown(self):
        with safe_fixtures.MicroversionPin('2.500') as fixture:
            self.assertEqual('2.500', fixture.pin)

    def test_no_pin_is_known(self):
        error = self.refused(safe_fixtures.MicroversionPin())
        self.assertIn('no Nova is imported', str(error))

    def test_unknown_release(self):
        error = self.refused(self.pin(None, cases.UnknownRelease()))
        self.assertIn('Nova 99', str(error))

    def test_unknown_release_with_the_option(self):
        self.configure(pinned_microversion='2.60')
        with self.pin(None, cases.UnknownRelease()) as fixture:
            self.assertEqual('2.60', fixture.pin)

    def test_vetted_pin(self):
        with self.pin(None, cases.Versions(vetted='2.79')) as fixture:
            self.assertEqual('2.79', fixture.pin)

    def test_option_goes_before_the_vetted_pin(self):
        self.configure(pinned_microversion='2.60')
        with self.pin(None) as fixture:
            self.assertEqual('2.60', fixture.pin)

    def test_argument_goes_before_the_option(self):
        self.configure(pinned_microversion='2.60')
        with self.pin('2.70') as fixture:
            self.assertEqual('2.70', fixture.pin)

    def test_in_an_inner_test(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(safe_fixtures.MicroversionPin('2.x'))

        self.assertFails(
            Inner, "ConfigurationError: MicroversionPin pin = '2.x' is refused"
        )
        self.assertUntouched()


class TestRefused(cases.TestCase):
    """SF101."""

    def test_refused(self):
        self.configure(latest_policy='refuse')
        self.useFixture(self.pin())
        for headers in (
            {'standard': 'compute latest'},
            {'legacy': 'latest'},
            {'standard': 'placement latest, compute latest'},
        ):
            with self.subTest(headers=headers):
                with safe_fixtures.expect_violation('SF101') as seen:
                    cases.get(**headers)
                self.assertIn('GET /v2.1/servers', seen[0].message)
                self.assertIn('latest', seen[0].message)
        self.assertEqual([], self.server.requests)

    def test_twin(self):
        self.configure(latest_policy='refuse')
        self.useFixture(self.pin())
        cases.get(standard='compute 2.53')
        self.served = 'none'
        cases.get(standard='placement latest')
        self.assertEqual(2, len(self.server.requests))

    def test_recorded_and_pinned_in_audit_mode(self):
        self.configure(latest_policy='refuse', rule_modes='SF101:audit')
        self.useFixture(self.pin())
        with safe_fixtures.expect_violation('SF101'):
            cases.latest()
        self.assertEqual(('compute 2.53', '2.53'), self.arrived())

    def inner(self):
        class Inner(testtools.TestCase):
            def test_fails(self):
                self.useFixture(outer.pin())
                cases.latest()

            def test_swallows(self):
                self.useFixture(outer.pin())
                try:
                    cases.latest()
                except Exception:
                    return

        class InSetUp(testtools.TestCase):
            def setUp(self):
                super().setUp()
                self.useFixture(outer.pin())
                cases.latest()

            def test_x(self):
                raise ZeroDivisionError

        outer = self
        return Inner, InSetUp

    def test_in_inner_tests(self):
        self.configure(latest_policy='refuse')
        case, in_set_up = self.inner()
        result = self.assertFails(case, count=2)
        for text in base.problems(result):
            with self.subTest(text=text):
                self.assertEqual(
                    1, text.count('SF101: GET /v2.1/servers asks')
                )
        self.assertFails(in_set_up, 'SF101: GET /v2.1/servers asks')
        self.assertUntouched()

    def test_in_inner_tests_twin(self):
        self.assertPasses(self.inner()[0])
        self.assertEqual(2, len(self.server.requests))


class TestUnsupported(cases.TestCase):
    """SF102."""

    def test_outside(self):
        self.useFixture(self.pin())
        for value in ('2.0', '2.105'):
            with self.subTest(value=value):
                for headers in (
                    {'standard': f'compute {value}'},
                    {'legacy': value},
                ):
                    with safe_fixtures.expect_violation('SF102') as seen:
                        cases.get(**headers)
                    self.assertIn(value, seen[0].message)
                    self.assertIn('2.1 to 2.104', seen[0].message)
        self.assertEqual([], self.server.requests)

    def test_twin(self):
        self.useFixture(self.pin())
        for value in ('2.1', '2.10', '2.104'):
            cases.get(standard=f'compute {value}')
        self.served = 'none'
        cases.get(standard='placement 1.99')
        self.assertEqual(4, len(self.server.requests))

    def test_unknown_api(self):
        self.useFixture(safe_fixtures.MicroversionPin('2.53'))
        cases.get(standard='compute 2.500')
        self.assertEqual(1, len(self.server.requests))

    def test_in_inner_test(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(outer.pin())
                cases.get(standard='compute 2.105')

        outer = self
        self.assertFails(Inner, 'SF102: GET /v2.1/servers asks')


class TestServedAtAnother(cases.TestCase):
    """SF103."""

    def test_another(self):
        self.useFixture(self.pin())
        self.served = 'compute 2.79'
        for headers in (
            {'standard': 'compute latest'},
            {'standard': 'compute 2.53'},
            {'legacy': '2.53'},
        ):
            with self.subTest(headers=headers):
                with safe_fixtures.expect_violation('SF103') as seen:
                    cases.get(**headers)
                self.assertIn('2.53', seen[0].message)
                self.assertIn('2.79', seen[0].message)

    def test_twin(self):
        self.useFixture(self.pin())
        self.served = 'compute 2.53'
        self.assertEqual(200, cases.get(standard='compute latest').status_code)
        self.assertEqual(200, cases.get(legacy='2.53').status_code)

    def test_not_for_a_406(self):
        self.useFixture(self.pin())
        self.served = 'compute 2.79'
        self.status = '406 Not Acceptable'
        self.assertEqual(406, cases.get(standard='compute 2.53').status_code)

    def test_for_any_other_error(self):
        self.useFixture(self.pin())
        self.served = 'compute 2.79'
        self.status = '404 Not Found'
        with safe_fixtures.expect_violation('SF103'):
            cases.get(standard='compute 2.53')

    def test_not_without_header(self):
        self.useFixture(self.pin())
        self.served = 'none'
        self.assertEqual(200, cases.get(standard='compute 2.53').status_code)

    def test_not_for_another_service(self):
        self.useFixture(self.pin())
        self.served = 'placement 1.39'
        self.assertEqual(200, cases.get(standard='compute 2.53').status_code)

    def test_not_if_none_was_sent(self):
        self.useFixture(self.pin())
        self.served = 'compute 2.1'
        self.assertEqual(200, cases.get().status_code)

    def test_in_inner_test(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(outer.pin())
                try:
                    cases.latest()
                except Exception:
                    return

        outer = self
        self.assertPasses(Inner)
        self.served = 'compute 2.79'
        self.assertFails(Inner, 'SF103: GET /v2.1/servers asked')


class TestDrift(cases.TestCase):
    """SF104."""

    def test_recorded_once(self):
        fixture = self.useFixture(self.pin())
        for _ in range(3):
            cases.latest()
        (event,) = (
            event for event in fixture.trail.events if 'reason' in event
        )
        self.assertEqual('SF104', event['reason']['reasonCode'])
        self.assertEqual('evaluate/violation', event['action'])
        message = audit.details(event)['message']
        self.assertIn('2.53', message)
        self.assertIn('2.104', message)

    def test_twin(self):
        fixture = self.useFixture(self.pin('2.104'))
        cases.latest()
        self.assertEqual(
            ['configure/microversion'],
            [event['action'] for event in fixture.trail.events],
        )

    def test_enforced(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(outer.pin())
                cases.latest()

        outer = self
        self.configure(rule_modes='SF104:enforce')
        self.assertFails(Inner, 'SF104: the pin is 2.53')


class TestContract(testing.FixtureContract, cases.TestCase):
    def make_fixture(self):
        return self.pin()

    def use(self, fixture):
        cases.latest()

    def state(self):
        return id(vars(adapters.HTTPAdapter)['send']), gate.OBSERVERS.users


class TestRecordOfRequests(cases.TestCase):
    def setUp(self):
        super().setUp()
        self.served = 'none'

    def requested(self, use, **kwargs):
        """Return what is recorded of the requests that *use* makes."""
        with audit.AuditTrail() as trail:
            with self.pin(**kwargs):
                use()
                self.assertNotIn(
                    'monitor/microversion',
                    [event['action'] for event in trail.events],
                )
        return [
            audit.details(event)['requests']
            for event in trail.events
            if event['action'] == 'monitor/microversion'
        ]

    def test_by_the_version_that_was_sent(self):
        def use():
            cases.latest()
            cases.get(standard='compute latest')
            cases.get(standard='compute 2.53')
            cases.get(legacy='2.60')
            cases.get(standard='compute 2.70', legacy='2.60')
            cases.get()

        self.assertEqual(
            [{'2.53': 3, '2.60': 1, '2.70': 1, 'none': 1}], self.requested(use)
        )

    def test_no_request(self):
        self.assertEqual([], self.requested(lambda: None))

    def test_other_services(self):
        def use():
            cases.get(standard='compute 2.60')
            for path in (
                '/placement/resource_providers',
                '/resource_providers',
                '/v2.0/networks',
                '/v3/volumes',
                '/v20/servers',
                '/x?next=/v2.1/servers',
            ):
                requests.get(
                    web.URL + path,
                    headers={cases.STANDARD: 'placement latest'},
                )
                requests.get(web.URL + path)

        self.assertEqual([{'2.60': 1}], self.requested(use))

    def test_no_version_is_asked_for(self):
        def use():
            for path in ('/v2.1', '/v2/servers', '/compute/v2.1/?x=1'):
                requests.get(web.URL + path)

        self.assertEqual([{'none': 3}], self.requested(use))

    def test_request_that_was_not_sent(self):
        self.configure(latest_policy='refuse')

        def use():
            with testing.expect_violation('SF101'):
                cases.latest()

        self.assertEqual([], self.requested(use))

    def test_used_again(self):
        pin = self.pin()
        with audit.AuditTrail() as trail:
            for _ in range(2):
                with pin:
                    cases.get(standard='compute 2.60')
        self.assertEqual(
            [{'2.60': 1}] * 2,
            [audit.details(event)['requests'] for event in trail.events],
        )
