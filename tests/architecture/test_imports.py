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

"""The direction of imports, as the design has it."""

import ast
import os
import pathlib
import subprocess
import sys

import testtools

import safe_fixtures
from safe_fixtures import rules

PACKAGE = pathlib.Path(safe_fixtures.__file__).parent

# The floors, from the ground up. A room imports only what is on a lower
# floor. A dot before the names: rooms of that floor may import each other,
# as long as they make no circle.
FLOORS = (
    ('runtime',),
    ('boundary',),
    ('redaction',),
    ('.', 'rules', 'exceptions', 'conf', 'extensions'),
    ('audit',),
    ('core',),
    ('summary', 'guards'),
    ('baseline',),
    ('report',),
    ('hardening',),
    ('testing', '__main__'),
    ('nova', 'cli'),
)
FLOOR_OF = {
    name: number for number, names in enumerate(FLOORS) for name in names
}
# Importing one of these is for safe_fixtures.nova alone, or for nobody.
FORBIDDEN = ('nova', 'placement', 'requests', 'urllib3', 'httpx', 'eventlet',
             'oslo_context', 'webob')  # fmt: skip
REQUIREMENTS = {
    'fixtures',
    'microversion_parse',
    'oslo_config',
    'oslo_utils',
    'pycadf',
    'testtools',
    'wrapt',
}
# What the command line may import besides.
OF_CLI = {'cliff', 'stestr', 'subunit', 'tqdm'}
# And the reports.
OF_REPORT = {'jinja2', 'junitparser', 'markupsafe', 'subunit'}


def sources():
    """Return the source of each module, by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        if path.parent == PACKAGE / 'cli' / 'examples':
            # They are shown, and imported by nobody.
            continue
        parts = path.relative_to(PACKAGE).with_suffix('').parts
        if parts[-1] == '__init__':
            parts = parts[:-1]
        found['.'.join(('safe_fixtures', *parts))] = path.read_text()
    return found


def imports(source, modules):
    """Return all that a module imports, at whatever depth."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                found.add('a relative import')
                continue
            for alias in node.names:
                name = f'{node.module}.{alias.name}'
                found.add(name if name in modules else node.module)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition('.')[2]
            if called in ('import_module', '__import__') and node.args:
                if isinstance(node.args[0], ast.Constant):
                    found.add(node.args[0].value)
                else:
                    found.add(f'what {ast.unparse(node.args[0])} says')
    return found


def folder(module):
    return module.split('.')[1]


def room(module):
    """Return the folder of a module; each guard is a room of its own."""
    parts = module.split('.')
    return '.'.join(parts[1:3] if parts[1] == 'guards' else parts[1:2])


def faults(tree):
    """Yield what is wrong with the imports of the modules of a tree."""
    for module, source in tree.items():
        in_nova = module.startswith('safe_fixtures.nova')
        for name in sorted(imports(source, tree)):
            top = name.partition('.')[0]
            if top == 'a relative import':
                yield f'{module} has a relative import'
            elif top == 'safe_fixtures':
                yield from direction_faults(module, name)
            elif in_nova:
                continue
            elif top in FORBIDDEN:
                yield f'{module} imports {name}'
            elif top in OF_CLI and module.startswith('safe_fixtures.cli.'):
                continue
            elif (module, top) == ('safe_fixtures.cli.restore', 'openstack'):
                # Of an extra.
                continue
            elif top in OF_REPORT and module.startswith(
                'safe_fixtures.report.'
            ):
                continue
            elif top not in REQUIREMENTS | sys.stdlib_module_names:
                yield f'{module} imports {name}, which is no requirement'


def direction_faults(module, name):
    if module == 'safe_fixtures':
        if folder(name) in ('nova', 'cli', 'testing', 'summary'):
            yield f'{module} imports {name}'
        return
    if name == 'safe_fixtures':
        yield f'{module} imports the public names'
        return
    own, other = folder(module), folder(name)
    for unknown in {own, other} - FLOOR_OF.keys():
        yield f'{unknown} has no floor'
    if {own, other} <= FLOOR_OF.keys() and room(module) != room(name):
        if FLOOR_OF[other] > FLOOR_OF[own]:
            yield f'{module} imports {name}, which is above it'
        elif (
            FLOOR_OF[own] == FLOOR_OF[other]
            and '.' not in FLOORS[FLOOR_OF[own]]
        ):
            yield f'{module} imports {name}, which is beside it'


def cycles(tree):
    """Return the modules that take part in a cycle of imports."""
    graph = {
        module: imports(source, tree) & tree.keys() - {module}
        for module, source in tree.items()
    }
    # What imports nothing that is left is in no cycle.
    while True:
        free = [name for name, found in graph.items() if not found]
        if not free:
            return set(graph)
        for name in free:
            del graph[name]
        for found in graph.values():
            found.difference_update(free)


