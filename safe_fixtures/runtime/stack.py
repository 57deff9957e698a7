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

"""Find the caller and its test, and tidy tracebacks."""

from collections.abc import Callable, Collection, Iterator
import os
import sys
import sysconfig
from types import CodeType
from types import FrameType
from types import ModuleType
from types import TracebackType
from typing import Any
import unittest

import fixtures
import testtools

from safe_fixtures.runtime import owners
from safe_fixtures.runtime import system

__all__ = [
    'calling_test',
    'in_cleanup',
    'is_elsewhere',
    'is_within',
    'lines',
    'tests_here',
    'tests_of_thread',
    'where',
    'without_own_frames',
]

# The folder of the whole package, two levels up.
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY = os.path.join(sysconfig.get_path('stdlib'), '')
_PACKAGES = tuple(
    os.path.join(sysconfig.get_path(name), '')
    for name in ('purelib', 'platlib')
)


def _folder_of(package: ModuleType) -> str:
    return os.path.join(os.path.abspath(package.__path__[0]), '')


_RUNNERS = (_HERE, _folder_of(testtools), _folder_of(unittest))

# What runs cleanups and tear-downs, of a test and of a fixture. The code
# itself: a test may give a function any name, and code any file name.
_CLEANERS = frozenset(
    vars(cls)[name].__code__
    for cls, name in (
        (unittest.TestCase, '_callTearDown'),
        (unittest.TestCase, 'doCleanups'),
        (unittest.IsolatedAsyncioTestCase, '_callTearDown'),
        (testtools.TestCase, '_run_teardown'),
        (testtools.RunTest, '_run_cleanups'),
        (fixtures.Fixture, 'cleanUp'),
        (fixtures.MethodFixture, 'cleanUp'),
    )
    if name in vars(cls)
)

# What runs a test; the code itself, for the same reason.
_RUNS = frozenset(
    id(vars(cls)['run'].__code__)
    for cls in (
        unittest.TestCase,
        unittest.IsolatedAsyncioTestCase,
        testtools.TestCase,
    )
    if 'run' in vars(cls)
)


def calling_test() -> unittest.TestCase | None:
    """Return the test case that led here, or None.

    ``useFixture`` does not tell a fixture which test uses it. The stack
    does.
    """
    frame = _testcase_frame()
    return None if frame is None else frame.f_locals['self']


def tests_here() -> list[unittest.TestCase]:
    """Return the test that is being run here, and the one that calls.

    They differ where the body of an inner test is a method of the outer one.
    """
    run = (_self_of(frame) for frame in _frames() if _runs_test(frame))
    found = [next(run, None), calling_test()]
    return [test for test in found if test is not None]


def where() -> str | None:
    """Return ``file:line`` of the test's line that led here.

    In a thread that no test called, it is the innermost line of the package
    of the test that started the thread; else of those of the test's bases,
    such as Nova's; else of what is not installed; else of any library but
    this package and the standard library. In a cleanup of a fixture, which
    no line of the test led to, it is None.
    """
    test_frame = _testcase_frame()
    if test_frame is None:
        places = map(_innermost, _ways_to_tell_the_project())
        return next(filter(None, places), None)
    test = test_frame.f_locals['self']
    # Helpers in its base classes are methods of the same test. The runner
    # calls the outermost one. What is further out, such as the test's own
    # run(), is no line of the test.
    found = None
    for frame in _frames(test_frame):
        if _self_of(frame) is not test:
            continue
        if _runs_test(frame):
            break
        if not frame.f_code.co_filename.startswith(_RUNNERS):
            found = _line_of(frame)
    if found is None:
        # A function of the test's module, such as a lambda that cleans up.
        module = sys.modules.get(type(test).__module__)
        test_path = getattr(module, '__file__', '')
        found = _innermost(lambda path: path == test_path)
    return found


