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


"""Let no secret out of a test with its result."""

import sys
from types import FrameType
from typing import Any
import unittest

import testtools
from testtools import content

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures.guards.output import api_secrets
from safe_fixtures.guards.output import result as output_result
from safe_fixtures.guards.output import streams
from safe_fixtures import redaction

__all__ = ['RedactedOutput', 'masked']

_CODE = 'SF601'


class RedactedOutput(guard.Guard):
    """Masks the secrets in all that a test puts out.

    It stands where the result of a test leaves it: whatever the outcome is,
    the details with it (tracebacks and what caused them, captured logs and
    streams, mismatches, reasons) reach the result masked, and so the
    subunit stream and all that is made from it. That lasts until the test
    is reported, past the cleanup of the fixture. While it is active,
    secrets are masked too in what the test writes to the standard streams
    of the process, and admin passwords and tokens that pass the API are
    learned by the redactor of the trail. The test itself sees everything
    as it is.

    Which kind of secret was in which output, and how often, is SF601; the
    secret is never quoted. A rule mode of ``off`` stops the counting, and
    nothing stops the masking.

    Use it before all that puts something out, the set-up of the base class
    included. The hardened bases do.

    Example::

        def setUp(self):
            self.useFixture(RedactedOutput())
            super().setUp()

    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded, and whose redactor masks;
        default: the active trail.
    :raises: ConfigurationError at set-up outside a ``testtools.TestCase``
        that runs; SafetyViolation (SF601) at cleanup, if enforced.
    """

    def __init__(
        self,
        *,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)

    def _prepare(self) -> None:
        self._run = _run_of(self._test)
        if self._run is None:
            raise exceptions.ConfigurationError(
                'RedactedOutput test',
                self._test,
                'it must be a testtools.TestCase, while it runs',
            )
        self._test_id = self._run.case.id()

    def _setUp(self) -> None:
        super()._setUp()
        self._masker = self._mask_result()
        self.addCleanup(self._report_at_cleanup)
        self._test.addOnException(  # type: ignore[union-attr]
            self._on_exception
        )
        self.useFixture(streams.MaskedStreams(self._masker))
        self.useFixture(
            gate.ApiGate(api_secrets.SecretsAtGate(self.trail.redactor))
        )

    def _mask_result(self) -> output_result.Masker:
        redactor = self.trail.redactor
        result = self._run.result
        while isinstance(result, output_result.MaskedResult):
            if result.masker.redactor is redactor:
                # Another one that is active, or was.
                return result.masker
            result = result.__wrapped__
        masker = output_result.Masker(
            redactor, counts=conf.mode_of(_CODE) != 'off'
        )
        self._run.result = output_result.MaskedResult(
            self._run.result, masker, self._report_when_told
        )
        return masker

    def _on_exception(self, exc_info: Any) -> None:
        error = exc_info[1]
        if isinstance(error, unittest.SkipTest) and error.args:
            # The detail that it becomes is added when it is reported.
            reason = content.text_content(str(error.args[0]))
            self._masker.look_at({'reason': reason})

    def _report_at_cleanup(self) -> None:
        self._masker.look_at(
            self._test.getDetails()  # type: ignore[union-attr]
        )
        errors = self._report()
        if not self._interrupted:
            guard.raise_all(errors)

    def _report_when_told(self) -> list[str]:
        # What came after the cleanup: the details of fixtures that were
        # there before, and what their cleanups say.
        errors = self._report()
        try:
            # Its own cleanup is over.
            self.trail.check()
        except audit.AuditFailed as error:
            errors.append(error)
        return [str(error) for error in errors]

    def _report(self) -> list[AssertionError]:
        """Record what was masked; return what the test is to fail with."""
        errors: list[AssertionError] = []
        refused = []
        for sink, kinds in self._masker.take().items():
            counts = sorted(kinds.items())
            said = f'{sink}: ' + ', '.join(
                f'{kind} ({count})' for kind, count in counts
            )
            try:
                self._violate(
                    self._violation(said),
                    sink,
                    keep=False,
                    trail=self.trail,
                    target_type='data/file/log',
                    masked=[
                        {'kind': kind, 'count': count}
                        for kind, count in counts
                    ],
                )
            except exceptions.SafetyViolation:
                refused.append(said)
            except audit.AuditFailed as error:
                # Of a trail that fails where it is.
                errors.append(error)
        if refused:
            errors.insert(0, self._violation('; '.join(refused)))
        return errors

    def _violation(self, said: str) -> exceptions.SafetyViolation:
        return exceptions.SafetyViolation(
            _CODE,
            f'secrets were masked in what the test put out: {said}',
            where=self._test_id,
        )


def masked(result: Any) -> Any:
    """Return a result that is told of tests in masked text only.

    For what runs a test: it masks what is told before the test can use a
    :class:`RedactedOutput`, such as the reason that a decorator gives for a
    skip, or an error at the beginning of its set-up. What one has masked is
    not masked again; what it has learned is unknown here.

    :param result: a result of any kind, or None.
    :returns: the result; None for None.
    """
    if result is None or isinstance(result, output_result.MaskedResult):
        return result
    return output_result.MaskedResult(
        testtools.ExtendedToOriginalDecorator(result),
        output_result.Masker(redaction.Redactor(), counts=False, again=False),
    )


def _run_of(test: unittest.TestCase | None) -> Any:
    """Return what runs a test, or None for what testtools does not run.

    It tells the result, which its attribute ``result`` is, after the last
    cleanup, and is gone with the run.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and test is not None:
        if frame.f_code.co_varnames[:1] == ('self',):
            run = frame.f_locals.get('self')
            if isinstance(run, testtools.RunTest) and run.case is test:
                return run
        frame = frame.f_back
    return None
