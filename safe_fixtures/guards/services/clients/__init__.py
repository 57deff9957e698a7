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

"""What a client of a compute API is, told by what it has.

No client library is imported: a project may use any of them, and a release
of its own.
"""

from collections.abc import Iterator, Mapping
import contextlib
import inspect
from typing import Any

from safe_fixtures import exceptions
from safe_fixtures.guards.services.clients.api import Api
from safe_fixtures.guards.services.clients.api import ApiError
from safe_fixtures.guards.services.clients.api import ApiUnreachable
from safe_fixtures.guards.services.clients.api import Listed
from safe_fixtures.guards.services.clients import keystoneauth
from safe_fixtures.guards.services.clients import plain
from safe_fixtures.guards.services.clients import tempest

__all__ = [
    'Api',
    'ApiError',
    'ApiUnreachable',
    'Listed',
    'adapt',
    'check',
    'locate',
]

_OPTION = 'SafeServiceToggle api'
# The packages whose adapters have a kind of their own.
_KINDS = {'openstack': 'openstacksdk', 'novaclient': 'python-novaclient'}
# What a user can do about an answer.
_REFUSED = {
    401: 'it must have a valid token',
    403: 'it must be of a user who may list services, such as an '
    'administrator',
    404: 'it must be a client of the compute API',
    406: 'its API must serve microversion 2.53 or later',
}


def adapt(client: Any, endpoint: str | None = None) -> Api | None:
    """Return the compute API behind a client; None if it is no client.

    :param client: an openstacksdk ``Connection`` or its ``compute``, a
        keystoneauth ``Session`` or ``Adapter``, a novaclient ``Client``, a
        tempest ``ServicesClient`` or its manager, or anything with
        ``get_services()`` and ``put_service()``.
    :param endpoint: the URL of the compute API (str); default: as the
        client says.
    """
    if callable(getattr(client, 'get_services', None)) and callable(
        getattr(client, 'put_service', None)
    ):
        return plain.ClientApi(client, endpoint)
    if _is_adapter(client) or _is_session(client):
        return keystoneauth.KeystoneauthApi(
            _kind_of(client), lambda: client, endpoint
        )
    if _has(client, 'client', 'services') and _is_adapter(client.client):
        return keystoneauth.KeystoneauthApi(
            'python-novaclient', lambda: client.client, endpoint
        )
    if _is_tempest(client):
        return tempest.TempestApi(lambda: client, endpoint)
    if _has(client, 'services_client') and _is_tempest(client.services_client):
        return tempest.TempestApi(lambda: client.services_client, endpoint)
    if _has(client, 'compute', 'session', 'config'):
        # Its compute asks Keystone, and is made when it is needed.
        return keystoneauth.KeystoneauthApi(
            _kind_of(client), lambda: _compute_of(client), endpoint
        )
    return None


def locate(api: Api) -> str | None:
    """Return the URL of the compute API; None if the client has none.

    :raises: as :func:`check` does.
    """
    # Keystone finds no token that is not valid.
    with _refusing(api, {404: _REFUSED[401]}):
        return api.endpoint()


def check(api: Api, timeout: float) -> list[Listed]:
    """List the services, to see that a client can.

    :param timeout: how long each request may take (seconds).
    :raises: ConfigurationError that says what to do, for a client that
        cannot.
    :raises: ApiError, ApiUnreachable, TimeoutError for an API that cannot.
    """
    with _refusing(api):
        return api.list_services(timeout)


@contextlib.contextmanager
def _refusing(
    api: Api, others: Mapping[int, str] | None = None
) -> Iterator[None]:
    """Raise as ConfigurationError what the user of the client can mend.

    :param others: what to do about statuses that mean something else here.
    """
    try:
        yield
    except ApiError as error:
        advice = {**_REFUSED, **(others or {})}.get(error.status)
        if advice is None:
            raise
        raise exceptions.ConfigurationError(
            _OPTION, api.kind, f'{advice} ({error})'
        ) from error


def _has(client: Any, *names: str) -> bool:
    """Whether an object has some attributes of its own.

    A double may answer to any name.
    """
    try:
        for name in names:
            inspect.getattr_static(client, name)
    except AttributeError:
        return False
    return True


def _is_adapter(client: Any) -> bool:
    return _has(client, 'get_endpoint', 'request', 'session', 'service_type')


def _is_session(client: Any) -> bool:
    return _has(client, 'get_endpoint', 'request', 'auth', 'invalidate')


def _is_tempest(client: Any) -> bool:
    return _has(client, 'auth_provider', 'http_obj', 'list_services')


def _kind_of(client: Any) -> str:
    for kind in type(client).__mro__:
        package = kind.__module__.partition('.')[0]
        if package in _KINDS:
            return _KINDS[package]
    return 'keystoneauth'


def _compute_of(connection: Any) -> Any:
    """Return the compute adapter of an openstacksdk connection.

    :raises: ConfigurationError if its cloud has no compute API.
    """
    compute = connection.compute
    if not _is_adapter(compute):
        raise exceptions.ConfigurationError(
            _OPTION, 'openstacksdk', 'its cloud must have a compute API'
        )
    return compute
