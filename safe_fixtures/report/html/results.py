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

"""What the streams of a run have of its tests: failures and logs.

Nothing masks what tests print that are not hardened, so this does.
"""

from collections.abc import Callable, Iterable, Mapping
import dataclasses
import os
import re
from typing import Any

from safe_fixtures.redaction import redactor
from safe_fixtures.report import model
from safe_fixtures.report import streams
from safe_fixtures.runtime import files
from safe_fixtures.runtime import printable

__all__ = ['Result', 'read']

# Characters of a failure, of the log of a test that failed, and of that of
# any other; each at most its share of what all of them may have.
_FAILURE = 48 << 10, 4 << 20
_FAILED = 32 << 10, 2 << 20
_OTHER = 2 << 10, 3 << 20
_FILE = 16 << 20  # bytes of failures.txt
_TITLE = re.compile(r'^(?:fail|uxsuccess|timeout|died|lost): (.+)\n', re.M)
_FAILURES = ('traceback', 'reason')
_LOGS = ('pythonlogging', 'stdout', 'stderr')


@dataclasses.dataclass(slots=True)
class Result:
    """What a test left besides its events; masked and printable.

    :ivar failure: why it failed or was skipped; empty if it passed.
    :ivar reason: the line of it that says most.
    :ivar log: the end of what it logged and printed.
    :ivar logged: how many bytes it logged and printed.
    """

    failure: str = ''
    reason: str = ''
    log: str = ''
    logged: int = 0

    def content(self) -> dict[str, Any]:
        """Return what there is of it, by name."""
        return {
            name: value
            for name in ('failure', 'log', 'logged')
            if (value := getattr(self, name))
        }


def read(
    directories: Iterable[str],
    tests: Iterable[model.Test],
    skipped: list[str],
) -> dict[model.Test, Result]:
    """Return what the streams of some report directories have of tests.

    :param directories: of the runs.
    :param tests: the tests.
    :param skipped: gets what cannot be read, and why.
    """
    wanted: dict[tuple[str, str], list[model.Test]] = {}
    for test in tests:
        wanted.setdefault((test.directory, test.name), []).append(test)
    found: dict[model.Test, Result] = {}
    limits = _Limits(wanted)
    for directory in directories:
        reader = _Reader(directory, wanted, found, limits)
        try:
            reader.read()
        # subunit raises Exception itself, too.
        except Exception as error:
            path = os.path.join(directory, streams.NAME)
            skipped.append(f'{path}: {error or type(error).__name__}')
        try:
            reader.read_failures()
        except OSError as error:
            skipped.append(f'{error.filename}: {error.strerror}')
    return found


class _Limits:
    """How much of each test is kept.

    :ivar failure: characters of its failure.
    :ivar failed: of its log, if it failed.
    :ivar other: of its log, if it did not fail.
    """

    def __init__(
        self, wanted: Mapping[tuple[str, str], list[model.Test]]
    ) -> None:
        tests = [each for tests in wanted.values() for each in tests]
        failed = sum(test.outcome in model.BROKEN for test in tests)
        self.failure = _share(_FAILURE, failed)
        self.failed = _share(_FAILED, failed)
        self.other = _share(_OTHER, len(tests))


def _share(limit: tuple[int, int], tests: int) -> int:
    most, of_all = limit
    return min(most, of_all // max(1, tests))


class _Reader:
    """Reads what a report directory has of tests."""

    def __init__(
        self,
        directory: str,
        wanted: Mapping[tuple[str, str], list[model.Test]],
        found: dict[model.Test, Result],
        limits: _Limits,
    ) -> None:
        self._directory = directory
        self._limits = limits
        self._wanted = wanted
        self._found = found
        self._redactor = redactor.Redactor()

    def read(self) -> None:
        streams.read(self._directory, self._end)

    def read_failures(self) -> None:
        """Read what ``failures.txt`` has of tests that the stream lacks."""
        path = os.path.join(self._directory, 'failures.txt')
        lacking = {
            name: tests[0]
            for (directory, name), tests in self._wanted.items()
            if directory == self._directory
            and tests[0].outcome in model.BROKEN
            and not (tests[0] in self._found and self._found[tests[0]].failure)
        }
        if not lacking or not os.path.lexists(path):
            return
        with files.open_regular(path) as file:
            text = file.read(_FILE).decode(errors='replace')
        # Text before the first title, then titles and the texts after them.
        parts = _TITLE.split(text)
        for name, failure in zip(parts[1::2], parts[2::2], strict=True):
            if name in lacking:
                detail = streams.Detail()
                detail.add(failure.strip('\n').encode())
                test = lacking.pop(name)
                self._found[test] = self._result(test, {'traceback': detail})

    def _end(self, name: str, details: dict[str, streams.Detail]) -> None:
        key = self._directory, model.shortened(name, 1000)
        tests = self._wanted.get(key, [])
        for test in tests:
            if test not in self._found or len(tests) == 1:
                self._found[test] = self._result(test, details)
                return

    def _result(
        self, test: model.Test, details: dict[str, streams.Detail]
    ) -> Result:
        # The failure itself comes first.
        names = sorted(details, key=lambda name: name not in _FAILURES)
        failures, logs = [], []
        for name in names:
            detail = details[name]
            if name.partition(':')[0] in _LOGS:
                logs.append(detail)
            elif (text := detail.text().strip('\n')).strip():
                title = '' if name in _FAILURES else f'{name}:\n'
                failures.append(title + text)
        has_failed = test.outcome in model.BROKEN
        most = self._limits.failed if has_failed else self._limits.other
        log = '\n'.join(filter(None, (each.end(2 * most) for each in logs)))
        failure = '\n\n'.join(failures)
        return Result(
            self._shown(failure, _middle_cut(self._limits.failure)),
            self._reason(test, failures),
            self._shown(log, _start_cut(most)),
            sum(each.size for each in logs),
        )

    def _reason(self, test: model.Test, failures: list[str]) -> str:
        """Return the last line of a traceback, or the first of any other."""
        lines = failures[0].strip().splitlines() if failures else []
        if not lines:
            return ''
        # What the runner says of one that it ended begins with the reason.
        ended = test.outcome in ('timeout', 'died', 'lost')
        line = lines[0] if ended or test.outcome == 'skipped' else lines[-1]
        return model.shortened(self._redactor.redact(line.strip()), 300)

    def _shown(self, text: str, cut: Callable[[str], str]) -> str:
        text = text.strip('\n')
        if not text:
            return ''
        return printable.block(cut(self._redactor.redact(text)))


def _middle_cut(most: int) -> Callable[[str], str]:
    def cut(text: str) -> str:
        if len(text) <= most:
            return text
        half = most // 2
        left_out = len(text) - most
        return f'{text[:half]}\n... {left_out} characters ...\n{text[-half:]}'

    return cut


def _start_cut(most: int) -> Callable[[str], str]:
    def cut(text: str) -> str:
        if len(text) <= most:
            return text
        return text[-most:].partition('\n')[2] or text[-most:]

    return cut
