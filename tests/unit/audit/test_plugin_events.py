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
import os

import fixtures

from safe_fixtures import audit
from tests.support import base
from tests.support import extensions


def none():
    raise ImportError('no')


class TestRecord(base.TestCase):
    def setUp(self):
        super().setUp()
        home = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(home, 'events.jsonl')
        self.configure(audit_file=self.path)

    def recorded(self):
        with open(self.path, encoding='utf-8') as file:
            events = [audit.Event(json.loads(line)) for line in file]
        return [
            (event.target, event.outcome, event.details)
            for event in events
            if event.action == 'configure/plugin'
        ]

    def test_none(self):
        self.useFixture(extensions.Plugins())
        with audit.AuditTrail('test') as trail:
            trail.record('disable', 'host1')
        self.assertEqual([], self.recorded())

    def test_each_once_and_not_in_the_trail_of_a_test(self):
        self.useFixture(
            extensions.Plugins(
                extensions.Entry('sinks', 'good', lambda: lambda: print_none),
                extensions.Entry('sinks', 'bad', none),
            )
        )
        for _ in range(2):
            with audit.AuditTrail('test') as trail:
                trail.record('disable', 'host1')
            self.assertEqual(1, len(trail.events))
        about = {'group': 'sinks', 'package': 'example 1.0'}
        fault = 'import failed with ImportError: no'
        self.assertEqual(
            [
                ('bad', 'failure', {**about, 'fault': fault}),
                ('good', 'success', {**about, 'fault': ''}),
            ],
            self.recorded(),
        )

    def test_no_audit_file(self):
        self.configure(audit_file=os.path.join(self.path, 'x'))
        log = self.useFixture(
            extensions.Plugins(extensions.Entry('sinks', 'bad', none))
        ).logger
        audit.load_plugins()
        self.assertEqual('', log.output)

    def test_all_groups(self):
        groups = 'sinks', 'probes', 'alerts', 'sections'
        from safe_fixtures import summary

        self.assertIsNotNone(summary)
        self.useFixture(
            extensions.Plugins(
                *(extensions.Entry(group, group, none) for group in groups)
            )
        )
        audit.load_plugins()
        self.assertEqual(
            sorted(groups), sorted(name for name, *_ in self.recorded())
        )


def print_none(event):
    pass
