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

ServiceStartGuard = service_start.ServiceStartGuard


UUID = '0c4f1f7e-6c4f-4d0b-9d0e-7a2f3f3c9b10'


class Service:
    """A service that runs in nobody's process."""

    def __init__(self, starts, binary, host='host1'):
        self.starts = starts
        self.binary = binary
        self.host = host
        self.remains = []
        starts.permit(self)
        starts.made.append(str(self))

    def __str__(self):
        return f'{self.binary} on {self.host}'

    def start(self):
        self.starts.permit(self)
        for watcher in self.starts.watchers:
            watcher.starting(self, self.binary, self.host)
        self.remains = ['it listens', '2 periodic timers run']
        for watcher in self.starts.watchers:
            watcher.started(self, UUID, 0.25, False)
        self.starts.started.append(str(self))

    def stop(self):
        self.remains = []


class OwnStart(Service):
    """A service that starts itself in its own way."""

    def start(self):
        self.remains = ['it listens']


class Starts:
    """Where they are started."""

    usual = ()

    def __init__(self):
        self.watchers = []
        self.made = []
        self.started = []
        self.halted = []
        self.seconds = []

    def watch(self, watcher):
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    def permit(self, service):
        for watcher in list(self.watchers):
            watcher.permit(service, service.binary, service.host)

    def remains(self, service):
        return list(service.remains)

    def halt(self, service, seconds):
        self.halted.append(str(service))
        self.seconds.append(seconds)
        service.stop()

    def start(self, binary='nova-compute', host='host1', cls=Service):
        service = cls(self, binary, host)
        service.start()
        return service


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.starts = Starts()
        # What one test leaves must be nothing to another.
        self.addCleanup(self.assertEqual, [], self.starts.watchers)
        self.addCleanup(self.assertEqual, [], service_start._active)

    def guard(self, *args, **kwargs):
        return ServiceStartGuard(*args, starts=self.starts, **kwargs)

    def inner(self, act, **attributes):
        """Return a test that is guarded from before its own set-up."""
        outer = self

        class Inner(testtools.TestCase):
            def setUp(self):
                outer.trail = self.useFixture(audit.AuditTrail())
                self.useFixture(outer.guard(test=self))
                super().setUp()

            def start(self, *args, **kwargs):
                service = outer.starts.start(*args, **kwargs)
                self.addCleanup(service.stop)
                return service

            def test_it(self):
                act(self)

        for name, value in attributes.items():
            setattr(Inner, name, value)
        return Inner

    def events(self, action):
        return [
            (event['target']['name'], event['outcome'], audit.details(event))
            for event in self.trail.events
            if event['action'] == action
        ]


class TestContract(testing.FixtureContract, TestCase):
    def make_fixture(self):
        return self.guard()

    def use(self, fixture):
        self.starts.start().stop()

    def state(self):
        return (
            tuple(id(watcher) for watcher in self.starts.watchers),
            tuple(id(guard) for guard in service_start._active),
        )


class TestAllowed(TestCase):
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
            exceptions.ConfigurationError, ServiceStartGuard().setUp
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
            self.assertAllows(self.guard(allowed), 'nova-compute', 'compute')

    def test_given_goes_before_the_attribute(self):
        test = self.inner(lambda test: None, ALLOWED_SERVICES=['scheduler'])(
            'test_it'
        )
        self.assertAllows(self.guard(test=test), 'nova-scheduler')
        self.assertAllows(self.guard(['metadata'], test=test), 'nova-metadata')

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


def swallowed(test, binary):
    try:
        test.start(binary)
    except Exception:
        test.swallowed = True


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
    Service(test.guard_starts, binary)


def renamed(test, binary):
    service = Service(test.guard_starts, 'nova-compute')
    service.binary = binary
    service.start()
    test.addCleanup(service.stop)


def in_its_own_way(test, binary):
    test.start(binary, cls=OwnStart)


