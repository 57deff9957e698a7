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

"""Let the collector of garbage look at what tests make, not at modules."""

from collections.abc import Callable
import gc
from typing import Final
import weakref

from safe_fixtures.nova.speed import cure

__all__ = ['Collection']

# What interpreters begin with: up to 3.12, and later ones.
_DEFAULTS: Final = ((700, 10, 10), (2000, 10, 10), (2000, 10, 0))
# While a test runs. What it makes stays young until the next one begins.
# The interpreter itself decides when to look at old objects: once there are
# a quarter more of them.
_RAISED: Final = (20000, 50, 10)


class Collection(cure.Cure):
    """Let the collector of garbage look at what tests make, not at modules.

    A quarter of the time of a test goes into looking for garbage among the
    objects of imported modules, which are none. The first use in a process
    frees the garbage there is, and freezes the rest. The next uses do not:
    what is frozen is never collected, and the garbage of tests must be.

    While a test runs, the collector also waits for more objects. The
    thresholds are restored at cleanup, unless the test has set others.

    It leaves the collector alone if that is disabled, if its thresholds are
    not those that the interpreter begins with, if objects were frozen before,
    and after they were unfrozen.
    """

    name = 'collection'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        before = gc.get_threshold()
        if not gc.isenabled() or before not in _DEFAULTS:
            return _nothing
        if _frozen.witness is None:
            if gc.get_freeze_count():
                return _nothing
            cls.counts.misses += 1
            gc.collect()
            _frozen.witness = weakref.ref(_Garbage())
            gc.freeze()
            # It collects fully only after a quarter more objects than the
            # last full collection left; now these are none.
            gc.collect()
        elif _frozen.witness() is None:
            # Somebody has unfrozen all.
            return _nothing
        else:
            cls.counts.hits += 1
            # The garbage of the test before. Not at its cleanup: that would
            # hide what it leaks.
            gc.collect(1)
        gc.set_threshold(*_RAISED)

        def restore() -> None:
            if gc.get_threshold() == _RAISED:
                gc.set_threshold(*before)
                if gc.isenabled():
                    # As it would have been: Nova leaves connections to its
                    # databases to the collector, and they are descriptors.
                    gc.collect(0)

        return restore


class _Garbage:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        self._itself = self


class _Frozen:
    """What this cure has frozen in this process.

    :ivar witness: a reference to garbage that is frozen, too; None before
        that. To count what is frozen takes too long.
    """

    witness: weakref.ref[_Garbage] | None = None


_frozen = _Frozen()


def _nothing() -> None:
    """Restore nothing."""
