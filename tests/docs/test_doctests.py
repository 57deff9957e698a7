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

"""What the pages and docstrings show at a prompt, at a prompt."""

import doctest
import importlib
import io
import pathlib
import pkgutil

import testtools

import safe_fixtures

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [
    path
    for path in (
        ROOT / 'README.rst',
        *sorted((ROOT / 'doc/source').rglob('*.rst')),
    )
    if '>>> ' in path.read_text('utf-8')
]
# What needs Nova has no prompt; see test_docstrings.
MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(
        safe_fixtures.__path__, 'safe_fixtures.'
    )
    if not module.name.startswith(('safe_fixtures.nova', 'safe_fixtures.cli'))
]


def _run(tests):
    """Run doctests; return how many examples ran, and what failed."""
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in tests:
        runner.run(test, out=report.write)
    return runner.tries, report.getvalue()


def _page(path):
    text = path.read_text('utf-8')
    return doctest.DocTestParser().get_doctest(
        text, {}, path.name, str(path), 0
    )


class TestPages(testtools.TestCase):
    def assertRuns(self, tests):
        tried, report = _run(tests)
        self.assertEqual('', report)
        self.assertNotEqual(0, tried)

    def test_docstrings(self):
        finder = doctest.DocTestFinder(exclude_empty=True)
        self.assertRuns(
            test for module in MODULES for test in finder.find(module)
        )


def _add_test(path):
    def test(self):
        self.assertRuns([_page(path)])

    name = f'test_{path.parent.name}_{path.stem}'.lower().replace('-', '_')
    test.__name__ = name
    setattr(TestPages, name, test)


for _path in PAGES:
    _add_test(_path)


class TestRun(testtools.TestCase):
    """A page that is wrong does not pass."""

    def test_wrong_output_is_reported(self):
        page = doctest.DocTestParser().get_doctest(
            '>>> 1 + 1\n3\n', {}, 'page', 'page', 0
        )
        tried, report = _run([page])
        self.assertEqual(1, tried)
        self.assertIn('Expected:\n    3\nGot:\n    2', report)
