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

"""The entry points of installed packages."""

import functools
from importlib import metadata
from typing import Any

__all__ = ['of', 'read']


def read() -> None:
    """Read the entry points now, unless they have been read."""
    _all()


def of(group: str) -> tuple[metadata.EntryPoint, ...]:
    """Return the entry points of a group, sorted by name and package.

    They are read once in a process, at the first call. What a test does to
    ``sys.path`` later counts no more.

    :param group: such as ``safe_fixtures.sinks`` (str).
    """
    return tuple(sorted(_all().select(group=group), key=_order))


@functools.cache
def _all() -> Any:
    return metadata.entry_points()


def _order(entry: metadata.EntryPoint) -> tuple[str, str, str]:
    return entry.name, entry.dist.name if entry.dist else '', entry.value
