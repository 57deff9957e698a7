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

import re

from safe_fixtures.audit import events
from safe_fixtures.report import pictures
from tests.support import base

OUTCOMES = {
    'admin': {'show': 'allowed', 'delete': 'allowed'},
    'reader': {'show': 'allowed', 'delete': 'allowed'},
    'other': {'show': 'hidden', 'delete': 'not checked'},
}
FINDING = (
    'reader: delete: expected forbidden, got allowed (HTTP 204) [rule: why]'
)


def check(server='server-1', outcome='success', test='a.B.test_it', **details):
    content = {
        'requests': 6,
        'microversion': '2.104',
        'not_checked': [],
        'deviations': {},
        'findings': [],
        'outcomes': OUTCOMES,
        **details,
    }
    return events.Event({
        'action': 'evaluate/permissions',
        'outcome': outcome,
        'eventTime': '2026-11-27T22:05:40.590438+0000',
        'initiator': {'name': test},
        'target': {'name': server},
        'attachments': [{'name': 'details', 'content': content}],
    })  # fmt: skip


def wrong(**details):
    return check(outcome='failure', findings=[FINDING], **details)


class TestPermissions(base.TestCase):
    def shown(self, *checks):
        return str(pictures.permissions_tables(checks))

    def cells(self, *checks):
        return [
            (kind, re.sub('<[^>]*>', '', text))
            for kind, text in re.findall(
                '<td class="pic-([^"]*)">(.*?)</td>', self.shown(*checks)
            )
        ]

    def test_nothing(self):
        self.assertEqual('', self.shown())

    def test_matrix(self):
        self.assertEqual(
            [
                ('allowed', 'allowed'),
                ('allowed', 'allowed'),
                ('hidden', 'hidden'),
                ('allowed', 'allowed'),
                ('allowed', 'allowed'),
                ('unchecked', 'not checked'),
            ],
            self.cells(check()),
        )
        text = self.shown(check())
        self.assertEqual(
            ['operation', 'admin', 'reader', 'other'],
            re.findall('scope="col">([^<]*)<', text),
        )
        self.assertEqual(
            ['show', 'delete'], re.findall('scope="row">([^<]*)<', text)
        )
        self.assertIn('1 server as expected', text)
        self.assertIn('Microversion 2.104, 6 requests', text)
        self.assertIn('a.B.test_it: server server-1', text)

    def test_wrong(self):
        self.assertEqual(
            ('wrong', 'allowed ✗ should be forbidden'),
            self.cells(wrong())[4],
        )
        text = self.shown(wrong())
        self.assertIn('1 server with 1 finding', text)
        self.assertIn(f'<li>{FINDING}</li>', text)

    def test_changed_on_purpose(self):
        shown = check(deviations={'reader: delete': 'they clean up'})
        self.assertEqual(
            ('allowed pic-stated', 'allowed as the test states'),
            self.cells(shown)[4],
        )
        self.assertIn('reader: delete (they clean up)', self.shown(shown))

    def test_equal_results_are_one_table(self):
        text = self.shown(
            *(check(f'server-{number}', requests=number) for number in '12'),
            check('server-3', not_checked=['tags: too old']),
            wrong(),
        )
        self.assertEqual(3, text.count('<table'))
        self.assertIn('server-2', text)
        # What is wrong comes first.
        self.assertLess(text.index('1 finding'), text.index('as expected'))

    def test_not_checked(self):
        text = self.shown(
            check(
                outcome='unknown',
                outcomes={},
                not_checked=['all: it was deleted'],
            )
        )
        self.assertNotIn('<table', text)
        self.assertIn('1 server not checked', text)
        self.assertIn('all: it was deleted', text)

    def test_records_without_outcomes(self):
        text = self.shown(wrong(outcomes={}))
        self.assertNotIn('<table', text)
        self.assertIn('is not in the records', text)
        self.assertIn(FINDING, text)

    def test_hostile(self):
        evil = '<script>\x1b\u202e'
        text = self.shown(
            check(
                evil,
                'failure',
                evil,
                microversion=evil,
                findings=[f'{evil}: {evil}: expected {evil}, got x', evil],
                deviations={evil: evil, f'{evil}: {evil}': 'why'},
                not_checked=[evil, 'x' * 10**6],
                outcomes={evil: {evil: evil, 'show': 'allowed'}},
            )
        )
        self.assertNotIn('<script>', text)
        self.assertNotIn('\x1b', text)
        self.assertNotIn('\u202e', text)
        self.assertIn(r'&lt;script&gt;\x1b\u202e', text)
        self.assertLess(len(text), 10000)

    def test_senseless(self):
        for details in (
            {'outcomes': {'admin': 'allowed'}},
            {'outcomes': ['allowed'], 'findings': 'all', 'deviations': []},
            {'requests': -1, 'microversion': 2.1, 'not_checked': [1]},
        ):
            with self.subTest(details=details):
                self.assertIn('1 server as expected', self.shown(
                    check(**details)
                ))  # fmt: skip

    def test_more_than_a_page_holds(self):
        many = {
            f'persona {number}': {'show': 'allowed'} for number in range(99)
        }
        text = self.shown(
            *(check(not_checked=[str(number)]) for number in range(45)),
            wrong(outcomes=many, not_checked=[str(n) for n in range(99)]),
        )
        self.assertEqual(40, text.count('<table'))
        self.assertIn('6 more results', text)
        self.assertIn('and 69 more', text)
        self.assertNotIn('persona 60', text)
