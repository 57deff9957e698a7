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

"""Whether the process that wrote a journal lives."""

import os

from safe_fixtures.guards.services import journal
from safe_fixtures.guards.services.journal import owners
from tests.support import base


class TestOwner(base.TestCase):
    def test_this_process(self):
        owner = owners.this_process()
        self.assertIs(owner, owners.this_process())
        self.assertEqual(os.getpid(), owner.pid)
        self.assertIs(True, owner.is_alive())
        self.assertIn(f'(pid {os.getpid()} on ', str(owner))

    def test_a_child_is_another_owner(self):
        owner = owners.this_process()
        child = os.fork()
        if not child:
            mine = owners.this_process()
            same = mine.run == owner.run or mine.pid == owner.pid
            os._exit(1 if same or not owner.is_alive() else 0)
        self.assertEqual(0, os.waitpid(child, 0)[1])

    def test_round_trip(self):
        owner = owners.this_process()
        self.assertEqual(owner, journal.Owner.of_record(owner.as_record()))

    def test_matrix(self):
        here = owners.this_process()
        for change, expected in (
            ({'started': here.started + 1}, False),
            ({'started': None}, None),
            ({'pid': 2**40}, False),
            ({'boot': 'another'}, False),
            ({'boot': 'another', 'host': 'elsewhere'}, None),
            # The host was renamed.
            ({'host': 'elsewhere'}, True),
            ({'host': 'elsewhere', 'pid': 2**40}, False),
            # Another container.
            ({'pids': 'pid:[1]'}, None),
            ({'pids': ''}, None),
            ({'boot': ''}, None),
            ({'boot': '', 'host': 'elsewhere'}, None),
        ):
            with self.subTest(change=change):
                owner = here._replace(**change)
                self.assertIs(expected, owner.is_alive())

    def test_a_process_that_has_ended_and_a_zombie(self):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.read(reading, 1)
            os._exit(0)
        started = owners._stat(child)[1]
        owner = owners.this_process()._replace(pid=child, started=started)
        self.assertIs(True, owner.is_alive())
        os.write(writing, b'.')
        # It is a zombie until it is waited for.
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        self.assertIs(False, owner.is_alive())
        os.waitpid(child, 0)
        self.assertIs(False, owner.is_alive())
        os.close(reading)
        os.close(writing)

    def test_a_system_that_tells_nothing(self):
        owner = owners.this_process()
        content = owners._content
        self.patch(
            owners,
            '_content',
            lambda path: content(path) if 'boot_id' in path else b'',
        )
        self.assertIsNone(owner.is_alive())
        self.patch(owners, '_content', lambda path: b'')
        self.assertIsNone(owner.is_alive())

    def test_a_program_with_any_name(self):
        stat = b'7 (a) Z (b) R 1 2) S ' + b'0 ' * 18 + b'4711 0 0'
        self.patch(owners, '_content', lambda path: stat)
        self.assertEqual((b'S', 4711), owners._stat(7))
