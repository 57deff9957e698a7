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

"""Each guard of requests holds for every library that sends them."""

import safe_fixtures
from safe_fixtures.core import gate
from safe_fixtures import expect_violation
from safe_fixtures.guards import microversion
from safe_fixtures.guards.output import api_secrets
from safe_fixtures.guards import services
from safe_fixtures import testing
from tests.support import base
from tests.support import gates
from tests.support import senders
from tests.support import web
from tests.unit.guards.dummy_data import test_guard as dummy
from tests.unit.guards import microversion_cases
from tests.unit.guards.services import test_live

STANDARD = microversion_cases.STANDARD
LEGACY = microversion_cases.LEGACY
OUTSIDE = 'http://nova.example.com:8774/v2.1'
SECRET = 'Kd93' + 'mQpx7'


class TestCase(gates.Untouched, base.TestCase):
    def setUp(self):
        super().setUp()
        self.server = self.useFixture(web.Loopback(self.respond))
        self.url = f'{self.server.url}/v2.1'
        self.answer, self.headers = {}, {}

    def respond(self, environ):
        return '200 OK', self.headers, self.answer

    def senders(self):
        """Yield each sender, with the name of the case."""
        for name, send in senders.SENDERS.items():
            with self.subTest(name=name):
                self.server.requests.clear()
                yield send


class TestPin(TestCase):
    def respond(self, environ):
        """Serve at the version that is asked for, or at another one."""
        asked = environ.get('HTTP_OPENSTACK_API_VERSION')
        served = self.answer.get('served', asked)
        return '200 OK', {STANDARD: served} if served else {}, {}

    def pin(self, maximum='2.104', versions=microversion_cases.Versions):
        return microversion.MicroversionPin(
            '2.53', versions=versions(maximum=maximum)
        )

    def test_latest_is_replaced(self):
        given = {STANDARD: 'compute latest', LEGACY: 'latest'}
        self.configure(rule_modes='SF104:off')
        for send in self.senders():
            with self.pin():
                answer = send('GET', self.url, headers=given)
            self.assertEqual('compute 2.53', answer.headers[STANDARD])
            (environ,) = self.server.requests
            self.assertEqual(
                ('compute 2.53', '2.53'),
                (
                    environ['HTTP_OPENSTACK_API_VERSION'],
                    environ['HTTP_X_OPENSTACK_NOVA_API_VERSION'],
                ),
            )
            self.assertEqual('compute latest', given[STANDARD])
            self.assertEqual('latest', given[LEGACY])

    def test_latest_is_not_replaced_twin(self):
        for send in self.senders():
            for version in ('compute 2.60', 'volume latest'):
                with self.pin():
                    send('GET', self.url, headers={STANDARD: version})
                self.assertEqual(
                    version,
                    self.server.requests[-1]['HTTP_OPENSTACK_API_VERSION'],
                )

    def assertRefuses(self, code, bad, good):
        """Assert that one version is refused, and the other one is not."""
        for send in self.senders():
            with self.pin(), expect_violation(code):
                send('GET', self.url, headers={STANDARD: f'compute {bad}'})
            self.assertEqual([], self.server.requests)
            with self.pin():
                send('GET', self.url, headers={STANDARD: f'compute {good}'})

    def test_latest_is_refused(self):
        self.configure(latest_policy='refuse', rule_modes='SF101:enforce')
        self.assertRefuses('SF101', bad='latest', good='2.53')

    def test_unsupported_version(self):
        self.configure(rule_modes='SF102:enforce')
        self.assertRefuses('SF102', bad='2.105', good='2.104')

    def test_served_at_another(self):
        self.configure(rule_modes='SF103:enforce')
        for send in self.senders():
            for version in ('compute 2.52', 'compute 2.53'):
                self.answer = {'served': version}
                with self.pin():
                    if version == 'compute 2.53':
                        send('GET', self.url, headers={STANDARD: version})
                    else:
                        with expect_violation('SF103'):
                            send(
                                'GET',
                                self.url,
                                headers={STANDARD: 'compute 2.53'},
                            )

    def test_drift(self):
        self.configure(rule_modes='SF104:enforce')
        for send in self.senders():
            with self.pin(), expect_violation('SF104'):
                send('GET', self.url, headers={STANDARD: 'compute latest'})
            with self.pin(maximum='2.53'):
                send('GET', self.url, headers={STANDARD: 'compute latest'})


class TestPayload(TestCase):
    def setUp(self):
        super().setUp()
        self.configure(rule_modes='SF303:enforce')

    def test_body(self):
        for send in self.senders():
            with safe_fixtures.PayloadGuard():
                with expect_violation('SF303') as seen:
                    send('POST', self.url, body={'ip': '8.8.8.8'})
                self.assertIn('ip: public address', seen[0].message)
                self.assertEqual([], self.server.requests)
                send('POST', self.url, body={'ip': '192.0.2.1'})

    def test_url(self):
        for send in self.senders():
            with safe_fixtures.PayloadGuard():
                with expect_violation('SF303') as seen:
                    send('GET', f'{self.url}/servers?ip=8.8.8.8')
                self.assertIn('query.ip: public address', seen[0].message)
                self.assertEqual([], self.server.requests)
                send('GET', f'{self.url}/servers?ip=192.0.2.1')


