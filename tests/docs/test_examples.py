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

"""The examples of the documentation: executed, and shown as they are."""

# Nova goes first: it patches the standard library for eventlet.
import safe_fixtures.nova  # noqa: F401  # isort: skip

import importlib.util
import pathlib
import re
import subprocess
import sys
import textwrap
import unittest

import fixtures
import testtools

from safe_fixtures import conf
from tests.support import settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / 'doc' / 'source'
EXAMPLES = sorted((SOURCE / 'examples').glob('*.py'))
PAGES = [ROOT / 'README.rst', *sorted(SOURCE.rglob('*.rst'))]
# What a block of code in a page is a part of, by its language. A session
# (pycon) is run by test_doctests.
FILES = {
    language: [
        path
        for folder in (SOURCE / 'examples', ROOT / 'examples')
        for path in sorted(folder.rglob(f'*.{language}'))
    ]
    for language in ('ini', 'toml', 'yaml')
}
FILES['python'] = [
    path
    for folder in (SOURCE / 'examples', ROOT / 'examples')
    for path in sorted(folder.rglob('*.py'))
]
_BLOCK = re.compile(
    r'^( *)\.\. code-block:: (\w+)\n((?:\1   .*\n|[ ]*\n)+)', re.MULTILINE
)
_INCLUDED = re.compile(r'^\.\. literalinclude:: (\S+)$', re.MULTILINE)


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


def blocks(text):
    """Yield the language and the code of each block of code in a page."""
    for match in _BLOCK.finditer(text):
        yield match[2], textwrap.dedent(match[3]).strip('\n')


def is_part(code, source):
    """Whether some lines of a file, all indented alike, are this code."""
    wanted = [line.rstrip() for line in code.splitlines()]
    # Notes to tools are no part of an example.
    lines = [
        re.sub(r'  # (isort|noqa|fmt).*', '', line).rstrip()
        for line in source.splitlines()
    ]
    for start in range(len(lines) - len(wanted) + 1):
        part = textwrap.dedent('\n'.join(lines[start : start + len(wanted)]))
        if part.splitlines() == wanted:
            return True
    return False


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

    def test_what_a_page_shows_is_in_a_file_that_is_run(self):
        sources = {
            language: [path.read_text('utf-8') for path in paths]
            for language, paths in FILES.items()
        }
        rotten = [
            f'{page.name}: {language}\n{code}'
            for page in PAGES
            for language, code in blocks(page.read_text('utf-8'))
            if language in sources
            # These are checked below.
            and not code.startswith('[safe_fixtures]')
            and not any(is_part(code, text) for text in sources[language])
        ]
        self.assertEqual([], rotten, '\n\n'.join(rotten))

    def test_settings_that_a_page_shows_are_valid(self):
        for page in PAGES:
            for language, code in blocks(page.read_text('utf-8')):
                if language == 'ini' and code.startswith('[safe_fixtures]'):
                    file = self.useFixture(fixtures.TempDir()).join('conf')
                    pathlib.Path(file).write_text(code)
                    with settings.Environment(SAFE_FIXTURES_CONFIG=file):
                        conf.load()

    def test_a_package_that_hardens_itself(self):
        done = subprocess.run(
            [sys.executable, '-m', 'testtools.run', 'hardened_package.tests'],
            cwd=SOURCE / 'examples',
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn('Ran 1 test', done.stdout)

    def test_every_example_is_shown(self):
        shown = [
            block
            for page in PAGES
            for block in blocks(page.read_text('utf-8'))
        ]
        included = {
            page.parent.joinpath(name).resolve()
            for page in PAGES
            for name in _INCLUDED.findall(page.read_text('utf-8'))
        }
        for language, paths in FILES.items():
            for path in paths:
                if SOURCE not in path.parents:
                    continue
                text = path.read_text('utf-8')
                self.assertTrue(
                    path in included
                    or any(
                        language == other and is_part(code, text)
                        for other, code in shown
                    ),
                    f'no page shows {path.name}',
                )


class TestTheCheck(testtools.TestCase):
    """Each fault is found, and its twin is none."""

    SOURCE = 'import a  # isort: skip\n\n\nclass B:\n    def c(self):\n'

    def test_part(self):
        for code in ('import a', 'class B:\n    def c(self):', 'def c(self):'):
            self.assertTrue(is_part(code, self.SOURCE), code)

    def test_no_part(self):
        for code in ('import b', 'import a\n\nclass B:', 'def c(self): pass'):
            self.assertFalse(is_part(code, self.SOURCE), code)

    def test_blocks(self):
        page = (
            'Text\n\n.. code-block:: python\n\n   a = 1\n\n   b = 2\n\n'
            '* text\n\n  .. code-block:: ini\n\n     [c]\n'
        )
        self.assertEqual(
            [('python', 'a = 1\n\nb = 2'), ('ini', '[c]')],
            list(blocks(page)),
        )
