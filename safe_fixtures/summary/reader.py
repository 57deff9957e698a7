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

from collections.abc import Iterable, Iterator, Mapping, MutableSequence
import glob
import heapq
import json
import os
from typing import Any

from pycadf import event as cadf

from safe_fixtures.audit import events as audit_events

__all__ = [
    'read',
]


_CHUNK = 1 << 16  # bytes that are read of a file at once


def read(
    paths: Iterable[str], torn: MutableSequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Return the events of some audit files, in the order of their times.

    A process that was killed may have left half a line at the end of its
    file, or in the middle of one that it shared. What is no JSON is passed
    over.

    Example::

        for event in read(['report-of-one', 'report-of-two']):
            print(event['eventTime'], event['action'])

    :param paths: files of events, or report directories, which stand for
        the ``events-*.jsonl`` in them; each file is read once.
    :param torn: where to put the place of each line that is passed over, as
        ``file:line``.
    :raises: OSError for what cannot be read; ValueError for a directory
        without events, for a file of several lines that are none of them
        JSON, and, naming file and line, for JSON that is no event.
    """
    files: dict[str, str] = {}
    for path in paths:
        for name in _files(path):
            files.setdefault(os.path.realpath(name), name)
    return heapq.merge(
        *(
            _read_file(name, [] if torn is None else torn)
            for name in files.values()
        ),
        key=_time,
    )


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):
        # It says which, before anything is read.
        os.stat(path)
        return [path]
    found = sorted(
        glob.glob(os.path.join(glob.escape(path), 'events-*.jsonl'))
    )
    if not found:
        raise ValueError(f'{path} has no events-*.jsonl')
    return found


def _read_file(
    path: str, torn: MutableSequence[str]
) -> Iterator[dict[str, Any]]:
    number = events = 0
    for number, line in enumerate(_lines(path), 1):
        try:
            stored = json.loads(line)
        except (ValueError, RecursionError):
            torn.append(f'{path}:{number}')
            continue
        if not _is_event(stored):
            raise ValueError(f'{path}:{number} is no audit event')
        events += 1
        yield stored
    if number > 1 and not events:
        raise ValueError(f'{path} has no audit event in its {number} lines')


def _lines(path: str) -> Iterator[bytes]:
    # Not open in between: there may be more files than a process may open.
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
    return (
        isinstance(value, dict)
        and value.get('typeURI') == cadf.TYPE_URI_EVENT
        and isinstance(value.get('eventTime'), str)
        and {'action', 'outcome'} <= value.keys()
        and isinstance(value['action'], str)
        and isinstance(value['outcome'], str)
        and all(
            isinstance(value.get(role), dict)
            and isinstance(value[role].get('name'), str)
            and isinstance(value[role].get('id', ''), str)
            for role in ('initiator', 'target')
        )
        and (
            value['action'] not in audit_events.VIOLATIONS or 'reason' in value
        )
        and isinstance(value.get('reason', {}), dict)
        and _are(str, value.get('tags', []))
        and _are(dict, value.get('attachments', []))
        and _are(
            dict,
            [
                each.get('content')
                for each in value.get('attachments', [])
                if each.get('name') == 'details'
            ],
        )
    )


def _are(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, kind) for value in values
    )


def _time(stored: Mapping[str, Any]) -> str:
    # Each is written in UTC and to the microsecond.
    time: str = stored['eventTime']
    return time
