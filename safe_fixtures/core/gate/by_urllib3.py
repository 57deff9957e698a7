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

"""Requests that ``urllib3`` sends, for itself or for ``requests``."""

from collections.abc import Callable, Mapping
import contextvars
import dataclasses
import functools
import inspect
from typing import Any

from safe_fixtures.core.gate import call as api_call
from safe_fixtures.core.gate import headers as api_headers
from safe_fixtures.core.gate import observers
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import values

__all__ = ['patch']

# The arguments of urlopen(), in its order.
_NAMES = (
    'method', 'url', 'body', 'headers', 'retries', 'redirect',
    'assert_same_host', 'timeout', 'pool_timeout', 'release_conn', 'chunked',
    'body_pos', 'preload_content',
)  # fmt: skip
# Those that the gate relies on, which all versions of urllib3 begin with.
_KNOWN = _NAMES[:5]


@dataclasses.dataclass(slots=True)
class _Sending:
    """A call on its way through urlopen().

    :ivar call: the call.
    :ivar pool: the connection pool.
    :ivar history: how many retries and redirects it had before.
    :ivar users: the observers that saw it here; None if ``requests`` sends
        it.
    :ivar is_redirected: whether it was answered with a redirect.
    """

    call: api_call.ApiCall
    pool: Any
    history: int
    users: tuple[observers.Observer, ...] | None = None
    is_redirected: bool = False

    def redirected(self, step: Any) -> None:
        """Show the observers that it was answered with a redirect.

        :param step: the last entry in the history of retries.
        """
        if self.users is None or self.is_redirected:
            return
        self.is_redirected = True
        self.call.response = api_call.Response(
            step.status,
            api_headers.Headers([('Location', step.redirect_location)]),
        )
        observers.after(self.users, self.call)


_sending: contextvars.ContextVar[_Sending | None] = contextvars.ContextVar(
    'safe_fixtures_urlopen', default=None
)


def patch(
    shared: observers.Observers, connectionpool: Any
) -> Callable[[], None]:
    """Patch ``urllib3`` where it sends a request.

    :param shared: the observers.
    :param connectionpool: the module ``urllib3.connectionpool``.
    :returns: a callable that restores it.
    """
    pool_class = getattr(connectionpool, 'HTTPConnectionPool', None)
    urlopen: Any = getattr(pool_class, 'urlopen', None)
    if not _is_known(urlopen):
        return observers.unknown('urllib3.HTTPConnectionPool.urlopen()')

    @functools.wraps(urlopen)
    def gated(pool: Any, *args: Any, **kwargs: Any) -> Any:
        given = kwargs
        if args:
            given = dict(zip(_NAMES, args, strict=False)) | kwargs
        sending = _sending_now(pool, given)
        if sending is None:
            return _send(shared.users, urlopen, pool, args, kwargs, given)
        # It is a part of a call that was seen already.
        token = _sending.set(sending)
        try:
            return urlopen(pool, *args, **kwargs)
        finally:
            _sending.reset(token)

    return patching.patch_attribute(pool_class, 'urlopen', gated)


def _is_known(urlopen: Any) -> bool:
    if not callable(urlopen):
        return False
    try:
        parameters = inspect.signature(urlopen).parameters.values()
    except (TypeError, ValueError):
        # Whoever replaced it passes on what it is called with.
        return True
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return True
    names = tuple(each.name for each in parameters)
    return names[1 : len(_KNOWN) + 1] == _KNOWN


def _sending_now(pool: Any, given: Mapping[str, Any]) -> _Sending | None:
    """Return the call that this is a part of; None for a call of its own."""
    call = api_call.current_call()
    if call is None:
        return None
    history = _history(given)
    sending = _sending.get()
    if sending is None or sending.call is not call:
        # What requests sends comes here once. Other calls are sent by an
        # application in this process, while it serves the current one.
        if _is_sent_by_requests(call, given):
            return _Sending(call, pool, len(history))
        return None
    if sending.pool is not pool or len(history) <= sending.history:
        return None
    # urllib3 calls itself to try again, and to follow a redirect.
    step = history[-1]
    if step.redirect_location and step.redirect_location == given.get('url'):
        sending.redirected(step)
        return None
    return sending


def _history(given: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the retries and redirects before a request."""
    return getattr(given.get('retries'), 'history', None) or ()


def _is_sent_by_requests(
    call: api_call.ApiCall, given: Mapping[str, Any]
) -> bool:
    request = call.request
    if isinstance(request, api_call.Request):
        return False
    body = given.get('body')
    return (
        given.get('headers') is request.headers
        or (body is not None and body is request.body)
        # A pool of somebody's own may pass on copies.
        or (
            given.get('method') == request.method
            and given.get('url')
            in (getattr(request, 'path_url', None), request.url)
        )
    )


def _send(
    users: tuple[observers.Observer, ...],
    urlopen: Callable[..., Any],
    pool: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    given: Mapping[str, Any],
) -> Any:
    """Send a request that ``requests`` has no part in."""
    if not given.keys() >= {'method', 'url'}:
        # It says itself what is missing.
        return urlopen(pool, *args, **kwargs)
    request, sent = _request(pool, given)
    call = api_call.ApiCall(request)
    observers.before(users, call)
    if request.headers.changed:
        # The caller's own stay as they are.
        sent['headers'] = dict(request.headers)
    args, kwargs = _replaced(args, kwargs, sent)
    sending = _Sending(call, pool, len(_history(given)), users)
    tokens = api_call.CURRENT.set(call), _sending.set(sending)
    try:
        response = urlopen(pool, *args, **kwargs)
    finally:
        api_call.CURRENT.reset(tokens[0])
        _sending.reset(tokens[1])
    if sending.is_redirected:
        return response
    is_read = given.get('preload_content', True)
    call.response = api_call.Response(
        response.status,
        api_headers.Headers(response.headers.items()),
        lambda: response.data if is_read else None,
    )
    try:
        observers.after(users, call)
    except BaseException:
        response.close()
        raise
    return response


def _request(
    pool: Any, given: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Return a request as the observers see it, and what to send of it."""
    plain = {
        name: values.plain(given[name])
        for name in ('method', 'url', 'body')
        if name in given
    }
    headers = given.get('headers')
    if headers is None:
        headers = pool.headers
    host = f'[{pool.host}]' if ':' in pool.host else pool.host
    port = '' if pool.port is None else f':{pool.port}'
    request = api_call.Request(
        plain['method'],
        api_call.whole_url(f'{pool.scheme}://{host}{port}', plain['url']),
        api_headers.Headers(headers.items()),
        plain.get('body'),
    )
    sent = {
        name: value
        for name, value in plain.items()
        if value is not given[name]
    }
    return request, sent


def _replaced(
    args: tuple[Any, ...], kwargs: dict[str, Any], sent: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with some of them replaced."""
    listed, named = list(args), dict(kwargs)
    for name, value in sent.items():
        position = _NAMES.index(name)
        if position < len(listed):
            listed[position] = value
        else:
            named[name] = value
    return tuple(listed), named
