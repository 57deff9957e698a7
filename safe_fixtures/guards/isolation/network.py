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

"""Check what a test reaches over the network (SF401)."""

from collections.abc import Callable, Collection, Iterable
import contextlib
import socket
import sys
from typing import Any

from safe_fixtures.boundary import endpoints
from safe_fixtures.boundary import references
from safe_fixtures.guards.isolation import check
from safe_fixtures.guards.isolation import sockets
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import values

__all__ = ['Network', 'report_eventlet_lookups']

# Bound at import, so that a test that patches them changes nothing here.
_gaierror, _EAI_NONAME = socket.gaierror, socket.EAI_NONAME
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
# Connecting a UDP socket to one of these finds this machine's own address.
_PROBED = endpoints.Hosts(['192.0.2.0/24', '2001:db8::/32'])
_TRANSFERS = (
    'socket.connect', 'socket.sendto', 'socket.sendmsg', sockets.SEND,
)  # fmt: skip
_LOOKUPS_OF_NAMES = ('socket.getaddrinfo', 'socket.gethostbyname')
_LOOKUPS_OF_ADDRESSES = ('socket.gethostbyaddr', 'socket.getnameinfo')


class Network(check.Check):
    """Finds what reaches beyond this machine.

    :param allowed: host names, addresses and networks besides loopback.
    """

    events: Collection[str] = (
        _TRANSFERS + _LOOKUPS_OF_NAMES + _LOOKUPS_OF_ADDRESSES
    )

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = endpoints.Hosts(allowed)
        self._resolved: set[endpoints.Address] = set()

    def on_event(self, event: str, args: check.Args) -> check.Finding | None:
        """See ``check.Check``."""
        if event in _TRANSFERS:
            return self._check_transfer(event, *args)
        if event == 'socket.getnameinfo':
            host, port = tuple.__getitem__(args[0], slice(2))
        else:
            host = args[0]
            port = args[1] if event == 'socket.getaddrinfo' else None
        if host is None:
            return None
        host = _text(host)
        if event in _LOOKUPS_OF_NAMES and references.address(host) is not None:
            # An address is not looked up. To connect to it is checked then.
            return None
        return None if self._allows(host) else _finding(event, host, port)

    def _check_transfer(
        self, event: str, endpoint: Any, address: Any
    ) -> check.Finding | None:
        family = sockets.family(endpoint)
        if family in _LOCAL_FAMILIES:
            return None
        if address is None:
            # The peer of a stream was checked on connect, but not every one
            # of the others: that only asked for this machine's address.
            if sockets.is_stream(endpoint):
                return None
            address = sockets.peer(endpoint)
            if address is None:
                return None
        if family not in (socket.AF_INET, socket.AF_INET6):
            return _finding(event, str(address), None)
        # As C does, which asks no method of a subclass.
        host, port = tuple.__getitem__(address, slice(2))
        host = _text(host)
        is_probe = (
            event == 'socket.connect'
            and sockets.kind(endpoint) == socket.SOCK_DGRAM
            and _PROBED.has_address(references.address(host))
        )
        # In this order: the latter may look up names.
        if is_probe or self._allows(host):
            return None
        return _finding(event, host, port)

    def _allows(self, host: str) -> bool:
        address = references.address(host)
        if address is None:
            name = endpoints.canonical(host)
            return (
                name in _LOCAL_NAMES
                or name.endswith('.localhost')
                or name in self._allowed.names
                or name == endpoints.canonical(socket.gethostname())
            )
        return (
            address.is_loopback
            # To connect to the wildcard address is to connect to this machine.
            or address.is_unspecified
            or str(address) in references.this_machine()
            or self._allowed.has_address(address)
            or self._is_of_allowed_name(address)
        )

    def _is_of_allowed_name(self, address: endpoints.Address) -> bool:
        # Whoever connects has looked up the name before, in its own way, and
        # the next answer may differ. So all answers are kept.
        if address not in self._resolved:
            for name in self._allowed.names:
                with contextlib.suppress(OSError):
                    for info in socket.getaddrinfo(name, None):
                        found = references.address(str(info[4][0]))
                        if found is not None:
                            self._resolved.add(found)
        return address in self._resolved


def report_eventlet_lookups() -> Callable[[], None]:
    """Report the look-ups that eventlet makes by itself.

    It asks name servers. When it is refused to reach one, it asks again.

    :returns: a callable that ends it.
    """

    def look(proxy: Any, qname: Any, *_: Any, **__: Any) -> None:
        if qname is not None:
            name = qname if isinstance(qname, bytes) else str(qname)
            sys.audit('socket.gethostbyname', name)

    return patching.patch_when_imported(
        'eventlet.support.greendns',
        lambda dns: patching.call_before(dns.ResolverProxy, 'query', look),
    )


def _finding(event: str, host: str, port: Any) -> check.Finding:
    place = host
    if port not in (None, '', b'', 0):
        place = f'[{host}]' if ':' in host else host
        place += f':{_text(port)}'
    what = event.rpartition('.')[2]
    link = 'to' if event in _TRANSFERS else 'of'
    message = f'{what} {link} {place}'
    number = '' if port is None else _text(port)
    if event in _LOOKUPS_OF_NAMES and endpoints.was_intercepted(host, number):
        # What the test has started, and is still at work, calls a service
        # that it has stopped. Nothing has that name.
        gone = _gaierror(_EAI_NONAME, f'no such host: {host}')
        return check.Finding('SF401', message, place, gone, False)
    return check.Finding('SF401', message, place)


def _text(value: Any) -> str:
    if values.is_number(value):
        return str(values.number(value))
    try:
        return values.text(value)
    except TypeError:
        return str(value)
