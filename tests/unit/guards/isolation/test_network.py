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

"""Ways to the network, each tried in an inner test run (SF401)."""

import asyncio
from concurrent import futures
import contextlib
import enum
from http import client
import smtplib
import socket
from socket import create_connection
from socket import getaddrinfo
from socket import socket as early_bound
import socketserver
import tempfile
import threading
from unittest import mock
import urllib.request
import xmlrpc.client

import _socket

import testtools

from safe_fixtures.guards import isolation
from tests.support import base

# Reserved for documentation: nobody answers there, if it were let through.
HOST = '198.51.100.7'
HOST6 = '2001:db8::7'
ADDRESS = (HOST, 4433)
# Connecting to it finds the address of this machine, and is no violation.
PROBED = ('192.0.2.1', 9)


def datagram():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def closing(endpoint, use):
    with contextlib.closing(endpoint):
        return use(endpoint)


def in_thread(function):
    def way():
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()

    return way


def in_executor(function):
    with futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result()


def swallowed(function):
    def way():
        with contextlib.suppress(BaseException):
            function()

    return way


async def asyncio_connect():
    await asyncio.open_connection(*ADDRESS)


async def asyncio_datagram():
    await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=ADDRESS
    )


def asyncio_lookup():
    asyncio.run(_lookup())


async def _lookup():
    await asyncio.get_running_loop().getaddrinfo('db.example.org', 80)


def connect():
    closing(socket.socket(), lambda s: s.connect(ADDRESS))


class Place(str, enum.Enum):
    HOST = HOST
    LOOPBACK = '127.0.0.1'


class Port(enum.IntEnum):
    NOBODY = 1


class Claiming(str):
    """A host that says that it is another one."""

    def __str__(self):
        return '127.0.0.1'

    __repr__ = __str__

    def partition(self, _):
        return '127.0.0.1', '', ''

    def lower(self):
        return 'localhost'

    rstrip = __format__ = lambda self, _: 'localhost'


class ClaimingBytes(bytes):
    def decode(self, *_):
        return '127.0.0.1'


class ClaimingAddress(tuple):
    def __getitem__(self, key):
        return ('127.0.0.1', 1)[key]

    def __iter__(self):
        return iter(('127.0.0.1', 1))


class ClaimingSocket(socket.socket):
    family = type = property(lambda self: socket.AF_UNIX)


def has_route():
    """Whether a datagram socket can be connected to another host."""
    with datagram() as endpoint:
        try:
            endpoint.connect(PROBED)
        except OSError:
            return False
    return True


routed = testtools.skipUnless(has_route(), 'no route to other hosts')


def send_to_the_probed_network(send):
    def way():
        with datagram() as endpoint:
            endpoint.connect(PROBED)
            send(endpoint)

    return way


