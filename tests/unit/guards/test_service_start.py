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

"""What a test may start, and what is refused."""

import gc
import threading
import weakref

import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures.guards import service_start
from safe_fixtures import testing
from tests.support import base
from tests.support import start_doubles


class TestContract(testing.FixtureContract, start_doubles.TestCase):
    def make_fixture(self):
        return self.guard()

    def use(self, fixture):
        self.starts.start().stop()

    def state(self):
        return (
            tuple(id(watcher) for watcher in self.starts.watchers),
            tuple(id(guard) for guard in service_start._active),
        )


class TestAllowed(start_doubles.TestCase):
    def test_refused_at_set_up(self):
        for allowed in (
            'compute',
            b'compute',
            '',
            [''],
            [' '],
            ['nova-'],
            [None],
            ['compute', 1],
            {'compute': True},
            5,
            iter(['compute']),
        ):
            with self.subTest(allowed=allowed):
                guard = self.guard(allowed)
                error = self.assertRaises(
                    exceptions.ConfigurationError, guard.setUp
                )
                self.assertIn('must be a list of services', str(error))
                self.assertEqual('ServiceStartGuard allowed', error.option)
                self.assertEqual([], self.starts.watchers)

    def test_attribute_refused_at_set_up(self):
        self.assertFails(
            self.inner(lambda test: None, ALLOWED_SERVICES='compute'),
            "ConfigurationError: ALLOWED_SERVICES = 'compute' is refused: "
            'it must be a list of services, such as compute',
        )

    def test_no_nova(self):
        error = self.assertRaises(
            exceptions.ConfigurationError,
            start_doubles.ServiceStartGuard().setUp,
        )
        self.assertIn('no Nova is imported', str(error))

    def assertAllows(self, guard, *binaries):
        with guard:
            for binary in (
                'nova-compute',
                'nova-conductor',
                'nova-scheduler',
                'nova-metadata',
                'compute',
            ):
                with self.subTest(binary=binary):
                    if binary in binaries:
                        self.starts.start(binary).stop()
                        continue
                    with safe_fixtures.expect_violation('SF204'):
                        self.starts.start(binary)

    def test_default(self):
        self.assertAllows(
            self.guard(),
            'nova-compute',
            'nova-conductor',
            'nova-scheduler',
            'compute',
        )

    def test_what_the_fixtures_of_the_project_start(self):
        self.starts.usual = ('metadata',)
        self.assertAllows(
            self.guard(),
            'nova-compute',
            'nova-conductor',
            'nova-scheduler',
            'nova-metadata',
            'compute',
        )
        self.assertAllows(self.guard(['conductor']), 'nova-conductor')

    def test_given(self):
        for allowed in (
            ['compute'],
            ('nova-compute',),
            {'compute', 'nova-compute'},
            frozenset(['compute']),
        ):
            with self.subTest(allowed=allowed):
                self.assertAllows(
                    self.guard(allowed), 'nova-compute', 'compute'
                )

    def test_given_goes_before_the_attribute(self):
        self.ALLOWED_SERVICES = ['scheduler']
        self.assertAllows(self.guard(test=self), 'nova-scheduler')
        self.assertAllows(self.guard(['metadata'], test=self), 'nova-metadata')

    def test_nothing(self):
        self.assertAllows(self.guard([]))
        self.assertFails(
            self.inner(lambda test: test.start(), ALLOWED_SERVICES=()),
            'SF204 (CWE-862): nova-compute on host1 would start, and the test '
            'may start nothing',
        )

    def test_a_subclass_allows_something_else(self):
        parent = self.inner(lambda test: test.start('nova-metadata'))
        self.assertFails(parent, 'SF204')

        class Child(parent):
            ALLOWED_SERVICES = (
                *service_start.DEFAULT_ALLOWED,
                'metadata',
            )

        self.assertPasses(Child)


REFUSED = (
    'SF204 (CWE-862): nova-metadata on host1 would start, and the test may '
    'start compute, conductor, scheduler'
)


def plain(test, binary):
    test.start(binary)


def in_cleanup(test, binary):
    test.addCleanup(test.start, binary)


