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

"""Expect a violation."""

from collections.abc import Iterator
import contextlib

from safe_fixtures import exceptions
from safe_fixtures import rules

__all__ = [
    'expect_violation',
    'expectation_of',
]


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


def expectation_of(code: str) -> list[exceptions.SafetyViolation] | None:
    for expectation in reversed(_expectations):
        if expectation.code == code:
            return expectation.seen
    return None
