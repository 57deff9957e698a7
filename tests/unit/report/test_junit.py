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


import os
from xml.etree import ElementTree

from safe_fixtures.report import junit
from tests.unit.report import base

TRACEBACK = """\
Traceback (most recent call last):
  File "/x/test_x.py", line 3, in test
    self.fail('why')
AssertionError: why
it was & is <so>
"""


class TestJUnit(base.TestCase):
    def suites(self):
        return ElementTree.fromstring(junit.compose(self.found()))

    def cases(self):
        return {
            f'{case.get("classname")}.{case.get("name")}': case
            for case in self.suites().iter('testcase')
        }

    def test_statuses(self):
        kinds = {
            'success': None,
            'fail': 'failure',
            'uxsuccess': 'failure',
            'timeout': 'error',
            'died': 'error',
            'lost': 'error',
            'skip': 'skipped',
            'xfail': 'skipped',
        }
        self.run_of(*((f'a.T.test_{kind}', kind, 1.5) for kind in kinds))
        root = self.suites()
        for each in (root, root[0]):
            self.assertEqual(
                ['8', '2', '3', '2', '12.0'],
                [
                    each.get(name)
                    for name in (
                        'tests', 'failures', 'errors', 'skipped', 'time',
                    )
                ],
            )  # fmt: skip
        for status, kind in kinds.items():
            with self.subTest(status=status):
                case = self.cases()[f'a.T.test_{status}']
                self.assertEqual('1.5', case.get('time'))
                self.assertEqual(
                    [kind] if kind else [], [each.tag for each in case]
                )
        self.assertRegex(root[0].get('timestamp'), r'^[\d-]{10}T[\d:]{8}$')

    def test_flaky(self):
        self.run_of(('a.T.one', 'fail', 1))
        self.rerun('a.T.one', flaky=True)
        (case,) = self.cases().values()
        (properties,) = case
        self.assertEqual(
            [('flaky', 'it passed when it ran again')],
            [(each.get('name'), each.get('value')) for each in properties],
        )

    def test_what_failing_tests_said(self):
        self.run_of(
            ('a.T.bad', 'fail', 1), ('a.T.good', 'success', 1),
            ('a.T.no', 'skip', 0),
        )  # fmt: skip
        self.say('a.T.bad', TRACEBACK[:30], TRACEBACK[30:])
        self.say('a.T.bad', 'a log', detail='pythonlogging')
        self.say('a.T.good', 'nothing to see', status='success')
        self.say('a.T.no', 'not today', status='skip', detail='reason')
        cases = self.cases()
        (failure,) = cases['a.T.bad']
        self.assertEqual('AssertionError: why', failure.get('message'))
        self.assertEqual(TRACEBACK, failure.text)
        (skipped,) = cases['a.T.no']
        self.assertEqual('not today', skipped.get('message'))
        self.assertEqual([], list(cases['a.T.good']))

    def test_without_a_stream(self):
        self.run_of(('tests.T.test', 'fail', 1))
        self.violate('SF301', mode='enforce', message='bad image')
        self.violate('SF203', message='not what failed it')
        (_, failure) = self.cases()['tests.T.test']
        self.assertTrue(failure.text.startswith('SF301: bad image at /else'))
        self.assertNotIn('not what', failure.text)

    def test_a_stream_that_is_torn(self):
        self.run_of(('a.T.one', 'fail', 1), ('a.T.two', 'fail', 1))
        self.say('a.T.one', 'Boom: one')
        self.say('a.T.two', 'Boom: two')
        path = os.path.join(self.directory, 'stream.subunit')
        with open(path, 'rb+') as file:
            file.truncate(os.path.getsize(path) - 60)
        cases = self.cases()
        self.assertEqual('Boom: one', cases['a.T.one'][0].get('message'))
        self.assertEqual('failed', cases['a.T.two'][0].get('message'))

    def test_violations(self):
        self.run_of(('tests.T.test', 'success', 1))
        for _ in range(2):
            self.violate(message='an outage')
        self.violate('SF405', waiver={'reason': 'so'}, where=None)
        (properties,) = self.cases()['tests.T.test']
        (one, two) = properties
        self.assertEqual(
            ('SF203', 'SF405'), (one.get('name'), two.get('name'))
        )
        self.assertTrue(
            one.get('value').startswith(
                'recorded: an outage at /elsewhere/tests/t.py:7 (2 times). '
            ),
            one.get('value'),
        )
        self.assertTrue(two.get('value').startswith('waived: why. Write'))

    def test_scenarios(self):
        self.run_of(('a.T.test(x.y)', 'success', 1), ('alone', 'success', 1))
        self.assertEqual({'a.T.test(x.y)', 'alone.alone'}, set(self.cases()))

    def test_several_runs(self):
        for name, status in (('run-1', 'success'), ('run-2', 'fail')):
            self.run_of(('a.T.test', status, 1), name=name)
        root = self.suites()
        self.assertEqual(
            [('1', '0'), ('1', '1')],
            [(each.get('tests'), each.get('failures')) for each in root],
        )

    def test_only_guards(self):
        with self.trail('1', 'a.T.test') as trail:
            trail.record('evaluate/test', 'a.T.test', outcome='failure')
        (failure,) = self.cases()['a.T.test']
        self.assertEqual('failed', failure.get('message'))

    def test_what_was_not_run(self):
        self.run_of(('a.T.test', 'success', 1), tests=3, ended=False)
        root = self.suites()
        self.assertEqual('1', root.get('errors'))
        (error,) = root.iter('error')
        self.assertEqual('2 tests were not run', error.get('message'))

    def test_hostile(self):
        self.run_of(
            *((name, 'fail', 1) for name in base.HOSTILE),
            *((f'a.T.{name}', 'success', 1) for name in base.HOSTILE),
        )
        for text in base.HOSTILE:
            self.say('a.T.test', text)
            self.violate(
                test=f'a.T.{text}', message=text, where=f'/x/{text}:3'
            )
        root = self.suites()
        cases = list(root.iter('testcase'))
        self.assertEqual(2 * len(base.HOSTILE), len(cases))
        self.assertEqual(
            {'testsuites', 'testsuite', 'testcase', 'properties', 'property',
             'failure'},
            {each.tag for each in root.iter()},
        )  # fmt: skip
        for case in cases:
            self.assertTrue(case.get('classname').isprintable())
        self.assertEqual(len(base.HOSTILE), len(list(root.iter('property'))))

    def test_long_texts_are_cut(self):
        self.run_of(('a.T.test', 'fail', 1))
        self.say('a.T.test', *['x' * 100_000] * 20, 'the end')
        (failure,) = self.cases()['a.T.test']
        self.assertLess(len(failure.text), 70_000)
        self.assertTrue(failure.text.endswith('the end'))
        self.assertLess(len(failure.get('message')), 1100)

    def test_empty(self):
        with self.trail('1', 'x') as trail:
            trail.record('disable', 'host1')
        self.assertEqual('0', self.suites().get('tests'))
