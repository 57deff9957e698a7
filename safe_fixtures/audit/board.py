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

"""Alerts, and where they are kept."""

import dataclasses
from typing import Any

from safe_fixtures.runtime import printable

__all__ = ['MOST', 'Alert', 'Board', 'Tally']

MOST = 1000  # alerts in memory
_NAMED = 20  # tests that an alert names


@dataclasses.dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody should look at.

    :ivar rule: the name of the alert, such as ``burst of refusals`` (str).
    :ivar message: what happened (str).
    :ivar tests: the first 20 tests in which it happened (tuple of str).
    :ivar count: how many events there were (int).
    :ivar when: the time of the last event, as the event has it (str).
    """

    rule: str
    message: str
    tests: tuple[str, ...]
    count: int
    when: str

    def __str__(self) -> str:
        return printable.line(
            f'{self.rule}: {self.message}, in {", ".join(self.tests)}'
        )


class Board:
    """The alerts that were raised, by a key of each."""

    def __init__(self) -> None:
        self.alerts: dict[Any, Alert] = {}
        self.dropped = 0

    def put(self, key: Any, alert: Alert) -> None:
        """Raise an alert, or bring it up to date."""
        if key in self.alerts or len(self.alerts) < MOST:
            self.alerts[key] = alert
        else:
            self.dropped += 1


class Tally:
    """Counts events, and names the tests they are of."""

    def __init__(self) -> None:
        self.count = 0
        self.first = self.last = ''
        self._tests: dict[str, None] = {}

    def add(self, time: str, test: str) -> None:
        self.count += 1
        self.last = time
        self.first = self.first or time
        if len(self._tests) < _NAMED:
            self._tests[test] = None

    def alert(self, rule: str, message: str) -> Alert:
        return Alert(rule, message, tuple(self._tests), self.count, self.last)
