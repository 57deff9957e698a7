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

"""The requests that are sent, whatever library sends them."""

from collections.abc import Callable, Iterator, Mapping
import json
import re
from typing import Any, NamedTuple
from urllib import parse

from oslo_utils import strutils

from safe_fixtures import exceptions
from safe_fixtures.guards.services.clients import api
from safe_fixtures.guards.services.clients import failures
from safe_fixtures.guards.services import model

__all__ = ['VERSION', 'Answer', 'HttpApi', 'compute_url', 'without_project']

# Services have a uuid from 2.53 on. From 2.69 on, those of a cell that does
# not answer are listed too; before, they are missing.
VERSION = '2.53'
_LISTING_VERSIONS = ('2.69', VERSION)
# Traits are new in 1.6.
_PLACEMENT_VERSION = '1.6'
# How long to look for the endpoint where nobody says (seconds).
_LOOKUP = 30.0
# The version and the project at the end of the URL of a compute API.
_COMPUTE = re.compile(r'(?<!/)/v2(\.[0-9]+)?(/[^/]*)?$')


class Answer(NamedTuple):
    """An answer of an API.

    :ivar status: the HTTP status.
    :ivar content: the body, as text or bytes.
    """

    status: int
    content: str | bytes


class HttpApi:
    """A compute API, through something that sends HTTP requests.

    A subclass has the rest of ``Api``.

    :param client: returns the client, each time.
    :param endpoint: the URL of the compute API; default: as the client says.
    """

    kind: str

    def __init__(
        self, client: Callable[[], Any], endpoint: str | None
    ) -> None:
        self._client = client
        self._endpoint = endpoint

    def _endpoint_of(self, service: str, timeout: float) -> str | None:
        """Return the URL of a service, by its type; None if it has none.

        :raises: what the library raises.
        """
        raise NotImplementedError

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: str | None,
        timeout: float,
    ) -> Answer:
        """Send a request with a token, and return any answer to it.

        :raises: what the library raises.
        """
        raise NotImplementedError

    def endpoint(self) -> str | None:
        """Return the URL of the compute API; see ``Api``."""
        return self._compute(_LOOKUP)

    def region(self) -> str | None:
        """Return the region of the client; see ``Api``."""
        for name in ('region_name', 'region'):
            region = getattr(self._client(), name, None)
            if isinstance(region, str):
                return region
        return None

    def list_services(
        self,
        timeout: float,
        host: str | None = None,
        binary: str | None = None,
    ) -> list[api.Listed]:
        """List the services; see ``Api``."""
        given = {'host': host, 'binary': binary}
        query = {key: value for key, value in given.items() if value}
        path = '/os-services'
        if query:
            path = f'{path}?{parse.urlencode(query)}'
        found = self._get_newest(path, timeout)
        return [_listed(service) for service in _entries(found, 'services')]

    def put_service(
        self, service_id: Any, body: Mapping[str, Any], timeout: float
    ) -> None:
        """Change a service; see ``Api``."""
        path = f'/os-services/{parse.quote(str(service_id), safe="")}'
        self._request('PUT', path, timeout, body=body)

    def servers_on(
        self, host: str, timeout: float
    ) -> list[model.HostedServer] | None:
        """Return the servers on a host; see ``Api``."""
        query = {'all_tenants': 1, 'host': host}
        try:
            servers = list(self._pages('servers', query, timeout))
        except api.ApiError as error:
            if error.status == 403:
                return None
            raise
        return [
            model.HostedServer(str(server['id']), str(server.get('status')))
            for server in servers
        ]

    def traits(self, host: str, timeout: float) -> set[str] | None:
        """Return the traits of a compute; see ``Api``."""
        base = self._find('placement', timeout)
        if base is None:
            return None
        try:
            providers = self._providers(base, host, timeout)
            answers = [
                self._request(
                    'GET',
                    f'/resource_providers/{uuid}/traits',
                    timeout,
                    version=_PLACEMENT_VERSION,
                    base=base,
                )
                for uuid in providers
            ]
        except api.ApiError as error:
            # The user may not ask, or the URL is not Placement's.
            if error.status in (401, 403, 404):
                return None
            raise
        if not answers:
            return None
        return {
            trait for answer in answers for trait in answer.get('traits', ())
        }

    def _providers(self, base: str, host: str, timeout: float) -> list[str]:
        """Return the uuids of the resource providers of a compute."""
        path = f'/resource_providers?{parse.urlencode({"name": host})}'
        found = self._request(
            'GET', path, timeout, version=_PLACEMENT_VERSION, base=base
        )
        uuids = [
            str(each['uuid']) for each in _entries(found, 'resource_providers')
        ]
        if uuids:
            return uuids
        # A provider has the name of its node, which may be another than that
        # of the host, and the uuid of its hypervisor.
        return [
            str(each['id'])
            for each in self._pages('os-hypervisors', {}, timeout)
            if (each.get('service') or {}).get('host') == host
        ]

    def _pages(
        self, what: str, query: Mapping[str, Any], timeout: float
    ) -> Iterator[Mapping[str, Any]]:
        """Yield what is listed in detail, from one page after the other."""
        key = what.removeprefix('os-')
        query = dict(query)
        while True:
            path = f'/{what}/detail?{parse.urlencode(query)}'
            body = self._request('GET', path, timeout)
            page = _entries(body, key)
            yield from page
            links = body.get(f'{key}_links') or ()
            if not page or not any(
                each.get('rel') == 'next' for each in links
            ):
                return
            query['marker'] = page[-1]['id']

    def _get_newest(self, path: str, timeout: float) -> Any:
        *newer, oldest = _LISTING_VERSIONS
        for version in newer:
            try:
                return self._request('GET', path, timeout, version=version)
            except api.ApiError as error:
                if error.status != 406:
                    raise
        return self._request('GET', path, timeout, version=oldest)

    def _compute(self, timeout: float) -> str | None:
        url = self._endpoint or self._find('compute', timeout)
        return compute_url(url) if url else None

    def _find(self, service: str, timeout: float) -> str | None:
        try:
            with failures.told_apart(f'the endpoint of {service}'):
                url = self._endpoint_of(service, timeout)
        except Exception as error:
            if failures.is_no_endpoint(error):
                return None
            raise
        return url.rstrip('/') if url else None

    def _request(
        self,
        method: str,
        path: str,
        timeout: float,
        *,
        body: Any = None,
        version: str = VERSION,
        base: str | None = None,
    ) -> Any:
        """Send a request, and return what is in the answer."""
        service = 'compute' if base is None else 'placement'
        headers = {
            'Accept': 'application/json',
            'OpenStack-API-Version': f'{service} {version}',
        }
        if body is not None:
            headers['Content-Type'] = 'application/json'
        base = base or self._compute(timeout)
        if base is None:
            raise exceptions.ConfigurationError(
                'SafeServiceToggle api',
                self.kind,
                'its catalogue must have a compute endpoint for its '
                'interface and region',
            )
        sent = None if body is None else json.dumps(body)
        with failures.told_apart(base):
            answer = self._send(method, base + path, headers, sent, timeout)
        try:
            found = json.loads(answer.content or '{}')
        except (RecursionError, ValueError):
            found = None
        if answer.status >= 300:
            raise api.ApiError(answer.status, _message(found, answer.content))
        if not isinstance(found, dict):
            raise api.ApiError(answer.status, 'the answer is no JSON object')
        return found


