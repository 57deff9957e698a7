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

"""What a cloud needs: programs of Debian and Python packages."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from tools.live_cloud import daemons
from tools.live_cloud import errors

__all__ = ['SERVERS', 'install']

# By package of Debian: a program of it.
_DEBIAN = {
    'rabbitmq-server': '/usr/lib/rabbitmq/bin/rabbitmq-server',
    'mariadb-server': 'mariadbd',
    'memcached': 'memcached',
    # For the tests that set the clock.
    'faketime': 'faketime',
}
_POLICY = pathlib.Path('/usr/sbin/policy-rc.d')
_ROOT = pathlib.Path(__file__).resolve().parents[2]
_CONSTRAINTS = _ROOT / 'constraints' / 'nova34.txt'
#: What the servers are. pyuwsgi is uWSGI as a wheel.
SERVERS = (
    'nova==34.0.0',
    'openstack-placement==16.0.0',
    'keystone==30.0.0',
    'pymysql',
    'python-memcached',
    'pyuwsgi',
)
#: What the tests are run with.
CLIENTS = (
    '-e',
    f'{_ROOT}[cli,cloud]',
    f'-r{_ROOT / "test-requirements.txt"}',
    f'-r{_ROOT / "tools/live_cloud/clients.txt"}',
)


def install(layout, say, clients=False):
    """Install what is missing.

    :param say: called with a line about what is done.
    :param clients: whether to make an environment for the tests too.
    :raises: CloudError that says what to do.
    """
    _install_debian(say)
    _make_venv(layout, 'servers', SERVERS, say)
    if clients:
        _make_venv(layout, 'clients', CLIENTS, say)


def _install_debian(say):
    missing = [
        package
        for package, program in _DEBIAN.items()
        if not shutil.which(program, path=daemons.path())
    ]
    if not missing:
        return
    names = ' '.join(missing)
    if not shutil.which('apt-get'):
        raise errors.CloudError(
            f'This machine has no apt-get, and lacks {names}: install them.'
        )
    if os.geteuid() != 0:
        raise errors.CloudError(
            f'This machine lacks {names}. Run as root, or install them:\n'
            f'sudo apt-get install --no-install-recommends {names}\n'
            'Debian starts them; then stop and disable them.'
        )
    say(f'installing {names}')
    policy = not _POLICY.exists()
    if policy:
        # The daemons of the packages must not start.
        _POLICY.write_text('#!/bin/sh\nexit 101\n')
        _POLICY.chmod(0o755)
    try:
        environment = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}
        _run(['apt-get', 'update', '-q'], environment)
        options = ['-y', '-q', '--no-install-recommends']
        _run(['apt-get', 'install', *options, *missing], environment)
    finally:
        if policy:
            _POLICY.unlink()


def _make_venv(layout, name, packages, say):
    """Make a virtual environment, unless it is there as it must be."""
    folder = layout.venv / name
    stamp = folder / 'made-of'
    wanted = _digest(packages)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f'making the environment "{name}"')
    shutil.rmtree(folder, ignore_errors=True)
    layout.venv.mkdir(parents=True, exist_ok=True)
    python = str(folder / 'bin' / 'python')
    constraints = ['-c', str(_CONSTRAINTS)]
    if _has_uv():
        _run(['uv', 'venv', '-q', '--python', sys.executable, str(folder)])
        _run([
            'uv', 'pip', 'install', '-q', '--compile-bytecode',
            '--python', python, *constraints, *packages,
        ])  # fmt: skip
    else:
        _run([sys.executable, '-m', 'venv', str(folder)])
        pip = [python, '-m', 'pip', 'install', '-q']
        _run([*pip, *constraints, *packages])
    stamp.write_text(wanted)


def _digest(packages):
    texts = [sys.version, _CONSTRAINTS.read_text(), *packages]
    for each in packages:
        if each.startswith('-r'):
            texts.append(pathlib.Path(each[2:]).read_text())
    return hashlib.sha256('\0'.join(texts).encode()).hexdigest()


def _has_uv():
    try:
        return subprocess.run(
            ['uv', '--version'], capture_output=True
        ).returncode == 0  # fmt: skip
    except FileNotFoundError:
        return False


def _run(command, environment=None):
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
    )
    if done.returncode:
        end = '\n'.join(done.stdout.splitlines()[-15:])
        raise errors.CloudError(
            f'{" ".join(command[:3])} failed; is there a network?\n{end}'
        )
