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


import contextlib
import dataclasses
import os
import urllib.parse

from safe_fixtures.audit import events
from safe_fixtures.summary import places
from safe_fixtures.summary import violations
from tests.unit.report import base


class TestPlaces(base.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = os.path.realpath(self.directory)
        self.enterContext(contextlib.chdir(self.directory))

    def test_relative(self):
        for path, expected in (
            (f'{self.directory}/a/b.py', 'a/b.py'),
            (f'{self.directory}/a/../b.py', 'b.py'),
            ('a/./b.py', 'a/b.py'),
            (f'{self.directory}x/b.py', f'{self.directory}x/b.py'),
            ('/elsewhere/b.py', '/elsewhere/b.py'),
        ):
            with self.subTest(path=path):
                self.assertEqual(expected, places.relative(path))

    def test_place(self):
        event = {
            'action': 'deny',
            'eventTime': 'now',
            'initiator': {'name': 'a.T.test'},
            'target': {'name': 'x'},
            'outcome': 'failure',
        }
        violation = violations.Violation.of(events.Event(event))
        for path, expected in (
            (f'{self.directory}/a/b.py', 'a/b.py:7'),
            ('/v/lib/python3/site-packages/nova/b.py', 'nova/b.py:7'),
            (f'{self.directory}/v/site-packages/nova/b.py', 'nova/b.py:7'),
            ('/elsewhere/b.py', '/elsewhere/b.py:7'),
            ('', ''),
        ):
            with self.subTest(path=path):
                found = dataclasses.replace(violation, file=path, line=7)
                self.assertEqual(expected, places.place(found))

    def test_at_the_root(self):
        os.chdir('/')
        self.assertEqual('a/b.py', places.relative('/a/b.py'))

    def test_uri(self):
        for path, expected in (
            ('a b/c.py', 'a%20b/c.py'),
            ('/a/\xe9.py', 'file:///a/%C3%A9.py'),
            ('a:b', 'a%3Ab'),
        ):
            with self.subTest(path=path):
                self.assertEqual(expected, places.uri(path))
        for text in base.HOSTILE:
            uri = places.uri(f'/{text}')
            self.assertEqual('file', urllib.parse.urlsplit(uri).scheme)
            self.assertTrue(uri.isascii() and uri.isprintable())

    def test_file_of(self):
        os.makedirs('pkg/sub')
        for name in ('pkg/test_x.py', 'pkg/sub/test_y.py'):
            with open(name, 'w'):
                pass
        for test, expected in (
            ('pkg.test_x.T.test', 'pkg/test_x.py'),
            ('pkg.test_x.T.test(pkg.sub.test_y)', 'pkg/test_x.py'),
            ('pkg.sub.test_y.T.test', 'pkg/sub/test_y.py'),
            ('pkg.other.T.test', ''),
            ('../pkg/test_x', ''),
            ('.pkg.test_x.T', ''),
            *((text, '') for text in base.HOSTILE),
        ):
            with self.subTest(test=test):
                self.assertEqual(expected, places.file_of(test))
