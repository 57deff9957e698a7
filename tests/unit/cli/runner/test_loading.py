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

"""Finding tests, in this process: most is proved in ``test_run.py``."""

import importlib
import pathlib
import sys
import types

import fixtures

from safe_fixtures.cli.runner import loading
from tests.support import base

LIMIT = 7
IMPORTED = """
import unittest

import safe_fixtures_probe

safe_fixtures_probe.note()


class TestImported(unittest.TestCase):
    def test(self):
        pass
"""


class TestTimer(base.TestCase):
    """What takes too long is ended, as long as it is imported."""

    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.PythonPathEntry(str(self.home)))
        self.useFixture(fixtures.MonkeyPatch('sys.dont_write_bytecode', True))
        self.addCleanup(self.forget, set(sys.modules))
        probe = types.ModuleType('safe_fixtures_probe')
        probe.note = lambda: self.seen.append(self.armed)
        sys.modules[probe.__name__] = probe
        #: The limits that were set and not called off.
        self.armed = None
        #: The same, when each module was imported.
        self.seen = []
        self.useFixture(
            fixtures.MonkeyPatch('faulthandler.dump_traceback_later', self.arm)
        )
        self.useFixture(
            fixtures.MonkeyPatch(
                'faulthandler.cancel_dump_traceback_later', self.disarm
            )
        )
        self.listing = loading.Listing(LIMIT)

    def forget(self, modules):
        for name in set(sys.modules) - modules:
            del sys.modules[name]

    def arm(self, limit, *, exit, file):
        self.assertTrue(exit)
        self.assertIsNone(self.armed)
        self.armed = limit

    def disarm(self):
        self.armed = None

    def write(self, name, source=IMPORTED):
        path = self.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        importlib.invalidate_caches()

    def assertTimed(self, argument, imports=1):
        self.listing.add(argument)
        self.assertEqual([LIMIT] * imports, self.seen)
        self.assertIsNone(self.armed)

    def test_of_a_module(self):
        self.write('sf_plain.py')
        self.assertTimed('sf_plain')
        self.assertEqual(['sf_plain.TestImported.test'], [*self.listing.tests])

    def test_of_a_package(self):
        self.write('sf_package/__init__.py')
        self.write('sf_package/test_inner.py')
        self.assertTimed('sf_package', imports=2)

    def test_of_a_package_above_a_name(self):
        self.write('sf_above/__init__.py')
        self.write('sf_above/test_inner.py')
        self.assertTimed('sf_above.test_inner.TestImported', imports=2)

    def test_of_an_id(self):
        self.write('sf_ids.py')
        missing = self.listing.add_ids(['sf_ids.TestImported.test'])
        self.assertEqual(([], [LIMIT]), (missing, self.seen))
        self.assertIsNone(self.armed)

    def test_of_a_class_of_another_module(self):
        self.write('sf_plain.py')
        self.write('sf_again.py', 'from sf_plain import TestImported\n')
        loaded = []

        def load(source, load=loading.load):
            loaded.append((source, self.armed))
            return load(source)

        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.cli.runner.loading.load', load)
        )
        self.assertTimed('sf_again.TestImported')
        self.assertEqual(
            [('sf_again', LIMIT), ('sf_again.TestImported', LIMIT)], loaded
        )

    def test_of_one_that_is_skipped(self):
        self.write('sf_skip.py', f'{IMPORTED}\nraise unittest.SkipTest("no")')
        self.assertTimed('sf_skip')
        self.assertEqual({'sf_skip': 'no'}, self.listing.skipped)

    def test_of_one_that_cannot_be_imported(self):
        self.write('sf_bad.py', f'{IMPORTED}\nraise SystemExit')
        self.assertTimed('sf_bad')
        self.assertEqual(['sf_bad'], [*self.listing.errors])

    def test_of_an_interrupt(self):
        self.write('sf_stop.py', f'{IMPORTED}\nraise KeyboardInterrupt')
        self.write(
            'sf_stops/__init__.py', f'{IMPORTED}\nraise KeyboardInterrupt'
        )
        self.write('sf_stops/test_inner.py')
        for name in ('sf_stop', 'sf_stops.test_inner'):
            with self.subTest(name=name):
                self.assertRaises(KeyboardInterrupt, self.assertTimed, name)
                self.assertIsNone(self.armed)
        self.assertEqual([LIMIT] * 2, self.seen)
