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

import contextlib
import itertools
import json
import os
import resource
import tracemalloc

import fixtures

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures import summary
from safe_fixtures import testing
from tests.support import base
from tests.unit.core import test_guard

NOTHING = [
    ('Tests', 'passed', 0, ''),
    ('Tests', 'failed', 0, ''),
    ('Tests', 'skipped', 0, ''),
    ('Violations', 'none', 0, ''),
    ('Services', 'toggled', 0, '0 changes'),
    ('Services', 'restored', 0, ''),
    ('Services', 'restore failed', 0, ''),
    ('Microversions', 'latest', 0, ''),
    ('Checked', 'images', 0, ''),
    ('Checked', 'flavors', 0, ''),
    ('Records', 'events', 0, ''),
]
ONE, TWO, THREE = (f'{n}' * 32 for n in '123')


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.events = []

    @contextlib.contextmanager
    def trail(self, test_id='tests.T.test'):
        with audit.AuditTrail(test_id) as trail:
            yield trail
        self.events.extend(trail.events)

    def total(self):
        total = summary.Summary()
        for event in self.events:
            total.add(event)
        return total

    def rows(self, section):
        rows = self.total().rows()
        for row in rows:
            self.assertEqual(len(summary.COLUMNS), len(row))
        return [row[1:] for row in rows if row[0] == section]

    def assertExits(self, code):
        self.assertEqual(code, self.total().exit_code())


class TestTests(TestCase):
    def outcome(self, trail, test, status, outcome='failure'):
        trail.record('evaluate/outcome', test, outcome=outcome, status=status)

    def test_nothing(self):
        self.assertEqual(NOTHING, summary.Summary().rows())
        self.assertExits(0)

    def test_as_the_guards_saw_them(self):
        with self.trail() as trail:
            for number, outcome in enumerate(
                ('success', 'failure', 'success', 'unknown')
            ):
                trail.record('evaluate/test', f't{number}', outcome=outcome)
        self.assertEqual(
            [('passed', 2, ''), ('failed', 1, 't1'), ('skipped', 1, '')],
            self.rows('Tests'),
        )
        self.assertExits(1)

    def test_what_the_runner_says_goes_before(self):
        with self.trail() as trail:
            trail.record('evaluate/test', 'one', outcome='success')
            trail.record('evaluate/test', 'two', outcome='failure')
            self.outcome(trail, 'one', 'timeout')
            trail.record('evaluate/test', 'three', outcome='success')
        self.assertEqual(
            [
                ('passed', 1, ''),
                ('failed', 1, 'two'),
                ('timeout', 1, 'one'),
                ('skipped', 0, ''),
            ],
            self.rows('Tests'),
        )

    def test_in_two_runs(self):
        for _ in range(2):
            with self.trail() as trail:
                self.outcome(trail, 'one', 'success', 'success')
                trail.record('evaluate/test', 'one', outcome='success')
        self.assertIn(('passed', 2, ''), self.rows('Tests'))
        self.assertExits(0)

    def test_each_status(self):
        for status, item, code in (
            ('success', 'passed', 0),
            ('fail', 'failed', 1),
            ('uxsuccess', 'uxsuccess', 1),
            ('timeout', 'timeout', 1),
            ('died', 'died', 1),
            ('lost', 'lost', 1),
            ('skip', 'skipped', 0),
            ('xfail', 'xfail', 0),
        ):
            self.events = []
            with self.trail() as trail:
                self.outcome(trail, 'one', status)
            counts = {row[0]: row[1] for row in self.rows('Tests')}
            self.assertEqual((item, 1), (item, counts.pop(item)))
            self.assertEqual({0}, set(counts.values()))
            self.assertExits(code)

    def test_the_first_that_failed_are_named(self):
        with self.trail() as trail:
            for number in range(5):
                self.outcome(trail, f't{number}', 'fail')
        self.assertIn(('failed', 5, 't0, t1, t2 and 2 more'),
                      self.rows('Tests'))  # fmt: skip


