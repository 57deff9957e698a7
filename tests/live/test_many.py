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

import re

import safe_fixtures
from tests.live import base
from tests.live import clients

COUNT = 1000


class TestMany(base.TestCase):
    """A cloud with a thousand computes, which are records only."""

    def setUp(self):
        super().setUp()
        self.addCleanup(
            self.cloud.sql,
            "DELETE FROM nova_cell1.services WHERE host LIKE 'many-%'",
        )
        self.cloud.sql(
            'INSERT INTO nova_cell1.services (created_at, host, `binary`, '
            'topic, report_count, disabled, forced_down, deleted, version, '
            "uuid) SELECT NOW(), CONCAT('many-', seq), 'nova-compute', "
            "'compute', 0, 0, 0, 0, (SELECT MAX(version) FROM "
            'nova_cell1.services), UUID() '
            f'FROM nova_cell1.seq_1_to_{COUNT}'
        )

    def requests(self):
        """Return how often services were listed, and changed, so far."""
        text = (self.cloud.layout.log / 'nova-api.log').read_text()
        return [
            len(re.findall(rf'\] {request}[^ ]* =>', text))
            for request in ('GET /v2.1/os-services', 'PUT /v2.1/os-services/')
        ]

    def disabled(self):
        return sum(each.disabled for each in self.cloud.services())

    def test_given_back(self):
        adapter = clients.adapter(self.cloud)
        many = [
            each.uuid
            for each in self.cloud.services()
            if each.host.startswith('many-')
        ]
        self.assertEqual(COUNT, len(many))
        with safe_fixtures.SafeServiceToggle(api=adapter) as toggle:
            for uuid in many:
                adapter.put(
                    f'/os-services/{uuid}',
                    json={'status': 'disabled'},
                    microversion='2.53',
                )
            self.assertEqual(COUNT, self.disabled())
            before = self.requests()
        # However many they are.
        self.assertEqual(
            [2, COUNT],
            [
                after - earlier
                for after, earlier in zip(self.requests(), before, strict=True)
            ],
        )
        self.assertEqual(COUNT, len(toggle.ledger))
        self.assertEqual(0, self.disabled())
        self.assertEqual([], self.journals())
