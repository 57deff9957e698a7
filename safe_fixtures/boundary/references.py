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

"""Which databases, message buses, endpoints and hosts are the test's own."""

from collections.abc import Iterable
import functools
import ipaddress
import re
import socket
from typing import NamedTuple
from urllib import parse

from oslo_utils import netutils

from safe_fixtures.boundary import endpoints
from safe_fixtures.boundary import paths
from safe_fixtures.boundary import temporary

__all__ = ['Reference', 'leads_outside', 'shown', 'urls_in']

# Bound at import, so that a test that patches them changes nothing here.
_ip_address = ipaddress.ip_address

# With a scheme, or relative to the scheme of a page.
_URL_START = re.compile(
    r'[a-z][a-z0-9+.-]*://|(?<![\w:/])//(?=\w)', re.IGNORECASE
)
_URL_END = re.compile(r'[\s\'"<>,]')
# RFC 2606 and RFC 6761: names that lead nowhere.
_RESERVED_NAMES = re.compile(
    r'(?:.*\.)?(?:example(?:\.(?:com|net|org))?|test|invalid)', re.IGNORECASE
)
# RFC 5737 and RFC 3849.
_DOCUMENTATION = endpoints.Hosts(
    ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32']
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
# Of kombu, these are buses of this process: the first whatever its hosts are,
# the others without a file.
_IN_MEMORY = 'kombu+memory'
_IN_DATABASE = frozenset(['kombu+sqla+sqlite', 'kombu+sqlalchemy+sqlite'])
# A template leads nowhere until it is filled in.
_TEMPLATE = re.compile(r'%[(sd]|[{}$<>]')
_HOST_AND_PORT = re.compile(
    r'(?:\[[0-9a-f:.%]+\]|[\w.-]*)(?::[0-9]*)?', re.IGNORECASE
)
_END_OF_NETLOC = re.compile('[/?#]')
# The database server for tests, the same in all of OpenStack's projects. Other
# parameters could name another host.
_FOR_TESTS = re.compile(
    r'[\w+]+://openstack_citest(?::[^@/?#]*)?@'
    r'(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?'
    r'(?:/\w*)?(?:\?charset=\w+)?'
)
_TRUE = frozenset(['1', 'on', 't', 'true', 'y', 'yes'])
# The databases that were new files when they were first connected to.
_made_here: set[str] = set()


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

    A database is the test's own if it is in memory or in a temporary
    directory, or on this machine and of the user that OpenStack's projects
    have for tests; a transport, if it is fake; an endpoint, if it is
    intercepted or allowed, or if its host is this machine, a reserved name,
    an address for documentation, or a name without a dot.

    :param allowed: hosts, ``host:port`` pairs, networks or URL prefixes of
        endpoints.
    :param own: hosts that a reference without a scheme may lead to.
    """
    kind, url = reference
    if not may_lead_outside(reference):
        return False
    if kind == 'database':
        path = _database_file(url)
        if path is None:
            # oslo.db tests migrations there, or skips them if it is absent.
            return not _FOR_TESTS.fullmatch(url)
        return not temporary.is_own(_resolved(path))
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
    """Whether a database is a new SQLite file with a relative path.

    It is the test's own, too. Where the file is, SF405 checks.
    """
    path = _database_file(url)
    if not path or path.startswith('/'):
        return False
    path = _resolved(path)
    if not paths.exists(path):
        _made_here.add(path)
    return path in _made_here


def _resolved(path: str) -> str:
    return paths.resolve(paths.absolute(path) or '/')


def may_lead_outside(reference: Reference) -> bool:
    """Whether a reference leads outside at some time, in some test."""
    kind, url = reference
    if kind == 'database':
        return _database_file(url) != ''
    if kind == 'transport':
        return not _is_fake_transport(url)
    # Readers that take a backslash for a slash find another host.
    return '\\' in url or not _is_test_host(_host(url))


def _is_fake_transport(url: str) -> bool:
    scheme, _, rest = url.partition(':')
    scheme = scheme.lower()
    if scheme == _IN_MEMORY:
        # kombu goes on to another URL if there is one.
        return '://' not in rest
    if scheme in _IN_DATABASE:
        return not rest.strip('/')
    return family(url) in _FAKE_TRANSPORTS


def family(url: str) -> str:
    """Return the scheme of a URL without the driver or protocol in it."""
    return url.partition(':')[0].partition('+')[0].lower()


def kind_of(url: str) -> str:
    """Return ``database``, ``transport`` or ``endpoint``, by the scheme."""
    if family(url) in _DIALECTS:
        return 'database'
    return 'transport' if family(url) in _TRANSPORTS else 'endpoint'


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


def address(host: str) -> endpoints.Address | None:
    """Return the address that *host* is, None if it is a name."""
    # The zone is an interface of this machine.
    text = host.partition('%')[0]
    try:
        found: endpoints.Address = _ip_address(text)
    except ValueError:
        try:
            # 127.1, 0x7f000001 and the like, as the C library reads them.
            return ipaddress.IPv4Address(socket.inet_aton(text))
        except (OSError, ValueError):
            return None
    return getattr(found, 'ipv4_mapped', None) or found


def shown(reference: Reference) -> str:
    """Return the part of a reference that can be shown: scheme and hosts.

    The rest may be a secret, such as the path of a web hook. Of sqlite, which
    has no host, the file is shown.
    """
    kind, url = reference
    start, slashes, rest = url.partition('//')
    if not slashes:
        start, slashes, rest = url.partition(':')
    if kind == 'database' and family(url) == 'sqlite' and '@' not in rest:
        return f'{start}{slashes}{rest.partition("?")[0]}'
    netloc, *tail = _END_OF_NETLOC.split(rest, maxsplit=1)
    hosts = [each.rpartition('@') for each in netloc.split(',')]
    if '@' in ''.join(tail) or not all(
        _HOST_AND_PORT.fullmatch(host) for _, _, host in hosts
    ):
        # Readers differ about where credentials with such characters end.
        netloc = _END_OF_NETLOC.split(rest.rpartition('@')[2], maxsplit=1)[0]
        if kind == 'endpoint' or not _HOST_AND_PORT.fullmatch(netloc):
            netloc = ''
        hosts = [('', '@', netloc)]
    masked = ','.join(f'{"***@" if at else ""}{host}' for _, at, host in hosts)
    return f'{start}{slashes}{masked}'.removeprefix('//')


def _host(url: str) -> str:
    # Not by urlsplit: it refuses some URLs that others accept.
    netloc = _END_OF_NETLOC.split(url.partition('//')[2], maxsplit=1)[0]
    host = netloc.rpartition('@')[2]
    if host.startswith('['):
        host = host[1:].partition(']')[0]
    else:
        host = host.partition(':')[0]
    return endpoints.canonical(host)


def _is_test_host(host: str) -> bool:
    found = address(host)
    if found is not None:
        return (
            found.is_loopback
            or found.is_unspecified
            or _DOCUMENTATION.has_address(found)
        )
    return (
        # A name without a dot is made up, or local.
        '.' not in host
        or endpoints.is_loopback(host)
        or host == 'localhost.localdomain'
        or is_reserved_name(host)
        or bool(_TEMPLATE.search(host))
    )


def _is_allowed(host: str, allowed: Iterable[str]) -> bool:
    found = address(host)
    hosts = endpoints.Hosts(allowed)
    return hosts.has_address(found) if found else host in hosts.names


@functools.cache
def this_machine() -> frozenset[str]:
    """Return the name and the address of this machine."""
    # Neither asks a name server.
    return frozenset(
        [endpoints.canonical(socket.gethostname()), netutils.get_my_ipv4()]
    )


def _database_file(url: str) -> str | None:
    """Return the file of an SQLite database; empty if it is in memory.

    :returns: None for any other database.
    """
    location, _, query = url.partition('://')[2].partition('?')
    host, _, path = location.partition('/')
    if family(url) != 'sqlite' or host.rpartition('@')[2]:
        return None
    parameters = parse.parse_qs(query)
    is_uri = parameters.get('uri', [''])[-1].lower() in _TRUE
    if is_uri and path.startswith('file:'):
        if parameters.get('mode') == ['memory']:
            return ''
        path = parse.unquote(path.removeprefix('file:'))
        path = re.sub('^//(localhost)?/', '/', path)
    return '' if path == ':memory:' else path
