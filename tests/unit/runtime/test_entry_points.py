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

import sys

import fixtures

from safe_fixtures.runtime import entry_points
from tests.support import base
from tests.support import extensions


class TestOf(base.TestCase):
    def names(self, group):
        return [entry.name for entry in entry_points.of(group)]

    def test_of_this_package(self):
        (entry,) = entry_points.of('safe_fixtures.suites')
        self.assertEqual('nova', entry.name)
        self.assertEqual('safe_fixtures.nova.suite:harden', entry.value)

    def test_none(self):
        self.assertEqual((), entry_points.of('safe_fixtures.absent'))

    def test_sorted(self):
        entries = [
            extensions.Entry('x', name, self.fail) for name in ('b', 'c', 'a')
        ]
        self.useFixture(extensions.Plugins(*entries))
        self.assertEqual(['a', 'b', 'c'], self.names('safe_fixtures.x'))

    def test_read_once(self):
        entry_points._all.cache_clear()
        self.addCleanup(entry_points._all.cache_clear)
        site = self.useFixture(fixtures.TempDir()).path
        extensions.write(site, 'early', '', test='early = early')
        path = self.useFixture(
            fixtures.MonkeyPatch('sys.path', [site, *sys.path])
        )
        self.assertIsNotNone(path)
        entry_points.read()
        extensions.write(site, 'late', '', test='late = late')
        self.assertEqual(['early'], self.names('safe_fixtures.test'))
