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

"""A compute API through anything with get_services and put_service."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import copy
import inspect
from typing import Any

from oslo_utils import strutils

from safe_fixtures import exceptions
from safe_fixtures.guards.services import bounded
from safe_fixtures.guards.services.clients import api
from safe_fixtures.guards.services.clients import failures
from safe_fixtures.guards.services.clients import http
from safe_fixtures.guards.services import model
from safe_fixtures.runtime import values

__all__ = ['ClientApi']

_NO_VERSION = object()


class ClientApi:
    """A compute API through an object with get_services and put_service.

    Services may be mappings, as the API shows them, or objects with the same
    names as attributes.

    :param client: the object.
    :param endpoint: the URL of the compute API; default: its ``base_url``.
    """

    kind = 'client'

    def __init__(self, client: Any, endpoint: str | None) -> None:
        self._client = client
        self._endpoint = endpoint

    def endpoint(self) -> str | None:
        """Return the URL of the compute API; see ``Api``."""
        url = self._endpoint
        if url is None:
            url = values.plain(getattr(self._client, 'base_url', None))
        if not isinstance(url, str):
            return None
        return http.without_project(url)

    def region(self) -> str | None:
        """Return nothing: nobody says; see ``Api``."""
        return None

    def list_services(
        self,
        timeout: float,
        host: str | None = None,
        binary: str | None = None,
    ) -> list[api.Listed]:
        """List the services; see ``Api``.

        :raises: ConfigurationError if the services have numbers for ids.
        """
        get_services = self._at_version().get_services
        wanted = {'host': host, 'binary': binary}
        given = {
            name: value
            for name, value in wanted.items()
            if value is not None and name in _parameters(get_services)
        }
        services = _call(timeout, lambda: list(get_services(**given)))
        return [
            listed
            for listed in map(_listed, services)
            if host in (None, listed.ref.host)
            and binary in (None, listed.ref.binary)
        ]

    def put_service(
        self, service_id: Any, body: Mapping[str, Any], timeout: float
    ) -> None:
        """Change a service; see ``Api``."""
        with self._for_put() as client:
            _call(timeout, lambda: client.put_service(service_id, dict(body)))

    def servers_on(
        self, host: str, timeout: float
    ) -> list[model.HostedServer] | None:
        """Return the servers on a host; see ``Api``."""
        get_servers = getattr(self._at_version(), 'get_servers', None)
        if get_servers is None:
            return None
        search = {'all_tenants': 1, 'host': host}
        servers = _call(timeout, lambda: list(get_servers(search_opts=search)))
        return [
            model.HostedServer(
                str(_field(server, 'id')), str(_field(server, 'status'))
            )
            for server in servers
        ]

    def renews(self) -> bool:
        """Whether it gets new tokens. It looks after that itself."""
        return True

    def renew(self) -> None:
        """Do nothing: the client gets its tokens itself."""

    def traits(self, host: str, timeout: float) -> set[str] | None:
        """Return nothing: it is no client of Placement; see ``Api``."""
        return None

    def _at_version(self) -> Any:
        """Return the client as it is at a microversion with uuids.

        That is a copy, as the test may use the client at the same time.
        """
        given = getattr(self._client, 'microversion', _NO_VERSION)
        if not (given is None or isinstance(given, str)):
            return self._client
        client = copy.copy(self._client)
        client.microversion = http.VERSION
        return client

    @contextlib.contextmanager
    def _for_put(self) -> Iterator[Any]:
        """Yield the client as it is at that microversion, to put with."""
        client, copied = self._client, self._at_version()
        if copied is client or 'put_service' not in vars(copied):
            yield copied
            return
        # What watches it is a part of the client, and of no copy.
        given = client.microversion
        client.microversion = copied.microversion
        try:
            yield client
        finally:
            client.microversion = given


def _call(timeout: float, function: Callable[[], Any]) -> Any:
    with failures.told_apart():
        return bounded.call(timeout, function)


def _parameters(function: Any) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def _field(service: Any, *names: str) -> Any:
    """Return the first of some fields that is there; else None."""
    for name in names:
        if isinstance(service, Mapping) and name in service:
            return values.plain(service[name])
        if hasattr(service, name):
            return values.plain(getattr(service, name))
    return None


def _listed(service: Any) -> api.Listed:
    given = _field(service, 'uuid', 'id')
    if isinstance(given, int):
        raise exceptions.ConfigurationError(
            'SafeServiceToggle api',
            'client',
            'its services have numbers, as before microversion 2.53; let it '
            'ask for 2.53 or later',
        )
    ref = model.ServiceRef(
        '' if given is None else str(given),
        str(_field(service, 'host')),
        str(_field(service, 'binary') or 'nova-compute'),
        handle=given,
    )
    if given is None:
        return api.Listed(ref, None)
    disabled = _field(service, 'status') == 'disabled'
    return api.Listed(
        ref,
        model.ServiceState(
            disabled=disabled or _field(service, 'disabled') is True,
            disabled_reason=_field(service, 'disabled_reason'),
            forced_down=strutils.bool_from_string(
                _field(service, 'forced_down', 'is_forced_down')
            ),
        ),
    )
