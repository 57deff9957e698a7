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

"""Tests of Nova's own bases, hardened without being edited."""

import collections
import os
import subprocess
import sys

import fixtures
from nova.conf import paths
from nova import context
from nova import objects
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.fixtures import glance
from nova.tests.functional import integrated_helpers
import testtools

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures.nova import pins
from safe_fixtures.nova import suite
from safe_fixtures import summary
from tests.functional.nova import inner as inner_run
from tests.support import settings
from tests.support import subtests

REAL_TEST = (
    'nova.tests.functional.regressions.test_bug_1522536.TestServerGet'
    '.test_id_overlap'
)


class Unhardened(test.TestCase):
    """A test class of Nova's kind, made before anything is hardened."""

    def setUp(self):
        super().setUp()
        self.admin_api = self.useFixture(
            nova_fixtures.OSAPIFixture(api_version='v2.1')
        ).admin_api
        self.admin_api.microversion = 'latest'

    def toggle(self):
        inner_run.make_service(self, 'host1')
        (service,) = self.admin_api.get_services(host='host1')
        self.admin_api.put_service(service['id'], {'status': 'disabled'})

    def latest(self):
        response = self.admin_api.api_request('/servers')
        return response.headers['OpenStack-API-Version'].split()[-1]


def vars_of(cls):
    """Return the identity of each attribute of a class."""
    return {name: id(value) for name, value in vars(cls).items()}


class SuiteTestCase(subtests.SubTests, testtools.TestCase):
    def setUp(self):
        super().setUp()
        before = vars_of(test.TestCase)
        self.addCleanup(
            lambda: self.assertEqual(before, vars_of(test.TestCase))
        )
        self.file = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'events'
        )
        self.useFixture(settings.options(audit_file=self.file))

    def harden(self):
        restore = suite.harden()
        self.addCleanup(restore)
        return restore

    def run_test(self, base, body, **attributes):
        """Run a test of an unhardened base; return result and events."""
        cls = type('Inner', (base,), dict(attributes, test=body))
        result = inner_run.run_inner(cls)
        self.assertEqual(1, result.testsRun)
        events = []
        if os.path.exists(self.file):
            events = list(summary.read([self.file]))
            os.unlink(self.file)
        return result, events

    def outcomes(self, events):
        return [
            event['outcome']
            for event in events
            if event['action'] == 'evaluate/test'
        ]

    def assertPasses(self, base, body, **attributes):
        result, events = self.run_test(base, body, **attributes)
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))
        return events


