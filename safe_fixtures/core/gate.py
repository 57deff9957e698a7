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

"""The one place that sees every API request of a test."""

import contextvars
import functools
import json
import re
from typing import Any, Protocol
from urllib import parse

import fixtures

from safe_fixtures.runtime import patching
from safe_fixtures.runtime import values

__all__ = ['ApiCall', 'ApiGate', 'Observer', 'current_call']

_SLASHES = re.compile('//+')
_TEXTS = (str, bytes)
# The URL of a compute API, as devstack and Nova's own fixtures have it.
# Placement's has no version, and other services have other versions.
_COMPUTE_URL = re.compile(r'[^:]+://[^/]+(?:/compute)?/v2(?:\.1)?(?:[/?#]|$)')
# A project id has only these characters.
_VERSION_PREFIX = re.compile(r'/v[1-9](?:\.[0-9]+)?(?:/[0-9a-f-]+)?(?=/|$)')


class ApiCall:
    """One request to an API, with its response as soon as there is one.

    :ivar request: the ``requests.PreparedRequest``; an observer may change
        its headers before it is sent.
    :ivar method: the HTTP method, in capitals (str).
    :ivar url: the whole URL (str).
    :ivar response: the ``requests.Response``, or None before there is one.
    """

    def __init__(self, request: Any) -> None:
        self.request = request
        self.method: str = request.method or 'GET'
        self.url: str = request.url
        self.response: Any = None

    @functools.cached_property
    def path(self) -> str:
        """The path below the API's version and project: ``/servers/1``."""
        path = _path(self.url)
        prefix = _VERSION_PREFIX.search(path)
        return path[prefix.end() :] if prefix else path

    @property
    def is_compute(self) -> bool:
        """Whether the URL is one of the compute API."""
        return _COMPUTE_URL.match(self.url) is not None

    @property
    def content(self) -> Any:
        """The request's body as it is sent, text or bytes.

        None without a body, and for a stream that can be read only once.
        """
        body = self.request.body
        if isinstance(body, (str, bytes)) or not hasattr(body, 'read'):
            return body
        try:
            position = body.tell()
            try:
                return values.plain(body.read())
            finally:
                body.seek(position)
        except (AttributeError, OSError, ValueError):
            return None

    @functools.cached_property
    def body(self) -> Any:
        """The request's body as read from JSON; None if it is not JSON."""
        return _from_json(self.content)

    @property
    def response_body(self) -> Any:
        """The response's body as read from JSON; None if it is not JSON."""
        return _from_json(self.response.content)

    def __str__(self) -> str:
        return f'{self.method} {_path(self.url)}'


class Observer(Protocol):
    """Sees requests."""

    def before(self, call: ApiCall) -> None:
        """See a request before it is sent.

        An exception goes to the client, and the request is not sent.
        """

    def after(self, call: ApiCall) -> None:
        """See a request that was answered."""


class ApiGate(fixtures.Fixture):
    """Shows every API request to an observer while it is active.

    The gate patches ``requests`` where it sends a request. Every client
    that builds on ``requests`` passes it, once for each request: Nova's
    fixture clients, clients made by hand, keystoneauth and what builds on
    it, and ``requests`` itself. Any number of gates can be active, and end
    in any order. The last one restores ``requests``. If ``requests`` is not
    imported yet, it is patched when it is.

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

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self.observer = observer

    def _setUp(self) -> None:
        OBSERVERS.add(self.observer, self.addCleanup)


def _patch(adapters: Any) -> Any:
    send = adapters.HTTPAdapter.send

    @functools.wraps(send)
    def gated(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        # As if each had wrapped the client: the newest observer sees a
        # request first, so that its changes win.
        observers = OBSERVERS.users
        _make_plain(request)
        call = ApiCall(request)
        for observer in reversed(observers):
            observer.before(call)
        token = _current.set(call)
        try:
            call.response = send(self, request, *args, **kwargs)
        finally:
            _current.reset(token)
        for observer in observers:
            observer.after(call)
        return call.response

    return patching.patch_attribute(adapters.HTTPAdapter, 'send', gated)


#: The observers of all active gates. The patch waits for ``requests``:
#: importing it here could be too early for eventlet.
OBSERVERS: patching.SharedPatch[Observer] = patching.SharedPatch(
    lambda: patching.patch_when_imported('requests.adapters', _patch)
)
# Each thread and each greenlet has its own value, even if the variable was
# made before eventlet patched threading.
_current: contextvars.ContextVar[ApiCall | None] = contextvars.ContextVar(
    'safe_fixtures_api_call', default=None
)


def current_call() -> ApiCall | None:
    """Return the request that this thread is sending, or None."""
    return _current.get()


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


def _path(url: str) -> str:
    # Nova's own client writes /v2.1//servers, and Nova serves that.
    return _SLASHES.sub('/', parse.urlsplit(url).path)


def _from_json(content: Any) -> Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except (RecursionError, TypeError, ValueError):
        return None
