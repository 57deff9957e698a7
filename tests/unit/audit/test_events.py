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

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import exceptions
from tests.support import base


class TestEvent(base.TestCase):
    def setUp(self):
        super().setUp()
        self.trail = self.useFixture(audit.AuditTrail('tests.T.test'))

    def record(self, *args, **kwargs):
        return audit.Event(self.trail.record(*args, **kwargs))

    def test_attributes(self):
        event = self.record(
            'restore/service',
            'nova-compute on host1',
            target_id='3bd1e5b8-5f7c-4b3c-9d5d-0a5f0a8a3c11',
            outcome='failure',
            code='SF201',
            seconds=1.5,
        )
        self.assertEqual('restore/service', event.action)
        self.assertEqual('failure', event.outcome)
        self.assertEqual('SF201', event.code)
        self.assertEqual('tests.T.test', event.test)
        self.assertEqual('nova-compute on host1', event.target)
        self.assertEqual(
            '3bd1e5b8-5f7c-4b3c-9d5d-0a5f0a8a3c11', event.target_id
        )
        self.assertEqual({'seconds': 1.5}, event.details)
        self.assertEqual(1.5, event.seconds)
        self.assertEqual(1, event.sequence)
        self.assertIs(self.trail.events[0], event.stored)
        self.assertEqual(event.stored['eventTime'], event.time)
        self.assertEqual(event.stored['initiator']['id'], event.initiator)

    def test_without_what_is_optional(self):
        event = self.record('enable', 'host1')
        self.assertEqual('', event.code)
        self.assertEqual({}, event.details)
        self.assertEqual(0.0, event.seconds)

    def test_of_another_program(self):
        stored = {
            'action': 'enable',
            'outcome': 'success',
            'eventTime': '2026-01-01T00:00:00.000000+0000',
            'initiator': {'name': 'somebody'},
            'target': {'name': 'something'},
        }
        event = audit.Event(stored)
        self.assertEqual('somebody', event.initiator)
        self.assertEqual('', event.target_id)
        self.assertIsNone(event.sequence)

    def test_no_number(self):
        stored = dict(self.trail.record('enable', 'host1'))
        for tags in ([], ['other?value=1'], ['sequence?value=x']):
            with self.subTest(tags=tags):
                self.assertIsNone(
                    audit.Event(dict(stored, tags=tags)).sequence, tags
                )
        del stored['tags']
        self.assertIsNone(audit.Event(stored).sequence)

    def test_what_counts(self):
        for action, details, kind, refusal, counts in (
            ('deny', {}, 'enforced', True, True),
            ('deny', {'expected': True}, 'expected', True, False),
            ('evaluate/violation', {}, 'recorded', False, True),
            ('evaluate/violation', {'waived': 'why'}, 'waived', False, False),
            ('evaluate/violation', {'expected': True}, 'expected', False,
             False),
        ):  # fmt: skip
            with self.subTest(action=action, details=details):
                event = self.record(action, 'x', code='SF301', **details)
                self.assertEqual(
                    (kind, True, refusal, counts),
                    (event.kind, event.is_violation, event.is_refusal,
                     event.counts),
                    (action, details),
                )  # fmt: skip

    def test_no_violation(self):
        for action in ('enable', 'allow/waiver', 'evaluate/image'):
            with self.subTest(action=action):
                event = self.record(action, 'x')
                self.assertFalse(event.is_violation, action)
                self.assertFalse(event.is_refusal, action)
                self.assertFalse(event.counts, action)


class TestRecordViolation(base.TestCase):
    """A violation and its waiver are recorded together."""

    def record(self, **how):
        violation = exceptions.SafetyViolation(
            'SF301', 'the image is real', where='test_x.py:12'
        )
        with audit.AuditTrail('t') as trail:
            trail.record_violation(violation, 'cirros', how='x', **how)
        return [audit.Event(stored) for stored in trail.events]

    def test_refused(self):
        (event,) = self.record(mode='enforce')
        self.assertEqual(
            (events.DENY, 'SF301', 'failure', 'cirros', 'enforced'),
            (event.action, event.code, event.outcome, event.target,
             event.kind),
        )  # fmt: skip
        self.assertEqual(
            {
                'how': 'x',
                'message': 'the image is real',
                'remedy': exceptions.SafetyViolation('SF301', '').remedy,
                'cwe': 'CWE-531',
                'where': 'test_x.py:12',
                'mode': 'enforce',
            },
            event.details,
        )

    def test_recorded_only(self):
        (event,) = self.record(mode='audit')
        self.assertEqual(events.VIOLATION, event.action)
        self.assertEqual('recorded', event.kind)

    def test_waived(self):
        waiver = {'reason': 'why', 'pattern': 'a.*'}
        for mode in ('enforce', 'audit'):
            with self.subTest(mode=mode):
                event, waived = self.record(mode=mode, waiver=waiver)
                self.assertEqual(events.VIOLATION, event.action, mode)
                self.assertEqual('why', event.details['waived'], mode)
                self.assertFalse(event.counts, mode)
                self.assertEqual(
                    (events.WAIVER, 'SF301', 'success', 'cirros', waiver),
                    (waived.action, waived.code, waived.outcome, waived.target,
                     waived.details),
                    mode,
                )  # fmt: skip

    def test_expected(self):
        (event,) = self.record(mode='enforce', expected=True)
        self.assertEqual(events.DENY, event.action)
        self.assertFalse(event.counts)
