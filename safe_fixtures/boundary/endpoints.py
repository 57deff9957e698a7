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

"""Which endpoints are the test's own."""

import collections
from collections.abc import Callable, Iterable
import ipaddress
import re
import sys
from typing import Any
from urllib import parse

from safe_fixtures.runtime import patching
from safe_fixtures.runtime import values

__all__ = [
    'Hosts',
    'is_intercepted',
    'is_loopback',
    'is_loopback_url',
    'is_test_endpoint',
    'note_interceptions',
    'was_intercepted',
]

# Bound at import, so that a test that patches them changes nothing here.
_ip_address = ipaddress.ip_address
_ip_network = ipaddress.ip_network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_DEFAULT_PORTS = {'http': 80, 'https': 443}
_INTERCEPT = 'wsgi_intercept'
# A name that nobody gives to a machine, unlike any other: it is made up for
# an interception.
_MADE_UP = re.compile('[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}')
# The last ones; a test makes a few.
_noted = collections.deque[tuple[str, str]](maxlen=10_000)


class Hosts:
    """A set of hosts.

    :param entries: names, addresses and networks (iterable of str).
    :ivar names: the names, without a dot at the end (set of str).
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self.names = set()
        self._networks = []
        for entry in entries:
            try:
                network = _ip_network(entry, strict=False)
                self._networks.append(network)
            except ValueError:
                self.names.add(canonical(entry))

    def has_address(self, address: Address | None) -> bool:
        """Whether it has an address; False for None."""
        return address is not None and any(
            address in network for network in self._networks
        )


def canonical(name: str) -> str:
    """Return the name of a host as it is compared."""
    return name.rstrip('.').lower()


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine's loopback, by name or address."""
    if host == 'localhost' or host.endswith('.localhost'):
        return True
    try:
        return _ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_url(url: str) -> bool:
    """Whether the host of *url* is this machine's loopback."""
    return is_loopback(_address(url)[0])


def is_intercepted(url: str) -> bool:
    """Whether an interception in this process serves *url*."""
    # If nobody has imported it, nothing is intercepted.
    intercept = sys.modules.get(_INTERCEPT)
    return intercept is not None and _address(url) in intercept._wsgi_intercept


def note_interceptions() -> Callable[[], None]:
    """Note which made-up hosts are intercepted, now and from now on.

    :returns: a callable that stops noting; the notes stay.
    """

    def note(host: Any, port: Any, *_: Any, **__: Any) -> None:
        if not (values.is_text(host) and values.is_number(port)):
            return
        name, number = canonical(values.text(host)), values.number(port)
        if _MADE_UP.fullmatch(name) and 0 < number < 1 << 16:
            _noted.append((name, str(number)))

    def patch(module: Any) -> Callable[[], None]:
        for host, port in list(module._wsgi_intercept):
            note(host, port)
        return patching.call_before(module, 'add_wsgi_intercept', note)

    return patching.patch_when_imported(_INTERCEPT, patch)


def was_intercepted(host: str, port: str) -> bool:
    """Whether an interception has served a host, which has a made-up name.

    Such a name is a uuid, as ``wsgi_intercept`` makes them up. Only an
    interception that :func:`note_interceptions` saw counts, whether it has
    ended or not.

    :param port: its number; empty for any.
    """
    name = canonical(host)
    return bool(_MADE_UP.fullmatch(name)) and any(
        name == noted and port in ('', noted_port)
        # Others may note one meanwhile.
        for noted, noted_port in tuple(_noted)
    )


def is_test_endpoint(url: str, allowed: Iterable[str] = ()) -> bool:
    """Whether requests to *url* stay within the test.

    They do if an interception in this process serves it, if its host is
    loopback, or if it is one of *allowed*.

    :param url: any URL of the endpoint (str).
    :param allowed: hosts, ``host:port`` pairs or URL prefixes.
    """
    host, port = _address(url)
    return bool(host) and (
        is_intercepted(url)
        or is_loopback(host)
        or any(_covers(entry, url, host, port) for entry in allowed)
    )


def _address(url: str) -> tuple[str, int | None]:
    # Readers that take a backslash for a slash find another host.
    if '\\' in url:
        return '', None
    try:
        parts = parse.urlsplit(url)
        port = parts.port
    except ValueError:
        return '', None
    return parts.hostname or '', port or _DEFAULT_PORTS.get(parts.scheme)


def _covers(entry: str, url: str, host: str, port: int | None) -> bool:
    if '://' in entry:
        wanted, given = parse.urlsplit(entry), parse.urlsplit(url)
        path = wanted.path.rstrip('/') + '/'
        return (
            wanted.scheme == given.scheme
            and _address(entry) == (host, port)
            and (given.path + '/').startswith(path)
        )
    return entry.lower() in (host, f'{host}:{port}')
