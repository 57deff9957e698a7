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

"""The order in which computes and their servers are taken away."""

import pickle
import types

from oslo_utils import uuidutils
import testtools

from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards import services
from safe_fixtures.runtime import stack
from safe_fixtures import testing
from safe_fixtures import waive
from tests.support import base

REASON = 'local delete is what the test is about'
SERVER = 'a5f5dd8f-8b92-4e4a-a0a4-5ea9a6d3f0c1'
COMPUTE = 'http://localhost/v2.1'
IN_SERVICE = ('enabled', False)


def put(**body):
    """Return a way of a request."""

    def way(case, host):
        case.client.put_service(case.id_of(host), body)

    return way


def disable(case, host):
    case.toggle.disable(host)


def disable_with_a_reason(case, host):
    case.toggle.disable(host, 'why')


def force_down(case, host):
    case.toggle.force_down(host)


# How a test takes a compute away, by its client and by the toggle.
RAW = {
    'disable': put(status='disabled'),
    'disable, with a reason': put(status='disabled', disabled_reason='why'),
    'force down': put(forced_down=True),
    'both': put(status='disabled', forced_down=True),
}
OWN = {
    'toggle.disable': disable,
    'toggle.disable, with a reason': disable_with_a_reason,
    'toggle.force_down': force_down,
}
WAYS = {**RAW, **OWN}


class Computes:
    """A client of two computes, of which one has a server on it."""

    def setUp(self):
        super().setUp()
        self.client = testing.FakeComputeClient(
            ['full', 'empty'], servers={'full': [SERVER]}
        )
        self.trail = self.useFixture(audit.AuditTrail())
        self.toggle = self.useFixture(
            services.SafeServiceToggle(api=self.client, test=self)
        )

    def id_of(self, host):
        return self.client.get_services(host=host)[0]['id']

    def state(self, host='full'):
        service = self.client.get_services(host=host)[0]
        return service['status'], service['forced_down']

    def events(self, action):
        return [
            event for event in self.trail.events if event['action'] == action
        ]

    def content(self, action):
        (event,) = self.events(action)
        return event['attachments'][0]['content']


class TestCase(base.TestCase):
    def inner(self, act, host='full', leave=None, set_up=False):
        """Return a test that does something to a host."""
        outer = self

        class Inner(Computes, testtools.TestCase):
            def setUp(self):
                super().setUp()
                outer.case = self
                if set_up:
                    self.act()

            def act(self):
                act(self, host)
                if leave is not None:
                    leave(self)

            def test_it(self):
                if not set_up:
                    self.act()

        return Inner


def fail(case):
    case.fail('the test itself')


def err(case):
    raise ZeroDivisionError('the test itself')


