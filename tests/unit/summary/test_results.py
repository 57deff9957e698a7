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


from tests.unit.summary import base as summary_base


class TestTests(summary_base.TestCase):
    def outcome(self, trail, test, status, outcome='failure'):
        trail.record('evaluate/outcome', test, outcome=outcome, status=status)

    def test_as_the_guards_saw_them(self):
        with self.trail() as trail:
            for number, outcome in enumerate(
                ('success', 'failure', 'success', 'unknown')
            ):
                trail.record('evaluate/test', f't{number}', outcome=outcome)
        self.assertEqual(
            [('passed', 2, ''), ('failed', 1, 't1'), ('skipped', 1, '')],
            self.rows('Tests'),
        )
        self.assertExits(1)

    def test_what_the_runner_says_goes_before(self):
        with self.trail() as trail:
            trail.record('evaluate/test', 'one', outcome='success')
            trail.record('evaluate/test', 'two', outcome='failure')
            self.outcome(trail, 'one', 'timeout')
            trail.record('evaluate/test', 'three', outcome='success')
        self.assertEqual(
            [
                ('passed', 1, ''),
                ('failed', 1, 'two'),
                ('timeout', 1, 'one'),
                ('skipped', 0, ''),
            ],
            self.rows('Tests'),
        )

    def test_in_two_runs(self):
        for _ in range(2):
            with self.trail() as trail:
                self.outcome(trail, 'one', 'success', 'success')
                trail.record('evaluate/test', 'one', outcome='success')
        self.assertIn(('passed', 2, ''), self.rows('Tests'))
        self.assertExits(0)

    def test_each_status(self):
        for status, item, code in (
            ('success', 'passed', 0),
            ('fail', 'failed', 1),
            ('uxsuccess', 'uxsuccess', 1),
            ('timeout', 'timeout', 1),
            ('died', 'died', 1),
            ('lost', 'lost', 1),
            ('skip', 'skipped', 0),
            ('xfail', 'xfail', 0),
        ):
            with self.subTest(status=status):
                self.events = []
                with self.trail() as trail:
                    self.outcome(trail, 'one', status)
                counts = {row[0]: row[1] for row in self.rows('Tests')}
                self.assertEqual((item, 1), (item, counts.pop(item)))
                self.assertEqual({0}, set(counts.values()))
                self.assertExits(code)

    def rerun(self, trail, test, flaky, violated=False):
        trail.record(
            'evaluate/rerun', test, statuses=[], flaky=flaky, violated=violated
        )

    def test_flaky(self):
        with self.trail() as trail:
            self.outcome(trail, 'one', 'timeout')
            self.rerun(trail, 'one', True)
            self.outcome(trail, 'two', 'success', 'success')
        self.assertEqual(
            [
                ('passed', 1, ''),
                ('flaky', 1, 'one'),
                ('failed', 0, ''),
                ('skipped', 0, ''),
            ],
            self.rows('Tests'),
        )
        self.assertExits(0)
        # In another run, it failed.
        with self.trail() as trail:
            self.outcome(trail, 'one', 'fail')
        self.assertIn(('flaky', 1, 'one'), self.rows('Tests'))
        self.assertIn(('failed', 1, 'one'), self.rows('Tests'))
        self.assertExits(1)

    def test_failed_again(self):
        with self.trail() as trail:
            self.outcome(trail, 'one', 'fail')
            self.rerun(trail, 'one', False)
        self.assertIn(('failed', 1, 'one'), self.rows('Tests'))
        self.assertExits(1)
        with self.trail() as trail:
            self.rerun(trail, 'one', False, violated=True)
        self.assertExits(2)

    def test_reruns_that_make_no_sense(self):
        with self.trail() as trail:
            self.outcome(trail, 'one', 'fail')
            self.rerun(trail, 'one', 'yes', violated=3)
            self.rerun(trail, 'other', True)
        self.assertIn(('failed', 1, 'one'), self.rows('Tests'))
        self.assertExits(1)

    def test_the_first_that_failed_are_named(self):
        with self.trail() as trail:
            for number in range(5):
                self.outcome(trail, f't{number}', 'fail')
        self.assertIn(('failed', 5, 't0, t1, t2 and 2 more'),
                      self.rows('Tests'))  # fmt: skip


