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

"""A service that has stopped goes down without a wait."""

import safe_fixtures.nova  # noqa: F401  isort: skip

import datetime
import threading
import types

import fixtures
from nova import conf
from nova.servicegroup.drivers import db
from nova.tests.functional import fixtures as func_fixtures
from nova.tests.functional import integrated_helpers

from safe_fixtures.nova import service_start
from safe_fixtures.nova import waiting
from safe_fixtures.nova.waiting import changes
from safe_fixtures.nova.waiting import silence
from tests.functional.nova import inner
from tests.functional.nova.waiting import cases
from tests.support import base

NAME = '_wait_for_service_parameter'
DOWN = {'state': 'down'}
CONF = conf.CONF
# What a test leaves.
KEPT = types.SimpleNamespace()


class Writing:
    """A client that lets others write before each request."""

    def __init__(self, api, write):
        self.api, self.write = api, write

    def get_services(self, **how):
        self.write()
        return self.api.get_services(**how)


class Computes(inner.SafeApiTestCase, integrated_helpers.InstanceHelperMixin):
    """Runs three computes, and may stop two of them."""

    def setUp(self):
        KEPT.started = changes.now()
        super().setUp()
        self.api = self.admin_api
        self.useFixture(func_fixtures.PlacementFixture())
        self.start_service('conductor')
        self.start_service('scheduler')
        # It starts first, so that it goes down first.
        self.beside = self.start_service('compute', host='beside')
        self.compute = self.start_service('compute', host='stopped')
        self.other = self.start_service('compute', host='other')
        fixture = self.useFixture(waiting.WaitForChange())
        KEPT.won = fixture.won

    def state(self, host):
        [service] = self.api.get_services(host=host, binary='nova-compute')
        return service['state']

    def wait(self, host='stopped', max_retries=200, api=None, params=DOWN):
        # A service is down a minute after its last heartbeat.
        self._wait_for_service_parameter(
            host, 'nova-compute', params, max_retries=max_retries, api=api
        )
        KEPT.ended = changes.now()

    def it_stops(self):
        self.compute.stop()
        self.beside.stop()
        self.wait()
        KEPT.states = [
            self.state(host) for host in ('stopped', 'beside', 'other')
        ]
        # Its next heartbeat.
        self.compute.service_ref.report_count += 1
        self.compute.service_ref.save()
        KEPT.states += [self.state('stopped'), self.state('beside')]

    def it_stops_while_others_write(self):
        self.compute.stop()
        self.wait(max_retries=3, api=Writing(self.api, cases.write))

    def it_stops_while_others_report(self):
        def report():
            self.other.service_ref.report_count += 1
            self.other.service_ref.save()

        self.compute.stop()
        self.wait(api=Writing(self.api, lambda: cases.in_thread(report)))

    def it_runs(self):
        self.wait(max_retries=3)

    def another_one_stops(self):
        self.compute.stop()
        self.wait('other', max_retries=3)

    def it_stops_while_others_write_later(self):
        timers = []

        def write():
            timers.append(threading.Timer(0.1, cases.write))
            timers[-1].start()

        self.addCleanup(lambda: [each.join() for each in timers])
        self.compute.stop()
        self.wait(max_retries=3, api=Writing(self.api, write))

    def it_is_waited_for_until_it_is_disabled(self):
        self.compute.stop()
        self.wait(max_retries=3, params={'status': 'disabled'})

    def one_of_two_stops(self):
        twin = self.start_service('compute', host='stopped')
        twin.stop()
        self.wait(max_retries=3)