# Whatever is reached this way must be refused.
WAYS = {
    'enum': lambda: closing(
        socket.socket(), lambda s: s.connect((Place.HOST, Port.NOBODY))
    ),
    'claiming': lambda: closing(
        socket.socket(), lambda s: s.connect((Claiming(HOST), 1))
    ),
    'claiming_bytes': lambda: closing(
        socket.socket(),
        lambda s: s.connect((ClaimingBytes(HOST.encode()), 1)),
    ),
    'bytearray': lambda: closing(
        socket.socket(), lambda s: s.connect((bytearray(HOST.encode()), 1))
    ),
    'claiming_address': lambda: closing(
        socket.socket(), lambda s: s.connect(ClaimingAddress((HOST, 1)))
    ),
    'claiming_socket': lambda: closing(
        ClaimingSocket(), lambda s: s.connect(ADDRESS)
    ),
    'claiming_lookup': lambda: socket.getaddrinfo(
        Claiming('db.example.org'), 1
    ),
    'multicast': lambda: closing(
        datagram(), lambda s: s.sendto(b'x', ('224.0.0.251', 5353))
    ),
    'connect': connect,
    'early_bound': lambda: closing(
        early_bound(), lambda s: s.connect(ADDRESS)
    ),
    'early_bound_create_connection': lambda: create_connection(ADDRESS),
    'underscore_socket': lambda: closing(
        _socket.socket(), lambda s: s.connect(ADDRESS)
    ),
    'connect_ex': lambda: closing(
        socket.socket(), lambda s: s.connect_ex(ADDRESS)
    ),
    'not_blocking': lambda: closing(
        socket.socket(), lambda s: (s.setblocking(False), s.connect(ADDRESS))
    ),
    'subclass': lambda: closing(
        type('Mine', (socket.socket,), {})(), lambda s: s.connect(ADDRESS)
    ),
    'ipv6': lambda: closing(
        socket.socket(socket.AF_INET6), lambda s: s.connect((HOST6, 80))
    ),
    'mapped_address': lambda: closing(
        socket.socket(socket.AF_INET6),
        lambda s: s.connect((f'::ffff:{HOST}', 80)),
    ),
    'datagram_connect': lambda: closing(
        datagram(), lambda s: s.connect(ADDRESS)
    ),
    'datagram_sendto': lambda: closing(
        datagram(), lambda s: s.sendto(b'x', ADDRESS)
    ),
    'datagram_sendmsg': lambda: closing(
        datagram(), lambda s: s.sendmsg([b'x'], [], 0, ADDRESS)
    ),
    'datagram_to_the_probed_network': lambda: closing(
        datagram(), lambda s: s.sendto(b'x', ('192.0.2.1', 80))
    ),
    'stream_to_the_probed_network': lambda: closing(
        socket.socket(), lambda s: s.connect(('192.0.2.1', 80))
    ),
    'broadcast': lambda: closing(
        datagram(), lambda s: s.sendto(b'x', ('255.255.255.255', 67))
    ),
    'getaddrinfo': lambda: socket.getaddrinfo('db.example.org', 3306),
    'getaddrinfo_early_bound': lambda: getaddrinfo('db.example.org', None),
    'getaddrinfo_of_bytes': lambda: socket.getaddrinfo(b'db.example.org', 1),
    'gethostbyname': lambda: socket.gethostbyname('db.example.org'),
    'gethostbyname_ex': lambda: socket.gethostbyname_ex('db.example.org'),
    'gethostbyaddr': lambda: socket.gethostbyaddr(HOST),
    'getnameinfo': lambda: socket.getnameinfo(ADDRESS, 0),
    'localhost_of_somebody': lambda: socket.getaddrinfo(
        'localhost.example.org', 80
    ),
    'http_client': lambda: client.HTTPConnection(HOST, timeout=1).request(
        'GET', '/'
    ),
    'urllib': lambda: urllib.request.build_opener(
        urllib.request.ProxyHandler({})
    ).open(f'http://{HOST}/', timeout=1),
    'smtplib': lambda: smtplib.SMTP(HOST, timeout=1),
    'xmlrpc': lambda: xmlrpc.client.ServerProxy(f'http://{HOST}/').x(),
    'asyncio': lambda: asyncio.run(asyncio_connect()),
    'asyncio_datagram': lambda: asyncio.run(asyncio_datagram()),
    'asyncio_lookup': asyncio_lookup,
    'executor': lambda: in_executor(connect),
    'thread_that_swallows': in_thread(swallowed(connect)),
    'swallowed': swallowed(connect),
    'cleaned_up': None,
}


# The same, after what finds this machine's own address.
PROBED_WAYS = {
    'send': send_to_the_probed_network(lambda s: s.send(b'x')),
    'sendall': send_to_the_probed_network(lambda s: s.sendall(b'x')),
    'sendmsg': send_to_the_probed_network(lambda s: s.sendmsg([b'x'])),
    'file': send_to_the_probed_network(
        lambda s: s.makefile('wb', buffering=0).write(b'x')
    ),
    'duplicate': send_to_the_probed_network(
        lambda s: closing(s.dup(), lambda copy: copy.send(b'x'))
    ),
    'send_swallowed': swallowed(
        send_to_the_probed_network(lambda s: s.send(b'x'))
    ),
}


