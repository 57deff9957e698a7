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

"""Every shape in which a secret gets into what a test puts out.

Nothing here is real. The secrets are assembled, so that no tool takes this
file itself for a leak.
"""

import base64
import html
import json
import re
from typing import Any, NamedTuple
from urllib import parse

# One that each encoding changes.
PASSWORD = 's3' + 'cr3t/P+w~9Zq'
# One that has nothing in it that needs a quote.
PLAIN = 'Zt7' + 'kQ2mXw9Lp'
TOKEN = '7b0c1f' + 'e2d94a4b3f8c6e5d1a2b3c4d5e'


class Secret(NamedTuple):
    """A value that carries a secret.

    :ivar name: of the shape (str).
    :ivar value: text, bytes, or a container of them.
    :ivar secret: what must not come out (str).
    """

    name: str
    value: Any
    secret: str

    @property
    def text(self):
        """The value as a log or a message would show it (str)."""
        return self.value if isinstance(self.value, str) else str(self.value)


def _base64(text):
    return base64.b64encode(text.encode()).decode()


def _word(length, seed=7):
    """Return letters and digits that look like chance."""
    letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
    found = []
    for _ in range(length):
        seed = (seed * 1103515245 + 12345) % 2**31
        found.append(letters[(seed >> 16) % len(letters)])
    return ''.join(found)


def pem(kind='RSA ', newline='\n', indent=''):
    """Return a private key in PEM, and its second line."""
    lines = [_word(64, seed) for seed in range(3)] + [_word(21, 9) + '==']
    text = newline.join(
        indent + line
        for line in [
            f'-----BEGIN {kind}PRIVATE' + ' KEY-----',
            *lines,
            f'-----END {kind}PRIVATE' + ' KEY-----',
            '',
        ]
    )
    return text, lines[1]


PEM, PEM_LINE = pem()
OPENSSH, OPENSSH_LINE = pem('OPENSSH ')
JWT = '.'.join((
    _base64('{"alg":"RS256","typ":"JWT"}').rstrip('='),
    _base64('{"sub":"nova","aud":"keystone"}').rstrip('='),
    _word(43),
))  # fmt: skip
JWE = '.'.join((
    _base64('{"alg":"RSA-OAEP","enc":"A256GCM"}').rstrip('='),
    _word(43, 1), _word(16, 2), _word(60, 3), _word(22, 4),
))  # fmt: skip
FERNET = 'gAAAA' + 'ABm' + _word(180)
_BASIC = _base64(f'nova:{PASSWORD}')
_QUOTED = parse.quote(PASSWORD, safe='')
_CLOUD_INIT = f'#cloud-config\npassword: {PLAIN}\nchpasswd: {{expire: no}}\n'
_SERVER = {'server': {'name': 'vm', 'adminPass': PASSWORD}}
_KEYSTONE = {
    'access': {
        'token': {'expires': '2026-11-22T00:00:00Z', 'id': TOKEN},
        'user': {'name': 'nova', 'roles': []},
    }
}
_AUTH = {
    'auth': {
        'identity': {
            'methods': ['password'],
            'password': {
                'user': {
                    'name': 'nova',
                    'domain': {'id': 'default'},
                    'password': PASSWORD,
                }
            },
        }
    }
}
_TOKEN_AUTH = {
    'auth': {'identity': {'methods': ['token'], 'token': {'id': TOKEN}}}
}

