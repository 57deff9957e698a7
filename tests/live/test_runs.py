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

"""Several processes toggle the same service."""

import os
import signal

from tests.live import base


class TestRuns(base.TestCase):
    """Several processes toggle the same service."""

    SOURCE = '''
        toggle = make_toggle()
        toggle.disable('compute1')
        point('in')
        toggle.cleanUp()
    '''

    def test_second_one_is_told(self):
        first = self.run_script(self.SOURCE)
        first.reach('in')
        second = self.run_script(
            self.SOURCE, OS_SAFE_FIXTURES__LOCK_TIMEOUT='1'
        )
        self.assertNotEqual(0, second.process.wait(120))
        self.assertIn('SF206', second.output)
        self.assertIn(str(first.process.pid), second.output)
        self.assertChanged('compute1')
        self.assertEqual(0, first.end(), first.output)
        self.assertChanged()

    def test_second_one_waits(self):
        first = self.run_script(self.SOURCE)
        first.reach('in')
        second = self.run_script(self.SOURCE)
        self.assertEqual(0, first.end(), first.output)
        second.reach('in')
        self.assertChanged('compute1')
        self.assertEqual(0, second.end(), second.output)
        self.assertChanged()

    def test_second_one_after_a_killed_one(self):
        first = self.run_script(self.SOURCE)
        first.reach('in')
        first.end(signal.SIGKILL)
        second = self.run_script(
            self.SOURCE, OS_SAFE_FIXTURES__DEAD_JOURNALS='restore'
        )
        second.reach('in')
        self.assertEqual(0, second.end(), second.output)
        self.assertChanged()

    def test_ten(self):
        # All of them toggle it three times, as fast as they can.
        source = '''
            for _ in range(3):
                toggle = make_toggle()
                with toggle.disable('compute1'):
                    pass
                toggle.cleanUp()
        '''
        running = [
            self.run_script(source, OS_SAFE_FIXTURES__LOCK_TIMEOUT='300')
            for _ in range(10)
        ]
        for each in running:
            self.assertEqual(0, each.process.wait(300), each.output)
        self.assertChanged()
        self.assertEqual([], self.journals())

    def test_two_machines(self):
        # They share no locks. A in, B in, A out, B out.
        other = os.path.join(self.journal_dir, 'other')
        first = self.run_script(self.SOURCE)
        first.reach('in')
        second = self.run_script(
            self.SOURCE, OS_SAFE_FIXTURES__JOURNAL_DIR=other
        )
        if second.can_reach('in'):
            first.end()
            second.end()
        else:
            # It was told that another one has the service.
            self.assertIn('SF206', second.output)
            self.assertEqual(0, first.end(), first.output)
        self.assertChanged()
