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

import os

import fixtures

from safe_fixtures.report.html import results
from safe_fixtures.report import model
from tests.support import base
from tests.support import reports


class TestResults(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        self.directory = reports.Directory(self.path)
        self.skipped = []

    def read(self, *tests):
        tests = [
            model.Test(name, self.path, outcome) for name, outcome in tests
        ]
        found = results.read([self.path], tests, self.skipped)
        return [found.get(test) for test in tests]

    def one(self, status, outcome, **details):
        self.directory.stream(('a', status, details))
        (found,) = self.read(('a', outcome))
        return found

    def test_failure(self):
        found = self.one(
            'fail',
            'failed',
            **{
                "pythonlogging:''": 'a line\n',
                'stderr': 'another',
                'more': 'besides',
                'traceback': 'Traceback:\n  a line\nValueError: no\n',
            },
        )
        self.assertEqual('ValueError: no', found.reason)
        self.assertEqual(
            'Traceback:\n  a line\nValueError: no\n\nmore:\nbesides',
            found.failure,
        )
        self.assertEqual('a line\n\nanother', found.log)
        self.assertEqual(14, found.logged)

    def test_ended(self):
        found = self.one('fail', 'timeout', traceback='stopped: why\nstack')
        self.assertEqual('stopped: why', found.reason)

    def test_masked(self):
        found = self.one(
            'fail', 'failed', traceback='x\nadminPass=s3cr3t-1',
            stdout='rabbit://nova:s3cr3t-2@bus/',
        )  # fmt: skip
        self.assertNotIn('s3cr3t', str(found.content()) + found.reason)
        self.assertIn('***', found.failure)
        self.assertIn('***', found.log)

    def test_bounded(self):
        found = self.one(
            'fail', 'failed', traceback='first\n' + 'x' * 10**6 + '\nlast',
            stdout=''.join(f'line {n}\n' for n in range(10**5)),
        )  # fmt: skip
        self.assertLess(len(found.failure), 50000)
        self.assertTrue(found.failure.endswith('last'))
        self.assertLess(len(found.log), 33000)
        # Whole lines, up to the last.
        self.assertRegex(found.log, r'\Aline \d+\n(line \d+\n)+line 99999\Z')
        self.assertEqual(1088890, found.logged)

    def test_passed_tests_share_what_there_is(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'safe_fixtures.report.html.results._OTHER', (2 << 10, 1 << 18)
            )
        )
        names = [f'test {number}' for number in range(500)]
        self.directory.stream(
            *((name, 'success', {'stdout': 'x\n' * 1000}) for name in names)
        )
        found = self.read(*((name, 'passed') for name in names))
        logged = sum(len(each.log) for each in found)
        self.assertLess(logged, 1 << 18)
        self.assertGreater(logged, 1 << 17)

    def test_no_secret_begins_in_what_is_cut(self):
        # The start of the line is cut: what is left would not look secret.
        line = 'password=' + 's3cr3t' * 1000
        found = self.one('success', 'passed', stdout=line + '\nlast')
        self.assertNotIn('s3cr3t', found.log)

    def test_torn(self):
        self.directory.stream(
            ('a', 'fail', {'traceback': 'x'}),
            ('b', 'fail', {'traceback': 'y'}),
        )
        path = os.path.join(self.path, 'stream.subunit')
        os.truncate(path, os.path.getsize(path) - 40)
        first, second = self.read(('a', 'failed'), ('b', 'failed'))
        self.assertEqual('x', first.failure)
        self.assertIsNone(second)

    def test_failures_that_the_stream_lacks(self):
        self.directory.stream(('a', 'fail', {'traceback': 'of the stream'}))
        path = os.path.join(self.path, 'failures.txt')
        with open(path, 'w') as file:
            for name in ('a', 'b', 'a stranger'):
                file.write(
                    f'fail: {name}\n\nTraceback\nadminPass=s3cr3t-1\n'
                    f'ValueError: of {name}\n\n\n'
                )
        first, second = self.read(('a', 'failed'), ('b', 'failed'))
        self.assertEqual('of the stream', first.failure)
        self.assertEqual('ValueError: of b', second.reason)
        self.assertTrue(second.failure.startswith('Traceback\n'))
        self.assertNotIn('s3cr3t', second.failure)
        os.remove(path)
        os.mkfifo(path)
        self.read(('b', 'failed'))
        self.assertIn('failures.txt', self.skipped.pop())

    def test_no_stream(self):
        self.assertEqual([None], self.read(('a', 'passed')))
        self.assertEqual([], self.skipped)

    def test_what_is_no_stream(self):
        path = os.path.join(self.path, 'stream.subunit')
        for make in (os.mkfifo, os.mkdir):
            make(path)
            self.assertEqual([None], self.read(('a', 'passed')))
            self.assertIn('stream.subunit', self.skipped.pop())
            os.rename(path, f'{path}.{make.__name__}')
        with open(path, 'wb') as file:
            file.write(b'what is this\n' * 100)
        self.assertEqual([None], self.read(('a', 'passed')))

    def test_hostile(self):
        self.directory.stream(
            (
                'a',
                'fail',
                {
                    'traceback': reports.HOSTILE,
                    'stdout': reports.HOSTILE,
                    **{f'name {n}\x1b': 'x' for n in range(100)},
                },
            )
        )
        (found,) = self.read(('a', 'failed'))
        for text in (found.failure, found.log, found.reason):
            self.assertTrue(text.replace('\n', '').isprintable(), ascii(text))
        self.assertLess(found.failure.count('name'), 10)

    def test_the_same_test_twice(self):
        for text in ('first', 'second'):
            self.directory.stream(('a', 'fail', {'traceback': text}))
        found = self.read(('a', 'failed'), ('a', 'failed'))
        self.assertEqual(['first', 'second'], [each.failure for each in found])