SECRETS = [
    # Containers.
    Secret('dict', {'password': PASSWORD}, PASSWORD),
    Secret('nested dict', _SERVER, PASSWORD),
    Secret('list of dicts', {'servers': [_SERVER]}, PASSWORD),
    Secret('tuple', ('text', f'password={PLAIN}'), PLAIN),
    Secret('set', {f'password={PLAIN}'}, PLAIN),
    Secret('bytes in a dict', {'adminPass': PASSWORD.encode()}, PASSWORD),
    Secret('bytes as a key', {b'password': PASSWORD.encode()}, PASSWORD),
    Secret('pair', [('X-Auth-Token', TOKEN)], TOKEN),
    Secret('list of secrets', {'passwords': [PASSWORD]}, PASSWORD),
    # JSON.
    Secret('JSON', json.dumps(_SERVER), PASSWORD),
    Secret('JSON, indented', json.dumps(_SERVER, indent=4), PASSWORD),
    Secret('JSON, compact', f'{{"adminPass":"{PASSWORD}"}}', PASSWORD),
    Secret('JSON in JSON', json.dumps(json.dumps(_SERVER)), PASSWORD),
    Secret(
        'JSON in JSON in JSON',
        json.dumps({'body': json.dumps({'body': json.dumps(_SERVER)})}),
        PASSWORD,
    ),
    Secret('JSON in bytes', json.dumps(_SERVER).encode(), PASSWORD),
    Secret('repr of JSON', repr(json.dumps(_SERVER)), PASSWORD),
    Secret('repr of JSON in bytes', repr(json.dumps(_SERVER).encode()),
           PASSWORD),
    Secret(
        'JSON with quotes in the secret',
        json.dumps({'adminPass': f'a"b\'c\\{PLAIN}'}),
        PLAIN,
    ),
    # A dict that is printed.
    Secret('repr of a dict', f'Request body: {_SERVER}', PASSWORD),
    Secret('repr of bytes', str({b'password': PASSWORD.encode()}), PASSWORD),
    Secret('repr of a repr', repr(repr(_SERVER)), PASSWORD),
    Secret('repr with quotes in the secret', repr({'password': f"a'b{PLAIN}"}),
           PLAIN),
    Secret(
        'repr with both quotes in the secret',
        repr({'password': f'a\'b"c{PLAIN}'}),
        PLAIN,
    ),
    Secret('repr of pairs', repr([('X-Auth-Token', TOKEN)]), TOKEN),
    Secret('repr of an object', f"Login(user='a', password='{PASSWORD}')",
           PASSWORD),
    # Names and values.
    Secret('key=value', f'connect password={PLAIN} timeout=3', PLAIN),
    Secret('key = value', f'password = {PASSWORD}', PASSWORD),
    Secret('key="value"', f'admin_password="{PASSWORD} x"', PASSWORD),
    Secret('key: value', f'password: {PASSWORD}', PASSWORD),
    Secret('KEY=value', f'export OS_PASSWORD={PLAIN}', PLAIN),
    Secret('option', f'mysql --password {PLAIN} -h db', PLAIN),
    Secret('option=value', f'mysql --password={PLAIN} -h db', PLAIN),
    Secret('arguments', str(['mysql', '--password', PLAIN, '-h']), PLAIN),
    Secret('option in a list', f"args: ['--password={PLAIN}', '-v']", PLAIN),
    Secret('configuration', f'[neutron]\nauth_type=password\n'
           f'admin_password = {PASSWORD}\nregion = one\n', PASSWORD),
    Secret('in two lines', f'a: b\npassphrase: {PASSWORD}\nc: d', PASSWORD),
    Secret('adminPass', f'adminPass={PLAIN}', PLAIN),
    Secret('secret with spaces', f"{{'password': 'one two {PLAIN}'}}", PLAIN),
    # Headers.
    *(
        Secret(f'{name} {form}', value, TOKEN)
        for name in ('X-Auth-Token', 'X-Subject-Token', 'X-Service-Token')
        for form, value in (
            ('in a dict', {name: TOKEN}),
            ('in a list', [(name, TOKEN)]),
            ('raw', f'GET / HTTP/1.1\r\n{name}: {TOKEN}\r\nHost: a\r\n'),
            ('lower case', f'{name.lower()}: {TOKEN}'),
            ('in curl', f'curl -g -H "{name}: {TOKEN}" http://nova/'),
            ('in a repr', repr({name: TOKEN})),
            ('in WSGI', {f'HTTP_{name.upper().replace("-", "_")}': TOKEN}),
        )
    ),
    Secret('Basic', f'Authorization: Basic {_BASIC}', _BASIC),
    Secret('Basic in a dict', {'Authorization': f'Basic {_BASIC}'}, _BASIC),
    Secret('Basic in a repr', str({'Authorization': f'Basic {_BASIC}'}),
           _BASIC),
    Secret('Bearer', f'Authorization: Bearer {PLAIN}', PLAIN),
    Secret('Bearer in curl', f"curl -H 'Authorization: Bearer {PLAIN}' -X GET",
           PLAIN),
    Secret('Bearer in JSON', f'{{"authorization": "Bearer {PLAIN}"}}', PLAIN),
    Secret('Proxy-Authorization', f'Proxy-Authorization: Basic {_BASIC}',
           _BASIC),
    Secret('Cookie', f'Cookie: a=b; session={PLAIN}', PLAIN),
    Secret('Set-Cookie', f'Set-Cookie: sid={PLAIN}; Path=/; Secure', PLAIN),
    Secret('Cookie in a dict', {'Cookie': f'token={PLAIN}'}, PLAIN),
    # URLs.
    *(
        Secret(f'{scheme} URL', f'see {scheme}://nova:{PLAIN}@host:1/x', PLAIN)
        for scheme in ('rabbit', 'amqp', 'mysql+pymysql', 'postgresql',
                       'http', 'https', 'redis', 'rbd', 'sqlite+x')
    ),
    Secret('URL of several hosts',
           f'rabbit://a:{PLAIN}@h1:5672,b:{PLAIN}@h2:5672//nova', PLAIN),
    Secret('URL, the second host only',
           f'rabbit://h1:5672,b:{PLAIN}@h2:5672//nova', PLAIN),
    Secret('URL without a user', f'redis://:{PLAIN}@cache', PLAIN),
    Secret('URL, quoted', f'mysql://nova:{_QUOTED}@db/nova', _QUOTED),
    Secret('URL, with an @', f'http://nova:p@{PLAIN}@host/', PLAIN),
    Secret('URL, with a comma', f'http://nova:p,{PLAIN}@host/', PLAIN),
    Secret('URL, with a slash', f'rabbit://nova:p/{PLAIN}@host:5672/', PLAIN),
    Secret('URL, with a hash', f'rabbit://nova:p#{PLAIN}?@host:5672/', PLAIN),
    Secret('URL in JSON', f'{{"url": "mysql://nova:{PLAIN}@db/nova"}}', PLAIN),
    Secret('URL in JSON, escaped', f'{{"u": "mysql:\\/\\/n:{PLAIN}@db\\/n"}}',
           PLAIN),
    Secret('URL in a URL',
           f'/?next=http%3A%2F%2Fnova%3A{PLAIN}%40host%2F', PLAIN),
    Secret('URL in a dict', {'url': f'mysql://nova:{PLAIN}@db'}, PLAIN),
    Secret('console URL', f'http://h:6080/vnc_auto.html?token={PLAIN}', PLAIN),
    Secret('console URL, quoted',
           f'http://h:6080/vnc_auto.html?path=%3Ftoken%3D{PLAIN}', PLAIN),
    Secret('query', f'GET /v3?user=a&password={PLAIN}&x=y', PLAIN),
    Secret('query, signature',
           f'https://s3/o?X-Amz-Signature={PLAIN}&X-Amz-Expires=9', PLAIN),
    Secret('query, temp_url_sig', f'/v1/o?temp_url_sig={TOKEN}&a=b', TOKEN),
    Secret('query, access_token', f'/cb?access_token={PLAIN}&a=b', PLAIN),
    # Sentences, calls, tables.
    Secret('changed to', f"Changing password to '{PASSWORD}'", PASSWORD),
    Secret('is', f'the token is "{TOKEN}"', TOKEN),
    Secret('call', f"guest.set_admin_password('{PLAIN}')", PLAIN),
    Secret('call with a user', f"set_user_password('root', '{PLAIN}')", PLAIN),
    Secret('call, in JSON',
           json.dumps({'a': f'x.change_password("{PLAIN}")'}), PLAIN),
    Secret('after a tab', f'db_password\t{PLAIN}\tnova', PLAIN),
    Secret('YAML with a tag', f'password: !!str {PLAIN}', PLAIN),
    Secret('YAML with a tag, quoted', f"token: !!str '{PLAIN}'", PLAIN),
    Secret('one word', 'auth_token: correcthorse', 'correcthorse'),
    Secret('one word in a header', 'X-Auth-Token: battery', 'battery'),
    # Keys.
    Secret('access key', f'access_key={PLAIN}', PLAIN),
    Secret('secret key', {'secret_key': PLAIN}, PLAIN),
    Secret('aws_secret_access_key', f'aws_secret_access_key = {PASSWORD}',
           PASSWORD),
    Secret('AWS key', 'AKIA' + _word(16).upper(), 'AKIA' + _word(16).upper()),
    Secret('api key', f'api_key: {PLAIN}', PLAIN),
    Secret('X-Api-Key', {'X-Api-Key': PLAIN}, PLAIN),
    Secret('apiKey', f'{{"apiKey": "{PLAIN}"}}', PLAIN),
    Secret('encryption key', {'encryption_key': PLAIN}, PLAIN),
    Secret('private key', {'private_key': PLAIN}, PLAIN),
    Secret('value of a secret', f"Data(vtpm_secret_value=b'{PLAIN}')", PLAIN),
    Secret('console token', f"Token(token='{TOKEN}', port=1)", TOKEN),
    Secret('client secret', f'client_secret={PLAIN}', PLAIN),
    Secret('GitHub', 'ghp' + '_' + _word(36), _word(36)),
    Secret('GitLab', 'glpat' + '-' + _word(20), _word(20)),
    Secret('Slack', 'xoxb' + '-' + _word(30), _word(30)),
    Secret('Google', 'AIza' + _word(35), _word(35)),
    # Tokens.
    Secret('JWT', f'bad {JWT}, sorry', JWT.split('.')[2]),
    Secret('JWT, escaped line break', f'a\\n{JWT}', JWT.split('.')[2]),
    Secret('JWE', f'bad {JWE}', JWE.split('.')[3]),
    Secret('fernet', f'Validating {FERNET} failed', FERNET),
    Secret('fernet in a path', f'GET /v3/auth/tokens/{FERNET}', FERNET),
    Secret('token body, v2', _KEYSTONE, TOKEN),
    Secret('token body, v2, in JSON', json.dumps(_KEYSTONE), TOKEN),
    Secret('token body, v2, in a repr', f'got {_KEYSTONE}', TOKEN),
    Secret('auth body', _AUTH, PASSWORD),
    Secret('auth body in JSON', json.dumps(_AUTH), PASSWORD),
    Secret('auth body, token', _TOKEN_AUTH, TOKEN),
    Secret('auth body, token, in JSON', json.dumps(_TOKEN_AUTH), TOKEN),
    Secret('EC2 credentials',
           {'ec2Credentials': {'access': 'a', 'signature': PLAIN}}, PLAIN),
    Secret('application credential',
           {'application_credential': {'id': 'a', 'secret': PLAIN}}, PLAIN),
    Secret('authentication', f"auth_token: '{TOKEN}'", TOKEN),
    # Private keys.
    Secret('PEM', f'key:\n{PEM}', PEM_LINE),
    Secret('PEM of an encrypted key', PEM.replace('RSA ', 'ENCRYPTED '),
           PEM_LINE),
    Secret('PKCS 8', PEM.replace('RSA ', ''), PEM_LINE),
    Secret('PEM, indented', pem(indent='    ')[0], PEM_LINE),
    Secret('PEM, quoted as in a mail', pem(indent='> ')[0], PEM_LINE),
    Secret('PEM in Windows lines', pem(newline='\r\n')[0], PEM_LINE),
    Secret('PEM in JSON', json.dumps({'k': PEM}), PEM_LINE),
    Secret('PEM in JSON in JSON', json.dumps(json.dumps({'k': PEM})),
           PEM_LINE),
    Secret('PEM in a repr', repr({'k': PEM.encode()}), PEM_LINE),
    Secret('PEM in a URL', f'/?k={parse.quote(PEM)}', PEM_LINE),
    Secret('PEM, cut off', PEM[:170], PEM_LINE),
    Secret('PEM in base64', f'got {_base64(PEM)} there', _base64(PEM)[80:140]),
    Secret('ssh', OPENSSH, OPENSSH_LINE),
    Secret('PGP', pem('PGP ')[0].replace('KEY--', 'KEY BLOCK--'), PEM_LINE),
    # What a server is given.
    Secret('user_data', {'user_data': _base64(_CLOUD_INIT)},
           _base64(_CLOUD_INIT)),
    Secret('user_data in JSON',
           json.dumps({'server': {'user_data': _base64(_CLOUD_INIT)}}),
           _base64(_CLOUD_INIT)),
    Secret('user_data in a repr', str({'user_data': _base64(_CLOUD_INIT)}),
           _base64(_CLOUD_INIT)),
    Secret('user_data=', f'user_data={_base64(_CLOUD_INIT)}',
           _base64(_CLOUD_INIT)),
    Secret('user_data as text', {'user_data': _CLOUD_INIT}, PLAIN),
    Secret('user_data with a key', {'user_data': _base64(f'#!/bin/sh\n{PEM}')},
           _base64(f'#!/bin/sh\n{PEM}')),
    Secret('user_data, base64 within',
           {'user_data': _base64(f'content: {_base64(_CLOUD_INIT)}')},
           _base64(_CLOUD_INIT)),
    Secret('personality',
           {'personality': [{'path': '/etc/a', 'contents':
                             _base64(_CLOUD_INIT)}]},
           _base64(_CLOUD_INIT)),
    Secret('personality in JSON',
           json.dumps({'personality': [{'path': '/etc/a', 'contents':
                                        _base64(_CLOUD_INIT)}]}),
           _base64(_CLOUD_INIT)),
    Secret('adminPass in an action', {'changePassword': {'adminPass': PLAIN}},
           PLAIN),
    Secret('hash of a password', 'passwd: $6$' + _word(8) + '$' + _word(86),
           _word(86)),
    # XML.
    Secret('XML', f'<adminPass>{PLAIN}</adminPass>', PLAIN),
    Secret('XML in lines', f'<password>\n  {PLAIN}\n</password>', PLAIN),
    Secret('XML with attributes', f'<secret a="b">{PLAIN}</secret>', PLAIN),
    Secret('XML attribute', f"<graphics type='vnc' passwd='{PLAIN}'/>", PLAIN),
    Secret('XML, escaped', f'&lt;password&gt;{PLAIN}&lt;/password&gt;', PLAIN),
    # Bytes.
    Secret('bytes', f'password={PLAIN}'.encode(), PLAIN),
    Secret('bytes that are no text', b'\xff\xfe password=' + PLAIN.encode(),
           PLAIN),
]  # fmt: skip


