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

"""What came with the modules that a test was the first to import."""

from collections.abc import Mapping
import os
import sys
from typing import Any

__all__ = ['Imported', 'loaded']


# The last copy, as several probes look at the same time.
_last: dict[str, Any] = {}


def loaded() -> dict[str, Any]:
    """Return the modules that are imported now; do not change it."""
    global _last
    last = _last
    modules = sys.modules
    # Whatever is imported is the last one then.
    if len(last) != len(modules) or _newest(last) != _newest(modules):
        _last = last = modules.copy()
    return last


def _newest(modules: dict[str, Any]) -> str | None:
    return next(reversed(modules), None)


class Imported:
    """The modules that were imported since.

    What a module does to something of its own while it is imported is no
    change: nobody had it before.

    :param before: what :func:`loaded` returned.
    """

    def __init__(self, before: Mapping[str, Any]) -> None:
        self._modules = {
            name: module
            for name, module in loaded().items()
            if name not in before
        }

    def __bool__(self) -> bool:
        return bool(self._modules)

    def has_type(self, thing: Any) -> bool:
        """Whether an object, or its class, is of one of the modules."""
        cls = thing if isinstance(thing, type) else type(thing)
        # A function has no class of its own.
        module = getattr(thing, '__module__', None)
        return module in self._modules or cls.__module__ in self._modules

    def has_logger(self, name: str, logger: Any) -> bool:
        """Whether a logger is named like one of the modules, or held by it."""
        while name:
            if name in self._modules:
                return True
            name = name.rpartition('.')[0]
        return any(
            each is logger
            for module in self._modules.values()
            for each in list(getattr(module, '__dict__', {}).values())
        )

    def has_path(self, path: Any) -> bool:
        """Whether a path is in the directory of one of the modules."""
        directories = {
            os.path.dirname(file)
            for module in self._modules.values()
            if isinstance(file := getattr(module, '__file__', None), str)
        }
        return isinstance(path, str) and any(
            path.startswith(os.path.join(each, '')) for each in directories
        )
