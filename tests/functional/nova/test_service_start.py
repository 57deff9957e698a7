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

"""ServiceStartGuard on real Nova."""

import contextlib
import sys
import threading
from unittest import mock

import ddt
import fixtures
import greenlet
from nova.cmd import conductor as cmd_conductor
from nova.cmd import scheduler as cmd_scheduler
from nova.conductor import manager as conductor_manager
import nova.context
from nova import objects
from nova import service as nova_service
from nova.service import Service as EarlyBound
from nova import test
from nova.tests import fixtures as nova_fixtures
from oslo_config import fixture as config_fixture
from oslo_service import loopingcall
import testtools

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures import expect_violation
from safe_fixtures.guards import service_start
from safe_fixtures import nova as safe_nova
from safe_fixtures.nova import service_start as nova_service_start
from safe_fixtures import waive
from tests.functional.nova import inner
from tests.support import subtests

EVENTLET = threading.local.__module__.startswith('eventlet.')
# From Nova 34 on.
POOLS = 'nova.thread_pool_factory'
PATCHED = ('__init__', 'start', 'stop')


def identities():
    return [id(vars(nova_service.Service)[name]) for name in PATCHED]


def make_guard(case, allowed=None):
    return service_start.ServiceStartGuard(
        allowed, starts=nova_service_start.STARTS, test=case
    )


class GuardedMixin:
    """Guarded from before Nova's own set-up."""

    def setUp(self):
        self.useFixture(config_fixture.Config(conf.CONF)).config(
            group='safe_fixtures',
            **{
                'mode': 'enforce',
                'rule_modes': 'SF503:audit',
                **self.settings,
            },
        )
        self.kept.trail = self.useFixture(audit.AuditTrail())
        self.useFixture(safe_nova.InstalledNova())
        self.useFixture(make_guard(self))
        super().setUp()

    def records(self):
        """Return the binaries that have a record."""
        context = nova.context.get_admin_context()
        return {
            service.binary for service in objects.ServiceList.get_all(context)
        }


class Guarded(GuardedMixin, test.TestCase):
    # Conductor and scheduler need no fixtures; the scheduler is refused.
    ALLOWED_SERVICES = ('conductor',)


class Manager(conductor_manager.ConductorManager):
    """Counts its instances."""

    made = 0

    def __init__(self, *args, **kwargs):
        type(self).made += 1
        super().__init__(*args, **kwargs)


