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

from safe_fixtures import audit
from tests.support import base
from tests.support import extensions


class Disabled(audit.AlertRule):
    def message(self, event):
        if event.action == 'disable':
            return f'{event.target} was disabled'


class Fails(audit.AlertRule):
    def message(self, event):
        raise ValueError('no')


class Number(audit.AlertRule):
    def message(self, event):
        return 1


class Each(audit.AlertRule):
    number = 0

    def message(self, event):
        self.number += 1
        return f'number {self.number}'


class TestRules(base.TestCase):
    def alerts(self, *rules):
        self.log = self.useFixture(
            extensions.Plugins(
                *(
                    extensions.Entry('alerts', f'n{number}', lambda r=r: r)
                    for number, r in enumerate(rules)
                )
            )
        ).logger
        return audit.Alerts()

    def record(self, alerts, *hosts):
        with audit.AuditTrail('tests.T.test', sinks=[alerts]) as trail:
            for host in hosts:
                trail.record('disable', host)
                trail.record('enable', host)
        return trail.events

    def test_equal_messages_are_one_alert(self):
        alerts = self.alerts(Disabled)
        events = self.record(alerts, 'host1', 'host2', 'host1')
        first, second = alerts.raised()
        self.assertEqual(
            audit.Alert(
                'n0',
                'host1 was disabled',
                ('tests.T.test',),
                2,
                events[4]['eventTime'],
            ),
            first,
        )
        self.assertEqual(('host2 was disabled', 1),
                         (second.message, second.count))  # fmt: skip

    def test_each_alerts_has_its_own(self):
        self.record(self.alerts(Disabled), 'host1')
        self.assertEqual([], audit.Alerts().raised())

    def test_failing_ones_cost_nothing(self):
        alerts = self.alerts(Fails, Number, Disabled, dict)
        self.record(alerts, 'host1')
        self.assertEqual(['n2'], [alert.rule for alert in alerts.raised()])
        for name, fault in (
            ('n0', 'an event failed with ValueError: no'),
            ('n1', 'an event failed with TypeError: its message is no text'),
            ('n3', 'set-up failed with TypeError: it makes no'),
        ):
            start = f'plugin {name} (alerts, of example 1.0) is left out: '
            self.assertEqual(1, self.log.output.count(start + fault))

    def test_at_most_a_thousand(self):
        alerts = self.alerts(Each)
        event = self.record(alerts, 'host1')[0]
        for _ in range(1000):
            alerts.add(event)
        self.assertEqual(1000, len(alerts.raised()))
        self.assertEqual(2, alerts.dropped)
