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

"""What services are owed, and restores that fail."""

import fixtures
from nova.db.main import api as db
from nova import exception
from nova.tests.functional.api import client
from oslo_config import fixture as config_fixture
import testtools
from testtools import matchers

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures import waive
from tests.functional.nova import inner
from tests.functional.nova.services import restores


class TestLedger(testtools.TestCase):
    def _ledger(self, act):
        seen = restores.Seen()

        class Inner(inner.SafeApiTestCase):
            def test(self):
                service = inner.make_service(self, 'host')
                seen.watch(self, 'host')
                act(self, service)

        result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertEqual(restores.EXPECTED['enabled'], seen.state['host'])
        return seen

    def test_says_which_request_and_where(self):
        def act(test, service):
            test.admin_api.put_service(service.uuid, {'forced_down': True})

        (entry,) = self._ledger(act).ledger
        self.assertIn('PUT /v2.1/os-services/', entry.by)
        self.assertIn('test_ledger.py:', entry.by)
        self.assertEqual('nova-compute on host', str(entry.service))

    def test_says_that_it_was_the_record(self):
        def act(test, service):
            service.forced_down = True
            service.save()

        (entry,) = self._ledger(act).ledger
        self.assertThat(entry.by, matchers.StartsWith('the record ('))
        self.assertIn('test_ledger.py:', entry.by)

    def test_says_that_it_was_the_toggle(self):
        def act(test, service):
            test.service_toggle.disable('host', reason='why')

        seen = self._ledger(act)
        self.assertIn('SafeServiceToggle.disable', seen.ledger[0].by)
        (event,) = seen.events('disable')
        self.assertEqual("disabled ('why')", audit.details(event)['after'])

    def test_first_of_several_changes_counts(self):
        def act(test, service):
            api = test.admin_api
            api.put_service(service.uuid, {'forced_down': True})
            api.put_service(service.uuid, {'status': 'disabled'})
            api.put_service(service.uuid, {'forced_down': False})

        seen = self._ledger(act)
        self.assertEqual(3, len(seen.ledger))
        self.assertEqual(1, len(seen.events('restore/service')))

    def test_what_changes_nothing_is_not_in_it(self):
        def act(test, service):
            test.admin_api.put_service(service.uuid, {'status': 'enabled'})
            # Last, as a service that reports counts as up, and is then called.
            service.report_count += 1
            service.save()

        seen = self._ledger(act)
        self.assertEqual([], seen.ledger)
        self.assertEqual([], seen.events('restore/service'))

    def test_what_the_test_took_back_itself(self):
        def act(test, service):
            api = test.admin_api
            api.put_service(service.uuid, {'status': 'disabled'})
            api.put_service(service.uuid, {'status': 'enabled'})

        self.assertEqual(
            ['already as before'] * 2, self._ledger(act).restored()
        )

    def test_refused_change_is_not_in_it(self):
        def act(test, service):
            error = test.assertRaises(
                client.OpenStackApiException,
                test.admin_api.put_service,
                service.uuid,
                {'status': 'enabled', 'disabled_reason': 'no'},
            )
            test.assertEqual(400, error.response.status_code)

        self.assertEqual([], self._ledger(act).ledger)

    def test_restored_in_reverse_order(self):
        seen = restores.Seen()

        class Inner(inner.SafeApiTestCase):
            def test(self):
                hosts = ['host1', 'host2', 'host3']
                for host in hosts:
                    inner.make_service(self, host)
                seen.watch(self, *hosts)
                for host in ['host2', 'host1', 'host3', 'host2']:
                    self.service_toggle.disable(host, reason=str(object()))

        self.assertEqual('', inner.problems(inner.run_inner(Inner)))
        self.assertEqual(
            [
                f'nova-compute on {host}'
                for host in ('host3', 'host1', 'host2')
            ],
            [
                event['target']['name']
                for event in seen.events('restore/service')
            ],
        )
        self.assertEqual({(False, None, False)}, set(seen.state.values()))


