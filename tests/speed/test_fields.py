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
class Parent(ovo_base.VersionedObject):
    fields = {  # noqa: RUF012
        'child': ovo_fields.ObjectField('Plain', nullable=True),
        'other': ovo_fields.ObjectField('Plain', subclasses=True),
        'number': ovo_fields.IntegerField(),
    }


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
    PATCHED = (
        (ovo_base.VersionedObject, 'obj_attr_is_set'),
        (ovo_base.VersionedObject, 'obj_what_changed'),
    )
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

    def test_it_is_off_where_a_method_does_something_else(self):
        def obj_attr_is_set(self, attrname):
            return attrname in self.obj_fields and len(attrname) > 1

        # One does more than stock, the other less.
        def obj_what_changed(self):
            return {*self._changed_fields}

        for other in (obj_attr_is_set, obj_what_changed):
            with (
                mock.patch.object(
                    ovo_base.VersionedObject, other.__name__, other
                ),
                fields.Fields(),
            ):
                self.assertIn('does something else', COUNTS.off)
                self.assertIs(
                    other, vars(ovo_base.VersionedObject)[other.__name__]
                )

    def assertSameChanges(self, make):
        stock = make().obj_what_changed()
        with fields.Fields():
            self.assertEqual(stock, make().obj_what_changed())
        return stock

    def test_what_has_changed(self):
        def make():
            thing = Plain(a=5)
            thing.obj_reset_changes()
            thing.b = 'x'
            # Left from a field that is gone.
            thing._changed_fields.add('none')
            return thing

        hits = COUNTS.hits
        self.assertEqual({'b'}, self.assertSameChanges(make))
        self.assertLess(hits, COUNTS.hits)
        self.assertEqual(set(), self.assertSameChanges(Plain))

    def test_what_has_changed_within(self):
        def make():
            thing = Parent(child=Plain(a=5), other=Plain(a=5), number=5)
            thing.obj_reset_changes(recursive=True)
            thing.child.b = 'x'
            return thing

        self.assertEqual({'child'}, self.assertSameChanges(make))

    def test_what_has_changed_in_a_child_that_tells_otherwise(self):
        class Child(Plain):
            def obj_what_changed(self):
                return {'more'}

        def make():
            thing = Parent(other=Child())
            thing.obj_reset_changes()
            return thing

        self.assertEqual({'other'}, self.assertSameChanges(make))

    def test_what_has_changed_where_a_property_is_replaced(self):
        class Otherwise(Parent):
            @property
            def number(self):
                return Plain(a=5)

        def make():
            thing = Otherwise()
            thing._obj_number = 5
            return thing

        self.assertEqual({'number'}, self.assertSameChanges(make))

    def test_what_has_changed_by_a_lookup_of_its_own(self):
        class Unset(Parent):
            def obj_attr_is_set(self, attrname):
                return False

        def make():
            thing = Unset(child=Plain(a=5))
            thing.obj_reset_changes()
            return thing

        self.assertEqual(set(), self.assertSameChanges(make))

    def test_what_has_changed_where_a_test_patches_the_lookup(self):
        with fields.Fields():
            thing = Parent(child=Plain(a=5))
            thing.obj_reset_changes()
            with mock.patch.object(
                ovo_base.VersionedObject,
                'obj_attr_is_set',
                autospec=True,
                return_value=False,
            ):
                self.assertEqual(set(), thing.obj_what_changed())
            self.assertEqual({'child'}, thing.obj_what_changed())

    def test_what_has_changed_by_a_list_of_its_own(self):
        def make():
            thing = WithListOfItsOwn(a=5, b='x')
            thing.obj_reset_changes(['a'])
            return thing

        # Not a method of it: to print that fails as well.
        def ask():
            return make().obj_what_changed()

        # Stock asks for a field that the list lacks.
        self.assertRaises(AttributeError, ask)
        with fields.Fields():
            self.assertRaises(AttributeError, ask)

    def test_what_has_changed_where_attributes_have_other_names(self):
        with fields.Fields():
            thing = Parent()
            thing._mine_child = None
            thing._obj_child = Plain(a=5)
            self.assertEqual({'child'}, thing.obj_what_changed())
            with mock.patch.object(
                ovo_base, '_get_attrname', lambda name: f'_mine_{name}'
            ):
                self.assertEqual(set(), thing.obj_what_changed())
