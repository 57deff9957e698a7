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

"""What a baseline may hold, and what it covers."""

import hashlib
import os
import pathlib
import re
import threading
from unittest import mock

import fixtures
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.core import acts
from safe_fixtures.core import debts
from safe_fixtures.core import waivers
from safe_fixtures import exceptions
from tests.support import base
from tests.support import inner

ENTRY = """\
[[debt]]
rule = "SF301"
file = "tests/x.py"
done = "image * is not dummy"
owner = "compute team"

[debt.tests]
"tests.x.Y.test_a" = 1
"tests.x.Y.test_b" = 2

"""
# Where inner tests break rules.
HERE = 'tests/support/inner.py'
# A part of what is said about each of these files.
NONSENSE = [
    ('debt = 3', 'debt must be [[debt]]'),
    ('debt = [3]', 'in entry 1, 3 is not a table'),
    (ENTRY.replace('[[debt]]', '[debt]'), 'debt must be [[debt]]'),
    (f'mode = "off"\n{ENTRY}', 'unknown mode'),
    (ENTRY.replace('owner', 'wner'), 'in entry 1, wner is unknown'),
    (ENTRY + '[[debt]]\n', 'in entry 2, rule is None'),
    (ENTRY.replace('SF301', 'SF999'), "'SF999' is not a rule"),
    (ENTRY.replace('"SF301"', '301'), 'in entry 1, rule is 301'),
    (ENTRY.replace('SF301', 'SF202'), 'SF202 has no debts'),
    (ENTRY.replace('compute team', ' '), "owner is ' '"),
    (ENTRY.replace('tests/x.py', ''), "file is ''"),
    (ENTRY.replace('"tests/x.py"', '[]'), 'file is []'),
    (ENTRY.replace('image * is not dummy', ''), "done is ''"),
    (ENTRY.replace('= 2', '= 0'), 'tests.x.Y.test_b has 0'),
    (ENTRY.replace('= 2', '= -1'), 'tests.x.Y.test_b has -1'),
    (ENTRY.replace('= 2', '= true'), 'tests.x.Y.test_b has True'),
    (ENTRY.replace('= 2', '= 2.0'), 'tests.x.Y.test_b has 2.0'),
    (ENTRY.replace('= 2', '= "2"'), "tests.x.Y.test_b has '2'"),
    (ENTRY.replace('= 2', f'= {10**20}'), 'it must be a number'),
    (ENTRY.partition('"tests.x')[0], 'in entry 1, tests must be a table'),
    (ENTRY.partition('[debt.tests]')[0] + 'tests = ["x"]', 'must be a table'),
    (ENTRY * 2, 'in entry 2, tests.x.Y.test_a has the same debt as in entry'),
    (ENTRY.replace('test_b', 'test_a'), 'it must be TOML'),
    (ENTRY.replace('"SF301"', 'SF301'), 'it must be TOML'),
    ('[' * 100_000, 'it must be TOML'),
    ('\udcff', 'it must be TOML'),
]


class FileTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'baseline.toml'
        )

    def write(self, text):
        pathlib.Path(self.path).write_bytes(
            text.encode(errors='surrogateescape')
        )

    def owe(self, test, count=1, code='SF301', file='', done='real image'):
        """Write and configure a baseline with one debt."""
        place = f'file = "{file}"\n' if file else ''
        self.write(
            f'[[debt]]\nrule = "{code}"\n{place}done = "{done}"\n'
            f'owner = "we"\n[debt.tests]\n"{test}" = {count}\n'
        )
        self.configure(baseline_file=self.path)


class TestRead(FileTestCase):
    def read_refused(self):
        return self.assertRaises(
            exceptions.ConfigurationError, debts.read, self.path
        )

    def test_debts(self):
        self.write(ENTRY + ENTRY.replace('file = "tests/x.py"\n', ''))
        one = 'SF301', 'tests.x.Y.test_a', 'tests/x.py', 'image * is not dummy'
        found = debts.read(self.path)
        self.assertEqual(debts.Debt(*one, 1, 'compute team'), found[0])
        self.assertEqual(one, found[0].key)
        self.assertEqual(
            [('test_a', 1), ('test_b', 2)] * 2,
            [(each.test.rpartition('.')[2], each.count) for each in found],
        )
        self.assertEqual('', found[2].file)

    def test_nothing(self):
        self.write('# None yet.\n')
        self.assertEqual([], debts.read(self.path))

    def test_nonsense(self):
        for text, said in NONSENSE:
            with self.subTest(text[:500]):
                self.write(text)
                error = self.read_refused()
                self.assertEqual('[safe_fixtures] baseline_file', error.option)
                self.assertIn(self.path, str(error))
                self.assertIn(said, error.allowed)

    def test_a_megabyte(self):
        long = 'x' * 1_000_000
        self.write(ENTRY.replace('test_b', long))
        self.assertTrue(debts.read(self.path)[1].test.endswith(long))

    def test_what_is_no_file(self):
        error = self.read_refused()
        self.assertIn('No such file', error.allowed)
        os.mkfifo(self.path)
        error = self.read_refused()
        self.assertIn('it must be a file that can be read', error.allowed)
        os.unlink(self.path)
        os.mkdir(self.path)
        self.read_refused()


