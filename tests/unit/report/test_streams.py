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

"""The stream of a run."""

import os

from safe_fixtures.report import streams
from tests.unit.report import base


class TestRead(base.TestCase):
    def read(self):
        found = []
        streams.read(
            self.directory,
            lambda test, details: found.append((
                test, {name: each.text() for name, each in details.items()}
            )),
        )  # fmt: skip
        return found

    def test_outcomes(self):
        self.say('a', 'x', 'y')
        self.say('b', status='success')
        self.say('a', 'z', status='skip', detail='reason')
        self.assertEqual(
            [('a', {'traceback': 'xy'}), ('b', {}), ('a', {'reason': 'z'})],
            self.read(),
        )

    def test_what_was_said_before_the_start(self):
        self.say('a', 'x', status=None)
        self.say('a', status='inprogress')
        self.say('a', 'y')
        self.assertEqual([('a', {'traceback': 'y'})], self.read())

    def test_many_details(self):
        for number in range(20):
            self.say('a', 'x', status=None, detail=f'detail {number}')
        self.say('a', 'y', detail='detail 3')
        [(_, details)] = self.read()
        self.assertEqual(10, len(details))
        self.assertEqual('xy', details['detail 3'])

    def test_no_stream(self):
        self.assertEqual([], self.read())
        os.mkfifo(os.path.join(self.directory, streams.NAME))
        self.assertRaises(OSError, self.read)


class TestDetail(base.TestCase):
    def detail(self, *parts):
        detail = streams.Detail()
        for each in parts:
            detail.add(each)
        return detail

    def test_short(self):
        detail = self.detail(b'a\n', b'', b'b')
        self.assertEqual(('a\nb', 3), (detail.text(), detail.size))
        self.assertEqual('a\nb', detail.end())
        self.assertEqual('', self.detail().text())

    def test_end(self):
        detail = self.detail(b'one\ntwo\nthree')
        self.assertEqual('three', detail.end(7))
        self.assertEqual('ree', detail.end(3))

    def test_long(self):
        line = b'x' * 999 + b'\n'
        for parts in ([line] * 1000, [line * 1000]):
            detail = self.detail(b'first\n', *parts, b'last')
            text = detail.text()
            self.assertTrue(text.startswith('first\nx'))
            self.assertTrue(text.endswith('x\nlast'))
            self.assertIn('x\n... cut ...\nx', text)
            self.assertLess(len(text), 100_000)
            self.assertEqual(1_000_010, detail.size)

    def test_no_encoding(self):
        self.assertEqual('\ufffd', self.detail(b'\xff').text())
