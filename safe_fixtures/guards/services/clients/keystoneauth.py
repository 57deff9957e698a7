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

"""A compute API through a keystoneauth session.

openstacksdk and python-novaclient build on keystoneauth. Their own ways to
send a request change its microversion and repeat it, so only their session
is used.
"""

from collections.abc import Callable, Mapping
import copy
from typing import Any

from safe_fixtures.guards.services.clients import http

__all__ = ['KeystoneauthApi']

# The names of plugins and methods that are given a token or a code, or ask a
# person for one, and cannot get another one.
_STATIC = frozenset(
    [
        'AccessInfoPlugin',
        'OidcAccessToken',
        'OidcAuthorizationCode',
        'OidcDeviceAuthorization',
        'ReceiptMethod',
        'TOTP',
        'TOTPMethod',
        'Token',
        'TokenMethod',
        'WebSSO',
    ]
)
_VERSION_HEADERS = ('openstack-api-version', 'x-openstack-nova-api-version')


class KeystoneauthApi(http.HttpApi):
    """A compute API through a keystoneauth session.

    :param kind: what the client is; see ``Api``.
    :param client: returns the adapter or the session, each time.
    :param endpoint: the URL of the compute API; default: as the client says.
    """

    def __init__(
        self, kind: str, client: Callable[[], Any], endpoint: str | None
    ) -> None:
        super().__init__(client, endpoint)
        self.kind = kind

    def renews(self) -> bool:
        """Whether the plugin can get a new token; see ``Api``."""
        _, auth = _session_of(self._client())
        # A plugin that sends a token of a service too.
        auth = getattr(auth, 'user_auth', auth)
        if not getattr(auth, 'reauthenticate', True):
            return False
        parts = [auth, *(getattr(auth, 'auth_methods', None) or ())]
        names = {
            kind.__name__ for part in parts for kind in type(part).__mro__
        }
        return not names & _STATIC

    def renew(self) -> None:
        """Invalidate the token; see ``Api``."""
        session, auth = _session_of(self._client())
        session.invalidate(auth)

    def _endpoint_of(self, service: str, timeout: float) -> str | None:
        client = _bounded(self._client(), timeout)
        wanted: dict[str, Any] = {'skip_discovery': True}
        auth = None
        if service != 'compute':
            # An override of the adapter is that of its own service.
            for name in ('interface', 'region_name'):
                wanted[name] = getattr(client, name, None)
            client, auth = _session_of(client)
        # A session, and an adapter of no service in particular.
        if not getattr(client, 'service_type', None):
            wanted['service_type'] = service
        wanted = {key: value for key, value in wanted.items() if value}
        url: str | None = client.get_endpoint(auth, **wanted)
        return url

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: str | None,
        timeout: float,
    ) -> http.Answer:
        client = self._client()
        session, auth = _session_of(client)
        # What a proxy in front of the API may need.
        others = getattr(client, 'additional_headers', None) or {}
        answer = _bounded(session, timeout).request(
            url,
            method,
            data=body,
            headers={
                **{
                    key: value
                    for key, value in others.items()
                    if key.lower() not in _VERSION_HEADERS
                },
                **headers,
            },
            auth=auth,
            authenticated=True,
            raise_exc=False,
            connect_retries=0,
        )
        return http.Answer(answer.status_code, answer.content)


def _session_of(client: Any) -> tuple[Any, Any]:
    """Return the session of an adapter or a session, and its plugin."""
    auth = None
    # An adapter can be one of another adapter.
    while hasattr(getattr(client, 'session', None), 'get_endpoint'):
        auth = auth or client.auth
        client = client.session
    return client, auth or client.auth


def _bounded(client: Any, timeout: float) -> Any:
    """Return a session or an adapter like it whose every request ends.

    That is so for a request for a token too.
    """
    bounded = copy.copy(client)
    if hasattr(getattr(client, 'session', None), 'get_endpoint'):
        bounded.session = _bounded(client.session, timeout)
    else:
        bounded.timeout = timeout
        # Else it would close the connections of the original.
        bounded._session = None
    return bounded
