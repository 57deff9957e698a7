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


import contextlib
import json
import os
import pathlib
import urllib.parse

import jsonschema
import testtools

from safe_fixtures.core import debts
from safe_fixtures.report import catalogue
from safe_fixtures.report import results
from safe_fixtures.report import sarif
from safe_fixtures import rules
from tests.unit.report import base

SCHEMA = json.loads(
    (pathlib.Path(__file__).parent / 'schemas/sarif-2.1.0-rtm.5.json')
    .read_text()
)  # fmt: skip


class TestSarif(base.TestCase):
    def run_(self):
        """Return the run of the log, which the schema must allow."""
        log = json.loads(json.dumps(sarif.compose(self.found())))
        jsonschema.Draft4Validator(SCHEMA).validate(log)
        (run,) = log['runs']
        for result in run['results']:
            rule = run['tool']['driver']['rules'][result['ruleIndex']]
            self.assertEqual(rule['id'], result['ruleId'])
        return run

    def result(self):
        (result,) = self.run_()['results']
        return result

    def test_empty(self):
        self.run_of(('a.T.test', 'success', 1))
        run = self.run_()
        self.assertEqual([], run['results'])
        (invocation,) = run['invocations']
        self.assertTrue(invocation.pop('executionSuccessful'))
        for time in invocation.values():
            self.assertRegex(time, r'^[\d-]{10}T[\d:]{8}\.\d+Z$')
        self.assertEqual(2, len(invocation))

    def test_no_run(self):
        with self.trail('1', 'x') as trail:
            trail.record('disable', 'host1')
        self.assertEqual([], self.run_()['invocations'])

    def test_rules(self):
        self.run_of()
        run = self.run_()
        driver = run['tool']['driver']
        self.assertEqual(
            list(rules.RULES), [rule['id'] for rule in driver['rules']]
        )
        taxa = run['taxonomies'][0]['taxa']
        for described in driver['rules']:
            rule = rules.RULES[described['id']]
            with self.subTest(rule=rule.code):
                self.assertEqual(
                    {'enforce': 'error', 'audit': 'warning'}[rule.default],
                    described['defaultConfiguration']['level'],
                )
                self.assertIn(rule.remedy, described['help']['text'])
                self.assertEqual(
                    [rule.cwe] if rule.cwe else [],
                    [
                        f'CWE-{taxa[each["target"]["index"]]["id"]}'
                        for each in described.get('relationships', ())
                    ],
                )
        self.assertEqual(
            {rule.cwe for rule in rules.RULES.values()} - {None},
            set(catalogue.TITLES),
        )

    def test_a_violation(self):
        for _ in range(2):
            self.violate(message='an outage')
        result = self.result()
        self.assertEqual('SF203', result['ruleId'])
        self.assertEqual('warning', result['level'])
        self.assertEqual(2, result['occurrenceCount'])
        self.assertEqual([], result['suppressions'])
        self.assertTrue(
            result['message']['text'].startswith('an outage. Move or delete')
        )
        (location,) = result['locations']
        self.assertEqual(
            {
                'artifactLocation': {'uri': 'file:///elsewhere/tests/t.py'},
                'region': {'startLine': 7},
            },
            location['physicalLocation'],
        )
        self.assertEqual(
            'tests.T.test',
            location['logicalLocations'][0]['fullyQualifiedName'],
        )

    def test_levels_and_suppressions(self):
        in_file = {'reason': 'as it is', 'pattern': 'tests.*'}
        for code, how, level, suppressions in (
            ('SF301', {'mode': 'enforce'}, 'error', []),
            ('SF303', {}, 'warning', []),
            (
                'SF401', {'mode': 'enforce', 'waiver': {'reason': 'so'}},
                'note', [('inSource', 'so')],
            ),
            (
                'SF402', {'waiver': in_file}, 'note',
                [('external', 'as it is')],
            ),
            (
                'SF403', {'expected': []}, 'note',
                [('inSource', 'The test expects it: expect_violation().')],
            ),
        ):  # fmt: skip
            self.violate(code, **how)
            with self.subTest(code=code):
                (result,) = (
                    each
                    for each in self.run_()['results']
                    if each['ruleId'] == code
                )
                self.assertEqual(level, result['level'])
                self.assertEqual(
                    suppressions,
                    [
                        (each['kind'], each['justification'])
                        for each in result['suppressions']
                    ],
                )

    def physical(self):
        return self.result()['locations'][0].get('physicalLocation')

    def test_below_the_current_directory(self):
        path = os.path.join(self.directory, 'my tests', 'a:b#c.py')
        self.violate(where=f'{path}:7')
        for here, uri in (
            (self.directory, 'my%20tests/a%3Ab%23c.py'),
            (os.path.dirname(path), 'a%3Ab%23c.py'),
        ):
            os.makedirs(here, exist_ok=True)
            with self.subTest(here=here), contextlib.chdir(here):
                run = self.run_()
                (result,) = run['results']
                (location,) = result['locations']
                artifact = location['physicalLocation']['artifactLocation']
                self.assertEqual(
                    {'uri': uri, 'uriBaseId': '%SRCROOT%'}, artifact
                )
                root = run['originalUriBaseIds']['%SRCROOT%']['uri']
                self.assertTrue(root.endswith('/'))
                self.assertEqual(
                    f'file://{urllib.parse.quote(path)}',
                    urllib.parse.urljoin(root, uri),
                )

    def test_without_a_place(self):
        self.violate(test='pkg.test_x.T.test(a.b)', where=None)
        with contextlib.chdir(self.directory):
            self.assertIsNone(self.physical())
            os.mkdir('pkg')
            with open('pkg/test_x.py', 'w'):
                pass
            self.assertEqual(
                {
                    'artifactLocation': {
                        'uri': 'pkg/test_x.py', 'uriBaseId': '%SRCROOT%',
                    },
                    'region': {'startLine': 1},
                },
                self.physical(),
            )  # fmt: skip

    def fingerprints(self, *arguments, **how):
        """Return the fingerprints of what is violated anew."""
        for name in os.listdir(self.directory):
            os.unlink(os.path.join(self.directory, name))
        for each in arguments or ({},):
            self.violate(**{**how, **each})
        found = [
            each['partialFingerprints'] for each in self.run_()['results']
        ]
        for each in found:
            self.assertEqual(1, len(set(each.values())))
        return [each['primaryLocationLineHash'] for each in found]

    def states(self, *arguments):
        log = json.loads(json.dumps(sarif.compose(*arguments)))
        jsonschema.Draft4Validator(SCHEMA).validate(log)
        return [
            (each['ruleId'], each.get('baselineState'))
            for each in log['runs'][0]['results']
        ]

    def test_new_since_a_baseline(self):
        self.violate('SF301', mode='enforce', message='owed', where='t.py:1')
        self.violate('SF302', message='owed once', where='t.py:2', times=2)
        self.violate('SF303', message='not owed')
        # Nobody has to do anything about these.
        self.violate('SF401', waiver={'reason': 'so'})
        self.violate('SF402', expected=[])
        owed = [
            debts.Debt(rule, 'tests.T.test', 't.py', done, 1, 'we')
            for rule, done in (('SF301', 'owed'), ('SF302', 'owed once'))
        ]
        found = results.read([self.directory], owed)
        states = {
            'SF301': 'unchanged',
            'SF302': 'new',
            'SF303': 'new',
            'SF401': 'unchanged',
            'SF402': 'unchanged',
        }
        self.assertEqual(states, dict(self.states(found)))
        # Whatever earlier runs did.
        self.assertEqual(states, dict(self.states(found, found)))
        found = results.read([self.directory])
        self.assertEqual({None}, {state for _, state in self.states(found)})

    def test_new_since_earlier_runs(self):
        self.violate('SF301', where='t.py:1')
        self.violate('SF302', waiver={'reason': 'so'})
        before = self.found()
        self.violate('SF301', where='t.py:1')
        self.violate('SF301', where='t.py:2')
        self.violate('SF303')
        self.assertEqual(
            [
                ('SF301', 'unchanged'),
                ('SF301', 'new'),
                ('SF303', 'new'),
                ('SF302', 'unchanged'),
            ],
            self.states(self.found(), before),
        )

    def test_fingerprints_survive(self):
        here = self.directory
        for one, two in (
            ({'where': '/x/t.py:7'}, {'where': '/x/t.py:99'}),
            ({'message': 'server 12 0xab'}, {'message': 'server 3 0x3'}),
            ({'mode': 'audit'}, {'mode': 'enforce'}),
            (
                {'message': 'write /tmp/tmpab12cd_x/f'},
                {'message': 'write /tmp/tmpzzyyxx99/f'},
            ),
            (
                {'where': '/a/lib/python3.11/site-packages/n/t.py:7'},
                {'where': '/b/lib/python3.12/site-packages/n/t.py:7'},
            ),
        ):
            with self.subTest(one=one):
                self.assertEqual(
                    self.fingerprints(**one), self.fingerprints(**two)
                )
        with contextlib.chdir(here):
            one = self.fingerprints(
                where=f'{here}/t.py:7', message=f'write {here}/x'
            )
        self.assertEqual(
            one,
            self.fingerprints(
                where=f'{os.getcwd()}/t.py:7', message=f'write {os.getcwd()}/x'
            ),
        )

    def test_fingerprints_differ(self):
        one = self.fingerprints()
        for two in (
            {'code': 'SF301'},
            {'test': 'tests.T.other'},
            {'message': 'because'},
            {'where': '/elsewhere/tests/u.py:7'},
        ):
            with self.subTest(two=two):
                self.assertNotEqual(one, self.fingerprints(**two))

    def test_fingerprints_of_equal_acts(self):
        places = [{'where': f'/x/t.py:{line}'} for line in (3, 5, 9)]
        found = self.fingerprints(*places)
        self.assertEqual(3, len(set(found)))
        moved = [{'where': f'/x/t.py:{line}'} for line in (13, 15)]
        self.assertEqual(found[:2], self.fingerprints(*moved))

    def test_a_rule_of_another_release(self):
        with self.trail('1', 'a.T.test') as trail:
            trail.record('deny', 'x', code='SF999', message='new')
            trail.record('deny', 'x', message='none')
        self.assertEqual(
            {'SF999', 'unknown'},
            {result['ruleId'] for result in self.run_()['results']},
        )

    def test_hostile(self):
        for number, text in enumerate(base.HOSTILE):
            self.violate(
                test=text,
                message=text,
                where=f'{text}:3',
                waiver={'reason': text},
            )
            with self.trail(f'{number}', text) as trail:
                trail.record('deny', text, code=text, message=text)
        results = self.run_()['results']
        self.assertEqual(2 * len(base.HOSTILE), len(results))
        for result in results:
            self.assertNotIn('](', result['message']['text'])
            self.assertTrue(result['message']['text'].isprintable())
            self.assertLess(len(json.dumps(result)), 20_000)
            for location in result['locations']:
                if 'physicalLocation' not in location:
                    continue
                uri = location['physicalLocation']['artifactLocation']['uri']
                self.assertRegex(uri, r'^(file://)?[\w.~%/-]+$')
                self.assertTrue(uri.isascii())

    def test_what_was_not_read(self):
        self.run_of(('a.T.test', 'success', 1), tests=2)
        path = os.path.join(self.directory, 'events-run.jsonl')
        with open(path, 'a') as file:
            file.write('{"typeURI": 3}\n{"torn')
        (invocation,) = self.run_()['invocations']
        self.assertFalse(invocation['executionSuccessful'])
        self.assertEqual(2, len(invocation['toolExecutionNotifications']))


class TestCheck(testtools.TestCase):
    def test_the_schema_refuses_what_is_wrong(self):
        validator = jsonschema.Draft4Validator(SCHEMA)
        log = {'version': '2.1.0', 'runs': []}
        self.assertTrue(validator.is_valid(log))
        for wrong in ({'version': '2.0.0'}, {'more': 1}, {'runs': [{}]}):
            self.assertFalse(validator.is_valid(log | wrong))