class StartTestCase(subtests.SubTests, testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.before = identities()
        if POOLS in sys.modules:
            # A service that stops would shut down the pools of all tests.
            self.useFixture(
                fixtures.MonkeyPatch(
                    f'{POOLS}.shutdown_all_executors', lambda: None
                )
            )

    def run_test(self, act, base=Guarded, settings=(), **attributes):
        """Run an inner test; returns what went wrong, as text."""

        class Inner(base):
            def test(self):
                act(self)

        attributes.update(kept=self, settings=dict(settings))
        for name, value in attributes.items():
            setattr(Inner, name, value)
        self.result = inner.run_inner(Inner)
        # However the test ended.
        self.assertEqual(self.before, identities())
        return inner.problems(self.result)

    def assert_passes(self, act, **kwargs):
        self.assertEqual('', self.run_test(act, **kwargs))

    def events(self, action):
        return [
            (event['target']['name'], audit.details(event))
            for event in self.trail.events
            if event['action'] == action
        ]


# Each starts a service, and stops it in a cleanup.


def start_service(case, name):
    case.start_service(name)


def fixture(case, name):
    case.useFixture(nova_fixtures.ServiceFixture(name, host='host1'))


def _run(case, service):
    case.addCleanup(service.stop)
    service.start()


def create(case, name):
    _run(case, nova_service.Service.create(binary=f'nova-{name}'))


def early_bound(case, name):
    _run(case, EarlyBound.create(host='host1', binary=f'nova-{name}'))


def by_hand(case, name):
    binary = f'nova-{name}'
    manager = nova_service.SERVICE_MANAGERS[binary]
    _run(case, EarlyBound('host1', binary, name, manager))


def by_keywords(case, name):
    binary = f'nova-{name}'
    manager = nova_service.SERVICE_MANAGERS[binary]
    _run(
        case,
        EarlyBound(topic=name, manager=manager, binary=binary, host='host1'),
    )


def subclass(case, name):
    class Subclass(EarlyBound):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

        def start(self):
            super().start()

    _run(case, Subclass.create(host='host1', binary=f'nova-{name}'))


def started_in_its_own_way(case, name):
    class Subclass(EarlyBound):
        def start(self):
            """Start nothing, so that there is nothing to stop."""

        def stop(self):
            pass

    _run(case, Subclass.create(host='host1', binary=f'nova-{name}'))


def renamed(case, name):
    service = nova_service.Service.create(
        host='host1', binary='nova-conductor'
    )
    service.binary = f'nova-{name}'
    _run(case, service)


def swallowed(case, name):
    with contextlib.suppress(Exception):
        case.start_service(name)


def in_cleanup(case, name):
    case.addCleanup(case.start_service, name)


def in_thread(case, name):
    def start():
        with contextlib.suppress(AssertionError):
            create(case, name)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()


def in_greenlet(case, name):
    if EVENTLET:
        # The hub must know a greenlet that waits. With threads, Nova forbids
        # to import eventlet.
        sys.modules['eventlet'].spawn(create, case, name).wait()
    else:
        greenlet.greenlet(lambda: create(case, name)).switch()


def in_wider_guard(case, name):
    with make_guard(case, ['conductor', 'scheduler', 'compute']):
        case.start_service(name)


def command(case, name):
    main = {'conductor': cmd_conductor, 'scheduler': cmd_scheduler}[name].main

    # It would fork, and wait for ever.
    with (
        mock.patch.multiple(
            nova_service, serve=mock.DEFAULT, wait=mock.DEFAULT
        ) as ends,
        mock.patch.multiple(
            main.__globals__['config'], parse_args=mock.DEFAULT
        ),
        mock.patch.multiple(main.__globals__['logging'], setup=mock.DEFAULT),
        mock.patch.multiple(
            main.__globals__['gmr'].TextGuruMeditation,
            setup_autorun=mock.DEFAULT,
        ),
    ):
        main()
    _run(case, ends['serve'].call_args.args[0])


WAYS = (
    start_service,
    fixture,
    create,
    early_bound,
    by_hand,
    by_keywords,
    subclass,
    started_in_its_own_way,
    renamed,
    swallowed,
    in_cleanup,
    in_thread,
    in_greenlet,
    in_wider_guard,
    command,
)


@ddt.ddt
class TestWays(StartTestCase):
    @ddt.data(*WAYS)
    def test_refused(self, way):
        def act(case):
            case.addCleanup(lambda: records.update(case.records()))
            way(case, 'scheduler')

        records = set()
        problems = self.run_test(act)
        self.assertIn('SF204 (CWE-862): nova-scheduler on ', problems)
        self.assertIn(
            'would start, and the test may start conductor', problems
        )
        self.assertNotIn('nova-scheduler', records)
        self.assertIn('nova-scheduler on ', self.events('deny')[0][0])

    @ddt.data(*WAYS)
    def test_twin(self, way):
        self.assert_passes(lambda case: way(case, 'conductor'))
        self.assertEqual([], self.events('deny'))
        if way is not started_in_its_own_way:
            name, said = self.events('start/service')[0]
            self.assertIn('nova-conductor on ', name)
            self.assertEqual('nova-conductor', said['binary'])


class TestStart(StartTestCase):
    def test_nothing_is_made(self):
        manager = f'{__name__}.{Manager.__name__}'

        def act(case, name):
            case.useFixture(
                nova_fixtures.ServiceFixture(name, manager=manager)
            )

        Manager.made = 0
        self.assertIn(
            'nova-strange on strange would start, and ',
            self.run_test(lambda case: act(case, 'strange')),
        )
        self.assertEqual(0, Manager.made)
        self.assert_passes(lambda case: act(case, 'conductor'))
        self.assertEqual(1, Manager.made)

    def test_in_set_up(self):
        class SetUp(Guarded):
            binary = 'scheduler'

            def setUp(self):
                super().setUp()
                swallowed(self, self.binary)
                self.end()

            def end(self):
                raise ZeroDivisionError

        def passes(case):
            pass

        problems = self.run_test(passes, base=SetUp)
        self.assertIn('ZeroDivisionError', problems)
        self.assertIn('SF204 (CWE-862): nova-scheduler', problems)
        problems = self.run_test(passes, base=SetUp, end=passes)
        self.assertIn('SF204 (CWE-862): nova-scheduler', problems)
        self.assert_passes(passes, base=SetUp, end=passes, binary='conductor')

    def test_in_a_test_that_fails(self):
        def act(case):
            swallowed(case, 'scheduler')
            case.fail('for another reason')

        problems = self.run_test(act)
        self.assertIn('for another reason', problems)
        self.assertIn('SF204 (CWE-862): nova-scheduler', problems)

    def test_waived(self):
        @waive('SF204', reason='the scheduler is what it is about')
        def test(case):
            case.start_service('scheduler')
            self.assertIn('nova-scheduler', case.records())

        self.assert_passes(None, test=test)
        self.assertEqual(1, len(self.events('allow/waiver')))

    def test_made_before_the_guard(self):
        """A service that was made before the guard is checked at its start."""

        class Before(Guarded):
            def setUp(self):
                self.made = []
                test.TestCase.setUp(self)
                self.made.append(EarlyBound.create(binary=self.binary))
                self.useFixture(make_guard(self))

        class Twin(Before):
            binary = 'nova-conductor'

        Before.binary = 'nova-scheduler'
        for cls, refused in ((Before, True), (Twin, False)):
            with self.subTest(cls.__name__):
                problems = self.run_test(
                    lambda case: _run(case, case.made[0]), base=cls
                )
                self.assertEqual(
                    refused, 'SF204 (CWE-862)' in problems, problems
                )

    def test_made_in_a_test_that_is_over(self):
        left = []
        self.assert_passes(
            lambda case: left.append(
                EarlyBound.create(host='h', binary='nova-conductor')
            )
        )
        self.assertIn(
            'nova-conductor on h would start, and its test is over',
            self.run_test(lambda case: left[0].start()),
        )


if hasattr(nova_service, 'WSGIService'):

    class TestWSGIService(StartTestCase):
        """The second class of services, in Nova 31."""

        PATCHED_CLASS = nova_service.WSGIService

        def act(self, case):
            server = case.useFixture(nova_fixtures.OSMetadataServer())
            self.services.append(server.metadata)

        def setUp(self):
            super().setUp()
            self.services = []
            before = [id(vars(self.PATCHED_CLASS)[n]) for n in PATCHED]
            self.addCleanup(
                lambda: self.assertEqual(
                    before, [id(vars(self.PATCHED_CLASS)[n]) for n in PATCHED]
                )
            )

        def test_refused(self):
            self.assertIn(
                'SF204 (CWE-862): nova-metadata on ', self.run_test(self.act)
            )
            self.assertEqual([], self.services)

        def test_twin(self):
            self.assert_passes(self.act, ALLOWED_SERVICES=('metadata',))
            self.assert_passes(self.act, ALLOWED_SERVICES=None)


class TestRestart(StartTestCase):
    def test_compute(self):
        class Integrated(GuardedMixin, safe_nova.SafeIntegratedTestBase):
            """Whether or not the base has a guard of its own."""

        def act(case):
            compute = case.restart_compute_service(case.compute)
            with make_guard(case, ['scheduler']):
                with expect_violation('SF204') as seen:
                    case.restart_compute_service(compute)
            case.assertIn('nova-compute on compute', seen[0].message)

        self.assert_passes(act, base=Integrated)
        started = [name for name, _ in self.events('start/service')]
        self.assertEqual(3, len(set(started)))
        # Each guard records it twice, and the base may have a guard too.
        self.assertIn(started.count('nova-compute on compute'), (2, 4))


class TestLeft(StartTestCase):
    """Services left running. Nova itself may fail the test as well."""

    def run_left(self, act, **kwargs):
        problems = self.run_test(
            lambda case: self.services.extend(act(case)), **kwargs
        )
        self.assertEqual(
            [True] * len(self.services),
            [not nova_service_start.STARTS.remains(s) for s in self.services],
        )
        return problems

    def setUp(self):
        super().setUp()
        self.services = []

    def started(self, host='host1'):
        service = EarlyBound.create(host=host, binary='nova-conductor')
        service.start()
        return service

    def halt(self, case, service):
        """Stop the RPC server in a cleanup, but not the timers."""
        case.addCleanup(service.rpcserver.wait)
        case.addCleanup(service.rpcserver.stop)

    def test_listens(self):
        problems = self.run_left(lambda case: [self.started()])
        self.assertIn(
            'SF205 (CWE-459): nova-conductor on host1 was left running (it '
            'listens, a periodic timer runs), started by ',
            problems,
        )
        self.assertIn(f'{__file__}:', problems)
        ((name, said),) = self.events('stop/service')
        self.assertEqual('nova-conductor on host1', name)
        self.assertEqual([], said['remains'])

    def test_has_timers(self):
        def act(case):
            service = self.started()
            self.halt(case, service)
            return [service]

        # Nova itself does not see this.
        problems = self.run_left(act)
        self.assertIn('was left running (a periodic timer runs)', problems)
        self.assertEqual(1, problems.count('Traceback'))
        self.assertEqual(
            '',
            self.run_left(
                act, settings={'rule_modes': 'SF205:audit,SF503:audit'}
            ),
        )
        ((_, said),) = self.events('evaluate/violation')
        self.assertIn(__file__, said['stack'][0])

    def test_timer_that_ended_by_itself(self):
        def act(case):
            service = self.started()
            self.halt(case, service)
            service.tg.stop()

            def end():
                raise loopingcall.LoopingCallDone()

            service.tg.add_timer_args(1, end).wait()
            return [service]

        self.assertEqual('', self.run_left(act))

    def test_started_once_more(self):
        """The RPC server of the first start belongs to nobody."""

        def act(case):
            service = self.started()
            first = service.rpcserver
            _run(case, service)
            self.assertIsNot(first, service.rpcserver)
            return [service]

        self.run_left(act)
        ((_, said),) = self.events('deny')
        self.assertEqual(['it listens'], said['remains'])

    def test_all_are_told(self):
        def act(case):
            return [self.started('host1'), self.started('host2')]

        problems = self.run_left(act)
        for host in ('host1', 'host2'):
            self.assertIn(f'nova-conductor on {host} was left', problems)
        self.assertEqual(2, len(self.events('stop/service')))

    def test_of_a_test_that_fails(self):
        def act(case):
            service = self.started()
            self.services.append(service)
            case.fail('for another reason')

        problems = self.run_left(act)
        self.assertIn('for another reason', problems)
        self.assertIn('SF205 (CWE-459): nova-conductor on host1', problems)

    def test_being_stopped(self):
        """A service that is being stopped is not left running."""
        stopping, go = threading.Event(), threading.Event()

        def act(case):
            service = self.started()
            end = service.tg.stop

            def stop(*args, **kwargs):
                stopping.set()
                go.wait(30)
                end(*args, **kwargs)

            service.tg.stop = stop
            thread = threading.Thread(target=service.stop)
            self.addCleanup(thread.join)
            self.addCleanup(go.set)
            thread.start()
            stopping.wait(30)
            return [service]

        self.assertEqual('', self.run_left(act))
        self.assertEqual([], self.events('stop/service'))
