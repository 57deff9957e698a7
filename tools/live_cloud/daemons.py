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

"""How each process of a cloud is started."""

import dataclasses
import os
import sys

from tools.live_cloud import settings

__all__ = ['NAMES', 'Daemon', 'daemon']

# In the order in which they start.
NAMES = (
    'memcached', 'epmd', 'rabbit', 'mariadb', 'peers', 'keystone',
    'placement', 'nova-api', 'conductor', 'scheduler', *settings.COMPUTES,
)  # fmt: skip
_RABBIT = '/usr/lib/rabbitmq/bin/rabbitmq-server'
# Where Debian has what is not in the path of every user.
_SBIN = os.pathsep.join(['/usr/local/sbin', '/usr/sbin', '/sbin'])
_MODULES = {
    'keystone': 'keystone.wsgi.api',
    'placement': 'placement.wsgi.api',
    'nova-api': 'nova.wsgi.osapi_compute',
}


@dataclasses.dataclass
class Daemon:
    """One process.

    :ivar command: the program and its arguments.
    :ivar environment: variables besides those of the command line.
    """

    command: list
    environment: dict = dataclasses.field(default_factory=dict)


def daemon(name, layout, options):
    """Return how a process is started."""
    if name in _MODULES:
        return _wsgi(name, layout, options)
    if name in _MAKERS:
        return _MAKERS[name](layout, options)
    return _nova(name, layout)


def path():
    """Return the value of PATH with the folders for administrators."""
    return os.pathsep.join([os.environ.get('PATH', os.defpath), _SBIN])


def _wsgi(name, layout, options):
    project = 'nova' if name == 'nova-api' else name
    command = [
        layout.program('servers', 'uwsgi'),
        '--http-socket', f'127.0.0.1:{options.port(name)}',
        # uWSGI closes each connection without saying so: clients that keep
        # connections would see a reset.
        '--add-header', 'Connection: close',
        '--module', f'{_MODULES[name]}:application',
        '--master', '--die-on-term', '--need-app', '--lazy-apps',
        '--processes', '1', '--threads', '4', '--enable-threads',
        '--buffer-size', '65535', '--http-chunked-input',
        '--worker-reload-mercy', '5', '--pyargv', '',
    ]  # fmt: skip
    variable = f'OS_{project.upper()}_CONFIG_DIR'
    return Daemon(command, {variable: str(layout.etc / project)})


def _nova(name, layout):
    etc = layout.etc / 'nova'
    program, files = {
        'conductor': ('nova-conductor', ['nova.conf', 'cell1.conf']),
        'scheduler': ('nova-scheduler', ['nova.conf']),
    }.get(name, ('nova-compute', [f'{name}.conf']))
    command = [layout.program('servers', program)]
    for file in files:
        command += ['--config-file', str(etc / file)]
    return Daemon(command)


def _memcached(layout, options):
    return Daemon([
        'memcached', '-l', '127.0.0.1', '-p', str(options.port('memcached')),
        '-m', '32', '-t', '1', *_as_root('-u', 'root'),
    ])  # fmt: skip


def _epmd(layout, options):
    return Daemon(
        ['epmd', '-port', str(options.port('epmd'))],
        {'ERL_EPMD_ADDRESS': '127.0.0.1'},
    )


def _rabbit(layout, options):
    return Daemon(
        [_RABBIT],
        {
            'HOME': str(layout.rabbit),
            'RABBITMQ_NODENAME': 'live@localhost',
            'RABBITMQ_NODE_IP_ADDRESS': '127.0.0.1',
            'RABBITMQ_NODE_PORT': str(options.port('rabbit')),
            'RABBITMQ_DIST_PORT': str(options.port('rabbit-distribution')),
            'ERL_EPMD_PORT': str(options.port('epmd')),
            'ERL_EPMD_ADDRESS': '127.0.0.1',
            'RABBITMQ_MNESIA_BASE': str(layout.rabbit / 'mnesia'),
            'RABBITMQ_LOG_BASE': str(layout.log),
            'RABBITMQ_CONF_ENV_FILE': '/dev/null',
            'RABBITMQ_CONFIG_FILE': str(layout.etc / 'rabbitmq'),
            'RABBITMQ_ENABLED_PLUGINS_FILE': str(
                layout.etc / 'rabbitmq-plugins'
            ),
            'RABBITMQ_PID_FILE': str(layout.rabbit / 'pid'),
            # An epmd that it starts would not be one of ours.
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': (
                '-kernel inet_dist_use_interface {127,0,0,1} '
                '-start_epmd false +S 1:1'
            ),
        },
    )


def _mariadb(layout, options):
    return Daemon([
        'mariadbd', '--no-defaults', *_as_root('--user=root'),
        f'--datadir={layout.mysql}', '--bind-address=127.0.0.1',
        f'--port={options.port("mariadb")}',
        f'--socket={layout.run}/mysql.sock',
        f'--pid-file={layout.run}/mysql.pid',
        '--max-connections=500', '--innodb-buffer-pool-size=64M',
        '--innodb-log-file-size=16M',
        # What is committed survives SIGKILL, but no loss of power.
        '--innodb-flush-log-at-trx-commit=2',
        '--skip-name-resolve', '--skip-log-bin', '--performance-schema=off',
        '--character-set-server=utf8mb4',
    ])  # fmt: skip


def _peers(layout, options):
    file = os.path.join(os.path.dirname(__file__), 'peers.py')
    return Daemon([sys.executable, '-u', file, str(options.port('peers'))])


def _as_root(*arguments):
    return arguments if os.geteuid() == 0 else ()


_MAKERS = {
    'memcached': _memcached,
    'epmd': _epmd,
    'rabbit': _rabbit,
    'mariadb': _mariadb,
    'peers': _peers,
}
