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

"""The hardened bases."""

import safe_fixtures.nova  # isort: skip

import functools
import os
import subprocess
import sys

import fixtures
from nova.conf import CONF
from nova.conf import paths
from nova import context
from nova import objects
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.fixtures import glance
from nova.tests.functional import integrated_helpers
from nova.tests.functional.libvirt import base as libvirt_base
import oslo_messaging as messaging
import requests
from sqlalchemy.engine import default
import testtools
from testtools import matchers
import urllib3

import safe_fixtures
from safe_fixtures import audit
from safe_fixtures import summary
from tests.functional.nova import inner as inner_run
from tests.support import settings
from tests.support import subtests


def run(base, body, **attributes):
    """Run one test on *base*; return its result and the events it left."""
    events = []

    class Inner(base):
        def setUp(self):
            self.addCleanup(self._keep)
            super().setUp()
            self._trail = self.audit_trail

        def _keep(self):
            events.extend(getattr(self, '_trail', audit.AuditTrail()).events)

        def test(self):
            body(self)

    for name, value in attributes.items():
        setattr(Inner, name, value)
    result = testtools.TestResult()
    # The first cleanup of the test, which runs last, keeps the trail.
    case = Inner('test')
    case.run(result)
    return result, events


def patched_attributes():
    """Return what the bases patch, by identity."""
    # A wrapper is equal to what it wraps.
    return {
        'send': id(vars(requests.adapters.HTTPAdapter)['send']),
        'urlopen': id(vars(urllib3.HTTPConnectionPool)['urlopen']),
        'do_execute': id(vars(default.DefaultDialect)['do_execute']),
        'glance create': id(vars(glance.GlanceFixture)['create']),
        'glance update': id(vars(glance.GlanceFixture)['update']),
        'flavor': id(vars(objects.Flavor)['_flavor_create']),
        'state_path_def': id(vars(paths)['state_path_def']),
        'environment': dict(os.environ),
    }


class TestHardened(subtests.SubTests, testtools.TestCase):
    def test_comes_between_the_base_and_novas_test_case(self):
        for base in (
            integrated_helpers._IntegratedTestBase,
            integrated_helpers.ProviderUsageBaseTestCase,
            libvirt_base.ServersTestBase,
            test.NoDBTestCase,
        ):
            with self.subTest(base=base):
                order = safe_fixtures.nova.hardened(base).__mro__
                self.assertLess(
                    order.index(base),
                    order.index(safe_fixtures.nova.SafeTestCase),
                )
                self.assertLess(
                    order.index(safe_fixtures.nova.SafeTestCase),
                    order.index(test.TestCase),
                )

    def test_is_the_same_each_time(self):
        base = integrated_helpers._IntegratedTestBase
        self.assertIs(
            safe_fixtures.nova.SafeIntegratedTestBase,
            safe_fixtures.nova.hardened(base),
        )
        self.assertIs(
            safe_fixtures.nova.SafeServersTestBase,
            safe_fixtures.nova.hardened(libvirt_base.ServersTestBase),
        )

    def test_hardens_nothing_twice(self):
        safe = safe_fixtures.nova.SafeIntegratedTestBase
        self.assertIs(safe, safe_fixtures.nova.hardened(safe))

    def test_of_the_root_is_the_root(self):
        self.assertIs(
            safe_fixtures.nova.SafeTestCase,
            safe_fixtures.nova.hardened(test.TestCase),
        )

    def test_is_where_it_was_made(self):
        class Base(test.TestCase):
            pass

        self.assertEqual(
            __name__, safe_fixtures.nova.hardened(Base).__module__
        )

    def test_is_named_after_its_base(self):
        self.assertEqual(
            'SafeIntegratedTestBase',
            safe_fixtures.nova.SafeIntegratedTestBase.__name__,
        )
        self.assertEqual(
            'SafeServersTestBase',
            safe_fixtures.nova.SafeServersTestBase.__name__,
        )

    def test_refuses_what_is_no_nova_test(self):
        for base in (
            testtools.TestCase,
            integrated_helpers.InstanceHelperMixin,
            'nova.test.TestCase',
        ):
            with self.subTest(base=base):
                error = self.assertRaises(
                    safe_fixtures.ConfigurationError,
                    safe_fixtures.nova.hardened,
                    base,
                )
                self.assertIn('nova.test.TestCase', str(error))

    def test_has_no_other_lazy_names(self):
        self.assertRaises(
            AttributeError, getattr, safe_fixtures.nova, 'SafeNothing'
        )


