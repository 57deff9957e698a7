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

"""What a test does to the process, and that the next one is safe from it."""

import safe_fixtures.nova  # isort: skip

import os

from nova.tests import fixtures as nova_fixtures

from safe_fixtures.testing import expect_violation


class TestPosture(safe_fixtures.nova.SafeNoDBTestCase):
    """The base compares the process before and after every test."""

    def test_policy_is_as_shipped(self):
        """A rule that somebody has weakened would be named here."""
        self.useFixture(nova_fixtures.RealPolicyFixture())
        self.assertPosture(
            denies=[
                ('os_compute_api:os-services:update', 'member'),
                ('os_compute_api:os-evacuate', 'member'),
            ],
            allows=[('os_compute_api:servers:create', 'member')],
        )

    def test_weakened_policy_is_seen(self):
        """Whichever way it was changed: what counts is what is enforced."""
        policy = self.useFixture(nova_fixtures.RealPolicyFixture())
        rule = 'os_compute_api:os-services:update'

        with expect_violation('SF501') as seen:
            with self.posture_guard.frozen('policy'):
                policy.set_rules({rule: '@'}, overwrite=False)

        self.assertIn(f'policy: nova {rule}: ', seen[0].message)

    def test_secrets_are_masked(self):
        """The diff names a variable, and does not show its value."""
        with expect_violation('SF501') as seen:
            with self.posture_guard.frozen('environ'):
                os.environ['OS_PASSWORD'] = 's3cr3t'
                self.addCleanup(os.environ.pop, 'OS_PASSWORD')

        self.assertIn('OS_PASSWORD: (absent) -> ***', seen[0].message)
