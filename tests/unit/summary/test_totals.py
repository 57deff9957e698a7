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

import itertools
import json
import tracemalloc

from safe_fixtures import summary
from tests.unit.summary import base as summary_base

NOTHING = [
    ('Tests', 'passed', 0, ''),
    ('Tests', 'failed', 0, ''),
    ('Tests', 'skipped', 0, ''),
    ('Violations', 'none', 0, ''),
    ('Records', 'events', 0, ''),
]
ONE, TWO, THREE = (f'{n}' * 32 for n in '123')


class TestSummary(summary_base.TestCase):
    def test_nothing(self):
        self.assertEqual(NOTHING, summary.Summary().rows())
        self.assertExits(0)

    def test_unknown_action(self):
        with self.trail() as trail:
            trail.record('monitor/of_a_later_release', 'x')
        rows = self.total().rows()
        self.assertEqual([*NOTHING[:-1], ('Records', 'events', 1, '')], rows)

    def test_memory_is_flat(self):
        with self.trail() as trail:
            trail.record('restore/service', 'x', target_id=ONE, seconds=1.0)
            trail.record('evaluate/violation', 'x', code='SF203')
            trail.record('allow/waiver', 'x', code='SF203', reason='why')
            trail.record('disable', 'x', target_id=ONE)
            trail.record('evaluate/image', 'x')
        total = summary.Summary()

        def add(number):
            for _, event in zip(
                range(number), itertools.cycle(self.events), strict=False
            ):
                # As when it is read anew.
                total.add(json.loads(json.dumps(event)))

        add(100)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        add(5000)
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, 20000)