class TestKnobs(testtools.TestCase):
    """The settings of Nova's bases also work on the hardened ones."""

    def assertPasses(self, base, body, **attributes):
        result, events = run(base, body, **attributes)
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))
        self.assertEqual(1, result.testsRun)
        return events

    def test_integrated(self):
        def body(inner):
            inner.assertIs(inner.api, inner.api_fixture.admin_api)
            inner.assertEqual('2.60', inner.api.microversion)
            inner.assertIn('/v2.1/' + inner.api.project_id, inner.api.base_url)
            inner.assertIn('cell2', inner.cell_mappings)
            inner.assertEqual('cast', messaging.RPCClient.cast.__name__)
            inner.assertEqual([], inner.api.get_servers())

        self.assertPasses(
            safe_fixtures.nova.SafeIntegratedTestBase,
            body,
            ADMIN_API=True,
            microversion='2.60',
            USE_PROJECT_ID=True,
            NUMBER_OF_CELLS=2,
            CAST_AS_CALL=False,
        )

    def test_provider_usage(self):
        def body(inner):
            response = inner.api.api_get('/servers')
            inner.assertEqual(
                '2.60', response.headers['X-OpenStack-Nova-API-Version']
            )

        self.assertPasses(
            safe_fixtures.nova.SafeProviderUsageBaseTestCase,
            body,
            compute_driver='fake.SmallFakeDriver',
            microversion='2.60',
        )

    def test_libvirt(self):
        def body(inner):
            host = inner.start_compute('host1')
            inner.service_toggle.disable(host, reason='libvirt')
            entry = inner.service_toggle.ledger[0]
            inner.assertEqual('host1', entry.service.host)

        events = self.assertPasses(
            safe_fixtures.nova.SafeServersTestBase, body
        )
        restores = [e for e in events if e['action'] == 'restore/service']
        self.assertEqual(['success'], [e['outcome'] for e in restores])

    def test_no_database(self):
        def body(inner):
            inner.assertFalse(inner.USES_DB)
            inner.assertEqual({}, inner.cell_mappings)

        self.assertPasses(safe_fixtures.nova.SafeNoDBTestCase, body)

    def test_a_database_of_its_own(self):
        def body(inner):
            inner.useFixture(nova_fixtures.Database(database='api'))
            flavors = objects.FlavorList.get_all(context.get_admin_context())
            inner.assertEqual(0, len(flavors))

        self.assertPasses(
            safe_fixtures.nova.SafeNoDBTestCase, body, USES_DB_SELF=True
        )

    def test_the_pin_of_a_class(self):
        def body(inner):
            response = inner.api.api_get('/servers')
            inner.assertEqual(
                '2.53', response.headers['X-OpenStack-Nova-API-Version']
            )

        events = self.assertPasses(
            safe_fixtures.nova.SafeIntegratedTestBase,
            body,
            microversion='latest',
            MICROVERSION_PIN='2.53',
        )
        pins = [e for e in events if e['action'] == 'configure/microversion']
        self.assertEqual(
            [{'sent': 'latest', 'served': '2.53'}],
            [audit.details(e) for e in pins],
        )


