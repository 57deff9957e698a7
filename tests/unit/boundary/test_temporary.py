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
import pathlib
import tempfile

import fixtures

from safe_fixtures.boundary import references
from safe_fixtures.guards.dummy_data import matchers
from safe_fixtures.guards.isolation import files
from tests.support import base
from tests.support import host_files


def by_file(path):
    check = files.HostFiles([])
    return not host_files.found_in(
        check, lambda: pathlib.Path(path).write_text('x')
    )


def by_database(path):
    reference = references.Reference('database', f'sqlite:///{path}')
    return not references.leads_outside(reference)


def by_image(path):
    return matchers._stays_inside(f'file://{path}', ())


DECISIONS = (by_file, by_database, by_image)


class TestOneDecision(base.TestCase):
    def answers(self, path):
        return [decide(str(path)) for decide in DECISIONS]

    def test_nested(self):
        self.useFixture(fixtures.NestedTempfile())
        outer = self.useFixture(fixtures.TempDir()).path
        for nest in (fixtures.NestedTempfile, fixtures.TempHomeDir):
            self.useFixture(nest())
            for place in (outer, tempfile.gettempdir()):
                with self.subTest(nest=nest, place=place):
                    path = os.path.join(place, 'f')
                    self.assertEqual([True] * 3, self.answers(path))
        home = os.path.join(os.path.expanduser('~'), 'f')
        self.assertEqual([True] * 3, self.answers(home))

    def test_outside(self):
        outside = os.path.dirname(os.path.abspath(__file__))
        own = self.useFixture(fixtures.TempDir()).path
        os.symlink(outside, own + '/link')
        path = outside + '/SF405-x'
        self.addCleanup(pathlib.Path(path).unlink, missing_ok=True)
        for moved in (None, outside, own, own + '/link'):
            for given in (
                path, own + '/link/SF405-x',
                own + '/..' * 20 + path, f'//{path}',
                '/proc/self/root' + path,
            ):  # fmt: skip
                with (
                    self.subTest(moved=moved, given=given),
                    fixtures.MonkeyPatch('tempfile.tempdir', moved),
                ):
                    self.assertEqual([False] * 3, self.answers(given))

    def test_made_elsewhere(self):
        outside = os.path.dirname(os.path.abspath(__file__))
        check = files.HostFiles([])
        made = []
        host_files.found_in(
            check, lambda: made.append(tempfile.mkdtemp(dir=outside))
        )
        self.addCleanup(os.rmdir, made[0])
        path = made[0] + '/f'
        self.addCleanup(pathlib.Path(path).unlink, missing_ok=True)
        self.assertEqual([True] * 3, self.answers(path))
