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

"""A compute API through a client of tempest."""

from collections.abc import Mapping

from safe_fixtures.guards.services import bounded
from safe_fixtures.guards.services.clients import http

__all__ = ['TempestApi']


class TempestApi(http.HttpApi):
    """A compute API through a RestClient of tempest.

    The token and the URL come from its ``auth_provider``, and the pool of
    connections is its own. Its ``request()`` is not used: it checks the
    microversion of an answer against that of the test, and sends a request
    up to ten times.
    """

    kind = 'tempest'

    def renews(self) -> bool:
        """Whether the provider has a password; see ``Api``."""
        provider = self._client().auth_provider
        credentials = getattr(provider, 'credentials', None)
        return bool(getattr(credentials, 'password', None))

    def renew(self) -> None:
        """Forget the token, and the catalogue; see ``Api``."""
        self._client().auth_provider.clear_auth()

    def _endpoint_of(self, service: str, timeout: float) -> str | None:
        client = self._client()
        filters = client.filters
        if service != 'compute':
            filters = {
                'service': service,
                'region': client.region,
                'endpoint_type': client.endpoint_type,
            }
        url: str = bounded.call(
            timeout, client.auth_provider.base_url, filters
        )
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
        # Not together with the request, which would be sent whenever
        # Keystone answers. Not by auth_request(), which uses up what a test
        # has planned for its next request.
        token = bounded.call(timeout, client.auth_provider.get_token)
        answer = client.http_obj.urlopen(
            method,
            url,
            body=body,
            headers={
                **headers,
                'X-Auth-Token': str(token),
                'Connection': 'close',
            },
            timeout=timeout,
            retries=False,
            redirect=False,
        )
        return http.Answer(answer.status, answer.data)
