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

"""What was done and where, in words that do not differ by run or machine."""

import re

from safe_fixtures.core import acts
from tests.support import base

UUID = '3f2b8c1e-9d4a-4e6f-8b7a-1c2d3e4f5a6b'
# A message, and the act in it.
ACTS = [
    ('image 7 is not dummy', 'image * is not dummy'),
    (f'server {UUID} at 0x7f3a', 'server * at *'),
    (f'server {UUID.replace("-", "").upper()}', 'server *'),
    ('open of /home/me/nova/instances/7/console.log',
     'open of */console.log'),
    ('open of /home/a b/c', 'open of */a b/c'),
    ("mkdir of '/tmp/tmpx4_f/instances'", "mkdir of '*/instances'"),
    ('write to /etc/hosts', 'write to /etc/hosts'),
    ('write to /proc/self/mem', 'write to /proc/self/mem'),
    ('write to /venv/lib/python3.11/site-packages/instances/_base/x',
     'write to instances/_base/x'),
    ('write to /usr/lib/python3/dist-packages/nova/x', 'write to nova/x'),
    ('GET http://images.example.com/a/b/c.img',
     'GET http://images.example.com/a/b/c.img'),
    ('request to compute/servers/detail', 'request to compute/servers/detail'),
    ('two\nlines\x1b[31m', 'two\\nlines\\x*b[*m'),
    ('torn \udc80', r'torn \udc*'),
    (r'torn \udc80', r'torn \udc*'),
    ('connect to 192.0.2.17:443 in x.test_7',
     'connect to 192.0.2.17:443 in x.test_*'),
    ("left: b: 3: 'pipe:[7]'; a; b: 4: 'pipe:[9]'; and 7 more",
     "left: a; b: *: 'pipe:[*]'"),
    ('left: b', 'left: b'),
    ('one; two', 'one; two'),
    (f'rmdir of /x/{UUID}_del', 'rmdir of */*_del'),
    ('rmdir of /x/tmpx4_f1a2b_del, tmpfs', 'rmdir of */*_del, tmpfs'),
    ('version 1.2.3', 'version *.*.*'),
    ('', 'unknown'),
    ('  ', 'unknown'),
]  # fmt: skip
# A file and a test, and where the file is imported from.
FILES = [
    ('/home/me/nova/nova/tests/base.py', 'nova.tests.x.Y.z',
     'nova/tests/base.py'),
    ('/home/me/project/tests/unit/base.py', 'tests.unit.x.Y.z',
     'tests/unit/base.py'),
    ('/v/lib/python3.11/site-packages/nova/tests/base.py', 'tests.x.Y.z',
     'nova/tests/base.py'),
    ('/usr/lib/python3/dist-packages/oslo/x.py', 'nova.x.Y.z', 'oslo/x.py'),
    ('site-packages/oslo/x.py', 'nova.x.Y.z', 'oslo/x.py'),
    ('/usr/lib/python3.11/threading.py', 'nova.x.Y.z', 'threading.py'),
    ('test_x.py', 'test_x.Y.z', 'test_x.py'),
    ('/x/a\nb.py', 'test_x.Y.z', 'a\\nb.py'),
    ('', 'test_x.Y.z', ''),
]  # fmt: skip


class TestAct(base.TestCase):
    def test_acts(self):
        for message, expected in ACTS:
            with self.subTest(repr(message)):
                self.assertEqual(expected, acts.act(message))

    def test_is_an_act_itself(self):
        for message, _ in ACTS:
            with self.subTest(repr(message)):
                act = acts.act(message)
                self.assertEqual(act, acts.act(act))

    def test_what_is_too_long_is_cut(self):
        one, other = ('x' * 1_000_000 + end for end in 'ab')
        self.assertNotEqual(acts.act(one), acts.act(other))
        for message in (one, other):
            act = acts.act(message)
            self.assertTrue(re.fullmatch(r'x{400} \.\.\. \(\w{12}\)', act))

    def test_many_directories(self):
        self.assertEqual('*/x', acts.act('/a' * 500_000 + '/x'))
        self.assertTrue(acts.act('/' * 1_000_000))
        self.assertTrue(acts.act(' /a' * 300_000))


class TestFileOf(base.TestCase):
    def test_files(self):
        for path, test, expected in FILES:
            with self.subTest(path):
                self.assertEqual(expected, acts.file_of(path, test))

    def test_the_same_below_any_directory(self):
        found = {
            acts.file_of(f'{place}/nova/tests/base.py', 'nova.tests.x.Y.z')
            for place in ('/a', '/nova', '/b/nova/c', '/x/site-packages')
        }
        self.assertEqual({'nova/tests/base.py'}, found)


class TestPlaceOf(base.TestCase):
    def test_places(self):
        for where, expected in (
            ('/a/test_x.py:12', ('/a/test_x.py', 12)),
            ('C:x.py:1', ('C:x.py', 1)),
            ('a\nb.py:1', ('a\nb.py', 1)),
            ('x.py:' + '9' * 5000, ('x.py', 999999999)),
            ('tests.x.Y.z', ('', 0)),
            (':3', ('', 0)),
            ('', ('', 0)),
        ):
            with self.subTest(where):
                self.assertEqual(expected, acts.place_of(where))
