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

"""``safe-fixtures run``, on modules of tests that are written for it."""

from safe_fixtures import audit
from safe_fixtures import summary
from tests.unit.cli import runs


class TestRules(runs.TestCase):
    MODULE = """
    class TestRule(testtools.TestCase):
        def test(self):
            with audit.AuditTrail(self.id()) as trail:
                trail.record(
                    '{action}', 'image', code='SF301', **{more}
                )
    """

    def check(self, status, count, action='deny', **more):
        self.write(
            'test_rule.py', self.MODULE.format(action=action, more=more)
        )
        done = self.run_cli('--mode', 'default', 'test_rule', status=status)
        what = 'violation' if count == 1 else 'violations'
        self.assertIn(f'1/1 done, 0 failed, {count} {what}\n', done.stderr)

    def test_enforced(self):
        self.check(2, 1)

    def test_recorded(self):
        self.check(0, 1, action='evaluate/violation')

    def test_waived(self):
        self.check(0, 0, waived='a reason')

    def test_expected(self):
        self.check(0, 0, expected=True)

    def test_before_failures(self):
        self.write(
            'test_rule.py',
            self.MODULE.format(action='deny', more={})
            + '            self.fail()',
        )
        self.run_cli('test_rule', status=2)

    def test_configuration_of_the_workers(self):
        self.write(
            'test_options.py',
            """
            import fixtures

            from safe_fixtures import conf

            class TestOptions(testtools.TestCase):
                def test(self):
                    settings = conf.load()
                    self.assertEqual('enforce', settings.mode)
                    self.assertEqual(
                        str(HERE / 'report/events-worker-0-0.jsonl'),
                        settings.audit_file,
                    )
                    self.assertEqual(
                        str(HERE / 'safe-fixtures.toml'),
                        settings.waivers_file,
                    )
                    # The environment counts no longer.
                    variable = fixtures.EnvironmentVariable(
                        'OS_SAFE_FIXTURES__MODE', 'off'
                    )
                    with variable:
                        self.assertEqual('enforce', conf.load().mode)
            """,
        )
        waivers = self.home / 'safe-fixtures.toml'
        waivers.write_text(
            '[[waiver]]\nrule = "SF203"\ntests = "x.*"\nreason = "so"\n'
        )
        self.run_cli('--mode', 'enforce', 'test_options')
        [waiver] = self.events('configure/waiver')
        self.assertEqual('x.*', waiver['target']['name'])
        self.assertEqual('SF203', waiver['reason']['reasonCode'])
        self.assertEqual({'reason': 'so'}, audit.details(waiver))
        [configured] = self.events('configure/run')
        self.assertEqual('enforce', audit.details(configured)['mode'])

    def test_initiator_of_a_worker(self):
        self.write(
            'test_worker.py',
            """
            class TestWorker(testtools.TestCase):
                def test(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('enable', 'host1')
                        if not os.fork():
                            trail.record('enable', 'host2')
                            os._exit(0)
                        os.wait()
            """,
        )
        done = self.run_cli('test_worker')
        # One that it has forked has a file of its own.
        found = [
            [event['initiator'] for event in summary.read([str(path)])]
            for path in self.report.glob('events-worker-0-0*')
        ]
        self.assertEqual(2, len(found))
        for initiators in found:
            with self.subTest(initiators=initiators):
                self.assertEqual(
                    {'worker-0'}, {i['domain'] for i in initiators}
                )
                self.assertEqual(1, len({str(i['host']) for i in initiators}))
                self.assertIn(
                    'test_worker.TestWorker.test',
                    [i['name'] for i in initiators],
                )
        self.assertNotEqual(found[0][0]['host'], found[1][0]['host'])
        self.assertNotIn('missing', [row['Item'] for row in done.rows])

    def test_alerts(self):
        self.write(
            'test_alert.py',
            """
            class TestAlert(testtools.TestCase):
                def test(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('disable', 'host1', before='enabled',
                                     after='disabled', by='PUT /x')
            """,
        )
        done = self.run_cli('--alert', 'undeclared_toggles=1', 'test_alert')
        self.assertEqual(
            [
                ('service left disabled', 'in test_alert.TestAlert.test'),
                (
                    'toggle outside a declared block',
                    'in test_alert.TestAlert.test',
                ),
            ],
            [
                (row['Item'], row['Details'].rpartition('; ')[2])
                for row in done.rows
                if row['Section'] == 'Alerts'
            ],
        )

    def test_record_that_a_test_spoils(self):
        self.write(
            'test_spoils.py',
            """
            class TestSpoils(testtools.TestCase):
                def test(self):
                    with audit.AuditTrail(self.id()) as trail:
                        trail.record('enable', 'host1')
                    os.unlink(HERE / 'report/events-run.jsonl')
            """,
        )
        done = self.run_cli('test_spoils', status=1)
        self.assertIn('is incomplete', done.stderr)
        self.assertIn('ENOENT', done.stderr)
        self.assertIn('Tests', str(done.rows))

    def test_record_that_a_test_takes_away(self):
        self.write(
            'test_spoils.py',
            """
            import atexit

            class TestSpoils(testtools.TestCase):
                def test(self):
                    atexit.register(take_away)

            def take_away():
                for path in (HERE / 'report').glob('events-*.jsonl'):
                    path.unlink()
            """,
        )
        done = self.run_cli('test_spoils', status=3)
        self.assertIn('is incomplete', done.stderr)
        self.assertIn('has no events-*.jsonl', done.stderr)

    def test_waivers_that_make_no_sense(self):
        self.write('test_plain.py', runs.PLAIN)
        (self.home / 'mine.toml').write_text('[[waiver]]\nrule = "SF999"\n')
        done = self.run_cli('--waivers', 'mine.toml', 'test_plain', status=3)
        self.assertIn('mine.toml', done.stderr)
        self.assertFalse(self.report.exists())


class TestReport(runs.TestCase):
    def setUp(self):
        super().setUp()
        self.write('test_plain.py', runs.PLAIN)

    def test_is_never_overwritten(self):
        self.report.mkdir()
        kept = self.report / 'kept'
        kept.write_text('kept')
        done = self.run_cli('test_plain', status=3)
        self.assertIn('not empty', done.stderr)
        self.assertEqual([kept], list(self.report.iterdir()))
        done = self.run_cli('test_plain', status=3, report='report/kept')
        self.assertIn('no directory', done.stderr)

    def test_without_a_name(self):
        before = sorted(self.home.iterdir())
        self.run_cli('--report', '', 'test_plain', status=3, report=None)
        self.assertEqual(before, sorted(self.home.iterdir()))

    def test_any_name(self):
        self.report = self.home / 'a $report of 100%[x]'
        (self.home / 'safe$x.toml').write_text(
            '[[waiver]]\nrule = "SF203"\ntests = "x.*"\nreason = "so"\n'
        )
        self.run_cli(
            '--waivers', 'safe$x.toml', 'test_plain', report=self.report.name
        )
        self.assertEqual(2, len(self.outcomes()))
        [waiver] = self.events('configure/waiver')
        self.assertEqual('x.*', waiver['target']['name'])

    def test_empty_directory(self):
        self.report.mkdir()
        self.run_cli('test_plain')

    def test_default(self):
        done = self.run_cli('test_plain', report=None)
        [path] = self.home.glob('safe-fixtures-report-*Z')
        self.assertIn(f'report: {path}', done.stderr)
        self.assertTrue((path / 'events-run.jsonl').exists())
