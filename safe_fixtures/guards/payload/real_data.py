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

"""Tell what looks real in a text: secrets, addresses, e-mail domains."""

import binascii
from collections.abc import Iterable, Iterator
import functools
import ipaddress
import json
import re
from typing import NamedTuple
import zlib

from safe_fixtures.boundary import endpoints
from safe_fixtures.boundary import references
from safe_fixtures.redaction import shapes as redaction_shapes

__all__ = ['Allowed', 'Found', 'find', 'unpacked']

# Of four numbers, or of more, as in an OID, all but the first: it is quick to
# look for what begins with a dot. One that is sent to filter by is a regular
# expression, and has them escaped.
_NUMBERS = re.compile(r'\.[0-9]{1,3}(?:\\?\.[0-9]{1,3}){2,}')
_FIRST_NUMBER = re.compile(r'[0-9]{1,3}\\?\Z')
# The same of IPv6. Not of a longer row, such as a fingerprint.
_GROUPS = re.compile(
    r':[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){6}(?!:?[0-9a-fA-F])'
)
_FIRST_GROUP = re.compile(
    r'(?<![0-9a-f]:)(?<![0-9a-f])[0-9a-f]{1,4}\Z', re.IGNORECASE
)
# What is before and after the zeros that are left out.
_V6_HEAD = re.compile(r'[0-9a-f:]*\Z', re.IGNORECASE)
_V6_TAIL = re.compile(r'::[0-9a-f:]*(?:(?:\.[0-9]{1,3}){3})?', re.IGNORECASE)
_LONGEST_V6 = 45
_PREFIX = re.compile(r'/([0-9]{1,3})(?![\w.])')
# What follows the numbers of a version: 1.2.3.4-5ubuntu1, 1.2.3.4rc1, 1.2.3.*
_AFTER_VERSION = re.compile(r'\w|[~+]|-(?![0-9]{1,3}\\?\.[0-9])|\.[0-9*]')
# What goes before them: v1.2.3.4, nova-1.2.3.4, nova==1.2.3.4, version 1.2.3.4
_BEFORE_VERSION = re.compile(r'(?:\w|[.~]|[a-z]-|[=<>!~]=\s?)\Z')
_NO_ADDRESS = re.compile(
    r'(?:version|release|revision|firmware|bios|build|(?:\b|_)(?:ver|oid))s?'
    r'["\']?\s?[:=#]?\s?["\']?\Z',
    re.IGNORECASE,
)
# Whose versions have four numbers: qemu 8.2.2.1, Chrome/120.0.6099.71
_SOFTWARE = re.compile(
    r'\b(?:qemu(?:-kvm)?|kvm|libvirt|xen|esxi?|vcenter|vmware|hyper-?v'
    r'|openvswitch|ovs|ovn|dpdk|linux|kernel|windows|chrom(?:e|ium)|firefox'
    r'|python|nova|openstack)[ /]\Z',
    re.IGNORECASE,
)
# Not a letter that belongs to a word, though it stands before one.
_ESCAPED = re.compile(r'\\[nrt]\Z')
_EMAIL = re.compile(r'[\w+%-]@((?:[\w-]+\.)+[^\W\d_](?:[\w-]*\w))(?![\w@])')
# As scp and git have it.
_REMOTE_PATH = re.compile(r':[\w.~-]*/')
# In one line or in several. Less than that is no base64 of an address.
_BASE64 = re.compile(
    r'[A-Za-z0-9+/]{10,}(?:(?:\r?\n|\\n)[ \t]*[A-Za-z0-9+/]+)*={0,2}'
)
_LINE_BREAKS = re.compile(r'\\n|\s+')
_GZIP = b'\x1f\x8b'
# What an archive of a few bytes can become.
_MOST_UNPACKED = 16 * 1024 * 1024
# Base64 within base64 within base64, and no further.
_DEPTH = 3
# No address and no domain is shorter, and no secret that has a shape.
_SHORTEST = 6
_SHORTEST_SECRET = 16
_KEY_LINES = re.compile(r'[A-Za-z0-9+/]{32,}')
# What a private key in base64 begins with.
_BEGIN_IN_BASE64 = 'LS0t'
# As DER has it: a sequence of the version, and then of the modulus (PKCS 1),
# the algorithm (PKCS 8), the private number (SEC 1), or more (PKCS 12).
_DER_KEY = re.compile(
    rb'\x30(?:[\x20-\x7f]|\x81.|\x82..)\x02\x01'
    rb'(?:\x00(?:\x02[\x40-\x82]|\x30)|\x01\x04[\x14-\x42]|\x03\x30)',
    re.DOTALL,
)
# How many different characters a secret has at least.
_LIVE_VARIETY = 8