def compute_url(url: str) -> str:
    """Return the URL of a compute API with microversions.

    It ends with the version. A catalogue may have it without one, with the
    one from before microversions, and with a project.
    """
    return _COMPUTE.sub('', url.rstrip('/')) + '/v2.1'


def without_project(url: str) -> str:
    """Return the URL of a compute API without the project at its end."""
    url = url.rstrip('/')
    found = _COMPUTE.search(url)
    return url[: found.start(2)] if found and found[2] else url


def _entries(body: Any, key: str) -> list[Mapping[str, Any]]:
    entries = body.get(key)
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) for entry in entries
    ):
        raise api.ApiError(200, f'the answer has no list of {key}')
    return entries


def _listed(service: Mapping[str, Any]) -> api.Listed:
    uuid = service.get('id')
    ref = model.ServiceRef(
        '' if uuid is None else str(uuid),
        str(service.get('host')),
        str(service.get('binary')),
        handle=uuid,
    )
    if uuid is None:
        return api.Listed(ref, None)
    return api.Listed(
        ref,
        model.ServiceState(
            disabled=service.get('status') == 'disabled',
            disabled_reason=service.get('disabled_reason'),
            forced_down=strutils.bool_from_string(service.get('forced_down')),
        ),
    )


def _message(found: Any, content: str | bytes) -> str:
    """Return what an error says: its text is at several depths."""
    while isinstance(found, (dict, list)) and found:
        if isinstance(found, dict):
            for name in ('message', 'detail', 'title'):
                if isinstance(found.get(name), str):
                    return str(found[name])
            found = list(found.values())
        found = found[0]
    if isinstance(content, bytes):
        content = content.decode('utf-8', 'replace')
    return ' '.join(content.split()) or 'without a word'
