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

import errno
import functools
import json
import logging
import os
import resource as limits_of
import threading

import fixtures
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import conclusion
from safe_fixtures import exceptions
from safe_fixtures import summary
from safe_fixtures import testing
from tests.support import base


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
            self.useFixture(
                fixtures.MonkeyPatch(
                    'safe_fixtures.runtime.files._flock', refuse
                )
            )

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
        numbers = [
            audit.Event(stored).sequence
            for stored in summary.read([self.path])
        ]
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
            with self.subTest(value=value):

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
        trail = audit.AuditTrail.standalone('t', self.path)
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
            audit.AuditTrail.standalone('t', None).record('enable', 'host3')
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
            with self.subTest(refused=refused):
                self.assertRaises(exceptions.ConfigurationError, refused)
        self.assertIs(trail, audit.current())
