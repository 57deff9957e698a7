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

"""The examples in the docstrings of the public names, run."""

# Nova goes first: it patches the standard library for eventlet.
import safe_fixtures.nova  # isort: skip

import inspect
import socket
import textwrap
import unittest

from nova import service
from nova import test
from nova.tests.functional import integrated_helpers
import testtools

from safe_fixtures.guards.services import ToggleHandle
from safe_fixtures.nova import SafeIntegratedTestBase
import safe_fixtures.testing
from safe_fixtures.testing import FakeComputeClient

PUBLIC = {
    name: getattr(package, name)
    for package in (safe_fixtures, safe_fixtures.testing, safe_fixtures.nova)
    for name in package.__all__
    # Another that is made with hardened() and has no words of its own.
    if name != 'SafeServersTestBase'
} | {'ToggleHandle': ToggleHandle}


def _examples_of(subject):
    """Yield the code of each example in a docstring."""
    doc = inspect.cleandoc(subject.__doc__ or '')
    for block in doc.split('\nExample::\n')[1:]:
        lines = []
        for line in block.splitlines():
            if line and not line.startswith(' '):
                break
            lines.append(line)
        yield textwrap.dedent('\n'.join(lines)).strip('\n')


EXAMPLES = {
    name: example
    for name, subject in PUBLIC.items()
    for example in _examples_of(subject)
    # At a prompt, they are run by test_doctests.
    if '>>>' not in example
}
WITHOUT_NOVA = {
    'FakeComputeClient',
    'FixtureContract',
    'IsolationGuard',
    'SafeServicesMixin',
    'ToggleHandle',
    'waive',
}
WITH_NOVA = {
    'Alerts',
    'ApiGate',
    'AuditTrail',
    'DummyDataGuard',
    'IsDummyFlavor',
    'IsDummyImage',
    'MicroversionPin',
    'PayloadGuard',
    'PostureGuard',
    'SafeCastAsCall',
    'SafeServiceToggle',
    'ServerPermissions',
    'ServiceStartGuard',
    'expect_violation',
}
# They define a test class rather than do something in a test.
METHODS = {
    'InstalledNova',
    'PromptBus',
    'RedactedOutput',
    'WaitForChange',
    'WarmNova',
}
CLASSES = {*METHODS, 'SafeTestCase', 'hardened'}


class _Examples:
    def run_example(self, name, **names):
        namespace = {
            'self': self,
            'integrated_helpers': integrated_helpers,
            'safe_fixtures': safe_fixtures,
            **PUBLIC,
            **names,
        }
        exec(compile(EXAMPLES[name], name, 'exec'), namespace)
        return namespace


class TestWithoutNova(_Examples, testtools.TestCase):
    def test_every_example_is_run(self):
        self.assertEqual(
            sorted(WITHOUT_NOVA | WITH_NOVA | CLASSES), sorted(EXAMPLES)
        )

    def test_safe_services_mixin(self):
        class ServersAffinityTest(testtools.TestCase):
            pass

        found = self.run_example(
            'SafeServicesMixin', ServersAffinityTest=ServersAffinityTest
        )
        self.assertTrue(issubclass(found['TestAffinity'], ServersAffinityTest))

    def test_methods(self):
        """A method, which is put into a class on a base of Nova's."""
        for name in METHODS:
            source = textwrap.indent(EXAMPLES[name], '    ')
            namespace = {'base': test.NoDBTestCase, **PUBLIC}
            exec(
                f'class Test(base):\n{source}\n    def test(self): pass',
                namespace,
            )
            result = testtools.TestResult()
            namespace['Test']('test').run(result)
            self.assertTrue(result.wasSuccessful(), name)
            self.assertEqual(1, result.testsRun, name)

    def test_fake_compute_client(self):
        client = self.run_example('FakeComputeClient')['client']
        self.assertEqual(
            ['disabled', 'enabled'],
            [service['status'] for service in client.get_services()],
        )

    def test_isolation_guard(self):
        self.run_example('IsolationGuard', socket=socket)

    def test_toggle_handle(self):
        client = FakeComputeClient(['host1'])
        self.service_toggle = self.useFixture(
            safe_fixtures.SafeServiceToggle(api=client)
        )
        self.run_example('ToggleHandle')
        self.assertEqual('enabled', client.get_services()[0]['status'])
        self.assertEqual(1, len(self.service_toggle.ledger))

    def test_waive(self):
        self.assertTrue(callable(self.run_example('waive')['test_import']))

    def test_fixture_contract(self):
        class MyFixture(safe_fixtures.AuditTrail):
            def do_something(self):
                self.record('disable', 'host1')

        class module:
            attribute = None

        cls = self.run_example(
            'FixtureContract',
            MyFixture=MyFixture,
            module=module,
            testtools=testtools,
        )['TestMyFixture']
        result = testtools.TestResult()
        unittest.TestLoader().loadTestsFromTestCase(cls).run(result)
        self.assertEqual([], result.errors + result.failures)
        self.assertNotEqual(0, result.testsRun)