def in_a_thread(test, binary):
    errors = []

    def start():
        try:
            test.start(binary)
        except AssertionError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()


def made_only(test, binary):
    start_doubles.Service(test.guard_starts, binary)


def renamed(test, binary):
    service = start_doubles.Service(test.guard_starts, 'nova-compute')
    service.binary = binary
    service.start()
    test.addCleanup(service.stop)


def in_its_own_way(test, binary):
    test.start(binary, cls=start_doubles.OwnStart)


class TestStarts(start_doubles.TestCase):
    WAYS = (
        plain,
        start_doubles.swallowed,
        in_cleanup,
        in_a_thread,
        made_only,
        renamed,
        in_its_own_way,
    )

    def test_ways(self):
        for way in self.WAYS:
            with self.subTest(way=way.__name__):
                case = self.inner(
                    lambda test, way=way: way(test, 'nova-metadata'),
                    guard_starts=self.starts,
                )
                self.assertFails(case, REFUSED)
                self.assertNotIn('nova-metadata on host1', self.starts.made)
                self.assertNotIn('nova-metadata on host1', self.starts.started)
                ((name, outcome, said),) = self.events('deny')
                self.assertEqual('nova-metadata on host1', name)
                self.assertEqual('failure', outcome)
                self.assertEqual('nova-metadata', said['binary'])
                self.assertEqual('host1', said['host'])

    def test_twins(self):
        for way in self.WAYS:
            with self.subTest(way=way.__name__):
                case = self.inner(
                    lambda test, way=way: way(test, 'nova-scheduler'),
                    guard_starts=self.starts,
                )
                self.assertPasses(case)
                self.assertEqual([], self.events('deny'))

    def test_in_set_up(self):
        def set_up(test):
            parent.setUp(test)
            test.start('nova-metadata')

        parent = self.inner(lambda test: None)
        self.assertFails(type('Inner', (parent,), {'setUp': set_up}), REFUSED)

    def test_in_a_test_that_fails(self):
        def act(test):
            start_doubles.swallowed(test, 'nova-metadata')
            raise ZeroDivisionError

        result = self.run_inner(self.inner(act))
        text = '\n'.join(base.problems(result))
        self.assertIn('ZeroDivisionError', text)
        self.assertIn(REFUSED, text)

    def test_in_a_set_up_that_fails(self):
        def set_up(test):
            parent.setUp(test)
            start_doubles.swallowed(test, 'nova-metadata')
            raise ZeroDivisionError

        parent = self.inner(lambda test: None)
        case = type('Inner', (parent,), {'setUp': set_up})
        text = '\n'.join(base.problems(self.run_inner(case)))
        self.assertIn('ZeroDivisionError', text)
        self.assertIn(REFUSED, text)

    def test_says_where(self):
        self.assertFails(
            self.inner(lambda test: test.start('nova-metadata')),
            f' at {start_doubles.__file__}:',
            'or list it in ALLOWED_SERVICES.',
        )

    def test_waived(self):
        @safe_fixtures.waive('SF204', reason='the metadata API is the topic')
        def test_it(test):
            test.start('nova-metadata')

        self.assertPasses(self.inner(plain, test_it=test_it))
        # Recorded once, though it is checked twice: made, and started.
        self.assertEqual(1, len(self.events('evaluate/violation')))
        self.assertEqual(1, len(self.events('allow/waiver')))
        self.assertEqual(1, len(self.events('start/service')))

    def test_audited(self):
        self.configure(rule_modes='SF204:audit')
        self.assertPasses(self.inner(lambda test: test.start('nova-metadata')))
        self.assertEqual(1, len(self.events('evaluate/violation')))
        self.assertEqual(1, len(self.events('start/service')))

    def test_off(self):
        self.configure(rule_modes='SF204:off')
        self.assertPasses(self.inner(lambda test: test.start('nova-metadata')))
        self.assertEqual([], self.events('evaluate/violation'))

    def test_expected(self):
        def act(test):
            with testing.expect_violation('SF204') as seen:
                test.start('nova-metadata')
            test.assertIn('nova-metadata on host1', seen[0].message)

        self.assertPasses(self.inner(act))

    def test_record(self):
        self.assertPasses(self.inner(lambda test: test.start(host='h')))
        ((name, outcome, said),) = self.events('start/service')
        self.assertEqual('nova-compute on h', name)
        self.assertEqual('success', outcome)
        self.assertEqual('nova-compute', said['binary'])
        self.assertEqual('h', said['host'])
        self.assertEqual(0.25, said['seconds'])
        self.assertIn(f'{start_doubles.__file__}:', said['where'])

    def test_nested(self):
        """All guards must permit it."""
        for outer, inner in ((['compute'], None), (None, ['compute'])):
            with self.subTest(outer=outer, inner=inner):
                with self.guard(outer), self.guard(inner):
                    self.starts.start('nova-compute').stop()
                    with safe_fixtures.expect_violation('SF204'):
                        self.starts.start('nova-scheduler')

    def test_nested_is_recorded_once(self):
        with audit.AuditTrail() as trail, self.guard(), self.guard():
            self.starts.start('nova-compute').stop()
        started = [
            event
            for event in trail.events
            if event['action'] == 'start/service'
        ]
        self.assertEqual(
            [start_doubles.UUID], [each['target']['id'] for each in started]
        )

    def test_nothing_is_kept(self):
        guard = self.guard()
        with guard:
            service = weakref.ref(self.starts.start())
            service().stop()
            gc.collect()
            self.assertIsNotNone(service())
        gc.collect()
        self.assertIsNone(service())


