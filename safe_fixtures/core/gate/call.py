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

"""One API request, whichever library sends it."""

from collections.abc import Callable, Mapping, MutableMapping
import contextvars
import functools
import json
import re
from typing import Any
from urllib import parse

from safe_fixtures.runtime import values

__all__ = [
    'CURRENT',
    'ApiCall',
    'Request',
    'Response',
    'current_call',
    'whole_url',
]

_SLASHES = re.compile('//+')
# The URL of a compute API, as devstack and Nova's own fixtures have it.
# Placement's has no version, and other services have other versions.
_COMPUTE_URL = re.compile(r'[^:]+://[^/]+(?:/compute)?/v2(?:\.1)?(?:[/?#]|$)')
# What stands for a letter, a digit or one of -._~ is the same as that.
_NEEDLESS = re.compile(
    '%(2[DE]|3[0-9]|[46][1-9A-F]|5[0-9AF]|7[0-9AE])', re.IGNORECASE
)
# A project id has only these characters.
_VERSION_PREFIX = re.compile(r'/v[1-9](?:\.[0-9]+)?(?:/[0-9a-f-]+)?(?=/|$)')


class ApiCall:
    """One request to an API, with its response as soon as there is one.

    :ivar request: the ``requests.PreparedRequest``, or for a client on
        ``urllib3`` or ``httpx`` a
        :class:`~safe_fixtures.core.gate.call.Request` with the same
        attributes. An observer may change its headers before it is sent.
    :ivar method: the HTTP method, in capitals (str).
    :ivar url: the whole URL (str).
    :ivar response: the ``requests.Response``, or a
        :class:`~safe_fixtures.core.gate.call.Response` with the main
        attributes; None before there is one.
    """

    def __init__(self, request: Any) -> None:
        self.request = request
        self.method: str = request.method or 'GET'
        self.url: str = request.url
        self.response: Any = None

    @functools.cached_property
    def path(self) -> str:
        """The path below the API's version and project: ``/servers/1``."""
        # As a server reads it: it takes %2F for a slash.
        path = parse.unquote(_path(self.url))
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
        return _content(self.request.body)

    @functools.cached_property
    def body(self) -> Any:
        """The request's body as read from JSON; None if it is not JSON."""
        return _from_json(self.content)

    @property
    def response_body(self) -> Any:
        """The response's body as read from JSON; None if it is not JSON.

        None also if the client reads the body only later.
        """
        return _from_json(self.response.content)

    def __str__(self) -> str:
        return f'{self.method} {_path(self.url)}'


class Request:
    """A request with the attributes of a ``requests.PreparedRequest``.

    :ivar method: the HTTP method, in capitals (str).
    :ivar url: the whole URL (str).
    :ivar headers: a mapping that does not tell capitals from small letters;
        what is changed in it is sent.
    :ivar body: text, bytes, a stream, or None.
    """

    def __init__(
        self,
        method: str,
        url: str,
        headers: MutableMapping[str, Any],
        body: Any,
    ) -> None:
        self.method = method.upper()
        # As requests writes it.
        self.url = _NEEDLESS.sub(lambda found: chr(int(found[1], 16)), url)
        self.headers = headers
        self.body = body


class Response:
    """A response with the main attributes of a ``requests.Response``.

    :ivar status_code: the HTTP status (int).
    :ivar headers: a mapping that does not tell capitals from small letters.
    """

    def __init__(
        self,
        status_code: int,
        headers: Mapping[str, Any],
        read: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        self._read = read

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def content(self) -> bytes | None:
        """The body; None if the client reads it only later."""
        return self._read()


#: The request that is being sent. Each thread and each greenlet has its own
#: value, even if the variable was made before eventlet patched threading.
CURRENT: contextvars.ContextVar[ApiCall | None] = contextvars.ContextVar(
    'safe_fixtures_api_call', default=None
)


def current_call() -> ApiCall | None:
    """Return the request that this thread is sending, or None."""
    return CURRENT.get()


def whole_url(base: str, target: str) -> str:
    """Return the URL of what a request asks a server for.

    :param base: scheme, host and port, such as ``http://127.0.0.1:8774``.
    :param target: a path, or a whole URL, which proxies are asked for.
    """
    if target.startswith('/'):
        return base + target
    return target if '://' in target else f'{base}/{target}'


def _path(url: str) -> str:
    # Nova's own client writes /v2.1//servers, and Nova serves that.
    return _SLASHES.sub('/', parse.urlsplit(url).path)


def _content(body: Any) -> Any:
    if body is None or isinstance(body, (str, bytes)):
        return body
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    if isinstance(body, (list, tuple)):
        return _joined(body)
    try:
        position = body.tell()
        try:
            return values.plain(body.read())
        finally:
            body.seek(position)
    except (AttributeError, OSError, ValueError):
        return None


def _joined(parts: list[Any] | tuple[Any, ...]) -> bytes | None:
    try:
        return b''.join(
            part.encode() if isinstance(part, str) else part for part in parts
        )
    except (TypeError, ValueError):
        return None


def _from_json(content: Any) -> Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except (RecursionError, TypeError, ValueError):
        return None