class TestWithNova(_Examples, SafeIntegratedTestBase):
    ADMIN_API = True
    microversion = 'latest'

    def setUp(self):
        super().setUp()
        self.admin_api = self.api

    def test_alerts(self):
        self.run_example('Alerts')

    def test_api_gate(self):
        count = self.run_example('ApiGate')['count']
        self.api.get_servers()
        self.assertEqual(1, count.calls)

    def test_audit_trail(self):
        self._start_compute('host1')
        self.run_example('AuditTrail')

    def test_dummy_data_guard(self):
        self.run_example('DummyDataGuard')

    def test_expect_violation(self):
        # Not through create(), which would refuse it.
        image_id = 'ab' * 16
        self.glance.images[image_id] = dict(
            self.glance.image1,
            id=image_id,
            locations=['https://images.openstack.org/cirros.img'],
        )
        self.addCleanup(self.glance.images.pop, image_id, None)
        server = self._build_server(image_uuid=image_id, networks='none')
        self.run_example('expect_violation', server=server)
        self.assertEqual([], self.api.get_servers())
        self.glance.images.pop(image_id)

    def test_is_dummy_flavor(self):
        self.run_example('IsDummyFlavor', flavor=self.api.get_flavors()[0])

    def test_is_dummy_image(self):
        self.image_id = next(iter(self.glance.images))
        self.run_example('IsDummyImage')

    def test_payload_guard(self):
        self.run_example('PayloadGuard')

    def test_posture_guard(self):
        self.run_example('PostureGuard')

    def test_safe_cast_as_call(self):
        self.run_example('SafeCastAsCall')

    def test_server_permissions(self):
        self.run_example('ServerPermissions')
        checked = [
            event['outcome']
            for event in self.audit_trail.events
            if event['action'] == 'evaluate/permissions'
        ]
        self.assertEqual(['success'], checked)

    def test_service_start_guard(self):
        self.run_example('ServiceStartGuard')
        self._start_compute('host1')
        with safe_fixtures.expect_violation('SF204'):
            service.Service.create(binary='nova-scheduler')

    def test_safe_service_toggle(self):
        for host in ('host1', 'host2'):
            self._start_compute(host)
        toggle = self.run_example('SafeServiceToggle')['toggle']
        self.assertEqual(2, len(toggle.ledger))

    def test_classes(self):
        for name in ('SafeTestCase', 'hardened'):
            namespace = self.run_example(name)
            (cls,) = (
                value
                for key, value in namespace.items()
                if key.startswith('Test')
            )
            self.assertTrue(
                issubclass(cls, safe_fixtures.nova.SafeTestCase), name
            )
            self.assertTrue(cls.ADMIN_API, name)


class TestOnBaseOfNova(_Examples, integrated_helpers._IntegratedTestBase):
    ADMIN_API = True

    def setUp(self):
        self.useFixture(safe_fixtures.nova.InstalledNova())
        super().setUp()
        self.admin_api = self.api

    def test_microversion_pin(self):
        self.run_example('MicroversionPin')
        response = self.admin_api.api_get('/servers')
        self.assertEqual(
            'compute 2.53', response.headers['OpenStack-API-Version']
        )
