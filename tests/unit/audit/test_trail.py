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
import errno
import functools
import io
import itertools
import json
import logging
import multiprocessing
import os
import resource as limits_of
import signal
import subprocess
import sys
import threading
import tracemalloc

import fixtures
from oslo_config import fixture as config_fixture
from pycadf import attachment
from pycadf import cadftaxonomy
from pycadf import cadftype
from pycadf import event
from pycadf import host
from pycadf import reason
from pycadf import resource
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.audit import sinks
from safe_fixtures.audit import trail as audit_trail
from safe_fixtures import conf
from safe_fixtures.core import conclusion
from safe_fixtures import exceptions
from safe_fixtures.runtime import audit_hook
from safe_fixtures import summary
from safe_fixtures import testing
from tests.support import base

PROCESSES = 4
EVENTS = 500
SERVICE = '3bd1e5b8-5f7c-4b3c-9d5d-0a5f0a8a3c11'
# More than a pipe or a buffered writer passes on in one piece.
LONG = 20000


def sequence(stored):
    return audit.Event(stored).sequence


def write_events(path, number, barrier):
    """Write events in another process, all at the same time."""
    os.environ['OS_SAFE_FIXTURES__AUDIT_FILE'] = path
    with audit.AuditTrail(f'process {number}') as trail:
        barrier.wait()
        for index in range(EVENTS):
            trail.record(
                'disable', 'host1', number=number, index=index, text='x' * LONG
            )


def write_for_ever():
    """Write events, and say so now and then, till somebody ends it."""
    with audit.AuditTrail('writer') as trail:
        for index in itertools.count(1):
            trail.record('disable', 'host1', index=index, text='x' * LONG)
            if index % 100 == 0:
                print(index, flush=True)


def as_resource(part):
    """Make a resource of what one came to."""
    part = dict(part)
    if 'host' in part:
        part['host'] = host.Host(**part['host'])
    return resource.Resource(**part)


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
        return list(audit_trail._active)


class TestContent(base.TestCase):
    """What an event says, and that it is what JSON gives back."""

    def setUp(self):
        super().setUp()
        self.trail = self.useFixture(audit.AuditTrail('t'))

    def test_initiator_is_test_process_and_worker(self):
        self.useFixture(
            fixtures.EnvironmentVariable('SAFE_FIXTURES_WORKER', 'worker-3')
        )
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

    def test_numbers(self):
        other = self.useFixture(audit.AuditTrail('other'))
        for _ in range(3):
            self.trail.record('enable', 'host1')
            other.record('enable', 'host1')
        for trail in (self.trail, other):
            self.assertEqual(
                [1, 2, 3], [sequence(each) for each in trail.events]
            )
        # Reused, it is another initiator.
        trail = audit.AuditTrail()
        initiators = set()
        for _ in range(2):
            with trail:
                stored = trail.record('enable', 'host1')
            self.assertEqual(1, sequence(stored))
            initiators.add(stored['initiator']['id'])
        self.assertEqual(2, len(initiators))

    def test_no_number(self):
        stored = dict(self.trail.record('enable', 'host1'))
        for tags in ([], ['other?value=1'], ['sequence?value=x']):
            self.assertIsNone(sequence(dict(stored, tags=tags)), tags)
        del stored['tags']
        self.assertIsNone(sequence(stored))

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
        self.useFixture(fixtures.MonkeyPatch('os.getpid', lambda: 1))
        trail.record('enable', 'host1')
        self.assertEqual(['first'], seen)
        old, *new = trail.events
        self.assertEqual([1, 2], [sequence(each) for each in new])
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
            sorted(sequence(each) for each in self.trail.events),
        )

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
        self.assertLess(full / 500 * audit.MAX_EVENTS, 20_000_000)
        self.assertLess(self.traced(2000), 1.2 * full)


