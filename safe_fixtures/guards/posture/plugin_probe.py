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

"""Probes that other packages add."""

from collections.abc import Container, Iterable, Iterator
from typing import Any

from safe_fixtures import extensions
from safe_fixtures.guards.posture import probe

__all__ = ['PluginProbe', 'gives_way', 'last', 'probes']

_Change = tuple[str, Any, Any]
# Those of other probes.
_RULES = ('SF501', 'SF503')
_NOT_SHOWN = '(not shown)', '(not shown either)'


def _check(made: Any) -> None:
    if not isinstance(made, probe.Probe):
        raise TypeError('it makes no safe_fixtures.guards.posture.Probe')
    if made.rule not in _RULES:
        raise ValueError(f'its rule is none of {", ".join(_RULES)}')
    if not isinstance(made.remedy, str):
        raise TypeError('its remedy is no text')


_PROBES = extensions.Group[probe.Probe]('probes', _check)


def probes() -> list['PluginProbe']:
    """Return a new probe of each plugin that has not failed."""
    return [PluginProbe(*made) for made in _PROBES.made()]


def last(given: Iterable[Any]) -> list[Any]:
    """Return probes, those of plugins after all others."""
    return sorted(given, key=lambda each: isinstance(each, PluginProbe))


def gives_way(given: Any, others: Container[str]) -> bool:
    """Leave a plugin out if another probe has its name.

    :param others: the names of the other probes.
    :returns: whether it was left out (bool).
    """
    if not isinstance(given, PluginProbe) or given.name not in others:
        return False
    given.plugin.fail('set-up', ValueError('another probe has its name'))
    return True


class PluginProbe(probe.Probe):
    """The probe of a plugin, named like the plugin.

    It only adds changes. Where it fails, it sees none.

    :ivar plugin: whose probe it is.
    :param inner: looks at the process.
    """

    def __init__(self, plugin: extensions.Plugin, inner: probe.Probe) -> None:
        self.name = plugin.name
        self.remedy = inner.remedy
        self.rule = inner.rule
        self.plugin = plugin
        self._inner = inner

    def snapshot(self) -> Any:
        """Return the present state, or None if that fails."""
        if not self.plugin.fault:
            with self.plugin.attempt('snapshot'):
                return self._inner.snapshot()
        return None

    def changes(self, before: Any, after: Any) -> Iterator[_Change]:
        """Yield what differs, also what was found until it failed."""
        found: list[_Change] = []
        if not self.plugin.fault:
            with self.plugin.attempt('comparison'):
                for key, old, new in self._inner.changes(before, after):
                    found.append((str(key), old, new))
        yield from found

    def texts(self, key: str, before: Any, after: Any) -> tuple[str, str]:
        """Return both values as texts; a change counts in any case."""
        with self.plugin.attempt('description'):
            old, new = self._inner.texts(key, before, after)
            return str(old), str(new)
        return _NOT_SHOWN