class TestRun(summary_base.TestCase):
    def run_of(self, tests, outcomes, arguments=('run', 'x'), **end):
        with self.trail('run') as trail:
            trail.record(
                'configure/run',
                'run',
                mode='audit',
                tests=tests,
                concurrency=2,
                arguments=arguments,
            )
            for number in range(outcomes):
                trail.record('evaluate/outcome', f't{number}', status='skip')
            if end:
                trail.record('monitor/run', 'run', **end)

    TOLD = 'mode audit, tests {}, concurrency 2'
    COMMAND = '; safe-fixtures run x'

    def test_whole(self):
        self.run_of(2, 2, seconds=1.23456, interrupted=False)
        self.assertEqual(
            [('seconds', 1.235, self.TOLD.format(2) + self.COMMAND)],
            self.rows('Run'),
        )
        self.assertExits(0)

    def test_interrupted(self):
        self.run_of(2, 2, seconds=1.0, interrupted=True)
        self.assertEqual(
            [
                (
                    'seconds',
                    1.0,
                    f'{self.TOLD.format(2)}, interrupted{self.COMMAND}',
                )
            ],
            self.rows('Run'),
        )
        self.assertExits(1)

    def test_stopped(self):
        self.run_of(2, 1, seconds=1.0, interrupted=False, stopped=True)
        self.assertEqual(
            [
                (
                    'seconds',
                    1.0,
                    self.TOLD.format(2)
                    + ', stopped by a failed test'
                    + self.COMMAND,
                )
            ],
            self.rows('Run'),
        )
        self.assertExits(1)

    def test_not_finished(self):
        self.run_of(3, 1)
        self.assertEqual(
            [
                (
                    'seconds',
                    0.0,
                    f'{self.TOLD.format(3)}, not finished{self.COMMAND}',
                )
            ],
            self.rows('Run'),
        )
        self.assertIn(('not run', 2, ''), self.rows('Tests'))
        self.assertExits(1)

    def test_the_command_can_be_run_again(self):
        for arguments, command in (
            (['run', '--exclude', 'a b|c', 'x'], "run --exclude 'a b|c' x"),
            (['run', '--report', 'here', '--report=r', 'x'], 'run x'),
            # argparse takes the beginning of an option.
            (['run', '--repo', 'here', '--retry', 'x'], 'run --retry x'),
            (['run', 'x', '--report'], 'run x'),
            ([], ''),
        ):
            with self.subTest(arguments=arguments):
                self.events = []
                self.run_of(0, 0, arguments, seconds=1.0, interrupted=False)
                expected = [f'safe-fixtures {command}'] if command else []
                self.assertEqual(expected, self.total().commands)

    def test_one_run_makes_not_up_for_another(self):
        self.run_of(3, 1, seconds=1.0, interrupted=False)
        self.run_of(1, 3, seconds=1.0, interrupted=False)
        self.assertIn(('not run', 2, ''), self.rows('Tests'))
        self.assertEqual(2, len(self.rows('Run')))


class TestViolations(summary_base.TestCase):
    def violate(self, test, times=1, action='evaluate/violation', **said):
        with self.trail(test) as trail:
            for _ in range(times):
                trail.record(action, 'x', code='SF301', **said)

    def test_kinds(self):
        self.violate('b')
        self.violate('a', waived='why')
        self.violate('a', action='deny', expected=True)
        self.assertExits(0)
        self.violate('a', action='deny')
        self.assertExits(2)
        details = 'image that is not dummy, in 1 test'
        self.assertEqual(
            [
                (f'SF301 {kind}', 1, details)
                for kind in ('enforced', 'recorded', 'waived', 'expected')
            ],
            self.rows('Violations'),
        )

    def test_several_tests(self):
        for number, test in enumerate('eabdc'):
            self.violate(f'tests.{test}', min(number + 1, 4))
        self.assertEqual(
            [('SF301 recorded', 14, 'image that is not dummy, in 5 tests')],
            self.rows('Violations'),
        )

    def test_violation_goes_before_failure(self):
        with self.trail() as trail:
            trail.record('evaluate/test', 'x', outcome='failure')
        self.assertExits(1)
        self.violate('a', action='deny')
        self.assertExits(2)

    def test_rule_of_another_release(self):
        with self.trail('a') as trail:
            trail.record('deny', 'x', code='SF999')
        self.assertEqual(
            [('SF999 enforced', 1, 'unknown rule, in 1 test')],
            self.rows('Violations'),
        )


