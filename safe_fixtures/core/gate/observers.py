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

"""What stands at the gate, and how it sees a call."""

from collections.abc import Callable
import functools
import logging
from typing import Protocol

from safe_fixtures.core.gate import call as api_call
from safe_fixtures.runtime import patching

__all__ = ['Observer', 'Observers', 'after', 'before', 'unknown']

_LOG = logging.getLogger('safe_fixtures')


class Observer(Protocol):
    """Sees requests."""

    def before(self, call: api_call.ApiCall) -> None:
        """See a request before it is sent.

        An exception goes to the client, and the request is not sent.
        """

    def after(self, call: api_call.ApiCall) -> None:
        """See a request that was answered."""


Observers = patching.SharedPatch[Observer]


def before(observers: tuple[Observer, ...], call: api_call.ApiCall) -> None:
    """Show a request that is about to be sent."""
    # As if each had wrapped the client: the newest observer sees a request
    # first, so that its changes win.
    for observer in reversed(observers):
        observer.before(call)


def after(observers: tuple[Observer, ...], call: api_call.ApiCall) -> None:
    """Show a request that was answered."""
    for observer in observers:
        observer.after(call)


@functools.cache
def unknown(what: str) -> Callable[[], None]:
    """Say, once, that the gate does not see what goes through something.

    :param what: what is not as the gate knows it.
    :returns: a callable that restores nothing.
    """
    _LOG.warning(
        'the API gate does not know %s of this version; requests through it '
        'are not seen',
        what,
    )
    return lambda: None
