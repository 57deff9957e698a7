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

import itertools
import json
import os
import stat
from unittest import mock

import fixtures

from safe_fixtures import audit
from safe_fixtures.cli.runner import profiling
from safe_fixtures import summary
from tests.support import base
from tests.unit.cli import runs

MODULE = """
import fixtures

class Slow(fixtures.Fixture):
    def _setUp(self):
        self.useFixture(fixtures.TempDir())


class TestTools(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(Slow())
        self.useFixture(Slow())

    def test_one(self):
        pass

    def test_two(self):
        self.fail()


class TestPlain(unittest.TestCase):
    def setUp(self):
        self.addCleanup(lambda: None)

    def test(self):
        pass
"""
# It makes what it is told to make, or nothing.
SAMPLER = """\
#!/bin/sh
while [ "$1" ]; do
    [ "$1" = --output ] && {} "$2"
    shift
done
"""


# Each has numbers that would count, and something else besides.
BROKEN = (
    '',
    '[]',
    '{"x": {}}',
    '{"phases": 1, "fixtures": {}}',
    '{"phases": {"body": [1, 1]}}',
    '{"phases": {"body": [1, 1], "x": [1]}, "fixtures": {}}',
    '{"phases": {"body": [1, 1]}, "fixtures": {"x": ["1", 1]}}',
    '{"phases": {"body": [1, 1]}, "fixtures": {"x": [true, 1]}}',
    '{"phases": {"body": [1, NaN]}, "fixtures": {}}',
    '{"phases": {"body": [1, 1e400]}, "fixtures": {}}',
    '{"phases": {"body": [-1, 1]}, "fixtures": {}}',
    '[' * 100_000,
)


class TestRun(runs.TestCase):
    def profile(self, sampler, **how):
        """Run tests with another command in the place of py-spy."""
        self.write('test_slow.py', MODULE)
        with mock.patch.object(profiling, 'find_sampler', lambda: sampler):
            return self.run_cli(
                '--profile', '--mode', 'default', 'test_slow', **how
            )

    def sampler(self, command):
        path = self.home / 'sampler'
        path.write_text(SAMPLER.format(command))
        path.chmod(stat.S_IRWXU)
        return str(path)

    def test_what_is_measured(self):
        done = self.profile(None, status=1)
        self.assertIn('pip install safe_fixtures[profile]', done.stderr)
        [event] = self.events('monitor/profile')
        measured = audit.details(event)
        self.assertEqual(sorted(profiling.PHASES), sorted(measured['phases']))
        counts = {
            name: count for name, (count, _) in measured['fixtures'].items()
        }
        self.assertEqual(4, counts['test_slow.Slow'])
        self.assertLessEqual(4, counts['fixtures._fixtures.tempdir.TempDir'])
        rows = [row for row in done.rows if row['Section'] == 'Profile']
        self.assertEqual(
            [*profiling.PHASES, *['test'] * 3],
            [row['Item'] for row in rows[: len(profiling.PHASES) + 3]],
        )
        self.assertEqual(
            {
                'test_slow.TestPlain.test',
                'test_slow.TestTools.test_one',
                'test_slow.TestTools.test_two',
            },
            {row['Details'] for row in rows if row['Item'] == 'test'},
        )
        self.assertEqual([], list(self.report.glob('*.svg')))

    def test_a_test_that_removes_the_report(self):
        self.write(
            'test_gone.py',
            """
            import shutil

            class TestGone(testtools.TestCase):
                def test(self):
                    shutil.rmtree(HERE / 'report')
            """,
        )
        with mock.patch.object(profiling, 'find_sampler', lambda: None):
            done = self.run_cli('--profile', 'test_gone', status=3)
        # Its record is lost, and so it fails; its worker goes on.
        self.assertIn('1/1 done, 1 failed', done.stderr)
        self.assertNotIn('warning: worker', done.stderr)

    def test_flame_graphs(self):
        done = self.profile(self.sampler('touch'), status=1)
        self.assertNotIn('py-spy', done.stderr)
        self.assertNotEqual([], list(self.report.glob('profile-*.svg')))

    def test_a_flame_graph_that_is_not_drawn(self):
        done = self.profile(self.sampler('true'), status=1)
        self.assertRegex(done.stderr, r'no flame graph of (\d) of \1 proc')

    def test_not_asked_for(self):
        self.write('test_slow.py', MODULE)
        done = self.run_cli('test_slow', status=1)
        self.assertEqual([], self.events('monitor/profile'))
        self.assertNotIn('Profile', [row['Section'] for row in done.rows])
        self.assertEqual([], list(self.report.glob('profile-*')))


