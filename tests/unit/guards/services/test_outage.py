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

"""Outages, and what happens meanwhile."""

import types

import testtools

from safe_fixtures.core import gate
from safe_fixtures import exceptions
from safe_fixtures.guards import services
from safe_fixtures import testing
from tests.support import base
from tests.support import computes
from tests.support import toggles

COMPUTE = 'http://localhost/v2.1'


class TestOutage(computes.TestCase):
    def outage(self, inner):
        self.assertPasses(inner)
        (outage,) = self.case.toggle.outages
        return outage

    def test_of_a_block(self):
        def act(case, host):
            with case.toggle.disable(
                host, computes.REASON, expecting_servers=True
            ):
                computes.force_down(case, host)
                case.toggle.force_up(host)
            case.assertEqual('in service again', case.toggle.outages[0].ended)

        outage = self.outage(self.inner(act))
        self.assertEqual('full', outage.service.host)
        self.assertEqual(
            (services.HostedServer(computes.SERVER, 'ACTIVE'),), outage.servers
        )
        self.assertEqual(
            [
                'disabled',
                'forced down',
                f'disabled ({computes.REASON!r})',
                'enabled',
            ],
            [moment.what for moment in outage.moments],
        )
        for moment in outage.moments[:3]:
            with self.subTest(what=moment.what):
                self.assertIn('computes.py:', moment.by)
        seconds = [moment.seconds for moment in outage.moments]
        self.assertEqual(sorted(seconds), seconds)
        self.assertThat(
            outage.seconds, testtools.matchers.GreaterThan(seconds[-1])
        )

    def test_says_what_is_new(self):
        def act(case, host):
            case.toggle.force_down(
                host, expecting_servers=True, reason=computes.REASON
            )
            computes.disable(case, host)
            case.toggle.enable(host)
            computes.disable(case, host)

        outage = self.outage(self.inner(act))
        self.assertEqual(
            ['forced down', 'disabled', 'enabled, forced down', 'disabled'],
            [moment.what for moment in outage.moments],
        )

    def test_is_in_the_ledger(self):
        def act(case, host):
            case.toggle.disable('empty')
            case.toggle.disable(host, computes.REASON, expecting_servers=True)
            computes.force_down(case, host)

        outage = self.outage(self.inner(act))
        self.assertEqual(
            [None, outage, outage],
            [entry.outage for entry in self.case.toggle.ledger],
        )

    def test_is_on_record(self):
        def act(case, host):
            case.toggle.disable(host, computes.REASON, expecting_servers=True)

        outage = self.outage(self.inner(act))
        (event,) = self.case.events('monitor/outage')
        self.assertEqual(outage.service.uuid, event['target']['id'])
        content = self.case.content('monitor/outage')
        self.assertEqual(round(outage.seconds, 6), content['seconds'])
        self.assertEqual(computes.REASON, content['declared'])
        self.assertEqual('the test ended', content['ended'])
        self.assertEqual([f'{computes.SERVER} (ACTIVE)'], content['servers'])
        (moment,) = content['moments']
        self.assertIn('disabled by SafeServiceToggle.disable', moment)

    def test_starts_anew(self):
        def act(case, host):
            for _ in range(2):
                with case.toggle.disable(
                    host, computes.REASON, expecting_servers=True
                ):
                    pass

        self.assertPasses(self.inner(act))
        self.assertEqual(
            ['in service again'] * 2,
            [outage.ended for outage in self.case.toggle.outages],
        )

    def test_of_a_restore_that_fails(self):
        def act(case, host):
            handle = case.toggle.disable(
                host, computes.REASON, expecting_servers=True
            )

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

        # The test swallowed the failure.
        self.assertFails(self.inner(act))

    def test_of_two_computes(self):
        def act(case, host):
            case.client.servers['empty'] = ['another']
            with case.toggle.disable(
                host, computes.REASON, expecting_servers=True
            ):
                case.toggle.disable(
                    'empty', computes.REASON, expecting_servers=True
                )

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
                computes.REASON,
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
            case.toggle.disable(host, computes.REASON, expecting_servers=True)
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
            # Many requests do not push out what is done to the compute.
            outage.note('stopped', 'one')

        outage = self.outage(self.inner(act))
        self.assertEqual(201, len(outage.moments))
        self.assertEqual('stopped', outage.moments[-1].what)
        self.assertEqual(2, outage.moments[1].times)
        # Each dropped moment counts by itself.
        self.assertEqual(202, outage.dropped)
        self.assertIn('GET /servers/0: 200 (2 times)', str(outage))
        self.assertIn('and 202 more', str(outage))

    def test_a_failing_test_shows_it(self):
        for leave in (computes.fail, computes.err):
            for set_up in (False, True):
                with self.subTest(leave.__name__, set_up=set_up):
                    details = self.details_of(leave=leave, set_up=set_up)
                    timeline = details['safe_fixtures.timeline'].as_text()
                    self.assertIn(
                        'nova-compute on full was out of service with '
                        f'1 server on it, as declared: {computes.REASON}\n'
                        '  +0.',
                        timeline,
                    )
                    # It includes what came after the failure.
                    self.assertIn('the test ended', timeline)

    def test_a_passing_test_does_not(self):
        self.assertNotIn('safe_fixtures.timeline', self.details_of())

    def test_a_skipped_test_does_not(self):
        def skip(case):
            case.skipTest('for a reason')

        self.assertNotIn('safe_fixtures.timeline', self.details_of(leave=skip))

    def test_a_test_without_one_shows_none(self):
        def act(case, host):
            computes.disable(case, 'empty')

        self.run_inner(self.inner(act, leave=computes.fail))
        self.assertNotIn('safe_fixtures.timeline', self.case.getDetails())

    def details_of(self, **kwargs):
        def act(case, host):
            case.toggle.disable(host, computes.REASON, expecting_servers=True)

        self.run_inner(self.inner(act, **kwargs))
        return self.case.getDetails()