class TestEnforced(TestCase):
    """What is refused, and the same where no server is on the compute."""

    def setUp(self):
        super().setUp()
        self.configure(rule_modes='SF203:enforce')

    def assertRefused(self, inner):
        self.assertFails(inner, 'SF203 (CWE-696): nova-compute on full')
        self.assertEqual(IN_SERVICE, self.case.state())
        self.assertEqual([], self.case.toggle.outages)
        puts = [call for call in self.case.client.calls if 'put' in call[0]]
        self.assertEqual([], puts)

    def test_is_refused_before_it_is_done(self):
        for name, way in WAYS.items():
            with self.subTest(name):
                self.assertRefused(self.inner(way))

    def test_is_refused_in_set_up(self):
        for name, way in WAYS.items():
            with self.subTest(name):
                self.assertRefused(self.inner(way, set_up=True))

    def test_is_refused_where_the_test_swallows_it(self):
        def swallow(way):
            def act(case, host):
                case.assertRaises(AssertionError, way, case, host)

            return act

        for name, way in WAYS.items():
            with self.subTest(name):
                self.assertRefused(self.inner(swallow(way)))

    def test_is_refused_where_the_test_fails_too(self):
        def swallow(case, host):
            case.assertRaises(AssertionError, disable, case, host)

        for leave in (fail, err):
            with self.subTest(leave.__name__):
                result = self.run_inner(self.inner(swallow, leave=leave))
                texts = '\n'.join(base.problems(result))
                self.assertIn('the test itself', texts)
                self.assertIn('SF203 (CWE-696)', texts)

    def test_nothing_is_said_of_an_empty_one(self):
        for name, way in WAYS.items():
            with self.subTest(name):
                self.assertPasses(self.inner(way, host='empty'))
                self.assertEqual([], self.case.events('allow/order'))
                self.assertEqual([], self.case.toggle.outages)

    def test_nothing_is_said_of_an_empty_one_of_a_test_that_fails(self):
        for leave in (fail, err):
            for set_up in (False, True):
                inner = self.inner(
                    disable, host='empty', leave=leave, set_up=set_up
                )
                (text,) = base.problems(self.assertFails(inner))
                self.assertIn('the test itself', text)

    def test_nothing_is_said_once_the_servers_are_gone(self):
        def act(case, host):
            case.client.servers[host].clear()
            case.toggle.force_down(host)

        self.assertPasses(self.inner(act))

    def test_nothing_is_said_of_what_brings_it_back(self):
        def act(case, host):
            case.client.servers['empty'] = []
            handle = case.toggle.disable('empty')
            case.toggle.force_down('empty')
            # Nobody says that this is sensible.
            case.client.servers['empty'] = [SERVER]
            case.toggle.force_up('empty')
            handle.restore()

        self.assertPasses(self.inner(act))

    def test_nothing_is_said_of_a_restore(self):
        def act(case, host):
            case.client.servers[host].clear()
            disabled = case.toggle.disable(host)
            case.toggle.enable(host)
            case.client.servers[host] = [SERVER]
            del disabled

        def start(case):
            # Given back is a compute that was disabled all along.
            case.client.servers['full'] = []

        self.assertPasses(self.inner(act, leave=start))

    def test_a_restore_may_disable(self):
        outer = self

        class Inner(testtools.TestCase):
            def test_it(self):
                outer.client = testing.FakeComputeClient(
                    ['full'], servers={'full': []}
                )
                key = outer.client.get_services()[0]['id']
                outer.client.put_service(key, {'status': 'disabled'})
                toggle = services.SafeServiceToggle(api=outer.client)
                self.useFixture(toggle).enable('full')
                outer.client.servers['full'].append(SERVER)

        self.assertPasses(Inner)
        (service,) = self.client.get_services()
        self.assertEqual('disabled', service['status'])

    def test_a_cleanup_may(self):
        def act(case, host):
            case.addCleanup(RAW['disable'], case, host)

        self.assertPasses(self.inner(act))

    def test_a_tear_down_may(self):
        class Inner(Computes, testtools.TestCase):
            def test_it(self):
                pass

            def tearDown(self):
                RAW['disable'](self, 'full')
                super().tearDown()

        self.assertPasses(Inner)

    def test_a_restart_may(self):
        def restart_compute_service(case, host):
            key = case.id_of(host)
            case.client.put_service(key, {'status': 'disabled'})
            case.client.put_service(key, {'status': 'enabled'})

        self.assertPasses(self.inner(restart_compute_service))

    def test_a_change_of_the_reason_is_none(self):
        def act(case, host):
            disable(case, 'empty')
            case.client.servers['empty'] = [SERVER]
            disable_with_a_reason(case, 'empty')

        self.assertPasses(self.inner(act))

    def test_is_about_computes(self):
        def act(case, host):
            for service in case.client._services.values():
                service['binary'] = 'nova-conductor'
            conductor = {'host': host, 'binary': 'nova-conductor'}
            case.toggle.disable(conductor)

        self.assertPasses(self.inner(act))

    def test_says_what_to_do(self):
        refused = []

        def act(case, host):
            for way in (disable, force_down):
                refused.append(
                    case.assertRaises(exceptions.WrongOrder, way, case, host)
                )

        self.assertFails(self.inner(act))
        for violation, verb in zip(
            refused, ('disable', 'force_down'), strict=True
        ):
            self.assertIn(
                f"service_toggle.{verb}('full', expecting_servers=True, "
                "reason='...'), or @waive('SF203', reason='...')",
                violation.remedy,
            )
            self.assertIn(f'({SERVER} (ACTIVE))', violation.message)
            self.assertIn('test_order.py:', violation.where)
            again = pickle.loads(pickle.dumps(violation))
            for known in (violation, again):
                self.assertEqual('nova-compute on full', known.service)
                self.assertEqual(
                    (services.HostedServer(SERVER, 'ACTIVE'),), known.servers
                )
            self.assertEqual(str(violation), str(again))
        self.assertEqual(
            ['disabled', 'forced down'], [known.how for known in refused]
        )

    def test_lists_ten_and_records_all(self):
        many = [uuidutils.generate_uuid() for _ in range(13)]

        def act(case, host):
            case.client.servers[host] = many
            force_down(case, host)

        result = self.assertFails(
            self.inner(act), '13 servers on it', 'and 3 more'
        )
        self.assertIn(many[9], base.problems(result)[0])
        self.assertNotIn(many[10], base.problems(result)[0])
        self.assertEqual(13, len(self.case.content('deny')['servers']))


