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

"""What a thread or greenlet of a test does, its own test expects."""

import threading

import testtools

import safe_fixtures
from safe_fixtures import expect_violation
from tests.support import settings

# Nobody writes there: it is refused.
OUTSIDE = '/var/tmp/safe_fixtures_expected'


def write():
    try:
        with open(OUTSIDE, 'w'):
            pass
    except safe_fixtures.SafetyViolation:
        pass


class TestExpected(testtools.TestCase):
    """With eventlet, each thread is a greenlet."""

    def run_each(self, *bodies):
        """Run a test for each body; return what each of them says."""
        self.useFixture(settings.options(mode='enforce'))
        said = []
        for body in bodies:
            inner = type(
                'Inner',
                (safe_fixtures.nova.SafeTestCase,),
                {'test': lambda self, body=body: body(self)},
            )
            result = testtools.TestResult()
            inner('test').run(result)
            found = result.failures + result.errors
            said.append('\n'.join(text for _, text in found))
        return said

    def test_of_its_own_thread(self):
        def expects(test):
            thread = threading.Thread(target=write)
            with expect_violation('SF405') as seen:
                thread.start()
                thread.join()
            test.assertEqual(1, len(seen))

        self.assertEqual([''], self.run_each(expects))

    def test_of_no_thread_that_another_test_left(self):
        go = threading.Event()
        threads = []

        def wait_and_write():
            go.wait()
            write()

        def leaves(test):
            threads.append(threading.Thread(target=wait_and_write))
            threads[0].start()

        def expects(test):
            with expect_violation('SF405') as seen:
                go.set()
                threads[0].join()
                test.assertEqual([], seen)
                write()
            test.assertEqual(1, len(seen))

        self.addCleanup(go.set)
        _, said = self.run_each(leaves, expects)
        self.assertNotIn('MismatchError', said)
        self.assertNotIn('expected a violation', said)

    def test_unexpected_still_fails(self):
        def writes(test):
            thread = threading.Thread(target=write)
            thread.start()
            thread.join()

        (said,) = self.run_each(writes)
        self.assertIn('SF405', said)
