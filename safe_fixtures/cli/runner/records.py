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

"""The report directory of a run, and what is written to it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
import codecs
import collections
import dataclasses
import datetime
import functools
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
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable

__all__ = ['Outcome', 'Records', 'Report', 'private', 'size', 'store']

# The statuses that fail a test. No worker reports the last three: they are
# of tests that were stopped or never ran.
FAILURES = ('fail', 'uxsuccess', 'timeout', 'died', 'lost')
_RUN = 'safe-fixtures run'
_FIXTURES = 50  # those that take longest
_LARGEST = 1 << 20  # bytes of a detail in the repository
_Decoder = codecs.getincrementaldecoder('utf-8')


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of one test.

    :param status: as in subunit: ``success``, ``fail``, ``skip``,
        ``xfail`` or ``uxsuccess``; or ``timeout``, ``died`` or ``lost``.
    :param seconds: how long it took.
    :param worker: the number of the worker that ran it.
    :param text: what a person should read if it failed.
    :param by_violations: whether nothing but violations failed it.
    """

    status: str
    seconds: float
    worker: int
    text: str = ''
    by_violations: bool = False

    @property
    def failed(self) -> bool:
        """Whether it fails the run."""
        return self.status in FAILURES


@dataclasses.dataclass
class Report:
    """The result of a run.

    :param outcomes: by test.
    :param failures: those of them that fail the run, in order.
    :param interrupted: whether a signal ended the run.
    :param lost: what is missing in its audit trail, if anything is.
    :param stopped: whether a failed test ended the run.
    """

    outcomes: dict[str, Outcome]
    failures: dict[str, Outcome]
    interrupted: bool
    lost: str
    stopped: bool = False


