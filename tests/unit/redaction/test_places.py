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
"""Secrets in the places where scripts, headers and documents have them."""

import json
from urllib import parse

from safe_fixtures import redaction
from tests.support import base

# Assembled, so that no tool takes this file itself for a leak.
SECRET = 'Zt7' + 'kQ2mXw9Lp'
TOKEN = '7b0c1fe2' + 'd94a4b3f8c6e5d1a2b3c4d5e'
UUID = '7d3f2c64-0f1b-4b0e-9c53-3a8b2cf0a1de'
# $ stands for the secret.
LEAKS = (
    'password\n  = "$"', 'adminPass\n=$', 'auth_token\n"$"',
    "['-n', 'a.password',\n '--op',\n '$']", "['token',\n '--value', '$']",
    '<adminPass value="$"/>',
    'password := "$"', 'fernet_key=$',
    # Line breaks, quotes, literals.
    '"password":\n  "$"', '{"password":\r\n\t"$"}', 'password =\n  $\n',
    'password = """$"""', "password='''$'''", 'password = """\n$\n"""',
    "password=f'$'", 'password=r"$"', "password=('$')",
    "password=SecretStr('$')", "{'adminPass': 'it's$'}",
    # Quoted as in URLs and in JavaScript.
    'adminPass%3A%20$', 'adminPass%253A%2520$', 'adminPass%3D%22$%22',
    'adminPass%3A+$',
    # chpasswd and its like.
    'echo root:$ | chpasswd', "echo 'root:$' | sudo chpasswd -e",
    'chpasswd <<< root:$', 'chpasswd <<EOF\nroot:x1\nuser:$\nEOF\n',
    'printf "root:$\\n" | chpasswd', 'echo $ | passwd --stdin root',
    'echo -n $ | cryptsetup luksOpen /dev/a b', 'echo $ | sudo -S ls',
    '#cloud-config\nchpasswd:\n  list: |\n    root:x1\n    user:$\n',
    'chpasswd:\n  expire: false\n  list:\n    - root:$\n',
    'chpasswd: {list: "root:$"}', 'rootpw --plaintext $', 'rootpw: $',
    'd-i passwd/root-password password $',
    'machine host login user password $',
    # SQL
    "CREATE USER a IDENTIFIED BY '$'", "ALTER USER a WITH PASSWORD '$'",
    "SET PASSWORD = PASSWORD('$')",
    # XML
    '<AdministratorPassword><Value>$</Value></AdministratorPassword>',
    '<AdministratorPassword>\n <Value>$</Value>\n</AdministratorPassword>',
    '&lt;Password&gt;&lt;Value&gt;$&lt;/Value&gt;&lt;/Password&gt;',
    '<key>password</key>\n<string>$</string>',
    '<meta key="admin_password">$</meta>',
    '<property name="password" value="$"/>',
    '<password><![CDATA[$]]></password>',
    # Headers
    "[('X-Auth-Token', '$'), ('a', 'b')]", "[['X-Auth-Token', '$'], ['a', 1]]",
    "[(b'X-Auth-Token', b'$')]", 'Authorization: Digest a="b", response="$"',
    'Cookie: session="$"; a=b', 'Set-Cookie: sid="$"; Path=/',
    # YAML
    'password: |\n  $\nb: c', 'password: >-\n    $\n', '- password: "$"',
    'a:\n  token: |-\n    line1\n    $\n  b: 1', 'password:\n  $\n',
    'password: &x $', 'passwords:\n  - $\n  - $\n', 'psk: $',
)  # fmt: skip
VALUES = (
    {'password_0': SECRET, 'a': 'b'}, {'psk': SECRET},
    {'temp_url_sig': SECRET},
    {'payload': SECRET, 'payload_content_type': 'text/plain'},
    {'name': 'x', 'payload': SECRET}, {'payload': SECRET, 'secret_type': 'a'},
    [['X-Auth-Token', SECRET], ['a', 'b']], [('X-Auth-Token', SECRET)],
    [{'name': 'DB_PASSWORD', 'value': SECRET}],
    {'key': 'password', 'value': SECRET}, {'passwords': [SECRET, 'b']},
    {'chpasswd': {'list': f'root:{SECRET}\n'}},
    {'chpasswd': {'list': [f'root:{SECRET}']}},
    {'qom-type': 'secret', 'id': 'a', 'data': SECRET},
    {'headers': {'X-Auth-Token': [SECRET]}},
)  # fmt: skip
ORDINARY = (
    'Password\n========\nabc123', 'a token\n"is it"', 'token\n"key12ab": 1',
    "the secret\n'7d3f2c64-0f1b-4b0e-9c53-3a8b2cf0a1de'",
    'self.token = token', 'a.password := password',
    'os_compute_api:os-server-password:show',
    '"os_compute_api:os-server-password:show": "rule:admin"',
    'nmcli connection up psk-home1', 'git config pass.store1 true',
    'Changing password:\n  this may take a while',
    "KeyError: 'password': \nTypeError: no value1",
    'password =\nuser = nova1x', 'token:\n- a: b1', ':param token:\n    a str',
    "token to 'key_name': 'f728b4fa'", "token is 'key_name': 'f728b4fa'",
    'chpasswd: {expire: false}', 'echo hello1 | tee /etc/a', 'a | b',
    'echo root:x1 > file', 'identified by its uuid', "IDENTIFIED BY '%s'",
    '/v2.0/tokens', 'GET /v3/auth/tokens?a=b', '/v2.0/tokens/{token_id}',
    f'GET /v2.1/servers/{UUID}', '/v3/OS-PKI/revoked', 'secret,key,token1',
    "fields ['token', 'expires']", "['password', 'name']",
    "{'payload': 'text', 'event_type': 'instance.create.end'}",
    "{'event_type': 'a', 'payload': {'nova_object.name': 'Payload1'}}",
    "{'method': 'a', 'name': 'b', 'payload': 'c1d2e3'}", "{'payload': 'a1'}",
    '<secret>\n  <usage type="a1">x1</usage>\n</secret>',
    '<key>name</key><string>v1b2c3</string>',
    '{"name": "key_name", "value": "v1b2c3"}', 'the login of a password reset',
    'resources=VCPU%3A1%2CMEMORY_MB%3A512', '100%25 of a%20b', 'psk',
    "risk: 12, desk='a1'", '"design": 1',
)  # fmt: skip