class TestMeanwhile(computes.TestCase):
    def test_starts(self):
        class Full(toggles.Records):
            def servers_on(self, ref):
                return [services.HostedServer(computes.SERVER, 'active')]

        records = Full()
        toggle = self.useFixture(services.SafeServiceToggle(services=records))
        toggle.disable('host1', computes.REASON, expecting_servers=True)
        (outage,) = toggle.outages
        records.watcher.started('host1', 'nova-conductor')
        records.watcher.started('host2', 'nova-compute')
        self.assertEqual(1, len(outage.moments))
        records.watcher.started('host1', 'nova-compute')
        self.assertEqual('started', outage.moments[1].what)
        # It is still disabled.
        self.assertIsNone(outage.ended)

    def test_requests(self):
        def act(case, host):
            asked = []
            get_servers = case.client.get_servers

            def counted(*args, **kwargs):
                asked.append(kwargs)
                return get_servers(*args, **kwargs)

            case.toggle.disable(host, computes.REASON, expecting_servers=True)
            (outage,) = case.toggle.outages
            case.client.get_servers = counted
            for method, url, status, times in (
                # Requests to another service.
                ('GET', 'http://placement/allocations/1', 200, 0),
                ('DELETE', 'http://placement/allocations/1', 204, 0),
                # A poll takes no server away.
                ('GET', f'{COMPUTE}/servers/1', 200, 0),
                ('GET', f'{COMPUTE}/servers/1', 404, 1),
                ('DELETE', f'{COMPUTE}/servers/1', 204, 2),
                ('POST', f'{COMPUTE}/servers/1/action', 202, 3),
                # A deletion may be over some requests later.
                ('GET', f'{COMPUTE}/servers/1', 200, 4),
            ):
                with self.subTest(method=method, url=url, status=status):
                    case.toggle.after(served(method, url, status))
                    case.assertEqual(times, len(asked))
            case.assertIsNone(outage.ended)
            for body in ('{"evacuate": {}}', '{"a": 1, "b": 2}', '["x"]'):
                case.toggle.after(
                    served('POST', f'{COMPUTE}/servers/1/action', 409, body)
                )
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
                    'POST /servers/1/action (evacuate): 409',
                    'POST /servers/1/action: 409',
                    'DELETE /servers/2: 204',
                ],
                [moment.what for moment in outage.moments[1:]],
            )

        self.assertPasses(self.inner(act))


def served(method, url, status, body=None):
    """Return a request that was answered."""
    call = gate.ApiCall(
        types.SimpleNamespace(method=method, url=url, body=body)
    )
    call.response = types.SimpleNamespace(status_code=status)
    return call


class TestWithoutTestcase(base.TestCase):
    def test_a_toggle_by_itself(self):
        client = testing.FakeComputeClient(
            ['full'], {'full': [computes.SERVER]}
        )
        with services.SafeServiceToggle(api=client) as toggle:
            toggle.disable('full', computes.REASON, expecting_servers=True)
        (outage,) = toggle.outages
        self.assertEqual('the test ended', outage.ended)
        self.assertEqual('enabled', client.get_services()[0]['status'])
