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

"""Tables that are made of the data of the package.

``safe-fixtures-rules``
    The catalogue of rules.
``safe-fixtures-pins``
    The Nova releases, their vetted microversions, and the versions that the
    constraints install.
"""

import pathlib
import re

from sphinx.util import docutils as sphinx_docutils

from safe_fixtures.nova import pins
from safe_fixtures import rules

CONSTRAINTS = pathlib.Path(__file__).resolve().parents[3] / 'constraints'


def tested_release(major):
    """Return the version of a Nova release that the constraints pin."""
    text = (CONSTRAINTS / f'nova{major}.txt').read_text('utf-8')
    return re.search(r'^nova==(\S+)', text, re.MULTILINE).group(1)


def _table(headings, widths, rows):
    lines = [
        '.. list-table::',
        '   :header-rows: 1',
        f'   :widths: {" ".join(str(width) for width in widths)}',
        '',
    ]
    for row in (headings, *rows):
        for number, cell in enumerate(row):
            lines.append(f'   {"* -" if number == 0 else "  -"} {cell}')
    return '\n'.join(lines)


def _cwe(cwe):
    if cwe is None:
        return 'no exact one'
    number = cwe.partition('-')[2]
    url = f'https://cwe.mitre.org/data/definitions/{number}.html'
    return f'`{cwe} <{url}>`__'


class RulesDirective(sphinx_docutils.SphinxDirective):
    def run(self):
        rows = [
            (
                rule.code,
                rule.title,
                _cwe(rule.cwe),
                # A dash would be a list in the cell.
                'none' if rule.finding == '-' else rule.finding,
                f'{rule.default}, always' if rule.always else rule.default,
                rule.remedy,
            )
            for rule in rules.RULES.values()
        ]
        headings = ('Code', 'Rule', 'CWE', 'Finding', 'Default', 'Remedy')
        text = _table(headings, (8, 28, 12, 9, 10, 33), rows)
        return self.parse_text_to_nodes(text)


class PinsDirective(sphinx_docutils.SphinxDirective):
    def run(self):
        rows = [
            (major, pin, tested_release(major), f'``tox run -e nova{major}``')
            for major, pin in sorted(pins.VETTED.items())
        ]
        headings = (
            'Nova',
            'Vetted compute microversion',
            'Tested with',
            'Environment',
        )
        return self.parse_text_to_nodes(
            _table(headings, (10, 40, 20, 30), rows)
        )


def setup(app):
    app.add_directive('safe-fixtures-rules', RulesDirective)
    app.add_directive('safe-fixtures-pins', PinsDirective)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
