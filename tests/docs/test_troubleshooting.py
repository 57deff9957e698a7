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

"""The page about violations: each bad test fails, each mended one passes."""

# Nova goes first: it patches the standard library for eventlet.
import safe_fixtures.nova  # noqa: F401  # isort: skip

import doctest
import importlib.util
import os
import pathlib
import re
import shutil
import sys
import textwrap

import fixtures
import testtools

from safe_fixtures import rules
from tests.support import settings

SOURCE = pathlib.Path(__file__).resolve().parents[2] / 'doc' / 'source'
EXAMPLES = SOURCE.parents[1] / 'safe_fixtures' / 'cli' / 'examples'
PAGE = SOURCE / 'how-to' / 'troubleshoot.rst'
# What a bad test needs besides, as the page says.
SETTINGS = {
    'SF101': {'latest_policy': 'refuse'},
    'SF206': {'lock_timeout': '0'},
}
# These bad tests fail without guards as well: Nova or the system refuses what
# they do. SF202 holds whatever the mode is.
FAIL_ANYWAY = {'SF102', 'SF202', 'SF205', 'SF401'}


def _classes(code, directory):
    name = f'{__name__}_{code.lower()}'
    # Where a user has tests: lines of the package itself are never named.
    path = shutil.copy(EXAMPLES / f'{code.lower()}.py', directory)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # Where tracebacks look for it.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module.TestBad, module.TestMended


def _sections():
    """Return the text about each rule, by its code."""
    parts = re.split(
        r'^(SF\d+)(?:: .*)?\n-+\n', PAGE.read_text('utf-8'), flags=re.MULTILINE
    )
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _message(section):
    """Return the message that a section quotes, in one line."""
    block = re.search(
        r'^\.\. code-block:: text\n\n((?:   .*\n|\n)+)', section, re.MULTILINE
    )
    return ' '.join(textwrap.dedent(block[1]).split())


class TestTroubleshooting(testtools.TestCase):
    def setUp(self):
        super().setUp()
        # One of the bad tests leaves a variable behind.
        self.addCleanup(os.environ.update, dict(os.environ))
        self.addCleanup(os.environ.clear)

    def run_example(self, code, cls):
        options = {'rule_modes': f'{code}:enforce', **SETTINGS.get(code, {})}
        self.useFixture(settings.options(**options))
        result = testtools.TestResult()
        cls('test').run(result)
        self.assertEqual(1, result.testsRun)
        return [text for _, text in result.errors + result.failures]

    def check(self, code):
        directory = self.useFixture(fixtures.TempDir()).path
        bad, mended = _classes(code, directory)
        self.assertEqual([], self.run_example(code, mended))
        said = ' '.join('\n'.join(self.run_example(code, bad)).split())
        self.assertIn(f'{code}', said)
        # A full stop and an ellipsis would be four dots.
        quoted = _message(_sections()[code]).rstrip('.')
        checker = doctest.OutputChecker()
        self.assertTrue(
            checker.check_output(f'...{quoted}...', said, doctest.ELLIPSIS),
            f'the page quotes\n{quoted}\nand the test says\n{said}',
        )

    def test_mode_audit_fails_no_test(self):
        directory = self.useFixture(fixtures.TempDir()).path
        failed = set()
        for code in rules.RULES:
            bad, _ = _classes(code, directory)
            with settings.options(
                **{**SETTINGS.get(code, {}), 'mode': 'audit'}
            ):
                result = testtools.TestResult()
                bad('test').run(result)
            if not result.wasSuccessful():
                failed.add(code)
        self.assertEqual(FAIL_ANYWAY, failed)

    def test_every_rule_has_a_section(self):
        self.assertEqual(list(rules.RULES), list(_sections()))


def _add_test(code):
    def test(self):
        self.check(code)

    test.__name__ = f'test_{code.lower()}'
    setattr(TestTroubleshooting, test.__name__, test)


for _code in rules.RULES:
    _add_test(_code)