class TestDummyData(TestCase):
    def setUp(self):
        super().setUp()
        self.configure(rule_modes='SF301:enforce,SF302:enforce')
        self.source = dummy.Source()

    def guard(self):
        return safe_fixtures.DummyDataGuard(source=self.source)

    def boot(self, send):
        image = dummy.IMAGE['id']
        server = {'name': 'vm', 'imageRef': image, 'flavorRef': '1'}
        send('POST', f'{self.url}/servers', body={'server': server})

    def test_image(self):
        for send in self.senders():
            self.source.held = {
                dummy.IMAGE['id']: dict(
                    dummy.IMAGE, location='http://glance.corp.net/i'
                )
            }
            with self.guard(), expect_violation('SF301'):
                self.boot(send)
            self.assertEqual([], self.server.requests)

    def test_flavor(self):
        self.configure(dummy_flavor_name='m1.*')
        for send in self.senders():
            with self.guard(), expect_violation('SF302'):
                send(
                    'POST',
                    f'{self.url}/flavors',
                    body={'flavor': {'name': 'production', 'id': '7'}},
                )
            self.assertEqual([], self.server.requests)

    def test_twin(self):
        for send in self.senders():
            with self.guard():
                self.boot(send)
            self.assertEqual(1, len(self.server.requests))


class TestSecrets(TestCase):
    def learned(self, send, *args, **kwargs):
        found = []

        class Redactor:
            learn = found.append

        with gate.ApiGate(api_secrets.SecretsAtGate(Redactor())):
            answer = send(*args, **kwargs)
        self.assertEqual(self.answer, answer.body)
        return found

    def test_of_a_request(self):
        for send in self.senders():
            self.assertEqual(
                [f'token-{SECRET}', SECRET],
                self.learned(
                    send,
                    'POST',
                    f'{self.url}/servers',
                    headers={'X-Auth-Token': f'token-{SECRET}'},
                    body={'server': {'adminPass': SECRET}},
                ),
            )

    def test_of_a_response(self):
        self.headers = {'X-Subject-Token': f'token-{SECRET}'}
        for answer, learned in (
            ({'server': {'adminPass': SECRET}}, [f'token-{SECRET}', SECRET]),
            (
                {'url': f'http://127.0.0.1/?token={SECRET}'},
                [f'token-{SECRET}', SECRET],
            ),
        ):
            self.answer = answer
            for send in self.senders():
                self.assertEqual(
                    learned,
                    self.learned(send, 'POST', f'{self.url}/servers', body={}),
                )

    def test_twin(self):
        self.answer = {'server': {'name': 'vm'}}
        for send in self.senders():
            self.assertEqual(
                [],
                self.learned(
                    send,
                    'POST',
                    f'{self.url}/servers',
                    body={'server': {'name': 'vm'}},
                ),
            )


class TestToggle(TestCase):
    def setUp(self):
        super().setUp()
        self.client = testing.FakeComputeClient(
            ['full'], servers={'full': ['1']}
        )

    def toggle(self):
        return services.SafeServiceToggle(api=self.client)

    def test_service_elsewhere(self):
        for send in self.senders():
            with self.toggle():
                for method in ('PUT', 'DELETE'):
                    with expect_violation('SF202') as seen:
                        send(method, f'{OUTSIDE}/os-services/1', body={})
                    self.assertIn(f'{OUTSIDE}/os-services/1', seen[0].message)

    def test_service_of_the_test_twin(self):
        for send in self.senders():
            with self.toggle():
                for method in ('PUT', 'DELETE'):
                    send(method, f'{self.url}/os-services/1', body={})
            self.assertEqual(2, len(self.server.requests))

    def test_outage(self):
        for send in self.senders():
            with self.toggle() as toggle:
                handle = toggle.disable(
                    'full', 'a test', expecting_servers=True
                )
                with handle:
                    send(
                        'POST',
                        f'{self.url}/servers/1/action',
                        body={'evacuate': {}},
                    )
                send('GET', f'{self.url}/servers/1')
            (outage,) = toggle.outages
            self.assertEqual(
                ['POST /servers/1/action (evacuate): 200'],
                [
                    moment.what
                    for moment in outage.moments
                    if moment.by is None
                ],
            )  # fmt: skip


class TestLiveToggle(test_live.TestCase):
    """Services of a real endpoint, that somebody's own client changes."""

    def test_change_is_restored(self):
        service = self.api.service('host1')
        for name, send in senders.SENDERS.items():
            with self.subTest(name=name), self.toggle() as toggle:
                send(
                    'PUT',
                    f'{self.api.url}/os-services/{service["id"]}',
                    headers={STANDARD: 'compute 2.53'},
                    body={'status': 'disabled'},
                )
                self.assertEqual(1, len(self.journals()))
                self.assertEqual('disabled', self.api.state()['host1'][0])
            self.assertRestored()
            (entry,) = toggle.ledger
            self.assertIn('PUT /v2.1/os-services/', entry.by)
            self.assertIn('test_transports.py', entry.by)

    def test_request_that_changes_nothing_twin(self):
        service = self.api.service('host1')
        for name, send in senders.SENDERS.items():
            with self.subTest(name=name), self.toggle() as toggle:
                send(
                    'PUT',
                    f'{self.api.url}/os-services/{service["id"]}',
                    headers={STANDARD: 'compute 2.53'},
                    body={'status': 'enabled'},
                )
                self.assertEqual([], self.journals())
            self.assertEqual([], toggle.ledger)
