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

import json
import os
import threading
import tracemalloc
from unittest import mock

import fixtures
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.audit import trail as audit_trail
from safe_fixtures.core import conclusion
from safe_fixtures import exceptions
from safe_fixtures import summary
from safe_fixtures import testing
from tests.support import base

SERVICE = '3bd1e5b8-5f7c-4b3c-9d5d-0a5f0a8a3c11'


class TestAuditTrail(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'audit.jsonl'
        )

    def lines(self):
        with open(self.path) as lines:
            return [json.loads(line) for line in lines]

    def test_classes_that_a_test_replaces(self):
        for number, name in enumerate(('datetime.datetime', 'uuid.UUID')):
            with self.subTest(name=name):
                # Neither was recorded before.
                target, action = f'host {name}', f'update/first{number}'
                trail = self.useFixture(audit.AuditTrail())
                # Not even isinstance() takes it.
                with mock.patch(name, spec_set=()):
                    trail.record(action, target)
                (recorded,) = trail.events
                self.assertEqual(target, recorded['target']['name'])
                self.assertEqual(action, recorded['action'])

    def test_content(self):
        trail = self.useFixture(audit.AuditTrail())
        stored = trail.record(
            'deny', 'host1', target_id=SERVICE, code='SF202', why='outside'
        )
        self.assertEqual([stored], trail.events)
        self.assertEqual(SERVICE, stored['target']['id'])
        self.assertEqual('SF202', stored['reason']['reasonCode'])
        self.assertEqual({'why': 'outside'}, audit.details(stored))

    def test_without_content_and_code(self):
        stored = self.useFixture(audit.AuditTrail()).record('enable', 'host1')
        self.assertEqual({}, audit.details(stored))
        self.assertNotIn('reason', stored)

    def test_initiator_without_test(self):
        stored = self.useFixture(audit.AuditTrail()).record('enable', 'host1')
        self.assertIn(str(os.getpid()), stored['initiator']['name'])

    def test_redacts_before_storing(self):
        self.configure(audit_file=self.path)
        trail = self.useFixture(audit.AuditTrail())
        secret = 'hunter' + '2000'
        trail.record(
            'deny',
            f'http://nova:{secret}@example.com/',
            password=secret,
            nested={'adminPass': secret, 'name': 'vm'},
            text=f'rabbit://nova:{secret}@bus/',
        )
        self.assertNotIn(secret, repr(trail.events))
        with open(self.path) as lines:
            text = lines.read()
        self.assertNotIn(secret, text)
        self.assertEqual(
            {
                'password': '***',
                'nested': {'adminPass': '***', 'name': 'vm'},
                'text': 'rabbit://***@bus/',
            },
            audit.details(trail.events[0]),
        )

    def test_own_redactor(self):
        class Shout:
            def redact(self, value):
                if isinstance(value, dict):
                    return {key: item.upper() for key, item in value.items()}
                return value.upper()

        trail = self.useFixture(audit.AuditTrail('id', redactor=Shout()))
        stored = trail.record('deny', 'host', why='because')
        self.assertEqual('ID', stored['initiator']['name'])
        self.assertEqual('HOST', stored['target']['name'])
        self.assertEqual({'why': 'BECAUSE'}, audit.details(stored))

    def test_current(self):
        self.assertIsNone(audit.current())
        with audit.AuditTrail() as outer:
            self.assertIs(outer, audit.current())
            with audit.AuditTrail() as inner:
                self.assertIs(inner, audit.current())
            self.assertIs(outer, audit.current())
        self.assertIsNone(audit.current())

    def test_current_after_cleanup_out_of_order(self):
        first, second = audit.AuditTrail(), audit.AuditTrail()
        first.setUp()
        second.setUp()
        first.cleanUp()
        self.assertIs(second, audit.current())
        second.cleanUp()
        self.assertIsNone(audit.current())

    def test_nested_trails_keep_their_own_events(self):
        with audit.AuditTrail() as outer, audit.AuditTrail() as inner:
            inner.record('enable', 'host1')
        self.assertEqual([], outer.events)
        self.assertEqual(1, len(inner.events))

    def test_events_stay_after_cleanup_and_go_when_reused(self):
        trail = audit.AuditTrail()
        with trail:
            trail.record('enable', 'host1')
        self.assertEqual(1, len(trail.events))
        with trail:
            self.assertEqual([], trail.events)

    def test_refused_configuration_leaves_nothing(self):
        self.configure(audit_file=os.path.join(self.path, 'absent'))
        self.assertRaises(
            exceptions.ConfigurationError, audit.AuditTrail().setUp
        )
        self.assertIsNone(audit.current())


