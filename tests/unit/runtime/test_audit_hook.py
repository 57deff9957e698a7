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

"""Interpreter events, and who sees them."""

import sys
import threading

from safe_fixtures.runtime import audit_hook
from tests.support import base

EVENT = 'safe_fixtures.test'


class TestAuditHook(base.TestCase):
    def setUp(self):
        super().setUp()
        before = dict(audit_hook.handlers())
        self.addCleanup(audit_hook.watch, before)
        self.seen = []

    def note(self, event, args):
        self.seen.append((event, args))
        # What a handler does is hidden.
        sys.audit(EVENT, 'nested')

    def test_only_what_is_watched(self):
        audit_hook.watch({EVENT: self.note})
        self.assertEqual({EVENT: self.note}, dict(audit_hook.handlers()))
        sys.audit(EVENT, 1)
        sys.audit(f'{EVENT}.other', 2)
        audit_hook.watch({f'{EVENT}.other': self.note})
        sys.audit(EVENT, 3)
        sys.audit(f'{EVENT}.other', 4)
        self.assertEqual([(EVENT, (1,)), (f'{EVENT}.other', (4,))], self.seen)

    def test_an_error_goes_to_the_caller(self):
        def refuse(event, args):
            raise ZeroDivisionError

        audit_hook.watch({EVENT: refuse})
        self.assertRaises(ZeroDivisionError, sys.audit, EVENT)
        audit_hook.watch({EVENT: self.note})
        sys.audit(EVENT)
        self.assertEqual(1, len(self.seen))

    def test_unseen(self):
        audit_hook.watch({EVENT: self.note})
        with audit_hook.unseen():
            with audit_hook.unseen():
                sys.audit(EVENT, 'nested block')
            sys.audit(EVENT, 'hidden')
            thread = threading.Thread(target=sys.audit, args=(EVENT, 'other'))
            thread.start()
            thread.join()
        sys.audit(EVENT, 'after')
        self.assertEqual([(EVENT, ('other',)), (EVENT, ('after',))], self.seen)
