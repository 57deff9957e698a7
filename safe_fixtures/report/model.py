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

"""The tests of one or more runs, each with its events, as a page needs them.

The events of a suite are many and name the same things. They are kept as
plain tuples that share their texts, cut to what a person reads.
"""

import collections
from collections.abc import Iterable
import dataclasses
import datetime
import json
import os
import re
from typing import Any, NamedTuple

from safe_fixtures.audit import events
from safe_fixtures.runtime import printable

__all__ = ['BROKEN', 'FAILED', 'OUTCOMES', 'Model', 'Row', 'Test', 'shortened']

#: Outcomes of tests, the worst first.
OUTCOMES = (
    'failed', 'timeout', 'died', 'lost', 'uxsuccess', 'flaky', 'owed',
    'skipped', 'xfail', 'passed', 'unknown',
)  # fmt: skip
#: Those that fail a run.
FAILED = frozenset(OUTCOMES[:5])
#: Those of tests that have failed, whether or not that fails the run.
BROKEN = FAILED | {'flaky', 'owed'}
_OUTCOME_OF = {
    'success': 'passed',
    'fail': 'failed',
    'failure': 'failed',
    'skip': 'skipped',
    **{each: each for each in ('timeout', 'died', 'lost', 'uxsuccess')},
    'xfail': 'xfail',
}
_OF_RUNS = frozenset({
    events.RUN, events.RUN_WAIVER, events.RUN_END, events.PAIRED,
    events.PROFILE, events.PLUGIN,
})  # fmt: skip

_NAME = 1000  # characters of a name
_TEXT = 4000  # of any other text
_ITEMS = 50  # of a list or a mapping
_DEPTH = 4
_DETAILS = 20000  # characters of all details of an event, as JSON
_SMALL = 2000  # of details that are kept as they are
_EVENTS = 5000  # of a test

_encode = json.JSONEncoder(separators=(',', ':'), allow_nan=False).encode
# An escape of what cannot be printed, or of a backslash before it.
_ESCAPE = re.compile(r'\\[bfru]')


class Row(NamedTuple):
    """What a page keeps of one audit event.

    :ivar at: when, in seconds since the Unix epoch; None if unreadable.
    :ivar action: what happened.
    :ivar outcome: ``success``, ``failure``, ``unknown`` or ``pending``.
    :ivar code: the rule; empty without one.
    :ivar target: what was acted on.
    :ivar text: the message of a violation, else empty.
    :ivar details: all other content, as JSON.
    """

    at: float | None
    action: str
    outcome: str
    code: str
    target: str
    text: str
    details: str


@dataclasses.dataclass(slots=True, eq=False)
class Test:
    """One run of one test.

    :ivar name: its id, printable.
    :ivar directory: the directory of its records.
    :ivar outcome: one of :data:`OUTCOMES`.
    :ivar seconds: how long it took.
    :ivar start: when it began, in seconds since the first event of all.
    :ivar worker: the number of its worker; None if that is unknown.
    :ivar hardened: ``fully``, ``partly`` or ``not at all``.
    :ivar lacks: why it is not hardened fully; empty if that is unknown.
    :ivar rules: how often it broke each rule, by rule and kind.
    :ivar rows: its events, in their order.
    :ivar left_out: how many events were too many to keep.
    :ivar by_violations: whether nothing but violations failed it.
    """

    name: str
    directory: str
    outcome: str = 'unknown'
    seconds: float = 0.0
    start: float = 0.0
    worker: int | None = None
    hardened: str = 'not at all'
    lacks: str = ''
    rules: 'collections.Counter[tuple[str, str]]' = dataclasses.field(
        default_factory=collections.Counter
    )
    rows: list[Row] = dataclasses.field(default_factory=list)
    left_out: int = 0
    by_violations: bool = False
    is_reported: bool = False
    ended: float | None = None

    @property
    def module(self) -> str:
        """The module, as far as the id tells."""
        return '.'.join(self.name.partition('(')[0].split('.')[:-2])


