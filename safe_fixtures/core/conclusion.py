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

"""Follow a test, and conclude it: record its outcome at its end."""

import functools
from typing import Any
import unittest
import weakref

from testtools import content
import wrapt

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf
from safe_fixtures.core import violations
from safe_fixtures.core import waivers as core_waivers
from safe_fixtures import exceptions
from safe_fixtures.runtime import forks
from safe_fixtures.runtime import stack

__all__ = [
    'Outcome',
    'ToldOutcomes',
    'failed_by_violations',
    'follow',
    'hide_own_frames',
    'outcome_of',
]

_UNUSED = 'SF901'
_TIDIED = exceptions.SafetyViolation, exceptions.ConfigurationError
_ON_TEST = '_safe_fixtures_outcome'


class Outcome:
    """How a test has gone so far, and which errors failed it.

    :param test: a ``testtools.TestCase``, or a plain one that reports to a
        :class:`ToldOutcomes`.
    :ivar value: ``success``, ``failure``, or ``unknown`` if it was skipped.
    :ivar interrupted: whether something like Ctrl-C ends the test.
    :ivar only_violations: whether nothing but violations has failed it so
        far.
    :ivar process: the number of the process that runs the test.
    :ivar followed: whether the test is concluded at its end already.
    :ivar hardened: how far the test is hardened: ``fully``, ``partly``, or
        empty if it uses its guards itself.
    :ivar lacks: why it is hardened in part only.
    :ivar expected: the blocks of ``expect_violation`` that it entered before
        its first guard. They may be left after the test is concluded.
    :ivar settings: those of its first guard; None until it is followed.
    """

    def __init__(self, test: Any) -> None:
        self.value = 'success'
        self.interrupted = False
        self.only_violations = True
        self.process = forks.process()
        self.followed = False
        self.hardened = ''
        self.lacks = ''
        self.settings: conf.Settings | None = None
        self.expected: list[object] = []
        # Weak, so that a test that is over is freed at once.
        self._test = weakref.ref(test)
        self._errors: list[BaseException] = []
        method = getattr(test, test._testMethodName, None)
        # An expected failure would hide a violation.
        self._expects_failure = getattr(
            method, '__unittest_expecting_failure__', False
        )
        if hasattr(test, 'addOnException'):
            test.addOnException(self.on_exception)

    def is_due_to(self, error: BaseException) -> bool:
        """Whether *error* has failed the test by itself."""
        return any(error is seen for seen in self._errors)

    def on_exception(self, exc_info: Any) -> None:
        """Take note of what the test raised."""
        error: BaseException | None = exc_info[1]
        # Of several exceptions, the runner raises the last one.
        self.interrupted |= not isinstance(error, Exception)
        if isinstance(error, unittest.SkipTest):
            # testtools shows no traceback of it.
            if self.value == 'success' and not self._expects_failure:
                self.value = 'unknown'
            return
        self._tidy_traceback(exc_info)
        if self._expects_failure:
            return
        self.fail(error)
        while error is not None and not self.is_due_to(error):
            self._errors.append(error)
            error = error.__cause__

    def fail(self, error: BaseException | None) -> None:
        """Take note of what fails the test, raised or only reported."""
        self.value = 'failure'
        self.only_violations &= isinstance(error, exceptions.SafetyViolation)

    def _tidy_traceback(self, exc_info: Any) -> None:
        """Show a violation's traceback again, without our own frames."""
        test: Any = self._test()
        if not hide_own_frames(exc_info[1]) or not hasattr(test, 'getDetails'):
            return
        kind, error, _ = exc_info
        # testtools has just added it.
        shown = [
            name
            for name, detail in test.getDetails().items()
            if detail.content_type.subtype == 'x-traceback'
        ]
        traceback = kind, error, error.__traceback__
        for name in shown[-1:]:
            test.addDetail(name, content.TracebackContent(traceback, test))


def hide_own_frames(error: BaseException | None) -> bool:
    """Leave only the user's frames in the tracebacks of violations.

    Refused settings are treated alike. Other errors, such as a bug of this
    package, keep all frames.

    :param error: an error; what led to it is treated as well.
    :returns: whether there is such a traceback.
    """
    found = False
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, _TIDIED):
            found = True
            error.__traceback__ = stack.without_own_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    return found


def outcome_of(test: Any) -> Outcome | None:
    """Return the outcome of *test*, one object for all who ask.

    :returns: None for a test that is no ``testtools.TestCase``, and does
        not report to a :class:`ToldOutcomes`.
    """
    if test is None:
        return None
    outcome: Outcome | None = vars(test).get(_ON_TEST)
    if outcome is None and hasattr(test, 'addOnException'):
        outcome = vars(test)[_ON_TEST] = Outcome(test)
    return outcome


def failed_by_violations(test: Any) -> bool:
    """Whether a test that is over failed by violations, and nothing else.

    :param test: any test; one without guards did not.
    """
    outcome: Outcome | None = getattr(test, '__dict__', {}).get(_ON_TEST)
    return (
        outcome is not None
        and outcome.value == 'failure'
        and outcome.only_violations
    )


