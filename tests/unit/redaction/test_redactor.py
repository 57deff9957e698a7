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

import base64
import collections
import copy
import gzip
import html
import itertools
import json
import os
import threading
import types
from urllib import parse

from safe_fixtures import redaction
from safe_fixtures.redaction import learned
from tests.support import base
from tests.support import secret_shapes

# Assembled, so that no tool takes this file itself for a leak.
SECRET = 's3' + 'cr3t'
Login = collections.namedtuple('Login', ['user', 'text'])
Account = collections.namedtuple('Account', ['user', 'password'])

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
    Account('nova', SECRET),
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

LOG = "nova.compute [instance: 7d3f2c64] 'name': 'vm'"
# What real logs, tracebacks and configurations are made of.
ORDINARY = [
    "    def login(user, password='', token=None):",
    '2026-11-22 12:00:00,123 INFO [nova.compute.manager] [instance: 7d3f2'
    'c64-0f1b-4b0e-9c53-3a8b2cf0a1de] Took 0.50 seconds to build',
    'req-0d3c9a3e-6b1e-4d6a-8f33-2f5e7a7f6d10 6f70656e737461636b203420657'
    '66572 6f70656e737461636b20342065766572',
    'checksum: d41d8cd98f00b204e9800998ecf8427e os_hash_value=cf83e1357ee'
    'fb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce',
    '"key_name": "my-key", "config_drive": "", "adminPass"',
    "'key_name': 'my-key', 'user_data': None, 'password_valid': true",
    "{'password_valid': True, 'admin_password': None}",
    'password_valid: true',
    'The adminPass is not returned.',
    'Option "password" is "deprecated", the token is required',
    "Changing the password to '%s', the secret to None",
    "get_password('name') check_password('name')",
    'server.set_admin_password(context, instance, new_pass)',
    '    def reset_password(self):',
    'user\tpassword\ttoken\tname',
    '\tpassword VARCHAR(255), \n\ttoken\tVARCHAR\n',
    'password: !!null null',
    ':param destroy_secrets: Indicates if they are to be destroyed',
    'the token expired; a token is needed',
    'No valid token: expired',
    'os_compute_api:os-admin-password',
    '"os_compute_api:os-admin-password": "rule:project_member_or_admin"',
    'os_compute_api:os-console-auth-tokens rule:admin',
    'os-resetState os-getVNCConsole',
    'auth_url = http://keystone:5000/v3',
    'auth_url=http://10.0.0.1/identity',
    'auth_type = password',
    'password = ****',
    'admin_password                  = ****',
    'Option "password" from group "neutron" is deprecated. Use option "pa'
    'sswd" from group "neutron".',
    '    password=password,',
    '    password=self.password,',
    '    token = context.auth_token',
    '    admin_password=utils.generate_password()',
    '    def set_admin_password(self, context, instance, new_pass):',
    '    password: str = None',
    'SELECT instances.key_data, console_auth_tokens.token_hash FROM x WHE'
    'RE console_auth_tokens.token_hash = %(token_hash_1)s',
    'INSERT INTO instances (admin_password) VALUES (?)',
    'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDHx7XvFfnTNUuYOuT user@host',
    "'public_key': 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDHx7XvFfnTNUuYOuT'",
    'fingerprint: 1e:2c:9b:56:79:4b:45:77:f9:ca:7a:98:2c:b0:d5:3c',
    "'encryption_key_id': '7d3f2c64-0f1b-4b0e-9c53-3a8b2cf0a1de'",
    "vtpm_secret_uuid='7d3f2c64-0f1b-4b0e-9c53-3a8b2cf0a1de'",
    '<encryption secret="7d3f2c64-0f1b-4b0e-9c53-3a8b2cf0a1de"/>',
    "<secret type='passphrase' uuid='7d3f2c64-0f1b-4b0e-9c53-3a8b2cf0a1de'/>",
    "<secret ephemeral='no' private='yes'>\n  <description>x</description>",
    '{"methods": ["password", "token"], "name": "a"}',
    "fields = ('password', 'token')",
    "['password', 'name', 'token']",
    'keypair created; key: value',
    'Cookie',
    'X-Auth-Token',
    "policy 'os_compute_api:servers:create' token",
    'hw:cpu_policy=dedicated hw:pci_numa_affinity_policy=required',
    'http://127.0.0.1:6080/vnc_auto.html?path=x',
    'http://example.com:8774/v2.1/servers/a@b',
    'https://example.com/a:b@c',
    'http://[::1]:8774/v2.1',
    '-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n----'
    '-END PUBLIC KEY-----',
    '-----BEGIN CERTIFICATE-----\nMIIDCTCCAfGgAwIBAgIUQ\n-----END CERTIFI'
    'CATE-----',
    "user_data='SSBhbSBhIHRlYXBvdCwgc2hvcnQgYW5kIHN0b3V0Lg=='",
    'passed=5 bypass=1 compass: 3',
    'Traceback: File "/nova/api/openstack/compute/server_password.py", li'
    'ne 45, in index',
    "    return {'password': password}",
    '    raise exc.InvalidToken(token=token)',
    "KeyError: 'token'",
    "KeyError: 'password': ",
    "TypeError: __init__() got an unexpected keyword argument 'password'",
    "getaddrinfo: (key='x', token count 5)",
    "metadata: {'key': 'value', 'keys': ['a','b']}",
    'tokens: 5 pagination marker',
    'Invalid credentials',
    'secret: see docs',
    'volume_key=abc trait=CUSTOM_KEY',
    "connection_info={'auth_password': None}",
    'num_tokens=7',
    'cookie: none',
    'token="" password=\'\' secret=None',
    'Content-Type: application/json Content-Length: 45 content: text',
]  # fmt: skip

