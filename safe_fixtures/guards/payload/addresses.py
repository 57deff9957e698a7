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

"""Find public network addresses in text."""

from collections.abc import Iterator
import functools
import ipaddress
import re

__all__ = ['find_addresses']

# Bound at import, so that a test that patches them changes nothing here.
_ip_network = ipaddress.ip_network

# The numbers of an IPv4 address without the first one: a pattern that begins
# with a dot is found quickly. More than four numbers are an OID. A filter is
# a regular expression, in which the dots may be escaped.
_NUMBERS = re.compile(r'\.[0-9]{1,3}(?:\\?\.[0-9]{1,3}){2,}')
_FIRST_NUMBER = re.compile(r'[0-9]{1,3}\\?\Z')
# The same for IPv6; not a longer row, such as a fingerprint.
_GROUPS = re.compile(
    r':[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){6}(?!:?[0-9a-fA-F])'
)
_FIRST_GROUP = re.compile(
    r'(?<![0-9a-f]:)(?<![0-9a-f])[0-9a-f]{1,4}\Z', re.IGNORECASE
)
# What stands before and after the "::" of an IPv6 address.
_V6_HEAD = re.compile(r'[0-9a-f:]*\Z', re.IGNORECASE)
_V6_TAIL = re.compile(r'::[0-9a-f:]*(?:(?:\.[0-9]{1,3}){3})?', re.IGNORECASE)
_LONGEST_V6 = 45
_PREFIX = re.compile(r'/([0-9]{1,3})(?![\w.])')
# What follows a version: 1.2.3.4-5ubuntu1, 1.2.3.4rc1, 1.2.3.*
_AFTER_VERSION = re.compile(r'\w|[~+]|-(?![0-9]{1,3}\\?\.[0-9])|\.[0-9*]')
# What precedes it: v1.2.3.4, nova-1.2.3.4, nova==1.2.3.4, version 1.2.3.4
_BEFORE_VERSION = re.compile(r'(?:\w|[.~]|[a-z]-|[=<>!~]=\s?)\Z')
_NO_ADDRESS = re.compile(
    r'(?:version|release|revision|firmware|bios|build|(?:\b|_)(?:ver|oid))s?'
    r'["\']?\s?[:=#]?\s?["\']?\Z',
    re.IGNORECASE,
)
# Software whose versions have four numbers: qemu 8.2.2.1, Chrome/120.0.6099.71
_SOFTWARE = re.compile(
    r'\b(?:qemu(?:-kvm)?|kvm|libvirt|xen|esxi?|vcenter|vmware|hyper-?v'
    r'|openvswitch|ovs|ovn|dpdk|linux|kernel|windows|chrom(?:e|ium)|firefox'
    r'|python|nova|openstack)[ /]\Z',
    re.IGNORECASE,
)
# The letter of an escape is no part of the word that follows.
_ESCAPED = re.compile(r'\\[nrt]\Z')
_GLOBAL_UNICAST = ipaddress.IPv6Network('2000::/3')
_NAT64 = ipaddress.IPv6Network('64:ff9b::/96')
# RFC 9637, which not every Python version knows.
_DOCUMENTATION = ipaddress.IPv6Network('3fff::/20')
# Nova's own tests and samples have these, and nobody takes them for real. A
# resolver such as 1.1.1.1 is real.
_MADE_UP = frozenset(['1.2.3.4', '4.3.2.1', '5.6.7.8'])
# The shortest prefix; a wider network stands for a part of the world.
_WIDEST = {4: 8, 6: 16}


def find_addresses(text: str, name: str) -> Iterator[str]:
    """Yield the public addresses in a text, with their prefix lengths.

    :param name: the name of the field that holds the text (str).
    """
    # Where IPv6 addresses end: an IPv4 address there is a part of one.
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
    """Yield each IPv6 address in a text, and where it ends."""
    for match in _GROUPS.finditer(text):
        start, end = match.span()
        first = _FIRST_GROUP.search(text[max(0, start - 6) : start])
        if first and not _is_in_word(text, start - len(first[0]), end):
            yield first[0] + match[0], end
    position = text.find('::')
    while position >= 0:
        before = text[max(0, position - _LONGEST_V6) : position]
        head = _V6_HEAD.search(before)
        tail = _V6_TAIL.match(text, position)
        assert head and tail
        start = position - len(head[0])
        end = tail.end()
        if ':' in head[0] and _is_in_word(text, start, end=None):
            # It began with the end of a word: interface:2a00::1.
            start += head[0].index(':')
        if text[start] == ':' and start < position:
            start += 1
        if text[end - 1] == ':' and end > position + 2:
            end -= 1
        if not _is_in_word(text, start, end) and _is_v6(text[start:end]):
            yield text[start:end], end
        position = text.find('::', tail.end())


def _with_prefix(address: str, text: str, end: int) -> Iterator[str]:
    prefix = _PREFIX.match(text, end)
    whole = address + (prefix[0] if prefix else '')
    try:
        network = _ip_network(whole)
    except ValueError:
        # The address of a host in a network, or the path of a URL.
        yield address
        return
    if network.prefixlen >= _WIDEST[network.version]:
        yield whole


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


def _is_in_word(text: str, start: int, end: int | None) -> bool:
    """Whether something that looks like IPv6 is a part of a word."""
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
        # Neither a netmask nor its inverse.
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
