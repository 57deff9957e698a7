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

"""Who started a thread."""

from concurrent import futures
import threading

from safe_fixtures.runtime import owners
from tests.support import base


class TestFollow(base.TestCase):
    def setUp(self):
        super().setUp()
        self.before = self.patched()
        self.owner = owners.Owner()
        self.current = self.owner
        self.stop = owners.follow(lambda: self.current)
        self.addCleanup(lambda: self.assertEqual(self.before, self.patched()))
        self.addCleanup(lambda: self.stop and self.stop())

    def patched(self):
        return (
            vars(threading.Thread)['start'],
            vars(futures.ThreadPoolExecutor)['submit'],
        )

    def owner_in_thread(self):
        found = []
        thread = threading.Thread(target=lambda: found.append(owners.find()))
        thread.start()
        thread.join()
        return found[0]

    def test_thread(self):
        self.assertIs(self.owner, self.owner_in_thread())
        self.assertIsNone(owners.find())

    def test_without_owner(self):
        self.current = None
        self.assertIsNone(self.owner_in_thread())

    def test_task_of_a_pool(self):
        with futures.ThreadPoolExecutor(1) as pool:
            self.current = None
            pool.submit(len, '').result()
            # The thread of the pool is nobody's, and the task is.
            self.current = self.owner
            self.assertIs(self.owner, pool.submit(owners.find).result())
            self.current = None
            self.assertIsNone(pool.submit(owners.find).result())

    def test_is_alive(self):
        end = threading.Event()
        self.addCleanup(end.set)
        thread = threading.Thread(target=end.wait)
        self.assertFalse(self.owner.is_alive())
        thread.start()
        self.assertTrue(self.owner.is_alive())
        end.set()
        thread.join()
        self.assertFalse(self.owner.is_alive())

    def test_notes_stay(self):
        end = threading.Event()
        found = []
        thread = threading.Thread(
            target=lambda: (end.wait(), found.append(owners.find()))
        )
        thread.start()
        self.stop()
        self.stop = None
        self.assertEqual(self.before, self.patched())
        end.set()
        thread.join()
        self.assertIs(self.owner, found[0])
        self.assertIsNone(self.owner_in_thread())