QUOTES = {'adminPass': f'''a"b, "c", it's {SECRET} "''', 'a': 'b'}
EXACTLY = [
    (f'a password={SECRET}, b', 'a password=***, b'),
    (f'x --password {SECRET} y', 'x --password *** y'),
    (f'\u0130\u0130 password={SECRET}', '\u0130\u0130 password=***'),
    (f"{{'password': 'a {SECRET} b\nnext", "{'password': '***\nnext"),
    (json.dumps(QUOTES), '{"adminPass": "***", "a": "b"}'),
    (
        f"{{'token': 'rule:x', 'a': 'role:b token={SECRET}'}}",
        "{'token': 'rule:x', 'a': 'role:b token=***'}",
    ),
    (f"{{'token': '<a token={SECRET}>'}}", "{'token': '***'}"),
    (str(QUOTES), "{'adminPass': '***', 'a': 'b'}"),
    (
        json.dumps({'c': json.dumps(QUOTES), 'd': 'e'}),
        json.dumps({'c': '{"adminPass": "***", "a": "b"}', 'd': 'e'}),
    ),
    (
        repr(json.dumps(QUOTES)),
        repr('{"adminPass": "***", "a": "b"}'),
    ),
    (f"to set_password('a', \"{SECRET}\") or", 'to set_password(***) or'),
    (f"Set password to '{SECRET}'.", "Set password to '***'."),
    (f'password\t{SECRET}\tb', 'password\t***\tb'),
    (f'password: !!str {SECRET}\nb', 'password: !!str ***\nb'),
    (f'%253Ftoken%253D{SECRET}', '%253Ftoken%253D***'),
    (f'?token={SECRET}&a=b', '?token=***&a=b'),
    (f'Cookie: a={SECRET}; b\r\nHost: c', 'Cookie: ***\r\nHost: c'),
    (f"{{'adminPass': '{SECRET}', 'a': 1}}", "{'adminPass': '***', 'a': 1}"),
    (f"[('X-Auth-Token', '{SECRET}'), 1]", "[('X-Auth-Token', '***'), 1]"),
    (
        f"curl -H 'X-Auth-Token: {SECRET}' http://a/",
        "curl -H 'X-Auth-Token: ***' http://a/",
    ),
    (f'a\npassword: {SECRET}\nb: c', 'a\npassword: ***\nb: c'),
    (f'<password>{SECRET}</password>', '<password>***</password>'),
    (f'{{"a": "{{\\"token\\": \\"{SECRET}\\"}}"}}',
     '{"a": "{\\"token\\": \\"***\\"}"}'),
    (f'k: {secret_shapes.PEM}next', 'k: ***\nnext'),
    (f"{{'token': {{'a': 1, 'id': '{SECRET}'}}}}",
     "{'token': {'a': 1, 'id': '***'}}"),
]  # fmt: skip
LEARNED = [
    secret_shapes.PASSWORD,
    secret_shapes.PLAIN,
    'p\u00e4ss w\u00f6rd',
    '\u043f\u0430\u0440\u043e\u043b\u044c',
    'a b\tc\nd"e',
    'x\\y"z\'w&<>',
    '-+/=?&%',
    '*secr*et',
    'a-phrase of words',
    secret_shapes.PEM,
]
AROUND = [('', ''), ('a ', ' b'), ('xx', 'yy'), ('"', '"'), ('\\n', '\\n')]


