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

"""Accept the violations of runs as debts, and drop the debts that are paid."""

from collections.abc import Iterable, Sequence
import dataclasses

from safe_fixtures.core import debts
from safe_fixtures import rules
from safe_fixtures.summary import debts as summary_debts
from safe_fixtures.summary import reader

__all__ = ['Accepted', 'Pruned', 'accept', 'prune']


@dataclasses.dataclass(frozen=True)
class Accepted:
    """The debts of some runs.

    :ivar debts: the debts (list of Debt).
    :ivar refused: how often rules were broken that have no debts, since they
        are always enforced or unknown (int).
    :ivar enforced: how many of the debts have ended their test, which may do
        more when it goes on (int).
    :ivar missing: the records that could not be read (list of str).
    """

    debts: list[debts.Debt]
    refused: int
    enforced: int
    missing: list[str]


@dataclasses.dataclass(frozen=True)
class Pruned:
    """What is left of some debts.

    :ivar debts: the debts (list of Debt).
    :ivar removed: how many debts are paid (int).
    :ivar lowered: how many are paid in part (int).
    :ivar unproved: how many belong to tests that did not pass (int).
    """

    debts: list[debts.Debt]
    removed: int
    lowered: int
    unproved: int


def accept(
    paths: Iterable[str], owner: str, before: Iterable[debts.Debt] = ()
) -> Accepted:
    """Return the violations of runs as debts.

    Those that were enforced or recorded count, and those that were waived or
    expected do not. Of several runs of a test, the one that did most counts.

    :param paths: as for :func:`safe_fixtures.summary.read`.
    :param owner: who may remove them.
    :param before: debts that keep their owners if they are still there.
    :raises: OSError, ValueError: as by :func:`safe_fixtures.summary.read`.
    """
    done, missing = _read(paths)
    owners = {each.key: each.owner for each in before}
    found, refused, enforced = [], 0, 0
    for key, count in done.counts.items():
        rule = rules.RULES.get(key[0])
        if rule is None or rule.always:
            refused += count
            continue
        enforced += done.first[key].outcome == 'enforced'
        count = min(count, debts.MOST)
        found.append(debts.Debt(*key, count, owners.get(key, owner)))
    return Accepted(found, refused, enforced, missing)


def prune(
    given: Sequence[debts.Debt], paths: Iterable[str], owner: str | None = None
) -> Pruned:
    """Return what is left of debts after some runs; nothing is added.

    A debt is paid if its test ran guarded, passed, and did not do it; or in
    part if it did it less often. The debts of other tests stay.

    :param given: the debts.
    :param paths: as for :func:`safe_fixtures.summary.read`.
    :param owner: whose debts may go; default: anybody's.
    :raises: OSError, ValueError: as by :func:`safe_fixtures.summary.read`;
        ValueError if a part of the records cannot be read, since a violation
        may be in there.
    """
    done, missing = _read(paths)
    if missing:
        raise ValueError(
            'nothing was pruned, as a part of the records cannot be read: '
            + ', '.join(missing[:3])
        )
    left, lowered, unproved = [], 0, 0
    for debt in given:
        paid = 0
        if owner in (None, debt.owner):
            paid = done.paid(debt)
            unproved += not done.has_passed(debt.test)
        if paid < debt.count:
            lowered += bool(paid)
            left.append(dataclasses.replace(debt, count=debt.count - paid))
    return Pruned(left, len(given) - len(left), lowered, unproved)


def _read(paths: Iterable[str]) -> tuple[summary_debts.Done, list[str]]:
    done = summary_debts.Done()
    missing: list[str] = []
    for event in reader.views(paths, missing, missing):
        done.add(event)
    return done, missing
