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

import base64
import hashlib
import os
import re
import sys
from unittest import mock

import fixtures

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures.report import html
from safe_fixtures.report.html import page
from tests.support import base
from tests.support import reports


class TestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        self.directory = reports.Directory(self.path)
        self.file = os.path.join(self.path, 'report.html')

    def page(self, *paths, **more):
        html.write(paths or [self.path], self.file, **more)
        with open(self.file, encoding='utf-8') as file:
            self.source = file.read()
        return reports.Page(self.source)

    def assertShows(self, *texts, page=None):
        shown = ' '.join((page or self.page()).text.split())
        for text in texts:
            self.assertIn(text, shown)


def hash_of(text):
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


class TestPolicy(TestCase):
    def setUp(self):
        super().setUp()
        with self.directory.trail(reports.HOSTILE) as trail:
            trail.record(
                'deny',
                reports.HOSTILE,
                code='SF301',
                message=reports.HOSTILE,
                remedy=reports.HOSTILE,
                where=f'{reports.HOSTILE}:7',
                x={reports.HOSTILE: ['x']},
            )
            trail.record('deny', 'x', code=reports.HOSTILE, message='x')
            trail.record('disable', reports.HOSTILE, after=reports.HOSTILE)
            trail.record(events.OUTAGE, reports.HOSTILE, seconds=5.0)
            trail.record(events.RESTORE, 'x', seconds=5.0, wanted='x')
            trail.record(events.START, reports.HOSTILE, seconds=5.0)
            for code in ('SF104', 'SF601'):
                trail.record(
                    events.VIOLATION, 'x', code=code, message=reports.HOSTILE
                )
            trail.record(events.REQUESTS, 'x', requests={reports.HOSTILE: 1})
        self.directory.outcomes(
            (reports.HOSTILE, 'fail', 1.0, 0), arguments=[reports.HOSTILE]
        )
        self.directory.stream(
            ('x', 'fail', {'traceback': reports.HOSTILE}),
        )

    def test_only_what_is_ours_runs(self):
        found = self.page()
        (policy,) = (
            attributes['content']
            for name, attributes in found.elements
            if attributes.get('http-equiv') == 'Content-Security-Policy'
        )
        (script,), (style,) = found.scripts, found.styles
        self.assertEqual(
            f"default-src 'none'; script-src {hash_of(script)}; "
            f"style-src {hash_of(style)}; base-uri 'none'; "
            "form-action 'none'",
            policy,
        )

    def test_nothing_is_inline_and_nothing_is_fetched(self):
        for name, attributes in self.page().elements:
            with self.subTest(name=name, attributes=attributes):
                self.assertNotIn(
                    name, ('img', 'link', 'iframe', 'object', 'base')
                )
                self.assertEqual(
                    [],
                    [
                        each for each in attributes
                        if each.startswith('on') or each in ('style', 'src')
                    ],
                )  # fmt: skip
                self.assertRegex(attributes.get('href', '#'), '^#')

    def test_hostile_text_stays_text(self):
        found = self.page()
        # As the log of a terminal would show it.
        text = r'<!--'
        self.assertIn(f'&amp;"\'{text}', found.text)
        (row, details), *_ = found.tests()
        self.assertIn('<img src=x onerror=', row[0])
        self.assertEqual('SF301', row[5][-2][0])
        self.assertNotRegex(self.source, '[\x00-\x08\x0b-\x1f\u2028\u202e]')
        self.assertNotIn('<img', self.source)
        self.assertIn('{{ 7 * 7 }}', found.text)

    def test_without_surrogates(self):
        self.page().text.encode()


class TestOutcome(TestCase):
    def check(self, line, *statuses, **settings):
        self.directory.outcomes(
            *((f'm.C.test_{n}', each, 1.0, 0)
              for n, each in enumerate(statuses)),
            **settings,
        )  # fmt: skip
        self.assertShows(line)

    def test_passed(self):
        self.check('All 2 tests passed', 'success', 'success')

    def test_skipped(self):
        self.check('1 test passed, none failed, 1 skipped', 'success', 'skip')

    def test_failed(self):
        self.check('2 of 3 tests failed', 'success', 'fail', 'timeout')

    def test_not_run(self):
        self.check('1 test passed, 2 not run', 'success', tests=3)

    def test_none(self):
        self.check('No test was recorded')

    def test_enforced(self):
        with self.directory.trail('m.C.test_0') as trail:
            trail.record('deny', 'x', code='SF301', message='x', folded=2)
        self.check('enforced rules broken 2 times', 'success')