class TestPlaces(base.TestCase):
    def setUp(self):
        super().setUp()
        self.redactor = redaction.Redactor()

    def check(self, value):
        masked = self.redactor.redact(value)
        self.assertNotIn(SECRET, str(masked))
        self.assertIs(type(value), type(masked))
        self.assertEqual(masked, self.redactor.redact(masked))

    def test_texts(self):
        for shape in LEAKS:
            text = shape.replace('$', SECRET)
            for value in (
                text,
                text.encode(),
                [text],
                f'a: 1\n{text}\nb: 2',
                f'{"a line of a log " * 900}\n{text}\n',
                repr(text),
                json.dumps({'x': text}),
            ):
                with self.subTest(shape=shape, value=value):
                    self.check(value)

    def test_values(self):
        for value in VALUES:
            for form in (
                value,
                str(value),
                json.dumps(value),
                json.dumps(value, indent=2),
                json.dumps({'b': json.dumps(value)}),
                repr(json.dumps(value, indent=1)),
                parse.quote(json.dumps(value)),
                parse.quote_plus(json.dumps(value)),
                parse.quote(parse.quote(json.dumps(value))),
                [value],
            ):
                with self.subTest(value=value, form=form):
                    self.check(form)

    def test_ordinary_texts(self):
        for text in ORDINARY:
            for value in (text, [text], {'a': text}, f'{text}\n' * 400):
                with self.subTest(text=text, value=value):
                    self.assertEqual(value, self.redactor.redact(value))

    def test_ordinary_values(self):
        for value in (
            {'payload': 'a1', 'event_type': 'a'}, {'payload': 'a1b2c3d4'},
            {'payload': {'a': 'b1c2d3'}, 'name': 'a'},
            {'name': 'host', 'value': 'a1b2c3d4'}, ['token', 'expires'],
            {'list': 'root:a1b2c3'}, {'qom-type': 'iothread', 'data': 'a1b2c'},
        ):  # fmt: skip
            with self.subTest(value=value):
                self.assertEqual(value, self.redactor.redact(value))

    def test_ids_of_tokens(self):
        for token in (TOKEN, UUID):
            for path in (
                '/v2.0/tokens/', '/v3/auth/tokens/',
                '/identity/v2.0/tokens/', '/v2.1/os-console-auth-tokens/',
            ):  # fmt: skip
                for after in ('', '/endpoints', '?a=b', ' HTTP/1.1', '"}'):
                    text = f'GET http://host{path}'
                    with self.subTest(text=text, token=token, after=after):
                        self.assertEqual(
                            f'{text}***{after}',
                            self.redactor.redact(f'{text}{token}{after}'),
                        )

    def test_json_stays_json(self):
        for value in (
            {'adminPass': 123}, {'adminPass': -1.5, 'a': [1]},
            {'a': [{'token': 12345}, {'b': 1}]}, {'passwords': ['a1', 2]},
            {'passwords': [1, 2], 'a': 1},
        ):  # fmt: skip
            for indent in (None, 2):
                with self.subTest(value=value, indent=indent):
                    text = json.dumps(value, indent=indent)
                    masked = self.redactor.redact(text)
                    self.assertIn('***', masked)
                    json.loads(masked)
                    again = self.redactor.redact(json.dumps({'a': text}))
                    json.loads(json.loads(again)['a'])
                    self.assertEqual(masked, self.redactor.redact(masked))

    def test_the_next_header_stays(self):
        for line_break in ('\r\n', '\\r\\n', '\\n', '\\\\r\\\\n'):
            for name in ('X-Auth-Token', 'Authorization', 'Cookie'):
                with self.subTest(line_break=line_break, name=name):
                    text = f'{name}: $${line_break}X-Next: v'
                    self.assertEqual(
                        text.replace('$$', '***'),
                        self.redactor.redact(text.replace('$$', SECRET)),
                    )

    def test_what_is_too_deep_is_masked(self):
        for make in (lambda inner: {'a': inner}, lambda inner: [inner]):
            for depth in (50, 200, 5000):
                with self.subTest(make=make({}), depth=depth):
                    value = {'password': SECRET, 'b': SECRET}
                    for _ in range(depth):
                        value = make(value)
                    masked, counts = self.redactor.redact_and_count(value)
                    while isinstance(masked, (dict, list)):
                        if 'password' in masked:
                            break
                        masked = masked['a' if 'a' in masked else 0]
                    if depth == 50:
                        self.assertEqual('***', masked['password'])
                    else:
                        self.assertEqual('***', masked)
                        self.assertEqual({'too deep': 1}, counts)
