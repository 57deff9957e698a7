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

"""Which names hold a secret, and that there is one list of them."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import fixtures
from oslo_utils import strutils

from safe_fixtures.redaction import names
from tests.support import base

# Looks like nothing, so that only the name can give it away.
SECRET = 'Zt7' + 'kQ2mXw9Lp'
# How a field called "hush" shows, by the kind of place.
PLACES = {
    'dictionary': {'os_hush': SECRET},
    'text': f'os_hush={SECRET} and more',
    'JSON': f'{{"os_hush": "{SECRET}"}}',
    'header': ('X-Hush', SECRET),
    'header in text': f'X-Hush: {SECRET}\r\nHost: a',
    'URL query': f'http://host/path?hush={SECRET}&a=b',
    'command line': f'tool --hush {SECRET} -v',
    'command line in a list': str(['tool', '--hush', SECRET, '-v']),
    'XML': f'<hush>{SECRET}</hush>',
}
SCRIPT = f"""
from safe_fixtures import redaction
from safe_fixtures.guards.posture import process_probes
for place, value in {PLACES!r}.items():
    masked = {SECRET!r} not in str(redaction.Redactor().redact(value))
    print(place, masked)
said = process_probes.EnvironProbe().describe('OS_HUSH_FILE', {SECRET!r})
print('environment', {SECRET!r} not in said)
"""


class TestList(base.TestCase):
    def masked_places(self, *, with_hush):
        """Redact in a copy of the package; return the places masked."""
        directory = self.useFixture(fixtures.TempDir()).path
        copy = pathlib.Path(directory, 'safe_fixtures')
        shutil.copytree(pathlib.Path(base.ROOT, 'safe_fixtures'), copy)
        if with_hush:
            source = copy / 'redaction' / 'names.py'
            text, number = re.subn(
                r'^SECRET_NAMES = \{$',
                "SECRET_NAMES = {\n    'hush': ('hush',),",
                source.read_text(),
                flags=re.MULTILINE,
            )
            self.assertEqual(1, number)
            source.write_text(text)
        done = subprocess.run(
            [sys.executable, '-c', SCRIPT],
            env={**os.environ, 'PYTHONPATH': directory},
            cwd=directory,
            capture_output=True,
            text=True,
        )
        self.assertEqual('', done.stderr)
        lines = [line.rpartition(' ') for line in done.stdout.splitlines()]
        self.assertEqual(
            [*PLACES, 'environment'], [place for place, _, _ in lines]
        )
        return [place for place, _, masked in lines if masked == 'True']

    def test_a_name_is_added_in_one_place(self):
        self.assertEqual(
            [*PLACES, 'environment'], self.masked_places(with_hush=True)
        )

    def test_without_it_none_is_masked(self):
        self.assertEqual([], self.masked_places(with_hush=False))

    def test_each_name_has_its_root(self):
        for root, endings in names.SECRET_NAMES.items():
            for ending in endings:
                with self.subTest(root=root, endings=endings, ending=ending):
                    # The pattern for the rest of a name begins with the root.
                    self.assertIn(root.rstrip('='), ending)
            self.assertIn(root, names.FIELD_NAMES)


class TestNames(base.TestCase):
    def test_all_that_oslo_utils_masks(self):
        for name in strutils._SANITIZE_KEYS:
            with self.subTest(name=name):
                self.assertTrue(names.is_secret_name(name), name)
                self.assertTrue(names.has_root(name), name)

    def test_secret_names(self):
        for name in (
            'password', 'adminPass', 'new-pass', 'X-Auth-Token', 'token42',
            'OS_PASSWORD', 'neutron.admin_password', 'HTTP_X_AUTH_TOKEN',
            'access_key_id', 'private_key', 'API-Key', 'Set-Cookie',
            'Proxy-Authorization', 'secret_uuid', 'X-Amz-Signature',
        ):  # fmt: skip
            with self.subTest(name=name):
                self.assertTrue(names.is_secret_name(name), name)

    def test_other_names(self):
        for name in (
            '', 'name', 'pass', 'bypass', 'passed', 'password_valid', 'key',
            'key_name', 'public_key', 'num_tokens', 'tokenid', 'secret_id',
            'design', 'signature_version', 'password.expires', 'auth',
        ):  # fmt: skip
            with self.subTest(name=name):
                self.assertFalse(names.is_secret_name(name), name)

    def test_holders(self):
        for name in ('user_data', 'userdata', 'contents', 'my_content'):
            with self.subTest(name=name):
                self.assertTrue(names.is_holder(name), name)
        for name in ('', 'data', 'content_type', 'password'):
            with self.subTest(name=name):
                self.assertFalse(names.is_holder(name), name)

    def test_names_that_hint_at_a_secret(self):
        for name in (
            'TOKEN_FILE', 'KEYS', 'PGPASSFILE', 'PRIVATE', 'HTTP_AUTH',
        ):  # fmt: skip
            with self.subTest(name=name):
                self.assertTrue(names.may_be_secret(name), name)
        for name in ('', 'HOME', 'LANG', 'AUTHOR', 'CONTENT_TYPE'):
            with self.subTest(name=name):
                self.assertFalse(names.may_be_secret(name), name)
