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

"""Who tries what, to establish the permissions of a server."""

from typing import Any

from safe_fixtures.guards import permissions

__all__ = ['MANAGER_RULE', 'OPERATIONS', 'PERSONAS', 'REQUESTS']

# The rule of a role that not every release has.
MANAGER_RULE = 'project_manager_api'

_SERVERS = 'os_compute_api:servers:'
_METADATA = 'os_compute_api:server-metadata:'
_TAGS = 'os_compute_api:os-server-tags:'
_KEY = 'safe-fixtures'
_EXTENDED = (
    'host',
    'hypervisor_hostname',
    'instance_name',
    'kernel_id',
    'launch_index',
    'ramdisk_id',
    'reservation_id',
    'root_device_name',
    'user_data',
)

OPERATIONS = (
    # The first one is what the others go by.
    permissions.Operation('show', 'GET /servers/{id}', (f'{_SERVERS}show',)),
    permissions.Operation(
        'list',
        'GET /servers',
        (f'{_SERVERS}index',),
        'list',
        sparing=True,
        finds_first=False,
    ),
    permissions.Operation(
        'list details',
        'GET /servers/detail',
        (f'{_SERVERS}detail',),
        'list',
        sparing=True,
        finds_first=False,
    ),
    permissions.Operation(
        'list all projects',
        'GET /servers?all_tenants=1',
        (f'{_SERVERS}index', f'{_SERVERS}index:get_all_tenants'),
        'list',
        finds_first=False,
        everywhere=True,
    ),
    permissions.Operation(
        'list details of all projects',
        'GET /servers/detail?all_tenants=1',
        (f'{_SERVERS}detail', f'{_SERVERS}detail:get_all_tenants'),
        'list',
        sparing=True,
        finds_first=False,
        everywhere=True,
    ),
    permissions.Operation(
        'see extended attributes',
        'OS-EXT-SRV-ATTR:* in what is shown',
        (f'{_SERVERS}show', 'os_compute_api:os-extended-server-attributes'),
        'attribute',
        keys=tuple(f'OS-EXT-SRV-ATTR:{key}' for key in _EXTENDED),
        # From then on everybody is shown it.
        early_keys=(('OS-EXT-SRV-ATTR:hostname', '2.90'),),
    ),
    permissions.Operation(
        'see the status of the host',
        'host_status in what is shown',
        (f'{_SERVERS}show', f'{_SERVERS}show:host_status'),
        'attribute',
        keys=('host_status',),
        since='2.16',
    ),
    permissions.Operation(
        'read metadata',
        'GET /servers/{id}/metadata',
        (f'{_METADATA}index',),
        sparing=True,
    ),
    permissions.Operation(
        'read tags',
        'GET /servers/{id}/tags',
        (f'{_TAGS}index',),
        sparing=True,
        finds_first=False,
        since='2.26',
    ),
    permissions.Operation(
        'read diagnostics',
        'GET /servers/{id}/diagnostics',
        ('os_compute_api:os-server-diagnostics',),
        'write',
        sparing=True,
    ),
    permissions.Operation(
        'read console output',
        'POST /servers/{id}/action (os-getConsoleOutput)',
        ('os_compute_api:os-console-output',),
        'write',
        sparing=True,
    ),
    permissions.Operation(
        'open a console',
        'POST /servers/{id}/remote-consoles',
        ('os_compute_api:os-remote-consoles',),
        'write',
        sparing=True,
        since='2.6',
    ),
    permissions.Operation(
        'update',
        'PUT /servers/{id}',
        (f'{_SERVERS}update',),
        'write',
        sparing=True,
    ),
    permissions.Operation(
        'write metadata',
        'POST /servers/{id}/metadata',
        (f'{_METADATA}create',),
        'write',
        sparing=True,
    ),
    permissions.Operation(
        'write tags',
        'PUT /servers/{id}/tags/{tag}',
        (f'{_TAGS}update',),
        'write',
        sparing=True,
        finds_first=False,
        since='2.26',
    ),
    permissions.Operation(
        'migrate',
        'POST /servers/{id}/action (migrate)',
        ('os_compute_api:os-migrate-server:migrate',),
        'destroy',
        sparing=True,
    ),
    permissions.Operation(
        'delete',
        'DELETE /servers/{id}',
        (f'{_SERVERS}delete',),
        'destroy',
        sparing=True,
    ),
)

# By the name of the operation: method, path below the server, body.
REQUESTS: dict[str, tuple[str, str, Any]] = {
    'show': ('GET', '/{id}', None),
    'list': ('GET', '', None),
    'list details': ('GET', '/detail', None),
    'list all projects': ('GET', '?all_tenants=1', None),
    'list details of all projects': ('GET', '/detail?all_tenants=1', None),
    'read metadata': ('GET', '/{id}/metadata', None),
    'read tags': ('GET', '/{id}/tags', None),
    'read diagnostics': ('GET', '/{id}/diagnostics', None),
    'read console output': (
        'POST',
        '/{id}/action',
        {'os-getConsoleOutput': {}},
    ),
    'open a console': (
        'POST',
        '/{id}/remote-consoles',
        {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
    ),
    'update': ('PUT', '/{id}', {'server': {'name': _KEY}}),
    'write metadata': ('POST', '/{id}/metadata', {'metadata': {_KEY: _KEY}}),
    'write tags': ('PUT', f'/{{id}}/tags/{_KEY}', None),
    'migrate': ('POST', '/{id}/action', {'migrate': None}),
    'delete': ('DELETE', '/{id}', None),
}

_MEMBER = ('member', 'reader')
PERSONAS = (
    permissions.Persona(
        'admin', ('admin', *_MEMBER), user='admin', is_admin=True
    ),
    permissions.Persona('owner member', _MEMBER),
    permissions.Persona('owner reader', ('reader',)),
    permissions.Persona('project member', _MEMBER, user='project-member'),
    permissions.Persona(
        'project manager', ('manager', *_MEMBER), user='project-manager'
    ),
    permissions.Persona('no role', ('other',), user='no-role'),
    permissions.Persona(
        'other project member', _MEMBER, user='other-member', in_project=False
    ),
    permissions.Persona(
        'other project reader',
        ('reader',),
        user='other-reader',
        in_project=False,
    ),
)
