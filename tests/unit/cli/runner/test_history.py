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

import datetime
import os
import pathlib
import time

from stestr.repository import file as repository

from safe_fixtures import audit
from safe_fixtures.cli.runner import discovery
from safe_fixtures.cli.runner import history
from safe_fixtures.cli.runner import records
from tests.unit.cli import runs

_BEGAN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class TestHistory(runs.TestCase):
    def keep(self, directory, outcomes, is_report=True):
        """Leave results as a run does, or as stestr does."""
        path = self.home / directory
        path.mkdir(exist_ok=True)
        if not is_report:
            made = repository.RepositoryFactory().initialise(str(path))
            inserter = made.get_inserter()
            inserter.startTestRun()
            for test_id, (status, seconds) in outcomes.items():
                for each, when in (('inprogress', 0), (status, seconds)):
                    inserter.status(
                        test_id=test_id,
                        test_status=each,
                        timestamp=_BEGAN + datetime.timedelta(seconds=when),
                    )
            inserter.stopTestRun()
            return str(path)
        self.configure(audit_file=str(path / 'events-run.jsonl'))
        with audit.AuditTrail('safe-fixtures run') as trail:
            kept = records.Records(str(path), trail, lambda text: None)
            for test_id, (status, seconds) in outcomes.items():
                outcome = records.Outcome(status, seconds, 0)
                kept.conclude(test_id, outcome)
            kept.close()
        self.assertEqual('', records.store(str(path)))
        return str(path)

    def test_failing(self):
        outcomes = {
            'a.A.good': ('success', 1.0),
            'a.A.bad': ('fail', 2.5),
            'a.A.bad(scenario)': ('fail', 1.0),
            'a.A.skipped': ('skip', 0.0),
            'tearDownClass (a.B)': ('fail', 0.0),
            'a.b': ('fail', 0.0),
        }
        for name, is_report in (('report', True), ('other', False)):
            with self.subTest(name=name):
                directory = self.keep(name, outcomes, is_report)
                self.assertEqual(
                    ['a.A.bad', 'a.A.bad(scenario)', 'a.B', 'a.b'],
                    sorted(history.failing(directory)),
                )

    def test_every_status_that_fails(self):
        directory = self.keep(
            'report', {each: (each, 1.0) for each in records.FAILURES}
        )
        self.assertEqual(
            sorted(records.FAILURES), sorted(history.failing(directory))
        )

    def test_nothing_failed(self):
        directory = self.keep('report', {'a': ('success', 1.0)})
        self.assertEqual([], history.failing(directory))

    def test_seconds(self):
        one = self.keep('1', {'a': ('success', 1.5), 'b': ('fail', 2.0)})
        other = self.keep(
            '2', {'b': ('success', 4.5), 'c': ('fail', 3.0)}, is_report=False
        )
        self.assertEqual(
            {'a': 1.5, 'b': 4.5, 'c': 3.0}, history.seconds([one, other])
        )
        self.assertEqual(2.0, history.seconds([other, one])['b'])
        self.assertEqual({}, history.seconds([]))

    def test_no_results(self):
        for function in (
            history.failing,
            lambda each: history.seconds([each]),
        ):
            error = self.assertRaises(
                discovery.Unusable, function, str(self.home)
            )
            self.assertIn('has no results: no .stestr is in it', str(error))

    def test_results_that_make_no_sense(self):
        directory = self.keep('1', {'a': ('fail', 1.5)}, is_report=False)
        path = pathlib.Path(directory, '.stestr')
        for each in ('0', 'failing'):
            (path / each).write_bytes(b'\xff\xfetime: x\nfailure: a [\n')
        for function in (
            history.failing,
            lambda each: history.seconds([each]),
        ):
            try:
                found = function(directory)
            except discovery.Unusable as error:
                self.assertIn('cannot be read', str(error))
            else:
                self.assertLessEqual(set(found), {'a'})
        (path / 'next-stream').write_text('x')
        self.assertRaises(discovery.Unusable, history.seconds, [directory])
        report = self.keep('2', {})
        pathlib.Path(report, 'events-run.jsonl').write_text('x\nx\n')
        self.assertRaises(discovery.Unusable, history.seconds, [report])

    def test_newest(self):
        with self.in_home():
            error = self.assertRaises(discovery.Unusable, history.newest)
            self.assertIn('has no results of an earlier run', str(error))
            now = time.time()
            # No report directory: another project.
            self.keep('other', {'a': ('fail', 1.0)}, is_report=False)
            self.assertRaises(discovery.Unusable, history.newest)
            for age, (name, is_report) in enumerate(
                (('new', True), ('.', False), ('old', True))
            ):
                self.keep(name, {'a': ('fail', 1.0)}, is_report)
                os.utime(
                    self.home / name / '.stestr/next-stream', (now, now - age)
                )
            self.assertEqual('new', history.newest())
            os.utime('new/.stestr/next-stream', (now, now - 9))
            self.assertEqual('.', history.newest())