class TestOver(start_doubles.TestCase):
    """A start for a test that is over, during the next test."""

    def run_after(self, leave, pick_up):
        left = []
        self.assertPasses(self.inner(lambda test: left.append(leave(test))))
        case = self.inner(lambda test: pick_up(left[0]))
        return case

    def test_service_that_it_made(self):
        case = self.run_after(
            lambda test: start_doubles.Service(self.starts, 'nova-compute'),
            lambda service: service.start(),
        )
        self.assertFails(
            case,
            'SF204 (CWE-862): nova-compute on host1 would start, and its '
            f'test is over ({start_doubles.__name__}.TestCase.inner.<locals>'
            '.Inner',
        )
        self.assertEqual([], self.starts.started)

    def test_thread_that_it_left(self):
        go = threading.Event()

        def leave(test):
            def wait(test):
                go.wait(30)
                start_doubles.swallowed(test, 'nova-compute')

            type(test).wait = wait
            thread = threading.Thread(target=test.wait)
            thread.start()
            return thread

        def pick_up(thread):
            go.set()
            thread.join()

        self.assertFails(self.run_after(leave, pick_up), 'its test is over')
        self.assertEqual([], self.starts.started)

    def test_twins(self):
        """A test may start what it makes, until it is over."""

        def across_guards(test):
            with self.guard(test=test):
                service = start_doubles.Service(self.starts, 'nova-compute')
            with self.guard(test=test):
                service.start()
                service.stop()

        def in_a_thread_of_its_own(test):
            thread = threading.Thread(target=test.start)
            thread.start()
            thread.join()

        def in_an_inner_test(test):
            service = start_doubles.Service(self.starts, 'nova-compute')
            self.assertPasses(
                self.inner(lambda test: (service.start(), service.stop()))
            )

        for act in (across_guards, in_a_thread_of_its_own, in_an_inner_test):
            with self.subTest(act=act.__name__):
                self.assertPasses(self.inner(act))

    def test_made_before_there_was_a_guard(self):
        service = start_doubles.Service(self.starts, 'nova-compute')

        def act(test):
            service.start()
            test.addCleanup(service.stop)

        self.assertPasses(self.inner(act))

    def test_another_guard_of_the_test_is_over(self):
        with self.guard():
            self.starts.start().stop()
        # The test is not, whomever the next guard is for.
        with self.guard(test=self.inner(plain)('test_it')):
            self.starts.start().stop()

    def test_the_same_test_once_more(self):
        test = self.inner(lambda test: test.start())('test_it')
        for _ in range(2):
            result = testtools.TestResult()
            test.run(result)
            self.assertEqual([], base.problems(result))
