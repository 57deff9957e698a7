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

import json

import fixtures
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import guard as core_guard
from safe_fixtures import exceptions
from safe_fixtures import summary
from safe_fixtures import testing
from tests.support import base

DOWN = "disabled ('x'), forced down"


class TestCase(base.TestCase):
    """A stream of events, at the seconds that it says."""

    def setUp(self):
        super().setUp()
        self.alerts = audit.Alerts()
        self.trails = {}
        # The times that the trails record do not matter here.
        self.now = 0

    def say(self, at, action, target='compute on host1', test='t', **said):
        """Say that something happened at some second."""
        if test not in self.trails:
            self.trails[test] = self.useFixture(audit.AuditTrail(test))
        stored = dict(self.trails[test].record(action, target, **said))
        stored['eventTime'] = (
            f'2026-01-01T{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}'
            '.000000+0000'
        )
        self.alerts.add(stored)

    def change(self, at, action, before, after, **more):
        self.say(at, action, before=before, after=after, **more)

    def disable(self, at, **more):
        self.change(at, 'disable', 'enabled', 'disabled', **more)

    def restore(self, at, wanted='enabled', outcome='success', **more):
        self.say(at, 'restore/service', wanted=wanted, outcome=outcome, **more)

    def end(self, at, test='t'):
        self.say(at, 'evaluate/test', test, test=test)

    def raised(self, **more):
        return [
            (alert.rule, alert.tests, alert.count)
            for alert in self.alerts.raised(**more)
        ]

    def assertNone(self):
        self.assertEqual([], self.alerts.raised(ended=True))


class TestLeftDisabled(TestCase):
    ALERT = [('service left disabled', ('t',), 1)]

    def test_not_for_long(self):
        for action, after in (
            ('disable', 'disabled'),
            ('update/forced_down', 'enabled, forced down'),
        ):
            with self.subTest(action=action):
                self.change(0, action, 'enabled', after)
                self.restore(60)
                self.end(61)
                self.assertNone()

    def test_for_long(self):
        for action, after in (
            ('disable', "disabled ('x')"),
            ('update/forced_down', 'enabled, forced down'),
            ('disable', DOWN),
        ):
            with self.subTest(action=action, after=after):
                self.alerts = audit.Alerts()
                self.change(0, action, 'enabled', after)
                self.assertEqual([], self.raised())
                self.restore(61)
                self.end(62)
                self.assertEqual(self.ALERT, self.raised(ended=True))
                (alert,) = self.alerts.raised()
                self.assertIn(
                    'compute on host1 was down for 61.0 s', str(alert)
                )
                self.assertIn('2026-01-01T00:01:01', alert.when)

    def test_limit(self):
        self.alerts = audit.Alerts(disabled_seconds=5)
        self.disable(0)
        self.restore(6)
        self.assertEqual(self.ALERT, self.raised())

    def test_enabled_again_by_hand(self):
        self.disable(0)
        self.change(5, 'enable', 'disabled', 'enabled')
        self.restore(500)
        self.end(500)
        self.assertNone()
        self.disable(0)
        self.change(61, 'enable', 'disabled', 'enabled')
        self.assertEqual(self.ALERT, self.raised())

    def test_up_only_when_up_in_all(self):
        self.change(0, 'disable', 'enabled', 'disabled')
        self.change(50, 'update/forced_down', 'disabled', DOWN)
        self.change(51, 'enable', DOWN, 'enabled, forced down')
        self.change(70, 'update/forced_down', 'enabled, forced down',
                    'enabled')  # fmt: skip
        self.assertEqual(self.ALERT, self.raised())

    def test_never_restored(self):
        self.disable(0)
        self.assertEqual([], self.raised())
        self.end(1)
        self.assertEqual(self.ALERT, self.raised())
        self.assertIn('never', self.alerts.raised()[0].message)

    def test_restore_that_failed(self):
        self.disable(0)
        self.restore(1, outcome='failure')
        self.end(2)
        self.assertEqual(self.ALERT, self.raised())

    def test_test_without_end(self):
        self.disable(0)
        self.assertEqual(self.ALERT, self.raised(ended=True))
        # To ask is to change nothing.
        self.assertEqual(self.ALERT, self.raised(ended=True))
        self.restore(1)
        self.assertNone()

    def test_back_to_a_state_in_between(self):
        self.disable(0)
        self.change(1, 'update/forced_down', 'disabled', DOWN)
        self.restore(2, wanted='disabled')
        self.restore(70)
        self.assertEqual(self.ALERT, self.raised())

    def test_down_before(self):
        self.change(0, 'enable', 'disabled', 'enabled')
        self.disable(1)
        self.restore(100, wanted='disabled')
        self.end(101)
        self.assertNone()

    def test_reason_alone(self):
        self.change(0, 'update/disabled_reason', 'disabled', "disabled ('x')")
        self.restore(100, wanted='disabled')
        self.end(101)
        self.assertNone()

    def test_each_test_and_service(self):
        for test in ('t', 'u'):
            for host in ('host1', 'host2'):
                self.disable(0, target=host, test=test)
        self.restore(1, target='host1', test='t')
        self.end(2, 't')
        self.end(2, 'u')
        self.assertEqual(
            [('t', 'host2'), ('u', 'host1'), ('u', 'host2')],
            [
                (alert.tests[0], alert.message.split()[0])
                for alert in self.alerts.raised()
            ],
        )


