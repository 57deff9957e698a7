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

import io

import fixtures

from safe_fixtures.cli.runner import colours
from tests.support import base


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestColours(base.TestCase):
    def setUp(self):
        super().setUp()
        for name in ('NO_COLOR', 'FORCE_COLOR'):
            self.useFixture(fixtures.EnvironmentVariable(name))
        self.useFixture(fixtures.EnvironmentVariable('TERM', 'xterm'))

    def said(self, text, stream=Terminal):
        stream = stream()
        with fixtures.MonkeyPatch('sys.stderr', stream):
            colours.say(text)
        return stream.getvalue()

    def test_wanted(self):
        for variables, on_terminal, in_pipe in (
            ({}, True, False),
            ({'TERM': 'dumb'}, False, False),
            ({'NO_COLOR': '1'}, False, False),
            ({'NO_COLOR': ''}, True, False),
            ({'FORCE_COLOR': '1'}, True, True),
            ({'FORCE_COLOR': ''}, True, False),
            ({'FORCE_COLOR': '1', 'TERM': 'dumb'}, True, True),
            ({'FORCE_COLOR': '1', 'NO_COLOR': '1'}, False, False),
        ):
            with self.subTest(variables=variables):
                self.assertEqual(
                    (on_terminal, in_pipe),
                    tuple(
                        colours.wanted(stream, variables)
                        for stream in (Terminal(), io.StringIO())
                    ),
                )

    def test_outcome(self):
        self.assertEqual(
            '\n\x1b[31mfail\x1b[0m: x\nfail: y\n',
            self.said('\nfail: x\nfail: y'),
        )
        self.assertEqual('fail: x\n', self.said('fail: x', io.StringIO))

    def test_other_text(self):
        for text in ('failing: x', ' fail: x', '1 fail', ''):
            with self.subTest(text=text):
                self.assertEqual(f'{text}\n', self.said(text))

    def test_hostile_text(self):
        self.assertEqual(
            '\x1b[31mdied\x1b[0m: \\x1b[2J\n', self.said('died: \x1b[2J')
        )
