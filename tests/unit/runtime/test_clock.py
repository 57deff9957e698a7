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

"""The clock, while tests stop and move the one of ``time``."""

import datetime
import time


from safe_fixtures import audit
from safe_fixtures.guards.services import model
from safe_fixtures.guards.services import outage as service_outage
from safe_fixtures.runtime import clock
from tests.support import base
from tests.support import freezers

YEAR = 365 * 86400


class TestClock(base.TestCase):
    def test_goes_on(self):
        for name, freezer in freezers.all_of_them().items():
            with self.subTest(freezer=name):
                seen = [(clock.utcnow(), clock.monotonic())]
                with freezer as frozen:
                    seen.append((clock.utcnow(), clock.monotonic()))
                    if frozen is not None:
                        frozen.move_to(freezers.PAST)
                        seen.append((clock.utcnow(), clock.monotonic()))
                        frozen.move_to(freezers.FUTURE)
                    seen.append((clock.utcnow(), clock.monotonic()))
                seen.append((clock.utcnow(), clock.monotonic()))
                for which in (0, 1):
                    times = [each[which] for each in seen]
                    self.assertEqual(sorted(times), times)

    def test_no_module_shares_its_functions(self):
        for name in ('time', 'perf_counter'):
            self.assertIsNot(getattr(time, name), getattr(clock._TIME, name))

    def test_utc(self):
        self.assertEqual(datetime.timedelta(), clock.utcnow().utcoffset())


class TestRecords(base.TestCase):
    """Times and durations of the audit trail."""

    def test_time_of_an_event(self):
        for name, freezer in freezers.all_of_them().items():
            with self.subTest(freezer=name):
                trail = self.useFixture(audit.AuditTrail('t'))
                trail.record('monitor/wait', 'before')
                with freezer:
                    trail.record('monitor/wait', 'during')
                trail.record('monitor/wait', 'after')
                times = [event['eventTime'] for event in trail.events]
                self.assertEqual(sorted(times), times)

    def test_seconds_of_a_trail(self):
        for name, freezer in freezers.all_of_them().items():
            with self.subTest(freezer=name):
                trail = self.useFixture(audit.AuditTrail('t'))
                with freezer:
                    self.assertTrue(0 <= trail.seconds < YEAR)

    def test_seconds_of_an_outage(self):
        ref = model.ServiceRef('1', 'host', 'nova-compute')
        for name, freezer in freezers.all_of_them().items():
            with self.subTest(freezer=name):
                outage = service_outage.Outage(ref, (), None)
                with freezer:
                    outage.note('something')
                    outage.end('it')
                self.assertTrue(0 <= outage.moments[0].seconds < YEAR)
                self.assertTrue(0 <= outage.seconds < YEAR)
