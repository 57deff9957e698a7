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

"""Reach what the guards need of the project under test.

The core imports no Nova. What knows a project is an entry point of the group
``safe_fixtures.backends`` whose name is the module it is for: a module that
provides a backend when it is imported.
"""

import functools
from importlib import metadata
import sys
from typing import Any

__all__ = ['find', 'provide']

_provided: list[Any] = []


@functools.cache
def _entries() -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group='safe_fixtures.backends'))


def provide(backend: Any) -> None:
    """Make *backend* the one that the guards use."""
    _provided[:] = [backend]


def find() -> Any:
    """Return the backend of what is imported in this process, or None."""
    if not _provided:
        for entry in _entries():
            if entry.name in sys.modules:
                entry.load()
                break
    return _provided[0] if _provided else None