class TestSilence(base.TestCase):
    def setUp(self):
        super().setUp()
        before = cases.patched()
        self.addCleanup(lambda: self.assertEqual(before, cases.patched()))
        # The test has its own, to look at.
        self.configure(wait_for_change='false')

    def run_test(self, name):
        return inner.run_inner(Computes, name)

    def test_a_service_that_has_stopped(self):
        result = self.run_test('it_stops')
        self.assertEqual('', inner.problems(result))
        _, cut_short, seconds = KEPT.won[NAME]
        self.assertEqual(cut_short / 2, seconds)
        self.assertLess(0, seconds)
        # What was skipped and what passed are a minute together.
        self.assertLess(
            CONF.service_down_time, seconds + KEPT.ended - KEPT.started
        )
        self.assertEqual(['down', 'down', 'up', 'up', 'down'], KEPT.states)

    def test_a_service_that_runs(self):
        for name in (
            'it_runs',
            'another_one_stops',
            'one_of_two_stops',
            'it_is_waited_for_until_it_is_disabled',
        ):
            with self.subTest(name):
                result = self.run_test(name)
                self.assertIn(
                    'Wait for service parameter change failed',
                    inner.problems(result),
                )
                self.assertEqual([2, 0, 0.0], KEPT.won[NAME])

    def test_while_others_write(self):
        for name in (
            'it_stops_while_others_write',
            'it_stops_while_others_write_later',
        ):
            with self.subTest(name):
                result = self.run_test(name)
                self.assertIn(
                    'Wait for service parameter change failed',
                    inner.problems(result),
                )
                self.assertEqual([2, 0, 0.0], KEPT.won[NAME])

    def test_while_others_report(self):
        result = self.run_test('it_stops_while_others_report')
        self.assertEqual('', inner.problems(result))
        self.assertLess(0, KEPT.won[NAME][2])


class TestHeartbeats(base.TestCase):
    """What is asked in other ways is answered as on stock."""

    def test_is_up(self):
        now = datetime.datetime.now(datetime.UTC)
        old = now - datetime.timedelta(days=1)
        driver = db.DbDriver()
        asked = (
            {'created_at': now},
            {'created_at': old},
            {'created_at': old, 'last_seen_up': now, 'binary': 'b'},
            {'created_at': now, 'last_seen_up': old, 'host': 'h'},
            {'created_at': now.strftime('%Y-%m-%dT%H:%M:%S.%f')},
        )
        stock = [driver.is_up(each) for each in asked]
        self.assertEqual([True, False, True, False, True], stock)
        skipping = silence.Silence()
        restore = skipping.watch()
        try:
            self.assertEqual(stock, [driver.is_up(each) for each in asked])
            self.assertFalse(driver.is_up(service_ref=asked[1]))
            self.assertRaises(TypeError, driver.is_up)
            self.assertRaises(KeyError, driver.is_up, {})
        finally:
            restore()


class TestSkip(base.TestCase):
    """When time is skipped, and for what it counts."""

    def setUp(self):
        super().setUp()
        # Of the services that there are, whether they report.
        self.reporting = {('b', 'h'): False}
        self.time = 0
        for target, name, value in (
            (service_start.STARTS, 'reporting', lambda: self.reporting),
            (changes, 'now', lambda: self.time),
        ):
            self.useFixture(fixtures.MockPatchObject(target, name, value))
        self.silence = silence.Silence()
        self.addCleanup(self.silence.watch())
        self.heartbeat = datetime.datetime.now(datetime.UTC)

    def is_up(self, binary='b'):
        return db.DbDriver().is_up(
            {'binary': binary, 'host': 'h', 'last_seen_up': self.heartbeat}
        )

    def skip(self):
        return self.silence.skip('b', 'h', 1000)

    def test_a_service_that_nobody_has_asked_for(self):
        self.time = 1000
        self.assertFalse(self.skip())

    def test_a_service_that_is_not_known(self):
        self.reporting = {}
        self.is_up()
        self.time = 1000
        self.assertFalse(self.skip())

    def test_a_heartbeat_that_has_just_come(self):
        self.is_up()
        self.time = silence._ARRIVED / 2
        self.assertFalse(self.skip())
        self.assertTrue(self.is_up())
        self.time = silence._ARRIVED
        self.assertTrue(self.skip())
        self.assertFalse(self.is_up())

    def test_the_next_heartbeat(self):
        self.is_up()
        self.time = 1000
        self.assertTrue(self.skip())
        self.assertFalse(self.is_up())
        self.heartbeat += datetime.timedelta(seconds=1)
        self.assertTrue(self.is_up())
        # It counts anew.
        self.assertFalse(self.skip())

    def test_other_services(self):
        self.reporting['reports', 'h'] = True
        self.is_up()
        self.time = 1000
        self.assertTrue(self.skip())
        self.assertTrue(self.is_up('reports'))
        self.assertFalse(self.is_up('has no process'))
