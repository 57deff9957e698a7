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

"""Fold violations that repeat: a test may swallow thousands of them."""

import collections
from collections.abc import Sequence
import dataclasses

from safe_fixtures.core import violations
from safe_fixtures import exceptions

__all__ = ['Count', 'Repetitions', 'folded']

_RECORDED = 100  # events of violations that are the same
_DISTINCT = 20  # violations of a rule that are raised each


@dataclasses.dataclass(slots=True)
class Count:
    """How often the same violation happened.

    :ivar recorded: whether this one gets an event of its own.
    :ivar folded: how many got none.
    """

    recorded: bool = True
    folded: int = 0


class Repetitions:
    """The violations that one guard saw in one test."""

    def __init__(self) -> None:
        self._swallowed: dict[object, list[exceptions.SafetyViolation]] = {}
        self._rules: collections.Counter[str] = collections.Counter()
        self._times: collections.Counter[object] = collections.Counter()
        self._counts: dict[object, Count] = {}

    def keep(
        self, violation: exceptions.SafetyViolation
    ) -> list[exceptions.SafetyViolation]:
        """Keep a violation until the cleanup.

        :returns: those that the cleanup raises as one: they have the same
            rule, place and message, or there are too many of the rule.
        """
        code = violation.code
        key: object = (code, violation.message, violation.where)
        if key not in self._swallowed:
            self._rules[code] += 1
            if self._rules[code] > _DISTINCT:
                key = code
        kept = self._swallowed.setdefault(key, [])
        kept.append(violation)
        return kept

    def count(self, verdict: violations.Verdict, target: str) -> Count:
        """Count a violation that is about to be recorded."""
        violation = verdict.violation
        key = (
            violation.code,
            violation.message,
            violation.where,
            target,
            verdict.refuses,
            verdict.waiver is None,
            verdict.expectation is None,
            verdict.is_debt,
        )
        self._times[key] += 1
        if self._times[key] <= _RECORDED:
            return Count()
        count = self._counts.setdefault(key, Count(recorded=False))
        count.folded += 1
        return count


def folded(
    swallowed: Sequence[exceptions.SafetyViolation],
) -> exceptions.SafetyViolation:
    """Return one violation that stands for several of a rule.

    :param swallowed: the violations, at least one.
    """
    first, others = swallowed[0], len(swallowed) - 1
    about = {(each.message, each.where) for each in swallowed}
    if len(about) == 1:
        first.times = len(swallowed)
        return first
    return exceptions.SafetyViolation(
        first.code,
        f'{first.message}, and {others} more violations of this rule, which '
        'are in the audit trail',
        remedy=first.remedy,
        where=first.where,
    )
