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
from testtools import content

from safe_fixtures import AuditTrail
from safe_fixtures import RedactedOutput
from safe_fixtures import waive


class TestLogin(testtools.TestCase):
    def setUp(self):
        # Before all that puts something out.
        self.trail = self.useFixture(AuditTrail(self.id()))
        self.useFixture(RedactedOutput())
        super().setUp()

    @waive('SF601', reason='what a login puts out is the subject')
    def test_detail(self):
        # The result is told: login with password=***
        said = 'login with password=' + 'correct-horse'
        self.addDetail('login', content.text_content(said))

    def test_learned(self):
        password = 'staple-' + 'battery'
        # Nothing about it looks like a password.
        self.trail.redactor.learn(password)
        # Printed is: logged in with ***
        print(f'logged in with {password}')
