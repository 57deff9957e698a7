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

import datetime
import enum
import json
import os

from pycadf import attachment
from pycadf import cadftaxonomy
from pycadf import cadftype
from pycadf import event
from pycadf import host
from pycadf import reason
from pycadf import resource

from safe_fixtures import audit
from tests.support import base
from tests.support import settings

SERVICE = '3bd1e5b8-5f7c-4b3c-9d5d-0a5f0a8a3c11'


def as_resource(part):
    """Make a resource of what one came to."""
    part = dict(part)
    if 'host' in part:
        part['host'] = host.Host(**part['host'])
    return resource.Resource(**part)


class TestEvents(base.TestCase):
    """What a trail records is valid CADF."""

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
            with self.subTest(action=stored['action']):
                self.assertEqual(event.TYPE_URI_EVENT, stored['typeURI'])
                self.assertTrue(
                    cadftype.is_valid_eventType(stored['eventType'])
                )
                self.assertTrue(cadftaxonomy.is_valid_action(stored['action']))
                self.assertTrue(
                    cadftaxonomy.is_valid_outcome(stored['outcome'])
                )
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
                        part: as_resource(stored[part])
                        for part in ('initiator', 'target', 'observer')
                    },
                )
                again.add_tag(stored['tags'][0])
                if 'reason' in stored:
                    again.reason = reason.Reason(**stored['reason'])
                for item in stored.get('attachments', ()):
                    again.add_attachment(attachment.Attachment(**item))
                self.assertTrue(again.is_valid())
                for part in ('initiator', 'target', 'observer'):
                    self.assertTrue(getattr(again, part).is_valid())
                # Nothing is in it that CADF does not know.
                self.assertEqual(again.as_dict(), stored)
        self.assertEqual(9, len({item['id'] for item in trail.events}))

    def test_action_outside_the_taxonomy_is_refused(self):
        trail = self.useFixture(audit.AuditTrail())
        self.assertRaises(ValueError, trail.record, 'no such action', 'x')
        self.assertEqual([], trail.events)


class TestContent(base.TestCase):
    """What an event says, and that it is what JSON gives back."""

    def setUp(self):
        super().setUp()
        self.trail = self.useFixture(audit.AuditTrail('t'))

    def test_initiator_is_test_process_and_worker(self):
        self.useFixture(settings.Environment(SAFE_FIXTURES_WORKER='worker-3'))
        trail = self.useFixture(audit.AuditTrail('tests.T.test'))
        stored = trail.record('enable', 'host1')['initiator']
        self.assertEqual(
            {
                'id': stored['id'],
                'typeURI': 'service/test',
                'name': 'tests.T.test',
                'domain': 'worker-3',
                'host': {'agent': f'process {os.getpid()}'},
            },
            stored,
        )

    def test_initiator_without_worker(self):
        stored = self.trail.record('enable', 'host1')
        self.assertNotIn('domain', stored['initiator'])

    def test_target_is_the_same_one_each_time(self):
        ids = [
            self.trail.record('enable', name, **more)['target']['id']
            for name, more in (
                ('host1', {}),
                ('host1', {}),
                ('host2', {}),
                ('host1', {'target_type': 'data'}),
                ('host1', {'target_id': '7'}),
                ('host2', {'target_id': '7'}),
                ('host1', {'target_id': SERVICE}),
            )
        ]
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(ids[4], ids[5])
        self.assertEqual(5, len(set(ids)))
        self.assertEqual(SERVICE, ids[6])

    def test_what_json_makes_other(self):
        class Text(str):
            pass

        class Shade(enum.IntEnum):
            RED = 1

        self.trail.record(
            'enable',
            'host1',
            tuple=(1, 'a'),
            set={'a'},
            nested={1: [{'b': (None, True, 0.5)}]},
            when=datetime.datetime(2026, 1, 2, 3, 4),
            data=b'text',
            text=Text('x'),
        )
        said = audit.details(self.trail.events[0])
        self.assertEqual(said, json.loads(json.dumps(said)))
        self.assertEqual([1, 'a'], said['tuple'])
        self.assertEqual({'1': [{'b': [None, True, 0.5]}]}, said['nested'])
        self.assertTrue(said['when'].startswith('2026-01-02T03:04'))
        self.assertEqual('text', said['data'])
        self.assertIs(str, type(said['text']))

    def test_secret_in_an_object(self):
        class Credentials:
            def __init__(self):
                self.password = 'hunter' + '2000'

        self.trail.record('enable', 'host1', who=Credentials())
        self.assertEqual(
            {'who': {'password': '***'}},
            audit.details(self.trail.events[0]),
        )

    def test_event_keeps_nothing_of_what_is_live(self):
        live = {'list': [1]}
        stored = self.trail.record('enable', 'host1', live=live)
        live['list'].append(2)
        self.assertEqual({'live': {'list': [1]}}, audit.details(stored))