class TestOtherModes(TestCase):
    def test_raw_ways_are_recorded(self):
        for mode in ('default', 'audit'):
            self.configure(mode=mode)
            for name, way in RAW.items():
                with self.subTest(name, mode=mode):
                    self.assertPasses(self.inner(way))
                    content = self.case.content('evaluate/violation')
                    self.assertEqual(
                        [f'{SERVER} (ACTIVE)'], content['servers']
                    )
                    self.assertEqual('audit', content['mode'])
                    self.assertEqual(1, len(self.case.toggle.outages))

    def test_the_toggle_refuses_in_each(self):
        for mode in ('default', 'audit', 'off', 'enforce'):
            self.configure(mode=mode)
            for name, way in OWN.items():
                with self.subTest(name, mode=mode):
                    self.assertFails(self.inner(way), 'SF203 (CWE-696)')
                    self.assertEqual(IN_SERVICE, self.case.state())

    def test_the_nearest_toggle_records(self):
        def act(case, host):
            inner = services.SafeServiceToggle(api=case.client)
            with inner:
                RAW['disable'](case, host)
            case.assertEqual(1, len(inner.outages))
            case.assertEqual([], case.toggle.outages)

        self.assertPasses(self.inner(act))

    def test_off(self):
        self.configure(rule_modes='SF203:off')
        for name, way in RAW.items():
            with self.subTest(name):
                self.assertPasses(self.inner(way))
                self.assertEqual([], self.case.events('evaluate/violation'))
                self.assertEqual([], self.case.toggle.outages)