class ToldOutcomes(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A result that tells the outcome of a plain ``unittest.TestCase``.

    Such a test has no ``addOnException()``: what it raised is known only
    once it is reported, which ``unittest`` does at once.

    :param result: where the test is reported.
    :param test: the test.
    """

    def __init__(self, result: Any, test: Any) -> None:
        super().__init__(result)
        self._self_outcome = vars(test)[_ON_TEST] = Outcome(test)

    def __getattr__(self, name: str) -> Any:
        # An attribute that the result does not have stays absent.
        value = getattr(self.__wrapped__, name)
        if name in ('addError', 'addFailure', 'addSkip', 'addSubTest'):
            return functools.partial(self._self_tell, value)
        return value

    def _self_tell(self, report: Any, *args: Any, **kwargs: Any) -> Any:
        # The last one is what was raised, or the reason of a skip.
        told = args[-1]
        if isinstance(told, tuple):
            self._self_outcome.on_exception(told)
        elif isinstance(told, str):
            skip = unittest.SkipTest(told)
            self._self_outcome.on_exception((type(skip), skip, None))
        return report(*args, **kwargs)


def follow(
    test: Any, trail: audit.AuditTrail, hardened: str = '', lacks: str = ''
) -> None:
    """Follow a test, and conclude it when its cleanups run.

    The first guard of a test, or its base class, asks for that; whoever
    asks again changes nothing. The cleanup records how the test ended and
    which of its waivers never applied. A test that failed gets the record
    as a detail.

    The cleanup raises SafetyViolation (SF901) for an unused waiver if that
    is enforced, else AuditFailed if an event did not reach a sink.

    :param test: the test case; only one that has an outcome is followed.
    :param trail: where to record.
    :param hardened: how far the test is hardened; see :class:`Outcome`.
    :param lacks: why it is hardened in part only.
    """
    outcome = outcome_of(test)
    if outcome is not None and not outcome.followed:
        outcome.followed = True
        outcome.hardened, outcome.lacks = hardened, lacks
        outcome.settings = conf.load()
        outcome.expected = violations.expected_by(test)
        test.addCleanup(_conclude, test, trail, outcome)


def _conclude(test: Any, trail: audit.AuditTrail, outcome: Outcome) -> None:
    # What the test has forked is done; the rest is for its parent to do.
    forks.end_child(outcome.process, outcome.value == 'failure')
    succeeds = outcome.value == 'success'
    settings = outcome.settings or conf.load()
    unused = []
    if succeeds:
        unused = _record_unused_waivers(test, trail, settings)
    # Each fails the test, by a cleanup that is still to come.
    left_open = [
        each
        for each in violations.expected_by(test)
        if not any(each is earlier for earlier in outcome.expected)
    ]
    broken = bool(left_open) or not trail.is_whole
    fails = broken or bool(unused) or outcome.value == 'failure'
    about = _how_far(outcome)
    if fails and outcome.only_violations and not broken:
        about['by_violations'] = True
    trail.record(
        events.TEST_END,
        test.id(),
        target_type=events.TEST_TYPE,
        outcome='failure' if fails else outcome.value,
        event_type='monitor',
        seconds=round(trail.seconds, 6),
        **about,
    )
    if (fails or not trail.is_whole) and hasattr(test, 'addDetail'):
        test.addDetail('safe_fixtures.audit', trail.as_detail())
    if unused:
        raise exceptions.SafetyViolation(
            _UNUSED,
            'waivers that never applied: ' + ', '.join(unused),
            where=test.id(),
        )
    # The trail's own cleanup may be over.
    trail.check()


def _how_far(outcome: Outcome) -> dict[str, Any]:
    about = {'hardened': outcome.hardened, 'lacks': outcome.lacks}
    return {name: text for name, text in about.items() if text}


def _record_unused_waivers(
    test: Any, trail: audit.AuditTrail, settings: conf.Settings
) -> list[str]:
    """Record the waivers that never applied.

    :returns: their rules, sorted, if they fail the test.
    """
    mode = settings.mode_of(_UNUSED)
    waivers = core_waivers.of(test)
    unused = {
        code: reason
        for code, reason in waivers.unused.items()
        if settings.mode_of(code) != 'off'
    }
    if mode == 'off' or not unused:
        return []
    waiver = None
    # A waiver of SF901 is for the other waivers. Alone, it is unused itself.
    if unused.keys() != {_UNUSED}:
        waiver = waivers.apply(_UNUSED)
        unused.pop(_UNUSED, None)
    refused = []
    for code, reason in unused.items():
        violation = exceptions.SafetyViolation(
            _UNUSED,
            f'the waiver of {code} ({reason}) never applied',
            where=test.id(),
        )
        verdict = violations.Verdict(
            violation,
            mode,
            waiver,
            is_debt=waiver is None
            and waivers.debts.cover(violation, trail.redactor.redact),
        )
        verdict.record(trail, test.id(), target_type=events.TEST_TYPE)
        if verdict.refuses:
            refused.append(code)
    return sorted(refused)
