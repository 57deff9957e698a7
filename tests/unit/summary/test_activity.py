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


import safe_fixtures
from safe_fixtures import testing
from tests.support import inner
from tests.unit.summary import base as summary_base

ONE, TWO, THREE = (f'{n}' * 32 for n in '123')


class TestServices(summary_base.TestCase):
    def test_started(self):
        with self.trail('one') as trail:
            for binary in ('nova-scheduler', 'nova-compute', 'nova-compute'):
                trail.record('start/service', 'x', binary=binary)
        self.assertEqual(
            ('started', 3, 'nova-compute (2), nova-scheduler (1)'),
            self.rows('Services')[0],
        )

    def test_what_became_of_them(self):
        with self.trail('one') as trail:
            trail.record('disable', 'x', target_id=ONE)
            trail.record('enable', 'x', target_id=ONE)
            trail.record('update/forced_down', 'x', target_id=TWO)
            trail.record('update/disabled_reason', 'x', target_id=TWO)
            trail.record('disable', 'nova-compute on x', target_id=THREE)
            for key, outcome in (
                (ONE, 'failure'),
                (ONE, 'success'),
                (TWO, 'success'),
                (THREE, 'failure'),
            ):
                trail.record(
                    'restore/service', 'x', target_id=key, outcome=outcome
                )
        with self.trail('two') as trail:
            trail.record('disable', 'x', target_id=ONE)
        self.assertEqual(
            [
                ('toggled', 4, '6 changes'),
                ('restored', 2, ''),
                ('restore failed', 1, 'nova-compute on x (one)'),
                ('never restored', 1, 'x (two)'),
            ],
            self.rows('Services'),
        )

    def test_slowest(self):
        with self.trail('one') as trail:
            for number in range(12):
                trail.record(
                    'restore/service',
                    f'x{number}',
                    target_id=ONE,
                    seconds=float(number * 5 % 12),
                )
            trail.record('restore/service', 'of an older release')
        self.assertEqual(
            [
                ('x7', 11.0, 'one'),
                ('x2', 10.0, 'one'),
                ('x9', 9.0, 'one'),
                ('x4', 8.0, 'one'),
                ('x11', 7.0, 'one'),
            ],
            self.rows('Slowest restores'),
        )

    def test_what_the_guards_record(self):
        with self.trail('one'):
            client = testing.FakeComputeClient(['host1', 'host2'])
            with safe_fixtures.SafeServiceToggle(api=client) as toggle:
                toggle.disable('host1')
                toggle.force_down('host1')
                toggle.disable('host2')
            with inner.Watch() as guard:
                guard.violate('SF104', 'drift')
        self.assertEqual(
            [('toggled', 2, '3 changes'), ('restored', 2, '')],
            self.rows('Services'),
        )
        self.assertEqual(
            {'nova-compute on host1', 'nova-compute on host2'},
            {row[0] for row in self.rows('Slowest restores')},
        )
        self.assertEqual(
            ['SF104 recorded'], [row[0] for row in self.rows('Violations')]
        )


class TestOtherActivity(summary_base.TestCase):
    def test_microversions(self):
        for test in ('one', 'two'):
            with self.trail(test) as trail:
                for served in ('2.60', '2.9', '2.9', '2.104'):
                    trail.record('configure/microversion', 'x', served=served)
                trail.record(
                    'monitor/microversion',
                    'x',
                    requests={
                        '2.60': 1,
                        '2.9': 3,
                        'none': 2,
                        '2.x': 1,
                        'volume 3.70': 1,
                        'volume 3.8': 1,
                    },
                )
                for _ in range(2):
                    trail.record(
                        'evaluate/violation', 'x', code='SF104', message='m'
                    )
        self.assertEqual(
            [
                ('2.9', 6, '4 of them asked for latest'),
                ('2.60', 2, 'all asked for latest'),
                # Its requests are not on record.
                ('2.104', 2, 'all asked for latest'),
                ('2.x', 2, ''),
                ('none', 4, 'requests without a version'),
                ('volume 3.8', 2, ''),
                ('volume 3.70', 2, ''),
                ('drift, tests', 2, 'm'),
            ],
            self.rows('Microversions'),
        )

    def test_drift_that_a_test_expected(self):
        with self.trail() as trail:
            trail.record('deny', 'x', code='SF104', message='m', expected=True)
        self.assertEqual([], self.rows('Microversions'))

    def test_server_permissions(self):
        with self.trail() as trail:
            for outcome in ('success', 'failure', 'success', 'unknown'):
                trail.record('evaluate/permissions', 'x', outcome=outcome)
        self.assertIn(
            ('server permissions', 3, '1 wrong, 1 not checked'),
            self.rows('Checked'),
        )

    def test_out_with_servers(self):
        for name, seconds in (('one', 0.5), ('two', 1.23456), ('three', 1.0)):
            with self.trail(name) as trail:
                trail.record(
                    'monitor/outage', 'nova-compute on x', seconds=seconds
                )
        self.assertIn(
            (
                'outages',
                3,
                'longest 1.235 s (nova-compute on x in two)',
            ),
            self.rows('Services'),
        )

    def test_checked(self):
        with self.trail() as trail:
            for action in ('image', 'flavor', 'image'):
                trail.record(f'evaluate/{action}', 'x')
        self.assertEqual(
            [('images', 2, ''), ('flavors', 1, '')], self.rows('Checked')
        )

    def test_waiting(self):
        for helpers in (
            {'_wait_for_state': [2, 1.25], 'other': [1, 2.0]},
            {'_wait_for_state': [1, 1.25]},
        ):
            with self.trail() as trail:
                trail.record(
                    'monitor/wait',
                    'x',
                    waits=4,
                    cut_short=3,
                    seconds_won=2.5,
                    helpers=helpers,
                )
        self.assertEqual(
            [
                ('seconds saved', 5.0, ''),
                ('waits', 8, 'in 2 tests'),
                ('cut short', 6, ''),
                ('_wait_for_state', 2.5, 'seconds saved in 3 waits'),
                ('other', 2.0, 'seconds saved in 1 wait'),
            ],
            self.rows('Waiting'),
        )

    def test_warm_set_up(self):
        for cures in (
            {'policy': [3, 2], 'routes': [9, 1]},
            {'policy': [1, 0]},
        ):
            with self.trail() as trail:
                trail.record(
                    'monitor/speed_up',
                    'Nova',
                    cures=cures,
                    off={'databases': 'there is no x'},
                )
        self.assertEqual(
            [
                ('routes', 9, 'from memory, 1 made anew'),
                ('policy', 4, 'from memory, 2 made anew'),
                ('without databases', 0, 'there is no x'),
            ],
            self.rows('Warm set-up'),
        )

    def test_both_ways(self):
        with self.trail() as trail:
            for action, seconds in (
                ('evaluate/outcome', 2),
                ('evaluate/rerun', 1),
                # What the guards saw of the first one.
                ('evaluate/test', 2),
            ):
                trail.record(action, 'a.T.test', seconds=seconds)
            trail.record(
                'monitor/paired', 'run', tests=1, seconds_with=0.5,
                seconds_without=1.0,
            )  # fmt: skip
        [(item, seconds, details)] = self.rows('Warm set-up')
        self.assertEqual(('seconds without', 6.0), (item, seconds))
        self.assertIn('from 1 test run both ways; 3.0 with', details)
