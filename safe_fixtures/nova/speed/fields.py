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

__all__ = ['Fields']


class Fields(cure.Cure):
    """Look up a field of a versioned object without a list of all fields.

    When an object is saved, it is asked for each of its fields whether that
    is set. Each time it makes a list of all its fields. Here the field is
    looked up where the list comes from.

    Objects with a list of their own, and fields that an object does not
    have, are left to stock.
    """

    name = 'fields'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        owner = base.VersionedObject
        stock = cure.known(owner, 'obj_attr_is_set', 'self', 'attrname')
        of_all = cure.known(owner, 'obj_fields')
        mangle = cure.known(base, '_get_attrname', 'name')
        if mangle('a') != '_obj_a':
            raise cure.Unknown('a field has another attribute than _obj_...')
        counts = cls.counts

        @functools.wraps(stock)
        def obj_attr_is_set(self: Any, attrname: str) -> bool:
            if (
                type(attrname) is str
                and type(self).obj_fields is of_all
                and type(self.fields) is dict
                and attrname in self.fields
                and base._get_attrname is mangle
            ):
                counts.hits += 1
                return hasattr(self, '_obj_' + attrname)
            counts.misses += 1
            found: bool = stock(self, attrname)
            return found

        return cure.replace(owner, 'obj_attr_is_set', obj_attr_is_set)
