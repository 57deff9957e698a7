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

"""A call that may not end."""

import contextvars
import threading

from safe_fixtures.guards.services import bounded
from tests.support import base


class TestCall(base.TestCase):
    def test_what_it_returns(self):
        self.assertEqual(3, bounded.call(5.0, sum, [1, 2]))

    def test_what_it_raises(self):
        self.assertRaises(ZeroDivisionError, bounded.call, 5.0, divmod, 1, 0)

    def test_it_does_not_end(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        error = self.assertRaises(TimeoutError, bounded.call, 0.01, ended.wait)
        self.assertIn('0.01 seconds', str(error))

    def test_it_has_the_context_of_the_caller(self):
        variable = contextvars.ContextVar('of_the_caller')
        variable.set('here')
        self.assertEqual('here', bounded.call(5.0, variable.get))
