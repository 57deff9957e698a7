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

"""Change an attribute so that it can be given back exactly."""

from collections.abc import Callable
import sys
from typing import Any

import wrapt

__all__ = ['patch_attribute', 'patch_when_imported']

_INHERITED = object()
# What is to be done to modules that are not imported yet, by their names.
_waiting: dict[str, list[Callable[[Any], None]]] = {}


def patch_attribute(
    target: Any, name: str, replacement: Any
) -> Callable[[], None]:
    """Set an attribute and return what gives it back.

    An attribute that *target* only inherits is deleted again rather than
    shadowed by a copy, and the raw object (a staticmethod, say) is given
    back rather than what looking it up yields.

    :param target: a module, class or instance.
    :param name: the attribute (str).
    :param replacement: its value until it is given back.
    :returns: a callable that gives the attribute back.
    """
    previous = vars(target).get(name, _INHERITED)

    def restore() -> None:
        if previous is not _INHERITED:
            setattr(target, name, previous)
        elif isinstance(target, type):
            delattr(target, name)
        else:
            # Not delattr, by which a mock takes it for deleted.
            del vars(target)[name]

    setattr(target, name, replacement)
    return restore


def patch_when_imported(
    name: str, patch: Callable[[Any], Callable[[], None]]
) -> Callable[[], None]:
    """Patch a module now, or as soon as somebody imports it.

    :param name: of the module (str).
    :param patch: changes the module it is called with, and returns what
        gives it back as it was.
    :returns: a callable that gives the module back, or forgets about it.
    """
    restores: list[Callable[[], None]] = []

    def on_import(module: Any) -> None:
        restores.append(patch(module))

    def restore() -> None:
        if on_import in _waiting.get(name, ()):
            _waiting[name].remove(on_import)
        while restores:
            restores.pop()()

    if name in sys.modules:
        on_import(sys.modules[name])
        return restore
    if name not in _waiting:
        # Nothing takes a hook away again, so there is one for all.
        _waiting[name] = []
        wrapt.register_post_import_hook(_on_import, name)
    _waiting[name].append(on_import)
    return restore


def _on_import(module: Any) -> None:
    for each in _waiting.pop(module.__name__, ()):
        each(module)
