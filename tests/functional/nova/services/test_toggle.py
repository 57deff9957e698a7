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

"""SafeServiceToggle on real Nova."""

from nova import context as nova_context
from nova import objects
from nova import service as nova_service
from nova import test
from nova.tests.functional.api import client
from nova import utils
from oslo_config import fixture as config_fixture
import requests
from sqlalchemy.engine import base
from sqlalchemy.engine import default
import testtools

from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures import SafeServiceToggle
from safe_fixtures.testing import expect_violation
from tests.functional.nova import inner
from tests.functional.nova.services import restores
from tests.support import subtests


class TestElsewhere(subtests.SubTests, testtools.TestCase):
    """The toggle without a hardened base, and several toggles."""

    def _run(self, act, base):
        seen = {}

        class Inner(base):
            def test(self):
                service = inner.make_service(self, 'host')
                self.addCleanup(
                    lambda: seen.update(state=inner.state_of(self, 'host'))
                )
                act(self, service)

        result = inner.run_inner(Inner)
        return inner.problems(result), seen.get('state')

    class Plain(inner.ApiMixin, test.TestCase):
        pass

    def test_plain_nova_test(self):
        def act(test, service):
            test.useFixture(SafeServiceToggle())
            test.admin_api.put_service(service.uuid, {'forced_down': True})

        problems, state = self._run(act, self.Plain)
        self.assertEqual('', problems)
        self.assertEqual(restores.EXPECTED['enabled'], state)

    def test_plain_nova_test_without_it(self):
        def act(test, service):
            test.admin_api.put_service(service.uuid, {'forced_down': True})

        problems, state = self._run(act, self.Plain)
        self.assertEqual('', problems)
        self.assertEqual((False, None, True), state)

    def test_before_the_set_up_of_nova(self):
        class Early(inner.ApiMixin, test.TestCase):
            def setUp(self):
                self.useFixture(SafeServiceToggle(test=self))
                super().setUp()

        def act(test, service):
            test.admin_api.put_service(service.uuid, {'forced_down': True})

        problems, state = self._run(act, Early)
        self.assertEqual('', problems)
        self.assertEqual(restores.EXPECTED['enabled'], state)

    def test_nested(self):
        ledgers = []

        def act(test, service):
            own = test.useFixture(SafeServiceToggle())
            ledgers.extend([test.service_toggle.ledger, own.ledger])
            own.disable('host')
            test.service_toggle.force_down('host')

        problems, state = self._run(act, inner.SafeApiTestCase)
        self.assertEqual('', problems)
        self.assertEqual(restores.EXPECTED['enabled'], state)
        for whose, ledger in zip(('test', 'own'), ledgers, strict=True):
            with self.subTest(whose=whose):
                self.assertLessEqual(2, len(ledger))
                self.assertNotIn(None, [entry.restored for entry in ledger])

    def test_inner_toggle_gives_back_what_it_found(self):
        def act(test, service):
            test.service_toggle.disable('host', reason='outer')
            with SafeServiceToggle(test=None) as own:
                handle = own.disable('host', reason='inner')
                handle.restore()
                test.assertEqual(
                    (True, 'outer', False), inner.state_of(test, 'host')
                )

        problems, state = self._run(act, inner.SafeApiTestCase)
        self.assertEqual('', problems)
        self.assertEqual(restores.EXPECTED['enabled'], state)

    def test_nova_is_not_left_patched(self):
        def patched():
            return (
                default.DefaultDialect.do_execute,
                default.DefaultDialect.do_executemany,
                default.DefaultDialect.do_execute_no_params,
                base.Connection._handle_dbapi_exception,
                nova_service.Service.__init__,
            )

        before = patched()
        during = []

        def act(test, service):
            # Each looks for a running compute to tell.
            test.service_toggle.disable('host')
            test.service_toggle.enable('host')
            during.extend(patched())

        self._run(act, inner.SafeApiTestCase)
        for old, new in zip(before, during, strict=True):
            with self.subTest(old=old):
                self.assertIsNot(old, new)
        for old, new in zip(before, patched(), strict=True):
            with self.subTest(old=old):
                self.assertIs(old, new)


