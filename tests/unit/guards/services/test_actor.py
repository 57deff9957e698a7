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

"""Who is changing a service now."""

import threading

import testtools

from safe_fixtures.guards.services import actor
from safe_fixtures.guards.services import model
from tests.support import base

COMPUTE = model.ServiceRef('1', 'host1', 'nova-compute')
OTHER = model.ServiceRef('2', 'host2', 'nova-compute')


class TestActor(base.TestCase):
    def test_the_record(self):
        self.assertTrue(actor.describe().startswith('the record ('))
        self.assertIn(f'{__file__}:', actor.describe())

    def test_something_else(self):
        self.assertTrue(actor.describe('Service.stop').startswith('Service.'))

    def test_a_toggle(self):
        with actor.acting('SafeServiceToggle.disable', checked=[COMPUTE]):
            described = actor.describe('PUT')
            self.assertTrue(actor.is_exempt(COMPUTE))
            self.assertFalse(actor.is_exempt(OTHER))
        self.assertTrue(described.startswith('SafeServiceToggle.disable ('))
        self.assertFalse(actor.is_exempt(COMPUTE))

    def test_a_restore(self):
        ledger, other = object(), object()
        with actor.acting('SafeServiceToggle restore', restoring=[ledger]):
            self.assertIn(ledger, actor.current().restoring)
            self.assertNotIn(other, actor.current().restoring)
            with actor.acting('SafeServiceToggle restore', restoring=[other]):
                self.assertEqual((ledger, other), actor.current().restoring)
            self.assertTrue(actor.is_exempt(COMPUTE))
            self.assertIn('SafeServiceToggle restore (', actor.describe())
        self.assertEqual((), actor.current().restoring)

    def test_a_request(self):
        watcher = object()
        with actor.acting(checker=watcher):
            self.assertIs(watcher, actor.current().checker)
            with actor.acting(checked=[COMPUTE]):
                self.assertIs(watcher, actor.current().checker)
                self.assertTrue(actor.is_exempt(COMPUTE))
                self.assertTrue(actor.describe().startswith('the record ('))
        self.assertIsNone(actor.current().checker)

    def test_ends_with_an_error(self):
        with testtools.ExpectedException(ZeroDivisionError):
            with actor.acting('SafeServiceToggle.disable', checked=[COMPUTE]):
                raise ZeroDivisionError
        self.assertFalse(actor.is_exempt(COMPUTE))

    def test_is_not_that_of_another_thread(self):
        seen = []

        def look():
            seen.append(actor.current())

        with actor.acting('SafeServiceToggle.disable', checked=[COMPUTE]):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
        self.assertEqual([actor.current()], seen)
