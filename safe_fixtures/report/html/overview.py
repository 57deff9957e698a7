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

"""What the first view of a page says."""

import collections
from collections.abc import Iterable, Sequence
import dataclasses
import heapq
from typing import NamedTuple

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.baseline import compare
from safe_fixtures.core import debts as core_debts
from safe_fixtures.report import model
from safe_fixtures import rules
from safe_fixtures import summary
from safe_fixtures.summary import violations

__all__ = [
    'Overview',
    'Rule',
    'Service',
    'Slow',
    'by_outcome',
    'slowest',
]

_OUTCOMES = ('enforced', 'recorded', 'waived', 'expected')
_SHOWN = 10
_LEAST = 0.001  # seconds
_PLACES = 8  # of one rule
_TESTS = 3  # of one rule
_MASKED = 'SF601'
_DRIFT = 'SF104'


class Slow(NamedTuple):
    """Something that took long, and the test in which it did."""

    seconds: float
    name: str
    test: str


class Service(NamedTuple):
    """A service that a test left changed, and what became of it."""

    name: str
    test: str
    text: str


@dataclasses.dataclass
class Rule:
    """The violations of one rule.

    :ivar counts: how often it was broken, by kind.
    :ivar tests: how often each test broke it.
    :ivar places: the worst places.
    :ivar more: how many places are left out.
    """

    code: str
    title: str
    remedy: str
    cwe: str
    counts: 'collections.Counter[str]'
    tests: 'collections.Counter[str]'
    places: list[violations.Group]
    more: int = 0

    def worst(self) -> list[tuple[str, int]]:
        """Return the tests that broke it most often."""
        return _most(self.tests)[:_TESTS]


class Overview:
    """Counts what the first view shows.

    :ivar summary: the summary, as the commands print it.
    :ivar secrets: how many were masked.
    :ivar compared: what differs from earlier runs; None without any.
    """

    def __init__(
        self,
        alerts: audit.Alerts | None = None,
        debts: Sequence[core_debts.Debt] | None = None,
    ) -> None:
        self.summary = summary.Summary(alerts, debts)
        self.compared: compare.Comparison | None = None
        self._found = violations.Found()
        self._changes = _Changes()
        self.secrets = 0
        # How many secrets of each test, by output and kind.
        self._masked: dict[str, collections.Counter[str]] = {}
        self.drift: dict[str, collections.Counter[str]] = {}
        self._restores: list[Slow] = []
        self._starts: list[Slow] = []
        self.outages: list[Slow] = []
        self.waited = self.waits = self.cut_short = 0.0

    def add(self, event: events.Event) -> None:
        """Count an event."""
        self.summary.add_view(event)
        self._found.add(event)
        self._changes.add(event)
        if event.is_violation and event.kind != 'expected':
            self._note(event)
        elif event.action == events.RESTORE:
            _keep(self._restores, event)
        elif event.action == events.START:
            _keep(self._starts, event)
        elif event.action == events.OUTAGE:
            _keep(self.outages, event)
        elif event.action == events.WAIT:
            self.waits += event.details.get('waits', 0)
            self.cut_short += event.details.get('cut_short', 0)
            self.waited += event.details.get('seconds_won', 0.0)

    def _note(self, event: events.Event) -> None:
        if event.code == _MASKED:
            self._note_masked(event)
        elif event.code == _DRIFT:
            message = model.shortened(event.details.get('message', ''))
            drift = self.drift.setdefault(message, collections.Counter())
            drift[_name(event.test)] += event.times

    def _note_masked(self, event: events.Event) -> None:
        found = self._masked.setdefault(
            _name(event.test), collections.Counter()
        )
        for each in event.details.get('masked', ()):
            count = each['count'] * event.times
            found[_name(f'{event.target}: {each["kind"]}')] += count
            self.secrets += count

    def masked(self) -> list[tuple[str, 'collections.Counter[str]']]:
        """Return how many secrets of each test were masked, and where.

        The tests with most of them come first.
        """
        return sorted(
            self._masked.items(), key=lambda each: (-each[1].total(), each[0])
        )

    def rules(self) -> list[Rule]:
        """Return the broken rules.

        The most important come first: those that were enforced, then those
        that were broken most often.
        """
        found: dict[str, Rule] = {}
        for group in self._found.folded():
            code = group.first.code
            rule = found.get(code)
            if rule is None:
                rule = found[code] = _rule(code, group.first)
            rule.counts[group.first.outcome] += group.count
            for test, count in group.tests.items():
                rule.tests[_name(test)] += count
            if len(rule.places) < _PLACES:
                rule.places.append(_shown(group))
            else:
                rule.more += 1
        # The worst outcome of a rule was counted first.
        return sorted(
            found.values(),
            key=lambda rule: (
                _OUTCOMES.index(next(iter(rule.counts))),
                -rule.counts.total(),
                rule.code,
            ),
        )

    def services(self) -> '_Changes':
        """Return the services that tests changed, and which were restored."""
        return self._changes

    def slow_restores(self) -> list[Slow]:
        """Return the restores that took longest."""
        return sorted(self._restores, reverse=True)

    def slow_starts(self) -> list[Slow]:
        """Return the starts of services that took longest."""
        return sorted(self._starts, reverse=True)

    def longest_outages(self) -> list[Slow]:
        """Return the outages that took longest."""
        return sorted(self.outages, reverse=True)

    def rows(self) -> dict[str, list[tuple[str, int | float | str, str]]]:
        """Return the rows of the summary, by section.

        What differs from earlier runs comes first.
        """
        found: dict[str, list[tuple[str, int | float | str, str]]] = {}
        compared = [] if self.compared is None else self.compared.rows()
        rows = [(f'Compared: {each[0]}', *each[1:]) for each in compared]
        for section, item, count, details in (*rows, *self.summary.rows()):
            if not (count or details):
                continue
            found.setdefault(model.shortened(section), []).append((
                model.shortened(item), count, model.shortened(details)
            ))  # fmt: skip
        return found