_GLOBAL_UNICAST = ipaddress.IPv6Network('2000::/3')
_NAT64 = ipaddress.IPv6Network('64:ff9b::/96')
# RFC 9637, which the standard library does not know everywhere.
_DOCUMENTATION = ipaddress.IPv6Network('3fff::/20')
# What everybody types, and nobody means: Nova's own tests and samples do. A
# resolver such as 1.1.1.1 is none of them.
_MADE_UP = frozenset(['1.2.3.4', '4.3.2.1', '5.6.7.8'])
# Below a top-level domain, such as fake.com; Nova's samples have an address
# at this.nice.domain.com.
_MADE_UP_DOMAINS = frozenset([
    'bar', 'baz', 'bogus', 'domain', 'dummy', 'example', 'fake', 'foo',
    'foobar', 'mydomain', 'nowhere', 'sample', 'somewhere', 'test',
])  # fmt: skip
# A network that is wider stands for a part of the world.
_WIDEST = {4: 8, 6: 16}
# Special-use names (RFC 6761 and others), which no mail is sent to, and what
# is no name: units of systemd (getty@tty1.service), files (logo@2x.png).
_NO_DOMAINS = frozenset([
    'alt', 'arpa', 'internal', 'local', 'localdomain', 'onion',
    'automount', 'device', 'mount', 'path', 'scope', 'service', 'slice',
    'socket', 'swap', 'target', 'timer',
    'conf', 'gif', 'jpeg', 'jpg', 'png', 'svg',
])  # fmt: skip


class Found(NamedTuple):
    """Something that looks real.

    :ivar kind: what it is, such as ``public address`` (str).
    :ivar value: the address or the domain (str); None of a secret.
    :ivar length: how many characters it has (int).
    :ivar encoded: whether it was in base64 (bool).
    """

    kind: str
    value: str | None
    length: int
    encoded: bool = False


