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


"""A failing test, before and after its output is redacted."""

import logging

import fixtures
import testtools

from safe_fixtures import RedactedOutput

# Not written in one piece, as the traceback shows lines of this file.
PASSWORD = 'correct-' + 'horse'


class TestBefore(testtools.TestCase):
    """What the result of a failing test gives away."""

    REDACTED = False

    def setUp(self):
        super().setUp()
        if self.REDACTED:
            # The line that is new.
            self.useFixture(RedactedOutput())
        self.useFixture(fixtures.FakeLogger())

    def check(self):
        """It fails, with the password in a log and in two errors."""
        logging.error('sending {"adminPass": "%s"} to vm', PASSWORD)
        try:
            raise ValueError(f'rabbit://nova:{PASSWORD}@bus:5672/ is closed')
        except ValueError as error:
            raise AssertionError(f'vm: adminPass={PASSWORD}') from error

    def shown(self):
        """Return what a run of it shows."""
        result = testtools.TestResult()
        type(self)('check').run(result)
        ((_, text),) = result.failures
        return text

    def test_shown(self):
        """The password is in the log, in the error and in its cause."""
        self.assertEqual(3, self.shown().count(PASSWORD))


class TestAfter(TestBefore):
    """The same test, with one line more."""

    REDACTED = True

    def test_shown(self):
        """The password is nowhere, and everything else is."""
        text = self.shown()
        self.assertNotIn(PASSWORD, text)
        self.assertIn('sending {"adminPass": "***"} to vm', text)
        self.assertIn('ValueError: rabbit://***@bus:5672/ is closed', text)
        self.assertIn('AssertionError: vm: adminPass=***', text)
