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

"""Keep what the tests of a run came to, in its report directory."""

import collections
import contextlib
import dataclasses
import datetime
import os
import sys
from typing import Any

from pycadf import cadftaxonomy
from stestr.repository import file as repository
import subunit
import testtools

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.cli.runner import packets

__all__ = ['FAILURES', 'Failure', 'Outcome', 'Record', 'private', 'store']

# The statuses that fail a test. The last three are of tests that were
# ended, or never run: their worker cannot tell.
FAILURES = ('fail', 'uxsuccess', 'timeout', 'died', 'lost')
_LARGEST = 1 << 20  # bytes of a detail in the repository


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a test came to.

    :param status: as subunit has it: ``success``, ``fail``, ``skip``,
        ``xfail`` or ``uxsuccess``; else ``timeout``, ``died`` or ``lost``.
    :param seconds: how long it took.
    :param worker: which worker ran it.
    """

    status: str
    seconds: float
    worker: int

    @property
    def failed(self) -> bool:
        """Whether the run has failed for it."""
        return self.status in FAILURES


@dataclasses.dataclass(frozen=True)
class Failure:
    """A test that failed, and what is known about it."""

    test_id: str
    status: str
    text: str


class Record:
    """The outcomes of a run: in memory, in its stream and in its events.

    :param directory: the report directory.
    :param trail: where the events go.
    """

    def __init__(self, directory: str, trail: audit.AuditTrail) -> None:
        self._trail = trail
        self._file = open(
            os.path.join(directory, 'stream.subunit'), 'wb', opener=private
        )
        self._stream = packets.Writer(self._file)
        self._failures = os.path.join(directory, 'failures.txt')
        #: The outcomes so far, by test.
        self.outcomes: dict[str, Outcome] = {}
        #: Those that failed, in that order.
        self.failures: list[Failure] = []

    def close(self) -> None:
        """Close the stream."""
        self._file.close()

    def packet(self, worker: int, **packet: Any) -> None:
        """Put what a worker said about a test into the stream."""
        packet['test_tags'] = {
            *(packet.get('test_tags') or ()), f'worker-{worker}'
        }  # fmt: skip
        packet['route_code'] = None
        self._stream.status(**packet)

    def finish(
        self, test_id: str, outcome: Outcome, text: str = ''
    ) -> Failure | None:
        """Note what a test came to; only the first time counts.

        :param text: what a person should read if it failed.
        """
        if test_id in self.outcomes:
            return None
        self.outcomes[test_id] = outcome
        self._trail.record(
            events.TEST_OUTCOME,
            test_id,
            target_type='service/test',
            outcome=_cadf(outcome),
            event_type='monitor',
            status=outcome.status,
            seconds=round(outcome.seconds, 3),
            worker=outcome.worker,
        )
        if not outcome.failed:
            return None
        failure = Failure(test_id, outcome.status, text)
        self.failures.append(failure)
        with open(
            self._failures,
            'a',
            encoding='utf-8',
            errors='replace',
            opener=private,
        ) as file:
            print(
                f'{outcome.status}: {test_id}\n\n{text.rstrip()}\n\n',
                file=file,
            )
        return failure

    def conclude(
        self,
        test_id: str,
        outcome: Outcome,
        text: str = '',
        started: bool = False,
    ) -> Failure | None:
        """Say in place of a worker what a test came to.

        :param started: whether the worker had said that it began.
        """
        stamp = datetime.datetime.now(datetime.UTC)
        if not started:
            self.packet(
                outcome.worker,
                test_id=test_id,
                test_status='inprogress',
                timestamp=stamp,
            )
        if text:
            self.packet(
                outcome.worker,
                test_id=test_id,
                file_name='traceback' if outcome.failed else 'reason',
                file_bytes=text.encode(errors='replace'),
                mime_type='text/plain;charset=utf8',
                eof=True,
                timestamp=stamp,
            )
        self.packet(
            outcome.worker,
            test_id=test_id,
            test_status='fail' if outcome.failed else outcome.status,
            timestamp=stamp,
        )
        return self.finish(test_id, outcome, text)


def _cadf(outcome: Outcome) -> str:
    if outcome.failed:
        return str(cadftaxonomy.OUTCOME_FAILURE)
    if outcome.status == 'skip':
        return str(cadftaxonomy.UNKNOWN)
    return str(cadftaxonomy.OUTCOME_SUCCESS)


def private(path: str, flags: int) -> int:
    """Open a file that, if it is new, only its owner may read.

    What tests say in their details and logs is masked by nobody.
    """
    return os.open(path, flags, 0o600)


def store(directory: str) -> None:
    """Load the stream of a report into a stestr repository beside it."""
    made = repository.RepositoryFactory().initialise(directory)
    os.chmod(os.path.join(directory, '.stestr'), 0o700)
    path = os.path.join(directory, 'stream.subunit')
    # Reading back a failure whose id has a line break, subunit prints of it.
    with open(path, 'rb') as stream, contextlib.redirect_stdout(sys.stderr):
        inserter = _Shortening(made.get_inserter())
        inserter.startTestRun()
        subunit.ByteStreamToStreamResult(stream).run(inserter)
        inserter.stopTestRun()


class _Shortening(testtools.CopyStreamResult):
    """Leaves of each detail no more than stestr can read back."""

    def __init__(self, target: Any) -> None:
        super().__init__([target])
        self._sizes: collections.Counter[tuple[str, str]] = (
            collections.Counter()
        )

    def status(self, *arguments: Any, **packet: Any) -> None:
        data = packet['file_bytes']
        if data is not None:
            name = packet['test_id'], packet['file_name']
            packet['file_bytes'] = data[: max(0, _LARGEST - self._sizes[name])]
            self._sizes[name] += len(data)
        super().status(*arguments, **packet)
