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

"""Run a test with the guards around its set-up."""

import _thread
from collections.abc import Callable, Iterator
import contextlib
import functools
from typing import Any

import testtools

from safe_fixtures.core import conclusion
from safe_fixtures.guards import output
from safe_fixtures.hardening import guards
from safe_fixtures.runtime import forks
from safe_fixtures.runtime import patching

__all__ = ['end_children', 'is_running', 'run', 'running']

# The threads that run a test. Bound at import: with eventlet, all greenlets
# of a thread count as one.
_ident = _thread.get_ident
_busy: set[int] = set()


def is_running() -> bool:
    """Whether this thread runs a test already; another is then its part."""
    return _ident() in _busy


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Say that this thread runs a test, until the end of the block."""
    ident = _ident()
    if ident in _busy:
        yield
        return
    _busy.add(ident)
    try:
        yield
    finally:
        _busy.discard(ident)


def run(
    case: Any,
    run_case: Callable[[Any], Any],
    result: Any = None,
    *,
    exposed: bool = False,
) -> Any:
    """Run a test; the guards come up before its set-up, whatever that calls.

    :param case: the test case, of ``unittest`` or any class of it.
    :param run_case: runs it without guards, given a result.
    :param result: what it reports to; default: a result of its own.
    :param exposed: whether the guards become attributes of the test.
    :returns: what *run_case* returns.
    """
    if result is None and not isinstance(case, testtools.TestCase):
        return _run_alone(case, functools.partial(
            run, case, run_case, exposed=exposed
        ))  # fmt: skip
    # The attribute of this one test. So it does not matter which set-up of
    # its bases it calls, and how.
    restore = patching.patch_attribute(
        case,
        'setUp',
        functools.partial(guards.guard, case, case.setUp, exposed=exposed),
    )
    reported = output.masked(result)
    with contextlib.ExitStack() as stack:
        stack.callback(restore)
        stack.callback(end_children(case))
        if reported is not None:
            reported = output.Reported(reported, case)
            stack.callback(reported.close)
        if not isinstance(case, testtools.TestCase):
            reported = conclusion.ToldOutcomes(reported, case)
        stack.enter_context(running())
        returned = run_case(reported)
    return result if returned is reported else returned


def end_children(case: Any) -> Callable[[], None]:
    """End what the test method forks where it ends, before any cleanup.

    :returns: a callable that restores the test.
    """
    of_testtools = isinstance(case, testtools.TestCase)
    name = '_run_test_method' if of_testtools else '_callTestMethod'
    return patching.patch_attribute(
        case, name, forks.ending_children(getattr(case, name))
    )


def _run_alone(case: Any, run_case: Callable[[Any], Any]) -> Any:
    """Run a test with the result that ``unittest`` would make for it."""
    result = case.defaultTestResult()
    with contextlib.ExitStack() as stack:
        for name, do in (
            ('stopTestRun', stack.callback),
            ('startTestRun', lambda call: call()),
        ):
            call = getattr(result, name, None)
            if call is not None:
                do(call)
        return run_case(result)
