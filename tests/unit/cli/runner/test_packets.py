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

"""The packets in which a worker reports."""

from safe_fixtures.cli.runner import packets as runner_packets
from tests.support import base


class TestPackets(base.TestCase):
    def packet(self, text):
        class Stream:
            data = b''

            def write(self, data):
                self.data += bytes(data)
                return len(data)

            def read(self, size):
                return b''

            def flush(self):
                pass

        stream = Stream()
        runner_packets.Writer(stream).status(
            test_id='x', file_name='f', file_bytes=text
        )
        return stream.data

    def test_split(self):
        for size in (1, 50, 70, 20_000, 500_000):
            with self.subTest(size=size):
                packet = self.packet(b'\xb3' * size)
                data = bytearray()
                for start in range(0, len(packet), 997):
                    self.assertEqual([], list(runner_packets.split(data)))
                    data += packet[start : start + 997]
                data += packet + b'noise' + packet[:-1]
                self.assertEqual(
                    [packet, packet], list(runner_packets.split(data))
                )
                self.assertEqual(packet[:-1], data)

    def test_large(self):
        data = bytearray(self.packet(b'x' * 9_000_000))
        packets = list(runner_packets.split(data))
        self.assertEqual(9, len(packets))
        self.assertEqual(
            9_000_000, sum(each.count(b'x') for each in packets) - 9
        )
