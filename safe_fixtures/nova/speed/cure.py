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

"""What all cures of slowness have in common."""

from collections.abc import Callable
import inspect
import logging
from typing import Any, ClassVar

import fixtures

from safe_fixtures.runtime import patching

__all__ = ['Counts', 'Cure', 'Unknown', 'known', 'make_room', 'replace']

_LOG = logging.getLogger('safe_fixtures')
# What was found to be as a cure knows it, by owner, name and parameters.
_checked: dict[tuple[int, str, tuple[str, ...]], Any] = {}


class Unknown(Exception):
    """Nova or a library is not as a cure knows it; the text says how."""


class Counts:
    """What a cure has done in this process.

    :ivar hits: how often it took a result from its memory.
    :ivar misses: how often it had to ask Nova or a library.
    :ivar off: why it is switched off (str), or None.
    :ivar told: the reasons that are in the log (set of str).
    """

    def __init__(self) -> None:
        self.hits = self.misses = 0
        self.off: str | None = None
        self.told: set[str] = set()


class Cure(fixtures.Fixture):
    """Lets Nova's tests take less time, with the same results.

    What it patches is patched once, however many users it has, and restored
    after the last one. What it remembers stays in the process.

    A subclass has a name and implements :meth:`install`.

    :cvar name: what the option ``speed_up_without`` calls it (str).
    :cvar counts: what it has done in this process.
    """

    name: ClassVar[str]
    counts: ClassVar[Counts]
    _patch: ClassVar[patching.SharedPatch[Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.counts = Counts()
        cls._patch = patching.SharedPatch(cls._install_if_known)

    @classmethod
    def install(cls) -> Callable[[], None]:
        """Patch what takes too long.

        :returns: a callable that restores it.
        :raises: Unknown, with nothing patched, if Nova or a library is not
            as this cure knows it.
        """
        raise NotImplementedError

    @classmethod
    def _install_if_known(cls) -> Callable[[], None]:
        counts = cls.counts
        try:
            restore = cls.install()
        except Unknown as error:
            # Until it is used again: a test may have patched something.
            counts.off = str(error)
            if counts.off not in counts.told:
                counts.told.add(counts.off)
                _LOG.warning(
                    'tests are not sped up by %s: %s', cls.name, error
                )
            return lambda: None
        counts.off = None
        return restore

    def _setUp(self) -> None:
        self._patch.add(self, self.addCleanup)


def known(owner: Any, name: str, *parameters: str) -> Any:
    """Return an attribute that a cure replaces or relies on.

    :param owner: a module or class.
    :param name: the attribute (str).
    :param parameters: the names of the parameters that it must take, if it
        is a function.
    :returns: the raw attribute (a staticmethod, say).
    :raises: Unknown if it is gone, or takes other parameters.
    """
    label = f'{owner.__name__}.{name}'
    if name not in vars(owner):
        raise Unknown(f'there is no {label}')
    found = vars(owner)[name]
    key = id(owner), name, parameters
    if _checked.get(key) is not found:
        function = getattr(found, '__func__', found)
        if parameters and tuple(_parameters(function)) != parameters:
            raise Unknown(f'{label} takes other arguments')
        _checked[key] = found
    return found


def make_room(memory: dict[Any, Any] | set[Any], most: int) -> None:
    """Forget all of a memory that is full.

    :param memory: what a cure remembers.
    :param most: how many entries it may have (int).
    """
    if len(memory) >= most:
        memory.clear()


def _parameters(function: Any) -> Any:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return ()


def replace(owner: Any, name: str, replacement: Any) -> Callable[[], None]:
    """Set an attribute until the cure ends.

    :param owner: a module or class.
    :param name: the attribute (str).
    :returns: a callable that restores it, unless something else is there by
        then: what a test has replaced is the test's.
    """
    restore = patching.patch_attribute(owner, name, replacement)

    def restore_own() -> None:
        if vars(owner).get(name) is replacement:
            restore()

    return restore_own
