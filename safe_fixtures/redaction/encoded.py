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

"""Find what is encoded in base64 or compressed."""

import base64
import binascii
from collections.abc import Iterator
import re
import zlib

from safe_fixtures.redaction import shapes

__all__ = [
    'BASE64',
    'BEGIN_IN_BASE64',
    'decoded',
    'encoded_keys',
    'unpacked',
]


_GZIP = b'\x1f\x8b'
# What an archive of a few bytes can become.
_MOST_UNPACKED = 16 * 1024 * 1024


def unpacked(content: bytes) -> bytes:
    """Return what is in an archive of gzip; anything else as it is."""
    if not content.startswith(_GZIP):
        return content
    try:
        return zlib.decompressobj(wbits=31).decompress(content, _MOST_UNPACKED)
    except zlib.error:
        return content


BEGIN_IN_BASE64 = 'LS0tLS1CRUdJTi'
BASE64 = re.compile(r'[A-Za-z0-9+/_-]++=*+')
_GZIP = b'\x1f\x8b'
_MOST_UNPACKED = 1024 * 1024
_BREAKS = re.compile(r'(?:\s|\\+[nr])+')


def encoded_keys(text: str) -> Iterator[shapes.Shape]:
    """Yield private keys that are in base64 once more."""
    done = 0
    for position in shapes.positions(text, BEGIN_IN_BASE64):
        if position < done:
            continue
        run = BASE64.match(text, position)
        assert run
        done = run.end()
        if 'PRIVATE KEY' in (decoded(run[0]) or ''):
            yield shapes.Shape('private key', position, done)


def decoded(value: str) -> str | None:
    """Return what is in base64, or None if it is not that."""
    try:
        data = _BREAKS.sub('', value).encode('ascii')
        data = data.translate(bytes.maketrans(b'-_', b'+/')).rstrip(b'=')
        # What was cut off is looked into as well.
        data = data[: len(data) - (len(data) % 4 == 1)]
        content = base64.b64decode(
            data + b'=' * (-len(data) % 4), validate=True
        )
    except (UnicodeError, binascii.Error):
        return None
    if content.startswith(_GZIP):
        try:
            content = zlib.decompressobj(wbits=31).decompress(
                content, _MOST_UNPACKED
            )
        except zlib.error:
            return None
    return content.decode('utf-8', 'surrogateescape')