class TestMeasures(base.TestCase):
    def setUp(self):
        super().setUp()
        ticks = itertools.count()
        for owner, name in (
            (profiling.clock, 'monotonic'),
            (profiling, '_cpu'),
        ):
            self.useFixture(
                fixtures.MockPatchObject(owner, name, lambda: next(ticks))
            )
        self.path = self.useFixture(fixtures.TempDir()).join('measures')

    def written(self, measures):
        measures.write(self.path)
        with open(self.path, encoding='utf-8') as file:
            return json.load(file)

    def test_a_phase_within_another_counts_once(self):
        measures = profiling.Measures(0.0)
        with measures.phase('setUp'), measures.phase('body'):
            pass
        phases = self.written(measures)['phases']
        # Each look at a clock lets one second pass.
        self.assertEqual([2, 2], phases['setUp'])
        self.assertEqual([0, 0], phases['body'])

    def test_a_phase_that_fails_counts(self):
        measures = profiling.Measures(0.0)
        for _ in range(2):
            with self.assertRaisesRegex(ValueError, 'so be it'):
                with measures.phase('body'):
                    raise ValueError('so be it')
        self.assertEqual([4, 4], self.written(measures)['phases']['body'])

    def test_merged(self):
        measures = profiling.Measures(0.0)
        with measures.phase('body'):
            pass
        self.written(measures)
        broken = []
        for number, text in enumerate(BROKEN):
            broken.append(f'{self.path}.{number}')
            with open(broken[-1], 'w', encoding='utf-8') as file:
                file.write(text)
        os.mkfifo(f'{self.path}.pipe')
        broken += [f'{self.path}.pipe', 'gone']
        total = profiling.merged([self.path, *broken, self.path])
        self.assertEqual([4, 4], total['phases']['body'])
        self.assertEqual({}, total['fixtures'])

    def test_nowhere_to_write(self):
        profiling.Measures(0.0).write(f'{self.path}/gone/measures')


class TestPaired(runs.TestCase):
    def test_tests_that_passed_run_again(self):
        self.write('test_slow.py', MODULE)
        done = self.run_cli('--paired', '9', 'test_slow', status=1)
        path = self.report / 'events-paired.jsonl'
        measured = audit.details(json.loads(path.read_text()))
        self.assertEqual(2, measured['tests'])
        self.assertEqual(
            ['seconds_with', 'seconds_without', 'tests'], sorted(measured)
        )
        for way in ("with", "without"):
            directory = self.report / f'paired-{way}'
            self.assertIn(
                ('Tests', 'passed', 2),
                [row[:3] for row in summary.summarize([directory]).rows()],
            )
        [row] = [row for row in done.rows if row['Item'] == 'seconds without']
        self.assertIn('from 2 tests run both ways', row['Details'])
        # They are no tests of the run.
        self.assertIn(
            ('Tests', 'passed', 2),
            [(row['Section'], row['Item'], row['Count']) for row in done.rows],
        )

    def test_the_ways_differ(self):
        self.write(
            'test_ways.py',
            """
            from safe_fixtures import conf

            class TestWays(testtools.TestCase):
                def test(self):
                    settings = conf.load()
                    with open(HERE / 'ways', 'a') as file:
                        print(
                            settings.speed_up,
                            settings.wait_for_change,
                            file=file,
                        )

                def test_only_one_way(self):
                    self.assertTrue(conf.load().speed_up)
            """,
        )
        done = self.run_cli('--paired', '2', 'test_ways')
        self.assertIn(
            'not counted: 1 of 2 tests did not pass both ways', done.stderr
        )
        self.assertEqual(
            ['True True', 'True True', 'False False'],
            (self.home / 'ways').read_text().splitlines(),
        )
