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

"""Reach the project under test through entry points.

The core imports no Nova. An entry point has the name of the package that it
is for, such as ``nova``, and one of two groups:

``safe_fixtures.backends``
    a module that calls :func:`provide` when it is imported.
``safe_fixtures.suites``
    a callable that hardens the project's test bases.

It is loaded only where the tests of the package are imported, such as
``nova.tests``. Other projects import ``nova`` for what else is in it.
"""

from importlib import metadata
import sys
from typing import Any, Generic, TypeVar

from safe_fixtures import exceptions
from safe_fixtures.runtime import entry_points

__all__ = ['Source', 'find', 'harden', 'provide']

_Protocol = TypeVar('_Protocol')

_provided: list[Any] = []
# The entry points that are not loaded again: those of suites that are
# hardened, and those for a package that is another one of that name.
_done: set[tuple[str, str]] = set()


class Source(Generic[_Protocol]):
    """One attribute of the backend: what a guard needs of the project.

    Each guard states its need as a protocol in its own folder.

    Example::

        _SOURCE = plugins.Source[PostureSource]('posture', 'a PostureSource')

    :param name: the attribute of the backend (str).
    :param instead: what a user can pass to the guard instead (str), for
        the message; default: nothing.
    """

    def __init__(self, name: str, instead: str = '') -> None:
        self._name = name
        self._instead = instead

    def find(self) -> _Protocol | None:
        """Return it, or None if no project is imported that has it."""
        found: _Protocol | None = getattr(find(), self._name, None)
        return found

    def require(self, argument: str) -> _Protocol:
        """Return it.

        :param argument: the guard and its argument, for the message.
        :raises: ConfigurationError if no project is imported that has it.
        """
        found = self.find()
        if found is None:
            allowed = 'no Nova is imported; import it first'
            if self._instead:
                allowed += f', or give {self._instead}'
            raise exceptions.ConfigurationError(argument, None, allowed)
        return found


def _entries() -> tuple[metadata.EntryPoint, ...]:
    return entry_points.of('safe_fixtures.backends')


def _suites() -> tuple[metadata.EntryPoint, ...]:
    return entry_points.of('safe_fixtures.suites')


def _load(entry: metadata.EntryPoint, group: str) -> Any:
    """Return what an entry point names, if its package is in use, or None."""
    package, key = entry.name, (group, entry.name)
    if f'{package}.tests' not in sys.modules or key in _done:
        return None
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        if not str(error.name).startswith(f'{package}.'):
            raise
        # Another package of that name.
        _done.add(key)
        return None


def provide(backend: Any) -> None:
    """Make *backend* the one that the guards use."""
    _provided[:] = [backend]


def find() -> Any:
    """Return the backend of the project under test, or None.

    That is the project whose tests are imported in this process.
    """
    if not _provided:
        for entry in _entries():
            if _load(entry, 'backends') is not None:
                break
    return _provided[0] if _provided else None


def harden() -> list[str]:
    """Harden the test bases of every project whose tests are imported.

    A later call hardens those whose tests have been imported meanwhile.

    :returns: the names of the projects that this call hardened.
    """
    names = []
    for entry in _suites():
        harden_bases = _load(entry, 'suites')
        if harden_bases is not None:
            harden_bases()
            _done.add(('suites', entry.name))
            names.append(entry.name)
    return names