class TestRedactor(base.TestCase):
    def setUp(self):
        super().setUp()
        self.redactor = redaction.Redactor()

    def test_masks(self):
        for value in LEAKS:
            with self.subTest(value=value):
                masked = self.redactor.redact(value)
                self.assertNotIn(SECRET, repr(masked))
                self.assertIn('***', repr(masked))

    def test_keeps_the_type(self):
        for value in LEAKS + INNOCENT:
            with self.subTest(value=value):
                self.assertIs(type(value), type(self.redactor.redact(value)))

    def test_leaves_the_live_object_alone(self):
        for value in LEAKS:
            with self.subTest(value=value):
                before = copy.deepcopy(value)
                self.redactor.redact(value)
                self.assertEqual(before, value)

    def test_leaves_innocent_values_alone(self):
        for value in INNOCENT:
            with self.subTest(value=value):
                self.assertEqual(value, self.redactor.redact(value))

    def test_is_idempotent(self):
        for value in LEAKS + INNOCENT:
            with self.subTest(value=value):
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
            with self.subTest(value=value, expected=expected):
                self.assertEqual(expected, self.redactor.redact(value))

    def test_other_objects_are_returned_as_they_are(self):
        value = object()
        self.assertIs(value, self.redactor.redact(value))

    def test_a_secret_key_of_a_list(self):
        masked = self.redactor.redact({'password': [SECRET], 'a': [(SECRET,)]})
        self.assertEqual({'password': '***', 'a': [(SECRET,)]}, masked)

    def test_every_shape(self):
        for shape in secret_shapes.SECRETS:
            for value in (shape.value, shape.text):
                masked = self.redactor.redact(value)
                for form in secret_shapes.encodings(shape.secret):
                    with self.subTest(shape=shape, value=value, form=form):
                        self.assertNotIn(form, str(masked), shape.name)
                self.assertIs(type(value), type(masked), shape.name)
                self.assertEqual(
                    masked, self.redactor.redact(masked), shape.name
                )

    def test_every_shape_within_other_text(self):
        for shape in secret_shapes.SECRETS:
            with self.subTest(shape=shape):
                text = f'{LOG}\n{shape.text}\n{LOG}'
                masked = self.redactor.redact(text)
                self.assertNotIn(shape.secret, masked, shape.name)
                self.assertTrue(masked.startswith(LOG), shape.name)
                self.assertTrue(masked.endswith(LOG), shape.name)

    def test_ordinary_lines_stay(self):
        for line in ORDINARY:
            with self.subTest(line=line):
                self.assertEqual(line, self.redactor.redact(line))
        text = '\n'.join(ORDINARY)
        self.assertIs(text, self.redactor.redact(text))

    def test_long_texts_too(self):
        lines = ORDINARY * 10
        lines[55] = f'adminPass={SECRET}'
        text = '\n'.join(lines)
        self.assertGreater(len(text), 20_000)
        lines[55] = 'adminPass=***'
        self.assertEqual('\n'.join(lines), self.redactor.redact(text))

    def test_many_in_one_text(self):
        lines = [f"password={SECRET} {{'token': '{SECRET}'}}"] * 50
        text, counts = self.redactor.redact_and_count(' '.join(lines))
        self.assertEqual(
            ' '.join(["password=*** {'token': '***'}"] * 50), text
        )
        self.assertEqual({'password': 50, 'token': 50}, counts)

    def test_exactly(self):
        for text, expected in EXACTLY:
            with self.subTest(text=text, expected=expected):
                self.assertEqual(expected, self.redactor.redact(text))

    def test_user_data(self):
        def encoded(data):
            return base64.b64encode(data).decode()

        script = f'#!/bin/sh\nexport OS_PASSWORD={SECRET}\n'.encode()
        for data in (script, gzip.compress(script)):
            for name in ('user_data', 'contents'):
                with self.subTest(data=data, name=name):
                    self.assertEqual(
                        {name: '***'},
                        self.redactor.redact({name: encoded(data)}),
                    )
                    self.assertEqual(
                        {name: b'***'},
                        self.redactor.redact({name: encoded(data).encode()}),
                    )
        harmless = {'user_data': encoded(b'#!/bin/sh\necho hello world\n')}
        self.assertEqual(harmless, self.redactor.redact(harmless))

    def test_lines_of_base64(self):
        data = base64.encodebytes(b'x' * 99 + f'\npassword={SECRET}'.encode())
        text = f"{{'user_data': {data.decode()!r}}}"
        self.assertEqual("{'user_data': '***\\n'}", self.redactor.redact(text))

    def test_mappings_keep_their_type(self):
        for value in (
            collections.OrderedDict(password=SECRET),
            collections.defaultdict(list, password=SECRET),
            collections.UserDict(password=SECRET),
        ):
            with self.subTest(value=value):
                masked = self.redactor.redact(value)
                self.assertIs(type(value), type(masked))
                self.assertEqual({'password': '***'}, dict(masked))
        masked = self.redactor.redact(
            types.MappingProxyType({'password': SECRET})
        )
        self.assertEqual({'password': '***'}, dict(masked))

    def test_what_is_not_made_of_its_items(self):
        class Odd(list):
            def __init__(self, _):
                super().__init__('odd')

        self.assertEqual(['o', 'd', 'd'], self.redactor.redact(Odd(1)))
        odd = Odd(1)
        odd[:] = [f'password={SECRET}', 'a', 'b']
        self.assertEqual(['password=***', 'a', 'b'], self.redactor.redact(odd))

    def test_what_shares_its_items_is_left_alone(self):
        name = 'SAFE_FIXTURES_TEST_PASSWORD'
        os.environ[name] = SECRET
        self.addCleanup(os.environ.pop, name)
        self.assertEqual('***', self.redactor.redact(os.environ)[name])
        self.assertEqual(SECRET, os.environ[name])

    def test_keys_stay(self):
        value = {'a key of a mapping': 1, 'adminPass': None, 1: 2, None: 3}
        self.assertEqual(value, self.redactor.redact(value))
        self.redactor.learn(SECRET * 2)
        self.assertEqual(
            {'***': 1, 'x-***': 2, '***-2': 3},
            self.redactor.redact(
                {SECRET * 2: 1, f'x-{SECRET * 2}': 2, '***': 3}
            ),
        )

    def test_what_holds_itself(self):
        value = []
        value.append(value)
        self.assertRaises(ValueError, self.redactor.redact, value)
        # Twice the same is no loop.
        inner = [SECRET]
        self.assertEqual([inner, inner], self.redactor.redact([inner, inner]))

    def test_counts(self):
        for value, kinds in (
            ('nothing', {}),
            (f'password={SECRET} token={SECRET}', {'password': 1, 'token': 1}),
            ({'adminPass': SECRET, 'x': f'pwd={SECRET}'}, {'password': 2}),
            (f'http://a:{SECRET}@b', {'URL credentials': 1}),
            (secret_shapes.PEM, {'private key': 1}),
            ([secret_shapes.JWT] * 2, {'JWT': 2}),
            (('a', secret_shapes.JWT), {'JWT': 1}),
            (('token', 'Zt7kQ2mXw'), {'token': 1}),
            ({'user_data': b'cGFzc3dvcmQ9YWJjZGVm'}, {'password': 1}),
            ('user_data=cGFzc3dvcmQ9YWJjZGVm', {'password': 1}),
        ):
            with self.subTest(value=value, kinds=kinds):
                masked, counts = self.redactor.redact_and_count(value)
                self.assertEqual(kinds, counts)
                self.assertEqual(masked, self.redactor.redact(value))
                self.assertEqual(
                    (masked, {}), self.redactor.redact_and_count(masked)
                )