class TestDeclared(TestCase):
    def setUp(self):
        super().setUp()
        self.configure(mode='enforce')

    def assertDeclared(self, inner, ended='the test ended'):
        self.assertPasses(inner)
        (outage,) = self.case.toggle.outages
        self.assertEqual(REASON, outage.reason)
        self.assertEqual(ended, outage.ended)
        self.assertEqual(IN_SERVICE, self.case.state())

    def test_by_force_down(self):
        def act(case, host):
            case.toggle.force_down(host, expecting_servers=True, reason=REASON)
            case.assertEqual(('enabled', True), case.state(host))

        self.assertDeclared(self.inner(act))
        content = self.case.content('allow/order')
        self.assertEqual(REASON, content['reason'])
        self.assertEqual([f'{SERVER} (ACTIVE)'], content['servers'])
        self.assertIn('SafeServiceToggle.force_down', content['by'])
        self.assertIn('test_order.py:', content['by'])

    def test_by_disable(self):
        def act(case, host):
            case.toggle.disable(host, REASON, expecting_servers=True)
            service = case.client.get_services(host=host)[0]
            case.assertEqual(REASON, service['disabled_reason'])

        self.assertDeclared(self.inner(act))

    def test_covers_what_else_is_done_to_it(self):
        def act(case, host):
            with case.toggle.disable(host, REASON, expecting_servers=True):
                force_down(case, host)
                RAW['both'](case, host)

        self.assertDeclared(self.inner(act), ended='in service again')

    def test_ends_with_the_block(self):
        def act(case, host):
            with case.toggle.disable(host, REASON, expecting_servers=True):
                pass
            disable(case, host)

        self.assertFails(self.inner(act), 'SF203 (CWE-696)')

    def test_ends_with_the_handle(self):
        def act(case, host):
            handle = case.toggle.disable(host, REASON, expecting_servers=True)
            handle.restore()
            handle.restore()
            force_down(case, host)

        self.assertFails(self.inner(act), 'SF203 (CWE-696)')

    def test_an_inner_one_ends_by_itself(self):
        def act(case, host):
            with case.toggle.disable(host, REASON, expecting_servers=True):
                with case.toggle.force_down(
                    host, expecting_servers=True, reason='another'
                ):
                    pass
                force_down(case, host)

        self.assertDeclared(self.inner(act), ended='in service again')
        self.assertEqual(
            [REASON, 'another', REASON],
            [
                event['attachments'][0]['content']['reason']
                for event in self.case.events('allow/order')
            ],
        )

    def test_ends_with_the_fixture(self):
        def act(case, host):
            with services.SafeServiceToggle(api=case.client) as toggle:
                toggle.disable(host, REASON, expecting_servers=True)
            disable(case, host)

        self.assertFails(self.inner(act), 'SF203 (CWE-696)')

    def test_holds_for_one_compute(self):
        def act(case, host):
            case.client.servers['empty'] = ['another']
            case.toggle.disable('empty', REASON, expecting_servers=True)
            disable(case, host)

        self.assertFails(
            self.inner(act), 'SF203 (CWE-696): nova-compute on full'
        )

    def test_holds_for_another_toggle(self):
        for first in (True, False):

            def act(case, host, first=first):
                other = case.useFixture(
                    services.SafeServiceToggle(api=case.client)
                )
                declaring, raw = (
                    (case.toggle, other) if first else (other, case.toggle)
                )
                declaring.disable(host, REASON, expecting_servers=True)
                raw.force_down(host)
                RAW['both'](case, host)

            self.assertPasses(self.inner(act))

    def test_what_fails_declares_nothing(self):
        def act(case, host):
            def broken(*args):
                raise ConnectionError('the API is down')

            case.client.servers['empty'] = ['another']
            put_service, case.client.put_service = (
                case.client.put_service,
                broken,
            )
            case.assertRaises(
                ConnectionError,
                case.toggle.disable,
                'empty',
                REASON,
                expecting_servers=True,
            )
            case.client.put_service = put_service
            case.assertEqual([], case.toggle.outages)
            disable(case, 'empty')

        self.assertFails(
            self.inner(act), 'SF203 (CWE-696): nova-compute on empty'
        )

    def test_needs_a_reason(self):
        def act(case, host):
            for reason in (None, '', ' \n', 5):
                for verb in (case.toggle.disable, case.toggle.force_down):
                    refused = case.assertRaises(
                        ValueError,
                        verb,
                        host,
                        expecting_servers=True,
                        reason=reason,
                    )
                    case.assertIn('needs a reason', str(refused))
            case.assertEqual(IN_SERVICE, case.state(host))
            case.assertEqual([], case.toggle.ledger)

        self.assertPasses(self.inner(act))

    def test_is_told_where_there_are_none(self):
        def act(case, host):
            case.toggle.force_down(
                'empty', expecting_servers=True, reason=REASON
            )

        self.assertFails(
            self.inner(act), 'SF901: servers were expected on nova-compute on'
        )
        self.assertEqual(IN_SERVICE, self.case.state('empty'))
        self.configure(mode='default')
        self.assertPasses(self.inner(act))
        self.assertIn(
            REASON, self.case.content('evaluate/violation')['message']
        )

    def test_by_a_waiver(self):
        for name, way in WAYS.items():
            with self.subTest(name):
                inner = self.inner(way)
                inner.test_it = waive('SF203', reason=REASON)(inner.test_it)
                self.assertDeclared(inner)
                self.assertEqual(1, len(self.case.events('allow/waiver')))

    def test_a_waiver_needs_a_reason(self):
        for reason in ('', '  ', None):
            self.assertRaises(ValueError, waive, 'SF203', reason=reason)

    def test_a_waiver_of_nothing_is_told(self):
        inner = self.inner(disable, host='empty')
        inner.test_it = waive('SF203', reason=REASON)(inner.test_it)
        inner.setUp = _without_a_trail(inner.setUp)
        self.assertFails(inner, 'SF901')


