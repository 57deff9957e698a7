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

"""Tell by duck type how a call of some library failed."""

from collections.abc import Iterator
import contextlib
from typing import Any

from safe_fixtures.guards.services.clients import api

__all__ = ['is_no_endpoint', 'told_apart']

# Names of classes: of requests, urllib3, keystoneauth and httpx.
_TIMEOUTS = frozenset(
    ['Timeout', 'TimeoutError', 'ConnectTimeout', 'TimeoutException']
)
_BROKEN = frozenset(
    [
        'ConnectFailure',
        'ConnectionError',
        # Keystone could not be asked where its API is.
        'DiscoveryFailure',
        'MaxRetryError',
        'NewConnectionError',
        'ProtocolError',
        'SSLError',
        'TransportError',
        'gaierror',
    ]
)
# A client without anything to get a token with.
_UNAUTHORIZED = frozenset(['AuthorizationFailure', 'MissingAuthPlugin'])
# Where the exceptions of libraries have the HTTP status.
_STATUSES = ('http_status', 'status_code', 'status', 'code')


@contextlib.contextmanager
def told_apart(what: str = '') -> Iterator[None]:
    """Raise what happens in the block as an error of ``api``.

    :param what: what is tried, or the URL that is asked; a library may not
        say it.
    :raises: ApiError, ApiUnreachable or TimeoutError for what is one of
        them; anything else as it is.
    """
    try:
        yield
    except (api.ApiError, api.ApiUnreachable):
        raise
    except Exception as error:
        ours = _as_ours(error, what)
        if ours is None:
            raise
        raise ours from error


def _as_ours(error: Exception, what: str) -> Exception | None:
    said = text = api.shown(str(error)) or type(error).__name__
    if what and what not in said:
        text = api.shown(f'{what}: {said}')
    # The most specific class first: urllib3's for a connection that is
    # refused derives from the one for a timeout.
    for kind in type(error).__mro__:
        if kind.__name__ in _TIMEOUTS:
            return TimeoutError(text)
        if kind.__name__ in _BROKEN:
            return api.ApiUnreachable(text)
        if kind.__name__ in _UNAUTHORIZED:
            return api.ApiError(401, said)
    status = _status_of(error)
    return None if status is None else api.ApiError(status, said)


def is_no_endpoint(error: Exception) -> bool:
    """Whether a catalogue has no such endpoint."""
    return any(
        kind.__name__ == 'EndpointNotFound' for kind in type(error).__mro__
    )


def _status_of(error: Exception) -> int | None:
    """Return the HTTP status that an exception carries, if any."""
    for source in (getattr(error, 'response', None), error):
        for name in _STATUSES:
            status: Any = getattr(source, name, None)
            if isinstance(status, int) and 300 <= status < 600:
                return status
    # Tempest's.
    status = getattr(getattr(error, 'resp', None), 'status', None)
    return status if isinstance(status, int) else None