class TestAuditTrailContract(testing.FixtureContract, base.TestCase):
    def make_fixture(self):
        return audit.AuditTrail()

    def use(self, fixture):
        fixture.record('enable', 'host1')

    def state(self):
        return list(audit_trail._active)


class TestNumbers(base.TestCase):
    def setUp(self):
        super().setUp()
        self.trail = self.useFixture(audit.AuditTrail('t'))

    def test_numbers(self):
        other = self.useFixture(audit.AuditTrail('other'))
        for _ in range(3):
            self.trail.record('enable', 'host1')
            other.record('enable', 'host1')
        for name, trail in (('first', self.trail), ('other', other)):
            with self.subTest(name=name):
                self.assertEqual(
                    [1, 2, 3],
                    [audit.Event(each).sequence for each in trail.events],
                )
        # Reused, it is another initiator.
        trail = audit.AuditTrail()
        initiators = set()
        for _ in range(2):
            with trail:
                stored = trail.record('enable', 'host1')
            self.assertEqual(1, audit.Event(stored).sequence)
            initiators.add(stored['initiator']['id'])
        self.assertEqual(2, len(initiators))

    def test_numbers_of_threads_that_begin_a_process(self):
        seen = []
        process = 1

        class Redactor:
            def redact(self, value):
                if value == 't' and process == 2 and not seen:
                    # Another thread overtakes this one.
                    seen.append('first')
                    thread = threading.Thread(
                        target=trail.record, args=('enable', 'other')
                    )
                    thread.start()
                    thread.join()
                return value

        trail = self.useFixture(audit.AuditTrail('t', Redactor()))
        trail.record('enable', 'host1')
        # As if it was forked.
        process = 2
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.runtime.system.os.getpid', lambda: 1
            )
        )
        trail.record('enable', 'host1')
        self.assertEqual(['first'], seen)
        old, *new = trail.events
        self.assertEqual([1, 2], [audit.Event(each).sequence for each in new])
        (initiator,) = {each['initiator']['id'] for each in new}
        self.assertNotEqual(old['initiator']['id'], initiator)
        self.assertEqual('process 1', new[0]['initiator']['host']['agent'])

    def test_numbers_of_many_threads(self):
        def record():
            for _ in range(200):
                self.trail.record('enable', 'host1')

        threads = [threading.Thread(target=record) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(
            list(range(1, 1001)),
            sorted(audit.Event(each).sequence for each in self.trail.events),
        )


class TestMemory(base.TestCase):
    def test_the_oldest_go(self):
        trail = self.useFixture(audit.AuditTrail('t', max_events=3))
        for number in range(1, 6):
            trail.record('enable', f'host{number}')
        self.assertEqual(
            ['host3', 'host4', 'host5'],
            [stored['target']['name'] for stored in trail.events],
        )
        self.assertEqual(2, trail.dropped)
        self.assertIn(
            '2 events before these; see [safe_fixtures] audit_file',
            trail.as_detail().as_text(),
        )
        total = summary.Summary()
        for stored in trail.events:
            total.add(stored)
        self.assertIn(
            'missing', [item for _, item, *_ in total.rows()]
        )  # fmt: skip

    def test_the_file_has_all(self):
        path = self.useFixture(fixtures.TempDir()).join('audit')
        self.configure(audit_file=path)
        trail = self.useFixture(audit.AuditTrail('t', max_events=1))
        for number in range(3):
            trail.record('enable', f'host{number}')
        with open(path) as lines:
            self.assertEqual(3, len(lines.readlines()))
        self.assertIn(path, trail.as_detail().as_text())

    def test_set_up_twice(self):
        with audit.AuditTrail() as trail:
            trail.record('disable', 'host1')
            self.assertRaises(RuntimeError, trail.setUp)
            self.assertEqual(1, len(trail.events))

    def test_none_are_dropped_again_after_reuse(self):
        trail = audit.AuditTrail('t', max_events=1)
        for _ in range(2):
            with trail:
                trail.record('enable', 'host1')
                self.assertEqual(0, trail.dropped)
                trail.record('enable', 'host1')
            self.assertEqual(1, trail.dropped)

    def test_limit_that_makes_no_sense(self):
        for limit in (0, -1, 1.5, True, None, '5'):
            with self.subTest(limit=limit):
                trail = audit.AuditTrail(max_events=limit)
                error = self.assertRaises(
                    exceptions.ConfigurationError, trail.setUp
                )
                self.assertIn('max_events', str(error))
                self.assertIsNone(audit.current())

    def record(self, trail, number):
        trail.record(
            'disable',
            'nova-compute on host1',
            target_id=SERVICE,
            by=f'SafeServiceToggle.disable (/tests/test_x.py:{number})',
            before='enabled',
            after="disabled ('maintenance')",
        )

    def traced(self, events):
        """Return the bytes that a trail of 500 events costs then."""
        with audit.AuditTrail('t', max_events=500) as trail:
            self.record(trail, 0)
            tracemalloc.start()
            try:
                for number in range(events):
                    self.record(trail, number)
                return tracemalloc.get_traced_memory()[0]
            finally:
                tracemalloc.stop()

    def test_bytes(self):
        full = self.traced(500)
        # 100,000 of them cost what so many cost that are kept.
        self.assertLess(full / 500 * audit_trail.MAX_EVENTS, 20_000_000)
        self.assertLess(self.traced(2000), 1.2 * full)


class TestDetail(base.TestCase):
    """The record is attached to a test that fails."""

    def detail_of(self, act, set_up=None, case=testtools.TestCase, events=1):
        class Inner(case):
            def setUp(self):
                super().setUp()
                self.trail = self.useFixture(audit.AuditTrail(self.id()))
                conclusion.follow(self, self.trail)
                for number in range(events):
                    self.trail.record('enable', f'host{number}')
                self.addCleanup(self.trail.record, 'restore', 'after')
                if set_up is not None:
                    set_up(self)

            def test_x(self):
                act(self)

        found = []

        class Result(testtools.TestResult):
            def stopTest(self, test):
                found.append(test.getDetails().get('safe_fixtures.audit'))
                super().stopTest(test)

        Inner('test_x').run(Result())
        (detail,) = found
        return None if detail is None else detail.as_text().splitlines()

    def test_passes(self):
        self.assertIsNone(self.detail_of(lambda _: None))

    def test_skips(self):
        self.assertIsNone(self.detail_of(lambda test: test.skipTest('x')))

    def test_fails(self):
        for act in (lambda test: test.fail('x'), lambda _: 1 // 0):
            with self.subTest(act=act):
                lines = self.detail_of(act)
                self.assertEqual(
                    ['enable', 'restore', 'evaluate/test'],
                    [line.split()[1] for line in lines],
                )
                self.assertIn('enable host0 (success)', lines[0])

    def test_error_in_set_up(self):
        lines = self.detail_of(None, set_up=lambda _: 1 // 0)
        self.assertEqual(3, len(lines))

    def test_many(self):
        lines = self.detail_of(lambda test: test.fail('x'), events=500)
        self.assertEqual(101, len(lines))
        self.assertIn('402 events before these', lines[0])

    def test_bytes_that_are_no_text(self):
        def act(test):
            test.trail.record('deny', '/tmp/\udcff', code='SF405', to='\ud800')
            test.fail('x')

        lines = self.detail_of(act)
        self.assertIn('/tmp/\\udcff', lines[1])

    def test_secrets_are_masked(self):
        secret = 'hunter' + '2000'

        def act(test):
            test.trail.record('deny', 'x', code='SF301', password=secret)
            test.fail('x')

        lines = self.detail_of(act)
        self.assertIn('password: ***', lines[1])
        self.assertNotIn(secret, '\n'.join(lines))

    def test_of_a_guard_with_a_trail_of_its_own(self):
        client = testing.FakeComputeClient(['host1'])

        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = safe_fixtures.SafeServiceToggle(api=client)
                self.useFixture(toggle).disable('host1')
                self.fail('x')

        result = testtools.TestResult()
        Inner('test_x').run(result)
        ((_, text),) = result.failures
        self.assertIn('safe_fixtures.audit: {{{', text)
        self.assertIn('disable nova-compute on host1 (success)', text)
        self.assertIn('restore/service nova-compute on host1', text)
