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
import sys

from safe_fixtures.runtime import forks
from tests.support import base


class TestChildEndsHere(base.TestCase):
    def status_of(self, act):
        """Fork in a block, act in the child, and return its exit code."""
        owner = os.getpid()
        child = None
        try:
            with forks.child_ends_here():
                child = os.fork()
                if not child:
                    sys.stderr = open(os.devnull, 'w')
                    act()
        finally:
            if os.getpid() != owner:
                os._exit(77)  # it came back
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def test_codes(self):
        def fail():
            raise ValueError('in the child')

        for name, act, code in (
            ('comes back', lambda: None, 0),
            ('fails', fail, 1),
            ('exits', sys.exit, 0),
            ('exits with a code', lambda: sys.exit(3), 3),
            ('exits with a text', lambda: sys.exit('why'), 1),
            ('ends itself', lambda: os._exit(4), 4),
            ('patches', lambda: setattr(os, '_exit', None), 0),
        ):
            with self.subTest(name=name):
                self.assertEqual(code, self.status_of(act))

    def test_child_of_a_child(self):
        def fork():
            child = os.fork()
            if child:
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            raise ValueError('in its child')

        self.assertEqual(1, self.status_of(fork))

    def test_block_of_the_child_itself(self):
        def act():
            # What a child begins itself, it goes on after.
            with forks.child_ends_here():
                pass
            sys.exit(5)

        self.assertEqual(5, self.status_of(act))

    def test_no_fork(self):
        with forks.child_ends_here():
            pass
        with self.assertRaisesRegex(KeyError, 'x'):
            with forks.child_ends_here():
                raise KeyError('x')
