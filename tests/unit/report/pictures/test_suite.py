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

from safe_fixtures.report import model
from safe_fixtures.report import pictures
from tests.support import base

HOSTILE = '<script>alert("1")</script>\x1b\u202e\'&'


def test_of(name='pkg.mod.Class.test_it', **fields):
    return model.Test(
        name,
        **{'directory': 'run', 'outcome': 'passed', 'worker': 0, **fields},
    )


class TestSuite(base.TestCase):
    def blocks(self, *tests):
        """Return class, x, width and title of each block."""
        return [
            (kind or 'passed', float(x), float(width), title)
            for kind, x, width, title in re.findall(
                r'<rect(?: class="pic-(\w+)")? x="([\d.]+)" width="([\d.]+)">'
                r'<title>([^<]*)</title>',
                str(pictures.suite_svg(tests)),
            )
        ]

    def test_nothing(self):
        self.assertEqual('', pictures.suite_svg([]))

    def test_lanes_and_idle_time(self):
        tests = [
            test_of('a.B.test_1', start=0.0, seconds=600.0),
            test_of(
                'a.B.test_2', start=900.0, seconds=300.0, outcome='failed'
            ),
            test_of('a.B.test_3', start=0.0, seconds=300.0, worker=1),
        ]
        svg = str(pictures.suite_svg(tests))
        self.assertEqual(2, svg.count('class="pic-lane"'))
        self.assertEqual(['75', '25'], re.findall(r'(\d+)% busy', svg))
        self.assertEqual(
            [
                ('passed', 0.0, 479.7, 'B.test_1: passed, 600.0 s'),
                ('failed', 720.0, 239.7, 'B.test_2: failed, 300.0 s'),
                ('passed', 0.0, 239.7, 'B.test_3: passed, 300.0 s'),
            ],
            self.blocks(*tests),
        )
        self.assertIn('>20 min</text>', svg)
        self.assertIn('<a href="#test-1"><rect class="pic-failed"', svg)
        self.assertIn('<a href="#test-0" tabindex="-1">', svg)

    def test_narrow_tests_are_one_block(self):
        tests = [test_of(start=float(at), seconds=1.0) for at in range(9)]
        tests.append(test_of(start=9.0, seconds=1.0, outcome='failed'))
        tests.append(test_of(start=10.0, seconds=100000.0))
        first, long, failed = self.blocks(*tests)
        self.assertIn('9 tests, 9.0 s, the first: ', first[3])
        self.assertIn('100000.0 s', long[3])
        # A failure is never too narrow to see.
        self.assertEqual(('failed', 3.0), (failed[0], failed[2]))

    def test_many_tests_stay_small(self):
        tests = [
            test_of(
                f'pkg.module.SomeTests.test_{number}',
                start=number * 3.0,
                seconds=2.9,
                worker=number % 16,
            )
            for number in range(10000)
        ]
        svg = str(pictures.suite_svg(tests))
        self.assertLess(len(svg), 300000)
        self.assertEqual(16, svg.count('class="pic-lane"'))

    def test_workers_of_several_runs(self):
        tests = [
            test_of(directory='one', seconds=1.0),
            test_of(directory='two', seconds=1.0),
            test_of(directory='two', seconds=1.0, worker=None),
        ]
        svg = str(pictures.suite_svg(tests))
        self.assertEqual(
            ['run 1, worker 0', 'run 2, no worker', 'run 2, worker 0'],
            re.findall(r'y="30">(run[^<]*)<', svg),
        )

    def test_too_many_workers(self):
        tests = [test_of(worker=number, seconds=1.0) for number in range(70)]
        svg = str(pictures.suite_svg(tests))
        self.assertEqual(64, svg.count('class="pic-lane"'))
        self.assertIn('6 more workers are not shown.', svg)

    def test_hostile(self):
        tests = [
            test_of(HOSTILE, outcome='died', seconds=10.0**15),
            test_of('x' * 10**6, start=10.0**15, seconds=0.0, worker=1),
        ]
        svg = str(pictures.suite_svg(tests))
        self.assertNotIn('<script', svg)
        self.assertIn('&lt;script&gt;', svg)
        self.assertIn(r'\x1b\u202e&#39;&amp;', svg)
        self.assertLess(len(svg), 10000)

    def test_no_time_passes(self):
        (block,) = self.blocks(test_of(outcome='skipped'))
        self.assertEqual(('other', 0.0, 0.4), block[:3])
