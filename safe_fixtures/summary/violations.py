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

"""The violations of a run, one by one and folded."""

import collections
from collections.abc import Iterator
import dataclasses
import itertools
import re
from typing import Literal

from safe_fixtures.audit import events
from safe_fixtures.core import acts
from safe_fixtures import rules

__all__ = ['Found', 'Group', 'Violation']

# The most important first.
_OUTCOMES = ('enforced', 'recorded', 'waived', 'expected')
# What differs between acts that are the same to a reader: a word with a digit,
# as ids and numbers are, and a name that tempfile made.
_VARYING = re.compile(r'\b(?:[\w-]*\d[\w-]*|tmp\w{8})\b')


@dataclasses.dataclass(frozen=True)
class Violation:
    """A rule that a test broke, at one place.

    :ivar code: the rule, such as ``SF203`` (str).
    :ivar outcome: ``enforced``, ``recorded``, ``waived`` or ``expected``.
    :ivar mode: the mode of the rule then, such as ``audit`` (str).
    :ivar test: the id of the test (str).
    :ivar file: where the test did it; empty if that is unknown (str).
    :ivar line: the line in the file; 0 if that is unknown (int).
    :ivar message: what happened (str).
    :ivar remedy: what to do (str).
    :ivar reason: why it was waived; empty if it was not (str).
    :ivar is_debt: whether the baseline of the run covers it (bool).
    """

    code: str
    outcome: Literal['enforced', 'recorded', 'waived', 'expected']
    mode: str
    test: str
    file: str
    line: int
    message: str
    remedy: str
    reason: str = ''
    is_debt: bool = False

    @classmethod
    def of(cls, event: events.Event) -> 'Violation':
        """Return the violation that an event records.

        :param event: one whose ``is_violation`` is true.
        """
        details = event.details
        rule = rules.RULES.get(event.code)
        file, line = acts.place_of(_text(details.get('where')))
        return cls(
            code=event.code or 'unknown',
            outcome=event.kind,
            mode=_text(details.get('mode')),
            test=event.test,
            file=file,
            line=line,
            message=_text(details.get('message')),
            remedy=_text(details.get('remedy'))
            or (rule.remedy if rule else ''),
            reason=_text(details.get('waived')),
            is_debt=event.is_debt,
        )

    @property
    def place(self) -> str:
        """The file and line; empty if they are unknown."""
        return f'{self.file}:{self.line}' if self.file else ''

    @property
    def fails_by_default(self) -> bool:
        """Whether the rule fails a test in mode ``default``."""
        rule = rules.RULES.get(self.code)
        return rule is not None and rule.default == 'enforce'

    @property
    def title(self) -> str:
        """What violates the rule, in one line."""
        rule = rules.RULES.get(self.code)
        return rule.title if rule else 'unknown rule'

    @property
    def act(self) -> str:
        """The message without the test at its end, which is known besides."""
        return self.message.removesuffix(f' in {self.test}')

    @property
    def shape(self) -> str:
        """The message without what differs between tests and runs.

        These are the id of the test, ids and numbers, and how often the same
        is listed in a row.
        """
        message = self.message
        if self.test:
            message = message.replace(self.test, '*')
        parts = _VARYING.sub('*', message).split('; ')
        return '; '.join(part for part, _ in itertools.groupby(parts))


@dataclasses.dataclass
class Group:
    """Violations that are the same to a reader: same rule, place and act.

    :ivar first: one of them (Violation).
    :ivar tests: how often each test did it (Counter).
    """

    first: Violation
    tests: 'collections.Counter[str]'

    @property
    def count(self) -> int:
        """How often it was done."""
        return self.tests.total()


class Found:
    """Collects violations.

    Example::

        found = Found()
        for event in events:
            found.add(event)
        for violation, count in found.listed():
            print(violation.code, violation.place, count)
    """

    def __init__(self) -> None:
        self._counts: collections.Counter[Violation] = collections.Counter()

    def __len__(self) -> int:
        return len(self._counts)

    def count(self, *outcomes: str) -> int:
        """Return how often rules were broken with one of some outcomes.

        :param outcomes: such as ``enforced``.
        """
        return sum(
            count
            for violation, count in self._counts.items()
            if violation.outcome in outcomes
        )

    def add(self, event: events.Event) -> None:
        """Count an event, if it records a violation."""
        if event.is_violation:
            self.note(Violation.of(event), event.times)

    def note(self, violation: Violation, times: int) -> None:
        """Count a violation that was done several times."""
        self._counts[violation] += times

    def listed(self) -> Iterator[tuple[Violation, int]]:
        """Yield each violation and how often it was done.

        The most important come first: by outcome, rule, test and place.
        """
        for violation in sorted(self._counts, key=_order):
            yield violation, self._counts[violation]

    def folded(self) -> list[Group]:
        """Return those that are the same to a reader as one.

        The most important come first: by outcome, then those of rules that
        fail a test by default, then those that were done most often.
        """
        groups: dict[tuple[str, ...], Group] = {}
        for violation, count in self.listed():
            key = (
                violation.code, violation.outcome, violation.place,
                violation.shape,
            )  # fmt: skip
            group = groups.setdefault(
                key, Group(violation, collections.Counter())
            )
            group.tests[violation.test] += count
        return sorted(
            groups.values(),
            key=lambda group: (
                _OUTCOMES.index(group.first.outcome),
                not group.first.fails_by_default,
                -group.count,
                *_order(group.first),
            ),
        )


def _order(violation: Violation) -> tuple[int | str, ...]:
    return (
        _OUTCOMES.index(violation.outcome),
        violation.code,
        violation.test,
        violation.file,
        violation.line,
        violation.message,
        violation.remedy,
        violation.mode,
        violation.reason,
        violation.is_debt,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ''
