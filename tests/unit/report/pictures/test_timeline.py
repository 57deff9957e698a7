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

from importlib import resources
import json
import shutil
import subprocess
import unittest

from safe_fixtures.report import pictures
from tests.support import base

NODE = shutil.which('node')
# The pictures are drawn in the browser tests; this is what they draw.
READ = """
const events = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const read = timelineLanes.read(events);
for (const lane of read.lanes) {
  lane.acts.forEach((act) => { delete act.event; });
}
for (const outage of read.outages) { delete outage.event; }
console.log(JSON.stringify(read));
"""
SERVICE = 'nova-compute on host1'
SERVER = '1f1b0d51-8bd6-4ae9-8c8f-7c3ba7a0a9e2'


def event(at, action, target=SERVICE, outcome='success', code='', **details):
    return {
        'at': at, 'action': action, 'outcome': outcome, 'code': code,
        'target': target, 'text': '', 'details': details,
    }  # fmt: skip


OUTAGE = event(
    3.0,
    'monitor/outage',
    seconds=1.0,
    ended='in service again',
    declared=None,
    servers=[f'{SERVER} (active)'],
    moments=[
        '+0.000 s  stopped by Service.stop (/a/folder/test_it.py:7)',
        '+0.200 s  forced down by PUT /v2.1/os-services/1 (/a/test_it.py:9)',
        f'+0.300 s  POST /servers/{SERVER}/action (evacuate): 409',
        '+0.400 s  GET /os-migrations: 200 (3 times)',
        '+0.500 s  GET /servers: 200',
        '+0.900 s  started by Service.start (/a/test_it.py:11)',
    ],
    dropped=2,
)
START = event(0.5, 'start/service', seconds=0.5)


