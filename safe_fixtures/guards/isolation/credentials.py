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

"""Check which credentials a test can reach (SF404)."""

from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping, MutableMapping
import contextlib
import errno
import fnmatch
import functools
import glob
import itertools
import pwd
import re
import socket
from typing import Any

from safe_fixtures.boundary import paths
from safe_fixtures.boundary import temporary
from safe_fixtures.guards.isolation import check
from safe_fixtures.guards.isolation import sockets
from safe_fixtures.runtime.system import os
from safe_fixtures.runtime.system import stat
from safe_fixtures.runtime import values

__all__ = ['CredentialFiles', 'hide', 'variables']

# Variables that name files which clients authenticate with.
_NAMING = (
    'ARM_CLIENT_CERTIFICATE_PATH', 'ARM_OIDC_TOKEN_FILE_PATH',
    'AWS_CONFIG_FILE', 'AWS_CREDENTIAL_FILE', 'AWS_SHARED_CREDENTIALS_FILE',
    'AWS_WEB_IDENTITY_TOKEN_FILE', 'AZURE_CLIENT_CERTIFICATE_PATH',
    'AZURE_FEDERATED_TOKEN_FILE', 'GOOGLE_APPLICATION_CREDENTIALS',
    'KUBECONFIG', 'OS_CERT', 'OS_CLIENT_CONFIG_FILE', 'OS_CLIENT_SECURE_FILE',
    'OS_KEY', 'SSH_AUTH_SOCK',
)  # fmt: skip
# All that clients authenticate with. The address, region, interface or version
# of a service gives access to nothing.
_VARIABLES = (
    *_NAMING,
    # keystoneauth and openstacksdk, and the clients before them
    'OS_ACCESS_TOKEN*', 'OS_APPLICATION_CREDENTIAL_*', 'OS_AUTHORIZATION_CODE',
    'OS_AUTH_METHODS', 'OS_AUTH_PLUGIN', 'OS_AUTH_SYSTEM', 'OS_AUTH_TOKEN',
    'OS_AUTH_TYPE', 'OS_AUTH_URL', 'OS_CLIENT_ID', 'OS_CLIENT_SECRET',
    'OS_CLOUD', 'OS_CODE', 'OS_DEFAULT_DOMAIN', 'OS_DEFAULT_DOMAIN_ID',
    'OS_DEFAULT_DOMAIN_NAME', 'OS_DOMAIN_ID', 'OS_DOMAIN_NAME',
    'OS_IDENTITY_PROVIDER', 'OS_IDENTITY_PROVIDER_URL', 'OS_IDP_OTP_KEY',
    'OS_OAUTH2_*', 'OS_PASSCODE', 'OS_PASSWORD', 'OS_PROJECT_*',
    'OS_SERVICE_TOKEN', 'OS_SYSTEM_SCOPE', 'OS_TENANT_*', 'OS_TOKEN',
    'OS_TRUST_ID', 'OS_USERNAME', 'OS_USER_DOMAIN_*', 'OS_USER_ID',
    'OS_USER_NAME', 'CINDER_API_KEY', 'CINDER_PASSWORD', 'CINDER_USERNAME',
    'NOVA_API_KEY', 'NOVA_PASSWORD', 'NOVA_PROJECT_ID', 'NOVA_URL',
    'NOVA_USERNAME', 'ST_AUTH', 'ST_KEY', 'ST_USER',
    # ssh
    'SSH_AGENT_PID',
    # AWS, and what speaks its protocols
    'AWS_ACCESS_KEY', 'AWS_ACCESS_KEY_ID', 'AWS_BEARER_TOKEN_*',
    'AWS_CONTAINER_*', 'AWS_DEFAULT_PROFILE', 'AWS_PROFILE', 'AWS_ROLE_ARN',
    'AWS_SECRET_KEY', 'AWS_SECRET_ACCESS_KEY', 'AWS_SECURITY_TOKEN',
    'AWS_SESSION_TOKEN', 'EC2_ACCESS_KEY', 'EC2_SECRET_KEY',
    # Google Cloud
    'CLOUDSDK_AUTH_*', 'CLOUDSDK_CONFIG', 'CLOUDSDK_CORE_ACCOUNT',
    'GCLOUD_KEYFILE_JSON', 'GOOGLE_API_KEY', 'GOOGLE_CLOUD_KEYFILE_JSON',
    'GOOGLE_CREDENTIALS', 'GOOGLE_IMPERSONATE_SERVICE_ACCOUNT',
    'GOOGLE_OAUTH_ACCESS_TOKEN',
    # Azure
    'ARM_ACCESS_KEY', 'ARM_CLIENT_*', 'ARM_OIDC_*', 'ARM_SAS_TOKEN',
    'ARM_SUBSCRIPTION_ID', 'ARM_TENANT_ID', 'AZURE_CLIENT_*',
    'AZURE_CONFIG_DIR', 'AZURE_PASSWORD', 'AZURE_STORAGE_CONNECTION_STRING',
    'AZURE_STORAGE_*KEY', 'AZURE_STORAGE_SAS_TOKEN', 'AZURE_SUBSCRIPTION_ID',
    'AZURE_TENANT_ID', 'AZURE_USERNAME',
)  # fmt: skip
_CLOUDS = tuple(
    f'{name}.{ending}'
    for name in ('clouds', 'secure')
    for ending in ('yaml', 'yml', 'json')
)
_GCLOUD = (
    'access_tokens.db', 'application_default_credentials.json',
    'credentials.db', 'legacy_credentials/*/*',
)  # fmt: skip
_AZURE = (
    'accessTokens.json', 'msal_token_cache.*', 'service_principal_entries.*',
)  # fmt: skip
_IN_HOME = (
    '.aws/config', '.aws/credentials', '.boto', '.kube/config', '.ssh/id_*',
    *(f'.azure/{name}' for name in _AZURE),
)  # fmt: skip
_OPENSTACK = tuple(f'openstack/{name}' for name in _CLOUDS)
_IN_CONFIG = (*(f'gcloud/{name}' for name in _GCLOUD), *_OPENSTACK)
# The variables that say where such files are.
_PLACES = (
    'HOME', 'SNAP_REAL_HOME', 'XDG_CONFIG_HOME', 'XDG_CONFIG_DIRS',
    'CLOUDSDK_CONFIG', 'AZURE_CONFIG_DIR',
)  # fmt: skip


