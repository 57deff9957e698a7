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

"""MariaDB: the databases of a cloud, as they are before any service ran.

They take a minute to make, so they are kept for the next start.
"""

import getpass
import grp
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess

from tools.live_cloud import catalogue
from tools.live_cloud import configuration
from tools.live_cloud import daemons
from tools.live_cloud import errors
from tools.live_cloud import install
from tools.live_cloud import processes
from tools.live_cloud import settings

__all__ = ['Databases']

NAMES = ('keystone', 'placement', 'nova_api', 'nova_cell0', 'nova_cell1')
_MADE_BY = ('catalogue.py', 'configuration.py', 'databases.py')


class Databases:
    """The databases of a cloud.

    :param layout: the folders (settings.Layout).
    :param options: how the cloud is set (settings.Options).
    :param running: its processes (processes.Processes).
    """

    def __init__(self, layout, options, running):
        self._layout = layout
        self._options = options
        self._processes = running
        self._kept = layout.cache / self._key()

    def _key(self):
        """Return what the databases depend on."""
        here = pathlib.Path(__file__).parent
        parts = [
            str(self._options.first_port),
            json.dumps(install.SERVERS),
            *((here / name).read_text() for name in _MADE_BY),
        ]
        return hashlib.sha256('\0'.join(parts).encode()).hexdigest()[:16]

    @property
    def are_kept(self):
        return self._kept.is_dir()

    def fetch(self):
        """Take those that were kept."""
        for name in ('mysql', 'keystone'):
            _copy(self._kept / name, self._layout.run / name)

    def keep(self):
        """Keep them for the next start; MariaDB must not run."""
        shutil.rmtree(self._layout.cache, ignore_errors=True)
        # Half a copy must never be taken for one.
        partial = self._kept.with_suffix('.part')
        for name in ('mysql', 'keystone'):
            _copy(self._layout.run / name, partial / name)
        partial.rename(self._kept)

    def begin(self):
        """Make an empty MariaDB, and start it."""
        self._processes.run((
            'mariadb-install',
            [
                'mariadb-install-db', '--no-defaults',
                f'--datadir={self._layout.mysql}',
                f'--user={getpass.getuser()}',
                '--auth-root-authentication-method=normal', '--skip-test-db',
            ],
        ))  # fmt: skip
        self.start()
        statements = [f'CREATE DATABASE {name};' for name in NAMES]
        statements += [
            'CREATE OR REPLACE USER root@127.0.0.1 '
            f"IDENTIFIED BY '{settings.PASSWORD}';",
            'GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;',
            f"ALTER USER root@localhost IDENTIFIED BY '{settings.PASSWORD}';",
        ]
        socket = f'--socket={self._layout.run}/mysql.sock'
        self._client(socket, password='', statement='\n'.join(statements))

    def start(self):
        """Start MariaDB, and wait until it answers."""
        made = daemons.daemon('mariadb', self._layout, self._options)
        self._processes.start('mariadb', made.command, made.environment)
        processes.wait_for(self.answers, 60, 'MariaDB does not answer')

    def answers(self):
        """Whether MariaDB accepts connections."""
        socket = f'--socket={self._layout.run}/mysql.sock'
        # It answers, even if only that the password is wrong.
        done = subprocess.run(
            ['mariadb-admin', '--no-defaults', socket, '-uroot', 'ping'],
            capture_output=True,
            env={**os.environ, 'MYSQL_PWD': settings.PASSWORD},
        )
        return done.returncode == 0

    def fill(self):
        """Make the schemas, Keystone's keys and first user, and the cells."""
        self._processes.run(
            ('make-keystone', _all_of(self._keystone_jobs())),
            ('make-placement', _all_of(self._placement_jobs())),
            ('make-nova', _all_of(self._nova_jobs())),
        )
        for host in settings.COMPUTES:
            # What "nova-manage cell_v2 discover_hosts" would do later.
            self.sql(
                'INSERT INTO nova_api.host_mappings (cell_id, host) '
                f"SELECT id, '{host}' FROM nova_api.cell_mappings "
                "WHERE name = 'cell1'"
            )

    def register(self):
        """Fill the catalogue; Keystone must run."""
        catalogue.register(self._options)

    def _keystone_jobs(self):
        manage = self._manage('keystone', '--config-dir', 'keystone')
        url = self._options.url('keystone') + '/v3'
        return [
            [*manage, 'db_sync'],
            [
                *manage, 'bootstrap',
                '--bootstrap-password', settings.PASSWORD,
                '--bootstrap-region-id', settings.REGION,
                '--bootstrap-public-url', url,
                '--bootstrap-internal-url', url,
                '--bootstrap-admin-url', url,
            ],
        ]  # fmt: skip

    def _placement_jobs(self):
        manage = self._manage('keystone', '--config-dir', 'keystone')
        user = [
            '--keystone-user', getpass.getuser(),
            '--keystone-group', grp.getgrgid(os.getgid()).gr_name,
        ]  # fmt: skip
        file = 'placement/placement.conf'
        return [
            [*manage, 'fernet_setup', *user],
            [*manage, 'credential_setup', *user],
            [*self._manage('placement', '--config-file', file), 'db', 'sync'],
        ]

    def _nova_jobs(self):
        manage = self._manage('nova', '--config-file', 'nova/nova.conf')
        cell1 = ['--config-file', str(self._layout.etc / 'nova/cell1.conf')]
        sync = ['db', 'sync', '--local_cell']
        url = [
            configuration.database(self._options, name)
            for name in ('nova_cell0', 'nova_cell1')
        ]
        return [
            [*manage, 'api_db', 'sync'],
            # The database of nova.conf is that of cell0.
            [*manage, *sync],
            [*manage, *cell1, *sync],
            [*manage, 'cell_v2', 'map_cell0', '--database_connection', url[0]],
            [
                *manage, 'cell_v2', 'create_cell', '--name', 'cell1',
                '--database_connection', url[1],
                '--transport-url', configuration.rabbit(self._options),
            ],
        ]  # fmt: skip

    def _manage(self, project, option, path):
        program = self._layout.program('servers', f'{project}-manage')
        return [program, option, str(self._layout.etc / path)]

    def sql(self, statement):
        """Run a statement.

        :param statement: one whose rows, if any, are single JSON values.
        :returns: the values.
        :raises: CloudError if MariaDB does not take it.
        """
        address = ('-h127.0.0.1', f'-P{self._options.port("mariadb")}')
        found = self._client(
            *address, password=settings.PASSWORD, statement=statement
        )
        return [json.loads(line) for line in found.splitlines()]

    def _client(self, *address, password, statement):
        done = subprocess.run(
            ['mariadb', '--no-defaults', *address, '-uroot', '-NBr'],
            input=statement,
            capture_output=True,
            text=True,
            env={**os.environ, 'MYSQL_PWD': password},
        )
        if done.returncode:
            raise errors.CloudError(f'MariaDB: {done.stderr.strip()}')
        return done.stdout


def _all_of(commands):
    """Return a command that runs commands until one fails."""
    return ['sh', '-c', ' && '.join(map(shlex.join, commands))]


def _copy(source, target):
    shutil.copytree(source, target, dirs_exist_ok=True)