@unittest.skipUnless(NODE, 'there is no Node.js')
class TestLanes(base.TestCase):
    def read(self, *events):
        """Return what the script reads, with the lanes by name."""
        script = (resources.files(pictures) / 'lanes.js').read_text()
        done = subprocess.run(
            [NODE, '-e', script + READ],
            input=json.dumps(events),
            capture_output=True,
            text=True,
            check=True,
        )
        read = json.loads(done.stdout)
        read['lanes'] = {lane['name']: lane for lane in read['lanes']}
        return read

    def test_nothing(self):
        self.assertEqual({}, self.read()['lanes'])

    def test_an_outage(self):
        pinned = event(2.5, 'configure/microversion', 'GET /v2.1/servers')
        read = self.read(START, pinned, OUTAGE, event(4.0, 'evaluate/test'))
        self.assertEqual((0, 4), (read['from'], read['to']))
        (outage,) = read['outages']
        self.assertEqual((2, 3), (outage['from'], outage['to']))
        self.assertEqual(2, outage['more'])
        self.assertEqual(
            [
                (1, 'stopped by Service.stop (test_it.py:7)', False),
                (2, 'forced down by PUT /v2.1/os-services/1 (test_it.py:9)',
                 False),
                (3, 'POST /servers/1f1b0d51…/action (evacuate): 409', True),
                (4, 'GET /os-migrations: 200 (3 times)', False),
                (5, 'GET /servers: 200', False),
                (6, 'started by Service.start (test_it.py:11)', False),
            ],
            [
                (each['number'], each['text'], each['failed'])
                for each in outage['moments']
            ],
        )  # fmt: skip
        lane = read['lanes'][SERVICE]
        self.assertEqual(
            [(0, 2), (2.9, 4)],
            [(bar['from'], bar['to']) for bar in lane['bars']],
        )
        # The one that was pinned is not there twice.
        self.assertEqual(
            [
                (2.3, 1, True, 'evacuate: 409'),
                (2.4, 3, False, ''),
                (2.5, 1, False, None),
            ],
            [
                (
                    round(act['at'], 6),
                    act['times'],
                    act['failed'],
                    act.get('text'),
                )
                for act in read['lanes']['Requests']['acts']
            ],
        )

    def test_states(self):
        read = self.read(
            START,
            event(1.0, 'disable', before='enabled', after='disabled'),
            event(
                2.0, 'update/forced_down', before='disabled',
                after='disabled, forced down',
            ),
            event(
                3.0, 'enable', outcome='failure', before='disabled',
                after='enabled',
            ),
            event(4.0, 'restore/service', wanted='enabled', actual='enabled'),
            event(5.0, 'evaluate/test', 'a test', 'failure'),
        )  # fmt: skip
        lane = read['lanes'][SERVICE]
        self.assertEqual(
            [(1, 2, 'disabled'), (2, 4, 'disabled, forced down')],
            [(s['from'], s['to'], s['state']) for s in lane['spans']],
        )
        self.assertEqual(
            ['start', 'down', 'down', 'up', 'restore'],
            [act['kind'] for act in lane['acts']],
        )
        self.assertEqual('failed', read['lanes']['Test']['acts'][0]['text'])

    def test_violations(self):
        read = self.read(
            event(1.0, 'deny', code='SF301', message='It is refused.'),
            event(2.0, 'evaluate/violation', code='SF405', folded=7),
            event(3.0, 'deny', code='SF203', waived='It must be so.'),
        )
        self.assertEqual(
            [
                ('refused', 1, 'SF301 (refused): It is refused.'),
                (
                    'recorded', 7,
                    f'SF405 (recorded): evaluate/violation {SERVICE}',
                ),
                ('waived', 1, f'SF203 (waived): deny {SERVICE}'),
            ],
            [
                (act['kind'], act['times'], act['label'])
                for act in read['lanes']['Violations']['acts']
            ],
        )  # fmt: skip

    def test_services_that_only_start_share_a_lane(self):
        read = self.read(
            START,
            event(0.6, 'start/service', 'nova-conductor on conductor'),
            event(0.7, 'start/service', 'nova-scheduler on scheduler'),
            event(0.8, 'start/service', 'nova-api on api', 'failure'),
        )
        self.assertEqual([SERVICE, 'Other services'], list(read['lanes']))
        self.assertEqual(
            [False, False, True],
            [act['failed'] for act in read['lanes']['Other services']['acts']],
        )

    def test_waits_and_other_acts(self):
        read = self.read(
            event(
                1.0, 'monitor/wait', 'test helpers', waits=2, cut_short=1,
                seconds_won=0.25,
            ),
            event(2.0, 'monitor/cast', 'host1', method='resize', seconds=0.5),
            event(2.0, 'evaluate/image', 'an image'),
            event(3.0, 'constructor', 'unknown'),
        )  # fmt: skip
        self.assertEqual(
            '2 waits, 1 cut short, 0.25 s saved',
            read['lanes']['Waits']['acts'][0]['text'],
        )
        cast = read['lanes']['RPC casts']['acts'][0]
        self.assertEqual((1.5, 2), (cast['at'], cast['to']))
        self.assertEqual(2, len(read['lanes']['Checks']['acts']))

    def test_hostile(self):
        evil = '<script>\x1b\u202e' + 'x' * 10**6
        senseless = ({}, [], 'x', -1, None, True)
        actions = (
            'monitor/outage', 'deny', 'disable', 'monitor/microversion',
            'monitor/wait', 'monitor/cast', 'start/service', 'allow/order',
        )  # fmt: skip
        names = (
            'seconds', 'servers', 'moments', 'ended', 'requests', 'before',
            'after', 'by', 'waits', 'folded', 'dropped', 'message', 'waived',
        )  # fmt: skip
        read = self.read(
            *(
                {**event(1.0, action, evil), 'code': value,
                 'details': dict.fromkeys(names, value)}
                for action in actions
                for value in (*senseless, evil)
            ),
            event(2.0, evil, evil),
            event(3.0, 'monitor/outage', moments=[evil, 7, '+9 s  x']),
            {**event(4.0, 'disable'), 'details': None, 'target': 5},
            {'at': 'soon'},
            None,
        )  # fmt: skip
        text = repr(read)
        self.assertIs(False, '\\x1b' in text)
        self.assertIs(False, '\u202e' in text)
        self.assertIs(True, r'<script>\\u001b\\u202e' in text)
        self.assertLess(len(text), 200000)
