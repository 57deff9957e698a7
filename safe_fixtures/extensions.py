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

"""Load what other packages add, through entry points.

Each group is one place where a package can add something:

``safe_fixtures.sinks``
    where the events of the audit trail go.
``safe_fixtures.probes``
    what a posture guard looks at besides.
``safe_fixtures.alerts``
    what somebody should look at.
``safe_fixtures.sections``
    rows of the summary.

An entry point names a class or a function, which is called without arguments.
A plugin only adds: no group changes a rule, its mode or what it allows. A
plugin that fails is left out from then on in this process, and named once.
"""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
from importlib import metadata
import logging
import re
import sys
import threading
from typing import Any, Generic, TypeVar

import fixtures

from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures import redaction
from safe_fixtures.runtime import audit_hook
from safe_fixtures.runtime import entry_points
from safe_fixtures.runtime import printable

__all__ = ['LOGGER', 'Group', 'Plugin', 'listen', 'load', 'loaded']

_Kind = TypeVar('_Kind')

#: The logger for plugins that fail.
LOGGER = logging.getLogger('safe_fixtures.plugins')
# Tests capture the root logger, and standard error.
LOGGER.propagate = False
LOGGER.addHandler(logging.StreamHandler(sys.__stderr__))

_NAME = re.compile(r'[\w.-]{1,100}')
_LONGEST = 300  # characters of the text of an error
_groups: list['Group[Any]'] = []
# By the name of the group.
_loaded: dict[str, list['Plugin']] = {}
_loading: set[str] = set()
_listeners: list[Callable[['Plugin'], None]] = []
# Threads may come at once.
_lock = threading.RLock()


@dataclasses.dataclass(eq=False)
class Plugin:
    """One entry point.

    :ivar group: ``sinks``, ``probes``, ``alerts`` or ``sections`` (str).
    :ivar name: the name of the entry point (str).
    :ivar package: the name and version of its package (str).
    :ivar fault: why it is left out (str); empty while it is not.
    :ivar shared: what it makes for the whole process, once it is made.
    """

    group: str
    name: str
    package: str
    fault: str = ''
    shared: Any = None
    make: Callable[[], Any] = dataclasses.field(default=dict, repr=False)

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Do something with the plugin; if that fails, leave it out.

        What it does in the block is no act of the test.

        :param what: what is done, such as ``import``, for the message.
        """
        try:
            with audit_hook.unseen():
                yield
        except fixtures.TimeoutException:
            # The test's own timeout fired inside the plugin.
            raise
        except (Exception, SystemExit) as error:
            self.fail(what, error)

    def fail(self, what: str, error: BaseException) -> None:
        """Leave it out from now on, and say so, once.

        :param what: as for :meth:`attempt`.
        """
        if not self.fault:
            self.fault = f'{what} failed with {_text_of(error)}'
            LOGGER.error(
                'safe_fixtures: plugin %s (%s, of %s) is left out: %s',
                printable.line(self.name), self.group, self.package,
                self.fault,
            )  # fmt: skip
            _tell(self)


class Group(Generic[_Kind]):
    """The plugins of one group.

    Example::

        _SINKS = extensions.Group('sinks', _check, shared=True)
        for plugin, sink in _SINKS.made():
            with plugin.attempt('an event'):
                sink(event)

    :param name: the group, without ``safe_fixtures.`` (str).
    :param check: raises an exception for what is none of its kind.
    :param shared: whether one object serves the whole process (bool), or
        each call of :meth:`made` makes new ones.
    """

    def __init__(
        self,
        name: str,
        check: Callable[[Any], None],
        *,
        shared: bool = False,
    ) -> None:
        self.name = name
        self._check = check
        self._shared = shared
        _groups.append(self)

    def made(self) -> list[tuple[Plugin, _Kind]]:
        """Return what the plugins make, each with its plugin."""
        found = []
        for plugin in self.plugins():
            made = plugin.shared if self._shared else self._make(plugin)
            if not plugin.fault:
                found.append((plugin, made))
        return found

    def plugins(self) -> list[Plugin]:
        """Return the plugins, also those that failed; load them before.

        There are none as long as the settings are invalid.
        """
        if self.name in _loaded:
            return _loaded[self.name]
        with _lock:
            # The import of a plugin may come back here: without plugins.
            if self.name in _loaded or self.name in _loading:
                return _loaded.get(self.name, [])
            try:
                settings = conf.of_process()
            except exceptions.ConfigurationError:
                # Guards refuse them.
                return []
            _loading.add(self.name)
            try:
                names = set[str]()
                _loaded[self.name] = [
                    self._load(entry, names)
                    for entry in entry_points.of(f'safe_fixtures.{self.name}')
                    if settings.plugins
                    and entry.name not in settings.plugins_without
                ]
            finally:
                _loading.discard(self.name)
        for plugin in _loaded[self.name]:
            # One that failed has been told of.
            if not plugin.fault:
                _tell(plugin)
        return _loaded[self.name]

    def _load(self, entry: metadata.EntryPoint, names: set[str]) -> Plugin:
        plugin = Plugin(self.name, entry.name, _package_of(entry))
        with plugin.attempt('import'):
            if not _NAME.fullmatch(entry.name):
                raise ValueError('its name may have letters, digits and .-_')
            if entry.name in names:
                raise ValueError('another plugin of the group has this name')
            names.add(entry.name)
            plugin.make = entry.load()
        if self._shared:
            plugin.shared = self._make(plugin)
        return plugin

    def _make(self, plugin: Plugin) -> Any:
        made = None
        if not plugin.fault:
            with plugin.attempt('set-up'):
                made = plugin.make()
                self._check(made)
        return made


def load(*names: str) -> None:
    """Load the plugins of some groups.

    :param names: the groups (str); default: all that this process knows.
    """
    for group in _groups:
        if not names or group.name in names:
            group.plugins()


def loaded() -> list[Plugin]:
    """Return the plugins that this process has loaded or tried to load."""
    return [plugin for plugins in _loaded.values() for plugin in plugins]


def listen(listener: Callable[[Plugin], None]) -> None:
    """Call a function with each plugin that is loaded, or left out."""
    _listeners.append(listener)


def _tell(plugin: Plugin) -> None:
    for listener in _listeners:
        listener(plugin)


def _package_of(entry: metadata.EntryPoint) -> str:
    try:
        dist: Any = entry.dist
        return printable.line(f'{dist.name} {dist.version}')
    except Exception:
        # Its metadata may lack anything.
        return 'an unknown package'


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = '(no text)'
    text = redaction.Redactor().redact(f'{type(error).__name__}: {text}')
    return printable.line(' '.join(text.split()))[:_LONGEST]
