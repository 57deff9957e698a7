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

"""Sections that other packages add, and which plugins there were."""

from collections.abc import Collection
import math
from typing import Any

from safe_fixtures.audit import events
from safe_fixtures import extensions
from safe_fixtures.summary import sections

__all__ = ['PluginSection', 'Plugins', 'of_plugins']


def _check(made: Any) -> None:
    if not isinstance(made, sections.Section):
        raise TypeError('it makes no safe_fixtures.summary.Section')
    if not isinstance(made.title, str) or not made.title.strip():
        raise TypeError('its title is no text')


_SECTIONS = extensions.Group[sections.Section]('sections', _check)


def of_plugins(titles: Collection[str]) -> list['PluginSection']:
    """Return a new section of each plugin that has not failed.

    :param titles: those of the other sections.
    """
    taken = set(titles)
    found = []
    for plugin, section in _SECTIONS.made():
        if section.title in taken:
            plugin.fail('set-up', ValueError('another section has its title'))
        else:
            taken.add(section.title)
            found.append(PluginSection(plugin, section))
    return found


class PluginSection(sections.Section):
    """The section of a plugin; it has no rows if that fails.

    :param plugin: whose section it is.
    :param inner: counts the events.
    """

    def __init__(
        self, plugin: extensions.Plugin, inner: sections.Section
    ) -> None:
        self.title = inner.title
        self._plugin = plugin
        self._inner = inner

    def add(self, event: events.Event) -> None:
        if not self._plugin.fault:
            with self._plugin.attempt('an event'):
                self._inner.add(event)

    def rows(self) -> sections.Rows:
        rows: list[tuple[str, int | float, str]] = []
        if not self._plugin.fault:
            with self._plugin.attempt('rows'):
                rows = [_row(*row) for row in self._inner.rows()]
        yield from rows


def _row(item: Any, count: Any, details: Any) -> tuple[str, Any, str]:
    if type(count) not in (int, float) or not math.isfinite(count):
        raise TypeError('a count is no number')
    return str(item), count, str(details)


class Plugins(sections.Section):
    """The plugins that were active in a process, and those that failed."""

    title = 'Plugins'

    def __init__(self) -> None:
        # How many processes loaded it, and why some left it out; by group,
        # name and package.
        self._counts: dict[tuple[str, str, str], int] = {}
        self._faults: dict[tuple[str, str, str], str] = {}

    def add(self, event: events.Event) -> None:
        if event.action == events.PLUGIN:
            group, package = map(event.details.get, ('group', 'package'))
            key = str(group), event.target, str(package)
            fault = event.details.get('fault')
            if fault:
                self._faults[key] = fault
            else:
                self._counts[key] = self._counts.get(key, 0) + 1

    def rows(self) -> sections.Rows:
        # Those of this process may be on no record.
        for plugin in extensions.loaded():
            key = plugin.group, plugin.name, plugin.package
            if plugin.fault:
                self._faults.setdefault(key, plugin.fault)
            elif plugin.group in ('alerts', 'sections'):
                self._counts.setdefault(key, 1)
        for key in sorted(self._counts.keys() | self._faults.keys()):
            group, name, package = key
            count, fault = self._counts.get(key, 0), self._faults.get(key)
            if fault:
                yield f'{group} {name} failed', count, f'{package}: {fault}'
            else:
                yield f'{group} {name}', count, package
