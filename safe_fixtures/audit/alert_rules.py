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

"""Alert rules that other packages add."""

from collections.abc import Callable
import functools
from typing import Any

from safe_fixtures.audit import board as board_of
from safe_fixtures.audit import events
from safe_fixtures import extensions

__all__ = ['AlertRule', 'watchers']


class AlertRule:
    """Raises alerts of one kind; the base of plugins.

    Subclass it, and name the class as an entry point of the group
    ``safe_fixtures.alerts``. Each :class:`~safe_fixtures.Alerts` makes one.
    Its alerts have the name of the entry point.

    Example::

        class LateAtNight(audit.AlertRule):
            def message(self, event):
                if event.action == 'disable' and event.time[11:13] < '06':
                    return f'{event.target} was disabled at night'
    """

    def message(self, event: events.Event) -> str | None:
        """Return what happened (str), or None if nobody need look.

        Equal messages are one alert, which counts the events.

        :param event: not to be changed. Anybody may have written it.
        """
        raise NotImplementedError


def _check(made: Any) -> None:
    if not isinstance(made, AlertRule):
        raise TypeError('it makes no safe_fixtures.audit.AlertRule')


_RULES = extensions.Group[AlertRule]('alerts', _check)


def watchers(board: board_of.Board) -> list[Callable[[events.Event], None]]:
    """Return what passes an event on to each rule.

    :param board: gets the alerts.
    """
    return [
        functools.partial(_watch, board, plugin, rule, {})
        for plugin, rule in _RULES.made()
    ]


def _watch(
    board: board_of.Board,
    plugin: extensions.Plugin,
    rule: AlertRule,
    tallies: dict[str, board_of.Tally],
    event: events.Event,
) -> None:
    if plugin.fault:
        return
    with plugin.attempt('an event'):
        message = rule.message(event)
        if message is None:
            return
        if not isinstance(message, str):
            raise TypeError('its message is no text')
        if message not in tallies and len(tallies) >= board_of.MOST:
            board.dropped += 1
            return
        tally = tallies.setdefault(message, board_of.Tally())
        tally.add(event.time, event.test)
        board.put((plugin.name, message), tally.alert(plugin.name, message))
