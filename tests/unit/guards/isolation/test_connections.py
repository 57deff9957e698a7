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
import subprocess
import sys
import textwrap
import threading

import fixtures

from safe_fixtures.guards.isolation import connections
from safe_fixtures.runtime import patching
from tests.support import base

_SOURCE = """
class Transport:
    def __init__(self, url):
        self.url = url

class RPCTransport(Transport):
    pass
"""
_MAIN = """
import sys
from safe_fixtures.guards.isolation import connections

unwatch = connections.watch(lambda kind, url: None)
unwatch()
print(sorted({'sqlalchemy', 'oslo_messaging', 'psycopg2'} & set(sys.modules)))
"""


class TestWatch(base.TestCase):
    """A watcher sees what is made, in a module of this test, in order."""

    def setUp(self):
        super().setUp()
        # Nobody watches yet, and this is all there is to watch.
        self.name = f'stand_in_{id(self)}'
        self.patch(
            connections,
            '_PLACES',
            {
                self.name: (
                    'Transport',
                    '__init__',
                    'transport',
                    lambda transport, url: url,
                )
            },
        )
        self.patch(
            connections,
            'watchers',
            patching.SharedPatch(connections._install),
        )
        directory = self.useFixture(fixtures.TempDir()).path
        with open(os.path.join(directory, f'{self.name}.py'), 'w') as stream:
            stream.write(_SOURCE)
        self.useFixture(fixtures.PythonPathEntry(directory))
        self.addCleanup(sys.modules.pop, self.name, None)
        self.seen = []

    def import_it(self):
        return __import__(self.name)

    def see(self, kind, url):
        self.seen.append((kind, url))

    def test_imported_before(self):
        module = self.import_it()
        original = vars(module.Transport)['__init__']
        unwatch = connections.watch(self.see)
        self.assertIsNot(original, vars(module.Transport)['__init__'])
        self.assertEqual('fake://', module.RPCTransport('fake://').url)
        unwatch()
        self.assertIs(original, vars(module.Transport)['__init__'])
        self.assertEqual('fake:/', module.RPCTransport('fake:/').url)
        self.assertEqual([('transport', 'fake://')], self.seen)

    def test_imported_meanwhile(self):
        unwatch = connections.watch(self.see)
        module = self.import_it()
        module.Transport('fake://')
        self.assertEqual([('transport', 'fake://')], self.seen)
        unwatch()
        self.assertFalse(hasattr(module.Transport.__init__, '__wrapped__'))

    def test_imported_afterwards(self):
        connections.watch(self.see)()
        module = self.import_it()
        self.assertFalse(hasattr(module.Transport.__init__, '__wrapped__'))
        unwatch = connections.watch(self.see)
        module.Transport('fake://')
        unwatch()
        self.assertEqual([('transport', 'fake://')], self.seen)

    def test_several(self):
        module = self.import_it()
        original = vars(module.Transport)['__init__']
        order = []
        first = connections.watch(lambda kind, url: order.append(1))
        patched = vars(module.Transport)['__init__']
        second = connections.watch(lambda kind, url: order.append(2))
        self.assertIs(patched, vars(module.Transport)['__init__'])
        module.Transport('fake://')
        self.assertEqual([2, 1], order)
        # In any order.
        first()
        module.Transport('fake://')
        self.assertEqual([2, 1, 2], order)
        second()
        self.assertIs(original, vars(module.Transport)['__init__'])

    def test_one_that_watches_twice(self):
        module = self.import_it()
        first = connections.watch(self.see)
        second = connections.watch(self.see)
        first()
        module.Transport('fake://')
        second()
        self.assertEqual([('transport', 'fake://')], self.seen)

    def test_unwatched_twice(self):
        module = self.import_it()
        first = connections.watch(self.see)
        second = connections.watch(self.see)
        first()
        first()
        module.Transport('fake://')
        self.assertEqual([('transport', 'fake://')], self.seen)
        second()

    def test_raises_before_it_is_there(self):
        module = self.import_it()
        made = []

        class Transport(module.Transport):
            def __init__(self, url):
                super().__init__(url)
                made.append(self)

        def refuse(kind, url):
            raise ZeroDivisionError(url)

        self.addCleanup(connections.watch(refuse))
        self.assertRaises(ZeroDivisionError, Transport, 'rabbit://')
        self.assertEqual([], made)

    def test_in_a_thread(self):
        module = self.import_it()
        threads = []
        self.addCleanup(
            connections.watch(
                lambda kind, url: threads.append(threading.get_ident())
            )
        )
        thread = threading.Thread(target=module.Transport, args=['fake://'])
        thread.start()
        thread.join()
        self.assertEqual([thread.ident], threads)

    def test_nothing_to_be_found_there(self):
        # As in a release that has none: nothing stays of what was begun.
        module = self.import_it()
        original = vars(module.Transport)['__init__']
        del module.Transport
        self.assertRaises(AttributeError, connections.watch, self.see)
        self.assertEqual((), connections.watchers.users)
        self.assertFalse(hasattr(original, '__wrapped__'))


class TestImports(base.TestCase):
    def test_imports_nothing(self):
        output = subprocess.run(
            [sys.executable, '-c', textwrap.dedent(_MAIN)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        self.assertEqual('[]\n', output)
