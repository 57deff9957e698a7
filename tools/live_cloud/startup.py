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

"""Bring a cloud up, and down."""

import contextlib
import fcntl
import shutil
import time

from tools.live_cloud import cloud as clouds
from tools.live_cloud import configuration
from tools.live_cloud import daemons
from tools.live_cloud import errors
from tools.live_cloud import install
from tools.live_cloud import ports
from tools.live_cloud import processes

__all__ = ['down', 'up']


def up(layout, options, say, fresh=False, clients=False):
    """Start a cloud, unless it is up.

    Whatever ends this before the cloud is up, also ends what was started.

    :param layout: where its files are (settings.Layout).
    :param options: how it is set (settings.Options).
    :param say: called with a line about what was done.
    :param fresh: make the databases anew (bool).
    :param clients: make an environment for the tests too (bool).
    :raises: CloudError that says what to do.
    """
    with _alone(layout):
        begin = time.monotonic()
        install.install(layout, say, clients)
        if _is_up(layout, options):
            say('up already')
            return
        say(f'installed after {time.monotonic() - begin:.1f} s')
        running = processes.Processes(layout)
        # What a start that was killed has left.
        running.stop_all()
        ports.check(options)
        shutil.rmtree(layout.run, ignore_errors=True)
        layout.make()
        layout.save(options)
        configuration.write(layout, options)
        try:
            _Start(clouds.Cloud(layout, options), say).run(fresh)
        except BaseException:
            running.stop_all()
            raise


def down(layout):
    """End everything that was started.

    :param layout: where its files are (settings.Layout).
    :returns: the names of the processes that were ended.
    """
    with _alone(layout):
        running = processes.Processes(layout)
        names = running.names()
        running.stop_all()
        return names


def _is_up(layout, options):
    try:
        cloud = clouds.Cloud.running(layout.root)
    except errors.NotRunning:
        return False
    if cloud.options != options:
        raise errors.CloudError(
            f'It is up with other options ({cloud.options}): take it down'
        )
    return True


@contextlib.contextmanager
def _alone(layout):
    """Let nobody else start or end it meanwhile."""
    layout.root.mkdir(parents=True, exist_ok=True)
    with open(layout.lock, 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.CloudError(
                f'Another command is at work in {layout.root}'
            ) from None
        yield


class _Start:
    """One start.

    :param cloud: what is started (cloud.Cloud).
    :param say: called with a line about what was done.
    """

    def __init__(self, cloud, say):
        self._cloud = cloud
        self._databases = cloud.databases
        self._begin = time.monotonic()
        self._say = say

    def run(self, fresh):
        self._start('memcached', 'epmd', 'rabbit')
        if fresh or not self._databases.are_kept:
            self._make_databases()
        else:
            self._databases.fetch()
        self._databases.start()
        self._tell('MariaDB answers')
        self._start(
            *(
                name
                for name in daemons.NAMES
                if not self._cloud.processes.is_alive(name)
            )
        )
        self._cloud.wait_up('rabbit', 'keystone', 'placement', 'nova-api')
        self._tell('the APIs answer')
        self._cloud.wait_up()
        self._tell('three computes are up')

    def _make_databases(self):
        self._databases.begin()
        self._tell('a new MariaDB answers')
        self._databases.fill()
        self._tell('it has the schemas')
        self._start('keystone')
        self._cloud.wait_up('keystone')
        self._databases.register()
        self._tell('Keystone has the catalogue')
        for name in ('keystone', 'mariadb'):
            self._cloud.stop(name)
        self._databases.keep()
        self._tell('the databases are kept for the next start')

    def _start(self, *names):
        for name in names:
            self._cloud.start(name)

    def _tell(self, what):
        self._say(f'{time.monotonic() - self._begin:6.1f} s  {what}')
