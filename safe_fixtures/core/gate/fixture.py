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

"""The fixture that opens the gate."""

import functools

import fixtures

from safe_fixtures.core.gate import by_httpx
from safe_fixtures.core.gate import by_requests
from safe_fixtures.core.gate import by_urllib3
from safe_fixtures.core.gate import observers
from safe_fixtures.runtime import patching

__all__ = ['OBSERVERS', 'ApiGate']

# Where each library sends a request.
_TRANSPORTS = {
    'requests.adapters': by_requests.patch,
    'urllib3.connectionpool': by_urllib3.patch,
    'httpx': by_httpx.patch,
}

#: The observers of all active gates. The patches wait for the libraries:
#: importing them here could be too early for eventlet.
OBSERVERS: observers.Observers = patching.SharedPatch(
    lambda: patching.patch_together(
        *(
            functools.partial(
                patching.patch_when_imported,
                name,
                functools.partial(patch, OBSERVERS),
            )
            for name, patch in _TRANSPORTS.items()
        )
    )
)


class ApiGate(fixtures.Fixture):
    """Shows every API request to an observer while it is active.

    The gate patches ``requests``, ``urllib3`` and ``httpx`` where they send
    a request. Every client that builds on one of them passes it, once for
    each request: Nova's fixture clients, clients made by hand, keystoneauth
    and what builds on it, tempest, and the libraries themselves. A retry of
    ``urllib3`` is no request of its own; a redirect is one. Any number of
    gates can be active, and end in any order. The last one restores the
    libraries. One that is not imported yet is patched when it is.

    Example::

        class Count:
            calls = 0
            def before(self, call):
                self.calls += 1
            def after(self, call):
                pass

        count = Count()
        self.useFixture(ApiGate(count))

    :param observer: an :class:`~safe_fixtures.core.gate.Observer`.
    """

    def __init__(self, observer: observers.Observer) -> None:
        super().__init__()
        self.observer = observer

    def _setUp(self) -> None:
        OBSERVERS.add(self.observer, self.addCleanup)
