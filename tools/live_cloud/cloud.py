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

"""A cloud that is up: what tests ask it, and do to it."""

import contextlib
import dataclasses
import signal
import time
from typing import NamedTuple

from tools.live_cloud import configuration
from tools.live_cloud import daemons
from tools.live_cloud import databases
from tools.live_cloud import errors
from tools.live_cloud import ports
from tools.live_cloud import processes
from tools.live_cloud import rest
from tools.live_cloud import settings

__all__ = ['Cloud', 'Service']

_WAIT = 90.0
# Those that say that they are alive, by the host of their record.
_HOSTS = {
    'conductor': 'controller',
    'scheduler': 'controller',
    **{name: name for name in settings.COMPUTES},
}
_URLS = ('keystone', 'placement', 'nova-api', 'peers')
_STALE = 'COMPUTE_STATUS_DISABLED'


class Service(NamedTuple):
    """The record of a service, as the database has it."""

    uuid: str
    host: str
    binary: str
    disabled: bool
    disabled_reason: str | None
    forced_down: bool


class Cloud:
    """The processes and the records of a cloud.

    Example::

        cloud = Cloud.running()
        cloud.kill('conductor')
        ...
        cloud.mend()

    :param layout: where its files are (settings.Layout).
    :param options: how it is set (settings.Options).
    """

    def __init__(self, layout, options):
        self.layout = layout
        self.options = options
        self.processes = processes.Processes(layout)
        self.databases = databases.Databases(layout, options, self.processes)
        self._rest = rest.Rest(options)

    @classmethod
    def running(cls, directory=None):
        """Return the cloud that is up.

        :param directory: where its files are; default: the usual place.
        :raises: NotRunning that says what is not up, and what to do.
        """
        layout = settings.Layout(directory)
        options = layout.load()
        if options is None:
            raise errors.NotRunning(
                f'No cloud was started in {layout.root}: run '
                '"python tools/live_cloud up"'
            )
        cloud = cls(layout, options)
        missing = [
            name
            for name in daemons.NAMES
            if not cloud.processes.is_alive(name)
        ]
        if missing:
            raise errors.NotRunning(
                f'The cloud in {layout.root} lacks {", ".join(missing)}: run '
                '"python tools/live_cloud down" and "... up"'
            )
        return cloud

    # Its processes.

    def start(self, name):
        """Start a process; see :meth:`wait_up`."""
        made = daemons.daemon(name, self.layout, self.options)
        self.processes.start(name, made.command, made.environment)

    def stop(self, name):
        """Ask a process to end, with SIGTERM, and wait until it has."""
        self.processes.stop(name)

    def kill(self, name):
        """End a process with SIGKILL."""
        self.processes.stop(name, signal.SIGKILL)

    def freeze(self, name):
        """Let a process do nothing until :meth:`thaw`, with SIGSTOP."""
        self.processes.freeze(name)

    def thaw(self, name):
        """Let a process go on."""
        self.processes.thaw(name)

    def restart(self, name):
        """End a process with SIGKILL and start it again."""
        self.kill(name)
        self.start(name)

    @contextlib.contextmanager
    def changed(self, *names, **values):
        """Give processes other options for a while, such as a short token.

        Example::

            with cloud.changed('keystone', token_expiration=5):
                ...

        :param names: the processes that are started again, before and after.
        :param values: the options (settings.Options).
        """
        before = self.options
        try:
            self._set(dataclasses.replace(before, **values), names)
            yield
        finally:
            self._set(before, names)

    def _set(self, options, names):
        self.options = options
        configuration.write(self.layout, options)
        for name in names:
            self.restart(name)
        self.wait_up()

    def mend(self):
        """Start what is not alive, thaw what is frozen, and wait for all."""
        for name in daemons.NAMES:
            if not self.processes.is_alive(name):
                self.start(name)
            elif self.processes.is_frozen(name):
                self.thaw(name)
        self.wait_up()

    def wait_up(self, *names, timeout=_WAIT):
        """Wait until processes work again.

        Conductor, scheduler and computes must have said that they are alive
        after the last start of any process, and Placement must know each
        compute.

        :param names: which; default: all, and the API lists them as up.
        :param timeout: seconds.
        :raises: CloudError that names what does not, with the end of its log.
        """
        end = time.monotonic() + timeout
        waiting = list(names or daemons.NAMES)
        since = max(map(self.processes.started, self.processes.names()))
        while waiting := [n for n in waiting if not self._works(n, since)]:
            dead = [n for n in waiting if not self.processes.is_alive(n)]
            if dead or time.monotonic() > end:
                name = (dead or waiting)[0]
                raise errors.CloudError(
                    f'not up: {", ".join(dead or waiting)}\n'
                    + self.processes.end_of_log(name)
                )
            time.sleep(0.1)
        if not names:
            left = max(0, end - time.monotonic())
            processes.wait_for(self._lists_all, left, 'the API lists not all')

    def _works(self, name, since):
        if name == 'mariadb':
            return self.databases.answers()
        if name in _HOSTS:
            try:
                return self._reports(name, since) and self._has_provider(name)
            except errors.CloudError:
                return False
        if name in _URLS:
            return _answers(self.options.url(name))
        return ports.accepts(self.options.port(name))

    def _reports(self, name, since):
        binary = (
            'nova-compute' if name in settings.COMPUTES else f'nova-{name}'
        )
        # The scheduler is of no cell, and has the database of cell0.
        database = 'nova_cell0' if name == 'scheduler' else 'nova_cell1'
        found = self.sql(
            "SET time_zone = '+00:00'; SELECT "
            'UNIX_TIMESTAMP(COALESCE(last_seen_up, created_at)) '
            f"FROM {database}.services WHERE host = '{_HOSTS[name]}' "
            f"AND `binary` = '{binary}' AND deleted = 0"
        )
        # The record has whole seconds.
        return bool(found) and found[0] >= int(since)

    def _has_provider(self, name):
        """Whether Placement knows a process, if it is a compute."""
        if name not in settings.COMPUTES:
            return True
        return self.sql(
            'SELECT COUNT(*) FROM placement.resource_providers '
            f"WHERE name = '{name}'"
        ) == [1]

    def _lists_all(self):
        try:
            found = self.list_services()
        except (OSError, errors.CloudError):
            return False
        # One that is forced down is never up, and works all the same.
        return all(
            name in found
            and (found[name]['state'] == 'up' or found[name]['forced_down'])
            for name in settings.COMPUTES
        )

    # Its records.

    def sql(self, statement):
        """Run a statement; see ``Databases.sql``."""
        return self.databases.sql(statement)

    def services(self):
        """Return the records of all services, from the database.

        :returns: list of Service, by host and binary.
        """
        found = self.sql(
            'SELECT JSON_ARRAY(uuid, host, `binary`, disabled, '
            'disabled_reason, forced_down) FROM nova_cell1.services '
            'WHERE deleted = 0 ORDER BY host, `binary`'
        )
        return [
            Service(uuid, host, binary, bool(disabled), reason, bool(down))
            for uuid, host, binary, disabled, reason, down in found
        ]

    def stale_traits(self):
        """Return the hosts whose trait in Placement is not as their record.

        :returns: sorted list of host names.
        """
        marked = self.sql(
            'SELECT JSON_QUOTE(p.name) FROM placement.resource_providers p '
            'JOIN placement.resource_provider_traits r '
            'ON r.resource_provider_id = p.id '
            'JOIN placement.traits t ON t.id = r.trait_id '
            f"WHERE t.name = '{_STALE}'"
        )
        disabled = {
            each.host
            for each in self.services()
            if each.disabled and each.host in settings.COMPUTES
        }
        return sorted(disabled ^ set(marked))

    # Its API.

    def environment(self):
        """Return the variables with which its administrator signs in."""
        return {
            'OS_AUTH_URL': self.options.url('keystone') + '/v3',
            'OS_USERNAME': 'admin',
            'OS_PASSWORD': settings.PASSWORD,
            'OS_PROJECT_NAME': 'admin',
            'OS_USER_DOMAIN_NAME': 'Default',
            'OS_PROJECT_DOMAIN_NAME': 'Default',
            'OS_REGION_NAME': settings.REGION,
            'OS_IDENTITY_API_VERSION': '3',
            'OS_CLIENT_CONFIG_FILE': str(self.layout.clouds_yaml),
            # A proxy never sees loopback.
            'NO_PROXY': '127.0.0.1,localhost',
            'no_proxy': '127.0.0.1,localhost',
        }

    @property
    def compute_url(self):
        """The endpoint of Nova's API."""
        return self.options.url('nova-api') + '/v2.1'

    def get_token(self):
        """Return a new token of the administrator."""
        return self._rest.get_token()

    def accepts(self, token):
        """Whether the API takes a token."""
        try:
            self.request(
                'GET', '/v3/auth/tokens', service='keystone',
                headers={'X-Subject-Token': token},
            )  # fmt: skip
        except rest.ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def revoke(self, token):
        """Make a token invalid."""
        self._rest.send(
            'DELETE', 'keystone', '/v3/auth/tokens',
            headers={'X-Subject-Token': token},
        )  # fmt: skip

    def request(
        self, method, path, body=None, service='nova-api', headers=None
    ):
        """Send a plain request, with microversion 2.53; see ``Rest.send``."""
        return self._rest.send(method, service, path, body, headers)

    def list_services(self):
        """Return what the API lists of the computes, by host."""
        path = '/v2.1/os-services?binary=nova-compute'
        found = self.request('GET', path)['services']
        return {each['host']: each for each in found}

    def put_service(self, uuid, **body):
        """Change a service through the API, as no fixture sees it."""
        return self.request('PUT', f'/v2.1/os-services/{uuid}', body)


def _answers(url):
    try:
        rest.send('GET', url)
    except errors.CloudError:
        # It wants a token.
        return True
    except OSError:
        return False
    return True
