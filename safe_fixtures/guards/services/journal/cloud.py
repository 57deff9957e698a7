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

"""Tell one cloud from another by the URL of its compute API."""

import re
from urllib import parse

__all__ = ['canonical']

_PORTS = {'http': 80, 'https': 443}
# The version of the API at the end of a path, and the project after it.
_VERSION = re.compile(r'/v\d+(\.\d+)?(/[^/]*)?$')
_split = parse.urlsplit


def canonical(url: str) -> str:
    """Return the URL of an endpoint in the form that is compared.

    It has no user, query, fragment, version and project, and its port.

    Example::

        >>> canonical('http://ME:PW@Lab.example.com:8774/v2.1/PROJECT?x=1')
        'http://lab.example.com:8774'
        >>> canonical('https://lab.example.com/compute/v2.1/')
        'https://lab.example.com:443/compute'

    :param url: any URL of the endpoint (str).
    :raises: ValueError if it has no scheme or host.
    """
    try:
        parts = _split(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f'it is no URL of an endpoint: {error}') from None
    scheme = parts.scheme.lower()
    if not scheme or not host:
        raise ValueError('it is no URL of an endpoint: it names no host')
    host = host.rstrip('.').lower()
    if ':' in host:
        host = f'[{host}]'
    port = port or _PORTS.get(scheme)
    path = _VERSION.sub('', parts.path.rstrip('/')).rstrip('/')
    return f'{scheme}://{host}' + (f':{port}' if port else '') + path
