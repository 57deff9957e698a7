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

"""A test that swallows thousands of violations still fails in few words."""

import pickle

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures import summary
from tests.support import base
from tests.support import inner

MANY = 2000


class TestRepetitions(base.TestCase):
    def run_many(self, messages, *, fails=None, code='SF301', **options):
        """Run a test that breaks a rule for each message, and swallows it."""
        trails = []

        def act(case):
            trails.append(case.useFixture(audit.AuditTrail(case.id())))
            guard = case.useFixture(inner.Watch())
            violate = inner.swallowed(guard.violate)
            for message in messages:
                violate(code, message)
            if fails is not None:
                raise fails

        case = inner.case_of(act)
        result = self.run_inner(case)
        self.trail = trails[0]
        return [text for _, text in result.failures + result.errors]

    def total(self):
        total = summary.Summary()
        for event in self.trail.events:
            total.add(event)
        return total

    def violations(self):
        return [row[1:3] for row in self.total().rows() if row[0] ==
                'Violations']  # fmt: skip

    def test_the_same(self):
        (text,) = self.run_many(['real image'] * MANY)
        self.assertIn('SF301 (CWE-531): real image at ', text)
        self.assertIn(f' ({MANY} times). ', text)
        self.assertLess(len(text), 50_000)
        # Nothing is lost: the summary counts each of them.
        self.assertEqual([('SF301 enforced', MANY)], self.violations())
        self.assertLess(len(self.trail.events), 200)
        self.assertEqual(2, self.total().exit_code())

    def test_few(self):
        (text,) = self.run_many(['real image'])
        self.assertNotIn('times', text)
        self.assertEqual(1, len(inner.events_of(self.trail, 'deny')))
        (text,) = self.run_many(['real image'] * 3)
        self.assertIn('(3 times)', text)
        self.assertEqual(3, len(inner.events_of(self.trail, 'deny')))

    def test_different_ones(self):
        (text,) = self.run_many([f'image {n}' for n in range(5)])
        for number in range(5):
            self.assertIn(f'SF301 (CWE-531): image {number} at ', text)

    def test_many_different_ones(self):
        (text,) = self.run_many([f'image {n}' for n in range(MANY)])
        self.assertIn('image 0 at', text)
        self.assertIn('and 1979 more violations of this rule', text)
        self.assertLess(len(text), 100_000)
        self.assertEqual([('SF301 enforced', MANY)], self.violations())

    def test_in_a_test_that_fails(self):
        (text,) = self.run_many(
            ['real image'] * MANY, fails=ZeroDivisionError('its own')
        )
        self.assertIn('its own', text)
        self.assertIn(f' ({MANY} times). ', text)
        self.assertLess(len(text), 100_000)

    def test_recorded_ones(self):
        self.configure(mode='audit')
        self.assertEqual([], self.run_many(['real image'] * MANY))
        self.assertEqual([('SF301 recorded', MANY)], self.violations())
        self.assertLess(len(self.trail.events), 200)

    def test_waived_ones(self):
        trails = []

        @safe_fixtures.waive('SF301', reason='an old test')
        def test_it(case):
            trails.append(case.useFixture(audit.AuditTrail(case.id())))
            guard = case.useFixture(inner.Watch())
            for _ in range(MANY):
                guard.violate('SF301', 'real image')

        case = inner.case_of(None)
        case.test_it = test_it
        self.assertPasses(case)
        (self.trail,) = trails
        self.assertEqual([('SF301 waived', MANY)], self.violations())
        self.assertIn(
            ('Waivers', 'SF301 applied', MANY, 'by @waive in tests'),
            self.total().rows(),
        )

    def test_pickled(self):
        violation = exceptions.SafetyViolation('SF301', 'real image')
        violation.times = 7
        again = pickle.loads(pickle.dumps(violation))
        self.assertEqual((7, str(violation)), (again.times, str(again)))

    def test_the_next_test_starts_anew(self):
        guard = inner.Watch()
        for _ in range(2):
            with audit.AuditTrail('t') as trail:
                case = inner.case_of(
                    lambda case: inner.swallowed(
                        case.useFixture(guard).violate
                    )('SF301', 'x')
                )
                self.assertFails(case, 'SF301 (CWE-531): x at')
            self.assertEqual(1, len(inner.events_of(trail, 'deny')))