class TestGuarded(SuiteTestCase):
    def body(self, inner):
        vetted = pins.VETTED.values()
        inner.assertIn(inner.latest(), vetted)
        inner.toggle()
        inner.assertEqual('host1', inner.service_toggle.ledger[0].service.host)
        with safe_fixtures.expect_violation('SF301'):
            inner.useFixture(nova_fixtures.GlanceFixture(inner)).create(
                None, {'copy_from': 'https://cloud.openstack.org'}
            )
        inner.assertIsNotNone(inner.audit_trail)
        inner.assertIsNotNone(inner.microversion_pin)
        inner.assertIsNotNone(inner.dummy_data_guard)

    def check(self, base):
        events = self.assertPasses(base, lambda inner: self.body(inner))
        actions = collections.Counter(event['action'] for event in events)
        self.assertEqual(1, actions['disable'])
        self.assertEqual(1, actions['restore/service'])
        self.assertEqual(1, actions['deny'])
        self.assertEqual(1, actions['evaluate/test'])
        # The body makes three requests.
        self.assertEqual(3, actions['configure/microversion'])
        self.assertEqual(
            1, len({event['initiator']['id'] for event in events})
        )

    def test_a_class_from_before(self):
        self.harden()
        self.check(Unhardened)

    def test_a_class_from_after(self):
        self.harden()

        class Later(test.TestCase):
            toggle = Unhardened.toggle
            latest = Unhardened.latest

            def setUp(self):
                super().setUp()
                self.admin_api = self.useFixture(
                    nova_fixtures.OSAPIFixture(api_version='v2.1')
                ).admin_api
                self.admin_api.microversion = 'latest'

        self.check(Later)

    def test_a_hardened_base_is_guarded_once(self):
        base = safe_fixtures.nova.hardened(Unhardened)
        self.check(base)
        self.harden()
        self.check(base)

    def test_not_guarded(self):
        """Unhardened, none of it happens."""

        def body(inner):
            inner.toggle()
            inner.assertFalse(hasattr(inner, 'service_toggle'))

        # Nothing else finds the paste file of an installed Nova here.
        with safe_fixtures.nova.InstalledNova():
            self.assertEqual([], self.assertPasses(Unhardened, body))
        self.assertIn('SF301', self.caught())

    def caught(self):
        self.harden()
        result, events = self.run_test(
            Unhardened,
            lambda inner: inner.useFixture(
                nova_fixtures.GlanceFixture(inner)
            ).create(None, {'copy_from': 'https://cloud.openstack.org'}),
        )
        self.assertEqual(['failure'], self.outcomes(events))
        return inner_run.problems(result)

    def test_the_service_is_given_back_before_novas_cleanup(self):
        self.harden()
        states = []

        def body(inner):
            # Runs after the restore, and before the end of the database.
            inner.addCleanup(
                lambda: states.append(inner_run.state_of(inner, 'host1'))
            )
            inner.toggle()
            states.append(inner_run.state_of(inner, 'host1'))

        self.assertPasses(Unhardened, body)
        self.assertEqual([True, False], [state[0] for state in states])

    def test_waived_by_the_test(self):
        self.harden()

        @safe_fixtures.waive('SF301', reason='the import is the subject')
        def body(inner):
            inner.useFixture(nova_fixtures.GlanceFixture(inner)).create(
                None, {'copy_from': 'https://cloud.openstack.org'}
            )

        events = self.assertPasses(Unhardened, body)
        self.assertIn('allow/waiver', [event['action'] for event in events])

    def test_waived_by_the_suite(self):
        self.harden()
        path = os.path.join(
            self.useFixture(fixtures.TempDir()).path, 'waivers.toml'
        )
        with open(path, 'w') as file:
            file.write(
                '[[waiver]]\nrule = "SF301"\ntests = "*.Inner.test"\n'
                'reason = "the import is the subject"\n'
            )
        with settings.options(waivers_file=path):
            events = self.assertPasses(
                Unhardened,
                lambda inner: inner.useFixture(
                    nova_fixtures.GlanceFixture(inner)
                ).create(None, {'copy_from': 'https://cloud.openstack.org'}),
            )
        self.assertEqual(
            ['*.Inner.test'],
            [
                audit.details(event)['pattern']
                for event in events
                if event['action'] == 'allow/waiver'
            ],
        )

    def test_waits(self):
        self.harden()
        original = integrated_helpers.time

        def body(inner):
            inner.assertIsNot(original, integrated_helpers.time)

        self.assertPasses(test.NoDBTestCase, body)
        self.assertIs(original, integrated_helpers.time)


