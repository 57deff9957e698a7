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

import re
import shlex
from unittest import mock

from safe_fixtures.cli import report
from safe_fixtures.cli import rules
from safe_fixtures.cli import run
from tests.unit.cli import runs

COMMANDS = {'run': run.Run, 'report': report.Report, 'rules': rules.Rules}


class TestHelp(runs.TestCase):
    def test_examples(self):
        (self.home / 'yesterday').mkdir()
        for name, command in COMMANDS.items():
            with self.subTest(name=name), self.in_home():
                code, out, _ = self.command(name, '--help')
                self.assertEqual(0, code)
                found = re.findall(
                    rf'^    safe-fixtures {name}(.*)$', out, re.M
                )
                self.assertGreaterEqual(len(found), 3)
                parser = command(mock.sentinel.app, None).get_parser(name)
                for example in found:
                    parser.parse_args(shlex.split(example))

    def test_groups(self):
        _, out, _ = self.command('run', '--help')
        titles = [
            line[:-1] for line in out.splitlines() if re.match(r'\w.*:$', line)
        ]
        self.assertEqual(
            [
                'options', 'what to run', 'how to run it',
                'what is kept and told', 'measuring', 'output formatters',
                'CSV Formatter', 'json formatter', 'table formatter',
                'examples', 'exit codes',
            ],
            titles,
        )  # fmt: skip
