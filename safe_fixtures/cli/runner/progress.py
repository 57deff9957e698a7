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

"""Show the progress of a run: a bar on a terminal, else lines."""

import shutil
import sys
import time

import tqdm

from safe_fixtures.audit import events
from safe_fixtures.cli.runner import colours
from safe_fixtures.runtime import files
from safe_fixtures.summary import reader
from safe_fixtures.summary import sections

__all__ = ['Progress', 'Violations']

_INTERVAL = 30.0
_MARKS = tuple(f'"{action}"'.encode() for action in events.VIOLATIONS)


class Violations:
    """Counts the violations in audit files while workers write them."""

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}
        #: How many were neither waived nor expected.
        self.count = 0

    def watch(self, path: str) -> None:
        """Count the violations in a file, which need not exist yet."""
        self._offsets.setdefault(path, 0)

    def update(self) -> int:
        """Read the new events; return the count."""
        for path, offset in self._offsets.items():
            try:
                file = files.open_regular(path)
            except OSError:
                # Not there yet, or a test has replaced it.
                continue
            with file:
                file.seek(offset)
                for line in reader.lines(file):
                    if not line.endswith(b'\n') and len(line) < reader.LARGEST:
                        break
                    self._offsets[path] = file.tell()
                    if any(mark in line for mark in _MARKS):
                        self.count += _counts(line)
        return self.count


def _counts(line: bytes) -> int:
    try:
        event = reader.parse(line)
    except (ValueError, RecursionError):
        return 0
    return event.times if event.counts else 0


class Progress:
    """Shows the progress on standard error.

    :param total: the number of tests.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._failed = 0
        self._violations = 0
        self._began = self._said = time.monotonic()
        # tqdm shows nothing on a terminal of unknown size.
        columns, lines = shutil.get_terminal_size()
        self._bar = (
            tqdm.tqdm(
                total=total,
                unit='test',
                ncols=columns,
                nrows=lines,
                smoothing=0.05,
            )
            if sys.stderr.isatty()
            else None
        )

    def close(self) -> None:
        """Show the final numbers."""
        if self._bar is not None:
            self._bar.close()
        else:
            self.say(self.line())

    def say(self, text: str) -> None:
        """Print a line, or several."""
        text = colours.painted(text)
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def update(self, done: int, failed: int, violations: int) -> None:
        """Take the numbers so far; show them if it is time."""
        changed = (done, failed, violations) != (
            self._done, self._failed, self._violations
        )  # fmt: skip
        advance = done - self._done
        self._done = done
        self._failed = failed
        self._violations = violations
        if self._bar is not None:
            if changed:
                found = sections.plural(violations, 'violation')
                self._bar.set_postfix_str(
                    f'{failed} failed, {found}', refresh=False
                )
                self._bar.update(advance)
                self._bar.refresh()
        elif time.monotonic() - self._said >= _INTERVAL:
            self._said = time.monotonic()
            self.say(self.line())

    def line(self) -> str:
        """Return the numbers so far as a line of text."""
        line = (
            f'{self._done}/{self._total} done, {self._failed} failed, '
            f'{sections.plural(self._violations, "violation")}'
        )
        if 0 < self._done < self._total:
            passed = time.monotonic() - self._began
            left = passed / self._done * (self._total - self._done)
            line += f', {_duration(left)} left'
        return line


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min'
