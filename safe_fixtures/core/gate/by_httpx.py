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

"""Requests that ``httpx`` sends."""

from collections.abc import Callable
import functools
import inspect
from typing import Any

from safe_fixtures.core.gate import call as api_call
from safe_fixtures.core.gate import observers
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import values

__all__ = ['patch']

# Longer bodies of responses are left to the client.
_LONGEST = 16 * 1024 * 1024  # bytes


def patch(shared: observers.Observers, httpx: Any) -> Callable[[], None]:
    """Patch ``httpx`` where it sends a request.

    :param shared: the observers.
    :param httpx: the module.
    :returns: a callable that restores it.
    """
    return patching.patch_together(
        functools.partial(
            _patch, shared, httpx, 'HTTPTransport', 'handle_request', _gated
        ),
        functools.partial(
            _patch, shared, httpx, 'AsyncHTTPTransport',
            'handle_async_request', _gated_async,
        ),
    )  # fmt: skip


def _patch(
    shared: observers.Observers,
    httpx: Any,
    transport: str,
    method: str,
    wrap: Callable[..., Any],
) -> Callable[[], None]:
    owner = getattr(httpx, transport, None)
    handle: Any = getattr(owner, method, None)
    if not _is_known(handle) or not hasattr(httpx, 'ByteStream'):
        return observers.unknown(f'httpx.{transport}.{method}()')
    gated = functools.wraps(handle)(wrap(shared, httpx, handle))
    return patching.patch_attribute(owner, method, gated)


def _is_known(handle: Any) -> bool:
    if not callable(handle):
        return False
    try:
        parameters = inspect.signature(handle).parameters.values()
    except (TypeError, ValueError):
        return True
    names = [each.name for each in parameters]
    return names[1:2] == ['request'] or any(
        each.kind is each.VAR_POSITIONAL for each in parameters
    )


def _gated(
    shared: observers.Observers, httpx: Any, handle: Callable[..., Any]
) -> Callable[..., Any]:
    def handle_request(
        self: Any, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        call = _call(httpx, request)
        if call is None:
            return handle(self, request, *args, **kwargs)
        users = shared.users
        observers.before(users, call)
        token = api_call.CURRENT.set(call)
        try:
            response = handle(self, request, *args, **kwargs)
        finally:
            api_call.CURRENT.reset(token)
        try:
            if _may_be_read(response):
                content = b''.join(response.stream)
                response.stream.close()
                response.stream = httpx.ByteStream(content)
            call.response = _response(httpx, response)
            observers.after(users, call)
        except BaseException:
            response.close()
            raise
        return response

    return handle_request


def _gated_async(
    shared: observers.Observers, httpx: Any, handle: Callable[..., Any]
) -> Callable[..., Any]:
    async def handle_async_request(
        self: Any, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        call = _call(httpx, request)
        if call is None:
            return await handle(self, request, *args, **kwargs)
        users = shared.users
        observers.before(users, call)
        token = api_call.CURRENT.set(call)
        try:
            response = await handle(self, request, *args, **kwargs)
        finally:
            api_call.CURRENT.reset(token)
        try:
            if _may_be_read(response):
                content = b''.join([part async for part in response.stream])
                await response.stream.aclose()
                response.stream = httpx.ByteStream(content)
            call.response = _response(httpx, response)
            observers.after(users, call)
        except BaseException:
            await response.aclose()
            raise
        return response

    return handle_async_request


def _call(httpx: Any, request: Any) -> api_call.ApiCall | None:
    """Return what the observers see; None for a request of unknown form."""
    try:
        method = values.plain(request.method)
        if method is not request.method:
            request.method = method
        return api_call.ApiCall(
            api_call.Request(
                method, _url(request), request.headers, _body(httpx, request)
            )
        )
    except AttributeError:
        observers.unknown('httpx.Request')
        return None


def _url(request: Any) -> str:
    url = request.url
    # What is sent instead of the path, if it is given.
    target = request.extensions.get('target')
    if target is None:
        return str(url)
    if isinstance(target, bytes):
        target = target.decode('latin-1')
    return api_call.whole_url(
        f'{url.scheme}://{url.netloc.decode("ascii")}', target
    )


def _body(httpx: Any, request: Any) -> Any:
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        return b''.join(stream)
    if hasattr(type(stream), '__iter__'):
        # The file or the list that it reads, if it tells.
        return getattr(stream, '_stream', stream)
    return stream


def _may_be_read(response: Any) -> bool:
    """Whether a body can be read before the client asks for it.

    The client reads it whole, unless it streams. So it must not be long, and
    must have an end.
    """
    headers = response.headers
    length = headers.get('Content-Length', '')
    return (
        'json' in headers.get('Content-Type', '')
        and length.isdecimal()
        and len(length) < 10
        and int(length) <= _LONGEST
        and not _is_read(response)
    )


def _is_read(response: Any) -> bool:
    try:
        response.content  # noqa: B018
    except RuntimeError:
        return False
    return True


def _response(httpx: Any, response: Any) -> api_call.Response:
    @functools.cache
    def decoded() -> Any:
        try:
            # Of the same bytes, so that the client reads its own.
            return type(response)(
                response.status_code,
                headers=response.headers,
                content=b''.join(response.stream),
            ).content
        except Exception:
            # The client says what is wrong when it decodes it.
            return None

    def read() -> Any:
        if _is_read(response):
            return response.content
        is_replaced = isinstance(response.stream, httpx.ByteStream)
        return decoded() if is_replaced else None

    return api_call.Response(response.status_code, response.headers, read)
