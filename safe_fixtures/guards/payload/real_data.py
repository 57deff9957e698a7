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

"""Find what looks real in a text: secrets, addresses, e-mail domains."""

from collections.abc import Iterable, Iterator
import ipaddress
import json
import re
from typing import NamedTuple

from safe_fixtures.boundary import endpoints
from safe_fixtures.boundary import references
from safe_fixtures.guards.payload import addresses
from safe_fixtures.redaction import encoded
from safe_fixtures.redaction import shapes

__all__ = ['Finding', 'find']

# Bound at import, so that a test that patches them changes nothing here.
_ip_address = ipaddress.ip_address

_EMAIL = re.compile(r'[\w+%-]@((?:[\w-]+\.)+[^\W\d_](?:[\w-]*\w))(?![\w@])')
# What follows the host in git@github.com:openstack/nova.
_REMOTE_PATH = re.compile(r':[\w.~-]*/')
# In one line or in several. Anything shorter holds no address.
_BASE64 = re.compile(
    r'[A-Za-z0-9+/]{10,}(?:(?:\r?\n|\\n)[ \t]*[A-Za-z0-9+/]+)*={0,2}'
)
_LINE_BREAKS = re.compile(r'\\n|\s+')
# Base64 within base64 within base64, and no further.
_DEPTH = 3
# No address and no domain is shorter, and no secret that has a shape.
_SHORTEST = 6
_SHORTEST_SECRET = 16
_KEY_LINES = re.compile(r'[A-Za-z0-9+/]{32,}')
# How a private key in base64 begins: "---".
_BEGIN_IN_BASE64 = 'LS0t'
# A private key in DER: a sequence of the version, and then the modulus (PKCS
# 1), the algorithm (PKCS 8), the private number (SEC 1), or more (PKCS 12).
_DER_KEY = re.compile(
    rb'\x30(?:[\x20-\x7f]|\x81.|\x82..)\x02\x01'
    rb'(?:\x00(?:\x02[\x40-\x82]|\x30)|\x01\x04[\x14-\x42]|\x03\x30)',
    re.DOTALL,
)
# The number of different characters that a real secret has at least.
_LIVE_VARIETY = 8

# Below any top-level domain: fake.com, or this.nice.domain.com as in Nova's
# samples.
_MADE_UP_DOMAINS = frozenset([
    'bar', 'baz', 'bogus', 'domain', 'dummy', 'example', 'fake', 'foo',
    'foobar', 'mydomain', 'nowhere', 'sample', 'somewhere', 'test',
])  # fmt: skip
# Special-use domains (RFC 6761 and others), which no mail is sent to, and
# endings of other things: units of systemd (getty@tty1.service), files
# (logo@2x.png).
_NO_DOMAINS = frozenset([
    'alt', 'arpa', 'internal', 'local', 'localdomain', 'onion',
    'automount', 'device', 'mount', 'path', 'scope', 'service', 'slice',
    'socket', 'swap', 'target', 'timer',
    'conf', 'gif', 'jpeg', 'jpg', 'png', 'svg',
])  # fmt: skip


class Finding(NamedTuple):
    """Something that looks real.

    :ivar where: the field, and whether it was in base64 (str).
    :ivar what: such as ``public address 8.8.8.8`` or ``private key (1675
        characters)``; a secret is never quoted (str).
    :ivar is_secret: whether it is a secret (bool).
    """

    where: str
    what: str
    is_secret: bool = False

    def __str__(self) -> str:
        return f'{self.where}: {self.what}'


def find(
    text: str, allowed: endpoints.Hosts, where: str = '', name: str = ''
) -> Iterator[Finding]:
    """Find what looks real in a text, also within base64 in it.

    :param text: any text.
    :param allowed: addresses and domains that are no findings.
    :param where: the field that holds the text (str).
    :param name: the name of the field that holds the text; a field for a
        version or an OID holds no address (str).
    """
    return _Search(allowed, where, name).text(text, _DEPTH)


