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


"""The catalogue of rules as SARIF has it, with the weaknesses of CWE."""

from importlib import metadata
from typing import Any

from safe_fixtures import rules

__all__ = ['CWE', 'LEVELS', 'TAXONOMY', 'TITLES', 'driver', 'taxonomy']

CWE = 'CWE'
_HOME = 'https://cwe.mitre.org/'
#: The titles that MITRE gives the weaknesses of the catalogue.
TITLES = {
    'CWE-362': (
        'Concurrent Execution using Shared Resource with Improper '
        "Synchronization ('Race Condition')"
    ),
    'CWE-459': 'Incomplete Cleanup',
    'CWE-531': 'Inclusion of Sensitive Information in Test Code',
    'CWE-532': 'Insertion of Sensitive Information into Log File',
    'CWE-668': 'Exposure of Resource to Wrong Sphere',
    'CWE-696': 'Incorrect Behavior Order',
    'CWE-732': 'Incorrect Permission Assignment for Critical Resource',
    'CWE-749': 'Exposed Dangerous Method or Function',
    'CWE-862': 'Missing Authorization',
}
#: How another part of a run refers to the taxonomy.
TAXONOMY = {'name': CWE, 'index': 0}
#: The level of a rule, by its default mode.
LEVELS: dict[rules.Mode, str] = {
    'enforce': 'error',
    'audit': 'warning',
    'off': 'none',
}


def taxonomy() -> dict[str, Any]:
    """Return the weaknesses that the rules are about."""
    return {
        'name': CWE,
        'organization': 'MITRE',
        'informationUri': _HOME,
        'shortDescription': {'text': 'Common Weakness Enumeration'},
        'isComprehensive': False,
        'taxa': [
            {
                'id': _number(cwe),
                'name': title,
                'shortDescription': {'text': title},
                'helpUri': _page(cwe),
            }
            for cwe, title in TITLES.items()
        ],
    }


def driver() -> dict[str, Any]:
    """Return this package as a tool, with its rules."""
    return {
        'name': 'safe_fixtures',
        'version': metadata.version('safe_fixtures'),
        'supportedTaxonomies': [TAXONOMY],
        'rules': [_descriptor(rule) for rule in rules.RULES.values()],
    }


def _descriptor(rule: rules.Rule) -> dict[str, Any]:
    about: dict[str, Any] = {
        'id': rule.code,
        'shortDescription': {'text': _sentence(rule.title)},
        'fullDescription': {'text': f'{_sentence(rule.title)} {rule.remedy}'},
        'help': {'text': _help(rule), 'markdown': _markdown(rule)},
        'defaultConfiguration': {
            'level': LEVELS[rule.default],
            'enabled': rule.default != 'off',
        },
        'properties': {'tags': ['tests']},
    }
    if rule.cwe:
        about['relationships'] = [
            {
                'target': {
                    'id': _number(rule.cwe),
                    'index': list(TITLES).index(rule.cwe),
                    'toolComponent': TAXONOMY,
                },
                'kinds': ['relevant'],
            }
        ]
        # As code scanning looks for it.
        tag = f'external/cwe/{rule.cwe.lower()}'
        about['properties']['tags'] += ['security', tag]
    return about


def _help(rule: rules.Rule) -> str:
    cwe = f' ({rule.cwe}: {TITLES[rule.cwe]})' if rule.cwe else ''
    return (
        f'{rule.code}: {_sentence(rule.title)[:-1]}{cwe}. {rule.remedy} '
        f'"safe-fixtures rules" lists all rules.'
    )


def _markdown(rule: rules.Rule) -> str:
    # The brackets in a remedy are no link.
    remedy = rule.remedy.replace('[', '\\[').replace('_', '\\_')
    lines = [f'**{rule.code}**: {_sentence(rule.title)}', '', remedy]
    if rule.cwe:
        link = f'[{rule.cwe}: {TITLES[rule.cwe]}]({_page(rule.cwe)})'
        lines += ['', f'Weakness: {link}.']
    return '\n'.join([*lines, '', '`safe-fixtures rules` lists all rules.'])


def _sentence(title: str) -> str:
    return f'{title[0].upper()}{title[1:]}.'


def _number(cwe: str) -> str:
    return cwe.partition('-')[2]


def _page(cwe: str) -> str:
    return f'{_HOME}data/definitions/{_number(cwe)}.html'
