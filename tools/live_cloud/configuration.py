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

"""The configuration files of a cloud."""

import json
import shutil

from tools.live_cloud import settings

__all__ = ['database', 'write']

DEFAULT = 'DEFAULT'


def write(layout, options):
    """Write all files anew."""
    for folder in ('keystone', 'placement', 'nova'):
        (layout.etc / folder).mkdir(exist_ok=True)
    _write_rabbit(layout, options)
    _write_keystone(layout, options)
    _write_placement(layout, options)
    _write_nova(layout, options)
    _write_clouds_yaml(layout, options)


def database(options, name):
    """Return the URL of a database."""
    return (
        f'mysql+pymysql://root:{settings.PASSWORD}@127.0.0.1:'
        f'{options.port("mariadb")}/{name}?charset=utf8mb4'
    )


def rabbit(options):
    """Return the URL of the messages."""
    port = options.port('rabbit')
    return f'rabbit://nova:{settings.PASSWORD}@127.0.0.1:{port}/'


def _write_ini(path, sections):
    lines = []
    for name, values in sections.items():
        lines += [f'[{name}]', *(f'{k} = {v}' for k, v in values.items())]
    path.write_text('\n'.join(lines) + '\n')


def _write_rabbit(layout, options):
    (layout.etc / 'rabbitmq.conf').write_text(
        f'listeners.tcp.1 = 127.0.0.1:{options.port("rabbit")}\n'
        f'load_definitions = {layout.etc / "rabbitmq.json"}\n'
        'log.console = true\n'
        'log.file = false\n'
        'vm_memory_high_watermark.absolute = 400MB\n'
        'disk_free_limit.absolute = 50MB\n'
    )
    everything = {'configure': '.*', 'write': '.*', 'read': '.*'}
    definitions = {
        'users': [
            {'name': 'nova', 'password': settings.PASSWORD,
             'tags': 'administrator', 'limits': {}},
        ],
        'vhosts': [{'name': '/'}],
        'permissions': [{'user': 'nova', 'vhost': '/', **everything}],
    }  # fmt: skip
    (layout.etc / 'rabbitmq.json').write_text(json.dumps(definitions))
    (layout.etc / 'rabbitmq-plugins').write_text('[].\n')


def _cache(options):
    return {
        'enabled': 'true',
        'backend': 'dogpile.cache.memcached',
        'memcache_servers': f'127.0.0.1:{options.port("memcached")}',
    }


def _auth(options):
    """Return how a service of the cloud signs in."""
    return {
        'auth_type': 'password',
        'auth_url': options.url('keystone') + '/v3',
        'username': 'nova',
        'password': settings.PASSWORD,
        'project_name': 'service',
        'user_domain_name': 'Default',
        'project_domain_name': 'Default',
        'region_name': settings.REGION,
    }


def _authtoken(options):
    """Return how a service of the cloud checks tokens."""
    return {
        'www_authenticate_uri': options.url('keystone') + '/v3',
        # Nothing is remembered: a token that has expired, and a Keystone
        # that is gone, show at once.
        'token_cache_time': -1,
        **_auth(options),
    }


def _write_keystone(layout, options):
    sections = {
        DEFAULT: {'use_stderr': 'true'},
        'database': {'connection': database(options, 'keystone')},
        'token': {'expiration': options.token_expiration},
        'fernet_tokens': {'key_repository': layout.keystone / 'fernet'},
        'credential': {'key_repository': layout.keystone / 'credential'},
        'cache': _cache(options),
    }
    _write_ini(layout.etc / 'keystone' / 'keystone.conf', sections)


def _write_placement(layout, options):
    sections = {
        DEFAULT: {'use_stderr': 'true'},
        'placement_database': {'connection': database(options, 'placement')},
        'api': {'auth_strategy': 'keystone'},
        'keystone_authtoken': _authtoken(options),
    }
    _write_ini(layout.etc / 'placement' / 'placement.conf', sections)


def _write_nova(layout, options):
    etc = layout.etc / 'nova'
    shutil.copy(layout.venv / 'servers' / 'etc/nova/api-paste.ini', etc)
    common = {
        DEFAULT: {
            'host': 'controller',
            'my_ip': '127.0.0.1',
            'state_path': layout.run / 'nova',
            'use_stderr': 'true',
            'concurrency_backend': 'threading',
            'transport_url': rabbit(options),
            'report_interval': options.report_interval,
            # When three computes start at once, Keystone may refuse the
            # first token of one. It tries again after so many seconds.
            'update_resources_interval': 5,
            'service_down_time': options.service_down_time,
            'rpc_response_timeout': options.rpc_response_timeout,
            'compute_driver': 'fake.FakeDriverWithoutFakeNodes',
        },
        'oslo_concurrency': {'lock_path': layout.run / 'lock'},
        'conductor': {'workers': 1},
        'scheduler': {'workers': 1},
        'placement': _auth(options),
        'cache': _cache(options),
        'glance': {'region_name': settings.REGION, 'num_retries': 1},
        'neutron': _auth(options),
        'vnc': {'enabled': 'false'},
        'oslo_messaging_rabbit': {
            'heartbeat_timeout_threshold': 10,
            'kombu_reconnect_delay': 0.5,
            'rabbit_retry_interval': 1,
            'rabbit_interval_max': 2,
        },
        'keystone_authtoken': _authtoken(options),
    }
    databases = {
        'api_database': {'connection': database(options, 'nova_api')},
        'database': {'connection': database(options, 'nova_cell0')},
    }
    _write_ini(etc / 'nova.conf', {**common, **databases})
    cell = {'database': {'connection': database(options, 'nova_cell1')}}
    _write_ini(etc / 'cell1.conf', cell)
    # A compute has no database.
    for name in settings.COMPUTES:
        own = {'host': name, 'state_path': layout.run / name}
        compute = {**common, DEFAULT: {**common[DEFAULT], **own}}
        _write_ini(etc / f'{name}.conf', compute)


def _write_clouds_yaml(layout, options):
    auth = {
        'auth_url': options.url('keystone') + '/v3',
        'username': 'admin',
        'password': settings.PASSWORD,
        'project_name': 'admin',
        'user_domain_name': 'Default',
        'project_domain_name': 'Default',
    }
    cloud = {
        'auth': auth,
        'region_name': settings.REGION,
        'identity_api_version': '3',
    }
    # JSON is YAML.
    text = json.dumps({'clouds': {'live': cloud}}, indent=2)
    layout.clouds_yaml.write_text(text + '\n')