class _Search(NamedTuple):
    """Searches the text of one field."""

    allowed: endpoints.Hosts
    where: str
    name: str

    def text(self, text: str, depth: int) -> Iterator[Finding]:
        if len(text) < _SHORTEST:
            return
        in_base64 = depth < _DEPTH
        secrets = _live_secrets(text)
        for secret in secrets:
            yield self._secret(
                secret,
                in_base64 or text.startswith(_BEGIN_IN_BASE64, secret.start),
            )
        if secrets:
            text = _without(text, secrets)
        where = self._in(in_base64)
        if '.' in text or ':' in text:
            for address in addresses.find_addresses(text, self.name):
                found = _ip_address(address.partition('/')[0])
                if not self.allowed.has_address(found):
                    yield Finding(where, f'public address {address}')
        if '@' in text:
            for domain in _email_domains(text):
                if domain not in self.allowed.names:
                    yield Finding(where, f'e-mail domain {domain}')
        if depth:
            for content in _decoded(text):
                yield from self._content(content, depth - 1)

    def _content(self, content: bytes, depth: int) -> Iterator[Finding]:
        """Search decoded content: a key, or a text."""
        if _DER_KEY.match(content):
            key = shapes.Shape('private key', 0, len(content))
            yield self._secret(key, in_base64=True)
            return
        encoding = json.detect_encoding(content)
        if encoding.startswith(('utf-16', 'utf-32')):
            yield from self.text(content.decode(encoding, 'ignore'), depth)
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            # Binary data: what looks like a domain in it is none. But it can
            # be a text and the next line, which only looked like base64:
            # search what is before the first bad byte.
            text = content[: error.start].decode()
            for secret in _live_secrets(content.decode('latin-1')):
                yield self._secret(secret, in_base64=True)
        yield from self.text(text, depth)

    def _secret(self, secret: shapes.Shape, in_base64: bool) -> Finding:
        length = secret.end - secret.start
        what = f'{secret.kind} ({length} characters)'
        return Finding(self._in(in_base64), what, is_secret=True)

    def _in(self, in_base64: bool) -> str:
        return f'{self.where} (base64)' if in_base64 else self.where


def _live_secrets(text: str) -> list[shapes.Shape]:
    """Return the secrets in a text, in order, without placeholders."""
    if len(text) < _SHORTEST_SECRET:
        return []
    return sorted(
        (
            secret
            for secret in shapes.find(text)
            if _looks_live(secret.kind, text[secret.start : secret.end])
        ),
        key=lambda secret: secret.start,
    )


def _looks_live(kind: str, secret: str) -> bool:
    if kind == 'private key':
        # The first line alone is no key.
        lines = _KEY_LINES.search(secret)
        secret = lines[0] if lines else ''
    # Not AKIAIOSFODNN7EXAMPLE, ghp_xxxxxx and the like.
    return (
        'EXAMPLE' not in secret.upper() and len(set(secret)) >= _LIVE_VARIETY
    )


def _without(text: str, secrets: Iterable[shapes.Shape]) -> str:
    """Return a text without secrets, which are reported already."""
    parts = []
    end = 0
    for secret in secrets:
        parts += [text[end : secret.start], ' ']
        end = max(end, secret.end)
    return ''.join([*parts, text[end:]])


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
    """Whether the credentials of a URL stand before an @."""
    before = text[max(0, position - 256) : position]
    scheme, slashes, credentials = before.rpartition('://')
    return bool(slashes) and not re.search(r'[\s/?#"\'<>]', credentials)


def _decoded(text: str) -> Iterator[bytes]:
    """Yield what the parts of a text in base64 hold, unpacked."""
    for match in _BASE64.finditer(text):
        value = match[0]
        if '\n' in value or '\\' in value:
            lines = _LINE_BREAKS.split(value)
            # What follows it can look like one more of its lines.
            last = len(lines) if sum(map(len, lines)) % 4 == 0 else -1
            value = ''.join(lines[:last])
        # Most words, and the ends of UUIDs, are ruled out quickly.
        if len(value) % 4 or (
            len(value) == 12 and text[match.start() - 1] == '-'
        ):
            continue
        content = encoded.decoded(value)
        if content is not None:
            yield content