def loopback():
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b'here')

    with socketserver.TCPServer(('127.0.0.1', 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with socket.create_connection(server.server_address) as connection:
            assert connection.recv(4) == b'here'
        thread.join()


def unix_socket():
    with tempfile.TemporaryDirectory() as directory:
        path = f'{directory}/socket'
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)


def pair():
    one, two = socket.socketpair()
    with one, two:
        one.sendmsg([b'x'])
        assert two.recv(1) == b'x'


async def asyncio_loopback():
    server = await asyncio.start_server(lambda r, w: w.close(), '127.0.0.1')
    async with server:
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname()
        )
        assert await reader.read() == b''
        writer.close()


def refused(*address):
    """Connect to where nobody listens, which is not the guard's business."""
    family = socket.AF_INET6 if '::' in str(address[0]) else socket.AF_INET
    with socket.socket(family) as endpoint:
        with contextlib.suppress(ConnectionRefusedError, OSError):
            endpoint.connect(address)


def reconnected(endpoint):
    endpoint.connect(PROBED)
    endpoint.getsockname()
    endpoint.connect(('127.0.0.1', 9))
    endpoint.send(b'x')


def datagrams():
    with datagram() as server, datagram() as endpoint:
        server.bind(('127.0.0.1', 0))
        endpoint.connect(server.getsockname())
        endpoint.send(b'a')
        endpoint.sendmsg([b'b'])
        endpoint.sendall(b'c')
        assert [server.recv(1) for _ in 'abc'] == [b'a', b'b', b'c']


# None of this leads anywhere.
TWINS = {
    'loopback': loopback,
    'loopback6': lambda: refused('::1', 1),
    'short_form_of_loopback': lambda: refused('127.1', 1),
    'mapped_loopback': lambda: refused('::ffff:127.0.0.1', 1),
    'localhost': lambda: refused('localhost', 1),
    'wildcard': lambda: refused('0.0.0.0', 1),
    'unix_socket': unix_socket,
    'pair': pair,
    'asyncio_loopback': lambda: asyncio.run(asyncio_loopback()),
    'datagrams': datagrams,
    'enum': lambda: refused(Place.LOOPBACK, Port.NOBODY),
    'bytearray': lambda: refused(bytearray(b'127.0.0.1'), 1),
    'bind': lambda: closing(socket.socket(), lambda s: s.bind(('', 0))),
    'lookup_of_nothing': lambda: socket.getaddrinfo(None, 80),
    'lookup_of_localhost': lambda: socket.getaddrinfo('LOCALHOST', 80),
    'lookup_of_an_address': lambda: socket.getaddrinfo(HOST, 80),
    'own_name': socket.getfqdn,
}


PROBED_TWINS = {
    'what_finds_the_own_address': lambda: closing(
        datagram(), lambda s: s.connect(('192.0.2.0', 80))
    ),
    'what_finds_the_own_address_and_moves_on': lambda: closing(
        datagram(), reconnected
    ),
}


def case_of(way, **arguments):
    class Case(testtools.TestCase):
        def test(self):
            self.useFixture(isolation.IsolationGuard(**arguments))
            if way is None:
                self.addCleanup(connect)
            else:
                way()

        test_way = test
        del test

    return Case


class TestSends(base.TestCase):
    """What was connected before the guard was there."""

    @routed
    def test_connected_before(self):
        self.configure(mode='enforce')
        endpoint = datagram()
        self.addCleanup(endpoint.close)
        endpoint.connect(ADDRESS)
        self.assertFails(
            case_of(lambda: endpoint.send(b'x')),
            f'SF401 (CWE-668): send to {HOST}:4433',
        )

    def test_restored(self):
        before = dict(vars(socket.socket))
        self.assertPasses(case_of(lambda: None))
        self.assertEqual(before, dict(vars(socket.socket)))


