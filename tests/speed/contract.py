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

"""What the tests of a cure that only patches attributes have in common."""

import fixtures

from safe_fixtures import nova as safe_nova
from safe_fixtures.runtime import patching
from tests.functional.nova import inner

__all__ = ['Contract', 'UsedByNova', 'state_of']

_ABSENT = object()


class Contract:
    """A cure is undone without trace, and switches itself off.

    :cvar CURE: the class of the cure.
    :cvar PATCHED: owner and name of all that it patches.
    :cvar NEEDED: owner and name of an attribute without which it is off.
    :cvar BESIDE: the names of other cures that patch the same.
    """

    BESIDE = ()

    def setUp(self):
        super().setUp()
        self.addCleanup(self.CURE.counts.told.clear)
        self.before = self.raw()

    def raw(self):
        return [vars(owner).get(name, _ABSENT) for owner, name in self.PATCHED]

    def assertInstalled(self):
        for before, now in zip(self.before, self.raw(), strict=True):
            self.assertIsNot(before, now)

    def assertRestored(self):
        for before, now in zip(self.before, self.raw(), strict=True):
            self.assertIs(before, now)

    def case(self, body, error_in_set_up=None):
        """Return a hardened test that runs *body*."""
        contract = self

        class Inner(safe_nova.SafeTestCase):
            USES_DB = False

            def setUp(self):
                self.useFixture(safe_nova.InstalledNova())
                super().setUp()
                contract.assertInstalled()
                if error_in_set_up:
                    raise error_in_set_up

            def test(self):
                body(self)

        return Inner

    def test_a_test_that_passes(self):
        result = inner.run_inner(self.case(lambda test: None))
        self.assertEqual('', inner.problems(result))
        self.assertRestored()

    def test_a_test_that_fails(self):
        result = inner.run_inner(self.case(lambda test: test.fail('so be it')))
        self.assertEqual((0, 1), (len(result.errors), len(result.failures)))
        self.assertRestored()

    def test_an_error_in_set_up(self):
        error = RuntimeError('so be it')
        result = inner.run_inner(self.case(lambda test: None, error))
        self.assertIn('so be it', inner.problems(result))
        self.assertRestored()

    def test_an_interrupt(self):
        def interrupt(test):
            raise KeyboardInterrupt

        self.assertRaises(
            KeyboardInterrupt, inner.run_inner, self.case(interrupt)
        )
        self.assertRestored()

    def test_left_out(self):
        with safe_nova.WarmNova(without=[self.CURE.name, *self.BESIDE]):
            self.assertRestored()
        with safe_nova.WarmNova(without=[]):
            self.assertInstalled()
        self.assertRestored()

    def test_nested_and_used_again(self):
        cure = self.CURE()
        for _ in range(2):
            with cure:
                self.assertInstalled()
                installed = self.raw()
                with self.CURE():
                    self.assertEqual(installed, self.raw())
                self.assertEqual(installed, self.raw())
            self.assertRestored()

    def test_what_a_test_patches_stays(self):
        owner, name = self.PATCHED[-1]
        cure = self.CURE()
        cure.setUp()
        self.addCleanup(setattr, owner, name, self.before[-1])
        mine = lambda *args, **kwargs: None  # noqa: E731
        setattr(owner, name, mine)
        cure.cleanUp()
        self.assertIs(mine, vars(owner)[name])

    def test_it_is_off_where_something_is_unknown(self):
        owner, name = self.NEEDED
        restore = patching.patch_attribute(owner, name, None)
        try:
            delattr(owner, name)
            unpatched = self.raw()
            with fixtures.FakeLogger() as logger, self.CURE():
                self.assertIn(name, self.CURE.counts.off)
                self.assertIn(self.CURE.counts.off, logger.output)
                self.assertEqual(unpatched, self.raw())
            # It says so once.
            with fixtures.FakeLogger() as logger, self.CURE():
                self.assertNotIn(self.CURE.counts.off, logger.output)
        finally:
            restore()
        with self.CURE():
            self.assertInstalled()
            self.assertIsNone(self.CURE.counts.off)


class UsedByNova:
    """A cure that a test with a database uses."""

    def test_a_test_of_nova_uses_it(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                inner.make_service(self, 'host')

        with safe_nova.WarmNova(without=[]):
            hits = self.CURE.counts.hits
            result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertLess(hits, self.CURE.counts.hits)


def state_of(value):
    """Return all that an object consists of, to compare it."""
    if isinstance(value, list | tuple):
        return [type(value), *(state_of(each) for each in value)]
    if isinstance(value, dict):
        return {state_of(k): state_of(v) for k, v in value.items()}
    if hasattr(value, '__dict__') and not isinstance(value, type):
        return [type(value), state_of(vars(value))]
    return value
