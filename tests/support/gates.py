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

"""Observers of the gate, and what the gate patches."""

import importlib
import sys

from safe_fixtures.core import gate

# What it patches, by module and class.
_PATCHED = {
    ('requests.adapters', 'HTTPAdapter'): 'send',
    ('urllib3.connectionpool', 'HTTPConnectionPool'): 'urlopen',
    ('httpx', 'HTTPTransport'): 'handle_request',
    ('httpx', 'AsyncHTTPTransport'): 'handle_async_request',
}


class Notes:
    """An observer that notes what it sees."""

    def __init__(self):
        self.seen = []
        self.calls = []

    def before(self, call):
        self.seen.append(('before', call.method, call.path))
        self.last = call
        self.calls.append(call)

    def after(self, call):
        self.seen.append(('after', call.method, call.path))


class Forbids(Notes):
    def before(self, call):
        raise ZeroDivisionError('forbidden')


def patched():
    """Return all that the gate patches, of the modules that are imported."""
    return {
        (module, name, attribute): vars(
            getattr(importlib.import_module(module), name)
        )[attribute]
        for (module, name), attribute in _PATCHED.items()
        if module in sys.modules
    }


class Untouched:
    """Makes sure that a test leaves nothing of the gate."""

    def setUp(self):
        super().setUp()
        self.was = patched()
        self.addCleanup(self.assertUntouched)

    def assertUntouched(self):
        self.assertEqual(set(self.was), set(patched()))
        for key, value in patched().items():
            self.assertIs(self.was[key], value, key)
        self.assertEqual((), gate.OBSERVERS.users)
        self.assertIsNone(gate.current_call())
