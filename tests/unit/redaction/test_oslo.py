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

"""What oslo.utils masks, the redactor masks: each name in each shape."""

import collections

from oslo_utils import strutils

from safe_fixtures import redaction
from tests.support import base

# Assembled, so that no tool takes this file itself for a leak.
SECRET = 'TL0' + 'EfN33'
# The shapes of the tests of oslo.utils; {name} has a form of each name.
SHAPES = (
    "{{'{name}':'{secret}'}}",
    "{{ '{name}' : '{secret}' }}",
    '{{"{name}": "{secret}"}}',
    "{{'{name}': u'{secret}'}}",
    "{{ '{name}' :\n '{secret}' }}",
    '{{"{name}":\n    "{secret}"}}',
    '<{name}>{secret}</{name}>',
    '<{name}>\n    {secret}\n  </{name}>',
    "{name}='{secret}'",
    "{name} = '{secret}'",
    '{name} = "{secret}"',
    '{name}="{secret}"',
    '{name} =\n  "{secret}"',
    'body: {{"changePassword": {{"{name}": "{secret}"}}}}',
    '<rebuild\n    name="foobar"\n    {name}="{secret}">\n  <metadata>',
    '<rescue xmlns="http://docs.openstack.org/compute/api/v1.1"\n'
    '    {name}="{secret}"/>',
    "test = '{name}'  :   '{secret}'",
    'mysqld --{name} "{secret}"',
    'mysqld --{name} {secret}',
    'mysqld --{name}\n{secret}',
    'mysqld --{name}={secret}',
    'mysqld --{name} = "{secret}"',
    "mysqld --{name} = '{secret}'",
    'mysqld --{name} = {secret}',
    'test = {name} =   {secret}',
    'test = {name}=   {secret}',
    'test = {name} ={secret}',
    'test = {name}={secret}',
    'test = "original_{name}" : "{secret}"',
    'test = "original_{name}" : "aaaaa"{secret}"',
    "{{'{name}':'TL0E'{secret}'}}",
    "test = 'node.session.auth.{name}','-v','{secret}','nomask'",
    "test = 'node.session.auth.{name}', '--value', '{secret}', 'nomask'",
    "test = 'node.session.auth.{name}', '--{name}', '{secret}', 'nomask'",
    'test = node.session.auth.{name} -v {secret} nomask',
    'test = node.session.auth.{name} --{name} {secret} nomask',
    'test = node.session.auth.{name} --{name} {secret}',
    'test = cmd --{name} my\xe9\x80\x80{secret}',
    "Namespace(passcode='', username='', {name}='my\"{secret}',\n"
    "profile='', verify=None, token='')",
)  # fmt: skip
# Of a name, as they are masked; the last stand only in a mapping.
FORMS = (
    '{}', '{}1', '{}42', 'os_{}', 'Admin{}', 'x-{}', 'neutron.{}', 'my{}0',
)  # fmt: skip
FORMS_IN_MAPPING = (*FORMS, '{}_old', '{}_backup', 'new_{}_plain')


def _names(forms):
    for key in strutils._SANITIZE_KEYS:
        for form in forms:
            name = form.format(key)
            yield name
            yield name.upper()
            yield name.title()


class Nested(collections.UserDict):
    """A mapping that is no dict."""


class TestLikeOslo(base.TestCase):
    def setUp(self):
        super().setUp()
        self.redactor = redaction.Redactor()

    def test_each_name_in_each_shape(self):
        for name in _names(FORMS):
            for shape in SHAPES:
                text = shape.format(name=name, secret=SECRET)
                if SECRET not in self.redactor.redact(text):
                    continue
                # They do not mask it either.
                with self.subTest(name=name, shape=shape):
                    self.assertIn(SECRET, strutils.mask_password(text))

    def test_they_mask_nearly_all(self):
        texts = [shape.format(name='password', secret=SECRET)
                 for shape in SHAPES]  # fmt: skip
        masked = [SECRET not in strutils.mask_password(each) for each in texts]
        self.assertGreater(sum(masked), len(SHAPES) - 3)

    def test_each_name_in_a_mapping(self):
        for name in _names(FORMS_IN_MAPPING):
            with self.subTest(name=name):
                for value in (
                    {name: SECRET},
                    {'a': {name: SECRET}},
                    Nested({'a': Nested({name: SECRET})}),
                    {'a': [{name: SECRET}, 'b']},
                    {name: SECRET.encode()},
                ):
                    self.assertNotIn(SECRET, str(self.redactor.redact(value)))

    def test_texts_in_a_mapping(self):
        for value in (
            {'args': [f'--password {SECRET}', 'safe']},
            {'creds': (f'--password {SECRET}', 'bar')},
            {'data': [[f'--password {SECRET}'], 'plain']},
            {'somekey': f'test = cmd --password my\xe9\x80\x80{SECRET}'},
        ):
            with self.subTest(value=value):
                # The lowest version of oslo.utils masks none of these.
                self.assertNotIn(SECRET, str(self.redactor.redact(value)))

    def test_what_names_no_secret_stays(self):
        for value in (
            {'items': [1, 2.0, None, True, 'no secrets here']},
            {'token_expires_at': '2026-11-22T12:00:00Z'},
            {'password_valid': 'True1x', 'secret_ref': 'http://k/v1/secrets'},
            {'token_type': 'Bearer', 'secret_id': 'Zt7kQ2mXw9Lp'},
            {'secret_container': '7d3f2c64-0f1b-4b0e-9c53-3a8b2cf0a1de'},
            {'password_policy': 'strict2', 'token_hint': 'of the user'},
            'test = "param1" : "value"',
        ):
            with self.subTest(value=value):
                self.assertEqual(value, self.redactor.redact(value))
