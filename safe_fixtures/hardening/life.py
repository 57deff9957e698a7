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

from safe_fixtures import conf
from safe_fixtures.core import conclusion
from safe_fixtures import exceptions
from safe_fixtures.guards import output
from safe_fixtures.hardening import guards
from safe_fixtures.runtime import forks
from safe_fixtures.runtime import patching

__all__ = ['is_running', 'prepared', 'require_guards', 'run', 'running']

# The threads that run a test. Bound at import: with eventlet, all greenlets
# of a thread count as one.
_ident = _thread.get_ident
_busy: set[int] = set()
# The tests whose run is prepared. By identity: tests may be equal.
_prepared: list[Any] = []
# What runs the set-up and the method of a test.
_OF_TESTTOOLS = '_run_setup', '_run_test_method'
_OF_UNITTEST = '_callSetUp', '_callTestMethod'
_PATCHED = '_safe_fixtures_patched'
# Where a test can go past its guards.
_PASSING = {'setUp', 'run', '_run_setup', '_callSetUp'}
# Their set-up is the one to call.
_FRAMEWORKS = ('safe_fixtures', 'testtools', 'unittest')


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
    _drop_copies(case)
    restore = patching.patch_attribute(
        case,
        'setUp',
        functools.partial(guards.guard, case, case.setUp, exposed=exposed),
    )
    reported = output.masked(result)
    with contextlib.ExitStack() as stack:
        stack.callback(restore)
        stack.enter_context(prepared(case))
        if reported is not None:
            reported = output.Reported(reported, case)
            stack.callback(reported.close)
        if not isinstance(case, testtools.TestCase):
            reported = conclusion.ToldOutcomes(reported, case)
        stack.enter_context(running())
        returned = run_case(reported)
    return result if returned is reported else returned


@contextlib.contextmanager
def prepared(case: Any, root: type | None = None) -> Iterator[None]:
    """Prepare the run of a test, before any code of it.

    What the test sets in ``safe_fixtures.conf.CONF`` ends with the block,
    and what its method forks ends where the method does. A test whose set-up
    went past its guards fails before its method.

    :param case: the test case.
    :param root: the base whose set-up is to be called (type); default:
        that of ``testtools`` or ``unittest``.
    """
    if any(each is case for each in _prepared):
        yield
        return
    _drop_copies(case)
    tools = isinstance(case, testtools.TestCase)
    set_up, method = _OF_TESTTOOLS if tools else _OF_UNITTEST
    # Attributes of this one test, so that no class of it overrides them.
    restore = patching.patch_attributes(
        (
            (case, set_up, _requiring_guards(case, set_up, root)),
            (case, method, forks.ending_children(getattr(case, method))),
            (case, _PATCHED, id(case)),
        )
    )
    guards.note_guarded(case, None)
    _prepared.append(case)
    try:
        with conf.kept():
            yield
    finally:
        _prepared[:] = [each for each in _prepared if each is not case]
        restore()
        guards.note_guarded(case, None)


def _drop_copies(case: Any) -> None:
    """Drop what a copy has of the test that is run, such as scenarios make."""
    if vars(case).get(_PATCHED, id(case)) != id(case):
        for name in ('setUp', *_OF_TESTTOOLS, *_OF_UNITTEST, _PATCHED):
            vars(case).pop(name, None)


def _requiring_guards(
    case: Any, name: str, root: type | None
) -> Callable[..., Any]:
    """Return the call of the set-up, which then requires the guards.

    A failed or skipped set-up stays what it is. Not a part of the method: a
    failure of that may be an expected one.
    """
    set_up = getattr(case, name)

    @functools.wraps(set_up)
    def set_up_guarded(*args: Any) -> Any:
        returned = set_up(*args)
        require_guards(case, root)
        return returned

    return set_up_guarded


def require_guards(case: Any, root: type | None = None) -> None:
    """Refuse a test whose set-up went past its guards.

    :param case: the test case.
    :param root: as of :func:`prepared`.
    :raises: ConfigurationError that names the classes that may do so.
    """
    if guards.is_guarded(case):
        return
    passing = [
        cls.__qualname__
        for cls in type(case).__mro__
        if not _PASSING.isdisjoint(vars(cls))
        and cls is not root
        and cls.__module__.partition('.')[0] not in _FRAMEWORKS
    ]
    raise exceptions.ConfigurationError(
        f'setUp of {case.id()}',
        ', '.join(passing) or 'its bases',
        'it set up no guard, so the test is not run; call '
        'super().setUp(), or super().run(), not that of a base by its name',
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
