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

"""The base class of every guard."""

from collections.abc import Iterator, Sequence
import contextlib
from typing import Any
import unittest

import fixtures

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import conclusion
from safe_fixtures.core import repetitions
from safe_fixtures.core import violations
from safe_fixtures.core import waivers as core_waivers
from safe_fixtures import exceptions
from safe_fixtures import redaction
from safe_fixtures.runtime import stack

__all__ = ['Guard', 'raise_all']


class Guard(fixtures.Fixture):
    """A fixture that watches for violations of rules.

    :param test: the test case to guard; default: the test that uses the
        fixture, found on the stack. Its waivers apply, and its id is in the
        records.
    :param trail: where to record; default: the innermost active
        :class:`AuditTrail`, else one of its own.
    :param waivers: what applies to violations before the set-up; default:
        no waiver does. The set-up takes those of the test.
    :param settings: those that apply before the set-up; default: those of
        the moment. The set-up takes those of then, and keeps them.
    :raises: ConfigurationError at set-up if a setting is invalid.
    """

    def __init__(
        self,
        *,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
        waivers: core_waivers.Waivers | None = None,
        settings: conf.Settings | None = None,
    ) -> None:
        super().__init__()
        self._given_test = test
        self._given_trail = trail
        self._test: unittest.TestCase | None = None
        self._outcome: conclusion.Outcome | None = None
        self._waivers = waivers
        self._fixed_settings = settings
        # What leaves the with block of this fixture, or interrupted it.
        self._raised: BaseException | None = None
        self._active = False
        self._repeated = repetitions.Repetitions()

    def setUp(self) -> None:
        # Refuse bad settings before anything is installed, and outside
        # _setUp, which would wrap the error.
        if self._active:
            raise RuntimeError(f'{self!r} is set up already')
        self._test = self._given_test or stack.calling_test()
        self._outcome = conclusion.outcome_of(self._test)
        self._raised = None
        self._repeated = repetitions.Repetitions()
        self._fixed_settings = conf.load()
        self._waivers = core_waivers.of(self._test)
        self._prepare()
        super().setUp()

    @property
    def _settings(self) -> conf.Settings:
        # Those of the set-up: a test may have changed the options since.
        return self._fixed_settings or conf.load()

    @property
    def _interrupted(self) -> bool:
        """Whether something like Ctrl-C ends the test, or the with block.

        Nothing else may be raised then.
        """
        return bool(self._outcome and self._outcome.interrupted) or (
            self._raised is not None
            and not isinstance(self._raised, Exception)
        )

    def _prepare(self) -> None:
        """Check arguments; raise ConfigurationError; change nothing."""

    def _setUp(self) -> None:
        trail = self._given_trail or audit.current()
        if trail is None:
            trail = self.useFixture(self._new_trail())
            conclusion.follow(self._test, trail)
        #: Where this guard records (AuditTrail).
        self.trail = trail
        self.addCleanup(setattr, self, '_active', False)
        self._active = True

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> Any:
        self._raised = exc_val
        conclusion.hide_own_frames(exc_val)
        try:
            return super().__exit__(exc_type, exc_val, exc_tb)
        finally:
            # Kept no longer: its traceback holds the frames of the test.
            self._raised = None

    def _violate(
        self,
        violation: exceptions.SafetyViolation,
        target: str = 'request',
        *,
        keep: bool = True,
        enforced: bool = False,
        trail: audit.AuditTrail | None = None,
        **content: Any,
    ) -> str | None:
        """Record a violation, and raise it if its rule is enforced.

        :param violation: what happened.
        :param target: the name of what it happened to.
        :param keep: raise it again at cleanup, in case it is swallowed.
        :param enforced: enforce the rule, whatever its mode is.
        :param trail: where to record; default: where the guard records.
        :param content: more details for the record.
        :returns: the reason of the waiver that applies, or None.
        :raises: SafetyViolation.
        """
        verdict = violations.verdict_on(
            violation,
            self._waivers,
            self._settings,
            test=self._test,
            enforced=enforced,
            redact=self._redactor(trail).redact,
        )
        if verdict is None:
            return None
        expected = verdict.expectation is not None
        # Before the record, which can fail. An inactive guard has no cleanup
        # to come.
        if verdict.refuses and keep and self._active and not expected:
            swallowed = self._repeated.keep(violation)
            if len(swallowed) == 1:
                self.addCleanup(self._raise_swallowed, swallowed)
        with self._any_trail(trail) as trail:
            if self._active:
                self._record_folded(verdict, trail, target, content)
            else:
                verdict.record(trail, target, **content)
        return verdict.carry_out()

    def _record_folded(
        self,
        verdict: violations.Verdict,
        trail: audit.AuditTrail,
        target: str,
        content: dict[str, Any],
    ) -> None:
        """Record a violation, unless it repeats too often."""
        count = self._repeated.count(verdict, target)
        if count.recorded:
            verdict.record(trail, target, **content)
        elif count.folded == 1:
            self.addCleanup(
                lambda: verdict.record(
                    trail, target, **content, folded=count.folded
                )
            )

    def _raise_swallowed(
        self, swallowed: Sequence[exceptions.SafetyViolation]
    ) -> None:
        unseen = [each for each in swallowed if not self._has_seen(each)]
        if unseen and not self._interrupted:
            raise repetitions.folded(unseen)

    def _has_seen(self, violation: exceptions.SafetyViolation) -> bool:
        """Whether a violation has failed the test, or the with block."""
        return violation is self._raised or (
            self._outcome is not None and self._outcome.is_due_to(violation)
        )

    def _new_trail(self) -> audit.AuditTrail:
        return audit.AuditTrail(self._test.id() if self._test else None)

    def _redactor(self, trail: audit.AuditTrail | None) -> redaction.Redactor:
        """Return what masks the record of a violation."""
        found = trail or self._trail_here()
        return redaction.Redactor() if found is None else found.redactor

    def _trail_here(self) -> audit.AuditTrail | None:
        trail = self.trail if self._active else self._given_trail
        return trail or audit.current()

    @contextlib.contextmanager
    def _any_trail(
        self, trail: audit.AuditTrail | None
    ) -> Iterator[audit.AuditTrail]:
        trail = trail or self._trail_here()
        if trail is not None:
            yield trail
            return
        # Before its set-up and after its cleanup, a guard has no test.
        self._test = self._given_test or stack.calling_test()
        with self._new_trail() as trail:
            yield trail


def raise_all(errors: Sequence[Exception]) -> None:
    """Raise all errors that a cleanup collected, if there are any."""
    if len(errors) > 1:
        raise fixtures.MultipleExceptions(
            *((type(error), error, error.__traceback__) for error in errors)
        )
    if errors:
        raise errors[0]
