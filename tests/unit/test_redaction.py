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

import collections
import copy

from safe_fixtures import redaction
from tests.unit import base

# Assembled, so that no tool takes this file itself for a leak.
SECRET = 's3' + 'cr3t'
Login = collections.namedtuple('Login', ['user', 'text'])

LEAKS = [
    {'password': SECRET},
    {'adminPass': SECRET},
    {'auth_token': SECRET},
    {'server': {'adminPass': SECRET, 'name': 'vm'}},
    {'servers': [{'server': {'password': SECRET}}]},
    {'text': f'password={SECRET}'},
    [f'password = {SECRET}'],
    (f'password={SECRET}', 'x'),
    {f'password={SECRET}'},
    frozenset([f'password={SECRET}']),
    Login('nova', f'password={SECRET}'),
    f'password={SECRET}',
    f"{{'adminPass': '{SECRET}'}}",
    f'{{"adminPass": "{SECRET}"}}',
    f'password={SECRET}'.encode(),
    b'\xff\xfe password=' + SECRET.encode(),
    f'rabbit://nova:{SECRET}@bus:5672/',
    f'rabbit://a:{SECRET}@bus1:5672,b:{SECRET}@bus2:5672//nova',
    f'rabbit://bus1,b:{SECRET}@bus2:5672//nova',
    f'mysql+pymysql://nova:{SECRET}@db/nova?charset=utf8',
    f'http://nova:{SECRET}@example.com:8774/v2.1',
    f'redis://:{SECRET}@cache',
    f'http://nova:p@{SECRET}@example.com/',
    f'http://nova:p,{SECRET}@example.com/',
    f'http://nova:{SECRET},p@example.com/',
    f'see http://a:{SECRET}@b and http://c:{SECRET}@d',
    f'https://example.com/?next=http://a:{SECRET}@b',
    f'mysql://nova:{SECRET}@db'.encode(),
    {'url': f'mysql://nova:{SECRET}@db'},
]

INNOCENT = [
    '',
    'server vm is ACTIVE at 12:30',
    'write to someone@example.com: soon',
    'http://example.com:8774/v2.1/servers',
    'https://example.com/a:b@c',
    'http://[::1]:8774/',
    "GET /os-services?binary=nova-compute",
    b'\x00\xff plain',
    {'name': 'vm', 'flavorRef': '1', 'networks': 'none'},
    [1, None, 2.5, True],
    (('a', 'b'), {'c': {'d': 'e'}}),
    Login('nova', 'text'),
    42,
    None,
]


class TestRedactor(base.TestCase):
    def setUp(self):
        super().setUp()
        self.redactor = redaction.Redactor()

    def test_masks(self):
        for value in LEAKS:
            masked = self.redactor.redact(value)
            self.assertNotIn(SECRET, repr(masked))
            self.assertIn('***', repr(masked))

    def test_keeps_the_type(self):
        for value in LEAKS + INNOCENT:
            self.assertIs(type(value), type(self.redactor.redact(value)))

    def test_leaves_the_live_object_alone(self):
        for value in LEAKS:
            before = copy.deepcopy(value)
            self.redactor.redact(value)
            self.assertEqual(before, value)

    def test_leaves_innocent_values_alone(self):
        for value in INNOCENT:
            self.assertEqual(value, self.redactor.redact(value))

    def test_is_idempotent(self):
        for value in LEAKS + INNOCENT:
            once = self.redactor.redact(value)
            self.assertEqual(once, self.redactor.redact(once))

    def test_keeps_what_is_around_the_secret(self):
        for value, expected in (
            (
                f'rabbit://a:{SECRET}@bus1:5672,b:{SECRET}@bus2:5672//nova',
                'rabbit://***@bus1:5672,***@bus2:5672//nova',
            ),
            (
                f'mysql+pymysql://nova:{SECRET}@db/nova?charset=utf8',
                'mysql+pymysql://***@db/nova?charset=utf8',
            ),
            (
                f'http://nova:p@{SECRET}@example.com/',
                'http://***@example.com/',
            ),
            (
                {'server': {'adminPass': SECRET, 'name': 'vm'}},
                {'server': {'adminPass': '***', 'name': 'vm'}},
            ),
            (
                b'\xff\xfe password=' + SECRET.encode(),
                b'\xff\xfe password=***',
            ),
        ):
            self.assertEqual(expected, self.redactor.redact(value))

    def test_other_objects_are_returned_as_they_are(self):
        value = object()
        self.assertIs(value, self.redactor.redact(value))

    def test_nested_value_of_a_secret_key_in_a_list(self):
        masked = self.redactor.redact({'password': [SECRET], 'a': [(SECRET,)]})
        self.assertEqual({'password': '***', 'a': [(SECRET,)]}, masked)
