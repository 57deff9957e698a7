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

"""Where each rule lives, found in the sources.

``safe-fixtures-places``
    For each rule: the modules that raise it, Nova's side of their guard, the
    pages about it, and its tests.
"""

import ast
import functools
import pathlib

from sphinx.util import docutils as sphinx_docutils

from safe_fixtures import rules

ROOT = pathlib.Path(__file__).resolve().parents[3]
PACKAGE = ROOT / 'safe_fixtures'
# They read what is recorded about a rule, or define what is raised.
_READERS = ('audit', 'summary', 'rules.py', 'exceptions.py', '__init__.py')
# Nova's side of a room that has another name there.
_NOVA = {'microversion': ['pins.py'], 'isolation': []}
# The page of a room that has another name, or more than one page.
_PAGES = {
    'SF203': ['reference/order'],
    'SF206': ['reference/journal'],
    'SF901': ['reference/waivers'],
    'services': ['reference/services'],
}


@functools.cache
def _mentions(path):
    """Return the strings, and the names of attributes, in a module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text('utf-8'))):
        if isinstance(node, ast.Constant):
            found.add(node.value)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
    return found


@functools.cache
def _exceptions_of(code):
    """Return the names of the exceptions that stand for one rule."""
    source = (PACKAGE / 'exceptions.py').read_text('utf-8')
    return {
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
        and any(
            isinstance(part, ast.Constant) and part.value == code
            for part in ast.walk(node)
        )
    }


@functools.cache
def modules(code):
    """Return the modules that raise a rule, below the package."""
    wanted = {code, *_exceptions_of(code)}
    found = []
    for path in sorted(PACKAGE.rglob('*.py')):
        name = path.relative_to(PACKAGE)
        if name.parts[0] not in _READERS and wanted & _mentions(path):
            found.append(name.as_posix())
    return found


def rooms(code):
    """Return the rooms of the guards that raise a rule."""
    found = []
    for module in modules(code):
        folder, _, rest = module.partition('/')
        room = rest.partition('/')[0].removesuffix('.py')
        if folder == 'guards' and room not in found:
            found.append(room)
    return found


def nova_side(code):
    """Return what supplies Nova to these guards, below the package."""
    found = []
    for room in rooms(code):
        for name in _NOVA.get(room, [f'{room}.py', room]):
            if (PACKAGE / 'nova' / name).exists():
                found.append(f'nova/{name}')
    return found


def pages(code):
    """Return the pages about a rule."""
    if code in _PAGES:
        return _PAGES[code]
    return [
        page
        for room in rooms(code)
        for page in _PAGES.get(room, [f'reference/{room.replace("_", "-")}'])
    ]


def tests(code):
    """Return the folders, or files, with the tests of these guards."""
    found = []
    if any(name.startswith('core/') for name in modules(code)):
        found.append('tests/unit/core')
    for kind in ('unit/guards', 'functional/nova'):
        for room in rooms(code):
            for name in (room, f'test_{room}.py'):
                if (ROOT / 'tests' / kind / name).exists():
                    found.append(f'tests/{kind}/{name}')
    return found


class PlacesDirective(sphinx_docutils.SphinxDirective):
    def run(self):
        lines = [
            '.. list-table::',
            '   :header-rows: 1',
            '   :widths: 8 30 17 20 25',
            '',
        ]
        rows = [('Rule', 'Raised in', "Nova's side", 'Page', 'Tests')]
        for code in rules.RULES:
            rows.append(
                (
                    f':ref:`{code} <{code.lower()}>`',
                    _cell(f'``{name}``' for name in modules(code)),
                    _cell(f'``{name}``' for name in nova_side(code)),
                    _cell(f':doc:`/{page}`' for page in pages(code)),
                    _cell(f'``{name}``' for name in tests(code)),
                )
            )
        for row in rows:
            for number, cell in enumerate(row):
                lines.append(f'   {"* -" if number == 0 else "  -"} {cell}')
        return self.parse_text_to_nodes('\n'.join(lines))


def _cell(names):
    return ', '.join(names) or 'none'


def setup(app):
    app.add_directive('safe-fixtures-places', PlacesDirective)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
