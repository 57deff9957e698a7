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

"""Harden every test of ``nova.test.TestCase`` without editing it."""

from collections.abc import Callable

from nova import test

from safe_fixtures.nova import bases
from safe_fixtures.runtime import patching

__all__ = ['harden']


def harden() -> Callable[[], None]:
    """Harden all tests of Nova's bases in this process, unedited.

    Every subclass of ``nova.test.TestCase``, imported before or after, then
    gets what :class:`~safe_fixtures.nova.SafeTestCase` gives its own. The
    class itself is not replaced: two of its methods are wrapped. A second
    call changes nothing.

    Example, in the ``__init__`` of a package of functional tests::

        from safe_fixtures.nova import suite
        suite.harden()

    :returns: a callable that restores ``nova.test.TestCase``.
    """
    if isinstance(vars(test.TestCase).get('run'), bases.Hardened):
        return lambda: None
    return patching.patch_attributes(
        (
            (test.TestCase, 'setUp', bases.guarding_set_up()),
            (
                test.TestCase,
                'run',
                bases.Hardened(test.TestCase.run, bases.run),
            ),
        )
    )