def lines() -> list[str]:
    """Return ``file:line`` of each call since the test's own line.

    Calls in this package and in what runs tests are left out.
    """
    found = []
    for frame in _frames():
        if _runs_test(frame):
            break
        if not frame.f_code.co_filename.startswith(_RUNNERS):
            found.append(_line_of(frame))
    return found[::-1]


def tests_of_thread() -> list[unittest.TestCase]:
    """Return the tests whose methods run in a thread of their own.

    The list is empty where a test is being run.
    """
    found: list[unittest.TestCase] = []
    for frame in _frames():
        if _runs_test(frame):
            return []
        test = _self_of(frame)
        if isinstance(test, unittest.TestCase):
            found.append(test)
    return found


def in_cleanup() -> bool:
    """Whether a cleanup or a tear-down, of a test or a fixture, led here."""
    return is_within(_CLEANERS)


def is_within(codes: Collection[CodeType]) -> bool:
    """Whether one of these functions or methods led here.

    :param codes: their code. Anything else of the same name is not meant.
    """
    # Code is equal to a copy of it.
    wanted = {id(code) for code in codes}
    return any(id(frame.f_code) in wanted for frame in _frames())


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without this package's frames.

    :param trace: is changed in place.
    """
    kept: list[TracebackType] = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_HERE):
            kept.append(trace)
        trace = trace.tb_next
    for entry, following in zip(kept, [*kept[1:], None], strict=False):
        entry.tb_next = following
    return kept[0] if kept else None


def is_elsewhere(path: str) -> bool:
    """Whether a file is this package's or the standard library's.

    :param path: as code names its file.
    """
    return path.startswith((_HERE, '<frozen ')) or (
        path.startswith(_LIBRARY) and not path.startswith(_PACKAGES)
    )


def _frames(frame: FrameType | None = None) -> Iterator[FrameType]:
    """Yield a frame, or else the caller's, and all that led to it."""
    frame = frame or system.frame(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _self_of(frame: FrameType) -> Any:
    # By custom only, so look at what it holds. Reading f_locals is slow.
    is_method = frame.f_code.co_varnames[:1] == ('self',)
    return frame.f_locals.get('self') if is_method else None


def _runs_test(frame: FrameType) -> bool:
    return id(frame.f_code) in _RUNS and isinstance(
        _self_of(frame), unittest.TestCase
    )


def _line_of(frame: FrameType) -> str:
    return f'{frame.f_code.co_filename}:{frame.f_lineno}'


def _innermost(is_wanted: Callable[[str], bool]) -> str | None:
    wanted = (f for f in _frames() if is_wanted(f.f_code.co_filename))
    return next(map(_line_of, wanted), None)


def _ways_to_tell_the_project() -> Iterator[Callable[[str], bool]]:
    """Yield what tells whether a file is of the project, the best first."""

    def is_below(places: tuple[str, ...]) -> Callable[[str], bool]:
        return lambda path: path.startswith(places) and not is_library(path)

    def is_library(path: str) -> bool:
        return is_elsewhere(path) or path.startswith(_RUNNERS)

    owner = owners.find()
    test = None if owner is None else owner.test
    if isinstance(test, unittest.TestCase):
        own, *others = (_package_of(cls) for cls in type(test).__mro__)
        for places in ((own,), others):
            yield is_below(tuple(filter(None, places)))
    yield lambda path: not (is_library(path) or path.startswith(_PACKAGES))
    yield lambda path: not is_elsewhere(path)


def _package_of(cls: type) -> str:
    """Return the folder of the top package of a class, or its file."""
    module = sys.modules.get(cls.__module__.partition('.')[0])
    for folder in getattr(module, '__path__', None) or ():
        return f'{folder}{os.sep}'
    return getattr(module, '__file__', None) or ''


def _testcase_frame() -> FrameType | None:
    for frame in _frames():
        if not frame.f_code.co_filename.startswith(_HERE) and isinstance(
            _self_of(frame), unittest.TestCase
        ):
            return frame
    return None
