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

import fixtures
import testtools

from safe_fixtures import audit
from tests.support import base
from tests.support import extensions


def failing(event):
    event.clear()
    raise ValueError('no')


class TestSinks(base.TestCase):
    def plugins(self, *sinks):
        """Have each of some sinks made by a plugin."""
        return self.useFixture(
            extensions.Plugins(
                *(
                    extensions.Entry(
                        'sinks', f'n{number}', lambda sink=sink: lambda: sink
                    )
                    for number, sink in enumerate(sinks)
                )
            )
        )

    def acts(self, events):
        """Return the actions that are of no plugin."""
        actions = [event['action'] for event in events]
        return [each for each in actions if each != 'configure/plugin']

    def test_gets_the_events_of_every_trail(self):
        seen = []
        self.plugins(seen.append)
        for name in ('one', 'two'):
            with audit.AuditTrail(name) as trail:
                trail.record('disable', name)
        acts = [each['target']['name'] for each in seen[1:]]
        self.assertEqual(['one', 'two'], acts)

    def test_a_failing_one_costs_the_others_nothing(self):
        first, last, own = [], [], []
        self.plugins(first.append, failing, last.append)
        with audit.AuditTrail('test', sinks=[own.append]) as trail:
            for name in ('enable', 'disable'):
                trail.record(name, 'host1')
        for seen in (first, last, own, trail.events):
            self.assertEqual(['enable', 'disable'], self.acts(seen))
        self.assertTrue(trail.is_whole)

    def test_left_out_once_it_failed(self):
        calls = []

        def fail(event):
            calls.append(event['action'])
            raise SystemExit

        log = self.plugins(fail).logger
        with audit.AuditTrail('test') as trail:
            trail.record('enable', 'host1')
        self.assertEqual(['configure/plugin'], calls)
        self.assertEqual(1, log.output.count('SystemExit'))

    def test_it_gets_a_copy(self):
        def change(event):
            event['target']['name'] = 'other'

        self.plugins(change)
        with audit.AuditTrail('test') as trail:
            trail.record('enable', 'host1')
        self.assertEqual('host1', trail.events[0]['target']['name'])

    def test_what_it_records_does_not_come_back(self):
        seen = []

        def record(event):
            seen.append(event['action'])
            if audit.current() is not None:
                audit.current().record('enable', 'again')

        self.plugins(record)
        with audit.AuditTrail('test') as trail:
            trail.record('disable', 'host1')
        self.assertEqual(['configure/plugin', 'disable'], seen)
        self.assertEqual(['disable', 'enable'], self.acts(trail.events))

    def test_the_timeout_of_the_test(self):
        def slow(event):
            if event['action'] == 'disable':
                raise fixtures.TimeoutException

        log = self.plugins(slow).logger
        with audit.AuditTrail('test') as trail:
            with testtools.ExpectedException(fixtures.TimeoutException):
                trail.record('disable', 'host1')
        self.assertTrue(trail.is_whole)
        self.assertEqual('', log.output)
