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

"""End processes that a test has forked where the test ends.

Otherwise such a child comes back to the runner, and runs the rest of the
tests a second time.
"""

from collections.abc import Callable, Iterator
import contextlib
import functools
import sys
import traceback
from typing import Any

from safe_fixtures.runtime import system

__all__ = ['child_ends_here', 'end_child', 'ending_children', 'process']

# Results leave out the frames of this module, as they do those of unittest.
__unittest = True

#: The number of this process, whatever a test has done to ``os``.
process = system.os.getpid
_exit = system.os._exit


@contextlib.contextmanager
def child_ends_here() -> Iterator[None]:
    """End a process that is forked in the block, and leaves it.

    It ends as a process of its own would: with the code of SystemExit, with
    1 and a traceback for another error, else with 0. No cleanup runs in it:
    what there is to undo belongs to the process that forked it.

    Example::

        with child_ends_here():
            test_method()
    """
    owner = process()
    try:
        yield
    except BaseException as error:
        end_child(owner, error=error)
        raise
    end_child(owner)


def ending_children(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function within :func:`child_ends_here`."""

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        with child_ends_here():
            return function(*args)

    return run


def end_child(
    owner: int, failed: bool = False, error: BaseException | None = None
) -> None:
    """End this process if it is not the one that owns what is left to do.

    :param owner: the number of the owner.
    :param failed: whether to end with 1, even without an error.
    :param error: what ends it.
    """
    if process() == owner:
        return
    code = 1
    try:
        code = _code_of(error, failed)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
    finally:
        _exit(code)


def _code_of(error: BaseException | None, failed: bool) -> int:
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    if error is None:
        return int(failed)
    traceback.print_exception(error)
    return 1
