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

"""Read audit records from files and report directories."""

from collections.abc import Iterable, Iterator, MutableSequence
import glob
import heapq
import json
import os
from typing import IO, Any

from pycadf import event as cadf

from safe_fixtures.audit import events
from safe_fixtures.runtime import files

__all__ = ['LARGEST', 'lines', 'parse', 'read', 'views']

_CHUNK = 1 << 16  # bytes read at once
#: How many bytes a line of an audit file may have.
LARGEST = 1 << 24
_DIGITS = 18  # of a whole number


def read(
    paths: Iterable[str], truncated: MutableSequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Return the events of some audit files, ordered by time.

    A process that is killed may leave half a line at the end of its file, or
    in the middle of a shared file. Lines that are not JSON are skipped, and
    so is JSON that is no event, and a file in a report directory that cannot
    be read.

    Example::

        for event in read(['report-of-one', 'report-of-two']):
            print(event['eventTime'], event['action'])

    :param paths: files of events, or report directories with files
        ``events-*.jsonl``; each file is read once.
    :param truncated: a list for the places of skipped lines, as
        ``file:line``.
    :raises: OSError for a path that cannot be read; ValueError for a
        directory without files of events, and for a file of several lines
        without any event.
    """
    skipped: list[str] = []
    if truncated is None:
        truncated = []
    found = views(paths, truncated, skipped)
    return (_stored(event) for event in found)


def _stored(event: events.Event) -> dict[str, Any]:
    return dict(event.stored)


def views(
    paths: Iterable[str],
    truncated: MutableSequence[str],
    skipped: MutableSequence[str],
) -> Iterator[events.Event]:
    """Return typed views of the events that :func:`read` returns.

    :param paths: as for :func:`read`.
    :param truncated: gets the places of lines that are not JSON.
    :param skipped: gets the places of what is no event, and why.
    :raises: OSError, ValueError: as by :func:`read`.
    """
    found: dict[str, tuple[str, bool]] = {}
    for path in paths:
        for name in _files(path):
            found.setdefault(os.path.realpath(name), (name, name != path))
    return heapq.merge(
        *(
            _read_file(name, truncated, skipped, is_one_of_many)
            for name, is_one_of_many in found.values()
        ),
        # All times are UTC with microseconds, so text sorts by time.
        key=lambda event: event.time,
    )


def _files(path: str) -> list[str]:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f'there is no report directory or file {path!r}'
        ) from None
    if not os.path.isdir(path):
        return [path]
    pattern = os.path.join(glob.escape(path), 'events-*.jsonl')
    found = sorted(glob.glob(pattern))
    if not found:
        raise ValueError(f'{path} has no events-*.jsonl')
    return found


def _read_file(
    path: str,
    truncated: MutableSequence[str],
    skipped: MutableSequence[str],
    is_one_of_many: bool,
) -> Iterator[events.Event]:
    number = found = 0
    try:
        for number, line in enumerate(_lines(path), 1):
            if len(line) > LARGEST:
                skipped.append(f'{path}:{number} (it is too long)')
                continue
            try:
                event = parse(line, f'{path}:{number}')
            except events.InvalidEvent as error:
                skipped.append(f'{path}:{number} ({error})')
            except (ValueError, RecursionError):
                truncated.append(f'{path}:{number}')
            else:
                found += 1
                yield event
    except OSError as error:
        if not is_one_of_many:
            raise
        skipped.append(f'{path} ({error.strerror or error})')
        return
    if number > 1 and not found and not is_one_of_many:
        raise ValueError(f'{path} has no audit event in its {number} lines')


def parse(line: bytes, place: str = '') -> events.Event:
    """Return the event in a line of an audit file.

    :param line: the line.
    :param place: where it is, for the event.
    :raises: InvalidEvent for JSON that is no event; ValueError or
        RecursionError for what is not JSON that can be read.
    """
    stored = json.loads(line, parse_int=_whole_number)
    event = events.Event(stored, place)
    if stored.get('typeURI') != cadf.TYPE_URI_EVENT:
        raise events.InvalidEvent('its typeURI is not that of an event')
    return event


def _whole_number(digits: str) -> int | str:
    # Python refuses to read thousands of digits. So many are no number that
    # anything of ours has written, but the rest of the line is good.
    return int(digits) if len(digits) <= _DIGITS else digits


def _lines(path: str) -> Iterator[bytes]:
    # Closed in between: there may be more files than a process may open.
    offset = 0
    while True:
        with files.open_to_read(path) as file:
            if not file.seekable():
                yield from lines(file)
                return
            file.seek(offset)
            size, found = 0, []
            for line in lines(file):
                found.append(line)
                size = file.tell() - offset
                if size >= _CHUNK:
                    break
        if not found:
            return
        yield from found
        offset += size


def lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file; one that is too long is cut.

    :param file: a binary file.
    """
    while line := file.readline(LARGEST + 1):
        rest = line
        while len(rest) > LARGEST and not rest.endswith(b'\n'):
            rest = file.readline(LARGEST + 1)
        yield line
