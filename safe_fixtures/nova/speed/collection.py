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

from safe_fixtures.nova.speed import cure

__all__ = ['Collection']

# What interpreters begin with: up to 3.12, and later ones.
_DEFAULTS: Final = ((700, 10, 10), (2000, 10, 10), (2000, 10, 0))
# While a test runs. What it makes stays young until the next one begins.
_RAISED: Final = (20000, 50, 10)
# After so many tests, what they left is looked at with all that is older.
_FULL: Final = 25


class Collection(cure.Cure):
    """Let the collector of garbage look at what tests make, not at modules.

    A quarter of the time of a test goes into looking for garbage among the
    objects of imported modules, which are none. The first use in a process
    frees the garbage there is, and freezes the rest. The next uses do not:
    what is frozen is never collected, and the garbage of tests must be.

    While a test runs, the collector also waits for more objects. The
    thresholds are restored at cleanup, unless the test has set others.

    It leaves the collector alone if that is disabled, if its thresholds are
    not those that the interpreter begins with, and if objects were frozen or
    unfrozen by anything else.
    """

    name = 'collection'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        before = gc.get_threshold()
        if not gc.isenabled() or before not in _DEFAULTS:
            return _nothing
        if _frozen.count is None:
            if gc.get_freeze_count():
                return _nothing
            cls.counts.misses += 1
            gc.collect()
            gc.freeze()
            _frozen.count = gc.get_freeze_count()
            # It collects fully only after a quarter more objects than the
            # last full collection left; now these are none.
            gc.collect()
        elif not 0 < gc.get_freeze_count() <= _frozen.count:
            # It only shrinks, as frozen objects are deleted.
            return _nothing
        else:
            cls.counts.hits += 1
            _collect_in_time()
        gc.set_threshold(*_RAISED)

        def restore() -> None:
            if gc.get_threshold() == _RAISED:
                gc.set_threshold(*before)
                if gc.isenabled():
                    # As it would have been: Nova leaves connections to its
                    # databases to the collector, and they are descriptors.
                    gc.collect(0)

        return restore


class _Frozen:
    """What this cure has frozen in this process.

    :ivar count: how many objects (int); None before it has.
    :ivar uses: how often it was used since (int).
    """

    count: int | None = None
    uses = 0


_frozen = _Frozen()


def _collect_in_time() -> None:
    """Free the garbage of the test before.

    Not at its cleanup: that would hide what it leaks.
    """
    _frozen.uses += 1
    gc.collect(1 if _frozen.uses % _FULL else 2)


def _nothing() -> None:
    """Restore nothing."""
