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

from safe_fixtures.nova import SafeNoDBTestCase  # isort: skip

import locale
import os

from nova import conf
from nova.tests import fixtures as nova_fixtures
import testtools

from safe_fixtures.guards.posture import Leak
from safe_fixtures.guards.posture import PostureGuard
from safe_fixtures.guards.posture import Probe
from safe_fixtures.testing import expect_violation


class TestPosture(SafeNoDBTestCase):
    def test_a_look_at_the_policy_changes_nothing(self):
        with self.posture_guard.frozen('policy', 'config'):
            self.assertTrue(conf.CONF.host)

    def test_an_option_that_stays_changed(self):
        with expect_violation('SF501') as seen:
            with self.posture_guard.frozen('config'):
                self.flags(host='another')
        self.assertIn(
            "config: [DEFAULT] host: 'fake-mini' -> 'another'",
            seen[0].message,
        )

    def test_only_an_administrator_disables_a_service(self):
        # Most tests of Nova run with a policy that allows nearly all.
        self.useFixture(nova_fixtures.RealPolicyFixture())
        rule = 'os_compute_api:os-services:update'
        self.assertPosture(
            allows=[(rule, 'admin')],
            denies=[(rule, 'member'), (rule, 'reader')],
            options={'DEFAULT.host': 'fake-mini'},
            tls=True,
        )


class TestLeaks(testtools.TestCase):
    def test_a_library_that_sets_a_variable(self):
        leaks = [Leak('environ', 'GRPC_TRACE', "''", 'grpc sets it')]
        with PostureGuard(leaks=leaks):
            os.environ['GRPC_TRACE'] = ''
        del os.environ['GRPC_TRACE']


class LocaleProbe(Probe):
    name = 'locale'

    def snapshot(self):
        return {'LC_ALL': locale.setlocale(locale.LC_ALL)}


class TestLocale(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.posture = self.useFixture(
            PostureGuard([*PostureGuard.default_probes(), LocaleProbe()])
        )

    def test_locale(self):
        with self.posture.frozen('locale'):
            self.assertEqual('1.5', str(1.5))
