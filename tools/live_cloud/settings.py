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

"""What a cloud is like, and where its files are."""

import dataclasses
import json
import os
import pathlib

__all__ = ['COMPUTES', 'PASSWORD', 'PORTS', 'REGION', 'Layout', 'Options']

COMPUTES = ('compute1', 'compute2', 'compute3')
REGION = 'RegionOne'
# It listens on loopback only, and holds nothing.
PASSWORD = 'secret'
# In the order of their numbers, from the first port on.
PORTS = (
    'keystone', 'placement', 'nova-api', 'peers', 'mariadb', 'rabbit',
    'rabbit-distribution', 'epmd', 'memcached',
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Options:
    """How a cloud is set; what takes time is in seconds.

    :ivar first_port: the number of Keystone's port; the others follow it.
    :ivar report_interval: how often a service says that it is alive.
    :ivar service_down_time: after what silence a service counts as down.
    :ivar rpc_response_timeout: how long Nova waits for an answer.
    :ivar token_expiration: how long a token is valid.
    """

    first_port: int = 18770
    report_interval: int = 2
    service_down_time: int = 10
    rpc_response_timeout: int = 20
    token_expiration: int = 3600

    def port(self, name):
        return self.first_port + PORTS.index(name)

    def url(self, name):
        return f'http://127.0.0.1:{self.port(name)}'


class Layout:
    """The folders of a cloud.

    :param root: the folder of all; default: what LIVE_CLOUD names, else one
        in the user's cache.
    """

    def __init__(self, root=None):
        self.root = pathlib.Path(
            root or os.environ.get('LIVE_CLOUD') or _default()
        ).absolute()
        self.lock = self.root / 'lock'
        self.venv = self.root / 'venv'
        #: Databases as they are before any service ran.
        self.cache = self.root / 'databases'
        #: What belongs to the cloud that is up, and goes with the next one.
        self.run = self.root / 'run'
        self.etc = self.run / 'etc'
        self.log = self.run / 'log'
        self.processes = self.run / 'processes'
        self.mysql = self.run / 'mysql'
        self.rabbit = self.run / 'rabbit'
        self.keystone = self.run / 'keystone'
        self.clouds_yaml = self.run / 'clouds.yaml'
        self._options = self.run / 'options.json'

    def program(self, venv, name):
        """Return the path of a program of a virtual environment."""
        return str(self.venv / venv / 'bin' / name)

    def make(self):
        """Make the folders that the processes write to."""
        for folder in (
            self.etc, self.log, self.processes, self.mysql, self.rabbit,
            self.keystone, self.run / 'lock', self.run / 'nova',
            *(self.run / compute for compute in COMPUTES),
        ):  # fmt: skip
            folder.mkdir(parents=True, exist_ok=True)

    def save(self, options):
        self._options.write_text(json.dumps(dataclasses.asdict(options)))

    def load(self):
        """Return the options of the cloud that was started last, or None."""
        try:
            return Options(**json.loads(self._options.read_text()))
        except FileNotFoundError:
            return None


def _default():
    cache = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return pathlib.Path(cache).expanduser() / 'safe-fixtures' / 'live-cloud'
