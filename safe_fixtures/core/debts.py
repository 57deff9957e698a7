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

"""Debts: violations that a suite has had, and has promised to mend.

A waiver states a reason, a debt does not: somebody owes the change. The
debts are in a baseline, a file that ``[safe_fixtures] baseline_file`` names.
"""

import collections
from collections.abc import Callable, Iterable, Sequence
import dataclasses
import itertools
import re
from typing import Any

from safe_fixtures import conf
from safe_fixtures.core import acts
from safe_fixtures.core import tables
from safe_fixtures import exceptions
from safe_fixtures import redaction
from safe_fixtures import rules
from safe_fixtures.runtime import printable

__all__ = ['MOST', 'Debt', 'Debts', 'Key', 'key_of', 'of_suite', 'read']

_OPTION = '[safe_fixtures] baseline_file'
_KEYS = ('rule', 'done', 'owner')
# Bound at import, so that a test that patches them changes nothing here.
_compile, _escape = re.compile, re.escape
#: The largest count of a debt.
MOST = 10**9
#: What makes two violations the same debt: rule, test, file and act.
Key = tuple[str, str, str, str]
# The debts of each baseline.
_read: dict[str, list['Debt']] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Debt:
    """What one test may still do against a rule.

    :ivar rule: the code of the rule, such as ``SF203``.
    :ivar test: the id of the test.
    :ivar file: where the test does it, from where its package is imported;
        empty if that is unknown.
    :ivar done: what it does, in words that do not differ by machine.
    :ivar count: how often.
    :ivar owner: who may remove the debt.
    """

    rule: str
    test: str
    file: str
    done: str
    count: int
    owner: str

    @property
    def key(self) -> Key:
        """What a violation must have to be covered."""
        return self.rule, self.test, self.file, self.done


def key_of(code: str, test: str, file: str, message: str) -> Key:
    """Return what tells the debt of a violation from others.

    :param code: the rule.
    :param test: the id of the test.
    :param file: the path of the file where the test did it.
    :param message: what it did, masked.
    """
    name = printable.line(test)
    # Many messages name the test, which the key has already.
    itself = _compile(rf'(?<![\w.]){_escape(name)}(?![\w.])')
    said = itself.sub('the test', printable.line(message))
    return code, name, acts.file_of(file, test), acts.act(said)


class Debts:
    """The debts of one test, and how often it has done what they cover.

    :param test: the id of the test; None has no debts.
    :param debts: those of the suite; default: of the configuration.
    :raises: ConfigurationError if the baseline is invalid.
    """

    def __init__(
        self, test: str | None, debts: Sequence[Debt] | None = None
    ) -> None:
        # Read without a test too, so that a bad file is refused.
        found = of_suite() if debts is None else debts
        # As it is in the records.
        self._test = ''
        if test and found:
            self._test = printable.line(redaction.Redactor().redact(test))
        self._allowed: dict[Key, int] = {
            each.key: each.count for each in found if each.test == self._test
        }
        self._rules = {rule for rule, *_ in self._allowed}
        # Threads may break a rule at once: a step of these is atomic, and a
        # fork copies no lock.
        self._seen: dict[Key, itertools.count[int]] = collections.defaultdict(
            itertools.count
        )

    def cover(
        self,
        violation: exceptions.SafetyViolation,
        redact: Callable[[str], str],
    ) -> bool:
        """Count a violation; return whether it is one of the debts.

        What is done more often than the debt says is not.

        :param violation: with the place where it happened.
        :param redact: masks secrets, as the record of the violation does.
        """
        if violation.code not in self._rules:
            return False
        file, _ = acts.place_of(redact(violation.where or ''))
        key = key_of(
            violation.code, self._test, file, redact(violation.message)
        )
        allowed = self._allowed.get(key)
        return allowed is not None and next(self._seen[key]) < allowed


def of_suite() -> list[Debt]:
    """Return the debts of the baseline; none if no option names one.

    A file is read once in a process.

    :raises: ConfigurationError if the file, or another setting, is invalid.
    """
    path = conf.load().baseline_file
    if path is None:
        return []
    # A test may have replaced the file, or open().
    found = _read.get(path)
    if found is None:
        found = _read[path] = read(path)
    return found


def read(path: str) -> list[Debt]:
    """Return the debts of a baseline, in its order.

    :param path: a TOML file.
    :raises: ConfigurationError that names the file, the entry (from 1) and
        what is allowed.
    """
    known: dict[Key, int] = {}

    def entry(table: dict[str, Any], others: list[list[Debt]]) -> list[Debt]:
        found = list(_debts_of(table))
        for debt in found:
            number = known.setdefault(debt.key, len(others) + 1)
            if number <= len(others):
                raise ValueError(
                    f'{debt.test} has the same debt as in entry {number}: '
                    'keep one of the two'
                )
        return found

    entries = tables.read(
        path, _OPTION, 'debt', _KEYS, entry, ('file',), ('tests',)
    )
    return list(itertools.chain.from_iterable(entries))


def _debts_of(table: dict[str, Any]) -> Iterable[Debt]:
    rule = rules.get(table['rule'])
    if rule.always:
        raise ValueError(f'{rule.code} has no debts: it is always enforced')
    tests = table.get('tests')
    if not isinstance(tests, dict) or not tests:
        raise ValueError('tests must be a table: how often each test does it')
    for test, count in tests.items():
        if type(count) is not int or not 0 < count <= MOST:
            raise ValueError(
                f'{test} has {count!r}: it must be a number, at least 1'
            )
        yield Debt(
            rule.code,
            test,
            table.get('file', ''),
            table['done'],
            count,
            table['owner'],
        )