class Allowed:
    """What may be there all the same.

    :param hosts: names, addresses and networks (str).
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._names = set()
        self._networks = []
        for entry in hosts:
            try:
                self._networks.append(
                    ipaddress.ip_network(entry, strict=False)
                )
            except ValueError:
                self._names.add(entry.rstrip('.').lower())

    def has_name(self, name: str) -> bool:
        """Whether a domain may be there."""
        return name in self._names

    def has_address(self, text: str) -> bool:
        """Whether an address may be there."""
        if not self._networks:
            return False
        address = ipaddress.ip_address(text)
        return any(address in network for network in self._networks)


def find(text: str, allowed: Allowed, name: str = '') -> Iterator[Found]:
    """Find what looks real in a text, also within base64 in it.

    :param text: any text.
    :param allowed: what may be there.
    :param name: of the field that holds it; that of a version or an OID
        holds no address (str).
    """
    return _find(text, allowed, name, _DEPTH)


def _find(
    text: str, allowed: Allowed, name: str, depth: int
) -> Iterator[Found]:
    if len(text) < _SHORTEST:
        return
    encoded = depth < _DEPTH
    shapes = _live_secrets(text)
    for shape in shapes:
        length = shape.end - shape.start
        in_base64 = encoded or text.startswith(_BEGIN_IN_BASE64, shape.start)
        yield Found(shape.kind, None, length, in_base64)
    if shapes:
        text = _without(text, shapes)
    if '.' in text or ':' in text:
        for address in _addresses(text, name):
            if not allowed.has_address(address.partition('/')[0]):
                yield Found('public address', address, len(address), encoded)
    if '@' in text:
        for domain in _email_domains(text):
            if not allowed.has_name(domain):
                yield Found('e-mail domain', domain, len(domain), encoded)
    if depth:
        for content in _decoded(text):
            if _DER_KEY.match(content):
                yield Found('private key', None, len(content), True)
                continue
            encoding = json.detect_encoding(content)
            if encoding.startswith(('utf-16', 'utf-32')):
                within = content.decode(encoding, 'ignore')
                yield from _find(within, allowed, name, depth - 1)
            try:
                within = content.decode()
            except UnicodeDecodeError as error:
                # What looks like a domain in an image is none. But it may be
                # a text, and then a line that was no base64.
                within = content[: error.start].decode()
                for shape in _live_secrets(content.decode('latin-1')):
                    length = shape.end - shape.start
                    yield Found(shape.kind, None, length, True)
            yield from _find(within, allowed, name, depth - 1)


def _live_secrets(text: str) -> list[redaction_shapes.Shape]:
    """Return the secrets in a text, in order, without mere placeholders."""
    if len(text) < _SHORTEST_SECRET:
        return []
    return sorted(
        (
            shape
            for shape in redaction_shapes.find(text)
            if _looks_live(shape.kind, text[shape.start : shape.end])
        ),
        key=lambda shape: shape.start,
    )


def _looks_live(kind: str, secret: str) -> bool:
    if kind == 'private key':
        # Its first line alone is none.
        lines = _KEY_LINES.search(secret)
        secret = lines[0] if lines else ''
    # AKIAIOSFODNN7EXAMPLE, ghp_xxxxxx and the like.
    return (
        'EXAMPLE' not in secret.upper() and len(set(secret)) >= _LIVE_VARIETY
    )


def _without(text: str, shapes: Iterable[redaction_shapes.Shape]) -> str:
    """Return a text in which secrets, reported by now, are blank."""
    parts = []
    end = 0
    for shape in shapes:
        parts += [text[end : shape.start], ' ']
        end = max(end, shape.end)
    return ''.join([*parts, text[end:]])


def _addresses(text: str, name: str) -> Iterator[str]:
    # Where one of IPv6 ends, maybe with an IPv4 address.
    ends = set()
    for address, end in _v6_in(text):
        ends.add(end)
        if _is_public_v6(address):
            yield from _with_prefix(address, text, end)
    if _NO_ADDRESS.search(name):
        return
    for match in _NUMBERS.finditer(text):
        start, end = match.span()
        first = _FIRST_NUMBER.search(text[max(0, start - 4) : start])
        if first is None or end in ends:
            continue
        start -= len(first[0])
        address = text[start:end].replace('\\', '')
        if _is_public_v4(address) and not _is_version(text, start, end):
            yield from _with_prefix(address, text, end)


def _v6_in(text: str) -> Iterator[tuple[str, int]]:
    """Yield the IPv6 addresses in a text, and where each ends."""
    for match in _GROUPS.finditer(text):
        start, end = match.span()
        first = _FIRST_GROUP.search(text[max(0, start - 6) : start])
        if first and not _goes_on(text, start - len(first[0]), end):
            yield first[0] + match[0], end
    position = text.find('::')
    while position >= 0:
        before = text[max(0, position - _LONGEST_V6) : position]
        head = _V6_HEAD.search(before)
        tail = _V6_TAIL.match(text, position)
        assert head and tail
        start = position - len(head[0])
        end = tail.end()
        if ':' in head[0] and _goes_on(text, start, end=None):
            # The end of a word: interface:2a00::1.
            start += head[0].index(':')
        if text[start] == ':' and start < position:
            start += 1
        if text[end - 1] == ':' and end > position + 2:
            end -= 1
        if not _goes_on(text, start, end) and _is_v6(text[start:end]):
            yield text[start:end], end
        position = text.find('::', tail.end())


def _with_prefix(address: str, text: str, end: int) -> Iterator[str]:
    prefix = _PREFIX.match(text, end)
    try:
        network = ipaddress.ip_network(address + (prefix[0] if prefix else ''))
    except ValueError:
        # An address in a network, or the path of a URL.
        yield address
        return
    if network.prefixlen >= _WIDEST[network.version]:
        yield address + (prefix[0] if prefix else '')


def _before(text: str, start: int) -> str:
    before = text[max(0, start - 16) : start]
    return '' if _ESCAPED.search(before) else before


def _is_version(text: str, start: int, end: int) -> bool:
    before = _before(text, start)
    return bool(
        _AFTER_VERSION.match(text, end)
        or _BEFORE_VERSION.search(before)
        or _NO_ADDRESS.search(before)
        or _SOFTWARE.search(before)
    )


def _goes_on(text: str, start: int, end: int | None) -> bool:
    """Whether what looks like an IPv6 address is a part of a word."""
    around = _before(text, start)[-1:]
    if end is not None:
        around += text[end : end + 1]
    return any(each.isalnum() for each in around)


@functools.lru_cache(maxsize=1024)
def _is_public_v4(text: str) -> bool:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    number = int(address)
    inverse = number ^ 0xFFFFFFFF
    return (
        address.is_global
        and not address.is_multicast
        and text not in _MADE_UP
        # A netmask, or its opposite.
        and number & (number + 1) != 0
        and inverse & (inverse + 1) != 0
    )


def _is_v6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def _is_public_v6(text: str) -> bool:
    address = ipaddress.IPv6Address(text)
    embedded = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if embedded is not None:
        return _is_public_v4(str(embedded))
    return (
        address in _GLOBAL_UNICAST
        and address.is_global
        and address not in _DOCUMENTATION
    )


def _email_domains(text: str) -> Iterator[str]:
    for match in _EMAIL.finditer(text):
        domain = match[1].lower()
        if not (
            domain.split('.')[-2] in _MADE_UP_DOMAINS
            or domain.rpartition('.')[2] in _NO_DOMAINS
            or references.is_reserved_name(domain)
            or endpoints.is_loopback(domain)
            or _REMOTE_PATH.match(text, match.end())
            or _is_in_url(text, match.start())
        ):
            yield domain


def _is_in_url(text: str, position: int) -> bool:
    """Whether what goes before an @ are the credentials in a URL."""
    before = text[max(0, position - 256) : position]
    scheme, slashes, credentials = before.rpartition('://')
    return bool(slashes) and not re.search(r'[\s/?#"\'<>]', credentials)


def _decoded(text: str) -> Iterator[bytes]:
    for match in _BASE64.finditer(text):
        encoded = match[0]
        if '\n' in encoded or '\\' in encoded:
            lines = _LINE_BREAKS.split(encoded)
            # What follows it can look like one more of its lines.
            last = len(lines) if sum(map(len, lines)) % 4 == 0 else -1
            encoded = ''.join(lines[:last])
        # Most words and the ends of uuids are quickly told.
        if len(encoded) % 4 or (
            len(encoded) == 12 and text[match.start() - 1] == '-'
        ):
            continue
        try:
            content = binascii.a2b_base64(encoded)
        except binascii.Error:
            continue
        yield unpacked(content)


def unpacked(content: bytes) -> bytes:
    """Return what is in an archive of gzip; anything else as it is."""
    if not content.startswith(_GZIP):
        return content
    try:
        return zlib.decompressobj(wbits=31).decompress(content, _MOST_UNPACKED)
    except zlib.error:
        return content
