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


from safe_fixtures.redaction import shapes
from tests.support import base
from tests.support import secret_shapes

FOUND = [
    ('Bearer ' + 'aB3-' * 6, 'token'),
    (secret_shapes.JWT, 'JWT'),
    (secret_shapes.JWE, 'JWT'),
    (secret_shapes.FERNET, 'fernet token'),
    (secret_shapes.PEM.rstrip(), 'private key'),
    (secret_shapes.OPENSSH.rstrip(), 'private key'),
    ('AKIA' + 'ABCD' * 4, 'AWS key'),
    ('ghp' + '_' + 'aB3' * 12, 'GitHub token'),
    ('github' + '_pat_' + 'aB3_' * 12, 'GitHub token'),
    ('glpat' + '-' + 'aB3-' * 5, 'GitLab token'),
    ('xoxb' + '-' + '12345-' * 4 + 'a', 'Slack token'),
    ('AIza' + 'aB3_-' * 7, 'Google key'),
    ('npm' + '_' + 'aB3' * 12, 'npm token'),
    ('hvs' + '.' + 'aB3' * 12, 'Vault token'),
    ('AGE-SECRET' + '-KEY-1' + 'AB' * 29, 'private key'),
    ('$6$' + 'salt$' + 'aB3./' * 17, 'password hash'),
    ('$2b$12$' + 'aB3' * 17 + 'ab', 'password hash'),
    (f'Private-Lines: 1\n{secret_shapes.PEM_LINE}', 'private key'),
    ('BgkqhkiG9w0BAQEFAASC' + 'aB3c' * 20, 'private key'),
    ('b3BlbnNzaC1r' + 'ZXktdjEAAAAA' + 'aB3c' * 20, 'private key'),
]
NOT_FOUND = [
    'Bearer token-authentication-is-required',
    'Bearer realm="https://a1/token"',
    'Bearer 12345678901234567890123',
    '',
    'eyJ',
    'eyJhbGciOiJSUzI1NiJ9',
    'eyJhbGciOiJSUzI1NiJ9.and then',
    'gAAAAABshort',
    'AKIA of ghp_ and xox AIza $6$ hvs. npm_config',
    '-----BEGIN PRIVATE' + ' KEY-----',
    'it has no -----BEGIN RSA PRIVATE' + ' KEY----- in it',
    '-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcN\n-----END PUBLIC KEY-----',
    '-----BEGIN CERTIFICATE-----\nMIIDCTCCAfGg\n-----END CERTIFICATE-----',
    'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDHx7XvFfnTNUuYOuT user@host',
    '7d3f2c64-0f1b-4b0e-9c53-3a8b2cf0a1de',
    'd41d8cd98f00b204e9800998ecf8427e' * 4,
    'PRIVATE network, PRIVATE KEY',
    'b3BlbnNzaC1r' + 'ZXktdjE and more',
    'Private-Lines: ',
]


class TestFind(base.TestCase):
    def test_finds_exactly_what_is_secret(self):
        for secret, kind in FOUND:
            for before, after in (
                ('', ''),
                ('see ', ' there'),
                ('a\\n', '\\nb'),
                ('{"x": "', '"}'),
                ("b'", "'"),
            ):
                with self.subTest(
                    secret=secret, kind=kind, before=before, after=after
                ):
                    (shape,) = shapes.find(before + secret + after)
                    self.assertEqual(kind, shape.kind)
                    found = (before + secret + after)[shape.start : shape.end]
                    self.assertEqual(secret, found)

    def test_finds_each(self):
        for secret, kind in FOUND:
            with self.subTest(secret=secret, kind=kind):
                text = f'{secret} and {secret}'
                self.assertEqual(
                    [kind] * 2, [shape.kind for shape in shapes.find(text)]
                )

    def test_finds_nothing_else(self):
        for text in NOT_FOUND:
            with self.subTest(text=text):
                self.assertEqual([], list(shapes.find(text)), text)

    def test_a_key_that_is_cut_off_ends_with_its_lines(self):
        cut = secret_shapes.PEM[:200]
        text = f'{cut}\nand more of the log'
        (shape,) = shapes.find(text)
        self.assertEqual(cut, text[shape.start : shape.end])

    def test_two_keys_of_which_the_first_is_cut_off(self):
        cut = secret_shapes.PEM[:200]
        text = f'{cut}\nthis stays\n{secret_shapes.PEM}'
        first, second = shapes.find(text)
        self.assertEqual(cut, text[first.start : first.end])
        self.assertEqual(
            secret_shapes.PEM.rstrip(), text[second.start : second.end]
        )

    def test_a_certificate_before_and_after_stays(self):
        public = NOT_FOUND[9]
        text = f'{public}\n{secret_shapes.PEM}{public}'
        (shape,) = shapes.find(text)
        self.assertEqual(
            secret_shapes.PEM.rstrip(), text[shape.start : shape.end]
        )

    def test_looks_only_for_what_is_in_the_words(self):
        text = ' '.join(secret for secret, _ in FOUND)
        words = '\n'.join(set(text.split()))
        self.assertEqual(
            list(shapes.find(text)),
            list(shapes.find(text, words)),
        )
