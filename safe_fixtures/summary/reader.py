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
from typing import Any

from pycadf import event as cadf

from safe_fixtures.audit import events

__all__ = ['read']

_CHUNK = 1 << 16  # bytes read at once


def read(
    paths: Iterable[str], truncated: MutableSequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Return the events of some audit files, ordered by time.

    A process that is killed may leave half a line at the end of its file, or
    in the middle of a shared file. Lines that are not JSON are skipped.

    Example::

        for event in read(['report-of-one', 'report-of-two']):
            print(event['eventTime'], event['action'])

    :param paths: files of events, or report directories with files
        ``events-*.jsonl``; each file is read once.
    :param truncated: a list for the places of skipped lines, as
        ``file:line``.
    :raises: OSError for a path that cannot be read; ValueError for a
        directory without files of events, for a file of several lines with
        no JSON, and, naming file and line, for JSON that is no event.
    """
    files: dict[str, str] = {}
    for path in paths:
        for name in _files(path):
            files.setdefault(os.path.realpath(name), name)
    skipped = [] if truncated is None else truncated
    return heapq.merge(
        *(_read_file(name, skipped) for name in files.values()),
        # All times are UTC with microseconds, so text sorts by time.
        key=lambda stored: str(stored['eventTime']),
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
    path: str, truncated: MutableSequence[str]
) -> Iterator[dict[str, Any]]:
    number = found = 0
    for number, line in enumerate(_lines(path), 1):
        try:
            stored = json.loads(line)
        except (ValueError, RecursionError):
            truncated.append(f'{path}:{number}')
            continue
        if not _is_event(stored):
            raise ValueError(f'{path}:{number} is no audit event')
        found += 1
        yield stored
    if number > 1 and not found:
        raise ValueError(f'{path} has no audit event in its {number} lines')


def _lines(path: str) -> Iterator[bytes]:
    # Closed in between: there may be more files than a process may open.
    offset = 0
    while True:
        with open(path, 'rb') as file:
            if not file.seekable():
                yield from file
                return
            file.seek(offset)
            lines = file.readlines(_CHUNK)
        if not lines:
            return
        yield from lines
        offset += sum(map(len, lines))


def _is_event(value: Any) -> bool:
    """Whether a value has all that :class:`audit.Event` reads."""
    match value:
        case {
            'typeURI': cadf.TYPE_URI_EVENT,
            'action': str(action),
            'eventTime': str(),
            'outcome': str(),
            'initiator': {'name': str()} as initiator,
            'target': {'name': str()} as target,
        }:
            attachments = value.get('attachments', [])
            return (
                isinstance(initiator.get('id', ''), str)
                and isinstance(target.get('id', ''), str)
                and isinstance(value.get('reason', {}), dict)
                and ('reason' in value or action not in events.VIOLATIONS)
                and _are(str, value.get('tags', []))
                and _are(dict, attachments)
                and all(
                    isinstance(each.get('content'), dict)
                    for each in attachments
                    if each.get('name') == 'details'
                )
            )
    return False


def _are(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, kind) for value in values
    )
