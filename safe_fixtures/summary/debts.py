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

"""What tests did against the rules, and the section on their debts."""

import collections
from collections.abc import Iterator, Sequence

from safe_fixtures.audit import events
from safe_fixtures.core import debts
from safe_fixtures.runtime import printable
from safe_fixtures.summary import sections
from safe_fixtures.summary import violations

__all__ = ['Baseline', 'Done']


class Done:
    """Counts what tests did against the rules, and knows which passed.

    What was waived or expected does not count.

    :ivar counts: how often a test did something, the most in one of its
        runs (dict of :data:`.debts.Key` to int).
    :ivar first: the first violation of each key.
    :ivar off: the rules that a run did not check (set of str).
    """

    def __init__(self) -> None:
        self.counts: dict[debts.Key, int] = {}
        self.first: dict[debts.Key, violations.Violation] = {}
        self.off: set[str] = set()
        # Each run of a test has a trail, and so an initiator, of its own.
        self._counts: collections.Counter[tuple[str, debts.Key]] = (
            collections.Counter()
        )
        self._passed: set[str] = set()
        # They may have ended before they did what they do.
        self._not_passed: set[str] = set()

    def add(self, event: events.Event) -> tuple[debts.Key, int] | None:
        """Count an event.

        :returns: what a violation was and how often its test had done that
            before, in the same run; None for any other event.
        """
        if event.counts:
            return self._add_violation(event)
        if event.action == events.TEST_END:
            passes = event.outcome == 'success'
            tests = self._passed if passes else self._not_passed
            tests.add(printable.line(event.target))
        elif event.action == events.TEST_OUTCOME:
            if event.details.get('status') != 'success':
                self._not_passed.add(printable.line(event.target))
        elif event.action == events.RUN:
            self.off.update(event.details.get('off', ()))
        return None

    def _add_violation(self, event: events.Event) -> tuple[debts.Key, int]:
        violation = violations.Violation.of(event)
        key = debts.key_of(
            violation.code, violation.test, violation.file, violation.message
        )
        self.first.setdefault(key, violation)
        before = self._counts[event.initiator, key]
        self._counts[event.initiator, key] += event.times
        self.counts[key] = max(
            self.counts.get(key, 0), self._counts[event.initiator, key]
        )
        return key, before

    def has_passed(self, test: str) -> bool:
        """Whether a test ran guarded and passed, whenever it ran.

        :param test: the id, printable.
        """
        return test in self._passed and test not in self._not_passed

    def paid(self, debt: debts.Debt) -> int:
        """Return how much of a debt is paid.

        Its test must have passed: one that failed may have ended before.
        """
        if debt.rule in self.off or not self.has_passed(debt.test):
            return 0
        return max(0, debt.count - self.counts.get(debt.key, 0))


class Baseline(sections.Section):
    """The debts of a suite, its waivers, and what is new.

    :param debts: those of the baseline.
    :ivar new: the violations that the baseline does not cover (Found).
    """

    title = 'Baseline'

    def __init__(self, debts: Sequence[debts.Debt]) -> None:
        self.new = violations.Found()
        self._debts = debts
        self._allowed = {each.key: each.count for each in debts}
        self._done = Done()
        # How often each test did it, by rule.
        self._known: dict[str, collections.Counter[str]] = {}
        self._new: dict[str, collections.Counter[str]] = {}
        # The tests that were refused something, and whether all of that is
        # known.
        self._owing: dict[str, bool] = {}
        # Of the file by pattern, of a test by its id.
        self._waivers: set[tuple[str, str]] = set()

    def add(self, event: events.Event) -> None:
        if event.action == events.RUN_WAIVER:
            self._waivers.add((event.code, event.target))
        elif event.action == events.WAIVER:
            pattern = event.details.get('pattern', event.test)
            self._waivers.add((event.code, pattern))
        found = self._done.add(event)
        if found is None:
            return
        key, before = found
        allowed = self._allowed.get(key, 0)
        known = min(event.times, max(0, allowed - before))
        new = event.times - known
        code = key[0]
        if event.kind == 'enforced':
            owes = not new and self._owing.get(event.test, True)
            self._owing[event.test] = owes
        for counts, number in ((self._known, known), (self._new, new)):
            if number:
                tests = counts.setdefault(code, collections.Counter())
                tests[event.test] += number
        if new:
            self.new.note(violations.Violation.of(event), new)

    def owes(self, test: str) -> bool:
        """Whether a test was refused something, and nothing that is new."""
        return self._owing.get(test, False)

    def rows(self) -> sections.Rows:
        owners: collections.Counter[str] = collections.Counter()
        for debt in self._debts:
            owners[debt.owner] += debt.count
        tests = len({debt.test for debt in self._debts})
        owed = sections.with_counts(owners.most_common(sections.NAMED))
        details = f'in {sections.plural(tests, "test")}'
        if owed:
            details += f', of {owed}'
        yield 'debts', owners.total(), details
        yield 'waivers', len(self._waivers), 'each with a reason'
        yield from _rows('known', self._known)
        yield from _rows('new', self._new)
        yield from _rows('looks fixed', self._fixed())

    def _fixed(self) -> dict[str, collections.Counter[str]]:
        fixed: dict[str, collections.Counter[str]] = {}
        for debt in self._debts:
            paid = self._done.paid(debt)
            if paid:
                tests = fixed.setdefault(debt.rule, collections.Counter())
                tests[debt.test] += paid
        return fixed


def _rows(
    what: str, counts: dict[str, collections.Counter[str]]
) -> Iterator[tuple[str, int, str]]:
    for code, tests in sorted(counts.items()):
        most = sorted(tests.items(), key=lambda each: (-each[1], each[0]))
        named = sections.with_counts(most[: sections.NAMED])
        in_tests = sections.plural(len(tests), 'test')
        yield (
            f'{code} {what}',
            tests.total(),
            f'in {in_tests}, most in {named}',
        )