class TestRefusedStarts(TestCase):
    def refuse(self, at, action='deny', test='t', **said):
        self.say(at, action, f'nova-api on {at}', test=test, code='SF204',
                 binary='nova-api', **said)  # fmt: skip

    def test_too_few(self):
        self.refuse(0)
        self.refuse(1)
        self.assertNone()

    def test_in_several_tests(self):
        for number in range(4):
            self.refuse(1000 * number, test=f't{number}')
        self.assertEqual(
            [('repeated refused starts', ('t0', 't1', 't2', 't3'), 4)],
            self.raised(),
        )
        self.assertIn('nova-api', self.alerts.raised()[0].message)

    def test_recorded_only(self):
        for number in range(3):
            self.refuse(1000 * number, action='evaluate/violation')
        self.assertEqual(
            [('repeated refused starts', ('t',), 3)], self.raised()
        )

    def test_excused(self):
        for number in range(20):
            self.refuse(number, waived='a reason')
            self.refuse(number, expected=True)
        self.assertNone()

    def test_limit(self):
        self.alerts = audit.Alerts(refused_starts=1)
        self.refuse(0)
        self.assertEqual(
            [('repeated refused starts', ('t',), 1)], self.raised()
        )

    def test_many_tests(self):
        for number in range(50):
            self.refuse(1000 * number, test=f't{number}')
        (alert,) = self.alerts.raised()
        self.assertEqual((20, 50), (len(alert.tests), alert.count))


class TestUndeclared(TestCase):
    RULE = 'toggle outside a declared block'

    def test_refused(self):
        for _ in range(2):
            self.say(0, 'deny', 'http://cloud', code='SF202', message='no')
        self.say(0, 'deny', 'x', code='SF202', expected=True)
        self.assertEqual([(self.RULE, ('t',), 2)], self.raised())

    def test_raw_ones_are_no_alert_unless_asked_for(self):
        for wanted in (False, True):
            with self.subTest(wanted=wanted):
                self.alerts = audit.Alerts(undeclared_toggles=wanted)
                self.disable(0, by='PUT /os-services/1 (x.py:1)')
                self.change(1, 'enable', 'disabled', 'enabled',
                            by='the record (x.py:1)')  # fmt: skip
                self.assertEqual(
                    [(self.RULE, ('t',), 2)] if wanted else [], self.raised()
                )

    def test_declared(self):
        self.alerts = audit.Alerts(undeclared_toggles=True)
        self.disable(0, by='SafeServiceToggle.disable (x.py:1)')
        self.restore(1)
        self.assertNone()


class TestRefusals(TestCase):
    RULE = 'burst of refusals'

    def test_burst(self):
        for number in range(9):
            self.say(number, 'deny', 'x', code='SF401', test=f't{number % 2}')
        self.assertNone()
        self.say(10, 'deny', 'x', code='SF301')
        self.assertEqual([(self.RULE, ('t0', 't1', 't'), 10)], self.raised())
        self.say(15, 'deny', 'x', code='SF301')
        self.assertEqual([(self.RULE, ('t0', 't1', 't'), 11)], self.raised())

    def test_slow(self):
        for number in range(50):
            self.say(2 * number, 'deny', 'x', code='SF401')
        self.assertNone()

    def test_two(self):
        for start in (0, 100):
            for number in range(10):
                self.say(start + number % 3, 'deny', 'x', code='SF401')
        self.assertEqual([(self.RULE, ('t',), 10)] * 2, self.raised())

    def test_what_is_no_refusal(self):
        for _ in range(50):
            self.say(0, 'evaluate/violation', 'x', code='SF104')
            self.say(0, 'deny', 'x', code='SF401', waived='x')
            self.say(0, 'deny', 'x', code='SF401', expected=True)
            self.say(0, 'evaluate/image', 'x')
        self.assertNone()

    def test_limits(self):
        self.alerts = audit.Alerts(refusals=2, refusals_seconds=1)
        self.say(0, 'deny', 'x', code='SF401')
        self.say(2, 'deny', 'x', code='SF401')
        self.assertNone()
        self.say(3, 'deny', 'x', code='SF401')
        self.assertEqual([(self.RULE, ('t',), 2)], self.raised())