def _matcher(patterns: Iterable[str]) -> Callable[[str], Any]:
    return re.compile('|'.join(map(fnmatch.translate, patterns))).match


_is_variable = _matcher(_VARIABLES)
_is_telling = _matcher(
    map(os.path.basename, (*_CLOUDS, *_IN_HOME, *_GCLOUD[:-1]))
)
# The types of files that can hold credentials, or give them.
_HOLDING = (stat.S_IFREG, stat.S_IFSOCK, stat.S_IFIFO)
# What identifies a file; None for what is no file.
_Key = tuple[int, int] | None
# Paths, and the variables that name them, by what identifies the files.
_Known = dict[_Key, tuple[str, str | None]]
# What is taken out of the environment now, outermost first.
_hidden: list[Mapping[str, str]] = []


def variables(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the authentication variables in an environment.

    :param environ: the environment.
    """
    return sorted(
        name
        for name in environ
        # Two underscores: oslo.config reads an option from it.
        if _is_variable(name) and '__' not in name
    )


def hide(
    environ: MutableMapping[str, str],
) -> tuple[list[str], Callable[[], None]]:
    """Take the authentication variables out of an environment.

    :param environ: the environment.
    :returns: their names, and a callable that restores the values that they
        had, whatever was done to them since. Later calls do nothing.
    """
    names = variables(environ)
    hidden: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        stack.callback(_hidden.remove, hidden)
        _hidden.append(hidden)
        for name in names:
            hidden[name] = environ[name]
            stack.callback(environ.__setitem__, name, hidden[name])
            del environ[name]
        return names, stack.pop_all().close


class CredentialFiles(check.Check):
    """Finds what opens files of credentials, or connects to an ssh agent.

    Files are identified by device and inode, so a link to one is that file.

    :param environ: the environment as it is outside the test.
    :param first: the environment of the process when it began. A variable
        that was changed since, such as HOME, hides nothing.
    """

    events: Collection[str] = ('open', 'socket.connect', *temporary.MAKING)

    def __init__(
        self,
        environ: Mapping[str, str],
        first: Mapping[str, str] | None = None,
    ) -> None:
        first = environ if first is None else first
        named: dict[str, str] = {}
        # An outer guard has taken some out.
        for each in (first, *_hidden, environ):
            for name in _NAMING:
                for entry in filter(None, each.get(name, '').split(':')):
                    path = paths.absolute(_expanded(entry, each))
                    if path is not None:
                        named[path] = name
        self._names = frozenset(map(os.path.basename, named))
        patterns = [
            _patterns(tuple(map(each.get, _PLACES)), paths.absolute(''))
            for each in (environ, first)
        ]
        self._where = (
            tuple(named.items()),
            tuple(dict.fromkeys(itertools.chain(*patterns))),
        )
        self._known = _first_look(*self._where)

    def on_event(self, event: str, args: check.Args) -> check.Finding | None:
        """See ``check.Check``."""
        if event in temporary.MAKING:
            temporary.note_made(args)
            return None
        if event == 'open':
            given, how = args[0], 'open of'
            if values.is_number(given):
                return None
        else:
            endpoint, given = args
            how = 'connect to'
            if sockets.family(endpoint) != getattr(socket, 'AF_UNIX', None):
                return None
        for name in values.answers(given):
            finding = self._check(name, how)
            if finding is not None:
                return finding
        return None

    def _check(self, name: str, how: str) -> check.Finding | None:
        for key in self._keys(name):
            path, variable = self._known.get(key, (None, None))
            # The file that had this number may be gone.
            if path is None or _key(path) != key or _is_own(path, variable):
                continue
            which = f', which {variable} names' if variable else ''
            return check.Finding(
                'SF404',
                f'{how} {path}{which}',
                path,
                FileNotFoundError(
                    errno.ENOENT, os.strerror(errno.ENOENT), name
                ),
            )
        return None

    def _keys(self, name: str) -> list[_Key]:
        """Return what identifies the files that *name* may mean.

        If the name is one that credentials have, it may be a file that came
        after the last look, so this looks again.
        """
        last = os.path.basename(name)
        is_telling = bool(_is_telling(last)) or last in self._names
        if not self._known and not is_telling:
            return []
        keys = [_key(name)]
        if is_telling and keys == [None] and not name.startswith('/'):
            # It may be in a directory that is open; the event does not say.
            places = paths.open_directories()
            keys = [_key(f'{place}/{name}') for place in places]
        if is_telling and any(keys):
            self._known = _look(*self._where)
        return keys


def _expanded(path: str, environ: Mapping[str, str]) -> str:
    """Return a path with the home directory of an environment."""
    home = environ.get('HOME')
    if home and (path == '~' or path.startswith('~/')):
        return home + path[1:]
    return os.path.expanduser(path)


def _look(
    named: tuple[tuple[str, str], ...], patterns: tuple[str, ...]
) -> _Known:
    """Return the files that there are now.

    :param named: paths, and the variables that name them.
    :param patterns: of paths.
    """
    found: _Known = {}
    for path, variable in named:
        found.setdefault(_key(path), (path, variable))
    for pattern in (*patterns, *_below(paths.absolute(''), _CLOUDS)):
        for path in glob.iglob(pattern):
            if not path.endswith('.pub'):
                found.setdefault(_key(path), (path, None))
    found.pop(None, None)
    return found


# What comes later is found by its name.
_first_look = functools.lru_cache(maxsize=16)(_look)


def _is_own(path: str, variable: str | None) -> bool:
    """Whether a file is the test's own."""
    # An agent has its socket in the temporary directory, too.
    test = temporary.is_made if variable else temporary.is_own
    return test(paths.resolve(path))


def _key(path: str) -> _Key:
    """Return what identifies a file, or None if it holds nothing."""
    status = paths.status(path)
    if status is None:
        return None
    if stat.S_IFMT(status.st_mode) not in _HOLDING:
        return None
    return status.st_dev, status.st_ino


@functools.lru_cache
def _patterns(
    places: tuple[str | None, ...], directory: str | None
) -> tuple[str, ...]:
    """Return patterns for where files of credentials are looked for.

    :param places: the values of the variables that say where.
    :param directory: the current one.
    """
    home, real_home, config, sites, gcloud, azure = places
    homes = [home, real_home]
    with contextlib.suppress(KeyError):
        homes.append(pwd.getpwuid(os.getuid()).pw_dir)
    homes = [each for each in dict.fromkeys(homes) if each]
    configs = [config, *(f'{each}/.config' for each in homes)]
    return tuple(
        pattern
        for place, patterns in (
            *((each, _IN_HOME) for each in homes),
            *((each, _IN_CONFIG) for each in configs),
            (gcloud, _GCLOUD),
            (azure, _AZURE),
            # The current directory of the moment is looked at, too.
            (directory, _CLOUDS),
            ('/etc', _OPENSTACK),
            *((each, _OPENSTACK) for each in (sites or '/etc/xdg').split(':')),
        )
        for pattern in _below(place, patterns)
    )


def _below(directory: str | None, patterns: tuple[str, ...]) -> Iterator[str]:
    if directory:
        for pattern in patterns:
            yield os.path.join(glob.escape(directory), pattern)
