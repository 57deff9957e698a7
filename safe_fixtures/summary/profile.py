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

"""The section on where the time of a run went."""

from collections.abc import Callable
import heapq
from typing import Any

from safe_fixtures.audit import events
from safe_fixtures.summary import sections

__all__ = ['Profile']

_SHOWN = 10


class Profile(sections.Section):
    """Where the time went: phases, slowest tests, slowest fixtures.

    It has rows only if a run was profiled.
    """

    title = 'Profile'

    def __init__(self) -> None:
        self._profiled = False
        self._phases: dict[str, list[float]] = {}
        self._fixtures: dict[str, list[float]] = {}
        self._slowest: list[tuple[float, str]] = []

    def add(self, event: events.Event) -> None:
        if event.action == events.TEST_OUTCOME:
            each = event.seconds or 0.0, event.target
            keep: Callable[..., Any] = heapq.heappush
            if len(self._slowest) >= _SHOWN:
                keep = heapq.heappushpop
            keep(self._slowest, each)
        elif event.action == events.PROFILE:
            self._profiled = True
            _add(self._phases, event.details.get('phases', {}))
            _add(self._fixtures, event.details.get('fixtures', {}))

    def rows(self) -> sections.Rows:
        if not self._profiled:
            return
        total = sum(wall for wall, _ in self._phases.values())
        for phase, (wall, cpu) in self._phases.items():
            share = wall / total if total else 0.0
            yield phase, wall, f'{share:.0%} of all phases; CPU {cpu:.1f} s'
        for seconds, test in sorted(self._slowest, reverse=True):
            yield 'test', seconds, test
        slowest = heapq.nlargest(
            _SHOWN, self._fixtures.items(), key=lambda each: each[1][1]
        )
        for name, (count, seconds) in slowest:
            times = sections.plural(int(count), 'set-up')
            yield 'fixture', seconds, f'{name}: {times}, with what they use'


def _add(to: dict[str, list[float]], measured: dict[str, list[float]]) -> None:
    for name, numbers in measured.items():
        found = to.setdefault(name, [0.0, 0.0])
        found[0] += numbers[0]
        found[1] += numbers[1]