def encodings(secret):
    """Return a secret in each way that it could reappear (list of str).

    For base64 within base64 that is its middle, which is the same whatever
    is around it.
    """
    # Most of what escapes leaves a plain secret as it is.
    return list(dict.fromkeys(_encodings(secret)))


def _encodings(secret):
    data = secret.encode()
    yield secret
    for quoted in (
        parse.quote(secret, safe=''),
        parse.quote(secret),
        parse.quote_plus(secret),
        parse.quote_plus(secret, safe='/'),
    ):
        yield quoted
        yield re.sub('%..', lambda each: each[0].lower(), quoted)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(data).decode()
        yield encode(data).decode().rstrip('=')
        for shift in range(3):
            first = (shift * 8 + 5) // 6
            last = (shift + len(data)) * 8 // 6
            yield encode(b'\0' * shift + data + b'\0' * 3).decode()[first:last]
    yield data.hex()
    yield data.hex().upper()
    for ascii_only in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
    yield ''.join(f'\\u{ord(each):04x}' for each in secret)
    yield ''.join(f'\\u{ord(each):04X}' for each in secret)
    yield repr(secret)[1:-1]
    yield repr(repr(secret)[1:-1])[1:-1]
    yield repr(data)[2:-1]
    yield ''.join(f'\\x{each:02x}' for each in data)
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