class TestAlerts(TestCase):
    def test_limits_that_make_no_sense(self):
        for name in audit.LIMITS:
            if name == 'undeclared_toggles':
                continue
            for value in (0, -1, 'x', None, True, float('nan'), 1e30):
                with self.subTest(name=name, value=value):
                    error = self.assertRaises(
                        exceptions.ConfigurationError,
                        audit.Alerts,
                        **{name: value},
                    )
                    self.assertIn(name, str(error))
        self.assertRaises(
            exceptions.ConfigurationError, audit.Alerts, refusals=1.5
        )

    def test_memory_is_bounded(self):
        for number in range(1100):
            self.say(number, 'deny', f'http://{number}', code='SF202')
            self.disable(0, target=f'host{number}')
        self.assertEqual(1000, len(self.alerts.raised()))
        self.assertGreaterEqual(self.alerts.dropped, 100)
        self.assertEqual(2000, len(self.alerts.raised(ended=True)))

    def test_clock_that_nobody_knows(self):
        for time in ('', 'yesterday', '2026-01-01T00:00:00'):
            self.disable(0)
            stored = dict(
                self.trails['t'].record(
                    'restore/service', 'compute on host1', wanted='enabled'
                ),
                eventTime=time,
            )
            self.alerts.add(stored)
        self.end(1)
        self.assertNone()

    def test_live(self):
        client = testing.FakeComputeClient(['host1'])
        live = audit.Alerts(undeclared_toggles=True)
        with audit.AuditTrail('t', sinks=[live]) as trail:
            with safe_fixtures.SafeServiceToggle(api=client) as toggle:
                with toggle.disable('host1'):
                    pass
                self.assertEqual([], live.raised(ended=True))
                (service,) = client.get_services()
                client.put_service(service['id'], {'status': 'disabled'})
        (alert,) = live.raised(ended=True)
        self.assertEqual(TestUndeclared.RULE, alert.rule)
        self.assertEqual(('t',), alert.tests)
        # The same after the fact.
        later = audit.Alerts(undeclared_toggles=True)
        for stored in json.loads(json.dumps(trail.events)):
            later.add(stored)
        self.assertEqual(live.raised(), later.raised())

    def test_live_in_a_test_that_is_refused(self):
        live = audit.Alerts(refusals=2)
        outer = self

        class Watch(core_guard.Guard):
            def act(self):
                outer.assertRaises(
                    exceptions.SafetyViolation,
                    self._violate,
                    exceptions.SafetyViolation('SF301', 'real'),
                    keep=False,
                )

        class Inner(testtools.TestCase):
            def test_x(self):
                self.useFixture(audit.AuditTrail(self.id())).add_sink(live)
                guard = self.useFixture(Watch())
                guard.act()
                outer.assertEqual([], live.raised())
                guard.act()

        self.assertPasses(Inner)
        (alert,) = live.raised()
        self.assertEqual((TestRefusals.RULE, 2), (alert.rule, alert.count))
        self.assertThat(alert.tests[0], testtools.matchers.EndsWith('test_x'))

    def test_alert_is_frozen(self):
        self.disable(0)
        self.end(1)
        (alert,) = self.alerts.raised()
        self.assertRaises(AttributeError, setattr, alert, 'count', 5)
        self.assertEqual(1, len({alert, *self.alerts.raised()}))


class TestSummary(TestCase):
    def rows(self, **limits):
        total = summary.summarize([self.path], audit.Alerts(**limits))
        return [row for row in total.rows() if row[0] == 'Alerts']

    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).join('audit')
        self.configure(audit_file=self.path)

    def test_rows(self):
        for number in range(4):
            self.disable(0, test=f't{number}')
            self.end(1, f't{number}')
        for _ in range(3):
            self.say(0, 'deny', 'nova-api on x', code='SF204')
        rows = self.rows()
        self.assertEqual(
            ['repeated refused starts', *['service left disabled'] * 4],
            [item for _, item, *_ in rows],
        )
        self.assertEqual([3, 1, 1, 1, 1], [count for _, _, count, _ in rows])
        self.assertIn('1 more alert; in t3', rows[-1][3])
        self.assertIn('in t0', rows[1][3])
        self.assertEqual(
            4, len(self.rows(refused_starts=4)), self.rows(refused_starts=4)
        )

    def test_none(self):
        self.disable(0)
        self.restore(1)
        self.end(2)
        self.assertEqual([], self.rows())

    def test_test_that_was_killed(self):
        self.disable(0)
        total = summary.summarize([self.path])
        for _ in range(2):
            self.assertIn('service left disabled', str(total.rows()))
