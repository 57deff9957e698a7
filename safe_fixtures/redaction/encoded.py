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

"""Read what is encoded in base64 or compressed."""

import base64
import binascii
from collections.abc import Iterator
import re
import zlib

from safe_fixtures.redaction import shapes

__all__ = ['BASE64', 'BEGIN_IN_BASE64', 'decoded', 'encoded_keys', 'unpacked']

BASE64 = re.compile(r'[A-Za-z0-9+/_-]++=*+')
BEGIN_IN_BASE64 = 'LS0tLS1CRUdJTi'  # -----BEGIN
_KEY = re.compile(rf'{BEGIN_IN_BASE64}[A-Za-z0-9+/_-]*+=*+')
_BREAKS = re.compile(r'(?:\s|\\+[nr])+')
_GZIP = b'\x1f\x8b'
# Bytes. A small archive can be made that unpacks to gigabytes.
_MOST_UNPACKED = 16 * 1024 * 1024


def encoded_keys(text: str) -> Iterator[shapes.Shape]:
    """Find PEM private keys that are in base64 as a whole."""
    for match in _KEY.finditer(text):
        if b'PRIVATE KEY' in (decoded(match[0]) or b''):
            yield shapes.Shape('private key', *match.span())


def decoded(value: str, most: int = _MOST_UNPACKED) -> bytes | None:
    """Return what a text in base64 holds, unpacked; None if it is no base64.

    A truncated text counts too. The alphabet may be that for URLs.
    """
    try:
        data = _BREAKS.sub('', value).encode('ascii')
        data = data.translate(bytes.maketrans(b'-_', b'+/')).rstrip(b'=')
        data = data[: len(data) - (len(data) % 4 == 1)]
        plain = base64.b64decode(data + b'=' * (-len(data) % 4), validate=True)
    except (UnicodeError, binascii.Error):
        return None
    return unpacked(plain, most)


def unpacked(content: bytes, most: int = _MOST_UNPACKED) -> bytes:
    """Return what a gzip archive holds; anything else is returned as it is.

    :param content: the archive, which may be truncated.
    :param most: the number of bytes to return at most.
    """
    if not content.startswith(_GZIP):
        return content
    try:
        return zlib.decompressobj(wbits=31).decompress(content, most)
    except zlib.error:
        return content