class TestRun(TestCase):
    def run_of(self, tests, outcomes, **end):
        with self.trail('run') as trail:
            trail.record(
                'configure/run',
                'run',
                mode='audit',
                tests=tests,
                concurrency=2,
                arguments=['run', 'nova.tests'],
            )
            for number in range(outcomes):
                trail.record('evaluate/outcome', f't{number}', status='skip')
            if end:
                trail.record('monitor/run', 'run', **end)

    TOLD = 'mode audit, tests {}, concurrency 2, arguments run nova.tests'

    def test_whole(self):
        self.run_of(2, 2, seconds=1.23456, interrupted=False)
        self.assertEqual(
            [('seconds', 1.235, self.TOLD.format(2))], self.rows('Run')
        )
        self.assertExits(0)

    def test_interrupted(self):
        self.run_of(2, 2, seconds=1.0, interrupted=True)
        self.assertEqual(
            [('seconds', 1.0, self.TOLD.format(2) + ', interrupted')],
            self.rows('Run'),
        )
        self.assertExits(1)

    def test_not_finished(self):
        self.run_of(3, 1)
        self.assertEqual(
            [('seconds', 0.0, self.TOLD.format(3) + ', not finished')],
            self.rows('Run'),
        )
        self.assertIn(('not run', 2, ''), self.rows('Tests'))
        self.assertExits(1)

    def test_one_run_makes_not_up_for_another(self):
        self.run_of(3, 1, seconds=1.0, interrupted=False)
        self.run_of(1, 3, seconds=1.0, interrupted=False)
        self.assertIn(('not run', 2, ''), self.rows('Tests'))
        self.assertEqual(2, len(self.rows('Run')))


class TestViolations(TestCase):
    def violate(self, test, times=1, action='evaluate/violation', **said):
        with self.trail(test) as trail:
            for _ in range(times):
                trail.record(action, 'x', code='SF301', **said)

    def test_kinds(self):
        self.violate('b')
        self.violate('a', waived='why')
        self.violate('a', action='deny', expected=True)
        self.assertExits(0)
        self.violate('a', action='deny')
        self.assertExits(2)
        title = 'image that is not dummy; in 1 test, most in '
        self.assertEqual(
            [
                ('SF301 enforced', 1, title + 'a (1)'),
                ('SF301 recorded', 1, title + 'b (1)'),
                ('SF301 waived', 1, title + 'a (1)'),
                ('SF301 expected', 1, title + 'a (1)'),
            ],
            self.rows('Violations'),
        )

    def test_worst_offenders(self):
        for number, test in enumerate('eabdc'):
            self.violate(f'tests.{test}', min(number + 1, 4))
        self.assertEqual(
            [
                (
                    'SF301 recorded',
                    14,
                    'image that is not dummy; in 5 tests, most in '
                    'tests.c (4), tests.d (4), tests.b (3)',
                )
            ],
            self.rows('Violations'),
        )

    def test_violation_goes_before_failure(self):
        with self.trail() as trail:
            trail.record('evaluate/test', 'x', outcome='failure')
        self.assertExits(1)
        self.violate('a', action='deny')
        self.assertExits(2)

    def test_rule_of_another_release(self):
        with self.trail('a') as trail:
            trail.record('deny', 'x', code='SF999')
        self.assertEqual(
            [('SF999 enforced', 1, 'unknown rule; in 1 test, most in a (1)')],
            self.rows('Violations'),
        )


class TestWaivers(TestCase):
    def configure_waiver(self, code, pattern):
        with self.trail('run') as trail:
            trail.record('configure/waiver', pattern, code=code, reason='why')

    def apply(self, code, **said):
        with self.trail() as trail:
            trail.record('allow/waiver', 'x', code=code, reason='why', **said)

    def test_stale_and_applied(self):
        # A worker's records can come before those of the run.
        self.apply('SF203', pattern='a.*')
        self.configure_waiver('SF203', 'a.*')
        self.configure_waiver('SF203', 'b.*')
        self.configure_waiver('SF301', 'a.*')
        self.apply('SF203', pattern='a.*')
        self.apply('SF301')
        self.assertEqual(
            [
                ('SF203 applied', 2, 'a.*: why'),
                ('SF203 stale', 0, 'b.*: why'),
                ('SF301 stale', 0, 'a.*: why'),
                ('SF301 applied', 1, 'by @waive in tests'),
            ],
            self.rows('Waivers'),
        )
        self.assertExits(0)

    def test_applied_and_not_configured(self):
        self.apply('SF203', pattern='a.*')
        self.assertEqual([('SF203 applied', 1, 'a.*')], self.rows('Waivers'))


class TestServices(TestCase):
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
            with test_guard.Watch() as guard:
                guard.violate('SF104', 'drift')
        self.assertEqual(
            [
                ('toggled', 2, '3 changes'),
                ('restored', 2, ''),
                ('restore failed', 0, ''),
            ],
            self.rows('Services'),
        )
        self.assertEqual(
            {'nova-compute on host1', 'nova-compute on host2'},
            {row[0] for row in self.rows('Slowest restores')},
        )
        self.assertEqual(
            ['SF104 recorded'], [row[0] for row in self.rows('Violations')]
        )