class TestWaivers(summary_base.TestCase):
    def configure_waiver(self, code, pattern):
        with self.trail('run') as trail:
            trail.record('configure/waiver', pattern, code=code, reason='why')

    def apply(self, code, **said):
        with self.trail() as trail:
            trail.record('allow/waiver', 'x', code=code, reason='why', **said)

    def test_stale_and_applied(self):
        # A worker's records can come before those of the run.
        self.apply('SF203', pattern='a.*')
        self.configure_waiver('SF203', 'a.*')
        self.configure_waiver('SF203', 'b.*')
        self.configure_waiver('SF301', 'a.*')
        self.configure_waiver('SF301', 'c.*')
        self.apply('SF203', pattern='a.*')
        self.apply('SF301')
        with self.trail() as trail:
            for test, status in (
                ('a.x', 'skip'),
                ('a.y', 'success'),
                ('c.x', 'skip'),
            ):
                trail.record('evaluate/outcome', test, status=status)
        self.assertEqual(
            [
                ('SF203 applied', 2, 'a.*: why'),
                (
                    'SF203 without tests',
                    0,
                    'b.*: why; it matches no test of the run',
                ),
                (
                    'SF301 stale',
                    0,
                    'a.*: why; it matches 2 tests and was not needed',
                ),
                (
                    'SF301 not tried',
                    0,
                    'c.*: why; it matches 1 test, all skipped',
                ),
                ('SF301 applied', 1, 'by @waive in tests'),
            ],
            self.rows('Waivers'),
        )
        self.assertExits(0)
        self.assertEqual(1, self.total().exit_code(strict_waivers=True))
        self.assertEqual(
            [
                'the waiver of SF203 for b.*: it matches no test of the run',
                'the waiver of SF301 for a.*: it matches 2 tests and was not '
                'needed',
            ],
            self.total().idle_waivers(),
        )

    def test_strict_where_all_are_needed(self):
        self.configure_waiver('SF203', 'a.*')
        self.apply('SF203', pattern='a.*')
        self.configure_waiver('SF203', 'c.*')
        with self.trail() as trail:
            trail.record('evaluate/outcome', 'c.x', status='skip')
        self.assertEqual(0, self.total().exit_code(strict_waivers=True))

    def test_strict_where_a_test_states_one(self):
        with self.trail('a.T.test') as trail:
            trail.record(
                'evaluate/violation', 'x', code='SF901', message='unused'
            )
        self.assertExits(0)
        self.assertEqual(1, self.total().exit_code(strict_waivers=True))
        self.assertEqual(['a.T.test: unused'], self.total().idle_waivers())

    def test_strict_is_less_than_a_violation(self):
        self.configure_waiver('SF203', 'a.*')
        with self.trail() as trail:
            trail.record('deny', 'x', code='SF301')
        self.assertEqual(2, self.total().exit_code(strict_waivers=True))

    def test_applied_and_not_configured(self):
        self.apply('SF203', pattern='a.*')
        self.assertEqual([('SF203 applied', 1, 'a.*')], self.rows('Waivers'))


class TestHardened(summary_base.TestCase):
    def test_fully_partly_and_not_at_all(self):
        for name, hardened in (
            ('one', {'hardened': 'fully'}),
            ('two', {'hardened': 'partly', 'lacks': 'no base of Nova'}),
            ('three', {}),
        ):
            with self.trail(name) as trail:
                trail.record('evaluate/test', name, **hardened)
        with self.trail() as trail:
            for name in ('one', 'two', 'three', 'four'):
                trail.record('evaluate/outcome', name, status='success')
            for name in ('skip', 'died', 'lost', 'timeout'):
                trail.record('evaluate/outcome', name, status=name)
        self.assertEqual(
            [
                ('fully', 1, ''),
                (
                    'partly',
                    2,
                    'no base of Nova (1), only what the tests use '
                    'themselves (1)',
                ),
                (
                    'not at all',
                    1,
                    'no guard came up, or its record is gone: four',
                ),
            ],
            self.rows('Hardened'),
        )

    def test_exit_code_if_none_is(self):
        for mode, guarded, code in (
            ('audit', False, 3),
            ('default', False, 3),
            ('audit', True, 0),
            ('unhardened', False, 0),
        ):
            with self.subTest(mode=mode, guarded=guarded):
                self.events = []
                with self.trail() as trail:
                    trail.record('configure/run', 'run', mode=mode, tests=1)
                    if guarded:
                        trail.record('evaluate/test', 'a', hardened='partly')
                    trail.record('evaluate/outcome', 'a', status='success')
                    trail.record('monitor/run', 'run', seconds=1.0)
                self.assertExits(code)
