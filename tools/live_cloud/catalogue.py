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

"""What Keystone must know of the other services."""

from tools.live_cloud import rest
from tools.live_cloud import settings

__all__ = ['register']

# By type: the name, the port that serves it, and where there.
_SERVICES = {
    'compute': ('nova', 'nova-api', '/v2.1'),
    'placement': ('placement', 'placement', ''),
    'network': ('neutron', 'peers', '/network'),
    'image': ('glance', 'peers', '/image'),
}


def register(options):
    """Make the user of the services, and the catalogue."""
    api = rest.Rest(options)

    def find(kind):
        return {
            each['name']: each['id']
            for each in api.send('GET', 'keystone', f'/v3/{kind}')[kind]
        }

    def make(kind, **values):
        body = {kind: values}
        return api.send('POST', 'keystone', f'/v3/{kind}s', body)[kind]['id']

    roles = find('roles')
    project = find('projects').get('service') or make(
        'project', name='service', domain_id='default'
    )
    user = make(
        'user', name='nova', password=settings.PASSWORD, domain_id='default'
    )
    for role in ('admin', 'service'):
        role_id = roles.get(role) or make('role', name=role)
        path = f'/v3/projects/{project}/users/{user}/roles/{role_id}'
        api.send('PUT', 'keystone', path)
    for kind, (name, port, path) in _SERVICES.items():
        service = make('service', name=name, type=kind)
        for interface in ('public', 'internal', 'admin'):
            make(
                'endpoint',
                service_id=service,
                interface=interface,
                url=options.url(port) + path,
                region_id=settings.REGION,
            )
