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

"""Computes that are taken from their servers."""

import pickle

from oslo_utils import uuidutils
import testtools

from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures.guards import services
from safe_fixtures import testing
from safe_fixtures import waive
from tests.support import base
from tests.support import computes


class TestEnforced(computes.TestCase):
    """What is refused on a full compute, and allowed on an empty one."""

    def setUp(self):
        super().setUp()
        self.configure(rule_modes='SF203:enforce')

    def assertRefused(self, inner):
        self.assertFails(inner, 'SF203 (CWE-696): nova-compute on full')
        self.assertEqual(computes.IN_SERVICE, self.case.state())
        self.assertEqual([], self.case.toggle.outages)
        puts = [call for call in self.case.client.calls if 'put' in call[0]]
        self.assertEqual([], puts)

    def test_is_refused_before_it_is_done(self):
        for name, way in computes.WAYS.items():
            with self.subTest(name):
                self.assertRefused(self.inner(way))

    def test_is_refused_in_set_up(self):
        for name, way in computes.WAYS.items():
            with self.subTest(name):
                self.assertRefused(self.inner(way, set_up=True))

    def test_is_refused_where_the_test_swallows_it(self):
        def swallow(way):
            def act(case, host):
                case.assertRaises(AssertionError, way, case, host)

            return act

        for name, way in computes.WAYS.items():
            with self.subTest(name):
                self.assertRefused(self.inner(swallow(way)))

    def test_is_refused_where_the_test_fails_too(self):
        def swallow(case, host):
            case.assertRaises(AssertionError, computes.disable, case, host)

        for leave in (computes.fail, computes.err):
            with self.subTest(leave.__name__):
                result = self.run_inner(self.inner(swallow, leave=leave))
                texts = '\n'.join(base.problems(result))
                self.assertIn('the test itself', texts)
                self.assertIn('SF203 (CWE-696)', texts)

    def test_nothing_is_said_of_an_empty_one(self):
        for name, way in computes.WAYS.items():
            with self.subTest(name):
                self.assertPasses(self.inner(way, host='empty'))
                self.assertEqual([], self.case.events('allow/order'))
                self.assertEqual([], self.case.toggle.outages)

    def test_nothing_is_said_of_an_empty_one_of_a_test_that_fails(self):
        for leave in (computes.fail, computes.err):
            for set_up in (False, True):
                with self.subTest(leave.__name__, set_up=set_up):
                    inner = self.inner(
                        computes.disable,
                        host='empty',
                        leave=leave,
                        set_up=set_up,
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
            # An odd order, but no compute leaves its servers.
            case.client.servers['empty'] = [computes.SERVER]
            case.toggle.force_up('empty')
            handle.restore()

        self.assertPasses(self.inner(act))

    def test_nothing_is_said_of_a_restore(self):
        def act(case, host):
            case.client.servers[host].clear()
            disabled = case.toggle.disable(host)
            case.toggle.enable(host)
            case.client.servers[host] = [computes.SERVER]
            del disabled

        def start(case):
            # The restore leaves the compute disabled, as it was.
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
                outer.client.servers['full'].append(computes.SERVER)

        self.assertPasses(Inner)
        (service,) = self.client.get_services()
        self.assertEqual('disabled', service['status'])

    def test_a_cleanup_may(self):
        def act(case, host):
            case.addCleanup(computes.RAW['disable'], case, host)

        self.assertPasses(self.inner(act))

    def test_a_tear_down_may(self):
        class Inner(computes.Computes, testtools.TestCase):
            def test_it(self):
                pass

            def tearDown(self):
                computes.RAW['disable'](self, 'full')
                super().tearDown()

        self.assertPasses(Inner)

    def test_a_restart_may(self):
        def restart(case, host):
            key = case.id_of(host)
            case.client.put_service(key, {'status': 'disabled'})
            case.client.put_service(key, {'status': 'enabled'})

        def act(case, host):
            case.toggle._services.restarts = [restart.__code__]
            restart(case, host)

        self.assertPasses(self.inner(act))

    def test_a_function_named_like_a_restart_may_not(self):
        def restart_compute_service(case, host):
            computes.disable(case, host)

        self.assertRefused(self.inner(restart_compute_service))

    def test_a_change_of_the_reason_is_none(self):
        def act(case, host):
            computes.disable(case, 'empty')
            case.client.servers['empty'] = [computes.SERVER]
            computes.disable_with_a_reason(case, 'empty')

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
            for way in (computes.disable, computes.force_down):
                with self.subTest(way=way.__name__):
                    refused.append(
                        case.assertRaises(
                            exceptions.WrongOrder, way, case, host
                        )
                    )

        self.assertFails(self.inner(act))
        for violation, verb in zip(
            refused, ('disable', 'force_down'), strict=True
        ):
            with self.subTest(verb=verb):
                self.assertIn(
                    f"service_toggle.{verb}('full', expecting_servers=True, "
                    "reason='...'), or @waive('SF203', reason='...')",
                    violation.remedy,
                )
                self.assertIn(
                    f'({computes.SERVER} (ACTIVE))', violation.message
                )
                self.assertIn('computes.py:', violation.where)
                again = pickle.loads(pickle.dumps(violation))
                for known in (violation, again):
                    self.assertEqual('nova-compute on full', known.service)
                    self.assertEqual(
                        (services.HostedServer(computes.SERVER, 'ACTIVE'),),
                        known.servers,
                    )
                self.assertEqual(str(violation), str(again))
        self.assertEqual(
            ['disabled', 'forced down'], [known.how for known in refused]
        )

    def test_lists_ten_and_records_all(self):
        many = [uuidutils.generate_uuid() for _ in range(13)]

        def act(case, host):
            case.client.servers[host] = many
            computes.force_down(case, host)

        result = self.assertFails(
            self.inner(act), '13 servers on it', 'and 3 more'
        )
        self.assertIn(many[9], base.problems(result)[0])
        self.assertNotIn(many[10], base.problems(result)[0])
        self.assertEqual(13, len(self.case.content('deny')['servers']))


class TestOtherModes(computes.TestCase):
    def test_raw_ways_are_recorded(self):
        for mode in ('default', 'audit'):
            self.configure(mode=mode)
            for name, way in computes.RAW.items():
                with self.subTest(name, mode=mode):
                    self.assertPasses(self.inner(way))
                    content = self.case.content('evaluate/violation')
                    self.assertEqual(
                        [f'{computes.SERVER} (ACTIVE)'], content['servers']
                    )
                    self.assertEqual('audit', content['mode'])
                    self.assertEqual(1, len(self.case.toggle.outages))

    def test_the_toggle_refuses_by_default(self):
        for options in (
            {'mode': 'default'},
            {'mode': 'enforce'},
            {'mode': 'audit', 'rule_modes': 'SF203:enforce'},
            # Of the other ways.
            {'rule_modes': 'SF203:audit'},
        ):
            self.configure(**options)
            for name, way in computes.OWN.items():
                with self.subTest(name, **options):
                    self.assertFails(self.inner(way), 'SF203 (CWE-696)')
                    self.assertEqual(computes.IN_SERVICE, self.case.state())

    def test_an_audit_run_changes_no_outcome(self):
        self.configure(mode='audit')
        for name, way in computes.OWN.items():
            with self.subTest(name):
                self.assertPasses(self.inner(way))
                content = self.case.content('evaluate/violation')
                self.assertEqual('audit', content['mode'])
                self.assertEqual(1, len(self.case.toggle.outages))
                self.assertEqual(computes.IN_SERVICE, self.case.state())

    def test_the_toggle_where_all_is_off(self):
        self.configure(mode='off')
        for name, way in computes.OWN.items():
            with self.subTest(name):
                self.assertPasses(self.inner(way))
                self.assertEqual([], self.case.events('evaluate/violation'))

    def test_the_nearest_toggle_records(self):
        def act(case, host):
            inner = services.SafeServiceToggle(api=case.client)
            with inner:
                computes.RAW['disable'](case, host)
            case.assertEqual(1, len(inner.outages))
            case.assertEqual([], case.toggle.outages)

        self.assertPasses(self.inner(act))

    def test_off(self):
        self.configure(rule_modes='SF203:off')
        for name, way in computes.RAW.items():
            with self.subTest(name):
                self.assertPasses(self.inner(way))
                self.assertEqual([], self.case.events('evaluate/violation'))
                self.assertEqual([], self.case.toggle.outages)


class TestDeclared(computes.TestCase):
    def setUp(self):
        super().setUp()
        self.configure(mode='enforce')

    def assertDeclared(self, inner, ended='the test ended'):
        self.assertPasses(inner)
        (outage,) = self.case.toggle.outages
        self.assertEqual(computes.REASON, outage.reason)
        self.assertEqual(ended, outage.ended)
        self.assertEqual(computes.IN_SERVICE, self.case.state())

    def test_by_force_down(self):
        def act(case, host):
            case.toggle.force_down(
                host, expecting_servers=True, reason=computes.REASON
            )
            case.assertEqual(('enabled', True), case.state(host))

        self.assertDeclared(self.inner(act))
        content = self.case.content('allow/order')
        self.assertEqual(computes.REASON, content['reason'])
        self.assertEqual([f'{computes.SERVER} (ACTIVE)'], content['servers'])
        self.assertIn('SafeServiceToggle.force_down', content['by'])
        self.assertIn('computes.py:', content['by'])

    def test_by_disable(self):
        def act(case, host):
            case.toggle.disable(host, computes.REASON, expecting_servers=True)
            service = case.client.get_services(host=host)[0]
            case.assertEqual(computes.REASON, service['disabled_reason'])

        self.assertDeclared(self.inner(act))

    def test_covers_what_else_is_done_to_it(self):
        def act(case, host):
            with case.toggle.disable(
                host, computes.REASON, expecting_servers=True
            ):
                computes.force_down(case, host)
                computes.RAW['both'](case, host)

        self.assertDeclared(self.inner(act), ended='in service again')

    def test_ends_with_the_block(self):
        def act(case, host):
            with case.toggle.disable(
                host, computes.REASON, expecting_servers=True
            ):
                pass
            computes.disable(case, host)

        self.assertFails(self.inner(act), 'SF203 (CWE-696)')

    def test_ends_with_the_handle(self):
        def act(case, host):
            handle = case.toggle.disable(
                host, computes.REASON, expecting_servers=True
            )
            handle.restore()
            handle.restore()
            computes.force_down(case, host)

        self.assertFails(self.inner(act), 'SF203 (CWE-696)')

    def test_an_inner_one_ends_by_itself(self):
        def act(case, host):
            with case.toggle.disable(
                host, computes.REASON, expecting_servers=True
            ):
                with case.toggle.force_down(
                    host, expecting_servers=True, reason='another'
                ):
                    pass
                computes.force_down(case, host)

        self.assertDeclared(self.inner(act), ended='in service again')
        self.assertEqual(
            [computes.REASON, 'another', computes.REASON],
            [
                event['attachments'][0]['content']['reason']
                for event in self.case.events('allow/order')
            ],
        )

    def test_ends_with_the_fixture(self):
        def act(case, host):
            with services.SafeServiceToggle(api=case.client) as toggle:
                toggle.disable(host, computes.REASON, expecting_servers=True)
            computes.disable(case, host)

        self.assertFails(self.inner(act), 'SF203 (CWE-696)')

    def test_holds_for_one_compute(self):
        def act(case, host):
            case.client.servers['empty'] = ['another']
            case.toggle.disable(
                'empty', computes.REASON, expecting_servers=True
            )
            computes.disable(case, host)

        self.assertFails(
            self.inner(act), 'SF203 (CWE-696): nova-compute on full'
        )

    def test_holds_for_another_toggle(self):
        for first in (True, False):
            with self.subTest(first=first):

                def act(case, host, first=first):
                    other = case.useFixture(
                        services.SafeServiceToggle(api=case.client)
                    )
                    declaring, raw = (
                        (case.toggle, other) if first else (other, case.toggle)
                    )
                    declaring.disable(
                        host, computes.REASON, expecting_servers=True
                    )
                    raw.force_down(host)
                    computes.RAW['both'](case, host)

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
                computes.REASON,
                expecting_servers=True,
            )
            case.client.put_service = put_service
            case.assertEqual([], case.toggle.outages)
            computes.disable(case, 'empty')

        self.assertFails(
            self.inner(act), 'SF203 (CWE-696): nova-compute on empty'
        )

    def test_needs_a_reason(self):
        def act(case, host):
            for reason in (None, '', ' \n', 5):
                with self.subTest(reason=reason):
                    for verb in (case.toggle.disable, case.toggle.force_down):
                        refused = case.assertRaises(
                            ValueError,
                            verb,
                            host,
                            expecting_servers=True,
                            reason=reason,
                        )
                        case.assertIn('needs a reason', str(refused))
            case.assertEqual(computes.IN_SERVICE, case.state(host))
            case.assertEqual([], case.toggle.ledger)

        self.assertPasses(self.inner(act))

    def test_is_told_where_there_are_none(self):
        def act(case, host):
            case.toggle.force_down(
                'empty', expecting_servers=True, reason=computes.REASON
            )

        self.assertFails(
            self.inner(act), 'SF901: servers were expected on nova-compute on'
        )
        self.assertEqual(computes.IN_SERVICE, self.case.state('empty'))
        self.configure(mode='default')
        self.assertPasses(self.inner(act))
        self.assertIn(
            computes.REASON, self.case.content('evaluate/violation')['message']
        )

    def test_by_a_waiver(self):
        for name, way in computes.WAYS.items():
            with self.subTest(name):
                inner = self.inner(way)
                inner.test_it = waive('SF203', reason=computes.REASON)(
                    inner.test_it
                )
                self.assertDeclared(inner)
                self.assertEqual(1, len(self.case.events('allow/waiver')))

    def test_a_waiver_needs_a_reason(self):
        for reason in ('', '  ', None):
            with self.subTest(reason=reason):
                self.assertRaises(ValueError, waive, 'SF203', reason=reason)

    def test_a_waiver_of_nothing_is_told(self):
        inner = self.inner(computes.disable, host='empty')
        inner.test_it = waive('SF203', reason=computes.REASON)(inner.test_it)
        inner.setUp = _without_a_trail(inner.setUp)
        self.assertFails(inner, 'SF901')


def _without_a_trail(set_up):
    """Set up without a trail, so that the toggle concludes the test."""

    def alone(case):
        testtools.TestCase.setUp(case)
        case.client = testing.FakeComputeClient(['full', 'empty'])
        case.toggle = case.useFixture(
            services.SafeServiceToggle(api=case.client, test=case)
        )

    return alone


class TestUnknown(computes.TestCase):
    """A client that cannot tell what is on a compute."""

    def client(self, **attributes):
        class Client(testing.FakeComputeClient):
            pass

        for name, value in attributes.items():
            setattr(Client, name, value)
        return Client(['full'], servers={'full': [computes.SERVER]})

    def assertUnknown(self, client):
        outer = self

        class Inner(testtools.TestCase):
            def test_it(self):
                outer.trail = self.useFixture(audit.AuditTrail())
                toggle = services.SafeServiceToggle(api=client)
                self.useFixture(toggle).disable(
                    'full', computes.REASON, expecting_servers=True
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