class TestStarts(TestCase):
    WAYS = (
        plain,
        swallowed,
        in_cleanup,
        in_a_thread,
        made_only,
        renamed,
        in_its_own_way,
    )

    def test_ways(self):
        for way in self.WAYS:
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
            swallowed(test, 'nova-metadata')
            raise ZeroDivisionError

        result = self.run_inner(self.inner(act))
        text = '\n'.join(base.problems(result))
        self.assertIn('ZeroDivisionError', text)
        self.assertIn(REFUSED, text)

    def test_in_a_set_up_that_fails(self):
        def set_up(test):
            parent.setUp(test)
            swallowed(test, 'nova-metadata')
            raise ZeroDivisionError

        parent = self.inner(lambda test: None)
        case = type('Inner', (parent,), {'setUp': set_up})
        text = '\n'.join(base.problems(self.run_inner(case)))
        self.assertIn('ZeroDivisionError', text)
        self.assertIn(REFUSED, text)

    def test_says_where(self):
        self.assertFails(
            self.inner(lambda test: test.start('nova-metadata')),
            f' at {__file__}:',
            'or list it in ALLOWED_SERVICES.',
        )

    def test_waived(self):
        @safe_fixtures.waive('SF204', reason='the metadata API is the topic')
        def test_it(test):
            test.start('nova-metadata')

        self.assertPasses(self.inner(plain, test_it=test_it))
        # Once, though it is asked for twice: made, and started.
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
        self.assertIn(f'{__file__}:', said['where'])

    def test_nested(self):
        """All guards must permit it."""
        for outer, inner in ((['compute'], None), (None, ['compute'])):
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
        self.assertEqual([UUID], [each['target']['id'] for each in started])

    def test_nothing_is_kept(self):
        guard = self.guard()
        with guard:
            service = weakref.ref(self.starts.start())
            service().stop()
            gc.collect()
            self.assertIsNotNone(service())
        gc.collect()
        self.assertIsNone(service())


class TestOver(TestCase):
    """What a test that is over starts is none of the next one."""

    def run_after(self, leave, pick_up):
        left = []
        self.assertPasses(self.inner(lambda test: left.append(leave(test))))
        case = self.inner(lambda test: pick_up(left[0]))
        return case

    def test_service_that_it_made(self):
        case = self.run_after(
            lambda test: Service(self.starts, 'nova-compute'),
            lambda service: service.start(),
        )
        self.assertFails(
            case,
            'SF204 (CWE-862): nova-compute on host1 would start, and its '
            f'test is over ({__name__}.TestCase.inner.<locals>.Inner',
        )
        self.assertEqual([], self.starts.started)

    def test_thread_that_it_left(self):
        go = threading.Event()

        def leave(test):
            def wait(test):
                go.wait(30)
                swallowed(test, 'nova-compute')

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
        """Whatever a test makes, it starts as long as it lasts."""

        def across_guards(test):
            with self.guard(test=test):
                service = Service(self.starts, 'nova-compute')
            with self.guard(test=test):
                service.start()
                service.stop()

        def in_a_thread_of_its_own(test):
            thread = threading.Thread(target=test.start)
            thread.start()
            thread.join()

        def in_an_inner_test(test):
            service = Service(self.starts, 'nova-compute')
            self.assertPasses(
                self.inner(lambda test: (service.start(), service.stop()))
            )

        for act in (across_guards, in_a_thread_of_its_own, in_an_inner_test):
            self.assertPasses(self.inner(act))

    def test_made_before_there_was_a_guard(self):
        service = Service(self.starts, 'nova-compute')

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


LEFT = (
    'SF205 (CWE-459): nova-compute on host1 was left running (it listens, '
    f'2 periodic timers run), started by {__file__}:'
)