class TestOverview(TestCase):
    TEST = 'a.tests.C.test_it'

    def record(self, *arguments, **more):
        with self.directory.trail(self.TEST) as trail:
            trail.record(*arguments, **more)

    def test_violations(self):
        self.record(
            'deny', 'x', code='SF301', message='no such image',
            where='/a/b.py:7',
        )  # fmt: skip
        found = self.page()
        self.assertShows(
            'SF301', '1 enforced', '/a/b.py:7', 'no such image',
            'C.test_it', page=found,
        )  # fmt: skip
        self.assertIn(
            ('a', {'href': '#test-0', 'title': self.TEST}), found.elements
        )

    def test_waived(self):
        self.record('deny', 'x', code='SF301', waived='a good reason')
        self.assertShows('1 waived', 'waived: a good reason')

    def test_unknown_rule(self):
        self.record('deny', 'x', code='SF999', remedy='do this')
        self.assertShows('SF999', 'does not know', 'do this')

    def test_services(self):
        for target in ('a', 'b', 'c'):
            self.record('disable', target, target_id=target, after='disabled')
        self.record(
            events.RESTORE, 'a', target_id='a', seconds=0.25, wanted='enabled'
        )
        self.record(
            events.RESTORE, 'b', target_id='b', outcome='failure',
            wanted='enabled',
        )  # fmt: skip
        self.record(events.OUTAGE, 'a', seconds=1.25)
        self.assertShows(
            'services toggled 3', 'restored 1', 'lost 2', 'outages 1',
            'restore failed, wanted enabled', 'never restored, left disabled',
            '1.250', '0.250',
        )  # fmt: skip

    def test_secrets(self):
        for output, *masked in (
            ('stdout', ('password', 2), ('token', 1)),
            ('traceback', ('password', 1)),
        ):
            self.record(
                events.VIOLATION, output, code='SF601', message='x',
                masked=[
                    {'kind': kind, 'count': count} for kind, count in masked
                ],
            )  # fmt: skip
        self.assertShows(
            'Masked in what 1 test printed: 4 secrets.',
            'stdout: password ×2, stdout: token ×1, traceback: password ×1',
        )

    def test_secrets_that_nobody_counted(self):
        self.record(events.VIOLATION, 'x', code='SF601', masked=[{}, 'x'])
        self.assertShows('Masked in what 1 test printed: 0 secrets.')

    def test_drift(self):
        self.record(events.VIOLATION, 'x', code='SF104', message='up to 2.99')
        self.assertShows('Drift of microversions', 'up to 2.99 (1 test')

    def test_time(self):
        self.record(events.WAIT, 'x', waits=3, cut_short=2, seconds_won=4.5)
        self.directory.outcomes((self.TEST, 'success', 150.0, 0))
        self.assertShows('4.5 s', 'waits cut short 2', '2 min 30 s')

    def test_alerts(self):
        self.record('deny', 'x', code='SF301')
        text = self.page().text
        self.assertNotIn('burst of refusals', text)
        alerts = audit.Alerts(refusals=1)
        self.assertIn('burst of refusals', self.page(alerts=alerts).text)

    def test_failures_have_their_reason(self):
        self.directory.outcomes((self.TEST, 'fail', 1.0, 0))
        self.directory.stream(
            (self.TEST, 'fail', {'traceback': 'Traceback\nValueError: why'})
        )
        self.assertShows('failed C.test_it ValueError: why')


class TestRecords(TestCase):
    def test_events_of_a_test(self):
        with self.directory.trail('a.C.test') as trail:
            trail.record('disable', 'nova-compute on a', before='enabled')
            trail.record('deny', 'x', code='SF301', message='what')
        found = self.page()
        chunk = found.data['chunk-0']
        ((_, details),) = found.tests()
        texts, contents = chunk['texts'], chunk['details']
        numbers = details['events']
        self.assertEqual(14, len(numbers))
        self.assertEqual(0, numbers[0])
        self.assertEqual(
            ['disable', 'success', '', 'nova-compute on a', ''],
            [texts[number] for number in numbers[1:6]],
        )
        self.assertEqual({'before': 'enabled'}, contents[numbers[6]])
        self.assertEqual('what', texts[numbers[12]])

    def test_merged(self):
        other = self.useFixture(fixtures.TempDir()).path
        self.directory.outcomes(('a.C.test', 'success', 1.0, 0))
        reports.Directory(other).outcomes(('a.C.test', 'fail', 1.0, 0))
        found = self.page(self.path, other)
        self.assertEqual(2, len(found.tests()))
        self.assertShows('1 of 2 tests failed', page=found)

    def test_chunks(self):
        self.directory.outcomes(
            *((f'a.C.test_{n}', 'success', 1.0, 0) for n in range(120))
        )
        found = self.page()
        self.assertEqual(120, len(found.tests()))
        self.assertIn('chunk-2', found.data)

    def test_empty(self):
        self.assertShows('No test was recorded', 'has no events-')

    def test_empty_file(self):
        with open(os.path.join(self.path, 'events-a.jsonl'), 'w'):
            pass
        self.assertShows('No test was recorded')

    def test_torn(self):
        self.directory.outcomes(('a.C.test', 'success', 1.0, 0))
        path = os.path.join(self.path, 'events-run.jsonl')
        with open(path, 'ab') as file:
            file.write(b'{"typeURI": "http://sch')
        self.assertShows('1 test passed', 'truncated lines 1')

    def test_no_such_directory(self):
        self.assertRaises(
            OSError, html.write, [os.path.join(self.path, 'no')], self.file
        )
        self.assertFalse(os.path.exists(self.file))


class TestJinja(TestCase):
    def test_missing(self):
        patch = mock.patch.dict(sys.modules, {'jinja2': None})
        self.enterContext(patch)
        error = self.assertRaises(
            page.NeedsJinja, html.write, [self.path], self.file
        )
        self.assertIn('safe_fixtures[cli]', str(error))


class TestScripts(TestCase):
    def test_texts_never_become_markup(self):
        self.page()
        script = reports.Page(self.source).scripts[0]
        for name in (
            'innerHTML', 'outerHTML', 'insertAdjacentHTML', 'eval(',
            'document.write', 'new Function', 'setTimeout("', 'cssText',
            'fetch(', 'XMLHttpRequest', 'import(',
        ):  # fmt: skip
            self.assertNotIn(name, script)

    def test_it_leaves_no_names(self):
        self.page()
        script = reports.Page(self.source).scripts[0]
        self.assertTrue(re.fullmatch(r'\(function .*\(\)\);', script, re.S))
