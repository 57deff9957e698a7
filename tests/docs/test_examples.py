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

"""The examples of the documentation that need Nova, run as tests."""

# Nova goes first: it patches the standard library for eventlet.
import safe_fixtures.nova  # noqa: F401  # isort: skip

import importlib.util
import pathlib
import sys
import unittest

import testtools

SOURCE = pathlib.Path(__file__).resolve().parents[2] / 'doc' / 'source'
EXAMPLES = sorted((SOURCE / 'examples').glob('*.py'))


def _load(path):
    name = f'{__name__}_{path.stem}'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # Where tracebacks and pickling look for it.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _classes_of(module):
    for name, value in vars(module).items():
        if (
            isinstance(value, type)
            and issubclass(value, unittest.TestCase)
            and value.__module__ == module.__name__
        ):
            yield name, value


for _path in EXAMPLES:
    for _name, _cls in list(_classes_of(_load(_path))):
        _name = f'{_path.stem}_{_name}'
        # Runners find a test by the module and the name of its class.
        _cls.__module__ = __name__
        _cls.__name__ = _cls.__qualname__ = _name
        globals()[_name] = _cls
del _cls


class TestExamples(testtools.TestCase):
    def test_every_example_has_a_test_that_runs(self):
        for path in EXAMPLES:
            classes = [
                value
                for name, value in globals().items()
                if name.startswith(f'{path.stem}_')
            ]
            names = [
                unittest.TestLoader().getTestCaseNames(cls) for cls in classes
            ]
            self.assertNotEqual([], classes, path.name)
            self.assertTrue(all(names), path.name)

    def test_every_example_is_shown(self):
        shown = '\n'.join(
            path.read_text('utf-8') for path in SOURCE.glob('*.rst')
        )
        for path in EXAMPLES:
            self.assertIn(
                f'literalinclude:: examples/{path.name}\n', shown, path.name
            )
