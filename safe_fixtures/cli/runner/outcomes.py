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

"""Turn what worker processes report into outcomes of tests."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import datetime
import io
import re
import time
import types
from typing import Any

import subunit

from safe_fixtures.cli.runner import packets
from safe_fixtures.cli.runner import records

__all__ = ['Reader']

_FIXTURE_OF_MANY = re.compile(r'(setUp|tearDown)(Class|Module) \((.+)\)')


class Reader:
    """Reads the packets of one worker process.

    :param worker: the number of the worker.
    :param kept: where the packets and outcomes of tests go.
    :param on_mark: called with the name and the text of each packet about
        the worker itself.
    """

    def __init__(
        self,
        worker: int,
        kept: records.Records,
        on_mark: Callable[[str, str], None],
    ) -> None:
        self._worker = worker
        self._records = kept
        self._on_mark = on_mark
        #: The tests that the process was given.
        self.ids: Sequence[str] = ()
        #: The test in progress, and the one before.
        self.test: str | None = None
        self.before: str | None = None
        #: When the last packet about a start or an end was read.
        self.since = time.monotonic()
        self._began: datetime.datetime | None = None
        self._details: dict[str, bytearray] = {}
        # The test that ended last, until the next one starts: its outcome
        # may still change.
        self._pending: tuple[str, records.Outcome] | None = None
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Read more of the stream."""
        self._data += data
        receiver = types.SimpleNamespace(status=self._read)
        for packet in packets.split(self._data):
            subunit.ByteStreamToStreamResult(io.BytesIO(packet)).run(receiver)

    def flush(self) -> None:
        """Report the test that ended last."""
        if self._pending is None:
            return
        test_id, outcome = self._pending
        self._pending = None
        match = _FIXTURE_OF_MANY.fullmatch(test_id)
        if match and match[1] == 'setUp' and self.ids:
            # None of its tests will report anything.
            for each in self.ids:
                if each.startswith(f'{match[3]}.'):
                    self._records.conclude(each, outcome)
        elif match is None or outcome.failed:
            self._records.finish(test_id, outcome)

    def _read(self, **packet: Any) -> None:
        test_id, status = packet['test_id'], packet['test_status']
        name, data = packet['file_name'], packet['file_bytes']
        if test_id is None:
            if name == packets.BY_VIOLATIONS:
                self._add_cause()
                return
            self.flush()
            self.since = time.monotonic()
            self._on_mark(name, bytes(data).decode(errors='replace'))
            return
        if status == 'exists' or test_id == 'subunit.parser':
            return
        self._records.packet(self._worker, **packet)
        if name is not None:
            self._details.setdefault(name, bytearray()).extend(data)
        if status == 'inprogress':
            self.flush()
            self.test = test_id
            self.since = time.monotonic()
            self._began = packet['timestamp']
            self._details = {}
        elif status is not None:
            self._end(test_id, status, packet['timestamp'])

    def _add_cause(self) -> None:
        """Note that nothing but violations failed the test that ended last."""
        if self._pending is not None:
            test_id, outcome = self._pending
            outcome = dataclasses.replace(outcome, by_violations=True)
            self._pending = test_id, outcome

    def _end(
        self, test_id: str, status: str, ended: datetime.datetime | None
    ) -> None:
        # The worker's clock: this process may read much later.
        seconds = (
            max(0.0, (ended - self._began).total_seconds())
            if ended and self._began
            else time.monotonic() - self.since
        )
        outcome = records.Outcome(
            status, seconds, self._worker, _readable(self._details)
        )
        if self._pending is None or self._pending[0] != test_id:
            self.flush()
            self._pending = (test_id, outcome)
        elif outcome.failed and not self._pending[1].failed:
            # Such as a cleanup that failed after the test was skipped.
            self._pending = (test_id, outcome)
        self.since = time.monotonic()
        self.test = None
        self.before = test_id


def _readable(details: Mapping[str, bytearray]) -> str:
    """Return those details of a test that tell why it failed."""
    chosen = [
        name for name in details if name.startswith(('traceback', 'reason'))
    ] or list(details)
    return '\n'.join(details[name].decode(errors='replace') for name in chosen)
