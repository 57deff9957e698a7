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

"""Garbage is collected as on stock, and imported modules are not looked at."""

from safe_fixtures import nova as safe_nova  # isort: skip

import gc
import weakref

import fixtures

from safe_fixtures.nova.speed import collection
from tests.functional.nova import inner
from tests.speed import base

RAISED = collection._RAISED


class FreshCollector(fixtures.Fixture):
    """A collector as the interpreter begins with, and a cure never used."""

    def _setUp(self):
        self.addCleanup(setattr, collection, '_frozen', collection._frozen)
        self.addCleanup(self._freeze, collection._frozen)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.enable)
        gc.unfreeze()
        collection._frozen = collection._Frozen()

    def _freeze(self, before):
        gc.unfreeze()
        if before.witness is not None:
            # Others go on as they were.
            gc.collect()
            before.witness = weakref.ref(Cycle())
            gc.freeze()


class Cycle:
    def __init__(self):
        self.cycle = self


class Seen(inner.SafeApiTestCase):
    def check(self):
        type(self).thresholds = gc.get_threshold()


class SetsThresholds(inner.SafeApiTestCase):
    changed = '-> (4321, 5, 6)'

    def check(self):
        gc.set_threshold(4321, 5, 6)


class Disables(inner.SafeApiTestCase):
    changed = 'garbage collection: True -> False'

    def check(self):
        gc.disable()


class Fails(inner.SafeApiTestCase):
    def check(self):
        type(self).thresholds = gc.get_threshold()
        self.fail('as it should')


class FailsInSetUp(Fails):
    def setUp(self):
        super().setUp()
        type(self).thresholds = gc.get_threshold()
        raise RuntimeError('as it should')


class TestCollection(base.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(FreshCollector())
        self.before = gc.get_threshold()

    def assertLeftAlone(self):
        state = gc.get_threshold(), gc.isenabled(), gc.get_freeze_count()
        with collection.Collection():
            self.assertEqual(state[:2], (gc.get_threshold(), gc.isenabled()))
            self.assertEqual(state[2] > 0, gc.get_freeze_count() > 0)
        self.assertEqual(state[:2], (gc.get_threshold(), gc.isenabled()))

    def test_a_hardened_test(self):
        counts = collection.Collection.counts
        self.assertEqual([], run(Seen).errors)
        self.assertEqual(RAISED, Seen.thresholds)
        self.assertEqual(self.before, gc.get_threshold())
        hits = counts.hits
        self.assertTrue(run(Seen).wasSuccessful())
        self.assertEqual(hits + 1, counts.hits)

    def test_restored_after_failures(self):
        for case in (Fails, FailsInSetUp):
            with self.subTest(case):
                case.thresholds = None
                self.assertIn('as it should', base.problems(run(case))[0])
                self.assertEqual(RAISED, case.thresholds)
                self.assertEqual(self.before, gc.get_threshold())

    def test_what_nova_leaves_is_collected_before_the_guards_look(self):
        with collection.Collection():
            garbage = weakref.ref(Cycle())
        self.assertIsNone(garbage())

    def test_nested(self):
        with safe_nova.WarmNova(without=[]):
            with collection.Collection():
                pass
            self.assertEqual(RAISED, gc.get_threshold())
        self.assertEqual(self.before, gc.get_threshold())

    def test_freezes_once(self):
        with collection.Collection():
            frozen = gc.get_freeze_count()
            self.assertLess(1000, frozen)
        with collection.Collection():
            self.assertLessEqual(gc.get_freeze_count(), frozen)
            kept = Cycle()
        garbage = weakref.ref(kept)
        del kept
        gc.collect()
        self.assertIsNone(garbage())

    def test_what_was_garbage_is_not_frozen(self):
        garbage = weakref.ref(Cycle())
        with collection.Collection():
            self.assertIsNone(garbage())

    def test_garbage_of_the_test_before(self):
        with collection.Collection():
            kept = Cycle()
            garbage = weakref.ref(kept)
            # It is not the youngest any more, which cleanup looks at.
            gc.collect(0)
            del kept
        self.assertIsNotNone(garbage())
        with collection.Collection():
            self.assertIsNone(garbage())

    def test_garbage_does_not_pile_up(self):
        made = []
        for _ in range(60):
            with collection.Collection():
                kept = [Cycle() for _ in range(30000)]
                made.append(weakref.ref(kept[0]))
                # No young garbage any more, which goes at once.
                gc.collect(1)
                del kept
            alive = [each for each in made if each() is not None]
            self.assertLessEqual(len(alive), 30)

    def test_a_guard_sees_what_a_test_changes(self):
        for case in (SetsThresholds, Disables):
            with self.subTest(case):
                told = []
                for sped_up in ('false', 'true'):
                    self.configure(speed_up=sped_up)
                    told += base.problems(run(case))
                    gc.enable()
                    gc.set_threshold(*self.before)
                self.assertEqual(2, len(told))
                for each in told:
                    self.assertIn(case.changed, each)

    def test_thresholds_of_a_user(self):
        gc.set_threshold(699, 10, 10)
        self.assertLeftAlone()

    def test_disabled(self):
        gc.disable()
        self.assertLeftAlone()

    def test_frozen_by_a_user(self):
        gc.freeze()
        self.assertLeftAlone()

    def test_unfrozen_later_by_a_user(self):
        with collection.Collection():
            pass
        gc.unfreeze()
        gc.collect()
        self.assertLeftAlone()

    def test_a_test_sets_thresholds(self):
        with collection.Collection():
            gc.set_threshold(1234, 10, 10)
        self.assertEqual((1234, 10, 10), gc.get_threshold())


def run(case):
    return inner.run_inner(case, 'check')
