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

"""What every guard is built on."""

from collections.abc import Iterator, Sequence
import contextlib
from typing import Any
import unittest

import fixtures

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import conclusion
from safe_fixtures.core import expectations
from safe_fixtures.core import outcome as core_outcome
from safe_fixtures.core import waivers as core_waivers
from safe_fixtures import exceptions
from safe_fixtures import rules
from safe_fixtures.runtime import stack

__all__ = [
    'Guard',
    'raise_all',
]


class Guard(fixtures.Fixture):
    """A fixture that watches over rules.

    :param test: the test case it guards; default: the one that uses it,
        found on the stack. Its waivers apply, its id is in the records.
    :param trail: where its acts are recorded; default: the innermost active
        :class:`AuditTrail`, else one of its own.
    :raises: ConfigurationError at set-up if the configuration makes no
        sense.
    """

    def __init__(
        self,
        *,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__()
        self._given_test = test
        self._given_trail = trail
        self._test: unittest.TestCase | None = None
        self._active = False

    def setUp(self) -> None:
        # What is refused is refused before anything is installed, and
        # outside _setUp, which would wrap the error.
        if self._active:
            raise RuntimeError(f'{self!r} is set up already')
        conf.load()
        self._test = self._given_test or stack.calling_test()
        self._waivers = core_waivers.of(self._test)
        self._prepare()
        super().setUp()

    @property
    def _settings(self) -> Any:
        # Read anew where a test has cleared the options meanwhile.
        return conf.load()

    def _prepare(self) -> None:
        """Check arguments; raise ConfigurationError; change nothing."""

    def _setUp(self) -> None:
        trail = self._given_trail or audit.current()
        own = trail is None
        if trail is None:
            trail = self.useFixture(self._new_trail())
        #: Where the acts of this guard are recorded (AuditTrail).
        self.trail = trail
        outcome = core_outcome.of(self._test)
        # Once, by the first of several guards: its cleanup runs last.
        if own and self._test and outcome and not outcome.recorded:
            outcome.recorded = True
            self._test.addCleanup(conclusion.conclude, self._test, trail)
        self.addCleanup(setattr, self, '_active', False)
        self._active = True

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
        :param enforced: whether it is, whatever the configuration says.
        :param trail: where it is recorded; default: where its acts are.
        :param content: more for the record.
        :returns: the reason that the test states for an exception, or None.
        :raises: SafetyViolation.
        """
        rule = rules.get(violation.code)
        mode = conf.mode_of(rule.code, self._settings)
        if rule.always or enforced:
            mode = 'enforce'
        if mode == 'off':
            return None
        if not self._active:
            # Before its set-up and after its cleanup it has none.
            self._test = self._given_test or stack.calling_test()
        if violation.where is None:
            violation.where = stack.where()
        waiver = None if rule.always else self._waivers.apply(rule.code)
        expected = expectations.expectation_of(rule.code)
        refused = mode == 'enforce' and waiver is None
        content = dict(
            content,
            message=violation.message,
            remedy=violation.remedy,
            cwe=violation.cwe,
            where=violation.where,
            mode=mode,
        )
        if waiver is not None:
            content['waived'] = waiver['reason']
        if expected is not None:
            content['expected'] = True
        # What is refused while the guard is not active has no cleanup of it to
        # come. Before the record, which can fail.
        if refused and keep and self._active and expected is None:
            self.addCleanup(
                _raise_if_swallowed, violation, core_outcome.of(self._test)
            )
        with self._any_trail(trail) as trail:
            trail.record(
                'deny' if refused else 'evaluate/violation',
                target,
                outcome='failure',
                code=rule.code,
                event_type='control',
                **content,
            )
            if waiver is not None:
                trail.record(
                    'allow/waiver',
                    target,
                    code=rule.code,
                    event_type='control',
                    **waiver,
                )
        if expected is not None:
            expected.append(violation)
        if refused:
            raise violation
        return None if waiver is None else waiver['reason']

    def _new_trail(self) -> audit.AuditTrail:
        return audit.AuditTrail(
            None if self._test is None else self._test.id()
        )

    @contextlib.contextmanager
    def _any_trail(
        self, trail: audit.AuditTrail | None = None
    ) -> Iterator[audit.AuditTrail]:
        if trail is None:
            trail = self.trail if self._active else self._given_trail
        trail = trail or audit.current()
        if trail is not None:
            yield trail
        else:
            with self._new_trail() as trail:
                yield trail


def _raise_if_swallowed(
    violation: exceptions.SafetyViolation, outcome: core_outcome.Outcome | None
) -> None:
    if outcome is None or not (
        outcome.interrupted or outcome.is_due_to(violation)
    ):
        raise violation


def raise_all(errors: Sequence[AssertionError]) -> None:
    """Raise what a cleanup has found, if anything, all of it."""
    if len(errors) > 1:
        raise fixtures.MultipleExceptions(
            *((type(error), error, error.__traceback__) for error in errors)
        )
    if errors:
        raise errors[0]
