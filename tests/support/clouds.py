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

"""A small cloud on one URL: Keystone, Nova and Placement, as on the wire.

It knows tokens, services, servers, hypervisors and resource providers, and
refuses what they refuse. The real ones are tried on the live cloud.
"""

import json
from urllib import parse
import uuid

from keystoneauth1 import fixture as ksa_fixture

from tests.support import web

URL = 'http://cloud.test:80'
PROJECT = uuid.uuid4().hex
COMPUTE = f'{URL}/compute/v2.1'


class Request:
    """A request that arrived: its method, path, query, headers and body."""

    def __init__(self, environ):
        self.method = environ['REQUEST_METHOD']
        self.path = environ['PATH_INFO']
        self.query = dict(parse.parse_qsl(environ.get('QUERY_STRING', '')))
        self.headers = {
            key[5:].replace('_', '-').lower(): value
            for key, value in environ.items()
            if key.startswith('HTTP_')
        }
        size = int(environ.get('CONTENT_LENGTH') or 0)
        content = environ['wsgi.input'].read(size)
        self.body = json.loads(content) if content else None

    @property
    def version(self):
        """The microversion that is asked for, such as (2, 53)."""
        sent = self.headers.get('openstack-api-version')
        if sent is None:
            return (2, 1)
        return tuple(int(part) for part in sent.split()[1].split('.'))

    def __repr__(self):
        return f'{self.method} {self.path}'


class Cloud(web.Served):
    """The cloud.

    ``refusals`` has the status to answer with, by the start of a path.
    """

    def __init__(self, hosts=('host1', 'host2'), catalogue=None):
        super().__init__(self._respond, URL)
        self.services = [
            {
                'id': str(uuid.uuid4()),
                'host': host,
                'binary': 'nova-compute',
                'status': 'enabled',
                'state': 'up',
                'disabled_reason': None,
                'forced_down': False,
            }
            for host in hosts
        ]
        if catalogue is None:
            catalogue = {
                'compute': f'{URL}/compute/v2.1/{PROJECT}',
                'placement': f'{URL}/placement',
            }
        self.catalogue = catalogue
        self.newest = (2, 100)
        self.page = 1000
        self.servers = []
        self.hypervisors = []
        self.traits = {}
        self.seen = []
        self.refusals = {}
        self.tokens = []
        self.valid = set()

    def expire(self):
        """Let no token be valid any more."""
        self.valid.clear()

    def to(self, path):
        """Return the requests that arrived at a path below the version."""
        return [each for each in self.seen if each.path.endswith(path)]

    def _respond(self, environ):
        request = Request(environ)
        self.seen.append(request)
        for start, status in self.refusals.items():
            if request.path.startswith(start):
                return self._error(status)
        if request.path.startswith('/identity/v3'):
            return self._identity(request)
        if request.headers.get('x-auth-token') not in self.valid:
            return self._error(401)
        service, path = request.path.removeprefix('/').split('/', 1)
        if service == 'compute' and path.startswith('v2.1/'):
            if request.version > self.newest:
                return self._error(406)
            path = path.removeprefix('v2.1/').removeprefix(f'{PROJECT}/')
        return getattr(self, f'_{service}')(request, path)

    @staticmethod
    def _error(status):
        return (
            f'{status} Refused',
            {},
            {'error': {'code': status, 'message': f'Refused with {status}'}},
        )

    def _identity(self, request):
        if request.method == 'GET':
            version = ksa_fixture.V3Discovery(f'{URL}/identity/v3')
            return '200 OK', {}, {'version': version}
        token = f'token-{len(self.tokens)}'
        body = ksa_fixture.V3Token(project_id=PROJECT, user_name='nobody')
        # As Keystone writes it.
        expires = body['token']['expires_at'].replace('+00:00', 'Z')
        body['token']['expires_at'] = expires
        for service, url in self.catalogue.items():
            body.add_service(service).add_standard_endpoints(
                public=url, internal=url, region='RegionOne'
            )
        given = request.body['auth']['identity'].get('token')
        if given is not None and given['id'] not in self.valid:
            return self._error(401)
        self.tokens.append(token)
        self.valid.add(token)
        return '201 Created', {'X-Subject-Token': token}, body

    def _compute(self, request, path):
        if path == 'os-services':
            return self._list_services(request)
        if path.startswith('os-services/'):
            return self._put_service(request, path.partition('/')[2])
        for name, entries in (
            ('servers', self.servers),
            ('os-hypervisors', self.hypervisors),
        ):
            if path == f'{name}/detail':
                return self._list(request, name, entries)
        return self._error(404)

    def _list_services(self, request):
        found = [
            {**each, 'id': 7} if request.version < (2, 53) else each
            for each in self.services
            if 'id' in each or request.version >= (2, 69)
            if request.query.get('host') in (None, each['host'])
            if request.query.get('binary') in (None, each['binary'])
        ]
        return '200 OK', {}, {'services': found}

    def _put_service(self, request, key):
        for service in self.services:
            if service['id'] == key and request.version >= (2, 53):
                service.update(request.body)
                return '200 OK', {}, {'service': service}
        return self._error(404)

    def _list(self, request, name, entries):
        key = name.removeprefix('os-')
        host = request.query.get('host')
        entries = [
            each for each in entries if host in (None, each.get('host'))
        ]
        ids = [each['id'] for each in entries]
        marker = request.query.get('marker')
        first = ids.index(marker) + 1 if marker else 0
        page = entries[first : first + self.page]
        body = {key: page}
        if entries[first + self.page :]:
            body[f'{key}_links'] = [
                {'rel': 'next', 'href': f'{URL}/elsewhere'}
            ]
        return '200 OK', {}, body

    def _placement(self, request, path):
        if request.version < (1, 6):
            return self._error(404)
        if path == 'resource_providers':
            found = [
                {'uuid': key, 'name': name}
                for key, (name, _) in self.traits.items()
                if name == request.query['name']
            ]
            return '200 OK', {}, {'resource_providers': found}
        key = path.split('/')[1]
        return '200 OK', {}, {'traits': self.traits[key][1]}
