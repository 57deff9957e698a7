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

"""Sinks that other packages add."""

from collections.abc import Callable
import copy
from typing import Any

from safe_fixtures import extensions

__all__ = ['PluginSink', 'load', 'sinks']

# Tests may replace it.
_copy = copy.deepcopy


def _check(made: Any) -> None:
    if not callable(made):
        raise TypeError('it makes nothing that takes an event')


_SINKS = extensions.Group[Callable[[dict[str, Any]], Any]](
    'sinks', _check, shared=True
)


class PluginSink:
    """Passes events on to the sink of a plugin, until that fails.

    :param plugin: whose sink it is.
    :param sink: is passed a copy of each event, which it may change.
    """

    def __init__(self, plugin: extensions.Plugin, sink: Any) -> None:
        self._plugin = plugin
        self._sink = sink

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PluginSink) and self._plugin is other._plugin

    def __hash__(self) -> int:
        return id(self._plugin)

    def __call__(self, stored: dict[str, Any]) -> None:
        if not self._plugin.fault:
            with self._plugin.attempt('an event'):
                self._sink(_copy(stored))


def load() -> None:
    """Load the plugins that act while tests run, before a test does."""
    extensions.load('sinks', 'probes')


def sinks() -> list[PluginSink]:
    """Return the sinks that have not failed."""
    return [PluginSink(*made) for made in _SINKS.made()]
