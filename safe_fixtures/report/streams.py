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

"""Read the stream of a run: what its tests attached to their outcomes."""

from collections.abc import Callable
import os
import types
from typing import Any

import subunit

from safe_fixtures.runtime import files

__all__ = ['NAME', 'Detail', 'read']

#: The name of the stream in a report directory.
NAME = 'stream.subunit'
# Bytes of a detail that are kept while its test runs.
_START, _END = 32 << 10, 64 << 10
_DETAILS = 10  # of a test


class Detail:
    """The start and the end of a detail.

    :ivar size: how many bytes it has in all.
    """

    def __init__(self) -> None:
        self.size = 0
        self._start = bytearray()
        self._end = bytearray()

    def add(self, data: bytes) -> None:
        """Add the next bytes."""
        self.size += len(data)
        self._start += data[: max(0, _START - len(self._start))]
        self._end += data[-_END:]
        if len(self._end) > 2 * _END:
            del self._end[:-_END]

    def text(self) -> str:
        """Return all of it; of a long one, the lines at both ends."""
        if self.size == len(self._end):
            return _text(self._end)
        start = _text(self._start)
        start = start.rpartition('\n')[0] or start
        return f'{start}\n... cut ...\n{self.end()}'

    def end(self, most: int = _END) -> str:
        """Return its end, from the start of a line if there is one.

        :param most: how many bytes, at most.
        """
        text = _text(self._end[-most:])
        if self.size > most:
            text = text.partition('\n')[2] or text
        return text


def read(
    directory: str, on_outcome: Callable[[str, dict[str, Detail]], None]
) -> None:
    """Read the stream in a report directory; nothing if there is none.

    Nothing masks what tests attach that are not hardened: the caller does.

    :param directory: the report directory.
    :param on_outcome: called for each outcome with the id of the test, as it
        is, and its details by name.
    :raises: OSError if the stream is no file that can be read; subunit raises
        Exception itself, too. What was read before counts.
    """
    found: dict[str, dict[str, Detail]] = {}

    def status(**packet: Any) -> None:
        test, outcome = packet['test_id'], packet['test_status']
        if test is None:
            return
        name = packet['file_name']
        if name is not None:
            details = found.setdefault(test, {})
            if len(details) < _DETAILS or name in details:
                detail = details.setdefault(name, Detail())
                detail.add(packet['file_bytes'] or b'')
        if outcome == 'inprogress':
            found.pop(test, None)
        elif outcome not in (None, 'exists'):
            on_outcome(test, found.pop(test, {}))

    path = os.path.join(directory, NAME)
    if os.path.lexists(path):
        with files.open_regular(path) as stream:
            subunit.ByteStreamToStreamResult(stream).run(
                types.SimpleNamespace(status=status)
            )


def _text(data: bytearray) -> str:
    return bytes(data).decode(errors='replace')
