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

"""SafeServiceToggle: its methods, its handles, and where it refuses."""

import requests
from requests import adapters
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures import testing
from tests.support import base
from tests.support import toggles
from tests.support import web

OUTSIDE = 'http://nova.example.com:8774/v2.1'


class Sent(Exception):
    """A request would have left this process."""


class Wire(adapters.HTTPAdapter):
    """A transport that ends before the first byte."""

    def get_connection_with_tls_context(self, *args, **kwargs):
        raise Sent

    def get_connection(self, *args, **kwargs):
        raise Sent


class TestToggle(toggles.TestCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.assertRestored)
        self.fixture = self.useFixture(self.toggle())

    def service(self, host='host1'):
        return self.client._services[self.client.uuid(host)]

    def test_disable(self):
        self.fixture.disable('host1')
        self.assertEqual('disabled', self.service()['status'])
        self.assertIsNone(self.service()['disabled_reason'])
        self.assertEqual('enabled', self.service('host2')['status'])

    def test_disable_with_reason(self):
        self.fixture.disable('host1', reason='maintenance')
        self.assertEqual('maintenance', self.service()['disabled_reason'])
        self.fixture.disable('host1', 'other')
        self.assertEqual('other', self.service()['disabled_reason'])

    def test_enable(self):
        self.fixture.disable('host1', 'why')
        self.fixture.enable('host1')
        self.assertEqual('enabled', self.service()['status'])
        self.assertIsNone(self.service()['disabled_reason'])

    def test_force_down_and_up(self):
        self.fixture.force_down('host1')
        self.assertIs(True, self.service()['forced_down'])
        self.fixture.force_up('host1')
        self.assertIs(False, self.service()['forced_down'])

    def test_keeps_the_other_half_of_the_state(self):
        self.fixture.disable('host1', 'why')
        self.fixture.force_down('host1')
        self.assertEqual(
            ('disabled', 'why', True),
            self.client.state()[self.client.uuid('host1')],
        )

    def test_no_change(self):
        self.fixture.enable('host1')
        self.assertEqual([], self.fixture.ledger)
        self.assertEqual(0, self.client.count('put_service'))


