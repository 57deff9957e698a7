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

"""Decide what happens when a test breaks a rule, and expect that it does."""

from _thread import get_ident
from collections.abc import Callable, Iterator
import contextlib
import dataclasses
import sys
from typing import Any
import unittest

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import waivers as core_waivers
from safe_fixtures import exceptions
from safe_fixtures import rules
from safe_fixtures.runtime import owners
from safe_fixtures.runtime import stack

__all__ = ['Verdict', 'expect_violation', 'expected_by', 'verdict_on']


class _Expectation:
    """One block, which belongs to the test that entered it.

    :ivar tests: that test, and who calls it; empty outside any test.
    """

    def __init__(self, code: str) -> None:
        self.code = rules.get(code).code
        self.seen: list[exceptions.SafetyViolation] = []
        self.tests = _tests_here()
        self._place = _place()
        test = self.tests[0] if self.tests else None
        cleanups = getattr(test, '_cleanups', None)
        if isinstance(cleanups, list):
            # The last of all: the block may end in any other.
            cleanups.insert(0, (self._end_with_test, (), {}))

    def takes(self, code: str, test: unittest.TestCase | None) -> bool:
        """Whether it is for a violation that happens here.

        :param test: the test of the guard.
        """
        if code != self.code:
            return False
        here = _tests_here()
        if not self.tests:
            return not here and (test is None or self._place == _place())
        return (test is None or self.is_of(test)) and (
            any(map(self.is_of, here)) or (not here and test is not None)
        )

    def is_of(self, test: object) -> bool:
        """Whether a test has entered it."""
        # Equal tests are not the same test.
        return any(each is test for each in self.tests)

    def end(self) -> bool:
        """End it; return whether it was still open."""
        was_open = any(each is self for each in _expectations)
        _expectations[:] = [each for each in _expectations if each is not self]
        return was_open

    def _end_with_test(self) -> None:
        if self.end():
            raise AssertionError(
                f'the block of expect_violation({self.code!r}) was entered '
                f'and never left; it took {len(self.seen)} violations. Use '
                'it in a with statement, or enterContext()'
            )


_expectations: list[_Expectation] = []


def _tests_here() -> list[Any]:
    """Return the test that this thread works for, if it is known."""
    found: list[Any] = list(stack.tests_here())
    if not found:
        owner = owners.find()
        if owner is not None and owner.test is not None:
            found.append(owner.test)
    return found


def _place() -> tuple[int, Any]:
    """Return this thread, and its greenlet if there are some."""
    getcurrent = getattr(sys.modules.get('greenlet'), 'getcurrent', None)
    return get_ident(), None if getcurrent is None else getcurrent()


def expected_by(test: object) -> list[object]:
    """Return the blocks of a test that are open now."""
    return [each for each in _expectations if each.is_of(test)]


@contextlib.contextmanager
def expect_violation(code: str) -> Iterator[list[exceptions.SafetyViolation]]:
    """Expect that the block breaks a rule.

    An enforced violation still prevents the act and ends the block, but it
    does not fail the test. What another test does, or a thread that it left
    running, does not count. The block ends with its test at the latest.

    Example::

        with expect_violation('SF301') as seen:
            self.api.post_server({'server': server})
        self.assertIn('locations', seen[0].message)

    :param code: the rule (str).
    :returns: the violations of that rule, as they happen.
    :raises: AssertionError if the block ends without a violation of it, and
        as the last cleanup of a test that has not left it.
    """
    expectation = _Expectation(code)
    _expectations.append(expectation)
    in_time = True
    try:
        yield expectation.seen
    except exceptions.SafetyViolation as violation:
        if not any(violation is seen for seen in expectation.seen):
            raise
    finally:
        in_time = expectation.end()
    if in_time and not expectation.seen:
        raise AssertionError(
            f'expected a violation of {code}, and there was none'
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What happens because of a violation.

    :ivar violation: the violation.
    :ivar mode: the mode of its rule.
    :ivar waiver: the content of the waiver's event, or None without one.
    :ivar expectation: where the test collects the violations it expects, or
        None if it expects none.
    :ivar is_debt: whether the baseline covers it: it is recorded, not raised.
    """

    violation: exceptions.SafetyViolation
    mode: rules.Mode
    waiver: dict[str, str] | None = None
    expectation: list[exceptions.SafetyViolation] | None = None
    is_debt: bool = False

    @property
    def refuses(self) -> bool:
        """Whether the violation is raised."""
        return (
            self.mode == 'enforce' and self.waiver is None and not self.is_debt
        )

    def record(
        self, trail: audit.AuditTrail, target: str, **content: Any
    ) -> None:
        """Record the violation; see ``AuditTrail.record_violation``."""
        trail.record_violation(
            self.violation,
            target,
            mode=self.mode,
            waiver=self.waiver,
            expected=self.expectation is not None,
            is_debt=self.is_debt,
            **content,
        )

    def carry_out(self) -> str | None:
        """Raise the violation if the verdict refuses it.

        :returns: the reason of the waiver, or None without one.
        :raises: SafetyViolation.
        """
        if self.expectation is not None:
            self.expectation.append(self.violation)
        if self.refuses:
            raise self.violation
        return None if self.waiver is None else self.waiver['reason']


def verdict_on(
    violation: exceptions.SafetyViolation,
    waivers: core_waivers.Waivers | None,
    settings: conf.Settings,
    *,
    test: unittest.TestCase | None = None,
    enforced: bool = False,
    redact: Callable[[str], str] = str,
) -> Verdict | None:
    """Decide what happens because of a violation; note where it happened.

    :param violation: the violation.
    :param waivers: the waivers of the test, or None.
    :param settings: those of the guard.
    :param test: the test of the guard; default: it has none.
    :param enforced: whether to enforce the rule whatever its mode is.
    :param redact: masks secrets, as the record does; default: nothing is.
    :returns: None if the rule is off.
    """
    code = violation.code
    mode = 'enforce' if enforced else settings.mode_of(code)
    if mode == 'off':
        return None
    if violation.where is None:
        violation.where = stack.where()
    waiver = waivers.apply(code) if waivers else None
    # The innermost block gets it.
    expected = (e.seen for e in _expectations[::-1] if e.takes(code, test))
    expectation = next(expected, None)
    is_debt = (
        waivers is not None
        and waiver is None
        and expectation is None
        and waivers.debts.cover(violation, redact)
    )
    return Verdict(violation, mode, waiver, expectation, is_debt)
