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

"""A remembered alias is one that stock would make."""

from safe_fixtures import nova as safe_nova  # isort: skip

import sqlalchemy as sa

from safe_fixtures.nova.speed import aliases
from tests.functional.nova import inner
from tests.speed import base
from tests.speed import contract

COUNTS = aliases.Aliases.counts
# Lines of Placement, as far as the cure can tell.
LINES = """
def one(table, name, **how):
    return sa.alias(table, name, **how)

def other(table, name):
    return sa.alias(table, name=name)

def within(table):
    outer, nested = sa.alias(table, 'x'), sa.alias(table, 'x')
    return sa.select(outer.c.a, nested.c.b)
"""


def lines(module='placement.objects.mine'):
    names = {'sa': sa, '__name__': module}
    exec(LINES, names)
    return names


def new_table():
    return sa.Table(
        't', sa.MetaData(), sa.Column('a', sa.Integer), sa.Column('b')
    )


class TestAliases(contract.Contract, base.TestCase):
    CURE = aliases.Aliases
    PATCHED = ((sa, 'alias'),)
    NEEDED = sa, 'alias'

    def setUp(self):
        super().setUp()
        self.addCleanup(aliases._aliases.clear)
        self.table = new_table()

    def test_it_is_off_where_something_is_unknown(self):
        taken = lambda selectable, alias: None  # noqa: E731
        before, sa.alias = sa.alias, taken
        try:
            with aliases.Aliases():
                self.assertIs(taken, sa.alias)
                self.assertIn('sqlalchemy.alias takes', COUNTS.off)
        finally:
            sa.alias = before
        with aliases.Aliases():
            self.assertInstalled()
            self.assertIsNone(COUNTS.off)

    def test_a_line_has_one_alias(self):
        of = lines()
        with aliases.Aliases():
            found = of['one'](self.table, 'x')
            self.assertIs(found, of['one'](self.table, 'x'))
            self.assertIsNot(found, of['one'](self.table, 'y'))
            self.assertIsNot(found, of['other'](self.table, 'x'))
            self.assertIsNot(found, of['one'](new_table(), 'x'))

    def test_two_of_one_name_in_a_statement(self):
        stock = str(lines()['within'](self.table))
        with aliases.Aliases():
            of = lines()
            for _ in range(2):
                self.assertEqual(stock, str(of['within'](self.table)))

    def test_a_column_that_is_added(self):
        of = lines()
        with aliases.Aliases():
            of['one'](self.table, 'x')
            self.table.append_column(sa.Column('c', sa.Integer))
            self.assertIn('c', of['one'](self.table, 'x').c)
            replaced = sa.Column('c', sa.String)
            self.table.append_column(replaced, replace_existing=True)
            self.assertIsInstance(
                of['one'](self.table, 'x').c.c.type, sa.String
            )

    def test_what_is_left_alone(self):
        join = self.table.join(new_table(), sa.true())
        for module, of, name, how in (
            ('nova.db', self.table, 'x', {}),
            ('placement.objects.mine', self.table, None, {}),
            ('placement.objects.mine', self.table, 'x', {'flat': True}),
            ('placement.objects.mine', join, None, {'flat': True}),
            (None, self.table, 'x', {}),
        ):
            with self.subTest((module, of, name, how)), aliases.Aliases():
                make = lines(module)['one']
                self.assertIsNot(make(of, name, **how), make(of, name, **how))

    def test_the_memory_has_an_end(self):
        make = lines()['one']
        with aliases.Aliases():
            for number in range(2 * aliases._MOST):
                make(self.table, f'x{number}')
                self.assertLessEqual(len(aliases._aliases), aliases._MOST)

    def test_placement(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                from nova.tests.functional import fixtures

                placement = self.useFixture(fixtures.PlacementFixture())
                for _ in range(2):
                    answer = placement.api.get('/resource_providers')
                    self.assertEqual(200, answer.status)

        with safe_nova.WarmNova(without=[]):
            hits = COUNTS.hits
            result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertLess(hits, COUNTS.hits)
