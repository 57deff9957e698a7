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

"""Find out who called, for messages and records."""

from collections.abc import Iterator
import os
import sys
import sysconfig
from types import FrameType
from types import ModuleType
from types import TracebackType
import unittest

import fixtures
import testtools

__all__ = [
    'calling_test',
    'in_cleanup',
    'is_within',
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

# What runs cleanups: of testtools and unittest, of a test and of a fixture.
_CLEANERS = {
    '_callTearDown',
    '_run_cleanups',
    '_run_teardown',
    'cleanUp',
    'doCleanups',
}
_CLEANING = (*_RUNNERS, _folder_of(fixtures))


def calling_test() -> unittest.TestCase | None:
    """Return the test case on whose behalf this is called, or None.

    ``useFixture`` does not tell a fixture which test uses it; the stack
    does.
    """
    frame = _testcase_frame()
    return None if frame is None else frame.f_locals['self']


def where() -> str | None:
    """Return ``file:line`` of the test's line that led here.

    None in a cleanup of a fixture, which no line of the test led to. In a
    thread that no test called, the innermost line outside this package and
    the standard library is as near as one can come.
    """
    frame = _testcase_frame()
    if frame is None:
        return _innermost()
    test = frame.f_locals['self']
    found = None
    while frame is not None:
        # Helpers of its bases are methods of the same test: the outermost
        # is the one that the runner calls.
        code = frame.f_code
        if (
            code.co_varnames[:1] == ('self',)
            and frame.f_locals.get('self') is test
            and not code.co_filename.startswith(_RUNNERS)
        ):
            found = f'{code.co_filename}:{frame.f_lineno}'
        frame = frame.f_back
    if found is None:
        # A function of the test's module, such as a lambda that cleans up.
        module = sys.modules.get(type(test).__module__)
        found = _innermost(getattr(module, '__file__', ''))
    return found


def in_cleanup() -> bool:
    """Whether a cleanup or a tear-down, of a test or a fixture, led here."""
    return any(
        frame.f_code.co_name in _CLEANERS
        and frame.f_code.co_filename.startswith(_CLEANING)
        for frame in _frames()
    )


def is_within(function: str) -> bool:
    """Whether a function or method of that name led here."""
    return any(frame.f_code.co_name == function for frame in _frames())


def without_own_frames(
    traceback: TracebackType | None,
) -> TracebackType | None:
    """Return a traceback without this package's frames.

    :param traceback: is changed in place.
    """
    kept: list[TracebackType] = []
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_HERE):
            kept.append(traceback)
        traceback = traceback.tb_next
    for entry, following in zip(kept, [*kept[1:], None], strict=False):
        entry.tb_next = following
    return kept[0] if kept else None


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _innermost(path: str | None = None) -> str | None:
    """Return the innermost line of a file, or else of what is not ours."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name == path or (path is None and not _is_elsewhere(name)):
            return f'{frame.f_code.co_filename}:{frame.f_lineno}'
        frame = frame.f_back
    return None


def _is_elsewhere(name: str) -> bool:
    """Whether a file is this package's or the standard library's."""
    return name.startswith((_HERE, '<frozen ')) or (
        name.startswith(_LIBRARY) and not name.startswith(_PACKAGES)
    )


def _testcase_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        # A method names its first argument self by custom only, but the
        # check is on what it holds.
        code = frame.f_code
        if (
            code.co_varnames[:1] == ('self',)
            and not code.co_filename.startswith(_HERE)
            and isinstance(frame.f_locals.get('self'), unittest.TestCase)
        ):
            return frame
        frame = frame.f_back
    return None
