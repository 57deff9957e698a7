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


from safe_fixtures.summary import violations
from tests.unit.summary import base as summary_base

TEST = 'tests.T.test'


class TestFound(summary_base.TestCase):
    def record(self, message, code='SF406', test=TEST, times=1, **said):
        with self.trail(test) as trail:
            for _ in range(times):
                action = said.pop('action', 'evaluate/violation')
                trail.record(action, 'x', code=code, message=message, **said)

    def found(self):
        return self.total().found

    def test_what_is_the_same_to_a_reader(self):
        for one, other in (
            (f'Popen of env in {TEST}', 'Popen of env in tests.T.other'),
            ('server 2f1c6b', 'server 3a9'),
            ('open /tmp/tmpabcdefgh/x', 'open /tmp/tmp1_cdefgh/x'),
            ('a: 1 (2 s)', 'a: 17 (1 s)'),
            ("d: 3 -> 'pipe:[7]'; d: 4 -> 'pipe:[7]'", "d: 3 -> 'pipe:[1]'"),
        ):
            with self.subTest(one):
                self.events = []
                self.record(one, times=2)
                self.record(other, test='tests.T.other')
                (group,) = self.found().folded()
                self.assertEqual({TEST: 2, 'tests.T.other': 1}, group.tests)
                self.assertEqual(3, group.count)

    def test_what_is_not(self):
        for said in (
            {'message': 'Popen of ls'},
            {'code': 'SF405'},
            {'where': 'x.py:8'},
            {'action': 'deny'},
            {'waived': 'why'},
        ):
            with self.subTest(said):
                self.events = []
                self.record('Popen of env', where='x.py:7')
                self.record(
                    **{'message': 'Popen of env', 'where': 'x.py:7', **said}
                )
                self.assertEqual(2, len(self.found().folded()))

    def test_the_most_important_first(self):
        self.record('many', 'SF406', times=5)
        self.record('few', 'SF405', times=2)
        # It fails a test by default.
        self.record('once', 'SF301')
        self.record('refused', 'SF203', action='deny')
        self.record('meant', 'SF203', action='deny', expected=True)
        self.record('excused', 'SF203', waived='why')
        self.assertEqual(
            ['refused', 'once', 'many', 'few', 'excused', 'meant'],
            [group.first.message for group in self.found().folded()],
        )

    def test_count(self):
        self.record('a', times=2)
        self.record('b', action='deny')
        self.assertEqual(2, self.found().count('recorded'))
        self.assertEqual(3, self.found().count('recorded', 'enforced'))
        self.assertEqual(0, self.found().count('waived'))

    def test_whatever_the_record_says(self):
        for where in (7, 'x', 'x:y', ':7', 'x.py:' + '9' * 30, None):
            with self.subTest(where):
                self.events = []
                self.record('a', code='', where=where, remedy=[], mode={})
                ((violation, _),) = self.found().listed()
                self.assertEqual('unknown', violation.code)
                self.assertEqual('unknown rule', violation.title)
                self.assertIs(False, violation.fails_by_default)
                self.assertIsInstance(violation, violations.Violation)
                self.assertEqual(('', ''), (violation.remedy, violation.mode))
