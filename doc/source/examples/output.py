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


import testtools

from safe_fixtures import AuditTrail
from safe_fixtures import RedactedOutput
from safe_fixtures import waive


class TestLogin(testtools.TestCase):
    def setUp(self):
        # Before all that puts something out.
        self.trail = self.useFixture(AuditTrail(self.id()))
        self.useFixture(RedactedOutput())
        super().setUp()

    # waiver
    @waive('SF601', reason='what a skipped test says is the subject')
    def test_skipped(self):
        # The result is told: no login with password=***
        self.skipTest('no login with password=' + 'correct-horse')

    # learned
    def test_learned(self):
        password = 'staple-' + 'battery'
        # Nothing about it looks like a password.
        self.trail.redactor.learn(password)
        # Printed is: logged in with ***
        print(f'logged in with {password}')
