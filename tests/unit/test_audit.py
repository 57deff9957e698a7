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
import multiprocessing
import os

import fixtures
from oslo_config import fixture as config_fixture
from pycadf import cadftaxonomy
from pycadf import cadftype
from pycadf import event
from pycadf import resource

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures import testing
from tests.unit import base

PROCESSES = 4
EVENTS = 500
SERVICE = '3bd1e5b8-5f7c-4b3c-9d5d-0a5f0a8a3c11'
# More than a pipe or a buffered writer passes on in one piece.
LONG = 20000


def write_events(path, number, barrier):
    """Write events in another process, all at the same time."""
    os.environ['OS_SAFE_FIXTURES__AUDIT_FILE'] = path
    with audit.AuditTrail(f'process {number}') as trail:
        barrier.wait()
        for index in range(EVENTS):
            trail.record(
                'disable', 'host1', number=number, index=index, text='x' * LONG
            )


class TestAuditTrail(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'audit.jsonl'
        )

    def lines(self):
        with open(self.path) as lines:
            return [json.loads(line) for line in lines]

    def _record_all(self, trail):
        trail.record('disable', 'nova-compute on host1', target_id=SERVICE)
        trail.record('restore/service', 'host1', outcome='failure', wanted='x')
        trail.record('configure/microversion', 'GET /servers', served='2.53')
        trail.record('evaluate/image', 'cirros', target_type='data')
        trail.record('allow/waiver', 'x', event_type='control', reason='why')
        trail.record('deny', 'x', event_type='control', code='SF301')
        trail.record('evaluate/violation', 'x', code='SF104')
        trail.record('update/forced_down', 'x')
        trail.record('enable', 'x', outcome='unknown')

    def test_events_are_valid_cadf(self):
        trail = self.useFixture(audit.AuditTrail('tests.test_x'))
        self._record_all(trail)
        self.assertEqual(9, len(trail.events))
        for stored in trail.events:
            self.assertEqual(event.TYPE_URI_EVENT, stored['typeURI'])
            self.assertTrue(cadftype.is_valid_eventType(stored['eventType']))
            self.assertTrue(cadftaxonomy.is_valid_action(stored['action']))
            self.assertTrue(cadftaxonomy.is_valid_outcome(stored['outcome']))
            for part in ('initiator', 'target', 'observer'):
                self.assertTrue(stored[part]['id'])
                self.assertTrue(stored[part]['name'])
            self.assertEqual('tests.test_x', stored['initiator']['name'])
            # Reading the parts back makes a whole that is valid.
            again = event.Event(
                id=stored['id'],
                eventType=stored['eventType'],
                eventTime=stored['eventTime'],
                action=stored['action'],
                outcome=stored['outcome'],
                **{
                    part: resource.Resource(**stored[part])
                    for part in ('initiator', 'target', 'observer')
                },
            )
            self.assertTrue(again.is_valid())
            for part in ('initiator', 'target', 'observer'):
                self.assertTrue(getattr(again, part).is_valid())
        self.assertEqual(9, len({item['id'] for item in trail.events}))

    def test_action_outside_the_taxonomy_is_refused(self):
        trail = self.useFixture(audit.AuditTrail())
        self.assertRaises(ValueError, trail.record, 'no such action', 'x')
        self.assertEqual([], trail.events)

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

    def test_file_has_the_same_events(self):
        self.configure(audit_file=self.path)
        trail = self.useFixture(audit.AuditTrail())
        trail.record('disable', 'höst1\nline', reason='a\nb\u2028c')
        self.assertEqual(trail.events, self.lines())
        trail.record('enable', 'host1')
        self.assertEqual(trail.events, self.lines())

    def test_file_through_oslo_config(self):
        self.useFixture(config_fixture.Config(conf.CONF)).config(
            group='safe_fixtures', audit_file=self.path
        )
        trail = self.useFixture(audit.AuditTrail())
        trail.record('disable', 'host1')
        self.assertEqual(trail.events, self.lines())

    def test_file_is_for_its_owner(self):
        self.configure(audit_file=self.path)
        self.useFixture(audit.AuditTrail()).record('enable', 'host1')
        self.assertEqual(0o600, os.stat(self.path).st_mode & 0o777)

    def test_no_file_without_the_option(self):
        self.useFixture(audit.AuditTrail()).record('enable', 'host1')
        self.assertEqual([], os.listdir(os.path.dirname(self.path)))

    def test_lines_are_whole_in_parallel(self):
        context = multiprocessing.get_context('spawn')
        barrier = context.Barrier(PROCESSES)
        workers = [
            context.Process(
                target=write_events, args=(self.path, number, barrier)
            )
            for number in range(PROCESSES)
        ]
        for worker in workers:
            worker.start()
            self.addCleanup(worker.kill)
        for worker in workers:
            worker.join()
            self.assertEqual(0, worker.exitcode)
        seen = {number: [] for number in range(PROCESSES)}
        for stored in self.lines():
            said = audit.details(stored)
            self.assertEqual('x' * LONG, said['text'])
            seen[said['number']].append(said['index'])
        self.assertEqual(
            {n: list(range(EVENTS)) for n in range(PROCESSES)}, seen
        )

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
        return list(audit._active)
