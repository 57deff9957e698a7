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

import contextlib
import types

import fixtures
import testtools

from safe_fixtures import exceptions
from safe_fixtures import rules
from safe_fixtures import ServerPermissions
from safe_fixtures import waive
from tests.support import inner
from tests.support import web
from tests.unit.guards.permissions import cases


class TestGuard(cases.PermissionsTestCase):
    def weak(self):
        self.source.outcomes['other', 'show'] = 'allowed'

    def check(self, test):
        self.fixture(test).assert_permissions(cases.SERVER)

    def swallow(self, test):
        with contextlib.suppress(AssertionError):
            self.check(test)

    def test_enforced(self):
        self.assertEqual('enforce', rules.get('SF502').default)
        self.weak()
        for test_it in (self.check, self.swallow):
            with self.subTest(test_it=test_it):
                self.assertFails(
                    inner.case_of(lambda test, act=test_it: act(test)),
                    'SF502 (CWE-732): server',
                )

    def test_twin(self):
        self.assertPasses(inner.case_of(lambda test: self.check(test)))

    def test_set_up_fails(self):
        self.weak()

        class Inner(testtools.TestCase):
            def setUp(inner):
                super().setUp()
                self.check(inner)

            def test_it(inner):
                pass

        self.assertFails(Inner, 'SF502 (CWE-732): server')

    def test_audit(self):
        self.weak()
        self.configure(mode='audit')
        self.assertPasses(inner.case_of(lambda test: self.check(test)))

    def test_off(self):
        self.configure(rule_modes='SF502:off')
        self.assertPasses(inner.case_of(lambda test: self.check(test)))
        self.assertEqual(0, self.source.probers)

    def test_waived(self):
        self.weak()
        case = inner.case_of(lambda test: self.check(test))
        self.assertPasses(waive('SF502', reason='it is open here')(case))

    def test_reused(self):
        check = ServerPermissions(self.api, source=self.source)
        for _ in range(2):
            with check:
                check.assert_permissions(cases.SERVER)
        self.assertEqual(2, self.source.probers)

    def test_no_such_server(self):
        with ServerPermissions(self.api, source=self.source) as check:
            error = self.assertRaises(
                exceptions.ConfigurationError, check.assert_permissions, 'x'
            )
        self.assertEqual('there is no such server, or not yet', error.allowed)

    def test_no_source(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.core.plugins.find', lambda: None
            )
        )
        error = self.assertRaises(
            exceptions.ConfigurationError, ServerPermissions(self.api).setUp
        )
        self.assertEqual('ServerPermissions source', error.option)

    def test_real_authentication(self):
        self.api.stub_keystone = False
        check = ServerPermissions(self.api, source=self.source)
        error = self.assertRaises(exceptions.ConfigurationError, check.setUp)
        self.assertEqual('its authentication must be stubbed', error.allowed)

    def test_another_process(self):
        api = types.SimpleNamespace(base_url='http://nova.test:80/v2.1')
        check = ServerPermissions(api, source=self.source)
        error = self.assertRaises(exceptions.ConfigurationError, check.setUp)
        self.assertEqual('http://nova.test:80', error.value)
        self.api = api
        with ServerPermissions(source=self.source) as check:
            self.assertRaises(
                exceptions.ConfigurationError,
                check.assert_permissions,
                cases.SERVER,
            )
        self.assertEqual(0, self.source.probers)

    def test_api_that_is_gone(self):
        url = 'http://gone.test:80'
        api = types.SimpleNamespace(base_url=f'{url}/v2.1')
        with web.Served(url=url):
            check = self.useFixture(ServerPermissions(api, source=self.source))
        error = self.assertRaises(
            exceptions.ConfigurationError,
            check.assert_permissions,
            cases.SERVER,
        )
        self.assertEqual(url, error.value)
        self.assertEqual(0, self.source.probers)