class TestGivenClient(subtests.SubTests, testtools.TestCase):
    """SafeServiceToggle(api=...) with a client of real Nova."""

    def _run(self, act):
        seen = {}

        class Inner(inner.ApiMixin, test.TestCase):
            def test(self):
                service = inner.make_service(self, 'host')
                other = inner.make_service(self, 'other')
                self.addCleanup(look, self)
                api = self.api_fixture.admin_api
                toggle = self.useFixture(SafeServiceToggle(api=api))
                seen['toggle'] = toggle
                self.assertIn('put_service', vars(api))
                act(self, toggle, service, other)

        def look(test):
            seen['host'] = inner.state_of(test, 'host')
            seen['other'] = inner.state_of(test, 'other')
            seen['vars'] = sorted(vars(test.admin_api))

        result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertNotIn('put_service', seen['vars'])
        return seen

    def test_its_put_service_is_restored(self):
        def act(test, toggle, service, other):
            test.admin_api.put_service(service.uuid, {'forced_down': True})
            test.admin_api.put_service(
                service_id=other.uuid, req={'status': 'disabled'}
            )
            test.assertEqual((False, None, True), inner.state_of(test, 'host'))
            test.assertEqual(2, len(toggle.ledger))

        seen = self._run(act)
        self.assertEqual(restores.EXPECTED['enabled'], seen['host'])
        self.assertEqual(restores.EXPECTED['enabled'], seen['other'])

    def test_before_2_53(self):
        def act(test, toggle, service, other):
            test.admin_api.microversion = '2.11'
            test.admin_api.put_service(
                'disable-log-reason',
                {
                    'host': 'host',
                    'binary': 'nova-compute',
                    'disabled_reason': 'x',
                },
            )
            test.admin_api.put_service(
                'force-down',
                {
                    'host': 'other',
                    'binary': 'nova-compute',
                    'forced_down': 'true',
                },
            )
            test.assertEqual((True, 'x', False), inner.state_of(test, 'host'))
            test.assertEqual(
                (False, None, True), inner.state_of(test, 'other')
            )

        seen = self._run(act)
        self.assertEqual(restores.EXPECTED['enabled'], seen['host'])
        self.assertEqual(restores.EXPECTED['enabled'], seen['other'])

    def test_own_methods(self):
        def act(test, toggle, service, other):
            toggle.disable('host', reason='x')
            with toggle.force_down(other.uuid):
                test.assertEqual(
                    (False, None, True), inner.state_of(test, 'other')
                )
            test.assertEqual(
                restores.EXPECTED['enabled'], inner.state_of(test, 'other')
            )
            test.assertEqual((True, 'x', False), inner.state_of(test, 'host'))

        seen = self._run(act)
        self.assertEqual(restores.EXPECTED['enabled'], seen['host'])
        self.assertEqual(
            ['nova-compute on host', 'nova-compute on other'],
            [str(entry.service) for entry in seen['toggle'].ledger],
        )

    def test_other_clients_are_not_watched(self):
        def act(test, toggle, service, other):
            api = test.api_fixture.alternative_admin_api
            api.microversion = 'latest'
            api.put_service(service.uuid, {'forced_down': True})

        seen = self._run(act)
        self.assertEqual((False, None, True), seen['host'])
        self.assertEqual([], seen['toggle'].ledger)

    def test_what_the_api_refuses(self):
        def act(test, toggle, service, other):
            for service_id, body in (
                (service.uuid, {}),
                ('11111111-2222-3333-4444-555555555555', {'forced_down': 1}),
            ):
                with self.subTest(body=body):
                    test.assertRaises(
                        client.OpenStackApiException,
                        test.admin_api.put_service,
                        service_id,
                        body,
                    )

        self.assertEqual(restores.EXPECTED['enabled'], self._run(act)['host'])