class TestHandle(toggles.TestCase):
    def test_restores_at_the_end_of_the_block(self):
        with self.toggle() as toggle:
            with toggle.disable('host1', 'why') as handle:
                self.assertEqual(toggles.ENABLED, handle.before)
                self.assertEqual('host1', handle.service.host)
                self.assertNotEqual(self.before, self.client.state())
            self.assertEqual(self.before, self.client.state())
            self.assertEqual('put_service', toggle.ledger[0].restored)
        self.assertRestored()

    def test_restores_on_error(self):
        with self.toggle() as toggle:
            try:
                with toggle.force_down('host1'):
                    raise KeyError
            except KeyError:
                self.assertEqual(self.before, self.client.state())
        self.assertRestored()

    def test_restores_to_what_it_found(self):
        with self.toggle() as toggle:
            toggle.disable('host1', 'outer')
            between = self.client.state()
            with toggle.enable('host1'):
                self.assertEqual(self.before, self.client.state())
            self.assertEqual(between, self.client.state())
        self.assertRestored()

    def test_idempotent(self):
        with self.toggle() as toggle:
            handle = toggle.disable('host1')
            handle.restore()
            puts = self.client.count('put_service')
            handle.restore()
            self.assertEqual(puts, self.client.count('put_service'))
        self.assertRestored()

    def test_several(self):
        with self.toggle() as toggle:
            with toggle.disable('host1'), toggle.disable('host2'):
                with toggle.force_down('host1'):
                    pass
            self.assertEqual(self.before, self.client.state())
        self.assertRestored()

    def test_toggled_again_after_it(self):
        with self.toggle() as toggle:
            with toggle.disable('host1'):
                pass
            toggle.force_down('host1')
        self.assertRestored()

    def test_restored_out_of_order(self):
        with self.toggle() as toggle:
            first = toggle.disable('host1')
            second = toggle.force_down('host1')
            first.restore()
            # The second handle restores what it found: disabled.
            second.restore()
        self.assertRestored()

    def test_settles_what_it_undid(self):
        with self.toggle() as toggle:
            toggle.disable('host1')
            with toggle.force_down('host1'):
                pass
            self.assertEqual(
                [None, 'put_service'],
                [entry.restored for entry in toggle.ledger],
            )
        self.assertEqual('put_service', toggle.ledger[0].restored)

    def test_restore_after_cleanup(self):
        with self.toggle() as toggle:
            handle = toggle.disable('host1')
        error = self.assertRaises(exceptions.SafetyViolation, handle.restore)
        self.assertEqual('SF202', error.code)
        self.assertRestored()

    def test_failing_restore(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = self.useFixture(outer.toggle())
                with toggle.disable('host1'):
                    outer.client.faults['host1'] = toggles.fails_once()

        outer = self
        self.assertFails(
            Inner,
            'SF201 (CWE-459): nova-compute on host1 should be enabled again, '
            'and is disabled (restore failed: ConnectionError: the API is '
            'down)',
        )
        # The restore was tried again at cleanup.
        self.assertRestored()

    def test_failing_restore_that_is_swallowed(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = self.useFixture(outer.toggle())
                try:
                    with toggle.disable('host1'):
                        outer.client.faults['host1'] = toggles.fails_once()
                except Exception:
                    return

        outer = self
        self.assertFails(
            Inner, 'SF201 (CWE-459): nova-compute on host1 should be enabled'
        )
        self.assertRestored()


class TestOutsideATest(toggles.TestCase):
    """SF202: not a test endpoint, or the fixture is not active."""

    VERBS = ('disable', 'enable', 'force_down', 'force_up')

    def refused(self, toggle):
        for verb in self.VERBS:
            with self.subTest(verb=verb):
                error = self.assertRaises(
                    exceptions.SafetyViolation, getattr(toggle, verb), 'host1'
                )
                self.assertEqual('SF202', error.code)
                self.assertIn(verb, error.message)
                self.assertIn('not active', error.message)
        self.assertEqual(0, self.client.count('put_service'))

    def test_before_set_up_and_after_cleanup(self):
        for mode in ('default', 'enforce', 'audit', 'off'):
            with self.subTest(mode=mode):
                self.configure(mode=mode)
                toggle = self.toggle()
                self.refused(toggle)
                with toggle:
                    pass
                self.refused(toggle)

    def test_twin(self):
        with self.toggle() as toggle:
            for verb in self.VERBS:
                getattr(toggle, verb)('host1')
        self.assertRestored()

    def test_in_inner_tests(self):
        class Inner(testtools.TestCase):
            def test_before(self):
                outer.toggle().disable('host1')

            def test_after(self):
                with outer.toggle() as toggle:
                    pass
                toggle.disable('host1')

        outer = self
        result = self.assertFails(Inner, count=2)
        for text in base.problems(result):
            with self.subTest(text=text):
                self.assertEqual(1, text.count('SF202 (CWE-749): SafeService'))
        self.assertRestored()

    def endpoint_refused(self, **kwargs):
        for mode in ('default', 'enforce', 'audit', 'off'):
            with self.subTest(mode=mode):
                self.configure(mode=mode, rule_modes='SF202:off')
                error = self.assertRaises(
                    exceptions.SafetyViolation, self.toggle(**kwargs).setUp
                )
                self.assertEqual('SF202', error.code)
                self.assertIn('not a test endpoint', error.message)
                self.assertEqual([], self.client.calls)
                self.assertIsNone(audit.current())
                self.assertRestored()
        return error

    def test_base_url_of_a_public_host(self):
        self.client.base_url = OUTSIDE
        self.assertIn(OUTSIDE, self.endpoint_refused().message)

    def test_base_urls_that_only_look_like_loopback(self):
        for url in (
            'http://localhost.example.com/',
            'http://127.0.0.1@example.com/',
            'http://[::1',
            '',
        ):
            with self.subTest(url=url):
                self.client.base_url = url
                self.endpoint_refused()

    def test_endpoint_of_a_public_host(self):
        self.client.base_url = 'http://127.0.0.1/'
        self.endpoint_refused(endpoint=OUTSIDE)

    def works(self, **kwargs):
        with self.toggle(**kwargs) as toggle:
            toggle.disable('host1')
            self.assertNotEqual(self.before, self.client.state())
        self.assertRestored()

    def test_twin_on_loopback(self):
        for host in ('localhost', '127.0.0.1', '[::1]'):
            with self.subTest(host=host):
                self.client.base_url = f'http://{host}:8774/v2.1'
                self.works()

    def test_twin_that_is_allowed(self):
        self.client.base_url = OUTSIDE
        for entry in ('nova.example.com', 'nova.example.com:8774', OUTSIDE):
            with self.subTest(entry=entry):
                self.configure(allowed_endpoints=entry)
                self.works()
        self.configure(allowed_endpoints='other.example.com')
        del self.client.calls[:]
        self.endpoint_refused()

    def test_twin_that_is_intercepted(self):
        self.useFixture(web.Served())
        self.client.base_url = web.URL
        self.works()

    def test_interception_that_ended(self):
        self.client.base_url = web.URL
        with web.Served():
            toggle = self.useFixture(self.toggle())
            toggle.disable('host1').restore()
        puts = self.client.count('put_service')
        with safe_fixtures.expect_violation('SF202') as seen:
            self.client.put_service(
                self.client.uuid('host1'), {'status': 'disabled'}
            )
        self.assertIn(web.URL, seen[0].message)
        self.assertEqual(puts, self.client.count('put_service'))

    def test_twin_in_process(self):
        self.works()

    def test_endpoint_overrides_base_url(self):
        self.client.base_url = OUTSIDE
        self.works(endpoint='http://localhost/')

    def test_refused_endpoint_in_an_inner_test(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = self.useFixture(outer.toggle())
                toggle.disable('host1')

        outer = self
        self.client.base_url = OUTSIDE
        self.assertFails(Inner, 'SF202 (CWE-749): a service would be toggled')
        self.assertEqual([], self.client.calls)

    def test_client_that_is_pointed_elsewhere_later(self):
        self.client.base_url = 'http://127.0.0.1/'
        with self.toggle() as toggle:
            self.client.base_url = OUTSIDE
            with safe_fixtures.expect_violation('SF202') as seen:
                toggle.disable('host1')
            self.assertIn(OUTSIDE, seen[0].message)
        self.assertEqual(0, self.client.count('put_service'))

    def put(self, url, method='PUT'):
        with requests.Session() as session:
            session.mount('http://', Wire())
            session.request(method, url, json={'status': 'disabled'})

    def test_refusal_at_set_up_is_recorded(self):
        self.client.base_url = OUTSIDE
        with audit.AuditTrail() as trail:
            self.assertRaises(exceptions.SafetyViolation, self.toggle().setUp)
        self.assertEqual(['deny'], [e['action'] for e in trail.events])

    def test_requests_that_change_a_service(self):
        with self.toggle():
            for method, url in (
                ('PUT', OUTSIDE + '/os-services/1'),
                ('DELETE', OUTSIDE + '/os-services/1'),
                ('PUT', 'http://nova.example.com/compute/v2.1/os-services/1'),
                ('PUT', 'http://nova.example.com/v2.1/demo/os-services/1'),
            ):
                with self.subTest(method=method, url=url):
                    with safe_fixtures.expect_violation('SF202'):
                        self.put(url, method)

    def test_request_to_a_public_host(self):
        for mode in ('default', 'audit', 'off'):
            with self.subTest(mode=mode):
                self.configure(mode=mode)
                with self.toggle() as toggle:
                    for path in ('/os-services/1', '/os-services/disable'):
                        with safe_fixtures.expect_violation('SF202') as seen:
                            self.put(OUTSIDE + path)
                        self.assertIn(OUTSIDE, seen[0].message)
                    self.assertEqual(
                        ['deny', 'deny'],
                        [event['action'] for event in toggle.trail.events],
                    )

    def test_request_to_a_public_host_twin(self):
        with self.toggle():
            for url in (
                f'{OUTSIDE}/os-aggregates/1',
                'http://127.0.0.1:8774/v2.1/os-services/1',
            ):
                with self.subTest(url=url):
                    self.assertRaises(Sent, self.put, url)
            self.assertRaises(
                Sent, self.put, f'{OUTSIDE}/os-services/1', method='GET'
            )
        self.configure(allowed_endpoints='nova.example.com')
        with self.toggle():
            self.assertRaises(Sent, self.put, f'{OUTSIDE}/os-services/1')

    def test_without_api_where_no_nova_is(self):
        error = self.assertRaises(
            exceptions.ConfigurationError,
            safe_fixtures.SafeServiceToggle().setUp,
        )
        self.assertIn('SafeServiceToggle api', str(error))
        self.assertIn('get_services and put_service', str(error))


class TestContract(testing.FixtureContract, toggles.TestCase):
    def make_fixture(self):
        return self.toggle()

    def use(self, fixture):
        fixture.disable('host1', f'after {len(self.client.calls)} calls')
        self.client.put_service(
            self.client.uuid('host2'), {'forced_down': True}
        )

    def state(self):
        wrapped = vars(self.client).get('put_service')
        return self.client.state(), id(wrapped), len(gate.OBSERVERS.users)
