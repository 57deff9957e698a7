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

"""Requests that ``requests`` sends."""

from collections.abc import Callable
import functools
from typing import Any

from safe_fixtures.core.gate import call as api_call
from safe_fixtures.core.gate import observers
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import values

__all__ = ['patch']

_TEXTS = (str, bytes)
_current = api_call.CURRENT


def patch(shared: observers.Observers, adapters: Any) -> Callable[[], None]:
    """Patch ``requests`` where it sends a request.

    :param shared: the observers.
    :param adapters: the module ``requests.adapters``.
    :returns: a callable that restores it.
    """
    send = adapters.HTTPAdapter.send

    @functools.wraps(send)
    def gated(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        users = shared.users
        _make_plain(request)
        call = api_call.ApiCall(request)
        # Not by observers.before(): this is in the traceback of each bug.
        for observer in reversed(users):
            observer.before(call)
        token = _current.set(call)
        try:
            call.response = send(self, request, *args, **kwargs)
        finally:
            _current.reset(token)
        for observer in users:
            observer.after(call)
        return call.response

    return patching.patch_attribute(adapters.HTTPAdapter, 'send', gated)


def _make_plain(request: Any) -> None:
    """Make the texts of a request plain, so that what is seen is sent.

    A subclass can say something else of itself than what it holds.
    """
    for name in ('method', 'url', 'body'):
        given = getattr(request, name)
        plain = values.plain(given)
        if plain is not given:
            setattr(request, name, plain)
    headers = request.headers
    items = list(headers.items())
    if all(type(each) in _TEXTS for item in items for each in item):
        return
    headers.clear()
    for key, value in items:
        # A number is sent as it shows itself.
        is_number = issubclass(type(value), int)
        plain = str(value) if is_number else values.plain(value)
        headers[values.plain(key)] = values.plain(plain)