class TestImports(testtools.TestCase):
    def test_of_the_package(self):
        tree = sources()
        self.assertIn('safe_fixtures.guards.services', tree)
        self.assertIn('safe_fixtures.nova.bases', tree)
        self.assertEqual([], list(faults(tree)))

    def test_every_rule_is_reported_by_something(self):
        reported = {
            node.value
            for module, source in sources().items()
            if module != 'safe_fixtures.rules'
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Constant) and node.value in rules.RULES
        }
        self.assertEqual(set(rules.RULES), reported)

    def test_no_circles(self):
        self.assertEqual(set(), cycles(sources()))

    def test_importing_the_package_loads_none_of_the_forbidden(self):
        script = (
            'import sys\n'
            'import safe_fixtures\n'
            'import safe_fixtures.testing\n'
            'import safe_fixtures.summary\n'
            # What hardens a project imports it after all of this.
            'import safe_fixtures.__main__\n'
            'import safe_fixtures.cli.runner.worker\n'
            'print(*{name.partition(".")[0] for name in sys.modules})\n'
        )
        done = subprocess.run(
            [sys.executable, '-c', script],
            cwd=PACKAGE.parent,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = set(done.stdout.split())
        self.assertIn('safe_fixtures', loaded)
        self.assertEqual(set(), loaded & set(FORBIDDEN))


class TestTheCheck(testtools.TestCase):
    """Each fault is found, and its twin is none."""

    def check(self, source, module='safe_fixtures.guards.services.toggle'):
        tree = {
            'safe_fixtures.core.gate': '',
            'safe_fixtures.guards.microversion': '',
            'safe_fixtures.guards.services.ledger': '',
            'safe_fixtures.guards.services.toggle': '',
            'safe_fixtures.nova.bases': '',
            'safe_fixtures.cli.run': '',
            'safe_fixtures.rules': '',
            module: source,
        }
        return list(faults(tree))

    def test_downward(self):
        for source in (
            'from safe_fixtures.core import gate',
            'import safe_fixtures.core.gate',
            'from safe_fixtures import rules',
        ):
            self.assertEqual([], self.check(source), source)

    def test_within_a_room(self):
        self.assertEqual(
            [], self.check('from safe_fixtures.guards.services import ledger')
        )

    def test_upward(self):
        source = 'from safe_fixtures.guards.services import toggle'
        self.assertEqual([], self.check(source, 'safe_fixtures.testing'))
        for module in ('safe_fixtures.conf', 'safe_fixtures.core.guard'):
            self.assertEqual(1, len(self.check(source, module)), module)
            self.assertEqual(
                1, len(self.check(f'def f():\n  {source}', module)), module
            )

    def test_beside(self):
        self.assertEqual(
            [
                'safe_fixtures.guards.services.toggle imports '
                'safe_fixtures.guards.microversion, which is beside it'
            ],
            self.check('from safe_fixtures.guards import microversion'),
        )
        self.assertEqual(
            [],
            self.check(
                'from safe_fixtures import rules', 'safe_fixtures.conf'
            ),
        )

    def test_nova_and_cli(self):
        for module, name in (('nova.x', 'cli.run'), ('cli.x', 'nova.bases')):
            self.assertEqual(
                1,
                len(
                    self.check(
                        f'import safe_fixtures.{name}',
                        f'safe_fixtures.{module}',
                    )
                ),
                f'{name} in {module}',
            )

    def test_what_only_the_command_line_requires(self):
        for source in ('import cliff.lister', 'from stestr import scheduler'):
            self.assertEqual(
                [], self.check(source, 'safe_fixtures.cli.x'), source
            )
            self.assertEqual(1, len(self.check(source)), source)
            self.assertEqual(
                1, len(self.check(source, 'safe_fixtures.client')), source
            )

    def test_what_only_reports_require(self):
        for source in ('import jinja2', 'def f():\n  import subunit'):
            self.assertEqual(
                [], self.check(source, 'safe_fixtures.report.x'), source
            )
            self.assertEqual(1, len(self.check(source)), source)

    def test_nova_only_in_its_room(self):
        for source in (
            'import nova',
            'import nova.test',
            'from nova import test',
            'def f():\n  from nova.tests import functional',
            'import importlib\nimportlib.import_module("nova.test")',
            'import requests',
            'try:\n  import eventlet\nexcept ImportError: pass',
            'from oslo_context import context',
            'from urllib3 import util',
        ):
            self.assertEqual(1, len(self.check(source)), source)
            self.assertEqual(
                [], self.check(source, 'safe_fixtures.nova.x'), source
            )

    def test_requirements(self):
        self.assertEqual(1, len(self.check('import six')))
        self.assertEqual([], self.check('import wrapt\nimport os.path'))

    def test_computed_import(self):
        self.assertEqual(1, len(self.check('__import__(name)')))

    def test_relative(self):
        self.assertEqual(1, len(self.check('from . import gate')))

    def test_unknown_room(self):
        self.assertEqual(
            ['extra has no floor'],
            self.check(
                'from safe_fixtures.core import gate', 'safe_fixtures.extra'
            ),
        )

    def test_public_names(self):
        self.assertEqual(1, len(self.check('import safe_fixtures')))
        for name in ('nova.bases', 'cli.run'):
            self.assertEqual(
                1,
                len(self.check(f'import safe_fixtures.{name}',
                               'safe_fixtures')),
                name,
            )  # fmt: skip

    def test_cycle(self):
        one, two = 'safe_fixtures.audit', 'safe_fixtures.core.gate'
        straight = {one: f'import {two}', two: ''}
        self.assertEqual(set(), cycles(straight))
        straight[two] = f'def f():\n  import {one}'
        self.assertEqual({one, two}, cycles(straight))
