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

"""Requests to the APIs of a cloud, by its administrator."""

import json
from urllib import error
from urllib import request

from tools.live_cloud import errors
from tools.live_cloud import settings

__all__ = ['ApiError', 'Rest', 'send']

_TIMEOUT = 30.0
# No proxy ever sees loopback.
_OPENER = request.build_opener(request.ProxyHandler({}))


class ApiError(errors.CloudError):
    """The API answered with an error.

    :ivar status: its number.
    """

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Rest:
    """Sends requests, with a token of its own.

    :param options: where the cloud is (settings.Options).
    """

    def __init__(self, options):
        self._options = options
        self._token = None

    def get_token(self):
        """Return a new token."""
        domain = {'name': 'Default'}
        user = {
            'name': 'admin', 'domain': domain, 'password': settings.PASSWORD
        }  # fmt: skip
        body = {
            'auth': {
                'identity': {
                    'methods': ['password'], 'password': {'user': user}
                },
                'scope': {'project': {'name': 'admin', 'domain': domain}},
            }
        }  # fmt: skip
        url = self._options.url('keystone') + '/v3/auth/tokens'
        _, headers, _ = send('POST', url, body)
        return headers['X-Subject-Token']

    def send(self, method, service, path, body=None, headers=None):
        """Send a request; return what it answers.

        :param service: the name of its port, such as 'nova-api'.
        :raises: ApiError if the answer is an error.
        :raises: OSError if there is none.
        """
        if self._token is None:
            self._token = self.get_token()
        url = self._options.url(service) + path
        try:
            return self._send(method, url, body, headers)
        except ApiError as error:
            if error.status != 401:
                raise
            self._token = self.get_token()
        return self._send(method, url, body, headers)

    def _send(self, method, url, body, headers):
        headers = {
            'X-Auth-Token': self._token,
            # The first with services by uuid.
            'OpenStack-API-Version': 'compute 2.53',
            **(headers or {}),
        }
        _, _, found = send(method, url, body, headers)
        return found


def send(method, url, body=None, headers=None):
    """Send a request.

    :returns: the status, the headers and the body that is answered.
    :raises: ApiError if the status is an error.
    :raises: OSError if there is no answer.
    """
    asked = request.Request(
        url,
        None if body is None else json.dumps(body).encode(),
        {'Content-Type': 'application/json', **(headers or {})},
        method=method,
    )
    try:
        with _OPENER.open(asked, timeout=_TIMEOUT) as response:
            text = response.read()
            return (
                response.status,
                response.headers,
                json.loads(text) if text else None,
            )
    except error.HTTPError as answer:
        text = answer.read().decode(errors='replace')
        raise ApiError(
            answer.code, f'{method} {url}: {answer.code} {text[:500]}'
        ) from None
