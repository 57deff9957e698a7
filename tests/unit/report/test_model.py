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
import math

import fixtures

from safe_fixtures.audit import events
from safe_fixtures.report import model
from safe_fixtures.summary import reader
from tests.support import base
from tests.support import reports


class TestModel(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = reports.Directory(
            self.useFixture(fixtures.TempDir()).path
        )

    def collected(self, *paths):
        collected = model.Model()
        for event in reader.views(paths or [self.directory.path], [], []):
            collected.add(event)
        return collected.tests()

    def end(self, test, **more):
        with self.directory.trail(test) as trail:
            trail.record('disable', 'nova-compute on a', before='enabled')
            trail.record('deny', 'x', code='SF301', message='what', folded=2)
            trail.record(events.TEST_END, test, seconds=2.5, **more)

    def test_what_the_runner_says_counts(self):
        self.end('a.b.C.test', outcome='success', hardened='fully')
        self.directory.outcomes(('a.b.C.test', 'fail', 3.0, 1))
        (test,) = self.collected()
        self.assertEqual('failed', test.outcome)
        self.assertEqual((3.0, 1), (test.seconds, test.worker))
        self.assertEqual('fully', test.hardened)
        self.assertEqual('a.b', test.module)
        self.assertEqual({('SF301', 'enforced'): 2}, test.rules)

    def test_flaky(self):
        self.end('a.b.C.test', outcome='failure')
        self.directory.outcomes(('a.b.C.test', 'fail', 3.0, 1))
        with self.directory.trail('safe-fixtures run') as trail:
            trail.record(events.RERUN, 'a.b.C.test', flaky=True)
            trail.record(events.PLUGIN, 'a plugin', group='sinks')
        (test,) = self.collected()
        self.assertEqual('flaky', test.outcome)

    def test_without_a_runner(self):
        self.end('a.b.C.test', outcome='failure', hardened='x', lacks='why')
        (test,) = self.collected()
        self.assertEqual(('failed', 2.5), (test.outcome, test.seconds))
        self.assertEqual(('partly', 'why'), (test.hardened, test.lacks))

    def test_without_an_end(self):
        with self.directory.trail('a.b.C.test') as trail:
            trail.record('disable', 'x')
        (test,) = self.collected()
        self.assertEqual('unknown', test.outcome)

    def test_without_events(self):
        self.directory.outcomes(
            ('a', 'skip', 0.0, 0), ('b', 'timeout', 9.0, 0), ('c', 'no', 0, 0)
        )
        self.assertEqual(
            {'a': 'skipped', 'b': 'timeout', 'c': 'skipped'},
            {test.name: test.outcome for test in self.collected()},
        )

    def test_the_message_of_a_violation_is_its_text(self):
        self.end('a.b.C.test')
        (test,) = self.collected()
        changed, broken, _ = test.rows
        self.assertEqual(('disable', ''), (changed.action, changed.text))
        self.assertEqual({'before': 'enabled'}, json.loads(changed.details))
        self.assertEqual('what', broken.text)
        self.assertNotIn('message', json.loads(broken.details))

    def test_the_same_test_in_two_runs(self):
        other = reports.Directory(self.useFixture(fixtures.TempDir()).path)
        for directory, status in ((self.directory, 'fail'), (other, 'skip')):
            with directory.trail('a.b.C.test') as trail:
                trail.record('disable', status)
            directory.outcomes(('a.b.C.test', status, 1.0, 0))
        tests = self.collected(self.directory.path, other.path)
        self.assertEqual(
            {('failed', 'fail'), ('skipped', 'skip')},
            {(test.outcome, test.rows[0].target) for test in tests},
        )

    def test_the_same_test_twice_in_a_run(self):
        for target in ('first', 'second'):
            with self.directory.trail('a.b.C.test') as trail:
                trail.record('disable', target)
            self.directory.outcomes(('a.b.C.test', 'success', 1.0, 0))
        self.assertEqual(2, len(self.collected()))

    def test_start(self):
        with self.directory.trail('a') as trail:
            trail.record('disable', 'x')
        self.directory.outcomes(('b', 'success', 100.0, 0))
        starts = {test.name: test.start for test in self.collected()}
        # It would have begun before the first event.
        self.assertEqual(0.0, starts['b'])

    def test_large(self):
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.report.model._EVENTS', 2)
        )
        with self.directory.trail('a' * 9999) as trail:
            trail.record('disable', 'x' * 9999)
            for _ in range(3):
                trail.record('deny', 'x', code='SF301', message='y' * 10**6)
        (test,) = self.collected()
        self.assertEqual(2, len(test.rows))
        self.assertEqual(2, test.left_out)
        self.assertEqual(3, test.rules['SF301', 'enforced'])
        self.assertLess(len(test.rows[1].text), 5000)
        self.assertLess(len(test.name), 1100)
        self.assertLess(len(test.rows[0].target), 1100)

    def test_large_details(self):
        with self.directory.trail('a') as trail:
            trail.record('disable', 'x', before='y' * 10**6)
            trail.record('disable', 'x', many={str(n): n for n in range(999)})
            trail.record('disable', 'x', many=list(range(999)))
            trail.record('disable', 'x', many=['y' * 9999] * 50)
            trail.record('disable', 'x', deep=[[[[[['x' * 9999]]]]]])
        (test,) = self.collected()
        for row in test.rows:
            self.assertLess(len(row.details), 20001)
        text, mapping, items, left_out, deep = (
            json.loads(row.details) for row in test.rows
        )
        self.assertIn('996000 more characters', text['before'])
        self.assertEqual('949 more', mapping['many']['...'])
        self.assertEqual('... 949 more', items['many'][-1])
        self.assertEqual({'left out, too long': ['many']}, left_out)
        self.assertEqual([[['...']]], deep['deep'])

    def test_numbers_that_json_has_not(self):
        self.assertEqual(
            '{"a":"nan","b":"-inf","c":1.5,"d":null,"e":true}',
            model._as_json(
                {'a': math.nan, 'b': -math.inf, 'c': 1.5, 'd': None, 'e': True}
            ),
        )

    def test_hostile(self):
        with self.directory.trail(reports.HOSTILE) as trail:
            trail.record(
                'deny',
                reports.HOSTILE,
                code=reports.HOSTILE,
                message=reports.HOSTILE,
                x={reports.HOSTILE: 1},
            )
        (test,) = self.collected()
        (row,) = test.rows
        for text in (test.name, row.target, row.text, row.code):
            self.assertTrue(text.isprintable(), ascii(text))

    def test_times_that_are_none(self):
        self.end('a.b.C.test')
        collected = model.Model()
        for event in reader.views([self.directory.path], [], []):
            event.time = 'yesterday'
            collected.add(event)
        (test,) = collected.tests()
        self.assertEqual(0.0, test.start)
        self.assertEqual([None] * 3, [row.at for row in test.rows])
