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

"""Harden every test of a process without editing it."""

from collections.abc import Callable
from typing import Any
import unittest

import testtools
import wrapt

from safe_fixtures.core import plugins
from safe_fixtures.hardening import life
from safe_fixtures.runtime import entry_points
from safe_fixtures.runtime import forks
from safe_fixtures.runtime import patching

__all__ = ['claim', 'harden', 'own_hardening_of']

_Hardener = Callable[[type], Any]
_Runner = Callable[[Any, Any, Any, Any], Any]
# Bases that a project hardens itself, and its functions that do.
_claimed: dict[type, tuple[_Hardener, _Runner]] = {}
# What of a suite runs the fixtures of classes and modules.
_FIXTURES = (
    '_handleClassSetUp',
    '_handleModuleFixture',
    '_handleModuleTearDown',
    '_tearDownPreviousClass',
)


def claim(base: type, hardened: _Hardener, run: _Runner) -> None:
    """Leave the tests of a base to the project that hardens them itself.

    :param base: the test base of the project.
    :param hardened: returns the hardened class of a subclass of it.
    :param run: runs one of its tests guarded, given the ``run`` that it has,
        the test, and the arguments and keywords of the call.
    """
    _claimed[base] = hardened, run


def own_hardening_of(base: type) -> _Hardener | None:
    """Return what hardens a base of a project that does so itself, or None.

    The project whose tests are imported makes its claim first.
    """
    plugins.find()
    for claimed, (hardened, _) in _claimed.items():
        if issubclass(base, claimed):
            return hardened
    return None


def harden() -> Callable[[], None]:
    """Harden all tests in this process, unedited.

    Every ``unittest.TestCase``, such as a ``testtools.TestCase``, gets the
    guards that need no Nova, whenever its class is imported. A test of a
    project that has guards of its own, such as Nova, gets these instead,
    which include the others. A test that runs within another one is a part
    of it. A process that a fixture of a class or module, or the run of a
    test, forks ends with that. No class is replaced: methods are wrapped. A
    second call changes nothing.

    :returns: a callable that restores ``unittest`` and ``testtools``.
    """
    if isinstance(vars(unittest.TestCase)['run'], _Hardened):
        return lambda: None
    # Before a test changes what is found.
    entry_points.read()
    wrapped = [
        (unittest.TestCase, 'run', _run),
        (testtools.TestCase, 'run', _run),
        # Around a run that a test has of its own.
        (unittest.TestCase, '__call__', _end_children),
        *((unittest.TestSuite, name, _end_children) for name in _FIXTURES),
    ]
    return patching.patch_attributes(
        (owner, name, _Hardened(getattr(owner, name), wrapper))
        for owner, name, wrapper in wrapped
    )


class _Hardened(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """Marks the methods that this module has wrapped."""


def _end_children(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    with forks.child_ends_here():
        return wrapped(*args, **kwargs)


def _run(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    if life.is_running():
        return wrapped(*args, **kwargs)
    if plugins.harden():
        # The first test of a project: its class may have changed.
        return instance.run(*args, **kwargs)
    for claimed, (_, run) in _claimed.items():
        if isinstance(instance, claimed):
            with life.running():
                return run(wrapped, instance, args, kwargs)
    return life.run(instance, wrapped, *args, **kwargs)
