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

"""What a run leaves in its report directory."""

import os
import shutil

from stestr.repository import file as repository
import testtools

from tests.unit.cli import runs


def problems_of(run):
    """Return the tests that failed in a run of a stestr repository."""
    result = testtools.TestResult()
    decorated = testtools.StreamToExtendedDecorator(result)
    decorated.startTestRun()
    run.get_test().run(decorated)
    decorated.stopTestRun()
    return {test.id(): text for test, text in result.errors + result.failures}


class TestRecords(runs.TestCase):
    def test_only_some_failures_are_printed(self):
        self.write(
            'test_many.py',
            """
            class TestMany(testtools.TestCase):
                pass

            for number in range(12):
                setattr(TestMany, f'test_{number}',
                        lambda self, n=number: self.fail(f'number {n:02}'))
            """,
        )
        done = self.run_cli('test_many', status=1)
        self.assertEqual(10, done.stderr.count('AssertionError: number'))
        self.assertIn('... and 2 more', done.stderr)
        failures = (self.report / 'failures.txt').read_text()
        self.assertEqual(12, failures.count('AssertionError: number'))

    def test_long_line(self):
        self.write(
            'test_long.py',
            """
            class TestLong(testtools.TestCase):
                def test(self):
                    self.fail('x' * 100_000)
            """,
        )
        done = self.run_cli('test_long', status=1)
        self.assertIn('AssertionError: xxx', done.stderr)
        self.assertLess(max(map(len, done.stderr.splitlines())), 2000)
        failures = (self.report / 'failures.txt').read_text()
        self.assertIn('x' * 100_000, failures)

    def test_stestr_reads_the_run(self):
        self.write(
            'test_plain.py',
            runs.PLAIN + '    def test_three(self):\n        os._exit(1)\n',
        )
        self.run_cli('test_plain', status=1)
        store = repository.RepositoryFactory().open(str(self.report))
        self.assertEqual(
            {
                f'test_plain.TestPlain.test_{n}'
                for n in ('one', 'two', 'three')
            },
            set(store.get_test_ids(store.latest_id())),
        )
        [(test_id, text)] = problems_of(store.get_failing()).items()
        self.assertEqual('test_plain.TestPlain.test_three', test_id)
        self.assertIn('exit code 1', text)

    def test_large_detail(self):
        self.write(
            'test_large.py',
            """
            from testtools import content

            class TestLarge(testtools.TestCase):
                def test(self):
                    self.addDetail(
                        'log', content.text_content('x' * 9_000_000)
                    )
                    self.fail('too much')
            """,
        )
        self.run_cli('test_large', status=1)
        self.assertEqual(
            {'test_large.TestLarge.test': 'fail'}, self.outcomes()
        )
        store = repository.RepositoryFactory().open(str(self.report))
        [text] = problems_of(store.get_latest_run()).values()
        self.assertIn('AssertionError: too much', text)

    def test_id_of_two_lines(self):
        self.write(
            'test_lines.py',
            """
            class TestLines(testtools.TestCase):
                pass

            setattr(TestLines, 'test_a\\nb', lambda self: self.fail('said'))
            """,
        )
        done = self.run_cli('test_lines', status=1)
        self.assertEqual(
            {'test_lines.TestLines.test_a\nb': 'fail'}, self.outcomes()
        )
        self.assertIn(['Tests', 'failed', 1], [
            [row['Section'], row['Item'], row['Count']] for row in done.rows
        ])  # fmt: skip

    def test_details_that_stestr_could_not_read(self):
        self.write(
            'test_details.py',
            r"""
            from testtools import content, content_type

            class TestDetails(testtools.TestCase):
                def fail_with(self, kind, data, name='log'):
                    self.addDetail(
                        name, content.Content(kind, lambda: data)
                    )
                    self.fail('said')

                def test_no_utf8(self):
                    self.fail_with(content_type.UTF8_TEXT, [b'\xff', b'x'])

                def test_parts_of_a_character(self):
                    self.fail_with(
                        content_type.UTF8_TEXT, [b'\xe4\xb8', b'\xad']
                    )

                def test_no_such_charset(self):
                    self.fail_with(
                        content_type.ContentType(
                            'text', 'plain', {'charset': 'none'}
                        ),
                        [b'\xffx'],
                    )

                def test_type_of_two_lines(self):
                    self.fail_with(
                        content_type.ContentType('te\nxt', 'pl\nain'), [b'x']
                    )

                def test_raises(self):
                    self.addDetail('log', content.Content(
                        content_type.UTF8_TEXT, lambda: 1 // 0))
                    self.fail('said')

                def test_name_of_two_lines(self):
                    self.fail_with(
                        content_type.UTF8_TEXT, [b'x\n0\r\n]\n'], 'a\n]\nb'
                    )

            setattr(TestDetails, 'test_of\n]\nthree', lambda self: self.fail(
                'said'))
            """,
        )
        done = self.run_cli('test_details', status=1)
        self.assertNotIn('stestr cannot', done.stderr)
        store = repository.RepositoryFactory().open(str(self.report))
        problems = problems_of(store.get_latest_run())
        self.assertEqual(7, len(problems), sorted(problems))
        for test_id, text in problems.items():
            with self.subTest(test_id):
                self.assertIn('AssertionError: said', text)
        self.assertIn(
            'this detail cannot be read: ZeroDivisionError',
            problems['test_details.TestDetails.test_raises'],
        )
        self.assertIn(
            '\N{CJK UNIFIED IDEOGRAPH-4E2D}',
            problems['test_details.TestDetails.test_parts_of_a_character'],
        )

    def test_files_that_a_test_changes(self):
        self.expect_no_writer()
        self.write(
            'test_changed.py',
            """
            import pathlib, shutil

            def files():
                return list(pathlib.Path('report').glob('*'))

            class TestA(testtools.TestCase):
                def test_truncates(self):
                    for each in files():
                        each.write_bytes(b'')

            class TestB(testtools.TestCase):
                def test_moves(self):
                    for each in files():
                        each.rename(f'{each}.1')

            class TestC(testtools.TestCase):
                def test_puts_pipes(self):
                    for each in files():
                        each.unlink()
                        os.mkfifo(each)

            class TestD(testtools.TestCase):
                def test_removes(self):
                    shutil.rmtree('report')

            class TestZ(testtools.TestCase):
                def test_fails(self):
                    self.fail('said')
            """,
        )
        for name, status in (
            ('TestA', 1), ('TestB', 1), ('TestC', 1), ('TestD', 3),
        ):  # fmt: skip
            with self.subTest(name):
                done = self.run_cli(
                    '--concurrency', '1', f'test_changed.{name}',
                    'test_changed.TestZ', status=status,
                )  # fmt: skip
                self.assertIn('stestr cannot read the results', done.stderr)
                self.assertIn(
                    'fail: test_changed.TestZ.test_fails', done.stderr
                )
                self.assertIn('2/2 done', done.stderr)
                self.assertIn('Records', {row['Section'] for row in done.rows})
            shutil.rmtree(self.report, ignore_errors=True)

    def test_is_nobody_else_s_business(self):
        self.write(
            'test_private.py',
            """
            class TestPrivate(testtools.TestCase):
                def test_1(self):
                    self.fail()

                def test_2(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('disable', 'host1')
                    leap_on()
                    time.sleep(1000)
            """,
        )
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.leaping_clock()
        self.run_cli('--concurrency', '1', 'test_private', status=1)
        self.assertEqual(0o700, self.report.stat().st_mode & 0o777)
        modes = {
            path.name: path.stat().st_mode & 0o777
            for path in self.report.iterdir()
        }
        self.assertEqual(0o700, modes.pop('.stestr'))
        self.assertEqual(
            {
                'events-run.jsonl',
                'events-worker-0-0.jsonl',
                'failures.txt',
                'report.html',
                'stacks-worker-0-0.txt',
                'stream.subunit',
                'worker-0.log',
            },
            set(modes),
        )
        self.assertEqual({0o600}, set(modes.values()))
