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


from safe_fixtures.report import results
from tests.unit.report import base


class TestResults(base.TestCase):
    def outcomes(self):
        return [
            [(test.name, test.status) for test in run.tests]
            for run in self.found().runs()
        ]

    def end(self, name, test, outcome):
        with self.trail(name, test) as trail:
            trail.record('evaluate/test', test, outcome=outcome)

    def test_what_a_runner_says_goes_before(self):
        self.run_of(('a.T.one', 'uxsuccess', 1))
        self.end('1', 'a.T.one', 'success')
        self.end('1', 'a.T.two', 'failure')
        self.assertEqual(
            [[('a.T.one', 'uxsuccess')], [('a.T.two', 'failed')]],
            self.outcomes(),
        )

    def test_a_run(self):
        self.run_of(('a.T.one', 'fail', 1.5), tests=3)
        (run,) = self.found().runs()
        self.assertEqual(
            (3, 2, False, self.directory),
            (run.expected, run.not_run, run.interrupted, run.directory),
        )
        self.assertLessEqual(run.began, run.ended)
        (test,) = run.tests
        self.assertEqual(results.Test('a.T.one', 'failed', 1.5), test)
        self.assertTrue(test.failed)

    def test_several_runs_of_a_test(self):
        self.run_of(('a.T.one', 'fail', 1), name='run-1')
        self.run_of(('a.T.one', 'success', 1), name='run-2')
        self.assertEqual(
            [[('a.T.one', 'failed')], [('a.T.one', 'passed')]], self.outcomes()
        )

    def test_flaky(self):
        self.run_of(('a.T.one', 'fail', 1), ('a.T.two', 'fail', 1))
        self.rerun('a.T.one', flaky=True)
        self.rerun('a.T.two', flaky=False)
        self.assertEqual(
            [[('a.T.one', 'flaky'), ('a.T.two', 'failed')]], self.outcomes()
        )

    def test_interrupted(self):
        with self.trail('run', 'run') as trail:
            trail.record('monitor/run', 'run', interrupted=True, seconds=1)
        (run,) = self.found().runs()
        self.assertTrue(run.interrupted)

    def test_waivers(self):
        in_file = {'reason': 'so', 'pattern': 'tests.*'}
        self.violate('SF301', waiver=in_file)
        self.violate('SF303', waiver={'reason': 'so'})
        found = self.found()
        self.assertEqual(
            {'SF301': 'tests.*', 'SF303': None},
            {
                violation.code: found.pattern(violation)
                for violation, _ in found.found.listed()
            },
        )

    def test_nothing_to_read(self):
        self.assertRaises(ValueError, self.found)
        self.assertRaises(OSError, results.read, [f'{self.directory}/no'])