def _without_a_trail(set_up):
    """Have the toggle conclude the test, as where it is used alone."""

    def alone(case):
        testtools.TestCase.setUp(case)
        case.client = testing.FakeComputeClient(['full', 'empty'])
        case.toggle = case.useFixture(
            services.SafeServiceToggle(api=case.client, test=case)
        )

    return alone


class TestOutage(TestCase):
    def outage(self, inner):
        self.assertPasses(inner)
        (outage,) = self.case.toggle.outages
        return outage

    def test_of_a_block(self):
        def act(case, host):
            with case.toggle.disable(host, REASON, expecting_servers=True):
                force_down(case, host)
                case.toggle.force_up(host)
            case.assertEqual('in service again', case.toggle.outages[0].ended)

        outage = self.outage(self.inner(act))
        self.assertEqual('full', outage.service.host)
        self.assertEqual(
            (services.HostedServer(SERVER, 'ACTIVE'),), outage.servers
        )
        self.assertEqual(
            [
                'disabled',
                'forced down',
                f'disabled ({REASON!r})',
                'enabled',
            ],
            [moment.what for moment in outage.moments],
        )
        for moment in outage.moments[:3]:
            self.assertIn('test_order.py:', moment.by)
        seconds = [moment.seconds for moment in outage.moments]
        self.assertEqual(sorted(seconds), seconds)
        self.assertThat(
            outage.seconds, testtools.matchers.GreaterThan(seconds[-1])
        )

    def test_says_what_is_new(self):
        def act(case, host):
            case.toggle.force_down(host, expecting_servers=True, reason=REASON)
            disable(case, host)
            case.toggle.enable(host)
            disable(case, host)

        outage = self.outage(self.inner(act))
        self.assertEqual(
            ['forced down', 'disabled', 'enabled, forced down', 'disabled'],
            [moment.what for moment in outage.moments],
        )

    def test_is_in_the_ledger(self):
        def act(case, host):
            case.toggle.disable('empty')
            case.toggle.disable(host, REASON, expecting_servers=True)
            force_down(case, host)

        outage = self.outage(self.inner(act))
        self.assertEqual(
            [None, outage, outage],
            [entry.outage for entry in self.case.toggle.ledger],
        )

    def test_is_on_record(self):
        def act(case, host):
            case.toggle.disable(host, REASON, expecting_servers=True)

        outage = self.outage(self.inner(act))
        (event,) = self.case.events('monitor/outage')
        self.assertEqual(outage.service.uuid, event['target']['id'])
        content = self.case.content('monitor/outage')
        self.assertEqual(round(outage.seconds, 6), content['seconds'])
        self.assertEqual(REASON, content['declared'])
        self.assertEqual('the test ended', content['ended'])
        self.assertEqual([f'{SERVER} (ACTIVE)'], content['servers'])
        (moment,) = content['moments']
        self.assertIn('disabled by SafeServiceToggle.disable', moment)

    def test_starts_anew(self):
        def act(case, host):
            for _ in range(2):
                with case.toggle.disable(host, REASON, expecting_servers=True):
                    pass

        self.assertPasses(self.inner(act))
        self.assertEqual(
            ['in service again'] * 2,
            [outage.ended for outage in self.case.toggle.outages],
        )

    def test_of_a_restore_that_fails(self):
        def act(case, host):
            handle = case.toggle.disable(host, REASON, expecting_servers=True)

            def broken(*args):
                raise ConnectionError('the API is down')

            put_service, case.client.put_service = (
                case.client.put_service,
                broken,
            )
            case.assertRaises(exceptions.RestoreFailed, handle.restore)
            case.client.put_service = put_service
            (outage,) = case.toggle.outages
            case.assertIsNone(outage.ended)
            case.assertEqual(
                ['disabled'], [moment.what for moment in outage.moments]
            )

        # It was swallowed.
        self.assertFails(self.inner(act))

    def test_of_two_computes(self):
        def act(case, host):
            case.client.servers['empty'] = ['another']
            with case.toggle.disable(host, REASON, expecting_servers=True):
                case.toggle.disable('empty', REASON, expecting_servers=True)

        self.assertPasses(self.inner(act))
        self.assertEqual(
            [('full', 'in service again'), ('empty', 'the test ended')],
            [
                (outage.service.host, outage.ended)
                for outage in self.case.toggle.outages
            ],
        )

    def test_of_a_change_that_does_not_come_about(self):
        def act(case, host):
            def broken(*args):
                raise ConnectionError('the API is down')

            case.client.put_service = broken
            case.assertRaises(
                ConnectionError,
                case.toggle.disable,
                host,
                REASON,
                expecting_servers=True,
            )

        inner = self.inner(act)
        self.run_inner(inner)
        self.assertEqual([], self.case.toggle.outages)

    def test_of_a_change_that_did_not_come_about_before(self):
        def act(case, host):
            key = case.id_of(host)
            case.assertRaises(
                ValueError,
                case.client.put_service,
                key,
                {'disabled_reason': 'why', 'forced_down': True},
            )
            case.client.servers[host].clear()
            case.toggle.disable(host)

        self.assertPasses(self.inner(act))
        self.assertEqual([], self.case.toggle.outages)

    def test_keeps_no_more_than_it_should(self):
        def act(case, host):
            case.toggle.disable(host, REASON, expecting_servers=True)
            (outage,) = case.toggle.outages
            for by in ('one', 'another', 'another'):
                outage.note('forced down', by)
            case.assertEqual(
                [1, 1, 2], [moment.times for moment in outage.moments]
            )
            del outage.moments[1:]
            for number in range(300):
                outage.note(f'GET /servers/{number}: 200')
                outage.note(f'GET /servers/{number}: 200')
            # What is done to the compute is not crowded out.
            outage.note('stopped', 'one')

        outage = self.outage(self.inner(act))
        self.assertEqual(201, len(outage.moments))
        self.assertEqual('stopped', outage.moments[-1].what)
        self.assertEqual(2, outage.moments[1].times)
        # Those that are dropped are no row of anything.
        self.assertEqual(202, outage.dropped)
        self.assertIn('GET /servers/0: 200 (2 times)', str(outage))
        self.assertIn('and 202 more', str(outage))

    def test_a_failing_test_shows_it(self):
        for leave in (fail, err):
            for set_up in (False, True):
                with self.subTest(leave.__name__, set_up=set_up):
                    details = self.details_of(leave=leave, set_up=set_up)
                    timeline = details['safe_fixtures.timeline'].as_text()
                    self.assertIn(
                        'nova-compute on full was out of service with '
                        f'1 server on it, as declared: {REASON}\n'
                        '  +0.',
                        timeline,
                    )
                    # Also what came after the failure.
                    self.assertIn('the test ended', timeline)

    def test_a_passing_test_does_not(self):
        self.assertNotIn('safe_fixtures.timeline', self.details_of())

    def test_a_skipped_test_does_not(self):
        def skip(case):
            case.skipTest('for a reason')

        self.assertNotIn('safe_fixtures.timeline', self.details_of(leave=skip))

    def test_a_test_without_one_shows_none(self):
        def act(case, host):
            disable(case, 'empty')

        self.run_inner(self.inner(act, leave=fail))
        self.assertNotIn('safe_fixtures.timeline', self.case.getDetails())

    def details_of(self, **kwargs):
        def act(case, host):
            case.toggle.disable(host, REASON, expecting_servers=True)

        self.run_inner(self.inner(act, **kwargs))
        return self.case.getDetails()


