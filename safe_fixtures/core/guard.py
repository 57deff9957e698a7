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
from safe_fixtures.core import outcome as core_outcome
from safe_fixtures.core import waivers as core_waivers
from safe_fixtures import exceptions
from safe_fixtures import rules
from safe_fixtures.runtime import stack

__all__ = [
    'Guard',
    'conclude',
    'expect_violation',
    'mode_of',
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
            self._test.addCleanup(conclude, self._test, trail)
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
        mode = mode_of(rule.code, self._settings)
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
        expected = _expectation(rule.code)
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


def mode_of(code: str, settings: Any) -> str:
    """Return the mode that the settings give a rule."""
    mode: str = settings.rule_modes.get(code, settings.mode)
    return rules.get(code).default if mode == 'default' else mode


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


def conclude(test: Any, trail: audit.AuditTrail) -> None:
    """Record how a test ended, and which of its waivers never applied.

    One that failed is given the record as a detail.

    :raises: SafetyViolation (SF901) for such a waiver, if that is enforced;
        else AuditFailed if an event did not reach a sink.
    """
    outcome = core_outcome.of(test)
    if outcome is None:
        return
    unused = {}
    waiver = None
    rule = rules.get('SF901')
    settings = conf.load()
    mode = mode_of(rule.code, settings)
    if outcome.value == 'success' and mode != 'off':
        waivers = core_waivers.of(test)
        unused = {
            code: reason
            for code, reason in waivers.unused().items()
            if mode_of(code, settings) != 'off'
        }
        # The waiver of this rule is for the others, not for itself.
        if unused.keys() - {rule.code}:
            waiver = waivers.apply(rule.code)
            if waiver is not None:
                unused.pop(rule.code, None)
    refused = bool(unused) and mode == 'enforce' and waiver is None
    for code, reason in unused.items():
        trail.record(
            'deny' if refused else 'evaluate/violation',
            test.id(),
            target_type='service/test',
            outcome='failure',
            code=rule.code,
            event_type='control',
            message=f'the waiver of {code} ({reason}) never applied',
            remedy=rule.remedy,
            mode=mode,
            **({'waived': waiver['reason']} if waiver else {}),
        )
        if waiver is not None:
            trail.record(
                'allow/waiver',
                test.id(),
                target_type='service/test',
                code=rule.code,
                event_type='control',
                **waiver,
            )
    fails = refused or not trail.is_whole
    trail.record(
        'evaluate/test',
        test.id(),
        target_type='service/test',
        outcome='failure' if fails else outcome.value,
        event_type='monitor',
        seconds=round(trail.seconds, 6),
    )
    if fails or outcome.value == 'failure' or not trail.is_whole:
        test.addDetail('safe_fixtures.audit', trail.as_detail())
    if refused:
        raise exceptions.SafetyViolation(
            rule.code,
            'waivers that never applied: ' + ', '.join(sorted(unused)),
            where=test.id(),
        )
    # Also for a trail whose own cleanup is over.
    trail.check()


class _Expectation:
    def __init__(self, code: str) -> None:
        self.code = rules.get(code).code
        self.seen: list[exceptions.SafetyViolation] = []


_expectations: list[_Expectation] = []


@contextlib.contextmanager
def expect_violation(
    code: str,
) -> Iterator[list[exceptions.SafetyViolation]]:
    """Expect that the block breaks a rule, and let that fail nothing.

    A violation is raised where it happens all the same, so that what it
    guards against is prevented; it ends the block.

    Example::

        with expect_violation('SF301') as seen:
            self.api.post_server({'server': server})
        self.assertIn('locations', seen[0].message)

    :param code: the rule (str).
    :returns: the violations of that rule, as they happen.
    :raises: AssertionError if the block ends without a violation of it.
    """
    expectation = _Expectation(code)
    _expectations.append(expectation)
    try:
        yield expectation.seen
    except exceptions.SafetyViolation as violation:
        if not any(violation is seen for seen in expectation.seen):
            raise
    finally:
        _expectations.remove(expectation)
    if not expectation.seen:
        raise AssertionError(
            f'expected a violation of {code}, and there was none'
        )


def _expectation(code: str) -> list[exceptions.SafetyViolation] | None:
    for expectation in reversed(_expectations):
        if expectation.code == code:
            return expectation.seen
    return None
