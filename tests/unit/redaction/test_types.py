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

"""Secrets in values whose class says something else than they hold."""

import enum
import json

from safe_fixtures import audit
from safe_fixtures import redaction
from tests.support import base
from tests.support import lying

KINDS = {'data': lambda text: lying.Data(text.encode()), **lying.KINDS}
SECRET = 's3cretvalue'


def raw(value):
    """Return the text that a value holds."""
    if isinstance(value, bytes):
        return bytes.decode(value)
    return str.__str__(value)


class TestTypes(base.TestCase):
    def redact(self, value, *secrets):
        return redaction.Redactor(secrets).redact(value)

    def test_text(self):
        for name, kind in KINDS.items():
            with self.subTest(name):
                masked = self.redact(kind('password=hunter22'))
                self.assertEqual('password=***', raw(masked))
                self.assertIn(type(masked), (str, bytes))
                self.assertEqual('no more', raw(self.redact(kind('no more'))))

    def test_values(self):
        for name, kind in KINDS.items():
            with self.subTest(name):
                masked = self.redact(
                    {'adminPass': kind(SECRET), 'x': kind('y')}
                )
                self.assertEqual('***', raw(masked['adminPass']))
                self.assertEqual('y', raw(masked['x']))

    def test_keys(self):
        for name, kind in KINDS.items():
            with self.subTest(name):
                for key, expected in (('adminPass', '***'), ('name', SECRET)):
                    masked = self.redact({kind(key): SECRET})
                    self.assertEqual([expected], list(masked.values()), key)
                    self.assertEqual([key], list(map(raw, masked)))
                    # A name is remembered as it is, not as it claims.
                    self.assertEqual(
                        {key: expected}, self.redact({key: SECRET})
                    )  # fmt: skip

    def test_named_by_another_field(self):
        for name, kind in lying.KINDS.items():
            with self.subTest(name):
                item = {kind('name'): kind('DB_PASSWORD'), kind('value'): 'x1'}
                self.assertEqual('***', self.redact(item)['value'])
                item = {kind('name'): kind('COLOR'), kind('value'): 'x1'}
                self.assertEqual('x1', self.redact(item)['value'])

    def test_pairs(self):
        for name, kind in KINDS.items():
            with self.subTest(name):
                for pair in (
                    (kind('adminPass'), SECRET),
                    [kind('token'), SECRET],
                ):
                    self.assertEqual('***', self.redact(pair)[1])
                self.assertEqual(
                    SECRET, self.redact((kind('name'), SECRET))[1]
                )

    def test_arguments(self):
        for name, kind in KINDS.items():
            with self.subTest(name):
                masked = self.redact(['mysql', kind('-pS3cret9'), kind('-v')])
                self.assertEqual(
                    ['mysql', '-p***', '-v'], list(map(raw, masked))
                )

    def test_learned(self):
        for name, kind in KINDS.items():
            with self.subTest(name):
                self.assertEqual(
                    'a *** b', self.redact(f'a {SECRET} b', kind(SECRET))
                )
                self.assertEqual('***', raw(self.redact(kind(SECRET), SECRET)))

    def test_members_of_other_enumerations(self):
        class Secret(enum.Enum):
            IT = SECRET

        masked = self.redact({'adminPass': Secret.IT, 'name': Secret.IT})
        self.assertEqual({'adminPass': '***', 'name': Secret.IT}, masked)

    def test_numbers(self):
        for number in (lying.Number(555666), 555666):
            self.assertEqual(
                {'adminPass': '***'}, self.redact({'adminPass': number})
            )

    def test_in_the_record(self):
        for name, kind in KINDS.items():
            with self.subTest(name):
                with audit.AuditTrail() as trail:
                    trail.record(
                        'monitor/microversion',
                        'x',
                        **{
                            'a': {kind('adminPass'): kind(SECRET)},
                            'b': kind('z'),
                        },
                    )
                shown = json.dumps(trail.events)
                self.assertNotIn(SECRET, shown)
                self.assertNotIn('harmless', shown)
                self.assertEqual(
                    'z', raw_of(audit.details(trail.events[0])['b'])
                )


def raw_of(value):
    # JSON has no bytes; they are shown as text.
    return value.removeprefix("b'").removesuffix("'")