class TestMeanwhile(TestCase):
    def test_starts(self):
        def act(case, host):
            case.toggle.disable(host, REASON, expecting_servers=True)
            (outage,) = case.toggle.outages
            for started in (
                ('full', 'nova-conductor'),
                ('empty', 'nova-compute'),
            ):
                case.toggle._ledger.started(*started)
            case.assertEqual(1, len(outage.moments))
            case.toggle._ledger.started('full', 'nova-compute')
            case.assertEqual('started', outage.moments[1].what)
            # It is still disabled.
            case.assertIsNone(outage.ended)

        self.assertPasses(self.inner(act))

    def test_requests(self):
        def act(case, host):
            asked = []
            get_servers = case.client.get_servers

            def counted(*args, **kwargs):
                asked.append(kwargs)
                return get_servers(*args, **kwargs)

            case.toggle.disable(host, REASON, expecting_servers=True)
            (outage,) = case.toggle.outages
            case.client.get_servers = counted
            for method, url, status, times in (
                # Of another service.
                ('GET', 'http://placement/allocations/1', 200, 0),
                ('DELETE', 'http://placement/allocations/1', 204, 0),
                # A poll takes no server away.
                ('GET', f'{COMPUTE}/servers/1', 200, 0),
                ('GET', f'{COMPUTE}/servers/1', 404, 1),
                ('DELETE', f'{COMPUTE}/servers/1', 204, 2),
                ('POST', f'{COMPUTE}/servers/1/action', 202, 3),
                # Some of that is over later.
                ('GET', f'{COMPUTE}/servers/1', 200, 4),
            ):
                case.toggle.after(served(method, url, status))
                case.assertEqual(times, len(asked))
            case.assertIsNone(outage.ended)
            case.client.servers[host].clear()
            case.toggle.after(served('DELETE', f'{COMPUTE}/servers/2', 204))
            case.assertEqual('no server is on it any more', outage.ended)
            case.toggle.after(served('DELETE', f'{COMPUTE}/servers/3', 204))
            case.assertEqual(
                [
                    'GET /servers/1: 200',
                    'GET /servers/1: 404',
                    'DELETE /servers/1: 204',
                    'POST /servers/1/action: 202',
                    'GET /servers/1: 200',
                    'DELETE /servers/2: 204',
                ],
                [moment.what for moment in outage.moments[1:]],
            )

        self.assertPasses(self.inner(act))


