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

"""What a violation's traceback shows."""

import re
import unittest

import requests
import testtools
from testtools.testresult import doubles

from safe_fixtures.core import gate
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from tests.support import base
from tests.support import inner

_FRAME = re.compile(r'File ".*?([^/"]+/[^/"]+)", line \d+, in (\w+)')


class AtTheGate(guard.Guard):
    """Breaks a rule, or a guard, when a request passes the gate."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def _setUp(self):
        super()._setUp()
        self.useFixture(gate.ApiGate(self))

    def before(self, call):
        if isinstance(self.error, exceptions.SafetyViolation):
            self._violate(self.error)
        raise self.error

    def after(self, call):
        raise NotImplementedError


def send(case, error):
    case.useFixture(AtTheGate(error))
    requests.get('http://gate.test/')


def send_quietly(case, error):
    try:
        send(case, error)
    except exceptions.SafetyViolation:
        case.swallowed = True


def send_and_wrap(case, error):
    try:
        send(case, error)
    except exceptions.SafetyViolation as violation:
        raise KeyError('wrapped') from violation


class TestTraceback(base.TestCase):
    def shown(self, act, error=None):
        """Return the traceback of an inner test, and what its frames are."""
        error = error or exceptions.SafetyViolation('SF301', 'real image')

        class Inner(testtools.TestCase):
            def test_it(self):
                act(self, error)

        (text,) = base.problems(self.run_inner(Inner))
        return text, _FRAME.findall(text)

    def assertOnlyOfUser(self, frames, act):
        self.assertIn(('core/test_tracebacks.py', act.__name__), frames)
        for _, function in frames:
            self.assertNotIn(function, ('gated', '_violate', 'carry_out'))

    def assertOwnFrames(self, count, text):
        self.assertEqual(count, text.count('/safe_fixtures/core/'), text)

    def test_violation(self):
        for act in (send, send_quietly, send_and_wrap):
            with self.subTest(act=act):
                text, frames = self.shown(act)
                self.assertOnlyOfUser(frames, act)
                self.assertOwnFrames(0, text)
                self.assertIn('SF301 (CWE-531): real image', text)

    def test_refused_settings(self):
        self.configure(mode='strict')
        text, frames = self.shown(send)
        self.assertOnlyOfUser(frames, send)
        self.assertOwnFrames(0, text)
        self.assertIn("[safe_fixtures] mode = 'strict' is refused", text)

    def test_bug(self):
        """A bug in a guard is none of the user's, and shows all frames."""
        text, frames = self.shown(send, ZeroDivisionError('a bug'))
        self.assertIn(('gate/by_requests.py', 'gated'), frames)
        self.assertOwnFrames(1, text)

    def test_several_at_cleanup(self):
        def act(case, error):
            def raise_both():
                errors = []
                for number in range(2):
                    try:
                        watch._violate(
                            exceptions.SafetyViolation(
                                'SF301', f'image {number}'
                            ),
                            keep=False,
                        )
                    except exceptions.SafetyViolation as violation:
                        errors.append(violation)
                guard.raise_all(errors)

            watch = case.useFixture(guard.Guard())
            case.addCleanup(raise_both)

        text, _ = self.shown(act)
        self.assertOwnFrames(0, text)
        for number in range(2):
            self.assertIn(f'SF301 (CWE-531): image {number}', text)

    def test_skipped_after_a_failure(self):
        """A skip has no traceback, and replaces none."""

        def act(case, error):
            case.addCleanup(skip, case)
            send(case, error)

        def skip(case):
            try:
                raise exceptions.SafetyViolation('SF301', 'real image')
            except exceptions.SafetyViolation:
                case.skipTest('not here')

        case = inner.case_of(lambda case: act(case, ValueError('reason')))
        result = doubles.ExtendedTestResult()
        case('test_it').run(result)
        (details,) = [
            event[2] for event in result._events if event[0] == 'addSkip'
        ]
        self.assertIn('ValueError: reason', details['traceback'].as_text())

    def test_plain_unittest(self):
        """Where the violation leaves the block of its guard."""

        class Inner(unittest.TestCase):
            def test_it(self):
                error = exceptions.SafetyViolation('SF301', 'real image')
                with AtTheGate(error):
                    requests.get('http://gate.test/')

        result = unittest.TestResult()
        Inner('test_it').run(result)
        ((_, text),) = result.failures
        self.assertOwnFrames(0, text)
        self.assertEqual(
            ('core/test_tracebacks.py', 'test_it'), _FRAME.findall(text)[0]
        )