class TestLifeOfATest(subtests.SubTests, testtools.TestCase):
    """The guards leave nothing behind, however a test ends."""

    def check(self, body, **attributes):
        before = patched_attributes()
        result, events = run(
            safe_fixtures.nova.SafeIntegratedTestBase, body, **attributes
        )
        after = patched_attributes()
        for name, value in before.items():
            self.assertEqual(value, after[name], name)
        return result, events

    def test_pass(self):
        result, _ = self.check(lambda inner: None)
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))

    def test_fail(self):
        result, _ = self.check(lambda inner: inner.fail('on purpose'))
        self.assertEqual(1, len(result.failures))
        self.assertIn('on purpose', inner_run.problems(result))

    def test_error_in_set_up_after_the_guards(self):
        def broken(inner):
            raise ZeroDivisionError('in the middle of setUp')

        result, _ = self.check(
            lambda inner: None, _setup_compute_service=broken
        )
        self.assertEqual(1, len(result.errors))
        self.assertIn('in the middle of setUp', inner_run.problems(result))

    def test_a_bad_setting_is_refused_before_novas_set_up(self):
        for name, value in (
            ('OS_SAFE_FIXTURES__MODE', 'sometimes'),
            ('OS_SAFE_FIXTURES__RESTORE_TIMEOUT', '-1'),
        ):
            with self.subTest(name=name, value=value):
                with settings.Environment(**{name: value}):
                    result, events = self.check(
                        lambda inner: None, _setup_services=self.fail
                    )
                self.assertIn(
                    f"'{value}' is refused", inner_run.problems(result)
                )
                self.assertEqual([], events)

    def test_a_malformed_pin_is_refused(self):
        result, _ = self.check(
            lambda inner: None,
            MICROVERSION_PIN='2.x',
            _setup_services=self.fail,
        )
        self.assertIn(
            "MicroversionPin pin = '2.x' is", inner_run.problems(result)
        )

    def test_the_outcome_is_recorded(self):
        def skip(inner):
            inner.skipTest('on purpose')

        def record(body):
            with fixtures.TempDir() as directory:
                path = os.path.join(directory.path, 'audit')
                with settings.options(audit_file=path):
                    self.check(body)
                return [
                    event['outcome']
                    for event in summary.read([path])
                    if event['action'] == 'evaluate/test'
                ]

        self.assertEqual(['success'], record(lambda inner: None))
        self.assertEqual(['failure'], record(lambda inner: 1 / 0))
        self.assertEqual(['unknown'], record(skip))


class TestAssertions(testtools.TestCase):
    def test_dummy_data(self):
        def body(inner):
            image = inner.glance.image1
            inner.assertDummyImage(image['id'])
            inner.assertDummyImage(inner.glance.images[image['id']])
            flavor = inner.api.get_flavors()[0]
            inner.assertDummyFlavor(flavor)
            inner.assertDummyFlavor(flavor['id'])
            inner.assertOnlyDummyData()

            error = inner.assertRaises(
                matchers.MismatchError, inner.assertDummyImage, 'nowhere'
            )
            inner.assertIn('does not hold it', str(error))
            error = inner.assertRaises(
                matchers.MismatchError,
                inner.assertDummyImage,
                {'name': 'x', 'direct_url': 'rbd://pool/image'},
            )
            inner.assertIn('rbd://pool', str(error))
            error = inner.assertRaises(
                matchers.MismatchError, inner.assertDummyFlavor, 'nowhere'
            )
            inner.assertIn('has no such flavor', str(error))

        result, _ = run(safe_fixtures.nova.SafeIntegratedTestBase, body)
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))

    def test_only_dummy_data_sees_what_was_put_in_unseen(self):
        def body(inner):
            image = dict(inner.glance.image1, id='1', location='/srv/images/1')
            # Not through create(), which would have refused it.
            inner.glance.images['1'] = image
            with safe_fixtures.expect_violation('SF301') as seen:
                inner.assertOnlyDummyData()
            inner.assertIn('location', seen[0].message)
            del inner.glance.images['1']

        result, _ = run(safe_fixtures.nova.SafeIntegratedTestBase, body)
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))


class TestWaivers(testtools.TestCase):
    @staticmethod
    def _create(inner):
        inner.glance.create(None, {'copy_from': 'https://cloud.openstack.org'})

    def test_waived(self):
        @safe_fixtures.waive('SF301', reason='the import is the subject')
        def test(inner):
            self._create(inner)

        result, events = run(
            safe_fixtures.nova.SafeIntegratedTestBase, None, test=test
        )
        self.assertTrue(result.wasSuccessful(), inner_run.problems(result))
        waivers = [e for e in events if e['action'] == 'allow/waiver']
        self.assertEqual(
            ['the import is the subject'],
            [audit.details(e)['reason'] for e in waivers],
        )
        self.assertNotIn('SF901', str(events))

    def test_not_waived(self):
        result, _ = run(
            safe_fixtures.nova.SafeIntegratedTestBase, self._create
        )
        self.assertEqual(1, len(result.failures))
        self.assertIn('SF301', inner_run.problems(result))

    def test_swallowed(self):
        def body(inner):
            try:
                self._create(inner)
            except AssertionError:
                pass

        result, _ = run(safe_fixtures.nova.SafeIntegratedTestBase, body)
        self.assertEqual(1, len(result.failures))
        self.assertIn('cloud.openstack.org', inner_run.problems(result))


