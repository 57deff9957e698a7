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

"""The command that makes baselines, and the commands that use one."""

import contextlib
import json
import os
from xml.etree import ElementTree

from safe_fixtures import audit
from safe_fixtures.baseline import toml
from safe_fixtures.core import debts
from safe_fixtures import summary
from tests.support import base as base_support
from tests.support import reports
from tests.unit.baseline import base as baseline_base
from tests.unit.cli import base
from tests.unit.cli import runs

DEBT = baseline_base.debt
NAME = 'safe-fixtures-baseline.toml'


class TestBaseline(base.TestCase, baseline_base.TestCase):
    def setUp(self):
        super().setUp()
        self.enterContext(contextlib.chdir(self.home))
        self.path = self.home / NAME

    def baseline(self, *arguments, status=0):
        code, out, err = self.command('baseline', *arguments)
        self.assertEqual(status, code, out + err)
        self.assertEqual(bool(status), bool(err), err)
        return err or out

    def read(self):
        return debts.read(str(self.path))

    def test_accepts(self):
        run = self.write(self.test(('SF301', 'what'), ('SF301', 'what')))
        said = self.baseline(run)
        self.assertEqual(f'{NAME}: 1 debt of 1 test\n', said)
        self.assertEqual(
            [DEBT(count=2, owner="the suite's owners")], self.read()
        )

    def test_owner_and_name(self):
        run = self.write(self.test(('SF301', 'what')))
        self.path = self.home / 'mine.toml'
        self.baseline(run, '-o', 'mine.toml', '--owner', ' our\x1bteam ')
        self.assertEqual([DEBT(owner=r'our\x1bteam')], self.read())

    def test_owner_without_a_name(self):
        run = self.write(self.test(('SF301', 'what')))
        said = self.baseline(run, '--owner', ' ', status=3)
        self.assertIn('must not be empty', said)
        self.assertFalse(self.path.exists())

    def test_several_runs(self):
        paths = [
            self.write(self.test(('SF301', name)), run=name) for name in 'ab'
        ]
        self.baseline(*paths, '--owner', 'we')
        self.assertEqual([DEBT('a'), DEBT('b')], self.read())

    def test_says_what_it_cannot_do(self):
        run = self.write(
            self.test(
                ('SF301', 'what', {'mode': 'enforce'}),
                ('SF202', 'what', {'mode': 'enforce'}),
            )
        )
        self.poison(run)
        lines = self.baseline(run).splitlines()
        self.assertEqual(4, len(lines))
        self.assertIn('1 more have no debts', lines[1])
        self.assertIn('1 debt ended the test', lines[2])
        self.assertIn('events-1.jsonl:', lines[3])

    def test_never_overwrites(self):
        run = self.write(self.test(('SF301', 'what')))
        self.path.write_text('mine')
        said = self.baseline(run, status=3)
        self.assertIn('--force', said)
        self.assertEqual(1, len(said.splitlines()))
        self.assertEqual('mine', self.path.read_text())

    def test_force(self):
        run = self.write(self.test(('SF301', 'one'), ('SF301', 'two')))
        self.baseline(run, '--owner', 'we')
        run = self.write(
            self.test(('SF301', 'two'), ('SF301', 'three')), run='later'
        )
        self.baseline(run, '--force', '--owner', 'they')
        self.assertEqual(
            [DEBT('three', owner='they'), DEBT('two')], self.read()
        )

    def test_force_spares_what_is_no_baseline(self):
        run = self.write(self.test(('SF301', 'what')))
        self.path.write_text('[tox]\n')
        self.assertIn('unknown tox', self.baseline(run, '--force', status=3))
        self.assertEqual('[tox]\n', self.path.read_text())

    def test_prune(self):
        run = self.write(self.test(('SF301', 'one'), ('SF301', 'two')))
        self.baseline(run, '--owner', 'we')
        run = self.write(
            self.test(('SF301', 'two'), ('SF301', 'new')), run='later'
        )
        said = self.baseline(run, '--prune')
        self.assertEqual(
            f'{NAME}: 1 removed, 0 lowered; 1 debt of 1 test\n', said
        )
        self.assertEqual([DEBT('two')], self.read())
        self.baseline(run, '--prune', '--owner', 'they')
        self.assertEqual([DEBT('two')], self.read())

    def test_prune_of_other_tests(self):
        run = self.write(self.test(('SF301', 'one')))
        self.baseline(run)
        before = self.path.read_text(), os.stat(self.path).st_ino
        run = self.write(self.test(name='tests.x.Y.other'), run='later')
        said = self.baseline(run, '--prune')
        self.assertIn('1 stay because the test did not pass', said)
        self.assertEqual(
            before, (self.path.read_text(), os.stat(self.path).st_ino)
        )

    def test_prune_of_nothing(self):
        run = self.write(self.test())
        said = self.baseline(run, '--prune', status=3)
        self.assertIn('No such file', said)

    def test_prune_and_force(self):
        run = self.write(self.test())
        said = self.baseline(run, '--prune', '--force', status=3)
        self.assertIn('not allowed with', said)

    def test_what_cannot_be_read(self):
        os.mkdir('empty')
        for path in ('absent', 'empty'):
            self.assertIn(path, self.baseline(path, status=3))
        self.assertFalse(self.path.exists())

    def test_what_cannot_be_written(self):
        run = self.write(self.test(('SF301', 'what')))
        said = self.baseline(run, '-o', '/proc/x.toml', status=3)
        self.assertEqual(1, len(said.splitlines()))

    def test_example_of_the_documentation(self):
        path = os.path.join(base_support.ROOT, 'doc/source/examples', NAME)
        found = debts.read(path)
        self.assertEqual(
            ['SF203'] * 4 + ['SF501'], [debt.rule for debt in found]
        )
        with open(path) as file:
            self.assertEqual(file.read(), toml.as_toml(found))

    def report(self, *arguments):
        code, out, err = self.command('report', '-f', 'json', *arguments)
        rows = json.loads(out) if out else []
        return code, {
            row['Item']: row['Count']
            for row in rows
            if row['Section'] == 'Baseline'
        }, err  # fmt: skip

    def test_report(self):
        enforced = {'mode': 'enforce'}
        old = self.write(self.test(('SF301', 'one', enforced)))
        new = self.write(
            self.test(('SF301', 'one', enforced), ('SF301', 'new', enforced)),
            run='new',
        )
        self.baseline(old)
        self.assertEqual((2, {}, ''), self.report(old))
        counts = {'debts': 1, 'waivers': 0, 'SF301 known': 1}
        self.assertEqual((0, counts, ''), self.report('--baseline', NAME, old))
        self.assertEqual(
            (2, counts | {'SF301 new': 1}, ''),
            self.report('--baseline', NAME, new),
        )

    def test_report_ends_with_what_is_new(self):
        path = self.write(self.test(('SF301', 'one'), ('SF301', 'two')))
        toml.write(NAME, [DEBT('one')])
        for more, heading in (
            ((), '2 recorded violations in 1 test'),
            (('--baseline', NAME),
             'New since the baseline: 1 recorded violation in 1 test'),
        ):  # fmt: skip
            _, out, _ = self.command('report', path, *more)
            self.assertIn(f'\n{heading}\n', out)
        self.assertIn('* two', out)
        self.assertNotIn('* one', out)

    def test_files_of_other_formats(self):
        enforced = {'mode': 'enforce'}
        old = self.write(self.test(('SF301', 'one', enforced)))
        new = self.write(
            self.test(('SF301', 'one', enforced), ('SF302', 'new')),
            run='new',
        )
        self.baseline(old)
        self.assertEqual(
            0,
            self.report(
                new, '--baseline', NAME, '--compare', old,
                '--markdown', 'new.md', '--html', 'new.html',
            )[0],
        )  # fmt: skip
        text = (self.home / 'new.md').read_text()
        self.assertIn('### safe_fixtures: passed', text)
        self.assertIn('**New since the baseline: 1 violation**', text)
        self.assertIn('before: 1 violation appeared**', text)
        page = (self.home / 'new.html').read_text()
        self.assertIn('SF301 known', page)
        self.assertNotIn('enforced rules broken', page)
        self.assertIn('Compared: Appeared', page)

    def test_of_a_run_without_a_baseline(self):
        enforced = {'mode': 'enforce'}
        old = self.write(
            self.test(
                ('SF301', 'one', enforced), status='fail', by_violations=True
            )
        )
        self.baseline(old)
        self.assertEqual(
            0,
            self.report(
                old, '--baseline', NAME, '--markdown', 'old.md',
                '--html', 'old.html', '--junit', 'old.xml',
            )[0],
        )  # fmt: skip
        text = (self.home / 'old.md').read_text()
        self.assertIn('### safe_fixtures: passed', text)
        self.assertIn('| Tests owed | 1 |', text)
        self.assertIn(f'- `{baseline_base.TEST}` owed', text)
        page = reports.Page((self.home / 'old.html').read_text())
        self.assertIn('0 tests passed, none failed, 1 owed', page.text)
        suite = ElementTree.parse(self.home / 'old.xml').getroot()
        self.assertEqual('0', suite.get('failures'))
        names = [each.get('name') for each in suite.iter('property')]
        self.assertEqual(['owed', 'SF301'], names)

    def test_report_with_a_bad_baseline(self):
        run = self.write(self.test())
        os.mkfifo('pipe')
        self.path.write_text('x = 1')
        for name in (NAME, 'absent', 'pipe', str(self.home)):
            with self.subTest(name):
                code, rows, err = self.report('--baseline', name, run)
                self.assertEqual((3, {}), (code, rows))
                self.assertIn('baseline_file', err)
                self.assertIn(name, err)


