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

"""Look up a field of a versioned object without a list of all fields."""

from collections.abc import Callable
import functools
from typing import Any

from oslo_versionedobjects import base

from safe_fixtures.nova.speed import cure
from safe_fixtures.runtime import patching

__all__ = ['Fields']

# What the replaced methods use.
_USED = {
    'obj_attr_is_set': {
        'obj_fields',
        'AttributeError',
        '_',
        'obj_name',
        'hasattr',
        '_get_attrname',
    },
    'obj_what_changed': {
        '_changed_fields',
        'fields',
        'obj_attr_is_set',
        'isinstance',
        'getattr',
        'VersionedObject',
        'obj_what_changed',
        'add',
    },
}


class Fields(cure.Cure):
    """Look up a field of a versioned object without a list of all fields.

    When an object is saved, it is asked for each of its fields whether that
    is set. Each time it makes a list of all its fields. Here the field is
    looked up where the list comes from.

    Objects with a list or a lookup of their own, and fields that an object
    does not have, are left to stock.
    """

    name = 'fields'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        owner = base.VersionedObject
        is_set, changed = _known_methods()
        is_plain = _plainness()
        look_up = _looking_up(is_set, is_plain)
        list_changes = _listing_changes(changed, look_up, is_plain)
        return patching.patch_together(
            functools.partial(cure.replace, owner, 'obj_attr_is_set', look_up),
            functools.partial(
                cure.replace, owner, 'obj_what_changed', list_changes
            ),
        )


def _known_methods() -> tuple[Any, Any]:
    """Return ``obj_attr_is_set`` and ``obj_what_changed``.

    :raises: Unknown if one of them does something else.
    """
    owner = base.VersionedObject
    is_set = cure.known(owner, 'obj_attr_is_set', 'self', 'attrname')
    changed = cure.known(owner, 'obj_what_changed', 'self')
    for name, used in _USED.items():
        code = getattr(vars(owner)[name], '__code__', None)
        if code is None or set(code.co_names) != used:
            raise cure.Unknown(f'VersionedObject.{name} does something else')
    return is_set, changed


def _plainness() -> Callable[[Any], bool]:
    """Return what tells whether an object finds its fields as all do.

    :raises: Unknown if objects keep their fields in other attributes.
    """
    of_all = cure.known(base.VersionedObject, 'obj_fields')
    mangle = cure.known(base, '_get_attrname', 'name')
    if mangle('a') != '_obj_a':
        raise cure.Unknown('a field has another attribute than _obj_...')

    def is_plain(thing: Any) -> bool:
        return (
            type(thing).obj_fields is of_all
            and type(thing.fields) is dict
            and base._get_attrname is mangle
        )

    return is_plain


def _looking_up(is_set: Any, is_plain: Callable[[Any], bool]) -> Any:
    counts = Fields.counts

    @functools.wraps(is_set)
    def obj_attr_is_set(self: Any, attrname: str) -> bool:
        if (
            type(attrname) is str
            and is_plain(self)
            and attrname in self.fields
        ):
            counts.hits += 1
            return hasattr(self, '_obj_' + attrname)
        counts.misses += 1
        found: bool = is_set(self, attrname)
        return found

    return obj_attr_is_set


def _listing_changes(
    changed: Any, look_up: Any, is_plain: Callable[[Any], bool]
) -> Any:
    counts = Fields.counts

    @functools.wraps(changed)
    def obj_what_changed(self: Any) -> set[str]:
        names: set[str]
        if type(self).obj_attr_is_set is not look_up or not is_plain(self):
            counts.misses += 1
            names = changed(self)
            return names
        counts.hits += 1
        fields = self.fields
        names = {each for each in self._changed_fields if each in fields}
        for name in fields:
            if (
                hasattr(self, '_obj_' + name)
                and isinstance(getattr(self, name), base.VersionedObject)
                and getattr(self, name).obj_what_changed()
            ):
                names.add(name)
        return names

    return obj_what_changed
