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

"""What the unit tests share."""

import os
import re

import fixtures
import testtools

from safe_fixtures import conf
from tests.support import settings
from tests.support import subtests

_RECORD = re.compile(r'safe_fixtures\.audit: \{\{\{.*?\}\}\}\n+', re.DOTALL)
ROOT = os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
)


class TestCase(subtests.SubTests, testtools.TestCase):
    """A test that whoever runs it configures nothing of."""

    def setUp(self):
        super().setUp()
        self.useFixture(settings.unset())
        self.addCleanup(conf.CONF.reset)

    def configure(self, **options):
        """Set options, as if the process had begun with them."""
        self.useFixture(settings.options(**options))

    def expect_no_writer(self):
        """Let a read of a pipe end soon, as nobody in here writes to one."""
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.runtime.files._NO_WRITER', 0.05
            )
        )

    def run_inner(self, case):
        """Run the tests of an inner test case; return the result."""
        result = testtools.TestResult()
        names = [name for name in dir(case) if name.startswith('test_')]
        for name in names:
            case(name).run(result)
        self.assertEqual(len(names), result.testsRun)
        return result

    def assertPasses(self, case):
        """Assert that all tests of an inner test case pass."""
        result = self.run_inner(case)
        self.assertEqual([], problems(result))
        self.assertEqual({}, result.skip_reasons)
        self.assertEqual([], result.expectedFailures)
        self.assertEqual([], result.unexpectedSuccesses)
        return result

    def assertFails(self, case, *messages, count=1):
        """Assert that *count* tests fail, and what they say, once each."""
        result = self.run_inner(case)
        texts = problems(result)
        self.assertEqual(count, len(texts), '\n'.join(texts))
        for message in messages:
            self.assertEqual(1, '\n'.join(texts).count(message), texts)
        return result


def problems(result):
    """Return the texts of all failures and errors.

    They are without the record of the test, which says all of it again.
    """
    return [
        _RECORD.sub('', text) for _, text in result.failures + result.errors
    ]