class TestLeft(TestCase):
    def setUp(self):
        super().setUp()
        starts = self.starts
        self.leave = lambda test: starts.start()

    def test_audited(self):
        self.configure(rule_modes='SF205:audit')
        self.assertPasses(self.inner(self.leave))
        ((name, outcome, said),) = self.events('evaluate/violation')
        self.assertEqual('nova-compute on host1', name)
        self.assertEqual(
            ['it listens', '2 periodic timers run'], said['remains']
        )
        # From the test's own method inwards.
        self.assertEqual(5, len(said['stack']), said['stack'])
        for line in said['stack']:
            self.assertIn(f'{__file__}:', line)
        self.assertEqual(said['stack'][0], said['where'])

    def test_enforced(self):
        self.configure(rule_modes='SF205:enforce')
        self.assertFails(
            self.inner(self.leave), LEFT, 'or stop the service in a cleanup.'
        )

    def test_twin(self):
        self.configure(mode='enforce')
        self.assertPasses(self.inner(lambda test: test.start()))
        self.assertEqual([], self.starts.halted)
        self.assertEqual([], self.events('stop/service'))

    def test_in_a_test_that_fails(self):
        def act(test):
            self.starts.start()
            raise ZeroDivisionError

        self.configure(rule_modes='SF205:enforce')
        self.assertFails(self.inner(act), LEFT, 'raise ZeroDivisionError')

    def test_in_a_set_up_that_fails(self):
        def set_up(test):
            parent.setUp(test)
            self.starts.start()
            raise ZeroDivisionError

        self.configure(rule_modes='SF205:enforce')
        parent = self.inner(lambda test: None)
        case = type('Inner', (parent,), {'setUp': set_up})
        self.assertFails(case, LEFT, 'raise ZeroDivisionError')

    def test_all_are_told(self):
        def act(test):
            self.starts.start(host='h1')
            self.starts.start('nova-conductor', 'h2')
            test.start(host='h3')

        self.configure(rule_modes='SF205:enforce')
        text = '\n'.join(base.problems(self.run_inner(self.inner(act))))
        self.assertIn('nova-compute on h1 was left running', text)
        self.assertIn('nova-conductor on h2 was left running', text)
        self.assertNotIn('nova-compute on h3', text)
        self.assertEqual(
            ['nova-compute on h1', 'nova-conductor on h2'], self.starts.halted
        )

    def test_stopped_and_recorded(self):
        self.configure(rule_modes='SF205:audit')
        self.configure(restore_timeout='2.5')
        self.assertPasses(self.inner(self.leave))
        self.assertEqual(['nova-compute on host1'], self.starts.halted)
        self.assertEqual([2.5], self.starts.seconds)
        self.assertEqual(
            [
                (
                    'nova-compute on host1',
                    'success',
                    {'how': 'stopped', 'remains': []},
                )
            ],
            self.events('stop/service'),
        )

    def test_one_that_does_not_stop(self):
        self.configure(rule_modes='SF205:audit')

        def halt(service, seconds):
            self.starts.halted.append(str(service))
            raise TimeoutError('too slow')

        def act(test):
            self.starts.start(host='h1')
            self.starts.start(host='h2')

        self.starts.halt = halt
        self.assertPasses(self.inner(act))
        self.assertEqual(2, len(self.starts.halted))
        for _, outcome, said in self.events('stop/service'):
            self.assertEqual('failure', outcome)
            self.assertEqual('TimeoutError: too slow', said['how'])
            self.assertIn('it listens', said['remains'])

    def test_off(self):
        self.configure(rule_modes='SF205:off')
        self.assertPasses(self.inner(self.leave))
        self.assertEqual([], self.starts.halted)
        self.assertEqual([], self.events('stop/service'))

    def test_waived(self):
        @safe_fixtures.waive('SF205', reason='it dies with the process')
        def test_it(test):
            self.starts.start()

        self.configure(rule_modes='SF205:enforce')
        self.assertPasses(self.inner(plain, test_it=test_it))
        self.assertEqual(1, len(self.events('allow/waiver')))
        self.assertEqual(['nova-compute on host1'], self.starts.halted)

    def test_started_in_its_own_way(self):
        self.configure(rule_modes='SF205:audit')
        self.assertPasses(
            self.inner(lambda test: self.starts.start(cls=OwnStart))
        )
        self.assertEqual(1, len(self.events('evaluate/violation')))

    def test_inner_guard_leaves_it_to_the_outer_one(self):
        def act(test):
            with self.guard(test=test):
                service = test.start()
            # The cleanups of the test are still to come.
            test.assertEqual(['it listens'], service.remains[:1])

        self.configure(mode='enforce')
        self.assertPasses(self.inner(act))

        def leave(test):
            with self.guard(test=test):
                self.starts.start()

        self.assertFails(self.inner(leave), LEFT)

    def test_inner_test_is_judged_by_itself(self):
        def act(test):
            self.configure(mode='enforce')
            self.assertFails(self.inner(self.leave), LEFT)

        self.assertPasses(self.inner(act))

    def test_in_a_block(self):
        self.configure(mode='enforce')
        guard = self.guard()
        guard.setUp()
        self.starts.start()
        error = self.assertRaises(exceptions.SafetyViolation, guard.cleanUp)
        self.assertEqual('SF205', error.code)