class TestDebts(FileTestCase):
    def case(self, *acts, **attributes):
        """Return a test that breaks rules, each given as code and message."""

        def act(test):
            guard = test.useFixture(inner.Watch())
            for code, message in acts:
                guard.violate(code, message)

        return inner.case_of(act, **attributes)

    def kinds(self, case):
        """Run a test; return what became of its violations, and if it passed.

        :returns: kinds and marks, in the order of the records.
        """
        found = []
        end = audit.watch(lambda event: found.append(audit.Event(event)))
        self.addCleanup(end)
        result = self.run_inner(case)
        end()
        return (
            [
                (event.kind, event.is_debt)
                for event in found
                if event.is_violation
            ],
            result.wasSuccessful(),
        )

    def test_a_debt_is_recorded(self):
        case = self.case(('SF301', 'real image'))
        name = case('test_it').id()
        self.assertEqual(([('enforced', False)], False), self.kinds(case))
        self.owe(name, file=HERE)
        self.assertEqual(([('recorded', True)], True), self.kinds(case))
        for other in (
            {'test': name + 'x'},
            {'code': 'SF302'},
            {'file': HERE + 'x'},
            {'file': ''},
            {'done': 'other image'},
        ):
            with self.subTest(other):
                self.owe(**{'test': name, 'file': HERE, **other})
                self.assertEqual(
                    ([('enforced', False)], False), self.kinds(case)
                )

    def owe_of(self, case, **more):
        self.owe(case('test_it').id(), file=HERE, **more)

    def owe_where_it_was_done(self, case):
        found = []
        end = audit.watch(found.append)
        self.run_inner(case)
        end()
        (event,) = (e for e in map(audit.Event, found) if e.is_violation)
        name = case('test_it').id()
        file, _ = acts.place_of(event.details['where'])
        self.owe(name, file=acts.file_of(file, name))

    def test_more_often_than_the_debt_says(self):
        case = self.case(*[('SF301', 'real image')] * 3)
        self.owe_of(case, count=3)
        self.assertEqual(([('recorded', True)] * 3, True), self.kinds(case))
        self.owe_of(case, count=2)
        expected = [('recorded', True)] * 2 + [('enforced', False)]
        self.assertEqual((expected, False), self.kinds(case))

    def test_each_run_of_a_test_may_do_it(self):
        case = self.case(('SF301', 'real image'))
        self.owe_of(case)
        for _ in range(2):
            self.assertEqual(([('recorded', True)], True), self.kinds(case))

    def test_new_one_cannot_be_swallowed(self):
        def act(test):
            guard = test.useFixture(inner.Watch())
            for message in ('real image', 'other image'):
                inner.swallowed(guard.violate)('SF301', message)

        case = inner.case_of(act)
        self.owe_of(case)
        self.assertFails(case, 'SF301 (CWE-531): other image')

    def test_ends_of_a_test(self):
        def act(test):
            inner.swallowed(test.useFixture(inner.Watch()).violate)(
                'SF301', test.message
            )

        def set_up(test):
            super(type(test), test).setUp()
            act(test)

        def fail_in_set_up(test):
            set_up(test)
            test.fail('on purpose')

        def fail(test):
            act(test)
            test.fail('on purpose')

        def nothing(test):
            pass

        for name, body, attributes in (
            ('passes', act, {}),
            ('passes, breaks it in setUp', nothing, {'setUp': set_up}),
            ('fails', fail, {}),
            ('fails in setUp', nothing, {'setUp': fail_in_set_up}),
        ):
            for message in ('real image', 'other image'):
                with self.subTest(name, message=message):
                    case = inner.case_of(body, message=message, **attributes)
                    self.owe_where_it_was_done(case)
                    result = self.run_inner(case)
                    said = '\n'.join(
                        text for _, text in result.errors + result.failures
                    )
                    self.assertEqual(
                        'fails' in name, 'on purpose' in said, said
                    )
                    self.assertEqual(
                        message == 'other image', 'SF301 (CWE' in said, said
                    )

    def test_a_test_that_patches_what_compares(self):
        # Equal up to where an act is cut.
        known, new = ('image ' + 'x' * 500 + end for end in ('a', 'b'))
        digest = hashlib.sha256(known.encode())
        same = mock.Mock(**{'return_value.sub.return_value': known})

        def act(test):
            guard = test.useFixture(inner.Watch())
            with (
                mock.patch.object(hashlib, 'sha256', lambda data: digest),
                mock.patch.object(re, 'sub', lambda *args: known),
                mock.patch.object(re, 'compile', same),
                mock.patch.object(re, 'escape', lambda text: ''),
            ):
                for message in (known, new):
                    inner.swallowed(guard.violate)('SF301', message)

        case = inner.case_of(act)
        self.owe_of(case, done=acts.act(known), count=2)
        self.assertEqual(
            ([('recorded', True), ('enforced', False)], False),
            self.kinds(case),
        )

    def test_guards_of_a_test_share_its_debts(self):
        def act(test):
            for _ in range(2):
                guard = test.useFixture(inner.Watch())
                inner.swallowed(guard.violate)('SF301', 'real image')

        case = inner.case_of(act)
        self.owe_of(case)
        expected = [('recorded', True), ('enforced', False)]
        self.assertEqual((expected, False), self.kinds(case))

    def test_what_is_only_recorded_is_marked(self):
        case = self.case(('SF203', 'real image'), ('SF203', 'other image'))
        self.owe_of(case, code='SF203')
        self.assertEqual(
            ([('recorded', True), ('recorded', False)], True),
            self.kinds(case),
        )

    def test_a_rule_that_is_enforced_by_its_guard(self):
        def act(test):
            guard = test.useFixture(inner.Watch())
            guard.violate('SF203', 'real image', enforced=True)

        case = inner.case_of(act)
        self.assertEqual(([('enforced', False)], False), self.kinds(case))
        self.owe_of(case, code='SF203')
        self.assertEqual(([('recorded', True)], True), self.kinds(case))

    def test_waiver_goes_first(self):
        case = self.case(('SF301', 'real image'))
        safe_fixtures.waive('SF301', reason='why')(case)
        self.owe_of(case)
        self.assertEqual(([('waived', False)], True), self.kinds(case))

    def test_an_expected_violation_is_no_debt(self):
        def act(test):
            guard = test.useFixture(inner.Watch())
            with safe_fixtures.expect_violation('SF301'):
                guard.violate('SF301', 'real image')
                test.fail('it must not go on')

        case = inner.case_of(act)
        self.owe_of(case)
        self.assertEqual(([('expected', False)], True), self.kinds(case))

    def test_secrets_are_masked_on_both_sides(self):
        case = self.case(('SF301', 'rabbit://nova:s3cret@bus:5672/'))
        self.owe_of(case, done='rabbit://***@bus:*/')
        self.assertEqual(([('recorded', True)], True), self.kinds(case))

    def test_message_that_names_the_test(self):
        def act(test):
            guard = test.useFixture(inner.Watch())
            guard.violate('SF301', f'x in {test.id()}, not {test.id()}2')

        case = inner.case_of(act)
        name = case('test_it').id()
        self.owe_of(case, done=f'x in the test, not {name}*')
        self.assertEqual(([('recorded', True)], True), self.kinds(case))

    def test_name_with_a_secret(self):
        case = self.case(('SF301', 'real image'))
        case.id = lambda test: 'x.Y.test_it(admin_pass="s3cret")'
        self.owe(
            'x.Y.test_it(admin_pass=\\"***\\")',
            file='inner.py',
        )
        self.assertEqual(([('recorded', True)], True), self.kinds(case))

    def test_unused_waiver(self):
        self.configure(rule_modes='SF901:enforce')
        case = inner.case_of(lambda test: test.useFixture(inner.Watch()))
        safe_fixtures.waive('SF301', reason='why')(case.test_it)
        self.assertEqual(([('enforced', False)], False), self.kinds(case))
        self.owe(
            case('test_it').id(),
            code='SF901',
            done='the waiver of SF* (why) never applied',
        )
        self.useFixture(
            fixtures.EnvironmentVariable('OS_SAFE_FIXTURES__MODE', 'enforce')
        )
        self.assertEqual(([('recorded', True)], True), self.kinds(case))

    def test_rule_that_is_always_enforced(self):
        self.write(ENTRY)
        found = debts.read(self.path)
        violation = exceptions.SafetyViolation('SF202', 'x')
        for each in found:
            self.assertFalse(
                debts.Debts(each.test, found).cover(violation, str)
            )

    def test_bad_file_is_refused_before_anything(self):
        self.write('[[debt]]')
        self.configure(baseline_file=self.path)
        ran = []
        case = inner.case_of(
            lambda test: (test.useFixture(inner.Watch()), ran.append(test))
        )
        self.assertFails(case, 'baseline_file')
        self.assertEqual([], ran)
        self.assertIsNone(audit.current())
        self.assertRaises(exceptions.ConfigurationError, inner.Watch().setUp)

    def test_file_is_read_once(self):
        case = self.case(('SF301', 'real image'))
        self.owe_of(case)
        self.assertEqual(([('recorded', True)], True), self.kinds(case))
        self.write('[[debt]]')
        self.assertEqual(([('recorded', True)], True), self.kinds(case))

    def test_threads_get_no_more(self):
        violation = exceptions.SafetyViolation('SF301', 'x')
        debt = debts.Debt('SF301', 'x.Y.z', '', 'x', 50, 'we')
        of_test = debts.Debts('x.Y.z', [debt])
        covered = []
        gate = threading.Barrier(4)

        def ask():
            gate.wait()
            for _ in range(40):
                covered.append(of_test.cover(violation, str))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual((160, 50), (len(covered), sum(covered)))

    def test_debts_are_those_of_the_waivers_of_a_test(self):
        test = testtools.TestCase('id')
        self.assertIs(waivers.of(test).debts, waivers.of(test).debts)
