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

"""Declared outages, and the timeline of an outage, on real Nova."""

import re

from nova.compute import api as compute_api
from nova.compute import rpcapi
from nova import service as nova_service
from sqlalchemy.engine import base
from sqlalchemy.engine import default

from safe_fixtures.guards import services
from safe_fixtures import testing
from tests.functional.nova.services import computes


class TestDeclared(computes.TestCase):
    def setUp(self):
        super().setUp()
        self.configure(mode='enforce', rule_modes='SF406:audit,SF503:audit')

    def test_by_the_toggle(self):
        def act(case):
            server = case.boot()
            with case.service_toggle.force_down(
                case.full, expecting_servers=True, reason=computes.REASON
            ):
                case.full.stop()
                # It has stopped already, so this is no moment.
                case.full.stop()
                case.admin_api.delete_server(server['id'])
                case._wait_until_deleted(server)
                case.full.start()
            case.assertEqual(computes.UP, case.service_of(case.full))

        self.assertPassed(self.inner(act))
        (outage,) = self.outages
        self.assertEqual(computes.REASON, outage.reason)
        self.assertEqual('no server is on it any more', outage.ended)
        told = [moment.what for moment in outage.moments]
        self.assertEqual(['forced down', 'stopped'], told[:2])
        self.assertEqual(1, outage.moments[1].times)
        self.assertIn(f'DELETE /servers/{outage.servers[0].uuid}: 204', told)
        (on_record,) = computes.contents(self.trail, 'monitor/outage')
        self.assertEqual(round(outage.seconds, 6), on_record['seconds'])
        self.assertEqual(
            [str(moment) for moment in outage.moments], on_record['moments']
        )

    def test_of_a_compute_that_is_started_anew(self):
        def act(case):
            case.boot()
            case.service_toggle.force_down(
                case.full, expecting_servers=True, reason=computes.REASON
            )
            case.full.kill()
            case.full = case.start_service('compute', host='full')
            case.full.stop()

        self.assertPassed(self.inner(act))
        self.assertEqual(
            [computes.REASON] * len(self.outages),
            [outage.reason for outage in self.outages],
        )

    def test_by_a_waiver(self):
        def act(case):
            case.boot()
            case.full.stop()
            computes.RAW['force down'](case, case.full)
            case.full.start()
            computes.RAW['disable'](case, case.full)
            # Each counts, although the compute is disabled already.
            computes.HOSTS['put the host into maintenance'](case, case.full)
            computes.HOSTS['shut the host down'](case, case.full)
            case.assertEqual(
                [
                    'stopped',
                    'forced down',
                    'disabled',
                    'put into maintenance',
                    'shut down or rebooted',
                ],
                [found['how'] for found in case.records('evaluate/violation')],
            )

        self.assertPassed(self.inner(act, waived=computes.REASON))
        (outage,) = self.outages[:1]
        self.assertEqual(computes.REASON, outage.reason)

    def test_on_a_toggle_of_its_own(self):
        def act(case):
            case.boot()
            for api in (None, case.admin_api):
                with self.subTest(api=api):
                    toggle = services.SafeServiceToggle(api=api)
                    with (
                        toggle,
                        toggle.disable(
                            'full', computes.REASON, expecting_servers=True
                        ),
                    ):
                        case.assertEqual(
                            'disabled', case.service_of(case.full)[0]
                        )
            # Reported once, by the innermost toggle.
            with testing.expect_violation('SF203') as seen:
                with services.SafeServiceToggle(api=case.admin_api):
                    computes.RAW['disable'](case, case.full)
            case.assertEqual(1, len(seen))
            case.assertEqual(1, len(case.records('deny')))

        self.assertPassed(self.inner(act))


class TestOutage(computes.TestCase):
    def test_timeline_of_a_test_that_fails(self):
        def act(case):
            server = case.boot()
            case.full.stop()
            computes.RAW['force down'](case, case.full)
            case.admin_api.get_server(server['id'])
            case.admin_api.get_server(server['id'])
            computes.put({'forced_down': False})(case, case.full)
            case.full.start()
            case.fail('for another reason')

        self.inner(act)
        timeline = self.case.getDetails()['safe_fixtures.timeline'].as_text()
        (outage,) = self.outages
        path = f'/os-services/{outage.service.uuid}'
        told = [
            re.sub(r'^ *\+\d+\.\d{3} s  | \(/.*\)$', '', line)
            for line in timeline.splitlines()
        ]
        self.assertEqual(
            [
                'nova-compute on full was out of service with 1 server on it',
                'stopped by Service.stop',
                f'forced down by PUT /v2.1{path}',
                f'PUT {path}: 200',
                f'GET /servers/{outage.servers[0].uuid}: 200 (2 times)',
                f'enabled by PUT /v2.1{path}',
                f'PUT {path}: 200',
                'started by Service.start',
                'in service again',
            ],
            told,
        )

    def test_three_exits_leave_no_trace(self):
        def fail(case):
            case.full.stop()
            case.fail('for another reason')

        def set_up(case):
            super(case.__class__, case).setUp()
            case.boot()
            case.full.stop()
            raise ZeroDivisionError

        before = attributes()
        for kwargs in ({'act': computes.Computes.boot}, {'act': fail}):
            with self.subTest(**kwargs):
                self.inner(**kwargs)
                self.assertEqual(before, attributes())
        self.inner(act=fail, setUp=set_up)
        self.assertEqual(before, attributes())


def attributes():
    """Return what is patched, by identity."""
    return {
        f'{target.__name__}.{name}': id(vars(target)[name])
        for target, name in (
            (default.DefaultDialect, 'do_execute'),
            (base.Connection, '_handle_dbapi_exception'),
            (compute_api.AggregateAPI, 'get_aggregates_by_host'),
            (rpcapi.ComputeAPI, 'build_and_run_instance'),
            (rpcapi.ComputeAPI, 'host_maintenance_mode'),
            (rpcapi.ComputeAPI, 'host_power_action'),
            (rpcapi.ComputeAPI, 'set_host_enabled'),
            (nova_service.Service, 'start'),
            (nova_service.Service, 'stop'),
        )
    }