def served(method, url, status):
    """Return a request that was answered."""
    call = gate.ApiCall(types.SimpleNamespace(method=method, url=url))
    call.response = types.SimpleNamespace(status_code=status)
    return call


class TestUnknown(TestCase):
    """A client that cannot tell what is on a compute."""

    def client(self, **attributes):
        class Client(testing.FakeComputeClient):
            pass

        for name, value in attributes.items():
            setattr(Client, name, value)
        return Client(['full'], servers={'full': [SERVER]})

    def assertUnknown(self, client):
        outer = self

        class Inner(testtools.TestCase):
            def test_it(self):
                outer.trail = self.useFixture(audit.AuditTrail())
                toggle = services.SafeServiceToggle(api=client)
                self.useFixture(toggle).disable(
                    'full', REASON, expecting_servers=True
                )

        self.configure(mode='enforce')
        self.assertPasses(Inner)
        (event,) = [
            event
            for event in self.trail.events
            if event['action'] == 'evaluate/order'
        ]
        self.assertEqual('unknown', event['outcome'])

    def test_has_no_way(self):
        self.assertUnknown(self.client(get_servers=None))

    def test_may_not_ask(self):
        def refuse(*args, **kwargs):
            raise PermissionError('403')

        self.assertUnknown(self.client(get_servers=refuse))

    def test_means_something_else(self):
        self.assertUnknown(self.client(get_servers=lambda client: []))


class TestWithoutTestcase(base.TestCase):
    def test_a_toggle_by_itself(self):
        client = testing.FakeComputeClient(['full'], {'full': [SERVER]})
        with services.SafeServiceToggle(api=client) as toggle:
            toggle.disable('full', REASON, expecting_servers=True)
        (outage,) = toggle.outages
        self.assertEqual('the test ended', outage.ended)
        self.assertEqual('enabled', client.get_services()[0]['status'])


class TestCallsite(base.TestCase):
    def test_in_cleanup(self):
        seen = {}

        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                seen['set-up'] = stack.in_cleanup()
                self.addCleanup(self.note, 'cleanup')

            def note(self, where):
                seen[where] = stack.in_cleanup()

            def test_it(self):
                self.note('test')
                self.cleanUp()

            def cleanUp(self):
                self.note('a name of its own')

            def tearDown(self):
                self.note('tear-down')
                super().tearDown()

        self.assertPasses(Inner)
        self.assertEqual(
            {
                'set-up': False,
                'test': False,
                'a name of its own': False,
                'tear-down': True,
                'cleanup': True,
            },
            seen,
        )

    def test_is_within(self):
        def restart_compute_service():
            return (lambda: stack.is_within('restart_compute_service'))()

        self.assertTrue(restart_compute_service())
        self.assertFalse(stack.is_within('restart_compute_service'))
