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
import html
import json
from urllib import parse

import hypothesis
from hypothesis import strategies as st

from safe_fixtures import redaction
from tests.support import base
from tests.support import secret_shapes

_FEW = hypothesis.settings(max_examples=80)
# What the grammars of secrets are made of, so that their parts meet.
_PIECES = st.sampled_from([
    'password', 'token', 'secret_key', 'Authorization', 'Cookie', 'user_data',
    'X-Auth-Token', 'adminPass', 'contents', 'key', 'id', 'Bearer ', 'none',
    '=', ': ', ':', '"', "'", '\\', '\\"', "\\'", '\\n', ',', ' ', '\n', '\t',
    '{', '}', '[', ']', '(', ')', '<', '>', '</', '/>', '&', '&lt;', '&gt;',
    '&quot;', '%', '%3D', '%40', '%3A%2F%2F', '%25', '--', '?', '/', '://',
    ':\\/\\/', '@', '#', ';', '***', '*', '$', '$6$a$', 'a', 'Zt7kQ2', '5672',
    'host', 'eyJ', '.', 'gAAAA', 'AKIA', 'LS0tLS1CRUdJTi', '-----BEGIN ',
    'RSA PRIVATE' + ' KEY', '-----', '-----END ', 'A' * 20, 'YWJj', "b'",
    '=>',
    '\u0130', '\u00e4',
])  # fmt: skip
_SOUP = st.lists(_PIECES, max_size=25).map(''.join)
_SHAPE = st.sampled_from(secret_shapes.SECRETS)

# Lines as Nova logs them, none of which holds a secret.
_WORD = st.sampled_from([
    'instance', 'Took', 'seconds', 'to', 'build', 'host1', 'compute', 'the',
    'token', 'password', 'secret', 'adminPass', 'key', 'X-Auth-Token', 'for',
    'os-reset-password', 'os_compute_api:os-admin-password', 'allocation',
    'credentials', 'cookie', 'user_data', 'passed', 'is', 'resource',
])  # fmt: skip
_NAME = st.sampled_from([
    'key_name', 'name', 'host', 'password_valid', 'flavorRef', 'imageRef',
    'status', 'token_expires', 'auth_url', 'checksum', 'task_state', 'keys',
    'encryption_key_id', 'config_drive', 'num_tokens',
])  # fmt: skip
_HEX = st.text('0123456789abcdef', min_size=32, max_size=32)
_PLAIN = st.one_of(
    st.uuids().map(str),
    _HEX,
    st.integers().map(str),
    st.sampled_from(['None', 'True', 'ACTIVE', 'host1', 'a b', 'm1.small']),
    st.uuids().map('http://127.0.0.1:8774/v2.1/servers/{}'.format),
)
_FIELD = st.tuples(
    _NAME, st.sampled_from(['{}={}', '{}: {}', "'{}': '{}'", '"{}": "{}"']),
    _PLAIN,
).map(lambda given: given[1].format(given[0], given[2]))  # fmt: skip
# It says which secret.
_REFERENCE = st.sampled_from(
    ['req-{}', "vtpm_secret_uuid='{}'", '<encryption secret="{}"/>']
).flatmap(lambda form: st.uuids().map(form.format))
_LINE = st.lists(st.one_of(_WORD, _FIELD, _REFERENCE), max_size=9).map(
    ' '.join
)
_LOG = st.lists(_LINE, max_size=6).map('\n'.join)

_VALUES = st.recursive(
    st.one_of(_SOUP, _SOUP.map(str.encode), st.binary(), st.integers(),
              st.none(), st.booleans(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(_PIECES, st.integers()), inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip
_SECRET = st.text(
    st.one_of(
        st.characters(min_codepoint=32, max_codepoint=126),
        st.sampled_from('\u00e4\u0439\n\t\\"\'&<'),
    ),
    min_size=6,
    max_size=24,
)


class TestProperties(base.TestCase):
    @_FEW
    @hypothesis.given(_VALUES)
    def test_idempotent_of_the_same_type_and_pure(self, value):
        before = repr(value)
        redactor = redaction.Redactor()
        masked = redactor.redact(value)
        self.assertIs(type(value), type(masked))
        self.assertEqual(masked, redactor.redact(masked))
        self.assertEqual({}, redactor.redact_and_count(masked)[1])
        self.assertEqual(before, repr(value))

    @hypothesis.settings(_FEW, max_examples=400)
    @hypothesis.given(_SOUP)
    def test_idempotent_whatever_meets(self, text):
        redactor = redaction.Redactor()
        masked = redactor.redact(text)
        self.assertEqual(masked, redactor.redact(masked))

    @hypothesis.settings(_FEW, max_examples=200)
    @hypothesis.given(_LOG)
    def test_what_holds_no_secret_stays(self, log):
        self.assertEqual(log, redaction.Redactor().redact(log))
        self.assertEqual([log], redaction.Redactor().redact([log]))
        self.assertEqual(
            log.encode(), redaction.Redactor().redact(log.encode())
        )

    @hypothesis.settings(_FEW, max_examples=300)
    @hypothesis.given(_SHAPE, _LOG, _LOG)
    def test_a_shape_within_a_log(self, shape, before, after):
        text = f'{before}\n{shape.text}\n{after}'
        masked = redaction.Redactor().redact(text)
        self.assertNotIn(shape.secret, masked)
        self.assertTrue(masked.startswith(before), masked)
        self.assertTrue(masked.endswith(after), masked)

    @_FEW
    @hypothesis.given(_SECRET, _LOG, _SOUP)
    def test_what_was_learned_never_comes_out(self, secret, before, after):
        redactor = redaction.Redactor()
        hypothesis.assume(redactor.learn(secret))
        for form in secret_shapes.encodings(secret):
            for text in (
                f'{before}{form}{after}',
                json.dumps({'x': f'{before} {form}'}),
                repr(f'{before} {form} {after}'),
            ):
                with self.subTest(form=form, text=text):
                    masked = redactor.redact(text)
                    self.assertNotIn(form, masked)
                    self.assertEqual(masked, redactor.redact(masked))

    @_FEW
    @hypothesis.given(_SECRET, st.binary(max_size=9), st.binary(max_size=9))
    def test_what_was_learned_within_encoded_text(self, secret, left, right):
        redactor = redaction.Redactor()
        hypothesis.assume(redactor.learn(secret))
        data = left + secret.encode() + right
        for text in (
            base64.b64encode(data).decode(),
            base64.urlsafe_b64encode(data).decode(),
            data.hex(),
            parse.quote(data),
            repr(data),
        ):
            with self.subTest(text=text):
                self.assertIn('***', redactor.redact(text))
        for escape in (json.dumps, repr, html.escape, parse.quote_plus):
            for again in (json.dumps, repr, html.escape):
                with self.subTest(escape=escape, again=again):
                    text = f'see {again(escape(secret))}'
                    self.assertIn('***', redactor.redact(text))
