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

from safe_fixtures.core import gate
from safe_fixtures import nova as safe_nova
from tests.functional.nova import inner


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
        original = requests.adapters.HTTPAdapter.send

        class Inner(inner.ApiMixin, test.TestCase):
            def test(self):
                with gate.ApiGate(observer):
                    send(self.api_fixture)
                observer.then = len(observer.seen)
                send(self.api_fixture)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertIs(original, requests.adapters.HTTPAdapter.send)
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
