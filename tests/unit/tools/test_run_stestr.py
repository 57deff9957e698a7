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


"""Which tests tools/run_stestr.py runs once."""

import ast
import importlib.util
import os
import pathlib
import re

from tests.support import base

PATH = os.path.join(base.ROOT, 'tools', 'run_stestr.py')
TESTS = pathlib.Path(base.ROOT, 'tests', 'functional')


def _load():
    spec = importlib.util.spec_from_file_location('tools_run_stestr', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run_stestr = _load()


def find(name):
    """Return the package, module, class or test of a name, if there is one."""
    path, parts = TESTS, name.split('.')
    while parts and (path / parts[0]).is_dir():
        path /= parts.pop(0)
    if not parts:
        return path
    found = ast.parse((path / f'{parts.pop(0)}.py').read_text())
    for part in parts:
        (found,) = (
            each
            for each in found.body
            if isinstance(each, ast.ClassDef | ast.FunctionDef)
            and each.name == part
        )
    return found


class TestOnce(base.TestCase):
    def test_each_name_is_one_of_a_test(self):
        for mode, names in run_stestr.ONCE.items():
            self.assertIn(mode, run_stestr.MODES)
            for name in names:
                with self.subTest(name=name):
                    self.assertIsNotNone(find(name))

    def test_a_name_is_that_of_a_whole_part(self):
        for test, modes in (
            ('nova.test_suite.TestHarden.test_twice', 'threading'),
            ('nova.test_suite.TestHardened.test_twice', 'both'),
            ('nova.test_suite.TestAModuleOfNova.test_as_it_is', 'both'),
            ('nova.permissions.test_guard.TestExits.test_x', 'eventlet'),
            (
                'nova.services.test_order.TestRefused.test_swallowed',
                'threading',
            ),
            ('nova.services.test_order.TestRefused.test_each_way', 'both'),
        ):
            for mode in run_stestr.MODES:
                with self.subTest(test=test, mode=mode):
                    elsewhere = re.search(
                        run_stestr.elsewhere(mode), f'tests.functional.{test}'
                    )
                    self.assertEqual(modes in (mode, 'both'), not elsewhere)
