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

"""The order in which tests run."""

import itertools
import re

from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import grouping
from tests.unit.cli import runs

MODULE = """
class Base(testtools.TestCase):
    def setUp(self):
        super().setUp()
        with open('order', 'a') as file:
            file.write(self.id() + '\\n')

    def test_a(self):
        pass

    def test_b(self):
        pass

    def test_c(self):
        pass

class TestA(Base):
    def test_dies(self):
        # What is left runs in another process.
        os._exit(7)

class TestB(Base):
    pass

class TestC(Base):
    pass
"""


class TestOrder(runs.TestCase):
    def setUp(self):
        super().setUp()
        self.write('test_it.py', MODULE)

    def order(self, report, *arguments):
        """Run; return the ids in their order, and what was printed."""
        kept = self.home / 'order'
        kept.unlink(missing_ok=True)
        done = self.run_cli(
            '--concurrency', '1', *arguments,
            'test_it.TestA', 'test_it.TestB', 'test_it.TestC',
            status=1, report=report,
        )  # fmt: skip
        return kept.read_text().split(), done.stderr

    def test_not_shuffled(self):
        ids, said = self.order('1')
        self.assertEqual(sorted(ids), ids)
        self.assertNotIn('shuffled', said)

    def test_one_process_keeps_the_order_of_other_runners(self):
        self.write(
            'test_grown.py',
            MODULE.replace('class TestC(Base):\n    pass', """
class TestC(Base):
    def test_d(self):
        pass

    def test_e(self):
        pass
"""),
        )  # fmt: skip
        kept = self.home / 'order'
        self.run_cli(
            '--concurrency', '1', 'test_grown.TestA', 'test_grown.TestB',
            'test_grown.TestC', status=1, report='1',
        )  # fmt: skip
        ids = kept.read_text().split()
        self.assertEqual(sorted(ids), ids)
        # Several start with the class that has the most tests.
        tests = discovery.Tests(
            dict.fromkeys(reversed(ids), 'test_grown'), [], {}, {}, {}, []
        )
        [*_, first] = grouping.groups(tests, concurrency=1)
        self.assertIn('TestA', first.ids[0])
        [first, *_] = grouping.groups(tests, concurrency=2)
        self.assertIn('TestC', first.ids[0])

    def test_seed(self):
        ids, said = self.order('1', '--shuffle', '9')
        self.assertIn('shuffled: --shuffle 9\n', said)
        self.assertEqual(10, len(set(ids)))
        names = [test_id.split('.')[1:] for test_id in ids]
        # The tests of a class stay together, in an order of their own.
        classes = [
            key for key, _ in itertools.groupby(name for name, _ in names)
        ]
        self.assertEqual(['TestA', 'TestB', 'TestC'], sorted(classes))
        self.assertEqual(
            2,
            len(
                {
                    tuple(test for name, test in names if name == each)
                    for each in ('TestB', 'TestC')
                }
            ),
            names,
        )
        again, _ = self.order('2', '--shuffle', '9')
        self.assertEqual(ids, again)
        other, _ = self.order('3', '--shuffle', '8')
        self.assertNotEqual(ids, other)

    def test_seed_that_is_drawn(self):
        ids, said = self.order('1', '--shuffle', 'random')
        seed = re.search(r'^shuffled: --shuffle (\d+)$', said, re.M).group(1)
        again, _ = self.order('2', '--shuffle', seed)
        self.assertEqual(ids, again)

    def test_seed_that_is_none(self):
        for value in ('', 'x', '1.5'):
            with self.subTest(value=value):
                done = self.run_cli('--shuffle', value, 'test_it', status=3)
                self.assertIn('--shuffle: must be a whole number', done.stderr)
