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
import types

import fixtures

from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from tests.support import base


class Backend:
    posture = 'a posture'


class Entry:
    """An entry point, as installed packages have them."""

    def __init__(self, name, load):
        self.name = name
        self.load = load


class TestFind(base.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.core.plugins._provided', [])
        )
        self.useFixture(
            fixtures.MonkeyPatch('safe_fixtures.core.plugins._done', set())
        )
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.core.plugins._entries',
                lambda: self.entries,
            )
        )
        self.entries = []

    def imported(self, name):
        modules = dict(sys.modules)
        modules.pop('nova.tests', None)
        if name:
            modules[name] = types.ModuleType(name)
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.core.plugins.sys',
                types.SimpleNamespace(modules=modules),
            )
        )

    def test_none_without_nova(self):
        self.imported(None)
        self.entries = [Entry('nova', self.fail)]
        self.assertIsNone(plugins.find())

    def test_none_for_what_is_not_imported(self):
        self.imported('nova.tests')
        self.entries = [Entry('other', self.fail)]
        self.assertIsNone(plugins.find())

    def test_none_without_the_tests_of_nova(self):
        for name in ('nova', 'nova.version', 'novaclient', 'nova.test'):
            with self.subTest(name=name):
                self.imported(name)
                self.entries = [Entry('nova', self.fail)]
                self.assertIsNone(plugins.find())

    def test_another_package_of_that_name(self):
        self.imported('nova.tests')
        loads = []

        def load():
            loads.append('nova')
            raise ModuleNotFoundError(name='nova.tests.functional')

        self.entries = [Entry('nova', load)]
        self.assertIsNone(plugins.find())
        self.assertIsNone(plugins.find())
        self.assertEqual(['nova'], loads)

    def test_backend_that_cannot_be_imported(self):
        self.imported('nova.tests')

        def load():
            raise ModuleNotFoundError(name='eventlet')

        self.entries = [Entry('nova', load)]
        self.assertRaises(ModuleNotFoundError, plugins.find)

    def test_loaded_once(self):
        self.imported('nova.tests')
        loads = []

        def load():
            loads.append('nova')
            plugins.provide(Backend())
            return 'a module'

        self.entries = [Entry('other', self.fail), Entry('nova', load)]
        found = plugins.find()
        self.assertIsInstance(found, Backend)
        self.assertIs(found, plugins.find())
        self.assertEqual(['nova'], loads)

    def test_found_once_nova_is_imported(self):
        self.entries = [Entry('nova', lambda: plugins.provide(Backend()))]
        self.imported(None)
        self.assertIsNone(plugins.find())
        self.imported('nova.tests')
        self.assertIsInstance(plugins.find(), Backend)

    def test_provided_before_anybody_asks(self):
        self.imported('nova')
        self.entries = [Entry('nova', self.fail)]
        backend = Backend()
        plugins.provide(backend)
        self.assertIs(backend, plugins.find())

    def test_source(self):
        source = plugins.Source('posture', 'a PostureSource')
        self.imported(None)
        self.assertIsNone(source.find())
        error = self.assertRaises(
            exceptions.ConfigurationError, source.require, 'Guard source'
        )
        self.assertEqual(
            'Guard source = None is refused: no Nova is imported; import it '
            'first, or give a PostureSource',
            str(error),
        )
        plugins.provide(Backend())
        self.assertEqual('a posture', source.find())
        self.assertEqual('a posture', source.require('Guard source'))

    def test_source_that_the_backend_lacks(self):
        plugins.provide(Backend())
        source = plugins.Source('services')
        self.assertIsNone(source.find())
        error = self.assertRaises(
            exceptions.ConfigurationError, source.require, 'Guard api'
        )
        self.assertEqual('no Nova is imported; import it first', error.allowed)
