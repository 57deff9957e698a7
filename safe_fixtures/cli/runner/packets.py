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

"""The packets, in subunit v2, that a worker sends to its parent."""

from collections.abc import Iterator
from typing import IO, Any

import subunit
import testtools

from safe_fixtures.runtime import printable

__all__ = [
    'BY_VIOLATIONS',
    'DONE',
    'FAILED',
    'INTERRUPTED',
    'READY',
    'Writer',
    'split',
]

# The names of packets about the worker itself.
READY = 'safe_fixtures: ready'
DONE = 'safe_fixtures: done'
FAILED = 'safe_fixtures: failed'
INTERRUPTED = 'safe_fixtures: interrupted'
# And of one about the test that has just ended.
BY_VIOLATIONS = 'safe_fixtures: failed by violations only'

_SIGNATURE = b'\xb3'
_NAMES = {'test_id', 'file_name', 'mime_type', 'route_code'}
_LARGEST = 1 << 20  # bytes of a detail in one packet; it may hold 4 MiB


class Writer(testtools.StreamResult):
    """Writes packets; a detail too large for one packet gets several.

    :param stream: a binary stream.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._packets = subunit.StreamResultToBytes(stream)

    def status(self, *arguments: Any, **packet: Any) -> None:
        """Write a packet; the arguments are those of subunit.

        Names are escaped: UTF-8 has no surrogates, and a person reads them.
        """
        for name in _NAMES & packet.keys():
            if packet[name] is not None:
                packet[name] = printable.block(packet[name])
        if packet.get('test_tags'):
            packet['test_tags'] = set(
                map(printable.block, packet['test_tags'])
            )
        data = packet.get('file_bytes')
        if data is not None and len(data) > _LARGEST:
            part = {
                name: packet[name]
                for name in ('test_id', 'file_name', 'mime_type')
                if name in packet
            }
            while len(data) > _LARGEST:
                self._packets.status(**part, file_bytes=data[:_LARGEST])
                data = data[_LARGEST:]
            packet['file_bytes'] = data
        self._packets.status(*arguments, **packet)


def split(data: bytearray) -> Iterator[bytes]:
    """Remove the whole packets from the front of the data.

    A truncated packet stays there.
    """
    while True:
        start = data.find(_SIGNATURE)
        del data[: len(data) if start < 0 else start]
        if len(data) < 6:
            return
        # The length follows the signature and two bytes of flags. Its first
        # two bits say how many more bytes it has.
        size = (data[3] >> 6) + 1
        length = int.from_bytes(data[3 : 3 + size]) & (1 << 8 * size - 2) - 1
        if size > 3 or length < 8:
            del data[:1]
            continue
        if len(data) < length:
            return
        packet = bytes(data[:length])
        del data[:length]
        yield packet
