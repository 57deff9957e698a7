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

import collections
import contextlib
import importlib.util
import io
import os
import pathlib
import random
import re
import subprocess
import sys
import types

import fixtures

from tests.support import base
from tests.support import preloaded

PATH = os.path.join(base.ROOT, 'tools', 'compare.py')


def _load():
    spec = importlib.util.spec_from_file_location('tools_compare', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


compare = _load()

# Modules of different sizes; some tests are multiplied by scenarios.
IDS = [
    f'project.test_{module}.Test{case}.test_{number}{scenario}'
    for module, size in (('a', 1), ('b', 2), ('c', 5), ('d', 30))
    for case in 'XY'
    for number in range(size)
    for scenario in ('(v2.1)', '')
]

# What hardening does to the tests of a project: it sets a flag.
FILES = {
    'project/__init__.py': 'hardened = False\n',
    'project/tests/__init__.py': '',
    'project_suite.py': (
        'import project\ndef harden():\n    project.hardened = True\n'
    ),
    'project-1.0.dist-info/METADATA': 'Name: project\nVersion: 1.0\n',
    'project-1.0.dist-info/entry_points.txt': (
        '[safe_fixtures.suites]\nproject = project_suite:harden\n'
    ),
    'test_project.py': '''
import os
import unittest

import project.tests
import testtools

from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures import expect_violation


def count(name):
    """Return which time this is, in whatever process."""
    with open(name, 'a') as file:
        file.write('x')
    return os.path.getsize(name)


def violate(test, code):
    used = test.useFixture(guard.Guard())
    used._violate(exceptions.SafetyViolation(code, 'what'))


class TestX(testtools.TestCase):
    def test_passes(self):
        pass

    def test_fails(self):
        self.fail('always')

    def test_skips(self):
        self.skipTest('always')

    def test_fails_hardened(self):
        self.assertFalse(project.hardened)

    def test_skips_hardened(self):
        if project.hardened:
            self.skipTest('hardened')

    def test_dies_hardened(self):
        if project.hardened:
            os._exit(1)

    def test_fails_hardened_once(self):
        self.assertFalse(project.hardened and count('once') == 1)

    def test_flaky_unhardened(self):
        times = count('unhardened')
        self.assertNotIn(times, (1, 3))

    def test_violates(self):
        if project.hardened:
            violate(self, 'SF203')
            violate(self, 'SF301')

    def test_expects_and_fails(self):
        if project.hardened:
            with expect_violation('SF301'):
                violate(self, 'SF301')
            self.fail('for another reason')
''',
}


def outcomes(**words):
    return {test_id: (word, 1.0) for test_id, word in words.items()}


class TestSample(base.TestCase):
    def test_no_module_comes_twice_before_each_came_once(self):
        for number in (1, 4, 7, 20, 60):
            with self.subTest(number=number):
                drawn = compare.sample(IDS, number, 7)
                self.assertEqual(number, len(set(drawn)))
                counts = collections.Counter(map(compare.module_of, drawn))
                sizes = collections.Counter(map(compare.module_of, IDS))
                self.assertEqual(min(4, number), len(counts))
                most = max(counts.values())
                for module, count in counts.items():
                    self.assertGreaterEqual(
                        count, min(most - 1, sizes[module]), module
                    )

    def test_first_is_drawn_again_in_a_larger_sample(self):
        self.assertEqual(
            compare.sample(IDS, 10, 7), compare.sample(IDS, 20, 7)[:10]
        )

    def test_all_where_there_are_fewer(self):
        self.assertEqual(
            sorted(IDS), sorted(compare.sample(IDS, len(IDS) + 1, 7))
        )

    def test_order_and_repetition_do_not_matter(self):
        shuffled = IDS * 2
        random.Random(3).shuffle(shuffled)
        self.assertEqual(
            compare.sample(IDS, 20, 7), compare.sample(shuffled, 20, 7)
        )

    def test_seed_matters(self):
        self.assertNotEqual(
            compare.sample(IDS, 20, 7), compare.sample(IDS, 20, 8)
        )

    def test_large_modules_do_not_go_first(self):
        few = [each for each in IDS if each.endswith('TestX.test_0')]
        for seed in range(5):
            with self.subTest(seed=seed):
                drawn = [compare.sample(ids, 4, seed) for ids in (IDS, few)]
                self.assertEqual(
                    *(list(map(compare.module_of, d)) for d in drawn)
                )

    def test_another_module_s_new_test_does_not_matter(self):
        more = [*IDS, 'project.test_a.TestZ.test_new']
        drawn = [
            [
                each
                for each in compare.sample(ids, 60, 7)
                if compare.module_of(each) == 'project.test_b'
            ]
            for ids in (IDS, more)
        ]
        self.assertEqual(drawn[0], drawn[1])

    def test_same_in_another_process(self):
        """Whatever order its sets and dictionaries of strings have."""
        script = (
            'from tests.unit.tools import test_compare\n'
            'ids = set(test_compare.IDS)\n'
            'print(*test_compare.compare.sample(ids, 20, 7))\n'
        )
        for seed in ('1', '2'):
            with self.subTest(seed=seed):
                done = subprocess.run(
                    [sys.executable, '-c', script],
                    cwd=base.ROOT,
                    env=dict(os.environ, PYTHONHASHSEED=seed),
                    capture_output=True,
                    text=True,
                    check=True,
                )
                self.assertEqual(
                    compare.sample(IDS, 20, 7), done.stdout.split(), seed
                )

    def test_module_of_a_test_with_dots_in_its_scenario(self):
        self.assertEqual(
            'project.test_a',
            compare.module_of('project.test_a.TestX.test_1(v2.1.x)'),
        )


class TestOutcomes(base.TestCase):
    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(directory, 'outcomes.tsv')

    def test_read_what_was_written(self):
        written = {'b.test(v 2)': ('ok', 1.25), 'a.test': ('died', 0.0)}
        compare.write_outcomes(self.path, written)
        self.assertEqual(written, compare.read_outcomes(self.path))
        self.assertEqual(
            'a.test\tdied\t0.00\nb.test(v 2)\tok\t1.25\n',
            self.path.read_text(),
        )

    def test_words_in_capitals(self):
        self.path.write_text('a.test\tSKIPPED\t0\n')
        self.assertEqual(
            {'a.test': ('skipped', 0.0)}, compare.read_outcomes(self.path)
        )

    def test_other_lines(self):
        for line in ('a.test', 'a.test\tok', 'a.test\tok\tsoon', ''):
            with self.subTest(line=line):
                self.path.write_text(f'b.test\tok\t1\n{line}\n')
                error = self.assertRaises(
                    ValueError, compare.read_outcomes, self.path
                )
                self.assertIn(f'{self.path}:2 ', str(error))


class TestDiffering(base.TestCase):
    def test_same(self):
        same = outcomes(a='ok', b='failed', c='skipped', d='died')
        self.assertEqual([], compare.differing(same, dict(same)))

    def test_seconds_do_not_matter(self):
        self.assertEqual(
            [], compare.differing({'a': ('ok', 1)}, {'a': ('ok', 2)})
        )

    def test_differing(self):
        self.assertEqual(
            ['b', 'd', 'e'],
            compare.differing(
                outcomes(a='ok', b='ok', c='failed', e='ok'),
                outcomes(a='ok', b='skipped', c='failed', d='ok'),
            ),
        )

    def test_what_never_ran_is_not_the_same(self):
        lost = outcomes(a='lost', b='ok')
        self.assertEqual(['a'], compare.differing(lost, dict(lost)))


class TestVerdict(base.TestCase):
    def check(self, verdict, first, unhardened, hardened):
        words = {'o': 'ok', 'f': 'failed', 'd': 'died', 'l': 'lost'}
        self.assertEqual(
            verdict,
            compare.verdict(
                words[first],
                [words[each] for each in unhardened],
                [words[each] for each in hardened],
            ),
        )

    def test_same(self):
        self.check(compare.SAME, 'o', 'ooo', 'ooo')
        self.check(compare.SAME, 'o', 'fff', 'fff')

    def test_flaky(self):
        self.check(compare.FLAKY, 'o', 'ofo', 'fff')
        self.check(compare.FLAKY, 'o', 'ofo', 'ooo')
        self.check(compare.FLAKY, 'o', 'off', 'off')
        self.check(compare.FLAKY, 'f', 'ooo', 'oof')

    def test_changed(self):
        self.check(compare.CHANGED, 'o', 'ooo', 'fff')
        self.check(compare.CHANGED, 'o', 'ooo', 'oof')
        self.check(compare.CHANGED, 'f', 'fff', 'ooo')

    def test_flaky_but_not_so(self):
        self.check(compare.CHANGED, 'o', 'ofo', 'ofd')
        # It failed unhardened, but only in the first run.
        self.check(compare.CHANGED, 'f', 'ooo', 'fff')

    def test_never_ran(self):
        self.check(compare.NOT_COMPARED, 'l', 'lll', 'lll')
        self.check(compare.CHANGED, 'o', 'ooo', 'lll')
        self.check(compare.CHANGED, 'l', 'lll', 'ooo')


class TestListedAs(base.TestCase):
    def test_as_itself(self):
        for listed in ('a.X.test', 'a.X.test(v2)'):
            with self.subTest(listed=listed):
                self.assertEqual(listed, compare.listed_as(listed, {listed}))

    def test_multiplied_when_it_is_run(self):
        self.assertEqual(
            'a.X.test', compare.listed_as('a.X.test(v2)', {'a.X.test'})
        )

    def test_as_nothing(self):
        self.assertIsNone(compare.listed_as('a.X.test', {'a.X.test(v2)'}))
        self.assertIsNone(compare.listed_as('a.X.test_1', {'a.X.test'}))


class TestRerun(base.TestCase):
    def test_not_more_than_so_many(self):
        directory = self.useFixture(fixtures.TempDir()).path
        comparison = compare.Comparison(
            compare.parse([]), pathlib.Path(directory)
        )
        number = compare.RERUN_AT_MOST + 2
        names = [f'test_{each:03}' for each in range(number)]
        comparison.outcomes = {
            'unhardened': dict.fromkeys(names, ('ok', 1.0)),
            'hardened': dict.fromkeys(names, ('failed', 1.0)),
        }
        rerun = []
        comparison.rerun = lambda test_id, number: (
            rerun.append(test_id),
            (['ok'], ['ok']),
        )[1]
        with contextlib.redirect_stderr(io.StringIO()):
            verdicts = [row[3] for row in comparison.compare()]
        self.assertEqual(names[:-2], rerun)
        self.assertEqual([compare.SAME] * len(rerun), verdicts[:-2])
        self.assertEqual([compare.NOT_RERUN] * 2, verdicts[-2:])


class TestCommand(base.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, text in FILES.items():
            self.write(name, text)
        self.useFixture(
            fixtures.EnvironmentVariable(
                'PYTHONPATH', os.pathsep.join((preloaded.NO_NOVA, base.ROOT))
            )
        )

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def arguments(self, *names):
        self.write(
            'list.txt',
            ''.join(f'test_project.TestX.test_{name}\n' for name in names),
        )
        return [
            '--load-list', 'list.txt', '--report', 'report',
            '--concurrency', '1',
        ]  # fmt: skip

    def run_compare(self, *names, arguments=()):
        """Compare tests; return what it said, and the rows of its table."""
        # Files in memory, which have what stestr asks of standard output.
        out, err = (
            io.TextIOWrapper(io.BytesIO(), 'utf-8', write_through=True)
            for _ in range(2)
        )
        with (
            preloaded.Processes(),
            contextlib.chdir(self.root),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                status = compare.main([*self.arguments(*names), *arguments])
            except SystemExit as exited:
                status = exited.code
        done = types.SimpleNamespace(
            returncode=status,
            stdout=out.buffer.getvalue().decode(),
            stderr=err.buffer.getvalue().decode(),
        )
        rows = [
            tuple(re.split(r'  +', line))
            for line in done.stdout.splitlines()
            if line.startswith('test_project.')
        ]
        return done, [
            (row[0].removeprefix('test_project.TestX.test_'), *row[1:])
            for row in rows
        ]

    def assertCompared(self, status, expected, *names, arguments=()):
        done, rows = self.run_compare(*names, arguments=arguments)
        self.assertEqual(expected, rows, done.stderr)
        self.assertEqual(status, done.returncode, done.stderr)
        self.assertIn(
            f'{len(names)} tests compared, {len(expected)} differ',
            done.stdout,
        )

    def test_nothing_differs(self):
        self.assertCompared(0, [], 'passes', 'fails', 'skips')
        for name in ('unhardened', 'hardened'):
            with self.subTest(name=name):
                read = compare.read_outcomes(self.root / f'report/{name}.tsv')
                self.assertEqual(
                    {'fails': 'failed', 'passes': 'ok', 'skips': 'skipped'},
                    {key.rpartition('_')[2]: read[key][0] for key in read},
                )

    def test_changed(self):
        expected = [
            ('dies_hardened', 'ok', 'died', 'changed'),
            ('fails_hardened', 'ok', 'failed', 'changed'),
            ('skips_hardened', 'ok', 'skipped', 'changed'),
        ]
        self.assertCompared(
            1,
            expected,
            'passes',
            'fails_hardened',
            'skips_hardened',
            'dies_hardened',
        )
        written = (self.root / 'report/differences.tsv').read_text()
        self.assertEqual(
            ['test_project.TestX.test_' + '\t'.join(row) for row in expected],
            written.splitlines(),
        )

    def test_not_changed(self):
        self.assertCompared(
            0,
            [
                ('fails_hardened_once', 'ok', 'failed', 'same when rerun'),
                ('flaky_unhardened', 'failed', 'ok', 'flaky unhardened'),
            ],
            'passes',
            'fails_hardened_once',
            'flaky_unhardened',
        )

    def test_violation_where_rules_are_enforced(self):
        self.assertCompared(
            1,
            [
                ('expects_and_fails', 'ok', 'failed', 'changed'),
                ('violates', 'ok', 'failed (SF203)', 'true violation?'),
            ],
            'passes',
            'violates',
            'expects_and_fails',
            arguments=['--mode', 'enforce'],
        )

    def test_violation_alone_where_rules_are_enforced(self):
        self.assertCompared(
            0,
            [('violates', 'ok', 'failed (SF203)', 'true violation?')],
            'violates',
            arguments=['--mode', 'enforce'],
        )

    def test_violation_where_rules_are_as_they_are(self):
        self.assertCompared(
            1,
            [('violates', 'ok', 'failed (SF301)', 'changed')],
            'violates',
            arguments=['--mode', 'default'],
        )

    def test_violation_where_rules_are_audited(self):
        self.assertCompared(0, [], 'violates')

    def test_known_outcomes_are_not_run_again(self):
        self.write(
            'unhardened.tsv',
            'test_project.TestX.test_flaky_unhardened\tOK\t1.0\n'
            'test_project.TestX.test_skips\tskipped\t1.0\n',
        )
        self.write('unhardened', 'x')
        self.assertCompared(
            0,
            [],
            'passes',
            'flaky_unhardened',
            arguments=['--unhardened', 'unhardened.tsv'],
        )
        # Hardened, and never unhardened.
        self.assertEqual('xx', (self.root / 'unhardened').read_text())
        self.assertEqual(
            ['flaky_unhardened', 'passes'],
            [
                name.removeprefix('test_project.TestX.test_')
                for name in compare.read_outcomes(
                    self.root / 'report/unhardened.tsv'
                )
            ],
        )

    def test_include(self):
        done, rows = self.run_compare(
            'passes',
            'skips',
            'fails_hardened',
            arguments=['--include', 'pass', '--include', 'skip'],
        )
        self.assertIn('2 tests compared, 0 differ', done.stdout)

    def test_in_a_process_of_its_own(self):
        for names, status, said in (
            (['passes'], 0, '1 tests compared, 0 differ'),
            (['absent'], 2, ''),
        ):
            with self.subTest(names=names):
                done = subprocess.run(
                    [sys.executable, PATH, *self.arguments(*names)],
                    cwd=self.root,
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(status, done.returncode, done.stderr)
                self.assertIn(said, done.stdout)

    def test_sample(self):
        done, rows = self.run_compare(
            'passes', 'skips', 'fails', arguments=['--sample', '2']
        )
        self.assertIn('2 tests compared, 0 differ', done.stdout)

    def test_nothing_to_compare(self):
        self.write('truncated.tsv', 'half a li')
        self.write('full/old', '')
        for names, arguments, said in (
            (['absent'], [], 'there is no test test_project.TestX'),
            (['passes'], ['--include', 'absent'], 'no test to compare'),
            (['passes'], ['--unhardened', 'absent.tsv'], 'absent.tsv'),
            (['passes'], ['--unhardened', 'truncated.tsv'], 'truncated.tsv:1'),
            (['passes'], ['--report', 'full'], 'full is not empty'),
            (['passes'], ['--sample', '0'], 'at least 1'),
        ):
            with self.subTest(names=names, arguments=arguments):
                done, rows = self.run_compare(*names, arguments=arguments)
                self.assertEqual(2, done.returncode, done.stderr)
                self.assertIn(said, done.stderr)
                self.assertEqual('', done.stdout)
