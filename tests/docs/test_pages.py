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

"""The pages that are about data of the package, against that data."""

# Nova goes first: it patches the standard library for eventlet.
import safe_fixtures.nova  # isort: skip

import importlib
from importlib import metadata
import pathlib
import re
from xml.etree import ElementTree

import fixtures
from sphinx import application
from sphinx.util import docutils as sphinx_docutils
import testtools

from safe_fixtures import conf
from safe_fixtures.nova import pins
from safe_fixtures import rules
from tests.architecture import test_imports

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / 'doc' / 'source'
# A file of the repository that a page names.
_PATH = re.compile(
    r'``((?:safe_fixtures|core|runtime|guards|redaction|audit|nova|tests|doc'
    r'|constraints|benchmarks)/[\w/.-]+)``'
)
EXTENSION = SOURCE / '_ext' / 'safe_fixtures_tables.py'


def _page(name):
    return (SOURCE / f'{name}.rst').read_text('utf-8')


class TestTables(testtools.TestCase):
    def rows(self, text):
        """Return the rows of the table in a page, without its heading."""
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (root / 'index.rst').write_text(f'Page\n====\n\n{text}\n')
        self.useFixture(fixtures.PythonPathEntry(str(EXTENSION.parent)))
        with sphinx_docutils.docutils_namespace():
            app = application.Sphinx(
                root,
                None,
                root / 'out',
                root / 'doctrees',
                'xml',
                confoverrides={
                    'extensions': [EXTENSION.stem],
                    'smartquotes': False,
                },
                status=None,
                warningiserror=True,
                exception_on_warning=True,
            )
            app.build()
        tree = ElementTree.parse(root / 'out' / 'index.xml')
        return [
            [
                ' '.join(''.join(entry.itertext()).split())
                for entry in row.iter('entry')
            ]
            for row in tree.iterfind('.//tbody/row')
        ]

    def test_every_rule_is_in_the_table(self):
        listed = self.rows('.. safe-fixtures-rules::')
        self.assertEqual(
            sorted(
                [
                    rule.code,
                    rule.title,
                    rule.cwe or 'no exact one',
                    'none' if rule.finding == '-' else rule.finding,
                    rule.default + (', always' if rule.always else ''),
                    rule.remedy,
                ]
                for rule in rules.RULES.values()
            ),
            sorted(listed),
        )

    def test_pins(self):
        rows = self.rows('.. safe-fixtures-pins::')
        self.assertEqual(
            [[str(major), pin] for major, pin in sorted(pins.VETTED.items())],
            [row[:2] for row in rows],
        )
        self.assertEqual(
            [str(major) for major in sorted(pins.VETTED)],
            [row[2].partition('.')[0] for row in rows],
        )

    def test_pages_have_the_tables(self):
        self.assertIn('.. safe-fixtures-rules::\n', _page('reference/rules'))
        self.assertIn('.. safe-fixtures-pins::\n', _page('reference/releases'))


class TestPages(testtools.TestCase):
    def test_findings_name_every_rule_and_its_weakness(self):
        rows = {
            row.partition('\n')[0]: row
            for row in _page('reference/findings').split('   * - ')[1:]
        }
        for rule in rules.RULES.values():
            if rule.finding == '-':
                continue
            row = '\n'.join(
                text
                for number, text in rows.items()
                if number == 'both' or number in rule.finding.split(', ')
            )
            self.assertTrue(_names(row, rule.code), rule.code)
            self.assertIn(rule.cwe or 'no exact CWE', row, rule.code)

    def test_findings_name_no_unknown_rule(self):
        for code in re.findall(r'SF\d+', _page('reference/findings')):
            self.assertIn(code, rules.RULES)

    def test_every_public_name_is_in_the_reference(self):
        page = _page('reference/api')
        for package in (safe_fixtures, safe_fixtures.nova):
            for name in package.__all__:
                self.assertRegex(page, rf'\b{name}\b')

    def test_pages_install_it_in_one_way(self):
        found = set()
        for page in (ROOT / 'README.rst', *SOURCE.rglob('*.rst')):
            for words in re.findall(
                r'pip install ([^\n&`]*\.\[[^\n&`]*)', page.read_text('utf-8')
            ):
                found.add(re.sub('["\']|-q ', '', words).strip())
        self.assertEqual(
            {'-c constraints/nova34.txt .[cli,nova]', '.[cli]'}, found
        )

    def test_every_page_is_reachable(self):
        index = _page('index').split()
        for path in SOURCE.rglob('*.rst'):
            name = path.relative_to(SOURCE).with_suffix('').as_posix()
            self.assertIn(name, [*index, 'index'])

    def test_options_are_found_by_their_namespace(self):
        """What the configuration page and the sample are made from."""
        (entry,) = (
            entry
            for entry in metadata.entry_points(group='oslo.config.opts')
            if entry.name == 'safe_fixtures'
        )
        self.assertIs(conf.list_opts, entry.load())
        self.assertIn(
            '.. show-options::\n\n   safe_fixtures\n',
            _page('reference/options'),
        )
        self.assertIn(
            'namespace = safe_fixtures\n',
            (SOURCE / 'config-generator.conf').read_text('utf-8'),
        )


class TestArchitecture(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.page = _page('contributor/architecture')

    def test_floors(self):
        """The picture shows the floors that the check of imports knows."""
        shown = re.findall(r'^  [ \d]\d \| (.*)$', self.page, re.MULTILINE)
        floors = [
            [name for name in names if name != '.']
            for names in reversed(test_imports.FLOORS)
        ]
        self.assertEqual(
            floors,
            [
                line.split()[: len(names)]
                for line, names in zip(shown, floors, strict=True)
            ],
        )

    def test_files_that_are_named_exist(self):
        for page in SOURCE.glob('contributor/*.rst'):
            text = page.read_text('utf-8')
            for name in _PATH.findall(text):
                # Some names begin below the package.
                places = [ROOT / name, ROOT / 'safe_fixtures' / name]
                if 'NNN' not in name:
                    self.assertTrue(
                        any(place.exists() for place in places),
                        f'{page.name}: {name}',
                    )

    def test_every_rule_has_a_place(self):
        self.useFixture(fixtures.PythonPathEntry(str(EXTENSION.parent)))
        places = importlib.import_module('safe_fixtures_places')
        for code in rules.RULES:
            self.assertNotEqual([], places.modules(code), code)
            for page in places.pages(code):
                self.assertTrue(
                    (SOURCE / f'{page}.rst').exists(), f'{code}: {page}'
                )
            if code != 'SF901':
                self.assertNotEqual([], places.tests(code), code)


def _names(text, code):
    """Whether a text names a code, by itself or within a range."""
    if code in text:
        return True
    return any(
        first <= code <= last
        for first, last in re.findall(r'(SF\d+) to (SF\d+)', text)
    )