class TestOtherSections(TestCase):
    def test_microversions(self):
        for test in ('one', 'two'):
            with self.trail(test) as trail:
                for served in ('2.60', '2.9', '2.9'):
                    trail.record('configure/microversion', 'x', served=served)
                trail.record(
                    'monitor/microversion',
                    'x',
                    requests={'2.60': 1, '2.9': 3, 'none': 2, '2.x': 1},
                )
                for _ in range(2):
                    trail.record(
                        'evaluate/violation', 'x', code='SF104', message='m'
                    )
        self.assertEqual(
            [
                ('2.9', 6, ''),
                ('2.60', 2, ''),
                ('2.x', 2, ''),
                ('none', 4, 'requests without a version'),
                ('latest', 6, 'served at 2.9 (4), 2.60 (2)'),
                ('drift, tests', 2, 'm'),
            ],
            self.rows('Microversions'),
        )

    def test_drift_that_a_test_expected(self):
        with self.trail() as trail:
            trail.record('deny', 'x', code='SF104', message='m', expected=True)
        self.assertEqual([('latest', 0, '')], self.rows('Microversions'))

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


class TestRead(TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def event(self, time, name='x'):
        with audit.AuditTrail('t') as trail:
            event = trail.record('evaluate/image', name)
        event['eventTime'] = f'2026-01-01T00:00:{time:02}.000000+0000'
        return event

    def write(self, name, *times, tail=b''):
        path = os.path.join(self.directory, name)
        with open(path, 'wb') as file:
            for time in times:
                event = self.event(time, f'{name} {time}')
                file.write(json.dumps(event).encode() + b'\n')
            file.write(tail)
        return path

    def names(self, *paths, truncated=None):
        return [
            event['target']['name'] for event in summary.read(paths, truncated)
        ]

    def test_what_a_trail_writes(self):
        path = os.path.join(self.directory, 'audit')
        self.configure(audit_file=path)
        with audit.AuditTrail() as trail:
            trail.record('evaluate/image', 'x')
            trail.record('deny', 'x', code='SF301')
        self.assertEqual(trail.events, list(summary.read([path])))

    def test_in_the_order_of_time(self):
        one, two = self.write('one', 1, 4, 5), self.write('two', 2, 3, 6)
        expected = ['one 1', 'two 2', 'two 3', 'one 4', 'one 5', 'two 6']
        self.assertEqual(expected, self.names(one, two))
        self.assertEqual(expected, self.names(two, one))

    def test_clock_that_was_set_back(self):
        one, two = self.write('one', 5, 1, 6), self.write('two', 2, 3)
        names = self.names(one, two)
        self.assertEqual(5, len(set(names)))
        self.assertEqual(
            ['one 5', 'one 1', 'one 6'],
            [name for name in names if name.startswith('one')],
        )

    def test_directory(self):
        self.write('events-b.jsonl', 2)
        self.write('events-a.jsonl', 1)
        self.write('other.jsonl', 3, tail=b'no event')
        self.assertEqual(
            ['events-a.jsonl 1', 'events-b.jsonl 2'],
            self.names(self.directory),
        )

    def test_each_file_once(self):
        path = self.write('events-a.jsonl', 1)
        os.symlink(path, os.path.join(self.directory, 'events-b.jsonl'))
        self.assertEqual(1, len(self.names(self.directory, path, path)))

    def test_more_files_than_can_be_open(self):
        for number in range(100):
            self.write(f'events-{number:03}.jsonl', 1, 2)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, limits[1]))
        self.assertEqual(200, len(set(self.names(self.directory))))

    def test_large_file(self):
        times = range(1000, 2000)
        path = self.write('one', *times, tail=b'{')
        self.assertGreater(os.path.getsize(path), 300_000)
        truncated = []
        self.assertEqual(
            [f'one {time}' for time in times],
            self.names(path, truncated=truncated),
        )
        self.assertEqual([f'{path}:1001'], truncated)

    def test_pipe(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        with open(write, 'w') as file:
            for time in (1, 2):
                print(json.dumps(self.event(time, str(time))), file=file)
        self.assertEqual(['1', '2'], self.names(f'/dev/fd/{read}'))

    def test_odd_names(self):
        odd = os.path.join(self.directory, '[x]*')
        os.mkdir(odd)
        self.write('[x]*/events-a.jsonl', 1)
        self.assertEqual(1, len(self.names(odd)))

    def test_empty_file(self):
        self.assertEqual([], self.names(self.write('one')))

    def test_truncated_last_line(self):
        whole = json.dumps(self.event(9)).encode()
        for tail in (
            b'{',
            whole[:40],
            whole[:-1],
            b'{"a": "\xc3',
            b'\xff\xfe\n',
            b'\0\0\0',
            whole[:40] + b'\n',
        ):
            truncated = []
            one = self.write('one', 1, 3, tail=tail)
            two = self.write('two', 2, 4)
            self.assertEqual(
                ['one 1', 'two 2', 'one 3', 'two 4'],
                self.names(one, two, truncated=truncated),
            )
            self.assertEqual([f'{one}:3'], truncated)
            rows = summary.summarize([one, two]).rows()
            self.assertIn(('Records', 'truncated lines', 1, f'{one}:3'), rows)
            self.assertIn(('Records', 'events', 4, ''), rows)

    def test_whole_last_line_without_its_end(self):
        truncated = []
        path = self.write('one', 1, tail=json.dumps(self.event(2)).encode())
        self.assertEqual(['one 1', 'x'], self.names(path, truncated=truncated))
        self.assertEqual([], truncated)

    def test_truncated_lines_of_many(self):
        for number in range(5):
            self.write(f'events-{number}.jsonl', 1, tail=b'{"')
        rows = summary.summarize([self.directory]).rows()
        section, item, count, details = rows[-1]
        self.assertEqual(('truncated lines', 5), (item, count))
        self.assertTrue(details.endswith(' and 2 more'))

    def test_garbage(self):
        whole = json.dumps(self.event(9)).encode() + b'\n'
        foreign = dict(self.event(9), typeURI='other')
        timeless = self.event(9)
        del timeless['eventTime']
        for line in (
            b'3\n',
            b'{}\n',
            json.dumps(foreign).encode() + b'\n',
            json.dumps(timeless).encode() + b'\n',
            json.dumps(dict(self.event(9), action='deny')).encode() + b'\n',
            json.dumps(dict(self.event(9), target='x')).encode() + b'\n',
            *(
                json.dumps({**self.event(9), **odd}).encode() + b'\n'
                for odd in (
                    {'action': []},
                    {'outcome': {}},
                    {'target': {'name': 3}},
                    {'initiator': {'name': 'x', 'id': []}},
                    {'reason': 'x'},
                    {'tags': 'x'},
                    {'tags': [3]},
                    {'attachments': {}},
                    {'attachments': ['x']},
                    {'attachments': [{'name': 'details', 'content': 'x'}]},
                    {'attachments': [{'name': 'details'}]},
                )
            ),
        ):
            path = self.write('one', 1, 2, tail=line + whole)
            error = self.assertRaises(ValueError, self.names, path)
            self.assertIn(f'{path}:3 ', str(error))

    def test_truncated_line_in_the_middle(self):
        whole = json.dumps(self.event(9)).encode() + b'\n'
        for line in (
            whole[:40] + b'\n',
            # Who wrote on did not notice.
            whole[:40] + whole,
            b'\xff\xfe\n',
            b'\n',
            b'\0\0\0\n',
            b'[' * 100_000 + b'\n',
        ):
            truncated = []
            path = self.write('one', 1, 2, tail=line + whole)
            self.assertEqual(
                ['one 1', 'one 2', 'x'], self.names(path, truncated=truncated)
            )
            self.assertEqual([f'{path}:3'], truncated)
            rows = summary.summarize([path]).rows()
            self.assertIn(('Records', 'truncated lines', 1, f'{path}:3'), rows)

    def test_event_that_was_truncated_is_missing(self):
        path = os.path.join(self.directory, 'audit')
        self.configure(audit_file=path)
        with audit.AuditTrail() as trail:
            for number in range(4):
                trail.record('evaluate/image', f'x{number}')
        with open(path, 'rb') as file:
            lines = file.readlines()
        for spoilt in (
            [lines[0], lines[1][:50] + b'\n', *lines[2:]],
            # The first ones were cut off.
            [lines[0][50:], *lines[1:]],
        ):
            with open(path, 'wb') as file:
                file.writelines(spoilt)
            rows = summary.summarize([path]).rows()
            self.assertEqual(
                [('events', 3), ('missing', 1), ('truncated lines', 1)],
                [row[1:3] for row in rows if row[0] == 'Records'],
            )

    def test_no_file_of_events(self):
        path = os.path.join(self.directory, 'log')
        with open(path, 'w') as file:
            file.write('one\ntwo\n')
        error = self.assertRaises(ValueError, self.names, path)
        self.assertIn(f'{path} has no audit event in its 2 lines', str(error))

    def test_last_line_that_is_whole_and_no_event(self):
        path = self.write('one', 1, tail=b'{}\n')
        error = self.assertRaises(ValueError, self.names, path)
        self.assertIn(f'{path}:2 ', str(error))

    def test_nothing_to_read(self):
        absent = os.path.join(self.directory, 'absent')
        # Before the first event is asked for.
        error = self.assertRaises(FileNotFoundError, summary.read, [absent])
        self.assertIn('absent', str(error))
        error = self.assertRaises(ValueError, summary.read, [self.directory])
        self.assertIn(self.directory, str(error))