class TestInstalledNova(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.original = paths.state_path_def
        self.useFixture(fixtures.EnvironmentVariable('OS_DEFAULT__STATE_PATH'))

    def paste_file(self):
        return paths.state_path_def('etc/nova/api-paste.ini')

    def test_finds_the_installed_file_and_restores(self):
        with safe_fixtures.nova.InstalledNova():
            self.assertTrue(os.path.isfile(self.paste_file()))
            self.assertEqual('$state_path/keys', paths.state_path_def('keys'))
        self.assertIs(self.original, vars(paths)['state_path_def'])

    def test_leaves_a_setting_alone(self):
        with fixtures.EnvironmentVariable('OS_DEFAULT__STATE_PATH', '/mine'):
            with safe_fixtures.nova.InstalledNova():
                self.assertIs(self.original, paths.state_path_def)

    def test_leaves_a_source_tree_alone(self):
        tree = self.useFixture(fixtures.TempDir()).path
        os.makedirs(os.path.join(tree, 'etc', 'nova'))
        with open(os.path.join(tree, 'etc/nova/api-paste.ini'), 'w'):
            pass
        CONF.set_override('state_path', tree)
        self.addCleanup(CONF.clear_override, 'state_path')
        with safe_fixtures.nova.InstalledNova():
            self.assertIs(self.original, paths.state_path_def)


class TestImport(subtests.SubTests, testtools.TestCase):
    """A wrong import of ``safe_fixtures.nova`` says what is wrong."""

    @staticmethod
    @functools.cache
    def _import(code, **environment):
        return subprocess.run(
            [sys.executable, '-c', code],
            env=dict(os.environ, **environment),
            capture_output=True,
            text=True,
        )

    def test_too_late_for_eventlet(self):
        code = 'import urllib3; import safe_fixtures.nova'
        late = self._import(code, OS_NOVA_DISABLE_EVENTLET_PATCHING='false')
        self.assertEqual(1, late.returncode)
        self.assertIn('urllib3 was imported before', late.stderr)
        self.assertIn('import safe_fixtures.nova first', late.stderr)

    def test_threads_do_not_mind(self):
        self.assert_as_stock(
            'import urllib3; import safe_fixtures.nova', 'true'
        )

    def assert_as_stock(self, code, disabled):
        # Nova 32 itself cannot be imported with native threads.
        environment = {'OS_NOVA_DISABLE_EVENTLET_PATCHING': disabled}
        helpers = 'import nova.tests.functional.integrated_helpers'
        result = self._import(code, **environment)
        if result.returncode:
            stock = self._import(helpers, **environment)
            self.assertEqual(
                stock.returncode, result.returncode, result.stderr
            )

    def test_in_time(self):
        code = 'import safe_fixtures, safe_fixtures.nova'
        for disabled in ('true', 'false'):
            with self.subTest(disabled=disabled):
                self.assert_as_stock(code, disabled)

    def test_the_collector_is_as_before(self):
        broken = 'import sys; sys.modules["nova.tests.functional"] = None'
        for before in ('enable', 'disable'):
            for fails in ('pass', broken):
                with self.subTest(before=before, fails=fails):
                    code = (
                        f'import gc; gc.{before}(); {fails}\n'
                        'try: import safe_fixtures.nova\n'
                        'except ImportError: print("failed")\n'
                        'print(gc.isenabled())'
                    )
                    # Nova 32 cannot be imported with native threads.
                    result = self._import(
                        code, OS_NOVA_DISABLE_EVENTLET_PATCHING='false'
                    )
                    self.assertEqual(
                        [
                            *(['failed'] if fails == broken else []),
                            str(before == 'enable'),
                        ],
                        result.stdout.split(),
                        result.stderr,
                    )

    def test_without_nova(self):
        code = (
            'import sys; sys.path_importer_cache.clear(); '
            'import importlib.util as u; find = u.find_spec; '
            'u.find_spec = lambda name, *a: '
            'None if name == "nova" else find(name, *a); '
            'import safe_fixtures.nova'
        )
        bare = self._import(code)
        self.assertEqual(1, bare.returncode)
        self.assertIn(
            "pip install -c constraints/nova34.txt '.[cli,nova]'", bare.stderr
        )
