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

"""The one place where every API request of a test is seen."""

import contextvars
import functools
import json
import re
import sys
from typing import Any, Protocol
from urllib import parse

import fixtures
import wrapt

from safe_fixtures.runtime import patching

__all__ = ['ApiCall', 'ApiGate', 'Observer', 'current_call']

_SLASHES = re.compile('//+')
# Nova takes as a project id what is made of these.
# The URL of a compute API, as devstack and Nova's own fixtures have it; that
# of Placement has no version, and those of other services have others.
_COMPUTE_URL = re.compile(r'[^:]+://[^/]+(?:/compute)?/v2(?:\.1)?(?:[/?#]|$)')
_VERSION_PREFIX = re.compile(r'/v2(?:\.[0-9]+)?(?:/[0-9a-f-]+)?(?=/|$)')


class ApiCall:
    """One request to an API, and its response once there is one.

    :ivar request: the ``requests.PreparedRequest``; its headers may be
        changed before it is sent.
    :ivar method: the HTTP method, in capitals (str).
    :ivar url: the whole URL (str).
    :ivar response: the ``requests.Response``, or None before it is there.
    """

    __slots__ = ('_body', '_path', 'method', 'request', 'response', 'url')

    def __init__(self, request: Any) -> None:
        self.request = request
        self.method: str = request.method or 'GET'
        self.url: str = request.url
        self.response: Any = None

    @property
    def path(self) -> str:
        """The path below the API's version and project: ``/servers/1``."""
        try:
            return self._path
        except AttributeError:
            path = _path(self.url)
            prefix = _VERSION_PREFIX.search(path)
            self._path: str = path[prefix.end() :] if prefix else path
            return self._path

    @property
    def is_compute(self) -> bool:
        """Whether its URL is one of the compute API."""
        return _COMPUTE_URL.match(self.url) is not None

    @property
    def content(self) -> Any:
        """The request's body as it is sent, text or bytes; None if there
        is none, or if it is a stream that can be read only once.
        """
        return _content(self.request.body)

    @property
    def body(self) -> Any:
        """The request's body as read from JSON; None if it is not JSON."""
        try:
            return self._body
        except AttributeError:
            self._body: Any = _from_json(self.content)
            return self._body

    @property
    def response_body(self) -> Any:
        """The response's body as read from JSON; None if it is not JSON."""
        return _from_json(self.response.content)

    def __str__(self) -> str:
        return f'{self.method} {_path(self.url)}'


class Observer(Protocol):
    """Who looks at requests."""

    def before(self, call: ApiCall) -> None:
        """See a request that is about to be sent.

        What this raises goes to the client, and nothing is sent.
        """

    def after(self, call: ApiCall) -> None:
        """See a request that was answered."""


class ApiGate(fixtures.Fixture):
    """Shows an observer every API request while it is active.

    It stands where every client that is built on ``requests`` must pass,
    once for each request that would go out: the fixture clients of Nova,
    those made by hand, keystoneauth and what is built on it, ``requests``
    itself. Any number of gates can be active, in any order; the last one
    takes away what the first one installed. (Where ``requests`` was not
    imported yet, a hook that waits for it stays, and does nothing.)

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
        self.addCleanup(_remove, self)
        _add(self)


_gates: tuple[ApiGate, ...] = ()
_restore_send: Any = None
_hooked = False
# A context variable is each thread's own and each greenlet's, even if it was
# made before eventlet patched threading.
_current: contextvars.ContextVar[ApiCall | None] = contextvars.ContextVar(
    'safe_fixtures_api_call', default=None
)


def current_call() -> ApiCall | None:
    """Return the request that this thread is being served, or None."""
    return _current.get()


def _add(gate: ApiGate) -> None:
    global _gates, _hooked
    _gates = (*_gates, gate)
    if 'requests.adapters' in sys.modules:
        _install(sys.modules['requests.adapters'])
    elif not _hooked:
        # Importing it here could be too early for eventlet.
        _hooked = True
        wrapt.register_post_import_hook(_install, 'requests.adapters')


def _remove(gate: ApiGate) -> None:
    global _gates, _restore_send
    _gates = tuple(other for other in _gates if other is not gate)
    if not _gates and _restore_send is not None:
        _restore_send, restore = None, _restore_send
        restore()


def _install(adapters: Any) -> None:
    global _restore_send
    if not _gates or _restore_send is not None:
        return
    send = adapters.HTTPAdapter.send

    @functools.wraps(send)
    def gated(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        # As if each had wrapped the client: the last one is the first to
        # see a request, so that what it asks for goes before the others'.
        gates = _gates
        call = ApiCall(request)
        for gate in reversed(gates):
            gate.observer.before(call)
        token = _current.set(call)
        try:
            call.response = send(self, request, *args, **kwargs)
        finally:
            _current.reset(token)
        for gate in gates:
            gate.observer.after(call)
        return call.response

    _restore_send = patching.patch_attribute(
        adapters.HTTPAdapter, 'send', gated
    )


def _path(url: str) -> str:
    # Nova's own client writes /v2.1//servers, and Nova serves that.
    return _SLASHES.sub('/', parse.urlsplit(url).path)


def _content(body: Any) -> Any:
    """Return a request's body, of a stream without using it up."""
    if not hasattr(body, 'read'):
        return body
    try:
        position = body.tell()
        try:
            return body.read()
        finally:
            body.seek(position)
    except (AttributeError, OSError, ValueError):
        return None


def _from_json(content: Any) -> Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except (RecursionError, TypeError, ValueError):
        return None