class TestRun(runs.TestCase):
    SOURCE = """
    import os

    class TestOwed(testtools.TestCase):
        def test_known(self):
            os.environ['SF_KNOWN'] = 'x'

        def test_fine(self):
            {}
    """

    def setUp(self):
        super().setUp()
        for name in ('SF_KNOWN', 'SF_NEW', 'SF_PLAIN'):
            self.addCleanup(os.environ.pop, name, None)

    def counts(self, done):
        return {
            row['Item']: row['Count']
            for row in done.rows
            if row['Section'] == 'Baseline'
        }

    def test_from_the_first_run_to_a_new_violation(self):
        self.write('test_owed.py', self.SOURCE.format('pass'))
        self.run_cli('--mode', 'audit', 'test_owed')
        with self.in_home():
            code, out, err = self.command('baseline', 'report')
        self.assertEqual((0, ''), (code, err))
        run = '--mode', 'default', '--baseline', NAME, 'test_owed'

        self.report = self.home / 'known'
        done = self.run_cli(*run, report='known')
        self.assertEqual({'success'}, set(self.outcomes().values()))
        self.assertEqual(
            {'debts': 1, 'waivers': 0, 'SF501 known': 1}, self.counts(done)
        )
        marks = [
            event['attachments'][0]['content'].get('baseline')
            for event in summary.read([str(self.report)])
            if event['action'] in audit.events.VIOLATIONS
        ]
        self.assertEqual([True], marks)

        self.write(
            'test_owed.py', self.SOURCE.format("os.environ['SF_NEW'] = 'x'")
        )
        self.report = self.home / 'new'
        done = self.run_cli(*run, status=2, report='new')
        self.assertEqual(
            {
                'test_owed.TestOwed.test_fine': 'fail',
                'test_owed.TestOwed.test_known': 'success',
            },
            self.outcomes(),
        )
        self.assertEqual(1, self.counts(done)['SF501 new'])

    def test_of_a_run_without_one(self):
        self.write(
            'test_owed.py',
            self.SOURCE.format("pass")
            + """
        def test_bad(self):
            self.addCleanup(self.fail, 'by itself')
            os.environ['SF_NEW'] = 'x'

    class TestPlain(unittest.TestCase):
        def test_parts(self):
            with self.subTest('a part'):
                os.environ['SF_PLAIN'] = 'x'
    """,
        )
        self.run_cli('test_owed', status=2)
        with self.in_home():
            self.command('baseline', 'report')
            code, out, _ = self.command(
                'report', '--baseline', NAME, 'report', '-f', 'json'
            )
        self.assertEqual(1, code)
        tests = {
            row['Item']: row['Details']
            for row in json.loads(out)
            if row['Section'] == 'Tests'
        }
        self.assertEqual('test_owed.TestOwed.test_bad', tests['failed'])
        self.assertEqual(
            {
                'test_owed.TestOwed.test_known',
                'test_owed.TestPlain.test_parts',
            },
            {*tests['owed'].split(', ')},
        )

    def test_bad_baseline(self):
        self.write('test_plain.py', runs.PLAIN)
        (self.home / NAME).write_text('[[debt]]\nrule = "SF999"\n')
        done = self.run_cli('--baseline', NAME, 'test_plain', status=3)
        self.assertIn(NAME, done.stderr)
        self.assertIn('in entry 1', done.stderr)
        self.assertFalse(self.report.exists())

    def test_bad_baseline_of_the_environment(self):
        self.write('test_plain.py', runs.PLAIN)
        self.configure(baseline_file=str(self.home / 'absent.toml'))
        done = self.run_cli('test_plain', status=3)
        self.assertIn('absent.toml', done.stderr)
        self.assertFalse(self.report.exists())
