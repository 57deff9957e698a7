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

"""The personas and operations that a check of permissions tries."""

import functools

from safe_fixtures.guards import permissions

__all__ = ['MANAGER_RULE', 'OPERATIONS', 'PERSONAS']

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
_sampled = functools.partial(permissions.Operation, sampled=True)
_list = functools.partial(permissions.Operation, kind='list')
_write = functools.partial(_sampled, kind='write')
_destroy = functools.partial(_sampled, kind='destroy')

OPERATIONS = (
    # The first one gives the prober the context of each persona.
    permissions.Operation('show', 'GET /servers/{id}', (f'{_SERVERS}show',)),
    _list('list', 'GET /servers', (f'{_SERVERS}index',), sampled=True),
    _list(
        'list details',
        'GET /servers/detail',
        (f'{_SERVERS}detail',),
        sampled=True,
    ),
    _list(
        'list all projects',
        'GET /servers?all_tenants=1',
        (f'{_SERVERS}index', f'{_SERVERS}index:get_all_tenants'),
        everywhere=True,
    ),
    _list(
        'list details of all projects',
        'GET /servers/detail?all_tenants=1',
        (f'{_SERVERS}detail', f'{_SERVERS}detail:get_all_tenants'),
        sampled=True,
        everywhere=True,
    ),
    permissions.Operation(
        'see extended attributes',
        'OS-EXT-SRV-ATTR:* in what is shown',
        (f'{_SERVERS}show', 'os_compute_api:os-extended-server-attributes'),
        'attribute',
        keys=tuple(f'OS-EXT-SRV-ATTR:{key}' for key in _EXTENDED),
        # From then on everybody sees it.
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
    _sampled(
        'read metadata', 'GET /servers/{id}/metadata', (f'{_METADATA}index',)
    ),
    _sampled(
        'read tags',
        'GET /servers/{id}/tags',
        (f'{_TAGS}index',),
        finds_first=False,
        since='2.26',
    ),
    _write(
        'read diagnostics',
        'GET /servers/{id}/diagnostics',
        ('os_compute_api:os-server-diagnostics',),
    ),
    _write(
        'read console output',
        'POST /servers/{id}/action',
        ('os_compute_api:os-console-output',),
        body={'os-getConsoleOutput': {}},
    ),
    _write(
        'open a console',
        'POST /servers/{id}/remote-consoles',
        ('os_compute_api:os-remote-consoles',),
        body={'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
        since='2.6',
    ),
    _write(
        'update',
        'PUT /servers/{id}',
        (f'{_SERVERS}update',),
        body={'server': {'name': _KEY}},
    ),
    _write(
        'write metadata',
        'POST /servers/{id}/metadata',
        (f'{_METADATA}create',),
        body={'metadata': {_KEY: _KEY}},
    ),
    _write(
        'write tags',
        f'PUT /servers/{{id}}/tags/{_KEY}',
        (f'{_TAGS}update',),
        finds_first=False,
        since='2.26',
    ),
    _destroy(
        'migrate',
        'POST /servers/{id}/action',
        ('os_compute_api:os-migrate-server:migrate',),
        body={'migrate': None},
    ),
    _destroy('delete', 'DELETE /servers/{id}', (f'{_SERVERS}delete',)),
)

_MEMBER = ('member', 'reader')
_outsider = functools.partial(permissions.Persona, in_project=False)

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
    _outsider('other project member', _MEMBER, user='other-member'),
    _outsider('other project reader', ('reader',), user='other-reader'),
)