class TestFile(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(self.directory, 'events-1.jsonl')

    def lines(self, path):
        with open(path) as lines:
            return [json.loads(line) for line in lines]

    def test_one_for_each_process(self):
        self.configure(audit_file=os.path.join(self.directory, 'e-{pid}.x'))
        trail = self.useFixture(audit.AuditTrail())
        stored = trail.record('enable', 'host1')
        self.assertEqual([f'e-{os.getpid()}.x'], os.listdir(self.directory))
        self.assertEqual(
            [stored],
            self.lines(os.path.join(self.directory, f'e-{os.getpid()}.x')),
        )

    def test_forked(self):
        self.configure(audit_file=self.path)
        trail = self.useFixture(audit.AuditTrail('t'))
        trail.record('enable', 'parent')
        child = os.fork()
        if not child:
            status = 1
            try:
                trail.record('enable', 'child')
                with audit.AuditTrail('t') as own:
                    own.record('enable', 'its own')
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(0, os.waitpid(child, 0)[1])
        trail.record('enable', 'parent')
        one = self.lines(self.path)
        two = self.lines(
            os.path.join(self.directory, f'events-1.{child}.jsonl')
        )
        self.assertEqual(trail.events, one)
        self.assertEqual([1, 2], [sequence(each) for each in one])
        self.assertEqual(
            [(1, 'child'), (1, 'its own')],
            [(sequence(each), each['target']['name']) for each in two],
        )
        self.assertEqual(
            [{'agent': f'process {child}'}] * 2,
            [each['initiator']['host'] for each in two],
        )
        initiators = {each['initiator']['id'] for each in one + two}
        self.assertEqual(3, len(initiators))
        # What the report directory of a run would have.
        self.assertEqual(4, len(list(summary.read([self.directory]))))

    def test_no_guard_sees_it(self):
        name = os.path.join(self.directory, 'events-{pid}.jsonl')
        # From here on that is no temporary directory.
        self.useFixture(fixtures.NestedTempfile())
        self.configure(mode='enforce', audit_file=name)
        with safe_fixtures.IsolationGuard() as guard:
            guard.trail.record('read', 'x')
            with safe_fixtures.expect_violation('SF405'):
                open(os.path.join(self.directory, 'other'), 'w')
        self.assertEqual(
            ['read', 'deny'], [event['action'] for event in guard.trail.events]
        )
        (path,) = os.listdir(self.directory)
        self.assertEqual(f'events-{os.getpid()}.jsonl', path)

    def test_what_a_guard_does_meanwhile_is_not_seen_either(self):
        seen = []
        self.addCleanup(audit_hook.watch, audit_hook.handlers().copy())

        def handle(*args):
            seen.append(args)
            sinks.File(self.path)({})
            open(self.path).close()

        audit_hook.watch({'open': handle})
        open(os.devnull).close()
        audit_hook.watch({})
        self.assertEqual(1, len(seen))

    def test_half_a_line_of_another_process(self):
        self.configure(audit_file=self.path)
        with audit.AuditTrail() as trail:
            trail.record('enable', 'one')
            for _ in range(2):
                with open(self.path, 'a') as file:
                    file.write('{"typeURI": "http')
                trail.record('enable', 'two')
                trail.record('enable', 'three')
        truncated = []
        self.assertEqual(
            trail.events, list(summary.read([self.path], truncated))
        )
        self.assertEqual([f'{self.path}:2', f'{self.path}:5'], truncated)

    def test_not_to_be_read(self):
        self.configure(audit_file=self.path)
        with open(self.path, 'w') as file:
            file.write('\n')
        do_open = os.open

        def refuse(path, flags, *args):
            if not flags & os.O_WRONLY:
                raise PermissionError
            return do_open(path, flags, *args)

        with (
            fixtures.MonkeyPatch('os.open', refuse),
            audit.AuditTrail() as trail,
        ):
            trail.record('enable', 'one')
        with open(self.path) as file:
            self.assertEqual(trail.events, [json.loads(file.readlines()[1])])

    def test_pipe(self):
        pipe = os.path.join(self.directory, 'pipe')
        os.mkfifo(pipe)
        descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, descriptor)
        self.configure(audit_file=pipe)
        with audit.AuditTrail() as trail:
            trail.record('enable', 'one')
            trail.record('enable', 'two')
        lines = os.read(descriptor, 10000).splitlines()
        self.assertEqual(trail.events, [json.loads(line) for line in lines])

    def test_killed(self):
        with subprocess.Popen(
            [
                sys.executable,
                '-c',
                f'from {__name__} import write_for_ever; write_for_ever()',
            ],
            cwd=base.ROOT,
            env={**os.environ, 'OS_SAFE_FIXTURES__AUDIT_FILE': self.path},
            stdout=subprocess.PIPE,
        ) as writer:
            said = int(writer.stdout.readline())
            writer.kill()
        self.assertEqual(-signal.SIGKILL, writer.returncode)
        with open(self.path, 'rb') as file:
            *lines, rest = file.read().split(b'\n')
        numbers = [audit.details(json.loads(line))['index'] for line in lines]
        self.assertGreaterEqual(len(numbers), said)
        self.assertEqual(list(range(1, len(numbers) + 1)), numbers)
        # The same for who reads it, whatever is left of the last one.
        truncated = []
        self.assertEqual(
            len(lines), len(list(summary.read([self.path], truncated)))
        )
        self.assertEqual(bool(rest), bool(truncated))


