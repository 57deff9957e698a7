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

"""Runs of tests that fork, that have odd names, and that spoil records."""

from tests.unit.cli import runs


class TestHostileRuns(runs.TestCase):
    def test_child_ends_with_its_own_test(self):
        self.write(
            'test_fork.py',
            """
            class Forks:
                def tearDown(self):
                    # Those that come back are gone before the next test.
                    if os.getpid() == self.owner:
                        note(self, os.waitstatus_to_exitcode(
                            os.waitpid(self.child, 0)[1]))
                    super().tearDown()

                def setUp(self):
                    super().setUp()
                    self.owner = os.getpid()

                def test_1_comes_back(self):
                    self.child = os.fork()

                def test_2_fails(self):
                    self.child = os.fork()
                    if not self.child:
                        raise ValueError('in the child')

                def test_3_exits(self):
                    self.child = os.fork()
                    if not self.child:
                        os._exit(5)

                def test_4_forks_again(self):
                    self.child = os.fork()
                    if not self.child:
                        os.fork()

            def note(test, status):
                with open(HERE / 'forks', 'a') as file:
                    name = type(test).__name__
                    file.write(f'{name} {test._testMethodName} {status};')

            class TestTesttools(Forks, testtools.TestCase):
                pass

            class TestUnittest(Forks, unittest.TestCase):
                pass

            import safe_fixtures

            class TestGuarded(Forks, testtools.TestCase):
                def setUp(self):
                    super().setUp()
                    self.useFixture(safe_fixtures.RedactedOutput())
            """,
        )
        done = self.run_cli('test_fork', '--mode', 'audit')
        self.assertEqual({'success'}, set(self.outcomes().values()))
        self.assertEqual(12, len(self.outcomes()))
        noted = sorted((self.home / 'forks').read_text().split(';')[:-1])
        self.assertEqual(
            sorted(
                f'{name} test_{test} {status}'
                for name in ('TestTesttools', 'TestUnittest', 'TestGuarded')
                for test, status in (
                    ('1_comes_back', 0),
                    ('2_fails', 1),
                    ('3_exits', 5),
                    ('4_forks_again', 0),
                )
            ),  # fmt: skip
            noted,
        )
        tests = {
            row['Item']: row['Count']
            for row in done.rows
            if row['Section'] == 'Tests'
        }
        self.assertEqual(12, tests['passed'])

    def test_hostile_names(self):
        self.write(
            'test_names.py',
            """
            class TestNames(testtools.TestCase):
                def test_it(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('disable', NAME + 'host')
                        trail.record('deny', NAME, code='SF301', message=NAME)

                def test_bad(self):
                    self.fail(NAME)

            NAME = '\\x1b[31m\\0\\a\\u202e\\udcff'
            for name in ('sur\\udcff', 'esc\\x1b[31m', 'nul\\0', 'a\\nb'):
                setattr(TestNames, f'test_{name}', TestNames.test_it)
            """,
        )
        done = self.run_cli('test_names', status=2)
        self.assertIn('success', self.outcomes().values())
        outcomes = self.outcomes()
        self.assertEqual(
            {r'sur\udcff', r'esc\x1b[31m', r'nul\x00', 'a\nb', 'it', 'bad'},
            {
                name.partition('TestNames.test_')[2]
                for name in outcomes
                if 'TestNames' in name
            },
        )
        self.assertEqual(1, list(outcomes.values()).count('fail'))
        shown = done.stderr + (self.report / 'failures.txt').read_text()
        self.assertIn(r'\x1b[31m', shown)
        self.assertTrue(shown.replace('\n', '').isprintable(), shown)
        # All of them can be listed again.
        listed = self.home / 'ids'
        listed.write_text(
            '\n'.join(name.replace('\n', r'\n') for name in outcomes)
        )
        done = self.run_cli(
            '--load-list', 'ids', '--exclude', 'test_bad', status=2,
            report='again',
        )  # fmt: skip
        for form in ('table', 'value', 'csv', 'yaml', 'json'):
            with self.subTest(form=form):
                code, out, err = self.command(
                    'report', str(self.report), '-f', form
                )
                self.assertEqual((2, ''), (code, err))
                self.assertTrue(
                    out.replace('\n', '').replace('\r', '').isprintable(), out
                )

    def test_ids_that_cannot_be_had(self):
        self.write(
            'test_ids.py',
            """
            class TestIds(testtools.TestCase):
                def test(self):
                    pass

                def id(self):
                    raise ValueError('no id')
            """,
        )
        self.write('test_twin.py', runs.PLAIN)
        done = self.run_cli('test_ids', 'test_twin', status=1)
        self.assertIn('fail: test_ids\n', done.stderr)
        self.assertIn('ValueError: no id', done.stderr)
        self.assertIn('3/3 done, 1 failed', done.stderr)

    def test_hostile_event(self):
        self.write(
            'test_event.py',
            """
            class TestEvent(testtools.TestCase):
                def test(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('monitor/microversion', 'x', requests=[1])
                        trail.record('monitor/wait', 'x', helpers=[[1]])
                        trail.record('deny', 'x', code='SF301')
            """,
        )
        done = self.run_cli('test_event', status=2)
        rows = {row['Item']: row['Details'] for row in done.rows}
        self.assertIn(
            'requests of monitor/microversion', rows['unreadable fields']
        )

    def test_records_that_a_test_replaces(self):
        self.expect_no_writer()
        for how in (
            'os.mkdir(path)',
            'os.mkfifo(path)',
            'os.symlink(path, path)',
            'path.write_bytes(bytes(range(256)) * 9)',
        ):
            with self.subTest(how=how):
                self.write(
                    'test_replace.py',
                    f"""
                    REPORT = {how.encode().hex()!r}

                    class TestReplace(testtools.TestCase):
                        def test(self):
                            path = HERE / REPORT / 'events-worker-9-0.jsonl'
                            {how}
                    """,
                )
                report = how.encode().hex()
                done = self.run_cli(
                    'test_replace', report=report,
                    status=0 if 'write' in how else 1,
                )  # fmt: skip
                rows = {row['Item']: row['Details'] for row in done.rows}
                item = 'truncated lines' if 'write' in how else 'skipped'
                self.assertIn('events-worker-9-0', rows[item])