class TestWays(base.TestCase):
    def setUp(self):
        super().setUp()
        self.configure(mode='enforce')

    def test_each_is_refused(self):
        self.assertRefused(WAYS)

    @routed
    def test_each_is_refused_after_a_probe(self):
        self.assertRefused(PROBED_WAYS)

    def assertRefused(self, ways):
        # An error of the way itself would be a second failure.
        for name, way in ways.items():
            with self.subTest(name):
                result = self.run_inner(case_of(way))
                texts = base.problems(result)
                self.assertTrue(texts, f'{name} got through')
                said = [text for text in texts if 'SF401 (CWE-668)' in text]
                self.assertEqual(texts, said, name)
                self.assertIn('test_network.py', texts[0])
                self.assertIn('Case.test_way', texts[0])

    def test_nothing_else_is(self):
        for name, way in TWINS.items():
            with self.subTest(name):
                self.assertPasses(case_of(way))

    @routed
    def test_probes_are_not(self):
        for name, way in PROBED_TWINS.items():
            with self.subTest(name):
                self.assertPasses(case_of(way))

    def test_switched_off(self):
        def way():
            with contextlib.suppress(OSError):
                socket.getaddrinfo('nobody.invalid', 1)

        self.assertFails(case_of(way), 'getaddrinfo of nobody.invalid:1')
        self.assertPasses(case_of(way, network=False))
        self.configure(rule_modes='SF401:off')
        self.assertPasses(case_of(way))

    def test_recorded_only(self):
        def way():
            # There may be no route.
            with datagram() as endpoint, contextlib.suppress(OSError):
                endpoint.connect(ADDRESS)

        self.assertFails(case_of(way), f'connect to {HOST}:4433')
        self.configure(rule_modes='SF401:audit')
        self.assertPasses(case_of(way))


class TestAllowed(base.TestCase):
    def connect(self, host, **arguments):
        def way():
            # There may be no route.
            with datagram() as endpoint, contextlib.suppress(OSError):
                endpoint.connect((host, 9))

        return case_of(way, **arguments)

    def test_address(self):
        self.assertPasses(self.connect(HOST, allowed_hosts=[HOST]))
        self.assertFails(
            self.connect('198.51.100.8', allowed_hosts=[HOST]), 'SF401'
        )

    def test_network(self):
        self.assertPasses(self.connect(HOST, allowed_hosts=['198.51.0.0/16']))
        self.assertFails(
            self.connect(HOST, allowed_hosts=['198.52.0.0/16']), 'SF401'
        )

    def test_option(self):
        self.configure(allowed_hosts=HOST)
        self.assertPasses(self.connect(HOST))
        # What is given goes before it.
        self.assertFails(self.connect(HOST, allowed_hosts=[]), 'SF401')

    def test_name(self):
        def way():
            with contextlib.suppress(OSError):
                socket.getaddrinfo('Nobody.Invalid.', 1)

        self.assertPasses(case_of(way, allowed_hosts=['nobody.invalid']))
        self.assertFails(
            case_of(way, allowed_hosts=['other.invalid']), 'SF401'
        )

    def test_what_an_allowed_name_stands_for(self):
        # As whoever connects has it from a lookup of his own.
        name = socket.gethostname()
        address = socket.getaddrinfo(name, 9, type=socket.SOCK_DGRAM)[0][4][0]
        self.assertPasses(self.connect(address, allowed_hosts=[name]))

    def test_own_address_is_found_without_a_lookup(self):
        with mock.patch('socket.getaddrinfo', autospec=True) as lookup:
            self.assertPasses(
                self.connect('192.0.2.0', allowed_hosts=['nobody.invalid'])
            )
        lookup.assert_not_called()

    def test_nonsense(self):
        for entry in ('http://db', 'db:80', '*', 'a..b', '', '10.0.0.0/40'):
            with self.subTest(entry=entry):
                self.assertFails(
                    self.connect(HOST, allowed_hosts=[entry]),
                    f'allowed_hosts = [{entry!r}] is refused',
                )
        self.assertFails(
            self.connect(HOST, allowed_hosts='db'), "allowed_hosts = 'db'"
        )
        self.assertFails(self.connect(HOST, allowed_hosts=[1]), '= [1] is')
