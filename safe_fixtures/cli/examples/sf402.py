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

import sqlalchemy
import testtools

from safe_fixtures import IsolationGuard


class TestBad(testtools.TestCase):
    def test(self):
        self.useFixture(IsolationGuard())
        sqlalchemy.create_engine('mysql+pymysql://nova@db.acme.com/nova')


class TestMended(testtools.TestCase):
    def test(self):
        self.useFixture(IsolationGuard())
        sqlalchemy.create_engine('sqlite://')
