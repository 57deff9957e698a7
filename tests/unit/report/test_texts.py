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


from safe_fixtures.report import texts
from tests.unit.report import base

SECRET = 'adminPass=' + 'x7' + 'Qm2-vKp9'
CHAINED = """\
Traceback (most recent call last):
  File "/x.py", line 1, in test
    raise KeyError(1)
KeyError: 1

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/x.py", line 3, in test
    safe.check()
    ^^^^^^^^^^^^
safe_fixtures.exceptions.SafetyViolation: SF301: big
on two lines
"""


class TestHeadline(base.TestCase):
    def test_it(self):
        for text, line in (
            (CHAINED, 'safe_fixtures.exceptions.SafetyViolation: SF301: big'),
            ('  File "x"\n    f()\nKeyboardInterrupt\n', 'KeyboardInterrupt'),
            ('\n stopped: why\n  File "x"\n', ' stopped: why'),
            ('not today', 'not today'),
            ('', ''),
        ):
            with self.subTest(text=text):
                self.assertEqual(line, texts.headline(text))


class TestShort(base.TestCase):
    def test_it(self):
        for text, largest, expected in (
            ('a  b\n c', 10, 'a b c'),
            ('x' * 11, 10, 'x' * 7 + '...'),
            ('x' * 10, 10, 'x' * 10),
            ('\x1b', 10, '\\x1b'),
            ('', 10, ''),
        ):
            with self.subTest(text=text):
                self.assertEqual(expected, texts.short(text, largest))

    def test_hostile(self):
        for text in base.HOSTILE:
            found = texts.short(text, 100)
            self.assertTrue(found.isprintable())
            self.assertLessEqual(len(found), 100)

    def test_clipped(self):
        self.assertEqual('a\nb\\x1b', texts.clipped('a\nb\x1b'))
        self.assertEqual(
            'xxx\n... cut ...\nyyy', texts.clipped('x' * 9 + 'y' * 9, 6)
        )


class TestOfTests(base.TestCase):
    def of(self, *tests):
        return texts.of_tests(self.directory, tests)

    def test_only_what_was_asked_for(self):
        self.say('a.T.one', 'x', status='fail')
        self.say('a.T.two', 'y', status='fail')
        self.assertEqual({'a.T.one': 'x'}, self.of('a.T.one', 'a.T.no'))

    def test_several_details(self):
        self.say('a.T.one', 'x')
        self.say('a.T.one', 'y', detail='traceback-1')
        self.say('a.T.one', 'z', detail='stdout')
        self.assertEqual({'a.T.one': 'x\ny'}, self.of('a.T.one'))

    def test_masked(self):
        self.say('a.T.one', SECRET[:12], f'{SECRET[12:]} is bad')
        self.assertEqual({'a.T.one': 'adminPass=*** is bad'},
                         self.of('a.T.one'))  # fmt: skip

    def test_name_that_cannot_be_printed(self):
        self.say('a.\x1b', 'x')
        self.assertEqual({'a.\\x1b': 'x'}, self.of('a.\\x1b'))

    def test_no_stream(self):
        self.assertEqual({}, self.of('a.T.one'))

    def test_no_subunit(self):
        with open(f'{self.directory}/stream.subunit', 'wb') as file:
            file.write(b'\xb3\xff\x00 is no packet \xb3' * 99)
        self.assertEqual({}, self.of('a.T.one', 'subunit.parser'))
