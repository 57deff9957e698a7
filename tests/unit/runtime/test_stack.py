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

import functools
import sys
import sysconfig
import threading
import types
import unittest
from unittest import mock

import fixtures
import testtools

from safe_fixtures.runtime import owners
from safe_fixtures.runtime import stack
from tests.support import base


PACKAGES = sysconfig.get_path('purelib')
# What a thread runs, as if it were of the standard library.
_keep = {}
exec(
    compile(
        'def keep(found, act):\n    found.append(act())\n',
        threading.__file__,
        'exec',
    ),
    _keep,
)
_keep = _keep['keep']


def function_of(path):
    """Return a function that calls another one, in an installed file."""
    names = {}
    source = 'def call(act):\n    return act()\n'
    exec(compile(source, f'{PACKAGES}/{path}', 'exec'), names)
    return names['call']


def line_of(function):
    """Return the place of the first line in a function."""
    code = function.__code__
    return f'{code.co_filename}:{code.co_firstlineno + 1}'


class TestCallsite(base.TestCase):
    def test_calling_test(self):
        self.assertIs(self, stack.calling_test())
        self.assertIs(self, (lambda: stack.calling_test())())

    def test_innermost_test(self):
        class Inner(unittest.TestCase):
            def runTest(self):
                seen.append(stack.calling_test())

        seen = []
        inner = Inner()
        inner.run(unittest.TestResult())
        self.assertEqual(1, len(seen))
        self.assertIs(inner, seen[0])

    def test_no_test_in_a_thread(self):
        seen = []
        thread = threading.Thread(
            target=lambda: seen.append(stack.calling_test())
        )
        thread.start()
        thread.join()
        self.assertEqual([None], seen)

    def test_where(self):
        path, _, line = stack.where().rpartition(':')
        self.assertEqual(__file__, path)
        self.assertTrue(line.isdigit())

    def test_where_is_the_line_of_the_test(self):
        def helper():
            return stack.where()

        first, second = helper(), stack.where()
        lines = [int(where.rpartition(':')[2]) for where in (first, second)]
        self.assertEqual(lines[0], lines[1])

    def help(self):
        return stack.where()

    def test_where_is_not_in_a_helper(self):
        lines = [
            int(where.rpartition(':')[2])
            for where in (self.help(), stack.where())
        ]
        self.assertEqual(lines[0], lines[1])

    def test_where_is_not_in_a_run_of_its_own(self):
        """As tests with scenarios have one, in a library."""
        seen = []

        for case in (unittest.TestCase, testtools.TestCase):

            class Inner(case):
                def run(self, result=None):
                    return super().run(result)

                def test(self):
                    seen.append(stack.where())

            Inner('test').run(unittest.TestResult())
            self.assertEqual(line_of(Inner.test), seen.pop())

    def test_where_in_a_cleanup(self):
        class Inner(testtools.TestCase):
            def test_x(self):
                self.addCleanup(lambda: seen.append(stack.where()))

        seen = []
        Inner('test_x').run(testtools.TestResult())
        self.assertTrue(seen[0].startswith(f'{__file__}:'))

    def test_where_in_a_thread(self):
        seen = []

        def run():
            seen.append(stack.where())

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        self.assertTrue(seen[0].startswith(f'{__file__}:'))

    def test_where_a_library_is_called_in_a_thread(self):
        library = function_of('library.py')

        def mine():
            return library(stack.where)

        places = self.places_in_a_thread(None, mine)
        self.assertEqual([line_of(mine)], places)

    def test_where_only_libraries_are_called_in_a_thread(self):
        library = function_of('library.py')
        places = self.places_in_a_thread(
            None, functools.partial(library, stack.where)
        )
        self.assertEqual([f'{PACKAGES}/library.py:2'], places)

    def test_where_the_project_is_installed(self):
        library = function_of('library.py')
        project = function_of('project/code.py')
        others = function_of('others/code.py')
        helper = function_of('helper.py')

        class Base(testtools.TestCase):
            __module__ = 'others.tests'

        class Inner(Base):
            __module__ = 'project.tests.test_x'

            def test(self):
                pass

        class OfAFile(Base):
            __module__ = 'helper'

            def test(self):
                pass

        modules = {
            name: types.SimpleNamespace(**attributes)
            for name, attributes in (
                ('project', {'__path__': [f'{PACKAGES}/project']}),
                ('others', {'__path__': [f'{PACKAGES}/others']}),
                ('helper', {'__file__': f'{PACKAGES}/helper.py'}),
            )
        }
        self.enterContext(mock.patch.dict(sys.modules, modules))
        for cls, functions, wanted in (
            (Inner, (project, library), 'project/code.py'),
            (Inner, (project, others, library), 'project/code.py'),
            (Inner, (others, project, project, library), 'project/code.py'),
            (Inner, (others, library), 'others/code.py'),
            (OfAFile, (helper, others, library), 'helper.py'),
            (OfAFile, (others, library), 'others/code.py'),
            (Inner, (helper, library), 'library.py'),
        ):
            with self.subTest(cls=cls.__name__, functions=functions):
                calls = stack.where
                for function in reversed(functions):
                    calls = functools.partial(function, calls)
                places = self.places_in_a_thread(cls('test'), calls)
                self.assertEqual([f'{PACKAGES}/{wanted}:2'], places)

    def places_in_a_thread(self, test, act):
        """Return the places that an act finds in a thread of a test."""
        owner = owners.Owner(test)
        stop = owners.follow(lambda: owner)
        found = []
        # Nothing here calls it: the target is the first one in the thread.
        thread = threading.Thread(target=_keep, args=(found, act))
        thread.start()
        thread.join()
        stop()
        return found

    def test_lines(self):
        def helper():
            return stack.lines()

        lines = helper()
        self.assertEqual(2, len(lines), lines)
        self.assertEqual(stack.where().rpartition(':')[0], __file__)
        for line in lines:
            self.assertIn(f'{__file__}:', line)
        # The test's own line comes first.
        numbers = [int(line.rpartition(':')[2]) for line in lines]
        self.assertEqual(sorted(numbers, reverse=True), numbers)

    def note_tests(self, seen):
        seen.append(stack.tests_of_thread())

    def test_tests_of_thread(self):
        seen = []
        self.note_tests(seen)
        thread = threading.Thread(target=self.note_tests, args=(seen,))
        thread.start()
        thread.join()
        self.assertEqual([[], [self]], seen)

    def test_in_cleanup(self):
        seen = {}

        class Inner(testtools.TestCase):
            def setUp(self):
                super().setUp()
                seen['set-up'] = stack.in_cleanup()
                self.addCleanup(self.note, 'cleanup')

            def note(self, where):
                seen[where] = stack.in_cleanup()

            def test_it(self):
                self.note('test')
                self.cleanUp()

            def cleanUp(self):
                self.note('a name of its own')

            def tearDown(self):
                self.note('tear-down')
                super().tearDown()

        self.assertPasses(Inner)
        self.assertEqual(
            {
                'set-up': False,
                'test': False,
                'a name of its own': False,
                'tear-down': True,
                'cleanup': True,
            },
            seen,
        )

    def test_a_cleanup_by_name_only(self):
        source = 'def doCleanups(look): return look()'
        for path in (unittest.case.__file__, fixtures.fixture.__file__):
            with self.subTest(path=path):
                names = {}
                exec(compile(source, path, 'exec'), names)
                self.assertFalse(names['doCleanups'](stack.in_cleanup))

    def test_is_within(self):
        def helper():
            return (lambda: stack.is_within([helper.__code__]))()

        def other():
            return stack.is_within([helper.__code__])

        # The same code, as another object.
        copy = types.FunctionType(
            helper.__code__.replace(),
            helper.__globals__,
            'helper',
            closure=helper.__closure__,
        )
        self.assertTrue(helper())
        self.assertFalse(other())
        self.assertIsNot(copy.__code__, helper.__code__)
        self.assertFalse(copy())
        self.assertFalse(stack.is_within([]))


class TestRuns(base.TestCase):
    def test_a_file_that_claims_to_run_tests(self):
        # The code of a test may name any file.
        names = {}
        exec(
            compile(
                'def run(self, function):\n    return function()\n',
                unittest.__file__,
                'exec',
            ),
            names,
        )
        test = unittest.FunctionTestCase(lambda: None)
        found = names['run'](test, stack.tests_here)
        self.assertEqual([self, test], found)
