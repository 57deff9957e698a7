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

"""A field of a versioned object is found as stock finds it."""

import safe_fixtures.nova  # noqa: F401  isort: skip

from unittest import mock

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from safe_fixtures.nova.speed import fields
from tests.speed import base
from tests.speed import contract

COUNTS = fields.Fields.counts


@ovo_base.VersionedObjectRegistry.register_if(False)
class Plain(ovo_base.VersionedObject):
    fields = {  # noqa: RUF012
        'a': ovo_fields.IntegerField(),
        'b': ovo_fields.StringField(),
    }
    obj_extra_fields = ['more']  # noqa: RUF012

    @property
    def more(self):
        return 5


@ovo_base.VersionedObjectRegistry.register_if(False)
class WithListOfItsOwn(Plain):
    @property
    def obj_fields(self):
        return ['b']


def found(thing, names=('a', 'b', 'more', 'none', 5, ['a'])):
    """Return what stock or the cure says of some fields of an object."""
    result = []
    for name in names:
        try:
            result.append(thing.obj_attr_is_set(name))
        except (AttributeError, TypeError) as error:
            result.append((type(error), str(error)))
    return result


class TestFields(contract.UsedByNova, contract.Contract, base.TestCase):
    CURE = fields.Fields
    PATCHED = ((ovo_base.VersionedObject, 'obj_attr_is_set'),)
    NEEDED = ovo_base.VersionedObject, 'obj_fields'

    def assertAsStock(self, make):
        stock = found(make())
        with fields.Fields():
            self.assertEqual(stock, found(make()))
        return stock

    def test_set_and_unset(self):
        result = self.assertAsStock(lambda: Plain(a=5))
        self.assertEqual([True, False, False], result[:3])
        self.assertEqual(
            [AttributeError] * 3, [each[0] for each in result[3:]]
        )

    def test_a_list_of_its_own(self):
        result = self.assertAsStock(lambda: WithListOfItsOwn(a=5, b='x'))
        self.assertEqual(AttributeError, result[0][0])
        self.assertTrue(result[1])

    def test_fields_of_one_object(self):
        def make():
            thing = Plain(a=5)
            thing.fields = {'none': ovo_fields.IntegerField()}
            return thing

        self.assertFalse(self.assertAsStock(make)[3])

    def test_fields_that_are_no_dict(self):
        class Names:
            def keys(self):
                return ['b']

        def make():
            thing = Plain(b='x')
            thing.fields = Names()
            return thing

        self.assertTrue(self.assertAsStock(make)[1])

    def test_a_field_that_is_added_later(self):
        thing = Plain(a=5)
        with fields.Fields():
            self.assertRaises(AttributeError, thing.obj_attr_is_set, 'none')
            thing.fields = {**thing.fields, 'none': ovo_fields.IntegerField()}
            self.assertFalse(thing.obj_attr_is_set('none'))

    def test_another_name_of_attributes(self):
        thing = Plain()
        thing._mine_a = 5
        with (
            fields.Fields(),
            mock.patch.object(
                ovo_base, '_get_attrname', lambda name: f'_mine_{name}'
            ),
        ):
            self.assertTrue(thing.obj_attr_is_set('a'))

    def test_it_is_off_where_attributes_have_other_names(self):
        with (
            mock.patch.object(
                ovo_base, '_get_attrname', lambda name: f'_mine_{name}'
            ),
            fields.Fields(),
        ):
            self.assertRestored()
            self.assertIn('_obj_', COUNTS.off)

    def test_what_has_changed(self):
        with fields.Fields():
            thing = Plain(a=5)
            thing.obj_reset_changes()
            self.assertEqual(set(), thing.obj_what_changed())
            thing.b = 'x'
            self.assertEqual({'b'}, thing.obj_what_changed())