class TestLost(base.TestCase):
    """An event that does not reach a sink fails the test, once."""

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(self.directory, 'events.jsonl')
        self.configure(audit_file=self.path)

    def case_of(self, spoil, **arguments):
        """Return a case whose trail is spoilt between two events."""
        outer = self
        outer.did = []

        class Inner(testtools.TestCase):
            def test_x(self):
                trail = self.useFixture(
                    audit.AuditTrail(self.id(), **arguments)
                )
                outer.trail = trail
                trail.record('enable', 'host1')
                spoil(trail)
                for number in (2, 3):
                    # Who would swallow it has nothing to swallow.
                    try:
                        trail.record('disable', f'host{number}', number=number)
                        outer.did.append(number)
                    except Exception:
                        outer.did.append('raised')

        return Inner

    def assertLost(self, case, *messages):
        self.assertFails(case, 'is incomplete', *messages)
        self.assertEqual([2, 3], self.did)
        self.assertEqual(3, len(self.trail.events))
        self.assertIsNone(audit.current())

    def test_whole(self):
        self.assertPasses(self.case_of(lambda _: None))
        with open(self.path) as lines:
            self.assertEqual(3, len(lines.readlines()))

    def test_removed(self):
        self.assertLost(
            self.case_of(lambda _: os.unlink(self.path)),
            '[safe_fixtures] audit_file',
            'failed for 2 events, first for disable of host2',
            'ENOENT',
            'Keep the audit file in place',
        )
        self.assertEqual([], os.listdir(self.directory))

    def test_replaced(self):
        def spoil(_):
            os.rename(self.path, self.path + '.old')
            open(self.path, 'w').close()

        self.assertLost(self.case_of(spoil), 'ESTALE')
        self.assertEqual(0, os.path.getsize(self.path))

    def test_truncated(self):
        self.assertLost(
            self.case_of(lambda _: os.truncate(self.path, 0)),
            'failed for 1 event',
            'ESTALE: [Errno 116] it was truncated',
        )
        # What comes after that is written all the same.
        (stored,) = summary.read([self.path])
        self.assertEqual('host3', stored['target']['name'])
        self.assertIn(
            ('Records', 'missing', 2, 'gaps in the numbers of events'),
            summary.summarize([self.path]).rows(),
        )

    def test_cannot_be_locked(self):
        def spoil(_):
            self.useFixture(fixtures.MonkeyPatch('fcntl.flock', refuse))

        def refuse(*_):
            raise OSError(errno.ENOLCK, 'no locks available')

        descriptors = os.listdir('/proc/self/fd')
        self.assertLost(
            self.case_of(spoil), 'failed for 2 events', 'ENOLCK: [Errno 37] no'
        )
        self.assertEqual(descriptors, os.listdir('/proc/self/fd'))

    def test_is_a_directory(self):
        def spoil(_):
            os.unlink(self.path)
            os.mkdir(self.path)

        self.assertLost(self.case_of(spoil), 'EISDIR')

    def test_disk_full(self):
        # Nothing that is written there fits.
        self.configure(audit_file='/dev/full')
        self.assertLost(
            self.case_of(lambda _: None),
            'failed for 3 events',
            'ENOSPC',
            'audit_file /dev/full',
        )

    def test_disk_full_within_a_line(self):
        def spoil(_):
            size = os.path.getsize(self.path) + 100
            limits = limits_of.getrlimit(limits_of.RLIMIT_FSIZE)
            limits_of.setrlimit(limits_of.RLIMIT_FSIZE, (size, limits[1]))
            self.addCleanup(
                limits_of.setrlimit, limits_of.RLIMIT_FSIZE, limits
            )

        self.assertLost(self.case_of(spoil), 'failed for 2 events', 'EFBIG')
        # Half a line would spoil those of others.
        (stored,) = summary.read([self.path], truncated := [])
        self.assertEqual([], truncated)
        self.assertEqual('host1', stored['target']['name'])

    def test_it_works_again(self):
        def spoil(trail):
            os.rename(self.path, self.path + '.old')
            trail.record('enable', 'lost')
            os.rename(self.path + '.old', self.path)

        self.assertFails(self.case_of(spoil), 'failed for 1 event')
        numbers = [sequence(stored) for stored in summary.read([self.path])]
        self.assertEqual([1, 3, 4], numbers)
        self.assertIn(
            ('Records', 'missing', 1, 'gaps in the numbers of events'),
            summary.summarize([self.path]).rows(),
        )

    def test_callable_that_raises(self):
        secret = 'hunter' + '2000'

        def broken(stored):
            if stored['action'] == 'disable':
                raise ValueError(f'password={secret}')

        result = self.run_inner(self.case_of(lambda _: None, sinks=[broken]))
        (text,) = base.problems(result)
        self.assertIn('the sink TestLost.', text)
        self.assertIn('failed for 2 events', text)
        self.assertIn('ValueError: password=***', text)
        self.assertNotIn(secret, text.rpartition('AuditFailed')[2])
        self.assertEqual([2, 3], self.did)
        with open(self.path) as lines:
            self.assertEqual(3, len(lines.readlines()))

    def test_error_without_a_text(self):
        class Mute(Exception):
            def __str__(self):
                raise ZeroDivisionError

        def broken(_):
            raise Mute

        self.assertLost(
            self.case_of(lambda trail: trail.add_sink(broken)),
            'Mute: (no text)',
        )

    def test_several_sinks(self):
        def broken(_):
            raise ValueError('no')

        self.assertLost(
            self.case_of(lambda _: os.unlink(self.path), sinks=[broken]),
            'ENOENT',
            'ValueError: no',
        )

    def test_what_json_cannot_hold(self):
        loop = []
        loop.append(loop)
        for value in (object(), float('nan'), loop, 1j):

            def spoil(trail, value=value):
                trail.record('enable', 'host1', value=value)

            self.assertFails(
                self.case_of(spoil),
                'conversion to JSON failed for 1 event',
            )
            said = audit.details(self.trail.events[1])
            self.assertEqual(['lost'], list(said))
        json.dumps(self.trail.events)

    def test_timeout_of_the_test_goes_on(self):
        def slow(_):
            raise fixtures.TimeoutException

        trail = audit.AuditTrail(sinks=[slow])
        trail.setUp()
        self.assertRaises(
            fixtures.TimeoutException, trail.record, 'enable', 'x'
        )
        self.assertRaises(audit.AuditFailed, trail.cleanUp)

    def test_standalone_fails_where_it_is(self):
        trail = audit.AuditTrail.standalone('t')
        trail.record('enable', 'host1')
        os.unlink(self.path)
        for _ in range(2):
            error = self.assertRaises(
                audit.AuditFailed, trail.record, 'enable', 'host2'
            )
            self.assertIn('ENOENT', str(error))

    def test_after_the_cleanup(self):
        with audit.AuditTrail() as trail:
            trail.record('enable', 'host1')
        os.unlink(self.path)
        trail.record('enable', 'host2')
        self.assertRaises(audit.AuditFailed, trail.check)
        # Once, here too.
        trail.record('enable', 'host3')
        trail.check()
        self.assertEqual(3, len(trail.events))

    def test_lost_by_a_guard_with_a_trail_of_its_own(self):
        outer = self
        client = testing.FakeComputeClient(['host1'])

        class Inner(testtools.TestCase):
            def test_x(self):
                toggle = safe_fixtures.SafeServiceToggle(api=client)
                self.useFixture(toggle).disable('host1')
                os.unlink(outer.path)
                toggle.enable('host1')

        self.assertFails(Inner, 'is incomplete')
        # What it does was done all the same.
        self.assertEqual(
            ['enabled'],
            [service['status'] for service in client.get_services()],
        )

    def test_in_the_set_up_of_a_test(self):
        outer = self

        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                trail = self.useFixture(audit.AuditTrail())
                trail.record('enable', 'host1')
                os.unlink(outer.path)
                trail.record('enable', 'host2')
                raise ZeroDivisionError('in set-up')

            def test_x(self):
                pass

        result = self.run_inner(Inner)
        self.assertFalse(result.wasSuccessful())
        text = '\n'.join(base.problems(result))
        self.assertEqual(1, text.count('ZeroDivisionError: in set-up'), text)
        self.assertEqual(1, text.count('ENOENT'), text)

    def test_outcome_says_so(self):
        outer = self

        class Inner(testtools.TestCase):
            def test_x(self):
                trail = self.useFixture(audit.AuditTrail(self.id()))
                conclusion.follow(self, trail)
                outer.trail = trail
                trail.record('enable', 'host1')
                os.rename(outer.path, outer.path + '.old')
                trail.record('enable', 'host2')
                os.rename(outer.path + '.old', outer.path)

        self.assertFails(Inner, 'is incomplete')
        self.assertEqual('failure', self.trail.events[-1]['outcome'])
        *_, last = summary.read([self.path])
        self.assertEqual(
            ('evaluate/test', 'failure'), (last['action'], last['outcome'])
        )

    def test_outcome_that_cannot_be_written(self):
        outer = self

        class Inner(testtools.TestCase):
            def test_x(self):
                with audit.AuditTrail(self.id()) as trail:
                    trail.record('enable', 'host1')
                # Its own cleanup is over.
                conclusion.follow(self, trail)
                self.addCleanup(os.unlink, outer.path)

        self.assertFails(Inner, 'failed for 1 event', 'ENOENT')