class TestWaysOfATest(SuiteTestCase):
    def setUp(self):
        super().setUp()
        self.harden()
        self.patched = self.patched_attributes()
        self.addCleanup(
            lambda: self.assertEqual(self.patched, self.patched_attributes())
        )

    def patched_attributes(self):
        return [
            id(item)
            for item in (
                vars(glance.GlanceFixture)['create'],
                vars(objects.Flavor)['_flavor_create'],
                vars(paths)['state_path_def'],
                integrated_helpers.time,
            )
        ]

    def test_no_database(self):
        def body(inner):
            inner.assertEqual({}, inner.cell_mappings)
            inner.assertIsNotNone(inner.service_toggle)

        events = self.assertPasses(test.NoDBTestCase, body)
        self.assertEqual(['success'], self.outcomes(events))

    def test_a_database_of_its_own(self):
        def body(inner):
            inner.useFixture(nova_fixtures.Database(database='api'))
            flavors = objects.FlavorList.get_all(context.get_admin_context())
            inner.assertEqual(0, len(flavors))

        self.assertPasses(test.NoDBTestCase, body, USES_DB_SELF=True)

    def test_fails(self):
        result, events = self.run_test(
            test.NoDBTestCase, lambda inner: inner.fail('on purpose')
        )
        self.assertIn('on purpose', inner_run.problems(result))
        self.assertEqual(['failure'], self.outcomes(events))

    def test_fails_in_its_set_up(self):
        for first in (True, False):
            with self.subTest(first=first):

                def set_up(inner, first=first):
                    if first:
                        raise ZeroDivisionError
                    test.TestCase.setUp(inner)
                    raise ZeroDivisionError

                result, events = self.run_test(
                    test.NoDBTestCase, lambda inner: None, setUp=set_up
                )
                self.assertIn('ZeroDivisionError', inner_run.problems(result))
                self.assertEqual(
                    [] if first else ['failure'], self.outcomes(events)
                )

    def test_fails_in_the_set_up_of_nova(self):
        class Broken(test.NoDBTestCase):
            @property
            def USES_DB(self):
                raise ZeroDivisionError

        result, events = self.run_test(Broken, lambda inner: None)
        self.assertIn('ZeroDivisionError', inner_run.problems(result))
        self.assertEqual(['failure'], self.outcomes(events))

    def test_skips(self):
        result, events = self.run_test(
            test.NoDBTestCase, lambda inner: inner.skipTest('on purpose')
        )
        self.assertEqual(['on purpose'], list(result.skip_reasons))
        self.assertEqual(['unknown'], self.outcomes(events))

    def test_a_bad_setting_is_refused_before_novas_set_up(self):
        seen = []

        def set_up(inner):
            try:
                test.TestCase.setUp(inner)
            finally:
                seen.append(hasattr(inner, 'stdlog'))

        for name, value in (
            ('OS_SAFE_FIXTURES__MODE', 'sometimes'),
            ('OS_SAFE_FIXTURES__WAIVERS_FILE', '/nowhere'),
        ):
            with self.subTest(name=name, value=value):
                with settings.Environment(**{name: value}):
                    result, events = self.run_test(
                        test.NoDBTestCase, lambda inner: None, setUp=set_up
                    )
                self.assertIn(
                    f"'{value}' is refused", inner_run.problems(result)
                )
                self.assertEqual([], events)
        self.assertEqual([False, False], seen)
        self.assertPasses(test.NoDBTestCase, lambda inner: None, setUp=set_up)
        self.assertEqual([False, False, True], seen)


class TestHarden(SuiteTestCase):
    def test_is_undone(self):
        before = vars_of(test.TestCase)
        self.assertNotIn('run', before)
        restore = suite.harden()
        self.assertNotEqual(before, vars_of(test.TestCase))
        restore()
        self.assertEqual(before, vars_of(test.TestCase))
        restore()
        self.assertEqual(before, vars_of(test.TestCase))

    def test_twice(self):
        before = vars_of(test.TestCase)
        restore = suite.harden()
        once = vars_of(test.TestCase)
        again = suite.harden()
        self.assertEqual(once, vars_of(test.TestCase))
        again()
        self.assertEqual(once, vars_of(test.TestCase))
        restore()
        self.assertEqual(before, vars_of(test.TestCase))

    def test_anew(self):
        for _ in range(2):
            restore = suite.harden()
            events = self.assertPasses(test.NoDBTestCase, lambda inner: None)
            self.assertEqual(['success'], self.outcomes(events))
            restore()

    def test_the_class_stays_what_it_is(self):
        cls = test.TestCase
        self.harden()
        self.assertIs(cls, test.TestCase)
        self.assertEqual('setUp', test.TestCase.setUp.__name__)
        self.assertTrue(issubclass(Unhardened, test.TestCase))


class TestAModuleOfNova(SuiteTestCase):
    def test_as_it_is(self):
        done = subprocess.run(
            [
                *(sys.executable, '-m', 'safe_fixtures'),
                *('-m', 'testtools.run', REAL_TEST),
            ],
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn('Ran 1 test', done.stdout + done.stderr)
        events = list(summary.read([self.file]))
        self.assertEqual(['success'], self.outcomes(events))
        self.assertEqual(
            {REAL_TEST}, {event['initiator']['name'] for event in events}
        )
