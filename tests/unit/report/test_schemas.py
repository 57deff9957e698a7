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


"""What ``-f json`` prints, against the schemas that the package ships."""

from importlib import resources
import json

import jsonschema

from tests.unit.cli import base
from tests.unit.report import base as report_base

SCHEMAS = {
    path.name: json.loads(path.read_text())
    for path in (resources.files('safe_fixtures') / 'report/schemas').iterdir()
}
COMMANDS = {
    'rules-1.json': ('rules', '-f', 'json'),
    'summary-1.json': ('report', '-f', 'json', 'DIR'),
    'violations-1.json': ('report', '--violations', '-f', 'json', 'DIR'),
}


class TestSchemas(base.TestCase, report_base.TestCase):
    def printed(self, name):
        directory = self.directory
        code, out, err = self.command(
            *(directory if word == 'DIR' else word for word in COMMANDS[name])
        )
        self.assertEqual('', err)
        return json.loads(out)

    def assertValid(self):
        for name in COMMANDS:
            with self.subTest(schema=name):
                rows = self.printed(name)
                jsonschema.Draft202012Validator(SCHEMAS[name]).validate(rows)
                self.assertNotEqual([], rows)
                # All that is printed is in the schema.
                self.assertEqual(
                    SCHEMAS[name]['items']['required'], list(rows[0])
                )

    def test_names(self):
        self.assertEqual(set(COMMANDS), set(SCHEMAS))
        for name, schema in SCHEMAS.items():
            jsonschema.Draft202012Validator.check_schema(schema)
            kind, version = name.removesuffix('.json').split('-')
            self.assertEqual(f'urn:safe_fixtures:{kind}:{version}',
                             schema['$id'])  # fmt: skip
            self.assertTrue(schema['title'].endswith(f', version {version}'))

    def test_output(self):
        self.run_of(('a.T.test', 'fail', 1.5), tests=3)
        self.violate()
        self.violate('SF301', mode='enforce', where=None)
        self.violate('SF303', waiver={'reason': 'so', 'pattern': '*'})
        self.violate('SF401', expected=[])
        self.assertValid()

    def test_hostile(self):
        self.run_of(*((name, 'fail', 1) for name in report_base.HOSTILE))
        for text in report_base.HOSTILE:
            with self.trail('1', text) as trail:
                trail.record('deny', text, code=text, message=text)
        self.assertValid()

    def test_they_refuse_what_is_wrong(self):
        self.violate()
        for name in COMMANDS:
            validator = jsonschema.Draft202012Validator(SCHEMAS[name])
            rows = self.printed(name)
            for field in rows[0]:
                for wrong in (
                    {k: v for k, v in rows[0].items() if k != field},
                    rows[0] | {field: None},
                ):
                    self.assertFalse(validator.is_valid([wrong]), wrong)
            self.assertTrue(validator.is_valid([rows[0] | {'new': 1}]))
