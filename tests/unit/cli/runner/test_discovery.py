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

"""Which tests are run."""

from tests.unit.cli import runs


class TestSelection(runs.TestCase):
    SCENARIOS = """
    class TestScenarios(testtools.TestCase):
        def test(self):
            pass

    def load_tests(loader, tests, pattern):
        return unittest.TestSuite(
            testtools.clone_test_with_new_id(test, f'{test.id()}({name})')
            for test in testtools.iterate_tests(tests)
            for name in ('a.b', 'c')
        )
    """

    def ids(self):
        return sorted(self.outcomes())

    def setUp(self):
        super().setUp()
        self.write('test_plain.py', runs.PLAIN)

    def test_duplicates(self):
        self.write(
            'test_counts.py',
            """
            class TestCounts(testtools.TestCase):
                def test(self):
                    with open(HERE / 'count', 'a') as file:
                        file.write('x')
            """,
        )
        self.write('test_again.py', 'from test_counts import TestCounts\n')
        self.run_cli(
            'test_counts', 'test_counts.TestCounts', 'test_again',
            'test_counts.TestCounts.test', './test_counts.py',
        )  # fmt: skip
        self.assertEqual(['test_counts.TestCounts.test'], self.ids())
        self.assertEqual('x', (self.home / 'count').read_text())

    def test_class_of_another_module(self):
        self.write('test_again.py', 'from test_plain import TestPlain\n')
        self.run_cli('test_again.TestPlain.test_one')
        self.assertEqual(['test_plain.TestPlain.test_one'], self.ids())

    def test_scenarios(self):
        self.write('test_scenarios.py', self.SCENARIOS)
        self.run_cli('test_scenarios.TestScenarios')
        name = 'test_scenarios.TestScenarios.test'
        self.assertEqual([f'{name}(a.b)', f'{name}(c)'], self.ids())

    def test_scenarios_that_a_test_multiplies_itself_by(self):
        self.write(
            'test_own.py',
            """
            import testscenarios

            class TestOwn(testscenarios.WithScenarios, testtools.TestCase):
                scenarios = [('a', {'value': 1}), ('b', {'value': 2})]

                def test(self):
                    self.assertIn(self.value, (1, 2))

                def test_other(self):
                    self.assertEqual(1, self.value)
            """,
        )
        self.run_cli('test_own', status=1)
        name = 'test_own.TestOwn.test'
        self.assertEqual(
            [
                f'{name}(a)',
                f'{name}(b)',
                f'{name}_other(a)',
                f'{name}_other(b)',
            ],
            self.ids(),
        )
        self.assertEqual('fail', self.outcomes()[f'{name}_other(b)'])

    def test_one_scenario(self):
        self.write('test_scenarios.py', self.SCENARIOS)
        self.run_cli('test_scenarios.TestScenarios.test(a.b)')
        self.assertEqual(
            ['test_scenarios.TestScenarios.test(a.b)'], self.ids()
        )

    def test_generated_methods(self):
        self.write(
            'test_data.py',
            """
            class TestData(testtools.TestCase):
                def test_other(self):
                    pass

            for number in (1, 2):
                setattr(TestData, f'test_it_{number}_x', lambda self: None)
            """,
        )
        self.run_cli('test_data.TestData.test_it')
        name = 'test_data.TestData.test_it'
        self.assertEqual([f'{name}_1_x', f'{name}_2_x'], self.ids())

    def test_load_list(self):
        self.write('test_scenarios.py', self.SCENARIOS)
        wanted = [
            'test_plain.TestPlain.test_two',
            'test_scenarios.TestScenarios.test(a.b)',
        ]
        (self.home / 'list').write_text(
            '\n'.join(['', *wanted, '', wanted[0], ''])
        )
        self.run_cli('--load-list', 'list')
        self.assertEqual(wanted, self.ids())

    def test_load_list_of_another_system(self):
        (self.home / 'list').write_bytes(
            b'\xef\xbb\xbftest_plain.TestPlain.test_two\r\n\r\n'
        )
        self.run_cli('--load-list', 'list')
        self.assertEqual(['test_plain.TestPlain.test_two'], self.ids())

    def test_load_list_of_arguments(self):
        (self.home / 'list').write_text('test_plain.TestPlain.test_two\n')
        self.run_cli('--load-list', 'list', 'test_plain')
        self.assertEqual(['test_plain.TestPlain.test_two'], self.ids())

    def test_load_list_with_what_is_not_there(self):
        missing = [
            'test_plain.TestPlain.test_three',
            'nowhere.TestPlain.test_one',
            'test_plain.TestPlain.test_one(scenario)',
        ]
        (self.home / 'list').write_text(
            '\n'.join(['test_plain.TestPlain.test_one', *missing])
        )
        done = self.run_cli('--load-list', 'list', status=3)
        for test_id in missing:
            self.assertIn(f'  {test_id}\n', done.stderr)
        self.assertNotIn('  test_plain.TestPlain.test_one\n', done.stderr)
        self.assertFalse(self.report.exists())
        done = self.run_cli('--load-list', 'nowhere', status=3)
        self.assertIn('--load-list', done.stderr)

    def test_exclude(self):
        self.run_cli('--exclude', r'test_t\w+$', 'test_plain')
        self.assertEqual(['test_plain.TestPlain.test_one'], self.ids())

    def test_exclude_that_is_no_expression(self):
        self.run_cli('--exclude', '(', 'test_plain', status=3)

    def package(self):
        self.write('suite/__init__.py', '')
        self.write('suite/test_a.py', runs.PLAIN)
        self.write('suite/helper.py', runs.PLAIN)
        self.write('suite/inner/__init__.py', '')
        self.write('suite/inner/test_b.py', runs.PLAIN)
        self.write('suite/data/test_c.py', runs.PLAIN)
        self.expected = [
            f'suite.{module}.TestPlain.test_{name}'
            for module in ('inner.test_b', 'test_a')
            for name in ('one', 'two')
        ]

    def test_package(self):
        self.package()
        self.run_cli('suite')
        self.assertEqual(self.expected, self.ids())

    def test_paths(self):
        self.package()
        self.run_cli('suite/', 'suite/test_a.py')
        self.assertEqual(self.expected, self.ids())

    def test_this_directory(self):
        self.package()
        self.run_cli('.')
        self.assertEqual(
            sorted(
                self.expected
                + [f'test_plain.TestPlain.test_{n}' for n in ('one', 'two')]
            ),
            self.ids(),
        )

    def test_directory_that_is_no_package(self):
        self.write('loose/test_d.py', runs.PLAIN)
        self.run_cli('loose/')
        self.assertEqual(
            [f'loose.test_d.TestPlain.test_{n}' for n in ('one', 'two')],
            self.ids(),
        )

    def test_package_that_loads_itself(self):
        self.package()
        self.write(
            'suite/__init__.py',
            """
            def load_tests(loader, tests, pattern):
                return unittest.TestSuite(
                    testtools.clone_test_with_new_id(
                        test, f'{test.id()}(here)'
                    )
                    for test in testtools.iterate_tests(
                        loader.loadTestsFromName('suite.test_a')
                    )
                )
            """,
        )
        self.run_cli('suite')
        self.assertEqual(
            [f'suite.test_a.TestPlain.test_{n}(here)' for n in ('one', 'two')],
            self.ids(),
        )

    def test_classes_without_a_name_stay_together(self):
        self.write(
            'test_made.py',
            """
            class Suite(unittest.TestSuite):
                def run(self, *args):
                    with open(HERE / 'suites', 'a') as file:
                        file.write('x')
                    return super().run(*args)

            def load_tests(loader, tests, pattern):
                made = []
                for name in 'bca':
                    def test(self, name=name):
                        with open(HERE / 'tests', 'a') as file:
                            file.write(name)
                    cls = type(name, (testtools.TestCase,), {'test': test})
                    made.append(cls('test'))
                return Suite(made)
            """,
        )
        for options in ((), ('--concurrency', '2'), ('--shuffle', '3')):
            with self.subTest(options=options):
                for name in ('suites', 'tests'):
                    (self.home / name).unlink(missing_ok=True)
                report = '-'.join(('report', *options))
                self.run_cli(*options, 'test_made', report=report)
                self.assertEqual('x', (self.home / 'suites').read_text())
                self.assertEqual('bca', (self.home / 'tests').read_text())

    def test_module_that_is_skipped(self):
        self.write('test_no.py', 'raise unittest.SkipTest("not here")\n')
        self.run_cli('test_no')
        self.assertEqual({'test_no': 'skip'}, self.outcomes())

    def test_module_that_cannot_be_imported(self):
        self.write('test_bad.py', 'import nowhere_at_all\n')
        for name in ('test_bad', 'test_bad.TestBad', './test_bad.py'):
            with self.subTest(name=name):
                done = self.run_cli(name, status=3)
                self.assertIn('test_bad cannot be imported', done.stderr)
                self.assertIn("No module named 'nowhere_at_all'", done.stderr)
                self.assertFalse(self.report.exists())

    def test_package_that_cannot_be_imported(self):
        self.package()
        self.write('suite/__init__.py', 'import nowhere_at_all\n')
        for name in ('suite', 'suite.test_a', 'suite.inner.test_b.TestPlain'):
            with self.subTest(name=name):
                done = self.run_cli(name, status=3)
                self.assertIn('suite cannot be imported', done.stderr)
                self.assertIn("No module named 'nowhere_at_all'", done.stderr)

    def test_module_that_cannot_be_imported_among_others(self):
        self.write('test_bad.py', 'sys.exit("said by the import")\n')
        done = self.run_cli('test_bad', 'test_plain', status=1)
        self.assertEqual(
            {
                'test_bad': 'fail',
                'test_plain.TestPlain.test_one': 'success',
                'test_plain.TestPlain.test_two': 'success',
            },
            self.outcomes(),
        )
        self.assertIn('said by the import', done.stderr)

    def test_module_that_ends_the_process(self):
        self.write('test_exits.py', 'os._exit(7)')
        done = self.run_cli('test_plain', 'test_exits', status=3)
        self.assertIn('exit code 7', done.stderr)
        self.assertIn('loading test_exits\n', done.stderr)
        self.assertFalse(self.report.exists())

    def test_numbers_that_are_none(self):
        for option in ('--concurrency', '--test-timeout'):
            for value in ('0', '-1', 'x', 'nan', ''):
                with self.subTest(option=option, value=value):
                    done = self.run_cli(option, value, 'test_plain', status=3)
                    self.assertIn(f'{option}: must be a number', done.stderr)

    def test_names_of_nothing(self):
        for name, text in (
            ('nowhere', 'there is no module nowhere'),
            ('test_plain.TestNone', 'test_plain has no test TestNone'),
            ('test_plain.TestPlain.test_no', 'has no test TestPlain.test_no'),
            ('test_plain.TestPlain.id', 'has no test TestPlain.id'),
            ('./test_none.py', 'there is no such file'),
            ('../', 'not below the current directory'),
            ('a b', 'cannot be the name'),
        ):
            with self.subTest(name=name):
                done = self.run_cli(name, 'test_plain', status=3)
                self.assertIn(text, done.stderr)
                self.assertIn(f'{name}: ', done.stderr)
                self.assertFalse(self.report.exists())

    def test_nothing_to_run(self):
        self.write('test_empty.py', '')
        self.assertIn('no test', self.run_cli('test_empty', status=3).stderr)
        self.assertIn('nothing to run', self.run_cli(status=3).stderr)
        self.run_cli('--concurrency', '0', 'test_plain', status=3)
        self.run_cli('--test-timeout', 'nan', 'test_plain', status=3)
        self.assertFalse(self.report.exists())
