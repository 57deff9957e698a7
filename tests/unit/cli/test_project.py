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

"""What is found in the sources of a project."""

import os
import pathlib
import textwrap

import fixtures

from safe_fixtures.cli import project
from tests.support import base

NOVA = """
from nova import test
from nova.tests.functional import integrated_helpers as helpers

class TestOne(test.TestCase):
    def test_a(self): pass
    async def test_b(self): pass
    def setUp(self): pass

class TestTwo(helpers._IntegratedTestBase):
    def test_a(self): pass
"""
PLAIN = """
import unittest
import testtools.testcase as cases

class TestOne(unittest.TestCase):
    def test_a(self): pass

class TestTwo(cases.TestCase):
    def test_a(self): pass
"""


class TestLook(base.TestCase):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def write(self, name, source=''):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            textwrap.dedent(source).encode(errors='surrogateescape')
        )

    def look(self):
        return project.look(str(self.home))

    def kinds(self):
        return dict(self.look().tests)

    def test_nothing(self):
        found = self.look()
        self.assertEqual(project.Found(), found)
        self.assertFalse(found.uses_nova)

    def test_nova(self):
        self.write('my/tests/test_x.py', NOVA)
        found = self.look()
        self.assertEqual({'fully': 3}, dict(found.tests))
        self.assertTrue(found.uses_nova)
        self.assertEqual(
            {
                'nova.test.TestCase': 1,
                'nova.tests.functional.integrated_helpers._IntegratedTestBase':
                1,
            },
            dict(found.bases),
        )  # fmt: skip
        self.assertEqual(1, found.modules)

    def test_without_nova(self):
        self.write('my/tests/test_x.py', PLAIN)
        found = self.look()
        self.assertEqual({'partly': 2}, dict(found.tests))
        self.assertFalse(found.uses_nova)
        self.assertEqual(
            {'unittest.TestCase': 1, 'testtools.testcase.TestCase': 1},
            dict(found.bases),
        )

    def test_bases_of_the_project(self):
        for kind, source in (('fully', NOVA), ('partly', PLAIN)):
            self.write('my/tests/base.py', source)
            for text in (
                'from my.tests import base\nclass T(base.TestOne):',
                'from my.tests.base import TestOne as X\nclass T(X):',
                'from . import base\nclass T(base.TestOne):',
                'from .base import TestOne\nclass T(TestOne):',
                'from ..tests import base\nclass T(base.TestOne):',
                'import my.tests.base\nclass T(my.tests.base.TestOne):',
                'from .base import TestOne\nclass U(TestOne):\n    pass\n'
                'class T(object, U):',
            ):
                with self.subTest(text):
                    before = self.kinds()[kind]
                    self.write(
                        'my/tests/test_y.py', text + '\n def test_a(self): 0\n'
                    )
                    self.assertEqual({kind: before + 1}, self.kinds())
                    os.unlink(self.home / 'my/tests/test_y.py')

    def test_source_in_a_directory_of_its_own(self):
        self.write('src/my/tests/base.py', NOVA)
        self.write(
            'src/my/tests/test_x.py',
            'from my.tests import base\n'
            'class T(base.TestOne):\n def test_a(self): 0\n',
        )
        self.assertEqual({'fully': 4}, self.kinds())
        self.assertEqual(['src/my/tests'], self.look().paths)

    def test_bases_in_a_circle(self):
        self.write(
            'test_x.py',
            'class A(B):\n def test_a(self): 0\nclass B(A):\n pass\n',
        )
        self.assertEqual({'not at all': 1}, self.kinds())

    def test_hardened_already(self):
        self.write(
            'test_x.py',
            'import safe_fixtures, testtools\n'
            'class T(safe_fixtures.hardened(testtools.TestCase)):\n'
            ' def test_a(self): 0\n',
        )
        self.assertEqual({'partly': 1}, self.kinds())
        self.assertTrue(self.look().hardened)
        self.write(
            'test_x.py',
            'from safe_fixtures.nova import SafeTestCase\n'
            'class T(SafeTestCase):\n def test_a(self): 0\n',
        )
        self.assertEqual({'fully': 1}, self.kinds())
        self.assertTrue(self.look().hardened)

    def test_other_runners(self):
        self.write(
            'test_x.py',
            'def test_a(): 0\ndef helper(): 0\n'
            'class TestX:\n def test_a(self): 0\n',
        )
        self.assertEqual({'not at all': 2}, self.kinds())
        self.assertEqual([], self.look().paths)

    def test_what_is_no_source_of_the_project(self):
        for name in ('.tox/x', 'build', 'x.egg-info', 'venv', 'node_modules'):
            self.write(f'{name}/test_x.py', NOVA)
        self.write('venv/pyvenv.cfg')
        self.write('test_x.txt', NOVA)
        os.symlink('.tox', self.home / 'linked')
        self.assertEqual({}, self.kinds())

    def test_what_cannot_be_parsed(self):
        self.write('test_good.py', PLAIN)
        bad = {
            'syntax': 'def (',
            'null': '\0',
            'bytes': '\udcff',
            'deep': '-' * 100_000 + '1',
            'nested': 'x = ' + '(' * 5000,
            'coding': '# -*- coding: nonsense -*-\n',
            'large': '#' * (1 << 22) + '\n',
        }
        for name, source in bad.items():
            self.write(f'bad/{name}.py', source)
        os.mkfifo(self.home / 'bad/pipe.py')
        os.mkdir(self.home / 'bad/folder.py')
        os.symlink('absent', self.home / 'bad/dangling.py')
        found = self.look()
        self.assertEqual(2, found.tests.total())
        self.assertEqual(
            sorted(f'bad/{name}.py' for name in (*bad, 'pipe', 'dangling')),
            sorted(found.unreadable),
        )

    def test_bases_that_have_no_name(self):
        self.write(
            'test_x.py',
            'class A(x[0], f(lambda: 0), *y, metaclass=M):\n'
            ' def test_a(self): 0\n',
        )
        self.assertEqual({'not at all': 1}, self.kinds())

    def test_nothing_is_imported_or_run(self):
        self.write('test_x.py', f'open({str(self.home / "ran")!r}, "w")\n')
        self.write('conftest.py', 'raise SystemExit\n')
        self.look()
        self.assertFalse((self.home / 'ran').exists())

    def test_where_the_tests_are(self):
        for number in range(4):
            self.write(f'my/tests/unit/a/test_{number}.py', NOVA * 3)
            self.write(f'my/tests/unit/b/test_{number}.py', NOVA * 3)
        # Classes of the same name count once.
        self.write(
            'my/base.py',
            'from nova import test\n'
            'class A(test.TestCase):\n def test_a(self): 0\n',
        )
        self.write('other/test_x.py', NOVA)
        self.write('plain/test_x.py', PLAIN)
        self.assertEqual(
            ['my/tests/unit', 'other/test_x.py'], self.look().paths
        )

    def test_itself(self):
        found = project.look(os.path.join(base.ROOT, 'examples'))
        self.assertEqual([], found.unreadable)
        self.assertTrue(found.hardened)
        self.assertTrue(found.uses_nova)
