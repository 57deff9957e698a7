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

"""The network, as a concern of isolation (SF401)."""

from collections.abc import Callable, Collection, Iterable
import contextlib
import functools
import ipaddress
import socket
import sys
from typing import Any

from safe_fixtures.boundary import references
from safe_fixtures.guards.isolation import concern
from safe_fixtures.runtime import patching

__all__ = ['Network', 'see_unaudited']

_CODE = 'SF401'
# Families that end in this machine's kernel.
_LOCAL_FAMILIES = frozenset(
    getattr(socket, name)
    for name in ('AF_UNIX', 'AF_NETLINK', 'AF_ALG')
    if hasattr(socket, name)
)
_LOCAL_NAMES = frozenset((
    '', 'localhost', 'localhost.localdomain', 'localhost4', 'localhost6',
    'localhost4.localdomain4', 'localhost6.localdomain6', 'ip6-localhost',
    'ip6-loopback',
))  # fmt: skip
# To learn its own address one connects a datagram socket to what is reserved
# for documentation, as oslo.utils does; that sends nothing.
_PROBED = tuple(map(ipaddress.ip_network, ('192.0.2.0/24', '2001:db8::/32')))
_TRANSFERS = ('socket.connect', 'socket.sendto', 'socket.sendmsg')
_LOOKUPS_OF_NAMES = ('socket.getaddrinfo', 'socket.gethostbyname')
_LOOKUPS_OF_ADDRESSES = ('socket.gethostbyaddr', 'socket.getnameinfo')


class Network:
    """Finds what reaches beyond this machine.

    :param allowed: host names, addresses and networks besides loopback.
    """

    events: Collection[str] = (
        _TRANSFERS + _LOOKUPS_OF_NAMES + _LOOKUPS_OF_ADDRESSES
    )

    def __init__(self, allowed: Iterable[str]) -> None:
        self._names = set()
        self._networks = []
        for entry in allowed:
            network = _network(entry)
            if network is None:
                self._names.add(_canonical(entry))
            else:
                self._networks.append(network)
        self._resolved: set[references.Address] = set()

    def judge(
        self, event: str, args: tuple[Any, ...]
    ) -> concern.Finding | None:
        """See ``_concern.Concern``."""
        port = None
        probe = False
        if event in _TRANSFERS:
            endpoint, address = args
            # Where a connected socket leads was judged as it was connected.
            if address is None or endpoint.family in _LOCAL_FAMILIES:
                return None
            if endpoint.family not in (socket.AF_INET, socket.AF_INET6):
                return _finding(event, str(address), None)
            host, port = address[:2]
            probe = event == 'socket.connect' and _is_datagram(endpoint)
        elif event == 'socket.getnameinfo':
            host, port = args[0][:2]
        else:
            host = args[0]
            if event == 'socket.getaddrinfo':
                port = args[1]
        if host is None:
            return None
        host = _text(host)
        if event in _LOOKUPS_OF_NAMES and references.address(host) is not None:
            # That asks nobody; to connect to it is judged then.
            return None
        return (
            None if self._allows(host, probe) else _finding(event, host, port)
        )

    def _allows(self, host: str, probe: bool) -> bool:
        address = references.address(host)
        if address is None:
            name = _canonical(host)
            return (
                name in _LOCAL_NAMES
                or name.endswith('.localhost')
                or name in self._names
                or name == _canonical(socket.gethostname())
            )
        if address.is_loopback or address.is_unspecified:
            # The wildcard address is this machine, as one connects to it.
            return True
        if probe and any(address in network for network in _PROBED):
            return True
        return (
            str(address) in references.this_machine()
            or any(address in network for network in self._networks)
            or self._is_of_a_name(address)
        )

    def _is_of_a_name(self, address: references.Address) -> bool:
        # Whoever connects has looked up the name before, in its own way. The
        # next answer can be another one.
        if self._names and address not in self._resolved:
            for name in self._names:
                with contextlib.suppress(OSError):
                    for info in socket.getaddrinfo(name, None):
                        found = references.address(str(info[4][0]))
                        if found is not None:
                            self._resolved.add(found)
        return address in self._resolved


def see_unaudited() -> Callable[[], None]:
    """Report the look-ups that eventlet makes by itself.

    It asks name servers, whose refusal it takes for a reason to ask again.

    :returns: a callable that ends it.
    """

    def patch(greendns: Any) -> Callable[[], None]:
        original = greendns.ResolverProxy.query

        @functools.wraps(original)
        def query(proxy: Any, qname: Any, *args: Any, **kwargs: Any) -> Any:
            if qname is not None:
                name = qname if isinstance(qname, bytes) else str(qname)
                sys.audit('socket.gethostbyname', name)
            return original(proxy, qname, *args, **kwargs)

        return patching.patch_attribute(greendns.ResolverProxy, 'query', query)

    return patching.patch_when_imported('eventlet.support.greendns', patch)


def _finding(event: str, host: str, port: Any) -> concern.Finding:
    place = host
    if port not in (None, '', b'', 0):
        place = f'[{host}]' if ':' in host else host
        place += f':{_text(port)}'
    what = event.removeprefix('socket.')
    return concern.Finding(
        _CODE,
        f'{what} to {place}' if event in _TRANSFERS else f'{what} of {place}',
        place,
    )


def _text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return value.decode('ascii', 'replace')
    return str(value)


def _is_datagram(endpoint: Any) -> bool:
    # Linux has flags in the type.
    return bool(endpoint.type & 0xF == socket.SOCK_DGRAM)


def _network(
    entry: str,
) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _canonical(name: str) -> str:
    return name.rstrip('.').lower()
