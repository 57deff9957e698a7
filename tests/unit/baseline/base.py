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

"""What the tests of the baseline share."""

import json
import pathlib

import fixtures

from safe_fixtures import audit
from safe_fixtures.core import debts
from safe_fixtures.core import violations
from safe_fixtures import exceptions
from tests.support import base

TEST = 'tests.x.Y.test_z'


class TestCase(base.TestCase):
    """A test that writes the records of runs."""

    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def write(self, *tests, run='run', off=()):
        """Write the records of a run; return its report directory.

        :param tests: what :meth:`test` returned.
        :param off: the rules that the run does not check.
        """
        directory = self.home / run
        directory.mkdir(exist_ok=True)
        self.configure(audit_file=str(directory / 'events-1.jsonl'))
        with audit.AuditTrail('run') as trail:
            more = {'off': list(off)} if off else {}
            trail.record('configure/run', 'run', mode='audit', **more)
            for each in tests:
                each(trail)
        return str(directory)

    def test(
        self,
        *acts,
        name=TEST,
        status='success',
        guarded=True,
        seconds=1.0,
        by_violations=False,
        runner=True,
    ):
        """Return a function that records a test.

        :param acts: keywords of :meth:`violate`, or a code and a message.
        :param status: as the runner says it.
        :param guarded: whether its guards have concluded it.
        :param by_violations: whether nothing but violations failed it.
        :param runner: whether a runner reports it.
        """
        cause = {'by_violations': True} if by_violations else {}

        def write(of_run):
            with audit.AuditTrail(name) as trail:
                for act in acts:
                    code, message, *more = act
                    violate(trail, code, message, **dict(*more))
                if guarded:
                    passed = status in (None, 'success', 'xfail')
                    trail.record(
                        'evaluate/test',
                        name,
                        outcome='success' if passed else 'failure',
                        **cause,
                    )
            if runner and status is not None:
                of_run.record(
                    'evaluate/outcome',
                    name,
                    outcome='success' if status == 'success' else 'failure',
                    status=status,
                    seconds=seconds,
                    **cause,
                )

        return write

    def poison(self, directory, line='{"'):
        with open(f'{directory}/events-1.jsonl', 'a') as file:
            file.write(line)

    def append(self, directory, event):
        self.poison(directory, json.dumps(event) + '\n')


def violate(trail, code, message, where=None, mode='audit', times=1, **more):
    """Record a violation."""
    violation = exceptions.SafetyViolation(code, message, where=where)
    verdict = violations.Verdict(violation, mode, **more)
    content = {'folded': times} if times > 1 else {}
    verdict.record(trail, 'target', **content)


def debt(message='what', count=1, **more):
    """Return a debt of the test."""
    return debts.Debt(
        **{
            'rule': 'SF301',
            'test': TEST,
            'file': '',
            'done': message,
            'count': count,
            'owner': 'we',
            **more,
        }
    )
