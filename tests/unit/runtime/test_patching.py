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

import types

from safe_fixtures.runtime import patching
from tests.support import base


class Base:
    plain = ['base']

    @staticmethod
    def static():
        return 'static'

    @classmethod
    def of_class(cls):
        return cls

    @property
    def computed(self):
        return 'computed'

    def method(self):
        return self


class Derived(Base):
    pass


NAMES = ('plain', 'static', 'of_class', 'computed', 'method')


class TestPatchAttribute(base.TestCase):
    def test_module(self):
        module = types.ModuleType('module')
        module.value = original = ['value']
        restore = patching.patch_attribute(module, 'value', 'patched')
        self.assertEqual('patched', module.value)
        restore()
        self.assertIs(original, module.value)

    def test_own_attributes_of_a_class_come_back_raw(self):
        before = dict(vars(Base))
        for name in NAMES:
            with self.subTest(name=name):
                restore = patching.patch_attribute(Base, name, 'patched')
                self.assertEqual('patched', vars(Base)[name])
                restore()
                self.assertIs(before[name], vars(Base)[name])
        self.assertEqual(list(before), list(vars(Base)))

    def test_inherited_attributes_of_a_class_are_not_shadowed(self):
        before = dict(vars(Derived))
        for name in NAMES:
            with self.subTest(name=name):
                restore = patching.patch_attribute(Derived, name, 'patched')
                self.assertEqual('patched', getattr(Derived, name))
                self.assertNotEqual('patched', getattr(Base, name))
                restore()
                self.assertNotIn(name, vars(Derived))
        self.assertEqual(before, dict(vars(Derived)))

    def test_own_attribute_of_an_instance(self):
        instance = Derived()
        instance.plain = original = ['own']
        restore = patching.patch_attribute(instance, 'plain', 'patched')
        self.assertEqual('patched', instance.plain)
        restore()
        self.assertIs(original, vars(instance)['plain'])

    def test_inherited_attribute_of_an_instance(self):
        instance = Derived()
        restore = patching.patch_attribute(instance, 'method', 'patched')
        self.assertEqual('patched', instance.method)
        restore()
        self.assertEqual({}, vars(instance))
        self.assertIs(instance, instance.method())

    def test_none_is_a_value(self):
        instance = Derived()
        instance.plain = None
        patching.patch_attribute(instance, 'plain', 'patched')()
        self.assertEqual({'plain': None}, vars(instance))

    def test_nested(self):
        before = vars(Base)['method']
        outer = patching.patch_attribute(Base, 'method', 'outer')
        inner = patching.patch_attribute(Base, 'method', 'inner')
        inner()
        self.assertEqual('outer', Base.method)
        outer()
        self.assertIs(before, vars(Base)['method'])


class TestPatchAttributes(base.TestCase):
    def test_all_are_restored(self):
        before = dict(vars(Base))
        restore = patching.patch_attributes(
            (Base, name, 'patched') for name in NAMES
        )
        self.assertEqual({'patched'}, {vars(Base)[name] for name in NAMES})
        restore()
        self.assertEqual(before, dict(vars(Base)))

    def test_one_that_cannot_be_set(self):
        before = dict(vars(Base))
        self.assertRaises(
            TypeError,
            patching.patch_attributes,
            [(Base, 'plain', 'patched'), (int, 'real', 'patched')],
        )
        self.assertEqual(before, dict(vars(Base)))

    def test_wrapped_functions(self):
        def double(wrapped, instance, args, kwargs):
            return [wrapped(*args, **kwargs)] * 2

        before = dict(vars(Derived))
        restore = patching.patch_attributes(
            patching.wrapped_attribute(Derived, name, double)
            for name in ('method', 'static', 'of_class')
        )
        derived = Derived()
        self.assertEqual([derived] * 2, derived.method())
        self.assertEqual(['static'] * 2, Derived.static())
        self.assertEqual([Derived] * 2, Derived.of_class())
        restore()
        self.assertEqual(before, dict(vars(Derived)))


class TestCallBefore(base.TestCase):
    def test_same_arguments(self):
        seen = []
        before = vars(Base)['method']
        restore = patching.call_before(
            Base, 'method', lambda *args, **kwargs: seen.append(args)
        )
        derived = Derived()
        self.assertIs(derived, derived.method())
        self.assertEqual([(derived,)], seen)
        restore()
        self.assertIs(before, vars(Base)['method'])

    def test_an_error_prevents_the_call(self):
        def refuse(value):
            raise PermissionError(value)

        called = []
        module = types.ModuleType('module')
        module.function = called.append
        restore = patching.call_before(module, 'function', refuse)
        self.assertRaises(PermissionError, module.function, 1)
        restore()
        module.function(2)
        self.assertEqual([2], called)


class TestSharedPatch(base.TestCase):
    def setUp(self):
        super().setUp()
        self.value = 'before'
        self.shared = patching.SharedPatch(self.install)

    def install(self):
        return patching.patch_attribute(self, 'value', 'patched')

    def test_is_there_while_there_are_users(self):
        removes = [self.shared.add(user) for user in ('one', 'two', 'three')]
        for number in (1, 2, 0):
            with self.subTest(number=number):
                self.assertEqual('patched', self.value)
                removes[number]()
        self.assertEqual('before', self.value)
        self.assertEqual((), self.shared.users)

    def test_users_in_their_order(self):
        self.shared.add('one')
        remove = self.shared.add('two')
        self.shared.add('three')
        remove()
        self.assertEqual(('one', 'three'), self.shared.users)

    def test_a_removed_user_is_not_removed_again(self):
        remove = self.shared.add('one')
        self.shared.add('one')
        remove()
        remove()
        self.assertEqual(('one',), self.shared.users)
        self.assertEqual('patched', self.value)

    def test_users_are_told_apart_by_identity(self):
        first, second = [], []
        self.shared.add(first)
        remove = self.shared.add(second)
        remove()
        self.assertIs(first, self.shared.users[0])

    def test_is_registered_to_be_removed_before_it_is_added(self):
        seen = []

        self.shared.add(
            'one', lambda _: seen.append((self.value, self.shared.users))
        )
        self.assertEqual([('before', ())], seen)
        self.assertEqual('patched', self.value)

    def test_registered_and_interrupted(self):
        removes = []

        def install():
            raise KeyboardInterrupt

        shared = patching.SharedPatch(install)
        self.assertRaises(KeyboardInterrupt, shared.add, 'one', removes.append)
        removes[0]()
        self.assertEqual((), shared.users)

    def test_is_installed_anew(self):
        self.shared.add('one')()
        self.shared.add('two')
        self.assertEqual('patched', self.value)

    def test_fails_to_install(self):
        shared = patching.SharedPatch(lambda: 1 // 0)
        self.assertRaises(ZeroDivisionError, shared.add, 'one')
        self.assertEqual((), shared.users)


class TestPatchTogether(base.TestCase):
    def patch(self, name):
        def patch():
            self.acts.append(f'patch {name}')
            return lambda: self.acts.append(f'restore {name}')

        return patch

    def setUp(self):
        super().setUp()
        self.acts = []

    def test_restores_the_last_one_first(self):
        restore = patching.patch_together(self.patch(1), self.patch(2))
        self.assertEqual(['patch 1', 'patch 2'], self.acts)
        restore()
        self.assertEqual(['restore 2', 'restore 1'], self.acts[2:])

    def test_one_fails(self):
        self.assertRaises(
            ZeroDivisionError,
            patching.patch_together,
            self.patch(1),
            lambda: 1 // 0,
        )
        self.assertEqual(['patch 1', 'restore 1'], self.acts)