class TestSinks(base.TestCase):
    def test_of_a_trail(self):
        one, two = [], []
        trail = audit.AuditTrail(sinks=iter([one.append]))
        with trail:
            trail.record('enable', 'host1')
            trail.add_sink(two.append)
            trail.record('enable', 'host2')
        self.assertEqual(trail.events, one)
        self.assertEqual(trail.events[1:], two)
        with trail:
            trail.record('enable', 'host3')
        self.assertEqual((3, 1), (len(one), len(two)))

    def test_of_all_trails(self):
        seen = []
        end = audit.watch(seen.append)
        self.addCleanup(end)
        with audit.AuditTrail() as one, audit.AuditTrail() as two:
            one.record('enable', 'host1')
            two.record('enable', 'host2')
            audit.AuditTrail.standalone('t').record('enable', 'host3')
            end()
            one.record('enable', 'host4')
        self.assertEqual(
            ['host1', 'host2', 'host3'],
            [stored['target']['name'] for stored in seen],
        )

    def test_of_all_trails_twice(self):
        seen = []
        sink = seen.append
        one, two = audit.watch(sink), audit.watch(sink)
        self.addCleanup(two)
        trail = self.useFixture(audit.AuditTrail())
        trail.record('enable', 'host1')
        self.assertEqual(2, len(seen))
        for _ in range(2):
            one()
            trail.record('enable', 'host2')
        self.assertEqual(4, len(seen))
        two()
        trail.record('enable', 'host3')
        self.assertEqual(4, len(seen))

    def test_of_all_trails_that_raises(self):
        def broken(_):
            raise ValueError('no')

        self.addCleanup(audit.watch(broken))
        trail = audit.AuditTrail()
        trail.setUp()
        trail.record('enable', 'host1')
        error = self.assertRaises(audit.AuditFailed, trail.cleanUp)
        self.assertIn(
            '.<locals>.broken failed for 1 event, first for', str(error)
        )

    def test_that_records(self):
        one, two = [], []

        class Sink:
            def __init__(self, seen, trail):
                self.seen = seen
                self.trail = trail

            def record(self, stored):
                self.seen.append(stored['target']['name'])
                self.trail.record('enable', f'{stored["target"]["name"]}+')

        with audit.AuditTrail() as outer, audit.AuditTrail() as inner:
            self.addCleanup(audit.watch(Sink(one, inner).record))
            outer.record('enable', 'a')
            inner.add_sink(Sink(two, outer).record)
            inner.record('enable', 'b')
        self.assertEqual(['a', 'b+', 'b'], one)
        self.assertEqual(['b', 'b+'], two)
        self.assertEqual(
            [['a', 'b+', 'b++'], ['a+', 'b', 'b++', 'b+']],
            [
                [stored['target']['name'] for stored in trail.events]
                for trail in (outer, inner)
            ],
        )

    def test_that_another_thread_is_in(self):
        seen = []

        def sink(stored):
            seen.append(stored['target']['name'])
            if len(seen) == 1:
                thread = threading.Thread(
                    target=trail.record, args=('enable', 'other')
                )
                thread.start()
                thread.join()

        trail = self.useFixture(audit.AuditTrail(sinks=[sink]))
        trail.record('enable', 'host1')
        self.assertEqual(['host1', 'other'], seen)

    def test_logger_that_records(self):
        class Handler(logging.Handler):
            def emit(self, record):
                trail.record('enable', 'its own')

        logger = logging.getLogger('safe_fixtures.audit')
        handler = Handler()
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        trail = self.useFixture(audit.AuditTrail())
        trail.record('enable', 'host1')
        self.assertEqual(2, len(trail.events))

    def test_what_cannot_be_called(self):
        trail = self.useFixture(audit.AuditTrail())
        for refused in (
            audit.AuditTrail(sinks=['x']).setUp,
            functools.partial(trail.add_sink, None),
            functools.partial(audit.watch, 5),
        ):
            self.assertRaises(exceptions.ConfigurationError, refused)
        self.assertIs(trail, audit.current())

    def listen(self):
        logger = logging.getLogger('safe_fixtures.audit')
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        handler.setFormatter(logging.Formatter('%(levelname)s %(message)s'))
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        return out

    def test_logger(self):
        out = self.listen()
        with audit.AuditTrail() as trail:
            trail.record('disable', 'host1', before='enabled', after='x\ny')
            trail.record('deny', 'h', code='SF301', outcome='failure')
            trail.record('deny', 'h', code='SF301', expected=True)
            trail.record('evaluate/violation', 'h', code='SF1', waived='x')
        lines = out.getvalue().splitlines()
        self.assertEqual(
            ['INFO', 'WARNING', 'INFO', 'INFO'],
            [line.split()[0] for line in lines],
        )
        self.assertTrue(
            lines[0].endswith(
                ' disable host1 (success) before: enabled; after: x y'
            ),
            lines[0],
        )
        self.assertTrue(lines[1].endswith(' deny SF301 h (failure)'), lines)

    def test_logger_that_somebody_disabled(self):
        self.listen()
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.audit.sinks.LOGGER.disabled', True
            )
        )
        trail = audit.AuditTrail()
        trail.setUp()
        trail.record('disable', 'host1')
        error = self.assertRaises(audit.AuditFailed, trail.cleanUp)
        self.assertIn('the logger safe_fixtures.audit', str(error))

    def test_logger_leaves_the_root_alone(self):
        self.listen()
        for level in (logging.DEBUG, logging.INFO):
            root = self.useFixture(
                fixtures.FakeLogger(level=level, nuke_handlers=True)
            )
            with audit.AuditTrail() as trail:
                trail.record('deny', 'h', code='SF301', outcome='failure')
            self.assertEqual('', root.output)

    def test_logger_that_somebody_asked_to_propagate(self):
        logger = logging.getLogger('safe_fixtures.audit')
        self.addCleanup(setattr, logger, 'propagate', logger.propagate)
        logger.propagate = True
        root = self.useFixture(fixtures.FakeLogger())
        with audit.AuditTrail() as trail:
            trail.record('enable', 'host1')
        self.assertIn('enable host1', root.output)

    def test_no_handler_no_word(self):
        done = subprocess.run(
            [
                sys.executable,
                '-c',
                'from safe_fixtures import audit\n'
                'with audit.AuditTrail() as trail:\n'
                "    trail.record('deny', 'x', code='SF301')\n",
            ],
            cwd=base.ROOT,
            capture_output=True,
            check=True,
        )
        self.assertEqual((b'', b''), (done.stdout, done.stderr))


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