class Model:
    """Collects the tests of the events of some runs.

    Example::

        model = Model()
        for event in reader.views(paths, truncated, skipped):
            model.add(event)
        for test in model.tests():
            print(test.name, test.outcome, len(test.rows))
    """

    def __init__(self) -> None:
        self._by_trail: dict[tuple[str, str, str], Test] = {}
        # Those of a name that the runner has said nothing about.
        self._waiting: dict[tuple[str, str], list[Test]] = {}
        self._tests: list[Test] = []
        self._texts: dict[str, str] = {}
        # As it is shown, by what was recorded.
        self._names: dict[str, str] = {}
        self._first: float | None = None
        # Those that passed when they ran again, as keys of those that wait.
        self._flaky: set[tuple[str, str]] = set()

    def add(self, event: events.Event) -> None:
        """Keep what a page needs of an event; they come ordered by time."""
        at = _seconds(event.time)
        if self._first is None:
            self._first = at
        if event.action == events.TEST_OUTCOME:
            self._end(event, at)
        elif event.action == events.RERUN:
            if event.details.get('flaky'):
                self._flaky.add(self._key(event))
        elif event.action not in _OF_RUNS:
            self._keep(event, at)

    def tests(self) -> list[Test]:
        """Return the tests, in the order in which they began."""
        first = self._first or 0.0
        for test in self._tests:
            ended = test.ended
            if ended is None:
                times = [row.at for row in test.rows if row.at is not None]
                ended = max(times, default=first)
            test.start = max(0.0, round(ended - test.seconds - first, 3))
            if (test.directory, test.name) in self._flaky:
                test.outcome = 'flaky'
        return sorted(self._tests, key=lambda test: (test.start, test.name))

    def _end(self, event: events.Event, at: float | None) -> None:
        key = self._key(event)
        waiting = self._waiting.get(key)
        test = waiting.pop(0) if waiting else self._new(key)
        if waiting:
            # It ran on in another process: the last one knows the end.
            test = waiting.pop()
            waiting.clear()
        test.is_reported = True
        status = event.details.get('status')
        test.outcome = _OUTCOME_OF.get(
            status or event.outcome, 'skipped' if status else 'unknown'
        )
        test.by_violations = _is_by_violations(event)
        test.seconds = event.seconds
        worker = event.details.get('worker')
        if type(worker) is int and 0 <= worker < 10**6:
            test.worker = worker
        if test.ended is None:
            test.ended = at

    def _key(self, event: events.Event) -> tuple[str, str]:
        return os.path.dirname(event.place), self._name(event.target)

    def _keep(self, event: events.Event, at: float | None) -> None:
        test = self._of(event)
        if event.is_violation:
            test.rules[self._name(event.code or 'unknown'), event.kind] += (
                event.times
            )
        elif event.action == events.TEST_END:
            fully = event.details.get('hardened') == 'fully'
            test.hardened = 'fully' if fully else 'partly'
            test.lacks = self._name(event.details.get('lacks', ''))
            test.ended = at
            if not test.is_reported:
                test.outcome = _OUTCOME_OF.get(event.outcome, 'skipped')
                test.by_violations = _is_by_violations(event)
                test.seconds = event.seconds
        if len(test.rows) < _EVENTS:
            test.rows.append(self._row(event, at))
        else:
            test.left_out += 1

    def _of(self, event: events.Event) -> Test:
        """Return the test that an event belongs to."""
        directory = os.path.dirname(event.place)
        key = directory, event.initiator, event.test
        test = self._by_trail.get(key)
        if test is None:
            named = directory, self._name(event.test)
            test = self._by_trail[key] = self._new(named)
            self._waiting.setdefault(named, []).append(test)
        return test

    def _new(self, key: tuple[str, str]) -> Test:
        directory, name = key
        test = Test(name, self._shared(directory))
        self._tests.append(test)
        return test

    def _row(self, event: events.Event, at: float | None) -> Row:
        content = dict(event.details)
        text = content.pop('message', '') if event.is_violation else ''
        return Row(
            at,
            self._name(event.action),
            event.outcome,
            self._name(event.code),
            self._name(event.target),
            self._shared(shortened(text)),
            self._shared(_as_json(content)),
        )

    def _name(self, text: str) -> str:
        name = self._names.get(text)
        if name is None:
            name = shortened(text, _NAME)
            if len(text) <= _NAME:
                self._names[text] = name
        return self._shared(name)

    def _shared(self, text: str) -> str:
        return self._texts.setdefault(text, text)


def _is_by_violations(event: events.Event) -> bool:
    return bool(event.details.get('by_violations'))


def shortened(text: str, most: int = _TEXT) -> str:
    """Return text that can be printed, cut if it is long.

    :param text: such as a message.
    :param most: how many characters are kept (int).
    """
    if len(text) > most:
        left_out = len(text) - most
        text = f'{text[:most]} ... {left_out} more characters'
    return printable.block(text)


def _seconds(time: str) -> float | None:
    try:
        return datetime.datetime.fromisoformat(time).timestamp()
    except (ValueError, OverflowError):
        return None


def _as_json(content: dict[str, Any]) -> str:
    try:
        text = _encode(content)
    except ValueError:  # NaN
        text = ''
    if 0 < len(text) <= _SMALL and not _ESCAPE.search(text):
        return text
    text = _encode(_plain(content))
    if len(text) <= _DETAILS:
        return text
    names = [shortened(str(name), 100) for name in content][:_ITEMS]
    return _encode({'left out, too long': names})


def _plain(value: Any, depth: int = _DEPTH) -> Any:
    """Return a copy that can be printed and is not large."""
    if isinstance(value, str):
        return shortened(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        # JSON has neither NaN nor infinity.
        return value if abs(value) < 1e300 else str(value)
    if depth and isinstance(value, (list, dict)):
        return _items(value, depth - 1)
    return '...'


def _items(value: list[Any] | dict[Any, Any], depth: int) -> Any:
    more = len(value) - _ITEMS
    if isinstance(value, list):
        items = [_plain(each, depth) for each in value[:_ITEMS]]
        return [*items, f'... {more} more'] if more > 0 else items
    pairs: Iterable[tuple[Any, Any]] = list(value.items())[:_ITEMS]
    found = {shortened(str(key), 200): _plain(v, depth) for key, v in pairs}
    if more > 0:
        found['...'] = f'{more} more'
    return found
