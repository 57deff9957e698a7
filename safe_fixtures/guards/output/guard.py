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

"""Mask the secrets in the output of a test."""

import traceback
from typing import Any
import unittest

import testtools
from testtools import content
import wrapt

from safe_fixtures import audit
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures.guards.output import api_secrets
from safe_fixtures.guards.output import result as output_result
from safe_fixtures.guards.output import streams
from safe_fixtures.runtime import system

__all__ = ['RedactedOutput', 'Reported', 'masked']

_CODE = 'SF601'
_ON_TEST = '_safe_fixtures_reported'


class RedactedOutput(guard.Guard):
    """Masks the secrets in all the output of a test (SF601).

    Whatever the outcome of the test is, its result gets everything masked:
    tracebacks with their causes, captured logs and streams, mismatches,
    reasons, all details. So does what is made of the result, such as the
    subunit stream. That lasts until the test is reported, past the cleanup
    of the fixture. While the fixture is active, it also masks what the test
    writes to the standard streams of the process, and the redactor of the
    trail learns the admin passwords and tokens in API requests. The test
    itself sees everything as it is.

    SF601 reports which kind of secret was in which output, and how often. It
    never quotes a secret. The rule mode ``off`` stops the counting; nothing
    stops the masking.

    Use it before anything that writes output, which includes the set-up of
    the base class. The hardened bases do.

    Example::

        def setUp(self):
            self.useFixture(RedactedOutput())
            super().setUp()

    :param test: the test case; default: the test that uses the fixture.
    :param trail: where to record, and whose redactor masks; default: the
        active trail.
    :raises: ConfigurationError at set-up outside a running
        ``testtools.TestCase`` (or any test that reports to a
        ``guards.output.Reported``); SafetyViolation (SF601) at cleanup, if
        enforced.
    """

    def _prepare(self) -> None:
        self._run = _run_of(self._test)
        if self._run is None:
            raise exceptions.ConfigurationError(
                'RedactedOutput test',
                self._test,
                'it must be a testtools.TestCase that is running',
            )
        self._case = self._run.case

    def _setUp(self) -> None:
        super()._setUp()
        self._masker = self._mask_result()
        self.addCleanup(self._report_at_cleanup)
        if isinstance(self._case, testtools.TestCase):
            self._case.addOnException(self._on_exception)
        self.useFixture(streams.MaskedStreams(self._masker))
        self.useFixture(
            gate.ApiGate(api_secrets.SecretsAtGate(self.trail.redactor))
        )

    def _mask_result(self) -> output_result.Masker:
        redactor = self.trail.redactor
        result = self._run.result
        while isinstance(result, output_result.MaskedResult):
            if result.masker.redactor is redactor:
                # Of another RedactedOutput of this test.
                return result.masker
            result = result.__wrapped__
        masker = output_result.Masker(
            redactor,
            counts=self._settings.mode_of(_CODE) != 'off',
            again=True,
        )
        self._run.result = output_result.MaskedResult(
            self._run.result, masker, self._report_at_outcome
        )
        return masker

    def _on_exception(self, exc_info: Any) -> None:
        error = exc_info[1]
        if isinstance(error, unittest.SkipTest) and error.args:
            # It becomes a detail only when the test is reported.
            reason = content.text_content(str(error.args[0]))
            self._masker.count_early({'reason': reason})

    def _report_at_cleanup(self) -> None:
        if isinstance(self._case, testtools.TestCase):
            self._masker.count_early(self._case.getDetails())
        errors = self._report()
        if not self._interrupted:
            guard.raise_all(errors)

    def _report_at_outcome(self) -> list[str]:
        """Report what came after the cleanup of this fixture.

        That is the details of fixtures that were set up before, and what
        their cleanups raise.
        """
        errors = self._report()
        try:
            # The trail has ended, and does not check this any more.
            self.trail.check()
        except audit.AuditFailed as error:
            errors.append(error)
        if self._outcome is not None:
            for each in errors:
                self._outcome.fail(each)
        return [str(error) for error in errors]

    def _report(self) -> list[AssertionError]:
        """Record what was masked; return the errors that fail the test."""
        errors: list[AssertionError] = []
        refused = []
        for sink, kinds in self._masker.take().items():
            counts = sorted(kinds.items())
            found = f'{sink}: ' + ', '.join(
                f'{kind} ({count})' for kind, count in counts
            )
            shown = [{'kind': kind, 'count': count} for kind, count in counts]
            try:
                self._violate(
                    self._violation(found),
                    sink,
                    keep=False,
                    trail=self.trail,
                    target_type='data/file/log',
                    masked=shown,
                )
            except exceptions.SafetyViolation:
                refused.append(found)
            except audit.AuditFailed as error:
                # A trail that fails at once.
                errors.append(error)
        if refused:
            errors.insert(0, self._violation('; '.join(refused)))
        return errors

    def _violation(self, found: str) -> exceptions.SafetyViolation:
        return exceptions.SafetyViolation(
            _CODE,
            f'secrets in the output of the test were masked: {found}',
            where=self._case.id(),
        )


def masked(result: Any) -> Any:
    """Return a result that gets the outcomes of tests masked.

    Use it where a test is run. It masks what is reported before the test can
    use a :class:`RedactedOutput`: the reason that a decorator gives for a
    skip, or an error at the beginning of the set-up. What a RedactedOutput
    has masked is not masked again, and secrets that it learned are unknown
    here.

    :param result: a result of any kind, or None.
    :returns: the masked result; None for None.
    """
    if result is None or isinstance(result, output_result.MaskedResult):
        return result
    return output_result.MaskedResult(
        testtools.ExtendedToOriginalDecorator(result), output_result.Masker()
    )


class Reported(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """The result of one test, which a guard can replace while it runs.

    It is to a plain ``unittest.TestCase`` what ``testtools.RunTest`` is to
    a ``testtools.TestCase``.

    :param result: where the test is reported.
    :param case: the test.
    """

    def __init__(self, result: Any, case: unittest.TestCase) -> None:
        super().__init__(result)
        self._self_case = case
        vars(case)[_ON_TEST] = self

    @property
    def case(self) -> Any:
        """The test (TestCase)."""
        return self._self_case

    @property
    def result(self) -> Any:
        """Where the test is reported."""
        return self.__wrapped__

    @result.setter
    def result(self, result: Any) -> None:
        self.__wrapped__ = result

    def close(self) -> None:
        """End with the run of the test."""
        vars(self._self_case).pop(_ON_TEST, None)


def _run_of(test: unittest.TestCase | None) -> Any:
    """Return the ``testtools.RunTest`` or the Reported of a test, or None.

    After the last cleanup, the test is reported to the result that is its
    attribute ``result``. It ends with the run.
    """
    for frame, _ in traceback.walk_stack(system.frame()):
        if frame.f_code.co_varnames[:1] == ('self',):
            run = frame.f_locals.get('self')
            if isinstance(run, testtools.RunTest) and run.case is test:
                return run
    return None if test is None else vars(test).get(_ON_TEST)