class _Changes:
    """The services that tests changed, and whether they were restored."""

    def __init__(self) -> None:
        # The name, and the last state that was seen, by test and service.
        self._changed: dict[tuple[str, str], tuple[str, str]] = {}
        self._restored: dict[tuple[str, str], tuple[bool, str]] = {}
        self.changes = 0
        self.outages = 0

    def add(self, event: events.Event) -> None:
        key = event.test, event.target_id or event.target
        if event.action in events.CHANGES:
            self.changes += 1
            self._changed[key] = event.target, event.details.get('after', '')
        elif event.action == events.RESTORE:
            wanted = event.details.get('wanted', '')
            self._restored[key] = event.outcome == 'success', wanted
            self._changed.setdefault(key, (event.target, ''))
        elif event.action == events.OUTAGE:
            self.outages += 1

    @property
    def toggled(self) -> int:
        """How many services tests changed; each test counts its own."""
        return len(self._changed)

    @property
    def restored(self) -> int:
        """How many of them were restored."""
        return sum(good for good, _ in self._restored.values())

    def lost(self) -> list[Service]:
        """Return the services that nothing restored."""
        found = []
        for key, (name, after) in self._changed.items():
            good, wanted = self._restored.get(key, (False, ''))
            if not good:
                text = f'restore failed, wanted {wanted}' if wanted else (
                    f'never restored, left {after}' if after
                    else 'never restored'
                )  # fmt: skip
                found.append(Service(_name(name), _name(key[0]), _name(text)))
        return found


def _rule(code: str, first: violations.Violation) -> Rule:
    known = rules.RULES.get(code)
    return Rule(
        _name(code),
        known.title if known else 'a rule that this version does not know',
        known.remedy if known else model.shortened(first.remedy),
        (known.cwe if known else None) or '',
        collections.Counter(),
        collections.Counter(),
        [],
    )


def _shown(group: violations.Group) -> violations.Group:
    """Return a group that can be printed, with the worst tests only."""
    first = dataclasses.replace(
        group.first,
        file=_name(group.first.file),
        message=model.shortened(group.first.act),
        remedy=model.shortened(group.first.remedy),
        reason=model.shortened(group.first.reason),
    )
    tests = {_name(test): count for test, count in group.tests.items()}
    return violations.Group(first, collections.Counter(tests))


def _keep(slowest: list[Slow], event: events.Event) -> None:
    if event.seconds >= _LEAST:
        each = Slow(event.seconds, _name(event.target), _name(event.test))
        if len(slowest) < _SHOWN:
            heapq.heappush(slowest, each)
        else:
            heapq.heappushpop(slowest, each)


def _most(counts: 'collections.Counter[str]') -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _name(text: str) -> str:
    return model.shortened(text, 1000)


def by_outcome(tests: Iterable[model.Test]) -> list[tuple[str, int]]:
    """Return how many tests ended how, the worst first."""
    counts = collections.Counter(test.outcome for test in tests)
    return [(each, counts[each]) for each in model.OUTCOMES if counts[each]]


def slowest(tests: Sequence[model.Test]) -> list[model.Test]:
    """Return the tests that took longest."""
    return heapq.nlargest(_SHOWN, tests, key=lambda test: test.seconds)
