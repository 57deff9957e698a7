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

from safe_fixtures import summary
from tests.support import extensions
from tests.unit.summary import base


class Acts(summary.Section):
    title = 'Acts'

    def __init__(self):
        self.count = 0

    def add(self, event):
        self.count += 1

    def rows(self):
        yield 'all', self.count, 'of them'


class FailsInAdd(Acts):
    title = 'Fails in add'

    def add(self, event):
        raise SystemExit


class NoNumber(Acts):
    title = 'No number'

    def rows(self):
        yield 'one', 1, ''
        yield 'two', float('nan'), ''


class NoRow(Acts):
    title = 'No row'

    def rows(self):
        return [1]


class Taken(Acts):
    title = 'Violations'


class Titleless(Acts):
    title = ''


class TestPlugins(base.TestCase):
    def plugins(self, *sections):
        self.log = self.useFixture(
            extensions.Plugins(
                *(
                    extensions.Entry('sections', f'n{number}', lambda s=s: s)
                    for number, s in enumerate(sections)
                )
            )
        ).logger

    def test_none(self):
        self.plugins()
        with self.trail() as trail:
            trail.record('disable', 'host1')
        self.assertEqual([], self.rows('Plugins'))

    def test_rows(self):
        self.plugins(Acts)
        with self.trail() as trail:
            trail.record('disable', 'host1')
            trail.record('enable', 'host1')
        for _ in range(2):
            self.assertEqual([('all', 2, 'of them')], self.rows('Acts'))
        self.assertEqual(
            [('sections n0', 1, 'example 1.0')], self.rows('Plugins')
        )

    def test_faults(self):
        self.plugins(Acts, FailsInAdd, NoNumber, NoRow, Taken, Titleless, dict)
        with self.trail() as trail:
            trail.record('disable', 'host1')
        rows = self.total().rows()
        titles = {row[0] for row in rows}
        self.assertEqual(set(), titles & {
            'Fails in add', 'No number', 'No row', '',
        })  # fmt: skip
        self.assertEqual(
            [('all', 1, 'of them')],
            [row[1:] for row in rows if row[0] == 'Acts'],
        )
        faults = {
            row[1]: row[3].partition('failed with ')[2]
            for row in rows
            if row[0] == 'Plugins' and row[1].endswith('failed')
        }
        self.assertEqual(6, len(faults))
        for number, fault in (
            (1, 'SystemExit'),
            (2, 'TypeError: a count is no number'),
            (3, 'TypeError'),
            (4, 'ValueError: another section has its title'),
            (5, 'TypeError: its title is no text'),
            (6, 'TypeError: it makes no safe_fixtures.summary.Section'),
        ):
            found = faults[f'sections n{number} failed']
            self.assertTrue(found.startswith(fault), found)
        self.assertEqual([('none', 0, '')], [
            row[1:] for row in rows if row[0] == 'Violations'
        ])  # fmt: skip

    def test_of_the_records(self):
        self.plugins()
        for fault in ('', '', 'snapshot failed'):
            with self.trail() as trail:
                trail.record(
                    'configure/plugin',
                    'mine',
                    group='sinks',
                    package='theirs 2.0',
                    fault=fault,
                )
        self.assertEqual(
            [('sinks mine failed', 2, 'theirs 2.0: snapshot failed')],
            self.rows('Plugins'),
        )

    def test_hostile_record(self):
        self.plugins()
        with self.trail() as trail:
            trail.record('configure/plugin', 'mine', group=1, fault=['x'])
        ((item, count, _),) = self.rows('Plugins')
        self.assertEqual(('None mine', 1), (item, count))

    def test_exit_code(self):
        self.plugins(FailsInAdd)
        with self.trail() as trail:
            trail.record('disable', 'host1')
        self.assertExits(0)
