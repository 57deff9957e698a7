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

"""Whether the ports of a cloud are free, and who has them."""

import errno
import os
import pathlib
import socket

from tools.live_cloud import errors
from tools.live_cloud import settings

__all__ = ['accepts', 'check']

_LISTENS = '0A'


def check(options):
    """Refuse to start where a port is taken.

    :raises: CloudError that names each port, and who has it.
    """
    taken = [
        f'port {options.port(name)}, for {name}, is in use by '
        f'{_owner(options.port(name))}'
        for name in settings.PORTS
        if not _is_free(options.port(name))
    ]
    if taken:
        raise errors.CloudError(
            '\n'.join(taken) + '\nEnd that, or choose others: --first-port'
        )


def accepts(port):
    """Whether something listens on a port of loopback."""
    with socket.socket() as each:
        each.settimeout(1)
        return each.connect_ex(('127.0.0.1', port)) == 0


def _is_free(port):
    with socket.socket() as each:
        # Connections that were closed are no hindrance.
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            each.bind(('127.0.0.1', port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def _owner(port):
    sockets = {
        f'socket:[{inode}]'
        for file in ('tcp', 'tcp6')
        for inode in _inodes(pathlib.Path('/proc/net') / file, port)
    }
    for pid in filter(str.isdigit, os.listdir('/proc')):
        folder = pathlib.Path('/proc') / pid
        try:
            if not any(each in sockets for each in _links(folder / 'fd')):
                continue
            command = (folder / 'cmdline').read_bytes()
        except OSError:
            # It has ended, or is another user's.
            continue
        words = command.decode(errors='replace').split('\0')
        return f'process {pid} ({" ".join(words).strip()[:80]!r})'
    return 'another process'


def _links(folder):
    for name in os.listdir(folder):
        try:
            yield os.readlink(folder / name)
        except FileNotFoundError:
            # It was closed meanwhile, as is what lists this process.
            pass


def _inodes(file, port):
    if file.exists():
        for line in file.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and fields[1].endswith(f':{port:04X}'):
                yield fields[9]
