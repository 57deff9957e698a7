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

"""Remember the regular expressions that the library routes compiles."""

from collections.abc import Callable
import functools
import re
import threading
from typing import Any

from routes import mapper
from routes import route

from safe_fixtures.nova.speed import cure
from safe_fixtures.runtime import patching

__all__ = ['install']

# A router has some 300 expressions, and one of all of them together.
_MAX_CHARACTERS = 1_000_000
_COMPILE = re.compile


class _Remembering:
    """The module ``re``, but its ``compile`` forgets less.

    The cache of ``re`` has 512 places for the whole process, so that it has
    lost most of a router when the next one comes.
    """

    def __init__(self, counts: cure.Counts) -> None:
        self._counts = counts
        # Saves a look-up: it is called for each part of a path.
        self.escape = re.escape

    def __getattr__(self, name: str) -> Any:
        return getattr(re, name)

    def compile(self, pattern: Any, flags: Any = 0) -> Any:
        """See ``re``."""
        if type(pattern) is not str or flags or re.compile is not _COMPILE:
            return re.compile(pattern, flags)
        found = _patterns.get(pattern)
        if found is not None:
            self._counts.hits += 1
            return found
        self._counts.misses += 1
        return _patterns.add(pattern, re.compile(pattern))


class _Patterns:
    """Compiled expressions, up to a number of characters."""

    def __init__(self) -> None:
        self._found: dict[str, re.Pattern[str]] = {}
        self._characters = 0
        self._lock = threading.Lock()
        self.get = self._found.get

    def add(self, pattern: str, found: re.Pattern[str]) -> re.Pattern[str]:
        with self._lock:
            if self._characters + len(pattern) > _MAX_CHARACTERS:
                self._found.clear()
                self._characters = 0
            if pattern not in self._found:
                self._characters += len(pattern)
            self._found[pattern] = found
        return found


_patterns = _Patterns()


def install(counts: cure.Counts) -> Callable[[], None]:
    """Let routes and mappers remember their regular expressions.

    :returns: a callable that restores them.
    :raises: Unknown if they have no ``re``.
    """
    remembering = _Remembering(counts)
    return patching.patch_together(
        *(
            functools.partial(cure.replace, module, 're', remembering)
            for module in (mapper, route)
            # Otherwise a test has patched it before.
            if cure.known(module, 're') is re
        )
    )
