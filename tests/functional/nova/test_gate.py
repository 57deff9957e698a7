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

"""ApiGate on real Nova."""

from keystoneauth1 import noauth
from keystoneauth1 import session
from nova import test
from nova.tests.functional.api import client
import requests
import testtools
import urllib3

from safe_fixtures.core import gate
from safe_fixtures import expect_violation
from safe_fixtures import nova as safe_nova
from tests.functional.nova import inner
from tests.support import gates
from tests.support import web

STANDARD = 'OpenStack-API-Version'
# Before 2.61 a flavor has no extra_specs.
PIN = '2.60'


class Observer:
    def __init__(self):
        self.seen = []

    def before(self, call):
        self.seen.append(('before', call.method, call.path))

    def after(self, call):
        self.seen.append(('after', call.path, call.response.status_code))


class TestGate(testtools.TestCase):
    def _observed(self, send):
        """Return what was seen of a request, and of one after the gate."""
        observer = Observer()
        originals = gates.patched()

        class Inner(inner.ApiMixin, test.TestCase):
            def test(self):
                with gate.ApiGate(observer):
                    send(self.api_fixture)
                observer.then = len(observer.seen)
                send(self.api_fixture)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        for key, value in gates.patched().items():
            self.assertIs(originals[key], value, key)
        self.assertEqual(observer.then, len(observer.seen))
        return observer.seen

    def test_every_client_of_the_fixture(self):
        def send(api):
            for name in inner.CLIENTS:
                getattr(api, name).api_get('/flavors')

        self.assertEqual(
            [('before', 'GET', '/flavors'), ('after', '/flavors', 200)]
            * len(inner.CLIENTS),
            self._observed(send),
        )

    def test_client_made_by_hand(self):
        def send(api):
            client.TestOpenStackClient(
                'admin', api.base_url, roles=['admin']
            ).api_get('/os-services')

        self.assertEqual(
            [
                ('before', 'GET', '/os-services'),
                ('after', '/os-services', 200),
            ],
            self._observed(send),
        )

    def test_keystoneauth(self):
        def send(api):
            auth = noauth.NoAuth(endpoint=api.base_url)
            session.Session(auth=auth).get(
                '/flavors',
                headers=dict(inner.HEADERS),
                endpoint_filter={'service_type': 'compute'},
            )

        self.assertEqual(
            [('before', 'GET', '/flavors'), ('after', '/flavors', 200)],
            self._observed(send),
        )

    def test_bare_requests(self):
        def send(api):
            requests.get(
                f'{api.base_url}/servers/none',
                headers=inner.HEADERS,
                timeout=60,
            )

        self.assertEqual(
            [
                ('before', 'GET', '/servers/none'),
                ('after', '/servers/none', 404),
            ],
            self._observed(send),
        )

    def test_urllib3(self):
        def send(api):
            for pool in (
                urllib3.PoolManager(),
                urllib3.connection_from_url(api.base_url),
            ):
                pool.request(
                    'GET', f'{api.base_url}/flavors', headers=inner.HEADERS
                )

        self.assertEqual(
            [('before', 'GET', '/flavors'), ('after', '/flavors', 200)] * 2,
            self._observed(send),
        )

    def test_refused_request_is_not_served(self):
        class Refuse(Observer):
            def before(self, call):
                raise ZeroDivisionError

        class Inner(inner.ApiMixin, test.TestCase):
            def test(self):
                body = {
                    'flavor': {
                        'name': 'new',
                        'ram': 1,
                        'vcpus': 1,
                        'disk': 1,
                        'id': '77',
                    }
                }
                with gate.ApiGate(Refuse()):
                    self.assertRaises(
                        ZeroDivisionError, self.admin_api.post_flavor, body
                    )
                names = [f['name'] for f in self.admin_api.get_flavors()]
                self.assertNotIn('new', names)
                self.admin_api.post_flavor(body)
                names = [f['name'] for f in self.admin_api.get_flavors()]
                self.assertIn('new', names)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_project_in_the_url(self):
        observer = Observer()

        class Inner(safe_nova.SafeIntegratedTestBase):
            USE_PROJECT_ID = True

            def test(self):
                with gate.ApiGate(observer):
                    self.api.get_flavors(detail=False)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(('before', 'GET', '/flavors'), observer.seen[0])


def send_by_urllib3(method, url, body=None, **headers):
    """Send a request as tempest does: by urllib3 itself."""
    return urllib3.PoolManager().request(
        method, url, json=body, headers={**inner.HEADERS, **headers}
    )


class TestUrllib3(testtools.TestCase):
    """What guards do about a client on urllib3."""

    def flavor(self, test):
        response = send_by_urllib3(
            'GET',
            f'{test.api_fixture.base_url}/flavors/1',
            **{STANDARD: 'compute latest'},
        )
        return response.headers[STANDARD], response.json()['flavor']

    def test_latest_is_served_at_the_pin(self):
        class Inner(inner.SafeApiTestCase):
            MICROVERSION_PIN = PIN

            def test(self):
                version, flavor = found(self)
                self.assertEqual(f'compute {PIN}', version)
                self.assertNotIn('extra_specs', flavor)

        found = self.flavor
        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_latest_is_the_newest_twin(self):
        class Inner(inner.ApiMixin, test.TestCase):
            def test(self):
                version, flavor = found(self)
                self.assertNotEqual(f'compute {PIN}', version)
                self.assertIn('extra_specs', flavor)

        found = self.flavor
        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_service_elsewhere(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                for method in ('PUT', 'DELETE'):
                    with expect_violation('SF202') as seen:
                        send_by_urllib3(
                            method,
                            'http://203.0.113.5/v2.1/os-services/x',
                            {'status': 'disabled'},
                        )
                    self.assertIn('203.0.113.5', seen[0].message)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_service_of_the_test_twin(self):
        seen = {}

        class Inner(inner.SafeApiTestCase):
            def setUp(self):
                super().setUp()
                # It runs after the restore.
                self.addCleanup(self.note)

            def note(self):
                seen['ledger'] = self.service_toggle.ledger

            def test(self):
                service = inner.make_service(self, 'host')
                response = send_by_urllib3(
                    'PUT',
                    f'{self.api_fixture.base_url}/os-services/{service.uuid}',
                    {'status': 'disabled'},
                    **{STANDARD: 'compute 2.53'},
                )
                self.assertEqual(200, response.status)
                self.assertTrue(inner.state_of(self, 'host')[0])

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        (entry,) = seen['ledger']
        self.assertTrue(
            entry.by.startswith('PUT /v2.1/os-services/'), entry.by
        )
        self.assertTrue(entry.after.disabled)
        self.assertTrue(entry.restored.startswith('record'), entry.restored)

    def test_threads_have_their_own_current_call(self):
        # With eventlet, they are greenlets.
        served = self.useFixture(web.Served())
        with gate.ApiGate(Observer()):
            seen = gates.current_calls(
                served, lambda path: send_by_urllib3('GET', web.URL + path)
            )
        self.assertEqual({'/one': '/one', '/two': '/two'}, seen)
