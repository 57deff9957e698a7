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

"""What README promises, done."""

# Nova goes first: it patches the standard library for eventlet.
import safe_fixtures.nova  # noqa: F401  # isort: skip

import configparser
import importlib.util
import pathlib
import re
import textwrap
import types

import testtools
from testtools import matchers

from safe_fixtures import audit
from safe_fixtures.nova import pins
from safe_fixtures import summary

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / 'README.rst').read_text('utf-8')
REVIEWED = 'nova.tests.functional.regressions.test_bug_1679750'


def _hunks():
    """Return what the diff in README takes out and puts in, in pairs."""
    block = re.search(
        r'^\.\. code-block:: diff\n\n((?:   .*\n|\n)+)', README, re.MULTILINE
    )
    diff = textwrap.dedent(block.group(1)).strip('\n')
    for hunk in diff.split('\n\n'):
        lines = [(line[0], line[1:]) for line in hunk.splitlines()]
        yield tuple(
            '\n'.join(text for sign, text in lines if sign in f' {kept}')
            for kept in '-+'
        )


def _source_of_reviewed_test():
    return pathlib.Path(importlib.util.find_spec(REVIEWED).origin).read_text(
        'utf-8'
    )


def _patched(source):
    for before, after in _hunks():
        if source.count(before) != 1:
            raise AssertionError(f'README takes out what is not in: {before}')
        source = source.replace(before, after)
    return source


def _reviewed_test(source):
    module = types.ModuleType(f'{__name__}_reviewed')
    exec(compile(source, 'README.rst', 'exec'), vars(module))
    cls = module.TestLocalDeleteAllocations
    cls.__module__ = __name__
    return cls


_After = _reviewed_test(_patched(_source_of_reviewed_test()))


class TestLocalDeleteAllocations(_After):
    """The reviewed test of Nova, as README changes it."""

    def setUp(self):
        super().setUp()
        # It runs while the API is alive, and after what the test registers.
        self.addCleanup(self._assert_as_promised)

    def _assert_as_promised(self):
        self.assertEqual([], self.api.get_servers())
        (entry,) = self.service_toggle.ledger
        self.assertFalse(entry.before.forced_down)
        self.assertTrue(entry.after.forced_down)
        self.assertThat(str(entry.restored), matchers.StartsWith('record'))
        served = {
            audit.details(event)['served']
            for event in self.audit_trail.events
            if event['action'] == 'configure/microversion'
        }
        self.assertEqual({pins.vetted_microversion()}, served)


del _After


class TestReadme(testtools.TestCase):
    def test_diff_is_about_ten_lines(self):
        lines = sum(
            len((before + '\n' + after).splitlines())
            for before, after in _hunks()
        )
        self.assertIn(lines, range(6, 15))

    def test_diff_must_fit(self):
        self.assertRaises(AssertionError, _patched, 'something else')

    def test_test_command_is_the_one_of_ci(self):
        ci = (ROOT / '.ci' / 'run').read_text('utf-8')
        command = re.search(r"^bash -c '([^']+)'", ci, re.MULTILINE).group(1)
        self.assertIn(f'\n    {command}\n', README)
        self.assertEqual(1, README.count(command))

    def test_commands_are_single_lines(self):
        run, _ = re.findall(r'^    (python3 .*)$', README, re.MULTILINE)
        tox = configparser.ConfigParser(interpolation=None)
        tox.read(ROOT / 'tox.ini')
        self.assertIn(
            run.partition('bin/')[2].partition('.venv/bin/')[2],
            _commands(
                tox['testenv:examples']['commands'].replace(
                    '{[base]examples}', tox['base']['examples']
                )
            ),
        )

    def test_table_looks_like_a_summary(self):
        rows = re.findall(r'^    \| ([A-Z]\w+) +\|', README, re.MULTILINE)
        self.assertEqual('Section', rows.pop(0))
        sections = {section for section, *_ in summary.Summary().rows()}
        # Not in a summary of nothing.
        sections |= {'Microversions', 'Services', 'Waiting'}
        self.assertEqual(set(), set(rows) - sections)


def _commands(text):
    """Return the commands of a tox environment, as README has them.

    They are without options that make no difference to what is run.
    """
    return [
        re.sub(
            r'--(report|concurrency) \S+ |\{posargs:|\}$',
            '',
            ' '.join(line.split()),
        )
        for line in text.replace('\\\n', ' ').strip().splitlines()
    ]
