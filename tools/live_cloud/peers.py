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

"""A network and an image service with nothing in them but one image.

    python peers.py PORT

They are no more than what Nova asks when it boots a server without ports.
Nova, Placement and Keystone are real.
"""

import json
import sys
from wsgiref import simple_server

IMAGE = '5b0d2a4e-0000-4000-8000-000000000001'
_WHEN = '2026-01-01T00:00:00Z'
_IMAGE = {
    'id': IMAGE,
    'name': 'small',
    'status': 'active',
    'visibility': 'public',
    'owner': None,
    'protected': False,
    'os_hidden': False,
    'min_disk': 0,
    'min_ram': 0,
    'size': 1,
    'virtual_size': None,
    'checksum': '0' * 32,
    'container_format': 'bare',
    'disk_format': 'raw',
    'created_at': _WHEN,
    'updated_at': _WHEN,
    'tags': [],
}


def answer(method, path, host):
    """Return the status and the body for a request."""
    words = path.strip('/').split('/')
    found = None
    if method != 'GET':
        found = None
    elif words[0] == 'network':
        found = _network(words[1:], host)
    elif words[0] == 'image':
        found = _image(words[1:], host)
    if found is None:
        return '404 Not Found', {'NeutronError': {'message': 'not here'}}
    return '200 OK', found


def _network(words, host):
    if len(words) < 2:
        return _versions('v2.0', f'http://{host}/network/v2.0/')
    # A list of the kind that is asked for, without any.
    return {words[1].replace('-', '_'): []} if len(words) == 2 else None


def _image(words, host):
    if len(words) < 2:
        return _versions('v2.9', f'http://{host}/image/v2/')
    if words[1:] == ['schemas', 'image']:
        return {'name': 'image', 'properties': {name: {} for name in _IMAGE}}
    if words[1:] == ['images']:
        return {'images': [_IMAGE]}
    return _IMAGE if words[1:] == ['images', IMAGE] else None


def _versions(name, url):
    links = [{'rel': 'self', 'href': url}]
    return {'versions': [{'id': name, 'status': 'CURRENT', 'links': links}]}


def application(environ, start_response):
    status, body = answer(
        environ['REQUEST_METHOD'],
        environ['PATH_INFO'],
        environ['HTTP_HOST'],
    )
    start_response(status, [('Content-Type', 'application/json')])
    return [json.dumps(body).encode()]


if __name__ == '__main__':
    simple_server.make_server(
        '127.0.0.1', int(sys.argv[1]), application
    ).serve_forever()