class TestRestoreThatFails(testtools.TestCase):
    """A service that cannot be restored is SF201; the others are restored."""

    def _run(self, act, spoil='ignore', decorate=None, mode=None):
        seen = restores.Seen()
        spoiled = []

        class Inner(inner.SafeApiTestCase):
            def setUp(self):
                if mode is not None:
                    self.useFixture(config_fixture.Config(conf.CONF)).config(
                        group='safe_fixtures', **mode
                    )
                super().setUp()
                update = db.service_update
                for host in ('good1', 'bad', 'good2'):
                    inner.make_service(self, host)
                seen.watch(self, 'good1', 'bad', 'good2')

                def service_update(context, service_id, values):
                    service = db.service_get(context, service_id)
                    if spoiled and service.host in spoiled:
                        if spoil == 'ignore':
                            return service
                        raise exception.ServiceNotFound(service_id='spoiled')
                    return update(context, service_id, values)

                self.useFixture(
                    fixtures.MonkeyPatch(
                        'nova.db.main.api.service_update', service_update
                    )
                )

            def test(self):
                act(self, spoiled)

            if decorate is not None:
                test = decorate(test)

        return inner.run_inner(Inner), seen

    @staticmethod
    def _toggle_all(test, spoiled):
        test.service_toggle.disable('good1')
        test.service_toggle.disable('bad', reason='stuck')
        test.service_toggle.disable('good2')
        spoiled.append('bad')

    def _assert_others_restored(self, seen):
        self.assertEqual(restores.EXPECTED['enabled'], seen.state['good1'])
        self.assertEqual(restores.EXPECTED['enabled'], seen.state['good2'])
        self.assertEqual((True, 'stuck', False), seen.state['bad'])

    def test_write_that_is_ignored(self):
        result, seen = self._run(self._toggle_all)

        self.assertEqual((0, 1), restores.counts(result))
        problems = inner.problems(result)
        self.assertIn('SF201', problems)
        self.assertIn(
            "nova-compute on bad should be enabled again, and is disabled "
            "('stuck')",
            problems,
        )
        self.assertNotIn('on good', problems)
        self._assert_others_restored(seen)

    def test_write_that_raises(self):
        result, seen = self._run(self._toggle_all, spoil='raise')

        self.assertEqual((0, 1), restores.counts(result))
        problems = inner.problems(result)
        self.assertIn(
            "nova-compute on bad should be enabled again, and is disabled "
            "('stuck')",
            problems,
        )
        self.assertIn('ServiceNotFound: Service spoiled', problems)
        self._assert_others_restored(seen)

    def test_twin_that_works(self):
        def act(test, spoiled):
            self._toggle_all(test, spoiled)
            spoiled.clear()

        result, seen = self._run(act)
        self.assertEqual('', inner.problems(result))
        self.assertEqual(
            {restores.EXPECTED['enabled']}, set(seen.state.values())
        )

    def test_every_one_that_fails_is_reported(self):
        def act(test, spoiled):
            self._toggle_all(test, spoiled)
            spoiled.append('good2')

        result, seen = self._run(act)
        problems = inner.problems(result)
        self.assertIn('nova-compute on bad should be', problems)
        self.assertIn('nova-compute on good2 should be', problems)
        self.assertEqual(restores.EXPECTED['enabled'], seen.state['good1'])

    def test_in_a_block_even_if_swallowed(self):
        def act(test, spoiled):
            try:
                with test.service_toggle.disable('bad'):
                    spoiled.append('bad')
            except exceptions.RestoreFailed as error:
                test.assertEqual('nova-compute on bad', error.service)
                test.assertEqual('enabled', error.wanted.status)
                test.assertEqual('disabled', error.actual.status)
            else:
                test.fail('the block did not raise')

        result, _ = self._run(act)
        self.assertEqual((0, 1), restores.counts(result))
        problems = inner.problems(result)
        self.assertIn('SF201', problems)
        self.assertNotIn('the block did not raise', problems)

    def test_mode_audit_records_only(self):
        for mode in ({'mode': 'audit'}, {'rule_modes': {'SF201': 'audit'}}):
            with self.subTest(mode=mode):
                result, seen = self._run(self._toggle_all, mode=mode)
                self.assertEqual('', inner.problems(result))
                (event,) = seen.events('evaluate/violation')
                self.assertEqual('SF201', event['reason']['reasonCode'])
                self._assert_others_restored(seen)

    def test_waived(self):
        result, seen = self._run(
            self._toggle_all, decorate=waive('SF201', reason='on purpose')
        )
        self.assertEqual('', inner.problems(result))
        (event,) = seen.events('allow/waiver')
        self.assertEqual('on purpose', audit.details(event)['reason'])
        self._assert_others_restored(seen)

    def test_waiver_of_another_rule_does_not_help(self):
        result, _ = self._run(
            self._toggle_all, decorate=waive('SF301', reason='on purpose')
        )
        self.assertIn('SF201', inner.problems(result))