class TestWhichService(subtests.SubTests, testtools.TestCase):
    """The forms in which a service can be given."""

    def test_every_form(self):
        outer = self

        class Inner(restores.RunningCompute):
            def test(self):
                api = self.admin_api
                new = self.service()
                with utils.temporary_mutation(api, microversion='2.52'):
                    old = self.service()
                self.assertIsInstance(old['id'], int)
                record = objects.Service.get_by_compute_host(
                    nova_context.get_admin_context(), 'compute'
                )
                forms = [
                    'compute',
                    new['id'],
                    new,
                    old,
                    self.compute,
                    record,
                ]
                for form in forms:
                    with outer.subTest(form=form):
                        handle = self.service_toggle.force_down(form)
                        self.assertEqual(record.uuid, handle.service.uuid)
                        self.assertTrue(self.service()['forced_down'])
                        handle.restore()
                        self.assertFalse(self.service()['forced_down'])

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_unknown_lists_the_candidates(self):
        outer = self
        messages = []

        class Inner(inner.SafeApiTestCase):
            def test(self):
                inner.make_service(self, 'host1')
                inner.make_service(self, 'host2')
                for unknown in (
                    'host3',
                    '11111111-2222-3333-4444-555555555555',
                    {'host': 'host3', 'binary': 'nova-compute'},
                ):
                    with outer.subTest(unknown=unknown):
                        error = self.assertRaises(
                            LookupError, self.service_toggle.disable, unknown
                        )
                        messages.append(str(error))
                self.assertRaises(
                    LookupError, self.service_toggle.disable, object()
                )
                self.assertEqual([], self.service_toggle.ledger)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(3, len(messages))
        for message in messages:
            self.assertIn('is unknown', message)
            self.assertIn('nova-compute on host1', message)
            self.assertIn('nova-compute on host2', message)


class TestOutsideATest(subtests.SubTests, testtools.TestCase):
    """SF202: not a test endpoint, or the fixture is not active."""

    def _refused(self, toggle):
        for call in (
            toggle.disable,
            toggle.enable,
            toggle.force_down,
            toggle.force_up,
        ):
            with self.subTest(call=call.__name__):
                error = self.assertRaises(
                    exceptions.SafetyViolation, call, 'host'
                )
                self.assertEqual('SF202', error.code)

    def test_before_set_up_and_after_cleanup(self):
        refuse = self._refused
        used = []

        class Inner(inner.SafeApiTestCase):
            def test(self):
                inner.make_service(self, 'host')
                toggle = SafeServiceToggle()
                used.append(toggle)
                refuse(toggle)
                with toggle:
                    toggle.disable('host')
                    used.append(inner.state_of(self, 'host'))
                refuse(toggle)
                # The ledger keeps its entries.
                self.assertEqual(1, len(toggle.ledger))

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual((True, None, False), used[1])
        self._refused(used[0])

    def test_public_endpoint(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                requests.put(
                    'http://203.0.113.5/v2.1/os-services/x',
                    json={'status': 'disabled'},
                    timeout=1,
                )

        result = inner.run_inner(Inner)
        self.assertEqual(
            (0, 1), restores.counts(result), inner.problems(result)
        )
        self.assertIn('SF202', inner.problems(result))
        self.assertIn(
            'http://203.0.113.5/v2.1/os-services/x', inner.problems(result)
        )

    def test_public_endpoint_whatever_the_mode_and_if_swallowed(self):
        class Inner(inner.SafeApiTestCase):
            def setUp(self):
                self.useFixture(config_fixture.Config(conf.CONF)).config(
                    mode='off', group='safe_fixtures'
                )
                super().setUp()

            def test(self):
                try:
                    requests.put(
                        'http://203.0.113.5/v2.1/os-services/x',
                        json={'status': 'disabled'},
                        timeout=1,
                    )
                except AssertionError:
                    pass

        result = inner.run_inner(Inner)
        self.assertEqual(
            (0, 1), restores.counts(result), inner.problems(result)
        )
        self.assertIn('SF202', inner.problems(result))

    def test_expected_refusal_is_no_failure(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                with expect_violation('SF202') as seen:
                    requests.put(
                        'http://203.0.113.5/v2.1/os-services/x',
                        json={'status': 'disabled'},
                        timeout=1,
                    )
                self.assertIn('203.0.113.5', seen[0].message)

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))

    def test_client_of_a_public_endpoint(self):
        class Inner(inner.ApiMixin, test.TestCase):
            def test(self):
                api = client.TestOpenStackClient(
                    'admin', 'http://203.0.113.5/v2.1', roles=['admin']
                )
                error = self.assertRaises(
                    exceptions.SafetyViolation,
                    self.useFixture,
                    SafeServiceToggle(api=api),
                )
                self.assertEqual('SF202', error.code)
                self.assertNotIn('put_service', vars(api))

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
