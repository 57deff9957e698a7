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
from typing import Any

__all__ = ['patch_attribute']

_INHERITED = object()


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
