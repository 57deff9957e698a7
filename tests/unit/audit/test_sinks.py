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

import fcntl
import io
import itertools
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import uuid

import fixtures
from oslo_config import fixture as config_fixture

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.audit import sinks
from safe_fixtures import conf
from safe_fixtures.runtime import audit_hook
from safe_fixtures import summary
from tests.support import base

PROCESSES = 4
EVENTS = 500
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


def write_for_ever():
    """Write events, and print how many, until the process is killed."""
    with audit.AuditTrail('writer') as trail:
        for index in itertools.count(1):
            trail.record('disable', 'host1', index=index, text='x' * LONG)
            if index % 100 == 0:
                print(index, flush=True)


class TestFile(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(self.directory, 'events-1.jsonl')

    def lines(self, path=None):
        with open(path or self.path) as lines:
            return [json.loads(line) for line in lines]

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

    def test_functions_that_a_test_replaces(self):
        self.configure(audit_file=self.path)
        replaced = {
            os: ('close', 'fork', 'fstat', 'ftruncate', 'getpid', 'open',
                 'pread', 'readv', 'write'),
            fcntl: ('flock', 'lockf'),
            json: ('dumps', 'JSONEncoder'),
            uuid: ('UUID', 'uuid4'),
        }  # fmt: skip
        for module, names in replaced.items():
            for name in names:
                with self.subTest(name=name):
                    with audit.AuditTrail('test') as trail:
                        with fixtures.MonkeyPatch(
                            f'{module.__name__}.{name}', lambda *_: 1
                        ):
                            trail.record('enable', name)
                    (event,) = list(summary.read([self.path]))[-1:]
                    self.assertEqual(name, event['target']['name'])

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
        self.assertEqual([1, 2], [audit.Event(each).sequence for each in one])
        self.assertEqual(
            [(1, 'child'), (1, 'its own')],
            [
                (audit.Event(each).sequence, each['target']['name'])
                for each in two
            ],
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


class TestLogger(base.TestCase):
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

    def test_a_line_has_no_table(self):
        out = self.listen()
        with audit.AuditTrail() as trail:
            trail.record(
                'evaluate/permissions', 's', requests=2, outcomes={'a': {}}
            )
        self.assertTrue(out.getvalue().endswith(' s (success) requests: 2\n'))

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
            with self.subTest(level=level):
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