class Records:
    """Keeps the outcomes of a run: in memory, as subunit and as events.

    :param directory: the report directory.
    :param trail: where the events go.
    :param say: called with a line for each failure.
    """

    def __init__(
        self,
        directory: str,
        trail: audit.AuditTrail,
        say: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._trail = trail
        self._say = say
        self._file = open(
            os.path.join(directory, 'stream.subunit'), 'wb', opener=private
        )
        self._stream = packets.Writer(self._file)
        #: The outcomes so far, by test.
        self.outcomes: dict[str, Outcome] = {}
        #: Those of them that fail the run, in order.
        self.failures: dict[str, Outcome] = {}
        self._unkept = ''

    def close(self) -> None:
        """Close the stream."""
        self._file.close()

    def begin(
        self,
        mode: str,
        tests: int,
        workers: int,
        waivers: Iterable[Any],
        off: Sequence[str] = (),
    ) -> None:
        """Record the start of the run.

        :param mode: the mode of the rules.
        :param tests: how many there are.
        :param workers: how many processes run them at once.
        :param waivers: those of the suite.
        :param off: the rules that are not checked.
        """
        audit.load_plugins()
        self._record(
            events.RUN,
            _RUN,
            'control',
            mode=mode,
            tests=tests,
            concurrency=workers,
            arguments=sys.argv[1:],
            **({'off': list(off)} if off else {}),
        )
        for waiver in waivers:
            self._record(
                events.RUN_WAIVER,
                waiver.pattern,
                'control',
                code=waiver.rule,
                reason=waiver.reason,
            )

    def profile(self, measured: Mapping[str, Any]) -> None:
        """Record where the time of the processes went.

        :param measured: as :func:`.profiling.merged` returned it.
        """
        slowest = sorted(
            measured['fixtures'].items(), key=lambda each: -each[1][1]
        )
        self._record(
            events.PROFILE,
            _RUN,
            'monitor',
            phases={
                name: [round(number, 3) for number in seconds]
                for name, seconds in measured['phases'].items()
            },
            fixtures={
                name: [count, round(seconds, 3)]
                for name, (count, seconds) in slowest[:_FIXTURES]
            },
        )

    def end(
        self, seconds: float, interrupted: bool, stopped: bool = False
    ) -> str:
        """Record the end of the run; return what its trail has lost.

        :param seconds: how long it took.
        :param interrupted: whether a signal ended it.
        :param stopped: whether a failed test ended it.
        """
        self._record(
            events.RUN_END,
            _RUN,
            'monitor',
            seconds=round(seconds, 3),
            interrupted=interrupted,
            stopped=stopped,
        )
        lost = [f'failures.txt: {self._unkept}'] if self._unkept else []
        try:
            self._trail.check()
        except audit.AuditFailed as error:
            # The summary is shown all the same.
            lost.append(str(error))
        return '\n'.join(lost)

    def _record(self, action: str, name: str, kind: str, **more: Any) -> None:
        self._trail.record(
            action, name, target_type=events.TEST_TYPE, event_type=kind, **more
        )

    def packet(self, worker: int, **packet: Any) -> None:
        """Write what a worker said about a test to the stream."""
        packet['test_tags'] = {
            *(packet.get('test_tags') or ()), f'worker-{worker}'
        }  # fmt: skip
        packet['route_code'] = None
        self._stream.status(**packet)

    def finish(self, test_id: str, outcome: Outcome) -> None:
        """Keep the outcome of a test; only the first one counts."""
        if test_id in self.outcomes:
            return
        self.outcomes[test_id] = outcome
        self._record(
            events.TEST_OUTCOME,
            test_id,
            'monitor',
            outcome=_cadf(outcome),
            status=outcome.status,
            seconds=round(outcome.seconds, 3),
            worker=outcome.worker,
            **({'by_violations': True} if outcome.by_violations else {}),
        )
        if not outcome.failed:
            return
        self.failures[test_id] = outcome
        title = printable.line(f'{outcome.status}: {test_id}')
        text = printable.block(outcome.text.rstrip())
        try:
            self._keep(f'{title}\n\n{text}\n\n\n')
        except OSError as error:
            # Such as of a test that has removed the directory.
            self._unkept = f'{printable.line(test_id)} is not in it: {error}'
        self._say(title)

    def _keep(self, text: str) -> None:
        with open(
            os.path.join(self._directory, 'failures.txt'),
            'a',
            encoding='utf-8',
            errors='replace',
            opener=private,
        ) as file:
            file.write(text)

    def conclude(
        self, test_id: str, outcome: Outcome, started: bool = False
    ) -> None:
        """Write and keep an outcome that no worker could report.

        :param started: whether the worker had reported the start.
        """
        if test_id in self.outcomes:
            return
        say = functools.partial(
            self.packet,
            outcome.worker,
            test_id=test_id,
            timestamp=datetime.datetime.now(datetime.UTC),
        )
        if not started:
            say(test_status='inprogress')
        if outcome.text:
            say(
                file_name='traceback' if outcome.failed else 'reason',
                file_bytes=outcome.text.encode(errors='replace'),
                mime_type='text/plain;charset=utf8',
                eof=True,
            )
        say(test_status='fail' if outcome.failed else outcome.status)
        self.finish(test_id, outcome)


def _cadf(outcome: Outcome) -> str:
    if outcome.failed:
        return str(cadftaxonomy.OUTCOME_FAILURE)
    if outcome.status == 'skip':
        return str(cadftaxonomy.UNKNOWN)
    return str(cadftaxonomy.OUTCOME_SUCCESS)


def private(path: str, flags: int) -> int:
    """Open a file; a new one can be read by its owner only.

    Nothing masks what tests write to their details and logs.
    """
    return os.open(path, flags, 0o600)


def size(path: str) -> int:
    """Return the size of a file in bytes; 0 if there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def store(directory: str) -> str:
    """Load the stream of a report into a stestr repository beside it.

    :returns: why that failed, if it did: a test may have changed the files,
        and the summary is shown all the same.
    """
    try:
        made = repository.RepositoryFactory().initialise(directory)
        os.chmod(os.path.join(directory, '.stestr'), 0o700)
        path = os.path.join(directory, 'stream.subunit')
        with files.open_regular(path) as stream:
            inserter = _Storable(made.get_inserter())
            inserter.startTestRun()
            subunit.ByteStreamToStreamResult(stream).run(inserter)
            inserter.stopTestRun()
    # subunit and stestr raise Exception itself, too.
    except Exception as error:
        return f'stestr cannot read the results: {error}'
    return ''


class _Storable(testtools.CopyStreamResult):
    """Makes of each packet what stestr can read back.

    It writes a name on a line of its own, decodes texts strictly, and takes
    only so much of a detail.
    """

    def __init__(self, target: Any) -> None:
        super().__init__([target])
        self._sizes = collections.Counter[tuple[str, str]]()
        self._decoders: dict[tuple[str, str], codecs.IncrementalDecoder] = {}

    def status(self, *arguments: Any, **packet: Any) -> None:
        for each in ('test_id', 'file_name'):
            if packet[each] is not None:
                packet[each] = printable.line(packet[each])
        if packet['file_bytes'] is not None:
            self._shorten(packet)
            if packet['mime_type']:
                self._type(packet)
        super().status(*arguments, **packet)

    def _shorten(self, packet: dict[str, Any]) -> None:
        name, data = (
            (packet['test_id'], packet['file_name']),
            packet['file_bytes'],
        )
        packet['file_bytes'] = data[: max(0, _LARGEST - self._sizes[name])]
        self._sizes[name] += len(data)

    def _type(self, packet: dict[str, Any]) -> None:
        """Make a text UTF-8, and anything else bytes."""
        if not packet['mime_type'].startswith('text/'):
            packet['mime_type'] = 'application/octet-stream'
            return
        packet['mime_type'] = 'text/plain;charset=utf8'
        # A character may begin in one packet and end in the next.
        decoder = self._decoders.setdefault(
            (packet['test_id'], packet['file_name']), _Decoder('replace')
        )
        text = decoder.decode(packet['file_bytes'], bool(packet['eof']))
        packet['file_bytes'] = text.encode()
