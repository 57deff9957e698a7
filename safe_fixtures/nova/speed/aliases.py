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

"""Make each alias of Placement's tables once, not for each query."""

from collections.abc import Callable
import functools
from typing import Any

import sqlalchemy
from sqlalchemy.sql import schema

from safe_fixtures.nova.speed import cure
from safe_fixtures.runtime import system

__all__ = ['Aliases']

# Placement has fewer.
_MOST = 500
_aliases: dict[Any, Any] = {}


class Aliases(cure.Cure):
    """Make each alias of Placement's tables once, not for each query.

    An alias is a proxy of each column of its table. Each line of Placement
    that asks for an alias gets its own, as a statement may have two of the
    same name. It gets a new one if the table has changed.
    """

    name = 'aliases'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        original = cure.known(
            sqlalchemy, 'alias', 'selectable', 'name', 'flat'
        )
        return cure.replace(sqlalchemy, 'alias', _remembering(original))


def _remembering(original: Any) -> Any:
    @functools.wraps(original)
    def alias(
        selectable: Any, name: str | None = None, flat: bool = False
    ) -> Any:
        caller = system.frame(1)
        module = caller.f_globals.get('__name__')
        if (
            flat
            or type(name) is not str
            or type(selectable) is not schema.Table
            or type(module) is not str
            or not module.startswith('placement.objects.')
        ):
            return original(selectable, name, flat)
        key = (
            caller.f_code,
            caller.f_lasti,
            selectable,
            name,
            original,
            *map(id, selectable.c),
        )
        found = _aliases.get(key)
        if found is not None:
            Aliases.counts.hits += 1
            return found
        Aliases.counts.misses += 1
        found = original(selectable, name, flat)
        # Now, as several threads may share it.
        found.c  # noqa: B018
        cure.make_room(_aliases, _MOST)
        _aliases[key] = found
        return found

    return alias
