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

"""What each module offers, and that its documentation says so."""

import ast
import importlib
import inspect
import pathlib
import re

import testtools

import safe_fixtures
from tests.architecture import test_imports

PACKAGE = pathlib.Path(safe_fixtures.__file__).parent

PUBLIC = {
    'Alert', 'Alerts', 'ApiGate', 'AuditTrail', 'ConfigurationError',
    'DummyDataGuard', 'IsDummyFlavor', 'IsDummyImage', 'IsolationGuard',
    'MicroversionPin', 'PayloadGuard', 'PostureGuard', 'RedactedOutput',
    'Redactor', 'RestoreFailed', 'SafeServiceToggle', 'SafeServicesMixin',
    'SafetyViolation', 'ServerPermissions', 'ServiceHeld',
    'ServiceStartGuard', 'WaitCutShort', 'WrongOrder', 'expect_violation',
    'hardened', 'waive',
}  # fmt: skip


def public_names(source):
    """Return the names in __all__; None without one."""
    for node in ast.parse(source).body:
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == '__all__'
        ):
            return ast.literal_eval(node.value)
    return None


def defined_names(source):
    """Return the names that a module defines at its top level."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        ):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(
                (alias.asname or alias.name).partition('.')[0]
                for alias in node.names
            )
        else:
            found.update(
                item.id
                for item in ast.walk(node)
                if isinstance(item, ast.Name)
                and isinstance(item.ctx, ast.Store)
            )
    return found


def documents():
    """Return the text of the documentation."""
    root = PACKAGE.parent
    paths = [root / 'README.rst', *root.glob('doc/source/**/*.rst')]
    return '\n'.join(path.read_text() for path in paths)


def undocumented(source):
    """Return what is public in a module and has no docstring."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ['module']
    names = public_names(source) or ()
    for node in tree.body:
        if getattr(node, 'name', None) not in names:
            continue
        if not ast.get_docstring(node):
            found.append(node.name)
    return found


class TestPublicNames(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.sources = test_imports.sources()

    def test_every_module_says_what_is_public(self):
        for module, source in self.sources.items():
            names = public_names(source)
            self.assertIsNotNone(names, module)
            self.assertEqual(len(names), len(set(names)), module)

    def test_public_names_exist(self):
        for module, source in self.sources.items():
            defined = defined_names(source)
            # A module may make some of its names when they are asked for.
            if '__getattr__' not in defined:
                self.assertEqual(
                    set(), set(public_names(source)) - defined, module
                )

    def test_public_names_of_the_core_exist(self):
        for module, source in self.sources.items():
            if not module.startswith('safe_fixtures.nova'):
                imported = importlib.import_module(module)
                for name in public_names(source):
                    self.assertTrue(
                        hasattr(imported, name), f'{module}.{name}'
                    )

    def test_what_is_public_has_a_docstring(self):
        for module, source in self.sources.items():
            self.assertEqual([], undocumented(source), module)

    def test_public_methods_of_the_core_have_a_docstring(self):
        for name in PUBLIC:
            subject = getattr(safe_fixtures, name)
            self.assertTrue(inspect.getdoc(subject), name)
            for method, value in vars(subject).items():
                if inspect.isfunction(value) and not method.startswith('_'):
                    documented = inspect.getdoc(getattr(subject, method))
                    self.assertTrue(documented, f'{name}.{method}')

    def test_what_a_room_hands_on_is_used_outside(self):
        docs = documents()
        for path in PACKAGE.rglob('*/__init__.py'):
            room = path.parent
            outside = [
                each.read_text()
                for each in PACKAGE.rglob('*.py')
                if room not in each.parents
            ]
            for name in public_names(path.read_text()):
                used = rf'\b{room.name}(\.| import ){name}\b'
                self.assertTrue(
                    re.search(rf'\b{name}\b', docs)
                    or any(re.search(used, source) for source in outside),
                    f'{room} hands on {name}, which nobody uses',
                )

    def test_the_package_offers_its_names_and_nothing_else(self):
        self.assertEqual(PUBLIC, set(safe_fixtures.__all__))
        source = self.sources['safe_fixtures']
        self.assertEqual(PUBLIC | {'__all__'}, defined_names(source))
        # Besides the docstring.
        for node in ast.parse(source).body[1:]:
            self.assertIsInstance(
                node, (ast.ImportFrom, ast.Assign), ast.unparse(node)
            )


class TestTheCheck(testtools.TestCase):
    def test_public_names(self):
        self.assertEqual(['a'], public_names("__all__ = ['a']"))
        self.assertIsNone(public_names('a = 1'))

    def test_defined_names(self):
        self.assertEqual(
            {'a', 'B', 'c', 'd', 'os'},
            defined_names(
                'import os.path\na: int = 1\nclass B: x = 1\n'
                'def c(): y = 1\ntry:\n  d = 1\nexcept: pass\n'
            ),
        )

    def test_undocumented(self):
        source = "'''Doc.'''\n__all__ = ['f', 'C']\n"
        self.assertEqual(
            ['f', 'C'], undocumented(f'{source}def f(): pass\nclass C: x = 1')
        )
        self.assertEqual(
            [],
            undocumented(
                f"{source}def f(): '''F.'''\nclass C: '''C.'''\ndef _g(): pass"
            ),
        )
        self.assertEqual(['module'], undocumented('__all__ = []'))
