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

"""Tell what leads outside a test: databases, buses, endpoints and hosts."""

from collections.abc import Iterable
import functools
import ipaddress
import os
import re
import socket
import tempfile
from typing import NamedTuple
from urllib import parse

from oslo_utils import netutils

from safe_fixtures.boundary import endpoints
from safe_fixtures.boundary import temporary

__all__ = [
    'Address',
    'Reference',
    'address',
    'is_dialect',
    'is_made_here',
    'is_reserved_name',
    'is_transport',
    'leads_outside',
    'may_lead_outside',
    'shown',
    'this_machine',
    'urls_in',
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# With a scheme, or relative to whatever scheme there is.
_URL_START = re.compile(
    r'[a-z][a-z0-9+.-]*://|(?<![\w:/])//(?=\w)', re.IGNORECASE
)
_URL_END = re.compile(r'[\s\'"<>,]')
# RFC 2606 and RFC 6761: names that lead nowhere.
_RESERVED_NAMES = re.compile(
    r'(?:.*\.)?(?:example(?:\.(?:com|net|org))?|test|invalid)', re.IGNORECASE
)
# RFC 5737 and RFC 3849.
_DOCUMENTATION = tuple(
    ipaddress.ip_network(network)
    for network in (
        '192.0.2.0/24',
        '198.51.100.0/24',
        '203.0.113.0/24',
        '2001:db8::/32',
    )
)
_DIALECTS = frozenset([
    'cassandra', 'cockroachdb', 'db2', 'firebird', 'ibm_db_sa', 'informix',
    'mariadb', 'mongodb', 'mssql', 'mysql', 'oracle', 'postgres',
    'postgresql', 'sqlite', 'sybase',
])  # fmt: skip
_TRANSPORTS = frozenset([
    'amqp', 'amqps', 'fake', 'kafka', 'kombu', 'messaging', 'pika', 'pyamqp',
    'qpid', 'rabbit', 'zmq',
])  # fmt: skip
_FAKE_TRANSPORTS = frozenset(['fake', 'messaging'])
# What is still to be filled in leads nowhere yet.
_TEMPLATE = re.compile(r'%[(sd]|[{}$<>]')
_HOST_AND_PORT = re.compile(
    r'(?:\[[0-9a-f:.%]+\]|[\w.-]*)(?::[0-9]*)?', re.IGNORECASE
)
_END_OF_NETLOC = re.compile('[/?#]')
_TRUE = frozenset(['1', 'on', 't', 'true', 'y', 'yes'])
# The files that were not there when a database was first made of them.
_made_here: set[str] = set()
# The process's own. That of a test is below it, and may be nested.
_TEMPORARY = os.path.realpath(tempfile.gettempdir())


class Reference(NamedTuple):
    """Something that leads somewhere.

    :ivar kind: ``database``, ``transport`` or ``endpoint`` (str).
    :ivar url: its URL (str); ``//host:port`` where there is no scheme.
    """

    kind: str
    url: str


def leads_outside(
    reference: Reference, allowed: Iterable[str] = (), own: Iterable[str] = ()
) -> bool:
    """Whether a reference leads to what is not the test's own.

    A database is the test's own in memory or below its temporary directory,
    a transport if it is fake. An endpoint is if it is intercepted or
    allowed, or if its host is this machine, a reserved name, an address for
    documentation, or a name without a dot.

    :param allowed: hosts, ``host:port`` pairs, networks or URL prefixes of
        endpoints.
    :param own: hosts that a reference without a scheme may lead to.
    """
    kind, url = reference
    if not may_lead_outside(reference):
        return False
    if kind == 'database':
        path = _database_file(url)
        return path is None or not _is_temporary(path)
    if kind == 'transport' or '\\' in url:
        return True
    host = _host(url)
    return not (
        endpoints.is_test_endpoint(url, allowed)
        or _is_allowed(host, allowed)
        or (url.startswith('//') and host in own)
        or host in this_machine()
    )


def is_made_here(url: str) -> bool:
    """Whether a database is a new file in the current directory.

    That one is the test's own too. SF405 is about where it is.
    """
    path = _database_file(url)
    if not path or os.path.isabs(path):
        return False
    path = os.path.realpath(path)
    if not os.path.lexists(path):
        _made_here.add(path)
    return path in _made_here


def may_lead_outside(reference: Reference) -> bool:
    """Whether it depends on the moment, if at all, that one stays inside."""
    kind, url = reference
    if kind == 'database':
        return _database_file(url) != ''
    if kind == 'transport':
        return _family(_scheme(url)) not in _FAKE_TRANSPORTS
    # Some read a backslash as a slash, and so find another host than others
    # do.
    return '\\' in url or not _is_test_host(_host(url))


def is_dialect(scheme: str) -> bool:
    """Whether a URL of that scheme is one of a database."""
    return _family(scheme) in _DIALECTS


def is_transport(scheme: str) -> bool:
    """Whether a URL of that scheme is one of a message bus."""
    return _family(scheme) in _TRANSPORTS


def is_reserved_name(host: str) -> bool:
    """Whether *host* is a name that leads nowhere."""
    return bool(_RESERVED_NAMES.fullmatch(host))


def urls_in(text: str) -> list[str]:
    """Return the URLs in a text, also those within others."""
    if '//' not in text:
        return []
    starts = [match.start() for match in _URL_START.finditer(text)]
    return [
        _URL_END.split(text[start:end], maxsplit=1)[0]
        for start, end in zip(starts, [*starts, None][1:], strict=True)
    ]


def address(host: str) -> Address | None:
    """Return the address that *host* is, None if it is a name."""
    # A zone tells which interface of this machine, not where it leads.
    text = host.partition('%')[0]
    try:
        found: Address = ipaddress.ip_address(text)
    except ValueError:
        try:
            # 127.1, 0x7f000001 and the like, as the C library reads them.
            return ipaddress.IPv4Address(socket.inet_aton(text))
        except (OSError, ValueError):
            return None
    return getattr(found, 'ipv4_mapped', None) or found


def shown(reference: Reference) -> str:
    """Return what can be shown of a reference: its scheme and its hosts.

    All else may be a secret, such as the path of a web hook. Of sqlite, which
    has no host, it is the file.
    """
    kind, url = reference
    start, slashes, rest = url.partition('//')
    if not slashes:
        start, slashes, rest = url.partition(':')
    if kind == 'database' and _is_sqlite(url) and '@' not in rest:
        return f'{start}{slashes}{rest.partition("?")[0]}'
    netloc, *tail = _END_OF_NETLOC.split(rest, maxsplit=1)
    hosts = [each.rpartition('@') for each in netloc.split(',')]
    if '@' in ''.join(tail) or not all(
        _HOST_AND_PORT.fullmatch(host) for _, _, host in hosts
    ):
        # Credentials with such characters end where each reader finds that
        # they do.
        netloc = _END_OF_NETLOC.split(rest.rpartition('@')[2], maxsplit=1)[0]
        if kind == 'endpoint' or not _HOST_AND_PORT.fullmatch(netloc):
            netloc = ''
        hosts = [('', '@', netloc)]
    masked = ','.join(f'{"***@" if at else ""}{host}' for _, at, host in hosts)
    return f'{start}{slashes}{masked}'.removeprefix('//')


def _is_sqlite(url: str) -> bool:
    """Whether a database is one of sqlite."""
    return _family(_scheme(url)) == 'sqlite'


def _scheme(url: str) -> str:
    return url.partition(':')[0]


def _family(scheme: str) -> str:
    # What follows a plus is a driver or a protocol.
    return scheme.partition('+')[0].lower()


def _host(url: str) -> str:
    # Not as urlsplit does it, which refuses some that others do not.
    netloc = _END_OF_NETLOC.split(url.partition('//')[2], maxsplit=1)[0]
    host = netloc.rpartition('@')[2]
    if host.startswith('['):
        host = host[1:].partition(']')[0]
    else:
        host = host.partition(':')[0]
    return host.rstrip('.').lower()


def _is_test_host(host: str) -> bool:
    found = address(host)
    if found is not None:
        return (
            found.is_loopback
            or found.is_unspecified
            or any(found in network for network in _DOCUMENTATION)
        )
    return (
        # Such names are made up, or resolved where this machine is.
        '.' not in host
        or endpoints.is_loopback(host)
        or host == 'localhost.localdomain'
        or is_reserved_name(host)
        or bool(_TEMPLATE.search(host))
    )


def _is_allowed(host: str, allowed: Iterable[str]) -> bool:
    found = address(host)
    for entry in allowed:
        if found is None:
            if host == entry.rstrip('.').lower():
                return True
        else:
            try:
                if found in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
    return False


@functools.cache
def this_machine() -> frozenset[str]:
    """Return the name and the address of this machine."""
    # Neither asks a name server.
    return frozenset(
        [
            socket.gethostname().rstrip('.').lower(),
            netutils.get_my_ipv4(),
        ]
    )


def _database_file(url: str) -> str | None:
    """Return where a database of sqlite is; empty if that is in memory.

    None for any other database.
    """
    location, _, query = url.partition('://')[2].partition('?')
    host, _, path = location.partition('/')
    if not _is_sqlite(url) or host.rpartition('@')[2]:
        return None
    parameters = parse.parse_qs(query)
    is_uri = parameters.get('uri', [''])[-1].lower() in _TRUE
    if is_uri and path.startswith('file:'):
        if parameters.get('mode') == ['memory']:
            return ''
        path = parse.unquote(path.removeprefix('file:'))
        path = re.sub('^//(localhost)?/', '/', path)
    return '' if path == ':memory:' else path


def _is_temporary(path: str) -> bool:
    inside = os.path.realpath(tempfile.gettempdir())
    if inside.startswith(_TEMPORARY + os.sep):
        # What was made before the directory was nested deeper is there too.
        name = inside.removeprefix(_TEMPORARY + os.sep).partition(os.sep)[0]
        inside = os.path.join(_TEMPORARY, name)
    resolved = os.path.realpath(path)
    return resolved.startswith(inside + os.sep) or temporary.is_temporary(
        resolved
    )
