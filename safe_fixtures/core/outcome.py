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

"""Follow how a test goes."""

from typing import Any
import unittest

__all__ = ['Outcome', 'of']

_ON_TEST = '_safe_fixtures_outcome'


class Outcome:
    """What a test has come to so far, and what failed it.

    :param test: the test case; one that is no ``testtools.TestCase`` does
        not tell.
    :ivar value: ``success``, ``failure``, or ``unknown`` for a skipped one.
    :ivar interrupted: whether it is to end at once, as by Ctrl-C.
    :ivar recorded: whether it is taken care of that *value* is recorded.
    """

    def __init__(self, test: Any) -> None:
        self.value = 'success'
        self.recorded = False
        self.interrupted = False
        self._errors: list[BaseException] = []
        method = getattr(test, test._testMethodName, None)
        # A failure that is expected is a failure that is hidden.
        if not getattr(method, '__unittest_expecting_failure__', False):
            test.addOnException(self._on_exception)

    def is_due_to(self, error: BaseException) -> bool:
        """Whether *error* has failed the test by itself."""
        return any(error is seen for seen in self._errors)

    def _on_exception(self, exc_info: Any) -> None:
        error: BaseException | None = exc_info[1]
        if isinstance(error, unittest.SkipTest):
            if self.value == 'success':
                self.value = 'unknown'
            return
        self.value = 'failure'
        # Of several exceptions it is the last one that goes on.
        self.interrupted |= not isinstance(error, Exception)
        while error is not None and not self.is_due_to(error):
            self._errors.append(error)
            error = error.__cause__


def of(test: Any) -> Outcome | None:
    """Return the outcome of *test*, one object for all who ask.

    :returns: None for what does not tell how it goes.
    """
    if not hasattr(test, 'addOnException'):
        return None
    outcome: Outcome | None = vars(test).get(_ON_TEST)
    if outcome is None:
        outcome = vars(test)[_ON_TEST] = Outcome(test)
    return outcome