class TestLearned(base.TestCase):
    def test_signs_escaped_twice(self):
        # Nothing in them stays as it is.
        for secret in (
            ':\u00e4\u00e4\u00e4&"',
            ':::\'\u00e4\u00e4',
            '<"\'&\u0439>',
        ):
            redactor = redaction.Redactor([secret])
            ways = (json.dumps, repr, html.escape, parse.quote_plus)
            for escape, again in itertools.product(ways, ways):
                text = f'see {again(escape(secret))}'
                with self.subTest(text=text):
                    self.assertIn('***', redactor.redact(text))
            text = html.escape(secret, quote=False)
            self.assertEqual('***', redactor.redact(text))
            self.assertEqual('see &amp;', redactor.redact('see &amp;'))

    def test_every_encoding(self):
        for secret in LEARNED:
            redactor = redaction.Redactor([secret])
            for form in secret_shapes.encodings(secret):
                for before, after in AROUND:
                    with self.subTest(
                        secret=secret, form=form, before=before, after=after
                    ):
                        masked = redactor.redact(before + form + after)
                        self.assertNotIn(form, masked)
                        self.assertEqual(masked, redactor.redact(masked))

    def test_within_base64(self):
        for secret in LEARNED:
            redactor = redaction.Redactor([secret])
            for before in ('', 'a', 'ab', 'abc'):
                for after in ('', 'x', 'xy', 'xyz'):
                    data = (before + secret + after).encode()
                    for encode in (base64.b64encode, base64.urlsafe_b64encode):
                        with self.subTest(
                            secret=secret,
                            before=before,
                            after=after,
                            encode=encode,
                        ):
                            text = encode(data).decode()
                            self.assertIn('***', redactor.redact(f'is {text}'))

    def test_escaped_twice(self):
        for secret in LEARNED:
            redactor = redaction.Redactor([secret])
            for outer in (repr, json.dumps, html.escape):
                for inner in (repr, json.dumps, html.escape):
                    with self.subTest(secret=secret, outer=outer, inner=inner):
                        text = f'got {outer(inner(secret))}'
                        masked = redactor.redact(text)
                        self.assertIn('***', masked)
                        self.assertLess(len(masked), 24, masked)

    def test_quoted_twice(self):
        for secret in LEARNED:
            with self.subTest(secret=secret):
                redactor = redaction.Redactor([secret])
                text = parse.quote(parse.quote(secret, safe=''), safe='')
                if any(each.isalnum() and each.isascii() for each in secret):
                    self.assertEqual('a=***', redactor.redact(f'a={text}'))

    def test_what_is_not_learned(self):
        for value in (
            '', 'short', b'short', '      ', ' abcd ', '***', '******',
            'x***', '***secret***', 'password', 'PASSWORD', 'adminPass',
            'admin_pass', 'X-Auth-Token', 'x_auth_token', 'token', 'aaaaaaaa',
            '00000000',
        ):  # fmt: skip
            with self.subTest(value=value):
                redactor = redaction.Redactor()
                self.assertFalse(redactor.learn(value), value)
                self.assertEqual(
                    f'a {value} b', redactor.redact(f'a {value} b')
                )

    def test_learns(self):
        redactor = redaction.Redactor(['first-one'])
        self.assertEqual(
            'second-one ***', redactor.redact('second-one first-one')
        )
        self.assertTrue(redactor.learn(b'second-one'))
        self.assertTrue(redactor.learn('second-one'))
        self.assertEqual('*** ***', redactor.redact('second-one first-one'))
        self.assertEqual(
            (b'*** ***', {'learned': 2}),
            redactor.redact_and_count(b'second-one first-one'),
        )

    def test_two_threads_learn(self):
        redactor = redaction.Redactor()
        made = learned.Learned

        def also_in_another_thread(secret):
            if secret == 'first-one':
                other = threading.Thread(
                    target=redactor.learn, args=['second-one']
                )
                other.start()
                other.join()
            return made(secret)

        self.patch(learned, 'Learned', also_in_another_thread)
        redactor.learn('first-one')
        self.assertEqual('*** ***', redactor.redact('first-one second-one'))

    def test_a_learned_secret_within_another(self):
        for secrets in (
            ('abcdef', 'xxabcdefxx'),
            ('xxabcdefxx', 'abcdef'),
        ):
            with self.subTest(secrets=secrets):
                redactor = redaction.Redactor(secrets)
                self.assertEqual(
                    'is *** here', redactor.redact('is xxabcdefxx here')
                )

    def test_one_redactor_knows_nothing_of_another(self):
        redaction.Redactor(['first-one'])
        self.assertEqual('first-one', redaction.Redactor().redact('first-one'))

    def test_many_in_a_long_text(self):
        secrets = [f'Zt7/kQ2mXw{number:03}' for number in range(50)]
        redactor = redaction.Redactor(secrets)
        filler = '\n'.join([*ORDINARY, *(f'req-{n:032x}' for n in range(999))])
        for secret in secrets[::10]:
            for form in secret_shapes.encodings(secret):
                with self.subTest(secret=secret, form=form):
                    masked = redactor.redact(f'{filler}\n{form}\n{filler}')
                    self.assertNotIn(form, masked)
                    self.assertTrue(masked.startswith(filler))
                    self.assertTrue(masked.endswith(filler))
