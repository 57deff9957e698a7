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

"""Inner tests with masked output, and a result that records what it gets."""

import testtools
from testtools import testresult

from safe_fixtures import audit
from safe_fixtures.guards import output

# Assembled, so that no tool takes this file itself for a leak, and no source
# line in a traceback shows it.
SECRET = 'x7' + 'Qm2-vKp9'
LEAK = f'adminPass={SECRET}'
PLAIN = 'server vm is ACTIVE'
VIOLATION = 'secrets in the output of the test were masked'


class Inner(testtools.TestCase):
    """An inner test whose output is masked, and recorded in its trail."""

    def setUp(self):
        super().setUp()
        type(self).trail = self.useFixture(audit.AuditTrail(self.id()))
        self.useFixture(output.RedactedOutput())


class RecordingResult(testresult.TestResult):
    """Records the outcomes it gets, with their details as text."""

    def __init__(self):
        super().__init__()
        self.outcomes = []

    def _record(outcome):
        def record(self, test, err=None, reason=None, details=None):
            texts = {name: each.as_text() for name, each in details.items()}
            self.outcomes.append((outcome, texts))

        return record

    addSuccess = _record('addSuccess')
    addError = _record('addError')
    addFailure = _record('addFailure')
    addSkip = _record('addSkip')
    addExpectedFailure = _record('addExpectedFailure')
    addUnexpectedSuccess = _record('addUnexpectedSuccess')


def violations(trail):
    """Return the outputs of SF601, and what was masked in each."""
    return {
        event['target']['name']: {
            each['kind']: each['count']
            for each in audit.details(event)['masked']
        }
        for event in trail.events
        if event.get('reason', {}).get('reasonCode') == 'SF601'
        and event['action'] != 'allow/waiver'
    }


def run(case, result=None):
    """Run the inner test ``test``; return its result."""
    result = RecordingResult() if result is None else result
    case('test').run(result)
    return result
