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

"""Set up a test inside of the guards that need no Nova."""

from collections.abc import Callable
import dataclasses
from typing import Any

import fixtures
import testtools

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import conclusion
from safe_fixtures.core import waivers
from safe_fixtures.guards import isolation
from safe_fixtures.guards import output
from safe_fixtures.guards import payload
from safe_fixtures.guards import posture

__all__ = ['Guards', 'guard', 'guard_process', 'is_guarded', 'note_guarded']

# By the id of a test: whether all its guards are up. Absent before the first.
_guarded: dict[int, bool] = {}
_WHY = 'not on a base of Nova: output, isolation, posture, payload only'


@dataclasses.dataclass(frozen=True)
class Guards:
    """The guards of a test that also cover its own set-up and cleanup.

    :ivar trail: where they record.
    """

    trail: audit.AuditTrail
    output: output.RedactedOutput
    posture: posture.PostureGuard
    isolation: isolation.IsolationGuard


def guard_process(case: Any, lacks: str = '') -> Guards:
    """Set up the guards that cover all that a test does.

    :param case: the test case.
    :param lacks: why it is hardened in part only (str); default: it is
        hardened fully.
    :raises: ConfigurationError, before anything is set up.
    """
    note_guarded(case, False)
    case.addCleanup(note_guarded, case, None)
    # Refuse bad settings before anything else.
    conf.load()
    waivers.of(case)
    trail = _use(case, audit.AuditTrail(case.id()))
    # Before the test's own set-up, whose failure counts.
    conclusion.follow(case, trail, 'partly' if lacks else 'fully', lacks)
    return Guards(
        trail,
        # First, so that it masks the output of the others.
        _use(case, output.RedactedOutput(test=case)),
        _use(case, posture.PostureGuard(test=case)),
        _use(case, isolation.IsolationGuard(test=case)),
    )


def is_guarded(case: Any) -> bool | None:
    """Whether all guards of a test are up; None before the first one is."""
    return _guarded.get(id(case))


def note_guarded(case: Any, guarded: bool | None) -> None:
    """Note whether all guards of a test are up; None forgets the test."""
    if guarded is None:
        _guarded.pop(id(case), None)
    else:
        _guarded[id(case)] = guarded


def guard(case: Any, set_up: Callable[[], Any], *, exposed: bool) -> Any:
    """Set up a test of any project inside of the guards.

    :param case: the test case.
    :param set_up: its own set-up.
    :param exposed: whether the guards become attributes of the test.
    :returns: what its set-up returns.
    :raises: ConfigurationError, before anything is set up.
    """
    guards = guard_process(case, _WHY)
    requests = _use(case, payload.PayloadGuard(test=case))
    if exposed:
        case.audit_trail = guards.trail
        case.redacted_output = guards.output
        case.posture_guard = guards.posture
        case.isolation_guard = guards.isolation
        case.payload_guard = requests
    note_guarded(case, True)
    returned = set_up()
    guards.isolation.check_configuration()
    return returned


def _use(case: Any, fixture: Any) -> Any:
    """Use a fixture in a test; a plain ``unittest.TestCase`` will do."""
    if isinstance(case, testtools.TestCase):
        return case.useFixture(fixture)
    fixture.setUp()
    case.addCleanup(_clean_up, fixture)
    return fixture


def _clean_up(fixture: fixtures.Fixture) -> None:
    """Clean up; ``unittest`` cannot show several exceptions as one."""
    problems = fixture.cleanUp(raise_first=False) or ()
    errors = [error for _, error, _ in problems if error is not None]
    for other in errors[1:]:
        errors[0].add_note(f'and {type(other).__name__}: {other}')
    if errors:
        raise errors[0]
