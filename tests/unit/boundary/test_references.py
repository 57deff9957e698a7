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

from safe_fixtures.boundary import references
from tests.support import base

# Buses of this process, whatever else the URL says.
OWN = (
    'fake://', 'fake:/', 'messaging://', 'kombu+memory://',
    'kombu+memory:////', 'kombu+memory:///vhost', 'KOMBU+MEMORY://',
    'kombu+memory://user:secret@rabbit.example.org:5672/',
    'kombu+memory://a.example.org:1,u:p@b.example.org:2/vhost',
    'kombu+sqla+sqlite:///', 'kombu+sqlalchemy+sqlite://',
)  # fmt: skip
FOREIGN = (
    'rabbit://', 'kombu+amqp://host/', 'kombu+redis://localhost/',
    'kombu+filesystem:///var/spool/x', 'kombu+sqla+sqlite:////var/x.db',
    'kombu+sqla+mysql://host/', 'kombu://', 'kombu+memory+redis://host/',
    'kombu+memory:///;amqp://host/', 'memory+rabbit://host/',
    'kombu+memoryx://', 'amqp://memory/',
)  # fmt: skip


class TestTransports(base.TestCase):
    def leads_outside(self, url):
        return references.leads_outside(references.Reference('transport', url))

    def test_own(self):
        for url in OWN:
            with self.subTest(url):
                self.assertFalse(self.leads_outside(url))

    def test_foreign(self):
        for url in FOREIGN:
            with self.subTest(url):
                self.assertTrue(self.leads_outside(url))
